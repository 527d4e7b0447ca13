//! Semi-Lagrangian transport: where the rain of a cell came from, and what was there.
//!
//! The displacement D of a cell solves dD/ds = -V(x + D) backwards from the valid time, so that R(x, t) = R(x + D, 0) for rain that moves without changing,
//! DR/Dt = 0. Where the motion V knows systems of rain, it is at first that of the showers and goes over into that of their systems, with the weights 1 - w and
//! w = 1 - exp(-(t/T)²). A motion that does not change is followed on from where the last sub-step ended; one that does is followed back through the new
//! sub-step, where what is known of the time before is read: D(x, t + dt) = δ + D(x + δ, t) with δ = -V(x + δ/2, t + dt/2) dt. Nothing but the displacement, which
//! is smooth, is ever read twice.
//!
//! # Source
//!
//! Staniforth, A. and J. Côté, 1991: Semi-Lagrangian integration schemes for atmospheric models - a review. Mon. Wea. Rev., 119, 2206-2223,
//! doi:10.1175/1520-0493(1991)119<2206:SLISFA>2.0.CO;2;
//! Germann, U. and I. Zawadzki, 2002: Scale-dependence of the predictability of precipitation from continental radar images.
//! Part I: Description of the methodology. Mon. Wea. Rev., 130, 2859-2873 (semi-Lagrangian backward scheme).

mod reading;

use std::sync::Arc;

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Zip};
use serde::{Deserialize, Serialize};

use crate::{
    Bounds, Error, Grid, LeadTime, Motion,
    motion::{mixed, share_of_showers},
};

pub(crate) use reading::Cells;
use reading::both_at;
pub use reading::{Beyond, Interpolation, nearest, value_at};

/// The scheme: backward trajectories in sub-steps, each with the velocity at its midpoint.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SemiLagrangian {
    /// How the field is read at the departure point.
    pub interpolation: Interpolation,
    /// Times that the midpoint is improved in a sub-step, 1 to 100.
    pub iterations: usize,
    /// Longest sub-step, s, 1 to 3600.
    pub substep_s: f64,
    /// Cells between the trajectories that are followed, 1 to 1000; between them the displacement, and a motion that changes, are linear.
    pub spacing: usize,
    /// T: time after which the motion of single showers counts 1/e and that of their systems the rest, min, at least 1.
    pub showers_min: f64,
}

impl Default for SemiLagrangian {
    fn default() -> Self {
        Self {
            interpolation: Interpolation::Linear,
            iterations: 1,
            substep_s: 300.0,
            spacing: 4,
            showers_min: 60.0,
        }
    }
}

impl SemiLagrangian {
    /// Checks every number against its bounds.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] for the first that is outside.
    pub fn check(&self) -> Result<(), Error> {
        Bounds::default()
            .count("advection.iterations", self.iterations, 1..=100, "1 to 100")
            .number("advection.substep_s", self.substep_s, 1.0..=3600.0, "1 to 3600")
            .count("advection.spacing", self.spacing, 1..=1000, "1 to 1000")
            .number("advection.showers_min", self.showers_min, 1.0..=1e9, "1 to 1e9")
            .result()
    }

    /// Trajectories that end at the cells of `grid`, to be followed back from lead time to lead time.
    pub fn trajectories(&self, motion: &Motion, grid: &Grid) -> Trajectories {
        let spacing = self.spacing.max(1);
        let course = match &motion.systems {
            None => Course::Steady(Rates::of((&motion.u, &motion.v), grid, 1)),
            Some([u, v]) => Course::Changing {
                showers: Rates::of((&motion.u, &motion.v), grid, spacing),
                systems: Rates::of((u, v), grid, spacing),
            },
        };
        let shape = grid.shape();
        let nodes = (nodes(shape.0, spacing), nodes(shape.1, spacing));
        Trajectories {
            scheme: *self,
            course: Arc::new(course),
            displacement: Displacement {
                dy: Array2::zeros(nodes),
                dx: Array2::zeros(nodes),
                spacing,
                shape,
            },
            reached_s: 0.0,
        }
    }
}

/// What is added to a motion everywhere: along it and to its left, cells a second. Nothing is added where nothing moves.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Drift {
    /// Along the motion.
    pub along: f32,
    /// To the left of the motion.
    pub left: f32,
}

