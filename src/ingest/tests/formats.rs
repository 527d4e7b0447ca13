//! Small files of every format, made here so that tests mean something without data.

use std::{fs, io::Cursor};

use geotiff_writer::GeoTiffBuilder;
use ndarray::{Array2, array};
use netcdf_writer::{NcAttrValue, NcFileBuilder, NcWriteFormat, NcWriteOptions};
use nowblend_field::Projection;
use tempfile::TempDir;

use super::config;
use crate::ingest::{Archive, Error, IngestConfig, Provider};

/// The map of the made composites.
pub const MAP: &str = "+proj=laea +lat_0=55 +lon_0=10 +ellps=WGS84 +units=m +no_defs";

/// An attribute of a group of an HDF5 file.
pub enum Says {
    Text(&'static str, &'static str, String),
    Number(&'static str, &'static str, f64),
    Numbers(&'static str, &'static str, Vec<f64>),
}

pub fn text(group: &'static str, name: &'static str, value: impl Into<String>) -> Says {
    Says::Text(group, name, value.into())
}

pub fn number(group: &'static str, name: &'static str, value: f64) -> Says {
    Says::Number(group, name, value)
}

/// An HDF5 file of these pictures and attributes; the root is the empty group.
pub fn hdf5(pictures: &[(&str, Array2<u16>)], says: &[Says]) -> Vec<u8> {
    let mut file = NcFileBuilder::new();
    let (rows, columns) = pictures[0].1.dim();
    let dimensions = [
        file.add_dimension("rows", rows as u64).unwrap(),
        file.add_dimension("columns", columns as u64).unwrap(),
    ];
    for (name, picture) in pictures {
        let variable = file.add_variable_path::<u16>(*name, &dimensions).unwrap();
        file.write_variable(variable, picture.as_slice().unwrap()).unwrap();
    }
    for attribute in says {
        let (group, name, value) = match attribute {
            Says::Text(group, name, value) => (group, name, NcAttrValue::Chars(value.clone())),
            Says::Number(group, name, value) => (group, name, NcAttrValue::Doubles(vec![*value])),
            Says::Numbers(group, name, values) => (group, name, NcAttrValue::Doubles(values.clone())),
        };
        if group.is_empty() {
            file.add_attribute(*name, value).unwrap();
        } else {
            file.add_group_attribute(*group, *name, value).unwrap();
        }
    }
    let options = NcWriteOptions {
        format: NcWriteFormat::Nc4,
    };
    file.to_vec(options).unwrap().1
}

/// What an ODIM composite of 3 x 4 cells of 2 km says of itself but for its datasets; the south-western corner lies at (-4000, -3000) m.
pub fn odim_root() -> Vec<Says> {
    let map = Projection::parse(MAP).unwrap();
    let mut says = vec![
        text("", "Conventions", "ODIM_H5/V2_3"),
        text("what", "object", "COMP"),
        text("what", "version", "H5rad 2.3"),
        text("what", "date", "20240701"),
        text("what", "time", "120000"),
        text("where", "projdef", MAP),
        number("where", "xsize", 4.0),
        number("where", "ysize", 3.0),
        number("where", "xscale", 2000.0),
        number("where", "yscale", 2000.0),
    ];
    for (lon, lat, x, y) in [("LL_lon", "LL_lat", -4000.0, -3000.0), ("UR_lon", "UR_lat", 4000.0, 3000.0)] {
        let place = map.inverse(x, y).unwrap();
        says.extend([number("where", lon, place.0), number("where", lat, place.1)]);
    }
    says
}

/// Numbers whose first row is the northern one: 255 not observed, 0 dry.
pub fn numbers() -> Array2<u16> {
    array![[255, 0, 40, 80], [0, 100, 120, 255], [1, 2, 74, 140]]
}

/// A composite of reflectivity alone.
pub fn odim_dbzh() -> Vec<u8> {
    let mut says = odim_root();
    says.extend([
        text("dataset1/what", "product", "COMP"),
        text("dataset1/data1/what", "quantity", "DBZH"),
        number("dataset1/data1/what", "gain", 0.5),
        number("dataset1/data1/what", "offset", -32.0),
        number("dataset1/data1/what", "nodata", 255.0),
        number("dataset1/data1/what", "undetect", 0.0),
    ]);
    hdf5(&[("dataset1/data1/data", numbers())], &says)
}

/// A RADOLAN composite: its head, and cells from the south-west on.
pub fn radolan(head: &str, rows: usize, columns: usize, cell: impl Fn(usize, usize) -> u16) -> Vec<u8> {
    let mut out = head.as_bytes().to_vec();
    out.push(3);
    let octets = if head.starts_with("RX") { 1 } else { 2 };
    for row in 0..rows {
        for column in 0..columns {
            out.extend(&cell(row, column).to_le_bytes()[..octets]);
        }
    }
    out
}

/// A five-minute composite of 900 x 900 cells.
pub fn radolan_ry() -> Vec<u8> {
    let head = "RY010705100000724BY1620142VS 3SW   2.21.0PR E-02INT   5GP 900x 900MS 14<boo,ros,emd>";
    radolan(head, 900, 900, |row, column| match (row, column) {
        (0, 0) => 123,
        (0, 1) => 0x29c4,
        (1, 0) => 0x8000 | 7,
        _ => 0,
    })
}

