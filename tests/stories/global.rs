//! A forecaster with published weights and two analyses wants ten days around the globe, and to be told what is missing if they cannot be had.

use std::{fs, path::Path};

use netcdf_reader::NcFile;
use netcdf_writer::{DimensionId, NcAttrValue, NcFileBuilder, NcWriteFormat, NcWriteOptions};
use nowblend::{
    global::{self, Request},
    ingest::{
        Limits,
        global::{Wanted, global_states, statistics},
    },
};
use nowblend_field::{Atmosphere, LeadTime, Rollout, Seed};
use nowblend_ml::graph::{Checkpoint, GraphCast, ModelConfig, Normalisation, Statistics, TaskConfig};

use crate::support::{self, files, nowblend};

const LEVELS: [f64; 2] = [500.0, 850.0];
const ROWS: usize = 7;
const COLUMNS: usize = 12;

fn checkpoint() -> Checkpoint {
    let model = ModelConfig {
        resolution: 30.0,
        mesh_size: 1,
        latent_size: 8,
        message_steps: 2,
        hidden_layers: 1,
        radius: 0.6,
        longest_out: None,
    };
    Checkpoint::random(model, TaskConfig::published(&LEVELS), Seed(4))
}

fn save(file: &NcFileBuilder, path: &Path) {
    let format = NcWriteOptions {
        format: NcWriteFormat::Nc4,
    };
    fs::write(path, file.to_vec(format).unwrap().1).unwrap();
}

/// Checkpoint and normalisation as they are published.
fn write_network(folder: &Path) {
    let checkpoint = checkpoint();
    fs::write(folder.join("checkpoint.npz"), checkpoint.to_bytes().unwrap()).unwrap();
    for (name, value) in [("mean_by_level", 0.5f32), ("stddev_by_level", 2.0), ("diffs_stddev_by_level", 0.25)] {
        let mut file = NcFileBuilder::new();
        let level = file.add_dimension("level", 2).unwrap();
        let id = file.add_variable::<i32>("level", &[level]).unwrap();
        file.write_variable(id, &[850, 500]).unwrap();
        for variable in &checkpoint.task.inputs {
            if ["temperature", "geopotential", "vertical_velocity", "specific_humidity"].contains(&variable.as_str())
                || variable.starts_with("u_")
                || variable.starts_with("v_")
            {
                let id = file.add_variable::<f32>(variable, &[level]).unwrap();
                file.write_variable(id, &[value, value + 0.1]).unwrap();
            } else {
                let id = file.add_variable::<f32>(variable, &[]).unwrap();
                let scale = if variable.starts_with("toa") { 1e6 } else { 1.0 };
                file.write_variable(id, &[value * scale]).unwrap();
            }
        }
        save(&file, &folder.join(format!("{name}.nc")));
    }
}

fn coordinate(file: &mut NcFileBuilder, name: &str, along: &[DimensionId], values: &[f64], units: &str) {
    let id = file.add_variable::<f64>(name, along).unwrap();
    file.write_variable(id, values).unwrap();
    file.add_variable_attribute(id, "units", NcAttrValue::Chars(units.into())).unwrap();
}

