//! Persistence: the rain stays where it is and as it is.

use nowblend_field::{Analysis, Error, Forecaster, LeadTime, Run, Seed, Slice, Slices};
use serde::{Deserialize, Serialize};

/// Persistence has no keys of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersistenceConfig {}

/// R(x, t) = R(x, 0).
pub struct Persistence {}

impl Persistence {
    /// Persistence.
    pub fn new(_: PersistenceConfig) -> Self {
        Self {}
    }
}

impl Forecaster for Persistence {
    fn name(&self) -> &str {
        "persistence"
    }

    fn start<'a>(&'a self, analysis: &'a Analysis, lead_times: &'a [LeadTime], _: Seed) -> Result<Box<dyn Run + 'a>, Error> {
        let slices = lead_times
            .iter()
            .map(|lead_time| Ok(Slice::of_rain(*lead_time, analysis.observed().last().to_owned())));
        Ok(Box::new(Slices::new(slices, super::notices(analysis, self.name()))))
    }
}
