//! States of the air around the globe from GRIB2 and NetCDF, with the names of the public reanalysis data, whatever the file calls its fields.

mod grib2;
mod names;
mod netcdf;
mod statistics;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use chrono::TimeDelta;
use ndarray::{Array2, Array3, Axis, concatenate};
use nowblend_field::{Atmosphere, Globe, LeadTime, Notice, NoticeKind, ReferenceTime, ValidTime};

use super::{Error, Limits, bytes, grib2::specific_humidity, index};
use crate::store::Input;
pub use statistics::{Numbers, statistics};

/// What is looked for in files.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Variables by their public names, and whether they lie on levels.
    pub variables: Vec<(String, bool)>,
    /// Pressure levels, hPa.
    pub levels_hpa: Vec<f64>,
    /// How many states.
    pub states: usize,
    /// How far they are apart.
    pub step: LeadTime,
    /// When the newest holds; the newest that is whole if not given.
    pub reference_time: Option<ReferenceTime>,
}

/// States, oldest first, and where they come from.
#[derive(Debug)]
pub struct GlobalStates {
    /// The states.
    pub states: Vec<Atmosphere>,
    /// What was passed over or made from other fields.
    pub notices: Vec<Notice>,
    /// The files read.
    pub inputs: Vec<Input>,
}

/// A plane `[y, x]` of a variable; without time it holds always, without level it lies at the surface.
struct Plane {
    variable: String,
    time: Option<ValidTime>,
    level_hpa: Option<f64>,
    globe: Globe,
    values: Array2<f32>,
}

/// By what a plane is found: its variable, its time and its level, hPa times 1000.
type Key = (String, Option<ValidTime>, Option<i64>);

/// What the files of a source hold of what is wanted.
struct Read {
    found: BTreeMap<Key, Array2<f32>>,
    globe: Arc<Globe>,
    notices: Vec<Notice>,
    inputs: Vec<Input>,
}

/// Reads the states that `wanted` asks for from the files of a source: a file, a directory or a pattern.
///
/// # Errors
///
/// [`Error::Content`] naming every variable, level and time that is missing, or fields on different grids; those of reading.
pub fn global_states(source: &str, wanted: &Wanted, limits: Limits) -> Result<GlobalStates, Error> {
    let read = read(source, wanted, limits)?;
    let newest = newest(source, &read.found, wanted)?;
    let times = (0..wanted.states).rev().map(|back| before(newest, wanted.step, back));
    let states: Vec<Atmosphere> = times.map(|time| read.state(time, wanted)).collect();
    let missing = missing(&states, &read.found, wanted);
    if !missing.is_empty() {
        return Err(lacking(source, &missing, wanted));
    }
    let Read { notices, inputs, .. } = read;
    Ok(GlobalStates { states, notices, inputs })
}

/// Reads the states of all times at which the first of the variables that are wanted is whole, oldest first; each has those of the other variables that
/// are whole, too. How many, how far apart and when is not asked.
///
/// # Errors
///
/// [`Error::Content`] where that variable is nowhere whole, or fields lie on different grids; those of reading.
pub fn all_global_states(source: &str, wanted: &Wanted, limits: Limits) -> Result<GlobalStates, Error> {
    let read = read(source, wanted, limits)?;
    let times: BTreeSet<ValidTime> = read.found.keys().filter_map(|(_, time, _)| *time).collect();
    let first = &wanted.variables[0].0;
    let states = times.into_iter().map(|time| read.state(time, wanted));
    let states: Vec<Atmosphere> = states.filter(|state| state.fields.contains_key(first)).collect();
    if states.is_empty() {
        return Err(lacking(source, &format!("`{first}` at any time"), wanted));
    }
    let Read { notices, inputs, .. } = read;
    Ok(GlobalStates { states, notices, inputs })
}

fn read(source: &str, wanted: &Wanted, limits: Limits) -> Result<Read, Error> {
    let mut found: BTreeMap<Key, Array2<f32>> = BTreeMap::new();
    let mut globe: Option<(Arc<Globe>, PathBuf)> = None;
    let (mut notices, mut inputs) = (Vec::new(), Vec::new());
    for path in index::files(source)? {
        let bytes::Bytes { content, input } = bytes::read(&path, true, limits)?;
        let name = input.name.clone();
        inputs.push(input);
        let mut take = |plane: Plane| {
            let (globe, first) = globe.get_or_insert_with(|| (Arc::new(plane.globe.clone()), path.clone()));
            if !globe.agrees(&plane.globe) {
                let words = |globe: &Globe| {
                    let ((rows, columns), latitudes, longitudes) = (globe.shape(), globe.latitudes(), globe.longitudes());
                    format!("{rows} x {columns} points from ({}, {})", latitudes[0], longitudes[0])
                };
                let expected = format!("{}, as in `{}`", words(globe), first.display());
                return Err(Error::content(
                    &path,
                    format!("grid of {}", plane.variable),
                    words(&plane.globe),
                    expected,
                ));
            }
            let key = (plane.variable, plane.time, plane.level_hpa.map(milli));
            found.entry(key).or_insert(plane.values);
            Ok(())
        };
        if content.windows(4).take(1 << 12).any(|w| w == b"GRIB") {
            let refused = grib2::planes(&path, &content, wanted, limits, &mut take)?;
            notices.extend(
                refused
                    .into_iter()
                    .map(|words| Notice::new(NoticeKind::Missing, name.clone(), words)),
            );
        } else {
            netcdf::planes(&path, content, wanted, limits, &mut take)?;
        }
    }
    moisten(&mut found, wanted, &mut notices);
    let Some((globe, _)) = globe else {
        return Err(lacking(source, "none of them", wanted));
    };
    Ok(Read {
        found,
        globe,
        notices,
        inputs,
    })
}

