//! How wide the faces of the cells of one row are, as the inner loops ask for it: the same along the row, or from cell to cell.

use crate::plane::Plane;

/// Geometry of a whole row and of the row south of it. Fluxes are of air, m³ s⁻¹; `h0` lies west or south of `h1`.
///
/// With covariant winds u dx and v dy, cells of area A and fluxes ½(h0 A0 + h1 A1) u / dx, neither energy nor mass depends on the widths.
pub(crate) trait Widths: Copy {
    /// Through west face `k`.
    fn flux_x(self, k: usize, h0: f64, h1: f64, u: f64) -> f64;
    /// Through south face `k`.
    fn flux_y(self, k: usize, h0: f64, h1: f64, v: f64) -> f64;
    /// ∮ v·dl around south-west corner `k`, m² s⁻¹: `u` of the row south and of this one, `v` west and east.
    fn circulation(self, k: usize, u: [f64; 2], v: [f64; 2]) -> f64;
    /// Air around that corner, m³: depths south-west, south, west, here.
    fn volume(self, k: usize, h: [f64; 4]) -> f64;
    /// Area around that corner, m².
    fn corner_area(self, k: usize) -> f64;
    /// One over the area of cell `k`, m⁻².
    fn per_area(self, k: usize) -> f64;
    /// One over the distance of the cells on both sides of west face `k`, m⁻¹.
    fn per_dx(self, k: usize) -> f64;
    /// One over the distance of the cells on both sides of south face `k`, m⁻¹.
    fn per_dy(self, k: usize) -> f64;
}

/// A row of equal cells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Even {
    south: f64,
    here: f64,
    dy: f64,
    half_dy: f64,
    half_south: f64,
    half_here: f64,
    quarter_south: f64,
    quarter_here: f64,
    corner_area: f64,
    per_area: f64,
    per_dx: f64,
    per_dy: f64,
}

impl Even {
    /// Widths of the row south, of this one and of the faces between them.
    pub(crate) fn new(south: f64, here: f64, face: f64, dy: f64) -> Self {
        Self {
            south,
            here,
            dy,
            half_dy: 0.5 * dy,
            half_south: 0.5 * south,
            half_here: 0.5 * here,
            quarter_south: 0.25 * dy * south,
            quarter_here: 0.25 * dy * here,
            corner_area: face * dy,
            per_area: 1.0 / (here * dy),
            per_dx: 1.0 / here,
            per_dy: 1.0 / dy,
        }
    }
}

impl Widths for Even {
    #[inline(always)]
    fn flux_x(self, _: usize, h0: f64, h1: f64, u: f64) -> f64 {
        self.half_dy * (h0 + h1) * u
    }

    #[inline(always)]
    fn flux_y(self, _: usize, h0: f64, h1: f64, v: f64) -> f64 {
        self.half_here.mul_add(h1, self.half_south * h0) * v
    }

    #[inline(always)]
    fn circulation(self, _: usize, u: [f64; 2], v: [f64; 2]) -> f64 {
        // Not both products fused: a wind that is the same everywhere has none.
        (v[1] - v[0]).mul_add(self.dy, u[0] * self.south - u[1] * self.here)
    }

    #[inline(always)]
    fn volume(self, _: usize, h: [f64; 4]) -> f64 {
        self.quarter_here.mul_add(h[2] + h[3], self.quarter_south * (h[0] + h[1]))
    }

    #[inline(always)]
    fn corner_area(self, _: usize) -> f64 {
        self.corner_area
    }

    #[inline(always)]
    fn per_area(self, _: usize) -> f64 {
        self.per_area
    }

    #[inline(always)]
    fn per_dx(self, _: usize) -> f64 {
        self.per_dx
    }

    #[inline(always)]
    fn per_dy(self, _: usize) -> f64 {
        self.per_dy
    }
}

/// Cells that differ along their row, too: those of a map, drawn to its own scale in each place.
#[derive(Debug, Clone)]
pub(crate) struct CellByCell {
    /// Distance of the cells on both sides of each west face, m.
    pub(crate) dx: Plane,
    /// Distance of the cells on both sides of each south face, m.
    pub(crate) dy: Plane,
    /// Area of each cell, m².
    pub(crate) area: Plane,
}

impl CellByCell {
    /// The whole row and the one south of it.
    pub(crate) fn row(&self, full_row: usize) -> Varied<'_> {
        Varied {
            dx: [self.dx.full_row(full_row - 1), self.dx.full_row(full_row)],
            dy: self.dy.full_row(full_row),
            area: [self.area.full_row(full_row - 1), self.area.full_row(full_row)],
        }
    }
}

/// A row of cells that differ: rows south and here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Varied<'a> {
    dx: [&'a [f64]; 2],
    dy: &'a [f64],
    area: [&'a [f64]; 2],
}

impl Widths for Varied<'_> {
    #[inline(always)]
    fn flux_x(self, k: usize, h0: f64, h1: f64, u: f64) -> f64 {
        0.5 * (h0 * self.area[1][k - 1] + h1 * self.area[1][k]) * u / self.dx[1][k]
    }

    #[inline(always)]
    fn flux_y(self, k: usize, h0: f64, h1: f64, v: f64) -> f64 {
        0.5 * (h0 * self.area[0][k] + h1 * self.area[1][k]) * v / self.dy[k]
    }

    #[inline(always)]
    fn circulation(self, k: usize, u: [f64; 2], v: [f64; 2]) -> f64 {
        v[1] * self.dy[k] - v[0] * self.dy[k - 1] - (u[1] * self.dx[1][k] - u[0] * self.dx[0][k])
    }

    #[inline(always)]
    fn volume(self, k: usize, h: [f64; 4]) -> f64 {
        let [south, here] = self.area;
        0.25 * (h[0] * south[k - 1] + h[1] * south[k] + h[2] * here[k - 1] + h[3] * here[k])
    }

    #[inline(always)]
    fn corner_area(self, k: usize) -> f64 {
        self.volume(k, [1.0; 4])
    }

    #[inline(always)]
    fn per_area(self, k: usize) -> f64 {
        1.0 / self.area[1][k]
    }

    #[inline(always)]
    fn per_dx(self, k: usize) -> f64 {
        1.0 / self.dx[1][k]
    }

    #[inline(always)]
    fn per_dy(self, k: usize) -> f64 {
        1.0 / self.dy[k]
    }
}
