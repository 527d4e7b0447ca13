//! Carries water and other tracers with the air that the core itself moved: conserving, never negative, and blind to a constant.

use std::cell::RefCell;

use rayon::prelude::*;

use crate::{
    boundary::Boundary,
    far_transport,
    metric::Metric,
    plane::{Plane, RIM, Shape},
    shallow_water::Fluxes,
    wide::{Work, sum, wide},
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
    rows_first: bool,
    through_edges: Vec<f64>,
    emptied: Option<Emptied>,
}

/// A cell that would lose more air than it holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Emptied {
    /// Row from the south.
    pub row: usize,
    /// Column from the west.
    pub column: usize,
    /// Share of its air that would leave; NaN when the flow is not finite.
    pub share: f64,
}

impl Transport {
    /// Room for `tracers` tracers.
    pub fn new(shape: Shape, tracers: usize) -> Self {
        let plane = Plane::constant(shape, 1.0);
        Self {
            depth: [plane.clone(), plane.clone()],
            tracers: vec![plane; tracers],
            rows_first: true,
            through_edges: vec![0.0; tracers],
            emptied: None,
        }
    }

    /// Whether the next step begins along the rows.
    pub(crate) fn rows_first(&self) -> bool {
        self.rows_first
    }

    pub(crate) fn begin(&mut self, rows_first: bool) {
        self.rows_first = rows_first;
    }

    /// The first cell, from the south-west, that lost more air than it held in the last step: what it carried is then not to be used.
    pub fn emptied(&self) -> Option<Emptied> {
        self.emptied
    }

    /// What of each tracer came in through the edges in the last step, m³.
    pub fn through_edges(&self) -> &[f64] {
        &self.through_edges
    }

    /// Carries `tracers` (rims filled) with `fluxes`; `depth` is that before the air moved, rim filled. Rims of the result are filled.
    pub fn step(&mut self, metric: &Metric, boundary: &Boundary, fluxes: &Fluxes, depth: &Plane, tracers: &mut [Plane]) {
        self.through_edges.fill(0.0);
        self.emptied = None;
        self.depth[0].copy_from(depth);
        metric.to_volume_depth(&mut self.depth[0]);
        for along_x in [self.rows_first, !self.rows_first] {
            self.pass(metric, boundary, along_x, if along_x { &fluxes.x } else { &fluxes.y }, tracers);
            self.depth.swap(0, 1);
            boundary.close_depth(&mut self.depth[0]);
            for (index, (tracer, moved)) in tracers.iter_mut().zip(&mut self.tracers).enumerate() {
                std::mem::swap(tracer, moved);
                boundary.close_tracer(index, tracer);
            }
        }
        self.rows_first = !self.rows_first;
    }

    /// All tracers along one direction, so that what only the air decides is worked out once.
    fn pass(&mut self, metric: &Metric, boundary: &Boundary, along_x: bool, fluxes: &Plane, tracers: &[Plane]) {
        let around_poles = matches!(boundary, Boundary::Globe);
        let [before, after] = &mut self.depth;
        let mut strips = strips(after, &mut self.tracers);
        strips.par_iter_mut().for_each(|strip| {
            ROOM.with_borrow_mut(|room| {
                room.fit(before.shape().stride(), tracers.len());
                wide(Pass {
                    air: Air { metric, before, fluxes },
                    around_poles,
                    along_x,
                    tracers,
                    strip,
                    room,
                });
            });
        });
        for strip in strips {
            self.emptied = self.emptied.or(strip.emptied);
            for (sum, through) in self.through_edges.iter_mut().zip(strip.through_edges) {
                *sum += through;
            }
        }
    }
}

/// What one task writes: the same whole rows of the depth and of every tracer.
struct Strip<'a> {
    /// The first of them, a whole row.
    first: usize,
    after: &'a mut [f64],
    moved: Vec<&'a mut [f64]>,
    through_edges: Vec<f64>,
    emptied: Option<Emptied>,
}

