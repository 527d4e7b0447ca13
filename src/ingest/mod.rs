//! From files that weather services write to rain on a grid.

mod error;
pub mod netcdf;

pub use error::Error;
