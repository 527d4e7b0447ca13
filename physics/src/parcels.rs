//! Follows the air back to where it was at the start, under a wind that changes, so that fine echoes are carried without being smeared.

use ndarray::{Array2, Axis};
use nowblend_field::{advection::Displacement, motion::share_of_showers};
use rayon::prelude::*;

use crate::{
    coarse::Blocks,
    metric::Metric,
    plane::{Plane, Shape},
    shallow_water::Flow,
};

/// Times that the midpoint of a trajectory is improved in a step.
const ITERATIONS: usize = 2;

/// Where the air in the middle of each cell was at the start: departure = arrival + displacement, in cells of the core.
///
/// A step goes back along the new wind alone and reads there how far that air had come: D(x) = δ(x) + D(x + δ), with δ by the
/// implicit midpoint rule. Nothing but the displacement, which is smooth, is ever interpolated twice.
///
/// Echoes also propagate: new ones grow on one side and old ones die on the other. What their observed motion has beyond the wind
/// is added to it: at first what showers have, later what the systems have that they make up, where their motion is known.
///
/// # Source
///
/// Staniforth, A. and J. Côté, 1991: Semi-Lagrangian integration schemes for atmospheric models - a review. Mon. Wea. Rev., 119,
/// 2206-2223, doi:10.1175/1520-0493(1991)119<2206:SLISFA>2.0.CO;2 (the midpoint rule).
pub(crate) struct Parcels {
    north: Plane,
    east: Plane,
    /// Room for the next displacement.
    next: [Plane; 2],
    rates: Rates,
    propagation: Rates,
    /// What the motion of systems has beyond that of showers.
    systems: Option<Rates>,
    /// Time in which the motion of showers gives way to it, min.
    showers_min: f64,
    /// Time since the start, s.
    time_s: f64,
}

/// Motion of echoes towards the east and the north, each `[y, x]`, m s⁻¹.
pub(crate) struct Echoes<'a> {
    pub showers: &'a [Array2<f64>; 2],
    pub systems: Option<&'a [Array2<f64>; 2]>,
    /// Time in which the first gives way to the second, min.
    pub showers_min: f64,
}

/// Velocity in the middle of the cells, cells per second.
struct Rates {
    north: Plane,
    east: Plane,
}

impl Rates {
    /// From velocities in the middle of cells, m s⁻¹: towards the east (0) and the north (1) in row j and column i; none where that is not known.
    fn of(metric: &Metric, velocity: impl Fn(usize, usize, usize) -> f64) -> Self {
        let shape = metric.shape();
        let per_second = |part: usize, metres: &dyn Fn(usize) -> f64| {
            let mut plane = Plane::constant(shape, 0.0);
            for (j, i) in (0..shape.ny).flat_map(|j| (0..shape.nx).map(move |i| (j, i))) {
                let rate = velocity(part, j, i) / metres(j);
                *plane.at_mut(j as isize, i as isize) = if rate.is_finite() { rate } else { 0.0 };
            }
            plane
        };
        Self {
            north: per_second(1, &|_| metric.dy_m()),
            east: per_second(0, &|j| metric.dx_m(j)),
        }
    }
}

impl Parcels {
    /// Echoes that have not moved yet, in the wind `flow`.
    pub fn at_start(metric: &Metric, flow: &Flow, echoes: &Echoes<'_>) -> Self {
        let motion = echoes.showers;
        let shape = metric.shape();
        let plane = || Plane::constant(shape, 0.0);
        let (u, v) = (&flow.u, &flow.v);
        let wind = |part: usize, j: usize, i: usize| {
            let (y, x) = (j as isize, i as isize);
            if part == 0 {
                0.5 * (u.at(y, x) + u.at(y, x + 1))
            } else {
                0.5 * (v.at(y, x) + v.at(y + 1, x))
            }
        };
        let propagation = Rates::of(metric, |part, j, i| motion[part][[j, i]] - wind(part, j, i));
        let systems = echoes
            .systems
            .map(|systems| Rates::of(metric, |part, j, i| systems[part][[j, i]] - motion[part][[j, i]]));
        Self {
            systems,
            showers_min: echoes.showers_min,
            time_s: 0.0,
            north: plane(),
            east: plane(),
            next: [plane(), plane()],
            rates: Rates {
                north: propagation.north.clone(),
                east: propagation.east.clone(),
            },
            propagation,
        }
    }

