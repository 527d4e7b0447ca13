//! What keeps a forecast from being scored.

use crate::{ingest, store};

/// An error of the verification.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A key of the configuration is out of bounds.
    #[error("`{key}`: found {found}, expected {expected}")]
    Config {
        /// The key.
        key: &'static str,
        /// What is there.
        found: String,
        /// What should be there.
        expected: &'static str,
    },
    /// The mask of the event is empty.
    #[error(
        "no cell of `{event}` is observed in {share} of {frames} frames and more than {margin} cells from missing data and the border; \
         a lower `margin_cells` leaves more"
    )]
    NoCells {
        /// The event.
        event: String,
        /// Share of the frames in which a cell must be observed.
        share: f64,
        /// Number of frames.
        frames: usize,
        /// Cells from missing data.
        margin: usize,
    },
    /// Forecast and observation lie on different grids.
    #[error("the forecast lies on grid {found}, the observations on {expected}")]
    Grid {
        /// Grid of the forecast, in words.
        found: String,
        /// Grid of the observations, in words.
        expected: String,
    },
    /// No lead time of the forecast can be judged.
    #[error(
        "no frame lies within {tolerance_s} s of a valid time of the forecast from `{first}` to `{last}`; give the archive of those hours"
    )]
    NoTruth {
        /// First valid time.
        first: nowblend_field::ValidTime,
        /// Last valid time.
        last: nowblend_field::ValidTime,
        /// Seconds that a frame may be off.
        tolerance_s: i64,
    },
    /// Observations cannot be read.
    #[error(transparent)]
    Ingest(#[from] ingest::Error),
    /// A stored forecast cannot be read.
    #[error(transparent)]
    Store(#[from] store::Error),
}
