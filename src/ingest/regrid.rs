//! States of the air on the grid of the radar: bilinear, longitudes wrap, wind turns with the map.

use ndarray::{Array2, Axis as Dimension};
use nowblend_field::{Error as FieldError, Grid, State};
use rayon::prelude::*;

use super::Error;

/// Brings a state to the cells of `target`, bilinearly. Wind, which follows the axes of a grid, is turned to those of `target`. A cell next to
/// missing values is missing.
///
/// # Errors
///
/// [`Error::NotCovered`] where a cell of `target` lies more than half a cell outside the state's grid.
pub fn regrid(state: &State, target: &Grid) -> Result<State, Error> {
    let not_covered = |found: String| Error::NotCovered {
        what: "the state of the air",
        found,
        expected: target.to_string(),
    };
    let source = Source::new(&state.grid);
    let (rows, columns) = target.shape();
    let weights: Vec<Result<Vec<Corners>, Error>> = (0..rows)
        .into_par_iter()
        .map(|row| {
            (0..columns)
                .map(|column| {
                    let place = target.lon_lat(row as f64, column as f64).map_err(|e| not_covered(e.to_string()))?;
                    let corners = source.corners(place).map_err(|e| not_covered(e.to_string()))?;
                    corners.ok_or_else(|| {
                        not_covered(format!(
                            "{} without {:.3} degrees north, {:.3} degrees east",
                            state.grid, place.1, place.0
                        ))
                    })
                })
                .collect()
        })
        .collect();
    // Row by row, so that the place named is the first of the grid, not the first that a thread came to.
    let weights: Vec<Vec<Corners>> = weights.into_iter().collect::<Result<_, _>>()?;
    let bring = |field: &Array2<f32>| {
        let mut out = Array2::zeros((rows, columns));
        out.axis_iter_mut(Dimension(0))
            .into_par_iter()
            .zip(&weights)
            .for_each(|(mut out, weights)| {
                for (out, corners) in out.iter_mut().zip(weights) {
                    *out = corners.mean(field);
                }
            });
        out
    };
    let (mut u, mut v) = (bring(&state.u), bring(&state.v));
    if !(state.grid.projection.is_geographic() && target.projection.is_geographic()) {
        for row in 0..rows {
            for column in 0..columns {
                let corners = &weights[row][column];
                let turned = |e: FieldError| not_covered(e.to_string());
                let from = Axes::at(&state.grid, corners.place.0, corners.place.1).map_err(turned)?;
                let to = Axes::at(target, row as f64, column as f64).map_err(turned)?;
                let (east, north) = from.on_earth(u[[row, column]], v[[row, column]]);
                (u[[row, column]], v[[row, column]]) = to.along_grid(east, north);
            }
        }
    }
    Ok(State {
        grid: target.clone(),
        valid_time: state.valid_time,
        level_hpa: state.level_hpa,
        u,
        v,
        geopotential: bring(&state.geopotential),
        specific_humidity: state.specific_humidity.as_ref().map(bring),
        temperature: state.temperature.as_ref().map(bring),
    })
}

/// Where the axes of a grid point at one place: cosine and sine of the angle from the Earth's east to the grid's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axes {
    cosine: f64,
    sine: f64,
}

impl Axes {
    /// At a fractional cell, from two places a tenth of a cell apart.
    pub fn at(grid: &Grid, row: f64, column: f64) -> Result<Self, FieldError> {
        if grid.projection.is_geographic() {
            return Ok(Self { cosine: 1.0, sine: 0.0 });
        }
        let (west, east) = (grid.lon_lat(row, column - 0.05)?, grid.lon_lat(row, column + 0.05)?);
        let middle = (0.5 * (west.1 + east.1)).to_radians();
        let along = ((east.0 - west.0 + 180.0).rem_euclid(360.0) - 180.0) * middle.cos();
        let across = east.1 - west.1;
        let length = along.hypot(across);
        if length > 0.0 {
            Ok(Self {
                cosine: along / length,
                sine: across / length,
            })
        } else {
            Ok(Self { cosine: 1.0, sine: 0.0 })
        }
    }

