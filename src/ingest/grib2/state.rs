//! States of the air from a model's GRIB2 file: wind, geopotential and humidity on one pressure level, wherever they are in the file.

use std::{collections::BTreeMap, path::Path};

use ndarray::{Array2, Zip};
use nowblend_field::{Axis, Grid, Notice, NoticeKind, Projection, State, ValidTime};

use super::{
    grid::Place,
    look::{Field, Refusal, look_within},
};
use crate::{
    ingest::{Error, Limits, bytes, regrid::Axes},
    store::Input,
};

/// Standard gravity, m s⁻²: turns geopotential metres into geopotential (WMO Manual on Codes, geopotential height).
const GRAVITY: f32 = 9.80665;

/// The states of a file, oldest first, and what was wrong with it.
#[derive(Debug)]
pub struct States {
    /// One state a valid time that has wind and geopotential on the level.
    pub states: Vec<State>,
    /// Fields that were refused, times that lack something, further members that were passed over.
    pub notices: Vec<Notice>,
    /// The file read.
    pub input: Input,
}

/// What a state is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Quantity {
    U,
    V,
    Geopotential,
    Height,
    SpecificHumidity,
    RelativeHumidity,
    Temperature,
}

/// Reads all states of a file on the pressure level `level_hpa`: u, v, geopotential or its height, and, where they are there, temperature and
/// specific humidity, or relative humidity which temperature turns into it. Fields may come in any order, several in a message or one.
///
/// # Errors
///
/// [`Error::Content`] where nothing lies on the level (naming the levels there are) or no time has wind and geopotential on it,
/// [`Error::Refused`] where no field of the file can be used.
pub fn states(path: &Path, level_hpa: f64) -> Result<States, Error> {
    states_within(path, level_hpa, Limits::default())
}

/// [`states()`], with other limits than the usual ones.
///
/// # Errors
///
/// Those of [`states()`].
pub fn states_within(path: &Path, level_hpa: f64, limits: Limits) -> Result<States, Error> {
    let bytes::Bytes { content, input } = bytes::read(path, true, limits)?;
    let contents = look_within(&content, limits);
    if contents.fields.is_empty() {
        let refusal = contents.refused.into_iter().next();
        return Err(refusal.map_or_else(|| nothing(path), |r| Error::refused(path, r)));
    }
    let mut notices: Vec<Notice> = contents.refused.iter().map(|r| refused(&input, r)).collect();
    let mut found: BTreeMap<ValidTime, BTreeMap<Quantity, &Field<'_>>> = BTreeMap::new();
    let mut further = 0;
    for field in &contents.fields {
        let on_level = field.header.level_hpa().is_some_and(|l| (l - level_hpa).abs() < 0.01);
        if let Some(quantity) = Quantity::of(field).filter(|_| on_level) {
            let at = found.entry(field.header.valid_time).or_default();
            further += usize::from(at.contains_key(&quantity));
            at.entry(quantity).or_insert(field);
        }
    }
    if found.is_empty() {
        return Err(no_level(path, level_hpa, &contents.fields));
    }
    if further > 0 {
        let message = format!("{further} further members or repetitions were passed over; the first of each field counts");
        notices.push(Notice::new(NoticeKind::Degraded, input.name.clone(), message));
    }
    let (mut states, mut lacking) = (Vec::new(), Vec::new());
    for (time, fields) in found {
        match state(time, level_hpa, &fields) {
            Ok((state, told)) => {
                states.push(state);
                notices.extend(
                    told.into_iter()
                        .map(|words| Notice::new(NoticeKind::Missing, format!("state of {time}"), words)),
                );
            }
            Err(words) => lacking.push((time, words)),
        }
    }
    if states.is_empty() {
        let (time, words) = lacking.remove(0);
        return Err(Error::Content {
            path: path.to_owned(),
            field: format!("state of {time} at {level_hpa} hPa"),
            found: words,
            expected: "wind u and v, and geopotential or its height".into(),
        });
    }
    notices.extend(
        lacking
            .into_iter()
            .map(|(time, words)| Notice::new(NoticeKind::Missing, format!("state of {time}"), words)),
    );
    Ok(States { states, notices, input })
}

