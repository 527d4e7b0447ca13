//! Blocks and tiles: rain seen coarsely enough that a check asks about weather and not about single cells.

use std::ops::Range;

use ndarray::{Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

use super::Tile;

/// Means `[y, x]` over blocks of `factor` x `factor` cells; NaN where fewer than half of a block is known. A remainder in the north and
/// east is left out, as in [`nowblend_field::Grid::coarsen`].
pub(super) fn block_mean(field: ArrayView2<'_, f32>, factor: usize) -> Array2<f32> {
    let factor = factor.max(1);
    let (ny, nx) = field.dim();
    let mut out = Array2::from_elem((ny / factor, nx / factor), f32::NAN);
    out.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(row, mut cells)| {
        for (column, cell) in cells.iter_mut().enumerate() {
            let block = field.slice(s![row * factor..(row + 1) * factor, column * factor..(column + 1) * factor]);
            let (mut sum, mut known) = (0.0f64, 0usize);
            for &value in block.iter().filter(|v| v.is_finite()) {
                sum += f64::from(value);
                known += 1;
            }
            if 2 * known >= factor * factor {
                *cell = (sum / known as f64) as f32;
            }
        }
    });
    out
}

/// Rows and columns of square tiles `size` cells wide that cover `shape`; those at the northern and eastern edge may be up to half a
/// size wider or, where a tile does not fit at all, the whole width.
pub(super) fn tiles(shape: (usize, usize), size: usize) -> Vec<(Range<usize>, Range<usize>)> {
    let size = size.max(1);
    let cuts = |length: usize| -> Vec<Range<usize>> {
        let count = ((length as f64 / size as f64).round() as usize).max(1);
        (0..count)
            .map(|k| k * length / count..(k + 1) * length / count)
            .filter(|r| !r.is_empty())
            .collect()
    };
    let columns = cuts(shape.1);
    cuts(shape.0)
        .into_iter()
        .flat_map(|rows| columns.iter().map(move |c| (rows.clone(), c.clone())))
        .collect()
}

/// A tile of blocks as a tile of the grid's own cells.
pub(super) fn native_tile(rows: &Range<usize>, columns: &Range<usize>, factor: usize, value: f64) -> Tile {
    let native = |r: &Range<usize>| r.start * factor..r.end * factor;
    Tile {
        rows: native(rows),
        columns: native(columns),
        value,
    }
}

/// The value below which a share of the weight lies; NaN without weight.
pub(super) fn weighted_quantile(mut values: Vec<(f64, f64)>, share: f64) -> f64 {
    values.retain(|(value, weight)| !value.is_nan() && *weight > 0.0);
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = values.iter().map(|v| v.1).sum();
    let mut below = 0.0;
    for &(value, weight) in &values {
        below += weight;
        if below >= share * total {
            return value;
        }
    }
    values.last().map_or(f64::NAN, |v| v.0)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn a_block_is_the_mean_of_what_is_known_if_that_is_half() {
        let nan = f32::NAN;
        let field = array![[1.0, 3.0, nan, nan, 9.0], [nan, nan, nan, 4.0, 9.0]];
        let blocks = block_mean(field.view(), 2);
        assert_eq!(blocks.dim(), (1, 2));
        assert_eq!(blocks[[0, 0]], 2.0);
        assert!(blocks[[0, 1]].is_nan());
    }

    #[test]
    fn tiles_cover_every_cell_once() {
        for (shape, size) in [((4, 5), 2), ((7, 3), 10), ((1, 1), 1), ((64, 81), 20)] {
            let mut seen = Array2::<u8>::zeros(shape);
            for (rows, columns) in tiles(shape, size) {
                seen.slice_mut(s![rows, columns]).mapv_inplace(|n| n + 1);
            }
            assert!(seen.iter().all(|n| *n == 1), "{shape:?} {size}");
        }
    }

    #[test]
    fn a_heavy_value_outweighs_many_light_ones() {
        assert_eq!(weighted_quantile(vec![(1.0, 1.0), (2.0, 1.0), (9.0, 10.0)], 0.5), 9.0);
        assert_eq!(weighted_quantile(vec![(3.0, 1.0), (1.0, 1.0), (2.0, 1.0)], 0.5), 2.0);
        assert!(weighted_quantile(vec![(1.0, 0.0)], 0.5).is_nan());
    }
}
