//! The part of a score that adds up.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// Sums and counts over cells, in an order that the metric knows. They add over cases; the empty terms add nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Terms(Vec<f64>);

impl Terms {
    /// Terms of these sums.
    pub fn new(sums: impl Into<Vec<f64>>) -> Self {
        Self(sums.into())
    }

    /// The sums.
    pub fn sums(&self) -> &[f64] {
        &self.0
    }

    /// The sums of a metric that has `N` of them; `None` where no case was added.
    pub fn array<const N: usize>(&self) -> Option<[f64; N]> {
        self.0.as_slice().try_into().ok()
    }

    /// Adds `other` as if it had come `times` times.
    pub fn add_times(&mut self, other: &Self, times: f64) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0.0);
        }
        for (sum, more) in self.0.iter_mut().zip(&other.0) {
            *sum += times * more;
        }
    }
}

impl AddAssign<&Self> for Terms {
    fn add_assign(&mut self, other: &Self) {
        self.add_times(other, 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_terms_add_nothing_and_take_what_comes() {
        let mut sum = Terms::default();
        sum += &Terms::new([1.0, 2.0]);
        sum += &Terms::default();
        sum.add_times(&Terms::new([0.5, 1.0]), 2.0);
        assert_eq!(sum.sums(), [2.0, 4.0]);
        assert_eq!(Terms::default().array::<2>(), None);
    }
}
