//! A forecaster on duty hands the forecast to colleagues with other tools, takes in another program's ensemble, and answers the question when rain begins.

use std::path::Path;

use ndarray::Array4;
use ndarray_npy::WriteNpyExt;
use nowblend::store;
use nowblend_field::{Axis, Grid, LeadTime, Projection};

use crate::support::{files, nowblend, write_frame, write_storms};

/// A grid of a Lambert map, which every format can hold.
fn grid() -> Grid {
    let axis = |first, count| Axis {
        first,
        spacing: 1000.0,
        count,
    };
    let map = Projection::parse("+proj=lcc +lat_1=33 +lat_2=45 +lat_0=39 +lon_0=-96 +R=6370000 +units=m +no_defs").unwrap();
    Grid::new(axis(-4e4, 90), axis(-5e4, 110), map).unwrap()
}

/// Radar frames, and a configuration of extrapolation and three members of another program, made at 12:10 for 12:15 to 13:15, an hour apart.
fn with_members(folder: &Path) {
    write_storms(folder, &grid(), 3, 4);
    let members = Array4::from_shape_fn((3, 2, 90, 110), |(member, lead, y, x)| {
        let near = (y as f32 - 45.0).hypot(x as f32 - 55.0) < 20.0 + 10.0 * lead as f32;
        if near { 2.0 * (member + 1) as f32 } else { 0.0 }
    });
    members
        .write_npy(std::fs::File::create(folder.join("theirs.npy")).unwrap())
        .unwrap();
    let config = "
        [output]
        also = ['zarr', 'geotiff', 'grib2']
        [maps]
        lead_min = []
        [forecast.forecaster]
        kind = 'blend'
        of = [
            { kind = 'extrapolation' },
            { kind = 'file', name = 'theirs', source = 'theirs.npy', reference_time = '2020-07-01T12:10:00Z', lead_min = [5.0, 65.0] },
        ]
    ";
    std::fs::write(folder.join("run.toml"), config).unwrap();
}

#[test]
fn another_programs_ensemble_takes_part_and_every_format_is_there_whole() {
    let folder = tempfile::tempdir().unwrap();
    with_members(folder.path());
    let said = nowblend(folder.path(), &["forecast", "radar", "--config", "run.toml", "--output", "out"]);
    assert!(said.ok(), "{}", said.err);
    assert!(said.err.contains("interpolated") && said.err.contains("theirs"), "{}", said.err);
    let out = folder.path().join("out");
    let there = files(&out);
    for name in ["forecast.nc", "forecast.zarr", "forecast.grib2", "geotiff"] {
        assert!(there.contains(name), "{there:?}");
    }
    assert!(there.iter().all(|name| !name.starts_with('.')), "{there:?}");
    // Rain of 12 lead times, probabilities of 4 thresholds, amounts of 4, 2 and 1 windows and their 4 probabilities, and where they come from.
    assert_eq!(files(&out.join("geotiff")).len(), 12 * (1 + 4) + 7 * (1 + 4) + 1);

    let stored = store::read(&out.join("forecast.nc")).unwrap();
    let hour = LeadTime::from_minutes(60);
    let members: Vec<_> = (0..3).map(|k| stored.field("rainfall_rate_ensemble", k, hour).unwrap()).collect();
    let mean = stored.field("rainfall_rate", 0, hour).unwrap();
    for ((at, mean), first) in mean.indexed_iter().zip(&members[0]) {
        assert!(mean.is_nan() || (*mean - (first + members[1][at] + members[2][at]) / 3.0).abs() < 1e-4);
    }
    // Of the members at 2, 4, 6 mm/h blended half and half with one dry extrapolation, 1, 2 and 3 mm/h are left: two of three reach 1.5.
    assert_eq!(stored.thresholds_mm_h(), [0.1, 1.0, 5.0, 10.0]);
    let origin = stored.provenance().unwrap();
    assert!(origin.inputs.iter().any(|i| i.name == "theirs.npy" && i.sha256.len() == 64));

    // The GRIB2 file is read by our own reader, a message for each lead time and member.
    let bytes = std::fs::read(out.join("forecast.grib2")).unwrap();
    assert_eq!(bytes.windows(4).filter(|w| w == b"GRIB").count(), 36);
    assert!(bytes.ends_with(b"7777"));

    // The file of one run is the component of another, on its own terms.
    let config = "
        [forecast]
        lead_count = 6
        [forecast.forecaster]
        kind = 'file'
        source = 'out/forecast.nc'
    ";
    std::fs::write(folder.path().join("again.toml"), config).unwrap();
    let said = nowblend(folder.path(), &["forecast", "radar", "--config", "again.toml", "--output", "again"]);
    assert!(said.ok(), "{}", said.err);
    let again = store::read(&folder.path().join("again/forecast.nc")).unwrap();
    let lead = LeadTime::from_minutes(30);
    for k in 0..3 {
        let (a, b) = (
            stored.field("rainfall_rate_ensemble", k, lead).unwrap(),
            again.field("rainfall_rate_ensemble", k, lead).unwrap(),
        );
        assert!(a.iter().zip(&b).all(|(a, b)| (a.is_nan() && b.is_nan()) || (a - b).abs() < 1e-5));
    }
}

