//! Global fields of GRIB2 files: analyses and forecasts on longitude-latitude or Gaussian grids.

use std::path::Path;

use ndarray::Array2;
use nowblend_field::Globe;

use super::{Plane, Wanted, names, netcdf::eastwards};
use crate::ingest::{
    Error, Limits,
    grib2::{Field, Place, look_within},
};

/// Hands out every wanted plane of a file, and returns in words what could not be read.
pub fn planes(
    path: &Path,
    content: &[u8],
    wanted: &Wanted,
    limits: Limits,
    take: &mut dyn FnMut(Plane) -> Result<(), Error>,
) -> Result<Vec<String>, Error> {
    let mut contents = look_within(content, limits);
    if contents.fields.is_empty() && !contents.refused.is_empty() {
        return Err(Error::refused(path, contents.refused.swap_remove(0)));
    }
    let mut refused: Vec<String> = contents
        .refused
        .iter()
        .map(|r| format!("message {}, byte {}: {}", r.message, r.byte, r.reason))
        .collect();
    for field in contents.fields.iter().filter(|f| !f.header.derived) {
        let header = &field.header;
        let accumulated = header.interval.filter(|i| i.statistic == 1).map(|i| i.seconds);
        if header.interval.is_some() && accumulated.is_none() {
            continue;
        }
        let Some((name, factor, level_hpa)) = names::grib2(header.parameter, header.level, accumulated) else {
            continue;
        };
        let asked = wanted.variables.iter().any(|(w, _)| w == name) || name == "relative_humidity";
        let on_level = level_hpa.is_none_or(|l| wanted.levels_hpa.iter().any(|w| (w - l).abs() < 0.01));
        if !(asked && on_level) {
            continue;
        }
        match read(path, field)? {
            Ok((globe, values)) => take(Plane {
                variable: name.to_owned(),
                time: Some(header.valid_time),
                level_hpa,
                globe,
                values: values.mapv(|v| (f64::from(v) * factor) as f32),
            })?,
            Err(words) => refused.push(words),
        }
    }
    Ok(refused)
}

/// A field from the south and eastwards from Greenwich, or in words why not.
fn read(path: &Path, field: &Field<'_>) -> Result<Result<(Globe, Array2<f32>), String>, Error> {
    let words = |reason: &str| {
        Ok(Err(format!(
            "message {}, byte {}: {reason}",
            field.header.message, field.header.byte
        )))
    };
    let layout = &field.header.layout;
    let (latitudes, longitudes) = match &layout.place {
        Place::Even(grid) if grid.projection.is_geographic() => (grid.y.centres(), grid.x.centres()),
        Place::Gaussian { latitudes, x } => (latitudes.clone(), x.centres()),
        _ => return words("a grid on a map, expected longitudes and latitudes"),
    };
    let values = match field.arranged() {
        Ok(values) => values,
        Err(refusal) => return words(&refusal.reason),
    };
    let (longitudes, turn, _) = eastwards(&longitudes);
    let globe = Globe::new(latitudes, longitudes).map_err(|source| Error::Field {
        path: path.to_owned(),
        source,
    })?;
    let (ny, nx) = globe.shape();
    Ok(Ok((globe, Array2::from_shape_fn((ny, nx), |(y, x)| values[[y, (x + turn) % nx]]))))
}
