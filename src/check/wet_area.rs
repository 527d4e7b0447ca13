//! Does the forecast keep as much wet area, and as strong extremes, as the rain that was observed?

use ndarray::{ArrayView3, s};
use nowblend_field::Slice;

use super::{
    Check, CheckConfig, Evidence, Finding, Threshold,
    finding::{Measure, short},
    observed::Carried,
};

/// Least share of wet cells for a ratio to mean anything.
const LEAST_WET: f64 = 1e-3;

/// Forecast and observed rain in the same parcels of air: the observation is the newest frame, carried along its own motion, so that
/// rain which leaves the map is missed in neither.
struct Samples<'a> {
    members: ArrayView3<'a, f32>,
    carried: &'a Carried,
}

impl<'a> Samples<'a> {
    fn take(slice: &'a Slice, evidence: &Evidence<'a>) -> Result<Self, String> {
        evidence.observed.usable_rain(slice)?;
        let Some(members) = &slice.rain else {
            return Err("the slice has no rain".to_owned());
        };
        let carried = evidence.carried.map_err(str::to_owned)?;
        let samples = Self {
            members: members.slice(s![.., ..;carried.stride, ..;carried.stride]),
            carried,
        };
        if samples.pairs().next().is_none() {
            return Err("no cell has both a forecast and an observation that was carried there".to_owned());
        }
        Ok(samples)
    }

    /// Forecast and observed rain, member by member, where both are known.
    fn pairs(&self) -> impl Iterator<Item = (f32, f32)> {
        let observed = self.carried.rain.iter().cycle();
        let pairs = self.members.iter().copied().zip(observed.copied());
        pairs.filter(|(forecast, observed)| forecast.is_finite() && observed.is_finite())
    }
}

/// Share of cells at or above the wet threshold, relative to the newest frame carried along its motion.
#[derive(Debug, Clone)]
pub struct WetArea {
    wet_mm_h: f64,
    ratio: [f64; 2],
}

impl WetArea {
    /// Under the configuration's limits.
    pub fn new(config: &CheckConfig) -> Self {
        Self {
            wet_mm_h: config.wet_mm_h,
            ratio: config.wet_area_ratio,
        }
    }
}

impl Check for WetArea {
    fn name(&self) -> &str {
        "wet_area"
    }

    fn check(&self, slice: &Slice, evidence: &Evidence<'_>) -> Finding {
        let [least, most] = self.ratio;
        let measure = Measure {
            check: self.name(),
            unit: "1",
            threshold: Threshold::between(least, most),
            source: "proposal, to be calibrated over honest hindcasts",
        };
        let samples = match Samples::take(slice, evidence) {
            Ok(samples) => samples,
            Err(why) => return measure.not_applicable(slice.lead_time, evidence, why),
        };
        let mut counts = [0usize; 3];
        for (forecast, observed) in samples.pairs() {
            let wet = |rain: f32| usize::from(f64::from(rain) >= self.wet_mm_h);
            counts
                .iter_mut()
                .zip([1, wet(forecast), wet(observed)])
                .for_each(|(sum, more)| *sum += more);
        }
        let [all, forecast, observed] = counts.map(|count| count as f64);
        let (forecast, observed) = (forecast / all, observed / all);
        if observed < LEAST_WET && forecast < LEAST_WET {
            return measure.not_applicable(slice.lead_time, evidence, "forecast and observation are dry");
        }
        let ratio = forecast.max(LEAST_WET / 10.0) / observed.max(LEAST_WET / 10.0);
        let message = format!(
            "{} % of the cells have {} mm/h or more, the newest frame had {} %",
            short(100.0 * forecast),
            short(self.wet_mm_h),
            short(100.0 * observed)
        );
        measure.graded(slice.lead_time, evidence, ratio, beyond(ratio, least, most), message)
    }
}

/// A high quantile of rain over all cells, relative to the newest frame carried along its motion.
#[derive(Debug, Clone)]
pub struct Extremes {
    quantile: f64,
    wet_mm_h: f64,
    least: f64,
}

impl Extremes {
    /// Under the configuration's limits.
    pub fn new(config: &CheckConfig) -> Self {
        Self {
            quantile: config.extreme_quantile.clamp(0.0, 1.0),
            wet_mm_h: config.wet_mm_h,
            least: config.extreme_ratio,
        }
    }
}

impl Check for Extremes {
    fn name(&self) -> &str {
        "extremes"
    }

