//! Pictures of rain for people: maps, charts, and one report that opens anywhere.
//!
//! Only here do rows turn over, so that north is up, and only here are colours known.

pub mod chart;
pub mod colour;
mod error;
pub mod graticule;
pub mod map;
mod png;
pub mod raster;
pub mod report;
mod text;
mod to_maps;
mod to_report;

pub use colour::Scale;
pub use error::Error;
pub use map::{Labels, map};
pub use report::{Finding, LeadView, ReportBuilder, ReportHead, Score, Verdict};
pub use to_maps::{MapsConfig, ToMaps};
pub use to_report::ToReport;
