//! What can go wrong while the past is replayed.

use std::path::{Path, PathBuf};

use nowblend_field::ReferenceTime;

use crate::{forecast, ingest, store, verify};

/// An error of the hindcast.
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
    /// An event has no frame to start from.
    #[error(
        "`{event}` has no start: {found} frames, of which a forecast needs {frames} before it and one after\nhint: check `starts`, and `frames` of the event"
    )]
    NoStarts {
        /// The event.
        event: String,
        /// Frames there are.
        found: usize,
        /// Frames that a forecast starts from.
        frames: usize,
    },
    /// The folder holds cases of another configuration or version.
    #[error(
        "`{}` holds cases of {found}, this run is {expected}\nhint: choose another `folder`, or begin anew", path.display()
    )]
    OtherConfig {
        /// The file of cases.
        path: PathBuf,
        /// Version and checksum in the file.
        found: String,
        /// Version and checksum of this run.
        expected: String,
    },
    /// A line of the file of cases cannot be read.
    #[error("`{}` line {line}: {reason}; begin anew, or remove the line", path.display())]
    Record {
        /// The file of cases.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of the hindcast cannot be read or written.
    #[error("`{}`: {reason}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A case failed.
    #[error("`{event}` from {reference_time}: {source}")]
    Case {
        /// The event.
        event: String,
        /// The start.
        reference_time: ReferenceTime,
        /// Why.
        source: nowblend_field::Error,
    },
    /// Frames cannot be read.
    #[error(transparent)]
    Ingest(#[from] ingest::Error),
    /// The forecaster cannot be built.
    #[error(transparent)]
    Forecast(#[from] forecast::Error),
    /// The scores cannot be formed.
    #[error(transparent)]
    Verify(#[from] verify::Error),
    /// The scores cannot be written.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Error {
    pub(super) fn file(path: &Path, e: &std::io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            reason: e.to_string(),
        }
    }
}
