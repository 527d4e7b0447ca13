//! What can be wrong with weights, training data or the input of the network.

use std::path::PathBuf;

/// An error of the learned nowcaster.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The shared vocabulary refused something.
    #[error(transparent)]
    Field(#[from] nowblend_field::Error),
    /// Weights that do not belong to this network.
    #[error("weights `{origin}`: {reason}")]
    Weights {
        /// The file, or `shipped`.
        origin: String,
        /// What is wrong, with key and shape.
        reason: String,
    },
    /// A checkpoint, or what normalises its variables, is not what it should be.
    #[error("checkpoint `{origin}`: `{key}`: found {found}, expected {expected}")]
    Checkpoint {
        /// The file.
        origin: String,
        /// The key in it.
        key: String,
        /// What is there.
        found: String,
        /// What should be there.
        expected: String,
    },
    /// A state of the air does not hold what the network is told.
    #[error("`{what}`: found {found}, expected {expected}")]
    State {
        /// Which variable, or what of the state.
        what: String,
        /// What there is.
        found: String,
        /// What is needed.
        expected: String,
    },
    /// A file of the training run cannot be read or written.
    #[error("training file `{path}`: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The windows of a training cannot be written.
    #[error("the windows cannot be written: {reason}")]
    Windows {
        /// What the system said.
        reason: String,
    },
    /// There is nothing to learn from.
    #[error("no training window: {reason}\nhint: an event needs at least five frames, some of them wet")]
    NoWindows {
        /// What was looked for.
        reason: String,
    },
    /// The loss is no number any more.
    #[error("the loss is {loss} at step {step}\nhint: lower `learning_rate` and resume from the last checkpoint")]
    Diverged {
        /// The training step.
        step: usize,
        /// The loss.
        loss: f32,
    },
}

impl Error {
    /// A checkpoint is not what it should be.
    pub(crate) fn checkpoint(origin: &str, key: &str, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Checkpoint {
            origin: origin.to_owned(),
            key: key.to_owned(),
            found: found.into(),
            expected: expected.into(),
        }
    }

    /// A state does not hold what it should.
    pub(crate) fn state(what: &str, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::State {
            what: what.to_owned(),
            found: found.into(),
            expected: expected.into(),
        }
    }
}
