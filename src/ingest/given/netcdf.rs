//! Forecasts as NetCDF: times, members and thresholds are found by their standard names, or by those that programs commonly give them.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::TimeDelta;
use ndarray::{Array2, Ix2};
use netcdf_reader::{NcFile, NcSliceInfoElem, NcVariable};
use nowblend_field::{ReferenceTime, ValidTime};

use super::{Fields, GivenConfig, Head};
use crate::ingest::{
    Error, Limits,
    netcdf::{COORDINATE_MAX, Conversion, Coordinates, Placed, RAIN_NAMES, STANDARD_NAMES, Shared, open_bytes, text, times, whole},
};

/// Common names of the dimension along members.
const MEMBERS: [&str; 8] = [
    "realization",
    "member",
    "members",
    "ensemble",
    "ens",
    "ensemble_member",
    "number",
    "ens_number",
];
/// Common names of a reference time.
const REFERENCES: [&str; 5] = [
    "forecast_reference_time",
    "reference_time",
    "init_time",
    "analysis_time",
    "initial_time",
];
/// Most cells of a field: 8192 x 8192.
const CELLS_MAX: usize = 1 << 26;

/// An open file.
pub(super) struct File {
    path: PathBuf,
    file: NcFile,
    rain: Option<Layout>,
    probability: Option<Layout>,
    conversion: Conversion,
    /// What a probability is divided by: 100 where it is in percent.
    whole: f64,
    placed: Placed,
}

/// A variable and what its dimensions before y and x mean.
struct Layout {
    name: String,
    roles: Vec<Role>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Time,
    Member,
    Threshold,
    /// Of length 1.
    Single,
}

pub(super) fn open(path: &Path, bytes: Vec<u8>, config: &GivenConfig) -> Result<(Head, File), Error> {
    let bytes = Shared(Arc::new(bytes));
    let file = open_bytes(path, bytes.clone(), COORDINATE_MAX)?;
    let reader = Reader { path, file: &file };
    let (rain, probability) = reader.variables(&config.variable)?;
    let first = rain.as_ref().or(probability.as_ref()).expect("one of them was found");
    let (y_name, x_name) = reader.plane(first)?;
    let placed = reader.coordinates().grid(first, &y_name, &x_name)?;
    let shape = placed.grid.shape();
    if placed.grid.cells() > CELLS_MAX {
        return Err(reader.content(first, format!("{} cells", placed.grid.cells()), format!("at most {CELLS_MAX}")));
    }
    let (rain, probability) = (
        rain.map(|n| reader.layout(n)).transpose()?,
        probability.map(|n| reader.layout(n)).transpose()?,
    );
    let layout = rain.as_ref().or(probability.as_ref()).expect("one of them was found");
    let (reference_time, valid_times) = reader.times(layout, config)?;
    let length = |layout: &Option<Layout>, role: Role| layout.as_ref().map_or(Ok(0), |l| reader.length(l, role).map(|n| n.unwrap_or(1)));
    let members = length(&rain, Role::Member)?;
    let thresholds_mm_h = probability.as_ref().map_or(Ok(Vec::new()), |l| reader.thresholds(l))?;
    for layout in rain.iter().chain(&probability) {
        if reader.length(layout, Role::Time)?.unwrap_or(1) != valid_times.len() {
            return Err(reader.content(&layout.name, "another number of times".into(), format!("{}", valid_times.len())));
        }
    }
    let interval_s = valid_times.windows(2).next().map(|pair| (pair[1] - pair[0]).num_seconds() as f64);
    let conversion = match &rain {
        None => Conversion::Factor(1.0),
        Some(layout) => {
            let units = text(&file, &layout.name, "units");
            Conversion::of(units.as_deref(), interval_s).map_err(|expected| {
                reader.content(
                    &format!("units of {}", layout.name),
                    units.unwrap_or_else(|| "none".into()),
                    expected.into(),
                )
            })?
        }
    };
    // The coordinates vouch for the size of the fields: no tile is larger than all of them.
    let layers = members.max(thresholds_mm_h.len()).max(1);
    let cells = shape
        .0
        .saturating_mul(shape.1)
        .saturating_mul(valid_times.len())
        .saturating_mul(layers);
    let most = cells.saturating_mul(16).max(COORDINATE_MAX).min(Limits::default().decoded_bytes());
    let file = open_bytes(path, bytes, most)?;
    let head = Head {
        reference_time,
        valid_times,
        shape,
        grid: Some(placed.grid.clone()),
        members,
        thresholds_mm_h,
    };
    let percent = probability
        .as_ref()
        .and_then(|l| text(&file, &l.name, "units"))
        .is_some_and(|u| u == "%" || u == "percent");
    let opened = File {
        whole: if percent { 100.0 } else { 1.0 },
        path: path.to_owned(),
        rain,
        probability,
        conversion,
        placed,
        file,
    };
    Ok((head, opened))
}

