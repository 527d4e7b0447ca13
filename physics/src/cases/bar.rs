//! A number that a case is held to.

/// What was measured and what it should be.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// What was measured, with the grid and the length of the run.
    pub what: String,
    /// The figure.
    pub measured: f64,
    /// What is asked for.
    pub bound: Bound,
    /// Where the bound comes from, or why it is not met.
    pub remark: &'static str,
}

/// What is asked of a figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
    /// This, give or take the second.
    Within(f64, f64),
}

impl Bound {
    /// Whether a figure meets it; one that is not a number meets nothing.
    pub fn holds(self, figure: f64) -> bool {
        match self {
            Self::AtMost(most) => figure <= most,
            Self::AtLeast(least) => figure >= least,
            Self::Within(middle, reach) => (figure - middle).abs() <= reach,
        }
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "≤ {most}"),
            Self::AtLeast(least) => write!(f, "≥ {least}"),
            Self::Within(middle, reach) => write!(f, "{middle} ± {reach}"),
        }
    }
}

impl Bar {
    /// A figure that needs no remark.
    pub(crate) fn new(what: impl Into<String>, measured: f64, bound: Bound) -> Self {
        Self {
            what: what.into(),
            measured,
            bound,
            remark: "",
        }
    }

    /// Whether the figure is what was asked for.
    pub fn is_met(&self) -> bool {
        self.bound.holds(self.measured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_that_is_no_number_meets_no_bound() {
        for bound in [Bound::AtMost(1.0), Bound::AtLeast(1.0), Bound::Within(1.0, 0.5)] {
            assert!(bound.holds(1.0) && !bound.holds(f64::NAN), "{bound}");
        }
        assert!(!Bound::AtMost(1.0).holds(1.1) && !Bound::AtLeast(1.0).holds(0.9) && !Bound::Within(1.0, 0.5).holds(0.4));
    }
}
