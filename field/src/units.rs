//! Between the radar's units and ours: reflectivity and rain rate, accumulation and rate.

use serde::{Deserialize, Serialize};

/// A power law Z = a R^b between reflectivity Z in mm⁶ m⁻³ and rain R in mm h⁻¹.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZR {
    /// The factor a.
    pub a: f64,
    /// The exponent b.
    pub b: f64,
}

impl Default for ZR {
    /// Z = 200 R^1.6 (Marshall, J. S., R. C. Langille and W. McK. Palmer, 1947: Measurement of rainfall by radar. J. Meteor., 4, 186-192).
    fn default() -> Self {
        Self { a: 200.0, b: 1.6 }
    }
}

impl ZR {
    /// Rain, mm h⁻¹, of a reflectivity in dBZ.
    pub fn rain(&self, dbz: f64) -> f64 {
        (10f64.powf(dbz / 10.0) / self.a).powf(1.0 / self.b)
    }

    /// Reflectivity, dBZ, of rain in mm h⁻¹; minus infinity for none.
    pub fn dbz(&self, rain_mm_h: f64) -> f64 {
        10.0 * (self.a * rain_mm_h.powf(self.b)).log10()
    }
}

/// Rain rate, mm h⁻¹, of a mass flux in kg m⁻² s⁻¹: one kg m⁻² of water stands one mm deep.
pub fn rate_of_flux(kg_m2_s: f64) -> f64 {
    kg_m2_s * 3600.0
}

/// Mean rain rate, mm h⁻¹, of an accumulation in mm over `interval_s` seconds.
pub fn rate_of_accumulation(mm: f64, interval_s: f64) -> f64 {
    mm * 3600.0 / interval_s
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marshall_palmer_gives_ten_mm_an_hour_at_39_dbz() {
        // 10 log10(200 x 10^1.6) = 10 (2.30103 + 1.6) = 39.0103 dBZ.
        assert!((ZR::default().dbz(10.0) - 39.0103).abs() < 1e-4);
        assert!((ZR::default().rain(39.0103) - 10.0).abs() < 1e-4);
    }

    #[test]
    fn a_millimetre_in_five_minutes_is_twelve_an_hour() {
        assert_eq!(rate_of_accumulation(1.0, 300.0), 12.0);
        assert_eq!(rate_of_flux(0.01), 36.0);
    }
}
