//! Means and deviations of global variables, level by level, from the NetCDF files that are published beside checkpoints.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use crate::ingest::{
    Error, Limits, bytes,
    netcdf::{COORDINATE_MAX, Coordinates, Shared, open_bytes},
};
use crate::store::Input;

/// Numbers of variables.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Numbers {
    /// Pressures of the levels, hPa.
    pub levels_hpa: Vec<f64>,
    /// One number, or one for each level, by variable.
    pub values: BTreeMap<String, Vec<f32>>,
}

/// Reads a file of numbers by variable and level.
///
/// # Errors
///
/// [`Error::Read`] for bytes that cannot be decoded, [`Error::Content`] for a variable with more than levels, or one that is no number.
pub fn statistics(path: &Path, limits: Limits) -> Result<(Numbers, Input), Error> {
    let bytes::Bytes { content, input } = bytes::read(path, true, limits)?;
    let file = open_bytes(path, Shared(Arc::new(content)), COORDINATE_MAX.min(limits.decoded_bytes()))?;
    let coordinates = Coordinates { path, file: &file };
    let variables = file.variables().map_err(|e| Error::Read {
        path: path.to_owned(),
        reason: e.to_string(),
    })?;
    let mut numbers = Numbers::default();
    for variable in variables {
        let name = variable.name();
        let values = coordinates.values(name)?;
        if name == "level" {
            numbers.levels_hpa = values;
            continue;
        }
        if let Some(value) = values.iter().find(|v| !v.is_finite()) {
            return Err(Error::content(path, name, value.to_string(), "finite numbers"));
        }
        numbers.values.insert(name.to_owned(), values.iter().map(|v| *v as f32).collect());
    }
    Ok((numbers, input))
}
