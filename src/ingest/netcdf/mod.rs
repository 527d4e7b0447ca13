//! CF NetCDF radar files: rain over time, y and x (or latitude and longitude), with a grid mapping; read frame by frame.

mod coordinates;
mod mapping;
mod place;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use ndarray::{Array2, Array3, Ix2};
use netcdf_reader::{NcFile, NcOpenOptions, NcSliceInfo, NcSliceInfoElem, NcVariable};
use nowblend_field::{Grid, Sequence, ValidTime, units};

use super::{
    Error, Limits, bytes,
    picture::{Frames, Head},
    quality,
    scale::WEAKEST_DBZ,
};
pub(super) use coordinates::{axis, times};
pub(super) use mapping::definition;
pub(super) use place::{Coordinates, Placed};

/// Standard names of rain.
pub(super) const STANDARD_NAMES: [&str; 5] = [
    "rainfall_rate",
    "lwe_precipitation_rate",
    "rainfall_flux",
    "precipitation_flux",
    "equivalent_reflectivity_factor",
];
/// Names under which rain is looked for, after its standard name.
pub(super) const RAIN_NAMES: [&str; 7] = [
    "rainfall_rate",
    "precipitation_rate",
    "rain_rate",
    "precipitation",
    "rainfall_amount",
    "reflectivity",
    "dbz",
];
/// Largest coordinate with its tiles, bytes: 1048576 doubles, twice.
pub(super) const COORDINATE_MAX: usize = 16 << 20;
/// Largest object header that is read, bytes.
const HEADER_MAX: usize = 1 << 20;

/// An open file: its head is read, its rain is not.
pub struct File {
    path: PathBuf,
    file: NcFile,
    rain: String,
    times: Vec<ValidTime>,
    placed: Placed,
    /// Dimensions of rain: with time or without.
    timed: bool,
    conversion: Conversion,
}

/// How numbers become mm h⁻¹.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Conversion {
    Factor(f64),
    Reflectivity,
}

/// All frames of a file: rain in mm h⁻¹, row 0 in the south, NaN where it was not observed; and how many values were absurd.
///
/// # Errors
///
/// Those of [`File::open`] and [`File::frame`]; [`Error::Field`] where the times are uneven.
pub fn read(path: &Path) -> Result<(Sequence, usize), Error> {
    let file = File::open(path, bytes::read(path, false, Limits::default())?.content)?;
    let (ny, nx) = file.placed.grid.shape();
    let mut rain = Array3::zeros((file.times.len(), ny, nx));
    let mut absurd = 0;
    for (index, mut frame) in rain.outer_iter_mut().enumerate() {
        let mut cells = file.frame(index)?;
        absurd += quality::judge(&mut cells, f32::INFINITY).meaningless;
        frame.assign(&cells);
    }
    let sequence = Sequence::new(file.placed.grid, file.times, rain).map_err(|source| Error::Field {
        path: path.to_owned(),
        source,
    })?;
    Ok((sequence, absurd))
}

impl File {
    /// Reads the head of a file whose content is `bytes`.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] for bytes that cannot be decoded, [`Error::Content`] where rain, times, coordinates or the grid mapping are missing
    /// or have no meaning.
    pub fn open(path: &Path, bytes: Vec<u8>) -> Result<Self, Error> {
        Self::open_within(path, bytes, Limits::default())
    }

