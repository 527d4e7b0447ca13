//! The shallow-water core: one rotating, moist layer of air that carries the rain of the radar and lets it condense, evaporate and fall.

pub mod balance;
pub mod boundary;
pub mod cases;
mod coarse;
mod config;
pub mod constants;
mod damping;
mod dice;
pub mod digital_filter;
mod error;
mod far_transport;
mod forecaster;
mod globe_stepper;
mod incremental;
mod initialise;
pub mod invariants;
pub mod metric;
pub mod moist_layer;
pub mod moisture;
pub mod nature_run;
mod parabolas;
mod parcels;
pub mod plane;
mod polar_filter;
pub mod restart;
#[cfg(test)]
mod rough_starts;
mod row;
pub mod shallow_water;
pub mod sphere;
mod stage_rows;
pub mod thermal;
pub mod time_integration;
pub mod transport;
mod wandering;
mod wavefront;
mod widths;

pub use config::ShallowWaterConfig;
pub use error::Error;
pub use forecaster::ShallowWater;
pub use globe_stepper::ShallowWaterGlobe;
pub use initialise::Settled;
