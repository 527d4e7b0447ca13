//! What rain on a grid is, how it moves, and what every forecaster must do: the words that the rest of the program speaks.
//!
//! Read this crate first. It knows no physics, no tensor and no file format. Units are mm h⁻¹, m, s and m s⁻¹ throughout;
//! arrays are `[member, lead, y, x]`, `[time, y, x]` and `[y, x]` with row 0 in the south; NaN is *not observed* and
//! 0 is *observed dry*.

mod accumulation;
pub mod advection;
mod analysis;
mod atmosphere;
mod bounds;
mod error;
pub mod exponential;
mod forecast;
mod forecaster;
// This crate's own tests do not transform, and to compile it for them again takes as long as all the rest.
#[cfg(not(test))]
pub mod fourier;
mod grid;
pub mod matching;
pub mod motion;
mod projection;
pub mod random;
mod sequence;
mod state;
mod stepper;
pub mod storms;
mod time;
pub mod units;
pub mod wide;
mod window;

pub use accumulation::Accumulation;
pub use analysis::Analysis;
pub use atmosphere::{Atmosphere, GlobalField, Globe};
pub use bounds::Bounds;
pub use error::Error;
pub use forecast::{Exceedance, Forecast, Slice, share_at_or_above};
pub use forecaster::{Forecaster, Notice, NoticeKind, Run, Seed, Slices};
pub use grid::{Axis, Grid};
pub use motion::Motion;
pub use projection::Projection;
pub use sequence::Sequence;
pub use state::State;
pub use stepper::{Rollout, Stepper};
pub use time::{LeadTime, ReferenceTime, ValidTime};
pub use window::window_sums;
