//! Where a forecast comes from: configuration, seed, version, inputs, and what went other than planned.

use nowblend_field::{Notice, Seed};
use serde::{Deserialize, Serialize};

/// A file that went into a forecast.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Name of the file, without the folders of the machine that it lay on.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the content, hexadecimal.
    pub sha256: String,
}

/// All that is needed to make a forecast again, or to know why it differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The resolved configuration, every key of it, as TOML.
    pub config_toml: String,
    /// Where random numbers started.
    pub seed: Seed,
    /// Version of the program.
    pub version: String,
    /// Commit of the program, if known.
    pub commit: Option<String>,
    /// Files read, in order.
    pub inputs: Vec<Input>,
    /// Papers and programs followed.
    pub references: Vec<String>,
    /// What was missing, limited, redistributed or degraded.
    pub notices: Vec<Notice>,
}

impl Provenance {
    /// What this program makes under a configuration and a seed, still without inputs, references and notices.
    pub fn here(config_toml: String, seed: Seed) -> Self {
        Self {
            config_toml,
            seed,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: option_env!("NOWBLEND_COMMIT").map(str::to_owned),
            inputs: Vec::new(),
            references: Vec::new(),
            notices: Vec::new(),
        }
    }

    /// The program in one line: `nowblend 0.1.0 (1a2b3c4)`.
    pub fn program(&self) -> String {
        match &self.commit {
            Some(commit) => format!("nowblend {} ({commit})", self.version),
            None => format!("nowblend {}", self.version),
        }
    }
}
