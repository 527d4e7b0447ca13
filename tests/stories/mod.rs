//! One story a file.

mod contract;
mod ingest;
