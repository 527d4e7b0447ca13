//! What GRIB2 fields mean: units, order of points, fields that share a message.

use std::fs;

use chrono::{DateTime, TimeDelta, TimeZone, Utc};

use super::made::{LatLon, Made, SMALL, lambert, message, polar, product, statistic};
use crate::ingest::{Error, grib2};

fn time() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2024, 7, 1, 12, 0, 0).unwrap()
}

fn field(grid: Vec<u8>, product: Vec<u8>, values: Vec<f64>) -> Made {
    Made { grid, product, values }
}

#[test]
fn rates_amounts_and_reflectivity_become_mm_per_hour() {
    let hour = time() + TimeDelta::minutes(15);
    // 0.01 kg/m2/s is 36 mm/h; 3 mm in a quarter of an hour are 12; an hour's 5 mm of MRMS are 5, three hours' 6 are 2; 36 dBZ are 6.48.
    for (discipline, product, value, expected) in [
        (0, product(1, 7, 0, (1, 0)), 10.0 / 1024.0, 36_000.0 / 1024.0),
        (0, statistic(1, 8, 1, hour), 3.0, 12.0),
        (0, statistic(1, 52, 0, hour), 10.0 / 1024.0, 36_000.0 / 1024.0),
        (209, product(6, 1, 0, (102, 0)), 7.5, 7.5),
        (209, product(6, 2, 0, (102, 0)), 5.0, 5.0),
        (209, product(6, 3, 0, (102, 0)), 6.0, 2.0),
        (209, product(10, 0, 0, (102, 0)), 36.0, 6.483_68),
        (209, product(10, 0, 0, (102, 0)), -5.0, 0.0),
        (209, product(10, 0, 0, (102, 0)), -999.0, -999.0),
        (0, product(16, 5, 0, (1, 0)), 36.0, 6.483_68),
    ] {
        let bytes = message(discipline, time(), &[field(SMALL.section(), product, vec![value; 48])]);
        let contents = grib2::look(&bytes);
        let rain = grib2::rain(&contents.fields[0]).unwrap();
        let found = f64::from(rain[[0, 0]]);
        assert!(
            (found - expected).abs() < 1e-3,
            "{:?}: {found}, expected {expected}",
            contents.fields[0].header.parameter
        );
    }
    // Snow depth, a probability of rain and rain over no time are not rain.
    for product in [product(1, 11, 0, (1, 0)), statistic(1, 8, 1, time())] {
        let bytes = message(0, time(), &[field(SMALL.section(), product, vec![1.0; 48])]);
        assert!(
            grib2::rain(&grib2::look(&bytes).fields[0])
                .unwrap_err()
                .reason
                .contains("is not rain")
        );
    }
}

#[test]
fn an_amount_holds_at_the_end_of_its_interval() {
    let end = time() + TimeDelta::minutes(15);
    let bytes = message(0, time(), &[field(SMALL.section(), statistic(1, 8, 1, end), vec![1.0; 48])]);
    let header = &grib2::look(&bytes).fields[0].header;
    assert_eq!((header.valid_time, header.interval.unwrap().seconds), (end, 900));
}

#[test]
fn points_are_put_south_first_and_west_first_whatever_their_order() {
    // Each point holds 100 row + column, counted from the south-west; by flag table 3.4 it is sent in one of 16 orders.
    for scanning in (0..16u8).map(|k| k << 4) {
        let grid = LatLon {
            rows: 3,
            columns: 4,
            scanning,
            ..SMALL
        };
        let (westward, northward) = (scanning & 0x80 != 0, scanning & 0x40 != 0);
        let (columns_first, alternating) = (scanning & 0x20 != 0, scanning & 0x10 != 0);
        let mut values = Vec::new();
        let (outer, inner) = if columns_first { (4, 3) } else { (3, 4) };
        for a in 0..outer {
            for b in 0..inner {
                let b = if alternating && a % 2 == 1 { inner - 1 - b } else { b };
                let (j, i) = if columns_first { (b, a) } else { (a, b) };
                let row = if northward { j } else { 2 - j };
                let column = if westward { 3 - i } else { i };
                values.push(f64::from(100 * row + column));
            }
        }
        let bytes = message(209, time(), &[field(grid.section(), product(6, 1, 0, (102, 0)), values)]);
        let contents = grib2::look(&bytes);
        let rain = grib2::rain(&contents.fields[0]).unwrap();
        for ((row, column), value) in rain.indexed_iter() {
            assert_eq!(*value as usize, 100 * row + column, "scanning mode {scanning}");
        }
        let grid = contents.fields[0].header.layout.grid().unwrap();
        assert!(
            (grid.y.first - 35.0).abs() < 1e-6 && (grid.x.first + 98.0).abs() < 1e-6,
            "scanning mode {scanning}"
        );
    }
}

