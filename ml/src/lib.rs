//! What is learned: the rain nowcaster with its training and shipped weights, and the global model that runs published weights.
//!
//! Every tensor of the project lives here and none leaves it.

mod analytic;
mod dataset;
mod error;
mod exponential;
pub mod graph;
mod head;
mod loss;
mod mixture;
mod nowcast_net;
mod nowcaster;
mod probability;
mod scene;
#[cfg(test)]
mod speed;
mod tiles;
mod training;
mod weights;

pub use dataset::Event;
pub use error::Error;
pub use nowcaster::{NowcastNet, NowcastNetConfig};
pub use training::{Told, TrainConfig, train};
pub use weights::{Origin, SHIPPED as SHIPPED_WEIGHTS, files as weight_files};
