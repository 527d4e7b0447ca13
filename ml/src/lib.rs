//! The learned rain nowcaster: a network that weighs analytic forecasts, its training, and its shipped weights.
//!
//! Every tensor of the project lives here and none leaves it.

mod dataset;
mod error;
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
