//! Where planes of a forecast go as they come: the one door between the writer and the containers.

use super::{Error, layout::Layout};

/// A container being written aside; dropped before [`Sink::finish`] it leaves nothing.
pub(super) trait Sink: std::fmt::Debug + Send {
    /// Takes one plane `[y, x]` of a variable, little-endian elements; `index` counts along the dimensions before it.
    fn plane(&mut self, variable: &str, index: &[u64], plane: &[u8]) -> Result<(), Error>;

    /// Closes the container under the final layout, whose attributes may say more than at the start, and gives it its name.
    fn finish(self: Box<Self>, layout: &Layout) -> Result<(), Error>;
}
