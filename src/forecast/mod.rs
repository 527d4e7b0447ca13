//! One forecast from start to end: who forecasts, what comes of it lead by lead, and where it goes.

mod amounts;
mod config;
mod forecaster;
mod output;
mod run;
mod to_files;

pub use config::ForecastConfig;
pub use forecaster::{BlendConfig, ForecasterConfig};
pub use output::{Format, OutputConfig};
pub use run::{Closing, Component, Lead, Output, run};
pub use to_files::ToFiles;

/// A forecast that cannot be set up, made or kept.
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
    /// A forecaster failed and none was left to carry on.
    #[error(transparent)]
    Field(#[from] nowblend_field::Error),
    /// The keys of another program's forecast make no sense.
    #[error("component of kind `file`: {0}")]
    File(#[from] crate::ingest::Error),
    /// The forecast cannot be kept.
    #[error(transparent)]
    Store(#[from] crate::store::Error),
    /// An output failed.
    #[error("{what}: {source}")]
    Output {
        /// Which output.
        what: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A key is out of its bounds.
    #[error("`{key}` is {found}, expected {expected}")]
    Config {
        /// The key.
        key: &'static str,
        /// Its value.
        found: String,
        /// The bounds in words.
        expected: &'static str,
    },
}
