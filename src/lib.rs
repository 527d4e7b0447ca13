//! From radar files to a blended rain forecast, and a judgement of how far to trust it.
//!
//! The vocabulary lives in `nowblend_field`; physics and the network in crates of their own.

pub mod blend;
pub mod bulletin;
pub mod check;
pub mod config;
pub mod convert;
pub mod demo;
pub mod folds;
pub mod forecast;
pub mod global;
pub mod hindcast;
pub mod ingest;
pub mod nowcast;
pub mod physics;
pub mod point;
pub mod progress;
pub mod render;
pub mod store;
pub mod train;
pub mod verify;
