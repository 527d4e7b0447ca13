//! How large the core's cells are and how fast the Earth turns under them: the geometry of the C-grid, on a plane, on a map, around the globe.

use nowblend_field::Grid;

use crate::{
    Error,
    constants::EARTH_ROTATION,
    plane::{Plane, RIM, Shape},
    polar_filter::PolarFilter,
    sphere::Sphere,
    widths::{CellByCell, Even, Widths},
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

/// Spacing and Coriolis parameter of a C-grid whose cells change in width from row to row, or from cell to cell.
///
/// With covariant winds u dx and v dy and fluxes h u dy and h v dx the discrete laws of conservation hold for any widths.
#[derive(Debug, Clone)]
pub struct Metric {
    shape: Shape,
    /// Height of every cell, m; nominal where cells differ along their row.
    dy: f64,
    /// Width of the cells of each whole row (rim included), m; nominal where cells differ along their row.
    dx_cell: Vec<f64>,
    /// Width of the south faces of each whole row: the mean of both neighbours, m.
    dx_face: Vec<f64>,
    /// What differs along the rows, if anything does.
    varied: Option<Box<CellByCell>>,
    /// The sphere that it covers from pole to pole, and what slows short waves there.
    globe: Option<(Sphere, PolarFilter)>,
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
            varied: None,
            globe: None,
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
        let (dy, _) = grid.spacing_m();
        let width = |row: usize| {
            let row = row.clamp(RIM, RIM + ny - 1) - RIM;
            grid.spacing_m_in_row(row).1.max(0.25 * dy)
        };
        let dx_cell: Vec<f64> = (0..shape.rows()).map(width).collect();
        Self {
            shape,
            dy,
            dx_face: means(&dx_cell),
            dx_cell,
            varied: None,
            globe: None,
            coriolis: coriolis_of(grid),
        }
    }

    /// The cells of a map at their true size: `scale(y, x)` is how many metres of the map one metre on the ground measures, northward and
    /// eastward, at a place in cells from the middle of the first one.
    ///
    /// # Source
    ///
    /// Snyder, J. P., 1987: Map projections: a working manual. U.S. Geological Survey Professional Paper 1395, doi:10.3133/pp1395 (scale
    /// factors h and k).
    pub fn map(grid: &Grid, scale: impl Fn(f64, f64) -> (f64, f64)) -> Self {
        let plain = Self::of_grid(grid);
        let (dy, dx) = (plain.dy, grid.spacing_m().1);
        let shape = plain.shape;
        let true_size = |y: f64, x: f64| {
            let (north, east) = scale(y, x);
            (dy / north, dx / east)
        };
        let varied = CellByCell {
            dx: Plane::from_fn(shape, |j, i| true_size(j as f64, i as f64 - 0.5).1),
            dy: Plane::from_fn(shape, |j, i| true_size(j as f64 - 0.5, i as f64).0),
            area: Plane::from_fn(shape, |j, i| {
                let (dy, dx) = true_size(j as f64, i as f64);
                dy * dx
            }),
        };
        Self {
            dx_cell: vec![dx; shape.rows()],
            dx_face: vec![dx; shape.rows()],
            varied: Some(Box::new(varied)),
            ..plain
        }
    }

    /// A whole sphere in rows of latitude and columns of longitude with a pole at either end; f is the sphere's own.
    ///
    /// Short waves in rows whose cells are narrower than `filter` times their height keep the pace of cells that wide.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] for an odd number of columns, since what lies beyond a pole is half-way around, and for fewer than eight.
    pub fn globe(shape: Shape, sphere: Sphere, filter: f64) -> Result<Self, Error> {
        let Shape { ny, nx } = shape;
        let refused = |key, found: usize, expected| Error::Config {
            key,
            found: found as f64,
            expected,
        };
        if nx % 2 == 1 || nx < 8 {
            return Err(refused("columns", nx, "an even number of columns, 8 or more"));
        }
        if ny < 4 {
            return Err(refused("rows", ny, "4 rows or more from pole to pole"));
        }
        let dy = sphere.radius_m * std::f64::consts::PI / ny as f64;
        let around = sphere.radius_m * std::f64::consts::TAU / nx as f64;
        // Rows beyond a pole are those before it.
        let width = |row: usize| around * sphere.latitude(shape, row as f64 - RIM as f64 + 0.5).cos().abs();
        let dx_cell: Vec<f64> = (0..shape.rows()).map(width).collect();
        let mut dx_face = means(&dx_cell);
        // The half of a cell that is nearer to the pole holds a quarter of its area.
        dx_face[RIM] = 0.25 * dx_cell[RIM];
        dx_face[RIM + ny] = 0.25 * dx_cell[RIM + ny - 1];
        let filter = PolarFilter::new(shape, &dx_cell, &dx_face, filter * dy);
        Ok(Self {
            shape,
            dy,
            dx_cell,
            dx_face,
            varied: None,
            coriolis: Plane::from_fn(shape, |j, i| sphere.coriolis(sphere.corner(shape, j, i))),
            globe: Some((sphere, filter)),
        })
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

    /// Area of the cell in row `j`, column `i`, m².
    pub fn area_m2(&self, j: usize, i: usize) -> f64 {
        match &self.varied {
            Some(varied) => varied.area.row(j)[i],
            None => self.dx_cell[j + RIM] * self.dy,
        }
    }

    /// The narrowest spacing that a wave can feel, m: around the globe that of the polar filter.
    pub fn smallest_spacing_m(&self) -> f64 {
        let rows = RIM..RIM + self.shape.ny;
        match &self.varied {
            Some(varied) => rows.fold(self.dy, |least, row| {
                let [dx, dy] = [&varied.dx, &varied.dy].map(|p| &p.full_row(row)[RIM..RIM + self.shape.nx]);
                dx.iter().chain(dy).fold(least, |a, b| a.min(*b))
            }),
            None => rows.fold(self.dy, |a, row| a.min(self.felt_width(row))),
        }
    }

    /// The sphere that it covers from pole to pole, if it does.
    pub fn sphere(&self) -> Option<Sphere> {
        self.globe.as_ref().map(|(sphere, _)| *sphere)
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

    /// Area of the cells of a whole row, m²; nominal where they differ along it.
    pub(crate) fn nominal_area_m2(&self, full_row: usize) -> f64 {
        self.dx_cell[full_row] * self.dy
    }

    /// Areas of the cells of a whole row, m², where they differ along it.
    pub(crate) fn areas(&self, full_row: usize) -> Option<&[f64]> {
        self.varied.as_ref().map(|varied| varied.area.full_row(full_row))
    }

    /// Makes a depth one that holds the same air on cells of nominal area.
    pub(crate) fn to_volume_depth(&self, depth: &mut Plane) {
        let Some(varied) = &self.varied else { return };
        for row in 0..self.shape.rows() {
            let per_area = 1.0 / self.nominal_area_m2(row);
            let areas = varied.area.full_row(row);
            depth
                .full_row_mut(row)
                .iter_mut()
                .zip(areas)
                .for_each(|(h, area)| *h *= area * per_area);
        }
    }

    /// Width of the cells of a whole row as the shortest wave feels it, m.
    pub(crate) fn felt_width(&self, full_row: usize) -> f64 {
        match &self.globe {
            Some((_, filter)) => self.dx_cell[full_row].max(filter.width_m()),
            None => self.dx_cell[full_row],
        }
    }

    /// One over the distance of the cells on both sides of west face `k` of a whole row, m⁻¹.
    pub(crate) fn per_dx(&self, full_row: usize, k: usize) -> f64 {
        match &self.varied {
            Some(varied) => varied.row(full_row).per_dx(k),
            None => 1.0 / self.dx_cell[full_row],
        }
    }

    /// The same for south face `k`.
    pub(crate) fn per_dy(&self, full_row: usize, k: usize) -> f64 {
        match &self.varied {
            Some(varied) => varied.row(full_row).per_dy(k),
            None => 1.0 / self.dy,
        }
    }

    /// Geometry of a whole row of equal cells.
    pub(crate) fn even(&self, full_row: usize) -> Even {
        let (south, here) = (self.dx_cell[full_row.max(1) - 1], self.dx_cell[full_row]);
        Even::new(south, here, self.dx_face[full_row], self.dy)
    }

    /// What differs along the rows, if anything does.
    pub(crate) fn varied(&self) -> Option<&CellByCell> {
        self.varied.as_deref()
    }

    /// Whether all cells of all whole rows, rims included, are equal.
    pub(crate) fn rows_are_alike(&self) -> bool {
        let alike = |widths: &[f64]| widths.iter().all(|w| *w == widths[0]);
        self.varied.is_none() && self.globe.is_none() && alike(&self.dx_cell) && alike(&self.dx_face)
    }

    /// What slows short waves around the poles, if there are poles.
    pub(crate) fn filter(&self) -> Option<&PolarFilter> {
        self.globe.as_ref().map(|(_, filter)| filter)
    }

    /// Whether the south faces of a whole row meet in a pole.
    pub(crate) fn is_pole(&self, full_row: usize) -> bool {
        self.globe.is_some() && (full_row == RIM || full_row == RIM + self.shape.ny)
    }

    /// Relative vorticity ζ on the south-west corner of (j, i), s⁻¹.
    pub fn vorticity(&self, j: isize, i: isize, u: &Plane, v: &Plane) -> f64 {
        let (circulation, area) = self.circulation(j, i, u, v);
        circulation / area
    }

    /// Circulation of the wind, m² s⁻¹, around the south-west corner of (j, i), and the area inside, m²; those of a pole are shared out.
    pub(crate) fn circulation(&self, j: isize, i: isize, u: &Plane, v: &Plane) -> (f64, f64) {
        let (full_row, k) = ((j + RIM as isize) as usize, (i + RIM as isize) as usize);
        let winds = ([u.at(j - 1, i), u.at(j, i)], [v.at(j, i - 1), v.at(j, i)]);
        match &self.varied {
            Some(varied) => around(varied.row(full_row), k, winds),
            None if !self.is_pole(full_row) => around(self.even(full_row), k, winds),
            None => {
                let (row, sign) = self.row_at_pole(full_row);
                let width = self.dx_m(row);
                (sign * width * mean(u.row(row)), 0.25 * width * self.dy)
            }
        }
    }

    /// Air around the same corner, m³.
    pub(crate) fn volume(&self, j: isize, i: isize, h: &Plane) -> f64 {
        let (full_row, k) = ((j + RIM as isize) as usize, (i + RIM as isize) as usize);
        let depths = [h.at(j - 1, i - 1), h.at(j - 1, i), h.at(j, i - 1), h.at(j, i)];
        match &self.varied {
            Some(varied) => varied.row(full_row).volume(k, depths),
            None if !self.is_pole(full_row) => self.even(full_row).volume(k, depths),
            None => {
                let (row, _) = self.row_at_pole(full_row);
                0.25 * self.dx_m(row) * self.dy * mean(h.row(row))
            }
        }
    }

    /// The row that surrounds a pole, and the sign of its eastward wind in the circulation around that.
    fn row_at_pole(&self, full_row: usize) -> (usize, f64) {
        if full_row == RIM { (0, -1.0) } else { (self.shape.ny - 1, 1.0) }
    }
}

fn around(row: impl Widths, k: usize, (u, v): ([f64; 2], [f64; 2])) -> (f64, f64) {
    (row.circulation(k, u, v), row.corner_area(k))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Mean of each value and the one before.
fn means(values: &[f64]) -> Vec<f64> {
    let mean = |row: usize| 0.5 * (values[row.saturating_sub(1)] + values[row]);
    (0..values.len()).map(mean).collect()
}

fn coriolis_of(grid: &Grid) -> Plane {
    let (ny, nx) = grid.shape();
    let f_of = |latitude: f64| 2.0 * EARTH_ROTATION * latitude.to_radians().sin();
    let middle = grid
        .lon_lat((ny as f64 - 1.0) / 2.0, (nx as f64 - 1.0) / 2.0)
        .map_or(f_of(45.0), |(_, latitude)| f_of(latitude));
    Plane::from_fn(Shape { ny, nx }, |j, i| {
        grid.lon_lat(j as f64 - 0.5, i as f64 - 0.5)
            .ok()
            .filter(|(_, latitude)| latitude.is_finite() && latitude.abs() <= 90.0)
            .map_or(middle, |(_, latitude)| f_of(latitude))
    })
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

    #[test]
    fn a_globe_has_its_area_and_a_solid_body_turns_with_twice_its_rate_at_the_pole() {
        let shape = Shape { ny: 32, nx: 64 };
        let metric = Metric::globe(shape, Sphere::EARTH, 0.5).unwrap();
        let area: f64 = (0..32).map(|j| 64.0 * metric.area_m2(j, 0)).sum();
        let radius = Sphere::EARTH.radius_m;
        // Cells of cos φ dφ instead of the difference of the sines are too large by dφ²/24 = 4e-4.
        assert!((area / (4.0 * std::f64::consts::PI * radius * radius) - 1.0 - 4.02e-4).abs() < 1e-6);
        // u = ω a cos φ: ζ = 2 ω sin φ, 2e-5 s⁻¹ at the north pole and -2e-5 at the south pole; both meet in one corner.
        let u = Plane::from_fn(shape, |j, i| 1e-5 * radius * Sphere::EARTH.west_face(shape, j, i).latitude.cos());
        let v = Plane::constant(shape, 0.0);
        for (row, expected) in [(0, -2e-5), (32, 2e-5), (24, 2e-5 * 0.5_f64.sqrt())] {
            let found = metric.vorticity(row, 5, &u, &v);
            assert!((found - expected).abs() < 2e-8, "{found:e} in row {row}");
        }
        assert!(Metric::globe(Shape { ny: 8, nx: 15 }, Sphere::EARTH, 0.5).is_err());
    }
}
