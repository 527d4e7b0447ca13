//! A rainy scene that needs no download: simulated, written as the radar files of eight past and twenty-four future frames, and then
//! treated like any other data.
//!
//! The scene holds what makes nowcasting hard: showers that are born and die, a squall line that overtakes the flow and bows, steady rain,
//! texture that forgets small scales first, air from outside the map, and corners that no radar sees. It is simulated, and says so in every file.

mod coverage;
mod flow;
mod grib2_writer;
mod noise;
mod rain;
mod run;

use std::{
    fs,
    path::{Path, PathBuf},
};

use chrono::{TimeDelta, TimeZone, Utc};
use ndarray::{Array2, Axis};
use nowblend_field::{LeadTime, ReferenceTime, Seed};
use rayon::prelude::*;

pub use flow::Flow;
pub use rain::Rain;
pub use run::{DEMO_TOML, Demo, run};

use grib2_writer::GridInMicrodegrees;

use crate::store;

/// Rows and columns of the map.
const CELLS: u32 = 320;
/// Rows are 1.557 km apart, and so are columns at 39° N: 0.018° cos(39°) = 0.01399°.
const GRID: GridInMicrodegrees = GridInMicrodegrees {
    south: 39_000_000 - 14_000 * (CELLS as i32) / 2,
    west: -98_000_000 - 18_000 * (CELLS as i32) / 2,
    row_spacing: 14_000,
    column_spacing: 18_000,
    rows: CELLS,
    columns: CELLS,
};
/// Distance of cell centres, m: 0.014° on a sphere of radius 6371 km.
const SPACING_M: f64 = 1556.7;

/// How much is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SceneConfig {
    /// Where random numbers start.
    pub seed: Seed,
    /// Time between frames.
    pub step: LeadTime,
    /// Frames up to and including the reference time.
    pub past_frames: usize,
    /// Frames after the reference time.
    pub future_frames: usize,
}

impl SceneConfig {
    /// Eight frames to forecast from and two hours to forecast, five minutes apart.
    pub const fn new(seed: Seed) -> Self {
        Self {
            seed,
            step: LeadTime::from_minutes(5),
            past_frames: 8,
            future_frames: 24,
        }
    }
}

/// Where a simulated scene lies, and when it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SceneFiles {
    /// Directory of the frames up to the reference time: what a forecaster may know.
    pub past: PathBuf,
    /// Directory of the frames after the reference time: the truth.
    pub future: PathBuf,
    /// The time of the newest past frame.
    pub reference_time: ReferenceTime,
    /// Time between frames.
    pub step: LeadTime,
    /// The scene in plain words, that it is simulated first of all.
    pub description: String,
}

/// A scene that could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory cannot be written.
    #[error("writing `{path}`: {source}")]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file cannot be written whole.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The GRIB2 encoder refused a field.
    #[error("encoding `{path}` as GRIB2: {reason}")]
    Encode {
        /// The file it was meant for.
        path: PathBuf,
        /// What the encoder said.
        reason: &'static str,
    },
}

/// When every simulated scene starts to be forecast.
pub fn reference_time() -> ReferenceTime {
    Utc.with_ymd_and_hms(2024, 7, 1, 15, 0, 0)
        .single()
        .expect("a constant date that exists")
}

/// Rain `[y, x]`, mm h⁻¹, as the simulated radars see it `seconds` after the reference time; NaN where none sees.
pub fn frame(rain: &Rain, seconds: f64) -> Array2<f32> {
    let width_m = SPACING_M * f64::from(CELLS);
    let active = rain.active(seconds);
    let mut cells = Array2::zeros((CELLS as usize, CELLS as usize));
    cells
        .axis_iter_mut(Axis(0))
        .into_par_iter()
        .enumerate()
        .for_each(|(row, mut cells)| {
            for (column, cell) in cells.iter_mut().enumerate() {
                let place = [column, row].map(|k| (k as f64 + 0.5) * SPACING_M - 0.5 * width_m);
                *cell = if coverage::seen(place, width_m) {
                    rain.at(place, seconds, &active) as f32
                } else {
                    f32::NAN
                };
            }
        });
    cells
}

/// Simulates a scene and writes it under `directory`: `past/` and `future/`, one GRIB2 file a frame.
///
/// The same configuration gives the same bytes, whatever the number of threads. Files appear under their names only when they are whole.
///
/// # Errors
///
/// [`Error::Write`] where a file or directory cannot be written, [`Error::Encode`] where the encoder refuses a field.
pub fn write_scene(directory: &Path, config: &SceneConfig) -> Result<SceneFiles, Error> {
    let reference_time = reference_time();
    let rain = Rain::random(config.seed, SPACING_M * f64::from(CELLS));
    let description = describe(config, &rain);
    let (past, future) = (directory.join("past"), directory.join("future"));
    for directory in [&past, &future] {
        fs::create_dir_all(directory).map_err(|source| Error::Write {
            path: directory.clone(),
            source,
        })?;
    }
    let step_s = i64::from(config.step.seconds());
    for k in (1 - config.past_frames as i64)..=(config.future_frames as i64) {
        let seconds = k * step_s;
        let valid_time = reference_time + TimeDelta::seconds(seconds);
        let name = format!("SIMULATED_PrecipRate_00.00_{}.grib2", valid_time.format("%Y%m%d-%H%M%S"));
        let path = if k <= 0 { past.join(name) } else { future.join(name) };
        let cells = frame(&rain, seconds as f64);
        let bytes = grib2_writer::message(cells.view(), &GRID, valid_time, &description).map_err(|reason| Error::Encode {
            path: path.clone(),
            reason,
        })?;
        store::write_whole(&path, &bytes)?;
    }
    store::write_whole(&directory.join("SIMULATED.txt"), format!("{description}\n").as_bytes())?;
    Ok(SceneFiles {
        past,
        future,
        reference_time,
        step: config.step,
        description,
    })
}

