//! Every field of GRIB2 files, whatever it is: told what it is, where and when it holds, and what its values are, decoded for real.

use std::path::Path;

use serde::Serialize;

use super::{
    Error, Limits, bytes,
    grib2::{self, Field, Place},
    index,
};

/// One field in words and numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldLine {
    /// Name of its file.
    pub file: String,
    /// Number of its message, from 1.
    pub message: usize,
    /// Where its section 5 lies, bytes from the start of the file.
    pub byte: usize,
    /// Discipline, code table 0.0.
    pub discipline: u8,
    /// Category, code table 4.1.
    pub category: u8,
    /// Number, code table 4.2.
    pub number: u8,
    /// Originating centre.
    pub centre: u16,
    /// Type of the level, code table 4.5.
    pub level_type: u8,
    /// Its value, in the unit of its type.
    pub level: Option<f64>,
    /// From when the field is.
    pub reference_time: String,
    /// When it holds; for an interval its end.
    pub valid_time: String,
    /// Statistic over an interval, code table 4.10.
    pub statistic: Option<u8>,
    /// Length of the interval, s.
    pub interval_s: Option<i64>,
    /// The grid in words.
    pub grid: String,
    /// Longitude and latitude of the point that comes first, degrees.
    pub first: Option<[f64; 2]>,
    /// And of the last one.
    pub last: Option<[f64; 2]>,
    /// Template of the packing, code table 5.0.
    pub packing: u16,
    /// Points.
    pub count: usize,
    /// Points without a value.
    pub missing: usize,
    /// Least value, as the file has it; none where all are missing.
    pub min: Option<f32>,
    /// Largest value.
    pub max: Option<f32>,
    /// Mean.
    pub mean: Option<f64>,
}

/// Hands every field of the GRIB2 files of a source to `take`, one after the other, and returns what could not be read.
///
/// # Errors
///
/// [`Error::NoFiles`]; [`Error::NoFields`] where no field of any file can be read; what `take` says.
pub fn fields<E: From<Error>>(source: &str, limits: Limits, mut take: impl FnMut(&FieldLine) -> Result<(), E>) -> Result<Vec<Error>, E> {
    let (mut refused, mut read) = (Vec::new(), 0usize);
    let files = index::files(source)?;
    for path in &files {
        let content = match bytes::read(path, false, limits) {
            Ok(bytes) => bytes.content,
            Err(error) => {
                refused.push(error);
                continue;
            }
        };
        let contents = grib2::look_within(&content, limits);
        refused.extend(contents.refused.into_iter().map(|r| Error::refused(path, r)));
        for field in &contents.fields {
            match line(path, field) {
                Ok(line) => {
                    take(&line)?;
                    read += 1;
                }
                Err(error) => refused.push(error),
            }
        }
    }
    if read == 0 {
        return Err(Error::NoFields {
            source_words: source.to_owned(),
            files: files.len(),
            reason: refused.first().map_or_else(|| "there is none".into(), ToString::to_string),
        }
        .into());
    }
    Ok(refused)
}

fn line(path: &Path, field: &Field<'_>) -> Result<FieldLine, Error> {
    let values = field.values().map_err(|r| Error::refused(path, r))?;
    let header = &field.header;
    let layout = &header.layout;
    let (mut count, mut sum, mut least, mut most) = (0usize, 0.0f64, f32::INFINITY, f32::NEG_INFINITY);
    for value in values.iter().filter(|v| !v.is_nan()) {
        (count, sum, least, most) = (count + 1, sum + f64::from(*value), least.min(*value), most.max(*value));
    }
    let place = |index: usize| layout.lon_lat(index).ok().map(|(lon, lat)| [lon, lat]);
    let (rows, columns) = (layout.rows, layout.columns);
    Ok(FieldLine {
        file: path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned()),
        message: header.message,
        byte: header.byte,
        discipline: header.parameter.0,
        category: header.parameter.1,
        number: header.parameter.2,
        centre: header.centre,
        level_type: header.level.0,
        level: header.level.1,
        reference_time: header.reference_time.to_rfc3339(),
        valid_time: header.valid_time.to_rfc3339(),
        statistic: header.interval.map(|i| i.statistic),
        interval_s: header.interval.map(|i| i.seconds),
        grid: match &layout.place {
            Place::Even(grid) => grid.to_string(),
            Place::Gaussian { .. } => format!("{rows} x {columns} on Gaussian latitudes"),
            Place::Rotated { south_pole, .. } => {
                format!("{rows} x {columns} on a globe whose south pole is at latitude and longitude {south_pole:?}")
            }
        },
        first: place(0),
        last: place(header.points - 1),
        packing: field.packing(),
        count: header.points,
        missing: header.points - count,
        min: (count > 0).then_some(least),
        max: (count > 0).then_some(most),
        mean: (count > 0).then(|| sum / count as f64),
    })
}
