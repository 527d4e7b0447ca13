//! What can go wrong when a forecast is written or read back.

use std::{io, path::PathBuf};

use nowblend_field::LeadTime;

/// An error of the store; each names the file or the product in hand.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be written where it should be.
    #[error("cannot write `{}`: {source}\nhint: {hint}", path.display())]
    Write {
        /// The file that was wanted.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
        /// What to do about it.
        hint: &'static str,
    },
    /// The file cannot be opened or read.
    #[error("cannot read `{}`: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system or the NetCDF library said.
        reason: String,
    },
    /// The file is NetCDF but no forecast written by this program.
    #[error("`{}` is no stored forecast: {reason}", path.display())]
    NotAForecast {
        /// The file.
        path: PathBuf,
        /// What it lacks.
        reason: String,
    },
    /// A product was named that the file's header does not announce.
    #[error("product `{name}` is not among {known:?}")]
    UnknownProduct {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// Two products share a name.
    #[error("product `{name}` is announced twice")]
    DuplicateProduct {
        /// The name.
        name: String,
    },
    /// A member or threshold is asked for that the product does not have.
    #[error("product `{name}` has {count} fields at each time, asked for number {found} from 0")]
    UnknownLayer {
        /// The product.
        name: String,
        /// The number asked for.
        found: usize,
        /// How many there are.
        count: usize,
    },
    /// A lead time is asked for that the file does not hold.
    #[error("lead time {lead_time} is not among the {count} of the forecast")]
    UnknownLeadTime {
        /// The lead time asked for.
        lead_time: LeadTime,
        /// How many there are.
        count: usize,
    },
    /// The same field came twice.
    #[error("product `{name}` at {lead_time} was written already")]
    WrittenTwice {
        /// The product.
        name: String,
        /// Its lead time.
        lead_time: LeadTime,
    },
    /// A field does not fit the grid.
    #[error("product `{name}` at {lead_time} has shape {found:?} [y, x], expected {expected:?}")]
    Shape {
        /// The product.
        name: String,
        /// Its lead time.
        lead_time: LeadTime,
        /// The shape it has.
        found: (usize, usize),
        /// The shape of the grid.
        expected: (usize, usize),
    },
    /// A format cannot say what the forecast is.
    #[error("{format} cannot hold {found}, expected {expected}\nhint: leave {format} out of `also` under [output]")]
    Unsupported {
        /// The format.
        format: &'static str,
        /// What the forecast has.
        found: String,
        /// What the format can hold.
        expected: &'static str,
    },
    /// An observed frame does not fit those before it.
    #[error("frame of {valid_time}: found {found}, expected {expected}")]
    Frame {
        /// Its time.
        valid_time: nowblend_field::ValidTime,
        /// Its shape or time.
        found: String,
        /// What would fit.
        expected: String,
    },
    /// The forecast has no lead time, or they do not increase.
    #[error("a stored forecast needs lead times that are positive and increasing")]
    LeadTimes,
    /// The NetCDF library could not lay the file out.
    #[error("cannot lay out `{}` as NetCDF: {reason}", path.display())]
    Layout {
        /// The file that was wanted.
        path: PathBuf,
        /// What the library said.
        reason: String,
    },
}

impl Error {
    pub(crate) fn write(path: impl Into<PathBuf>, source: io::Error) -> Self {
        let hint = match source.kind() {
            io::ErrorKind::NotFound => "create the folder first, or choose another one",
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => "choose a folder that you may write to",
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space, or choose another disk",
            io::ErrorKind::IsADirectory => "name a file, not a folder",
            _ => "check the folder and the disk that it lies on",
        };
        Self::Write {
            path: path.into(),
            source,
            hint,
        }
    }
}
