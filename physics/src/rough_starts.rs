//! A thousand rough starts: wild winds, shocks, air without water and air full of it, steep ground. The core stays sound or says where it broke.

use crate::{
    Error,
    boundary::{Boundary, Outer, Relaxation},
    constants::GRAVITY,
    dice::Dice,
    metric::{Metric, Rotation},
    moist_layer::{Layer, MoistLayer},
    moisture::{MOISTURE, TRACERS, VAPOUR},
    plane::{Plane, Shape},
    shallow_water::Flow,
};

const SHAPE: Shape = Shape { ny: 8, nx: 10 };
const DEPTH: f64 = 500.0;

/// Every value of a plane thrown alone.
fn thrown(dice: &mut Dice, low: f64, high: f64) -> Plane {
    Plane::from_fn(SHAPE, |_, _| dice.between(low, high))
}

fn one_of<T: Copy>(dice: &mut Dice, of: &[T]) -> T {
    of[((dice.throw() * of.len() as f64) as usize).min(of.len() - 1)]
}

fn rough(seed: u64) -> MoistLayer {
    let mut dice = Dice::new(seed);
    let calm = one_of(&mut dice, &[0.0, 0.02, 0.1, 0.6]);
    let wind = one_of(&mut dice, &[5.0, 30.0, 80.0]);
    let mut flow = Flow {
        h: thrown(&mut dice, DEPTH * (1.0 - calm), DEPTH * (1.0 + calm)),
        u: thrown(&mut dice, -wind, wind),
        v: thrown(&mut dice, -wind, wind),
    };
    if dice.throw() < 0.3 {
        let (column, deeper) = (dice.between(0.0, 10.0) as isize, dice.between(0.5, 2.0));
        flow.h = Plane::from_fn(SHAPE, |j, i| flow.h.at(j, i) * if i < column { deeper } else { 1.0 });
    }
    let steep = one_of(&mut dice, &[0.0, 0.3, 0.8]);
    let mut orography = thrown(&mut dice, 0.0, steep * DEPTH);
    let full = one_of(&mut dice, &[0.0, 0.8, 1.0, 1.5]);
    let capacity = Plane::constant(SHAPE, DEPTH * 0.012);
    let mut tracers = vec![Plane::constant(SHAPE, 0.0); TRACERS];
    tracers[VAPOUR] = Plane::from_fn(SHAPE, |j, i| full * capacity.at(j, i) / flow.h.at(j, i));
    let wet = one_of(&mut dice, &[0.0, 3e-4, 3e-3]);
    let most = [wet, wet, wet / 600.0, wet];
    for (tracer, most) in tracers[1..].iter_mut().zip(most) {
        *tracer = thrown(&mut dice, -most, most);
        *tracer = Plane::from_fn(SHAPE, |j, i| tracer.at(j, i).max(0.0));
    }
    let boundary = match one_of(&mut dice, &[0, 1, 2]) {
        0 => Boundary::Periodic,
        1 => Boundary::Walls,
        _ => Boundary::Open(Box::new(Outer {
            flow: Flow::rest(SHAPE, DEPTH),
            tracers: tracers.clone(),
            relaxation: Relaxation { cells: 2, time_s: 120.0 },
            later: Vec::new(),
        })),
    };
    boundary.close_depth(&mut orography);
    let layer = Layer {
        metric: Metric::plane(SHAPE, 2000.0, 1500.0, Rotation::Constant(1e-4)),
        boundary,
        orography,
        gravity: GRAVITY,
        moisture: Some((MOISTURE, capacity)),
        nudging: None,
        divergence_damping: 0.2,
    };
    MoistLayer::new(layer, flow, tracers)
}

fn sound(layer: &MoistLayer) -> bool {
    let rows = |plane: &Plane, holds: fn(f64) -> bool| (0..SHAPE.ny).all(|j| plane.row(j).iter().all(|v| holds(*v)));
    rows(&layer.flow().h, |h| h.is_finite() && h > 0.0)
        && rows(&layer.flow().u, f64::is_finite)
        && rows(&layer.flow().v, f64::is_finite)
        && layer.tracers().iter().all(|q| rows(q, |q| q.is_finite() && q >= 0.0))
}

/// The least depth and the least of each tracer.
fn least(layer: &MoistLayer) -> Vec<f64> {
    let planes = [&layer.flow().h].into_iter().chain(layer.tracers());
    let of = |plane: &Plane| (0..SHAPE.ny).flat_map(|j| plane.row(j)).fold(f64::INFINITY, |a, b| a.min(*b));
    planes.map(of).collect()
}

#[test]
fn a_thousand_rough_starts_stay_sound_or_say_where_they_broke() {
    let (mut went_through, mut broke) = (0, 0);
    for seed in 0..1000 {
        let mut layer = rough(seed);
        let step = layer.air_step_s(0.3);
        match (0..40).try_for_each(|_| layer.step(step, 1)) {
            Ok(()) => {
                assert!(sound(&layer), "start {seed} is neither sound nor refused: {:?}", least(&layer));
                went_through += 1;
            }
            Err(error @ (Error::Courant { .. } | Error::Emptied { .. })) => {
                let text = error.to_string();
                assert!(
                    text.contains("courant number") && text.contains("row") && text.contains(" s\n"),
                    "{text}"
                );
                broke += 1;
            }
            Err(other) => panic!("start {seed}: {other}"),
        }
    }
    assert!(went_through > 500 && broke > 10, "{went_through} went through, {broke} broke");
}
