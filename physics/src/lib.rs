//! t
pub mod boundary;
pub mod constants;
mod error;
pub mod invariants;
pub mod metric;
pub mod plane;
pub mod shallow_water;
pub mod time_integration;
pub use error::Error;
pub mod transport;
pub mod moisture;
pub mod balance;
pub mod moist_layer;
