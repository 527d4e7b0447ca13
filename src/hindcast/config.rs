//! Which part of the past is forecast again, by whom, and how it is judged.

use std::path::{Path, PathBuf};

use nowblend_field::{LeadTime, motion::MotionConfig};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Error;
use crate::{
    forecast::ForecasterConfig,
    ingest::IngestConfig,
    nowcast::{ExtrapolationConfig, PersistenceConfig},
    verify::MetricsConfig,
};

pub use super::starts::Starts;

/// Lead times that are not this far apart cannot be told apart by frames that may be a minute off, min.
const LEAST_APART_MIN: u32 = 2;

/// A hindcast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HindcastConfig {
    /// Folder for the cases and the scores.
    pub folder: PathBuf,
    /// The events to replay.
    pub events: Vec<EventConfig>,
    /// When forecasts start.
    pub starts: Starts,
    /// Lead times to be scored, min; an event is scored at those that its own frames give within a minute.
    pub lead_min: Vec<u32>,
    /// How the motion of the rain is estimated.
    pub motion: MotionConfig,
    /// Who forecasts. Persistence and extrapolation are scored beside it, always.
    pub forecaster: ForecasterConfig,
    /// What is scored, and where.
    pub metrics: MetricsConfig,
    /// The component that differences are relative to; empty for none.
    pub reference: String,
    /// Where random numbers start.
    pub seed: u64,
    /// Whether the sums from which weights of the components can be fitted are kept with each case.
    pub keep_covariances: bool,
    /// A file that gets a line each time that this hindcast runs, if given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_use: Option<PathBuf>,
}

/// One event of a hindcast.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventConfig {
    /// Name in tables; that of the source, without folders and ending, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where its frames come from.
    pub ingest: IngestConfig,
}

impl Default for HindcastConfig {
    fn default() -> Self {
        Self {
            folder: PathBuf::from("runs/hindcast"),
            events: Vec::new(),
            starts: Starts::default(),
            lead_min: vec![5, 10, 15, 20, 30, 45, 60, 90, 120],
            motion: MotionConfig::default(),
            forecaster: ForecasterConfig::default(),
            metrics: MetricsConfig::default(),
            reference: "extrapolation".to_owned(),
            seed: 0,
            keep_covariances: false,
            log_use: None,
        }
    }
}

impl EventConfig {
    /// An event of one source.
    pub fn of(source: impl Into<String>) -> Self {
        Self {
            name: None,
            ingest: IngestConfig {
                source: source.into(),
                ..IngestConfig::default()
            },
        }
    }

    /// Its name in tables.
    pub fn name(&self) -> String {
        let stem = || {
            Path::new(&self.ingest.source)
                .file_stem()
                .map(|stem| stem.to_string_lossy().into_owned())
        };
        self.name.clone().or_else(stem).unwrap_or_default()
    }
}

impl HindcastConfig {
    /// Lead times to be scored.
    pub fn lead_times(&self) -> Vec<LeadTime> {
        self.lead_min.iter().map(|m| LeadTime::from_minutes(*m)).collect()
    }

