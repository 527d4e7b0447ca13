//! States of the air for a forecast, from a model's GRIB2 files: those around the reference time, on the grid of the radar.

use nowblend_field::{Grid, Notice, ReferenceTime, State};
use serde::{Deserialize, Serialize};

use super::{Error, Limits, grib2, index, regrid};
use crate::store::Input;

/// Where the state of the air comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AirConfig {
    /// A GRIB2 file, a directory or a pattern; empty for none, then the core starts from the radar alone.
    pub source: String,
    /// Pressure level, hPa, 1 to 1100.
    pub level_hpa: f64,
    /// States farther than this from the reference time are not used, h, at least 0.
    pub within_h: f64,
}

impl Default for AirConfig {
    fn default() -> Self {
        Self {
            source: String::new(),
            level_hpa: 700.0,
            within_h: 12.0,
        }
    }
}

/// States on the grid of the radar, oldest first, and where they come from.
#[derive(Debug, Default)]
pub struct Air {
    /// The states.
    pub states: Vec<State>,
    /// Fields and times that were left out.
    pub notices: Vec<Notice>,
    /// The files read.
    pub inputs: Vec<Input>,
}

impl Air {
    /// Reads the states around `reference_time` and brings them to `grid`.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] for a number outside its bounds, [`Error::Content`] where no state lies near enough in time, and those of reading:
    /// a state that was asked for and cannot be had is never passed over.
    pub fn read(config: &AirConfig, limits: Limits, grid: &Grid, reference_time: ReferenceTime) -> Result<Self, Error> {
        let mut air = Self::default();
        if config.source.is_empty() {
            return Ok(air);
        }
        let refuse = |key, found: f64, expected| {
            Err(Error::Config {
                key,
                found: found.to_string(),
                expected,
            })
        };
        if !(1.0..=1100.0).contains(&config.level_hpa) {
            return refuse("air.level_hpa", config.level_hpa, "1 to 1100");
        }
        if !(config.within_h >= 0.0 && config.within_h.is_finite()) {
            return refuse("air.within_h", config.within_h, "at least 0");
        }
        let mut times = Vec::new();
        for path in index::files(&config.source)? {
            let read = grib2::states_within(&path, config.level_hpa, limits)?;
            air.notices.extend(read.notices);
            air.inputs.push(read.input);
            for state in read.states {
                times.push(state.valid_time);
                let off_s = (state.valid_time - reference_time).num_seconds().abs() as f64;
                if off_s <= config.within_h * 3600.0 {
                    air.states.push(regrid(&state, grid)?);
                }
            }
        }
        if air.states.is_empty() {
            let found: Vec<String> = times.iter().map(|t| t.format("%Y-%m-%d %H:%M").to_string()).collect();
            return Err(Error::Content {
                path: config.source.clone().into(),
                field: "valid time of the state of the air".into(),
                found: found.join(", "),
                expected: format!("within {} h of {}", config.within_h, reference_time.format("%Y-%m-%d %H:%M UTC")),
            });
        }
        air.states.sort_by_key(|s| s.valid_time);
        Ok(air)
    }
}
