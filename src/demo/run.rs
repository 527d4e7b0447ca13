//! The demonstration: a simulated scene is written as radar files, and the ordinary path runs on them from ingest to report.

use std::path::Path;

use nowblend_field::Seed;

use super::{SceneConfig, SceneFiles, write_scene};
use crate::{
    bulletin::{self, Bulletin, Request},
    config::Config,
    forecast::Output,
    ingest::{Archive, IngestConfig},
};

/// What the demonstration does other than the default.
pub const DEMO_TOML: &str = include_str!("../../configs/demo.toml");

/// What the demonstration made.
#[derive(Debug)]
pub struct Demo {
    /// The simulated radar files.
    pub scene: SceneFiles,
    /// The forecast with everything around it.
    pub bulletin: Bulletin,
}

/// A demonstration that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The scene cannot be written.
    #[error(transparent)]
    Scene(#[from] super::Error),
    /// The forecast cannot be made from it.
    #[error(transparent)]
    Bulletin(#[from] bulletin::Error),
    /// The files cannot be read back.
    #[error(transparent)]
    Ingest(#[from] crate::ingest::Error),
}

/// Simulates a scene into `folder/radar` and forecasts it into `folder`; `also` takes each lead time as it is made.
///
/// # Errors
///
/// Those of writing the scene, and of the ordinary path.
pub fn run(folder: &Path, seed: Seed, also: &mut dyn Output) -> Result<Demo, Error> {
    let scene = write_scene(&folder.join("radar"), &SceneConfig::new(seed))?;
    let mut config: Config = toml::from_str(DEMO_TOML).expect("the file is part of the program and a test reads it");
    config.forecast.seed = seed;
    config.ingest.source = scene.past.display().to_string();
    let future = IngestConfig {
        source: scene.future.display().to_string(),
        ..config.ingest.clone()
    };
    let (past, future) = (Archive::open(&config.ingest)?, Archive::open(&future)?);
    let request = Request {
        archive: &past,
        reference_time: Some(scene.reference_time),
        truth: Some(&future),
        folder,
        simulated: Some(&scene.description),
    };
    let bulletin = bulletin::make(&config, &request, also)?;
    Ok(Demo { scene, bulletin })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_the_demonstration_is_one_of_ours() {
        let config: Config = toml::from_str(DEMO_TOML).unwrap();
        assert!(config.forecast.lead_times().is_ok());
    }
}
