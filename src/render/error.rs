//! What can go wrong when a picture is drawn.

/// An error of the pictures.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A field does not fit the grid that it is drawn on.
    #[error("{what} has shape {found:?} [y, x], expected {expected:?}")]
    Shape {
        /// Which field.
        what: String,
        /// Its shape.
        found: (usize, usize),
        /// The grid's shape.
        expected: (usize, usize),
    },
    /// The picture could not be encoded.
    #[error("cannot encode a picture as PNG: {0}")]
    Encode(#[from] png::EncodingError),
}

impl Error {
    pub(super) fn check(what: &str, found: (usize, usize), expected: (usize, usize)) -> Result<(), Self> {
        if found == expected {
            return Ok(());
        }
        Err(Self::Shape {
            what: what.to_owned(),
            found,
            expected,
        })
    }
}