/// A picture as the Finnish Meteorological Institute writes it, 3 x 4 cells.
pub fn pgm() -> Vec<u8> {
    let mut out =
        b"P5\n# obstime 202407011205\n# param CorrectedReflectivity\n# projection radar {\n# type stereographic\n# centrallongitude 25\n\
        # centrallatitude 90\n# truelatitude 60\n# bottomleft 18.600000 57.930000\n# topright 34.903000 69.005000\n# }\n4 3\n255\n"
            .to_vec();
    out.extend(numbers().iter().map(|n| *n as u8));
    out
}

/// A picture of these codes.
pub fn gif(codes: &Array2<u16>) -> Vec<u8> {
    let palette: Vec<u8> = (0..=255u8).flat_map(|k| [k, 255 - k, k]).collect();
    let (rows, columns) = codes.dim();
    let mut out = Vec::new();
    let mut encoder = gif::Encoder::new(&mut out, columns as u16, rows as u16, &palette).unwrap();
    let cells: Vec<u8> = codes.iter().map(|n| *n as u8).collect();
    encoder
        .write_frame(&gif::Frame::from_indexed_pixels(columns as u16, rows as u16, cells, None))
        .unwrap();
    drop(encoder);
    out
}

/// Rain rates as GeoTIFF, cells of 1 km from (4321000, 3210000) m on, in the system of this code; -9999 marks what is missing.
pub fn geotiff(rain: &Array2<f32>, epsg: u16) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    GeoTiffBuilder::new(rain.ncols() as u32, rain.nrows() as u32)
        .projected_epsg(epsg)
        .pixel_scale(1000.0, 1000.0)
        .origin(4_321_000.0, 3_210_000.0)
        .nodata("-9999")
        .write_2d_to(&mut out, rain.view())
        .unwrap();
    out.into_inner()
}

/// Rates in GeoTIFF, timed by the name of the file.
pub fn rates() -> Provider {
    toml::from_str("quantity = 'rate'\ntime = { format = '%Y%m%d-%H%M' }").unwrap()
}

/// A composite as the Royal Netherlands Meteorological Institute writes it.
pub fn knmi_file() -> Vec<u8> {
    let map = Projection::parse("+proj=stere +lat_0=90 +lon_0=0 +lat_ts=60 +a=6378137 +b=6356752 +x_0=0 +y_0=0 +units=m +no_defs").unwrap();
    let corners = [
        (0.0, -4_415_000.0),
        (0.0, -4_412_000.0),
        (4000.0, -4_412_000.0),
        (4000.0, -4_415_000.0),
    ];
    let corners = corners.iter().flat_map(|(x, y)| {
        let (longitude, latitude) = map.inverse(*x, *y).unwrap();
        [longitude, latitude]
    });
    let mut picture = numbers();
    picture[[0, 0]] = 65_535;
    hdf5(
        &[("image1/image_data", picture)],
        &[
            text("overview", "product_datetime_end", "01-JUL-2024;12:05:00.000"),
            text("image1/calibration", "calibration_formulas", "GEO = 0.010000 * PV + 0.000000"),
            Says::Numbers("geographic", "geo_product_corners", corners.collect()),
        ],
    )
}

/// The description of these composites that comes with the program.
pub fn knmi() -> Provider {
    #[derive(serde::Deserialize)]
    struct File {
        ingest: IngestConfig,
    }
    let file: File = toml::from_str(include_str!("../../../configs/knmi.toml")).unwrap();
    file.ingest.provider.unwrap()
}

/// Every format: the name of a file, its content, and what must be said about it.
pub fn all() -> Vec<(String, Vec<u8>, Option<Provider>)> {
    let small = radolan_small();
    vec![
        ("odim.h5".into(), odim_dbzh(), None),
        ("raa01-ry.bin".into(), small, None),
        ("fmi.pgm".into(), pgm(), None),
        (
            "rate_20240701-1205.h5.tif".into(),
            geotiff(&array![[1.0, -9999.0], [0.0, 4.5]], 3035),
            Some(rates()),
        ),
        ("AQC241831205F.gif".into(), gif(&numbers()), Some(Provider::meteoswiss_aqc())),
        ("knmi.h5".into(), knmi_file(), Some(knmi())),
    ]
}

/// The smallest grid that the Deutscher Wetterdienst uses, one octet a cell.
fn radolan_small() -> Vec<u8> {
    let head = "RX010705100000724BY 810142VS 3SW   2.21.0PR E+00INT   5GP 900x 900MS 14<boo,ros,emd>";
    radolan(head, 900, 900, |row, column| if row == column { 100 } else { 250 })
}

/// A file opened under its name and with its description.
pub fn open(name: &str, content: &[u8], provider: Option<Provider>) -> (TempDir, Result<Archive, Error>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    let archive = Archive::open(&IngestConfig { provider, ..config(&path) });
    (folder, archive)
}

/// The only frame of a file.
pub fn frame(archive: &Archive) -> Array2<f32> {
    archive.frame(archive.times()[0]).unwrap().unwrap()
}

/// Whether rain agrees to 1e-4 mm h⁻¹ and in what is missing.
#[track_caller]
pub fn agrees(found: &Array2<f32>, expected: &Array2<f32>) {
    let close = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-4 || a.is_nan() && b.is_nan();
    assert!(
        found.dim() == expected.dim() && found.iter().zip(expected).all(close),
        "{found} is not {expected}"
    );
}
