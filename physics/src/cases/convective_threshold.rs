//! Air flows fast over a ridge: where the surface rises beyond a threshold convection takes over, and where it converges there, rain forms.
//!
//! # Source
//!
//! Kent, T., O. Bokhove and S. Tobias, 2017: Dynamics of an idealized fluid model for investigating convective-scale data assimilation.
//! Tellus A, 69, 1369332, doi:10.1080/16000870.2017.1369332. In units of the fluid's depth, the channel's length and the inflow's speed.
//!
//! ```text
//! p = g min(h + b, H_c) + c² r                       convection: no higher pressure under a higher surface; rain presses down
//! ∂(hr)/∂t + ∂(hru)/∂x = h (β' max(-∂u/∂x, 0) - α r)   β' = β where h + b > H_r, else 0
//! ```

use ndarray::Array2;

use crate::{
    Error,
    boundary::Boundary,
    cases::{Bar, Bound, Case, Experiment, Field, Invariant},
    invariants,
    metric::{Metric, Rotation},
    moist_layer::{Layer, MoistLayer},
    plane::{Plane, Shape},
    shallow_water::Flow,
};

/// 1 / Fr² with Fr = 1.1.
const GRAVITY: f64 = 1.0 / 1.21;
/// Surface of the inflow, and where convection and rain begin.
const DEPTH: f64 = 1.0;
const CONVECTION: f64 = 1.02;
const RAIN: f64 = 1.05;
/// Growth of rain with convergence, and its decay.
const BETA: f64 = 0.2;
const ALPHA: f64 = 10.0;
/// c², a tenth of g H_r.
const DOWNDRAUGHT: f64 = 0.1 * GRAVITY * RAIN;
/// Height, place and half width of the parabolic ridge.
const RIDGE: [f64; 3] = [0.5, 0.1, 0.05];
/// Half a domain's length downstream.
const TIME: f64 = 0.5;
const COURANT: f64 = 0.2;
/// The flow breaks, and the scheme has no shock of its own making: a viscosity of so much of a cell times the wave speed, and where the flow
/// converges of a cell times the jump of the wind, makes it (after von Neumann and Richtmyer 1950).
const VISCOSITY: [f64; 2] = [0.3, 1.0];
/// Cells along the channel for each row asked for.
const CELLS_PER_ROW: usize = 50;

/// Flow over a ridge with thresholds of convection and rain.
pub(crate) struct ConvectiveThreshold;

/// A channel that repeats.
struct Channel {
    layer: MoistLayer,
    bed: Plane,
    /// Where pressure stops to grow: beyond reach for a fluid without convection.
    convection: f64,
    step_s: f64,
    /// Rain that has formed and decayed so far.
    formed: f64,
    decayed: f64,
    /// Highest surface so far.
    highest: f64,
}

impl Channel {
    fn new(cells: usize, ridge: f64, convection: f64) -> Self {
        let shape = Shape { ny: 4, nx: cells };
        let cell = 1.0 / cells as f64;
        let height = |i: isize| {
            let off = (((i as f64 + 0.5) * cell).rem_euclid(1.0) - RIDGE[1]) / RIDGE[2];
            (ridge * (1.0 - off * off)).max(0.0)
        };
        let bed = Plane::from_fn(shape, |_, i| height(i));
        let h = Plane::from_fn(shape, |_, i| DEPTH - height(i));
        let flow = Flow {
            u: Plane::from_fn(shape, |_, i| DEPTH / (DEPTH - 0.5 * (height(i - 1) + height(i)))),
            v: Plane::constant(shape, 0.0),
            h,
        };
        let layer = Layer {
            metric: Metric::plane(shape, cell, cell, Rotation::Constant(0.0)),
            boundary: Boundary::Periodic,
            orography: bed.clone(),
            gravity: GRAVITY,
            moisture: None,
            nudging: None,
            divergence_damping: 1.0,
        };
        let layer = MoistLayer::new(layer, flow, vec![Plane::constant(shape, 0.0)]);
        Self {
            step_s: layer.air_step_s(COURANT),
            layer,
            bed,
            convection,
            formed: 0.0,
            decayed: 0.0,
            highest: 0.0,
        }
    }

    fn surface(&self, j: isize, i: isize) -> f64 {
        self.layer.flow().h.at(j, i) + self.bed.at(j, i)
    }

    /// One step of the fluid under the pressure of now, then of its rain.
    fn step(&mut self, dt: f64) -> Result<(), Error> {
        let shape = self.layer.layer().metric.shape();
        let ground = Plane::from_fn(shape, |j, i| {
            let (h, rain) = (self.layer.flow().h.at(j, i), self.layer.tracers()[0].at(j, i));
            self.surface(j, i).min(self.convection) - h + DOWNDRAUGHT / GRAVITY * rain
        });
        self.layer.change_ground(ground);
        self.layer.step(dt, 1)?;
        let (bed, cell) = (&self.bed, self.layer.layer().metric.dx_m(0));
        let (mut formed, mut decayed) = (0.0, 0.0);
        self.layer.change(|flow, tracers| {
            let nx = shape.nx as isize;
            for j in 0..shape.ny as isize {
                let friction = |i: isize| {
                    let jump = flow.u.at(j, i + 1) - flow.u.at(j, i);
                    let waves = (GRAVITY * flow.h.at(j, i)).sqrt();
                    (VISCOSITY[0] * waves + VISCOSITY[1] * (-jump).max(0.0)) * jump
                };
                let friction: Vec<f64> = (-1..nx).map(friction).collect();
                for (i, pair) in friction.windows(2).enumerate() {
                    *flow.u.at_mut(j, i as isize) += dt / cell * (pair[1] - pair[0]);
                }
                *flow.u.at_mut(j, nx) = flow.u.at(j, 0);
            }
            for j in 0..shape.ny as isize {
                for i in 0..shape.nx as isize {
                    let converging = ((flow.u.at(j, i) - flow.u.at(j, i + 1)) / cell).max(0.0);
                    let h = flow.h.at(j, i);
                    let rain = tracers[0].at_mut(j, i);
                    if h + bed.at(j, i) > RAIN {
                        *rain += dt * BETA * converging;
                        formed += h * cell * cell * dt * BETA * converging;
                    }
                    let left = *rain / (1.0 + ALPHA * dt);
                    decayed += h * cell * cell * (*rain - left);
                    *rain = left;
                }
            }
        });
        self.formed += formed;
        self.decayed += decayed;
        self.highest = (0..shape.nx as isize).map(|i| self.surface(1, i)).fold(self.highest, f64::max);
        Ok(())
    }

