//! Global forecasts: with the learned model step after step into one file, from weights that the user has; with the core, scored on states that came.

mod score;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{TimeZone, Utc};
use ndarray::{Array3, Axis};
use nowblend_field::{Atmosphere, GlobalField, Globe, LeadTime, Notice, NoticeKind, ReferenceTime, Rollout, Seed, Stepper};
use nowblend_ml::graph::{Checkpoint, GraphCast, ModelConfig, Normalisation, Statistics, TaskConfig};

use crate::{
    ingest::{
        self, Limits,
        global::{Numbers, Wanted, global_states, statistics},
    },
    progress::Progress,
    store::{self, AtmosphereWriter, Input, Provenance},
};

pub use score::{Score, ScoreRequest, Scores, score};

/// The files that normalise variables, as they are published: means, standard deviations, and those of the change over a step.
const STATISTICS: [&str; 3] = ["mean_by_level.nc", "stddev_by_level.nc", "diffs_stddev_by_level.nc"];
/// The levels of the published configurations, hPa.
const LEVELS_37: [f64; 37] = [
    1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 20.0, 30.0, 50.0, 70.0, 100.0, 125.0, 150.0, 175.0, 200.0, 225.0, 250.0, 300.0, 350.0, 400.0, 450.0,
    500.0, 550.0, 600.0, 650.0, 700.0, 750.0, 775.0, 800.0, 825.0, 850.0, 875.0, 900.0, 925.0, 950.0, 975.0, 1000.0,
];
const LEVELS_13: [f64; 13] = [
    50.0, 100.0, 150.0, 200.0, 250.0, 300.0, 400.0, 500.0, 600.0, 700.0, 850.0, 925.0, 1000.0,
];

