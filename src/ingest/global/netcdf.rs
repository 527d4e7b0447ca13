//! Global fields of NetCDF files: any of time, level, latitude and longitude as axes, under public or short names.

use std::{path::Path, sync::Arc};

use ndarray::{Array2, Ix2};
use netcdf_reader::{NcFile, NcSliceInfo, NcSliceInfoElem};
use nowblend_field::{Globe, ValidTime};

use super::{Plane, Wanted, names};
use crate::ingest::{
    Error, Limits,
    netcdf::{COORDINATE_MAX, Coordinates, Shared, open_bytes, text, times},
};

/// What an axis is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Along {
    Time,
    Level,
    Latitude,
    Longitude,
    /// One of a kind, or a member of which the first counts.
    Other,
}

impl Along {
    fn of(name: &str) -> Self {
        match name {
            "time" | "valid_time" => Self::Time,
            "level" | "pressure_level" | "isobaricInhPa" | "plev" | "lev" | "pressure" => Self::Level,
            "lat" | "latitude" => Self::Latitude,
            "lon" | "longitude" => Self::Longitude,
            _ => Self::Other,
        }
    }
}

/// A variable of a file that is wanted: its own name, its public one, and its axes with their lengths.
struct Chosen {
    own: String,
    public: String,
    dimensions: Vec<(String, u64)>,
}

/// Rows and columns of a file, and how to bring them from the south and eastwards from Greenwich.
struct Rows {
    globe: Globe,
    falls: bool,
    /// Columns that come first in the file and last around the globe.
    turn: usize,
    /// Columns that are there twice.
    twice: usize,
}

/// Hands out every wanted plane of a file.
pub fn planes(
    path: &Path,
    content: Vec<u8>,
    wanted: &Wanted,
    limits: Limits,
    take: &mut dyn FnMut(Plane) -> Result<(), Error>,
) -> Result<(), Error> {
    let bytes = Shared(Arc::new(content));
    let file = open_bytes(path, bytes.clone(), COORDINATE_MAX.min(limits.decoded_bytes()))?;
    let told = |reason: String| Error::Read {
        path: path.to_owned(),
        reason: reason.replace(" at offset ", " at byte "),
    };
    let mut chosen: Vec<Chosen> = Vec::new();
    for variable in file.variables().map_err(|e| told(e.to_string()))? {
        let dimensions: Vec<(String, u64)> = variable.dimensions().iter().map(|d| (d.name.clone(), d.size)).collect();
        let along: Vec<Along> = dimensions.iter().map(|(name, _)| Along::of(name)).collect();
        if !(along.contains(&Along::Latitude) && along.contains(&Along::Longitude)) {
            continue;
        }
        let on_levels = along.contains(&Along::Level);
        if let Some(public) = names::public(variable.name(), on_levels, &wanted.variables) {
            chosen.push(Chosen {
                own: variable.name().to_owned(),
                public: public.to_owned(),
                dimensions: dimensions.clone(),
            });
        }
    }
    if chosen.is_empty() {
        return Ok(());
    }
    let coordinates = Coordinates { path, file: &file };
    let rows = rows(&coordinates, &chosen[0].dimensions, limits)?;
    let moments = moments(&coordinates, &file)?;
    let read = Reader {
        path,
        file: &file,
        wanted,
        rows: &rows,
        moments: &moments,
    };
    // The coordinates vouch for the size of the fields: no tile is larger than a whole variable.
    let largest = chosen
        .iter()
        .map(|c| c.dimensions.iter().map(|(_, n)| *n).fold(16u64, u64::saturating_mul))
        .max()
        .unwrap_or(0);
    let levels = chosen.iter().map(|c| read.levels(&c.dimensions)).collect::<Result<Vec<_>, _>>()?;
    let held = levels.iter().map(Vec::len).max().unwrap_or(1) as u64;
    let vouched = (rows.globe.points() as u64 + rows.twice as u64).saturating_mul(16 * held.max(1) * moments.len().max(1) as u64);
    let most = usize::try_from(largest.min(vouched))
        .unwrap_or(usize::MAX)
        .max(COORDINATE_MAX)
        .min(limits.decoded_bytes());
    let file = open_bytes(path, bytes, most)?;
    let read = Reader { file: &file, ..read };
    for (Chosen { own, public, dimensions }, levels) in chosen.iter().zip(&levels) {
        read.variable(own, public, dimensions, levels, take)?;
    }
    Ok(())
}

