//! Where observed rain comes from and how it is brought to the grid of the forecast.

use serde::{Deserialize, Serialize};

use super::{Error, Limits};

/// Most frames that a forecast starts from.
const FRAMES_MAX: usize = 1000;

/// Where observed rain comes from and how it is brought to the grid of the forecast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IngestConfig {
    /// A file, a directory or a pattern such as `radar/*.grib2`; plain or gzipped.
    pub source: String,
    /// Newest frames that a forecast starts from, 1 to 1000.
    pub frames: usize,
    /// Blocks of this many cells along each side become one, their mean, at least 1. A block that is more than half missing is missing.
    pub block: usize,
    /// Rain above this is a spike (hail, clutter) and is set to it, mm h⁻¹, above 0 and up to 2000.
    pub rain_max_mm_h: f64,
    /// Time between frames, min, above 0; the most frequent one of the archive if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_min: Option<f64>,
    /// A newest frame is incomplete where the share of cells that it observed falls short of the median of up to three frames before it by
    /// more than this share of that median, 0 to 1.
    pub incomplete_share: f64,
    /// What is done about a newest frame that is late or incomplete.
    pub late: Late,
    /// The part of the grid that is kept; all of it if not given. Cropping comes before averaging over blocks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop: Option<Crop>,
    /// How large files may claim to be.
    pub limits: Limits,
}

/// What is done about a frame that is late, or incomplete because it is still being put together.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Late {
    /// Goes on at once with the newest complete frame, and says so.
    #[default]
    GoOn,
    /// Looks again every few seconds until the frame is there and complete, but no longer than this after its valid time, min, 0 to 120; then
    /// goes on with the newest complete frame, and says so. An archive of the past is never waited for.
    WaitMin(f64),
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
            block: 1,
            rain_max_mm_h: 200.0,
            step_min: None,
            incomplete_share: 0.1,
            late: Late::GoOn,
            crop: None,
            limits: Limits::default(),
        }
    }
}

impl IngestConfig {
    /// Checks every number against its bounds.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] for the first that is outside.
    pub fn check(&self) -> Result<(), Error> {
        let refuse = |key: &'static str, found: String, expected: &'static str| Err(Error::Config { key, found, expected });
        if !(1..=FRAMES_MAX).contains(&self.frames) {
            return refuse("frames", self.frames.to_string(), "at least 1 and at most 1000");
        }
        if self.block == 0 {
            return refuse("block", "0".into(), "at least 1");
        }
        if !(self.rain_max_mm_h > 0.0 && self.rain_max_mm_h <= 2000.0) {
            return refuse("rain_max_mm_h", self.rain_max_mm_h.to_string(), "above 0 and up to 2000");
        }
        if let Some(step) = self.step_min.filter(|s| !(*s >= 1.0 / 60.0 && *s <= 1e5)) {
            return refuse("step_min", step.to_string(), "at least a second and at most 100000");
        }
        if !(0.0..=1.0).contains(&self.incomplete_share) {
            return refuse("incomplete_share", self.incomplete_share.to_string(), "0 to 1");
        }
        match self.late {
            Late::WaitMin(minutes) if !(0.0..=120.0).contains(&minutes) => refuse("late.wait_min", minutes.to_string(), "0 to 120"),
            _ => self.limits.check(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_written_as_words_and_unknown_keys_are_refused() {
        let read = |text: &str| toml::from_str::<IngestConfig>(text);
        assert_eq!(read("late = 'go_on'").unwrap().late, Late::GoOn);
        let waiting = read("late = { wait_min = 5 }\ncrop = { rows = [0, 9], columns = [5, 9] }").unwrap();
        assert_eq!(waiting.late, Late::WaitMin(5.0));
        assert_eq!(read(&toml::to_string(&waiting).unwrap()).unwrap(), waiting);
        assert!(read("lateness = 3").unwrap_err().to_string().contains("lateness"));
    }

    #[test]
    fn a_number_outside_its_bounds_is_named_with_them() {
        for (text, words) in [
            ("frames = 0", "`frames` is 0, expected at least 1"),
            (
                "frames = 4000000000",
                "`frames` is 4000000000, expected at least 1 and at most 1000",
            ),
            ("block = 0", "`block` is 0"),
            (
                "limits = { points_million = 0 }",
                "`limits.points_million` is 0, expected 1 to 1024",
            ),
            ("rain_max_mm_h = nan", "`rain_max_mm_h` is NaN"),
            ("step_min = 0.0", "`step_min` is 0"),
            ("incomplete_share = 1.5", "`incomplete_share` is 1.5, expected 0 to 1"),
            ("late = { wait_min = 500 }", "`late.wait_min` is 500, expected 0 to 120"),
        ] {
            let message = toml::from_str::<IngestConfig>(text).unwrap().check().unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        }
        assert!(IngestConfig::default().check().is_ok());
    }
}
