//! The shallow-water core: one rotating, moist layer of air that carries the rain of the radar and lets it condense, evaporate and fall.

pub mod balance;
pub mod boundary;
pub mod constants;
mod error;
pub mod invariants;
pub mod metric;
pub mod moist_layer;
pub mod moisture;
pub mod plane;
pub mod shallow_water;
pub mod time_integration;
pub mod transport;

pub use error::Error;
