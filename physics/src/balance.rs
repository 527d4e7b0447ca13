//! Finds the depth that holds a wind, and takes out of a wind what would leave as gravity waves, by solving Poisson's equation exactly.

use std::f64::consts::PI;

use rayon::prelude::*;

use crate::{
    boundary::Boundary,
    metric::Metric,
    plane::{Plane, RIM, Shape},
    shallow_water::{Flow, ShallowWaterEquations},
    time_integration::{Stage, System},
};

/// What holds on the edge of the domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edge {
    /// No gradient across it.
    Level,
    /// The value is nought.
    Nought,
}

/// Takes the divergent part out of a wind: what is left has no divergence in any cell.
///
/// v - ∇χ with ∇²χ = ∇·v and χ = 0 on the edge, so that air may go in and out as it needs.
pub fn remove_divergence(metric: &Metric, flow: &mut Flow) {
    let shape = metric.shape();
    let dy = metric.dy_m();
    let divergence = cells(shape, |j, i| {
        (flow.u.at(j, i + 1) - flow.u.at(j, i)) * dy + flow.v.at(j + 1, i) * face_width(metric, j + 1)
            - flow.v.at(j, i) * face_width(metric, j)
    });
    let potential = Poisson::new(metric, Edge::Nought).solve(divergence);
    let at = |j: isize, i: isize| potential[j as usize * shape.nx + i as usize];
    let (ny, nx) = (shape.ny as isize, shape.nx as isize);
    for j in 0..ny {
        for i in 0..=nx {
            let (west, east) = match i {
                0 => (-at(j, 0), at(j, 0)),
                _ if i == nx => (at(j, nx - 1), -at(j, nx - 1)),
                _ => (at(j, i - 1), at(j, i)),
            };
            *flow.u.at_mut(j, i) -= (east - west) / metric.dx_m(j as usize);
        }
    }
    for j in 0..=ny {
        for i in 0..nx {
            let (south, north) = match j {
                0 => (-at(0, i), at(0, i)),
                _ if j == ny => (at(ny - 1, i), -at(ny - 1, i)),
                _ => (at(j - 1, i), at(j, i)),
            };
            *flow.v.at_mut(j, i) -= (north - south) / dy;
        }
    }
}

/// The height η, m, whose pressure force leaves the wind of `flow` the least to accelerate by: g ∇²η = ∇·(tendency without pressure),
/// with the core's own tendencies, so what remains has no divergence and starts no gravity waves. Its mean is nought.
///
/// This is the nonlinear balance equation in the core's own differences (Coriolis, curvature and all).
pub fn balanced_height(metric: &Metric, boundary: &Boundary, gravity: f64, flow: &Flow) -> Plane {
    let shape = metric.shape();
    let level = Plane::constant(shape, 0.0);
    let mut moved = flow.clone();
    let mut equations = ShallowWaterEquations {
        metric,
        boundary,
        orography: &level,
        gravity: 0.0,
        fluxes: None,
    };
    let one_second = Stage {
        old: 0.0,
        new: 1.0,
        dt: 1.0,
        share: 0.0,
    };
    equations.stage(one_second, flow, flow, &mut moved);
    let (ny, nx) = (shape.ny as isize, shape.nx as isize);
    let force_x = |j: isize, i: isize| {
        if i == 0 || i == nx {
            0.0
        } else {
            moved.u.at(j, i) - flow.u.at(j, i)
        }
    };
    let force_y = |j: isize, i: isize| {
        if j == 0 || j == ny {
            0.0
        } else {
            moved.v.at(j, i) - flow.v.at(j, i)
        }
    };
    let dy = metric.dy_m();
    let sources = cells(shape, |j, i| {
        ((force_x(j, i + 1) - force_x(j, i)) * dy + force_y(j + 1, i) * face_width(metric, j + 1) - force_y(j, i) * face_width(metric, j))
            / gravity
    });
    let mut height = Poisson::new(metric, Edge::Level).solve(sources);
    let mean = height.chunks_exact(shape.nx).map(|row| row.iter().sum::<f64>()).sum::<f64>() / height.len() as f64;
    height.iter_mut().for_each(|h| *h -= mean);
    Plane::from_fn(shape, |j, i| {
        height[j.clamp(0, ny - 1) as usize * shape.nx + i.clamp(0, nx - 1) as usize]
    })
}

fn face_width(metric: &Metric, j: isize) -> f64 {
    metric.face_width((j + RIM as isize) as usize)
}

fn cells(shape: Shape, value: impl Fn(isize, isize) -> f64) -> Vec<f64> {
    (0..shape.ny as isize)
        .flat_map(|j| (0..shape.nx as isize).map(move |i| (j, i)))
        .map(|(j, i)| value(j, i))
        .collect()
}

/// Direct solver of Σ over faces of (gradient x length) = source in every cell: cosines or sines along x, elimination along y.
struct Poisson<'a> {
    metric: &'a Metric,
    edge: Edge,
    /// Basis functions `[k, i]`, orthonormal.
    basis: Vec<f64>,
    /// The same `[i, k]`.
    by_cell: Vec<f64>,
    /// -δ²/δi² of each.
    eigenvalues: Vec<f64>,
}

