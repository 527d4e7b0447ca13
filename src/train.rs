//! Training of the network from radar files: which events, how often each is drawn, and where the weights go.

use std::{
    fs::File,
    io::BufWriter,
    path::{Path, PathBuf},
};

use chrono::{TimeZone, Utc};
use nowblend_field::{Grid, LeadTime, Seed, Sequence, storms::Scene};
use nowblend_ml::{Event, Told, TrainConfig};
use nowblend_physics::nature_run::{NatureConfig, NatureRun};
use serde::{Deserialize, Serialize};

use crate::{
    ingest::{self, Crop},
    progress::Progress,
    store::{self, Aside},
};

/// A training run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainRunConfig {
    /// Folder for checkpoints and the finished `model.safetensors`.
    pub folder: PathBuf,
    /// Events to learn from.
    pub events: Vec<EventConfig>,
    /// Events that choose when to stop; none of them may be learned from.
    pub validation: Vec<EventConfig>,
    /// How the network is trained.
    pub recipe: TrainConfig,
}

/// One event of a training run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventConfig {
    /// A NetCDF radar file.
    #[serde(default)]
    pub file: PathBuf,
    /// Rain that is simulated instead of read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulated: Option<Simulated>,
    /// Share of the draws relative to the other events.
    #[serde(default = "one")]
    pub weight: f64,
    /// Name of the event where several files show the same rain, which must all be on one side; the file itself if not given.
    #[serde(default)]
    pub event: String,
    /// Whose radars these are: by it folds are made (`nowblend folds`).
    #[serde(default)]
    pub provider: String,
    /// The part of the grid that a fold forecasts; all of it if not given. Training sees all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crop: Option<Crop>,
}

/// Rain of known motion, growth and decay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Simulated {
    /// How it comes about.
    pub kind: Simulation,
    /// Seed: another is another scene.
    pub seed: u64,
    /// Cells of 2 km along each side, 160 to 512.
    #[serde(default = "cells")]
    pub cells: usize,
    /// Time from the first frame to the last, h, 1 to 24; frames are 5 min apart.
    #[serde(default = "hours")]
    pub hours: f64,
}

/// How simulated rain comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Simulation {
    /// Storms of many sizes that move, turn, grow and decay exactly.
    Storms,
    /// Showers of the shallow-water core's nature run, from an hour after its start.
    Nature,
}

fn cells() -> usize {
    256
}

fn hours() -> f64 {
    4.0
}

fn one() -> f64 {
    1.0
}

impl EventConfig {
    /// What tells one event from another.
    fn rain(&self) -> String {
        match &self.simulated {
            _ if !self.event.is_empty() => self.event.clone(),
            Some(simulated) => simulated.name(),
            None => self.file.display().to_string(),
        }
    }
}

