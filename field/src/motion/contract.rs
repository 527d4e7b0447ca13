//! What every estimator must do, whatever its method.

use chrono::{TimeZone, Utc};
use ndarray::Array3;

use super::{Estimator, LucasKanade, Motion, MotionEstimator, OpticalFlow, Variational};
use crate::{
    Grid, LeadTime, Seed, Sequence, ValidTime,
    storms::{Scene, Storm},
};

fn estimators() -> [Estimator; 3] {
    [
        Estimator::LucasKanade(LucasKanade::default()),
        Estimator::Variational(Variational::default()),
        Estimator::OpticalFlow(OpticalFlow::default()),
    ]
}

fn name(estimator: &Estimator) -> &'static str {
    match estimator {
        Estimator::LucasKanade(_) => "lucas_kanade",
        Estimator::Variational(_) => "variational",
        Estimator::OpticalFlow(_) => "optical_flow",
    }
}

fn times(frames: usize) -> Vec<ValidTime> {
    let start = Utc.with_ymd_and_hms(2020, 7, 1, 12, 0, 0).unwrap();
    (0..frames).map(|k| start + LeadTime::from_minutes(5 * k as u32)).collect()
}

fn observed(storms: Vec<Storm>, shape: (usize, usize)) -> Sequence {
    Scene::new(Grid::plane(shape.0, shape.1, 1000.0), storms).sequence(times(1)[0], LeadTime::from_minutes(5), 3)
}

/// Storms of a random scene, all given the velocity that `flow` has at their centre.
fn carried(flow: impl Fn(f64, f64) -> (f64, f64), shape: (usize, usize)) -> Vec<Storm> {
    let scene = Scene::random(&Grid::plane(shape.0, shape.1, 1000.0), Seed(5));
    let moved = |s: &Storm| {
        let (u, v) = flow(s.y_m, s.x_m);
        Storm {
            u,
            v,
            growth: 0.0,
            turning: 0.0,
            ..*s
        }
    };
    scene.storms().iter().map(moved).collect()
}

/// Mean and greatest error of a motion, m s⁻¹.
fn errors(motion: &Motion, u: f64, v: f64) -> (f64, f64) {
    let all: Vec<f64> = motion
        .u
        .iter()
        .zip(&motion.v)
        .map(|(mu, mv)| (f64::from(*mu) - u).hypot(f64::from(*mv) - v))
        .collect();
    (all.iter().sum::<f64>() / all.len() as f64, all.into_iter().fold(0.0, f64::max))
}

#[test]
fn a_common_motion_is_found_within_two_percent_and_nowhere_off_by_more_than_a_tenth() {
    for estimator in estimators() {
        for (u, v) in [(12.0, -5.0), (-25.0, 10.0), (0.5, 0.2)] {
            let motion = estimator
                .estimate(&observed(carried(|_, _| (u, v), (160, 200)), (160, 200)))
                .unwrap();
            let (mean, worst) = errors(&motion, u, v);
            let speed = u.hypot(v);
            assert!(
                mean < 0.015 * speed + 0.05 && worst < 0.1 * speed + 0.35,
                "{} ({u}, {v}): off by {mean} m/s on average, {worst} at worst",
                name(&estimator)
            );
        }
    }
}

#[test]
fn shear_is_seen_where_the_storms_are() {
    // u grows from 5 m/s in the south to 20 m/s in the north.
    let flow = |y: f64, _: f64| (5.0 + 15.0 * y / 200_000.0, 0.0);
    let storms = carried(flow, (200, 200));
    for estimator in estimators() {
        let motion = estimator.estimate(&observed(storms.clone(), (200, 200))).unwrap();
        let inside: Vec<&Storm> = storms
            .iter()
            .filter(|s| (20e3..180e3).contains(&s.y_m) && (20e3..180e3).contains(&s.x_m))
            .collect();
        let error: f64 = inside
            .iter()
            .map(|s| (f64::from(motion.u[[(s.y_m / 1000.0) as usize, (s.x_m / 1000.0) as usize]]) - s.u).abs())
            .sum::<f64>()
            / inside.len() as f64;
        assert!(error < 1.5, "{}: mean error {error} m/s", name(&estimator));
    }
}

#[test]
fn missing_cells_neither_stop_nor_bend_the_motion() {
    let whole = observed(carried(|_, _| (12.0, -5.0), (160, 200)), (160, 200));
    let mut rain = whole.rain().to_owned();
    for y in 0..160 {
        for x in 0..200 {
            if (y as f64 - 80.0).hypot(x as f64 - 90.0) > 85.0 {
                rain.slice_mut(ndarray::s![.., y, x]).fill(f32::NAN);
            }
        }
    }
    let masked = Sequence::new(whole.grid().clone(), whole.times().to_vec(), rain).unwrap();
    for estimator in estimators() {
        let motion = estimator.estimate(&masked).unwrap();
        let (u, v) = (motion.u[[80, 90]], motion.v[[80, 90]]);
        assert!((u - 12.0).abs() < 0.5 && (v + 5.0).abs() < 0.5, "{}: ({u}, {v})", name(&estimator));
    }
}

