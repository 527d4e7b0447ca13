//! A forecaster on duty opens the folder into which the radar network writes and wants to know what there is.

use chrono::TimeDelta;
use nowblend::{
    demo::{SceneConfig, write_scene},
    ingest::{Archive, IngestConfig},
};
use nowblend_field::Seed;

use crate::support::{files, nowblend, write_frame};

#[test]
fn a_folder_of_simulated_radar_files_is_opened_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let config = SceneConfig {
        past_frames: 3,
        future_frames: 1,
        ..SceneConfig::new(Seed(1))
    };
    let scene = write_scene(folder.path(), &config).unwrap();
    let archive = Archive::open(&IngestConfig {
        source: scene.past.to_string_lossy().into_owned(),
        ..IngestConfig::default()
    })
    .unwrap();
    assert_eq!(archive.reference_time().unwrap().reference_time, scene.reference_time);
    assert_eq!(archive.step().unwrap(), scene.step);
    let observed = archive.observed(scene.reference_time, 3).unwrap();
    assert_eq!(observed.sequence.times()[0], scene.reference_time - TimeDelta::minutes(10));
    assert_eq!(observed.inputs.len(), 3);
    assert!(observed.notices.is_empty(), "{:?}", observed.notices);
    // The corners that no radar sees are missing, not dry.
    let rain = observed.sequence.last();
    let seen = rain.iter().filter(|r| !r.is_nan()).count() as f64 / rain.len() as f64;
    assert!((0.85..0.98).contains(&seen), "{seen}");
    assert!(rain.iter().any(|r| *r == 0.0) && rain.iter().any(|r| *r > 10.0));
}

#[test]
fn an_archive_is_brought_into_one_file_that_reads_back_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let grid = nowblend_field::Grid::plane(40, 50, 1000.0);
    let mut rain = ndarray::Array2::from_shape_fn((40, 50), |(row, column)| if row > column { 0.37 * row as f32 } else { 0.0 });
    rain[[3, 4]] = f32::NAN;
    for minutes in [0, 5, 10] {
        write_frame(folder.path(), &grid, minutes, &rain);
        rain[[20, 20]] += 1.25;
    }
    let source = folder.path().to_string_lossy().into_owned();
    let to = folder.path().join("event.nc");
    let said = nowblend(folder.path(), &["ingest", "radar_*.nc", "--to", "event.nc"]);
    assert!(said.ok(), "{}", said.err);
    assert!(files(folder.path()).len() == 4, "{:?}", files(folder.path()));
    let open = |source: String| {
        Archive::open(&IngestConfig {
            source,
            ..IngestConfig::default()
        })
        .unwrap()
    };
    let (before, after) = (open(format!("{source}/radar_*.nc")), open(to.to_string_lossy().into_owned()));
    assert_eq!(before.times(), after.times());
    assert!(before.grid().agrees(after.grid()));
    for time in before.times() {
        let (a, b) = (before.frame(*time).unwrap().unwrap(), after.frame(*time).unwrap().unwrap());
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= 0.005 || a.is_nan() && b.is_nan()));
    }
    // Brought over again nothing changes any more.
    let said = nowblend(folder.path(), &["ingest", "event.nc", "--to", "again.nc"]);
    assert!(said.ok(), "{}", said.err);
    let again = open(folder.path().join("again.nc").to_string_lossy().into_owned());
    for time in before.times() {
        let (a, b) = (after.frame(*time).unwrap().unwrap(), again.frame(*time).unwrap().unwrap());
        assert!(a.iter().zip(&b).all(|(a, b)| a == b || a.is_nan() && b.is_nan()));
    }
    nowblend(folder.path(), &["ingest", "radar_*.nc", "--to", "event.zarr"]).refuses(&["event.zarr", "`.nc`"]);
    assert!(!files(folder.path()).contains("event.zarr"));
}
