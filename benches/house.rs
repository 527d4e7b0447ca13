//! What someone waits for, by room: reading, motion, extrapolation, the network, scores. Throughput is in cells.
//!
//! Quote a speed only from a dated run in `benches/runs/`.

use std::{hint::black_box, time::Duration};

use chrono::{TimeZone, Utc};
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime};
use ndarray::Array2;
use nowblend::{
    demo::{self, SceneConfig},
    ingest::{Archive, IngestConfig},
    nowcast::{Anvil, AnvilConfig, Extrapolation, ExtrapolationConfig, Sprog, SprogConfig, Steps, StepsConfig},
    verify::{Categorical, Contingency, Forecast, FractionsSkillScore, Metric, Observed, PowerRatio},
};
use nowblend_field::{
    Analysis, Forecaster, Grid, LeadTime, Seed, Sequence,
    motion::{LucasKanade, MotionEstimator, OpticalFlow, Variational},
    storms::Scene,
};
use nowblend_ml::{NowcastNet, NowcastNetConfig};
use nowblend_physics::{
    boundary::Boundary,
    constants::GRAVITY,
    metric::{Metric as Cells, Rotation},
    moist_layer::{Layer, MoistLayer},
    moisture::Moisture,
    plane::{Plane, Shape},
    shallow_water::Flow,
};

/// Minutes ahead of the forecasts.
const LEAD_MIN: u32 = 5;

fn storms(cells: usize, frames: usize) -> Sequence {
    let start = Utc.with_ymd_and_hms(2020, 7, 1, 12, 0, 0).single().expect("a date that exists");
    Scene::random(&Grid::plane(cells, cells, 1000.0), Seed(1)).sequence(start, LeadTime::from_minutes(5), frames)
}

fn group<'a>(criterion: &'a mut Criterion, name: &str, cells: usize) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group
        .throughput(Throughput::Elements(cells as u64))
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(4));
    group
}

fn reading(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let scene = SceneConfig {
        past_frames: 4,
        future_frames: 1,
        ..SceneConfig::new(Seed(1))
    };
    let files = demo::write_scene(folder.path(), &scene).expect("the scene can be written");
    let config = IngestConfig {
        source: files.past.to_string_lossy().into_owned(),
        ..IngestConfig::default()
    };
    let open = || Archive::open(&config).expect("the scene can be read");
    let cells = 4 * open().grid().cells();
    // Opened anew each time, for an archive keeps the frames that it has read.
    group(criterion, "reading", cells).bench_function("grib2/4_frames", |bencher| {
        bencher.iter(|| open().observed(files.reference_time, 4).expect("the frames are there"));
    });
}

fn motion(criterion: &mut Criterion) {
    let observed = storms(512, 4);
    let estimators: [(&str, &dyn MotionEstimator); 3] = [
        ("512", &LucasKanade::default()),
        ("variational/512", &Variational::default()),
        ("optical_flow/512", &OpticalFlow::default()),
    ];
    for (name, estimator) in estimators {
        group(criterion, "motion", 512 * 512).bench_function(name, |bencher| {
            bencher.iter(|| estimator.estimate(black_box(&observed)).expect("storms move"));
        });
    }
}

/// The first slice of a forecaster whose motion is known already.
fn first_slice(criterion: &mut Criterion, name: &str, forecaster: &dyn Forecaster) {
    let analysis = Analysis::new(storms(512, 4));
    analysis.motion().expect("storms move");
    let lead_times = [LeadTime::from_minutes(LEAD_MIN)];
    group(criterion, name, 512 * 512).bench_function("512", |bencher| {
        bencher.iter(|| {
            let mut run = forecaster.start(&analysis, &lead_times, Seed(1)).expect("it can start");
            run.next().expect("it can go on")
        });
    });
}

