//! How well the core carries the air around the globe: its heights and winds at one level against the states that came, beside persistence and the
//! climatology.

use std::collections::BTreeMap;

use ndarray::{Array2, ArrayView2, Axis};
use nowblend_field::{Atmosphere, LeadTime, Notice, NoticeKind, Rollout, Stepper};
use nowblend_physics::{ShallowWaterGlobe, constants::GRAVITY};
use serde::Serialize;

use super::Error;
use crate::ingest::{
    Limits,
    global::{Wanted, all_global_states, global_states},
};

const GEOPOTENTIAL: &str = "geopotential";
const WINDS: [&str; 2] = ["u_component_of_wind", "v_component_of_wind"];
/// Rows between these latitudes count as the tropics, degrees; height says little there, and persistence is hard to beat.
const TROPICS: f64 = 20.0;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct ScoreRequest {
    /// States in GRIB2 or NetCDF, evenly in time: a file, a directory or a pattern. Those of an ensemble count by their first member.
    pub source: String,
    /// Heights of the mean year in NetCDF; none if not given. Of several months the first counts.
    pub climatology: Option<String>,
    /// Longest lead time, h.
    pub longest_h: u32,
    /// The core, and the level that it moves.
    pub core: ShallowWaterGlobe,
}

/// Scores of a part of the globe at a lead time, pooled over starts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    /// `globe`, `north` or `south`: poleward of 20°.
    pub region: &'static str,
    /// Lead time, h.
    pub lead_h: f64,
    /// Number of starts.
    pub starts: usize,
    /// Root mean square error of the height, weighed by area, m: of the core.
    pub core_m: f64,
    /// Of persistence.
    pub persistence_m: f64,
    /// Of the climatology.
    pub climatology_m: Option<f64>,
    /// Of the wind vector, m s⁻¹: of the core, where the states have winds.
    pub core_wind_m_s: Option<f64>,
    /// Of persistence.
    pub persistence_wind_m_s: Option<f64>,
}

/// What was found.
#[derive(Debug)]
pub struct Scores {
    /// By region and lead time.
    pub scores: Vec<Score>,
    /// What to mind.
    pub notices: Vec<Notice>,
}

/// Starts the core from every state of a source and holds it against those that follow.
///
/// # Errors
///
/// [`Error::Number`] for states of fewer than two times, and those of reading and stepping.
pub fn score(request: &ScoreRequest) -> Result<Scores, Error> {
    let limits = Limits::default();
    let mut variables = vec![(GEOPOTENTIAL.to_owned(), true)];
    variables.extend(WINDS.map(|w| (w.to_owned(), true)));
    let wanted = Wanted {
        variables,
        levels_hpa: vec![request.core.level_hpa],
        states: 1,
        step: LeadTime::from_minutes(60),
        reference_time: None,
    };
    let read = all_global_states(&request.source, &wanted, limits)?;
    let mut notices = read.notices;
    let states = read.states;
    let step = spacing(&states)?;
    let core = ShallowWaterGlobe {
        step,
        ..request.core.clone()
    };
    if !WINDS.iter().all(|w| states[0].fields.contains_key(*w)) {
        notices.push(Notice::new(
            NoticeKind::Degraded,
            core.name(),
            "the states have no wind: it starts from the geostrophic one".to_owned(),
        ));
    }
    let climatology = request
        .climatology
        .as_ref()
        .map(|source| mean_height(source, &wanted, &states[0], limits));
    let climatology = climatology.transpose()?;
    let mut sums: BTreeMap<(usize, u32), Sums> = BTreeMap::new();
    for (k, start) in states.iter().enumerate() {
        let mut forecast = Rollout::new(&core, vec![start.clone()]);
        for truth in &states[k + 1..] {
            let lead_s = (truth.valid_time - start.valid_time).num_seconds() as u32;
            if lead_s > request.longest_h * 3600 {
                break;
            }
            let made = loop {
                let made = forecast.next().expect("a rollout has no end")?;
                if made.valid_time == truth.valid_time {
                    break made;
                }
            };
            for (number, region) in REGIONS.iter().enumerate() {
                let of = |state: &Atmosphere| error(height(state), height(truth), truth, region);
                let wind = |state: &Atmosphere| wind_error(state, truth, region);
                let sum = sums.entry((number, lead_s)).or_default();
                sum.starts += 1;
                sum.core += of(&made);
                sum.persistence += of(start);
                sum.climatology += climatology
                    .as_ref()
                    .map_or(f64::NAN, |mean| error(mean.view(), height(truth), truth, region));
                sum.core_wind += wind(&made);
                sum.persistence_wind += wind(start);
            }
        }
    }
    Ok(Scores {
        scores: sums.into_iter().map(|((region, lead_s), sum)| sum.score(region, lead_s)).collect(),
        notices,
    })
}

