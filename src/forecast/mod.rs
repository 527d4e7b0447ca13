//! One forecast from start to end: who forecasts, and what comes of it lead by lead.

mod forecaster;

pub use forecaster::{BlendConfig, ForecasterConfig};

/// A forecast that cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The blend cannot be built.
    #[error(transparent)]
    Blend(#[from] crate::blend::Error),
    /// The shallow-water core cannot be built.
    #[error(transparent)]
    Core(#[from] nowblend_physics::Error),
    /// The network cannot be built.
    #[error(transparent)]
    Network(#[from] nowblend_ml::Error),
}