#[test]
fn clutter_that_stands_still_and_flashes_that_come_and_go_bend_the_motion_little() {
    let whole = observed(carried(|_, _| (12.0, -5.0), (160, 200)), (160, 200));
    let mut rain = whole.rain().to_owned();
    for k in 0..3 {
        for spot in 0..6 {
            let (y, x) = (20 + 23 * spot, 30 + 27 * spot);
            rain.slice_mut(ndarray::s![k, y..y + 2, x..x + 3]).fill(30.0);
            let (y, x) = ((31 * (spot + 7 * k)) % 150, (67 * (spot + 5 * k)) % 190);
            rain.slice_mut(ndarray::s![k, y..y + 3, x..x + 3]).fill(20.0);
        }
    }
    let cluttered = Sequence::new(whole.grid().clone(), whole.times().to_vec(), rain).unwrap();
    for estimator in estimators() {
        let (mean, _) = errors(&estimator.estimate(&cluttered).unwrap(), 12.0, -5.0);
        assert!(mean < 1.3, "{}: off by {mean} m/s on average", name(&estimator));
    }
}

#[test]
fn nothing_to_follow_is_said_and_rests() {
    for estimator in estimators() {
        for value in [0.0, f32::NAN, 4.0] {
            let rain = Array3::from_elem((3, 40, 50), value);
            let sequence = Sequence::new(Grid::plane(40, 50, 1000.0), times(3), rain).unwrap();
            assert!(estimator.follow(&sequence).unwrap().is_none(), "{} {value}", name(&estimator));
            let motion = estimator.estimate(&sequence).unwrap();
            assert!(motion.u.iter().chain(&motion.v).all(|m| *m == 0.0), "{} {value}", name(&estimator));
        }
        let single = observed(carried(|_, _| (12.0, -5.0), (40, 50)), (40, 50)).newest(1);
        assert!(estimator.follow(&single).unwrap().is_none(), "{}", name(&estimator));
    }
}

#[test]
fn scenes_with_next_to_nothing_in_them_have_a_finite_motion_no_faster_than_believed() {
    let (ny, nx) = (40, 50);
    let still = |value: f32| Array3::from_elem((3, ny, nx), value);
    let mut single_cell = still(0.0);
    single_cell.slice_mut(ndarray::s![.., 20, 30]).fill(5.0);
    let mut comes_and_goes = still(0.0);
    comes_and_goes[[1, 20, 30]] = 50.0;
    let mut alone_among_missing = still(f32::NAN);
    alone_among_missing.slice_mut(ndarray::s![.., 18..22, 25..29]).fill(3.0);
    alone_among_missing[[2, 20, 27]] = 90.0;
    let mut newest_missing = observed(carried(|_, _| (12.0, -5.0), (ny, nx)), (ny, nx)).rain().to_owned();
    newest_missing.slice_mut(ndarray::s![2, .., ..]).fill(f32::NAN);
    let mut front = still(0.0);
    front.slice_mut(ndarray::s![.., .., 20..]).fill(5.0);
    for (what, rain) in [
        ("single cell", single_cell),
        ("comes and goes", comes_and_goes),
        ("alone among missing", alone_among_missing),
        ("newest missing", newest_missing),
        ("front", front),
    ] {
        let sequence = Sequence::new(Grid::plane(ny, nx, 1000.0), times(3), rain).unwrap();
        for estimator in estimators() {
            let motion = estimator.estimate(&sequence).unwrap();
            let fastest = motion.u.iter().zip(&motion.v).map(|(u, v)| u.hypot(*v)).fold(0.0, f32::max);
            let finite = motion.u.iter().chain(&motion.v).all(|m| m.is_finite());
            assert!(finite && fastest <= 60.5, "{}: {what}: {fastest} m/s", name(&estimator));
        }
    }
    for shape in [(1, 1), (1, 30), (2, 3), (3, 3)] {
        let rain = Array3::from_shape_fn((3, shape.0, shape.1), |(k, y, x)| (k + y + x) as f32);
        let sequence = Sequence::new(Grid::plane(shape.0, shape.1, 1000.0), times(3), rain);
        for estimator in estimators() {
            let motion = estimator.estimate(sequence.as_ref().unwrap()).unwrap();
            assert!(
                motion.u.iter().chain(&motion.v).all(|m| m.is_finite()),
                "{} {shape:?}",
                name(&estimator)
            );
        }
    }
}

#[test]
fn the_motion_does_not_depend_on_the_number_of_threads() {
    let scene = observed(carried(|y, _| (12.0 + y / 20_000.0, -5.0), (160, 200)), (160, 200));
    for estimator in estimators() {
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| estimator.estimate(&scene).unwrap())
        };
        let (alone, shared) = (on(1), on(3));
        assert!(alone.u == shared.u && alone.v == shared.v, "{}", name(&estimator));
    }
}
