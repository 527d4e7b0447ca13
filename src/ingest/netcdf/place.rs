//! Where the cells of a CF variable lie: its coordinates, evenly spaced, and its grid mapping.

use std::path::Path;

use ndarray::{Array2, Axis as Dimension};
use netcdf_reader::{NcFile, NcVariable};
use nowblend_field::{Axis, Grid, Projection};

use super::{axis, definition, is_degrees, text, whole};
use crate::ingest::Error;

/// Reads coordinates of a file.
pub(in crate::ingest) struct Coordinates<'a> {
    pub path: &'a Path,
    pub file: &'a NcFile,
}

/// The grid of a variable, and whether its rows and columns fall in the file.
pub(in crate::ingest) struct Placed {
    pub grid: Grid,
    pub y_falls: bool,
    pub x_falls: bool,
}

impl Coordinates<'_> {
    fn content(&self, field: &str, found: String, expected: &str) -> Error {
        Error::content(self.path, field, found, expected)
    }

    /// Values of a coordinate, counted before they are read.
    pub fn values(&self, name: &str) -> Result<Vec<f64>, Error> {
        let shape = self
            .file
            .variable(name)
            .map(NcVariable::shape)
            .map_err(|e| self.content(name, e.to_string(), "a coordinate"))?;
        // A coordinate has one dimension of a bounded size.
        if shape.len() > 1 || shape.iter().any(|n| *n > 1 << 20) {
            return Err(self.content(name, format!("shape {shape:?}"), "one dimension of at most 1048576"));
        }
        self.file
            .read_variable_slice_unpacked_masked(name, &whole(&shape))
            .map(|a| a.iter().copied().collect())
            .map_err(|e| self.content(name, e.to_string(), "a coordinate that can be read"))
    }

    /// The grid of `variable` on the coordinates `y_name` and `x_name`.
    pub fn grid(&self, variable: &str, y_name: &str, x_name: &str) -> Result<Placed, Error> {
        let ((y, y_falls), (mut x, x_falls)) = (self.even(y_name)?, self.even(x_name)?);
        let field = |source| Error::Field {
            path: self.path.to_owned(),
            source,
        };
        let projection = if is_degrees(self.file, y_name, "north") && is_degrees(self.file, x_name, "east") {
            x.first = (x.first + 180.0).rem_euclid(360.0) - 180.0;
            Projection::lon_lat()
        } else {
            let mapping = text(self.file, variable, "grid_mapping").unwrap_or_else(|| "crs".into());
            let definition = definition(self.file, &mapping)
                .ok_or_else(|| self.content(&mapping, "no attribute `proj4`".into(), "a grid mapping with a PROJ definition"))?;
            Projection::parse(&definition).map_err(field)?
        };
        let grid = Grid::new(y, x, projection).map_err(field)?;
        Ok(Placed { grid, y_falls, x_falls })
    }

    fn even(&self, name: &str) -> Result<(Axis, bool), Error> {
        let found = axis(&self.values(name)?);
        let (mut axis, falls) = found.ok_or_else(|| self.content(name, "uneven or too few values".into(), "evenly spaced coordinates"))?;
        if text(self.file, name, "units").is_some_and(|u| u == "km") {
            axis.first *= 1000.0;
            axis.spacing *= 1000.0;
        }
        Ok((axis, falls))
    }
}

impl Placed {
    /// A field `[y, x]` as it lies in the file, turned so that row 0 is in the south and column 0 in the west.
    pub fn turn(&self, field: &mut Array2<f32>) {
        if self.y_falls {
            field.invert_axis(Dimension(0));
        }
        if self.x_falls {
            field.invert_axis(Dimension(1));
        }
    }
}
