//! A forecaster on duty turns a folder of radar files into a forecast, again and again, and gets the same one each time.

use nowblend_field::Grid;

use crate::support::{data, nowblend, write_storms};

#[test]
fn the_same_seed_gives_the_same_arrays_with_one_thread_and_two() {
    let folder = tempfile::tempdir().unwrap();
    write_storms(folder.path(), &Grid::plane(90, 110, 1000.0), 3, 4);
    for threads in ["1", "2"] {
        let said = nowblend(
            folder.path(),
            &["forecast", "radar", "--output", threads, "--threads", threads, "--seed", "5"],
        );
        assert!(said.ok(), "{}", said.err);
    }
    let bytes = |threads: &str| std::fs::read(folder.path().join(threads).join("forecast.nc")).unwrap();
    assert!(bytes("1") == bytes("2"), "one and two threads gave different files");
}

#[test]
fn a_stored_forecast_is_read_back_with_its_origin_and_scored() {
    let folder = tempfile::tempdir().unwrap();
    write_storms(folder.path(), &Grid::plane(200, 210, 1000.0), 4, 10);
    let at = "2020-07-01T12:15";
    let said = nowblend(folder.path(), &["forecast", "radar", "--output", "out", "--reference-time", at]);
    assert!(said.ok(), "{}", said.err);
    let stored = nowblend::store::read(&folder.path().join("out/forecast.nc")).unwrap();
    let origin = stored.provenance().unwrap();
    // Four frames up to 12:15 were read, and none after.
    assert_eq!(origin.inputs.len(), 4);
    assert!(
        origin
            .inputs
            .iter()
            .all(|i| i.sha256.len() == 64 && i.name.as_str() <= "radar_202007011215.nc")
    );
    assert!(origin.config_toml.contains("lead_step_min") && !origin.references.is_empty());
    let said = nowblend(folder.path(), &["verify", "out/forecast.nc", "radar"]);
    assert!(said.ok() && said.out.contains("extrapolation"), "{}{}", said.out, said.err);
}

#[test]
fn real_radar_files_become_a_forecast_of_the_hour_after_them() {
    let Some(data) = data("real_radar_files_become_a_forecast_of_the_hour_after_them") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let source = data.join("radar/validation/fmi_20170509.nc");
    let said = nowblend(
        folder.path(),
        &[
            "forecast",
            source.to_str().unwrap(),
            "--output",
            "out",
            "--reference-time",
            "2017-05-09T12:30",
        ],
    );
    assert!(said.ok(), "{}", said.err);
    assert_eq!(said.out.lines().count(), 12);
}
