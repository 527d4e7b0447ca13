//! From files that weather services write to rain and states of the air on a grid.

mod air;
mod archive;
mod bytes;
mod config;
mod error;
mod fields;
pub mod grib2;
mod index;
mod kept;
mod limits;
pub mod netcdf;
mod newest;
mod observed;
pub mod quality;
mod regrid;
mod wait;

pub use air::{Air, AirConfig};
pub use archive::Archive;
pub use config::{Crop, IngestConfig, Late};
pub use error::Error;
pub use fields::{FieldLine, fields};
pub use limits::Limits;
pub use newest::Newest;
pub use observed::Observed;
pub use regrid::regrid;

#[cfg(test)]
mod tests;