    /// Notes half of the wind of a step: called with the flow before it and the flow after it.
    pub fn blow(&mut self, metric: &Metric, flow: &Flow) {
        let Rates { north, east } = &mut self.rates;
        let per_dy = 0.25 / metric.dy_m();
        north.rows_mut().zip(east.rows_mut()).enumerate().for_each(|(j, (north, east))| {
            let row = j + crate::plane::RIM;
            let (u, v0, v1) = (flow.u.full_row(row), flow.v.full_row(row), flow.v.full_row(row + 1));
            let per_dx = 0.25 / metric.width(row);
            for k in 0..u.len() - 1 {
                east[k] += per_dx * (u[k] + u[k + 1]);
                north[k] += per_dy * (v0[k] + v1[k]);
            }
        });
    }

    /// Moves on by `seconds` with the propagation and the wind noted since the last call, and forgets that wind.
    pub fn follow(&mut self, seconds: f64) {
        if let Some(systems) = &self.systems {
            let share = 1.0 - share_of_showers(self.time_s + 0.5 * seconds, self.showers_min);
            self.rates.north.add_share(&systems.north, share);
            self.rates.east.add_share(&systems.east, share);
        }
        self.time_s += seconds;
        let (rates, old_north, old_east) = (&self.rates, &self.north, &self.east);
        let [next_north, next_east] = &mut self.next;
        let nx = rates.north.shape().nx;
        next_north
            .rows_mut()
            .zip(next_east.rows_mut())
            .enumerate()
            .for_each(|(j, (north, east))| {
                for i in 0..nx {
                    let (y, x) = (j as f64, i as f64);
                    let mut wind = (rates.north.row(j)[i], rates.east.row(j)[i]);
                    for _ in 0..ITERATIONS {
                        let (at_y, at_x) = (y - 0.5 * seconds * wind.0, x - 0.5 * seconds * wind.1);
                        wind = both(&rates.north, &rates.east, at_y, at_x);
                    }
                    let back = (-seconds * wind.0, -seconds * wind.1);
                    let before = both(old_north, old_east, y + back.0, x + back.1);
                    north[i + crate::plane::RIM] = back.0 + before.0;
                    east[i + crate::plane::RIM] = back.1 + before.1;
                }
            });
        std::mem::swap(&mut self.north, &mut self.next[0]);
        std::mem::swap(&mut self.east, &mut self.next[1]);
        self.rates.north.copy_from(&self.propagation.north);
        self.rates.east.copy_from(&self.propagation.east);
    }

    /// The same for the radar's cells, in cells of the radar.
    pub fn displacement(&self, blocks: &Blocks) -> Displacement {
        let factor = blocks.factor() as f32;
        let scaled = |plane: &Plane| -> Array2<f32> {
            let mut fine = blocks.spread(plane);
            fine.axis_iter_mut(Axis(0))
                .into_par_iter()
                .for_each(|mut row| row.mapv_inplace(|d| d * factor));
            fine
        };
        Displacement::of_cells(scaled(&self.north), scaled(&self.east))
    }
}