    /// [`File::open`], with other limits than the usual ones.
    ///
    /// # Errors
    ///
    /// Those of [`File::open`].
    pub fn open_within(path: &Path, bytes: Vec<u8>, limits: Limits) -> Result<Self, Error> {
        let told = |reason: String| Error::Read {
            path: path.to_owned(),
            // One word for a place in a file, whoever speaks.
            reason: reason.replace(" at offset ", " at byte "),
        };
        let content = |field: &str, found: String, expected: &str| Error::Content {
            path: path.to_owned(),
            field: field.to_owned(),
            found,
            expected: expected.to_owned(),
        };
        let bytes = Shared(Arc::new(bytes));
        let file = open_bytes(path, bytes.clone(), COORDINATE_MAX.min(limits.decoded_bytes()))?;
        let variables = file.variables().map_err(|e| told(e.to_string()))?;
        let rain = rain_name(&file, variables);
        let rain = rain.map_err(|names| content("variables", names, "one with the standard name `rainfall_rate`"))?;
        let dimensions: Vec<(String, u64)> = file
            .variable(&rain)
            .map_err(|e| told(e.to_string()))?
            .dimensions()
            .iter()
            .map(|d| (d.name.clone(), d.size))
            .collect();
        let [before @ .., y_name, x_name] = dimensions.as_slice() else {
            return Err(content(&rain, format!("{} dimensions", dimensions.len()), "time, y and x"));
        };
        if before.len() > 1 {
            return Err(content(&rain, format!("{} dimensions", dimensions.len()), "time, y and x"));
        }
        let coordinates = Coordinates { path, file: &file };
        let values = |name: &str| coordinates.values(name);
        let time_name = match before {
            [(name, _)] => name.clone(),
            _ => ["time", "valid_time"]
                .into_iter()
                .find(|n| file.variable(n).is_ok())
                .ok_or_else(|| content("time", "none".into(), "a variable `time` or `valid_time`"))?
                .to_owned(),
        };
        let time_units = text(&file, &time_name, "units");
        let times = times(&values(&time_name)?, time_units.as_deref())
            .filter(|t| !t.is_empty())
            .ok_or_else(|| {
                content(
                    &time_name,
                    time_units.clone().unwrap_or_default(),
                    "units such as `seconds since 1970-01-01 00:00:00`",
                )
            })?;
        let placed = coordinates.grid(&rain, &y_name.0, &x_name.0)?;
        let grid = &placed.grid;
        let expected: Vec<u64> = [times.len(), grid.y.count, grid.x.count][3 - dimensions.len()..]
            .iter()
            .map(|n| *n as u64)
            .collect();
        let found: Vec<u64> = dimensions.iter().map(|d| d.1).collect();
        if found != expected {
            return Err(content(&rain, format!("shape {found:?}"), &format!("{expected:?} [time, y, x]")));
        }
        if grid.cells() as u64 > limits.points() {
            let expected = format!("at most {} (`ingest.limits.points_million`)", limits.points());
            return Err(content(&rain, format!("{} cells", grid.cells()), &expected));
        }
        let interval_s = interval(&file, &times, &values);
        let given = text(&file, &rain, "units");
        let conversion = Conversion::of(given.as_deref(), interval_s).map_err(|expected| {
            content(
                &format!("units of {rain}"),
                given.clone().unwrap_or_else(|| "none".into()),
                expected,
            )
        })?;
        // The coordinates vouch for the size of the rain: no tile of it is larger than all of it.
        let cells = (times.len() as u64).saturating_mul(grid.cells() as u64);
        let all = usize::try_from(cells.saturating_mul(16)).unwrap_or(usize::MAX).max(COORDINATE_MAX);
        let options = NcOpenOptions {
            max_read_bytes: limits.decoded_bytes(),
            max_chunk_bytes: all.min(limits.decoded_bytes()),
            max_object_header_bytes: HEADER_MAX,
            ..Default::default()
        };
        let file = NcFile::from_owner(bytes, options).map_err(|e| told(e.to_string()))?;
        Ok(Self {
            path: path.to_owned(),
            timed: !before.is_empty(),
            file,
            rain,
            times,
            placed,
            conversion,
        })
    }

    /// Valid times of the frames, in file order.
    pub fn times(&self) -> &[ValidTime] {
        &self.times
    }

    /// Where the cells lie.
    pub fn grid(&self) -> &Grid {
        &self.placed.grid
    }

    /// One frame `[y, x]` in mm h⁻¹, row 0 in the south; missing values are NaN, nothing else is judged.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] where it cannot be decoded.
    pub fn frame(&self, index: usize) -> Result<Array2<f32>, Error> {
        let told = |reason: String| Error::Read {
            path: self.path.clone(),
            reason: format!(
                "{} at {}: {}",
                self.rain,
                self.times[index],
                reason.replace(" at offset ", " at byte ")
            ),
        };
        // As much as the grid has, whatever the variable claims to hold.
        let mut selection = whole(&[self.placed.grid.y.count as u64, self.placed.grid.x.count as u64]);
        if self.timed {
            selection.selections.insert(0, NcSliceInfoElem::Index(index as u64));
        }
        let raw = self.file.read_variable_slice_unpacked_masked(&self.rain, &selection);
        let raw = raw.map_err(|e| told(e.to_string()))?;
        let found = raw.shape().to_vec();
        let raw = raw
            .into_dimensionality::<Ix2>()
            .ok()
            .filter(|r| r.dim() == self.placed.grid.shape());
        let raw = raw.ok_or_else(|| told(format!("shape {found:?}, expected {:?}", self.placed.grid.shape())))?;
        let mut rain = raw.mapv(|r| self.conversion.mm_h(r));
        self.placed.turn(&mut rain);
        Ok(rain)
    }
}

impl Frames for File {
    fn heads(&self) -> Vec<Head> {
        let head = |time: &ValidTime| Head {
            time: *time,
            grid: self.placed.grid.clone(),
        };
        self.times.iter().map(head).collect()
    }

    fn rain(&self, number: usize) -> Result<Array2<f32>, Error> {
        self.frame(number)
    }
}