#[test]
fn a_run_again_leaves_the_same_bytes_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    with_members(folder.path());
    let run = |threads: &str| {
        let said = nowblend(
            folder.path(),
            &["forecast", "radar", "--config", "run.toml", "--output", "out", "--threads", threads],
        );
        assert!(said.ok(), "{}", said.err);
        content(&folder.path().join("out"))
    };
    let first = run("1");
    assert!(first.len() > 100);
    assert!(first == run("2"), "a second run over the first left other bytes");
}

/// Every file below a folder with its bytes.
fn content(folder: &Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    let mut all = std::collections::BTreeMap::new();
    for name in files(folder) {
        let path = folder.join(&name);
        if path.is_dir() {
            all.extend(content(&path).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else {
            all.insert(name, std::fs::read(path).unwrap());
        }
    }
    all
}

#[test]
fn a_map_that_a_format_cannot_hold_is_refused_before_anything_is_computed() {
    let folder = tempfile::tempdir().unwrap();
    let radar = folder.path().join("radar");
    std::fs::create_dir(&radar).unwrap();
    let grid = Grid::plane(40, 50, 1000.0);
    for k in 0..2 {
        write_frame(&radar, &grid, 5 * k, &ndarray::Array2::zeros((40, 50)));
    }
    std::fs::write(folder.path().join("run.toml"), "[output]\nalso = ['grib2']\n").unwrap();
    let said = nowblend(folder.path(), &["forecast", "radar", "--config", "run.toml", "--output", "out"]);
    said.refuses(&["GRIB2 cannot hold", "aeqd", "Lambert conformal", "hint: leave GRIB2 out"]);
    assert!(files(&folder.path().join("out")).is_empty());
}

#[test]
fn somebody_asks_when_rain_begins_at_three_places() {
    let folder = tempfile::tempdir().unwrap();
    with_members(folder.path());
    let said = nowblend(folder.path(), &["forecast", "radar", "--config", "run.toml", "--output", "out"]);
    assert!(said.ok(), "{}", said.err);
    let grid = grid();
    let place = |row: f64, column: f64| {
        let (longitude, latitude) = grid.lon_lat(row, column).unwrap();
        format!("{longitude},{latitude}")
    };
    // In the middle the members rain throughout; the corner is reached by nobody; the third place is far away.
    let middle = format!("Middle={}", place(45.0, 55.0));
    let json = ["point", "out/forecast.nc", "--json", "--at", &middle, "--at", "Far=8.55,47.37"];
    let said = nowblend(folder.path(), &json);
    assert!(said.ok() && said.err.contains("`Far` at 8.55"), "{}", said.err);
    let series: serde_json::Value = serde_json::from_str(said.out.trim()).unwrap();
    assert_eq!(series["name"], "Middle");
    assert_eq!(series["raining_at_first"], true);
    assert_eq!(series["leads"].as_array().unwrap().len(), 12);
    let stored = store::read(&folder.path().join("out/forecast.nc")).unwrap();
    let expected = stored.field("rainfall_rate", 0, LeadTime::from_minutes(30)).unwrap()[[45, 55]];
    assert!((series["leads"][5]["rain_mm_h"].as_f64().unwrap() as f32 - expected).abs() < 1e-5);
    let [low, high] = [0, 1].map(|k| series["leads"][5]["spread_mm_h"][k].as_f64().unwrap());
    assert!(low < high, "{low} {high}");
    // Four quarters, two halves, an hour.
    assert_eq!(series["amounts"].as_array().unwrap().len(), 7);

    std::fs::write(
        folder.path().join("places.csv"),
        format!("name,longitude,latitude\nCorner,{}\n", place(0.0, 0.0)),
    )
    .unwrap();
    let said = nowblend(folder.path(), &["point", "out/forecast.nc", "--places", "places.csv"]);
    assert!(
        said.ok() && said.out.contains("Corner") && said.out.contains("min until 13:15"),
        "{}{}",
        said.out,
        said.err
    );
    nowblend(folder.path(), &["point", "out/forecast.nc", "--at", "8.55,47.37"]).refuses(&["lies outside the forecast"]);
    nowblend(folder.path(), &["point", "out/forecast.nc", "--at", "somewhere"]).refuses(&["`somewhere` is no place"]);
    nowblend(folder.path(), &["point", "out/forecast.nc"]).refuses(&["no place is given"]);
}
