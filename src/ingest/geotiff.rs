//! GeoTIFF pictures: place from the GeoKeys, other words from the metadata that GDAL writes, one band.
//!
//! # Source
//!
//! Open Geospatial Consortium, 2019: OGC GeoTIFF Standard 1.1 (19-008r4); GDAL 3, GeoTIFF driver, for the tags 42112 (metadata) and 42113 (missing
//! value).

mod crs;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use geotiff_reader::{GeoTiffFile, GeoTiffOpenOptions};
use ndarray::{Array2, Ix2};

use super::{
    Error, Limits,
    picture::{Picture, Place, Value, expected_size, plausible, projection},
    scale::Scale,
};

/// Tags: metadata of GDAL as XML; time and description of plain TIFF.
const METADATA: u16 = 42_112;
const NAMED: [(&str, u16); 2] = [("ImageDescription", 270), ("DateTime", 306)];

/// An open picture: its head is read.
pub(super) struct GeoTiff {
    path: PathBuf,
    file: GeoTiffFile,
    rows: usize,
    columns: usize,
}

impl GeoTiff {
    /// Reads the head.
    pub fn open(path: &Path, content: Vec<u8>, limits: Limits) -> Result<Self, Error> {
        let options = GeoTiffOpenOptions {
            decode_output_bytes: limits.decoded_bytes(),
            block_cache_bytes: 0,
            ..GeoTiffOpenOptions::default()
        };
        let bytes = content.len();
        let file = guarded(path, || GeoTiffFile::from_bytes_with_options(content, options))?;
        let (rows, columns) = (file.height() as usize, file.width() as usize);
        if !plausible([rows, columns], bytes, limits) {
            return Err(Error::content(
                path,
                "size",
                format!("{columns} x {rows}"),
                expected_size(bytes, limits),
            ));
        }
        if file.band_count() != 1 {
            return Err(Error::content(path, "bands", file.band_count().to_string(), "1, of rain"));
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            rows,
            columns,
        })
    }

    fn tag(&self, code: u16) -> Option<String> {
        let directory = self.file.tiff().ifd(self.file.base_ifd_index()).ok()?;
        directory.tag(code)?.value.as_str().map(str::to_owned)
    }
}

impl Picture for GeoTiff {
    fn value(&self, name: &str) -> Option<Value> {
        if let Some((_, code)) = NAMED.iter().find(|(n, _)| *n == name) {
            return self.tag(*code).map(|t| Value::Text(t.trim_end_matches('\0').to_owned()));
        }
        item(&plain(self.tag(METADATA)?), name).map(|text| Value::Text(text.to_owned()))
    }

    fn shape(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    fn place(&self, given: Option<&str>) -> Result<Option<Place>, Error> {
        let Some(transform) = self.file.transform() else {
            return Ok(None);
        };
        let definition = match given {
            Some(given) => given.to_owned(),
            None => crs::definition(self.file.geokeys()).map_err(|(field, found)| {
                let expected = "a coordinate system known here, or `projection` under [ingest.provider]";
                Error::content(&self.path, field, found, expected)
            })?,
        };
        let (rows, columns) = (self.rows as f64, self.columns as f64);
        let ((west, north), (east, south)) = (transform.pixel_to_geo(0.0, 0.0), transform.pixel_to_geo(columns, rows));
        let straight = transform.pixel_to_geo(columns, 0.0).1 == north && transform.pixel_to_geo(0.0, rows).0 == west;
        if !(straight && west < east && south < north) {
            return Err(Error::content(
                &self.path,
                "transformation",
                format!("corners ({west}, {north}) and ({east}, {south})"),
                "rows from the north and columns from the west, not turned",
            ));
        }
        Ok(Some(Place {
            projection: projection(&self.path, &definition)?,
            west,
            east,
            south,
            north,
        }))
    }

    fn no_data(&self) -> Option<f64> {
        self.file.nodata()?.trim().trim_end_matches('\0').parse().ok()
    }

    fn rain(&self, scale: &Scale) -> Result<Array2<f32>, Error> {
        let refuse = |found: String| Error::content(&self.path, "samples", found, "whole numbers to 32 bits or floating ones");
        let directory = self
            .file
            .tiff()
            .ifd(self.file.base_ifd_index())
            .map_err(|e| refuse(e.to_string()))?;
        let bits = directory.bits_per_sample().map_err(|e| refuse(e.to_string()))?;
        let format = directory.sample_format().map_err(|e| refuse(e.to_string()))?;
        macro_rules! read {
            ($number:ty) => {
                guarded(&self.path, || self.file.read_band::<$number>(0))?.mapv(|v| scale.mm_h(v as f64))
            };
        }
        let read = match (bits.first(), format.first().copied().unwrap_or(1)) {
            (Some(1..=8), 1) => read!(u8),
            (Some(9..=16), 1) => read!(u16),
            (Some(32), 1) => read!(u32),
            (Some(8), 2) => read!(i8),
            (Some(16), 2) => read!(i16),
            (Some(32), 2) => read!(i32),
            (Some(32), 3) => read!(f32),
            (Some(64), 3) => read!(f64),
            other => return Err(refuse(format!("{other:?} (bits, format)"))),
        };
        let found = read.shape().to_vec();
        let read = read
            .into_dimensionality::<Ix2>()
            .ok()
            .filter(|a| a.dim() == (self.rows, self.columns));
        read.ok_or_else(|| refuse(format!("shape {found:?}")))
    }
}

/// The content of `<Item name="NAME" ...>content</Item>`.
fn item<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let start = xml.find(&format!("<Item name=\"{name}\""))?;
    let (_, content) = xml[start..].split_once('>')?;
    content.split_once('<').map(|(content, _)| content.trim())
}

/// XML without its entities; metadata that were copied from file to file are wrapped several times.
fn plain(mut xml: String) -> String {
    for _ in 0..4 {
        if !xml.contains('&') {
            break;
        }
        for (entity, letter) in [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&")] {
            xml = xml.replace(entity, letter);
        }
    }
    xml
}

/// What the decoder says, and its panic as an error.
fn guarded<T>(path: &Path, decode: impl FnOnce() -> geotiff_reader::Result<T>) -> Result<T, Error> {
    let told = |reason: String| Error::Read {
        path: path.to_owned(),
        reason,
    };
    catch_unwind(AssertUnwindSafe(decode))
        .map_err(|_| told("the decoder gave up".into()))?
        .map_err(|e| told(e.to_string()))
}