impl Quantity {
    fn of(field: &Field<'_>) -> Option<Self> {
        if field.header.derived || field.header.interval.is_some() {
            return None;
        }
        match field.header.parameter {
            (0, 2, 2) => Some(Self::U),
            (0, 2, 3) => Some(Self::V),
            (0, 3, 4) => Some(Self::Geopotential),
            (0, 3, 5) => Some(Self::Height),
            (0, 1, 0) => Some(Self::SpecificHumidity),
            (0, 1, 1) => Some(Self::RelativeHumidity),
            (0, 0, 0) => Some(Self::Temperature),
            _ => None,
        }
    }

    /// What the atmosphere can hold below 0.1 hPa, in the units of the file.
    fn range(self) -> (f32, f32) {
        match self {
            Self::U | Self::V => (-250.0, 250.0),
            Self::Geopotential => (-2e4, 8e5),
            Self::Height => (-2e3, 8e4),
            Self::SpecificHumidity => (-0.01, 0.1),
            Self::RelativeHumidity => (-20.0, 250.0),
            Self::Temperature => (130.0, 370.0),
        }
    }
}

/// The state of one time, and fields that it has to do without; on failure what is missing.
fn state(time: ValidTime, level_hpa: f64, fields: &BTreeMap<Quantity, &Field<'_>>) -> Result<(State, Vec<String>), String> {
    let mut told = Vec::new();
    let needed = |quantity: Quantity| {
        let field = fields
            .get(&quantity)
            .ok_or_else(|| format!("no {quantity:?} among {:?}", fields.keys().collect::<Vec<_>>()))?;
        read(quantity, field)
    };
    let (grid, mut u) = needed(Quantity::U)?;
    let on_grid = |(other, values): (Grid, Array2<f32>), what: Quantity| {
        if other.agrees(&grid) {
            Ok(values)
        } else {
            Err(format!("{what:?} on grid {other}, expected that of u, {grid}"))
        }
    };
    let mut v = on_grid(needed(Quantity::V)?, Quantity::V)?;
    let geopotential = if fields.contains_key(&Quantity::Geopotential) {
        on_grid(needed(Quantity::Geopotential)?, Quantity::Geopotential)?
    } else {
        on_grid(needed(Quantity::Height)?, Quantity::Height)? * GRAVITY
    };
    let mut wanted = |quantity: Quantity| {
        let field = fields.get(&quantity)?;
        match read(quantity, field).and_then(|f| on_grid(f, quantity)) {
            Ok(values) => Some(values),
            Err(words) => {
                told.push(words);
                None
            }
        }
    };
    let temperature = wanted(Quantity::Temperature);
    let specific_humidity = wanted(Quantity::SpecificHumidity).map(|q| q.mapv_into(|q| q.max(0.0))).or_else(|| {
        let relative = wanted(Quantity::RelativeHumidity)?;
        let temperature = temperature.as_ref()?;
        Some(
            Zip::from(&relative)
                .and(temperature)
                .map_collect(|r, t| specific_humidity(*r, *t, level_hpa)),
        )
    });
    // Wind towards east and north turns to the axes of the grid.
    if !fields[&Quantity::U].header.layout.wind_along_grid && !grid.projection.is_geographic() {
        for ((row, column), u) in u.indexed_iter_mut() {
            let axes = Axes::at(&grid, row as f64, column as f64).map_err(|e| e.to_string())?;
            (*u, v[[row, column]]) = axes.along_grid(*u, v[[row, column]]);
        }
    }
    let state = State {
        grid,
        valid_time: time,
        level_hpa,
        u,
        v,
        geopotential,
        specific_humidity,
        temperature,
    };
    Ok((state, told))
}

/// A field `[y, x]` on an even grid, row 0 in the south.
fn read(quantity: Quantity, field: &Field<'_>) -> Result<(Grid, Array2<f32>), String> {
    let told = |refusal: Refusal| {
        format!(
            "{quantity:?}: message {}, byte {}: {}",
            refusal.message, refusal.byte, refusal.reason
        )
    };
    let values = field.values().map_err(told)?;
    let (low, high) = quantity.range();
    if let Some(value) = values.iter().find(|v| !(v.is_nan() || (low..=high).contains(*v))) {
        return Err(told(field.refusal(format!("a value of {value}, expected {low} to {high}"))));
    }
    let values = field.header.layout.arrange(&values);
    match &field.header.layout.place {
        Place::Even(grid) => Ok(((**grid).clone(), values)),
        Place::Gaussian { latitudes, x } => evenly_spaced(latitudes, *x, &values),
        Place::Rotated { .. } => Err(told(
            field.refusal("a rotated longitude-latitude grid is not supported for states".into()),
        )),
    }
}

