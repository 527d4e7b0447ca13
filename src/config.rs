//! One run in one file: every key has a default, a file says only what differs, and a key that nobody knows is refused by name.

use std::path::{Path, PathBuf};

use nowblend_field::motion::MotionConfig;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    check::CheckConfig,
    forecast::{ForecastConfig, OutputConfig},
    ingest::{AirConfig, IngestConfig},
    render::MapsConfig,
    verify::MetricsConfig,
};

/// The default configuration as a file that explains itself; a test keeps it equal to the code.
pub const DEFAULT_TOML: &str = include_str!("../configs/default.toml");

/// Largest configuration that is read, bytes.
const LARGEST: u64 = 1 << 20;

/// All keys of a forecast.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where observed rain comes from.
    pub ingest: IngestConfig,
    /// Where the state of the air comes from, if there is one.
    pub air: AirConfig,
    /// How the motion of the rain is estimated.
    pub motion: MotionConfig,
    /// Who forecasts, how far, and what is kept.
    pub forecast: ForecastConfig,
    /// What is left of the forecast beside its NetCDF file.
    pub output: OutputConfig,
    /// What the forecast is held against.
    pub check: CheckConfig,
    /// Pictures.
    pub maps: MapsConfig,
    /// Scores, where the truth is known.
    pub verify: MetricsConfig,
}

/// A configuration that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read.
    #[error("reading configuration `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no TOML, or has a key or value that nobody knows.
    #[error("configuration `{}`: {reason}; `nowblend config` prints every key with its default", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and key.
        reason: String,
    },
}

impl Config {
    /// The resolved configuration, every key of it, as TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("every configuration is made of keys, numbers and words")
    }
}

/// Reads a configuration file of any kind.
///
/// # Errors
///
/// [`Error::Read`], and [`Error::Parse`] with line and key.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let refuse = |reason: String| Error::Parse {
        path: path.to_owned(),
        reason,
    };
    let told = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    let size = std::fs::metadata(path).map_err(told)?.len();
    if size > LARGEST {
        return Err(refuse(format!("{size} bytes, expected at most {LARGEST}")));
    }
    let text = std::fs::read_to_string(path).map_err(told)?;
    toml::from_str(&text).map_err(|e| refuse(in_one_line(&text, &e)))
}

/// Line, byte and reason of what TOML says in a picture of several lines.
fn in_one_line(text: &str, error: &toml::de::Error) -> String {
    let words = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
    let Some(span) = error.span() else { return words };
    let line = text.as_bytes()[..span.start.min(text.len())]
        .iter()
        .filter(|b| **b == b'\n')
        .count()
        + 1;
    format!("line {line}, byte {}: {words}", span.start)
}

#[cfg(test)]
mod tests {
    use nowblend_field::motion::{Estimator, LucasKanade, OpticalFlow, Variational};

    use super::*;

    /// Every key of a table, nested ones with dots, those inside arrays with the number of the entry.
    fn keys(value: &toml::Value, before: &str, into: &mut Vec<String>) {
        match value {
            toml::Value::Table(table) => {
                for (key, inner) in table {
                    let name = format!("{before}{key}");
                    keys(inner, &format!("{name}."), into);
                    into.push(name);
                }
            }
            toml::Value::Array(entries) => {
                for (number, inner) in entries.iter().enumerate() {
                    keys(inner, &format!("{before}{number}."), into);
                }
            }
            _ => {}
        }
    }

    fn keys_of(text: &str) -> Vec<String> {
        let mut all = Vec::new();
        keys(&toml::from_str::<toml::Value>(text).unwrap(), "", &mut all);
        all.sort();
        all
    }

    #[test]
    fn the_default_file_says_what_the_code_does_with_every_key() {
        assert_eq!(toml::from_str::<Config>(DEFAULT_TOML).unwrap(), Config::default());
        assert_eq!(keys_of(DEFAULT_TOML), keys_of(&Config::default().to_toml()));
    }

    #[test]
    fn an_unknown_key_is_refused_by_name_and_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.toml");
        std::fs::write(&path, "[ingest]\nsource = 'a'\nframez = 3\n").unwrap();
        let message = read::<Config>(&path).unwrap_err().to_string();
        assert!(
            message.contains("run.toml") && message.contains("framez") && message.contains("line 3"),
            "{message}"
        );
    }

    #[test]
    fn a_motion_without_kind_is_variational_and_each_kind_has_its_own_keys() {
        let motion = |text: &str| toml::from_str::<Config>(&format!("[motion]\n{text}")).map(|config| config.motion);
        assert_eq!(motion("").unwrap(), MotionConfig::default());
        let corners = motion("kind = 'lucas_kanade'\nwindow = 40\nnoise = 1").unwrap();
        let lucas_kanade = LucasKanade {
            window: 40,
            noise: 1.0,
            ..LucasKanade::default()
        };
        assert_eq!(corners.estimator, Estimator::LucasKanade(lucas_kanade));
        let smooth = motion("frames = 4\nsmoothness = 30\nwind_where_dry = 0.5").unwrap();
        let variational = Variational {
            frames: 4,
            smoothness: 30.0,
            ..Variational::default()
        };
        assert_eq!((smooth.estimator, smooth.wind.weight), (Estimator::Variational(variational), 0.5));
        let flow = motion("kind = 'optical_flow'").unwrap();
        assert_eq!(flow.estimator, Estimator::OpticalFlow(OpticalFlow::default()));

        for (text, parts) in [
            ("kind = 'optical_flow'\nwindoww = 3", ["windoww", "expected one of"]),
            ("kind = 'variational'\nwindow = 40", ["`window`", "`smoothness`"]),
            ("kind = 'guess'", ["guess", "`lucas_kanade`"]),
            ("kind = 3", ["kind", "text"]),
            ("frames = -1", ["-1", "usize"]),
            ("window = [3]", ["window", "number"]),
        ] {
            let said = motion(text).unwrap_err().to_string();
            assert!(parts.iter().all(|part| said.contains(part)), "{text}: {said}");
        }
    }

    #[test]
    fn every_kind_of_motion_is_written_so_that_it_can_be_read_back() {
        for estimator in [
            Estimator::default(),
            Estimator::LucasKanade(LucasKanade::default()),
            Estimator::OpticalFlow(OpticalFlow::default()),
        ] {
            let config = Config {
                motion: MotionConfig {
                    estimator,
                    ..MotionConfig::default()
                },
                ..Config::default()
            };
            assert!(config.motion.check().is_ok());
            assert_eq!(toml::from_str::<Config>(&config.to_toml()).unwrap(), config);
        }
    }

    #[test]
    fn a_file_says_only_what_differs() {
        let config: Config = toml::from_str("[ingest]\nframes = 6").unwrap();
        assert_eq!(config.ingest.frames, 6);
        assert_eq!(config.forecast, Config::default().forecast);
    }
}
