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
    nowcast::{Extrapolation, ExtrapolationConfig},
    verify::{Categorical, Contingency, Forecast, FractionsSkillScore, Metric, Observed, PowerRatio},
};
use nowblend_field::{
    Analysis, Forecaster, Grid, LeadTime, Seed, Sequence,
    motion::{LucasKanade, MotionEstimator},
    storms::Scene,
};
use nowblend_ml::{NowcastNet, NowcastNetConfig};

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
    let archive = Archive::open(&config).expect("the scene can be read");
    let cells = 4 * archive.grid().cells();
    group(criterion, "reading", cells).bench_function("grib2/4_frames", |bencher| {
        bencher.iter(|| archive.observed(files.reference_time, 4).expect("the frames are there"));
    });
}

fn motion(criterion: &mut Criterion) {
    let observed = storms(512, 3);
    group(criterion, "motion", 512 * 512).bench_function("512", |bencher| {
        bencher.iter(|| LucasKanade::default().estimate(black_box(&observed)).expect("storms move"));
    });
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
    first_slice(criterion, "extrapolation", &Extrapolation::new(ExtrapolationConfig::default()));
    let network = NowcastNet::new(&NowcastNetConfig::default()).expect("the program ships weights");
    first_slice(criterion, "nowcast_net", &network);
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

criterion_group!(house, reading, motion, forecasters, verification);
criterion_main!(house);