    /// From wind along the grid to wind towards east and north.
    pub fn on_earth(self, u: f32, v: f32) -> (f32, f32) {
        let (c, s) = (self.cosine as f32, self.sine as f32);
        (c * u - s * v, s * u + c * v)
    }

    /// From wind towards east and north to wind along the grid.
    pub fn along_grid(self, east: f32, north: f32) -> (f32, f32) {
        let (c, s) = (self.cosine as f32, self.sine as f32);
        (c * east + s * north, c * north - s * east)
    }
}

/// A grid to read from.
struct Source<'a> {
    grid: &'a Grid,
    /// Whether the last column is followed by the first.
    around: bool,
}

/// Four cells and their weights.
struct Corners {
    /// Fractional row and column.
    place: (f64, f64),
    rows: [usize; 2],
    columns: [usize; 2],
    /// Of the second row and column.
    weights: (f32, f32),
}

impl<'a> Source<'a> {
    fn new(grid: &'a Grid) -> Self {
        let width = grid.x.spacing * grid.x.count as f64;
        Self {
            grid,
            around: grid.projection.is_geographic() && (width - 360.0).abs() < 0.01 * grid.x.spacing,
        }
    }

    /// The cells around a place; `None` where it lies outside.
    fn corners(&self, (longitude, latitude): (f64, f64)) -> Result<Option<Corners>, FieldError> {
        let grid = self.grid;
        let (row, mut column) = grid.cell_eastwards(longitude, latitude)?;
        let (rows, columns) = grid.shape();
        if self.around {
            column = column.rem_euclid(columns as f64);
        }
        let inside = |at: f64, count: usize| at >= -0.5 && at <= count as f64 - 0.5;
        if !inside(row, rows) || !(inside(column, columns) || self.around) {
            return Ok(None);
        }
        let split = |at: f64, count: usize| {
            let at = at.clamp(0.0, (count - 1) as f64);
            let first = (at as usize).min(count.saturating_sub(2));
            ([first, (first + 1).min(count - 1)], (at - first as f64) as f32)
        };
        let (row_pair, down) = split(row, rows);
        let (column_pair, along) = if self.around {
            let first = (column as usize).min(columns - 1);
            ([first, (first + 1) % columns], (column - first as f64) as f32)
        } else {
            split(column, columns)
        };
        Ok(Some(Corners {
            place: (row, column),
            rows: row_pair,
            columns: column_pair,
            weights: (down, along),
        }))
    }
}

