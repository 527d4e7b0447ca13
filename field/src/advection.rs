//! Semi-Lagrangian transport: where the rain of a cell came from, and what was there.
//!
//! The displacement D of a cell solves dD/ds = -V(x + D) backwards from the valid time, so that R(x, t) = R(x + D, 0)
//! for rain that moves without changing, DR/Dt = 0. The motion V is steady over the forecast.
//!
//! # Source
//!
//! Germann, U. and I. Zawadzki, 2002: Scale-dependence of the predictability of precipitation from continental radar images.
//! Part I: Description of the methodology. Mon. Wea. Rev., 130, 2859-2873 (semi-Lagrangian backward scheme).

use ndarray::{Array2, ArrayView2, Axis, Zip};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Grid, LeadTime, Motion};

/// How a field is read between cell centres.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// The nearest cell.
    Nearest,
    /// Bilinear.
    #[default]
    Linear,
    /// Catmull-Rom, held between the smallest and largest of the four cells around: no new peaks, nothing negative.
    Cubic,
}

/// The scheme: backward trajectories in sub-steps, each with the velocity at its midpoint.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SemiLagrangian {
    /// How the field is read at the departure point.
    pub interpolation: Interpolation,
    /// Times that the midpoint is improved in a sub-step, at least 1.
    pub iterations: usize,
    /// Longest sub-step, s.
    pub substep_s: f64,
}

impl Default for SemiLagrangian {
    fn default() -> Self {
        Self {
            interpolation: Interpolation::Linear,
            iterations: 1,
            substep_s: 300.0,
        }
    }
}

impl SemiLagrangian {
    /// Trajectories that end at each cell of `grid`, to be followed back from lead time to lead time.
    pub fn trajectories(&self, motion: &Motion, grid: &Grid) -> Trajectories {
        let shape = grid.shape();
        let (rate_y, rate_x) = motion.cells_per_second(grid);
        let displacement = Displacement {
            dy: Array2::zeros(shape),
            dx: Array2::zeros(shape),
        };
        Trajectories {
            scheme: *self,
            rate_y,
            rate_x,
            displacement,
            reached_s: 0.0,
        }
    }
}

/// Backward trajectories under a steady motion.
pub struct Trajectories {
    scheme: SemiLagrangian,
    /// Motion in cells per second.
    rate_y: Array2<f32>,
    rate_x: Array2<f32>,
    displacement: Displacement,
    reached_s: f64,
}

impl Trajectories {
    /// Follows the trajectories on to `lead_time`, which must not lie before the last one asked for, and gives the
    /// displacement from each cell at that time to where its rain was at the reference time.
    pub fn advance_to(&mut self, lead_time: LeadTime) -> &Displacement {
        let more_s = f64::from(lead_time.seconds()) - self.reached_s;
        debug_assert!(more_s >= 0.0, "trajectories only go on");
        if more_s > 0.0 {
            let substeps = (more_s / self.scheme.substep_s).ceil().max(1.0);
            let (dt, substeps) = ((more_s / substeps) as f32, substeps as usize);
            let iterations = self.scheme.iterations.max(1);
            let (rate_y, rate_x) = (&self.rate_y, &self.rate_x);
            let rows = self
                .displacement
                .dy
                .axis_iter_mut(Axis(0))
                .into_par_iter()
                .zip(self.displacement.dx.axis_iter_mut(Axis(0)));
            rows.enumerate().for_each(|(row, (mut dys, mut dxs))| {
                for (column, (dy, dx)) in dys.iter_mut().zip(dxs.iter_mut()).enumerate() {
                    let (y0, x0) = (row as f32, column as f32);
                    for _ in 0..substeps {
                        let (mut vy, mut vx) = velocity(rate_y, rate_x, y0 + *dy, x0 + *dx);
                        for _ in 0..iterations {
                            (vy, vx) = velocity(rate_y, rate_x, y0 + *dy - 0.5 * dt * vy, x0 + *dx - 0.5 * dt * vx);
                        }
                        *dy -= dt * vy;
                        *dx -= dt * vx;
                    }
                }
            });
            self.reached_s += more_s;
        }
        &self.displacement
    }
}

/// Where each cell's rain was, relative to the cell: departure = arrival + displacement, in cells.
#[derive(Debug, Clone)]
pub struct Displacement {
    /// Northward `[y, x]`, cells.
    pub dy: Array2<f32>,
    /// Eastward `[y, x]`, cells.
    pub dx: Array2<f32>,
}

