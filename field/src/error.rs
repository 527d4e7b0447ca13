//! What can be wrong with the data that all forecasters share.

use std::sync::Arc;

use crate::{LeadTime, ValidTime};

/// An error of the shared vocabulary: shapes, times, grids, projections, or a component that failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An array does not have the shape that its grid or its neighbours ask for.
    #[error("{what} has shape {found:?}, expected {expected:?}")]
    Shape {
        /// Which array.
        what: &'static str,
        /// Its shape.
        found: Vec<usize>,
        /// The shape it should have.
        expected: Vec<usize>,
    },
    /// A sequence needs more frames than it has.
    #[error("{what} needs at least {needed} observed frames, found {found}")]
    TooFewFrames {
        /// Who asked.
        what: &'static str,
        /// How many it needs.
        needed: usize,
        /// How many there are.
        found: usize,
    },
    /// Frames do not follow each other at one step.
    #[error("frames are not evenly timed: `{valid_time}` follows its predecessor by {found_s} s, expected {expected_s} s")]
    UnevenTimes {
        /// The frame that breaks the step.
        valid_time: ValidTime,
        /// Seconds since the frame before.
        found_s: i64,
        /// Seconds of the first step.
        expected_s: i64,
    },
    /// A number is outside the range in which it has a meaning.
    #[error("{what} is {found}, expected {expected}")]
    Value {
        /// Which quantity.
        what: &'static str,
        /// Its value.
        found: f64,
        /// The allowed range in words.
        expected: &'static str,
    },
    /// Lead times are not positive and increasing.
    #[error("lead times must be positive and increasing, found {found} after {before}")]
    LeadTimes {
        /// The offending lead time.
        found: LeadTime,
        /// The lead time before it.
        before: LeadTime,
    },
    /// Two fields that must share a grid do not.
    #[error("{what} lies on grid {found}, expected {expected}")]
    GridMismatch {
        /// Which field.
        what: String,
        /// Its grid in words.
        found: String,
        /// The grid it should lie on, in words.
        expected: String,
    },
    /// A map projection could not be understood or applied.
    #[error("projection `{definition}`: {reason}")]
    Projection {
        /// The definition as given.
        definition: String,
        /// What the library said.
        reason: String,
    },
    /// A forecast would need more memory than the caller allows.
    #[error("collecting `{forecaster}` needs {needed_mb} MB, the budget is {budget_mb} MB\nhint: take the slices one by one with `start`")]
    MemoryBudget {
        /// Name of the forecaster.
        forecaster: String,
        /// Megabytes needed.
        needed_mb: u64,
        /// Megabytes allowed.
        budget_mb: u64,
    },
    /// A component failed for a reason of its own.
    #[error("component `{component}`: {source}")]
    Component {
        /// Name of the component.
        component: String,
        /// Its own error.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// Wraps another crate's error with the name of the component that met it.
    pub fn component(component: impl Into<String>, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Component {
            component: component.into(),
            source: Arc::new(source),
        }
    }
}
