//! Original files of weather services against the events that another program prepared from them.
//!
//! Events were limited to 650 mm/h, so the rain compared here is, too; echoes below 5 dBZ are dry in both. They are packed in steps of 0.01 mm/h. The
//! frames are compared as their files hold them: an archive goes on to judge them, and takes what is above 2000 mm/h (eight cells of CIRRUS, up to
//! 78 dBZ) as not observed.

use std::path::Path;

use ndarray::Array2;
use nowblend_field::ValidTime;

use super::data;
use crate::ingest::{Archive, IngestConfig, index};

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

/// The rain of a file as it is, limited as the events are.
fn unjudged(archive: &Archive, time: ValidTime) -> Array2<f32> {
    let record = &archive.index.records[&time][0];
    let path = &archive.index.files[record.file];
    let (rain, _) = index::read(path, record.number, time, &archive.config, false).unwrap();
    rain.mapv_into(|r| if r > 650.0 { 650.0 } else { r })
}

/// Greatest difference, mm h⁻¹, and in how many cells only one is missing.
fn apart(raw: &Array2<f32>, event: &Array2<f32>) -> (f64, usize) {
    let both = raw.iter().zip(event);
    let missing = both.clone().filter(|(a, b)| a.is_nan() != b.is_nan()).count();
    let greatest = both
        .map(|(a, b)| f64::from((a - b).abs()))
        .filter(|d| !d.is_nan())
        .fold(0.0, f64::max);
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
            assert!(
                (a.0 - b.0).abs() < *degrees && (a.1 - b.1).abs() < *degrees,
                "{source}: {a:?} {b:?}"
            );
        }
        for time in raw.times() {
            let prepared = event
                .frame(*time)
                .unwrap()
                .unwrap_or_else(|| panic!("{source}: no prepared frame of {time}"));
            let (greatest, missing) = apart(&unjudged(&raw, *time), &prepared);
            eprintln!("{source} {time}: greatest difference {greatest:.5} mm/h, {missing} cells missing in one alone");
            // Half a step of the packing, and what f32 makes of 650.
            assert!(greatest <= 0.0051 && missing == 0, "{source} {time}: {greatest} {missing}");
        }
    }
}

/// The GeoTIFF holds the same composite in cells of 250 m on another map, to which its makers brought it: most cells are alike, and fewer where it
/// is moved.
#[test]
fn the_finnish_geotiff_tells_of_the_same_rain_at_the_same_places() {
    let Some(data) = data("the_finnish_geotiff_tells_of_the_same_rain_at_the_same_places") else {
        return;
    };
    let (fine, event) = (open(&data.join("raw").join(PAIRS[8].0)), open(&data.join("radar").join(PAIRS[8].1)));
    let time = fine.times()[0];
    let (a, b) = (fine.frame(time).unwrap().unwrap(), event.frame(time).unwrap().unwrap());
    // Share of rainy cells whose reflectivity is within 1.5 dB, and of cells that are missing in both or in none, with the map moved by cells.
    let alike = |north: f64, east: f64| {
        let (mut alike, mut rainy, mut same_mask, mut compared) = (0u32, 0u32, 0u32, 0u32);
        for ((row, column), expected) in b.indexed_iter().filter(|((row, column), _)| row % 4 == 0 && column % 4 == 0) {
            let (longitude, latitude) = event.grid().lon_lat(row as f64, column as f64).unwrap();
            let (y, x) = fine.grid().cell_at(longitude, latitude).unwrap();
            let (y, x) = (y + north, x + east);
            let Some(found) = a.get((y.round() as usize, x.round() as usize)).filter(|_| y > 0.0 && x > 0.0) else {
                continue;
            };
            compared += 1;
            same_mask += u32::from(found.is_nan() == expected.is_nan());
            if *expected > 0.5 && *found > 0.0 {
                rainy += 1;
                alike += u32::from((found / expected).ln().abs() < 0.25);
            }
        }
        assert!(rainy > 1000);
        (f64::from(alike) / f64::from(rainy), f64::from(same_mask) / f64::from(compared))
    };
    let here = alike(0.0, 0.0);
    eprintln!("fmi-geotiff: {:.3} of the rainy cells alike, {:.4} of the mask", here.0, here.1);
    assert!(here.0 > 0.8 && here.1 > 0.99, "{here:?}");
    // It lies 250 m further north than the picture, which its makers put on a sphere: a kilometre off is worse in every direction.
    for moved in [(4.0, 0.0), (-4.0, 0.0), (0.0, 4.0), (0.0, -4.0)] {
        assert!(alike(moved.0, moved.1).0 < here.0 - 0.1, "{moved:?}");
    }
}