fn forecasters(criterion: &mut Criterion) {
    first_slice(
        criterion,
        "extrapolation",
        &Extrapolation::new(ExtrapolationConfig::default()).unwrap(),
    );
    first_slice(
        criterion,
        "sprog",
        &Sprog::new(SprogConfig::default()).expect("the default is within bounds"),
    );
    first_slice(
        criterion,
        "anvil",
        &Anvil::new(AnvilConfig::default()).expect("the default is within bounds"),
    );
    // Twenty members.
    first_slice(
        criterion,
        "steps",
        &Steps::new(&StepsConfig::default()).expect("the default is within bounds"),
    );
    let network = NowcastNet::new(&NowcastNetConfig::default()).expect("the program ships weights");
    first_slice(criterion, "nowcast_net", &network);
}

/// One step of the core on 512 x 512 periodic cells of 2 km: air alone, and air with its water.
fn core(criterion: &mut Criterion) {
    let shape = Shape { ny: 512, nx: 512 };
    let wavy = |mean: f64, amplitude: f64| {
        Plane::from_fn(shape, |j, i| {
            let [y, x] = [j, i].map(|k| std::f64::consts::TAU * k as f64 / 512.0);
            mean + amplitude * ((3.0 * x).sin() * (2.0 * y).cos())
        })
    };
    let moisture = Moisture {
        mean_depth_m: 500.0,
        column_mass_kg_m2: 5000.0,
        autoconversion_time_s: 1000.0,
        autoconversion_threshold_kg_kg: 1e-4,
        evaporation_rate_s: 1e-3,
        fallout_time_s: 600.0,
        supply_time_s: 3600.0,
        depth_per_water: 50.0,
    };
    for (name, moist) in [("dry", false), ("moist", true)] {
        let layer = Layer {
            metric: Cells::plane(shape, 2000.0, 2000.0, Rotation::Constant(1e-4)),
            boundary: Boundary::Periodic,
            orography: Plane::constant(shape, 0.0),
            gravity: GRAVITY,
            moisture: moist.then(|| (moisture, Plane::constant(shape, 6.0))),
            nudging: None,
            divergence_damping: 0.0,
        };
        let flow = Flow {
            h: wavy(500.0, 5.0),
            u: wavy(10.0, 2.0),
            v: wavy(-3.0, 2.0),
        };
        let tracers = if moist {
            vec![
                wavy(0.0115, 0.001),
                wavy(1e-4, 1e-4),
                wavy(3e-4, 3e-4),
                wavy(5e-7, 5e-7),
                wavy(3e-4, 3e-4),
            ]
        } else {
            Vec::new()
        };
        let mut air = MoistLayer::new(layer, flow, tracers);
        group(criterion, &format!("core/step/{name}"), 512 * 512).bench_function("512", |bencher| {
            bencher.iter(|| air.step(black_box(5.0), 1).expect("the flow is smooth"));
        });
    }
}

fn verification(criterion: &mut Criterion) {
    let frames = storms(1024, 2);
    let mask = Array2::from_elem((1024, 1024), true);
    let (before, after) = (frames.frame(0).to_owned(), frames.frame(1).to_owned());
    let metrics: [(&str, Box<dyn Metric>); 3] = [
        (
            "fss",
            Box::new(FractionsSkillScore {
                threshold_mm_h: 1.0,
                window_km: 20.0,
            }),
        ),
        (
            "categorical",
            Box::new(Categorical {
                score: Contingency::Csi,
                threshold_mm_h: 1.0,
            }),
        ),
        ("spectra", Box::new(PowerRatio::new(&[[0.0, 8.0], [8.0, 32.0]], 0))),
    ];
    for (name, metric) in metrics {
        let observed = Observed::new(&after, &mask, 1000.0);
        let forecast = Forecast::of_rain(&before);
        group(criterion, &format!("verify/{name}"), 1024 * 1024).bench_function("1024", |bencher| {
            bencher.iter(|| metric.score(&metric.terms(black_box(&forecast), &observed)));
        });
    }
}

criterion_group!(house, reading, motion, forecasters, core, verification);
criterion_main!(house);
