//! The recipe of a training: how many steps of which size on how many windows, and when it is judged.

use std::path::PathBuf;

use nowblend_field::Bounds;
use serde::{Deserialize, Serialize};

use crate::learner::Network;

/// How the network is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Which network.
    pub network: Network,
    /// File of weights to begin with, from a training on simulated rain, say; empty to begin from nothing.
    pub start_from: PathBuf,
    /// Steps in all; 0 scores the weights of `start_from` on the validation events and keeps them with what that showed.
    pub steps: usize,
    /// Windows in a step.
    pub batch: usize,
    /// Largest step size, after the warm-up.
    pub learning_rate: f64,
    /// Steps over which the step size rises.
    pub warmup: usize,
    /// Decay of the weights (AdamW).
    pub weight_decay: f32,
    /// Judges probabilities where the air starts instead of where they are carried: what came is read in the cell nearest to where the air of each cell goes, half
    /// a cell off at most. Simulated rain, which moves as it is told, would else teach a network to be too sure of itself.
    pub before_moving: bool,
    /// Memory of the moving average of the weights: a share of 1 - this is new at each step.
    pub average: f32,
    /// Steps between scores on the validation events.
    pub validate_every: usize,
    /// Starts of each validation event that are scored.
    pub validation_starts: usize,
    /// Ends the training after so many scores without a better one; 0 for never.
    pub patience: usize,
    /// Seconds between checkpoints.
    pub checkpoint_s: u64,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            network: Network::default(),
            start_from: PathBuf::new(),
            steps: 3000,
            batch: 4,
            learning_rate: 3e-3,
            warmup: 100,
            weight_decay: 1e-2,
            before_moving: false,
            average: 0.999,
            validate_every: 250,
            validation_starts: 4,
            patience: 0,
            checkpoint_s: 180,
        }
    }
}

impl TrainConfig {
    /// Refuses a number out of its bounds.
    pub(crate) fn check(&self) -> Result<(), nowblend_field::Error> {
        let (rate, average) = (self.learning_rate, f64::from(self.average));
        let steps = self.steps > 0 || !self.start_from.as_os_str().is_empty();
        Bounds::default()
            .holds(
                steps,
                "`steps`",
                self.steps as f64,
                "at least 1, or 0 with `start_from` to score its weights",
            )
            .count("`batch`", self.batch, 1..=usize::MAX, "at least 1")
            .count("`validate_every`", self.validate_every, 1..=usize::MAX, "at least 1")
            .holds(rate > 0.0 && rate < 1.0, "`learning_rate`", rate, "between 0 and 1")
            .holds((0.0..1.0).contains(&average), "`average`", average, "at least 0 and below 1")
            .result()
    }

    /// The step size at `step`: rises over the warm-up, then falls to 2 % along a cosine.
    pub(crate) fn learning_rate_at(&self, step: usize) -> f64 {
        if step < self.warmup {
            return self.learning_rate * (step + 1) as f64 / self.warmup as f64;
        }
        let part = (step - self.warmup) as f64 / (self.steps - self.warmup).max(1) as f64;
        self.learning_rate * (0.02 + 0.98 * 0.5 * (1.0 + (std::f64::consts::PI * part).cos()))
    }
}
