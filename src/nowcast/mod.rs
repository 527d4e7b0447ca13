//! Forecasts without physics or learning of our own: rain kept still or in motion, which every other must beat, and what other programs say.

mod amounts;
mod anvil;
mod autoregression;
mod cascade;
mod envelope;
mod extrapolation;
mod file;
mod fill;
mod lagrangian;
mod lagrangian_probability;
mod noise;
mod noise_windows;
mod past;
mod persistence;
mod plane;
mod sprog;
mod statistics;
mod steps;

pub use anvil::{Anvil, AnvilConfig};
pub use extrapolation::{Extrapolation, ExtrapolationConfig};
pub use file::File;
pub use lagrangian_probability::{LagrangianProbability, LagrangianProbabilityConfig};
pub(crate) use lagrangian_probability::{Neighbourhoods, half_width};
pub use persistence::{Persistence, PersistenceConfig};
pub use sprog::{Sprog, SprogConfig};
pub use steps::{Steps, StepsConfig};

use nowblend_field::{Analysis, Bounds, Error, Grid, Notice, NoticeKind, advection::Beyond};

/// What a forecaster that reads only the newest frame must say about it.
fn notices(analysis: &Analysis, name: &str) -> Vec<Notice> {
    let nothing = analysis.observed().last().iter().all(|r| r.is_nan());
    if nothing {
        vec![Notice::new(
            NoticeKind::Missing,
            name,
            "the newest frame holds no observation: it has nothing to say",
        )]
    } else {
        Vec::new()
    }
}

/// The same of one that moves rain of at least `rain_min_mm_h` and lets it change.
fn notices_of_motion(analysis: &Analysis, name: &str, rain_min_mm_h: f64) -> Vec<Notice> {
    let mut all = notices(analysis, name);
    let mut tell = |message: String| all.push(Notice::new(NoticeKind::Degraded, name, message));
    let newest = analysis.observed().last();
    if newest.iter().any(|r| !r.is_nan()) && !newest.iter().any(|r| f64::from(*r) >= rain_min_mm_h) {
        tell(format!("no cell has {rain_min_mm_h} mm/h or more: the forecast is dry"));
    } else if analysis.observed().frames() < 2 {
        tell("one frame shows no motion: the rain is kept in its place".to_owned());
    }
    all
}

/// Bounds of what all that tell scales share.
fn bounds_of_scales((what, scales): (&'static str, usize), (rain, rain_min_mm_h): (&'static str, f64)) -> Bounds {
    let wet = rain_min_mm_h > 0.0 && rain_min_mm_h <= 10.0;
    Bounds::default()
        .count(what, scales, 1..=16, "1 to 16")
        .holds(wet, rain, rain_min_mm_h, "greater than 0, at most 10")
}

/// A distance of `km` in cells of a grid.
fn cells(km: f64, grid: &Grid) -> f32 {
    (1000.0 * km / grid.cell_size_m()) as f32
}

/// What is taken to be outside of the map, up to `km` from its edge.
fn beyond(km: f64, grid: &Grid) -> Beyond {
    match cells(km, grid) {
        0.0 => Beyond::Missing,
        cells => Beyond::Mirrored(cells),
    }
}

fn check_thresholds(what: &'static str, thresholds_mm_h: &[f64]) -> Result<(), Error> {
    let refuse = |found, expected| Err(Error::Value { what, found, expected });
    if let Some(found) = thresholds_mm_h.iter().find(|t| !(**t > 0.0 && t.is_finite())) {
        return refuse(*found, "greater than 0");
    }
    match thresholds_mm_h.windows(2).find(|pair| pair[0] >= pair[1]) {
        Some(pair) => refuse(pair[1], "more than the one before"),
        None => Ok(()),
    }
}