fn strips<'a>(after: &'a mut Plane, moved: &'a mut [Plane]) -> Vec<Strip<'a>> {
    let tracers = moved.len();
    let mut strips: Vec<Strip<'_>> = after
        .groups_mut(STRIP)
        .enumerate()
        .map(|(index, after)| Strip {
            first: RIM + index * STRIP,
            after,
            moved: Vec::with_capacity(tracers),
            through_edges: vec![0.0; tracers],
            emptied: None,
        })
        .collect();
    for plane in moved {
        for (strip, rows) in strips.iter_mut().zip(plane.groups_mut(STRIP)) {
            strip.moved.push(rows);
        }
    }
    strips
}

thread_local! {
    static ROOM: RefCell<Room> = RefCell::default();
}

/// Rows to work in.
#[derive(Default)]
struct Room {
    /// Share of the air upstream that goes through each face.
    share: Vec<f64>,
    /// One over the depth afterwards.
    per_depth: Vec<f64>,
    tracers: Vec<TracerRoom>,
}

/// Rows of one tracer: of this row and of the one before.
#[derive(Default)]
struct TracerRoom {
    edge: [Vec<f64>; 2],
    left: [Vec<f64>; 2],
    right: [Vec<f64>; 2],
    flux: [Vec<f64>; 2],
}

impl Room {
    fn fit(&mut self, size: usize, tracers: usize) {
        self.tracers.resize_with(tracers, TracerRoom::default);
        for tracer in &mut self.tracers {
            for row in [&mut tracer.edge, &mut tracer.left, &mut tracer.right, &mut tracer.flux]
                .into_iter()
                .flatten()
            {
                row.resize(size, 0.0);
            }
        }
        self.share.resize(size, 0.0);
        self.per_depth.resize(size, 0.0);
    }
}

