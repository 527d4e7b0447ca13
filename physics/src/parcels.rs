//! Follows the air back to where it was at the start, under a wind that changes, so that fine echoes are carried without being smeared.

use ndarray::{Array2, Axis};
use nowblend_field::advection::Displacement;
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
/// is added to it.
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
}

/// Velocity in the middle of the cells, cells per second.
struct Rates {
    north: Plane,
    east: Plane,
}

impl Parcels {
    /// Echoes that have not moved yet, in the wind `flow`, observed to move with `motion` `[y, x]` (east, north), m s⁻¹.
    pub fn at_start(metric: &Metric, flow: &Flow, motion: &[Array2<f64>; 2]) -> Self {
        let shape = metric.shape();
        let plane = || Plane::constant(shape, 0.0);
        let mut propagation = Rates {
            north: plane(),
            east: plane(),
        };
        for (j, i) in (0..shape.ny).flat_map(|j| (0..shape.nx).map(move |i| (j, i))) {
            let (y, x) = (j as isize, i as isize);
            let beyond = |motion: f64, wind: f64| if motion.is_finite() { motion - wind } else { 0.0 };
            let (u, v) = (&flow.u, &flow.v);
            *propagation.east.at_mut(y, x) = beyond(motion[0][[j, i]], 0.5 * (u.at(y, x) + u.at(y, x + 1))) / metric.dx_m(j);
            *propagation.north.at_mut(y, x) = beyond(motion[1][[j, i]], 0.5 * (v.at(y, x) + v.at(y + 1, x))) / metric.dy_m();
        }
        Self {
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

    #[test]
    fn in_a_uniform_wind_the_air_comes_from_upwind() {
        let metric = Metric::plane(SHAPE, 2000.0, 1000.0, Rotation::Constant(0.0));
        let mut flow = Flow::rest(SHAPE, 500.0);
        flow.u.fill(10.0);
        flow.v.fill(-4.0);
        let mut parcels = Parcels::at_start(&metric, &Flow::rest(SHAPE, 500.0), &[still(), still()]);
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
        let mut parcels = Parcels::at_start(&metric, &Flow::rest(SHAPE, 500.0), &[still(), still()]);
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
        let mut parcels = Parcels::at_start(&metric, &flow, &[still() + 4.0, still()]);
        parcels.blow(&metric, &flow);
        parcels.blow(&metric, &flow);
        parcels.follow(500.0);
        assert!((parcels.east.at(20, 25) + 2.0).abs() < 1e-12);
    }
}
