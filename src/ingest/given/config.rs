//! Where a forecast of another program lies, and what its file does not say itself.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ingest::Error;

/// Keys of a forecast of another program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GivenConfig {
    /// Its name among the components.
    pub name: String,
    /// A file, a directory or a pattern such as `theirs/*.nc`: of several the newest that was made at or before the reference time.
    pub source: String,
    /// The variable of a NetCDF file that holds rain or probabilities; found by its standard name if empty.
    pub variable: String,
    /// When it was made, where the file does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference_time: Option<DateTime<Utc>>,
    /// What a NumPy file `[lead, y, x]` or `[member or threshold, lead, y, x]` holds.
    pub holds: Holds,
    /// Lead times of a NumPy file, min.
    pub lead_min: Vec<f64>,
    /// Thresholds of probabilities in a NumPy file, mm h⁻¹.
    pub thresholds_mm_h: Vec<f64>,
    /// Where the first row of a NumPy file lies.
    pub rows: Rows,
}

/// What numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holds {
    /// Rain, mm h⁻¹.
    #[default]
    Rain,
    /// Probabilities that rain is at or above thresholds.
    Probability,
}

/// Where the first row lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rows {
    /// In the south.
    #[default]
    FromSouth,
    /// In the north.
    FromNorth,
}

impl Default for GivenConfig {
    fn default() -> Self {
        Self {
            name: "file".to_owned(),
            source: String::new(),
            variable: String::new(),
            reference_time: None,
            holds: Holds::Rain,
            lead_min: Vec::new(),
            thresholds_mm_h: Vec::new(),
            rows: Rows::FromSouth,
        }
    }
}

impl GivenConfig {
    /// Checks what can be checked without the file.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] for the first key that makes no sense.
    pub fn check(&self) -> Result<(), Error> {
        let refuse = |key, found: String, expected| Err(Error::Config { key, found, expected });
        if self.source.is_empty() {
            return refuse("source", "empty".into(), "a file, a directory or a pattern");
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if self.name.is_empty() || !self.name.chars().all(plain) {
            return refuse("name", format!("`{}`", self.name), "letters, digits and underscores");
        }
        if self.lead_min.iter().any(|l| !(0.0..=1e5).contains(l)) || self.lead_min.windows(2).any(|pair| pair[0] >= pair[1]) {
            return refuse("lead_min", format!("{:?}", self.lead_min), "0 to 100000 and ascending");
        }
        Ok(())
    }
}