/// A global forecast that cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read.
    #[error(transparent)]
    Ingest(#[from] ingest::Error),
    /// The checkpoint is not what it should be.
    #[error(transparent)]
    Network(#[from] nowblend_ml::Error),
    /// A step failed.
    #[error(transparent)]
    Step(#[from] nowblend_field::Error),
    /// The forecast cannot be written.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A number of the command is outside its bounds.
    #[error("`{key}` is {found}, expected {expected}")]
    Number {
        /// The option.
        key: &'static str,
        /// What was given.
        found: String,
        /// What is allowed.
        expected: &'static str,
    },
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// A checkpoint in the published layout.
    pub checkpoint: PathBuf,
    /// Folder of the published normalisation files; that of the checkpoint if not given.
    pub normalisation: Option<PathBuf>,
    /// States to start from: a file, a directory or a pattern.
    pub initial: String,
    /// When the newest of them holds; the newest that is whole if not given.
    pub reference_time: Option<ReferenceTime>,
    /// Number of steps.
    pub steps: usize,
    /// The file of the forecast.
    pub output: PathBuf,
}

/// What was made.
#[derive(Debug)]
pub struct Made {
    /// What to mind.
    pub notices: Vec<Notice>,
    /// The file.
    pub file: PathBuf,
}

/// Makes a forecast and writes it; each state is handed to `told` as it is made.
///
/// # Errors
///
/// [`Error`] of the part that failed; then no file is left under the name of the output.
pub fn forecast(request: &Request, told: &mut dyn FnMut(&Atmosphere)) -> Result<Made, Error> {
    check("--steps", request.steps, 1, 10_000, "1 to 10000")?;
    let limits = Limits::default();
    let beside = request.checkpoint.parent().unwrap_or(Path::new(""));
    let folder = request.normalisation.as_deref().unwrap_or(beside);
    let (normalisation, mut inputs) = normalisation(folder, limits)?;
    let graphcast = GraphCast::open(&request.checkpoint, &normalisation)?;
    let task = graphcast.task();
    let wanted = Wanted {
        variables: graphcast.needs(),
        levels_hpa: task.levels_hpa.clone(),
        states: graphcast.looks_back(),
        step: graphcast.step_length(),
        reference_time: request.reference_time,
    };
    let read = global_states(&request.initial, &wanted, limits)?;
    inputs.extend(read.inputs);
    let mut notices = graphcast.notices().to_vec();
    notices.extend(read.notices);
    let start = Start {
        states: read.states,
        inputs,
        notices,
    };
    run(&graphcast, start, &request.output, request.steps, told)
}

/// What a forecast starts from.
struct Start {
    states: Vec<Atmosphere>,
    inputs: Vec<Input>,
    notices: Vec<Notice>,
}

/// Steps, writes each step as it is made, and gives the file its name.
fn run(stepper: &GraphCast, start: Start, output: &Path, steps: usize, told: &mut dyn FnMut(&Atmosphere)) -> Result<Made, Error> {
    let Start {
        states,
        inputs,
        mut notices,
    } = start;
    let initial = states.last().expect("a stepper looks at one state at least").clone();
    let mut writer = AtmosphereWriter::create(output, &initial, &stepper.answers(), stepper.step_length(), steps)?;
    let progress = Progress::new("global", steps as u64);
    for state in Rollout::new(stepper, states).take(steps) {
        let state = state?;
        writer.push(&state)?;
        if notices.iter().all(|n| n.kind != NoticeKind::Degraded || n.subject != "graphcast")
            && let Some(name) = not_finite(&state)
        {
            let message = format!("`{name}` is no number any more at {}", state.valid_time.format("%Y-%m-%d %H:%M"));
            notices.push(Notice::new(NoticeKind::Degraded, "graphcast", message));
        }
        told(&state);
        progress.inc(1);
    }
    progress.finish();
    let mut provenance = Provenance::here(String::new(), Seed(0));
    provenance.inputs = inputs;
    provenance.references = stepper.references().iter().map(|r| (*r).to_owned()).collect();
    provenance.notices.clone_from(&notices);
    writer.finish(&provenance)?;
    Ok(Made {
        notices,
        file: output.to_owned(),
    })
}

/// The first field that holds something that is no number.
fn not_finite(state: &Atmosphere) -> Option<&str> {
    let field = state.fields.iter().find(|(_, field)| field.iter().any(|v| !v.is_finite()));
    field.map(|(name, _)| name.as_str())
}

/// Reads the three published files of a folder.
fn normalisation(folder: &Path, limits: Limits) -> Result<(Normalisation, Vec<Input>), Error> {
    let mut inputs = Vec::new();
    let mut read = |file: &str| {
        let path = folder.join(file);
        let (Numbers { levels_hpa, values }, input) = statistics(&path, limits)?;
        inputs.push(input);
        Ok::<_, Error>(Statistics {
            origin: path.display().to_string(),
            levels_hpa,
            values,
        })
    };
    let [mean, deviation, change] = STATISTICS;
    let normalisation = Normalisation {
        mean: read(mean)?,
        deviation: read(deviation)?,
        change: read(change)?,
    };
    Ok((normalisation, inputs))
}

/// A configuration to be measured with random weights.
#[derive(Debug, Clone)]
pub struct Trial {
    /// Spacing of the grid, degrees.
    pub resolution: f64,
    /// Number of levels: 13 or 37.
    pub levels: usize,
    /// Finest level of the mesh.
    pub mesh: usize,
    /// Numbers that the network holds of a node or an edge.
    pub latent: usize,
    /// Steps of passing messages within the mesh.
    pub layers: usize,
    /// Steps of the forecast.
    pub steps: usize,
    /// Where the forecast goes; nowhere if not given.
    pub output: Option<PathBuf>,
}

/// What a trial took.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Numbers of grid points, corners of the mesh, edges from grid to mesh, within the mesh, and from mesh to grid.
    pub size: [usize; 5],
    /// Number of weights.
    pub weights: usize,
    /// Time to build the graph.
    pub graph: Duration,
    /// Time of each step.
    pub steps: Vec<Duration>,
}

/// Runs a configuration from end to end with random weights and smooth states: to see what it takes, not to forecast.
///
/// # Errors
///
/// [`Error::Number`] for a configuration that nobody could run, and those of [`forecast`].
pub fn measure(trial: &Trial) -> Result<Measured, Error> {
    check("--mesh", trial.mesh, 0, 7, "0 to 7")?;
    check("--latent", trial.latent, 1, 4096, "1 to 4096")?;
    check("--layers", trial.layers, 1, 64, "1 to 64")?;
    check("--steps", trial.steps, 1, 10_000, "1 to 10000")?;
    if !(0.1..=90.0).contains(&trial.resolution) {
        return Err(Error::Number {
            key: "--resolution",
            found: trial.resolution.to_string(),
            expected: "0.1 to 90",
        });
    }
    let levels: &[f64] = match trial.levels {
        13 => &LEVELS_13,
        37 => &LEVELS_37,
        found => {
            return Err(Error::Number {
                key: "--levels",
                found: found.to_string(),
                expected: "13 or 37",
            });
        }
    };
    let model = ModelConfig {
        resolution: trial.resolution,
        mesh_size: trial.mesh,
        latent_size: trial.latent,
        message_steps: trial.layers,
        hidden_layers: 1,
        radius: 0.6,
        longest_out: None,
    };
    let checkpoint = Checkpoint::random(model, TaskConfig::published(levels), Seed(1));
    let weights = checkpoint.count();
    let graphcast = GraphCast::new(&checkpoint, &Normalisation::default())?;
    drop(checkpoint);
    let states = smooth_states(&graphcast, trial.resolution)?;
    let started = Instant::now();
    let size = graphcast.graph(&states[0].globe).size;
    let graph = started.elapsed();
    let mut steps = Vec::new();
    let mut last = Instant::now();
    let mut told = |_: &Atmosphere| {
        steps.push(last.elapsed());
        last = Instant::now();
    };
    match &trial.output {
        Some(output) => {
            let start = Start {
                states,
                inputs: Vec::new(),
                notices: Vec::new(),
            };
            run(&graphcast, start, output, trial.steps, &mut told)?;
        }
        None => {
            for state in Rollout::new(&graphcast, states).take(trial.steps) {
                told(&state?);
            }
        }
    }
    Ok(Measured {
        size,
        weights,
        graph,
        steps,
    })
}

/// States of one wave around the globe, of about one in size, for a network without normalisation.
fn smooth_states(graphcast: &GraphCast, resolution: f64) -> Result<Vec<Atmosphere>, Error> {
    let (rows, columns) = ((180.0 / resolution).round() as usize + 1, (360.0 / resolution).round() as usize);
    let latitudes = (0..rows).map(|k| -90.0 + 180.0 * k as f64 / (rows - 1) as f64).collect();
    let globe = Arc::new(Globe::new(
        latitudes,
        (0..columns).map(|k| 360.0 * k as f64 / columns as f64).collect(),
    )?);
    let levels: Arc<[f64]> = Arc::from(graphcast.task().levels_hpa.as_slice());
    let start = Utc.with_ymd_and_hms(2020, 1, 1, 0, 0, 0).single().expect("a day that exists");
    let needs = graphcast.needs();
    let forcings = &graphcast.task().forcings;
    let state = |k: usize| {
        let time = start + LeadTime::from_seconds(graphcast.step_length().seconds() * k as u32);
        let mut state = Atmosphere::empty(Arc::clone(&globe), Arc::clone(&levels), time);
        for (number, (name, on_levels)) in needs.iter().enumerate() {
            let count = if *on_levels { levels.len() } else { 1 };
            let field = Array3::from_shape_fn((count, rows, columns), |(level, y, x)| {
                let (latitude, longitude) = (globe.latitudes()[y].to_radians(), globe.longitudes()[x].to_radians());
                (latitude.cos() * (longitude + number as f64 + 0.1 * (k + level) as f64).sin()) as f32
            });
            state.fields.insert(name.clone(), field.into_shared());
        }
        // Radiation in J m⁻² would drown the rest, for nothing normalises it here.
        let dark: GlobalField = Array3::zeros((1, rows, columns)).into_shared();
        for name in forcings.iter().filter(|f| f.starts_with("toa_")) {
            state.fields.insert(name.clone(), dark.clone());
        }
        state
    };
    Ok((0..graphcast.looks_back()).map(state).collect())
}

fn check(key: &'static str, found: usize, low: usize, high: usize, expected: &'static str) -> Result<(), Error> {
    if (low..=high).contains(&found) {
        return Ok(());
    }
    Err(Error::Number {
        key,
        found: found.to_string(),
        expected,
    })
}

/// The mean of a variable over the globe, weighted by area, on its last level: 1000 hPa, or the surface.
pub fn global_mean(state: &Atmosphere, name: &str) -> Option<f64> {
    let field = state.fields.get(name)?;
    let plane = field.index_axis(Axis(0), field.dim().0.checked_sub(1)?);
    let (mut sum, mut area) = (0.0, 0.0);
    for (row, latitude) in plane.outer_iter().zip(state.globe.latitudes()) {
        let weight = latitude.to_radians().cos().max(1e-6);
        sum += weight * row.iter().map(|v| f64::from(*v)).sum::<f64>();
        area += weight * row.len() as f64;
    }
    Some(sum / area)
}
