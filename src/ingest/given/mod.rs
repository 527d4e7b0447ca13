//! Forecasts that other programs made: rain, members or probabilities of exceedance from NetCDF or NumPy files, on their own grid and times.

mod config;
mod netcdf;
mod npy;
mod place;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use ndarray::Array2;
use nowblend_field::{Grid, ReferenceTime, ValidTime};
use rayon::prelude::*;

pub use config::{GivenConfig, Holds, Rows};
pub use place::Place;

use super::{Error, Limits, bytes, index};
use crate::store::Input;

/// Most members or thresholds of a file.
const LAYERS_MAX: usize = 1000;
/// Most valid times of a file.
const TIMES_MAX: usize = 10_000;

/// A forecast that another program made; fields are read when they are asked for.
pub struct Given {
    /// When it was made: nothing that it says was known earlier.
    pub reference_time: ReferenceTime,
    /// The times for which it holds, ascending.
    pub valid_times: Vec<ValidTime>,
    /// Where its cells lie; `None` where the file does not say, and the grid of the forecast is meant.
    pub grid: Option<Grid>,
    /// Number of rows and columns.
    pub shape: (usize, usize),
    /// Members of its rain; 0 where it has none.
    pub members: usize,
    /// Thresholds of its probabilities, mm h⁻¹, ascending; none where it has no probabilities.
    pub thresholds_mm_h: Vec<f64>,
    /// Name, size and checksum of the file.
    pub input: Input,
    fields: Box<dyn Fields>,
}

/// Reads the fields of a file.
trait Fields: Send + Sync {
    /// Rain `[y, x]`, mm h⁻¹, row 0 in the south, of a member at the valid time of that number.
    fn rain(&self, time: usize, member: usize) -> Result<Array2<f32>, Error>;

    /// Probability `[y, x]` of a threshold.
    fn probability(&self, time: usize, threshold: usize) -> Result<Array2<f32>, Error>;
}

/// What a file says of itself before its fields are read.
struct Head {
    reference_time: ReferenceTime,
    valid_times: Vec<ValidTime>,
    grid: Option<Grid>,
    shape: (usize, usize),
    members: usize,
    thresholds_mm_h: Vec<f64>,
}

impl Given {
    /// Opens a file.
    ///
    /// # Errors
    ///
    /// [`Error::Read`], and [`Error::Content`] where rain, times or coordinates are missing or have no meaning.
    pub fn open(path: &Path, config: &GivenConfig) -> Result<Self, Error> {
        Self::look(path, config, true)
    }

    /// Opens a file; its checksum stays empty unless it is asked for.
    fn look(path: &Path, config: &GivenConfig, checksum: bool) -> Result<Self, Error> {
        let read = bytes::read(path, checksum, Limits::default())?;
        let (head, fields): (Head, Box<dyn Fields>) = if npy::is_npy(&read.content) {
            let (head, file) = npy::open(path, &read.content, config)?;
            (head, Box::new(file))
        } else {
            let (head, file) = netcdf::open(path, read.content, config)?;
            (head, Box::new(file))
        };
        let content = |field: &str, found: String, expected: &str| Error::Content {
            path: path.to_owned(),
            field: field.to_owned(),
            found,
            expected: expected.to_owned(),
        };
        if head.valid_times.is_empty() || head.valid_times.windows(2).any(|pair| pair[0] >= pair[1]) {
            let found = format!("{} times", head.valid_times.len());
            return Err(content("valid times", found, "at least one, each later than the one before"));
        }
        let rising = head.thresholds_mm_h.windows(2).all(|pair| pair[0] < pair[1]);
        if !rising || head.thresholds_mm_h.iter().any(|t| !(t.is_finite() && *t > 0.0)) {
            let found = format!("{:?}", head.thresholds_mm_h);
            return Err(content("thresholds", found, "positive and ascending, mm/h"));
        }
        for (what, count, most) in [
            ("members", head.members, LAYERS_MAX),
            ("thresholds", head.thresholds_mm_h.len(), LAYERS_MAX),
            ("valid times", head.valid_times.len(), TIMES_MAX),
        ] {
            if count > most {
                return Err(content(what, count.to_string(), &format!("at most {most}")));
            }
        }
        Ok(Self {
            reference_time: head.reference_time,
            valid_times: head.valid_times,
            grid: head.grid,
            shape: head.shape,
            members: head.members,
            thresholds_mm_h: head.thresholds_mm_h,
            input: read.input,
            fields,
        })
    }

    /// The newest forecast of `config.source` that was made at or before `time`.
    ///
    /// # Errors
    ///
    /// [`Error::NoFiles`]; [`Error::NoForecast`] where none is that old or none can be read.
    pub fn newest(config: &GivenConfig, time: ReferenceTime) -> Result<Self, Error> {
        let files = index::files(&config.source)?;
        if let [only] = files.as_slice() {
            let given = Self::open(only, config)?;
            if given.reference_time <= time {
                return Ok(given);
            }
        }
        // One at a time in memory: a folder may hold a year of forecasts.
        let made: Vec<(PathBuf, Result<ReferenceTime, Error>)> = files
            .into_par_iter()
            .map(|path| {
                let time = Self::look(&path, config, false).map(|given| given.reference_time);
                (path, time)
            })
            .collect();
        let newest = made
            .iter()
            .filter_map(|(path, made)| made.as_ref().ok().filter(|t| **t <= time).map(|t| (t, path)))
            .max_by_key(|(t, path)| (**t, (*path).clone()));
        if let Some((_, path)) = newest {
            return Self::open(path, config);
        }
        let reason = made.first().map(|(_, made)| match made {
            Ok(t) => format!("the first is of {}", t.format("%Y-%m-%d %H:%M:%S UTC")),
            Err(e) => e.without_folders(),
        });
        Err(Error::NoForecast {
            source_words: config.source.clone(),
            reference_time: time,
            files: made.len(),
            reason: reason.unwrap_or_default(),
        })
    }

    /// Rain `[y, x]`, mm h⁻¹, row 0 in the south, of a member at the valid time of that number; negative and infinite values are missing.
    ///
    /// # Errors
    ///
    /// Where it cannot be decoded.
    pub fn rain(&self, time: usize, member: usize) -> Result<Array2<f32>, Error> {
        let rain = self.fields.rain(time, member)?;
        Ok(rain.mapv_into(|r| if r.is_finite() && r >= 0.0 { r } else { f32::NAN }))
    }

    /// Probability `[y, x]` that rain is at or above the threshold of that number; values outside 0 to 1 are missing.
    ///
    /// # Errors
    ///
    /// Where it cannot be decoded.
    pub fn probability(&self, time: usize, threshold: usize) -> Result<Array2<f32>, Error> {
        let probability = self.fields.probability(time, threshold)?;
        // Packing may leave a hair more than 1.
        Ok(probability.mapv_into(|p| {
            if (-1e-3..=1.001).contains(&p) {
                p.clamp(0.0, 1.0)
            } else {
                f32::NAN
            }
        }))
    }
}
