//! What came at a lead time where the air of a window is by then: training carries a forecast there, as forecasting does, before it judges it.

use burn::tensor::{
    Tensor, TensorData,
    ops::{GridSampleOptions, InterpolateMode},
};
use ndarray::{Array2, Array3, ArrayView2, Axis};
use nowblend_field::{
    Grid, LeadTime, Motion,
    advection::{Displacement, Interpolation, SemiLagrangian, value_at},
};

/// Cells around a window and where it goes in which the motion is known, too.
const RIM: isize = 8;
/// The mean motion is told by every so many-th cell.
const EVERY: usize = 4;

/// What was observed at a lead time, and from where in the window the air came.
#[derive(Debug, Clone)]
pub(crate) struct Later {
    /// Rain `[y, x]`, mm h⁻¹; NaN where nothing was observed or the air came from beyond the window.
    pub rain: Array2<f32>,
    /// Row and column of the window from which the air of each cell came `[2, y, x]`.
    pub from: Array3<f32>,
}

/// A window of a part of a map.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// First row and column of the part on the map.
    pub part: (usize, usize),
    /// First row and column of the window in the part.
    pub window: (usize, usize),
    /// Cells of the window along each side; beyond the part nothing is known.
    pub side: usize,
}

impl Later {
    /// What `frame` `[y, x]`, `lead_min` after the reference time, holds in a window as large as the one at `place` that goes along with its mean
    /// `motion`, and the ways back under that motion `[2, y, x]` of the part: north and east, cells a minute.
    pub fn new(frame: ArrayView2<'_, f32>, motion: &Array3<f32>, place: Place, lead_min: f32) -> Self {
        let (_, h, w) = motion.dim();
        let (y, x) = (place.window.0 as isize, place.window.1 as isize);
        let side = place.side as isize;
        // The motion at the edge of the part goes on beyond it.
        let motion_at =
            |k: usize, y: isize, x: isize| motion[[k, y.clamp(0, h as isize - 1) as usize, x.clamp(0, w as isize - 1) as usize]];
        let gone = [0, 1].map(|k| {
            let lines = || (0..side).step_by(EVERY);
            let sum: f32 = lines()
                .flat_map(|i| lines().map(move |j| (i, j)))
                .map(|(i, j)| motion_at(k, y + i, x + j))
                .sum();
            (sum / lines().count().pow(2) as f32 * lead_min).round() as isize
        });
        let first = gone.map(|gone| gone.min(0) - RIM);
        let size = gone.map(|gone| (side + gone.abs() + 2 * RIM) as usize);
        let around = |k: usize| {
            Array2::from_shape_fn((size[0], size[1]), |(i, j)| {
                motion_at(k, y + first[0] + i as isize, x + first[1] + j as isize)
            })
        };
        let back = ways_back(&around(0), &around(1), lead_min);
        let last = [(h as isize - 1 - y).min(side - 1) as f32, (w as isize - 1 - x).min(side - 1) as f32];
        let mut rain = Array2::from_elem((place.side, place.side), f32::NAN);
        let mut from = Array3::zeros((2, place.side, place.side));
        for ((i, j), rain) in rain.indexed_iter_mut() {
            let there = [i as isize + gone[0], j as isize + gone[1]];
            let (dy, dx) = back.at((there[0] - first[0]) as usize, (there[1] - first[1]) as usize);
            let source = [there[0] as f32 + dy, there[1] as f32 + dx];
            from[[0, i, j]] = source[0].clamp(0.0, last[0]);
            from[[1, i, j]] = source[1].clamp(0.0, last[1]);
            if (0..2).all(|k| (0.0..=last[k]).contains(&source[k])) {
                let row = usize::try_from(place.part.0 as isize + y + there[0]);
                let column = usize::try_from(place.part.1 as isize + x + there[1]);
                if let (Ok(row), Ok(column)) = (row, column) {
                    *rain = frame.get((row, column)).copied().unwrap_or(f32::NAN);
                }
            }
        }
        Self { rain, from }
    }

    /// What `frame` holds in the cell nearest to where the air of each cell of the window at `place` has gone by then, told at the cell that it comes from;
    /// `motion` is that of the window.
    ///
    /// The forward trajectory under a steady motion is the backward one under the opposite motion.
    pub fn before_moving(frame: ArrayView2<'_, f32>, motion: &Array3<f32>, place: Place, lead_min: f32) -> Self {
        let opposite = |k: usize| motion.index_axis(Axis(0), k).mapv(|m| -m);
        let (_, h, w) = motion.dim();
        let forward = ways_back(&opposite(0), &opposite(1), lead_min);
        let rain = Array2::from_shape_fn((h, w), |(y, x)| {
            let (dy, dx) = forward.at(y, x);
            let (y, x) = (place.part.0 + place.window.0 + y, place.part.1 + place.window.1 + x);
            value_at(&frame, y as f32 + dy, x as f32 + dx, Interpolation::Nearest)
        });
        let from = Array3::from_shape_fn((2, h, w), |(k, y, x)| [y, x][k] as f32);
        Self { rain, from }
    }