    /// Checksum of all that decides what a case adds: everything but the folder and the log, and the content of
    /// the checkpoints and of the shipped weights.
    pub fn fingerprint(&self) -> String {
        let resolved = self.resolved();
        let mut digest = Sha256::new();
        digest.update(resolved.to_string());
        nowblend_ml::SHIPPED_WEIGHTS.iter().for_each(|weights| digest.update(weights));
        digest.update(nowblend_ml::SHIPPED_EVOLUTION);
        let mut checkpoints = Vec::new();
        named("checkpoint", &resolved, &mut checkpoints);
        // One that cannot be read is told of when the forecaster is built.
        for checkpoint in checkpoints {
            let files = nowblend_ml::weight_files(Path::new(&checkpoint)).unwrap_or_default();
            for bytes in files.iter().filter_map(|path| std::fs::read(path).ok()) {
                digest.update(bytes);
            }
        }
        digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Every key, but for the folder and the log.
    pub(super) fn resolved(&self) -> serde_json::Value {
        let mut value = serde_json::to_value(self).expect("names and numbers can always be written");
        if let Some(keys) = value.as_object_mut() {
            keys.remove("folder");
            keys.remove("log_use");
        }
        // What files may claim decides whether they are read, not what is made of them.
        for event in value["events"].as_array_mut().into_iter().flatten() {
            if let Some(ingest) = event["ingest"].as_object_mut() {
                ingest.remove("limits");
            }
        }
        value
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let refuse = |key, found: String, expected| Err(Error::Config { key, found, expected });
        if self.events.is_empty() {
            return refuse("events", "none".to_owned(), "at least one");
        }
        let names: Vec<String> = self.events.iter().map(EventConfig::name).collect();
        if let Some((_, twice)) = names.iter().enumerate().find(|(k, name)| names[..*k].contains(name)) {
            return refuse("events", format!("two called `{twice}`"), "a `name` of its own for each");
        }
        let apart = self.lead_min.windows(2).all(|pair| pair[0] + LEAST_APART_MIN <= pair[1]);
        if self.lead_min.first().is_none_or(|first| *first == 0) || !apart {
            return refuse(
                "lead_min",
                format!("{:?}", self.lead_min),
                "minutes greater than 0, increasing by 2 or more",
            );
        }
        self.motion.check().map_err(crate::forecast::Error::from)?;
        self.starts.check()
    }

    /// The references that are scored beside the forecaster, unless it has them as components.
    pub(super) fn references() -> [ForecasterConfig; 2] {
        [
            ForecasterConfig::Persistence(PersistenceConfig::default()),
            ForecasterConfig::Extrapolation(ExtrapolationConfig::default()),
        ]
    }
}

/// All texts under a key, wherever it is nested.
fn named<'a>(key: &str, value: &'a serde_json::Value, into: &mut Vec<&'a str>) {
    match value {
        serde_json::Value::Object(entries) => {
            into.extend(entries.get(key).and_then(serde_json::Value::as_str).filter(|text| !text.is_empty()));
            entries.values().for_each(|inner| named(key, inner, into));
        }
        serde_json::Value::Array(values) => values.iter().for_each(|inner| named(key, inner, into)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_differs_and_its_mistakes_are_named() {
        let config: HindcastConfig = toml::from_str(
            "lead_min = [10, 30]\nstarts = { kind = 'spread', count = 3 }\n[[events]]\ningest = { source = 'radar/a.nc' }\n\
             [[events]]\nname = 'b'\ningest = { source = 'radar/*.grib2', block = 2 }",
        )
        .unwrap();
        assert_eq!(config.events.iter().map(EventConfig::name).collect::<Vec<_>>(), ["a", "b"]);
        assert!(config.check().is_ok());
        let refused = |text: &str| toml::from_str::<HindcastConfig>(text).unwrap().check().unwrap_err().to_string();
        assert!(refused("").contains("`events`"));
        let events = "[[events]]\ningest = { source = 'a/x.nc' }\n";
        assert!(refused(&format!("{events}[[events]]\ningest = {{ source = 'b/x.nc' }}")).contains("two called `x`"));
        assert!(refused(&format!("lead_min = [30, 10]\n{events}")).contains("`lead_min`"));
        assert!(toml::from_str::<HindcastConfig>("leads = [5]").is_err());
    }

    #[test]
    fn the_fingerprint_knows_what_decides_the_cases_and_nothing_else() {
        let config = HindcastConfig::default();
        let moved = HindcastConfig {
            folder: "elsewhere".into(),
            log_use: Some("log.txt".into()),
            ..config.clone()
        };
        assert_eq!(config.fingerprint(), moved.fingerprint());
        let other = HindcastConfig { seed: 1, ..config };
        assert_ne!(moved.fingerprint(), other.fingerprint());
    }

    #[test]
    fn other_weights_under_the_same_name_are_another_hindcast() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let forecaster = format!(
            "kind = 'blend'\nof = [{{ kind = 'nowcast_net', checkpoint = '{}' }}]",
            path.display()
        );
        let config = HindcastConfig {
            forecaster: toml::from_str(&forecaster).unwrap(),
            ..HindcastConfig::default()
        };
        std::fs::write(&path, "before").unwrap();
        let before = config.fingerprint();
        std::fs::write(&path, "after").unwrap();
        assert_ne!(config.fingerprint(), before);
    }
}
