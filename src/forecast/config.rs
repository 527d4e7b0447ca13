//! What a forecast is: who makes it, how far ahead, where random numbers start and what is kept.

use nowblend_field::{LeadTime, Seed};
use serde::{Deserialize, Serialize};

use super::{Error, ForecasterConfig};

/// Keys of a forecast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ForecastConfig {
    /// Minutes between lead times, 1 to 360.
    pub lead_step_min: u32,
    /// Number of lead times, 1 to 1000.
    pub lead_count: usize,
    /// Where random numbers start; the same seed gives the same forecast.
    pub seed: Seed,
    /// Thresholds whose probability is kept, mm h⁻¹, ascending.
    pub thresholds_mm_h: Vec<f64>,
    /// Whether the rain of each component is kept beside the blend.
    pub keep_components: bool,
    /// Whether the components' diagnostics are kept: the core's column water and convergence.
    pub keep_diagnostics: bool,
    /// Who made the forecast, for the files.
    pub institution: String,
    /// Who forecasts.
    pub forecaster: ForecasterConfig,
}

impl Default for ForecastConfig {
    fn default() -> Self {
        Self {
            lead_step_min: 5,
            lead_count: 12,
            seed: Seed(0),
            thresholds_mm_h: vec![0.1, 1.0, 5.0, 10.0],
            keep_components: true,
            keep_diagnostics: false,
            institution: "unspecified".to_owned(),
            forecaster: ForecasterConfig::default(),
        }
    }
}

impl ForecastConfig {
    /// The lead times, checked against their bounds.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] where a key is out of its bounds.
    pub fn lead_times(&self) -> Result<Vec<LeadTime>, Error> {
        let refuse = |key, found: String, expected| Err(Error::Config { key, found, expected });
        if !(1..=360).contains(&self.lead_step_min) {
            return refuse("forecast.lead_step_min", self.lead_step_min.to_string(), "1 to 360");
        }
        if !(1..=1000).contains(&self.lead_count) {
            return refuse("forecast.lead_count", self.lead_count.to_string(), "1 to 1000");
        }
        let rising = self.thresholds_mm_h.windows(2).all(|pair| pair[0] < pair[1]);
        if !rising || self.thresholds_mm_h.iter().any(|t| !(t.is_finite() && *t > 0.0)) {
            let found = format!("{:?}", self.thresholds_mm_h);
            return refuse("forecast.thresholds_mm_h", found, "positive and ascending");
        }
        Ok(LeadTime::every(LeadTime::from_minutes(self.lead_step_min), self.lead_count))
    }
}
