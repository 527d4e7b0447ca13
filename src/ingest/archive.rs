//! Which file holds which valid time: a file, a directory or a pattern becomes evenly timed frames, read when they are asked for.

use std::path::PathBuf;

use ndarray::Array2;
use nowblend_field::{Grid, LeadTime, Notice, ReferenceTime, Sequence, ValidTime};
use serde::{Deserialize, Serialize};

use super::{Error, netcdf};
use crate::store::Input;

/// Where observed rain comes from and how it is brought to the grid of the forecast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IngestConfig {
    /// A file, a directory or a pattern such as `radar/*.grib2`.
    pub source: String,
    /// Newest frames that a forecast starts from, at least 1.
    pub frames: usize,
    /// The part of the grid that is kept; all of it if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop: Option<Crop>,
    /// Blocks of this many cells along each side become one, their mean.
    pub block: usize,
    /// Rain above this is a spike (hail, clutter) and is set to it, mm h⁻¹.
    pub rain_max_mm_h: f64,
}

/// A part of a grid: rows from the south, columns from the west, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crop {
    /// First and last row, from the south.
    pub rows: [usize; 2],
    /// First and last column, from the west.
    pub columns: [usize; 2],
}

impl Default for IngestConfig {
    fn default() -> Self {
        Self {
            source: String::new(),
            frames: 4,
            crop: None,
            block: 1,
            rain_max_mm_h: 200.0,
        }
    }
}

/// Radar files in order of time.
#[derive(Debug)]
pub struct Archive {
    sequence: Sequence,
}

/// What was observed up to a reference time, what was wrong with it, and the files that it came from.
#[derive(Debug)]
pub struct Observed {
    /// Evenly timed frames; one that is missing is all NaN.
    pub sequence: Sequence,
    /// Gaps, limited spikes, files left out.
    pub notices: Vec<Notice>,
    /// The files read.
    pub inputs: Vec<Input>,
}

impl Archive {
    /// Finds the frames of a source without reading their rain.
    ///
    /// # Errors
    ///
    /// [`Error::NoFiles`] where nothing matches; those of a file whose head cannot be read, if no other file can.
    pub fn open(config: &IngestConfig) -> Result<Self, Error> {
        let (sequence, _) = netcdf::read(&PathBuf::from(&config.source))?;
        Ok(Self { sequence })
    }

    /// The grid of the frames, after cropping and averaging.
    pub fn grid(&self) -> &Grid {
        self.sequence.grid()
    }

    /// Valid times of the frames there are, ascending.
    pub fn times(&self) -> &[ValidTime] {
        self.sequence.times()
    }

    /// Time between frames: the smallest that occurs more than any other; `None` for a single frame.
    pub fn step(&self) -> Option<LeadTime> {
        self.sequence.step()
    }

    /// The newest frames up to a reference time; nothing after it is read.
    ///
    /// # Errors
    ///
    /// Where no frame is that old, or none of those asked for can be read.
    pub fn observed(&self, reference_time: ReferenceTime, frames: usize) -> Result<Observed, Error> {
        let sequence = self.sequence.until(reference_time).map_err(|source| Error::Field {
            path: PathBuf::new(),
            source,
        })?;
        Ok(Observed {
            sequence: sequence.newest(frames),
            notices: Vec::new(),
            inputs: Vec::new(),
        })
    }

    /// One frame `[y, x]`, mm h⁻¹, as the truth that a forecast is judged by; `None` where there is none of that time.
    ///
    /// # Errors
    ///
    /// Where the frame is there but cannot be read.
    pub fn frame(&self, valid_time: ValidTime) -> Result<Option<Array2<f32>>, Error> {
        let index = self.sequence.times().iter().position(|t| *t == valid_time);
        Ok(index.map(|k| self.sequence.frame(k).to_owned()))
    }
}
