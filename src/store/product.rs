//! What a stored forecast holds: rain, one component's rain, a probability, a diagnostic; each a plain `[time, y, x]` variable.

use super::layout::Element;

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
    /// As bits of a byte; 255 is missing.
    Flags,
}

impl Packing {
    pub(super) fn element(self) -> Element {
        match self {
            Self::Float => Element::F32,
            Self::Steps { .. } => Element::U16,
            Self::Flags => Element::U8,
        }
    }
}

/// What a product has a field for at each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Along {
    /// One field.
    Nothing,
    /// One for each member: dimension `realization`.
    Members,
    /// One for each threshold: dimension `threshold`.
    Thresholds,
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
    /// What one value stands for in time and among members.
    pub cell_methods: Option<String>,
    /// What it has a field for at each time.
    pub along: Along,
    /// Minutes over which rain is added up; `None` for a rate at its time.
    pub window_min: Option<u32>,
    /// How numbers lie in the file.
    pub packing: Packing,
}

/// Bits of the flag of [`Product::flags`]: nobody knows.
pub const MISSING: u8 = 1;
/// A value that cannot be was limited.
pub const LIMITED: u8 = 2;

impl Product {
    /// The best rain: `rainfall_rate`, mm/h.
    pub fn rainfall_rate() -> Self {
        Self {
            name: "rainfall_rate".to_owned(),
            long_name: "rainfall rate, blend of all components".to_owned(),
            standard_name: Some("rainfall_rate".to_owned()),
            units: Some("mm h-1".to_owned()),
            cell_methods: Some("time: point".to_owned()),
            along: Along::Nothing,
            window_min: None,
            packing: Packing::Float,
        }
    }

    /// The best rain of an ensemble, the mean of its members: `rainfall_rate`, mm/h.
    pub fn ensemble_mean() -> Self {
        Self {
            cell_methods: Some("time: point realization: mean".to_owned()),
            ..Self::rainfall_rate()
        }
    }

    /// The members of the best rain: `rainfall_rate_ensemble`, mm/h.
    pub fn members() -> Self {
        Self {
            name: "rainfall_rate_ensemble".to_owned(),
            long_name: "rainfall rate, members of the blend".to_owned(),
            along: Along::Members,
            ..Self::rainfall_rate()
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

    /// Probabilities that rain is at or above the thresholds: `probability_of_rainfall_rate_above_threshold`.
    ///
    /// Packed in steps of 0.0001: finer than any ensemble or network knows, and a fifth of the size of f32.
    pub fn probability() -> Self {
        Self {
            name: "probability_of_rainfall_rate_above_threshold".to_owned(),
            long_name: "probability that the rainfall rate is at or above the threshold".to_owned(),
            standard_name: None,
            units: Some("1".to_owned()),
            along: Along::Thresholds,
            packing: Packing::Steps { step: 1e-4 },
            ..Self::rainfall_rate()
        }
    }

    /// The best rain added up over the minutes before each multiple of them: `rainfall_amount_60min`, mm.
    pub fn amount(window_min: u32) -> Self {
        Self {
            name: format!("rainfall_amount_{window_min}min"),
            long_name: format!("rainfall amount of {window_min} min"),
            standard_name: Some("thickness_of_rainfall_amount".to_owned()),
            units: Some("mm".to_owned()),
            cell_methods: Some("time: sum".to_owned()),
            window_min: Some(window_min),
            ..Self::rainfall_rate()
        }
    }

    /// Probabilities that such an amount is at or above the thresholds: `probability_of_rainfall_amount_60min_above_threshold`.
    pub fn amount_probability(window_min: u32) -> Self {
        Self {
            name: format!("probability_of_rainfall_amount_{window_min}min_above_threshold"),
            long_name: format!("probability that the rainfall amount of {window_min} min is at or above the threshold"),
            cell_methods: Some("time: sum".to_owned()),
            window_min: Some(window_min),
            ..Self::probability()
        }
    }

    /// What is wrong with a value of the best rain: `rainfall_rate_flag`, bits [`MISSING`] and [`LIMITED`].
    pub fn flags() -> Self {
        Self {
            name: "rainfall_rate_flag".to_owned(),
            long_name: "what is wrong with the rainfall rate".to_owned(),
            standard_name: Some("quality_flag".to_owned()),
            units: None,
            packing: Packing::Flags,
            ..Self::rainfall_rate()
        }
    }

    /// A component's diagnostic, whose name ends in its unit: `column_water_kg_m2`.
    pub fn diagnostic(name: &str) -> Self {
        Self {
            name: name_part(name),
            long_name: name.replace('_', " "),
            standard_name: None,
            units: unit_of(name).map(str::to_owned),
            ..Self::rainfall_rate()
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
    fn names_carry_windows_and_units() {
        assert_eq!(Product::amount(60).name, "rainfall_amount_60min");
        assert_eq!(Product::rainfall_rate_of("nowcast_net").name, "rainfall_rate_nowcast_net");
        let unit = |name| Product::diagnostic(name).units;
        assert_eq!(unit("moisture_flux_divergence_kg_m2_s").as_deref(), Some("kg m-2 s-1"));
        assert_eq!(unit("column_water_kg_m2").as_deref(), Some("kg m-2"));
        assert_eq!(unit("convergence_s").as_deref(), Some("s-1"));
        assert_eq!(unit("trust"), None);
    }
}
