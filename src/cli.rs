//! The words that a person types: commands, options and what they do.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use chrono::{DateTime, NaiveDateTime, Utc};
use clap::{Args, Parser, Subcommand};
use nowblend::{
    blend::Weight,
    bulletin::{self, Request},
    config::{self, Config, DEFAULT_TOML},
    convert, demo, folds,
    forecast::{self, Lead, Output},
    global, hindcast,
    ingest::{self, Archive, IngestConfig},
    physics,
    point::{self, Place},
    store,
    train::TrainRunConfig,
    verify,
};
use nowblend_field::{Notice, ReferenceTime, Seed};
use serde::Deserialize;
use tracing::{debug, info, warn};

/// Rain forecasts for the next minutes to hours from radar: extrapolation, a learned model and a shallow-water core, blended by lead time
/// and checked against what is physically possible.
#[derive(Debug, Parser)]
#[command(name = "nowblend", version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Number of threads; all cores if not given. No result depends on it.
    #[arg(long, global = true, value_name = "N")]
    threads: Option<usize>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Simulates a rainy scene as radar files and forecasts it, from ingest to report; needs no download.
    Demo {
        /// Folder for everything; open `report.html` in it.
        #[arg(default_value = "demo")]
        folder: PathBuf,
        /// Which scene; the same seed gives the same files.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Tells what radar files hold: a line of JSON for each frame, gaps and oddities on standard error.
    ///
    /// Reads GRIB2 (MRMS), CF NetCDF, ODIM HDF5, RADOLAN, GeoTIFF, FMI PGM and MeteoSwiss GIF, plain or gzipped; HDF5, GeoTIFF, PGM and GIF of other services
    /// as `[ingest.provider]` in the configuration describes them.
    Ingest {
        #[command(flatten)]
        source: Source,
        /// Writes all frames, cropped and averaged as configured, as one CF NetCDF file or Zarr folder instead.
        #[arg(long, value_name = "FILE.nc|FOLDER.zarr")]
        to: Option<PathBuf>,
        /// Tells every field of GRIB2 files instead, whatever it is: wind, temperature, rain.
        #[arg(long)]
        fields: bool,
    },
    /// Makes a forecast with maps and report, and prints a line of JSON for each lead time.
    Forecast {
        #[command(flatten)]
        source: Source,
        /// Folder for `forecast.nc`, `report.html` and the maps.
        #[arg(short, long, value_name = "FOLDER", default_value = "forecast")]
        output: PathBuf,
        /// When the forecast starts, UTC, such as 2017-01-31T10:00; the newest complete frame if not given. Nothing later is read.
        #[arg(long, value_name = "TIME", value_parser = moment)]
        reference_time: Option<ReferenceTime>,
        /// Radar files of what came afterwards, to score the forecast by: a file, a directory or a pattern.
        #[arg(long, value_name = "SOURCE")]
        truth: Option<String>,
        /// Where random numbers start; the same seed gives the same forecast. That of the configuration if not given.
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Forecasts the past from many starts without looking ahead, and scores every component; a run that was stopped goes on.
    Hindcast {
        /// A TOML file such as `configs/hindcast_validation.toml`.
        #[arg(short, long, value_name = "FILE")]
        config: PathBuf,
        /// Begins anew instead of going on with the cases in the folder.
        #[arg(long)]
        fresh: bool,
    },
    /// Scores a stored forecast against radar files.
    Verify {
        /// A `forecast.nc` that this program wrote.
        forecast: PathBuf,
        #[command(flatten)]
        source: Source,
        /// Prints JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Tells what a stored forecast says for places: rain by lead time, its spread, amounts, when rain starts and ends.
    Point {
        /// A `forecast.nc` that this program wrote.
        forecast: PathBuf,
        /// Longitude and latitude in degrees, with a name if wanted: 8.55,47.37 or Zurich=8.55,47.37; may be given several times.
        #[arg(long, value_name = "[NAME=]LON,LAT", allow_hyphen_values = true)]
        at: Vec<String>,
        /// A CSV file of places with the heading name,longitude,latitude.
        #[arg(long, value_name = "FILE")]
        places: Option<PathBuf>,
        /// Rain at or above this counts as rain, mm/h.
        #[arg(long, value_name = "MM_H", default_value_t = 0.1)]
        wet_mm_h: f64,
        /// Prints a line of JSON for each place instead of a table.
        #[arg(long)]
        json: bool,
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
        /// Writes the windows of all steps there instead of training on them, for a program that takes the steps elsewhere.
        #[arg(long, value_name = "FILE", conflicts_with = "fresh")]
        windows: Option<PathBuf>,
    },
    /// Leaves out one provider of radar data after the other, trains without it and scores the network on its events; resumes.
    Folds {
        /// A TOML file such as `configs/folds.toml`.
        #[arg(short, long, value_name = "FILE", default_value = "configs/folds.toml")]
        config: PathBuf,
        /// Where random numbers start.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Starts anew instead of resuming.
        #[arg(long)]
        fresh: bool,
    },
    /// Forecasts the air around the globe with the learned model, from a published checkpoint and two analyses.
    Global {
        #[command(subcommand)]
        command: Global,
    },
    /// Runs the shallow-water core on flows whose fate is known.
    Physics {
        #[command(subcommand)]
        command: Physics,
    },
    /// Prints every key of the configuration with its unit, meaning and default, or a file of yours with all keys filled in.
    Config {
        /// A TOML file that says only what differs.
        file: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
enum Global {
    /// Makes a forecast step by step, as one CF NetCDF file with the names of the public data, and prints a line of JSON for each step.
    Forecast {
        /// A checkpoint in the published layout (.npz); grid, mesh, levels and variables are those that it says.
        #[arg(long, value_name = "FILE.npz")]
        checkpoint: PathBuf,
        /// Folder of mean_by_level.nc, stddev_by_level.nc and diffs_stddev_by_level.nc; that of the checkpoint if not given.
        #[arg(long, value_name = "FOLDER")]
        normalisation: Option<PathBuf>,
        /// Analyses in GRIB2 or NetCDF on the grid of the checkpoint, a step apart: a file, a directory or a pattern.
        #[arg(long, value_name = "SOURCE")]
        initial: String,
        /// When the newest analysis holds, UTC; the newest time at which most is there if not given.
        #[arg(long, value_name = "TIME", value_parser = moment)]
        reference_time: Option<ReferenceTime>,
        /// Steps; 40 of six hours are ten days.
        #[arg(long, default_value_t = 40)]
        steps: usize,
        /// File of the forecast.
        #[arg(short, long, value_name = "FILE.nc", default_value = "global.nc")]
        output: PathBuf,
    },
    /// Starts the shallow-water core from every state of a source, holds its height and wind at one level against the states that follow, and prints a line
    /// of JSON for each part of the globe and lead time, beside persistence.
    Score {
        /// States in GRIB2 or NetCDF: a file, a directory or a pattern.
        source: String,
        /// Heights of the mean year in NetCDF; of several months the first counts.
        #[arg(long, value_name = "SOURCE")]
        climatology: Option<String>,
        /// Pressure level, hPa.
        #[arg(long, default_value_t = 500.0)]
        level_hpa: f64,
        /// Longest lead time, h.
        #[arg(long, default_value_t = 36)]
        longest_h: u32,
        /// Rows of the core's grid.
        #[arg(long, default_value_t = 48)]
        rows: usize,
        /// Mean depth of the layer, m.
        #[arg(long, default_value_t = 4000.0)]
        mean_depth_m: f64,
        /// Waves of the start quicker than this are taken out, h; 0 for none.
        #[arg(long, default_value_t = 12.0)]
        cutoff_h: f64,
    },
    /// Runs a configuration with random weights and prints a line of JSON: size of its graph, time of each step, peak memory.
    Measure {
        /// Spacing of the grid, degrees.
        #[arg(long, default_value_t = 1.0)]
        resolution: f64,
        /// Pressure levels, 13 or 37.
        #[arg(long, default_value_t = 13)]
        levels: usize,
        /// Finest level of the mesh.
        #[arg(long, default_value_t = 5)]
        mesh: usize,
        /// Numbers that the network holds of a node or an edge.
        #[arg(long, default_value_t = 512)]
        latent: usize,
        /// Steps of passing messages within the mesh.
        #[arg(long, default_value_t = 16)]
        layers: usize,
        /// Steps of the forecast.
        #[arg(long, default_value_t = 1)]
        steps: usize,
        /// Writes the forecast, too.
        #[arg(short, long, value_name = "FILE.nc")]
        output: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
enum Physics {
    /// Lists the cases: name, sentence, source.
    Cases,
    /// Runs a case, draws it, and prints a line of JSON for each sample of what should not change.
    Run {
        /// Name of the case, such as williamson_5; `nowblend physics cases` lists all.
        case: String,
        /// Rows of the grid; what is usual for the case if not given.
        #[arg(long, value_name = "N")]
        rows: Option<usize>,
        /// How long, hours; what is usual for the case if not given.
        #[arg(long)]
        hours: Option<f64>,
        /// Folder for maps (PNG), table (CSV) and plot (SVG).
        #[arg(short, long, value_name = "FOLDER", default_value = "physics")]
        output: PathBuf,
    },
    /// Invents hours of weather whose state is known and writes its rain as an event, to train on and to try forecasters on.
    Nature {
        /// The event: FILE.nc, or FOLDER.zarr.
        #[arg(short, long, value_name = "FILE.nc", default_value = "nature.nc")]
        output: PathBuf,
        /// Time from the first frame to the last, h.
        #[arg(long, default_value_t = 3.0)]
        hours: f64,
        /// Time before the first frame in which showers come to be, h.
        #[arg(long, default_value_t = 1.0)]
        before_h: f64,
        /// Time between frames, min.
        #[arg(long, default_value_t = 5)]
        every_min: u32,
        /// Cells along a side.
        #[arg(long, default_value_t = 256)]
        cells: usize,
        /// Size of a cell, km.
        #[arg(long, default_value_t = 2.0)]
        cell_km: f64,
        /// Wind of the eddies in the mean of squares, m/s.
        #[arg(long, default_value_t = 8.0)]
        wind_m_s: f64,
        /// Showers born every 10 min on 100 x 100 km.
        #[arg(long, default_value_t = 3.0)]
        showers: f64,
        /// Another seed is other weather.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Measures all that the core is held to, which takes many minutes, and writes the table into the documentation.
    Table {
        /// Only cases whose names contain this, for a look; then nothing is written.
        #[arg(long, value_name = "PART", default_value = "")]
        only: String,
        /// The Markdown file that the table stands in.
        #[arg(long, value_name = "FILE.md", default_value = "docs/physics.md")]
        into: PathBuf,
    },
}

/// Scores that a terminal shows; the files hold all.
const SHOWN: [&str; 8] = [
    "csi_1_mm_h",
    "csi_5_mm_h",
    "fss_5_mm_h_20_km",
    "mae",
    "frequency_bias_1_mm_h",
    "crps_fair",
    "threshold_crps_fair",
    "spread_error",
];

/// Where radar files are, and how they are read.
#[derive(Debug, Args)]
struct Source {
    /// Radar files: a file, a directory or a pattern such as 'radar/*.h5'; that of the configuration if not given.
    source: Option<String>,
    /// A TOML file that says what differs from the default; `nowblend config` prints every key.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Source {
    fn config(&self) -> Result<Config> {
        let mut config = match &self.config {
            Some(path) => config::read(path)?,
            None => Config::default(),
        };
        if let Some(source) = &self.source {
            config.ingest.source.clone_from(source);
        }
        ensure!(
            !config.ingest.source.is_empty(),
            "no radar files are given\nhint: name a file, a directory or a pattern, or set `source` under [ingest] in the configuration"
        );
        Ok(config)
    }
}

/// Keys of a training file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrainFile {
    train: TrainRunConfig,
}

/// Keys of a file of folds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FoldsFile {
    folds: folds::FoldsConfig,
}

/// Keys of a hindcast file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HindcastFile {
    hindcast: hindcast::HindcastConfig,
}

impl Cli {
    /// Does what was asked.
    pub fn run(&self) -> Result<()> {
        if let Some(threads) = self.threads {
            ensure!(threads > 0, "`--threads` is 0, expected at least 1");
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build_global()
                .context("setting the number of threads")?;
        }
        match &self.command {
            Command::Demo { folder, seed } => demonstrate(folder, Seed(*seed)),
            Command::Ingest { source, fields: true, .. } => every_field(&source.config()?.ingest),
            Command::Ingest {
                source, to: Some(path), ..
            } => bring(&source.config()?, path),
            Command::Ingest { source, .. } => inventory(&source.config()?.ingest),
            Command::Forecast {
                source,
                output,
                reference_time,
                truth,
                seed,
            } => {
                let mut config = source.config()?;
                if let Some(seed) = seed {
                    config.forecast.seed = Seed(*seed);
                }
                forecast(&config, output, *reference_time, truth.as_deref())
            }
            Command::Hindcast { config, fresh } => replay(config, *fresh),
            Command::Verify { forecast, source, json } => score(&source.config()?, forecast, *json),
            Command::Point {
                forecast,
                at,
                places,
                wet_mm_h,
                json,
            } => tell_places(forecast, at, places.as_deref(), *wet_mm_h, *json),
            Command::Train {
                config,
                seed,
                fresh,
                windows,
            } => {
                let file: TrainFile = config::read(config)?;
                if let Some(windows) = windows {
                    return Ok(nowblend::train::write_windows(&file.train, Seed(*seed), windows)?);
                }
                print_line(&nowblend::train::run(&file.train, Seed(*seed), *fresh)?.display())
            }
            Command::Folds { config, seed, fresh } => {
                let file: FoldsFile = config::read(config)?;
                print_line(&folds::run(&file.folds, Seed(*seed), *fresh)?.trim_end())
            }
            Command::Global { command } => around_the_globe(command),
            Command::Physics { command } => known_cases(command),
            Command::Config { file: Some(path) } => print_line(&config::read::<Config>(path)?.to_toml().trim_end()),
            Command::Config { file: None } => print_line(&DEFAULT_TOML.trim_end()),
        }
    }
}

fn demonstrate(folder: &Path, seed: Seed) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("making folder `{}`", folder.display()))?;
    let made = demo::run(folder, seed, &mut Lines {})?;
    info!("{}", made.scene.description);
    tell(&made.bulletin);
    Ok(())
}

fn inventory(ingest: &IngestConfig) -> Result<()> {
    let archive = Archive::open(ingest)?;
    let (mut told, mut refused) = (false, Vec::new());
    for valid_time in archive.times() {
        let rain = match archive.frame(*valid_time) {
            Ok(Some(rain)) => rain,
            Ok(None) => continue,
            Err(error) => {
                refused.push(error);
                continue;
            }
        };
        if !told {
            told = true;
            info!("grid: {}", archive.grid());
            if let Some(step) = archive.step() {
                info!("step: {} min, {} frames", step.minutes(), archive.times().len());
            }
            tell_notices(&archive.problems());
        }
        let known: Vec<f32> = rain.iter().copied().filter(|r| !r.is_nan()).collect();
        let line = serde_json::json!({
            "valid_time": valid_time.to_rfc3339(),
            "observed_share": known.len() as f64 / rain.len() as f64,
            "wet_share": known.iter().filter(|r| **r >= 0.1).count() as f64 / known.len().max(1) as f64,
            "mean_mm_h": known.iter().map(|r| f64::from(*r)).sum::<f64>() / known.len().max(1) as f64,
            "max_mm_h": known.iter().copied().fold(0.0, f32::max),
        });
        print_line(&line)?;
    }
    if !told && !refused.is_empty() {
        return Err(refused.swap_remove(0).into());
    }
    for error in refused {
        warn!("{error}");
    }
    Ok(())
}

fn bring(config: &Config, path: &Path) -> Result<()> {
    let made = convert::run(config, path)?;
    tell_notices(&made.notices);
    info!("wrote {} frames to {}", made.frames, path.display());
    Ok(())
}

fn every_field(ingest: &IngestConfig) -> Result<()> {
    ingest.check()?;
    let refused = ingest::fields(&ingest.source, ingest.limits, |line| print_line(&serde_json::to_value(line)?))?;
    for error in refused {
        warn!("{error}");
    }
    Ok(())
}

/// A line on standard output.
fn print_line(line: &dyn std::fmt::Display) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

fn forecast(config: &Config, output: &Path, reference_time: Option<ReferenceTime>, truth: Option<&str>) -> Result<()> {
    let archive = Archive::open(&config.ingest)?;
    let truth = truth
        .map(|source| {
            Archive::open(&IngestConfig {
                source: source.to_owned(),
                ..config.ingest.clone()
            })
        })
        .transpose()?;
    let request = Request {
        archive: &archive,
        reference_time,
        truth: truth.as_ref(),
        folder: output,
        simulated: None,
    };
    tell(&bulletin::make(config, &request, &mut Lines {})?);
    Ok(())
}

fn replay(path: &Path, fresh: bool) -> Result<()> {
    let file: HindcastFile = config::read(path)?;
    let made = hindcast::run(&file.hindcast, fresh)?;
    print_line(&made.text(&SHOWN))
}

fn score(config: &Config, path: &Path, json: bool) -> Result<()> {
    let archive = Archive::open(&config.ingest)?;
    let stored = store::read(path)?;
    let event = path.file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned());
    let case = verify::stored(&stored, &event, &archive, &config.verify)?;
    let scorecard = bulletin::scorecard(config, &case)?;
    print_line(&if json { scorecard.json() } else { scorecard.text(&SHOWN) })
}

fn tell_places(path: &Path, at: &[String], list: Option<&Path>, wet_mm_h: f64, json: bool) -> Result<()> {
    ensure!(wet_mm_h > 0.0, "`--wet-mm-h` is {wet_mm_h}, expected above 0");
    let mut places = at.iter().map(|text| Place::parse(text)).collect::<Result<Vec<_>, _>>()?;
    if let Some(list) = list {
        places.extend(Place::list(list)?);
    }
    ensure!(
        !places.is_empty(),
        "no place is given\nhint: --at 8.55,47.37, or --places with a CSV file"
    );
    let stored = store::read(path)?;
    let mut last = None;
    let mut told = 0;
    for place in &places {
        match point::series(&stored, place, wet_mm_h) {
            Ok(series) => {
                told += 1;
                if json {
                    println!("{}", serde_json::to_string(&series)?);
                } else {
                    println!("{}", series.text());
                }
            }
            Err(e @ point::Error::Outside { .. }) if places.len() > 1 => {
                warn!("left out: {e}");
                last = Some(e);
            }
            Err(e) => return Err(e.into()),
        }
    }
    match last {
        Some(e) if told == 0 => Err(e.into()),
        _ => Ok(()),
    }
}

fn around_the_globe(command: &Global) -> Result<()> {
    match command {
        Global::Forecast {
            checkpoint,
            normalisation,
            initial,
            reference_time,
            steps,
            output,
        } => {
            let request = global::Request {
                checkpoint: checkpoint.clone(),
                normalisation: normalisation.clone(),
                initial: initial.clone(),
                reference_time: *reference_time,
                steps: *steps,
                output: output.clone(),
            };
            let made = global::forecast(&request, &mut |state| {
                let means: serde_json::Map<String, serde_json::Value> =
                    ["2m_temperature", "mean_sea_level_pressure", "total_precipitation_6hr"]
                        .into_iter()
                        .filter_map(|name| Some((name.to_owned(), serde_json::json!(global::global_mean(state, name)?))))
                        .collect();
                let line = serde_json::json!({ "valid_time": state.valid_time.to_rfc3339(), "global_mean": means });
                if let Err(error) = print_line(&line) {
                    debug!("a line could not be printed: {error}");
                }
            })?;
            tell_notices(&made.notices);
            info!("wrote {}", made.file.display());
            Ok(())
        }
        Global::Score {
            source,
            climatology,
            level_hpa,
            longest_h,
            rows,
            mean_depth_m,
            cutoff_h,
        } => {
            let request = global::ScoreRequest {
                source: source.clone(),
                climatology: climatology.clone(),
                longest_h: *longest_h,
                core: nowblend_physics::ShallowWaterGlobe {
                    rows: *rows,
                    mean_depth_m: *mean_depth_m,
                    level_hpa: *level_hpa,
                    filter: (*cutoff_h > 0.0).then(|| nowblend_physics::digital_filter::DigitalFilter::of_cutoff(3600.0 * cutoff_h)),
                    ..Default::default()
                },
            };
            let scored = global::score(&request)?;
            tell_notices(&scored.notices);
            scored.scores.iter().try_for_each(|score| print_line(&serde_json::json!(score)))
        }
        Global::Measure {
            resolution,
            levels,
            mesh,
            latent,
            layers,
            steps,
            output,
        } => {
            let trial = global::Trial {
                resolution: *resolution,
                levels: *levels,
                mesh: *mesh,
                latent: *latent,
                layers: *layers,
                steps: *steps,
                output: output.clone(),
            };
            let measured = global::measure(&trial)?;
            let [grid_points, mesh_nodes, grid_to_mesh, within_mesh, mesh_to_grid] = measured.size;
            print_line(&serde_json::json!({
                "grid_points": grid_points,
                "mesh_nodes": mesh_nodes,
                "edges": { "grid_to_mesh": grid_to_mesh, "within_mesh": within_mesh, "mesh_to_grid": mesh_to_grid },
                "weights": measured.weights,
                "graph_s": measured.graph.as_secs_f64(),
                "step_s": measured.steps.iter().map(std::time::Duration::as_secs_f64).collect::<Vec<_>>(),
            }))
        }
    }
}

fn known_cases(command: &Physics) -> Result<()> {
    match command {
        Physics::Cases => {
            for case in nowblend_physics::cases::all() {
                print_line(&format!("{}: {}\n    {}", case.name(), case.about(), case.source()))?;
            }
            Ok(())
        }
        Physics::Nature {
            output,
            hours,
            before_h,
            every_min,
            cells,
            cell_km,
            wind_m_s,
            showers,
            seed,
        } => {
            let weather = physics::Weather {
                nature: nowblend_physics::nature_run::NatureConfig {
                    cells: *cells,
                    cell_km: *cell_km,
                    wind_m_s: *wind_m_s,
                    showers: *showers,
                },
                before_h: *before_h,
                hours: *hours,
                every_min: *every_min,
            };
            let frames = physics::weather(&weather, Seed(*seed), output).context("inventing weather")?;
            info!("wrote {frames} frames to {}", output.display());
            Ok(())
        }
        Physics::Run { case, rows, hours, output } => {
            let mut printed = Ok(());
            let files = physics::run(case, *rows, *hours, output, &mut |sample| {
                let mut line = serde_json::json!({ "time_h": sample.time_s / 3600.0 });
                for (name, drift) in &sample.drifts {
                    line[format!("relative_change_of_{name}")] = serde_json::json!(drift);
                }
                if let Some([l1, l2, linf]) = sample.error {
                    line["error"] = serde_json::json!({ "l1": l1, "l2": l2, "linf": linf });
                }
                if printed.is_ok() {
                    printed = print_line(&line);
                }
            })
            .with_context(|| format!("running case `{case}`"))?;
            printed?;
            files.iter().for_each(|file| info!("{}", file.display()));
            Ok(())
        }
        Physics::Table { only, into } => {
            let held = physics::bars(only, &mut |held| {
                for bar in &held.bars {
                    let met = if bar.is_met() { "met" } else { "not met" };
                    info!("{}: {}: {:.3e}, asked for {}: {met}", held.name, bar.what, bar.measured, bar.bound);
                }
                info!("{} took {:.0} s", held.name, held.took_s);
            })?;
            if only.is_empty() {
                physics::document(&held, into)?;
                info!("{}", into.display());
            }
            Ok(())
        }
    }
}

/// Prints a line of JSON for each lead time on standard output.
struct Lines {}

impl Output for Lines {
    fn take(&mut self, lead: &Lead<'_>) -> Result<(), forecast::Error> {
        let rain = lead.blend.mean();
        let known: Vec<f32> = rain.iter().flatten().copied().filter(|r| !r.is_nan()).collect();
        let cells = rain.as_ref().map_or(0, ndarray::ArrayBase::len).max(1);
        let share = |threshold: f32| known.iter().filter(|r| **r >= threshold).count() as f64 / known.len().max(1) as f64;
        let weights = |of: fn(&Weight) -> f64| -> serde_json::Map<String, serde_json::Value> {
            let components = lead.components.iter();
            components.map(|c| (c.name.to_owned(), of(&c.weight).into())).collect()
        };
        let line = serde_json::json!({
            "valid_time": lead.valid_time.to_rfc3339(),
            "lead_min": lead.lead_time.minutes(),
            "known_share": known.len() as f64 / cells as f64,
            "mean_mm_h": known.iter().map(|r| f64::from(*r)).sum::<f64>() / known.len().max(1) as f64,
            "max_mm_h": known.iter().copied().fold(0.0, f32::max),
            "share_at_or_above_0p1_mm_h": share(0.1),
            "share_at_or_above_1_mm_h": share(1.0),
            "weights": weights(|w| w.rain),
            "probability_weights": weights(|w| w.probability),
            "trust": lead.trust,
        });
        // The files are the forecast: who has read enough lines does not end it.
        if let Err(error) = print_line(&line) {
            debug!("a line could not be printed: {error}");
        }
        Ok(())
    }
}

/// Says what was made and what to mind.
fn tell(made: &bulletin::Bulletin) {
    tell_notices(&made.notices);
    for file in &made.files {
        info!("wrote {}", file.display());
    }
}

fn tell_notices(notices: &[Notice]) {
    for notice in notices {
        warn!("{notice}");
    }
}

/// A moment in UTC: `2017-01-31T10:00`, with or without seconds and `Z`.
fn moment(text: &str) -> Result<DateTime<Utc>> {
    let plain = text.trim_end_matches('Z').replace(' ', "T");
    for format in ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y%m%d%H%M"] {
        if let Ok(time) = NaiveDateTime::parse_from_str(&plain, format) {
            return Ok(time.and_utc());
        }
    }
    bail!("`{text}` is no time, expected one such as 2017-01-31T10:00")
}
