//! A bell is carried once around the globe by a solid-body wind, over the poles or along the equator, and must come back as it went.

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI, TAU};

use ndarray::Array2;

use crate::{
    Error,
    boundary::Boundary,
    cases::{
        Bar, Bound, Case, Experiment, Field, Invariant, Norms,
        williamson::{self, DAY, globe, planet},
    },
    invariants,
    metric::Metric,
    plane::Plane,
    shallow_water::Fluxes,
    sphere::Place,
    transport::Transport,
};

/// Time of one turn, s.
const TURN: f64 = 12.0 * DAY;
/// Height of the bell, m.
const HEIGHT: f64 = 1000.0;
/// Share of a cell's height that the wind crosses in a step.
const COURANT: f64 = 0.3;

/// Advection of a cosine bell (test 1): h = 500 m (1 + cos(πr/R)) within R = a/3 of its middle.
pub(crate) struct CosineBell {
    name: &'static str,
    about: &'static str,
    tilt: f64,
}

impl CosineBell {
    /// Along the equator.
    pub(crate) const ALONG_THE_EQUATOR: Self = Self {
        name: "williamson_1",
        about: "a bell is carried once around the equator",
        tilt: 0.0,
    };
    /// Obliquely.
    pub(crate) const OBLIQUE: Self = Self {
        name: "williamson_1_oblique",
        about: "a bell is carried once around the globe at 45° to the grid",
        tilt: FRAC_PI_4,
    };
    /// Over the poles.
    pub(crate) const ACROSS_THE_POLES: Self = Self {
        name: "williamson_1_across_poles",
        about: "a bell is carried once around the globe over both poles",
        tilt: FRAC_PI_2,
    };

    fn run(&self, rows: usize) -> Result<Carried, Error> {
        let metric = globe(planet(self.tilt), rows)?;
        let shape = metric.shape();
        let steps_a_turn = (2.0 * rows as f64 / COURANT).ceil();
        let mut bell = bell(&metric, self.tilt, 0.0);
        Boundary::Globe.close_tracer(0, &mut bell);
        Ok(Carried {
            tilt: self.tilt,
            steps_a_turn,
            steps: 0,
            depth: Plane::constant(shape, 1.0),
            fluxes: self.air_in_a_step(&metric, TURN / steps_a_turn),
            transport: Transport::new(shape, 1),
            tracers: vec![bell],
            metric,
        })
    }

    /// Air of unit depth that goes through the faces, from the stream function on the corners: not a drop too much anywhere.
    fn air_in_a_step(&self, metric: &Metric, seconds: f64) -> Fluxes {
        let (shape, sphere) = (metric.shape(), planet(self.tilt));
        let (sin, cos) = self.tilt.sin_cos();
        let speed = TAU * sphere.radius_m / TURN;
        let psi = |j: isize, i: isize| {
            let latitude = sphere.corner(shape, j, i).latitude;
            // At a pole all corners are one place.
            let around = if j == 0 || j == shape.ny as isize {
                0.0
            } else {
                (TAU * i.rem_euclid(shape.nx as isize) as f64 / shape.nx as f64).cos() * latitude.cos() * sin
            };
            -sphere.radius_m * speed * seconds * (latitude.sin() * cos - around)
        };
        Fluxes {
            x: Plane::from_fn(shape, |j, i| psi(j, i) - psi(j + 1, i)),
            y: Plane::from_fn(shape, |j, i| psi(j, i + 1) - psi(j, i)),
        }
    }
}

/// The bell after a time, s.
fn bell(metric: &Metric, tilt: f64, time_s: f64) -> Plane {
    let (shape, sphere) = (metric.shape(), planet(tilt));
    // From longitude 270° on the equator about the axis (-sin α, 0, cos α).
    let (turned, east) = (TAU * time_s / TURN).sin_cos();
    let (sin, cos) = tilt.sin_cos();
    let middle = Place {
        longitude: (-east).atan2(turned * cos),
        latitude: (turned * sin).asin(),
    };
    Plane::from_fn(shape, |j, i| {
        let r = 3.0 * middle.angle_to(sphere.centre(shape, j, i));
        if r < 1.0 { 0.5 * HEIGHT * (1.0 + (PI * r).cos()) } else { 0.0 }
    })
}

