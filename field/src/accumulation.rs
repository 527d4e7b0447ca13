//! How much it rained between two times: rain that moves is followed along its path, so that a swift shower leaves a swath and no string of pearls.

use ndarray::{Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

use crate::{
    Grid, LeadTime, Motion,
    advection::{Beyond, Cells, Rates},
};

/// Longest way between two positions of the rain that are added up, cells.
const WAY: f32 = 1.0;
/// Side of the squares that are looked at as a whole, cells: most of a map is dry.
const SQUARE: usize = 8;
/// Most positions between two times: beyond it, a forecast every few minutes would cost more than it tells.
const POSITIONS: usize = 8;

/// Rain amounts between times of a forecast, under a steady motion.
#[derive(Debug, Clone)]
pub struct Accumulation {
    /// Motion of the showers in each cell.
    rates: Rates,
    fastest: f32,
}

impl Accumulation {
    /// For rain on `grid` that moves with `motion`.
    pub fn new(motion: &Motion, grid: &Grid) -> Self {
        let rates = Rates::of((&motion.u, &motion.v), grid, 1);
        let fastest = rates.y.iter().zip(&rates.x).map(|(y, x)| y.hypot(*x)).fold(0.0, f32::max);
        Self { rates, fastest }
    }

    /// Amount `[y, x]`, mm, that falls in `duration` between two fields of rain `[y, x]`, mm h⁻¹.
    ///
    /// The mean over positions a = 1/2n, 3/2n, … of (1 − a) R₀(x − a d) + a R₁(x + (1 − a) d), d being the way of the rain in between: each field
    /// moves towards the other while it fades out or in. Where only one of them is known it counts alone; where neither is, what the cell itself holds
    /// counts, and where that is not known the amount is NaN.
    ///
    /// # Source
    ///
    /// Anagnostou, E. N. and W. F. Krajewski, 1999: Real-time radar rainfall estimation. Part I: Algorithm formulation. J. Atmos. Oceanic
    /// Technol., 16, 189-197 (advection correction of accumulations).
    pub fn between(&self, before: ArrayView2<'_, f32>, after: ArrayView2<'_, f32>, duration: LeadTime) -> Array2<f32> {
        let seconds = duration.seconds() as f32;
        let positions = ((self.fastest * seconds / WAY).ceil() as usize).clamp(1, POSITIONS);
        let (before, after) = (before.as_standard_layout(), after.as_standard_layout());
        let (before, after) = (before.view(), after.view());
        let (first, second) = (Cells::of(before), Cells::of(after));
        let reach = (self.fastest * seconds).ceil() as usize + 1;
        let squares = Squares::of(&before, &after, reach);
        let mut amount = Array2::zeros(before.dim());
        let rows = amount.axis_iter_mut(Axis(0)).into_par_iter().enumerate();
        rows.for_each(|(row, mut amounts)| {
            for (column, amount) in amounts.iter_mut().enumerate() {
                match squares.content[[row / SQUARE, column / SQUARE]] {
                    Content::Dry => continue,
                    Content::Missing => {
                        *amount = f32::NAN;
                        continue;
                    }
                    Content::Mixed => {}
                }
                let (dy, dx) = (seconds * self.rates.y[[row, column]], seconds * self.rates.x[[row, column]]);
                let (y, x) = (row as f32, column as f32);
                let mut sum = 0.0;
                for k in 0..positions {
                    let a = (k as f32 + 0.5) / positions as f32;
                    let b = 1.0 - a;
                    let first = first.linear(y - a * dy, x - a * dx, Beyond::Missing);
                    let second = second.linear(y + b * dy, x + b * dx, Beyond::Missing);
                    sum += fade(first, second, a)
                        .or_else(|| fade(before[[row, column]], after[[row, column]], a))
                        .unwrap_or(f32::NAN);
                }
                *amount = sum / positions as f32 * seconds / 3600.0;
            }
        });
        amount
    }
}

/// From one value to another, or the one that is known.
fn fade(first: f32, second: f32, a: f32) -> Option<f32> {
    match (first.is_nan(), second.is_nan()) {
        (false, false) => Some((1.0 - a) * first + a * second),
        (true, false) => Some(second),
        (false, true) => Some(first),
        (true, true) => None,
    }
}

/// What a square of cells and all that can reach it hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Dry,
    Missing,
    Mixed,
}

struct Squares {
    content: Array2<Content>,
}