impl Drift {
    fn added(self, (vy, vx): (f32, f32)) -> (f32, f32) {
        if self == Self::default() {
            return (vy, vx);
        }
        let speed = (vy * vy + vx * vx).sqrt();
        if speed < STILL {
            return (vy, vx);
        }
        let (uy, ux) = (vy / speed, vx / speed);
        (vy + self.along * uy + self.left * ux, vx + self.along * ux - self.left * uy)
    }
}

/// Motion slower than this has no direction, cells a second.
const STILL: f32 = 1e-7;

/// Motion over lead time.
enum Course {
    /// The same for all time, known in each cell.
    Steady(Rates),
    /// At first that of showers, later that of their systems, at the nodes of a displacement.
    Changing { showers: Rates, systems: Rates },
}

/// Motion `[y, x]` in cells per second.
#[derive(Debug, Clone)]
pub(crate) struct Rates {
    /// Northward.
    pub y: Array2<f32>,
    /// Eastward.
    pub x: Array2<f32>,
}

impl Rates {
    /// Of velocities `[y, x]` towards the east and the north, m s⁻¹, on every `spacing`-th cell of `grid`.
    pub fn of((u, v): (&Array2<f32>, &Array2<f32>), grid: &Grid, spacing: usize) -> Self {
        let (ny, nx) = grid.shape();
        let shape = (nodes(ny, spacing), nodes(nx, spacing));
        let mut rates = Self {
            y: Array2::zeros(shape),
            x: Array2::zeros(shape),
        };
        for j in 0..shape.0 {
            let row = (j * spacing).min(ny - 1);
            let (dy, dx) = grid.spacing_m_in_row(row);
            for i in 0..shape.1 {
                let cell = [row, (i * spacing).min(nx - 1)];
                rates.y[[j, i]] = v[cell] / dy as f32;
                rates.x[[j, i]] = u[cell] / dx as f32;
            }
        }
        rates
    }

    /// Northward and eastward at a fractional place among its own, with a `drift`.
    #[inline(always)]
    fn at(&self, (y, x): (f32, f32), drift: Drift) -> (f32, f32) {
        drift.added(both_at(&self.y, &self.x, y, x))
    }

    /// The same half a sub-step back along the trajectory that ends there: `half` is the time of that, where a cell is as wide as the distance of places. It is
    /// improved so many times.
    #[inline(always)]
    fn before(&self, (y, x): (f32, f32), half: f32, drift: Drift, iterations: usize) -> (f32, f32) {
        let (mut vy, mut vx) = self.at((y, x), drift);
        for _ in 0..iterations {
            (vy, vx) = self.at((y - half * vy, x - half * vx), drift);
        }
        (vy, vx)
    }

    /// `share` of this motion, that of showers, and of that of systems the rest.
    fn mixed_with(&self, other: &Self, share: f32) -> Self {
        Self {
            y: mixed(&self.y, &other.y, share),
            x: mixed(&self.x, &other.x, share),
        }
    }
}

/// Every `spacing`-th of so many cells along a side, and one at or beyond the last.
fn nodes(cells: usize, spacing: usize) -> usize {
    cells.saturating_sub(1).div_ceil(spacing) + 1
}

/// Backward trajectories. A clone goes its own way and shares the motion.
#[derive(Clone)]
pub struct Trajectories {
    scheme: SemiLagrangian,
    course: Arc<Course>,
    displacement: Displacement,
    reached_s: f64,
}

impl Trajectories {
    /// Follows the trajectories on to `lead_time`, which must not lie before the last one asked for, and gives the
    /// displacement from each cell at that time to where its rain was at the reference time.
    pub fn advance_to(&mut self, lead_time: LeadTime) -> &Displacement {
        self.drift_to(lead_time, Drift::default())
    }

