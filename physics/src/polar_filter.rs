//! Keeps the narrow cells around the poles from asking for tiny time steps: short east-west waves there are slowed to the pace of wider cells.

use std::sync::{Arc, Mutex};

use nowblend_field::fourier::{self, Complex64, ComplexToReal, RealToComplex};

use crate::plane::{RIM, Shape};

/// Weakens short waves along rows whose cells are narrower than the filter's width.
///
/// Wave k of a row of N cells of width dx keeps the share min(1, (dx/w) / sin(πk/N)), so that no wave changes faster along the row than the
/// shortest one on cells of width w. It is applied to the fluxes of air F and to the tendencies of the wind, never to the state:
///
/// ∂h/∂t = -∇·(S F), ∂v/∂t = S [q (S F)^⊥ - ∇B].
///
/// Air stays exactly what it was, since what leaves one cell enters the next; and because S is symmetric, the energy gained by the wind,
/// F·S[q (S F)^⊥ - ∇B] = -(S F)·∇B, is what the depth loses: the discrete law of energy holds as without the filter.
///
/// # Source
///
/// Arakawa, A. and V. R. Lamb, 1977: Computational design of the basic dynamical processes of the UCLA general circulation model. Methods
/// in Computational Physics, 17, 173-265, doi:10.1016/B978-0-12-460817-7.50009-4 (the shares; theirs act on the zonal flux and pressure
/// gradient only).
#[derive(Clone)]
pub(crate) struct PolarFilter {
    /// Shares by wavenumber for the cells of each whole row, where it has any to weaken.
    cells: Vec<Option<Vec<f64>>>,
    /// The same for the south faces of each whole row.
    faces: Vec<Option<Vec<f64>>>,
    forward: Arc<dyn RealToComplex<f64>>,
    back: Arc<dyn ComplexToReal<f64>>,
    rooms: Arc<Mutex<Vec<Room>>>,
    nx: usize,
    width_m: f64,
}

/// What one row is filtered in.
#[derive(Default)]
struct Room {
    values: Vec<f64>,
    waves: Vec<Complex64>,
    scratch: Vec<Complex64>,
}

impl PolarFilter {
    /// A filter for rows of cells `cell_m` and south faces `face_m` wide (whole rows), to the pace of cells `width_m` wide.
    pub(crate) fn new(shape: Shape, cell_m: &[f64], face_m: &[f64], width_m: f64) -> Self {
        let nx = shape.nx;
        let (forward, back) = fourier::real_f64(nx);
        let shares = |dx: &f64| {
            let ratio = dx / width_m;
            let share = |k: usize| (ratio / (std::f64::consts::PI * k as f64 / nx as f64).sin()).min(1.0);
            (ratio < 1.0).then(|| (0..=nx / 2).map(|k| if k == 0 { 1.0 } else { share(k) } / nx as f64).collect())
        };
        Self {
            cells: cell_m.iter().map(shares).collect(),
            faces: face_m.iter().map(shares).collect(),
            forward,
            back,
            rooms: Arc::default(),
            nx,
            width_m,
        }
    }

    /// Width of the cells whose pace the waves keep, m.
    pub(crate) fn width_m(&self) -> f64 {
        self.width_m
    }

    /// Whether cells or south faces of a whole row are filtered.
    pub(crate) fn acts_on(&self, full_row: usize) -> bool {
        self.cells[full_row].is_some() || self.faces[full_row].is_some()
    }

    /// Filters a row of values on cells or their west faces, and fills its rims.
    pub(crate) fn cells(&self, full_row: usize, row: &mut [f64]) {
        self.apply(self.cells[full_row].as_deref(), row);
    }

    /// Filters a row of values on south faces, and fills its rims.
    pub(crate) fn faces(&self, full_row: usize, row: &mut [f64]) {
        self.apply(self.faces[full_row].as_deref(), row);
    }

    fn apply(&self, shares: Option<&[f64]>, row: &mut [f64]) {
        let Some(shares) = shares else { return };
        let nx = self.nx;
        let mut room = self.rooms.lock().ok().and_then(|mut rooms| rooms.pop()).unwrap_or_default();
        room.values.resize(nx, 0.0);
        room.waves.resize(nx / 2 + 1, Complex64::default());
        room.scratch.resize(
            self.forward.get_scratch_len().max(self.back.get_scratch_len()),
            Complex64::default(),
        );
        let Room { values, waves, scratch } = &mut room;
        values.copy_from_slice(&row[RIM..RIM + nx]);
        self.forward
            .process_with_scratch(values, waves, scratch)
            .expect("lengths are its own");
        for (wave, share) in waves.iter_mut().zip(shares) {
            *wave *= *share;
        }
        self.back
            .process_with_scratch(waves, values, scratch)
            .expect("the ends are real as they came");
        row[RIM..RIM + nx].copy_from_slice(values);
        for k in 0..RIM {
            row[k] = row[nx + k];
            row[RIM + nx + k] = row[RIM + k];
        }
        if let Ok(mut rooms) = self.rooms.lock() {
            rooms.push(room);
        }
    }
}

impl std::fmt::Debug for PolarFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rows = self.cells.iter().filter(|s| s.is_some()).count();
        write!(f, "PolarFilter({rows} rows of {})", self.nx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_wave_slows_and_the_mean_and_longest_stay() {
        // Cells half as wide as asked for: the shortest wave (k = 8 of 16, sine 1) keeps a half, k = 1 (sine 0.195) all.
        let shape = Shape { ny: 2, nx: 16 };
        let filter = PolarFilter::new(shape, &[0.5, 2.0], &[0.5, 2.0], 1.0);
        let value = |i: usize| 3.0 + (std::f64::consts::TAU * i as f64 / 16.0).sin();
        let mut row: Vec<f64> = (0..16 + 2 * RIM)
            .map(|k| value(k + 16 - RIM) + if (k + 16 - RIM).is_multiple_of(2) { 1.0 } else { -1.0 })
            .collect();
        let before = row.clone();
        filter.cells(0, &mut row);
        for (k, now) in row.iter().enumerate() {
            let short = if (k + 16 - RIM).is_multiple_of(2) { 0.5 } else { -0.5 };
            assert!((now - value(k + 16 - RIM) - short).abs() < 1e-14, "{k}: {now}");
        }
        let mut wide = before.clone();
        filter.cells(1, &mut wide);
        assert_eq!(wide, before);
    }
}
