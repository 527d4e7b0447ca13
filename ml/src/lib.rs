//! What is learned: the rain nowcaster with its training and shipped weights, and the global model that runs published weights.
//!
//! Every tensor of the project lives here and none leaves it.

mod dataset;
mod error;
pub mod graph;
mod loss;
mod nowcast_net;
mod nowcaster;
mod probability;
mod scene;
mod training;
mod weights;

pub use dataset::Event;
pub use error::Error;
pub use nowcaster::{NowcastNet, NowcastNetConfig};
pub use training::{Told, TrainConfig, train};
pub use weights::{Origin, SHIPPED as SHIPPED_WEIGHTS};
