//! Where each cell of a rain field lies: evenly spaced centres on a map projection, row 0 in the south.

use std::{f64::consts::PI, fmt, ops::Range};

use serde::{Deserialize, Serialize};

use crate::{Error, Projection};

/// Mean radius of the Earth, m: turns degrees into metres where a grid is geographic (IUGG mean radius R1, 6371.0088 km).
const EARTH_RADIUS_M: f64 = 6_371_008.8;

/// Evenly spaced cell centres along one direction, ascending, in the units of the projection (m, or degrees if geographic).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// Centre of cell 0.
    pub first: f64,
    /// Distance between centres, positive.
    pub spacing: f64,
    /// Number of cells.
    pub count: usize,
}

impl Axis {
    /// Centre of a cell; fractional indices lie between centres.
    pub fn centre(&self, index: f64) -> f64 {
        self.first + index * self.spacing
    }

    /// Fractional index of a coordinate.
    pub fn index(&self, coordinate: f64) -> f64 {
        (coordinate - self.first) / self.spacing
    }

    /// All centres.
    pub fn centres(&self) -> Vec<f64> {
        (0..self.count).map(|k| self.centre(k as f64)).collect()
    }

    fn part(&self, range: &Range<usize>) -> Self {
        Self {
            first: self.centre(range.start as f64),
            spacing: self.spacing,
            count: range.len(),
        }
    }

    fn coarser(&self, factor: usize) -> Self {
        Self {
            first: self.centre((factor - 1) as f64 / 2.0),
            spacing: self.spacing * factor as f64,
            count: self.count / factor,
        }
    }

    fn agrees(&self, other: &Self) -> bool {
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-3 * self.spacing;
        self.count == other.count
            && close(self.first, other.first)
            && close(self.centre(self.count as f64), other.centre(other.count as f64))
    }
}

/// A rectangular grid on a map projection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grid {
    /// South to north.
    pub y: Axis,
    /// West to east.
    pub x: Axis,
    /// The map that `x` and `y` are coordinates of.
    pub projection: Projection,
}

impl Grid {
    /// A grid of `y` by `x` cells on `projection`.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] for an empty axis or a spacing that is not positive and finite.
    pub fn new(y: Axis, x: Axis, projection: Projection) -> Result<Self, Error> {
        for axis in [&y, &x] {
            if axis.count == 0 {
                return Err(Error::Value {
                    what: "number of cells along an axis",
                    found: 0.0,
                    expected: "at least 1",
                });
            }
            if !(axis.spacing.is_finite() && axis.spacing > 0.0 && axis.first.is_finite()) {
                return Err(Error::Value {
                    what: "spacing of an axis",
                    found: axis.spacing,
                    expected: "positive and finite",
                });
            }
        }
        Ok(Self { y, x, projection })
    }

    /// A plane grid of square cells for idealised cases, `spacing_m` apart, cell (0, 0) at the origin of a local map
    /// (azimuthal equidistant around 45° N 0° E).
    pub fn plane(ny: usize, nx: usize, spacing_m: f64) -> Self {
        let axis = |count| Axis {
            first: 0.0,
            spacing: spacing_m,
            count,
        };
        let projection = Projection::parse("+proj=aeqd +lat_0=45 +lon_0=0 +R=6371008.8 +units=m +no_defs")
            .expect("the definition is a constant that parses");
        Self {
            y: axis(ny),
            x: axis(nx),
            projection,
        }
    }

    /// `(rows, columns)`.
    pub fn shape(&self) -> (usize, usize) {
        (self.y.count, self.x.count)
    }

    /// Number of cells.
    pub fn cells(&self) -> usize {
        self.y.count * self.x.count
    }

    /// Distance between cell centres in metres, `(north, east)`, in a row. On a geographic grid the second shrinks with the
    /// cosine of latitude; on a projected one both are the map's own metres.
    pub fn spacing_m_in_row(&self, row: usize) -> (f64, f64) {
        if self.projection.is_geographic() {
            let metres = EARTH_RADIUS_M * PI / 180.0;
            let latitude = self.y.centre(row as f64).to_radians();
            (self.y.spacing * metres, self.x.spacing * metres * latitude.cos().max(1e-6))
        } else {
            (self.y.spacing, self.x.spacing)
        }
    }

    /// Distance between cell centres in metres, `(north, east)`, in the middle row.
    pub fn spacing_m(&self) -> (f64, f64) {
        self.spacing_m_in_row(self.y.count / 2)
    }

