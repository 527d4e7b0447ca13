//! Numbers of a configuration held against their bounds, the first that is outside told by name.

use std::ops::RangeInclusive;

use crate::Error;

/// What the numbers looked at so far have shown.
#[derive(Default)]
pub struct Bounds {
    outside: Option<Error>,
}

impl Bounds {
    /// A count within `range`.
    #[must_use]
    pub fn count(self, what: &'static str, found: usize, range: RangeInclusive<usize>, expected: &'static str) -> Self {
        self.holds(range.contains(&found), what, found as f64, expected)
    }

    /// A number that may be 0.
    #[must_use]
    pub fn at_least_0(self, what: &'static str, found: f64) -> Self {
        self.holds(found >= 0.0 && found.is_finite(), what, found, "a number of at least 0")
    }

    /// A number that may not.
    #[must_use]
    pub fn positive(self, what: &'static str, found: f64) -> Self {
        self.holds(found > 0.0 && found.is_finite(), what, found, "a number greater than 0")
    }

    /// A number within `range`.
    #[must_use]
    pub fn number(self, what: &'static str, found: f64, range: RangeInclusive<f64>, expected: &'static str) -> Self {
        self.holds(range.contains(&found), what, found, expected)
    }

    /// A share.
    #[must_use]
    pub fn share(self, what: &'static str, found: f64) -> Self {
        self.holds((0.0..=1.0).contains(&found), what, found, "0 to 1")
    }

    /// The first number outside its bounds.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] with it.
    pub fn result(self) -> Result<(), Error> {
        self.outside.map_or(Ok(()), Err)
    }

    /// A number of which something else `holds`.
    #[must_use]
    pub fn holds(mut self, holds: bool, what: &'static str, found: f64, expected: &'static str) -> Self {
        if !holds && self.outside.is_none() {
            self.outside = Some(Error::Value { what, found, expected });
        }
        self
    }
}
