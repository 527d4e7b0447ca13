//! Real files, where they are there, against what other programs make of them.

use std::fs;

use chrono::{TimeZone, Utc};
use nowblend_field::{Axis, Grid, Projection};
use serde_json::Value;

use super::data;
use crate::ingest::{Archive, Crop, IngestConfig, grib2, netcdf, regrid};

#[test]
fn a_radar_composite_is_read_north_up_with_no_coverage_apart_from_dry() {
    let Some(data) = data("a_radar_composite_is_read_north_up_with_no_coverage_apart_from_dry") else {
        return;
    };
    let config = IngestConfig {
        source: data.join("radar/test/mrms_20190610").to_string_lossy().into_owned(),
        crop: Some(Crop {
            rows: [1790, 2813],
            columns: [4264, 5287],
        }),
        ..IngestConfig::default()
    };
    let archive = Archive::open(&config).unwrap();
    assert_eq!(archive.times().len(), 36);
    assert_eq!(archive.step().unwrap().minutes(), 2.0);
    assert_eq!(archive.grid().shape(), (1024, 1024));
    // 20.005 + 1790 x 0.01 degrees north, 129.995 - 4264 x 0.01 degrees west.
    assert!((archive.grid().y.first - 37.905).abs() < 1e-4 && (archive.grid().x.first + 87.355).abs() < 1e-4);
    let newest = archive.reference_time().unwrap();
    assert_eq!(newest.reference_time, Utc.with_ymd_and_hms(2019, 6, 10, 1, 10, 0).unwrap());
    let observed = archive.observed(Utc.with_ymd_and_hms(2019, 6, 10, 0, 30, 0).unwrap(), 4).unwrap();
    assert_eq!((observed.sequence.frames(), observed.inputs.len()), (4, 4));
    assert!(observed.inputs.iter().all(|i| i.sha256.len() == 64 && i.bytes > 100_000));
    // The whole map: 36 % of the cells hold -3.
    let whole = IngestConfig {
        source: data
            .join("radar/test/mrms_20190610/PrecipRate_00.00_20190610-000000.grib2")
            .to_string_lossy()
            .into_owned(),
        block: 10,
        ..IngestConfig::default()
    };
    let archive = Archive::open(&whole).unwrap();
    let frame = archive.frame(archive.times()[0]).unwrap().unwrap();
    let unseen = frame.iter().filter(|r| r.is_nan()).count() as f64 / frame.len() as f64;
    assert!((unseen - 0.36).abs() < 0.01, "{unseen}");
    // The Pacific in the south-west is not covered, Kansas is.
    let at = |longitude, latitude| {
        let (row, column) = archive.grid().cell_at(longitude, latitude).unwrap();
        frame[[row.round() as usize, column.round() as usize]]
    };
    assert!(at(-129.0, 21.0).is_nan() && !at(-98.0, 38.5).is_nan());
}

#[test]
fn every_packing_and_grid_agrees_with_another_decoder() {
    let Some(data) = data("every_packing_and_grid_agrees_with_another_decoder") else {
        return;
    };
    let folder = data.join("grib");
    let expected: Value = serde_json::from_str(&fs::read_to_string(folder.join("expected.json")).unwrap()).unwrap();
    for (name, messages) in expected["files"].as_object().unwrap() {
        let bytes = fs::read(folder.join(name)).unwrap();
        let contents = grib2::look(&bytes);
        let messages = messages.as_array().unwrap();
        assert_eq!(contents.refused, [], "{name}");
        assert_eq!(contents.fields.len(), messages.len(), "{name}");
        for (field, expected) in contents.fields.iter().zip(messages) {
            let header = &field.header;
            let told = format!("{name}: message {}", header.message);
            let parameter: Vec<u64> = expected["parameter"]
                .as_array()
                .unwrap()
                .iter()
                .map(|v| v.as_u64().unwrap())
                .collect();
            assert_eq!(
                parameter,
                [header.parameter.0, header.parameter.1, header.parameter.2].map(u64::from),
                "{told}"
            );
            assert_eq!(
                header.valid_time.format("%Y%m%dT%H%M").to_string(),
                expected["valid"].as_str().unwrap(),
                "{told}"
            );
            let values = field.values().unwrap();
            // However they are unpacked, they are the same, each in its place.
            let arranged = field.arranged().unwrap();
            for (index, value) in values.iter().enumerate() {
                let there = arranged[header.layout.cell(index)];
                assert!(there == *value || (there.is_nan() && value.is_nan()), "{told}: {index}");
            }
            assert_eq!(values.len() as u64, expected["points"].as_u64().unwrap(), "{told}");
            let missing = values.iter().filter(|v| v.is_nan()).count();
            assert_eq!(missing as u64, expected["missing"].as_u64().unwrap(), "{told}");
            let (least, largest) = (expected["min"].as_f64().unwrap(), expected["max"].as_f64().unwrap());
            let near = |a: f32, b: f64| (f64::from(a) - b).abs() <= 1e-6 * b.abs().max(least.abs()).max(largest.abs());
            let seen = || values.iter().copied().filter(|v| !v.is_nan());
            assert!(
                near(seen().fold(f32::INFINITY, f32::min), least) && near(seen().fold(f32::NEG_INFINITY, f32::max), largest),
                "{told}"
            );
            for (index, value) in expected["samples"].as_object().unwrap() {
                let found = values[index.parse::<usize>().unwrap()];
                let agrees = value.as_f64().map_or(found.is_nan(), |v| near(found, v));
                assert!(agrees, "{told}: value {index} is {found}, expected {value}");
            }
            let places = expected["latlon_first_third_last"].as_array().unwrap();
            for (index, place) in [0, values.len() / 3, values.len() - 1].into_iter().zip(places) {
                // Where rows alternate the other decoder gives places as if they did not.
                if name == "ds.minrh.bin" && index == values.len() / 3 {
                    continue;
                }
                let (longitude, latitude) = header.layout.lon_lat(index).unwrap();
                let (north, east) = (place[0].as_f64().unwrap(), place[1].as_f64().unwrap());
                let off = (longitude - east + 180.0).rem_euclid(360.0) - 180.0;
                assert!(
                    (latitude - north).abs() < 2e-4 && off.abs() < 2e-4,
                    "{told}: point {index} at {latitude}, {longitude}, expected {place}"
                );
            }
        }
    }
}

