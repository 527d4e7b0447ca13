//! One TOML file is one run: every key has a default, a unit and a meaning, and an unknown key is refused by name.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    check::CheckConfig, forecast::ForecastConfig, hindcast::HindcastConfig, ingest::IngestConfig, train::TrainRunConfig,
    verify::VerifyConfig,
};

/// The annotated defaults: every key, its unit and its meaning.
pub const DEFAULTS: &str = include_str!("../configs/default.toml");

/// The configuration of one run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where random numbers start.
    pub seed: u64,
    /// Radar and model files.
    pub ingest: IngestConfig,
    /// Lead times, and who forecasts.
    pub forecast: ForecastConfig,
    /// Limits of the consistency checks.
    pub check: CheckConfig,
    /// Scores.
    pub verify: VerifyConfig,
    /// Replays of an archive.
    pub hindcast: HindcastConfig,
    /// What is written.
    pub output: OutputConfig,
    /// Training of the network.
    pub train: TrainRunConfig,
}

/// What a forecast writes beside `forecast.nc`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutputConfig {
    /// Whether `report.html` is written.
    pub report: bool,
    /// Whether a PNG map of the blend is written for every lead time.
    pub maps: bool,
    /// Whether the fields of the physics core (column water, moisture flux divergence, convergence) are written.
    pub diagnostics: bool,
}

impl Default for OutputConfig {
    fn default() -> Self {
        Self {
            report: true,
            maps: true,
            diagnostics: false,
        }
    }
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read.
    #[error("reading configuration `{path}`: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The text is not TOML, or names a key or value that does not exist.
    #[error("configuration {origin}: {message}\nhint: `nowblend config` shows every key")]
    Parse {
        /// The file, or the option.
        origin: String,
        /// What is wrong and where.
        message: String,
    },
    /// A `--set` that is not KEY=VALUE.
    #[error("`--set {given}` is not of the form KEY=VALUE\nhint: `--set forecast.lead_count=6`")]
    Set {
        /// The words as given.
        given: String,
    },
}

impl Config {
    /// The defaults, changed by a file if there is one, then by `KEY=VALUE` words in order.
    ///
    /// # Errors
    ///
    /// [`Error::Read`], [`Error::Parse`] for text that is not TOML or a key or value that does not exist, [`Error::Set`].
    pub fn load(file: Option<&Path>, set: &[String]) -> Result<Self, Error> {
        let mut table = toml::Table::new();
        if let Some(path) = file {
            let text = std::fs::read_to_string(path).map_err(|source| Error::Read {
                path: path.to_owned(),
                source,
            })?;
            let origin = format!("`{}`", path.display());
            // Read once as the typed configuration, so that a mistake is told with its line.
            let _: Self = toml::from_str(&text).map_err(|e| Error::Parse {
                origin: origin.clone(),
                message: e.to_string(),
            })?;
            table = text.parse().map_err(|e: toml::de::Error| Error::Parse {
                origin,
                message: e.to_string(),
            })?;
        }
        for words in set {
            let (key, value) = words.split_once('=').ok_or_else(|| Error::Set { given: words.clone() })?;
            let value = parse_value(value.trim());
            put(&mut table, key.trim(), value).ok_or_else(|| Error::Set { given: words.clone() })?;
        }
        toml::Value::Table(table).try_into().map_err(|e: toml::de::Error| Error::Parse {
            origin: "with `--set`".into(),
            message: e.to_string(),
        })
    }

    /// The whole configuration as TOML, defaults included: what an output carries.
    pub fn resolved(&self) -> String {
        toml::to_string(self).expect("a configuration is plain data that TOML can hold")
    }

    /// SHA-256 of [`Config::resolved`], hexadecimal.
    pub fn checksum(&self) -> String {
        Sha256::digest(self.resolved().as_bytes())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// A TOML value; words that are no TOML value are a string.
fn parse_value(words: &str) -> toml::Value {
    let parsed = format!("value = {words}")
        .parse::<toml::Table>()
        .ok()
        .and_then(|mut t| t.remove("value"));
    parsed.unwrap_or_else(|| toml::Value::String(words.to_owned()))
}

fn put(table: &mut toml::Table, key: &str, value: toml::Value) -> Option<()> {
    match key.split_once('.') {
        None if key.is_empty() => None,
        None => {
            table.insert(key.to_owned(), value);
            Some(())
        }
        Some((head, rest)) => put(
            table
                .entry(head)
                .or_insert_with(|| toml::Value::Table(toml::Table::new()))
                .as_table_mut()?,
            rest,
            value,
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn keys(value: &toml::Value, under: &str, all: &mut BTreeSet<String>) {
        if let toml::Value::Table(table) = value {
            for (key, value) in table {
                let path = format!("{under}{key}");
                keys(value, &format!("{path}."), all);
                all.insert(path);
            }
        }
    }

    #[test]
    fn the_annotated_defaults_are_the_defaults_of_the_code_key_by_key() {
        let text: toml::Value = toml::Value::Table(DEFAULTS.parse().unwrap());
        let code = toml::Value::try_from(Config::default()).unwrap();
        let (mut in_text, mut in_code) = (BTreeSet::new(), BTreeSet::new());
        keys(&text, "", &mut in_text);
        keys(&code, "", &mut in_code);
        let missing: Vec<_> = in_code.symmetric_difference(&in_text).collect();
        assert!(
            missing.is_empty(),
            "keys that only one of code and configs/default.toml has: {missing:?}"
        );
        assert_eq!(toml::from_str::<Config>(DEFAULTS).unwrap(), Config::default());
    }

    #[test]
    fn an_unknown_key_is_refused_by_name_and_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "seed = 1\n[forecast]\nlead_cuont = 3\n").unwrap();
        let message = Config::load(Some(file.path()), &[]).unwrap_err().to_string();
        assert!(message.contains("lead_cuont") && message.contains("line 3"), "{message}");
        let message = Config::load(None, &["forecast.lead_cuont=3".into()]).unwrap_err().to_string();
        assert!(message.contains("lead_cuont"), "{message}");
    }

    #[test]
    fn words_change_one_key_and_leave_the_rest() {
        let config = Config::load(None, &["seed=7".into(), "forecast.lead_count=3".into()]).unwrap();
        assert_eq!((config.seed, config.forecast.lead_count), (7, 3));
        assert_eq!(config.ingest, Config::default().ingest);
        assert!(matches!(Config::load(None, &["seed".into()]), Err(Error::Set { .. })));
    }

    #[test]
    fn what_is_resolved_reads_back_as_itself() {
        let config = Config::load(None, &["seed=7".into()]).unwrap();
        assert_eq!(toml::from_str::<Config>(&config.resolved()).unwrap(), config);
        assert_ne!(config.checksum(), Config::default().checksum());
    }
}
