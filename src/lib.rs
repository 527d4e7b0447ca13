//! From radar files to a blended rain forecast, and a judgement of how far to trust it.
pub mod check;
pub mod demo;
pub mod progress;
