//! A forecaster on duty opens the folder into which the radar network writes and wants to know what there is.

use chrono::TimeDelta;
use nowblend::{
    demo::{SceneConfig, write_scene},
    ingest::{Archive, IngestConfig},
};
use nowblend_field::Seed;

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
