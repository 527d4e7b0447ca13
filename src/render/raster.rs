//! From a field with row 0 in the south to picture points with north up, fewer of them where the grid is large.

use ndarray::{Array2, ArrayView2, s};

use super::colour::Scale;

/// Points `[row, column]` from the north-west corner.
#[derive(Debug, Clone, PartialEq)]
pub struct Raster {
    /// Values; NaN is missing.
    pub values: Array2<f32>,
    /// How many cells in each direction are one point.
    pub factor: usize,
}

impl Raster {
    /// A raster of `[y, x]` with no side longer than `max_side` points.
    ///
    /// Where cells are merged, a point is the mean over those that are observed, for the amount of rain is then kept, a shower
    /// does not grow with the size of the grid, and a probability stays one; it is missing where fewer than half are observed.
    /// Peaks become lower: say the maximum of the full field beside the picture (see [`Summary`]).
    pub fn of(field: ArrayView2<'_, f32>, max_side: usize) -> Self {
        let (ny, nx) = field.dim();
        let factor = ny.max(nx).div_ceil(max_side.max(1)).max(1);
        let north_up = field.slice(s![..;-1, ..]);
        if factor == 1 {
            return Self {
                values: north_up.to_owned(),
                factor,
            };
        }
        let shape = (ny.div_ceil(factor), nx.div_ceil(factor));
        let values = Array2::from_shape_fn(shape, |(row, column)| {
            let (y, x) = (row * factor, column * factor);
            let block = north_up.slice(s![y..ny.min(y + factor), x..nx.min(x + factor)]);
            let (sum, count) = block
                .iter()
                .filter(|v| !v.is_nan())
                .fold((0.0_f64, 0), |(sum, count), v| (sum + f64::from(*v), count + 1));
            if 2 * count < block.len() {
                f32::NAN
            } else {
                (sum / f64::from(count as u32)) as f32
            }
        });
        Self { values, factor }
    }

    /// `(rows, columns)`.
    pub fn shape(&self) -> (usize, usize) {
        self.values.dim()
    }

    /// Palette indices, row by row.
    pub fn classes(&self, scale: &Scale) -> Vec<u8> {
        self.values.iter().map(|v| scale.class(*v)).collect()
    }
}

/// A field in three numbers, of all cells and not of the picture's points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Largest value; NaN where all are missing.
    pub maximum: f32,
    /// Share of the observed cells at or above the wet threshold; NaN where all are missing.
    pub wet: f64,
    /// Share of cells that are missing.
    pub missing: f64,
}

impl Summary {
    /// Sums up `[y, x]`; a cell is wet at or above `threshold`.
    pub fn of(field: ArrayView2<'_, f32>, threshold: f32) -> Self {
        let (mut observed, mut wet, mut maximum) = (0_usize, 0_usize, f32::NAN);
        for value in field.iter().filter(|v| !v.is_nan()) {
            observed += 1;
            wet += usize::from(*value >= threshold);
            maximum = maximum.max(*value);
        }
        Self {
            maximum,
            wet: wet as f64 / observed as f64,
            missing: (field.len() - observed) as f64 / field.len().max(1) as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn north_is_up() {
        // Row 0 is the south: it must be the last of the picture.
        let raster = Raster::of(array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]].view(), 10);
        assert_eq!(raster.values, array![[4.0, 5.0, 6.0], [1.0, 2.0, 3.0]]);
    }

    #[test]
    fn merged_cells_keep_the_amount_and_half_observed_is_observed() {
        let nan = f32::NAN;
        let field = array![[0.0, 4.0, nan, nan, 7.0], [0.0, 8.0, nan, 2.0, 9.0], [nan, 1.0, 3.0, 5.0, nan]];
        let raster = Raster::of(field.view(), 3);
        // North row first: {nan 1 / 0 8} -> 3; {3 5 / nan 2} -> 10/3; {nan / 9} -> half observed, 9.
        // The row that is left over in the south: {0 4} -> 2; {nan nan} -> missing; {7} -> 7.
        assert_eq!((raster.factor, raster.shape()), (2, (2, 3)));
        assert_eq!(raster.values.row(0).to_vec(), [3.0, 10.0 / 3.0, 9.0]);
        assert!(raster.values[[1, 0]] == 2.0 && raster.values[[1, 1]].is_nan() && raster.values[[1, 2]] == 7.0);
    }

    #[test]
    fn a_summary_counts_observed_cells_only() {
        let summary = Summary::of(array![[f32::NAN, 0.0], [0.1, 5.0]].view(), 0.1);
        assert_eq!((summary.maximum, summary.missing), (5.0, 0.25));
        assert!((summary.wet - 2.0 / 3.0).abs() < 1e-12);
        assert!(Summary::of(array![[f32::NAN]].view(), 0.1).maximum.is_nan());
    }
}
