//! Original files of weather services against the events that another program prepared from them.
//!
//! Events were limited to 650 mm/h, and echoes below 5 dBZ are dry in them; both hold for the frames compared here. They are packed in steps of
//! 0.01 mm/h.

use std::path::Path;

use ndarray::Array2;

use super::data;
use crate::ingest::{Archive, IngestConfig};

/// Original files as a pattern, the event made of them, and how far their maps may lie apart, degrees.
///
/// The event of Brisbane rounds the latitude of its origin, -27.7178, to -27.718: two ten-thousandths of a degree.
const PAIRS: [(&str, &str, f64); 9] = [
    ("odim/T_PAAH21*.hdf", "train/opera_20180824.nc", 1e-4),
    ("odim/T_PAAH22*.hdf", "train/opera_nimbus_20241126.nc", 1e-4),
    ("odim/T_PABV21*.hdf", "train/opera_cirrus_20241126.nc", 1e-4),
    ("bom/*.nc", "train/bom66_20201031.nc", 2.5e-4),
    ("radolan/raa01-yw*", "train/dwd_yw_20170816.nc", 1e-4),
    ("radolan/raa01-ry*", "validation/dwd_ry_20200101.nc", 1e-4),
    ("fmi-pgm/*.pgm.gz", "train/fmi_20160928.nc", 1e-4),
    ("mch-gif/*.gif", "train/mch_20150515.nc", 1e-4),
    ("fmi-geotiff/*.tif", "train/fmi_20160928.nc", 1.0),
];

fn open(source: &Path) -> Archive {
    Archive::open(&IngestConfig {
        source: source.to_string_lossy().into_owned(),
        rain_max_mm_h: 650.0,
        ..IngestConfig::default()
    })
    .unwrap()
}

/// Greatest difference, mm h⁻¹, and in how many cells only one is missing.
fn apart(raw: &Array2<f32>, event: &Array2<f32>) -> (f64, usize) {
    let both = raw.iter().zip(event);
    let missing = both.clone().filter(|(a, b)| a.is_nan() != b.is_nan()).count();
    let greatest = both.map(|(a, b)| f64::from((a - b).abs())).filter(|d| !d.is_nan()).fold(0.0, f64::max);
    (greatest, missing)
}

#[test]
fn original_files_are_read_as_the_events_prepared_from_them() {
    let Some(data) = data("original_files_are_read_as_the_events_prepared_from_them") else {
        return;
    };
    for (source, event, degrees) in &PAIRS[..8] {
        let (raw, event) = (open(&data.join("raw").join(source)), open(&data.join("radar").join(event)));
        assert!(raw.index.problems.is_empty(), "{:?}", raw.index.problems);
        assert!(!raw.times().is_empty());
        let (ny, nx) = event.grid().shape();
        assert_eq!(raw.grid().shape(), (ny, nx));
        for (row, column) in [(0, 0), (0, nx - 1), (ny - 1, 0), (ny - 1, nx - 1), (ny / 2, nx / 2)] {
            let place = |archive: &Archive| archive.grid().lon_lat(row as f64, column as f64).unwrap();
            let (a, b) = (place(&raw), place(&event));
            assert!((a.0 - b.0).abs() < *degrees && (a.1 - b.1).abs() < *degrees, "{source}: {a:?} {b:?}");
        }
        for time in raw.times() {
            let frame = |archive: &Archive| archive.frame(*time).unwrap();
            let prepared = frame(&event).unwrap_or_else(|| panic!("{source}: no prepared frame of {time}"));
            let (greatest, missing) = apart(&frame(&raw).unwrap(), &prepared);
            eprintln!("{source} {time}: greatest difference {greatest:.5} mm/h, {missing} cells missing in one alone");
            // Half a step of the packing, and what f32 makes of 650.
            assert!(greatest <= 0.0051 && missing == 0, "{source} {time}: {greatest} {missing}");
        }
    }
}

/// The GeoTIFF holds the same composite in cells of 250 m on another map, to which its makers brought it: it agrees nearly everywhere, not bit by bit.
#[test]
fn the_finnish_geotiff_tells_of_the_same_rain_as_the_picture() {
    let Some(data) = data("the_finnish_geotiff_tells_of_the_same_rain_as_the_picture") else {
        return;
    };
    let (fine, event) = (open(&data.join("raw").join(PAIRS[8].0)), open(&data.join("radar").join(PAIRS[8].1)));
    let time = fine.times()[0];
    let (a, b) = (fine.frame(time).unwrap().unwrap(), event.frame(time).unwrap().unwrap());
    let (mut alike, mut rainy, mut same_mask, mut compared) = (0, 0, 0, 0);
    for ((row, column), expected) in b.indexed_iter().filter(|((row, column), _)| row % 4 == 0 && column % 4 == 0) {
        let (longitude, latitude) = event.grid().lon_lat(row as f64, column as f64).unwrap();
        let (y, x) = fine.grid().cell_at(longitude, latitude).unwrap();
        let Some(found) = a.get((y.round() as usize, x.round() as usize)).filter(|_| y > 0.0 && x > 0.0) else {
            continue;
        };
        compared += 1;
        same_mask += usize::from(found.is_nan() == expected.is_nan());
        if *expected > 0.5 && !found.is_nan() {
            rainy += 1;
            // Within 1.5 dB of reflectivity.
            alike += usize::from((found / expected).ln().abs() < 0.25);
        }
    }
    eprintln!("fmi-geotiff: {alike} of {rainy} rainy cells alike, {same_mask} of {compared} masks");
    assert!(rainy > 1000 && alike * 10 >= rainy * 9 && same_mask * 100 >= compared * 99);
}
