//! The words that a person types: commands, options and what they do.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use nowblend::{forecast::ForecasterConfig, ingest, train::TrainRunConfig};
use nowblend_field::{Analysis, LeadTime, Run as _, Seed};
use serde::Deserialize;

/// Rain forecasts for the next minutes to hours from radar: extrapolation beside a learned model, blended by lead time.
#[derive(Debug, Parser)]
#[command(name = "nowblend", version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Number of threads; all cores if not given. The forecast does not depend on it.
    #[arg(long, global = true, value_name = "N")]
    threads: Option<usize>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes a forecast from the newest frames of a radar file and prints a line of JSON for each lead time.
    Forecast {
        /// A CF NetCDF radar file.
        source: PathBuf,
        /// A TOML file that says who forecasts; `configs/default.toml` if not given.
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Where random numbers start; the same seed gives the same forecast.
        #[arg(long, default_value_t = 0)]
        seed: u64,
    },
    /// Trains the network on radar files, with checkpoints; a run that was stopped resumes.
    Train {
        /// A TOML file such as `configs/train.toml`.
        #[arg(short, long, value_name = "FILE", default_value = "configs/train.toml")]
        config: PathBuf,
        /// Where random numbers start; the same seed gives the same weights.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Starts anew instead of resuming from the checkpoint in the output folder.
        #[arg(long)]
        fresh: bool,
    },
}

/// What a forecast is made of, as a file says it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ForecastFile {
    forecast: ForecastSection,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ForecastSection {
    lead_step_min: u32,
    lead_count: usize,
    forecaster: ForecasterConfig,
}

/// Keys of a training file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrainFile {
    train: TrainRunConfig,
}

impl Cli {
    /// Does what was asked.
    pub fn run(&self) -> Result<()> {
        if let Some(threads) = self.threads {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build_global()
                .context("setting the number of threads")?;
        }
        match &self.command {
            Command::Forecast { source, config, seed } => forecast(source, config.as_deref(), Seed(*seed)),
            Command::Train { config, seed, fresh } => {
                let file: TrainFile = read(config)?;
                println!("{}", nowblend::train::run(&file.train, Seed(*seed), *fresh)?.display());
                Ok(())
            }
        }
    }
}

fn forecast(source: &std::path::Path, config: Option<&std::path::Path>, seed: Seed) -> Result<()> {
    let file: ForecastFile = match config {
        Some(path) => read(path)?,
        None => toml::from_str(include_str!("../configs/default.toml")).context("reading the default configuration")?,
    };
    let section = file.forecast;
    ensure!(
        section.lead_step_min > 0 && section.lead_count > 0,
        "`lead_step_min` and `lead_count` must be at least 1"
    );
    let (observed, absurd) = ingest::netcdf::read(source)?;
    if absurd > 0 {
        eprintln!(
            "limited: {}: {absurd} values without meaning count as not observed",
            source.display()
        );
    }
    let blend = section.forecaster.build_blend()?;
    let names = blend.component_names();
    let analysis = Analysis::new(observed);
    let lead_times = LeadTime::every(LeadTime::from_minutes(section.lead_step_min), section.lead_count);
    let mut run = blend.start_parts(&analysis, &lead_times, seed)?;
    while let Some(parts) = run.next_parts()? {
        let lead_time = parts.blended.lead_time;
        let rain = parts.blended.mean().context("the blend gives no rain")?;
        let known: Vec<f32> = rain.iter().copied().filter(|r| !r.is_nan()).collect();
        let share = |threshold: f32| known.iter().filter(|r| **r >= threshold).count() as f64 / known.len().max(1) as f64;
        let weights: serde_json::Map<String, serde_json::Value> = names
            .iter()
            .zip(&parts.weights)
            .map(|(name, weight)| ((*name).to_owned(), serde_json::json!(weight)))
            .collect();
        let line = serde_json::json!({
            "valid_time": (analysis.reference_time() + lead_time).to_rfc3339(),
            "lead_min": lead_time.minutes(),
            "observed_share": known.len() as f64 / rain.len() as f64,
            "mean_mm_h": known.iter().map(|r| f64::from(*r)).sum::<f64>() / known.len().max(1) as f64,
            "max_mm_h": known.iter().copied().fold(0.0, f32::max),
            "share_at_or_above_0p1_mm_h": share(0.1),
            "share_at_or_above_1_mm_h": share(1.0),
            "weights": weights,
        });
        println!("{line}");
    }
    for notice in run.notices() {
        eprintln!("{notice}");
    }
    Ok(())
}

fn read<T: serde::de::DeserializeOwned>(path: &std::path::Path) -> Result<T> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading `{}`", path.display()))?;
    toml::from_str(&text).with_context(|| format!("configuration `{}`", path.display()))
}