impl<'a> Poisson<'a> {
    fn new(metric: &'a Metric, edge: Edge) -> Self {
        let n = metric.shape().nx;
        let wave = |k: usize| if edge == Edge::Level { k } else { k + 1 };
        let mut basis: Vec<f64> = (0..n * n)
            .map(|at| {
                let phase = PI * wave(at / n) as f64 * (at % n) as f64 / n as f64 + PI * wave(at / n) as f64 / (2 * n) as f64;
                if edge == Edge::Level { phase.cos() } else { phase.sin() }
            })
            .collect();
        for function in basis.chunks_exact_mut(n) {
            let norm = function.iter().map(|b| b * b).sum::<f64>().sqrt();
            function.iter_mut().for_each(|b| *b /= norm);
        }
        let by_cell = (0..n * n).map(|at| basis[at % n * n + at / n]).collect();
        let eigenvalues = (0..n).map(|k| 2.0 - 2.0 * (PI * wave(k) as f64 / n as f64).cos()).collect();
        Self {
            metric,
            edge,
            basis,
            by_cell,
            eigenvalues,
        }
    }

    /// Solves for sources `[y, x]`, already times the area.
    fn solve(&self, sources: Vec<f64>) -> Vec<f64> {
        let n = self.metric.shape().nx;
        let mut rows = sources;
        transform(&mut rows, &self.by_cell, n);
        self.eliminate(&mut rows);
        transform(&mut rows, &self.basis, n);
        rows
    }

    /// Gaussian elimination of one tridiagonal system along y for each wave, all waves of a row side by side.
    fn eliminate(&self, rows: &mut [f64]) {
        let Shape { ny, nx: n } = self.metric.shape();
        let dy = self.metric.dy_m();
        // Conductance of the south face of row j; beyond the edge either none, or twice as near the value nought.
        let face = |j: usize| {
            let conductance = face_width(self.metric, j as isize) / dy;
            match (j == 0 || j == ny, self.edge) {
                (false, _) => conductance,
                (true, Edge::Level) => 0.0,
                (true, Edge::Nought) => 2.0 * conductance,
            }
        };
        let mut upper = vec![0.0; ny * n];
        for j in 0..ny {
            let (south, north) = (face(j), face(j + 1));
            let along = dy / self.metric.dx_m(j);
            for k in 0..n {
                let mut diagonal = -(along * self.eigenvalues[k] + south + north);
                let mut right = rows[j * n + k];
                if j > 0 {
                    diagonal -= south * upper[(j - 1) * n + k];
                    right -= south * rows[(j - 1) * n + k];
                }
                // A constant is free where edges are level: it is pinned in the last row.
                let pinned = self.edge == Edge::Level && k == 0 && j == ny - 1;
                upper[j * n + k] = if j + 1 < ny { north / diagonal } else { 0.0 };
                rows[j * n + k] = if pinned { 0.0 } else { right / diagonal };
            }
        }
        for j in (0..ny - 1).rev() {
            for k in 0..n {
                rows[j * n + k] -= upper[j * n + k] * rows[(j + 1) * n + k];
            }
        }
    }
}

/// Every row becomes the sum of the functions `[m, n]` weighted by its values.
fn transform(rows: &mut [f64], functions: &[f64], n: usize) {
    rows.par_chunks_exact_mut(n).for_each(|row| {
        let weights = row.to_vec();
        row.fill(0.0);
        for (weight, function) in weights.iter().zip(functions.chunks_exact(n)) {
            for (r, b) in row.iter_mut().zip(function) {
                *r += weight * b;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{constants::GRAVITY, metric::Rotation};

    const SHAPE: Shape = Shape { ny: 18, nx: 23 };

    fn wavy() -> Flow {
        let mut flow = Flow::rest(SHAPE, 500.0);
        flow.u = Plane::from_fn(SHAPE, |j, i| 12.0 + 3.0 * (0.5 * j as f64).sin() + 2.0 * (0.4 * i as f64).cos());
        flow.v = Plane::from_fn(SHAPE, |j, i| -4.0 + 2.0 * (0.3 * j as f64 + 0.6 * i as f64).sin());
        flow
    }

    #[test]
    fn no_cell_diverges_afterwards_and_a_uniform_wind_is_left_alone() {
        let metric = Metric::plane(SHAPE, 2000.0, 1500.0, Rotation::Constant(1e-4));
        let mut flow = wavy();
        remove_divergence(&metric, &mut flow);
        for j in 0..SHAPE.ny as isize {
            for i in 0..SHAPE.nx as isize {
                let divergence = (flow.u.at(j, i + 1) - flow.u.at(j, i)) / 1500.0 + (flow.v.at(j + 1, i) - flow.v.at(j, i)) / 2000.0;
                assert!(divergence.abs() < 1e-15, "{divergence:e} at {j}, {i}");
            }
        }
        let mut uniform = Flow::rest(SHAPE, 500.0);
        uniform.u.fill(10.0);
        remove_divergence(&metric, &mut uniform);
        assert!((uniform.u.at(3, 7) - 10.0).abs() < 1e-12);
    }

    #[test]
    fn a_uniform_wind_is_held_by_a_slope_of_f_u_over_g() {
        let metric = Metric::plane(SHAPE, 2000.0, 2000.0, Rotation::Constant(1e-4));
        let mut flow = Flow::rest(SHAPE, 500.0);
        flow.u.fill(20.0);
        let height = balanced_height(&metric, &Boundary::Periodic, GRAVITY, &flow);
        // f u = -g dη/dy: 1e-4 x 20 / 9.80665 = 2.0394e-4, down to the north, 0.40789 m a row of 2 km.
        let fall = height.at(5, 4) - height.at(6, 4);
        assert!((fall - 0.407_89).abs() < 1e-5, "{fall}");
        assert!((height.at(5, 4) - height.at(5, 5)).abs() < 1e-12);
    }
}