/// Two analyses as the public data sets lay them out, rows from the north, but for `left_out`; temperature in degrees, as someone's own file has it.
fn write_analyses(path: &Path, left_out: &str) {
    let mut file = NcFileBuilder::new();
    let [batch, time, level] = [("batch", 1), ("time", 2), ("level", 3)].map(|(n, s)| file.add_dimension(n, s).unwrap());
    let [lat, lon] = [("lat", ROWS), ("lon", COLUMNS)].map(|(n, s)| file.add_dimension(n, s as u64).unwrap());
    let latitudes: Vec<f64> = (0..ROWS).map(|k| 90.0 - 30.0 * k as f64).collect();
    let longitudes: Vec<f64> = (0..COLUMNS).map(|k| 30.0 * k as f64).collect();
    coordinate(&mut file, "lat", &[lat], &latitudes, "degrees_north");
    coordinate(&mut file, "lon", &[lon], &longitudes, "degrees_east");
    coordinate(&mut file, "level", &[level], &[100.0, 850.0, 500.0], "hPa");
    coordinate(&mut file, "time", &[time], &[-6.0, 0.0], "hours");
    coordinate(&mut file, "datetime", &[batch, time], &[6.0, 12.0], "hours since 2022-01-01");
    let value = |number: usize, k: usize| (number as f32 + (k as f32 * 0.37).sin()) * 0.5;
    let task = checkpoint().task;
    let constants = ["geopotential_at_surface".to_owned(), "land_sea_mask".to_owned()];
    for (number, variable) in (1..).zip(task.targets.iter().chain(&constants)) {
        if variable == left_out {
            continue;
        }
        let constant = variable.ends_with("surface") || variable.ends_with("mask");
        let on_levels = ["temperature", "geopotential", "vertical_velocity", "specific_humidity"].contains(&variable.as_str())
            || variable.starts_with("u_")
            || variable.starts_with("v_");
        let (along, count): (&[_], usize) = match (constant, on_levels) {
            (true, _) => (&[lat, lon], 1),
            (_, true) => (&[batch, time, level, lat, lon], 6),
            _ => (&[batch, time, lat, lon], 2),
        };
        let id = file.add_variable::<f32>(variable, along).unwrap();
        let values: Vec<f32> = (0..count * ROWS * COLUMNS).map(|k| value(number, k)).collect();
        file.write_variable(id, &values).unwrap();
        if variable == "2m_temperature" {
            file.add_variable_attribute(id, "units", NcAttrValue::Chars("degC".into())).unwrap();
        }
    }
    save(&file, path);
}

/// What the library makes of the same files.
fn expected(folder: &Path, steps: usize) -> (Vec<Atmosphere>, Vec<Atmosphere>) {
    let read = |file: &str| {
        let (numbers, _) = statistics(&folder.join(file), Limits::default()).unwrap();
        Statistics {
            origin: file.into(),
            levels_hpa: numbers.levels_hpa,
            values: numbers.values,
        }
    };
    let normalisation = Normalisation {
        mean: read("mean_by_level.nc"),
        deviation: read("stddev_by_level.nc"),
        change: read("diffs_stddev_by_level.nc"),
    };
    let graphcast = GraphCast::open(&folder.join("checkpoint.npz"), &normalisation).unwrap();
    assert!(graphcast.notices().is_empty());
    let wanted = Wanted {
        variables: graphcast.needs(),
        levels_hpa: LEVELS.to_vec(),
        states: 2,
        step: LeadTime::from_minutes(360),
        reference_time: None,
    };
    let states = global_states(&folder.join("analyses.nc").to_string_lossy(), &wanted, Limits::default())
        .unwrap()
        .states;
    let rollout = Rollout::new(&graphcast, states.clone())
        .take(steps)
        .collect::<Result<_, _>>()
        .unwrap();
    (states, rollout)
}

#[test]
fn a_checkpoint_and_two_analyses_make_a_forecast_step_by_step() {
    let folder = tempfile::tempdir().unwrap();
    write_network(folder.path());
    write_analyses(&folder.path().join("analyses.nc"), "");
    let said = nowblend(
        folder.path(),
        &[
            "global",
            "forecast",
            "--checkpoint",
            "checkpoint.npz",
            "--initial",
            "analyses.nc",
            "--steps",
            "3",
            "-o",
            "out.nc",
        ],
    );
    assert!(said.ok(), "{}", said.err);
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(
        lines[0].contains("2022-01-01T18:00") && lines[2].contains("2022-01-02T06:00"),
        "{}",
        said.out
    );

    let (states, rollout) = expected(folder.path(), 3);
    // Rows come from the south, levels in the order of the checkpoint (500, 850 of 100, 850, 500), degrees are kelvin.
    let raw = |number: usize, k: usize| (number as f32 + (k as f32 * 0.37).sin()) * 0.5;
    assert_eq!(states[0].fields["2m_temperature"][[0, 0, 0]], raw(1, (ROWS - 1) * COLUMNS) + 273.15);
    assert_eq!(states[1].fields["temperature"][[0, ROWS - 1, 0]], raw(6, 5 * ROWS * COLUMNS));
    let file = NcFile::open(folder.path().join("out.nc")).unwrap();
    for (name, shape) in [
        ("temperature", vec![3, 2, ROWS, COLUMNS]),
        ("2m_temperature", vec![3, ROWS, COLUMNS]),
    ] {
        let found = file.read_variable_as_f64(name).unwrap();
        assert_eq!(found.shape(), shape, "{name}");
        let made: Vec<f64> = rollout.iter().flat_map(|s| s.fields[name].iter().map(|v| f64::from(*v))).collect();
        assert!(
            found.iter().zip(&made).all(|(found, made)| found == made),
            "{name} is not what the library makes"
        );
    }
    let left = files(folder.path());
    assert!(left.iter().all(|f| !f.starts_with('.')), "something is left aside: {left:?}");
}