/// A message of u, v and height on a Lambert grid at 700 hPa, an hour after its reference time.
fn wind(along_grid: bool) -> Vec<u8> {
    let on = |category, number, value: f64| field(lambert(along_grid), product(category, number, 60, (100, 70_000)), vec![value; 20]);
    message(0, time(), &[on(2, 2, 10.0), on(2, 3, 0.0), on(3, 5, 3000.0)])
}

#[test]
fn fields_of_one_message_make_a_state() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.grib2");
    fs::write(&path, wind(true)).unwrap();
    let read = grib2::states(&path, 700.0).unwrap();
    let state = &read.states[0];
    assert_eq!((state.valid_time, state.grid.shape()), (time() + TimeDelta::hours(1), (4, 5)));
    assert_eq!((state.u[[3, 4]], state.v[[3, 4]]), (10.0, 0.0));
    assert!((state.geopotential[[0, 0]] - 29_419.95).abs() < 0.01);
    assert!(state.specific_humidity.is_none());
    let (longitude, latitude) = state.grid.lon_lat(0.0, 0.0).unwrap();
    assert!((longitude + 95.0).abs() < 1e-6 && (latitude - 35.0).abs() < 1e-6);
}

#[test]
fn wind_to_the_east_is_turned_to_the_axes_of_its_grid() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.grib2");
    fs::write(&path, wind(false)).unwrap();
    let state = grib2::states(&path, 700.0).unwrap().states.remove(0);
    // On the cone of 38.5 degrees the meridian of 95 W, 2.5 degrees east of the central one, leans by 2.5 sin(38.5) = 1.5563 degrees to the
    // left of the map's up, and the parallel falls: u = 10 cos, v = 10 sin(1.5563) = 0.2716 against it.
    assert!((state.u[[0, 0]] - 9.9963).abs() < 1e-3, "{}", state.u[[0, 0]]);
    assert!((state.v[[0, 0]].abs() - 0.2716).abs() < 1e-3, "{}", state.v[[0, 0]]);
}

#[test]
fn levels_that_are_there_are_named_where_the_one_asked_for_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.grib2");
    fs::write(&path, wind(true)).unwrap();
    let error = grib2::states(&path, 500.0).unwrap_err();
    assert!(matches!(error, Error::Content { .. }));
    let message = error.to_string();
    assert!(
        message.contains("found 700 hPa, expected 500 hPa, or one of the levels that are there"),
        "{message}"
    );
}

#[test]
fn a_polar_stereographic_grid_reaches_the_pole_where_its_formula_says() {
    // On a sphere of 6371.229 km, true at 60 N, 60 N lies 2 R (1 + sin 60)/2 tan 15 = 3185.614 km from the pole (Snyder 1987, eq. 21-33).
    let radius = 6_371_229.0f64;
    let distance = radius * (1.0 + 60f64.to_radians().sin()) * 15f64.to_radians().tan();
    let bytes = message(
        209,
        time(),
        &[field(
            polar((distance * 1000.0).round() as u32),
            product(6, 1, 0, (102, 0)),
            vec![1.0; 2],
        )],
    );
    let contents = grib2::look(&bytes);
    let layout = &contents.fields[0].header.layout;
    let (first, second) = (layout.lon_lat(0).unwrap(), layout.lon_lat(1).unwrap());
    assert!((first.0 - 10.0).abs() < 1e-6 && (first.1 - 60.0).abs() < 1e-6);
    assert!((second.1 - 90.0).abs() < 1e-5, "{second:?}");
}

#[test]
fn members_and_means_are_rain_but_spreads_and_probabilities_are_not() {
    // Template 2: octet 35 says what was derived from the members (code table 4.7): 0 and 1 means, 4 a spread; template 5 is a probability.
    let derived = |template: u8, kind: u8| {
        let mut product = product(1, 52, 0, (1, 0));
        product[3] = template;
        product.extend([kind, 10]);
        product.extend([0; 12]);
        let bytes = message(0, time(), &[field(SMALL.section(), product, vec![1.0; 48])]);
        grib2::Rain::of(&grib2::look(&bytes).fields[0].header).is_some()
    };
    assert!(derived(2, 0) && derived(2, 1) && derived(1, 3));
    assert!(!derived(2, 4) && !derived(2, 2) && !derived(5, 0));
}

#[test]
fn an_amount_since_the_start_of_the_forecast_is_the_mean_rate_until_then() {
    // 12 mm in six hours.
    let end = time() + TimeDelta::hours(6);
    let bytes = message(0, time(), &[field(SMALL.section(), statistic(1, 8, 1, end), vec![12.0; 48])]);
    let contents = grib2::look(&bytes);
    assert_eq!(contents.fields[0].header.valid_time, end);
    assert!(grib2::rain(&contents.fields[0]).unwrap().iter().all(|r| (r - 2.0).abs() < 1e-6));
}
