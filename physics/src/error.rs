//! What can go wrong in the core.

/// An error of the shallow-water core.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The flow outran the time step: information crosses more than the scheme allows in one step, or a value is not a number.
    #[error(
        "courant number `{courant:.3}` exceeds `{limit:.3}` at row `{row}`, column `{column}` of the core's grid after `{time_s:.0}` s\n\
         hint: a smaller `courant` steps more finely"
    )]
    Courant {
        /// Courant number found; NaN when the flow is not finite.
        courant: f64,
        /// Largest that the scheme allows.
        limit: f64,
        /// Row of the core's grid, from the south.
        row: usize,
        /// Column of the core's grid, from the west.
        column: usize,
        /// Seconds since the start.
        time_s: f64,
    },
    /// More air would leave a cell within one step than it holds, and water with it.
    #[error(
        "courant number `{courant:.3}` of the air that leaves exceeds `0.999` at row `{row}`, column `{column}` of the core's grid after \
         `{time_s:.0}` s\nhint: a smaller `courant` steps more finely"
    )]
    Emptied {
        /// Share of the cell's air that would leave; NaN when the flow is not finite.
        courant: f64,
        /// Row of the core's grid, from the south.
        row: usize,
        /// Column of the core's grid, from the west.
        column: usize,
        /// Seconds since the start.
        time_s: f64,
    },
    /// These bytes are no core that was kept.
    #[error("a kept core is damaged: expected {what}")]
    Kept {
        /// What was expected.
        what: &'static str,
    },
    /// A key of the configuration is outside its bounds.
    #[error("`{key}` is `{found}`, expected {expected}")]
    Config {
        /// Name of the key.
        key: &'static str,
        /// Its value.
        found: f64,
        /// Its bounds in words.
        expected: &'static str,
    },
    /// There is no known case of this name.
    #[error("there is no case `{found}`, expected one of {expected}")]
    Case {
        /// The name asked for.
        found: String,
        /// All names.
        expected: String,
    },
    /// A state lacks what the core needs.
    #[error("the state lacks {what}")]
    Missing {
        /// What it lacks.
        what: String,
    },
    /// A state or a forecast of it could not be made.
    #[error(transparent)]
    Forecast(#[from] nowblend_field::Error),
}
