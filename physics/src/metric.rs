//! How large the core's cells are and how fast the Earth turns under them: the geometry of the C-grid, row by row.

use nowblend_field::Grid;

use crate::{
    constants::EARTH_ROTATION,
    plane::{Plane, RIM, Shape},
};

/// How the Coriolis parameter f varies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rotation {
    /// f-plane: f is the same everywhere, s⁻¹.
    Constant(f64),
    /// Beta-plane: f = f0 + beta (y - y0) with y0 in the middle row.
    Beta {
        /// f in the middle row, s⁻¹.
        f0: f64,
        /// Northward gradient of f, m⁻¹ s⁻¹.
        beta: f64,
    },
}

/// Spacing and Coriolis parameter of a C-grid whose cells may change in width from row to row.
///
/// With covariant winds u dx and v dy and fluxes h u dy and h v dx the discrete laws of conservation hold for any widths.
#[derive(Debug, Clone)]
pub struct Metric {
    shape: Shape,
    /// Height of every cell, m.
    dy: f64,
    /// Width of the cells of each whole row (rim included), m.
    dx_cell: Vec<f64>,
    /// Width of the south faces of each whole row: the mean of both neighbours, m.
    dx_face: Vec<f64>,
    /// f on the south-west corners, s⁻¹.
    coriolis: Plane,
}

impl Metric {
    /// A plane of equal cells.
    pub fn plane(shape: Shape, dy_m: f64, dx_m: f64, rotation: Rotation) -> Self {
        let coriolis = Plane::from_fn(shape, |j, _| match rotation {
            Rotation::Constant(f) => f,
            Rotation::Beta { f0, beta } => f0 + beta * dy_m * (j as f64 - shape.ny as f64 / 2.0),
        });
        Self {
            shape,
            dy: dy_m,
            dx_cell: vec![dx_m; shape.rows()],
            dx_face: vec![dx_m; shape.rows()],
            coriolis,
        }
    }

    /// The cells of a grid, f from latitude: f = 2 Ω sin φ. Where the map has no such place (a corner beyond its edge), f is that
    /// of the middle of the grid, or of 45° if that fails too.
    ///
    /// Distances are the map's own metres, in which radar motion is measured, too. Geographic rows nearer a pole than where
    /// cells are a quarter as wide as high keep that width.
    pub fn of_grid(grid: &Grid) -> Self {
        let (ny, nx) = grid.shape();
        let shape = Shape { ny, nx };
        let f_of = |latitude: f64| 2.0 * EARTH_ROTATION * latitude.to_radians().sin();
        let middle = grid
            .lon_lat((ny as f64 - 1.0) / 2.0, (nx as f64 - 1.0) / 2.0)
            .map_or(f_of(45.0), |(_, latitude)| f_of(latitude));
        let coriolis = Plane::from_fn(shape, |j, i| {
            grid.lon_lat(j as f64 - 0.5, i as f64 - 0.5)
                .ok()
                .filter(|(_, latitude)| latitude.is_finite() && latitude.abs() <= 90.0)
                .map_or(middle, |(_, latitude)| f_of(latitude))
        });
        let (dy, _) = grid.spacing_m();
        let width = |row: usize| {
            let row = row.clamp(RIM, RIM + ny - 1) - RIM;
            grid.spacing_m_in_row(row).1.max(0.25 * dy)
        };
        let dx_cell: Vec<f64> = (0..shape.rows()).map(width).collect();
        let dx_face = (0..shape.rows())
            .map(|row| 0.5 * (dx_cell[row.saturating_sub(1)] + dx_cell[row]))
            .collect();
        Self {
            shape,
            dy,
            dx_cell,
            dx_face,
            coriolis,
        }
    }

    /// Rows and columns.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Height of the cells, m.
    pub fn dy_m(&self) -> f64 {
        self.dy
    }

    /// Width of the cells of row `j`, m.
    pub fn dx_m(&self, j: usize) -> f64 {
        self.dx_cell[j + RIM]
    }

    /// Area of a cell of row `j`, m².
    pub fn area_m2(&self, j: usize) -> f64 {
        self.dx_cell[j + RIM] * self.dy
    }

    /// The narrowest spacing of all, m.
    pub fn smallest_spacing_m(&self) -> f64 {
        self.dx_cell.iter().fold(self.dy, |a, b| a.min(*b))
    }

    /// f on the south-west corners, s⁻¹.
    pub fn coriolis(&self) -> &Plane {
        &self.coriolis
    }

    #[inline]
    pub(crate) fn width(&self, full_row: usize) -> f64 {
        self.dx_cell[full_row]
    }

    #[inline]
    pub(crate) fn face_width(&self, full_row: usize) -> f64 {
        self.dx_face[full_row]
    }
}

#[cfg(test)]
mod tests {
    use nowblend_field::{Axis, Projection};

    use super::*;

    #[test]
    fn f_is_that_of_the_corner_and_degrees_narrow_northward() {
        let axis = |first| Axis {
            first,
            spacing: 1.0,
            count: 4,
        };
        let grid = Grid::new(axis(29.5), axis(0.0), Projection::lon_lat()).unwrap();
        let metric = Metric::of_grid(&grid);
        // The south-west corner of row 1 (30.5 N) lies on 30 N: f = 2 x 7.292115e-5 x 0.5.
        assert!((metric.coriolis().at(1, 0) - 7.292_115e-5).abs() < 1e-12);
        let ratio = metric.dx_m(3) / metric.dx_m(0);
        assert!((ratio - 32.5_f64.to_radians().cos() / 29.5_f64.to_radians().cos()).abs() < 1e-12);
    }
}