impl Case for CosineBell {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn source(&self) -> &'static str {
        williamson::SOURCE
    }

    fn length_s(&self) -> f64 {
        TURN
    }

    fn rows(&self) -> usize {
        64
    }

    fn start(&self, rows: usize) -> Result<Box<dyn Experiment>, Error> {
        Ok(Box::new(self.run(rows)?))
    }

    fn bars(&self) -> Result<Vec<Bar>, Error> {
        let mut run = self.run(128)?;
        let before = run.amount();
        run.advance(TURN)?;
        Ok(vec![
            Bar::new(
                "l2 after 12 days at 1.4°",
                run.error().map_or(f64::NAN, |e| e.l2),
                Bound::AtMost(0.05),
            ),
            Bar::new(
                "relative change of the amount",
                (run.amount() / before - 1.0).abs(),
                Bound::AtMost(1e-13),
            ),
            Bar::new("least value, m", run.least(), Bound::AtLeast(0.0)),
        ])
    }
}

/// A tracer in a wind that is given.
struct Carried {
    metric: Metric,
    tilt: f64,
    steps_a_turn: f64,
    steps: usize,
    depth: Plane,
    fluxes: Fluxes,
    transport: Transport,
    tracers: Vec<Plane>,
}

impl Carried {
    fn amount(&self) -> f64 {
        invariants::amount(&self.metric, &self.depth, &self.tracers[0])
    }

    fn least(&self) -> f64 {
        let rows = 0..self.metric.shape().ny;
        rows.flat_map(|j| self.tracers[0].row(j)).fold(f64::INFINITY, |a, b| a.min(*b))
    }
}

impl Experiment for Carried {
    /// Moves on by the whole number of steps that is nearest.
    fn advance(&mut self, seconds: f64) -> Result<(), Error> {
        let until = ((self.time_s() + seconds) * self.steps_a_turn / TURN).round() as usize;
        while self.steps < until {
            self.transport
                .step(&self.metric, &Boundary::Globe, &self.fluxes, &mut self.depth, &mut self.tracers);
            self.steps += 1;
        }
        Ok(())
    }

    fn time_s(&self) -> f64 {
        self.steps as f64 * TURN / self.steps_a_turn
    }

    fn metric(&self) -> &Metric {
        &self.metric
    }

    fn fields(&self) -> Vec<Field> {
        let shape = self.metric.shape();
        vec![Field {
            name: "height",
            unit: "m",
            values: Array2::from_shape_fn((shape.ny, shape.nx), |(j, i)| self.tracers[0].row(j)[i]),
        }]
    }

    fn invariants(&self) -> Vec<Invariant> {
        vec![Invariant {
            name: "amount",
            value: self.amount(),
        }]
    }

    fn error(&self) -> Option<Norms> {
        Some(Norms::of(
            &self.metric,
            &self.tracers[0],
            &bell(&self.metric, self.tilt, self.time_s()),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bell_over_the_pole_keeps_its_amount_and_is_never_negative() {
        // Three days from the equator the bell's middle is at the pole.
        for case in [CosineBell::ALONG_THE_EQUATOR, CosineBell::OBLIQUE, CosineBell::ACROSS_THE_POLES] {
            let mut run = case.run(48).unwrap();
            let before = run.amount();
            for _ in 0..3 {
                run.advance(2.0 * DAY).unwrap();
                assert!((run.amount() / before - 1.0).abs() < 1e-13, "{}", case.name);
                assert!(run.least() >= 0.0, "{}: {:e}", case.name, run.least());
            }
            let error = run.error().unwrap().l2;
            // The monotone parabola clips a bell that is five cells in radius.
            assert!(error < 0.15, "{}: {error}", case.name);
        }
    }
}