/// Rows at the zeros of a Legendre polynomial, linearly interpolated to as many rows at even distances.
fn evenly_spaced(latitudes: &[f64], x: Axis, values: &Array2<f32>) -> Result<(Grid, Array2<f32>), String> {
    let (first, last, count) = (latitudes[0], latitudes[latitudes.len() - 1], latitudes.len());
    let y = Axis {
        first,
        spacing: (last - first) / (count - 1) as f64,
        count,
    };
    let grid = Grid::new(y, x, Projection::lon_lat()).map_err(|e| e.to_string())?;
    let even = Array2::from_shape_fn(values.dim(), |(row, column)| {
        let latitude = y.centre(row as f64);
        let above = latitudes.partition_point(|l| *l < latitude).clamp(1, count - 1);
        let weight = ((latitude - latitudes[above - 1]) / (latitudes[above] - latitudes[above - 1])) as f32;
        values[[above - 1, column]] * (1.0 - weight) + values[[above, column]] * weight
    });
    Ok((grid, even))
}

/// Specific humidity, kg kg⁻¹, from relative humidity over water in % and temperature in K.
///
/// e_s = 6.112 exp(17.67 T / (T + 243.5)) hPa with T in °C, q = 0.622 e / (p - 0.378 e). Models that mean saturation over ice in the cold are
/// read as over water, too: too moist there by up to a third at -30 °C.
///
/// # Source
///
/// Bolton, D., 1980: The computation of equivalent potential temperature. Mon. Wea. Rev., 108, 1046-1053, eq. 10.
pub(in crate::ingest) fn specific_humidity(relative: f32, temperature: f32, level_hpa: f64) -> f32 {
    let celsius = f64::from(temperature) - 273.15;
    let saturation = 6.112 * (17.67 * celsius / (celsius + 243.5)).exp();
    let vapour = (f64::from(relative) / 100.0).max(0.0) * saturation;
    // Where the air is thinner than its vapour could be, all of it is vapour.
    (0.622 * vapour / (level_hpa - 0.378 * vapour).max(0.622 * vapour)) as f32
}

fn no_level(path: &Path, level_hpa: f64, fields: &[Field<'_>]) -> Error {
    let mut levels: Vec<f64> = fields
        .iter()
        .filter(|f| Quantity::of(f).is_some())
        .filter_map(|f| f.header.level_hpa())
        .collect();
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    let words: Vec<String> = levels.iter().map(ToString::to_string).collect();
    Error::Content {
        path: path.to_owned(),
        field: "pressure levels".into(),
        found: if words.is_empty() {
            "none".into()
        } else {
            format!("{} hPa", words.join(", "))
        },
        expected: format!("{level_hpa} hPa, or one of the levels that are there"),
    }
}

fn nothing(path: &Path) -> Error {
    Error::Content {
        path: path.to_owned(),
        field: "messages".into(),
        found: "none".into(),
        expected: "at least one field".into(),
    }
}

fn refused(input: &Input, refusal: &Refusal) -> Notice {
    let words = format!("message {}, byte {}: {}", refusal.message, refusal.byte, refusal.reason);
    Notice::new(NoticeKind::Missing, input.name.clone(), words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saturated_air_at_20_degrees_and_1000_hpa_holds_14_and_a_half_grams() {
        // e_s = 6.112 exp(17.67 x 20 / 263.5) = 23.37 hPa; q = 0.622 x 23.37 / (1000 - 8.83) = 0.01467.
        assert!((specific_humidity(100.0, 293.15, 1000.0) - 0.01467).abs() < 1e-5);
        assert_eq!(specific_humidity(-1.0, 293.15, 1000.0), 0.0);
    }
}
