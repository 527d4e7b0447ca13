//! What is learned: the rain nowcaster with its training and shipped weights, and the global model that runs published weights.
//!
//! Every tensor of the project lives here and none leaves it.

mod analytic;
mod body;
mod dataset;
mod detail;
mod error;
mod evolution_net;
mod evolution_nowcaster;
pub mod graph;
mod head;
mod head_tensors;
mod hold;
mod later;
mod layers;
mod learner;
mod look;
mod loss;
mod mixture;
mod nowcast_net;
mod nowcaster;
mod nugget;
mod parameters;
mod probability;
mod ready;
mod recipe;
mod refine;
mod scene;
mod scoring;
#[cfg(test)]
mod speed;
mod tiles;
mod training;
mod unet;
mod weights;
mod windows;
mod yes;

pub use dataset::Event;
pub use error::Error;
pub use evolution_nowcaster::{Evolution, EvolutionConfig, RAIN_SOURCE};
pub use learner::Network;
pub use nowcaster::{NowcastNet, NowcastNetConfig};
pub use probability::RainOf;
pub use recipe::TrainConfig;
pub use training::{Told, train};
pub use weights::{Origin, SHIPPED as SHIPPED_WEIGHTS, SHIPPED_EVOLUTION, files as weight_files};
pub use windows::write_windows;
pub use yes::Yes;
