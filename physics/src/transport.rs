//! Carries water and other tracers with the air that the core itself moved: conserving, never negative, and blind to a constant.

use std::cell::RefCell;

use rayon::prelude::*;

use crate::{
    boundary::Boundary,
    far_transport,
    metric::Metric,
    plane::{Plane, RIM, Shape},
    shallow_water::Fluxes,
};

/// Rows that one task works on.
const STRIP: usize = 16;

/// Transport of mixing ratios q by the air that went through the faces, one direction after the other in turn:
///
/// h* = h - δx F, h* q* = h q - δx (F q_face), then the same in y.
///
/// q on a face is the mean over the air that crosses it of a monotone parabola in the cell upstream, so each pass makes no new
/// extremes as long as no cell gives away more air than it has. After both passes h is the core's own depth to round-off, thus a
/// constant stays one.
///
/// # Source
///
/// Colella, P. and P. R. Woodward, 1984: The piecewise parabolic method (PPM) for gas-dynamical simulations. J. Comput. Phys.,
/// 54, 174-201, doi:10.1016/0021-9991(84)90143-8 (the limiter is their 1.10). Passes in turn: Strang, G., 1968: On the
/// construction and comparison of difference schemes. SIAM J. Numer. Anal., 5, 506-517, doi:10.1137/0705041.
pub struct Transport {
    depth: [Plane; 2],
    tracers: Vec<Plane>,
    edges: Vec<f64>,
    rows_first: bool,
    through_edges: Vec<f64>,
}

impl Transport {
    /// Room for `tracers` tracers.
    pub fn new(shape: Shape, tracers: usize) -> Self {
        let plane = Plane::constant(shape, 1.0);
        Self {
            depth: [plane.clone(), plane.clone()],
            tracers: vec![plane; tracers],
            edges: vec![0.0; tracers * shape.ny],
            rows_first: true,
            through_edges: vec![0.0; tracers],
        }
    }

    /// What of each tracer came in through the edges in the last step, m³.
    pub fn through_edges(&self) -> &[f64] {
        &self.through_edges
    }

    /// Carries `tracers` (rims filled) with `fluxes`; `depth` is that before the air moved, rim filled. Rims of the result are filled.
    pub fn step(&mut self, metric: &Metric, boundary: &Boundary, fluxes: &Fluxes, depth: &Plane, tracers: &mut [Plane]) {
        self.through_edges.fill(0.0);
        self.depth[0].copy_from(depth);
        metric.to_volume_depth(&mut self.depth[0]);
        for x in [self.rows_first, !self.rows_first] {
            if x {
                self.along_x(metric, boundary, &fluxes.x, tracers);
            } else {
                self.along_y(metric, &fluxes.y, tracers);
            }
            self.depth.swap(0, 1);
            boundary.close_depth(&mut self.depth[0]);
            for (index, (tracer, moved)) in tracers.iter_mut().zip(&mut self.tracers).enumerate() {
                std::mem::swap(tracer, moved);
                boundary.close_tracer(index, tracer);
            }
        }
        self.rows_first = !self.rows_first;
    }

    fn along_x(&mut self, metric: &Metric, boundary: &Boundary, fluxes: &Plane, tracers: &[Plane]) {
        let around_poles = matches!(boundary, Boundary::Globe);
        let [before, after] = &mut self.depth;
        let Shape { ny, nx } = before.shape();
        let stride = before.shape().stride();
        after.strips_mut(1).enumerate().for_each(|(j, out)| {
            let (h, flux) = (&before.full_row(j + RIM)[..stride], &fluxes.full_row(j + RIM)[..stride]);
            let per_area = 1.0 / metric.nominal_area_m2(j + RIM);
            for k in RIM..RIM + nx {
                out[k] = h[k] - (flux[k + 1] - flux[k]) * per_area;
            }
        });
        let after = &*after;
        for ((tracer, moved), edges) in tracers.iter().zip(&mut self.tracers).zip(self.edges.chunks_exact_mut(ny)) {
            moved
                .strips_mut(1)
                .zip(edges.par_iter_mut())
                .enumerate()
                .for_each(|(j, (out, edge))| {
                    let row = j + RIM;
                    ROOM.with_borrow_mut(|room| {
                        let area = metric.nominal_area_m2(row);
                        if around_poles && far_transport::is_far(area, before.full_row(row), fluxes.full_row(row)) {
                            *edge = 0.0;
                            room.sweep_far(
                                area,
                                before.full_row(row),
                                after.full_row(row),
                                fluxes.full_row(row),
                                tracer.full_row(row),
                                out,
                            );
                            return;
                        }
                        *edge = room.sweep_row(
                            area,
                            before.full_row(row),
                            after.full_row(row),
                            fluxes.full_row(row),
                            tracer.full_row(row),
                            out,
                        );
                    });
                });
        }
        add_sums(&mut self.through_edges, &self.edges, ny);
    }

