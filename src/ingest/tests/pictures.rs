//! Pictures of numbers that get their meaning from a description.

use ndarray::array;
use nowblend_field::units::ZR;

use super::{
    formats::{MAP, agrees, frame, geotiff, gif, hdf5, knmi, knmi_file, number, numbers, open, pgm, rates, text},
    time,
};
use crate::ingest::Provider;

const X: f32 = f32::NAN;

#[test]
fn a_finnish_picture_is_known_by_its_comments() {
    let (_folder, archive) = open("202407011205_fmi.pgm", &pgm(), None);
    let archive = archive.unwrap();
    assert_eq!(archive.times(), [time(5)]);
    let zr = ZR { a: 223.0, b: 1.53 };
    let echo = |number: f64| zr.rain(0.5 * number - 32.0) as f32;
    let expected = array![
        [0.0, 0.0, echo(74.0), echo(140.0)],
        [0.0, echo(100.0), echo(120.0), X],
        [X, 0.0, 0.0, echo(80.0)]
    ];
    agrees(&frame(&archive), &expected);
    // The outer corners are those of the comments.
    let corner = archive.grid().lon_lat(-0.5, -0.5).unwrap();
    assert!((corner.0 - 18.6).abs() < 1e-6 && (corner.1 - 57.93).abs() < 1e-6, "{corner:?}");
}

#[test]
fn a_swiss_picture_is_known_by_its_name_and_its_codes_are_amounts() {
    let codes = array![[255, 0, 1, 150], [251, 71, 72, 86]];
    let (_folder, archive) = open("AQC241831205F_00005.801.gif", &gif(&codes), None);
    let archive = archive.unwrap();
    // Day 183 of 2024 is the first of July.
    assert_eq!(archive.times(), [time(5)]);
    // 10^((150 - 71.5) / 20) / 316 = 26.625, to the power of 2/3 8.917 mm in 5 min: 107.0 mm/h.
    let rain = frame(&archive);
    assert!((rain[[1, 3]] - 107.0).abs() < 0.01 && rain[[1, 0]].is_nan() && rain[[0, 0]].is_nan());
    assert_eq!((rain[[1, 1]], rain[[1, 2]]), (0.0, 0.0));
    assert!((rain[[0, 3]] - 0.79).abs() < 0.005, "{rain}");
}

#[test]
fn a_picture_without_meaning_says_what_is_needed_and_a_description_gives_it() {
    let bytes = b"P5\n# legend\n2 2\n65535\n\0\x01\0\x02\xff\xff\0\x04".to_vec();
    let (_folder, refused) = open("rain_202407011205.pgm", &bytes, None);
    let words = refused.unwrap_err().to_string();
    assert!(
        words.contains("rain_202407011205.pgm") && words.contains("[ingest.provider]"),
        "{words}"
    );
    let text = format!(
        "quantity = 'accumulation'\ninterval_min = 10.0\ngain = 0.1\nmissing = [65535.0]\ndry = [1.0]\nfirst_row = 'south'\nprojection = '{MAP}'\n\
         time = {{ format = '%Y%m%d%H%M', plus_min = 10.0 }}\nedges = {{ west = -1000.0, north = 1000.0, spacing_x = 1000.0, spacing_y = -1000.0 }}"
    );
    let provider: Provider = toml::from_str(&text).unwrap();
    let (_folder, archive) = open("rain_202407011205.pgm", &bytes, Some(provider));
    let archive = archive.unwrap();
    assert_eq!((archive.times(), archive.grid().x.first), (&[time(15)][..], -500.0));
    // 0.2 mm in 10 min: 1.2 mm/h.
    agrees(&frame(&archive), &array![[0.0, 1.2], [X, 2.4]]);
}

