//! How the numbers of a picture become rain: gain and offset, codes of missing and of dry, and what the result measures.

use nowblend_field::units::ZR;

/// Echoes below this are dry, dBZ: by Z = 200 R^1.6 they are 0.07 mm h⁻¹ and less, beneath the 0.1 mm h⁻¹ from which on rain counts, and most of
/// them are insects and clutter.
pub(super) const WEAKEST_DBZ: f64 = 5.0;

/// How the numbers of a picture become rain.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scale {
    /// Quantity of one step of the numbers, and of number 0.
    pub gain: f64,
    pub offset: f64,
    /// Numbers that mean *not observed*.
    pub missing: Vec<f64>,
    /// Numbers that mean *observed and dry*.
    pub dry: Vec<f64>,
    pub law: Law,
}

/// What the scaled numbers measure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Law {
    /// Rain, mm h⁻¹, over a factor.
    Linear(f64),
    /// Decibels by a power law, weaker than `weakest_dbz` dry; the law gives rain, mm h⁻¹, over a factor.
    Decibel { zr: ZR, factor: f64, weakest_dbz: f64 },
}

impl Scale {
    /// Rain, mm h⁻¹, of a number in the file; NaN where it was not observed.
    pub fn mm_h(&self, number: f64) -> f32 {
        // Codes are often announced as doubles beside cells in single precision.
        let is = |codes: &[f64]| codes.iter().any(|code| *code as f32 == number as f32);
        if number.is_nan() || is(&self.missing) {
            return f32::NAN;
        }
        if is(&self.dry) {
            return 0.0;
        }
        let quantity = self.gain * number + self.offset;
        match self.law {
            Law::Linear(factor) => (quantity * factor) as f32,
            Law::Decibel { weakest_dbz, .. } if quantity < weakest_dbz => 0.0,
            Law::Decibel { zr, factor, .. } => (zr.rain(quantity) * factor) as f32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_is_not_dry_and_a_weak_echo_is() {
        let scale = Scale {
            gain: 0.5,
            offset: -32.0,
            missing: vec![255.0],
            dry: vec![0.0],
            law: Law::Decibel {
                zr: ZR { a: 223.0, b: 1.53 },
                factor: 1.0,
                weakest_dbz: WEAKEST_DBZ,
            },
        };
        assert!(scale.mm_h(255.0).is_nan() && scale.mm_h(f64::NAN).is_nan());
        // 0.5 x 73 - 32 = 4.5 dBZ; 74: 5 dBZ = 3.1623 mm6/m3, (3.1623 / 223)^(1 / 1.53) = 0.0619 mm/h.
        assert_eq!((scale.mm_h(0.0), scale.mm_h(73.0)), (0.0, 0.0));
        assert!((scale.mm_h(74.0) - 0.0619).abs() < 1e-4);
    }

    #[test]
    fn an_amount_becomes_a_rate() {
        // 0.02 x 5 + 0.1 = 0.2 mm in 5 min: 2.4 mm/h.
        let scale = Scale {
            gain: 0.02,
            offset: 0.1,
            missing: vec![],
            dry: vec![],
            law: Law::Linear(12.0),
        };
        assert!((scale.mm_h(5.0) - 2.4).abs() < 1e-6);
        let coded = Scale {
            missing: vec![-9999.9],
            ..scale
        };
        assert!(coded.mm_h(f64::from(-9999.9f32)).is_nan());
    }
}