impl Corners {
    fn mean(&self, field: &Array2<f32>) -> f32 {
        let ([south, north], [west, east], (up, along)) = (self.rows, self.columns, self.weights);
        let mut sum = 0.0;
        for (row, column, weight) in [
            (south, west, (1.0 - up) * (1.0 - along)),
            (south, east, (1.0 - up) * along),
            (north, west, up * (1.0 - along)),
            (north, east, up * along),
        ] {
            // A corner without weight does not matter, even if it is missing.
            if weight > 0.0 {
                sum += weight * field[[row, column]];
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};
    use nowblend_field::{Axis, Projection};

    use super::*;

    fn axis(first: f64, spacing: f64, count: usize) -> Axis {
        Axis { first, spacing, count }
    }

    fn state(grid: Grid, u: f32, v: f32, z: impl Fn(f64, f64) -> f64) -> State {
        let shape = grid.shape();
        let geopotential = Array2::from_shape_fn(shape, |(row, column)| {
            let (longitude, latitude) = grid.lon_lat(row as f64, column as f64).unwrap();
            z(longitude, latitude) as f32
        });
        State {
            valid_time: Utc.with_ymd_and_hms(2020, 1, 1, 0, 0, 0).unwrap(),
            level_hpa: 700.0,
            u: Array2::from_elem(shape, u),
            v: Array2::from_elem(shape, v),
            geopotential,
            specific_humidity: None,
            temperature: None,
            grid,
        }
    }

    #[test]
    fn a_global_grid_is_read_across_its_seam() {
        // Columns at 0, 30, ... 330 degrees; z is the column's number from Greenwich: 345 degrees lies between 11 and 0.
        let grid = Grid::new(axis(-90.0, 30.0, 7), axis(0.0, 30.0, 12), Projection::lon_lat()).unwrap();
        let target = Grid::new(axis(10.0, 1.0, 1), axis(-15.0, 30.0, 3), Projection::lon_lat()).unwrap();
        let source = state(grid, 1.0, 2.0, |longitude, _| longitude / 30.0);
        let z = regrid(&source, &target).unwrap().geopotential;
        assert_eq!(z.as_slice().unwrap(), [5.5, 0.5, 1.5]);
    }

    #[test]
    fn a_linear_field_is_kept() {
        let grid = Grid::new(axis(40.0, 2.5, 9), axis(0.0, 2.5, 9), Projection::lon_lat()).unwrap();
        let target = Grid::new(axis(45.3, 0.1, 20), axis(6.1, 0.1, 30), Projection::lon_lat()).unwrap();
        let z = |longitude: f64, latitude: f64| 3.0 * longitude - 2.0 * latitude;
        let out = regrid(&state(grid, 0.0, 0.0, z), &target).unwrap();
        for ((row, column), value) in out.geopotential.indexed_iter() {
            let (longitude, latitude) = target.lon_lat(row as f64, column as f64).unwrap();
            assert!((f64::from(*value) - z(longitude, latitude)).abs() < 1e-4);
        }
    }

    #[test]
    fn wind_turns_with_the_map() {
        // A map of the north pole with 0 degrees downwards: at 90 degrees east the map's right hand is south, so a wind from the
        // west (10, 0) blows along the map's own up: (0, 10).
        let stere = Projection::parse("+proj=stere +lat_0=90 +lat_ts=60 +lon_0=0 +R=6371229 +units=m +no_defs").unwrap();
        let (x, y) = stere.forward(90.0, 60.0).unwrap();
        let target = Grid::new(axis(y, 1000.0, 1), axis(x, 1000.0, 1), stere).unwrap();
        let grid = Grid::new(axis(50.0, 1.0, 30), axis(80.0, 1.0, 20), Projection::lon_lat()).unwrap();
        let out = regrid(&state(grid, 10.0, 0.0, |_, _| 0.0), &target).unwrap();
        assert!(
            out.u[[0, 0]].abs() < 1e-3 && (out.v[[0, 0]] - 10.0).abs() < 1e-3,
            "{} {}",
            out.u[[0, 0]],
            out.v[[0, 0]]
        );
        // And back.
        let wide = Grid::new(axis(y - 5e4, 1e4, 11), axis(x - 5e4, 1e4, 11), target.projection.clone()).unwrap();
        let there = Grid::new(axis(60.0, 0.1, 1), axis(90.0, 0.1, 1), Projection::lon_lat()).unwrap();
        let back = regrid(&state(wide, 0.0, 10.0, |_, _| 0.0), &there).unwrap();
        assert!((back.u[[0, 0]] - 10.0).abs() < 1e-2 && back.v[[0, 0]].abs() < 1e-2);
    }

    #[test]
    fn a_place_that_is_not_covered_is_named() {
        let grid = Grid::new(axis(40.0, 1.0, 9), axis(0.0, 1.0, 9), Projection::lon_lat()).unwrap();
        let target = Grid::new(axis(45.0, 1.0, 2), axis(7.0, 1.0, 4), Projection::lon_lat()).unwrap();
        let message = regrid(&state(grid, 0.0, 0.0, |_, _| 0.0), &target).unwrap_err().to_string();
        assert!(message.contains("45.000 degrees north, 9.000 degrees east"), "{message}");
    }
}