/// Parts of the globe: their name, and whether a latitude lies in them.
type Region = (&'static str, fn(f64) -> bool);

const REGIONS: [Region; 3] = [
    ("globe", |_| true),
    ("north", |latitude| latitude >= TROPICS),
    ("south", |latitude| latitude <= -TROPICS),
];

/// Sums of mean squares over starts.
#[derive(Debug, Default)]
struct Sums {
    starts: usize,
    core: f64,
    persistence: f64,
    climatology: f64,
    core_wind: f64,
    persistence_wind: f64,
}

impl Sums {
    fn score(self, region: usize, lead_s: u32) -> Score {
        let root = |sum: f64, unit: f64| (sum / self.starts as f64).sqrt() / unit;
        let known = |value: f64| value.is_finite().then_some(value);
        Score {
            region: REGIONS[region].0,
            lead_h: f64::from(lead_s) / 3600.0,
            starts: self.starts,
            core_m: root(self.core, GRAVITY),
            persistence_m: root(self.persistence, GRAVITY),
            climatology_m: known(root(self.climatology, GRAVITY)),
            core_wind_m_s: known(root(self.core_wind, 1.0)),
            persistence_wind_m_s: known(root(self.persistence_wind, 1.0)),
        }
    }
}

/// The shortest time between states, of which all others must be multiples.
fn spacing(states: &[Atmosphere]) -> Result<LeadTime, Error> {
    let refuse = |found: String| Error::Number {
        key: "times of the states",
        found,
        expected: "two or more, evenly spaced or with gaps of whole steps",
    };
    let apart: Vec<i64> = states
        .windows(2)
        .map(|p| (p[1].valid_time - p[0].valid_time).num_seconds())
        .collect();
    let Some(step) = apart.iter().min().copied().filter(|step| *step > 0) else {
        return Err(refuse(states.len().to_string()));
    };
    match apart.iter().find(|a| *a % step != 0) {
        Some(odd) => Err(refuse(format!("{} h beside {} h", *odd as f64 / 3600.0, step as f64 / 3600.0))),
        None => Ok(LeadTime::from_seconds(step as u32)),
    }
}

fn height(state: &Atmosphere) -> ArrayView2<'_, f32> {
    state.fields[GEOPOTENTIAL].index_axis(Axis(0), 0)
}

/// Mean square difference of two fields over a part of the globe, rows weighed by the cosine of their latitude.
fn error(forecast: ArrayView2<'_, f32>, truth: ArrayView2<'_, f32>, state: &Atmosphere, region: &Region) -> f64 {
    let (mut sum, mut area) = (0.0, 0.0);
    for (latitude, (forecast, truth)) in state.globe.latitudes().iter().zip(forecast.outer_iter().zip(truth.outer_iter())) {
        if region.1(*latitude) {
            let weight = latitude.to_radians().cos().max(1e-6);
            let squares = forecast.iter().zip(truth).map(|(f, t)| f64::from(f - t).powi(2));
            sum += weight * squares.sum::<f64>();
            area += weight * truth.len() as f64;
        }
    }
    sum / area
}

/// Mean square of the difference of wind vectors; no number where a state has none.
fn wind_error(forecast: &Atmosphere, truth: &Atmosphere, region: &Region) -> f64 {
    let part = |name: &str| {
        let (forecast, observed) = (forecast.fields.get(name)?, truth.fields.get(name)?);
        Some(error(
            forecast.index_axis(Axis(0), 0),
            observed.index_axis(Axis(0), 0),
            truth,
            region,
        ))
    };
    part(WINDS[0]).zip(part(WINDS[1])).map_or(f64::NAN, |(u, v)| u + v)
}

/// Geopotential of the mean year on the points of a state.
fn mean_height(source: &str, wanted: &Wanted, state: &Atmosphere, limits: Limits) -> Result<Array2<f32>, Error> {
    let wanted = Wanted {
        variables: vec![(GEOPOTENTIAL.to_owned(), true)],
        reference_time: Some(state.valid_time),
        ..wanted.clone()
    };
    let read = global_states(source, &wanted, limits)?;
    let mean = &read.states[0];
    let (latitudes, longitudes) = (state.globe.latitudes(), state.globe.longitudes());
    Ok(Array2::from_shape_fn(state.globe.shape(), |(y, x)| {
        mean.globe.value(height(mean), longitudes[x], latitudes[y]) as f32
    }))
}
