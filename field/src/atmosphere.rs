//! The air around the whole globe at one time: what a global core or network steps forward.

use std::{collections::BTreeMap, sync::Arc};

use ndarray::{ArcArray, ArrayView2, Ix3};

use crate::{Error, ValidTime};

/// A field `[level, y, x]` that several states may share; one level for what lies at the surface.
pub type GlobalField = ArcArray<f32, Ix3>;

/// Rows and columns of a grid around the globe.
#[derive(Debug, Clone, PartialEq)]
pub struct Globe {
    latitudes: Vec<f64>,
    longitudes: Vec<f64>,
}

impl Globe {
    /// Rows at `latitudes`, from the south, and columns at `longitudes`, eastwards; degrees.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] for coordinates that do not rise, latitudes beyond a pole, or columns that go more than once around.
    pub fn new(latitudes: Vec<f64>, longitudes: Vec<f64>) -> Result<Self, Error> {
        let refuse = |what, found, expected| Err(Error::Value { what, found, expected });
        for (what, values) in [("latitude of a row", &latitudes), ("longitude of a column", &longitudes)] {
            let Some(first) = values.first() else {
                return refuse(what, f64::NAN, "at least one");
            };
            if !first.is_finite() {
                return refuse(what, *first, "a finite number");
            }
            if let Some(pair) = values
                .windows(2)
                .find(|pair| pair[0].partial_cmp(&pair[1]) != Some(std::cmp::Ordering::Less))
            {
                return refuse(what, pair[1], "more than the one before it");
            }
        }
        for latitude in [latitudes[0], latitudes[latitudes.len() - 1]] {
            if !(-90.0..=90.0).contains(&latitude) {
                return refuse("latitude of a row", latitude, "-90 to 90");
            }
        }
        let around = longitudes[longitudes.len() - 1] - longitudes[0];
        if around >= 360.0 {
            return refuse("span of the longitudes", around, "less than 360");
        }
        Ok(Self { latitudes, longitudes })
    }

    /// Latitudes of the rows, ascending, degrees.
    pub fn latitudes(&self) -> &[f64] {
        &self.latitudes
    }

    /// Longitudes of the columns, ascending, degrees.
    pub fn longitudes(&self) -> &[f64] {
        &self.longitudes
    }

    /// `(rows, columns)`.
    pub fn shape(&self) -> (usize, usize) {
        (self.latitudes.len(), self.longitudes.len())
    }

    /// Whether both grids have the same points, within a ten-thousandth of a degree.
    pub fn agrees(&self, other: &Self) -> bool {
        let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-4);
        self.shape() == other.shape() && close(&self.latitudes, &other.latitudes) && close(&self.longitudes, &other.longitudes)
    }

    /// A field `[y, x]` between the points, degrees: linear in latitude and longitude; beyond the last row that row.
    pub fn value(&self, field: ArrayView2<'_, f32>, longitude: f64, latitude: f64) -> f64 {
        let (y, row) = between(&self.latitudes, latitude);
        let (west, east, column) = around(&self.longitudes, longitude);
        let at = |y: usize, x: usize| f64::from(field[[y, x]]);
        let north = (y + 1).min(self.latitudes.len() - 1);
        let along = |y: usize| at(y, west) + column * (at(y, east) - at(y, west));
        along(y) + row * (along(north) - along(y))
    }

    /// Number of points.
    pub fn points(&self) -> usize {
        self.latitudes.len() * self.longitudes.len()
    }
}

/// Index before a value among ascending ones, and how far it is to the next.
fn between(values: &[f64], value: f64) -> (usize, f64) {
    let after = values.partition_point(|v| *v <= value);
    if after == 0 {
        return (0, 0.0);
    }
    if after == values.len() {
        return (after - 1, 0.0);
    }
    (after - 1, (value - values[after - 1]) / (values[after] - values[after - 1]))
}

/// Columns west and east of a longitude, and how far it is from the west one.
fn around(longitudes: &[f64], longitude: f64) -> (usize, usize, f64) {
    let first = longitudes[0];
    let turned = first + (longitude - first).rem_euclid(360.0);
    let (west, share) = between(longitudes, turned);
    if west + 1 < longitudes.len() {
        return (west, west + 1, share);
    }
    (west, 0, (turned - longitudes[west]) / (first + 360.0 - longitudes[west]))
}

/// Named fields around the globe at one time, in the units of the public reanalysis (K, Pa, m s⁻¹, m² s⁻², kg kg⁻¹, m).
///
/// Copies share their fields.
#[derive(Debug, Clone)]
pub struct Atmosphere {
    /// Where the points lie.
    pub globe: Arc<Globe>,
    /// Pressures of the levels of fields that have more than one, hPa, in the order of those fields.
    pub levels_hpa: Arc<[f64]>,
    /// When the state holds.
    pub valid_time: ValidTime,
    /// Fields `[level, y, x]` by name.
    pub fields: BTreeMap<String, GlobalField>,
}

impl Atmosphere {
    /// A state without fields.
    pub fn empty(globe: Arc<Globe>, levels_hpa: Arc<[f64]>, valid_time: ValidTime) -> Self {
        Self {
            globe,
            levels_hpa,
            valid_time,
            fields: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_globe_rises_northwards_and_eastwards_and_closes_once() {
        assert_eq!(Globe::new(vec![-90.0, 0.0, 90.0], vec![0.0, 180.0]).unwrap().points(), 6);
        assert!(Globe::new(vec![90.0, -90.0], vec![0.0]).is_err(), "rows begin in the south");
        assert!(
            Globe::new(vec![0.0], vec![0.0, 360.0]).is_err(),
            "the first column would come twice"
        );
        assert!(Globe::new(vec![f64::NAN], vec![0.0]).is_err() && Globe::new(vec![0.0, f64::NAN], vec![0.0]).is_err());
        assert!(Globe::new(vec![91.0], vec![0.0]).is_err() && Globe::new(Vec::new(), vec![0.0]).is_err());
    }
}