impl TracerRoom {
    /// One row around the globe whose air crosses several cells in a step.
    fn sweep_far(&mut self, area: f64, before: &[f64], after: &[f64], fluxes: &[f64], q: &[f64], out: &mut [f64]) {
        let n = out.len();
        let (before, after, fluxes, q) = (&before[..n], &after[..n], &fluxes[..n], &q[..n]);
        let (edge, left, right, flux) = (
            &mut self.edge[0][..n],
            &mut self.left[0][..n],
            &mut self.right[0][..n],
            &mut self.flux[0][..n],
        );
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
    #[inline(always)]
    fn sweep_row(&mut self, row: &Faces<'_>, q: &[f64], out: &mut [f64]) -> f64 {
        let n = out.len();
        let (edge, left, right, flux) = (
            &mut self.edge[0][..n],
            &mut self.left[0][..n],
            &mut self.right[0][..n],
            &mut self.flux[0][..n],
        );
        edges(&q[..n - 3], &q[1..n - 2], &q[2..n - 1], &q[3..n], &mut edge[2..n - 1]);
        let cells = RIM - 1..n - RIM + 1;
        parabolas(
            &edge[cells.clone()],
            &q[cells.clone()],
            &edge[RIM..n - RIM + 2],
            &mut left[cells.clone()],
            &mut right[cells],
        );
        let (west, east) = (RIM - 1..n - RIM, RIM..n - RIM + 1);
        let behind = (&left[west.clone()], &q[west.clone()], &right[west]);
        let ahead = (&left[east.clone()], &q[east.clone()], &right[east.clone()]);
        through(&row.fluxes[east.clone()], &row.share[east.clone()], behind, ahead, &mut flux[east]);
        let inside = RIM..n - RIM;
        let faces = (&flux[inside.clone()], &flux[RIM + 1..n - RIM + 1]);
        update(
            row.per_area,
            &row.before[inside.clone()],
            &q[inside.clone()],
            faces,
            &row.per_depth[inside.clone()],
            &mut out[inside],
        );
        flux[RIM] - flux[n - RIM]
    }

    /// Parabolas along y of whole row `row`; the south edge is the north edge of the row before, unless this is the first.
    #[inline(always)]
    fn parabolas(&mut self, tracer: &Plane, row: usize, first: bool) {
        let inside = RIM..tracer.shape().stride() - RIM;
        let q: [&[f64]; 5] = std::array::from_fn(|d| &tracer.full_row(row + d - 2)[inside.clone()]);
        let [south, north] = &mut self.edge;
        if first {
            edges(q[0], q[1], q[2], q[3], &mut south[inside.clone()]);
        }
        edges(q[1], q[2], q[3], q[4], &mut north[inside.clone()]);
        parabolas(
            &south[inside.clone()],
            q[2],
            &north[inside.clone()],
            &mut self.left[1][inside.clone()],
            &mut self.right[1][inside],
        );
        self.edge.swap(0, 1);
    }

    /// Through the south faces of whole row `row`.
    #[inline(always)]
    fn flux(&mut self, tracer: &Plane, row: usize, fluxes: &[f64], share: &[f64]) {
        let inside = RIM..tracer.shape().stride() - RIM;
        let ([left0, left1], [right0, right1]) = (&self.left, &self.right);
        let behind = (
            &left0[inside.clone()],
            &tracer.full_row(row - 1)[inside.clone()],
            &right0[inside.clone()],
        );
        let ahead = (
            &left1[inside.clone()],
            &tracer.full_row(row)[inside.clone()],
            &right1[inside.clone()],
        );
        through(
            &fluxes[inside.clone()],
            &share[inside.clone()],
            behind,
            ahead,
            &mut self.flux[1][inside],
        );
    }
}

// The loops themselves: each writes to slices that are its own arguments, which is how the compiler knows that nothing else changes them
// and takes four cells at a time.

/// Values between the second and third of four neighbours.
#[inline(always)]
fn edges(a: &[f64], b: &[f64], c: &[f64], d: &[f64], out: &mut [f64]) {
    let n = out.len();
    let (a, b, c, d) = (&a[..n], &b[..n], &c[..n], &d[..n]);
    for k in 0..n {
        out[k] = between(a[k], b[k], c[k], d[k]);
    }
}

/// Parabolas of cells with these values on their edges.
#[inline(always)]
fn parabolas(low: &[f64], q: &[f64], high: &[f64], left: &mut [f64], right: &mut [f64]) {
    let n = left.len();
    let (low, q, high, right) = (&low[..n], &q[..n], &high[..n], &mut right[..n]);
    for k in 0..n {
        (left[k], right[k]) = limited(low[k], q[k], high[k]);
    }
}

/// A row of parabolas: left edges, means, right edges.
type Row<'a> = (&'a [f64], &'a [f64], &'a [f64]);

/// Amounts that go through faces.
#[inline(always)]
fn through(fluxes: &[f64], share: &[f64], behind: Row<'_>, ahead: Row<'_>, out: &mut [f64]) {
    let n = out.len();
    let (fluxes, share) = (&fluxes[..n], &share[..n]);
    let (left0, q0, right0) = (&behind.0[..n], &behind.1[..n], &behind.2[..n]);
    let (left1, q1, right1) = (&ahead.0[..n], &ahead.1[..n], &ahead.2[..n]);
    for k in 0..n {
        out[k] = fluxes[k] * on_face(fluxes[k], share[k], (left0[k], q0[k], right0[k]), (left1[k], q1[k], right1[k]));
    }
}

/// Mixing ratios afterwards.
#[inline(always)]
fn update(per_area: f64, before: &[f64], q: &[f64], (low, high): (&[f64], &[f64]), per_depth: &[f64], out: &mut [f64]) {
    let n = out.len();
    let (before, q, low, high, per_depth) = (&before[..n], &q[..n], &low[..n], &high[..n], &per_depth[..n]);
    for k in 0..n {
        out[k] = (before[k] * q[k] - (high[k] - low[k]) * per_area) * per_depth[k];
    }
}

/// Shares of the air upstream that go through faces between cells of depths `low` and `high`.
#[inline(always)]
fn shares(fluxes: &[f64], (low, high): (&[f64], &[f64]), (per_low, per_high): (f64, f64), out: &mut [f64]) {
    let n = out.len();
    let (fluxes, low, high) = (&fluxes[..n], &low[..n], &high[..n]);
    for k in 0..n {
        let forward = fluxes[k] > 0.0;
        let upstream = if forward { low[k] } else { high[k] };
        let per_area = if forward { per_low } else { per_high };
        out[k] = fluxes[k].abs() * per_area / upstream;
    }
}

