//! What a stored forecast holds: rain, one component's rain, a probability, a diagnostic; each a plain `[time, y, x]` variable.

/// How numbers lie in the file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Packing {
    /// As they are, f32; NaN is missing.
    Float,
    /// As u16 multiples of `step`, 65535 is missing: from 0 to 65534 steps, rounded to the nearest; beyond is limited.
    Steps {
        /// Distance between neighbouring values, in the product's unit.
        step: f64,
    },
}

/// One variable of a stored forecast.
#[derive(Debug, Clone, PartialEq)]
pub struct Product {
    /// Name of the variable.
    pub name: String,
    /// What it is, for people.
    pub long_name: String,
    /// Its name in the CF table, if it has one.
    pub standard_name: Option<String>,
    /// Unit in UDUNITS notation; `None` if not known.
    pub units: Option<String>,
    /// The threshold of a probability, mm/h.
    pub threshold_mm_h: Option<f64>,
    /// How numbers lie in the file.
    pub packing: Packing,
}

impl Product {
    /// The best rain: `rainfall_rate`, mm/h.
    pub fn rainfall_rate() -> Self {
        Self {
            name: "rainfall_rate".to_owned(),
            long_name: "rainfall rate, blend of all components".to_owned(),
            standard_name: Some("rainfall_rate".to_owned()),
            units: Some("mm h-1".to_owned()),
            threshold_mm_h: None,
            packing: Packing::Float,
        }
    }

    /// One component's rain: `rainfall_rate_extrapolation`, mm/h.
    pub fn rainfall_rate_of(component: &str) -> Self {
        Self {
            name: format!("rainfall_rate_{}", name_part(component)),
            long_name: format!("rainfall rate, component {component}"),
            ..Self::rainfall_rate()
        }
    }

    /// Probability that rain is at or above a threshold: `probability_of_rainfall_rate_above_0p5_mm_h`.
    ///
    /// Packed in steps of 0.0001: finer than any ensemble or network knows, and a fifth of the size of f32.
    pub fn probability(threshold_mm_h: f64) -> Self {
        let number = threshold_mm_h.to_string().replace('.', "p").replace('-', "minus");
        Self {
            name: format!("probability_of_rainfall_rate_above_{number}_mm_h"),
            long_name: format!("probability that the rainfall rate is at or above {threshold_mm_h} mm h-1"),
            standard_name: None,
            units: Some("1".to_owned()),
            threshold_mm_h: Some(threshold_mm_h),
            packing: Packing::Steps { step: 1e-4 },
        }
    }

    /// A component's diagnostic, whose name ends in its unit: `column_water_kg_m2`.
    pub fn diagnostic(name: &str) -> Self {
        Self {
            name: name_part(name),
            long_name: name.replace('_', " "),
            standard_name: None,
            units: unit_of(name).map(str::to_owned),
            threshold_mm_h: None,
            packing: Packing::Float,
        }
    }
}

/// Only letters, digits and underscores go into names that every tool accepts.
fn name_part(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// The unit that a name ends in.
fn unit_of(name: &str) -> Option<&'static str> {
    let rate = ["convergence", "divergence", "vorticity"].iter().any(|w| name.contains(w));
    [
        ("_kg_m2_s", "kg m-2 s-1"),
        ("_kg_m2", "kg m-2"),
        ("_kg_kg", "kg kg-1"),
        ("_m2_s2", "m2 s-2"),
        ("_mm_h", "mm h-1"),
        ("_m_s", "m s-1"),
        ("_hpa", "hPa"),
        ("_mm", "mm"),
        ("_s", if rate { "s-1" } else { "s" }),
        ("_m", "m"),
        ("_k", "K"),
    ]
    .into_iter()
    .find_map(|(ending, unit)| name.to_ascii_lowercase().ends_with(ending).then_some(unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_thresholds_and_units() {
        assert_eq!(Product::probability(0.5).name, "probability_of_rainfall_rate_above_0p5_mm_h");
        assert_eq!(Product::probability(10.0).name, "probability_of_rainfall_rate_above_10_mm_h");
        assert_eq!(Product::rainfall_rate_of("nowcast_net").name, "rainfall_rate_nowcast_net");
        let unit = |name| Product::diagnostic(name).units;
        assert_eq!(unit("moisture_flux_divergence_kg_m2_s").as_deref(), Some("kg m-2 s-1"));
        assert_eq!(unit("column_water_kg_m2").as_deref(), Some("kg m-2"));
        assert_eq!(unit("convergence_s").as_deref(), Some("s-1"));
        assert_eq!(unit("trust"), None);
    }
}