    fn rain(&self) -> f64 {
        invariants::amount(&self.layer.layer().metric, &self.layer.flow().h, &self.layer.tracers()[0])
    }
}

impl Experiment for Channel {
    fn advance(&mut self, seconds: f64) -> Result<(), Error> {
        let steps = (seconds / self.step_s).ceil().max(1.0);
        for _ in 0..steps as usize {
            self.step(seconds / steps)?;
        }
        Ok(())
    }

    fn time_s(&self) -> f64 {
        self.layer.time_s()
    }

    fn metric(&self) -> &Metric {
        &self.layer.layer().metric
    }

    fn fields(&self) -> Vec<Field> {
        let shape = (self.metric().shape().ny, self.metric().shape().nx);
        let field = |name, unit, value: &dyn Fn(isize, isize) -> f64| Field {
            name,
            unit,
            values: Array2::from_shape_fn(shape, |(j, i)| value(j as isize, i as isize)),
        };
        vec![
            field("height", "of the depth", &|j, i| self.surface(j, i)),
            field("rain", "of the depth / 1000", &|j, i| 1e3 * self.layer.tracers()[0].at(j, i)),
        ]
    }

    fn invariants(&self) -> Vec<Invariant> {
        let of = |name, value| Invariant { name, value };
        vec![
            of("mass", invariants::mass(self.metric(), &self.layer.flow().h)),
            of("rain_less_formed_and_decayed", 1.0 + self.rain() - self.formed + self.decayed),
        ]
    }
}

/// What three runs show at the end: with a ridge and convection, without convection, and over a ridge too low for it.
struct Found {
    with: Channel,
    /// Share of the rain upstream of the ridge, where the surface never rose.
    upstream: f64,
    crest: f64,
    rain_over_a_low_ridge: f64,
}

fn find(cells: usize) -> Result<Found, Error> {
    let run = |ridge, convection| -> Result<Channel, Error> {
        let mut channel = Channel::new(cells, ridge, convection);
        channel.advance(TIME)?;
        Ok(channel)
    };
    let (with, without) = (run(RIDGE[0], CONVECTION)?, run(RIDGE[0], f64::INFINITY)?);
    let low = run(0.01, CONVECTION)?;
    let before = ((RIDGE[1] - RIDGE[2]) * cells as f64) as isize - 2;
    let (h, rain) = (&with.layer.flow().h, &with.layer.tracers()[0]);
    let sum = |cells: std::ops::Range<isize>| cells.map(|i| h.at(1, i) * rain.at(1, i)).sum::<f64>();
    Ok(Found {
        upstream: sum(0..before) / sum(0..cells as isize),
        crest: (with.highest - DEPTH) / (without.highest - DEPTH),
        rain_over_a_low_ridge: low.formed,
        with,
    })
}

impl Case for ConvectiveThreshold {
    fn name(&self) -> &'static str {
        "convective_threshold"
    }

    fn about(&self) -> &'static str {
        "rain forms where fast flow over a ridge rises beyond a threshold and converges"
    }

    fn source(&self) -> &'static str {
        "Kent, T., O. Bokhove and S. Tobias, 2017: Dynamics of an idealized fluid model for investigating convective-scale data assimilation. Tellus A, 69, 1369332"
    }

    fn length_s(&self) -> f64 {
        TIME
    }

    fn rows(&self) -> usize {
        4
    }

    /// Rows tell nothing here: the channel is four wide and fifty times `rows` long.
    fn start(&self, rows: usize) -> Result<Box<dyn Experiment>, Error> {
        Ok(Box::new(Channel::new(CELLS_PER_ROW * rows.max(1), RIDGE[0], CONVECTION)))
    }

    fn bars(&self) -> Result<Vec<Bar>, Error> {
        let found = find(200)?;
        let budget = (found.with.formed - found.with.decayed - found.with.rain()).abs() / found.with.formed;
        Ok(vec![
            Bar::new(
                "rain that formed over the ridge, 200 cells",
                found.with.formed,
                Bound::AtLeast(1e-9),
            ),
            Bar::new(
                "rain that formed over a ridge too low to lift the surface to it",
                found.rain_over_a_low_ridge,
                Bound::AtMost(0.0),
            ),
            Bar::new("share of the rain upstream of the ridge", found.upstream, Bound::AtMost(1e-3)),
            Bar::new("highest crest over that without convection", found.crest, Bound::AtLeast(1.05)),
            Bar::new("rain less what formed and decayed, of what formed", budget, Bound::AtMost(1e-12)),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rain_forms_only_beyond_the_threshold_and_convection_deepens_the_crest() {
        for bar in ConvectiveThreshold.bars().unwrap() {
            assert!(bar.is_met(), "{bar:?}");
        }
    }
}
