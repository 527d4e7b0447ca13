//! One story a file.

mod contract;
