//! What can be wrong with a blend before it starts.

/// A blend that cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing to blend.
    #[error("a blend needs at least one component\nhint: list forecasters in `of`")]
    NoComponents,
    /// Two components answer to one name.
    #[error("two components of the blend are called `{name}`\nhint: give one of them another `name`")]
    SameName {
        /// The name.
        name: String,
    },
    /// A weight names a component that is not there.
    #[error("weight is given for `{name}`, but the blend is of {known}")]
    UnknownComponent {
        /// The name as given.
        name: String,
        /// The components there are.
        known: String,
    },
    /// Curves and components do not pair up.
    #[error("{curves} weight curves were given for {components} components")]
    WeightCount {
        /// Number of curves.
        curves: usize,
        /// Number of components.
        components: usize,
    },
    /// A weight curve that makes no sense.
    #[error("weight of `{component}`: {reason}")]
    Curve {
        /// Whose weight.
        component: String,
        /// What is wrong, both sides.
        reason: String,
    },
    /// A number out of its bounds.
    #[error(transparent)]
    Value(#[from] nowblend_field::Error),
}
