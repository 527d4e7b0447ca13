//! Brings rain and probabilities from one grid to another: what covers a cell counts, a gap stays a gap.

use ndarray::{Array2, Axis, Zip};
use nowblend_field::{
    Error as FieldError, Grid,
    advection::{Interpolation, value_at},
};
use rayon::prelude::*;

/// Most points along each side of a cell.
const POINTS_MAX: usize = 8;

/// Where the cells of a target grid lie on a source grid.
pub struct Place {
    /// Points along each side of a target cell that are averaged: one where the source is as coarse, more where it is finer.
    points: usize,
    /// Fractional row and column of each point, `[y, x * points²]`; NaN outside the map.
    at: Array2<(f32, f32)>,
    shape: (usize, usize),
}

impl Place {
    /// Finds each cell of `target` on `source`; `None` where both are one grid.
    pub fn find(source: &Grid, target: &Grid) -> Option<Self> {
        if source.agrees(target) {
            return None;
        }
        let ratio = target.cell_size_m() / source.cell_size_m();
        let points = (ratio.round() as usize).clamp(1, POINTS_MAX);
        let (ny, nx) = target.shape();
        let mut at = Array2::from_elem((ny, nx * points * points), (f32::NAN, f32::NAN));
        at.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(row, mut line)| {
            for (k, place) in line.iter_mut().enumerate() {
                let (column, point) = (k / (points * points), k % (points * points));
                let inside = |n: usize| (n as f64 + 0.5) / points as f64 - 0.5;
                let (y, x) = (row as f64 + inside(point / points), column as f64 + inside(point % points));
                if let Ok(found) = cell(source, target, y, x) {
                    *place = found;
                }
            }
        });
        Some(Self {
            points: points * points,
            at,
            shape: (ny, nx),
        })
    }

    /// A field `[y, x]` of the source on the target: bilinear, the mean of several points where the source is finer; NaN where the nearest cell
    /// is missing or the place lies outside.
    pub fn bring(&self, field: &Array2<f32>) -> Array2<f32> {
        let field = field.as_standard_layout();
        let field = field.view();
        let mut out = Array2::zeros(self.shape);
        Zip::from(out.rows_mut()).and(self.at.rows()).par_for_each(|mut out, places| {
            let places = places.as_slice().expect("made in standard layout");
            for (out, points) in out.iter_mut().zip(places.chunks(self.points)) {
                let mut sum = (0.0, 0usize);
                for (y, x) in points {
                    let value = value_at(&field, *y, *x, Interpolation::Linear);
                    if !value.is_nan() {
                        sum = (sum.0 + value, sum.1 + 1);
                    }
                }
                *out = if 2 * sum.1 >= points.len() {
                    sum.0 / sum.1 as f32
                } else {
                    f32::NAN
                };
            }
        });
        out
    }
}

/// Row and column of the source at a place of the target.
fn cell(source: &Grid, target: &Grid, y: f64, x: f64) -> Result<(f32, f32), FieldError> {
    let (longitude, latitude) = target.lon_lat(y, x)?;
    let (row, column) = source.cell_eastwards(longitude, latitude)?;
    Ok((row as f32, column as f32))
}
