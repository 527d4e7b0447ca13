//! A vortex in balance rides on a uniform wind: nothing about it may change but its place.

use std::f64::consts::{E, PI, TAU};

use crate::{
    Error,
    boundary::Boundary,
    cases::{Bar, Bound, Case, Experiment, flat::Flat, flowing::Flowing},
    constants::GRAVITY,
    moist_layer::MoistLayer,
    plane::{Plane, Shape},
};

const DEPTH: f64 = 500.0;
/// Side of the domain, which repeats, m.
const SIDE: f64 = 300_000.0;
/// Fastest wind of the vortex, m s⁻¹, at its radius, m.
const WIND: f64 = 10.0;
const RADIUS: f64 = 30_000.0;
/// The wind that carries it, m s⁻¹.
const CARRIED: (f64, f64) = (8.0, 5.0);
/// Time in which the air at the radius goes around once, s.
const TURN: f64 = TAU * RADIUS / WIND;

/// Cyclostrophic vortex v = V (r/R) exp((1 - r²/R²)/2), g (h - H) = -V² (e/2) exp(-r²/R²), on a uniform wind without rotation.
pub(crate) struct TravellingVortex;

/// The nearest way from the middle of the vortex, m, in a domain that repeats.
fn away(place: f64, time_s: f64, speed: f64) -> f64 {
    (place - 0.5 * SIDE - speed * time_s + 0.5 * SIDE).rem_euclid(SIDE) - 0.5 * SIDE
}

fn depth(y: f64, x: f64, time_s: f64) -> f64 {
    let (y, x) = (away(y, time_s, CARRIED.1), away(x, time_s, CARRIED.0));
    DEPTH - WIND * WIND * 0.5 * E * (-(y * y + x * x) / (RADIUS * RADIUS)).exp() / GRAVITY
}

fn wind(y: f64, x: f64) -> (f64, f64) {
    let (y, x) = (away(y, 0.0, 0.0), away(x, 0.0, 0.0));
    let turning = WIND / RADIUS * (0.5 * (1.0 - (y * y + x * x) / (RADIUS * RADIUS))).exp();
    (CARRIED.0 - turning * y, CARRIED.1 + turning * x)
}

fn run(cells: usize) -> MoistLayer {
    let flat = Flat {
        shape: Shape { ny: cells, nx: cells },
        cell_m: SIDE / cells as f64,
        rotation_s: 0.0,
        gravity: GRAVITY,
        boundary: Boundary::Periodic,
        damping: 0.0,
    };
    flat.air(|y, x| depth(y, x, 0.0), wind)
}

/// The known depth.
fn answer(cells: usize, time_s: f64) -> Plane {
    let cell = SIDE / cells as f64;
    Plane::from_fn(Shape { ny: cells, nx: cells }, |j, i| {
        depth((j as f64 + 0.5) * cell, (i as f64 + 0.5) * cell, time_s)
    })
}

/// After one turn: distance from the known deficit over its size, and the way that the deficit went over that of the wind, less one.
fn after_a_turn(cells: usize) -> Result<(f64, f64), Error> {
    let mut air = run(cells);
    let before = middle(&air, cells);
    let step = air.air_step_s(0.4);
    air.advance(TURN, step)?;
    let right = answer(cells, TURN);
    let rows = || (0..cells).flat_map(|j| (0..cells).map(move |i| (j, i)));
    let square = |value: &dyn Fn(usize, usize) -> f64| rows().map(|(j, i)| value(j, i).powi(2)).sum::<f64>();
    let apart = square(&|j, i| air.flow().h.row(j)[i] - right.row(j)[i]);
    let size = square(&|j, i| right.row(j)[i] - DEPTH);
    let after = middle(&air, cells);
    // Its middle is known but for whole lengths of the domain.
    let error = |before: f64, after: f64, speed: f64| {
        let way = speed * TURN;
        (after - before - way + 0.5 * SIDE).rem_euclid(SIDE) - 0.5 * SIDE
    };
    let (north, east) = (error(before.0, after.0, CARRIED.1), error(before.1, after.1, CARRIED.0));
    Ok(((apart / size).sqrt(), north.hypot(east) / (CARRIED.0.hypot(CARRIED.1) * TURN)))
}

/// Middle of the deficit, m, by the phase of its longest waves.
fn middle(air: &MoistLayer, cells: usize) -> (f64, f64) {
    let phase = |northward: bool| {
        let (mut sin, mut cos) = (0.0, 0.0);
        for (j, i) in (0..cells).flat_map(|j| (0..cells).map(move |i| (j, i))) {
            let at = (if northward { j } else { i }) as f64 + 0.5;
            let (s, c) = (TAU * at / cells as f64).sin_cos();
            let deficit = DEPTH - air.flow().h.row(j)[i];
            sin += deficit * s;
            cos += deficit * c;
        }
        sin.atan2(cos).rem_euclid(2.0 * PI) / TAU * SIDE
    };
    (phase(true), phase(false))
}

impl Case for TravellingVortex {
    fn name(&self) -> &'static str {
        "travelling_vortex"
    }

    fn about(&self) -> &'static str {
        "a vortex in balance rides on a uniform wind"
    }

    fn source(&self) -> &'static str {
        "Ricchiuto, M. and A. Bollermann, 2009: Stabilized residual distribution for shallow water simulations. J. Comput. Phys., 228, \
         1071-1115, doi:10.1016/j.jcp.2008.10.020 (the idea; the profile is ours)"
    }

    fn length_s(&self) -> f64 {
        TURN
    }

    fn rows(&self) -> usize {
        120
    }

    fn start(&self, rows: usize) -> Result<Box<dyn Experiment>, Error> {
        Ok(Box::new(Flowing::new(run(rows), 0.4).held_to(move |time| answer(rows, time))))
    }

    fn bars(&self) -> Result<Vec<Bar>, Error> {
        held(120)
    }
}

/// Order between half of `cells` along a side and all of them, and the error of the speed with all.
fn held(cells: usize) -> Result<Vec<Bar>, Error> {
    let (coarse, fine) = (after_a_turn(cells / 2)?, after_a_turn(cells)?);
    Ok(vec![
        Bar {
            what: format!("order of the depth after a turn, {} to {cells} cells", cells / 2),
            measured: (coarse.0 / fine.0).log2(),
            bound: Bound::AtLeast(1.8),
            remark: "",
        },
        Bar {
            what: format!("error of its way over the way, {cells} cells"),
            measured: fine.1,
            bound: Bound::AtMost(0.01),
            remark: "",
        },
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vortex_rides_on_the_wind_and_twice_the_cells_quarter_its_error() {
        for bar in held(120).unwrap() {
            assert!(bar.is_met(), "{bar:?}");
        }
    }
}
