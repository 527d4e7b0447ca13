//! Honest storms and spoiled ones, for the tests of the checks.

use chrono::{TimeZone, Utc};
use ndarray::{Array2, Array3};
use nowblend_field::{
    Analysis, Exceedance, Grid, LeadTime, Seed, Slice,
    storms::{Scene, Storm},
};

use super::{Check, Evidence, Finding, Moment, Observed};

/// Seconds from the start of a scene to the reference time: four frames, five minutes apart.
pub const REFERENCE_S: f64 = 900.0;

fn grid() -> Grid {
    Grid::plane(160, 180, 2000.0)
}

/// Showers that move together at (8, 10) m/s and grow, decay and turn slowly, with dry land between them.
pub fn storms(seed: u64) -> Scene {
    let all = Scene::random(&grid(), Seed(seed));
    let showers = all.storms().iter().step_by(3).map(|s| Storm { u: 8.0, v: 10.0, ..*s });
    Scene::new(grid(), showers.collect())
}

/// Storms that move together and do nothing else.
pub fn rigid(seed: u64) -> Scene {
    let storms = storms(seed)
        .storms()
        .iter()
        .map(|s| Storm {
            growth: 0.0,
            turning: 0.0,
            ..*s
        })
        .collect();
    Scene::new(grid(), storms)
}

/// Four frames up to the reference time.
pub fn analysis(scene: &Scene) -> Analysis {
    let start = Utc.with_ymd_and_hms(2020, 6, 1, 12, 0, 0).unwrap();
    Analysis::new(scene.sequence(start, LeadTime::from_minutes(5), 4))
}

/// The scene's own future: what an honest forecaster would say.
pub fn truth(scene: &Scene, minutes: &[u32]) -> Vec<Slice> {
    minutes.iter().map(|m| scaled(scene, *m, 1.0)).collect()
}

/// The scene's own future with all rain multiplied.
pub fn scaled(scene: &Scene, minutes: u32, factor: f32) -> Slice {
    let lead_time = LeadTime::from_minutes(minutes);
    Slice::of_rain(lead_time, scene.rain_at(REFERENCE_S + f64::from(lead_time.seconds())) * factor)
}

/// The scene's own future, 100 km west and 120 km south of where it belongs.
pub fn teleported(scene: &Scene, minutes: u32) -> Slice {
    let truth = scaled(scene, minutes, 1.0).mean().unwrap();
    let (ny, nx) = truth.dim();
    let leapt = Array2::from_shape_fn((ny, nx), |(row, column)| truth[[(row + 60) % ny, (column + 50) % nx]]);
    Slice::of_rain(LeadTime::from_minutes(minutes), leapt)
}

/// The scene's own amount of rain, spread evenly over the map.
pub fn smeared(scene: &Scene, minutes: u32) -> Slice {
    let truth = scaled(scene, minutes, 1.0).mean().unwrap();
    let mean = truth.mean().unwrap();
    Slice::of_rain(LeadTime::from_minutes(minutes), Array2::from_elem(truth.dim(), mean))
}

/// What a check says of a first slice.
pub fn first(check: &dyn Check, analysis: &Analysis, slice: &Slice) -> Finding {
    findings(check, analysis, std::slice::from_ref(slice)).remove(0)
}

/// What a check says of slices in turn.
pub fn findings(check: &dyn Check, analysis: &Analysis, slices: &[Slice]) -> Vec<Finding> {
    let observed = Observed::of(analysis);
    let mut history = Vec::new();
    let mut findings = Vec::new();
    for slice in slices {
        let carried = observed.carried(slice.lead_time);
        let evidence = Evidence {
            component: "nowcast_net",
            observed: &observed,
            carried: carried.as_ref().map_err(String::as_str),
            physics: None,
            history: &history,
        };
        findings.push(check.check(slice, &evidence));
        history.push(Moment::of(slice, None, &observed));
    }
    findings
}

/// Holds a check to saying why it cannot be made: all dry, all missing, probabilities only, no member, another shape, one cell.
pub fn degenerate(check: &dyn Check) {
    let scene = storms(9);
    let wet = analysis(&scene);
    let (ny, nx) = wet.grid().shape();
    let lead_time = LeadTime::from_minutes(5);
    let rain = |rain: Option<Array3<f32>>| Slice {
        rain,
        ..Slice::of_rain(lead_time, Array2::zeros((1, 1)))
    };
    let of = |value: f32| rain(Some(Array3::from_elem((1, ny, nx), value)));
    let probabilities = Slice {
        exceedance: Some(Exceedance {
            thresholds_mm_h: [1.0].into(),
            probability: Array3::zeros((1, ny, nx)),
        }),
        ..rain(None)
    };
    let unusable = [
        of(f32::NAN),
        probabilities,
        rain(Some(Array3::zeros((0, ny, nx)))),
        rain(Some(Array3::zeros((1, ny, 7)))),
    ];
    for slice in &unusable {
        assert!(!first(check, &wet, slice).applies(), "{}", check.name());
    }
    let empty = |value: f32, shape: (usize, usize)| {
        let frames = Array3::from_elem((4, shape.0, shape.1), value);
        let grid = Grid::plane(shape.0, shape.1, 2000.0);
        Analysis::new(nowblend_field::Sequence::new(grid, wet.observed().times().to_vec(), frames).unwrap())
    };
    for (value, shape) in [
        (0.0, (ny, nx)),
        (f32::NAN, (ny, nx)),
        (0.0, (1, 1)),
        (0.0, (1, 30)),
        (f32::NAN, (2, 3)),
    ] {
        let dry = Slice::of_rain(lead_time, Array2::zeros(shape));
        assert!(
            !first(check, &empty(value, shape), &dry).applies(),
            "{} {value} {shape:?}",
            check.name()
        );
    }
}
