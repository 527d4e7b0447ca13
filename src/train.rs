//! Training of the network from radar files: which events, how often each is drawn, and where the weights go.

use std::path::PathBuf;

use nowblend_field::Seed;
use nowblend_ml::{Event, Told, TrainConfig};
use serde::{Deserialize, Serialize};

use crate::{ingest, progress::Progress};

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
    pub file: PathBuf,
    /// Share of the draws relative to the other events.
    #[serde(default = "one")]
    pub weight: f64,
    /// Name of the event where several files show the same rain, which must all be on one side; the file itself if not given.
    #[serde(default)]
    pub event: String,
    /// Whose radars these are: by it folds are made (`nowblend folds`).
    #[serde(default)]
    pub provider: String,
}

fn one() -> f64 {
    1.0
}

impl EventConfig {
    /// What tells one event from another.
    fn rain(&self) -> String {
        if self.event.is_empty() {
            self.file.display().to_string()
        } else {
            self.event.clone()
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
    if let Some(both) = config
        .events
        .iter()
        .find(|e| config.validation.iter().any(|v| v.rain() == e.rain()))
    {
        return Err(Error::BothSides { event: both.rain() });
    }
    let events = config.events.iter().map(event).collect::<Result<Vec<_>, _>>()?;
    let validation = config.validation.iter().map(event).collect::<Result<Vec<_>, _>>()?;
    let progress = Progress::new("training", config.recipe.steps as u64);
    let tell = |told: Told| match told {
        Told::Remark(words) => tracing::info!("{words}"),
        Told::Begin { after } => progress.begin_after(after as u64),
        Told::Step { loss, .. } => {
            progress.message(&format!("loss {loss:.3}"));
            progress.inc(1);
        }
        Told::Score { step, score, best } => {
            let scores: Vec<String> = score.iter().map(|(lead, s)| format!("{lead} min {s:.4}")).collect();
            tracing::info!(
                "step {step}: threshold CRPS on validation: {}{}",
                scores.join(", "),
                if best { " (best so far, saved)" } else { "" }
            );
        }
    };
    let model = nowblend_ml::train(&config.recipe, &events, &validation, &config.folder, seed, fresh, &tell)?;
    progress.finish();
    Ok(model)
}

fn event(config: &EventConfig) -> Result<Event, ingest::Error> {
    let (observed, _) = ingest::netcdf::read(&config.file)?;
    let name = config
        .file
        .file_stem()
        .map_or_else(String::new, |s| s.to_string_lossy().into_owned());
    Ok(Event {
        name,
        weight: config.weight,
        observed,
    })
}
