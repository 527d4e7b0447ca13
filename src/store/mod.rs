//! What the program leaves behind and reads back: forecasts as CF NetCDF files that any GIS or analysis tool opens.
//!
//! A file is there whole or not at all: everything is written aside in the same folder and renamed at the end.

mod aside_folder;
mod atmosphere;
mod cf;
mod chunks;
mod error;
mod event;
mod geokeys;
mod geotiff;
mod grib2;
mod grid_mapping;
mod layout;
mod netcdf;
mod product;
mod provenance;
mod reader;
mod sink;
mod target;
mod whole;
mod wkt;
mod writer;
mod zarr;

pub use atmosphere::{AtmosphereWriter, GLOBAL_VARIABLES, GlobalVariable};
pub use error::Error;
pub use event::{EventHeader, EventWriter};
pub use geotiff::Geotiff;
pub use grib2::Grib2;
pub use product::{Along, LIMITED, MISSING, Packing, Product};
pub use provenance::{Input, Provenance};
pub use reader::{StoredForecast, StoredProduct, read};
pub use target::Target;
pub use whole::{Aside, sweep, write_whole};
pub use writer::{Header, Writer};

#[cfg(test)]
mod tests;