struct Reader<'a> {
    path: &'a Path,
    file: &'a NcFile,
    wanted: &'a Wanted,
    rows: &'a Rows,
    moments: &'a [ValidTime],
}

impl Reader<'_> {
    /// Pressures of the levels of a variable, hPa; empty where it has none.
    fn levels(&self, dimensions: &[(String, u64)]) -> Result<Vec<f64>, Error> {
        let Some((name, _)) = dimensions.iter().find(|(name, _)| Along::of(name) == Along::Level) else {
            return Ok(Vec::new());
        };
        let values = Coordinates {
            path: self.path,
            file: self.file,
        }
        .values(name)?;
        let pascal = matches!(text(self.file, name, "units").as_deref(), Some("Pa" | "pascal"));
        Ok(values.iter().map(|l| if pascal { l / 100.0 } else { *l }).collect())
    }

    /// Hands out the wanted planes of a variable.
    fn variable(
        &self,
        own: &str,
        public: &str,
        dimensions: &[(String, u64)],
        levels: &[f64],
        take: &mut dyn FnMut(Plane) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let units = text(self.file, own, "units");
        let conversion = names::conversion(public, units.as_deref());
        let (factor, offset) = conversion.ok_or_else(|| {
            let known = crate::store::GLOBAL_VARIABLES
                .iter()
                .find(|v| v.name == public)
                .map_or("", |v| v.units);
            Error::content(self.path, format!("units of {own}"), units.unwrap_or_default(), known)
        })?;
        let along: Vec<Along> = dimensions.iter().map(|(name, _)| Along::of(name)).collect();
        let (rows, columns) = (
            self.rows.globe.shape().0 as u64,
            (self.rows.globe.shape().1 + self.rows.twice) as u64,
        );
        for ((name, size), along) in dimensions.iter().zip(&along) {
            let expected = match along {
                Along::Time => self.moments.len() as u64,
                Along::Level => levels.len() as u64,
                Along::Latitude => rows,
                Along::Longitude => columns,
                Along::Other => *size,
            };
            if *size != expected {
                return Err(Error::content(self.path, own, format!("{size} along {name}"), expected.to_string()));
            }
        }
        let moments: Vec<Option<(u64, ValidTime)>> = if along.contains(&Along::Time) {
            (0..).zip(self.moments).map(|(k, moment)| Some((k, *moment))).collect()
        } else {
            vec![None]
        };
        let wanted_levels: Vec<Option<(u64, f64)>> = if levels.is_empty() {
            vec![None]
        } else {
            let asked = |level: &f64| self.wanted.levels_hpa.iter().any(|w| (w - level).abs() < 0.01);
            (0..)
                .zip(levels.iter().copied())
                .filter(|(_, level)| asked(level))
                .map(Some)
                .collect()
        };
        for moment in moments {
            for level in &wanted_levels {
                let selections = dimensions.iter().zip(&along).map(|((_, size), along)| match along {
                    Along::Time => NcSliceInfoElem::Index(moment.map_or(0, |m| m.0)),
                    Along::Level => NcSliceInfoElem::Index(level.map_or(0, |l| l.0)),
                    Along::Other => NcSliceInfoElem::Index(0),
                    Along::Latitude | Along::Longitude => NcSliceInfoElem::Slice {
                        start: 0,
                        end: *size,
                        step: 1,
                    },
                });
                let selection = NcSliceInfo {
                    selections: selections.collect(),
                };
                let told = |reason: String| Error::Read {
                    path: self.path.to_owned(),
                    reason: format!("{own}: {}", reason.replace(" at offset ", " at byte ")),
                };
                let raw = self
                    .file
                    .read_variable_slice_unpacked_masked(own, &selection)
                    .map_err(|e| told(e.to_string()))?;
                let mut raw = raw.into_dimensionality::<Ix2>().map_err(|e| told(e.to_string()))?;
                if along.iter().position(|a| *a == Along::Longitude) < along.iter().position(|a| *a == Along::Latitude) {
                    raw.swap_axes(0, 1);
                }
                take(Plane {
                    variable: public.to_owned(),
                    time: moment.map(|m| m.1),
                    level_hpa: level.map(|l| l.1),
                    globe: self.rows.globe.clone(),
                    values: self.rows.arrange(&raw.mapv(|v| (v * factor + offset) as f32)),
                })?;
            }
        }
        Ok(())
    }
}

