//! One story a file.

mod contract;
mod hindcast;