    /// One number for the size of a cell, m: the geometric mean of both spacings in the middle row.
    pub fn cell_size_m(&self) -> f64 {
        let (dy, dx) = self.spacing_m();
        (dy * dx).sqrt()
    }

    /// Longitude and latitude, degrees, of a (fractional) cell position.
    ///
    /// # Errors
    ///
    /// [`Error::Projection`] where the map has no such place.
    pub fn lon_lat(&self, row: f64, column: f64) -> Result<(f64, f64), Error> {
        self.projection.inverse(self.x.centre(column), self.y.centre(row))
    }

    /// Fractional `(row, column)` of a place given as longitude and latitude in degrees.
    ///
    /// # Errors
    ///
    /// [`Error::Projection`] where the place has no position on the map.
    pub fn cell_at(&self, longitude: f64, latitude: f64) -> Result<(f64, f64), Error> {
        let (x, y) = self.projection.forward(longitude, latitude)?;
        Ok((self.y.index(y), self.x.index(x)))
    }

    /// As [`Grid::cell_at`], however the longitude is written: on a geographic grid the column counts eastwards from half a cell west of the first.
    ///
    /// # Errors
    ///
    /// [`Error::Projection`] where the place has no position on the map.
    pub fn cell_eastwards(&self, longitude: f64, latitude: f64) -> Result<(f64, f64), Error> {
        let (row, column) = self.cell_at(longitude, latitude)?;
        if self.projection.is_geographic() {
            return Ok((row, (column + 0.5).rem_euclid(360.0 / self.x.spacing) - 0.5));
        }
        Ok((row, column))
    }

    /// The part inside the given rows and columns.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where the part reaches beyond the grid or is empty.
    pub fn crop(&self, rows: &Range<usize>, columns: &Range<usize>) -> Result<Self, Error> {
        if rows.end > self.y.count || columns.end > self.x.count || rows.is_empty() || columns.is_empty() {
            return Err(Error::Shape {
                what: "region to cut out (end row, end column)",
                found: vec![rows.end, columns.end],
                expected: vec![self.y.count, self.x.count],
            });
        }
        Ok(Self {
            y: self.y.part(rows),
            x: self.x.part(columns),
            projection: self.projection.clone(),
        })
    }

    /// The grid of blocks of `factor` x `factor` cells; a remainder in the north and east is left out.
    pub fn coarsen(&self, factor: usize) -> Self {
        Self {
            y: self.y.coarser(factor),
            x: self.x.coarser(factor),
            projection: self.projection.clone(),
        }
    }

    /// Whether both grids have the same cells: same map, and corners within a thousandth of a cell.
    pub fn agrees(&self, other: &Self) -> bool {
        self.projection.agrees(&other.projection) && self.y.agrees(&other.y) && self.x.agrees(&other.x)
    }
}

impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (y, x) = (&self.y, &self.x);
        write!(
            f,
            "{} x {} from ({}, {}) every ({}, {}) on `{}`",
            y.count, x.count, y.first, x.first, y.spacing, x.spacing, self.projection
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coarse_cell_is_centred_on_its_block() {
        // Blocks of 2 on centres 0, 1, 2, 3, 4 km: centres 0.5 and 2.5 km, the fifth cell is left out.
        let grid = Grid::plane(4, 5, 1000.0).coarsen(2);
        assert_eq!(grid.x.centres(), [500.0, 2500.0]);
        assert_eq!(grid.shape(), (2, 2));
    }

    #[test]
    fn a_cropped_cell_keeps_its_place() {
        let whole = Grid::plane(4, 5, 1000.0);
        let part = whole.crop(&(1..3), &(2..5)).unwrap();
        assert_eq!(part.shape(), (2, 3));
        assert_eq!(part.lon_lat(0.0, 0.0).unwrap(), whole.lon_lat(1.0, 2.0).unwrap());
        assert!(whole.crop(&(1..5), &(0..1)).is_err());
    }

    #[test]
    fn degrees_of_longitude_shrink_with_latitude() {
        let axis = |first| Axis {
            first,
            spacing: 0.01,
            count: 2,
        };
        let grid = Grid::new(axis(60.0), axis(10.0), Projection::lon_lat()).unwrap();
        let (dy, dx) = grid.spacing_m_in_row(0);
        // 2 pi 6371.0088 km / 36000 = 1.11195 km; cos 60 = 1/2.
        assert!((dy - 1111.95).abs() < 0.01 && (dx - 555.975).abs() < 0.01);
    }
}
