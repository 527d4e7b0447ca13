//! Which fields are rain, and how their numbers become mm h⁻¹.

use ndarray::Array2;
use nowblend_field::units::{self, ZR};

use super::{
    super::scale::WEAKEST_DBZ,
    header::Header,
    look::{Field, Refusal},
};

/// Rain `[y, x]` of a field, mm h⁻¹, row 0 in the south; codes of missing data stay negative, nothing is judged.
///
/// # Errors
///
/// A [`Refusal`] where the field is not rain or cannot be decoded.
pub fn rain(field: &Field<'_>) -> Result<Array2<f32>, Refusal> {
    let header = &field.header;
    let rain = Rain::of(header).ok_or_else(|| field.refusal(format!("parameter {:?} is not rain", header.parameter)))?;
    let values = field.arranged()?;
    Ok(match rain {
        Rain::Rate(1.0) => values,
        _ => values.mapv_into(|v| rain.mm_h(v)),
    })
}

/// How the values of a field become rain, mm h⁻¹.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rain {
    /// Times a factor.
    Rate(f64),
    /// Reflectivity in dBZ, by Z = 200 R^1.6.
    Reflectivity,
}

impl Rain {
    /// What the parameter of a field says; `None` where it is not rain.
    ///
    /// # Source
    ///
    /// WMO Manual on Codes, code table 4.2, discipline 0, categories 1, 15 and 16; for discipline 209 of centre 161 the user table of MRMS
    /// GRIB2 (NOAA/NSSL), in which PrecipRate is 209-6-1 in mm/h and RadarOnly_QPE of 1 to 72 h are 209-6-2 to 8 in mm.
    pub fn of(header: &Header) -> Option<Self> {
        const HOURS: [f64; 7] = [1.0, 3.0, 6.0, 12.0, 24.0, 48.0, 72.0];
        if header.derived {
            return None;
        }
        let accumulated = |metres: f64| {
            let interval = header.interval.filter(|i| i.statistic == 1 && i.seconds > 0)?;
            Some(Self::Rate(units::rate_of_accumulation(1000.0 * metres, interval.seconds as f64)))
        };
        match header.parameter {
            (209, 6, 1) => Some(Self::Rate(1.0)),
            (209, 6, number @ 2..=8) => Some(Self::Rate(1.0 / HOURS[usize::from(number) - 2])),
            (209, 10 | 11, 0) => Some(Self::Reflectivity),
            // Rates in kg m-2 s-1: precipitation, total precipitation, rain.
            (0, 1, 7 | 52 | 65) if header.interval.is_none_or(|i| i.statistic == 0) => Some(Self::Rate(units::rate_of_flux(1.0))),
            // Amounts in kg m-2, or in metres of water in ECMWF's own table.
            (0, 1, 8 | 49 | 52 | 65) => accumulated(1e-3),
            (0, 1, 193) if header.centre == 98 => accumulated(1.0),
            (0, 15, 1) | (0, 16, 4 | 5 | 195 | 196) if header.interval.is_none() => Some(Self::Reflectivity),
            _ => None,
        }
    }

    /// Rain, mm h⁻¹, of a value; negative codes of missing data stay negative.
    ///
    /// MRMS marks cells without coverage with -3 and missing ones with -1, in reflectivity with -999 and -99. A reflectivity below 5 dBZ
    /// that is no such code is an echo too weak to be rain: dry.
    pub fn mm_h(self, value: f32) -> f32 {
        match self {
            Self::Rate(factor) => (f64::from(value) * factor) as f32,
            Self::Reflectivity if value <= -99.0 => value,
            Self::Reflectivity if f64::from(value) < WEAKEST_DBZ => 0.0,
            Self::Reflectivity => ZR::default().rain(f64::from(value)) as f32,
        }
    }
}