    /// The four cells of the window around the place from which the air of a cell came, and what each of them counts, bilinear.
    pub fn around(&self, (y, x): (usize, usize)) -> [([usize; 2], f32); 4] {
        let (h, w) = self.rain.dim();
        let (row, column) = (self.from[[0, y, x]], self.from[[1, y, x]]);
        let (south, west) = ((row as usize).min(h - 2), (column as usize).min(w - 2));
        let (up, right) = (row - south as f32, column - west as f32);
        [
            ([south, west], (1.0 - up) * (1.0 - right)),
            ([south, west + 1], (1.0 - up) * right),
            ([south + 1, west], up * (1.0 - right)),
            ([south + 1, west + 1], up * right),
        ]
    }
}

/// From where the air of each cell came under a motion north and east, cells a minute.
fn ways_back(north: &Array2<f32>, east: &Array2<f32>, lead_min: f32) -> Displacement {
    // One metre a cell and a velocity in cells a second: the trajectories come out in cells.
    let motion = Motion::new(east / 60.0, north / 60.0);
    let (h, w) = north.dim();
    let mut trajectories = SemiLagrangian::default().trajectories(&motion, &Grid::plane(h, w, 1.0));
    trajectories
        .advance_to(LeadTime::from_seconds((lead_min * 60.0).round() as u32))
        .clone()
}

/// Planes `[N, C, y, x]` at the places of the reference time, carried to where the air of each case is later.
pub(crate) fn carried(planes: Tensor<4>, later: &[&Later]) -> Tensor<4> {
    let [n, _, h, w] = planes.dims();
    // The centres of the outermost cells are at -1 and 1; columns come first.
    let along = |place: &f32, cells: usize| 2.0 * place / (cells - 1) as f32 - 1.0;
    let places = later.iter().flat_map(|later| {
        let (rows, columns) = (later.from.index_axis(Axis(0), 0), later.from.index_axis(Axis(0), 1));
        let both = rows.into_iter().zip(columns);
        both.flat_map(|(row, column)| [along(column, w), along(row, h)])
            .collect::<Vec<f32>>()
    });
    let places = Tensor::<4>::from_data(TensorData::new(places.collect(), [n, h, w, 2]), &planes.device());
    planes.grid_sample_2d(places, GridSampleOptions::new(InterpolateMode::Bilinear).with_align_corners(true))
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    /// A ramp of rain, a sixth of a cell north and a quarter of a cell east a minute, 12 min: what is seen later is what was two cells south and
    /// three cells west.
    #[test]
    fn a_ramp_comes_from_where_it_was() {
        let (h, w) = (60, 70);
        let mut motion = Array3::zeros((2, h, w));
        motion.index_axis_mut(Axis(0), 0).fill(1.0 / 6.0);
        motion.index_axis_mut(Axis(0), 1).fill(0.25);
        let ramp = |y: f32, x: f32| 100.0 * y + x;
        let frame = Array2::from_shape_fn((200, 200), |(y, x)| ramp(y as f32 - 2.0, x as f32 - 3.0));
        let place = Place {
            part: (100, 90),
            window: (20, 30),
            side: 32,
        };
        let later = Later::new(frame.view(), &motion, place, 12.0);
        // The window goes along with the mean motion, so that every cell of it comes from the same cell of the window.
        for (y, x) in [(0, 0), (10, 31), (31, 5)] {
            assert!((later.from[[0, y, x]] - y as f32).abs() < 1e-3 && (later.from[[1, y, x]] - x as f32).abs() < 1e-3);
            let expected = ramp((120 + y) as f32, (120 + x) as f32);
            assert!((later.rain[[y, x]] - expected).abs() < 1e-2, "{} {expected}", later.rain[[y, x]]);
            let carried: f32 = later
                .around((y, x))
                .iter()
                .map(|([y, x], count)| count * ramp((120 + y) as f32, (120 + x) as f32))
                .sum();
            assert!((carried - expected).abs() < 0.2, "{carried} {expected}");
        }
        // Told where it comes from it is the same rain.
        let motion_of_window = crate::scene::part(&motion, (20, 30), (32, 32));
        let told = Later::before_moving(frame.view(), &motion_of_window, place, 12.0);
        assert_eq!((told.rain[[10, 31]], told.from[[1, 10, 31]]), (later.rain[[10, 31]], 31.0));
        // A part of 60 x 70 cells ends 8 cells before the window does.
        let edge = Later::new(frame.view(), &motion, Place { window: (36, 30), ..place }, 12.0);
        assert!(edge.rain[[23, 0]].is_finite() && edge.rain[[24, 0]].is_nan());
    }

    #[test]
    fn tensors_are_carried_as_cells_are() {
        let (h, w) = (6, 7);
        let later = Later {
            rain: Array2::zeros((h, w)),
            from: Array3::from_shape_fn(
                (2, h, w),
                |(k, y, x)| if k == 0 { y as f32 * 0.9 } else { (x as f32 - 0.3).max(0.0) },
            ),
        };
        let field = Array2::from_shape_fn((h, w), |(y, x)| ((3 * y + 5 * x) % 11) as f32);
        let planes = Tensor::<4>::from_data(TensorData::new(field.iter().copied().collect(), [1, 1, h, w]), &Device::flex());
        let found = crate::head::numbers(carried(planes, &[&later]));
        for ((y, x), _) in field.indexed_iter() {
            let expected: f32 = later.around((y, x)).iter().map(|(cell, count)| count * field[*cell]).sum();
            assert!((found[y * w + x] - expected).abs() < 1e-5, "{y} {x}");
        }
    }
}
