//! Where the points of a field lie, in which order they come, and which way its wind blows: section 3.

use ndarray::Array2;
use nowblend_field::{Axis, Grid, Projection};

use super::{
    degrees::{degrees, gaussian, unrotate},
    maps::{lambert, polar_stereographic},
    octets::Octets,
};

/// The layout of a field's points.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// Points along a row.
    pub columns: usize,
    /// Rows.
    pub rows: usize,
    /// Where they lie.
    pub place: Place,
    /// Whether wind components follow the grid's axes instead of east and north.
    pub wind_along_grid: bool,
    scanning: Scanning,
}

/// Where points lie on the Earth.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// Evenly spaced on a map.
    Even(Box<Grid>),
    /// Evenly spaced in longitude, in latitude at the zeros of a Legendre polynomial; latitudes from the south, degrees.
    Gaussian {
        /// Latitudes of the rows, ascending, degrees.
        latitudes: Vec<f64>,
        /// Longitudes of the columns, degrees.
        x: Axis,
    },
    /// Longitude and latitude of a globe whose south pole was moved.
    Rotated {
        /// Latitudes and longitudes on the moved globe, degrees.
        y: Axis,
        /// Longitudes on the moved globe, degrees.
        x: Axis,
        /// Latitude and longitude of the moved south pole, degrees.
        south_pole: (f64, f64),
    },
}

/// The order of points, flag table 3.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scanning {
    pub westward: bool,
    pub northward: bool,
    columns_first: bool,
    alternating: bool,
}

impl Layout {
    /// Reads section 3, which must lay out `points` points.
    pub(super) fn read(section: &[u8], points: u32) -> Result<Self, String> {
        let octets = Octets(section);
        let cut = || "section 3 ends before its template does".to_owned();
        let source = octets.u8(6).ok_or_else(cut)?;
        let template = octets.u16(13).ok_or_else(cut)?;
        if source != 0 {
            return Err(format!("a grid that is defined elsewhere (source {source}), expected a template"));
        }
        if octets.u8(11) != Some(0) {
            return Err("rows of different length (a reduced grid), expected one number of points for all rows".into());
        }
        let (columns, rows) = (octets.u32(31).ok_or_else(cut)?, octets.u32(35).ok_or_else(cut)?);
        if columns == 0 || rows == 0 || columns == u32::MAX || rows == u32::MAX {
            return Err(format!("{columns} x {rows} points, expected at least one of each"));
        }
        if u64::from(columns) * u64::from(rows) != u64::from(points) {
            return Err(format!("{columns} x {rows} points, expected {points}"));
        }
        let (columns, rows) = (columns as usize, rows as usize);
        let (flags_at, scanning_at) = match template {
            0 | 1 | 40 => (55, 72),
            20 | 30 => (47, 65),
            other => return Err(format!("grid template {other} is not supported, expected 0, 1, 20, 30 or 40")),
        };
        let flags = octets.u8(flags_at).ok_or_else(cut)?;
        let scanning = Scanning::read(octets.u8(scanning_at).ok_or_else(cut)?)?;
        let shape = (rows, columns);
        let place = match template {
            0 => {
                let (y, x) = degrees(octets, shape, scanning)?;
                Place::Even(Box::new(Grid::new(y, x, Projection::lon_lat()).map_err(|e| e.to_string())?))
            }
            1 => {
                let (y, x) = degrees(octets, shape, scanning)?;
                let angle = |octet| octets.signed(octet, 4).map(|a| a as f64 * 1e-6).ok_or_else(cut);
                let south_pole = (angle(73)?, angle(77)?);
                let turned = octets.u32(81).ok_or_else(cut)?;
                if turned != 0 {
                    return Err("a rotated grid with an angle of rotation, expected 0".into());
                }
                Place::Rotated { y, x, south_pole }
            }
            40 => gaussian(octets, shape, scanning)?,
            20 => Place::Even(Box::new(polar_stereographic(octets, shape, scanning)?)),
            _ => Place::Even(Box::new(lambert(octets, shape, scanning)?)),
        };
        Ok(Self {
            columns,
            rows,
            place,
            wind_along_grid: flags & 0x08 != 0,
            scanning,
        })
    }

    /// Row from the south and column from the west of the point that comes `index`-th, from 0.
    pub fn cell(&self, index: usize) -> (usize, usize) {
        let scanning = self.scanning;
        let (mut row, mut column) = if scanning.columns_first {
            (index % self.rows, index / self.rows)
        } else {
            (index / self.columns, index % self.columns)
        };
        if scanning.alternating {
            if scanning.columns_first && column % 2 == 1 {
                row = self.rows - 1 - row;
            } else if !scanning.columns_first && row % 2 == 1 {
                column = self.columns - 1 - column;
            }
        }
        if !scanning.northward {
            row = self.rows - 1 - row;
        }
        if scanning.westward {
            column = self.columns - 1 - column;
        }
        (row, column)
    }

    /// Whether points come row by row, all in the same direction.
    pub(super) fn rows_follow(&self) -> bool {
        !self.scanning.columns_first && !self.scanning.alternating
    }

    /// Values in file order as `[y, x]`, row 0 in the south, column 0 in the west.
    pub(super) fn arrange(&self, values: &[f32]) -> Array2<f32> {
        if self.scanning.columns_first {
            let mut out = Array2::from_elem((self.rows, self.columns), f32::NAN);
            for (index, value) in values.iter().enumerate().take(out.len()) {
                out[self.cell(index)] = *value;
            }
            return out;
        }
        let mut out = Array2::zeros((self.rows, self.columns));
        // A row at a time: most fields come so, and the largest have 24 million points.
        for (k, row) in values.chunks_exact(self.columns).enumerate().take(self.rows) {
            let (to_row, column) = self.cell(k * self.columns);
            let backwards = column != 0;
            let mut to = out.row_mut(to_row);
            if backwards {
                to.iter_mut().rev().zip(row).for_each(|(to, value)| *to = *value);
            } else {
                to.iter_mut().zip(row).for_each(|(to, value)| *to = *value);
            }
        }
        out
    }

    /// The grid, where points are evenly spaced on a map.
    ///
    /// # Errors
    ///
    /// Says which grid it is where it has none.
    pub fn grid(&self) -> Result<&Grid, String> {
        match &self.place {
            Place::Even(grid) => Ok(grid),
            Place::Gaussian { .. } => Err("a Gaussian grid, expected rows at even distances".into()),
            Place::Rotated { .. } => Err("a rotated longitude-latitude grid, expected one of a map projection".into()),
        }
    }

    /// Longitude and latitude, degrees, of the point that comes `index`-th.
    ///
    /// # Errors
    ///
    /// Where the map has no such place.
    pub fn lon_lat(&self, index: usize) -> Result<(f64, f64), String> {
        let (row, column) = self.cell(index);
        match &self.place {
            Place::Even(grid) => grid.lon_lat(row as f64, column as f64).map_err(|e| e.to_string()),
            Place::Gaussian { latitudes, x } => Ok((x.centre(column as f64), latitudes[row])),
            Place::Rotated { y, x, south_pole } => Ok(unrotate(x.centre(column as f64), y.centre(row as f64), *south_pole)),
        }
    }
}

impl Scanning {
    fn read(flags: u8) -> Result<Self, String> {
        if flags & 0x0f != 0 {
            return Err(format!("scanning mode {flags} with rows or columns offset, expected none"));
        }
        Ok(Self {
            westward: flags & 0x80 != 0,
            northward: flags & 0x40 != 0,
            columns_first: flags & 0x20 != 0,
            alternating: flags & 0x10 != 0,
        })
    }
}
