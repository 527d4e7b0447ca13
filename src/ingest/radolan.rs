//! RADOLAN and RADKLIM composites of the Deutscher Wetterdienst: a line of text, then two octets (or one) for each cell, from the south-west on.
//!
//! # Source
//!
//! Deutscher Wetterdienst, 2022: RADOLAN/RADVOR, hoch aufgelöste Niederschlagsanalyse und -vorhersage auf der Basis quantitativer Radar- und
//! Ombrometerdaten. Beschreibung des Kompositformats: header, cells of 16 and of 8 bits, grids.

use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use ndarray::Array2;
use nowblend_field::{
    ValidTime,
    units::{self, ZR},
};

use super::{
    Error,
    picture::{Frames, Head, Place, projection},
    scale::{Law, Scale, WEAKEST_DBZ},
};

/// The sphere of RADOLAN, radius 6370.04 km.
const SPHERE: &str = "+proj=stere +lat_0=90 +lat_ts=60 +lon_0=10 +a=6370040 +b=6370040 +units=m +no_defs";
/// Where all grids on the sphere have a corner of cells, 9 E 51 N on that map, m.
const ANCHOR_M: (f64, f64) = (-73_462.166_921_9, -4_208_644.724_265_6);
/// The map of DE1200 since version 5 of the composites: WGS 84, the north-western cell around the origin.
const WGS84: &str = "+proj=stere +lat_0=90 +lat_ts=60 +lon_0=10 +a=6378137 +b=6356752.3142451802 +x_0=543196.83521776402 +y_0=3622588.8619310018 \
                     +units=m +no_defs";
/// Rows, columns, and how many of them lie south and west of the anchor.
const GRIDS: [[usize; 4]; 4] = [
    [900, 900, 450, 450],
    [1100, 900, 550, 370],
    [1200, 1100, 600, 470],
    [1500, 1400, 800, 600],
];
/// Most octets of the text at the head.
const HEADER_MAX: usize = 2048;
/// Flags of a cell of 16 bits: not observed; negative. Bit 13 marks values interpolated from neighbours and bit 16 those suspected of clutter: both
/// keep their value, as the data sets made of these files do.
const MISSING: u16 = 0x2000;
const NEGATIVE: u16 = 0x4000;
const VALUE: u16 = 0x0fff;
/// Codes of a cell of 8 bits: clutter, and not observed. Neither tells of rain.
const CLUTTER_8: f64 = 249.0;
const MISSING_8: f64 = 250.0;

/// Whether a file begins as a composite does: product, day, hour, minute, 10000, month, year, size.
pub(super) fn is_radolan(content: &[u8]) -> bool {
    let digits = |from: usize, to: usize| content.get(from..to).is_some_and(|d| d.iter().all(u8::is_ascii_digit));
    content.get(..2).is_some_and(|p| p.iter().all(u8::is_ascii_uppercase)) && digits(2, 17) && content.get(17..19) == Some(b"BY")
}

/// An open composite.
pub(super) struct File {
    head: Head,
    cells: Vec<u8>,
    octets: usize,
    scale: Scale,
}

impl File {
    /// Reads the head.
    pub fn open(path: &Path, content: Vec<u8>) -> Result<Self, Error> {
        let refuse = |field: &str, found: String, expected: &str| Error::content(path, field, found, expected);
        let end = content.iter().take(HEADER_MAX).position(|b| *b == 3);
        let end = end.ok_or_else(|| {
            refuse(
                "header",
                format!("no end in {} bytes", content.len().min(HEADER_MAX)),
                "text that ends in ETX",
            )
        })?;
        let text: String = content[..end].iter().map(|b| char::from(*b)).collect();
        let header = Header::read(path, &text)?;
        let counted = header.rows * header.columns;
        let found = content.len() - end - 1;
        let octets = match found {
            n if n == 2 * counted => 2,
            n if n == counted => 1,
            _ => {
                let expected = format!("{counted} or {} for {} x {}", 2 * counted, header.rows, header.columns);
                return Err(refuse("cells", format!("{found} bytes"), &expected));
            }
        };
        let scale = match (octets, header.product.as_str()) {
            (1, "RX" | "WX" | "EX") => Scale {
                gain: 0.5,
                offset: -32.5,
                missing: vec![CLUTTER_8, MISSING_8],
                dry: vec![0.0],
                law: Law::Decibel {
                    zr: ZR::default(),
                    factor: 1.0,
                    weakest_dbz: WEAKEST_DBZ,
                },
            },
            (2, _) => Scale {
                gain: header.precision,
                offset: 0.0,
                missing: vec![],
                dry: vec![],
                law: Law::Linear(units::rate_of_accumulation(1.0, header.interval_s)),
            },
            (_, product) => return Err(refuse("product", product.to_owned(), "an amount in 16 bits, or RX, WX or EX in 8")),
        };
        Ok(Self {
            head: Head {
                time: header.time,
                grid: header.place(path)?.grid(path, [header.rows, header.columns])?,
            },
            cells: content[end + 1..].to_vec(),
            octets,
            scale,
        })
    }
}

impl Frames for File {
    fn heads(&self) -> Vec<Head> {
        vec![self.head.clone()]
    }