/// Depths afterwards, and one over them.
#[inline(always)]
fn depths(per_area: f64, before: &[f64], (low, high): (&[f64], &[f64]), after: &mut [f64], per_depth: &mut [f64]) {
    let n = after.len();
    let (before, low, high, per_depth) = (&before[..n], &low[..n], &high[..n], &mut per_depth[..n]);
    for k in 0..n {
        let depth = before[k] - (high[k] - low[k]) * per_area;
        after[k] = depth;
        per_depth[k] = 1.0 / depth;
    }
}

/// A row of cells and the air that goes through its west faces.
struct Faces<'a> {
    per_area: f64,
    before: &'a [f64],
    fluxes: &'a [f64],
    share: &'a [f64],
    per_depth: &'a [f64],
}

/// How the air moves.
struct Air<'a> {
    metric: &'a Metric,
    before: &'a Plane,
    fluxes: &'a Plane,
}

/// One direction, one strip, all tracers.
struct Pass<'a, 'b> {
    air: Air<'a>,
    around_poles: bool,
    along_x: bool,
    tracers: &'a [Plane],
    strip: &'a mut Strip<'b>,
    room: &'a mut Room,
}

impl Work for Pass<'_, '_> {
    #[inline(always)]
    fn run(self) {
        if self.along_x { self.along_x() } else { self.along_y() }
    }
}

impl Pass<'_, '_> {
    #[inline(always)]
    fn along_x(self) {
        let Self { air, strip, room, .. } = self;
        let n = air.before.shape().stride();
        let Room {
            share,
            per_depth,
            tracers: rooms,
        } = room;
        for (local, after) in strip.after.chunks_exact_mut(n).enumerate() {
            let row = strip.first + local;
            let area = air.metric.nominal_area_m2(row);
            let per_area = 1.0 / area;
            let (before, fluxes) = (&air.before.full_row(row)[..n], &air.fluxes.full_row(row)[..n]);
            let (share, per_depth) = (&mut share[..n], &mut per_depth[..n]);
            let west_faces = RIM..n - RIM + 1;
            shares(
                &fluxes[west_faces.clone()],
                (&before[RIM - 1..n - RIM], &before[west_faces.clone()]),
                (per_area, per_area),
                &mut share[west_faces],
            );
            let inside = RIM..n - RIM;
            let sides = [&fluxes[inside.clone()], &fluxes[RIM + 1..n - RIM + 1]];
            depths(
                per_area,
                &before[inside.clone()],
                (sides[0], sides[1]),
                &mut after[inside.clone()],
                &mut per_depth[inside.clone()],
            );
            let faces = Faces {
                per_area,
                before,
                fluxes,
                share,
                per_depth,
            };
            if !self.around_poles {
                strip.emptied = strip.emptied.or_else(|| emptied(row, per_area, &before[inside], sides));
            }
            let far = self.around_poles && far_transport::is_far(area, before, fluxes);
            let part = local * n..(local + 1) * n;
            for (index, (tracer, room)) in self.tracers.iter().zip(rooms.iter_mut()).enumerate() {
                let (q, out) = (tracer.full_row(row), &mut strip.moved[index][part.clone()]);
                if far {
                    room.sweep_far(area, before, after, fluxes, q, out);
                } else {
                    strip.through_edges[index] += room.sweep_row(&faces, q, out);
                }
            }
        }
    }