#[test]
fn rates_in_a_geotiff_need_their_quantity_and_time_alone() {
    let rain = array![[1.0, -9999.0, 2.0], [0.0, 4.5, 3.0]];
    let (_folder, archive) = open("rate_20240701-1205.tif", &geotiff(&rain, 3035), Some(rates()));
    let archive = archive.unwrap();
    assert_eq!(archive.times(), [time(5)]);
    agrees(&frame(&archive), &array![[0.0, 4.5, 3.0], [1.0, X, 2.0]]);
    // The origin of the map, 52 N 10 E, is the north-western corner.
    let corner = archive.grid().lon_lat(1.5, -0.5).unwrap();
    assert!((corner.0 - 10.0).abs() < 1e-6 && (corner.1 - 52.0).abs() < 1e-6, "{corner:?}");
    // A projection that is given stands for one that is not known here.
    let given = Provider {
        projection: Some("+proj=laea +lat_0=52 +lon_0=10 +x_0=4321000 +y_0=3210000 +ellps=GRS80 +units=m".into()),
        ..rates()
    };
    let (_folder, other) = open("rate_20240701-1205.tif", &geotiff(&rain, 2180), Some(given));
    let corner = other.unwrap().grid().lon_lat(1.5, -0.5).unwrap();
    assert!((corner.0 - 10.0).abs() < 1e-6 && (corner.1 - 52.0).abs() < 1e-6, "{corner:?}");
    let words = open("rate_20240701-1205.tif", &geotiff(&rain, 2180), Some(rates()))
        .1
        .unwrap_err()
        .to_string();
    assert!(words.contains("EPSG:2180") && words.contains("`projection`"), "{words}");
}

#[test]
fn a_service_that_is_new_needs_a_description_and_no_code() {
    let (_folder, archive) = open("RAD_NL25.h5", &knmi_file(), Some(knmi()));
    let archive = archive.unwrap();
    assert_eq!(archive.times(), [time(5)]);
    let grid = archive.grid();
    assert!((grid.x.first - 500.0).abs() < 0.1 && (grid.y.first + 4_414_500.0).abs() < 0.1 && (grid.x.spacing - 1000.0).abs() < 0.1);
    // 0.01 mm x 12 = 0.12 mm/h a step.
    let expected = array![[0.12, 0.24, 8.88, 16.8], [0.0, 12.0, 14.4, 30.6], [X, 0.0, 4.8, 9.6]];
    agrees(&frame(&archive), &expected);
}

#[test]
fn what_a_description_names_and_the_file_lacks_is_told_by_name() {
    let file = hdf5(
        &[("rain", numbers())],
        &[text("", "when", "2024-07-01"), number("map", "gain", 2.0)],
    );
    for (words, expected) in [
        ("dataset = 'snow'\ntime = { value = '@when', format = '%Y%m%d' }", "snow"),
        (
            "dataset = 'rain'\ntime = { value = 'map@when', format = '%Y%m%d' }",
            "map@when: found nothing",
        ),
        (
            "dataset = 'rain'\ntime = { value = '@when', format = '%Y%m%d%H' }",
            "found 2024-07-01, expected a time as `%Y%m%d%H`",
        ),
        ("dataset = 'rain'\ntime = { format = '%Y%m%d%H%M' }", "`projection` and `edges`"),
        (
            "dataset = 'rain'\nformula = 'map@gain'\ntime = { format = '%Y%m%d%H%M' }\nprojection = '+proj=longlat'\nedges = { west = 0.0, north = 50.0, spacing_x = 0.1, spacing_y = 0.1 }",
            "map@gain: found 2, expected a formula",
        ),
        (
            "dataset = 'rain'\ngain = 'map@step'\ntime = { format = '%Y%m%d%H%M' }\nprojection = '+proj=longlat'\nedges = { west = 0.0, north = 50.0, spacing_x = 0.1, spacing_y = 0.1 }",
            "map@step: found nothing",
        ),
    ] {
        let provider: Provider = toml::from_str(&format!("quantity = 'rate'\n{words}")).unwrap();
        let found = open("a_202407011200.h5", &file, Some(provider)).1.unwrap_err().to_string();
        assert!(found.contains("a_202407011200.h5") && found.contains(expected), "{found}");
    }
    let wrong: Provider = toml::from_str("quantity = 'accumulation'\ntime = { format = '%Y' }").unwrap();
    let found = open("a.h5", &file, Some(wrong)).1.unwrap_err().to_string();
    assert!(found.contains("provider.interval_min"), "{found}");
}
