//! A researcher asks how good the forecasts of past events were, is interrupted, goes on, and wants to be sure that nobody looked ahead.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use chrono::{TimeDelta, TimeZone, Utc};
use ndarray::Array2;
use nowblend::{
    hindcast::{self, EventConfig, Forecasters, HindcastConfig, RECORDS, Records, Starts},
    ingest::{Archive, IngestConfig},
    store::{self, Header, Product, Writer},
    verify::{self, MetricsConfig, Scorecard},
};
use nowblend_field::{Analysis, Grid, LeadTime, ReferenceTime, Seed, storms::Scene};

use crate::support;

const STEP: LeadTime = LeadTime::from_minutes(5);
const FRAMES: usize = 24;

fn first_frame() -> ReferenceTime {
    Utc.with_ymd_and_hms(2020, 7, 1, 12, 0, 0).unwrap()
}

fn grid() -> Grid {
    Grid::plane(90, 110, 1000.0)
}

/// Frames of a scene of storms as one CF NetCDF file.
pub(super) fn write_archive(path: &Path, seed: u64, frame: impl Fn(usize, Array2<f32>) -> Array2<f32>) {
    let scene = Scene::random(&grid(), Seed(seed));
    let header = Header {
        title: "simulated rain".to_owned(),
        institution: "none".to_owned(),
        grid: grid(),
        reference_time: first_frame() - TimeDelta::seconds(i64::from(STEP.seconds())),
        lead_times: LeadTime::every(STEP, FRAMES),
        products: vec![Product::rainfall_rate()],
        members: 1,
        thresholds_mm_h: Vec::new(),
        thresholds_mm: Vec::new(),
        lon_lat: false,
        provenance: support::no_provenance(Seed(seed)),
    };
    let mut writer = Writer::create(path, header).unwrap();
    for (k, lead_time) in LeadTime::every(STEP, FRAMES).into_iter().enumerate() {
        let rain = frame(k, scene.rain_at(300.0 * k as f64));
        writer.push(lead_time, "rainfall_rate", 0, rain.view()).unwrap();
    }
    writer.finish().unwrap();
}

fn config(folder: &Path, archives: &[PathBuf]) -> HindcastConfig {
    HindcastConfig {
        folder: folder.join("hindcast"),
        events: archives.iter().map(|path| EventConfig::of(path.to_string_lossy())).collect(),
        starts: Starts::Every {
            every_min: 10,
            first: None,
            last: None,
        },
        lead_min: vec![5, 15, 30],
        forecaster: toml::from_str("kind = 'blend'\nof = [{ kind = 'extrapolation' }, { kind = 'persistence' }]").unwrap(),
        metrics: MetricsConfig {
            margin_cells: 12,
            ..MetricsConfig::default()
        },
        keep_covariances: true,
        ..HindcastConfig::default()
    }
}

fn tables(config: &HindcastConfig) -> [Vec<u8>; 2] {
    ["scores.csv", "scores.json"].map(|name| std::fs::read(config.folder.join(name)).unwrap())
}

fn score(card: &Scorecard, component: &str, lead_min: f64, metric: &str) -> f64 {
    card.find(component, lead_min, metric).unwrap().score
}

#[test]
fn storms_that_move_are_forecast_better_by_those_that_move_them_and_the_tables_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("storms.nc");
    write_archive(&archive, 3, |_, rain| rain);
    let config = HindcastConfig {
        log_use: Some(folder.path().join("uses.txt")),
        ..config(folder.path(), &[archive])
    };
    let card = hindcast::run(&config, false).unwrap();
    for metric in ["csi_1_mm_h", "fss_5_mm_h_5_km", "correlation"] {
        let [moved, still] = ["extrapolation", "persistence"].map(|component| score(&card, component, 15.0, metric));
        assert!(moved > still + 0.1, "{metric}: {moved} against {still}");
    }
    // 24 frames: four before the first start, six (30 min) after the last; every second of the 15 between.
    let row = card.find("persistence", 30.0, "mae").unwrap();
    assert_eq!(row.cases, 8);
    assert!(row.low < row.score && row.score < row.high);
    assert!(
        row.difference_low > 0.0,
        "persistence is worse than extrapolation in every resample"
    );
    assert!(card.text(&["csi_1_mm_h"]).contains("extrapolation"));
    let log = std::fs::read_to_string(folder.path().join("uses.txt")).unwrap();
    assert!(log.contains("events storms") && log.contains(&config.fingerprint()), "{log}");
}

