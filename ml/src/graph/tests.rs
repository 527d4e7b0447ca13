//! The network as a whole: the outputs of the published program, gradients through two steps, and how long steps take.

mod gradient;
mod reference;
mod speed;

use super::task::{ModelConfig, TaskConfig};

/// An architecture that builds in a moment.
pub fn small_model() -> ModelConfig {
    ModelConfig {
        resolution: 30.0,
        mesh_size: 1,
        latent_size: 8,
        message_steps: 2,
        hidden_layers: 1,
        radius: 0.6,
        longest_out: None,
    }
}

/// The published task on two levels.
pub fn small_task() -> TaskConfig {
    TaskConfig::published(&[500.0, 850.0])
}