impl Displacement {
    /// What `field` `[y, x]` holds at the departure points.
    ///
    /// NaN where the departure point lies outside the grid (more than half a cell beyond the outermost centres) or its
    /// nearest cell is not observed; other cells that are not observed are left out of the mean.
    pub fn sample(&self, field: ArrayView2<'_, f32>, interpolation: Interpolation) -> Array2<f32> {
        let field = field.as_standard_layout();
        let field = field.view();
        let mut out = Array2::zeros(self.dy.dim());
        Zip::indexed(out.rows_mut())
            .and(self.dy.rows())
            .and(self.dx.rows())
            .par_for_each(|row, mut out, dys, dxs| {
                for (column, ((out, dy), dx)) in out.iter_mut().zip(dys).zip(dxs).enumerate() {
                    *out = value_at(&field, row as f32 + dy, column as f32 + dx, interpolation);
                }
            });
        out
    }
}

/// The value of `field` `[y, x]` at a fractional cell, under the rules of [`Displacement::sample`].
pub fn value_at(field: &ArrayView2<'_, f32>, y: f32, x: f32, interpolation: Interpolation) -> f32 {
    let (ny, nx) = field.dim();
    // Written so that a position that is NaN lies outside, too.
    let inside = y >= -0.5 && x >= -0.5 && y <= ny as f32 - 0.5 && x <= nx as f32 - 0.5;
    if !inside {
        return f32::NAN;
    }
    let nearest = field[[(y.round() as usize).min(ny - 1), (x.round() as usize).min(nx - 1)]];
    if nearest.is_nan() || interpolation == Interpolation::Nearest {
        return nearest;
    }
    let (y, x) = (y.clamp(0.0, (ny - 1) as f32), x.clamp(0.0, (nx - 1) as f32));
    let (y0, x0) = ((y as usize).min(ny.saturating_sub(2)), (x as usize).min(nx.saturating_sub(2)));
    let (y1, x1) = ((y0 + 1).min(ny - 1), (x0 + 1).min(nx - 1));
    let (fy, fx) = (y - y0 as f32, x - x0 as f32);
    let corners = [field[[y0, x0]], field[[y0, x1]], field[[y1, x0]], field[[y1, x1]]];
    let weights = [(1.0 - fy) * (1.0 - fx), (1.0 - fy) * fx, fy * (1.0 - fx), fy * fx];
    let linear = corners[0] * weights[0] + corners[1] * weights[1] + corners[2] * weights[2] + corners[3] * weights[3];
    if linear.is_nan() {
        let (mut sum, mut total) = (0.0, 0.0);
        for (corner, weight) in corners.into_iter().zip(weights) {
            if !corner.is_nan() {
                sum += weight * corner;
                total += weight;
            }
        }
        return if total > 0.0 { sum / total } else { nearest };
    }
    if interpolation == Interpolation::Linear || y0 == 0 || x0 == 0 || y0 + 2 >= ny || x0 + 2 >= nx {
        return linear;
    }
    let (wy, wx) = (catmull_rom(fy), catmull_rom(fx));
    let mut cubic = 0.0;
    for (j, wy) in wy.into_iter().enumerate() {
        for (i, wx) in wx.into_iter().enumerate() {
            cubic += wy * wx * field[[y0 + j - 1, x0 + i - 1]];
        }
    }
    if cubic.is_nan() {
        return linear;
    }
    let low = corners.into_iter().fold(f32::INFINITY, f32::min);
    let high = corners.into_iter().fold(f32::NEG_INFINITY, f32::max);
    cubic.clamp(low, high)
}

/// Weights of the four cells around a point, a fraction `f` after the second (Catmull and Rom 1974, tension 1/2).
fn catmull_rom(f: f32) -> [f32; 4] {
    let (f2, f3) = (f * f, f * f * f);
    [
        0.5 * (-f3 + 2.0 * f2 - f),
        0.5 * (3.0 * f3 - 5.0 * f2 + 2.0),
        0.5 * (-3.0 * f3 + 4.0 * f2 + f),
        0.5 * (f3 - f2),
    ]
}

