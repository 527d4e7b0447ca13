//! Where each check draws its line.

use serde::{Deserialize, Serialize};

/// Thresholds of the consistency checks.
///
/// Those marked *proposal* are starting values: each is to be calibrated to a joint false alarm rate over honest hindcasts, by
/// component and lead time. Until then a finding says how unusual a forecast is, not that it is wrong, and its `threshold_source` says
/// so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckConfig {
    /// Greatest rain that is accepted, mm h⁻¹ (hard). 31.2 mm fell within a minute at Unionville, Maryland, on 4 July 1956: 1872 mm h⁻¹
    /// (World Meteorological Organization, archive of weather and climate extremes).
    pub greatest_rain_mm_h: f64,
    /// How far a probability may lie outside 0 to 1, or rise with the threshold, before it counts (hard; room for rounding).
    pub probability_slack: f64,
    /// Width of the tiles over which rain is held against the water that feeds it, km (hard; smaller cells are fed by convergence
    /// that a layer does not resolve).
    pub attainable_tile_km: f64,
    /// Time over which rain is held against the water that feeds it, min (hard).
    pub attainable_window_min: f64,
    /// Greatest difference between the motion of the forecast and the observed motion, m s⁻¹ (proposal).
    pub motion_difference_m_s: f64,
    /// Greatest speed at which rain is followed from slice to slice, m s⁻¹ (proposal).
    pub motion_limit_m_s: f64,
    /// Width of the tiles whose motion is estimated, km.
    pub motion_tile_km: f64,
    /// Greatest growth along the path within 5 min, as a factor (proposal).
    pub growth_factor_5_min: f64,
    /// Shortest time in which rain may decay by e along the path, min (proposal).
    pub decay_time_min: f64,
    /// Width of the tiles whose growth is measured, km.
    pub growth_tile_km: f64,
    /// Rain at or above this is wet, mm h⁻¹.
    pub wet_mm_h: f64,
    /// Least and greatest wet area relative to the observed one (proposal).
    pub wet_area_ratio: [f64; 2],
    /// The quantile of rain over all cells that stands for extremes.
    pub extreme_quantile: f64,
    /// Least extreme relative to the observed one (proposal).
    pub extreme_ratio: f64,
    /// Least and greatest mean rain, and wet area, relative to the shallow-water core (proposal).
    pub core_ratio: [f64; 2],
    /// Least and greatest change from slice to slice relative to the observed change over the same time (proposal).
    pub change_ratio: [f64; 2],
}

impl Default for CheckConfig {
    fn default() -> Self {
        Self {
            greatest_rain_mm_h: 1872.0,
            probability_slack: 1e-4,
            attainable_tile_km: 50.0,
            attainable_window_min: 60.0,
            motion_difference_m_s: 10.0,
            motion_limit_m_s: 50.0,
            motion_tile_km: 64.0,
            growth_factor_5_min: 2.0,
            decay_time_min: 5.0,
            growth_tile_km: 32.0,
            wet_mm_h: 0.1,
            wet_area_ratio: [0.8, 1.25],
            extreme_quantile: 0.999,
            extreme_ratio: 0.7,
            core_ratio: [0.5, 2.0],
            change_ratio: [0.5, 2.0],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_survive_toml_and_an_unknown_key_is_refused_by_name() {
        let text = toml::to_string(&CheckConfig::default()).unwrap();
        assert_eq!(toml::from_str::<CheckConfig>(&text).unwrap(), CheckConfig::default());
        let error = toml::from_str::<CheckConfig>("wet_mmh = 0.1").unwrap_err().to_string();
        assert!(error.contains("wet_mmh"), "{error}");
    }
}