/// One cell.
fn place(longitude: f64, latitude: f64) -> Grid {
    let axis = |first| Axis {
        first,
        spacing: 0.1,
        count: 1,
    };
    Grid::new(axis(latitude), axis(longitude), Projection::lon_lat()).unwrap()
}

#[test]
fn states_of_global_models_reach_a_swiss_radar() {
    let Some(data) = data("states_of_global_models_reach_a_swiss_radar") else {
        return;
    };
    let (radar, _) = netcdf::read(&data.join("radar/train/mch_20160711.nc")).unwrap();
    // Wind, geopotential and temperature at 46.8 N, 8.3 E and 700 hPa, bilinear between what ecCodes 2.50 says of the four points around.
    // Relative humidity is 16.2 % of 4.9 hPa at -3.4 C, and 63.0 % of 6.4 hPa at 0.7 C.
    for (name, count, u, v, z, t, q) in [
        (
            "gfs_global_2p5deg_2011011012_f120.grib2",
            1,
            9.9486,
            -3.5345,
            3114.86274 * 9.80665,
            269.787,
            0.00069,
        ),
        (
            "ifs_global_10deg_20240603_06.grib2",
            6,
            2.8009,
            -1.4924,
            30401.4987,
            273.8394,
            0.00362,
        ),
    ] {
        let read = grib2::states(&data.join("nwp").join(name), 700.0).unwrap();
        assert_eq!(read.states.len(), count, "{name}: {:?}", read.notices);
        let here = regrid(&read.states[0], &place(8.3, 46.8)).unwrap();
        let near = |a: f32, b: f64, off: f64| assert!((f64::from(a) - b).abs() < off, "{name}: {a}, expected {b}");
        near(here.u[[0, 0]], u, 1e-3);
        near(here.v[[0, 0]], v, 1e-3);
        near(here.geopotential[[0, 0]], z, 0.1);
        near(here.temperature.unwrap()[[0, 0]], t, 1e-2);
        near(here.specific_humidity.unwrap()[[0, 0]], q, 0.0003);
        let over = regrid(&read.states[0], radar.grid()).unwrap();
        over.check_shapes().unwrap();
        assert_eq!(over.grid.shape(), (640, 710));
        assert!(over.u.iter().chain(&over.v).all(|w| w.abs() < 60.0));
        assert!(over.geopotential.iter().all(|z| (28_000.0..32_000.0).contains(z)));
    }
}

#[test]
fn a_state_that_lacks_wind_or_a_level_is_refused_by_name() {
    let Some(data) = data("a_state_that_lacks_wind_or_a_level_is_refused_by_name") else {
        return;
    };
    let message = grib2::states(&data.join("nwp/era5_ens_global_3deg_20170101.grib2"), 500.0)
        .unwrap_err()
        .to_string();
    assert!(message.contains("no U among [Geopotential, Temperature]"), "{message}");
    let message = grib2::states(&data.join("nwp/gfs_global_2p5deg_2011011012_f120.grib2"), 690.0)
        .unwrap_err()
        .to_string();
    assert!(message.contains("650, 700, 750"), "{message}");
}