/// Two fields at a fractional cell, bilinear; outside those of the edge.
fn both(a: &Plane, b: &Plane, y: f64, x: f64) -> (f64, f64) {
    let Shape { ny, nx } = a.shape();
    let (y, x) = (y.clamp(0.0, (ny - 1) as f64), x.clamp(0.0, (nx - 1) as f64));
    let (j0, i0) = (y as usize, x as usize);
    let (j1, i1) = ((j0 + 1).min(ny - 1), (i0 + 1).min(nx - 1));
    let (fy, fx) = (y - j0 as f64, x - i0 as f64);
    let at = |plane: &Plane| {
        let (south, north) = (plane.row(j0), plane.row(j1));
        let along = |r: &[f64]| r[i0] + fx * (r[i1] - r[i0]);
        along(south) + fy * (along(north) - along(south))
    };
    (at(a), at(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Rotation;

    const SHAPE: Shape = Shape { ny: 41, nx: 51 };

    fn still() -> Array2<f64> {
        Array2::zeros((SHAPE.ny, SHAPE.nx))
    }

    fn of_showers(showers: &[Array2<f64>; 2]) -> Echoes<'_> {
        Echoes {
            showers,
            systems: None,
            showers_min: 60.0,
        }
    }

    #[test]
    fn in_a_uniform_wind_the_air_comes_from_upwind() {
        let metric = Metric::plane(SHAPE, 2000.0, 1000.0, Rotation::Constant(0.0));
        let mut flow = Flow::rest(SHAPE, 500.0);
        flow.u.fill(10.0);
        flow.v.fill(-4.0);
        let mut parcels = Parcels::at_start(&metric, &Flow::rest(SHAPE, 500.0), &of_showers(&[still(), still()]));
        for _ in 0..5 {
            parcels.blow(&metric, &flow);
            parcels.blow(&metric, &flow);
            parcels.follow(100.0);
        }
        // 500 s: 10 m/s x 500 s = 5 cells of 1 km from the west, 4 m/s x 500 s = 1 cell of 2 km from the north.
        assert!((parcels.east.at(20, 25) + 5.0).abs() < 1e-12, "{}", parcels.east.at(20, 25));
        assert!((parcels.north.at(20, 25) - 1.0).abs() < 1e-12, "{}", parcels.north.at(20, 25));
    }

    #[test]
    fn in_a_spinning_wind_the_air_comes_back_after_a_turn() {
        // Solid rotation once in 6 h: steps of 120 s turn by a = 2 pi / 180; the midpoint rule is off by a²/12 of each turn,
        // 2 pi x 8 cells x a²/12 = 0.005 cells after one. Reading the displacement costs more: it is bilinear 180 times.
        let metric = Metric::plane(SHAPE, 1000.0, 1000.0, Rotation::Constant(0.0));
        let rate = std::f64::consts::TAU / 21_600.0;
        let mut flow = Flow::rest(SHAPE, 500.0);
        flow.u = Plane::from_fn(SHAPE, |j, _| -rate * 1000.0 * (j as f64 - 20.0));
        flow.v = Plane::from_fn(SHAPE, |_, i| rate * 1000.0 * (i as f64 - 25.0));
        let mut parcels = Parcels::at_start(&metric, &Flow::rest(SHAPE, 500.0), &of_showers(&[still(), still()]));
        for _ in 0..180 {
            parcels.blow(&metric, &flow);
            parcels.blow(&metric, &flow);
            parcels.follow(120.0);
        }
        let off = parcels.east.at(20, 33).hypot(parcels.north.at(20, 33));
        assert!(off < 0.05, "{off} cells");
    }

    #[test]
    fn echoes_propagate_against_the_wind_as_they_were_observed_to() {
        // Wind 10 m/s, motion 4 m/s: after 500 s at rest again otherwise, 2 cells of 1 km from the west.
        let metric = Metric::plane(SHAPE, 1000.0, 1000.0, Rotation::Constant(0.0));
        let mut flow = Flow::rest(SHAPE, 500.0);
        flow.u.fill(10.0);
        let mut parcels = Parcels::at_start(&metric, &flow, &of_showers(&[still() + 4.0, still()]));
        parcels.blow(&metric, &flow);
        parcels.blow(&metric, &flow);
        parcels.follow(500.0);
        assert!((parcels.east.at(20, 25) + 2.0).abs() < 1e-12);
    }
    #[test]
    fn the_motion_of_systems_takes_over_from_that_of_showers() {
        // Showers rest, their systems go east with 10 m/s: after 40 min of T = 60 min the way is ∫ 10 (1 - exp(-(t/T)²)) dt
        // = 24000 m - 10 T √π/2 erf(2/3) = 24000 - 31904 x 0.65422 = 3128 m.
        let metric = Metric::plane(SHAPE, 1000.0, 1000.0, Rotation::Constant(0.0));
        let flow = Flow::rest(SHAPE, 500.0);
        let (showers, systems) = ([still(), still()], [still() + 10.0, still()]);
        let echoes = Echoes {
            systems: Some(&systems),
            ..of_showers(&showers)
        };
        let mut parcels = Parcels::at_start(&metric, &flow, &echoes);
        for _ in 0..20 {
            parcels.blow(&metric, &flow);
            parcels.blow(&metric, &flow);
            parcels.follow(120.0);
        }
        let east = parcels.east.at(20, 25);
        assert!((east + 3.128).abs() < 0.005, "{east}");
    }
}