    /// The same with `drift` added to the motion since the last lead time asked for.
    pub fn drift_to(&mut self, lead_time: LeadTime, drift: Drift) -> &Displacement {
        let more_s = f64::from(lead_time.seconds()) - self.reached_s;
        debug_assert!(more_s >= 0.0, "trajectories only go on");
        if more_s > 0.0 {
            let substeps = (more_s / self.scheme.substep_s).ceil().max(1.0);
            let dt = more_s / substeps;
            let iterations = self.scheme.iterations.max(1);
            match &*self.course {
                Course::Steady(rates) => self.displacement.go_on(rates, (dt as f32, substeps as usize), drift, iterations),
                Course::Changing { showers, systems } => {
                    for step in 0..substeps as usize {
                        let middle_s = self.reached_s + (step as f64 + 0.5) * dt;
                        let share = share_of_showers(middle_s, self.scheme.showers_min) as f32;
                        let rates = showers.mixed_with(systems, share);
                        self.displacement = self.displacement.behind(&rates, dt as f32, drift, iterations);
                    }
                }
            }
            self.reached_s += more_s;
        }
        &self.displacement
    }
}

/// Where each cell's rain was, relative to the cell: departure = arrival + displacement, in cells. It is known on every `spacing`-th cell
/// and linear between.
#[derive(Debug, Clone)]
pub struct Displacement {
    /// Northward `[y, x]` of the nodes, cells.
    dy: Array2<f32>,
    /// Eastward `[y, x]` of the nodes, cells.
    dx: Array2<f32>,
    spacing: usize,
    /// Rows and columns of the grid.
    shape: (usize, usize),
}

impl Displacement {
    /// Follows a motion that does not change further back from the departure points, so many sub-steps of `dt` seconds.
    fn go_on(&mut self, rates: &Rates, (dt, substeps): (f32, usize), drift: Drift, iterations: usize) {
        let spacing = self.spacing;
        Zip::indexed(self.dy.rows_mut())
            .and(self.dx.rows_mut())
            .par_for_each(|row, mut dys, mut dxs| {
                for (column, (dy, dx)) in dys.iter_mut().zip(dxs.iter_mut()).enumerate() {
                    let (y0, x0) = ((row * spacing) as f32, (column * spacing) as f32);
                    for _ in 0..substeps {
                        let (vy, vx) = rates.before((y0 + *dy, x0 + *dx), 0.5 * dt, drift, iterations);
                        *dy -= dt * vy;
                        *dx -= dt * vx;
                    }
                }
            });
    }

    /// The displacement `dt` seconds later, after a motion of `rates` at its nodes with a `drift`, whose midpoint is improved so many times.
    fn behind(&self, rates: &Rates, dt: f32, drift: Drift, iterations: usize) -> Self {
        // Cells in distances of nodes.
        let per_cell = 1.0 / self.spacing as f32;
        let (mut dy, mut dx) = (Array2::zeros(self.dy.dim()), Array2::zeros(self.dx.dim()));
        Zip::indexed(dy.rows_mut())
            .and(dx.rows_mut())
            .par_for_each(|row, mut dys, mut dxs| {
                let y = row as f32;
                for (column, (dy, dx)) in dys.iter_mut().zip(dxs.iter_mut()).enumerate() {
                    let x = column as f32;
                    let (vy, vx) = rates.before((y, x), 0.5 * dt * per_cell, drift, iterations);
                    let back = (-dt * vy, -dt * vx);
                    let before = both_at(&self.dy, &self.dx, y + per_cell * back.0, x + per_cell * back.1);
                    (*dy, *dx) = (back.0 + before.0, back.1 + before.1);
                }
            });
        Self { dy, dx, ..*self }
    }

    /// A displacement that is known at each cell `[y, x]`: northward and eastward, cells.
    pub fn of_cells(dy: Array2<f32>, dx: Array2<f32>) -> Self {
        let shape = dy.dim();
        Self { dy, dx, spacing: 1, shape }
    }

    /// Northward and eastward displacement of a cell, cells.
    pub fn at(&self, row: usize, column: usize) -> (f32, f32) {
        let ((j, fy), (i, fx)) = (self.node(row), self.node(column));
        let (last_y, last_x) = (self.dy.nrows() - 1, self.dy.ncols() - 1);
        let (j1, i1) = ((j + 1).min(last_y), (i + 1).min(last_x));
        let between = |a: &Array2<f32>| {
            let south = a[[j, i]] + fx * (a[[j, i1]] - a[[j, i]]);
            let north = a[[j1, i]] + fx * (a[[j1, i1]] - a[[j1, i]]);
            south + fy * (north - south)
        };
        (between(&self.dy), between(&self.dx))
    }

