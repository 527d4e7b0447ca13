//! Between the radar's fine cells and the core's coarser ones: means over blocks one way, smooth values the other.

use ndarray::{Array2, Axis as Dimension};
use nowblend_field::{Axis, Grid};
use rayon::prelude::*;

use crate::plane::{Plane, Shape};

/// Cells that the core keeps along the shorter side, where the radar has as many.
const FEWEST_ALONG_A_SIDE: usize = 16;

/// Blocks of `factor` x `factor` radar cells that cover the whole grid: the cells of the core. The last may reach beyond it.
#[derive(Debug, Clone)]
pub(crate) struct Blocks {
    factor: usize,
    fine: (usize, usize),
    grid: Grid,
}

impl Blocks {
    /// Blocks of about `cell_m`, larger where there would be more than `most` of them; never finer than the radar's cells.
    pub fn new(fine: &Grid, cell_m: f64, most: usize) -> Self {
        let (ny, nx) = fine.shape();
        let wished = ((cell_m / fine.cell_size_m()).round() as usize).clamp(1, (ny.min(nx) / FEWEST_ALONG_A_SIDE).max(1));
        let factor = (wished..)
            .find(|f| ny.div_ceil(*f) * nx.div_ceil(*f) <= most.max(1))
            .expect("one block covers any grid");
        let axis = |a: &Axis| Axis {
            first: a.centre((factor - 1) as f64 / 2.0),
            spacing: a.spacing * factor as f64,
            count: a.count.div_ceil(factor),
        };
        Self {
            factor,
            fine: (ny, nx),
            grid: Grid {
                y: axis(&fine.y),
                x: axis(&fine.x),
                projection: fine.projection.clone(),
            },
        }
    }

    /// The grid of blocks.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// Radar cells along a side of a block.
    pub fn factor(&self) -> usize {
        self.factor
    }

    /// Mean `[y, x]` of each block over what was observed of `field` `[y, x]`; NaN where that is nothing.
    pub fn mean(&self, field: &Array2<f32>) -> Array2<f64> {
        let (ny, nx) = self.fine;
        let mut means = Array2::zeros(self.grid.shape());
        means
            .axis_iter_mut(Dimension(0))
            .into_par_iter()
            .enumerate()
            .for_each(|(j, mut row)| {
                let rows = j * self.factor..((j + 1) * self.factor).min(ny);
                for (i, mean) in row.iter_mut().enumerate() {
                    let columns = i * self.factor..((i + 1) * self.factor).min(nx);
                    let (mut sum, mut known) = (0.0, 0.0);
                    for value in field.slice(ndarray::s![rows.clone(), columns]).iter().filter(|v| v.is_finite()) {
                        sum += f64::from(*value);
                        known += 1.0;
                    }
                    *mean = if known > 0.0 { sum / known } else { f64::NAN };
                }
            });
        means
    }

    /// Values `[y, x]` on the radar's cells, bilinear between the middles of the blocks; beyond the outermost those of the edge.
    pub fn spread(&self, coarse: &Plane) -> Array2<f32> {
        let Shape { ny, nx } = coarse.shape();
        let place = |index: usize, count: usize| {
            let at = ((index as f64 + 0.5) / self.factor as f64 - 0.5).clamp(0.0, (count - 1) as f64);
            let low = (at as usize).min(count.saturating_sub(2));
            (low, (low + 1).min(count - 1), at - low as f64)
        };
        let columns: Vec<_> = (0..self.fine.1).map(|i| place(i, nx)).collect();
        let mut out = Array2::zeros(self.fine);
        out.axis_iter_mut(Dimension(0))
            .into_par_iter()
            .enumerate()
            .for_each(|(row, mut out)| {
                let (j0, j1, fy) = place(row, ny);
                let (south, north) = (coarse.row(j0), coarse.row(j1));
                for (out, (i0, i1, fx)) in out.iter_mut().zip(&columns) {
                    let along = |r: &[f64]| r[*i0] + fx * (r[*i1] - r[*i0]);
                    *out = (along(south) + fy * (along(north) - along(south))) as f32;
                }
            });
        out
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn the_last_block_covers_what_is_left_and_missing_cells_do_not_count() {
        // 4 x 5 cells of 1 km would be blocks of 2: 2 x 3 of them, the last column half empty. So small a grid keeps its own cells.
        let fine = Grid::plane(4, 5, 1000.0);
        assert_eq!(Blocks::new(&fine, 2000.0, 1000).factor(), 1);
        let blocks = Blocks::new(&fine, 2000.0, 6);
        assert_eq!((blocks.factor(), blocks.grid().shape()), (2, (2, 3)));
        assert_eq!(blocks.grid().x.centres(), [500.0, 2500.0, 4500.0]);
        let nan = f32::NAN;
        let field = array![
            [1.0, 3.0, nan, nan, 5.0],
            [1.0, 3.0, nan, nan, 7.0],
            [0.0, 0.0, nan, 4.0, 1.0],
            [0.0, 8.0, nan, nan, 1.0]
        ];
        let means = blocks.mean(&field);
        assert_eq!((means[[0, 0]], means[[0, 2]], means[[1, 0]], means[[1, 1]]), (2.0, 6.0, 2.0, 4.0));
        assert!(means[[0, 1]].is_nan());
    }

    #[test]
    fn a_slope_comes_back_as_a_slope() {
        let blocks = Blocks::new(&Grid::plane(64, 96, 1000.0), 4000.0, 10_000);
        assert_eq!(blocks.factor(), 4);
        // Block i has its middle at fine cell 4 i + 1.5: a value of its own place comes back as the place of each fine cell.
        let (ny, nx) = blocks.grid().shape();
        let slope = Plane::from_fn(Shape { ny, nx }, |_, i| 4.0 * i as f64 + 1.5);
        let fine = blocks.spread(&slope);
        assert_eq!((fine[[7, 10]], fine[[30, 47]]), (10.0, 47.0));
        assert_eq!(fine[[3, 0]], 1.5);
    }
}
