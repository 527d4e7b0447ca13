//! From files that weather services write to rain and states of the air on a grid.

mod air;
mod archive;
mod bytes;
mod config;
mod error;
mod fields;
mod geotiff;
mod gif;
mod given;
pub mod global;
pub mod grib2;
mod hdf5;
mod index;
mod kept;
mod limits;
pub mod netcdf;
mod newest;
mod observed;
mod odim;
mod pgm;
mod picture;
pub mod provider;
pub mod quality;
mod radolan;
mod regrid;
mod scale;
mod wait;

pub use air::{Air, AirConfig};
pub use archive::Archive;
pub use config::{Crop, IngestConfig, Late};
pub use error::Error;
pub use fields::{FieldLine, fields};
pub use given::{Given, GivenConfig, Holds, Place, Rows};
pub use limits::Limits;
pub use newest::Newest;
pub use observed::Observed;
pub use provider::Provider;
pub use regrid::regrid;

#[cfg(test)]
mod tests;
