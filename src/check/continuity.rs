//! Does the forecast change from slice to slice as much as observed rain changes, and does it join on to the newest frame without a jump?

use ndarray::ArrayView2;
use nowblend_field::Slice;

use super::{
    Check, CheckConfig, Evidence, Finding, Threshold,
    coarse::block_mean,
    finding::{Measure, short},
    observed::before,
    wet_area::beyond,
};

/// Least mean rain, mm h⁻¹, for a relative change to mean anything.
const LEAST_RAIN_MM_H: f64 = 0.01;

/// Relative change Σ|R - R before| / Σ(R + R before) from the slice before (the newest frame for the first), in relation to the change
/// that was observed over the same time.
///
/// A jump is worse than calm: a smooth forecast of what can be predicted changes less than rain does and is never more than suspect.
#[derive(Debug, Clone)]
pub struct Continuity {
    ratio: [f64; 2],
}

impl Continuity {
    /// Under the configuration's limits.
    pub fn new(config: &CheckConfig) -> Self {
        Self {
            ratio: config.change_ratio,
        }
    }

    /// Relative change of the forecast, and of the observation.
    fn both(slice: &Slice, evidence: &Evidence<'_>) -> Result<(f64, f64), String> {
        let observed = evidence.observed;
        let rain = observed.rain_of(slice)?;
        let (earlier, step) = before(slice.lead_time, observed, evidence.history)?;
        let now = block_mean(rain.view(), observed.factor());
        let forecast = change(now.view(), earlier).ok_or("forecast and slice before are dry")?;
        let earlier = observed
            .earlier(step)
            .ok_or_else(|| format!("no observed frame lies {} min before the newest", short(step.minutes())))?;
        let observation = change(observed.latest(), earlier.view()).ok_or("the newest frames are dry")?;
        if observation < 1e-3 {
            return Err("the newest frames do not change".to_owned());
        }
        Ok((forecast, observation))
    }
}

/// Σ|a - b| / Σ(a + b) over blocks known in both; nothing where that is dry.
fn change(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) -> Option<f64> {
    let (mut difference, mut sum, mut known) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b.iter()).filter(|(a, b)| a.is_finite() && b.is_finite()) {
        difference += f64::from((a - b).abs());
        sum += f64::from(a.abs() + b.abs());
        known += 2.0;
    }
    (sum > LEAST_RAIN_MM_H * known).then(|| difference / sum)
}

impl Check for Continuity {
    fn name(&self) -> &str {
        "continuity"
    }

    fn check(&self, slice: &Slice, evidence: &Evidence<'_>) -> Finding {
        let [least, most] = self.ratio;
        let measure = Measure {
            check: self.name(),
            unit: "1",
            threshold: Threshold::between(least, most),
            source: "proposal, to be calibrated over honest hindcasts",
        };
        let (forecast, observed) = match Self::both(slice, evidence) {
            Ok(both) => both,
            Err(why) => return measure.not_applicable(slice.lead_time, evidence, why),
        };
        let ratio = forecast / observed;
        let excess = beyond(ratio, least, most);
        // Calm alone does not fail: it stops at the end of suspicion.
        let excess = if ratio < 1.0 { excess.min(2.0) } else { excess };
        let message = format!(
            "{} % of the rain changes from the {} on, {} % did between observed frames",
            short(100.0 * forecast),
            if evidence.history.is_empty() {
                "newest frame"
            } else {
                "slice before"
            },
            short(100.0 * observed)
        );
        measure.graded(slice.lead_time, evidence, ratio, excess, message)
    }
}

#[cfg(test)]
mod tests {
    use nowblend_field::{Analysis, LeadTime};

    use super::*;
    use crate::check::{Verdict, scenes};

    fn check() -> Continuity {
        Continuity::new(&CheckConfig::default())
    }

    #[test]
    fn storms_that_go_on_as_they_came_pass() {
        let scene = scenes::storms(5);
        let analysis = scenes::analysis(&scene);
        for finding in scenes::findings(&check(), &analysis, &scenes::truth(&scene, &[5, 10, 20])) {
            assert_eq!(finding.verdict, Verdict::Pass, "{}", finding.message);
        }
    }

    #[test]
    fn a_jump_fails_and_a_standstill_is_only_suspect() {
        let scene = scenes::storms(5);
        let analysis = scenes::analysis(&scene);
        let jump = scenes::first(&check(), &analysis, &scenes::teleported(&scene, 5));
        assert_eq!(jump.verdict, Verdict::Fail, "{}", jump.message);
        let still = Slice::of_rain(LeadTime::from_minutes(5), analysis.observed().last().to_owned());
        assert_eq!(scenes::first(&check(), &analysis, &still).verdict, Verdict::Suspect);
    }

    #[test]
    fn a_step_that_was_never_observed_is_not_judged() {
        let scene = scenes::storms(5);
        let whole = scenes::analysis(&scene);
        let single = Analysis::new(whole.observed().newest(1));
        assert!(!scenes::first(&check(), &single, &scenes::scaled(&scene, 5, 1.0)).applies());
        assert!(!scenes::first(&check(), &whole, &scenes::scaled(&scene, 7, 1.0)).applies());
        scenes::degenerate(&check());
    }
}