    /// What `field` `[y, x]` holds at the departure points.
    ///
    /// NaN where the departure point lies outside the grid (more than half a cell beyond the outermost centres) or its
    /// nearest cell is not observed; other cells that are not observed are left out of the mean.
    pub fn sample(&self, field: ArrayView2<'_, f32>, interpolation: Interpolation) -> Array2<f32> {
        let mut out = Array2::zeros(self.shape);
        self.sample_into(field, interpolation, out.view_mut());
        out
    }

    /// The same into `out`, which has the shape of the grid.
    pub fn sample_into(&self, field: ArrayView2<'_, f32>, interpolation: Interpolation, out: ArrayViewMut2<'_, f32>) {
        self.read(field, interpolation, Beyond::Missing, out);
    }

    /// The same with something to be read beyond the edge.
    pub fn read(&self, field: ArrayView2<'_, f32>, interpolation: Interpolation, beyond: Beyond, out: ArrayViewMut2<'_, f32>) {
        self.read_as(field, interpolation, beyond, out, |_, _, value| value);
    }

    /// The same as `of` has it, told the cell `[y, x]`, its departure point in cells, and what is read there.
    pub fn read_as(
        &self,
        field: ArrayView2<'_, f32>,
        interpolation: Interpolation,
        beyond: Beyond,
        out: ArrayViewMut2<'_, f32>,
        of: impl Fn((usize, usize), (f32, f32), f32) -> f32 + Sync,
    ) {
        let field = field.as_standard_layout();
        let field = Cells::of(field.view());
        match interpolation {
            // A loop of its own for each: what is asked once is not asked for every cell.
            Interpolation::Linear => self.each(out, |cell, (y, x)| of(cell, (y, x), field.linear(y, x, beyond))),
            _ => self.each(out, |cell, (y, x)| of(cell, (y, x), field.value(y, x, interpolation, beyond))),
        }
    }

    /// Into each cell `[y, x]` of `out` what `of` says of the cell and its departure point, in cells.
    pub fn each<T: Send>(&self, mut out: ArrayViewMut2<'_, T>, of: impl Fn((usize, usize), (f32, f32)) -> T + Sync) {
        assert_eq!(out.dim(), self.shape, "one value for each cell");
        Zip::indexed(out.rows_mut()).par_for_each(|row, mut out| {
            let (dy, dx) = (self.along_row(&self.dy, row), self.along_row(&self.dx, row));
            let here = row as f32;
            for (column, (cell, (dy, dx))) in out.iter_mut().zip(dy.iter().zip(&dx)).enumerate() {
                *cell = of((row, column), (here + dy, column as f32 + dx));
            }
        });
    }

    /// One part of the displacement in the cells of a row, and perhaps some beyond its end.
    fn along_row(&self, of: &Array2<f32>, row: usize) -> Vec<f32> {
        let (j, share) = self.node(row);
        let north = of.row((j + 1).min(of.nrows() - 1));
        let nodes: Vec<f32> = of.row(j).iter().zip(north).map(|(a, b)| a + share * (b - a)).collect();
        let mut cells = vec![0.0; nodes.len() * self.spacing];
        match self.spacing {
            // The usual one, which the compiler unrolls.
            4 => between(&nodes, 4, &mut cells),
            spacing => between(&nodes, spacing, &mut cells),
        }
        cells
    }

    /// The node at or before a row or column, and the fraction of the way to the next.
    fn node(&self, cell: usize) -> (usize, f32) {
        (cell / self.spacing, (cell % self.spacing) as f32 / self.spacing as f32)
    }
}

