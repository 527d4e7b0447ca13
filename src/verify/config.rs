//! What is scored, and where.

use serde::{Deserialize, Serialize};

use super::{BootstrapConfig, Error};

/// Thresholds, windows and wavelengths of the scores, the cells that count, and the interval beside each score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsConfig {
    /// Thresholds of the categorical scores, the Brier score, the reliability and the ROC, mm h⁻¹.
    pub thresholds_mm_h: Vec<f64>,
    /// Thresholds of the fractions skill score of rain and of probabilities, mm h⁻¹.
    pub fss_thresholds_mm_h: Vec<f64>,
    /// Full widths of the fractions skill score's neighbourhoods, km.
    pub fss_windows_km: Vec<f64>,
    /// Thresholds above which the weighted CRPS judges members, mm h⁻¹.
    pub crps_weight_thresholds_mm_h: Vec<f64>,
    /// Bands of wavelength, from and up to (not included), over which spectral power is compared, km.
    pub spectral_bands_km: Vec<[f64; 2]>,
    /// A cell counts only if it is farther than this from missing data and the border, cells.
    pub margin_cells: usize,
    /// A cell counts only if it is observed in more than this share of the event's frames.
    pub observed_share: f64,
    /// The interval beside each score.
    pub bootstrap: BootstrapConfig,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self {
            thresholds_mm_h: vec![0.1, 1.0, 5.0, 10.0],
            fss_thresholds_mm_h: vec![1.0, 5.0],
            fss_windows_km: vec![1.0, 5.0, 10.0, 20.0],
            crps_weight_thresholds_mm_h: vec![1.0, 5.0],
            spectral_bands_km: vec![[0.0, 8.0], [8.0, 32.0], [32.0, 128.0]],
            margin_cells: 64,
            observed_share: 0.9,
            bootstrap: BootstrapConfig::default(),
        }
    }
}

impl MetricsConfig {
    pub(super) fn check(&self) -> Result<(), Error> {
        let refuse = |key, found: String, expected| Err(Error::Config { key, found, expected });
        for (key, values) in [
            ("thresholds_mm_h", &self.thresholds_mm_h),
            ("fss_thresholds_mm_h", &self.fss_thresholds_mm_h),
            ("fss_windows_km", &self.fss_windows_km),
            ("crps_weight_thresholds_mm_h", &self.crps_weight_thresholds_mm_h),
        ] {
            if values.iter().any(|v| !(v.is_finite() && *v > 0.0)) {
                return refuse(key, format!("{values:?}"), "numbers greater than 0");
            }
        }
        if let Some(band) = self.spectral_bands_km.iter().find(|[from, to]| !(*from >= 0.0 && to > from)) {
            return refuse("spectral_bands_km", format!("{band:?}"), "from 0 km or more up to more");
        }
        if !(0.0..1.0).contains(&self.observed_share) {
            return refuse("observed_share", self.observed_share.to_string(), "at least 0 and less than 1");
        }
        if !(self.bootstrap.level > 0.0 && self.bootstrap.level < 1.0) {
            return refuse("bootstrap.level", self.bootstrap.level.to_string(), "between 0 and 1");
        }
        if self.bootstrap.block_min == 0 {
            return refuse("bootstrap.block_min", "0".to_owned(), "at least 1");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_of_nought_is_refused_by_name() {
        for key in ["thresholds_mm_h", "fss_thresholds_mm_h", "crps_weight_thresholds_mm_h"] {
            let config: MetricsConfig = toml::from_str(&format!("{key} = [0.0, 1.0]")).unwrap();
            assert!(config.check().unwrap_err().to_string().contains(&format!("`{key}`")));
        }
        assert!(toml::from_str::<MetricsConfig>("threshold = 1.0").is_err());
        assert!(MetricsConfig::default().check().is_ok());
    }
}