struct Reader<'a> {
    path: &'a Path,
    file: &'a NcFile,
}

impl Reader<'_> {
    fn coordinates(&self) -> Coordinates<'_> {
        Coordinates {
            path: self.path,
            file: self.file,
        }
    }

    fn content(&self, field: &str, found: String, expected: String) -> Error {
        Error::Content {
            path: self.path.to_owned(),
            field: field.to_owned(),
            found,
            expected,
        }
    }

    fn variable(&self, name: &str) -> Result<&NcVariable, Error> {
        self.file
            .variable(name)
            .map_err(|e| self.content(name, e.to_string(), "a variable".into()))
    }

    /// The variables of rain and of its probabilities: the one that is named, or those that are found.
    fn variables(&self, named: &str) -> Result<(Option<String>, Option<String>), Error> {
        let is_probability = |name: &str| name.starts_with("probability_of_");
        if !named.is_empty() {
            self.variable(named)?;
            let name = Some(named.to_owned());
            let threshold = self.roles(named)?.contains(&Role::Threshold);
            return Ok(if is_probability(named) || threshold {
                (None, name)
            } else {
                (name, None)
            });
        }
        let all = self
            .file
            .variables()
            .map_err(|e| self.content("variables", e.to_string(), "variables".into()))?;
        let wide: Vec<&NcVariable> = all.iter().filter(|v| v.shape().len() >= 2).collect();
        // The one with members before the others, the one of a well-known name before those of components.
        let rank = |v: &NcVariable| {
            let member = self.roles(v.name()).is_ok_and(|roles| roles.contains(&Role::Member));
            let known = RAIN_NAMES.iter().any(|n| v.name().eq_ignore_ascii_case(n));
            (member, known)
        };
        let rain = wide.iter().filter(|v| {
            let standard = text(self.file, v.name(), "standard_name").is_some_and(|s| STANDARD_NAMES.contains(&s.as_str()));
            (standard || RAIN_NAMES.iter().any(|n| v.name().eq_ignore_ascii_case(n))) && !is_probability(v.name())
        });
        let rain = rain.rev().max_by_key(|v| rank(v)).map(|v| v.name().to_owned());
        let probability = wide
            .iter()
            .find(|v| is_probability(v.name()) && v.name().contains("rate"))
            .map(|v| v.name().to_owned());
        if rain.is_none() && probability.is_none() {
            let names: Vec<&str> = all.iter().map(NcVariable::name).collect();
            let expected = "one with the standard name `rainfall_rate`, or `probability_of_rainfall_rate_above_threshold`".to_owned();
            return Err(self.content("variables", names.join(", "), expected));
        }
        Ok((rain, probability))
    }

    fn layout(&self, name: String) -> Result<Layout, Error> {
        let roles = self.roles(&name)?;
        Ok(Layout { name, roles })
    }

    /// What the dimensions before y and x mean.
    fn roles(&self, name: &str) -> Result<Vec<Role>, Error> {
        let variable = self.variable(name)?;
        let dimensions = variable.dimensions();
        let before = &dimensions[..dimensions.len().saturating_sub(2)];
        before
            .iter()
            .map(|d| {
                let standard = text(self.file, &d.name, "standard_name").unwrap_or_default();
                let units = text(self.file, &d.name, "units").unwrap_or_default();
                let lower = d.name.to_lowercase();
                if standard == "realization" || MEMBERS.contains(&lower.as_str()) {
                    Ok(Role::Member)
                } else if lower.starts_with("threshold") {
                    Ok(Role::Threshold)
                } else if matches!(standard.as_str(), "time" | "forecast_period")
                    || units.contains(" since ")
                    || [
                        "time",
                        "valid_time",
                        "step",
                        "lead",
                        "lead_time",
                        "leadtime",
                        "forecast_period",
                        "prediction_timedelta",
                    ]
                    .iter()
                    .any(|n| lower == *n || lower.starts_with("time"))
                {
                    Ok(Role::Time)
                } else if d.size == 1 {
                    Ok(Role::Single)
                } else {
                    let expected = "time, members or thresholds before y and x".to_owned();
                    Err(self.content(name, format!("dimension `{}`", d.name), expected))
                }
            })
            .collect()
    }

    /// Length of the dimension of a role.
    fn length(&self, layout: &Layout, role: Role) -> Result<Option<usize>, Error> {
        let at = layout.roles.iter().position(|r| *r == role);
        at.map(|k| self.variable(&layout.name).map(|v| v.shape()[k] as usize)).transpose()
    }

    fn dimension(&self, layout: &Layout, role: Role) -> Result<Option<String>, Error> {
        let at = layout.roles.iter().position(|r| *r == role);
        at.map(|k| self.variable(&layout.name).map(|v| v.dimensions()[k].name.clone()))
            .transpose()
    }

    /// Names of the last two dimensions.
    fn plane(&self, name: &str) -> Result<(String, String), Error> {
        match self.variable(name)?.dimensions() {
            [.., y, x] => Ok((y.name.clone(), x.name.clone())),
            other => Err(self.content(name, format!("{} dimensions", other.len()), "y and x at least".into())),
        }
    }

    /// When the forecast was made and when its fields hold.
    fn times(&self, layout: &Layout, config: &GivenConfig) -> Result<(ReferenceTime, Vec<ValidTime>), Error> {
        let variables = self
            .file
            .variables()
            .map_err(|e| self.content("variables", e.to_string(), "variables".into()))?;
        let moments = |name: &str| -> Option<Vec<ValidTime>> {
            let units = text(self.file, name, "units")?;
            times(&self.coordinates().values(name).ok()?, Some(&units))
        };
        let reference = variables
            .iter()
            .filter(|v| v.shape().iter().product::<u64>() == 1)
            .filter(|v| {
                let standard = text(self.file, v.name(), "standard_name").is_some_and(|s| s == "forecast_reference_time");
                standard || REFERENCES.contains(&v.name())
            })
            .find_map(|v| moments(v.name())?.first().copied())
            .or(config.reference_time);
        let dimension = self.dimension(layout, Role::Time)?;
        // Coordinates along the times, the dimension's own first; of a single time those without a dimension.
        let along: Vec<&str> = match &dimension {
            Some(name) => {
                let fits = |v: &&NcVariable| matches!(v.dimensions(), [d] if d.name == *name);
                let mut names: Vec<&str> = variables.iter().filter(fits).map(NcVariable::name).collect();
                names.sort_by_key(|n| *n != name);
                names
            }
            None => variables
                .iter()
                .filter(|v| v.shape().is_empty() && !REFERENCES.contains(&v.name()))
                .map(NcVariable::name)
                .collect(),
        };
        let reference_role = |name: &&&str| {
            text(self.file, name, "standard_name").is_none_or(|s| s != "forecast_reference_time") && !REFERENCES.contains(*name)
        };
        let valid = along.iter().filter(reference_role).find_map(|name| moments(name));
        let periods = along.iter().find_map(|name| {
            let standard = text(self.file, name, "standard_name").is_some_and(|s| s == "forecast_period");
            let known = standard || dimension.as_deref() == Some(*name);
            let unit_s = seconds_of(&text(self.file, name, "units")?)?;
            known
                .then(|| self.coordinates().values(name).ok())
                .flatten()
                .map(|v| v.iter().map(|p| p * unit_s).collect::<Vec<f64>>())
        });
        let after = |time: ReferenceTime, seconds: f64| {
            let whole = (seconds.abs() < 1e9).then(|| TimeDelta::seconds(seconds.round() as i64))?;
            time.checked_add_signed(whole)
        };
        let lacks = |what: &str| {
            let expected =
                "a scalar `forecast_reference_time` or the key `reference_time`, and times or `forecast_period` along its dimension";
            self.content("times", format!("no {what}"), expected.to_owned())
        };
        match (reference, valid, periods) {
            (Some(reference), Some(valid), _) => Ok((reference, valid)),
            (Some(reference), None, Some(periods)) => {
                let valid = periods.iter().map(|p| after(reference, *p)).collect::<Option<Vec<_>>>();
                Ok((reference, valid.ok_or_else(|| lacks("valid time"))?))
            }
            (None, Some(valid), Some(periods)) => {
                let reference = valid.first().zip(periods.first()).and_then(|(v, p)| after(*v, -p));
                Ok((reference.ok_or_else(|| lacks("reference time"))?, valid))
            }
            (None, ..) => Err(lacks("reference time")),
            (Some(_), None, None) => Err(lacks("valid time")),
        }
    }

    /// Thresholds of probabilities, mm h⁻¹.
    fn thresholds(&self, layout: &Layout) -> Result<Vec<f64>, Error> {
        let expected = || "a dimension of thresholds with a coordinate in mm h-1 or m s-1".to_owned();
        let Some(name) = self.dimension(layout, Role::Threshold)? else {
            return Err(self.content(&layout.name, "no threshold".into(), expected()));
        };
        let units = text(self.file, &name, "units");
        match Conversion::of(units.as_deref(), None) {
            Ok(Conversion::Factor(factor)) => Ok(self.coordinates().values(&name)?.iter().map(|t| t * factor).collect()),
            _ => Err(self.content(&name, units.unwrap_or_else(|| "no units".into()), expected())),
        }
    }
}

