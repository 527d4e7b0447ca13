//! What can be wrong with files that others wrote.

use std::path::PathBuf;

use nowblend_field::{ReferenceTime, ValidTime};

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
    /// There are files, but none holds rain that can be read.
    #[error("none of {files} files of `{source_words}` holds rain that can be read; the first says: {reason}")]
    NoRain {
        /// The source as given.
        source_words: String,
        /// How many files there are.
        files: usize,
        /// What is wrong with the first.
        reason: String,
    },
    /// There are files, but no field of them can be read.
    #[error("none of {files} files of `{source_words}` holds a GRIB2 field that can be read; the first says: {reason}")]
    NoFields {
        /// The source as given.
        source_words: String,
        /// How many files there are.
        files: usize,
        /// What is wrong with the first.
        reason: String,
    },
    /// No frame is as old as the reference time.
    #[error("no frame at or before `{reference_time}`, the oldest is of `{oldest}`\nhint: choose a later reference time")]
    NoFrame {
        /// The time asked for.
        reference_time: ReferenceTime,
        /// The oldest frame there is.
        oldest: ValidTime,
    },
    /// No forecast of another program is that old.
    #[error("none of {files} files of `{source_words}` is a forecast made at or before `{reference_time}`: {reason}")]
    NoForecast {
        /// The source as given.
        source_words: String,
        /// The time asked for.
        reference_time: ReferenceTime,
        /// How many files there are.
        files: usize,
        /// What is wrong with the first.
        reason: String,
    },
    /// Frames are listed, but none of them can be read.
    #[error("no frame at or before `{reference_time}` can be read; the newest says: {reason}")]
    NothingReadable {
        /// The time asked for.
        reference_time: ReferenceTime,
        /// What is wrong with the newest.
        reason: String,
    },
    /// A file cannot be opened or read.
    #[error("reading `{}`: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system or the decoder said.
        reason: String,
    },
    /// A GRIB2 message was refused.
    #[error("`{}`: message {message}, byte {byte}: {reason}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Number of the message, from 1.
        message: usize,
        /// Where in the file.
        byte: usize,
        /// What was found and expected.
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
    /// A picture of numbers that nobody gave a meaning.
    #[error("`{}`: numbers whose meaning is not known, expected quantity, scale, time and place under [ingest.provider]", path.display())]
    NoMeaning {
        /// The file.
        path: PathBuf,
    },
    /// The shared vocabulary refused what was read.
    #[error("`{}`: {source}", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// Why.
        source: nowblend_field::Error,
    },
    /// A number of the configuration is outside its bounds.
    #[error("`{key}` is {found}, expected {expected}")]
    Config {
        /// The key.
        key: &'static str,
        /// What was given.
        found: String,
        /// What is allowed.
        expected: &'static str,
    },
    /// A state does not cover the grid that it is brought to.
    #[error("{what} covers {found}, expected all of grid {expected}")]
    NotCovered {
        /// What was to be regridded.
        what: &'static str,
        /// Its grid in words, and the place it lacks.
        found: String,
        /// The target grid in words.
        expected: String,
    },
}

impl Error {
    /// The words of the error with the name of its file alone: for notices, which travel with the forecast to other machines.
    pub fn without_folders(&self) -> String {
        let words = self.to_string();
        match self {
            Self::Read { path, .. }
            | Self::Refused { path, .. }
            | Self::Content { path, .. }
            | Self::NoMeaning { path }
            | Self::Field { path, .. } => {
                let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
                words.replace(&path.display().to_string(), &name)
            }
            _ => words,
        }
    }

    /// A file lacks something, or holds something that has no meaning.
    pub(super) fn content(path: &std::path::Path, field: impl Into<String>, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Content {
            path: path.to_owned(),
            field: field.into(),
            found: found.into(),
            expected: expected.into(),
        }
    }

    /// The refusal of a message in a file.
    pub(super) fn refused(path: &std::path::Path, refusal: super::grib2::Refusal) -> Self {
        Self::Refused {
            path: path.to_owned(),
            message: refusal.message,
            byte: refusal.byte,
            reason: refusal.reason,
        }
    }
}