impl Rows {
    fn arrange(&self, raw: &Array2<f32>) -> Array2<f32> {
        let (ny, nx) = self.globe.shape();
        Array2::from_shape_fn((ny, nx), |(y, x)| {
            raw[[if self.falls { ny - 1 - y } else { y }, (x + self.turn) % nx]]
        })
    }
}

/// Rows and columns of the fields of a file.
fn rows(coordinates: &Coordinates<'_>, dimensions: &[(String, u64)], limits: Limits) -> Result<Rows, Error> {
    let values = |wanted: Along| {
        let (name, _) = dimensions
            .iter()
            .find(|(name, _)| Along::of(name) == wanted)
            .expect("a field has both");
        coordinates.values(name)
    };
    let (mut latitudes, longitudes) = (values(Along::Latitude)?, values(Along::Longitude)?);
    let points = latitudes.len() as u64 * longitudes.len() as u64;
    if points > limits.points() {
        let expected = format!("at most {} (`ingest.limits.points_million`)", limits.points());
        return Err(Error::content(
            coordinates.path,
            "lat and lon",
            format!("{points} points"),
            expected,
        ));
    }
    let falls = latitudes.first() > latitudes.last();
    if falls {
        latitudes.reverse();
    }
    let (longitudes, turn, twice) = eastwards(&longitudes);
    let globe = Globe::new(latitudes, longitudes).map_err(|source| Error::Field {
        path: coordinates.path.to_owned(),
        source,
    })?;
    Ok(Rows { globe, falls, turn, twice })
}

/// Longitudes from 0 to 360 in rising order, how many columns must go from the front to the back, and how many come twice.
pub fn eastwards(longitudes: &[f64]) -> (Vec<f64>, usize, usize) {
    let twice = match (longitudes.first(), longitudes.last()) {
        (Some(first), Some(last)) if longitudes.len() > 1 && (last - first - 360.0).abs() < 1e-6 => 1,
        _ => 0,
    };
    let around: Vec<f64> = longitudes[..longitudes.len() - twice]
        .iter()
        .map(|l| {
            let turned = l.rem_euclid(360.0);
            // What is a hair west of Greenwich is Greenwich.
            if turned > 360.0 - 1e-9 { 0.0 } else { turned }
        })
        .collect();
    let turn = (1..around.len()).find(|k| around[*k] < around[k - 1]).unwrap_or(0);
    let mut turned = around;
    turned.rotate_left(turn);
    (turned, turn, twice)
}

/// Valid times of a file: `datetime` of the public data, or a time that counts from a moment; none where it has no time.
fn moments(coordinates: &Coordinates<'_>, file: &NcFile) -> Result<Vec<ValidTime>, Error> {
    for name in ["datetime", "valid_time", "time"] {
        let Ok(variable) = file.variable(name) else { continue };
        let units = text(file, name, "units");
        if !units.as_deref().is_some_and(|u| u.contains(" since ")) {
            continue;
        }
        let shape = variable.shape();
        let values = match shape.as_slice() {
            // Batch and time: the first of the batch counts.
            [_, count] if *count <= 1 << 20 => {
                let selection = NcSliceInfo {
                    selections: vec![
                        NcSliceInfoElem::Index(0),
                        NcSliceInfoElem::Slice {
                            start: 0,
                            end: *count,
                            step: 1,
                        },
                    ],
                };
                let read = file.read_variable_slice_unpacked_masked(name, &selection);
                let read = read.map_err(|e| Error::content(coordinates.path, name, e.to_string(), "times that can be read"))?;
                read.iter().copied().collect()
            }
            _ => coordinates.values(name)?,
        };
        return times(&values, units.as_deref()).ok_or_else(|| {
            Error::content(
                coordinates.path,
                name,
                units.unwrap_or_default(),
                "a count of seconds, minutes, hours or days",
            )
        });
    }
    // A time that counts from nowhere needs a moment.
    if file.variable("time").is_ok() {
        let expected = "units such as `hours since 2020-01-01`, or a variable `datetime` with them";
        let found = text(file, "time", "units").unwrap_or_default();
        return Err(Error::content(coordinates.path, "time", found, expected));
    }
    Ok(Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_turned_to_begin_at_greenwich() {
        assert_eq!(eastwards(&[-180.0, -90.0, 0.0, 90.0]), (vec![0.0, 90.0, 180.0, 270.0], 2, 0));
        assert_eq!(eastwards(&[0.0, 120.0, 240.0, 360.0]), (vec![0.0, 120.0, 240.0], 0, 1));
        assert_eq!(eastwards(&[0.0, 90.0]), (vec![0.0, 90.0], 0, 0));
    }
}
