//! Is a forecast physically possible, and does it behave like the rain that was observed? Each check asks one question of a slice and
//! answers with a finding.
//!
//! A check sees what any outsider could see: the slice, the analysis, the slices before, and the core's slice where the core ran. It
//! needs nothing from inside the forecaster. Hard checks hold a forecast against a law and may mend it ([`correct`]); the others
//! lower the trust in it and never change a value.

mod against_core;
mod attainable;
mod coarse;
mod config;
mod continuity;
mod finding;
mod growth;
mod motion;
mod observed;
mod positivity;
#[cfg(test)]
mod scenes;
mod wet_area;

use std::collections::BTreeMap;

use nowblend_field::{Analysis, LeadTime, Slice};
use rayon::prelude::*;

pub use against_core::{AgainstCore, Quantity};
pub use attainable::AttainableRain;
pub use config::CheckConfig;
pub use continuity::Continuity;
pub use finding::{Finding, Threshold, Tile, Verdict};
pub use growth::{Change, Growth};
pub use motion::MotionPlausibility;
pub use observed::{Carried, Moment, Observed};
pub use positivity::{Corrected, Positivity, correct};
pub use wet_area::{Extremes, WetArea};

/// Asks one question of a slice.
pub trait Check: Send + Sync {
    /// Name in reports and files: snake case.
    fn name(&self) -> &str;

    /// What is found at this lead time. Never panics: where the check cannot be made, the finding says why.
    fn check(&self, slice: &Slice, evidence: &Evidence<'_>) -> Finding;
}

/// What a slice is held against.
#[derive(Clone, Copy)]
pub struct Evidence<'a> {
    /// Whose slice it is.
    pub component: &'a str,
    /// What the radar saw.
    pub observed: &'a Observed<'a>,
    /// Its newest frame, carried to the slice's lead time, or why it was not.
    pub carried: Result<&'a Carried, &'a str>,
    /// The core's slice of the same lead time, where the core ran.
    pub physics: Option<&'a Slice>,
    /// What this component said before, oldest first.
    pub history: &'a [Moment],
}

/// The name of the core among the components.
pub const CORE: &str = "shallow_water";

/// Every check, under the given thresholds.
pub fn all(config: &CheckConfig) -> Vec<Box<dyn Check>> {
    vec![
        Box::new(Positivity::new(config)),
        Box::new(AttainableRain::new(config)),
        Box::new(MotionPlausibility::new(config)),
        Box::new(Growth::new(config, Change::Growth)),
        Box::new(Growth::new(config, Change::Decay)),
        Box::new(WetArea::new(config)),
        Box::new(Extremes::new(config)),
        Box::new(Continuity::new(config)),
        Box::new(AgainstCore::new(config, Quantity::MeanRain)),
        Box::new(AgainstCore::new(config, Quantity::WetArea)),
    ]
}

/// Asks every check, in order.
pub fn run(checks: &[Box<dyn Check>], slice: &Slice, evidence: &Evidence<'_>) -> Vec<Finding> {
    checks.par_iter().map(|check| check.check(slice, evidence)).collect()
}

/// What the findings together leave of the trust in a slice, 0 to 1: the product of all.
pub fn trust(findings: &[Finding]) -> f64 {
    findings.iter().map(|finding| finding.trust).product()
}

/// Asks every check of every component, slice after slice, and remembers what each said before.
pub struct Inspector<'a> {
    checks: Vec<Box<dyn Check>>,
    observed: Observed<'a>,
    /// What was carried to the lead time of the slice before: components come lead time by lead time.
    carried: Option<(LeadTime, Result<Carried, String>)>,
    histories: BTreeMap<String, Vec<Moment>>,
}

impl<'a> Inspector<'a> {
    /// An inspector of forecasts that start from `analysis`.
    pub fn new(config: &CheckConfig, analysis: &'a Analysis) -> Self {
        Self {
            checks: all(config),
            observed: Observed::of(analysis),
            carried: None,
            histories: BTreeMap::new(),
        }
    }

    /// The findings on the next slice of `component`; `physics` is the core's slice of the same lead time, where the core ran.
    pub fn inspect(&mut self, component: &str, slice: &Slice, physics: Option<&Slice>) -> Vec<Finding> {
        let observed = &self.observed;
        let at = slice.lead_time;
        let (_, carried) = match self.carried.take() {
            Some(last) if last.0 == at => self.carried.insert(last),
            _ => self.carried.insert((at, observed.carried(at))),
        };
        let history = self.histories.entry(component.to_owned()).or_default();
        let evidence = Evidence {
            component,
            observed,
            carried: carried.as_ref().map_err(String::as_str),
            physics,
            history,
        };
        let findings = run(&self.checks, slice, &evidence);
        history.push(Moment::of(slice, physics, observed));
        findings
    }
}