impl Conversion {
    /// What units mean; on failure what was expected.
    pub fn of(units: Option<&str>, interval_s: Option<f64>) -> Result<Self, &'static str> {
        match units {
            Some("mm h-1" | "mm/h" | "mm hr-1" | "mm/hr" | "mm h^-1" | "mm hour-1") => Ok(Self::Factor(1.0)),
            Some("kg m-2 s-1" | "kg/m2/s" | "kg m^-2 s^-1" | "mm s-1" | "mm/s") => Ok(Self::Factor(units::rate_of_flux(1.0))),
            Some("m s-1" | "m/s") => Ok(Self::Factor(1000.0 * units::rate_of_flux(1.0))),
            Some("mm" | "kg m-2" | "kg/m2" | "kg m^-2") => interval_s
                .map(|s| Self::Factor(units::rate_of_accumulation(1.0, s)))
                .ok_or("an amount with time bounds, a `start_time` or more than one frame, which tell its interval"),
            Some("dBZ" | "dbz" | "DBZ") => Ok(Self::Reflectivity),
            _ => Err("mm h-1, kg m-2 s-1, m s-1, mm or kg m-2 per interval, or dBZ"),
        }
    }

    pub fn mm_h(self, value: f64) -> f32 {
        match self {
            Self::Factor(factor) => (value * factor) as f32,
            // Weaker than any rain: observed, and dry.
            Self::Reflectivity if value < WEAKEST_DBZ => 0.0,
            Self::Reflectivity => units::ZR::default().rain(value) as f32,
        }
    }
}

/// The bytes of a file that is opened twice.
#[derive(Clone)]
pub(super) struct Shared(pub Arc<Vec<u8>>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// A selection of the first of each dimension.
pub(super) fn whole(shape: &[u64]) -> NcSliceInfo {
    let first = |count: &u64| NcSliceInfoElem::Slice {
        start: 0,
        end: *count,
        step: 1,
    };
    NcSliceInfo {
        selections: shape.iter().map(first).collect(),
    }
}

pub(super) fn text(file: &NcFile, variable: &str, attribute: &str) -> Option<String> {
    file.variable(variable).ok()?.attribute(attribute)?.value.as_string()
}

/// The variable that holds rain; on failure the names there are.
fn rain_name(file: &NcFile, variables: &[NcVariable]) -> Result<String, String> {
    let names: Vec<&str> = variables.iter().map(NcVariable::name).collect();
    let standard = |name: &&&str| text(file, name, "standard_name").is_some_and(|s| STANDARD_NAMES.contains(&s.as_str()));
    names
        .iter()
        .find(standard)
        .or_else(|| names.iter().find(|n| RAIN_NAMES.iter().any(|r| n.eq_ignore_ascii_case(r))))
        .map(|n| (*n).to_owned())
        .ok_or_else(|| names.join(", "))
}

/// Opens the content of a file of which no selection and no tile is larger than `most` bytes.
pub(super) fn open_bytes(path: &Path, bytes: Shared, most: usize) -> Result<NcFile, Error> {
    let options = NcOpenOptions {
        max_read_bytes: most,
        max_chunk_bytes: most,
        max_object_header_bytes: HEADER_MAX,
        ..Default::default()
    };
    NcFile::from_owner(bytes, options).map_err(|e| Error::Read {
        path: path.to_owned(),
        // One word for a place in a file, whoever speaks.
        reason: e.to_string().replace(" at offset ", " at byte "),
    })
}

/// Whether a coordinate is in degrees towards `direction`.
pub(super) fn is_degrees(file: &NcFile, name: &str, direction: &str) -> bool {
    let standard = if direction == "north" { "latitude" } else { "longitude" };
    text(file, name, "standard_name").is_some_and(|s| s == standard)
        || text(file, name, "units").is_some_and(|u| u == format!("degrees_{direction}") || u == format!("degree_{direction}"))
}

/// The interval of amounts, s: from time bounds, from a start time, or from frame to frame.
fn interval(file: &NcFile, times: &[ValidTime], values: &dyn Fn(&str) -> Result<Vec<f64>, Error>) -> Option<f64> {
    let positive = |s: f64| (s > 0.0 && s.is_finite()).then_some(s);
    if let Some(starts) = values("start_time")
        .ok()
        .and_then(|v| coordinates::times(&v, text(file, "start_time", "units").as_deref()))
        && let ([start, ..], [end, ..]) = (starts.as_slice(), times)
    {
        return positive((*end - *start).num_seconds() as f64);
    }
    let bounds = text(file, "time", "bounds").and_then(|name| {
        let shape = file.variable(&name).ok()?.shape();
        let small = shape.len() == 2 && shape[1] == 2 && shape[0] <= 1 << 20;
        let both = small.then(|| file.read_variable_slice_as_f64(&name, &whole(&[1, 2])).ok())??;
        let both: Vec<f64> = both.iter().take(2).copied().collect();
        let both = coordinates::times(&both, text(file, "time", "units").as_deref())?;
        positive((both.get(1)?.signed_duration_since(both[0])).num_seconds() as f64)
    });
    bounds.or_else(|| positive((*times.get(1)? - *times.first()?).num_seconds() as f64))
}