impl Squares {
    /// Of two fields, each square together with those within `reach` cells.
    fn of(before: &ArrayView2<'_, f32>, after: &ArrayView2<'_, f32>, reach: usize) -> Self {
        let (ny, nx) = before.dim();
        let shape = (ny.div_ceil(SQUARE), nx.div_ceil(SQUARE));
        let mut own = Array2::from_elem(shape, Content::Mixed);
        own.axis_iter_mut(Axis(0))
            .into_par_iter()
            .enumerate()
            .for_each(|(row, mut squares)| {
                for (column, square) in squares.iter_mut().enumerate() {
                    let part = s![
                        row * SQUARE..((row + 1) * SQUARE).min(ny),
                        column * SQUARE..((column + 1) * SQUARE).min(nx)
                    ];
                    let (first, second) = (before.slice(part), after.slice(part));
                    let all = |is: fn(&f32) -> bool| first.iter().all(is) && second.iter().all(is);
                    if all(|r| *r == 0.0) {
                        *square = Content::Dry;
                    } else if all(|r| r.is_nan()) {
                        *square = Content::Missing;
                    }
                }
            });
        let around = reach.div_ceil(SQUARE);
        let content = Array2::from_shape_fn(shape, |(row, column)| {
            let rows = row.saturating_sub(around)..(row + around + 1).min(shape.0);
            let columns = column.saturating_sub(around)..(column + around + 1).min(shape.1);
            let here = own[[row, column]];
            let same = own.slice(s![rows, columns]).iter().all(|c| *c == here);
            if same { here } else { Content::Mixed }
        });
        Self { content }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eastward(speed: f32, shape: (usize, usize)) -> Motion {
        Motion::new(Array2::from_elem(shape, speed), Array2::zeros(shape))
    }

    #[test]
    fn a_swift_shower_leaves_a_swath_and_no_gap() {
        // 12 mm/h over one column that moves 8 cells of 1 km in 5 min: each column on its way sees it for 5/8 min, 12 / 60 x 5 / 8 = 0.125 mm.
        let shape = (3, 24);
        let grid = Grid::plane(shape.0, shape.1, 1000.0);
        let column = |at: usize| Array2::from_shape_fn(shape, |(_, x)| if x == at { 12.0 } else { 0.0 });
        let moving = Accumulation::new(&eastward(8000.0 / 300.0, shape), &grid);
        let swath = moving.between(column(4).view(), column(12).view(), LeadTime::from_minutes(5));
        for x in 6..=10 {
            assert!((swath[[1, x]] - 0.125).abs() < 0.01, "{x}: {}", swath[[1, x]]);
        }
        // Still rain of 12 mm/h at both times leaves 1 mm in 5 min.
        let resting = Accumulation::new(&Motion::rest(shape), &grid);
        let still = resting.between(column(4).view(), column(4).view(), LeadTime::from_minutes(5));
        assert!((still[[0, 4]] - 1.0).abs() < 1e-6 && still[[0, 5]] == 0.0);
    }

    #[test]
    fn squares_that_nothing_reaches_change_no_amount() {
        // The same storm in a large dry field and at its edge in a small one: a square is passed over only where it makes no difference.
        let storm = |ny: usize, nx: usize, y0: f32| {
            Array2::from_shape_fn((ny, nx), |(y, x)| (10.0 - (y as f32 - y0).hypot(x as f32 - 40.0)).max(0.0))
        };
        let (small, large) = ((60, 80), (260, 380));
        let amount = |shape: (usize, usize)| {
            let grid = Grid::plane(shape.0, shape.1, 1000.0);
            let moving = Accumulation::new(&eastward(20.0, shape), &grid);
            let (before, after) = (storm(shape.0, shape.1, 30.0), storm(shape.0, shape.1, 31.0));
            moving.between(before.view(), after.view(), LeadTime::from_minutes(5))
        };
        let (a, b) = (amount(small), amount(large));
        assert_eq!(a.slice(s![..60, ..70]), b.slice(s![..60, ..70]));
        assert!(b.sum() > 10.0 && b[[200, 300]] == 0.0);
    }

    #[test]
    fn what_one_time_does_not_know_the_other_tells() {
        let shape = (1, 2);
        let grid = Grid::plane(1, 2, 1000.0);
        let resting = Accumulation::new(&Motion::rest(shape), &grid);
        let before = ndarray::array![[f32::NAN, f32::NAN]];
        let after = ndarray::array![[6.0, f32::NAN]];
        let amount = resting.between(before.view(), after.view(), LeadTime::from_minutes(10));
        assert!((amount[[0, 0]] - 1.0).abs() < 1e-6 && amount[[0, 1]].is_nan());
    }
}