#[test]
fn what_happens_after_the_reference_time_changes_no_bit_of_any_forecast() {
    let folder = tempfile::tempdir().unwrap();
    let start_index = 8;
    let start = first_frame() + TimeDelta::minutes(5 * start_index as i64);
    let honest = folder.path().join("honest.nc");
    let spoiled = folder.path().join("spoiled.nc");
    write_archive(&honest, 3, |_, rain| rain);
    // After the start: rain turned round, doubled, and missing in places.
    write_archive(&spoiled, 3, |k, rain| {
        if k <= start_index {
            return rain;
        }
        Array2::from_shape_fn(
            rain.dim(),
            |(y, x)| if y % 7 == 0 { f32::NAN } else { 2.0 * rain[[89 - y, x]] + 1.0 },
        )
    });
    let config = HindcastConfig {
        forecaster: toml::from_str("kind = 'blend'\nof = [{ kind = 'extrapolation' }, { kind = 'nowcast_net' }]").unwrap(),
        ..HindcastConfig::default()
    };
    let forecasters = Forecasters::new(&config).unwrap();
    let forecasts = |path: &Path| {
        let archive = Archive::open(&IngestConfig {
            source: path.to_string_lossy().into_owned(),
            ..IngestConfig::default()
        })
        .unwrap();
        let analysis = Analysis::new(archive.observed(start, 4).unwrap().sequence);
        assert_eq!(analysis.reference_time(), start);
        let mut bits = Vec::new();
        forecasters
            .run(&analysis, &LeadTime::every(LeadTime::from_minutes(15), 2), |_, said| {
                for (name, slice) in said.slices {
                    let rain = slice.rain.unwrap();
                    bits.push((name, rain.iter().map(|r| r.to_bits()).collect::<Vec<u32>>()));
                }
            })
            .unwrap();
        bits
    };
    let (a, b) = (forecasts(&honest), forecasts(&spoiled));
    assert_eq!(
        a.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>()[..4],
        ["extrapolation", "nowcast_net", "persistence", "blend"]
    );
    assert_eq!(a.len(), 8);
    assert!(a == b, "a forecast knew what came later");
}

#[test]
fn the_whole_replay_knows_nothing_of_values_after_its_start() {
    // The same through `run`: rain after the only start differs where it is wet, so the scores differ, but the sums of products of the
    // components' own rain over the same cells do not.
    let folder = tempfile::tempdir().unwrap();
    let start_index = 8;
    let components_own = |name: &str, factor: f32| {
        let archive = folder.path().join(name);
        write_archive(&archive, 3, |k, rain| if k <= start_index { rain } else { rain * factor });
        let config = HindcastConfig {
            starts: Starts::At {
                times: vec![first_frame() + TimeDelta::minutes(5 * start_index as i64)],
            },
            ..config(&folder.path().join(name.replace('.', "_")), &[archive])
        };
        let card = hindcast::run(&config, false).unwrap();
        let records = Records::open(&config.folder.join(RECORDS), &config, false).unwrap().into_cases();
        assert_eq!(records[0].covariances.len(), 3);
        // z = (extrapolation, persistence, observed): the products without the observed are the first two and the fourth.
        let own: Vec<[f64; 3]> = records[0]
            .covariances
            .iter()
            .map(|(_, c)| [c.rain[0], c.rain[1], c.rain[3]])
            .collect();
        (own, score(&card, "extrapolation", 30.0, "bias"))
    };
    let (a, b) = (components_own("as_it_was.nc", 1.0), components_own("doubled.nc", 2.0));
    assert_eq!(a.0, b.0);
    assert_ne!(a.1, b.1);
}