/// Training that cannot start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An event cannot be read.
    #[error(transparent)]
    Ingest(#[from] ingest::Error),
    /// The training itself failed.
    #[error(transparent)]
    Train(#[from] nowblend_ml::Error),
    /// Rain cannot be simulated.
    #[error(transparent)]
    Nature(#[from] nowblend_physics::Error),
    /// Simulated frames do not make an event.
    #[error(transparent)]
    Field(#[from] nowblend_field::Error),
    /// An event names neither a file nor a simulation, or both, or a simulation out of bounds.
    #[error("{what}, expected {expected}")]
    Event {
        /// What is wrong.
        what: String,
        /// What should be there.
        expected: &'static str,
    },
    /// The windows have nowhere to go.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// An event is on both sides.
    #[error("`{event}` is among the events to learn from and among those that validate")]
    BothSides {
        /// Its name, or the file.
        event: String,
    },
}

/// Trains the network and returns the file of its weights.
///
/// # Errors
///
/// [`Error::BothSides`] where an event would be learned from and judged by, and those of reading and training.
pub fn run(config: &TrainRunConfig, seed: Seed, fresh: bool) -> Result<PathBuf, Error> {
    on_one_side(config)?;
    let events = config.events.iter().map(event).collect::<Result<Vec<_>, _>>()?;
    let validation = config.validation.iter().map(event).collect::<Result<Vec<_>, _>>()?;
    let progress = Progress::new("training", config.recipe.steps as u64);
    let model = nowblend_ml::train(
        &config.recipe,
        &events,
        &validation,
        &config.folder,
        seed,
        fresh,
        &teller(&progress),
    )?;
    progress.finish();
    Ok(model)
}

/// Writes the weights that the training starts from and the windows of all its steps to a file or pipe, for a program that takes the steps
/// elsewhere ([`nowblend_ml::write_windows`] tells the form).
///
/// # Errors
///
/// As [`run`], and [`Error::Store`] for a file that cannot be written.
pub fn write_windows(config: &TrainRunConfig, seed: Seed, path: &Path) -> Result<(), Error> {
    on_one_side(config)?;
    let write = |out: &mut File| {
        let events = config.events.iter().map(event).collect::<Result<Vec<_>, _>>()?;
        let progress = Progress::new("writing windows", config.recipe.steps as u64);
        nowblend_ml::write_windows(&config.recipe, &events, seed, &mut BufWriter::new(out), &teller(&progress))?;
        progress.finish();
        Ok(())
    };
    // Who reads from a pipe reads as it is written; a file appears whole.
    if path.exists() && !path.is_file() {
        let pipe = File::options().write(true).open(path);
        return write(&mut pipe.map_err(|e| store::Error::write(path, e))?);
    }
    let mut aside = Aside::create(path)?;
    write(aside.file())?;
    Ok(aside.commit()?)
}

/// No event is learned from and judged by.
fn on_one_side(config: &TrainRunConfig) -> Result<(), Error> {
    let judged = |event: &&EventConfig| config.validation.iter().any(|v| v.rain() == event.rain());
    match config.events.iter().find(judged) {
        Some(both) => Err(Error::BothSides { event: both.rain() }),
        None => Ok(()),
    }
}

/// Shows how a training is going.
fn teller(progress: &Progress) -> impl Fn(Told) + Sync {
    |told: Told| match told {
        Told::Remark(words) => tracing::info!("{words}"),
        Told::Begin { after } => progress.begin_after(after as u64),
        Told::Step { loss, .. } => {
            progress.message(&format!("loss {loss:.3}"));
            progress.inc(1);
        }
        Told::Written { .. } => progress.inc(1),
        Told::Score { step, score, best } => {
            let scores: Vec<String> = score.iter().map(|(lead, s)| format!("{lead} min {s:.4}")).collect();
            tracing::info!(
                "step {step}: threshold CRPS on validation: {}{}",
                scores.join(", "),
                if best { " (best so far, saved)" } else { "" }
            );
        }
    }
}

impl Simulated {
    fn name(&self) -> String {
        let kind = match self.kind {
            Simulation::Storms => "storms",
            Simulation::Nature => "nature",
        };
        format!("simulated_{kind}_{}", self.seed)
    }

    fn sequence(&self) -> Result<Sequence, Error> {
        let bounds = |what: String, expected| Err(Error::Event { what, expected });
        if !(160..=512).contains(&self.cells) {
            return bounds(format!("`simulated.cells` is {}", self.cells), "160 to 512");
        }
        if !(1.0..=24.0).contains(&self.hours) {
            return bounds(format!("`simulated.hours` is {}", self.hours), "1 to 24");
        }
        let start = Utc.with_ymd_and_hms(2000, 7, 1, 12, 0, 0).single().expect("a time that exists");
        let every = LeadTime::from_minutes(5);
        let frames = (12.0 * self.hours) as usize + 1;
        Ok(match self.kind {
            Simulation::Storms => {
                let grid = Grid::plane(self.cells, self.cells, 2000.0);
                Scene::random(&grid, Seed(self.seed)).sequence(start, every, frames)
            }
            Simulation::Nature => {
                let config = NatureConfig {
                    cells: self.cells,
                    cell_km: 2.0,
                    ..NatureConfig::default()
                };
                let mut run = NatureRun::new(config, Seed(self.seed))?;
                run.advance(3600.0)?;
                run.sequence(start, every, frames)?
            }
        })
    }
}

fn event(config: &EventConfig) -> Result<Event, Error> {
    let (name, observed) = match &config.simulated {
        Some(simulated) if config.file.as_os_str().is_empty() => {
            tracing::info!("simulating {}", simulated.name());
            (simulated.name(), simulated.sequence()?)
        }
        None if !config.file.as_os_str().is_empty() => {
            let (observed, _) = ingest::netcdf::read(&config.file)?;
            let stem = config.file.file_stem();
            (stem.map_or_else(String::new, |s| s.to_string_lossy().into_owned()), observed)
        }
        _ => {
            return Err(Error::Event {
                what: format!("event `{}` has both or neither of `file` and `simulated`", config.rain()),
                expected: "one of them",
            });
        }
    };
    Ok(Event {
        name,
        weight: config.weight,
        observed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_that_cannot_all_be_written_leave_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let missing = TrainRunConfig {
            events: vec![toml::from_str("file = 'missing.nc'").unwrap()],
            ..Default::default()
        };
        let refused = write_windows(&missing, Seed(1), &folder.path().join("windows.bin")).unwrap_err();
        assert!(refused.to_string().contains("missing.nc"), "{refused}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
