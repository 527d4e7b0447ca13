//! Does a forecast agree with the shallow-water core about how much rain there is?

use nowblend_field::Slice;

use super::{
    CORE, Check, CheckConfig, Evidence, Finding, Threshold,
    finding::{Measure, short},
    wet_area::beyond,
};

/// Least mean rain, mm h⁻¹, and least wet share, for a ratio to mean anything.
const LEAST_RAIN_MM_H: f64 = 0.01;
const LEAST_WET: f64 = 1e-3;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// Mean rain over the map.
    MeanRain,
    /// Share of wet cells.
    WetArea,
}

/// Mean rain, or wet area, relative to the core's at the same lead time, over cells that both know.
///
/// The core conserves water but is only one layer: where the two disagree, one of them is wrong, and the check cannot say which.
#[derive(Debug, Clone)]
pub struct AgainstCore {
    quantity: Quantity,
    wet_mm_h: f32,
    ratio: [f64; 2],
}

impl AgainstCore {
    /// Under the configuration's limits.
    pub fn new(config: &CheckConfig, quantity: Quantity) -> Self {
        Self {
            quantity,
            wet_mm_h: config.wet_mm_h as f32,
            ratio: config.core_ratio,
        }
    }

    /// Forecast and core, as the quantity asks.
    fn both(&self, slice: &Slice, evidence: &Evidence<'_>) -> Result<(f64, f64), String> {
        if evidence.component == CORE {
            return Err("this is the core itself".to_owned());
        }
        let physics = evidence.physics.ok_or("the core did not run")?;
        if physics.lead_time != slice.lead_time {
            return Err(format!("the core's slice is at {}", physics.lead_time));
        }
        let forecast = evidence.observed.rain_of(slice)?;
        let core = evidence.observed.rain_of(physics).map_err(|why| format!("of the core: {why}"))?;
        let amount = |rain: f32| match self.quantity {
            Quantity::MeanRain => f64::from(rain),
            Quantity::WetArea => f64::from(u8::from(rain >= self.wet_mm_h)),
        };
        let (mut sums, mut known) = ((0.0, 0.0), 0.0);
        for (f, c) in forecast.iter().zip(core.iter()).filter(|(f, c)| f.is_finite() && c.is_finite()) {
            sums.0 += amount(*f);
            sums.1 += amount(*c);
            known += 1.0;
        }
        if known == 0.0 {
            return Err("no cell is known to both".to_owned());
        }
        Ok((sums.0 / known, sums.1 / known))
    }
}

impl Check for AgainstCore {
    fn name(&self) -> &str {
        match self.quantity {
            Quantity::MeanRain => "core_mean_rain",
            Quantity::WetArea => "core_wet_area",
        }
    }

    fn check(&self, slice: &Slice, evidence: &Evidence<'_>) -> Finding {
        let [least, most] = self.ratio;
        let measure = Measure {
            check: self.name(),
            unit: "1",
            threshold: Threshold::between(least, most),
            source: "proposal, to be calibrated over honest hindcasts; the core is one layer and may itself be wrong",
        };
        let (forecast, core) = match self.both(slice, evidence) {
            Ok(both) => both,
            Err(why) => return measure.not_applicable(slice.lead_time, evidence, why),
        };
        let floor = match self.quantity {
            Quantity::MeanRain => LEAST_RAIN_MM_H,
            Quantity::WetArea => LEAST_WET,
        };
        if forecast < floor && core < floor {
            return measure.not_applicable(slice.lead_time, evidence, "forecast and core are dry");
        }
        let ratio = forecast.max(floor / 10.0) / core.max(floor / 10.0);
        let message = match self.quantity {
            Quantity::MeanRain => format!("mean rain is {} mm/h, the core's {} mm/h", short(forecast), short(core)),
            Quantity::WetArea => format!(
                "{} % of the cells are wet, {} % in the core",
                short(100.0 * forecast),
                short(100.0 * core)
            ),
        };
        measure.graded(slice.lead_time, evidence, ratio, beyond(ratio, least, most), message)
    }
}

#[cfg(test)]
mod tests {
    use nowblend_field::LeadTime;

    use super::*;
    use crate::check::{Moment, Observed, Verdict, scenes};

    fn found(component: &str, quantity: Quantity, factor: f32) -> Finding {
        let scene = scenes::storms(4);
        let analysis = scenes::analysis(&scene);
        let core = scenes::scaled(&scene, 5, 1.0);
        let observed = Observed::of(&analysis);
        let evidence = Evidence {
            component,
            observed: &observed,
            carried: Err("not asked for"),
            physics: Some(&core),
            history: &[] as &[Moment],
        };
        AgainstCore::new(&CheckConfig::default(), quantity).check(&scenes::scaled(&scene, 5, factor), &evidence)
    }

    #[test]
    fn as_much_rain_as_the_core_passes_and_ten_times_as_much_does_not() {
        for quantity in [Quantity::MeanRain, Quantity::WetArea] {
            let finding = found("nowcast_net", quantity, 1.0);
            assert_eq!((finding.verdict, finding.value), (Verdict::Pass, Some(1.0)));
        }
        assert_eq!(found("nowcast_net", Quantity::MeanRain, 1.5).verdict, Verdict::Pass);
        assert_eq!(found("nowcast_net", Quantity::MeanRain, 3.0).verdict, Verdict::Suspect);
        assert_eq!(found("nowcast_net", Quantity::MeanRain, 10.0).verdict, Verdict::Fail);
        assert_eq!(found("nowcast_net", Quantity::WetArea, 0.0).verdict, Verdict::Fail);
    }

    #[test]
    fn the_core_is_not_held_against_itself_nor_a_slice_against_another_lead() {
        assert!(!found(CORE, Quantity::MeanRain, 10.0).applies());
        let scene = scenes::storms(4);
        let analysis = scenes::analysis(&scene);
        let observed = Observed::of(&analysis);
        let core = scenes::scaled(&scene, 10, 1.0);
        let evidence = Evidence {
            component: "blend",
            observed: &observed,
            carried: Err("not asked for"),
            physics: Some(&core),
            history: &[],
        };
        let finding = AgainstCore::new(&CheckConfig::default(), Quantity::MeanRain).check(&scenes::scaled(&scene, 5, 1.0), &evidence);
        assert!(!finding.applies());
        assert_eq!(finding.lead_time, LeadTime::from_minutes(5));
    }

    #[test]
    fn without_the_core_nothing_is_said() {
        scenes::degenerate(&AgainstCore::new(&CheckConfig::default(), Quantity::MeanRain));
        scenes::degenerate(&AgainstCore::new(&CheckConfig::default(), Quantity::WetArea));
    }
}
