//! From files that weather services write to rain on a grid.

mod archive;
mod error;
pub mod netcdf;

pub use archive::{Archive, Crop, IngestConfig, Observed};
pub use error::Error;