    #[inline(always)]
    fn along_y(self) {
        let Self { air, strip, room, .. } = self;
        let Shape { ny, nx } = air.before.shape();
        let n = air.before.shape().stride();
        let count = strip.after.len() / n;
        let Room {
            share,
            per_depth,
            tracers: rooms,
        } = room;
        let (share, per_depth) = (&mut share[..n], &mut per_depth[..n]);
        for (tracer, room) in self.tracers.iter().zip(rooms.iter_mut()) {
            room.parabolas(tracer, strip.first - 1, true);
            room.left.swap(0, 1);
            room.right.swap(0, 1);
        }
        for row in strip.first..=strip.first + count {
            let per_area = |row: usize| 1.0 / air.metric.nominal_area_m2(row);
            let (south_area, here_area) = (per_area(row - 1), per_area(row));
            let (h0, h1) = (&air.before.full_row(row - 1)[..n], &air.before.full_row(row)[..n]);
            let fluxes = &air.fluxes.full_row(row)[..n];
            let inside = RIM..n - RIM;
            shares(
                &fluxes[inside.clone()],
                (&h0[inside.clone()], &h1[inside.clone()]),
                (south_area, here_area),
                &mut share[inside.clone()],
            );
            // The row south of this one is complete once its north faces are known.
            let part = row.checked_sub(strip.first + 1).map(|local| local * n..(local + 1) * n);
            if let Some(part) = part.clone() {
                let (south, after) = (&air.fluxes.full_row(row - 1)[..n], &mut strip.after[part]);
                let sides = [&south[inside.clone()], &fluxes[inside.clone()]];
                depths(
                    south_area,
                    &h0[inside.clone()],
                    (sides[0], sides[1]),
                    &mut after[inside.clone()],
                    &mut per_depth[inside.clone()],
                );
                if !self.around_poles {
                    strip.emptied = strip.emptied.or_else(|| emptied(row - 1, south_area, &h0[inside.clone()], sides));
                }
            }
            for (index, (tracer, room)) in self.tracers.iter().zip(rooms.iter_mut()).enumerate() {
                room.parabolas(tracer, row, false);
                room.flux(tracer, row, fluxes, share);
                if let Some(part) = part.clone() {
                    let q = &tracer.full_row(row - 1)[inside.clone()];
                    let faces = (&room.flux[0][inside.clone()], &room.flux[1][inside.clone()]);
                    let out = &mut strip.moved[index][part][inside.clone()];
                    update(south_area, &h0[inside.clone()], q, faces, &per_depth[inside.clone()], out);
                }
                // South edge of the first row of the domain and north edge of its last.
                if row == RIM {
                    strip.through_edges[index] += sum(&room.flux[1][RIM..RIM + nx]);
                }
                if row == RIM + ny {
                    strip.through_edges[index] -= sum(&room.flux[1][RIM..RIM + nx]);
                }
                for rows in [&mut room.left, &mut room.right, &mut room.flux] {
                    rows.swap(0, 1);
                }
            }
        }
    }
}

/// The first cell of a whole row that all but a thousandth of its air leaves, by its faces on both sides; slices of the cells inside.
#[inline(always)]
fn emptied(row: usize, per_area: f64, before: &[f64], [low, high]: [&[f64]; 2]) -> Option<Emptied> {
    let leaves = |low: f64, high: f64| (high.max(0.0) - low.min(0.0)) * per_area;
    let keeps = |((before, low), high): ((&f64, &f64), &f64)| leaves(*low, *high) <= 0.999 * before;
    let cells = || before.iter().zip(low).zip(high);
    if cells().fold(true, |all, cell| all & keeps(cell)) {
        return None;
    }
    let column = cells().position(|cell| !keeps(cell))?;
    Some(Emptied {
        row: row - RIM,
        column,
        share: leaves(low[column], high[column]) / before[column],
    })
}

/// Mean mixing ratio of the air that crosses a face: the part of the upstream parabola (left, mean, right) that holds as much air, a `share`
/// of its cell's.
#[inline(always)]
fn on_face(flux: f64, share: f64, behind: (f64, f64, f64), ahead: (f64, f64, f64)) -> f64 {
    let forward = flux > 0.0;
    let near = if forward { behind.2 } else { ahead.0 };
    let far = if forward { behind.0 } else { ahead.2 };
    let q = if forward { behind.1 } else { ahead.1 };
    let curve = 6.0 * q - 3.0 * (near + far);
    near - 0.5 * share * (near - far - curve * (1.0 - share * (2.0 / 3.0)))
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
