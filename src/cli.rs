//! The words that a person types: commands, options and what they do.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Rain forecasts for the next minutes to hours: physics beside a learned model, blended by lead time, with a judgement of how far
/// to trust them.
#[derive(Debug, Parser)]
#[command(name = "nowblend", version, propagate_version = true, after_help = FIRST_STEPS)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// Says more on standard error (-v: what is being done, -vv: details).
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// Number of threads; all cores if not given. The forecast does not depend on it.
    #[arg(long, global = true, value_name = "N")]
    pub threads: Option<usize>,
}

const FIRST_STEPS: &str = "\
First steps:
  nowblend demo                                   a simulated scene, from radar files to a report; needs no data
  nowblend forecast DIRECTORY                     a forecast from the newest radar files in a directory
  nowblend config                                 every key of a configuration, with unit, meaning and default

Results go to files and standard output, messages to standard error.";

/// What `nowblend` does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Simulates rain, writes it as radar files, forecasts from them and compares with the known future.
    ///
    /// Needs no data and no network. The report says plainly that the scene is simulated.
    Demo(DemoArgs),

    /// Reads radar files and tells what is in them: times, grid, coverage, rain, and what was limited or missing.
    Ingest(IngestArgs),

    /// Makes a forecast from radar files: every component, their blend, the checks, a NetCDF file and a report.
    Forecast(ForecastArgs),

    /// Replays an archive: forecasts from many reference times without looking ahead, and their scores.
    ///
    /// Results are appended case by case; a run that was stopped continues where it was.
    Hindcast(HindcastArgs),

    /// Scores a forecast file against radar files.
    Verify(VerifyArgs),

    /// Trains the network on radar files, with checkpoints; a run that was stopped resumes.
    Train(TrainArgs),

    /// Shows every configuration key with its unit, meaning and default, or what a file of yours resolves to.
    Config(ConfigArgs),
}

/// Which configuration to use, and what to change in it.
#[derive(Debug, Args)]
pub struct Configured {
    /// A TOML file that says what differs from the defaults.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Changes one key: `--set forecast.lead_count=6`. May be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,

    /// Where random numbers start; the same seed gives the same forecast.
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Directory for the radar files, the forecast and the report.
    #[arg(short, long, default_value = "demo")]
    pub output: PathBuf,

    #[command(flatten)]
    #[allow(missing_docs, reason = "documented at its type")]
    pub configured: Configured,
}

/// Arguments of `ingest`.
#[derive(Debug, Args)]
pub struct IngestArgs {
    /// A file, a directory or a pattern such as 'radar/*.grib2' (instead of `ingest.source` of the configuration).
    pub source: Vec<String>,

    #[command(flatten)]
    #[allow(missing_docs, reason = "documented at its type")]
    pub configured: Configured,
}

/// Arguments of `forecast`.
#[derive(Debug, Args)]
pub struct ForecastArgs {
    /// Radar files: a file, a directory or a pattern such as 'radar/*.grib2' (instead of `ingest.source` of the configuration).
    pub source: Vec<String>,

    /// Directory for `forecast.nc`, `report.html` and the pictures.
    #[arg(short, long, default_value = "forecast")]
    pub output: PathBuf,

    /// When the forecast starts, such as 2026-11-23T12:00:00Z; the newest complete frame if not given.
    #[arg(short, long, value_name = "TIME")]
    pub reference_time: Option<String>,

    /// Radar files of the time after the reference time, to score the forecast with.
    #[arg(long, value_name = "SOURCE")]
    pub truth: Option<String>,

    #[command(flatten)]
    #[allow(missing_docs, reason = "documented at its type")]
    pub configured: Configured,
}

/// Arguments of `hindcast`.
#[derive(Debug, Args)]
pub struct HindcastArgs {
    /// The archive: a file, a directory or a pattern (instead of `ingest.source` of the configuration).
    pub source: Vec<String>,

    /// Where results are appended, one line a case.
    #[arg(short, long, default_value = "runs/hindcast.jsonl")]
    pub output: PathBuf,

    #[command(flatten)]
    #[allow(missing_docs, reason = "documented at its type")]
    pub configured: Configured,
}

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// A forecast file that `nowblend forecast` wrote.
    pub forecast: PathBuf,

    /// Radar files of the forecast's valid times: files, directories or patterns.
    #[arg(required = true)]
    pub observed: Vec<String>,

    /// Writes the scores as a table (.csv) or with everything needed to add cases (.json), too.
    #[arg(short, long, value_name = "FILE")]
    pub output: Vec<PathBuf>,

    #[command(flatten)]
    #[allow(missing_docs, reason = "documented at its type")]
    pub configured: Configured,
}

/// Arguments of `train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// Starts anew instead of resuming from the checkpoint in the output directory.
    #[arg(long)]
    pub fresh: bool,

    #[command(flatten)]
    #[allow(missing_docs, reason = "documented at its type")]
    pub configured: Configured,
}

/// Arguments of `config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// Shows what the defaults become under `--config` and `--set` instead of the annotated defaults.
    #[arg(long)]
    pub resolved: bool,

    #[command(flatten)]
    #[allow(missing_docs, reason = "documented at its type")]
    pub configured: Configured,
}
