//! Hours of invented weather as an event like those of radars: to train on, to try a forecaster on, to know the truth.

use std::path::Path;

use chrono::{TimeZone, Utc};
use nowblend_field::{Grid, LeadTime, Seed};
use nowblend_physics::nature_run::{NatureConfig, NatureRun};
use serde::Serialize;

use super::{Error, number};
use crate::{
    progress::Progress,
    store::{EventHeader, EventWriter, Provenance},
};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Weather {
    /// What the weather is made of.
    #[serde(flatten)]
    pub nature: NatureConfig,
    /// Time before the first frame, h: showers need an hour to become what they are.
    pub before_h: f64,
    /// Time from the first frame to the last, h.
    pub hours: f64,
    /// Time between frames, min.
    pub every_min: u32,
}

/// Invents weather and writes it to `path`, a NetCDF file or, where the name ends in `.zarr`, a folder; returns the number of frames. Each frame is
/// simulated and written before the next.
///
/// # Errors
///
/// [`Error::Number`] for hours or minutes out of bounds, [`Error::Core`], [`Error::Store`]; then nothing is left under that name.
pub fn weather(weather: &Weather, seed: Seed, path: &Path) -> Result<usize, Error> {
    if !(0.0..=48.0).contains(&weather.before_h) {
        return Err(number("--before-h", weather.before_h.to_string(), "0 to 48"));
    }
    if !(weather.hours > 0.0 && weather.hours <= 240.0) {
        return Err(number("--hours", weather.hours.to_string(), "more than 0 and at most 240"));
    }
    if !(1..=60).contains(&weather.every_min) {
        return Err(number("--every-min", weather.every_min.to_string(), "1 to 60"));
    }
    let mut run = NatureRun::new(weather.nature, seed)?;
    let cells = weather.nature.cells;
    let frames = (60.0 * weather.hours / f64::from(weather.every_min)) as usize + 1;
    let header = EventHeader {
        what: "simulated rain of a nature run".into(),
        institution: "nowblend, simulated".into(),
        grid: Grid::plane(cells, cells, 1000.0 * weather.nature.cell_km),
    };
    let mut writer = EventWriter::create(path, header, frames)?;
    let start = Utc.with_ymd_and_hms(2000, 7, 1, 12, 0, 0).single().expect("a time that exists");
    let every = LeadTime::from_minutes(weather.every_min);
    let progress = Progress::new("frames", frames as u64);
    if weather.before_h > 0.0 {
        run.advance(3600.0 * weather.before_h)?;
    }
    let mut valid_time = start;
    for frame in 0..frames {
        if frame > 0 {
            run.advance(f64::from(every.seconds()))?;
            valid_time = valid_time + every;
        }
        writer.push(valid_time, run.rain().view())?;
        progress.inc(1);
    }
    progress.finish();
    let resolved = toml::to_string(weather).expect("numbers can always be written");
    writer.finish(&Provenance::here(resolved, seed))?;
    Ok(frames)
}
