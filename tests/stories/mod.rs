//! One story a file.

mod bad_input;
mod contract;
mod demo;
mod faults;
mod folds;
mod forecast;
mod foreign_bytes;
mod global;
mod growing;
mod hindcast;
mod ingest;
mod nowcast;
mod outputs;
mod physics;
mod speed;
mod walk_through;