#[test]
fn one_thread_and_two_a_run_torn_anywhere_and_one_in_one_go_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let archives = [folder.path().join("a.nc"), folder.path().join("b.nc")];
    write_archive(&archives[0], 3, |_, rain| rain);
    write_archive(&archives[1], 4, |_, rain| rain);
    let whole = config(folder.path(), &archives);
    let with = |threads, config: &HindcastConfig| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| hindcast::run(config, false)).unwrap();
        tables(config)
    };
    let expected = with(1, &whole);
    let elsewhere = HindcastConfig {
        folder: folder.path().join("elsewhere"),
        ..whole.clone()
    };
    assert!(with(2, &elsewhere) == expected);
    let path = whole.folder.join(RECORDS);
    let bytes = std::fs::read(&path).unwrap();
    for share in [0.0, 0.03, 0.31, 0.5, 0.77, 0.999] {
        std::fs::write(&path, &bytes[..(bytes.len() as f64 * share) as usize]).unwrap();
        assert!(with(2, &whole) == expected, "torn at {share}");
    }
    let other = HindcastConfig { seed: 5, ..whole };
    let message = hindcast::run(&other, false).unwrap_err().to_string();
    assert!(message.contains("another `folder`"), "{message}");
}

/// Where the run that is killed works; set by the test below for a process of its own.
const VICTIM: &str = "NOWBLEND_TEST_HINDCAST_FOLDER";

#[test]
fn the_run_that_is_killed() {
    if let Some(folder) = std::env::var_os(VICTIM).map(PathBuf::from) {
        hindcast::run(&config(&folder, &[folder.join("a.nc")]), false).unwrap();
    }
}