/// Motion at a fractional cell, bilinear; outside the grid that of its edge.
fn velocity(rate_y: &Array2<f32>, rate_x: &Array2<f32>, y: f32, x: f32) -> (f32, f32) {
    let (ny, nx) = rate_y.dim();
    let (y, x) = (y.clamp(0.0, (ny - 1) as f32), x.clamp(0.0, (nx - 1) as f32));
    let (y0, x0) = (y as usize, x as usize);
    let (y1, x1) = ((y0 + 1).min(ny - 1), (x0 + 1).min(nx - 1));
    let (fy, fx) = (y - y0 as f32, x - x0 as f32);
    let at = |a: &Array2<f32>| {
        let (south, north) = (
            a[[y0, x0]] * (1.0 - fx) + a[[y0, x1]] * fx,
            a[[y1, x0]] * (1.0 - fx) + a[[y1, x1]] * fx,
        );
        south * (1.0 - fy) + north * fy
    };
    (at(rate_y), at(rate_x))
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use proptest::prelude::*;

    use super::*;

    fn uniform(shape: (usize, usize), u: f32, v: f32) -> Motion {
        Motion {
            u: Array2::from_elem(shape, u),
            v: Array2::from_elem(shape, v),
        }
    }

    fn moved(field: &Array2<f32>, motion: &Motion, seconds: u32, interpolation: Interpolation) -> Array2<f32> {
        let grid = Grid::plane(field.nrows(), field.ncols(), 1000.0);
        let mut trajectories = SemiLagrangian::default().trajectories(motion, &grid);
        trajectories
            .advance_to(LeadTime::from_seconds(seconds))
            .sample(field.view(), interpolation)
    }

    #[test]
    fn rain_moves_by_velocity_times_time_and_what_comes_from_outside_is_unknown() {
        // 10 m/s east for 200 s is 2 cells of 1 km.
        let field = array![[1.0, 2.0, 3.0, 4.0, 5.0], [6.0, 7.0, 8.0, 9.0, 10.0]];
        let out = moved(&field, &uniform((2, 5), 10.0, 0.0), 200, Interpolation::Linear);
        assert!(out[[0, 0]].is_nan() && out[[1, 1]].is_nan());
        assert_eq!(out.slice(ndarray::s![.., 2..]), field.slice(ndarray::s![.., ..3]));
    }

    #[test]
    fn in_a_spinning_flow_rain_comes_back_after_a_turn() {
        // Solid rotation once in 6 h around the centre: a sub-step of 300 s turns by a = 2 pi / 72, the implicit midpoint is late by
        // a^2/12 of each turn, so 8 cells out the place is 2 pi x 8 x a^2/12 = 0.032 cells off; half the sub-step a quarter of it.
        let (n, turn_s) = (41usize, 21_600.0f32);
        let rate = 2.0 * std::f32::consts::PI / turn_s;
        let offset = |k: usize| (k as f32 - 20.0) * 1000.0;
        let motion = Motion {
            u: Array2::from_shape_fn((n, n), |(y, _)| -rate * offset(y)),
            v: Array2::from_shape_fn((n, n), |(_, x)| rate * offset(x)),
        };
        let off = |substep_s| {
            let scheme = SemiLagrangian {
                iterations: 3,
                substep_s,
                ..Default::default()
            };
            let mut trajectories = scheme.trajectories(&motion, &Grid::plane(n, n, 1000.0));
            let back = trajectories.advance_to(LeadTime::from_seconds(21_600));
            back.dy[[20, 28]].hypot(back.dx[[20, 28]])
        };
        assert!((off(300.0) - 0.032).abs() < 0.003, "{}", off(300.0));
        assert!((off(150.0) - 0.008).abs() < 0.003, "{}", off(150.0));
    }

    #[test]
    fn a_cell_next_to_missing_data_is_read_from_what_is_there() {
        let field = array![[2.0, f32::NAN], [2.0, f32::NAN]];
        assert_eq!(value_at(&field.view(), 0.5, 0.4, Interpolation::Linear), 2.0);
        assert!(value_at(&field.view(), 0.5, 0.6, Interpolation::Linear).is_nan());
        assert!(value_at(&field.view(), f32::NAN, 0.0, Interpolation::Linear).is_nan());
    }

    proptest! {
        #[test]
        fn a_constant_field_moves_to_itself(u in -30.0f32..30.0, v in -30.0f32..30.0, seconds in 1u32..2000) {
            let field = Array2::from_elem((12, 15), 3.5f32);
            for interpolation in [Interpolation::Nearest, Interpolation::Linear, Interpolation::Cubic] {
                let out = moved(&field, &uniform((12, 15), u, v), seconds, interpolation);
                prop_assert!(out.iter().all(|r| r.is_nan() || (r - 3.5).abs() < 1e-5));
            }
        }

        #[test]
        fn rest_is_the_identity(values in proptest::collection::vec(0.0f32..100.0, 20)) {
            let field = Array2::from_shape_vec((4, 5), values).unwrap();
            for interpolation in [Interpolation::Nearest, Interpolation::Linear, Interpolation::Cubic] {
                prop_assert_eq!(&moved(&field, &Motion::rest((4, 5)), 600, interpolation), &field);
            }
        }

        #[test]
        fn no_scheme_makes_new_peaks(values in proptest::collection::vec(0.0f32..100.0, 63), u in -20.0f32..20.0, v in -20.0f32..20.0) {
            let field = Array2::from_shape_vec((7, 9), values).unwrap();
            let top = field.iter().copied().fold(0.0, f32::max);
            let out = moved(&field, &uniform((7, 9), u, v), 130, Interpolation::Cubic);
            prop_assert!(out.iter().all(|r| r.is_nan() || (*r >= 0.0 && *r <= top * 1.000_01)));
        }
    }
}
