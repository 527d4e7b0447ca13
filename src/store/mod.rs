//! What the program leaves behind and reads back: forecasts as CF NetCDF files that any GIS or analysis tool opens.
//!
//! A file is there whole or not at all: everything is written aside in the same folder and renamed at the end.

mod cf;
mod chunks;
mod error;
mod grid_mapping;
mod product;
mod provenance;
mod reader;
mod whole;
mod wkt;
mod writer;

pub use error::Error;
pub use product::{Packing, Product};
pub use provenance::{Input, Provenance};
pub use reader::{StoredForecast, read};
pub use whole::{Aside, sweep, write_whole};
pub use writer::{Header, Writer};

#[cfg(test)]
mod tests;
