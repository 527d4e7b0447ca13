//! Takes the fast waves out of a start, so that a forecast does not begin with a burst of them: what is left is the mean, well weighted, of the hours around it.

use std::f64::consts::PI;

use crate::{
    Error,
    boundary::Boundary,
    metric::Metric,
    plane::Plane,
    shallow_water::{Flow, ShallowWaterEquations},
    time_integration::ssprk3,
};

/// Share of a cell that the fastest wave crosses in a step.
const COURANT: f64 = 0.7;

/// The non-recursive digital filter: dry air runs backward and forward from the start, and
///
/// x̃ = Σₙ wₙ x(n Δt), n = -N to N, wₙ ∝ sin(n θ)/(n π) · sin(n π/(N + 1)) / (n π/(N + 1)), θ = 2π Δt / cutoff, Σ wₙ = 1,
///
/// is the flow without waves of shorter period than the cutoff (Lanczos' window keeps the filter from ringing).
///
/// # Source
///
/// Lynch, P. and X.-Y. Huang, 1992: Initialization of the HIRLAM model using a digital filter. Mon. Wea. Rev., 120, 1019-1034,
/// doi:10.1175/1520-0493(1992)120<1019:IOTHMU>2.0.CO;2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DigitalFilter {
    /// Time from the first to the last flow of the mean, s.
    pub span_s: f64,
    /// Waves of this period, s, and of shorter ones are taken out; at most the span.
    pub cutoff_s: f64,
}

/// What moves the air: the parts of a layer that dry waves feel.
#[derive(Clone, Copy)]
pub struct Air<'a> {
    /// Geometry.
    pub metric: &'a Metric,
    /// Edges; open ones stay as they are.
    pub boundary: &'a Boundary,
    /// Height of the ground, or of the fixed pressure field, m.
    pub orography: &'a Plane,
    /// Gravity, m s⁻².
    pub gravity: f64,
}

impl DigitalFilter {
    /// Over twice the cutoff.
    pub fn of_cutoff(cutoff_s: f64) -> Self {
        Self {
            span_s: 2.0 * cutoff_s,
            cutoff_s,
        }
    }

    /// The flow without fast waves, at the same time.
    ///
    /// # Errors
    ///
    /// [`Error::Courant`] where the flow is not finite on the way.
    pub fn apply(&self, air: Air<'_>, flow: &Flow) -> Result<Flow, Error> {
        let longest = air.longest_step_s(flow);
        let steps = (0.5 * self.span_s / longest).ceil().max(1.0) as usize;
        let dt = 0.5 * self.span_s / steps as f64;
        let weights = self.weights(steps, dt);
        let mut sum = Weighted::new(flow, weights[0]);
        for sign in [1.0, -1.0] {
            let mut now = flow.clone();
            air.boundary.close_flow(&mut now);
            let (mut first, mut second) = (now.clone(), now.clone());
            for weight in &weights[1..] {
                air.step(sign * dt, &mut now, [&mut first, &mut second]);
                sum.add(&now, *weight);
            }
            if !now.h.values().all(|h| h.is_finite()) {
                return Err(Error::Courant {
                    courant: f64::NAN,
                    row: 0,
                    column: 0,
                    time_s: sign * 0.5 * self.span_s,
                    limit: COURANT,
                });
            }
        }
        air.boundary.close_flow(&mut sum.0);
        Ok(sum.0)
    }

    /// Weights of the flow now, after a step, after two; those before are the same.
    fn weights(&self, steps: usize, dt: f64) -> Vec<f64> {
        let turn = 2.0 * PI * dt / self.cutoff_s;
        let raw = (0..=steps).map(|n| {
            if n == 0 {
                return turn / PI;
            }
            let (n, window) = (n as f64, n as f64 * PI / (steps + 1) as f64);
            (n * turn).sin() / (n * PI) * window.sin() / window
        });
        let raw: Vec<f64> = raw.collect();
        let sum = raw[0] + 2.0 * raw[1..].iter().sum::<f64>();
        raw.into_iter().map(|w| w / sum).collect()
    }
}

impl Air<'_> {
    fn longest_step_s(&self, flow: &Flow) -> f64 {
        let most = |plane: &Plane| plane.values().fold(0.0, |most: f64, v| most.max(v.abs()));
        let wave = (self.gravity * most(&flow.h)).sqrt();
        COURANT * self.metric.smallest_spacing_m() / (wave + most(&flow.u).hypot(most(&flow.v)))
    }

    fn step(&self, dt: f64, flow: &mut Flow, [first, second]: [&mut Flow; 2]) {
        let mut equations = ShallowWaterEquations {
            metric: self.metric,
            boundary: self.boundary,
            orography: self.orography,
            gravity: self.gravity,
            fluxes: None,
        };
        ssprk3(&mut equations, dt, flow, first, second);
    }
}