    fn rain(&self, _: usize) -> Result<Array2<f32>, Error> {
        let number = |cell: &[u8]| match cell {
            [low, high] => {
                let bits = u16::from_le_bytes([*low, *high]);
                match (bits & MISSING != 0, f64::from(bits & VALUE)) {
                    (true, _) => f64::NAN,
                    (false, value) if bits & NEGATIVE != 0 => -value,
                    (false, value) => value,
                }
            }
            _ => f64::from(cell[0]),
        };
        let rain: Vec<f32> = self.cells.chunks_exact(self.octets).map(|c| self.scale.mm_h(number(c))).collect();
        Ok(Array2::from_shape_vec(self.head.grid.shape(), rain).expect("cells were counted when the head was read"))
    }
}

/// What the text at the head says.
struct Header {
    path: PathBuf,
    product: String,
    time: ValidTime,
    /// 5 and above: on WGS 84.
    version: u32,
    /// Amount of one step, mm.
    precision: f64,
    interval_s: f64,
    rows: usize,
    columns: usize,
}

impl Header {
    fn read(path: &Path, text: &str) -> Result<Self, Error> {
        let refuse = |field: &str, found: &str, expected: &str| Error::content(path, format!("header: {field}"), found, expected);
        let number = |from: usize, to: usize| text.get(from..to).and_then(|t| t.parse::<u32>().ok());
        // Two digits of the year: composites exist since 2001.
        let time = (|| {
            let date = NaiveDate::from_ymd_opt(2000 + number(15, 17)? as i32, number(13, 15)?, number(2, 4)?)?;
            Some(date.and_hms_opt(number(4, 6)?, number(6, 8)?, 0)?.and_utc())
        })();
        let time = time.ok_or_else(|| refuse("time", text.get(2..17).unwrap_or(""), "DDhhmm10000MMYY"))?;
        let after = |mark: &str| text.get(17..).and_then(|t| t.split_once(mark)).map(|(_, rest)| rest);
        let digits = |rest: &str| -> String { rest.trim_start().chars().take_while(char::is_ascii_digit).collect() };
        let cells = after("GP").unwrap_or("").get(..9).unwrap_or("");
        let shape = cells
            .split_once('x')
            .and_then(|(r, c)| Some((r.trim().parse().ok()?, c.trim().parse().ok()?)));
        let (rows, columns): (usize, usize) = shape.ok_or_else(|| refuse("GP", cells, "rows x columns"))?;
        let ahead = after("VV").map(&digits).unwrap_or_default();
        if ahead.parse::<u32>().is_ok_and(|minutes| minutes > 0) {
            return Err(refuse("VV", &ahead, "000, an observation, not a forecast"));
        }
        let exponent = after("PR").unwrap_or("").trim_start().get(..4).unwrap_or("");
        let precision = exponent
            .strip_prefix('E')
            .and_then(|e| e.parse::<i32>().ok())
            .filter(|e| (-4..=2).contains(e));
        let precision = precision.ok_or_else(|| refuse("PR", exponent, "E-04 to E+02"))?;
        let interval = after("INT").unwrap_or("");
        let count = digits(interval);
        // Counted in minutes, or where the unit says so in days.
        let days = interval
            .trim_start()
            .strip_prefix(&count)
            .is_some_and(|rest| rest.starts_with("U1"));
        let interval_s = count.parse().ok().map(|n: f64| n * if days { 86_400.0 } else { 60.0 });
        let interval_s = interval_s.filter(|s| *s > 0.0 && *s <= 366.0 * 86_400.0);
        let interval_s = interval_s.ok_or_else(|| refuse("INT", &count, "minutes, at least 1"))?;
        Ok(Self {
            path: path.to_owned(),
            product: text.get(..2).unwrap_or("").to_owned(),
            time,
            version: after("VS").map(digits).and_then(|v| v.parse().ok()).unwrap_or(0),
            precision: 10f64.powi(precision),
            interval_s,
            rows,
            columns,
        })
    }

    fn place(&self, path: &Path) -> Result<Place, Error> {
        let (rows, columns) = (self.rows as f64, self.columns as f64);
        let known = GRIDS.iter().find(|g| g[0] == self.rows && g[1] == self.columns);
        let [south_m, west_m] = match known {
            Some([1200, 1100, ..]) if self.version >= 5 => [-1_199_500.0, -500.0],
            Some([_, _, south, west]) if self.version < 5 => [ANCHOR_M.1 - 1000.0 * *south as f64, ANCHOR_M.0 - 1000.0 * *west as f64],
            _ => {
                return Err(Error::content(
                    &self.path,
                    "header: GP, VS",
                    format!("{} x {} of version {}", self.rows, self.columns, self.version),
                    "900 x 900, 1100 x 900, 1200 x 1100 or 1500 x 1400 before version 5, 1200 x 1100 since",
                ));
            }
        };
        Ok(Place {
            projection: projection(path, if self.version >= 5 { WGS84 } else { SPHERE })?,
            west: west_m,
            east: west_m + 1000.0 * columns,
            south: south_m,
            north: south_m + 1000.0 * rows,
        })
    }
}
