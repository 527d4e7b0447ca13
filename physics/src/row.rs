//! Rows of values that lie in memory where wide loads and stores run fastest.

use std::ops::{Deref, DerefMut, Range};

use crate::plane::RIM;

/// f64 in a line of the cache.
const LINE: usize = 8;

/// Distance of rows of `width` values in memory: whole lines, so that all rows begin alike, and an odd number of them, so that rows one after the
/// other do not compete for the same places of the cache.
pub(crate) const fn pitch(width: usize) -> usize {
    (width.div_ceil(LINE) | 1) * LINE
}

/// Room for `size` values, of the given value, and where to begin in it that the one after the rim begins a line.
pub(crate) fn room(size: usize, value: f64) -> (Vec<f64>, usize) {
    let data = vec![value; size + LINE];
    let first = data.as_ptr() as usize / size_of::<f64>();
    (data, (LINE - (first + RIM) % LINE) % LINE)
}

/// A whole row whose loops over the domain begin on a line of the cache. A store of eight lanes that straddles two lines takes twice as long;
/// results do not depend on where a row lies.
#[derive(Debug, Default)]
pub(crate) struct Row {
    data: Vec<f64>,
    range: Range<usize>,
}

impl Row {
    /// Makes it a row of `size` values; all nought where it was shorter or longer before.
    pub(crate) fn fit(&mut self, size: usize) {
        if self.range.len() != size {
            let (data, start) = room(size, 0.0);
            *self = Self {
                data,
                range: start..start + size,
            };
        }
    }
}

impl Deref for Row {
    type Target = [f64];

    #[inline(always)]
    fn deref(&self) -> &[f64] {
        &self.data[self.range.clone()]
    }
}

impl DerefMut for Row {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [f64] {
        &mut self.data[self.range.clone()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loops_of_a_row_of_any_size_begin_on_a_line() {
        let mut row = Row::default();
        for size in [6, 7, 22, 1030] {
            row.fit(size);
            assert_eq!(row.len(), size);
            assert_eq!(row[RIM..].as_ptr() as usize % 64, 0, "{size}");
            row.fill(1.0);
        }
        row.fit(1030);
        assert_eq!(row.iter().sum::<f64>(), 1030.0, "a row that fits stays");
    }
}