impl Read {
    /// The state of a time, with those variables that are whole then.
    fn state(&self, time: ValidTime, wanted: &Wanted) -> Atmosphere {
        let levels: Arc<[f64]> = Arc::from(wanted.levels_hpa.as_slice());
        let mut state = Atmosphere::empty(Arc::clone(&self.globe), levels, time);
        let found = &self.found;
        for (name, on_levels) in &wanted.variables {
            let planes = keys(*on_levels, wanted).map(|level| {
                let at = |time| found.get(&(name.clone(), time, level)).map(|p| p.view().insert_axis(Axis(0)));
                at(Some(time))
                    .or_else(|| at(None))
                    .or_else(|| always(name).then(|| any_time(found, name, level))?)
            });
            if let Some(planes) = planes.collect::<Option<Vec<_>>>() {
                let field: Array3<f32> = concatenate(Axis(0), &planes).expect("all planes have the shape of the globe");
                state.fields.insert(name.clone(), field.into_shared());
            }
        }
        state
    }
}

/// Whether a variable holds for all times, whenever its file says it does.
fn always(name: &str) -> bool {
    matches!(name, "geopotential_at_surface" | "land_sea_mask")
}

fn any_time<'a>(found: &'a BTreeMap<Key, Array2<f32>>, name: &str, level: Option<i64>) -> Option<ndarray::ArrayView3<'a, f32>> {
    let plane = found.iter().find(|((n, _, l), _)| n == name && *l == level);
    plane.map(|(_, plane)| plane.view().insert_axis(Axis(0)))
}

fn milli(level_hpa: f64) -> i64 {
    (level_hpa * 1000.0).round() as i64
}

fn before(newest: ValidTime, step: LeadTime, steps: usize) -> ValidTime {
    newest - TimeDelta::seconds(i64::from(step.seconds()) * steps as i64)
}

/// The levels of a variable, as they are found by.
fn keys(on_levels: bool, wanted: &Wanted) -> Box<dyn Iterator<Item = Option<i64>> + '_> {
    if on_levels {
        Box::new(wanted.levels_hpa.iter().map(|l| Some(milli(*l))))
    } else {
        Box::new(std::iter::once(None))
    }
}

/// When the newest state holds: as asked for, or the last time at which most of what is wanted is there at all times back.
fn newest(source: &str, found: &BTreeMap<Key, Array2<f32>>, wanted: &Wanted) -> Result<ValidTime, Error> {
    if let Some(time) = wanted.reference_time {
        return Ok(time);
    }
    let times: BTreeSet<ValidTime> = found.keys().filter_map(|(_, time, _)| *time).collect();
    let planes_at = |time: ValidTime| found.keys().filter(|(_, t, _)| *t == Some(time)).count();
    let least = |time: &ValidTime| (0..wanted.states).map(|back| planes_at(before(*time, wanted.step, back))).min();
    let best = times.iter().max_by_key(|time| (least(time), **time)).copied();
    best.ok_or_else(|| lacking(source, "times", wanted))
}

/// Specific humidity from relative humidity and temperature where a file has but those.
fn moisten(found: &mut BTreeMap<Key, Array2<f32>>, wanted: &Wanted, notices: &mut Vec<Notice>) {
    if !wanted.variables.iter().any(|(name, _)| name == "specific_humidity") {
        return;
    }
    let mut made = BTreeMap::new();
    for ((_, time, level), relative) in found.iter().filter(|((name, ..), _)| name == "relative_humidity") {
        let key = |name: &str| (name.to_owned(), *time, *level);
        let (Some(temperature), Some(milli_hpa)) = (found.get(&key("temperature")), level) else {
            continue;
        };
        if !found.contains_key(&key("specific_humidity")) {
            let humidity = ndarray::Zip::from(relative)
                .and(temperature)
                .map_collect(|r, t| specific_humidity(*r, *t, *milli_hpa as f64 / 1000.0));
            made.insert(key("specific_humidity"), humidity);
        }
    }
    if !made.is_empty() {
        let message = format!(
            "on {} levels and times it was made from relative humidity and temperature",
            made.len()
        );
        notices.push(Notice::new(NoticeKind::Degraded, "specific_humidity", message));
        found.extend(made);
    }
}

/// Variables, levels and times that states lack, in words; empty where they lack nothing.
fn missing(states: &[Atmosphere], found: &BTreeMap<Key, Array2<f32>>, wanted: &Wanted) -> String {
    let mut words = Vec::new();
    for state in states {
        for (name, on_levels) in wanted.variables.iter().filter(|(name, _)| !state.fields.contains_key(name)) {
            let levels: Vec<String> = keys(*on_levels, wanted)
                .flatten()
                .filter(|level| !found.contains_key(&(name.clone(), Some(state.valid_time), Some(*level))))
                .map(|level| (level as f64 / 1000.0).to_string())
                .collect();
            let levels = match levels.len() {
                0 => String::new(),
                n if n == wanted.levels_hpa.len() => " on all levels".to_owned(),
                _ => format!(" on {} hPa", levels.join(", ")),
            };
            let when = if always(name) {
                String::new()
            } else {
                format!(" at {}", state.valid_time.format("%Y-%m-%d %H:%M"))
            };
            let line = format!("`{name}`{levels}{when}");
            if !words.contains(&line) {
                words.push(line);
            }
        }
    }
    words.join("; ")
}

fn lacking(source: &str, missing: &str, wanted: &Wanted) -> Error {
    Error::Content {
        path: source.into(),
        field: "global state".into(),
        found: format!("nothing of {missing}"),
        expected: format!(
            "{} variables at {} times {} h apart",
            wanted.variables.len(),
            wanted.states,
            f64::from(wanted.step.seconds()) / 3600.0
        ),
    }
}
