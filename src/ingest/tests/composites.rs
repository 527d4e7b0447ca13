//! Composites that say all of themselves: ODIM HDF5 and RADOLAN.

use ndarray::{Array2, array};
use nowblend_field::units::ZR;

use super::{
    formats::{agrees, frame, hdf5, number, numbers, odim_dbzh, odim_root, open, radolan, radolan_ry, text},
    time,
};
use crate::ingest::{Archive, IngestConfig};

const X: f32 = f32::NAN;

/// Marshall-Palmer rain of 0.5 x number - 32 dBZ.
fn echo(number: f64) -> f32 {
    ZR::default().rain(0.5 * number - 32.0) as f32
}

#[test]
fn reflectivity_alone_becomes_rain_south_up_with_undetect_dry_and_nodata_missing() {
    let (_folder, archive) = open("composite.h5", &odim_dbzh(), None);
    let archive = archive.unwrap();
    assert_eq!(archive.times(), [time(0)]);
    // Cell centres lie half a cell inside the outer corners.
    let grid = archive.grid();
    assert!(
        (grid.x.first + 3000.0).abs() < 0.01 && (grid.y.first + 2000.0).abs() < 0.01,
        "{grid}"
    );
    // 5 dBZ, number 74, is the weakest that is rain.
    let expected = array![
        [0.0, 0.0, echo(74.0), echo(140.0)],
        [0.0, echo(100.0), echo(120.0), X],
        [X, 0.0, 0.0, echo(80.0)]
    ];
    agrees(&frame(&archive), &expected);
}

#[test]
fn an_accumulation_is_a_rate_until_its_end() {
    let mut says = odim_root();
    says.extend([
        text("dataset1/what", "quantity", "ACRR"),
        text("dataset1/what", "startdate", "20240701"),
        text("dataset1/what", "starttime", "115000"),
        text("dataset1/what", "enddate", "20240701"),
        text("dataset1/what", "endtime", "120500"),
        number("dataset1/what", "gain", 0.1),
        number("dataset1/what", "offset", 0.0),
        number("dataset1/what", "nodata", 255.0),
    ]);
    let (_folder, archive) = open("a.h5", &hdf5(&[("dataset1/data1/data", numbers())], &says), None);
    let archive = archive.unwrap();
    assert_eq!(archive.times(), [time(5)]);
    // 0.1 x 74 = 7.4 mm in a quarter of an hour: 29.6 mm/h.
    let rain = frame(&archive);
    assert!((rain[[0, 2]] - 29.6).abs() < 1e-4 && rain[[0, 0]] > 0.0, "{rain}");
    // Without its interval an amount has no meaning.
    says.retain(|s| !matches!(s, super::formats::Says::Text(_, "starttime", _)));
    let (_folder, refused) = open("b.h5", &hdf5(&[("dataset1/data1/data", numbers())], &says), None);
    let words = refused.unwrap_err().to_string();
    assert!(
        words.contains("b.h5") && words.contains("startdate to endtime") && words.contains("0 s"),
        "{words}"
    );
}

#[test]
fn a_rate_is_taken_before_a_reflectivity_and_low_quality_is_missing() {
    let quality = array![[10, 10, 10, 10], [9, 2, 9, 9], [255, 9, 9, 1]];
    for (at, what) in [
        ("dataset2/quality1", "dataset2/quality1/what"),
        ("dataset2/data1/quality1", "dataset2/data1/quality1/what"),
        ("dataset3/data1", "dataset3/data1/what"),
        ("dataset3/data1", "dataset3/what"),
    ] {
        let mut says = odim_root();
        says.extend([
            text("dataset1/what", "quantity", "DBZH"),
            text("dataset2/what", "quantity", "RATE"),
            number("dataset2/what", "nodata", 255.0),
            text("dataset3/what", "quantity", "QIND"),
        ]);
        says.extend([number(what, "gain", 0.1), number(what, "nodata", 255.0)]);
        let pictures = [
            ("dataset1/data1/data", numbers()),
            ("dataset2/data1/data", numbers()),
            (&*format!("{at}/data"), quality.clone()),
        ];
        let (folder, archive) = open("rate.h5", &hdf5(&pictures, &says), None);
        let plain = frame(&archive.unwrap());
        agrees(
            &plain,
            &array![[1.0, 2.0, 74.0, 140.0], [0.0, 100.0, 120.0, X], [X, 0.0, 40.0, 80.0]],
        );
        let strict = Archive::open(&IngestConfig {
            quality_min: 0.5,
            ..super::config(&folder.path().join("rate.h5"))
        });
        // Quality 0.2 and 0.1 are too low; a cell without quality stays.
        let strict = frame(&strict.unwrap());
        agrees(&strict, &array![[1.0, 2.0, 74.0, X], [0.0, X, 120.0, X], [X, 0.0, 40.0, 80.0]]);
    }
}

#[test]
fn datasets_that_end_at_several_times_are_several_frames() {
    let mut says = odim_root();
    for (dataset, end) in [("dataset1/what", "115500"), ("dataset2/what", "120000")] {
        says.extend([
            text(dataset, "quantity", "RATE"),
            text(dataset, "enddate", "20240701"),
            text(dataset, "endtime", end),
        ]);
    }
    let pictures = [("dataset1/data1/data", numbers()), ("dataset2/data1/data", numbers() / 2)];
    let (_folder, archive) = open("series.h5", &hdf5(&pictures, &says), None);
    let archive = archive.unwrap();
    assert_eq!(archive.times(), [time(-5), time(0)]);
    assert_eq!(archive.frame(time(0)).unwrap().unwrap()[[0, 2]], 37.0);
}

