//! What can be wrong with files that others wrote.

use std::path::PathBuf;

/// An error of reading radar or model files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing matches the source.
    #[error("no file matches `{source_words}`\nhint: give a file, a directory or a pattern such as 'radar/*.nc'")]
    NoFiles {
        /// The source as given.
        source_words: String,
    },
    /// A file cannot be opened or read.
    #[error("reading `{}`: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system or the decoder said.
        reason: String,
    },
    /// A file lacks something, or holds something that has no meaning.
    #[error("`{}`: {field}: found {found}, expected {expected}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Variable, attribute or section.
        field: String,
        /// What is there.
        found: String,
        /// What should be there.
        expected: String,
    },
    /// The shared vocabulary refused what was read.
    #[error("`{}`: {source}", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// Why.
        source: nowblend_field::Error,
    },
}
