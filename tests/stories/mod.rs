//! One story a file.

mod bad_input;
mod contract;
mod demo;
mod forecast;
mod hindcast;
mod ingest;
mod outputs;