#[test]
fn wind_along_a_lambert_grid_turns_to_east_and_north() {
    let Some(data) = data("wind_along_a_lambert_grid_turns_to_east_and_north") else {
        return;
    };
    let read = grib2::states(&data.join("nwp/nam_awp211_20180917_00z.grib2"), 700.0).unwrap();
    let state = &read.states[0];
    // Point 2447 (row 26, column 29) holds (3.62188, 8.54252) along the grid. Its meridian leans by sin(25) x (244.68785 - 265) = -8.584
    // degrees: east 3.62188 cos - 8.54252 sin(8.584) = 2.3062, north 3.62188 sin(8.584) + 8.54252 cos = 8.9875.
    assert!((state.u[[26, 29]] - 3.62188).abs() < 1e-4 && (state.v[[26, 29]] - 8.54252).abs() < 1e-4);
    let here = regrid(state, &place(244.687_852_27, 35.196_940_45)).unwrap();
    assert!(
        (here.u[[0, 0]] - 2.3062).abs() < 5e-3 && (here.v[[0, 0]] - 8.9875).abs() < 5e-3,
        "{} {}",
        here.u[[0, 0]],
        here.v[[0, 0]]
    );
}

#[test]
fn every_event_is_read_frame_by_frame_as_it_is_at_once() {
    let Some(data) = data("every_event_is_read_frame_by_frame_as_it_is_at_once") else {
        return;
    };
    let path = data.join("radar/train/dwd_yw_20170816.nc");
    let (sequence, _) = netcdf::read(&path).unwrap();
    let config = IngestConfig {
        source: path.to_string_lossy().into_owned(),
        rain_max_mm_h: 2000.0,
        ..IngestConfig::default()
    };
    let archive = Archive::open(&config).unwrap();
    let observed = archive.observed(sequence.reference_time(), 3).unwrap();
    let frames = sequence.frames();
    for k in 0..3 {
        let (a, b) = (observed.sequence.frame(k), sequence.frame(frames - 3 + k));
        assert!(a.iter().zip(b).all(|(a, b)| a == b || (a.is_nan() && b.is_nan())));
    }
}

#[test]
fn amounts_of_the_australian_radar_become_rates() {
    let Some(data) = data("amounts_of_the_australian_radar_become_rates") else {
        return;
    };
    let config = IngestConfig {
        source: data.join("raw/bom/*.nc").to_string_lossy().into_owned(),
        ..IngestConfig::default()
    };
    let archive = Archive::open(&config).unwrap();
    assert_eq!((archive.times().len(), archive.step().unwrap().minutes()), (4, 10.0));
    // The event file holds the same frames, converted by another program.
    let (event, _) = netcdf::read(&data.join("radar/train/bom66_20201031.nc")).unwrap();
    for time in archive.times() {
        let index = event.times().iter().position(|t| t == time).unwrap();
        let frame = archive.frame(*time).unwrap().unwrap();
        let sum = |r: &mut dyn Iterator<Item = f32>| r.filter(|r| !r.is_nan()).map(f64::from).sum::<f64>();
        let (a, b) = (sum(&mut frame.iter().copied()), sum(&mut event.frame(index).iter().copied()));
        assert!((a - b).abs() <= 0.01 * b.max(1.0), "{a} {b}");
    }
}

#[test]
fn no_field_of_a_model_file_is_refused() {
    let Some(data) = data("no_field_of_a_model_file_is_refused") else {
        return;
    };
    // Numbers of fields that ecCodes 2.50 counts with several fields in a message; u and v of GFS and NAM are two.
    for (name, count) in [
        ("arome_precip_nw_20180501", 24),
        ("era5_ens_global_3deg_20170101", 160),
        ("gfs_global_2p5deg_2011011012_f120", 343),
        ("hrrr_20201214_00z_f12_apcp", 2),
        ("ifs_global_10deg_20240603_06", 180),
        ("ifs_global_1deg_20070101_zt", 4),
        ("nam_awp211_20180917_00z", 181),
        ("nam_awp211_f12", 181),
    ] {
        let bytes = fs::read(data.join("nwp").join(name).with_extension("grib2")).unwrap();
        let contents = grib2::look(&bytes);
        assert_eq!((contents.fields.len(), contents.refused.len()), (count, 0), "{name}");
        assert!(contents.fields.iter().all(|f| f.values().is_ok()), "{name}");
    }
}

/// The time against another decoder, measured in one run by `tests/reference/grib2/speed.py`, stands in the change log.
#[test]
#[ignore = "measures time, and asserts nothing but that it is read; run it alone"]
fn a_composite_of_24_million_points_is_timed() {
    let Some(data) = data("a_composite_of_24_million_points_is_timed") else {
        return;
    };
    let path = data.join("radar/test/mrms_20190610/PrecipRate_00.00_20190610-000000.grib2");
    // Nanoseconds that this thread has run.
    let cpu_s = || {
        let told = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        told.split_whitespace()
            .next()
            .and_then(|n| n.parse::<f64>().ok())
            .unwrap_or(f64::NAN)
            * 1e-9
    };
    for _ in 0..6 {
        let (begun, cpu) = (std::time::Instant::now(), cpu_s());
        let bytes = fs::read(&path).unwrap();
        let contents = grib2::look(&bytes);
        let rain = grib2::rain(&contents.fields[0]).unwrap();
        println!(
            "{:.4} s, {:.4} s CPU, {} points",
            begun.elapsed().as_secs_f64(),
            cpu_s() - cpu,
            rain.len()
        );
    }
}
