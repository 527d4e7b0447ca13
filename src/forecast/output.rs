//! What is left of a forecast beside its NetCDF file, and which amounts are added up.

use serde::{Deserialize, Serialize};

use super::{Error, ForecastConfig};

/// Keys of the output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutputConfig {
    /// Formats that are written beside NetCDF.
    pub also: Vec<Format>,
    /// Windows over which rain is added up, min, ascending, each a multiple of the lead step and at most the length of the forecast. An amount
    /// ends at each multiple of its window. Those that do not fit the lead times of a forecast are left out, with a notice.
    pub amounts_min: Vec<u32>,
    /// Thresholds of the amounts whose probability is kept where there are members, mm, ascending.
    pub amount_thresholds_mm: Vec<f64>,
}

/// A format beside NetCDF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// `forecast.zarr`: the same variables.
    Zarr,
    /// `geotiff/`: a cloud-optimised file for each valid time of rain, each of its probabilities and each amount.
    Geotiff,
    /// `forecast.grib2`: rain, a message for each lead time and member.
    Grib2,
}

impl Default for OutputConfig {
    fn default() -> Self {
        Self {
            also: Vec::new(),
            amounts_min: vec![15, 30, 60],
            amount_thresholds_mm: vec![1.0, 5.0, 10.0, 20.0],
        }
    }
}

impl OutputConfig {
    /// Checks every number against its bounds.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] for the first that is outside.
    pub fn check(&self) -> Result<(), Error> {
        let refuse = |key, found: String, expected| Err(Error::Config { key, found, expected });
        let rising = self.amounts_min.windows(2).all(|pair| pair[0] < pair[1]);
        if !rising || self.amounts_min.iter().any(|m| !(1..=1440).contains(m)) {
            return refuse("output.amounts_min", format!("{:?}", self.amounts_min), "1 to 1440 and ascending");
        }
        let rising = self.amount_thresholds_mm.windows(2).all(|pair| pair[0] < pair[1]);
        if !rising || self.amount_thresholds_mm.iter().any(|t| !(t.is_finite() && *t > 0.0)) {
            let found = format!("{:?}", self.amount_thresholds_mm);
            return refuse("output.amount_thresholds_mm", found, "positive and ascending");
        }
        if (1..self.also.len()).any(|k| self.also[..k].contains(&self.also[k])) {
            return refuse("output.also", format!("{:?}", self.also), "each format once");
        }
        Ok(())
    }

    /// The windows that end at lead times of a forecast, and those that do not.
    pub(super) fn windows(&self, forecast: &ForecastConfig) -> (Vec<u32>, Vec<u32>) {
        let step = forecast.lead_step_min.max(1);
        let length = u64::from(step) * forecast.lead_count as u64;
        self.amounts_min.iter().partition(|m| *m % step == 0 && u64::from(**m) <= length)
    }
}