    fn along_y(&mut self, metric: &Metric, fluxes: &Plane, tracers: &[Plane]) {
        let [before, after] = &mut self.depth;
        let Shape { ny, nx } = before.shape();
        after.strips_mut(1).enumerate().for_each(|(j, out)| {
            let (h, south, north) = (before.full_row(j + RIM), fluxes.full_row(j + RIM), fluxes.full_row(j + RIM + 1));
            let per_area = 1.0 / metric.nominal_area_m2(j + RIM);
            for k in RIM..RIM + nx {
                out[k] = h[k] - (north[k] - south[k]) * per_area;
            }
        });
        let after = &*after;
        self.edges.fill(0.0);
        for ((tracer, moved), edges) in tracers.iter().zip(&mut self.tracers).zip(self.edges.chunks_exact_mut(ny)) {
            moved
                .strips_mut(STRIP)
                .zip(edges.par_chunks_mut(STRIP))
                .enumerate()
                .for_each(|(strip, (out, edges))| {
                    let columns = Columns {
                        metric,
                        before,
                        after,
                        fluxes,
                        tracer,
                    };
                    ROOM.with_borrow_mut(|room| columns.sweep(strip * STRIP + RIM, out, edges, room));
                });
        }
        add_sums(&mut self.through_edges, &self.edges, ny);
    }
}

/// Adds rows in their order, whoever computed them.
fn add_sums(sums: &mut [f64], rows: &[f64], ny: usize) {
    for (sum, rows) in sums.iter_mut().zip(rows.chunks_exact(ny)) {
        *sum += rows.iter().sum::<f64>();
    }
}

thread_local! {
    static ROOM: RefCell<Room> = RefCell::default();
}

/// Rows to work in.
#[derive(Default)]
struct Room {
    left: [Vec<f64>; 2],
    right: [Vec<f64>; 2],
    flux: [Vec<f64>; 2],
}

impl Room {
    fn fit(&mut self, size: usize) {
        for rows in [&mut self.left, &mut self.right, &mut self.flux].into_iter().flatten() {
            if rows.len() < size {
                rows.resize(size, 0.0);
            }
        }
    }

    /// One row around the globe whose air crosses several cells in a step.
    fn sweep_far(&mut self, area: f64, before: &[f64], after: &[f64], fluxes: &[f64], q: &[f64], out: &mut [f64]) {
        let n = out.len();
        self.fit(n);
        let (before, after, fluxes, q) = (&before[..n], &after[..n], &fluxes[..n], &q[..n]);
        let [left, edge] = &mut self.left;
        let (edge, left, right, flux) = (&mut edge[..n], &mut left[..n], &mut self.right[0][..n], &mut self.flux[0][..n]);
        for k in 2..n - 1 {
            edge[k] = between(q[k - 2], q[k - 1], q[k], q[k + 1]);
        }
        for k in RIM - 1..=n - RIM {
            (left[k], right[k]) = limited(edge[k], q[k], edge[k + 1]);
        }
        let row = far_transport::Row {
            area,
            depth: before,
            q,
            left,
            right,
        };
        for k in RIM..=n - RIM {
            flux[k] = row.through(k, fluxes[k]);
        }
        // A mean of what was there is no less than the least of it, but for rounding.
        let least = q[RIM..n - RIM].iter().fold(f64::INFINITY, |a, b| a.min(*b));
        for k in RIM..n - RIM {
            out[k] = ((before[k] * q[k] - (flux[k + 1] - flux[k]) / area) / after[k]).max(least);
        }
    }

    /// One row eastward; returns what came in through both ends.
    fn sweep_row(&mut self, area: f64, before: &[f64], after: &[f64], fluxes: &[f64], q: &[f64], out: &mut [f64]) -> f64 {
        let n = out.len();
        self.fit(n);
        let (before, after, fluxes, q) = (&before[..n], &after[..n], &fluxes[..n], &q[..n]);
        let [left, edge] = &mut self.left;
        let (edge, left, right, flux) = (&mut edge[..n], &mut left[..n], &mut self.right[0][..n], &mut self.flux[0][..n]);
        for k in 2..n - 1 {
            edge[k] = between(q[k - 2], q[k - 1], q[k], q[k + 1]);
        }
        for k in RIM - 1..=n - RIM {
            (left[k], right[k]) = limited(edge[k], q[k], edge[k + 1]);
        }
        let per_area = 1.0 / area;
        for k in RIM..=n - RIM {
            let upstream = Parabolas {
                behind: (left[k - 1], q[k - 1], right[k - 1], before[k - 1]),
                ahead: (left[k], q[k], right[k], before[k]),
            };
            flux[k] = fluxes[k] * upstream.on_face(fluxes[k], per_area, per_area);
        }
        for k in RIM..n - RIM {
            out[k] = (before[k] * q[k] - (flux[k + 1] - flux[k]) * per_area) / after[k];
        }
        flux[RIM] - flux[n - RIM]
    }
}

struct Columns<'a> {
    metric: &'a Metric,
    before: &'a Plane,
    after: &'a Plane,
    fluxes: &'a Plane,
    tracer: &'a Plane,
}

