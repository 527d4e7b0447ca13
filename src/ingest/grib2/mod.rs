//! GRIB2: radar composites and model fields.
//!
//! Sections are checked before a decoder sees them ([`look()`]), each field is decoded alone, and its values are judged after.

mod decode;
mod degrees;
mod grid;
mod header;
mod look;
mod maps;
mod octets;
mod packing;
mod picture;
mod radar;
mod state;

pub use grid::{Layout, Place};
pub use header::{Header, Interval};
pub use look::{Contents, Field, Refusal, look, look_within};
pub use radar::{Rain, rain};
pub(super) use state::specific_humidity;
pub use state::{States, states, states_within};