/// Seconds of a unit of time.
fn seconds_of(units: &str) -> Option<f64> {
    match units.trim() {
        "s" | "sec" | "second" | "seconds" => Some(1.0),
        "min" | "minute" | "minutes" => Some(60.0),
        "h" | "hr" | "hour" | "hours" => Some(3600.0),
        "d" | "day" | "days" => Some(86_400.0),
        _ => None,
    }
}

impl File {
    /// A field as it lies in the file, each number made into what is wanted of it, turned to the south and west.
    fn read(&self, layout: &Layout, time: usize, layer: usize, of: impl Fn(f64) -> f32) -> Result<Array2<f32>, Error> {
        let told = |reason: String| Error::Read {
            path: self.path.clone(),
            reason: format!("{} at time {time}: {reason}", layout.name),
        };
        let shape = self.placed.grid.shape();
        let mut selection = whole(&[shape.0 as u64, shape.1 as u64]);
        let before = layout.roles.iter().map(|role| match role {
            Role::Time => NcSliceInfoElem::Index(time as u64),
            Role::Member | Role::Threshold => NcSliceInfoElem::Index(layer as u64),
            Role::Single => NcSliceInfoElem::Index(0),
        });
        selection.selections.splice(0..0, before);
        let raw = self.file.read_variable_slice_unpacked_masked(&layout.name, &selection);
        let raw = raw.map_err(|e| told(e.to_string()))?;
        let found = raw.shape().to_vec();
        let plane = raw.into_dimensionality::<Ix2>().ok().filter(|r| r.dim() == shape);
        let plane = plane.ok_or_else(|| told(format!("shape {found:?}, expected {shape:?}")))?;
        let mut plane = plane.mapv(of);
        self.placed.turn(&mut plane);
        Ok(plane)
    }

    fn none(&self, what: &str) -> Error {
        Error::Content {
            path: self.path.clone(),
            field: what.to_owned(),
            found: "none".to_owned(),
            expected: "a variable of it".to_owned(),
        }
    }
}

impl Fields for File {
    fn rain(&self, time: usize, member: usize) -> Result<Array2<f32>, Error> {
        let layout = self.rain.as_ref().ok_or_else(|| self.none("rain"))?;
        self.read(layout, time, member, |r| self.conversion.mm_h(r))
    }

    fn probability(&self, time: usize, threshold: usize) -> Result<Array2<f32>, Error> {
        let layout = self.probability.as_ref().ok_or_else(|| self.none("probability"))?;
        self.read(layout, time, threshold, |p| (p / self.whole) as f32)
    }
}