impl Columns<'_> {
    /// Northward through the rows of a strip that begins at whole row `first`, reusing each parabola and flux for the next row.
    fn sweep(&self, first: usize, out: &mut [f64], edges: &mut [f64], room: &mut Room) {
        let shape = self.tracer.shape();
        let n = shape.stride();
        room.fit(n);
        let count = out.len() / n;
        self.parabolas(first - 1, &mut room.left[0], &mut room.right[0]);
        for row in first..=first + count {
            self.parabolas(row, &mut room.left[1], &mut room.right[1]);
            self.flux(row, room);
            if row > first {
                let local = row - 1 - first;
                self.update(row - 1, &room.flux, &mut out[local * n..(local + 1) * n]);
            }
            // South edge of the first row of the domain and north edge of its last.
            if row == RIM {
                edges[0] += room.flux[1][RIM..RIM + shape.nx].iter().sum::<f64>();
            }
            if row == RIM + shape.ny {
                edges[count - 1] -= room.flux[1][RIM..RIM + shape.nx].iter().sum::<f64>();
            }
            for rows in [&mut room.left, &mut room.right, &mut room.flux] {
                rows.swap(0, 1);
            }
        }
    }

    fn parabolas(&self, row: usize, left: &mut [f64], right: &mut [f64]) {
        let n = self.tracer.shape().stride();
        let q: [&[f64]; 5] = std::array::from_fn(|d| &self.tracer.full_row(row + d - 2)[..n]);
        let (left, right) = (&mut left[..n], &mut right[..n]);
        for k in RIM..n - RIM {
            let south = between(q[0][k], q[1][k], q[2][k], q[3][k]);
            let north = between(q[1][k], q[2][k], q[3][k], q[4][k]);
            (left[k], right[k]) = limited(south, q[2][k], north);
        }
    }

    fn flux(&self, row: usize, room: &mut Room) {
        let n = self.tracer.shape().stride();
        let per_area = |row: usize| 1.0 / self.metric.nominal_area_m2(row);
        let (behind_area, ahead_area) = (per_area(row - 1), per_area(row));
        let (h0, h1) = (&self.before.full_row(row - 1)[..n], &self.before.full_row(row)[..n]);
        let (q0, q1) = (&self.tracer.full_row(row - 1)[..n], &self.tracer.full_row(row)[..n]);
        let fluxes = &self.fluxes.full_row(row)[..n];
        let [left0, left1] = &room.left;
        let [right0, right1] = &room.right;
        let (left0, left1, right0, right1) = (&left0[..n], &left1[..n], &right0[..n], &right1[..n]);
        let flux = &mut room.flux[1][..n];
        for k in RIM..n - RIM {
            let upstream = Parabolas {
                behind: (left0[k], q0[k], right0[k], h0[k]),
                ahead: (left1[k], q1[k], right1[k], h1[k]),
            };
            flux[k] = fluxes[k] * upstream.on_face(fluxes[k], behind_area, ahead_area);
        }
    }

    fn update(&self, row: usize, flux: &[Vec<f64>; 2], out: &mut [f64]) {
        let n = out.len();
        let per_area = 1.0 / self.metric.nominal_area_m2(row);
        let (before, after, q) = (
            &self.before.full_row(row)[..n],
            &self.after.full_row(row)[..n],
            &self.tracer.full_row(row)[..n],
        );
        let (south, north) = (&flux[0][..n], &flux[1][..n]);
        for k in RIM..n - RIM {
            out[k] = (before[k] * q[k] - (north[k] - south[k]) * per_area) / after[k];
        }
    }
}

/// The parabolas (left, mean, right) and depths on both sides of a face.
struct Parabolas {
    behind: (f64, f64, f64, f64),
    ahead: (f64, f64, f64, f64),
}

impl Parabolas {
    /// Mean mixing ratio of the air that crosses the face: the part of the upstream parabola that holds as much air.
    #[inline(always)]
    fn on_face(&self, flux: f64, per_area_behind: f64, per_area_ahead: f64) -> f64 {
        let forward = flux > 0.0;
        let (left, q, right, h) = if forward { self.behind } else { self.ahead };
        let per_area = if forward { per_area_behind } else { per_area_ahead };
        let share = flux.abs() * per_area / h;
        let (near, far) = if forward { (right, left) } else { (left, right) };
        let curve = 6.0 * q - 3.0 * (left + right);
        near - 0.5 * share * (near - far - curve * (1.0 - share * (2.0 / 3.0)))
    }
}

/// Fourth-order value between the second and third of four means, kept between those two.
#[inline(always)]
fn between(a: f64, b: f64, c: f64, d: f64) -> f64 {
    let value = (7.0 / 12.0) * (b + c) - (1.0 / 12.0) * (a + d);
    value.max(b.min(c)).min(b.max(c))
}

/// Edges of a parabola with mean `q` that has no extreme of its own inside the cell.
#[inline(always)]
fn limited(left: f64, q: f64, right: f64) -> (f64, f64) {
    let jump = right - left;
    let lean = jump * (6.0 * q - 3.0 * (left + right));
    let square = jump * jump;
    let peak = (right - q) * (q - left) <= 0.0;
    let new_left = if lean > square { 3.0 * q - 2.0 * right } else { left };
    let new_right = if -square > lean { 3.0 * q - 2.0 * left } else { right };
    if peak { (q, q) } else { (new_left, new_right) }
}
