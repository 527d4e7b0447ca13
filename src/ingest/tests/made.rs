//! Small GRIB2 and NetCDF files, made by hand so that every octet is known.

use std::borrow::Cow;

use chrono::{DateTime, Datelike, TimeZone, Timelike, Utc};
use grib::encoder::{
    ComplexPackingStrategy, EncodingMethod, GpvEncoder, SimplePackingStrategy, SpatialDifferencingOption, WriteGrib2DataSections,
};
use ndarray::{Array2, Array3};
use netcdf_writer::{NcAttrValue, NcFileBuilder, NcWriteFormat, NcWriteOptions};

/// A longitude-latitude grid in degrees.
#[derive(Debug, Clone, Copy)]
pub struct LatLon {
    pub south: f64,
    pub west: f64,
    pub spacing: f64,
    pub rows: usize,
    pub columns: usize,
    /// Flag table 3.4.
    pub scanning: u8,
}

/// One field of a message.
#[derive(Debug, Clone)]
pub struct Made {
    pub grid: Vec<u8>,
    pub product: Vec<u8>,
    /// In file order; NaN is left out by a bitmap.
    pub values: Vec<f64>,
}

/// The grid of most tests: 6 rows and 8 columns near Oklahoma, the northern row first.
pub const SMALL: LatLon = LatLon {
    south: 35.0,
    west: -98.0,
    spacing: 0.01,
    rows: 6,
    columns: 8,
    scanning: 0,
};