fn describe(config: &SceneConfig, rain: &Rain) -> String {
    let [u, v] = rain.flow().velocity([0.0, 0.0]);
    format!(
        "Simulated, not observed: nowblend demo, seed {}. Showers that are born and die, a squall line and steady rain on a map of {:.0} km, \
         carried by a sheared flow of {:.0} m/s; a frame every {} min, {} before and {} after the reference time.",
        config.seed.0,
        SPACING_M * f64::from(CELLS) / 1000.0,
        u.hypot(v),
        config.step.minutes(),
        config.past_frames,
        config.future_frames
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small(seed: u64) -> SceneConfig {
        SceneConfig {
            past_frames: 2,
            future_frames: 1,
            ..SceneConfig::new(Seed(seed))
        }
    }

    fn files(directory: &Path) -> Vec<PathBuf> {
        let mut all: Vec<PathBuf> = fs::read_dir(directory).unwrap().map(|e| e.unwrap().path()).collect();
        all.sort();
        all
    }

    #[test]
    fn the_same_seed_writes_the_same_bytes_on_one_thread_and_on_many() {
        let (one, many, other) = (
            tempfile::tempdir().unwrap(),
            tempfile::tempdir().unwrap(),
            tempfile::tempdir().unwrap(),
        );
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let a = pool.install(|| write_scene(one.path(), &small(7))).unwrap();
        let b = write_scene(many.path(), &small(7)).unwrap();
        let c = write_scene(other.path(), &small(8)).unwrap();
        assert_eq!((files(&a.past).len(), files(&a.future).len()), (2, 1));
        for (x, y) in files(&a.past).iter().zip(&files(&b.past)) {
            assert_eq!(x.file_name(), y.file_name());
            assert_eq!(fs::read(x).unwrap(), fs::read(y).unwrap());
        }
        assert_ne!(fs::read(&files(&a.past)[0]).unwrap(), fs::read(&files(&c.past)[0]).unwrap());
        assert!(a.description.starts_with("Simulated"));
    }

    #[test]
    fn every_scene_is_rainy_with_heavy_showers_dry_land_and_corners_unseen() {
        for seed in 0..6 {
            let rain = Rain::random(Seed(seed), SPACING_M * f64::from(CELLS));
            let now = frame(&rain, 0.0);
            let seen = now.iter().filter(|r| !r.is_nan()).count() as f64;
            let share = |least: f32| now.iter().filter(|r| **r >= least).count() as f64 / seen;
            assert!((0.85..0.98).contains(&(seen / now.len() as f64)), "seed {seed}: {seen} cells seen");
            assert!((0.12..0.65).contains(&share(0.1)), "seed {seed}: {} wet", share(0.1));
            assert!((0.002..0.08).contains(&share(10.0)), "seed {seed}: {} at 10 mm/h", share(10.0));
            assert!(share(130.0) == 0.0);
        }
    }

    #[test]
    fn the_future_is_harder_than_a_translation() {
        // Carried exactly by the true flow, the newest frame explains less and less of the future: the rest is growth, decay and birth.
        let rain = Rain::random(Seed(1), SPACING_M * f64::from(CELLS));
        let width_m = SPACING_M * f64::from(CELLS);
        let likeness = |seconds: f64| {
            let (active, later) = (rain.active(0.0), rain.active(seconds));
            let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
            for k in 0..4000 {
                let place = [(k % 80) as f64 / 80.0 - 0.5, (k / 80) as f64 / 50.0 - 0.5].map(|p| p * width_m * 0.9);
                let a = rain.at(place, 0.0, &active).ln_1p();
                let b = rain.at(rain.flow().carry(place, seconds), seconds, &later).ln_1p();
                (ab, aa, bb) = (ab + a * b, aa + a * a, bb + b * b);
            }
            2.0 * ab / (aa + bb)
        };
        let (soon, late) = (likeness(300.0), likeness(5400.0));
        assert!(soon > 0.9, "after 5 min {soon}");
        assert!(late < 0.75, "after 90 min {late}");
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let message = write_scene(file.path(), &small(1)).unwrap_err().to_string();
        assert!(message.contains("past"), "{message}");
    }
}