#[test]
fn what_is_missing_or_damaged_is_named_and_no_file_is_left() {
    let folder = tempfile::tempdir().unwrap();
    write_network(folder.path());
    let forecast = |initial: &str, checkpoint: &str| {
        let arguments = ["global", "forecast", "--normalisation", ".", "--steps", "2", "-o", "out.nc"];
        nowblend(
            folder.path(),
            &[&arguments[..], &["--checkpoint", checkpoint, "--initial", initial]].concat(),
        )
    };
    write_analyses(&folder.path().join("dry.nc"), "specific_humidity");
    forecast("dry.nc", "checkpoint.npz").refuses(&["dry.nc", "`specific_humidity` on all levels at 2022-01-01 06:00"]);
    write_analyses(&folder.path().join("flat.nc"), "geopotential_at_surface");
    forecast("flat.nc", "checkpoint.npz").refuses(&["`geopotential_at_surface`"]);

    write_analyses(&folder.path().join("analyses.nc"), "");
    let bytes = fs::read(folder.path().join("checkpoint.npz")).unwrap();
    fs::write(folder.path().join("cut.npz"), &bytes[..bytes.len() / 2]).unwrap();
    forecast("analyses.nc", "cut.npz").refuses(&["cut.npz"]);
    fs::write(folder.path().join("text.npz"), "weights").unwrap();
    forecast("analyses.nc", "text.npz").refuses(&["text.npz", "archive of arrays"]);
    forecast("analyses.nc", "none.npz").refuses(&["none.npz"]);
    assert!(!files(folder.path()).contains("out.nc"));
}

#[test]
fn grib2_analyses_of_a_weather_service_are_read_and_what_they_lack_is_named() {
    let Some(data) = support::data("global GRIB2") else { return };
    let wanted = |variables: &[(&str, bool)], states: usize, hours: u32| Wanted {
        variables: variables.iter().map(|(n, l)| ((*n).to_owned(), *l)).collect(),
        levels_hpa: vec![500.0],
        states,
        step: LeadTime::from_minutes(60 * hours),
        reference_time: None,
    };
    let folder = data.join("nwp");
    let grib: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e.to_string_lossy().starts_with("grib")))
        .collect();
    let mut read = 0;
    for path in grib {
        let source = path.to_string_lossy().into_owned();
        let air = [("temperature", true), ("u_component_of_wind", true), ("v_component_of_wind", true)];
        if let Ok(states) = global_states(&source, &wanted(&air, 1, 6), Limits::default()) {
            let state = &states.states[0];
            let temperature = global::global_mean(state, "temperature").unwrap();
            assert!((230.0..280.0).contains(&temperature), "{source}: {temperature} K at 500 hPa");
            read += 1;
            let error = global_states(
                &source,
                &wanted(&[("vertical_velocity", true), ("land_sea_mask", false), ("ozone", true)], 1, 6),
                Limits::default(),
            );
            assert!(error.unwrap_err().to_string().contains("`ozone`"), "{source}");
        }
    }
    assert!(read > 0, "no file of {} could be read", folder.display());
}

#[test]
fn a_number_out_of_bounds_is_refused_before_anything_is_read() {
    let request = Request {
        checkpoint: "nowhere.npz".into(),
        normalisation: None,
        initial: "nowhere".into(),
        reference_time: None,
        steps: 0,
        output: "out.nc".into(),
    };
    let error = global::forecast(&request, &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("`--steps` is 0"), "{error}");
}