impl LatLon {
    /// Section 3 without its head.
    pub fn section(self) -> Vec<u8> {
        let (north, east) = (
            self.south + self.spacing * (self.rows - 1) as f64,
            self.west + self.spacing * (self.columns - 1) as f64,
        );
        let (first, last) = if self.scanning & 0x40 == 0 {
            (north, self.south)
        } else {
            (self.south, north)
        };
        let (left, right) = if self.scanning & 0x80 == 0 {
            (self.west, east)
        } else {
            (east, self.west)
        };
        let mut out = vec![0];
        out.extend((self.rows as u32 * self.columns as u32).to_be_bytes());
        out.extend([0, 0, 0, 0, 6]);
        out.extend([0xff; 15]);
        out.extend((self.columns as u32).to_be_bytes());
        out.extend((self.rows as u32).to_be_bytes());
        out.extend([0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
        out.extend(signed(first));
        out.extend(signed(left.rem_euclid(360.0)));
        out.push(0x30);
        out.extend(signed(last));
        out.extend(signed(right.rem_euclid(360.0)));
        out.extend(signed(self.spacing));
        out.extend(signed(self.spacing));
        out.push(self.scanning);
        out
    }
}

/// A Lambert grid of 5 x 4 points 10 km apart whose first point is the south-western one; wind towards east and north or along the grid.
pub fn lambert(along_grid: bool) -> Vec<u8> {
    let mut out = vec![0, 0, 0, 0, 20, 0, 0, 0, 30, 6];
    out.extend([0xff; 15]);
    out.extend([0, 0, 0, 5, 0, 0, 0, 4]);
    out.extend(signed(35.0));
    out.extend(signed(265.0));
    out.push(if along_grid { 0x08 } else { 0 });
    out.extend(signed(40.0));
    out.extend(signed(262.5));
    out.extend(10_000_000u32.to_be_bytes());
    out.extend(10_000_000u32.to_be_bytes());
    out.extend([0, 0x40]);
    out.extend(signed(38.5));
    out.extend(signed(38.5));
    out.extend(signed(-90.0));
    out.extend(signed(0.0));
    out
}

/// A polar stereographic grid of one column and two rows, `distance_mm` apart, true at 60 N, whose first point is 60 N, 10 E below the pole.
pub fn polar(distance_mm: u32) -> Vec<u8> {
    let mut out = vec![0, 0, 0, 0, 2, 0, 0, 0, 20, 6];
    out.extend([0xff; 15]);
    out.extend([0, 0, 0, 1, 0, 0, 0, 2]);
    out.extend(signed(60.0));
    out.extend(signed(10.0));
    out.push(0);
    out.extend(signed(60.0));
    out.extend(signed(10.0));
    out.extend(distance_mm.to_be_bytes());
    out.extend(distance_mm.to_be_bytes());
    out.extend([0, 0x40]);
    out
}

fn signed(degrees: f64) -> [u8; 4] {
    let value = (degrees.abs() * 1e6).round() as u32;
    (if degrees < 0.0 { value | 0x8000_0000 } else { value }).to_be_bytes()
}

/// Section 4, template 0, without its head: an observation (process 8), `lead_min` after its reference, on a level of type and value.
pub fn product(category: u8, number: u8, lead_min: u32, (kind, level): (u8, u32)) -> Vec<u8> {
    let mut out = vec![0, 0, 0, 0, category, number, 8, 0, 255, 0, 0, 0, 0];
    out.extend(lead_min.to_be_bytes());
    out.extend([kind, 0]);
    out.extend(level.to_be_bytes());
    out.extend([255; 6]);
    out
}

/// Section 4, template 8: a statistic over the time until `end`, from its reference time on.
pub fn statistic(category: u8, number: u8, statistic: u8, end: DateTime<Utc>) -> Vec<u8> {
    let mut out = product(category, number, 0, (1, 0));
    out[3] = 8;
    out.extend(moment(end));
    out.extend([1, 0, 0, 0, 0, statistic, 2, 0, 0, 0, 0, 5, 255, 0, 0, 0, 0]);
    out
}

fn moment(time: DateTime<Utc>) -> Vec<u8> {
    let mut out = (time.year() as u16).to_be_bytes().to_vec();
    out.extend([
        time.month() as u8,
        time.day() as u8,
        time.hour() as u8,
        time.minute() as u8,
        time.second() as u8,
    ]);
    out
}

fn section(number: u8, content: &[u8]) -> Vec<u8> {
    let mut out = (content.len() as u32 + 5).to_be_bytes().to_vec();
    out.push(number);
    out.extend(content);
    out
}

/// A message of one or more fields, simply packed to 1/1024.
pub fn message(discipline: u8, reference: DateTime<Utc>, fields: &[Made]) -> Vec<u8> {
    let mut identification = vec![0, 161, 0, 0, 29, 1, 3];
    identification.extend(moment(reference));
    identification.extend([1, 7]);
    let mut sections = section(1, &identification);
    for field in fields {
        sections.extend(section(3, &field.grid));
        sections.extend(section(4, &field.product));
        let present: Vec<f64> = field.values.iter().copied().filter(|v| !v.is_nan()).collect();
        let least = present.iter().copied().fold(f64::INFINITY, f64::min);
        let least = if least.is_finite() { f64::from(least as f32) } else { 0.0 };
        let mut representation = (present.len() as u32).to_be_bytes().to_vec();
        representation.extend([0, 0]);
        representation.extend((least as f32).to_be_bytes());
        // Steps of 2^-10, no power of ten, 32 bits.
        representation.extend([0x80, 10, 0, 0, 32, 0]);
        sections.extend(section(5, &representation));
        if present.len() == field.values.len() {
            sections.extend(section(6, &[255]));
        } else {
            let mut bitmap = vec![0u8; 1 + field.values.len().div_ceil(8)];
            for (k, value) in field.values.iter().enumerate() {
                bitmap[1 + k / 8] |= u8::from(!value.is_nan()) << (7 - k % 8);
            }
            sections.extend(section(6, &bitmap));
        }
        let packed: Vec<u8> = present
            .iter()
            .flat_map(|v| (((v - least) * 1024.0).round() as u32).to_be_bytes())
            .collect();
        sections.extend(section(7, &packed));
    }
    let mut out = b"GRIB\0\0".to_vec();
    out.extend([discipline, 2]);
    out.extend((16 + sections.len() as u64 + 4).to_be_bytes());
    out.extend(sections);
    out.extend(b"7777");
    out
}

/// An MRMS-like message of `rain` `[y, x]`, row 0 in the south, mm h⁻¹, on a grid that starts in the north.
pub fn radar(rain: &Array2<f64>, time: DateTime<Utc>, grid: LatLon) -> Vec<u8> {
    let grid = LatLon {
        rows: rain.nrows(),
        columns: rain.ncols(),
        ..grid
    };
    let values = rain.rows().into_iter().rev().flat_map(|row| row.to_vec()).collect();
    let field = Made {
        grid: grid.section(),
        product: product(6, 1, 0, (102, 0)),
        values,
    };
    message(209, time, &[field])
}

/// How a small NetCDF file of rain is made.
pub struct Frames {
    pub rain: Array3<f32>,
    /// Seconds since 1970.
    pub times: Vec<f64>,
    pub units: &'static str,
    /// Latitude and longitude instead of y and x.
    pub degrees: bool,
    pub format: NcWriteFormat,
}

impl Frames {
    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut file = NcFileBuilder::new();
        let (times, rows, columns) = self.rain.dim();
        let names = if self.degrees { ["lat", "lon"] } else { ["y", "x"] };
        let time = file.add_dimension("time", times as u64).unwrap();
        let y = file.add_dimension(names[0], rows as u64).unwrap();
        let x = file.add_dimension(names[1], columns as u64).unwrap();
        let text = |value: &str| NcAttrValue::Chars(value.into());
        let variable = file.add_variable::<f64>("time", &[time]).unwrap();
        file.write_variable(variable, &self.times).unwrap();
        file.add_variable_attribute(variable, "units", text("seconds since 1970-01-01 00:00:00"))
            .unwrap();
        for (name, dimension, count, first, step, units) in [
            (names[0], y, rows, 47.0, -0.01, "degrees_north"),
            (names[1], x, columns, 6.0, 0.01, "degrees_east"),
        ] {
            let scale = if self.degrees { 1.0 } else { 100_000.0 };
            let values: Vec<f64> = (0..count).map(|k| scale * (first + step * k as f64)).collect();
            let variable = file.add_variable::<f64>(name, &[dimension]).unwrap();
            file.write_variable(variable, &values).unwrap();
            file.add_variable_attribute(variable, "units", text(if self.degrees { units } else { "m" }))
                .unwrap();
        }
        if !self.degrees {
            let variable = file.add_variable::<i32>("crs", &[]).unwrap();
            file.write_variable(variable, &[0]).unwrap();
            file.add_variable_attribute(variable, "proj4", text("+proj=laea +lat_0=47 +lon_0=6 +ellps=WGS84"))
                .unwrap();
        }
        let variable = file.add_variable::<f32>("rainfall_rate", &[time, y, x]).unwrap();
        file.write_variable(variable, self.rain.as_slice().unwrap()).unwrap();
        for (name, value) in [("units", self.units), ("standard_name", "rainfall_rate"), ("grid_mapping", "crs")] {
            file.add_variable_attribute(variable, name, text(value)).unwrap();
        }
        file.add_variable_attribute(variable, "missing_value", NcAttrValue::Floats(vec![-9999.0, -8888.0]))
            .unwrap();
        file.to_vec(NcWriteOptions { format: self.format }).unwrap().1
    }
}

/// Rain with a cell that is not observed.
pub fn some_rain() -> Array2<f64> {
    let mut rain = Array2::from_shape_fn((SMALL.rows, SMALL.columns), |(row, column)| (row * column) as f64 / 4.0);
    rain[[2, 3]] = f64::NAN;
    rain
}

/// Where section `number` of the first message begins.
pub fn section_at(bytes: &[u8], number: u8) -> usize {
    let mut at = 16;
    while bytes[at + 4] != number {
        at += u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    }
    at
}

/// Wind and height on 700 hPa around 45 N, 0 E, as a model sends them.
pub fn state(time: DateTime<Utc>) -> Vec<u8> {
    let grid = LatLon {
        south: 40.0,
        west: -5.0,
        spacing: 1.0,
        rows: 11,
        columns: 12,
        scanning: 0,
    };
    let field = |category, number, base: f64| Made {
        grid: grid.section(),
        product: product(category, number, 0, (100, 70_000)),
        values: (0..132).map(|k| base + f64::from(k % 12)).collect(),
    };
    message(0, time, &[field(2, 2, 5.0), field(2, 3, -3.0), field(3, 5, 3000.0)])
}

/// A small radar message in every packing that can be made here, with names.
pub fn packings() -> Vec<(&'static str, Vec<u8>)> {
    let time = Utc.with_ymd_and_hms(2024, 7, 1, 12, 0, 0).unwrap();
    let simple = radar(&Array2::from_elem((SMALL.rows, SMALL.columns), 1.0), time, SMALL);
    let with = |representation: Vec<u8>, data: Vec<u8>| {
        let sections = [section(5, &representation), section(6, &[255]), section(7, &data)].concat();
        replaced(&simple, &sections)
    };
    // Section 5 from the number of values to the bits of a value.
    let head = |template: u8, width: u8| [&[0, 0, 0, 48, 0, template][..], &1.5f32.to_be_bytes(), &[0, 1, 0, 1, width, 0]].concat();
    // One group of 48 values of 8 bits; differences of first order, the first value 3, the least difference -2.
    let groups = [
        1u8, 0, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 1, 8, 0, 0, 0, 0, 0, 1, 0, 0, 0, 48, 0, 1, 1,
    ];
    let differences: Vec<u8> = [3, 0x82, 0].into_iter().chain((0..48).map(|k| k % 5)).collect();
    let mut picture = Vec::new();
    let mut encoder = png::Encoder::new(&mut picture, SMALL.columns as u32, SMALL.rows as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Sixteen);
    let pixels: Vec<u8> = (0..96).map(|k| if k % 2 == 0 { 0 } else { k }).collect();
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    // Levels 0 to 3 with runs of 10, 20 and 18 points.
    let levels = [0, 0, 0, 48, 0, 200, 8, 0, 3, 0, 3, 1, 0, 1, 0, 5, 0, 20];
    vec![
        ("constant.grib2", with(head(0, 0), Vec::new())),
        ("groups.grib2", grouped(&simple)),
        ("differences.grib2", with([head(3, 8), groups.to_vec()].concat(), differences)),
        ("picture.grib2", with(head(41, 16), picture)),
        ("runs.grib2", with(levels.to_vec(), vec![0, 13, 2, 23, 3, 21])),
    ]
}

/// A message with these sections 5 to 7.
fn replaced(bytes: &[u8], sections: &[u8]) -> Vec<u8> {
    let mut out = [&bytes[..section_at(bytes, 5)], sections, b"7777"].concat();
    let length = out.len() as u64;
    out[8..16].copy_from_slice(&length.to_be_bytes());
    out
}

/// A message with values packed in groups by the library's own encoder.
fn grouped(bytes: &[u8]) -> Vec<u8> {
    let values: Vec<f64> = (0..48).map(|k| f64::from(k % 13) * 1.5).collect();
    let method = EncodingMethod::ComplexPacking(
        SimplePackingStrategy::Decimal(1),
        ComplexPackingStrategy::LookAhead(4),
        SpatialDifferencingOption::None,
    );
    let encoder = GpvEncoder::new(Cow::Owned(values), method);
    let encoded = encoder.get_encoded();
    let mut sections = vec![0; encoded.section5_len() + encoded.section6_len() + encoded.section7_len()];
    let mut at = encoded.write_section5(&mut sections).unwrap();
    at += encoded.write_section6(&mut sections[at..]).unwrap();
    encoded.write_section7(&mut sections[at..]).unwrap();
    replaced(bytes, &sections)
}