    fn check(&self, slice: &Slice, evidence: &Evidence<'_>) -> Finding {
        let measure = Measure {
            check: self.name(),
            unit: "1",
            threshold: Threshold::at_least(self.least),
            source: "proposal, to be calibrated over honest hindcasts",
        };
        let samples = match Samples::take(slice, evidence) {
            Ok(samples) => samples,
            Err(why) => return measure.not_applicable(slice.lead_time, evidence, why),
        };
        let (forecast, observed): (Vec<f32>, Vec<f32>) = samples.pairs().unzip();
        let (forecast, observed) = (quantile(forecast, self.quantile), quantile(observed, self.quantile));
        if observed < self.wet_mm_h {
            return measure.not_applicable(slice.lead_time, evidence, "the newest frame has no extremes");
        }
        let ratio = forecast.max(0.0) / observed;
        let message = format!(
            "the {} % quantile of rain is {} mm/h, that of the newest frame was {} mm/h",
            short(100.0 * self.quantile),
            short(forecast),
            short(observed)
        );
        // Half of what is asked is as far again.
        let excess = if ratio >= self.least {
            0.0
        } else {
            beyond(ratio, self.least, 1.0 / self.least)
        };
        measure.graded(slice.lead_time, evidence, ratio, excess, message)
    }
}

/// How far a ratio lies from 1 in units of the limit on its side, in logarithms.
pub(super) fn beyond(ratio: f64, least: f64, most: f64) -> f64 {
    if ratio >= 1.0 {
        ratio.ln() / most.ln()
    } else {
        ratio.max(1e-9).ln() / least.ln()
    }
}

fn quantile(mut rain: Vec<f32>, share: f64) -> f64 {
    let index = ((rain.len() - 1) as f64 * share).round() as usize;
    let (_, value, _) = rain.select_nth_unstable_by(index, f32::total_cmp);
    f64::from(*value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Verdict, scenes};

    #[test]
    fn storms_that_only_move_keep_their_area_and_extremes_also_as_they_leave_the_map() {
        let scene = scenes::rigid(3);
        let analysis = scenes::analysis(&scene);
        let config = CheckConfig::default();
        for slice in scenes::truth(&scene, &[5, 30, 60]) {
            for check in [&WetArea::new(&config) as &dyn Check, &Extremes::new(&config)] {
                let finding = scenes::first(check, &analysis, &slice);
                assert_eq!(finding.verdict, Verdict::Pass, "{}: {}", slice.lead_time, finding.message);
                assert!((finding.value.unwrap() - 1.0).abs() < 0.1, "{}", finding.message);
            }
        }
    }

    #[test]
    fn drizzle_everywhere_is_too_wide_and_too_weak() {
        let scene = scenes::rigid(3);
        let analysis = scenes::analysis(&scene);
        let config = CheckConfig::default();
        let slice = scenes::smeared(&scene, 5);
        assert_eq!(scenes::first(&WetArea::new(&config), &analysis, &slice).verdict, Verdict::Fail);
        assert_eq!(scenes::first(&Extremes::new(&config), &analysis, &slice).verdict, Verdict::Fail);
    }

    #[test]
    fn rain_that_has_gone_fails_and_stronger_rain_is_no_loss_of_extremes() {
        let scene = scenes::rigid(3);
        let analysis = scenes::analysis(&scene);
        let config = CheckConfig::default();
        let gone = scenes::scaled(&scene, 5, 0.0);
        assert_eq!(scenes::first(&WetArea::new(&config), &analysis, &gone).verdict, Verdict::Fail);
        assert_eq!(scenes::first(&Extremes::new(&config), &analysis, &gone).verdict, Verdict::Fail);
        let strong = scenes::scaled(&scene, 5, 3.0);
        assert_eq!(scenes::first(&Extremes::new(&config), &analysis, &strong).verdict, Verdict::Pass);
    }

    #[test]
    fn an_ensemble_is_judged_by_the_area_of_its_members_not_of_its_mean() {
        let scene = scenes::rigid(3);
        let analysis = scenes::analysis(&scene);
        let member = scene.rain_at(scenes::REFERENCE_S + 300.0);
        let ensemble = Slice {
            rain: Some(ndarray::stack![ndarray::Axis(0), member, member, member]),
            ..scenes::scaled(&scene, 5, 1.0)
        };
        let finding = scenes::first(&WetArea::new(&CheckConfig::default()), &analysis, &ensemble);
        assert_eq!(finding.verdict, Verdict::Pass, "{}", finding.message);
    }

    #[test]
    fn without_rain_there_is_no_ratio() {
        scenes::degenerate(&WetArea::new(&CheckConfig::default()));
        scenes::degenerate(&Extremes::new(&CheckConfig::default()));
    }
}