#[test]
fn a_run_killed_again_and_again_ends_with_the_scores_of_one_in_one_go() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("a.nc");
    write_archive(&archive, 3, |_, rain| rain);
    let config = config(folder.path(), &[archive]);
    let mut kills = 0;
    for _ in 0..200 {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "stories::hindcast::the_run_that_is_killed", "--test-threads", "1"])
            .env(VICTIM, folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let known = std::fs::metadata(config.folder.join(RECORDS)).map_or(0, |m| m.len());
        // Killed as soon as it has written something more, in the middle of what comes next.
        loop {
            if victim.try_wait().unwrap().is_some() {
                break;
            }
            if std::fs::metadata(config.folder.join(RECORDS)).map_or(0, |m| m.len()) > known.max(2000) {
                victim.kill().unwrap();
                victim.wait().unwrap();
                kills += 1;
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        if config.folder.join("scores.json").exists() {
            break;
        }
    }
    assert!(kills >= 2, "{kills} kills");
    hindcast::run(&config, false).unwrap();
    let survived = tables(&config);
    hindcast::run(&config, true).unwrap();
    assert!(tables(&config) == survived);
}

#[test]
fn a_stored_forecast_scores_as_it_did_when_it_was_made() {
    let folder = tempfile::tempdir().unwrap();
    let archive_path = folder.path().join("a.nc");
    write_archive(&archive_path, 3, |_, rain| rain);
    let metrics = config(folder.path(), &[]).metrics;
    let archive = Archive::open(&EventConfig::of(archive_path.to_string_lossy()).ingest).unwrap();
    // The frame of 12:40 as a forecast from 12:30, ten minutes ahead: perfect; its persistence: dry and so without a hit.
    let path = folder.path().join("forecast.nc");
    let lead_time = LeadTime::from_minutes(10);
    let header = Header {
        title: "forecast".to_owned(),
        institution: "none".to_owned(),
        grid: grid(),
        reference_time: first_frame() + TimeDelta::minutes(30),
        lead_times: vec![lead_time],
        products: vec![
            Product::rainfall_rate(),
            Product::rainfall_rate_of("persistence"),
            Product::probability(),
        ],
        members: 1,
        thresholds_mm_h: vec![1.0],
        thresholds_mm: Vec::new(),
        lon_lat: false,
        provenance: support::no_provenance(Seed(0)),
    };
    let mut writer = Writer::create(&path, header).unwrap();
    let truth = archive.frame(first_frame() + TimeDelta::minutes(40)).unwrap().unwrap();
    writer.push(lead_time, "rainfall_rate", 0, truth.view()).unwrap();
    writer
        .push(lead_time, "rainfall_rate_persistence", 0, Array2::zeros(truth.dim()).view())
        .unwrap();
    let doubt = Array2::from_elem(truth.dim(), 0.5);
    writer.push(lead_time, &Product::probability().name, 0, doubt.view()).unwrap();
    writer.finish().unwrap();

    let stored = store::read(&path).unwrap();
    let case = verify::stored(&stored, "a", &archive, &metrics).unwrap();
    let card = Scorecard::new(
        &[case],
        &verify::Metrics::new(&metrics).unwrap(),
        &metrics.bootstrap,
        Some("persistence"),
        Seed(0),
    );
    assert_eq!(score(&card, "blend", 10.0, "csi_1_mm_h"), 1.0);
    assert_eq!(score(&card, "persistence", 10.0, "csi_1_mm_h"), 0.0);
    assert_eq!(score(&card, "blend", 10.0, "mae"), 0.0);
    // Half a chance everywhere: (1/2)² whatever comes.
    assert!((score(&card, "blend", 10.0, "brier_1_mm_h") - 0.25).abs() < 1e-6);

    let coarse = Archive::open(&IngestConfig {
        source: folder.path().join("b.nc").to_string_lossy().into_owned(),
        ..IngestConfig::default()
    });
    assert!(coarse.is_err(), "an archive that is not there is refused");
}

#[test]
fn the_members_of_a_stored_ensemble_are_judged_as_members_and_a_forecast_without_doubt_is_not_blamed_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let (source, path) = (folder.path().join("a.nc"), folder.path().join("forecast.nc"));
    write_archive(&source, 6, |_, rain| rain);
    let config = config(folder.path(), std::slice::from_ref(&source));
    let archive = Archive::open(&config.events[0].ingest).unwrap();
    let lead_time = LeadTime::from_minutes(10);
    let header = Header {
        title: "a forecast".to_owned(),
        institution: "none".to_owned(),
        grid: grid(),
        reference_time: first_frame() + TimeDelta::minutes(30),
        lead_times: vec![lead_time],
        products: vec![
            Product::ensemble_mean(),
            Product::members(),
            Product::rainfall_rate_of("persistence"),
        ],
        members: 2,
        thresholds_mm_h: Vec::new(),
        thresholds_mm: Vec::new(),
        lon_lat: false,
        provenance: support::no_provenance(Seed(0)),
    };
    // One member is right, the other has twice the rain: the mean is half of the rain off.
    let truth = archive.frame(first_frame() + TimeDelta::minutes(40)).unwrap().unwrap();
    let mut writer = Writer::create(&path, header).unwrap();
    writer.push(lead_time, "rainfall_rate", 0, (&truth * 1.5).view()).unwrap();
    for (number, factor) in [1.0, 2.0].into_iter().enumerate() {
        writer
            .push(lead_time, &Product::members().name, number, (&truth * factor).view())
            .unwrap();
    }
    writer
        .push(lead_time, "rainfall_rate_persistence", 0, (&truth * 1.5).view())
        .unwrap();
    writer.finish().unwrap();

    let case = verify::stored(&store::read(&path).unwrap(), "a", &archive, &config.metrics).unwrap();
    let metrics = verify::Metrics::new(&config.metrics).unwrap();
    let card = Scorecard::new(&[case], &metrics, &config.metrics.bootstrap, None, Seed(0));
    let of = |component: &str, metric: &str| score(&card, component, 10.0, metric);
    let mae = of("persistence", "mae");
    assert!(mae > 0.0 && (of("blend", "mae") - mae).abs() < 1e-5 * mae);
    // Distances 0 and o, pairs o apart: o/2 - o/4, half of the mean's error; fair o/2 - o/2. The variance o²/2 is twice the squared error.
    assert!((of("blend", "crps") - mae / 2.0).abs() < 1e-5 * mae);
    assert!(of("blend", "crps_fair").abs() < 1e-5 * mae);
    assert!((of("blend", "spread_error") - 2f64.sqrt()).abs() < 1e-5);
    assert_eq!(of("persistence", "crps"), mae);
    assert!(of("persistence", "crps_fair").is_nan());
    let text = card.text(&["crps_fair", "spread_error", "rank_histogram_delta"]);
    assert!(text.contains("spread_error") && text.contains("1.414"), "{text}");
}