/// `spacing` cells from each node on; those after the last are all alike.
#[inline(always)]
fn between(nodes: &[f32], spacing: usize, cells: &mut [f32]) {
    for (i, cells) in cells.chunks_exact_mut(spacing).enumerate() {
        let west = nodes[i];
        let step = nodes.get(i + 1).map_or(0.0, |next| (next - west) / spacing as f32);
        cells.iter_mut().enumerate().for_each(|(k, cell)| *cell = west + k as f32 * step);
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use proptest::prelude::*;

    use super::*;

    fn uniform(shape: (usize, usize), u: f32, v: f32) -> Motion {
        Motion::new(Array2::from_elem(shape, u), Array2::from_elem(shape, v))
    }

    fn moved(field: &Array2<f32>, motion: &Motion, seconds: u32, interpolation: Interpolation) -> Array2<f32> {
        let grid = Grid::plane(field.nrows(), field.ncols(), 1000.0);
        let mut trajectories = SemiLagrangian::default().trajectories(motion, &grid);
        trajectories
            .advance_to(LeadTime::from_seconds(seconds))
            .sample(field.view(), interpolation)
    }

    #[test]
    fn rain_moves_by_velocity_times_time_and_what_comes_from_outside_is_unknown() {
        // 10 m/s east for 200 s is 2 cells of 1 km.
        let field = array![[1.0, 2.0, 3.0, 4.0, 5.0], [6.0, 7.0, 8.0, 9.0, 10.0]];
        let out = moved(&field, &uniform((2, 5), 10.0, 0.0), 200, Interpolation::Linear);
        assert!(out[[0, 0]].is_nan() && out[[1, 1]].is_nan());
        assert_eq!(out.slice(ndarray::s![.., 2..]), field.slice(ndarray::s![.., ..3]));
    }

    #[test]
    fn in_a_spinning_flow_rain_comes_back_after_a_turn() {
        // Solid rotation once in 6 h around the centre: a sub-step of 300 s turns by a = 2 pi / 72, the implicit midpoint is late by
        // a^2/12 of each turn, so 8 cells out the place is 2 pi x 8 x a^2/12 = 0.032 cells off; half the sub-step a quarter of it.
        let (n, turn_s) = (41usize, 21_600.0f32);
        let rate = 2.0 * std::f32::consts::PI / turn_s;
        let offset = |k: usize| (k as f32 - 20.0) * 1000.0;
        let motion = Motion::new(
            Array2::from_shape_fn((n, n), |(y, _)| -rate * offset(y)),
            Array2::from_shape_fn((n, n), |(_, x)| rate * offset(x)),
        );
        // Under a rotation the displacement is linear: trajectories 4 cells apart tell as much as one a cell.
        let off = |substep_s, spacing| {
            let scheme = SemiLagrangian {
                iterations: 3,
                substep_s,
                spacing,
                ..Default::default()
            };
            let mut trajectories = scheme.trajectories(&motion, &Grid::plane(n, n, 1000.0));
            let (dy, dx) = trajectories.advance_to(LeadTime::from_seconds(21_600)).at(20, 28);
            dy.hypot(dx)
        };
        for spacing in [1, 4] {
            assert!((off(300.0, spacing) - 0.032).abs() < 0.003, "{}", off(300.0, spacing));
            assert!((off(150.0, spacing) - 0.008).abs() < 0.003, "{}", off(150.0, spacing));
        }
    }

    #[test]
    fn the_motion_of_systems_takes_over_from_that_of_showers() {
        // Showers rest, their systems go north with 10 m/s: after 40 min of T = 60 min the way is ∫ 10 (1 - exp(-(t/T)²)) dt
        // = 24000 m - 10 T √π/2 erf(2/3) = 24000 - 31904 x 0.65422 = 3128 m, of which midpoints of 5 min miss 5²/24 of the last slope,
        // 600 m/min x 2 x 40/60² /min x exp(-4/9), 8.9 m; the same when asked for every 5 min.
        let shape = (30, 20);
        let motion = Motion {
            systems: Some([Array2::zeros(shape), Array2::from_elem(shape, 10.0)]),
            ..Motion::rest(shape)
        };
        let grid = Grid::plane(shape.0, shape.1, 1000.0);
        let mut paths = SemiLagrangian::default().trajectories(&motion, &grid);
        let mut at_once = paths.clone();
        for minutes in (5..=40).step_by(5) {
            paths.advance_to(LeadTime::from_minutes(minutes));
        }
        for paths in [&mut paths, &mut at_once] {
            let (dy, dx) = paths.advance_to(LeadTime::from_minutes(40)).at(15, 10);
            assert!((dy + 3.119).abs() < 0.001 && dx == 0.0, "({dy}, {dx})");
        }
    }

    #[test]
    fn a_drift_goes_along_the_motion_and_to_its_left() {
        // Motion east, 1 cell in 100 s; along it 0.01 cells/s more, to the left (north) 0.02.
        let grid = Grid::plane(9, 11, 1000.0);
        let mut trajectories = SemiLagrangian::default().trajectories(&uniform((9, 11), 10.0, 0.0), &grid);
        let drift = Drift { along: 0.01, left: 0.02 };
        let (dy, dx) = trajectories.drift_to(LeadTime::from_seconds(100), drift).at(3, 5);
        assert!((dy + 2.0).abs() < 1e-5 && (dx + 2.0).abs() < 1e-5, "({dy}, {dx})");
        let mut still = SemiLagrangian::default().trajectories(&Motion::rest((9, 11)), &grid);
        assert_eq!(still.drift_to(LeadTime::from_seconds(100), drift).at(3, 5), (0.0, 0.0));
    }

    #[test]
    fn beyond_the_edge_a_field_can_go_on() {
        let field = array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
        let shift = Displacement::of_cells(Array2::zeros((2, 3)), Array2::from_elem((2, 3), -2.0));
        let read = |beyond| {
            let mut out = Array2::zeros((2, 3));
            shift.read(field.view(), Interpolation::Linear, beyond, out.view_mut());
            out
        };
        assert_eq!(read(Beyond::Edge(2.0)), array![[1.0, 1.0, 1.0], [4.0, 4.0, 4.0]]);
        // Two cells and one cell beyond the edge.
        assert_eq!(read(Beyond::Mirrored(9.0)), array![[2.0, 1.0, 1.0], [5.0, 4.0, 4.0]]);
        assert!(read(Beyond::Edge(1.0))[[0, 0]].is_nan() && read(Beyond::Edge(1.0))[[0, 1]] == 1.0);
        assert!(shift.sample(field.view(), Interpolation::Linear)[[0, 1]].is_nan());
    }

    proptest! {
        #[test]
        fn a_constant_field_moves_to_itself(u in -30.0f32..30.0, v in -30.0f32..30.0, seconds in 1u32..2000) {
            let field = Array2::from_elem((12, 15), 3.5f32);
            for interpolation in [Interpolation::Nearest, Interpolation::Linear, Interpolation::Cubic] {
                let out = moved(&field, &uniform((12, 15), u, v), seconds, interpolation);
                prop_assert!(out.iter().all(|r| r.is_nan() || (r - 3.5).abs() < 1e-5));
            }
        }

        #[test]
        fn rain_that_stays_inside_keeps_its_mass(values in proptest::collection::vec(0.0f32..100.0, 63), u in -20.0f32..20.0, v in -20.0f32..20.0) {
            // A patch of 7 by 9 cells in the middle; 100 s move it by at most 2 cells.
            let mut field = Array2::zeros((21, 25));
            field.slice_mut(ndarray::s![7..14, 8..17]).assign(&Array2::from_shape_vec((7, 9), values).unwrap());
            let out = moved(&field, &uniform((21, 25), u, v), 100, Interpolation::Linear);
            let mass = |f: &Array2<f32>| f.iter().filter(|r| !r.is_nan()).map(|r| f64::from(*r)).sum::<f64>();
            prop_assert!((mass(&out) - mass(&field)).abs() <= 1e-4 * mass(&field));
        }

        #[test]
        fn rest_is_the_identity(values in proptest::collection::vec(0.0f32..100.0, 20)) {
            let field = Array2::from_shape_vec((4, 5), values).unwrap();
            for interpolation in [Interpolation::Nearest, Interpolation::Linear, Interpolation::Cubic] {
                prop_assert_eq!(&moved(&field, &Motion::rest((4, 5)), 600, interpolation), &field);
            }
        }

        #[test]
        fn no_scheme_makes_new_peaks(values in proptest::collection::vec(0.0f32..100.0, 63), u in -20.0f32..20.0, v in -20.0f32..20.0) {
            let field = Array2::from_shape_vec((7, 9), values).unwrap();
            let top = field.iter().copied().fold(0.0, f32::max);
            let out = moved(&field, &uniform((7, 9), u, v), 130, Interpolation::Cubic);
            prop_assert!(out.iter().all(|r| r.is_nan() || (*r >= 0.0 && *r <= top * 1.000_01)));
        }
    }
}
