//! A step in the height of air at rest: waves carry part of it away, the rest turns into a wind in balance.

use std::f64::consts::TAU;

use crate::{
    Error,
    boundary::Boundary,
    cases::{Bar, Bound, Case, Experiment, flat::Flat, flowing::Flowing},
    constants::GRAVITY,
    moist_layer::MoistLayer,
    plane::Shape,
};

const DEPTH: f64 = 500.0;
const ROTATION: f64 = 1e-4;
/// Half the step, m: so little that it is linear to 2e-4.
const HALF_STEP: f64 = 0.1;
/// Cells along a row, which repeats with a step up and a step down, and those in a radius of deformation.
const CELLS: usize = 800;
const PER_RADIUS: f64 = 20.0;

/// Geostrophic adjustment: of η = η0 sgn x remain η = η0 sgn x (1 - e^(-|x|/a)) and v = (g η0 / f a) e^(-|x|/a).
pub(crate) struct Adjustment;

/// Radius of deformation, m: √(g H)/f = 700.2 km.
fn radius() -> f64 {
    (GRAVITY * DEPTH).sqrt() / ROTATION
}

/// Which side of a step a cell lies on, and how far from the nearest one, radii.
fn side(i: usize) -> (f64, f64) {
    let quarter = CELLS as f64 / 4.0;
    let x = i as f64 + 0.5;
    let low = x > quarter && x < 3.0 * quarter;
    let away = (x - quarter).abs().min((x - 3.0 * quarter).abs()).min(CELLS as f64 + quarter - x);
    (if low { -1.0 } else { 1.0 }, away / PER_RADIUS)
}

fn run() -> MoistLayer {
    let flat = Flat {
        shape: Shape { ny: 4, nx: CELLS },
        cell_m: radius() / PER_RADIUS,
        rotation_s: ROTATION,
        gravity: GRAVITY,
        boundary: Boundary::Periodic,
        damping: 0.0,
    };
    let cell_m = flat.cell_m;
    let height = |x: f64| HALF_STEP * side((x / cell_m) as usize % CELLS).0;
    flat.air(|_, x| DEPTH + height(x), |_, _| (0.0, 0.0))
}

/// What is left when the waves are averaged out.
struct Left {
    /// Distance of the height from the known answer over its size, in the mean of squares.
    l2: f64,
    /// Kinetic energy over the potential energy given up.
    share: f64,
}

/// The mean over five days of rotation, weighted as 1 - cos, in which no wave of frequency f or higher is left.
fn left() -> Result<Left, Error> {
    let mut air = run();
    let steps = 2000;
    let dt = 5.0 * TAU / ROTATION / f64::from(steps);
    let start: Vec<f64> = air.flow().h.row(1).to_vec();
    let (mut height, mut wind) = (vec![0.0; CELLS], vec![0.0; CELLS]);
    for step in 1..=steps {
        air.step(dt, 1)?;
        let weight = (1.0 - (TAU * f64::from(step) / f64::from(steps)).cos()) / f64::from(steps);
        for i in 0..CELLS {
            height[i] += weight * (air.flow().h.row(1)[i] - DEPTH);
            wind[i] += weight * air.flow().v.row(1)[i];
        }
    }
    let (mut apart, mut size, mut kinetic, mut potential) = (0.0, 0.0, 0.0, 0.0);
    for i in 0..CELLS {
        let (side, away) = side(i);
        let expected = HALF_STEP * side * (1.0 - (-away).exp());
        apart += (height[i] - expected).powi(2);
        size += expected.powi(2);
        kinetic += DEPTH * wind[i].powi(2);
        potential += GRAVITY * ((start[i] - DEPTH).powi(2) - height[i].powi(2));
    }
    Ok(Left {
        l2: (apart / size).sqrt(),
        share: kinetic / potential,
    })
}

impl Case for Adjustment {
    fn name(&self) -> &'static str {
        "geostrophic_adjustment"
    }

    fn about(&self) -> &'static str {
        "a step in the height of air at rest becomes a jet"
    }

    fn source(&self) -> &'static str {
        "Gill, A. E., 1982: Atmosphere-ocean dynamics. Academic Press, section 7.2"
    }

    fn length_s(&self) -> f64 {
        3.0 * TAU / ROTATION
    }

    fn rows(&self) -> usize {
        4
    }

    /// Rows tell nothing here.
    fn start(&self, _: usize) -> Result<Box<dyn Experiment>, Error> {
        Ok(Box::new(Flowing::new(run(), 0.4)))
    }

    fn bars(&self) -> Result<Vec<Bar>, Error> {
        let left = left()?;
        Ok(vec![
            Bar::new("l2 of the height in balance, 20 cells a radius", left.l2, Bound::AtMost(0.01)),
            Bar::new("kinetic over released potential energy", left.share, Bound::Within(1.0 / 3.0, 0.02)),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_of_the_energy_stays_as_wind() {
        for bar in Adjustment.bars().unwrap() {
            assert!(bar.is_met(), "{bar:?}");
        }
    }
}