#[test]
fn what_is_no_map_of_rain_or_contradicts_itself_is_refused_by_name() {
    let data = [("dataset1/data1/data", numbers())];
    let with = |group: &'static str, name: &'static str, value: &str| {
        let mut says = odim_root();
        says.push(text("dataset1/what", "quantity", "RATE"));
        says.retain(
            |s| !matches!(s, super::formats::Says::Text(g, n, _) | super::formats::Says::Number(g, n, _) if (*g, *n) == (group, name)),
        );
        match value.parse() {
            Ok(value) if group == "where" => says.push(number(group, name, value)),
            _ => says.push(text(group, name, value)),
        }
        open("odd.h5", &hdf5(&data, &says), None).1.unwrap_err().to_string()
    };
    for (group, name, value, words) in [
        ("what", "object", "PVOL", "what/object: found PVOL"),
        ("dataset1/what", "quantity", "VRADH", "quantities: found [\"VRADH\"]"),
        ("what", "time", "2561", "what/date, what/time"),
        ("where", "xsize", "5", "[3.0, 5.0] of ysize and xsize"),
        ("where", "xscale", "4000", "from LL, xscale and yscale"),
        ("where", "projdef", "+proj=nowhere", "+proj=nowhere"),
    ] {
        let found = with(group, name, value);
        assert!(found.contains("odd.h5") && found.contains(words), "{found}");
    }
}

#[test]
fn a_radolan_amount_is_a_rate_with_missing_apart_from_clutter() {
    let (_folder, archive) = open("raa01-ry_10000-2407010705-dwd---bin", &radolan_ry(), None);
    let archive = archive.unwrap();
    assert_eq!(archive.times(), [time(-295)]);
    let rain = frame(&archive);
    // 1.23 mm in 5 min; flagged as clutter 0.07 mm.
    assert!((rain[[0, 0]] - 14.76).abs() < 1e-4 && rain[[0, 1]].is_nan() && (rain[[1, 0]] - 0.84).abs() < 1e-4);
    assert_eq!(rain[[2, 2]], 0.0);
    // The cell around 9 E 51 N has that place as its south-western corner.
    let (row, column) = archive.grid().cell_at(9.0, 51.0).unwrap();
    assert!((row - 449.5).abs() < 1e-3 && (column - 449.5).abs() < 1e-3, "{row} {column}");
}

#[test]
fn radolan_tells_step_interval_and_octets() {
    let hourly = "RW010750100000724BY1620142VS 3SW   2.21.0PR E-01INT  60GP 900x 900MS 14<boo,ros,emd>";
    let daily = "SF010750100000724BY1620142VS 3SW   2.21.0PR E-01INT1440GP 900x 900MS 14<boo,ros,emd>";
    let echoes = "RX010705100000724BY 810142VS 3SW   2.21.0PR E+00INT   5GP 900x 900MS 14<boo,ros,emd>";
    let cell = |row: usize, column: usize| [165, 249, 250, 0][(row + column) % 4];
    // 16.5 mm in an hour, in a day; 165 / 2 - 32.5 = 50 dBZ.
    for (head, expected) in [(hourly, 16.5), (daily, 16.5 / 24.0), (echoes, ZR::default().rain(50.0) as f32)] {
        let (_folder, archive) = open("raa01", &radolan(head, 900, 900, cell), None);
        let rain = frame(&archive.unwrap());
        assert!((rain[[0, 0]] - expected).abs() < 1e-3 && rain[[0, 3]] == 0.0, "{head}");
        assert_eq!(rain[[0, 1]].is_nan(), head == echoes);
    }
}

#[test]
fn de1200_lies_on_wgs84_since_version_5_and_a_forecast_is_no_observation() {
    let head = "RV010705100000724BY2640147VS 5SW P20001HPR E-02INT   5GP1200x1100VV 000MF 00000008MS 14<boo,ros,emd>";
    let (_folder, archive) = open("DE1200_RV", &radolan(head, 1200, 1100, |row, _| (row == 1199).into()), None);
    let archive = archive.unwrap();
    let grid = archive.grid();
    // Corners of the outer cells as the service publishes them, from a corner half a cell out.
    for (row, column, longitude, latitude) in [
        (-0.5, -0.5, 3.566_994_6, 45.696_425_4),
        (1199.5, 1099.5, 18.731_616_5, 55.845_438_6),
    ] {
        let place = grid.lon_lat(row, column).unwrap();
        assert!((place.0 - longitude).abs() < 1e-5 && (place.1 - latitude).abs() < 1e-5, "{place:?}");
    }
    assert!((frame(&archive)[[1199, 0]] - 0.12).abs() < 1e-6);
    for (from, to, words) in [
        ("VV 000", "VV 005", "VV: found 005"),
        ("GP1200x1100", "GP 900x 900", "cells: found 2640000 bytes"),
        ("INT   5", "INT   0", "INT: found 0"),
        ("E-02", "E-99", "PR: found E-99"),
        ("0724BY", "1324BY", "time: found"),
    ] {
        let made = radolan(&head.replace(from, to), 1200, 1100, |_, _| 0);
        let found = open("DE1200_RV", &made, None).1.unwrap_err().to_string();
        assert!(found.contains("DE1200_RV") && found.contains(words), "{found}");
    }
}

#[test]
fn a_picture_of_one_cell_more_is_not_taken() {
    let mut bytes = radolan_ry();
    bytes.push(0);
    let found = open("raa01", &bytes, None).1.unwrap_err().to_string();
    assert!(found.contains("1620001 bytes, expected 810000 or 1620000"), "{found}");
    let empty: Array2<u16> = Array2::zeros((3, 5));
    let mut says = odim_root();
    says.push(text("dataset1/what", "quantity", "RATE"));
    assert!(open("a.h5", &hdf5(&[("dataset1/data1/data", empty)], &says), None).1.is_err());
}