/// Mean absolute change of the depth, m s⁻¹, over the next `dt` seconds: large where a start is out of balance.
pub fn surface_tendency(air: Air<'_>, flow: &Flow, dt: f64) -> f64 {
    let mut next = flow.clone();
    air.boundary.close_flow(&mut next);
    let (mut first, mut second) = (next.clone(), next.clone());
    air.step(dt, &mut next, [&mut first, &mut second]);
    let shape = flow.h.shape();
    let rows = (0..shape.ny).flat_map(|j| next.h.row(j).iter().zip(flow.h.row(j)));
    rows.map(|(after, before)| (after - before).abs()).sum::<f64>() / (shape.ny * shape.nx) as f64 / dt.abs()
}

/// A weighted sum of flows.
struct Weighted(Flow);

impl Weighted {
    fn new(flow: &Flow, weight: f64) -> Self {
        let mut sum = flow.clone();
        for plane in [&mut sum.h, &mut sum.u, &mut sum.v] {
            plane.scale(weight);
        }
        Self(sum)
    }

    fn add(&mut self, flow: &Flow, weight: f64) {
        let pairs = [(&mut self.0.h, &flow.h), (&mut self.0.u, &flow.u), (&mut self.0.v, &flow.v)];
        for (sum, plane) in pairs {
            sum.add_share(plane, weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        constants::GRAVITY,
        metric::Rotation,
        plane::{RIM, Shape},
    };

    const SIDE: f64 = 10_000.0;

    fn shape() -> Shape {
        Shape { ny: 24, nx: 36 }
    }

    fn phase(j: isize, i: isize) -> f64 {
        2.0 * PI * (i as f64 / 36.0 + 0.0 * j as f64)
    }

    #[test]
    fn the_weights_sum_to_one_and_take_out_what_is_faster_than_the_cutoff() {
        let filter = DigitalFilter {
            span_s: 21_600.0,
            cutoff_s: 10_800.0,
        };
        let (steps, dt) = (100, 108.0);
        let weights = filter.weights(steps, dt);
        let response = |period: f64| {
            let far = weights[1..]
                .iter()
                .enumerate()
                .map(|(n, w)| 2.0 * w * (2.0 * PI * (n + 1) as f64 * dt / period).cos());
            weights[0] + far.sum::<f64>()
        };
        assert!((response(f64::INFINITY) - 1.0).abs() < 1e-12);
        // Lynch and Huang (1992, section 2c): half of a wave of the cutoff's period is kept, less of quicker and more of slower ones.
        assert!((response(10_800.0) - 0.5).abs() < 0.1, "{}", response(10_800.0));
        assert!(
            response(3600.0).abs() < 0.02 && response(100_000.0) > 0.97,
            "{} {}",
            response(3600.0),
            response(100_000.0)
        );
    }

    #[test]
    fn a_gravity_wave_goes_and_a_balanced_wind_stays() {
        // On an f-plane of 10 km cells: a geostrophic wave v = g h_x / f, for ever, and on top of it a standing gravity wave in the depth alone.
        let (metric, boundary) = (Metric::plane(shape(), SIDE, SIDE, Rotation::Constant(1e-4)), Boundary::Periodic);
        let orography = Plane::constant(shape(), 0.0);
        let air = Air {
            metric: &metric,
            boundary: &boundary,
            orography: &orography,
            gravity: GRAVITY,
        };
        let (f, wavenumber) = (1e-4, 2.0 * PI / (36.0 * SIDE));
        let balanced = |amplitude: f64| {
            let mut flow = Flow::rest(shape(), 500.0);
            flow.h = Plane::from_fn(shape(), |j, i| 500.0 + amplitude * (phase(j, i) + 0.5 * wavenumber * SIDE).sin());
            // At the south face, below the middle of the cell.
            flow.v = Plane::from_fn(shape(), |j, i| {
                GRAVITY / f * wavenumber * amplitude * (phase(j, i) + 0.5 * wavenumber * SIDE).cos()
            });
            flow
        };
        let slow = balanced(1.0);
        let mut mixed = slow.clone();
        for j in -(RIM as isize)..(24 + RIM as isize) {
            for i in -(RIM as isize)..(36 + RIM as isize) {
                *mixed.h.at_mut(j, i) += 2.0 * (2.0 * phase(j, i)).cos();
            }
        }
        let filter = DigitalFilter {
            span_s: 21_600.0,
            cutoff_s: 10_800.0,
        };
        let filtered = filter.apply(air, &mixed).unwrap();
        let [before, after, least] = [&mixed, &filtered, &slow].map(|flow| surface_tendency(air, flow, 20.0));
        assert!(before > 30.0 * least, "{before:e} {least:e}");
        assert!(after < 0.1 * before, "{after:e} after the filter, {before:e} before it");
        let kept = filtered
            .v
            .row(5)
            .iter()
            .zip(slow.v.row(5))
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f64::max);
        let most = slow.v.row(5).iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        assert!(kept < 0.1 * most, "{kept} of {most} m/s");
    }
}
