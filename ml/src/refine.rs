//! Fields of the network's cells on the finer cells of a map.

use ndarray::{Array2, Array3, ArrayView2, Axis};
use nowblend_field::advection::{Interpolation, value_at};
use rayon::prelude::*;

/// Planes between the centres of the network's cells, bilinear; the same value over the outer half of the outermost cells.
pub(crate) fn refine(coarse: &Array3<f32>, factor: usize, shape: (usize, usize)) -> Array3<f32> {
    if factor == 1 {
        return coarse.clone();
    }
    let mut out = Array3::zeros((coarse.dim().0, shape.0, shape.1));
    for (mut plane, source) in out.outer_iter_mut().zip(coarse.outer_iter()) {
        let between = Between::new(source, factor, shape.1);
        plane
            .axis_iter_mut(Axis(0))
            .into_par_iter()
            .enumerate()
            .for_each(|(y, row)| between.row(y, row.into_slice().expect("rows of a new field lie in one piece")));
    }
    out
}

/// The same of one plane.
pub(crate) fn refine_one(plane: Array2<f32>, factor: usize, shape: (usize, usize)) -> Array2<f32> {
    refine(&plane.insert_axis(Axis(0)), factor, shape).index_axis_move(Axis(0), 0)
}

struct Between<'a> {
    source: ArrayView2<'a, f32>,
    factor: usize,
    /// For each column the one of the network's to its west, the next one, and how much of that.
    columns: Vec<(usize, usize, f32)>,
}

impl<'a> Between<'a> {
    fn new(source: ArrayView2<'a, f32>, factor: usize, width: usize) -> Self {
        let columns = (0..width).map(|x| beside(place(x, factor, source.ncols()), source.ncols()));
        Self {
            source,
            factor,
            columns: columns.collect(),
        }
    }

    fn row(&self, y: usize, out: &mut [f32]) {
        let (ny, nx) = self.source.dim();
        let row = place(y, self.factor, ny);
        let (south, north, share) = beside(row, ny);
        let (south, north) = (self.source.row(south), self.source.row(north));
        let weights = (1.0 - share, share);
        for (x, (p, (west, east, along))) in out.iter_mut().zip(&self.columns).enumerate() {
            let corners = [south[*west], south[*east], north[*west], north[*east]];
            // As `value_at` weighs them, so that both round alike.
            let shares = [
                weights.0 * (1.0 - along),
                weights.0 * along,
                weights.1 * (1.0 - along),
                weights.1 * along,
            ];
            *p = corners[0] * shares[0] + corners[1] * shares[1] + corners[2] * shares[2] + corners[3] * shares[3];
            if p.is_nan() {
                *p = value_at(&self.source, row, place(x, self.factor, nx), Interpolation::Linear);
            }
        }
    }
}

/// Where the centre of a cell lies among `count` of the network's.
fn place(cell: usize, factor: usize, count: usize) -> f32 {
    (((cell as f32 + 0.5) / factor as f32) - 0.5).clamp(0.0, (count - 1) as f32)
}

/// The two cells around a place, and the share of the second.
fn beside(place: f32, count: usize) -> (usize, usize, f32) {
    let first = (place as usize).min(count.saturating_sub(2));
    (first, (first + 1).min(count - 1), place - first as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_is_read_as_by_the_rule_for_one() {
        let mut coarse = Array3::from_shape_fn((2, 5, 7), |(j, y, x)| ((j + 3 * y + 5 * x) % 11) as f32 / 11.0);
        coarse[[1, 2, 3]] = f32::NAN;
        let fine = refine(&coarse, 3, (14, 20));
        for ((j, y, x), found) in fine.indexed_iter() {
            let expected = value_at(
                &coarse.index_axis(Axis(0), j),
                place(y, 3, 5),
                place(x, 3, 7),
                Interpolation::Linear,
            );
            assert!(
                *found == expected || found.is_nan() && expected.is_nan(),
                "{j} {y} {x}: {found}, {expected}"
            );
        }
        assert!(fine.index_axis(Axis(0), 1).iter().any(|p| p.is_nan()));
    }
}
