//! A forecaster on duty opens the folder into which the radar network writes and wants to know what there is.

use chrono::TimeDelta;
use nowblend::{
    demo::{SceneConfig, write_scene},
    ingest::{Archive, IngestConfig},
};
use nowblend_field::Seed;

use crate::support::nowblend;

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
fn every_field_of_a_file_is_told_and_an_unsupported_one_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let state = crate::made::state(crate::support::start());
    // The second of three messages has a packing that nobody knows.
    let mut unknown = state.clone();
    let at = crate::made::section_at(&unknown, 5) + 9;
    unknown[at..at + 2].copy_from_slice(&[0, 99]);
    std::fs::write(folder.path().join("model.grib2"), [&state[..], &unknown, &state].concat()).unwrap();
    let said = nowblend(folder.path(), &["ingest", "--fields", "model.grib2"]);
    assert!(said.ok(), "{}", said.err);
    let lines: Vec<serde_json::Value> = said.out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    // Three fields a message, one of nine refused.
    assert_eq!(lines.len(), 8);
    assert_eq!(said.err.lines().count(), 1, "{}", said.err);
    assert!(
        said.err.contains("`model.grib2`: message 2, byte ") && said.err.contains("packing template 99"),
        "{}",
        said.err
    );
    // Wind u on 700 hPa: 5 to 16 m/s, from 50 N, 5 W to 40 N, 6 E.
    let u = &lines[0];
    assert_eq!(
        (&u["category"], &u["number"], &u["level"]),
        (&2.into(), &2.into(), &70_000.0.into())
    );
    assert_eq!((&u["min"], &u["max"], &u["mean"]), (&5.0.into(), &16.0.into(), &10.5.into()));
    assert_eq!((&u["count"], &u["missing"], &u["packing"]), (&132.into(), &0.into(), &0.into()));
    assert_eq!(
        (&u["first"], &u["last"]),
        (&serde_json::json!([-5.0, 50.0]), &serde_json::json!([6.0, 40.0]))
    );
    assert_eq!(u["valid_time"], "2020-07-01T12:00:00+00:00");
    std::fs::write(folder.path().join("model.grib2"), &unknown[..300]).unwrap();
    let said = nowblend(folder.path(), &["ingest", "--fields", "model.grib2"]);
    said.refuses(&["`model.grib2`: message 1, byte 8", "message of"]);
    assert_eq!((said.out.as_str(), said.err.lines().count()), ("", 1));
}

#[test]
fn every_field_of_the_real_model_files_is_told() {
    let Some(data) = crate::support::data("every_field_of_the_real_model_files_is_told") else {
        return;
    };
    for source in ["grib/*.grib2*", "grib/*.bin*", "nwp/*.grib2"] {
        let said = nowblend(&data, &["ingest", "--fields", source]);
        assert!(said.ok() && said.err.is_empty(), "{source}: {}", said.err);
        for line in said.out.lines() {
            let field: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(
                field["count"].as_u64() > field["missing"].as_u64() && field["first"].is_array(),
                "{line}"
            );
        }
    }
}

#[test]
fn a_frame_that_cannot_be_decoded_is_named_and_the_others_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let frame = |minutes: i64| {
        let time = crate::support::start() + TimeDelta::minutes(minutes);
        crate::made::radar(&crate::made::some_rain(), time, crate::made::SMALL)
    };
    // A section 7 of four bytes fewer than its values need; all lengths agree.
    let whole = frame(5);
    let at = crate::made::section_at(&whole, 7);
    let mut short = [&whole[..whole.len() - 8], b"7777"].concat();
    let (section, message) = ((short.len() - 4 - at) as u32, short.len() as u64);
    short[at..at + 4].copy_from_slice(&section.to_be_bytes());
    short[8..16].copy_from_slice(&message.to_be_bytes());
    std::fs::write(folder.path().join("radar.grib2"), [frame(0), short.clone(), frame(10)].concat()).unwrap();
    let said = nowblend(folder.path(), &["ingest", "radar.grib2"]);
    assert!(said.ok() && said.out.lines().count() == 2, "{}{}", said.out, said.err);
    assert!(said.err.contains("`radar.grib2`: message 2, byte "), "{}", said.err);
    std::fs::write(folder.path().join("radar.grib2"), short).unwrap();
    let said = nowblend(folder.path(), &["ingest", "radar.grib2"]);
    said.refuses(&["`radar.grib2`: message 1, byte "]);
    assert_eq!((said.out.as_str(), said.err.lines().count()), ("", 1), "{}", said.err);
}
