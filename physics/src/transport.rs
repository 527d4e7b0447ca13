//! Carries water and other tracers with the air that the core itself moved: conserving, never negative, and blind to a constant.

use std::{cell::RefCell, ops::Range};

use nowblend_field::wide::{Work, sum, wide};
use rayon::prelude::*;

use crate::{
    boundary::{self, Boundary},
    far_transport,
    metric::Metric,
    parabolas::{Cells, Parabolas, across, along, depths, edges, is_nought, parabolas_across, parabolas_along, shares, through, update},
    plane::{Plane, RIM, Rows, Shape},
    row::Row,
    shallow_water::Fluxes,
};

/// Rows that one task works on.
const STRIP: usize = 64;

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

    /// Carries `tracers` (rims filled) with `fluxes`; `depth` is that before the air moved, rim filled, and becomes one of nominal cells.
    /// Rims of the result are filled.
    ///
    /// A row goes through both directions while it is in the cache. Strips work out again what they need of their neighbours, so that what a
    /// row becomes does not depend on how rows are shared out.
    pub fn step(&mut self, metric: &Metric, boundary: &Boundary, fluxes: &Fluxes, depth: &mut Plane, tracers: &mut [Plane]) {
        self.through_edges.fill(0.0);
        self.emptied = None;
        metric.to_volume_depth(depth);
        let mut strips = strips(depth.shape(), &mut self.tracers);
        let (rows_first, depth, carried) = (self.rows_first, &*depth, &*tracers);
        strips.par_iter_mut().for_each(|strip| {
            ROOM.with_borrow_mut(|room| {
                room.fit(depth.shape().width(), carried.len());
                let air = Air {
                    metric,
                    boundary,
                    depth,
                    fluxes,
                };
                wide(Pass {
                    air,
                    rows_first,
                    tracers: carried,
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
        for (index, (tracer, moved)) in tracers.iter_mut().zip(&mut self.tracers).enumerate() {
            std::mem::swap(tracer, moved);
            boundary.close_tracer(index, tracer);
        }
        self.rows_first = !self.rows_first;
    }
}

/// What one task writes: the same whole rows of every tracer.
struct Strip<'a> {
    /// The first of them and the one after the last, whole rows.
    rows: Range<usize>,
    moved: Vec<Rows<'a>>,
    through_edges: Vec<f64>,
    emptied: Option<Emptied>,
}

fn strips(shape: Shape, moved: &mut [Plane]) -> Vec<Strip<'_>> {
    let tracers = moved.len();
    let mut strips: Vec<Strip<'_>> = (0..shape.ny)
        .step_by(STRIP)
        .map(|first| Strip {
            rows: RIM + first..RIM + (first + STRIP).min(shape.ny),
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
    along: Along,
    across: Across,
    /// Depths and tracers after the first direction: along the rows the last five rows, along the columns one.
    depth: [Row; KEPT],
    tracers: Vec<[Row; KEPT]>,
}

/// Rows that the parabolas of the middle one reach for.
const KEPT: usize = 5;

impl Room {
    fn fit(&mut self, size: usize, tracers: usize) {
        self.tracers.resize_with(tracers, Default::default);
        self.across.tracers.resize_with(tracers, AcrossRows::default);
        let across = self.across.tracers.iter_mut().flat_map(AcrossRows::all);
        let kept = self.tracers.iter_mut().flatten().chain(&mut self.depth);
        let shared = [&mut self.across.share, &mut self.across.after, &mut self.across.per_depth];
        for row in across.chain(kept).chain(shared).chain(self.along.all()) {
            row.fit(size);
        }
    }
}

/// What a row that is swept eastward is worked out in.
#[derive(Default)]
struct Along {
    /// Share of the air upstream that goes through each face.
    share: Row,
    /// Depth afterwards, and one over it.
    after: Row,
    per_depth: Row,
    left: Row,
    right: Row,
    flux: Row,
}

impl Along {
    fn all(&mut self) -> [&mut Row; 6] {
        let Self {
            share,
            after,
            per_depth,
            left,
            right,
            flux,
        } = self;
        [share, after, per_depth, left, right, flux]
    }

    /// What only the air decides: shares and depths of whole row `row`; whether its air crosses several cells.
    #[inline(always)]
    fn air(&mut self, air: &Air<'_>, row: usize, before: &[f64]) -> bool {
        let n = before.len();
        let (area, fluxes) = (air.metric.nominal_area_m2(row), air.fluxes.x.full_row(row));
        let per_area = 1.0 / area;
        let west_faces = RIM..n - RIM + 1;
        shares(
            &fluxes[west_faces.clone()],
            (&before[RIM - 1..n - RIM], &before[west_faces.clone()]),
            (per_area, per_area),
            &mut self.share[west_faces],
        );
        let inside = RIM..n - RIM;
        depths(
            per_area,
            &before[inside.clone()],
            (&fluxes[inside.clone()], &fluxes[RIM + 1..n - RIM + 1]),
            &mut self.after[inside.clone()],
            &mut self.per_depth[inside],
        );
        air.around_poles() && far_transport::is_far(area, before, fluxes)
    }

    /// Carries a tracer along whole row `row`; returns what came in through both ends.
    #[inline(always)]
    fn sweep(&mut self, air: &Air<'_>, row: usize, far: bool, before: &[f64], q: &[f64], out: &mut [f64]) -> f64 {
        let (area, fluxes) = (air.metric.nominal_area_m2(row), air.fluxes.x.full_row(row));
        if is_nought(q) {
            out.fill(0.0);
            return 0.0;
        }
        if far {
            self.sweep_far(area, before, fluxes, q, out);
            return 0.0;
        }
        self.sweep_near(area, before, fluxes, q, out)
    }

    /// One row around the globe whose air crosses several cells in a step.
    fn sweep_far(&mut self, area: f64, before: &[f64], fluxes: &[f64], q: &[f64], out: &mut [f64]) {
        let n = out.len();
        let (before, fluxes, q) = (&before[..n], &fluxes[..n], &q[..n]);
        let Self {
            after, left, right, flux, ..
        } = self;
        let cells = RIM - 1..n - RIM + 1;
        parabolas_along(q, cells.start, &mut left[cells.clone()], &mut right[cells]);
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
    fn sweep_near(&mut self, area: f64, before: &[f64], fluxes: &[f64], q: &[f64], out: &mut [f64]) -> f64 {
        let n = out.len();
        let inside = RIM..n - RIM;
        let cells = Cells {
            before: &before[inside.clone()],
            per_depth: &self.per_depth[inside.clone()],
            per_area: 1.0 / area,
        };
        let [west, east] = along((&fluxes[RIM..], &self.share[RIM..]), q, RIM, cells, &mut out[inside]);
        west - east
    }
}

/// What rows are carried northward in.
#[derive(Default)]
struct Across {
    share: Row,
    after: Row,
    per_depth: Row,
    tracers: Vec<AcrossRows>,
}

impl Across {
    /// Takes in a whole row with its depths (south, here) and tracers `q` (two rows on either side), from one row south of the strip on; the
    /// row south of it is carried once its north faces are known.
    #[inline(always)]
    fn take<'q>(
        &mut self,
        air: &Air<'_>,
        strip: &mut Strip<'_>,
        row: usize,
        [h0, h1]: [&[f64]; 2],
        q: impl Fn(usize) -> [&'q [f64]; KEPT],
    ) {
        let Shape { ny, nx } = air.depth.shape();
        let inside = RIM..RIM + nx;
        let per_area = |row: usize| 1.0 / air.metric.nominal_area_m2(row);
        let (south_area, here_area) = (per_area(row - 1), per_area(row));
        let (south, fluxes) = (air.fluxes.y.full_row(row - 1), air.fluxes.y.full_row(row));
        let has_faces = row >= strip.rows.start;
        let is_ready = row > strip.rows.start;
        if has_faces {
            shares(
                &fluxes[inside.clone()],
                (&h0[inside.clone()], &h1[inside.clone()]),
                (south_area, here_area),
                &mut self.share[inside.clone()],
            );
        }
        if is_ready {
            let sides = [&south[inside.clone()], &fluxes[inside.clone()]];
            depths(
                south_area,
                &h0[inside.clone()],
                (sides[0], sides[1]),
                &mut self.after[inside.clone()],
                &mut self.per_depth[inside.clone()],
            );
            strip.emptied = strip.emptied.or_else(|| air.emptied(row - 1, &h0[inside.clone()], sides));
        }
        for (index, rows) in self.tracers.iter_mut().enumerate() {
            let q = q(index);
            rows.parabolas(q, !has_faces);
            let cells = is_ready.then(|| Cells {
                before: &h0[inside.clone()],
                per_depth: &self.per_depth[inside.clone()],
                per_area: south_area,
            });
            if has_faces {
                rows.carry([q[1], q[2]], (fluxes, &self.share), cells);
            }
            // South edge of the first row of the domain and north edge of its last.
            if row == RIM {
                strip.through_edges[index] += sum(&rows.flux[1][inside.clone()]);
            }
            if row == RIM + ny {
                strip.through_edges[index] -= sum(&rows.flux[1][inside.clone()]);
            }
        }
    }
}

/// Rows of one tracer: of this row and of the one before.
#[derive(Default)]
struct AcrossRows {
    edge: [Row; 2],
    left: [Row; 2],
    right: [Row; 2],
    flux: [Row; 2],
    /// The row before, carried.
    out: Row,
    /// How many rows up to the last that parabolas reached for hold nothing.
    empty: usize,
}

impl AcrossRows {
    fn all(&mut self) -> impl Iterator<Item = &mut Row> {
        let Self {
            edge,
            left,
            right,
            flux,
            out,
            ..
        } = self;
        [edge, left, right, flux].into_iter().flatten().chain([out])
    }

    /// Parabolas along y of a row with its neighbours; the south edge is the north edge of the row before, unless this is the first.
    #[inline(always)]
    fn parabolas(&mut self, q: [&[f64]; 5], first: bool) {
        if first {
            self.empty = q[..KEPT - 1].iter().rev().take_while(|row| is_nought(row)).count();
        }
        self.empty = if is_nought(q[KEPT - 1]) { self.empty + 1 } else { 0 };
        let inside = RIM..q[0].len() - RIM;
        let q = q.map(|row| &row[inside.clone()]);
        for rows in [&mut self.left, &mut self.right, &mut self.flux] {
            rows.swap(0, 1);
        }
        let [south, north] = &mut self.edge;
        if self.empty >= KEPT {
            for row in [south, north, &mut self.left[1], &mut self.right[1]] {
                row.fill(0.0);
            }
            return;
        }
        if first {
            edges(q[0], q[1], q[2], q[3], &mut south[inside.clone()]);
        }
        parabolas_across(
            [q[1], q[2], q[3], q[4]],
            &south[inside.clone()],
            &mut north[inside.clone()],
            &mut self.left[1][inside.clone()],
            &mut self.right[1][inside],
        );
        self.edge.swap(0, 1);
    }

    /// What goes through the south faces of a row, and with `cells`, those of the row before, what becomes of these.
    #[inline(always)]
    fn carry(&mut self, [south, here]: [&[f64]; 2], (fluxes, share): (&[f64], &[f64]), cells: Option<Cells<'_>>) {
        let inside = RIM..here.len() - RIM;
        let [low, high] = &mut self.flux;
        let (low, out) = (&low[inside.clone()], &mut self.out[inside.clone()]);
        if self.empty > KEPT {
            high.fill(0.0);
            match cells {
                Some(_) if self.empty > KEPT + 1 => out.fill(0.0),
                Some(cells) => update(cells, &south[inside.clone()], (low, &high[inside]), out),
                None => {}
            }
            return;
        }
        let ([left0, left1], [right0, right1]) = (&self.left, &self.right);
        let (behind, ahead) = (
            Parabolas::of(left0, south, right0, inside.clone()),
            Parabolas::of(left1, here, right1, inside.clone()),
        );
        let (fluxes, share, high) = (&fluxes[inside.clone()], &share[inside.clone()], &mut high[inside.clone()]);
        match cells {
            Some(cells) => across((fluxes, share), [behind, ahead], cells, low, high, out),
            None => through(fluxes, share, behind, ahead, high),
        }
    }
}

/// How the air moves.
#[derive(Clone, Copy)]
struct Air<'a> {
    metric: &'a Metric,
    boundary: &'a Boundary,
    depth: &'a Plane,
    fluxes: &'a Fluxes,
}

impl Air<'_> {
    fn around_poles(&self) -> bool {
        matches!(self.boundary, Boundary::Globe)
    }

    /// The first cell of a whole row that the air leaves along the row.
    #[inline(always)]
    fn emptied_along(&self, row: usize, before: &[f64]) -> Option<Emptied> {
        let (inside, fluxes) = (RIM..before.len() - RIM, self.fluxes.x.full_row(row));
        let sides = [&fluxes[inside.clone()], &fluxes[inside.start + 1..=inside.end]];
        self.emptied(row, &before[inside], sides)
    }

    /// The same by the faces on two sides; slices of the cells inside. Around the globe some may lose more than they have.
    #[inline(always)]
    fn emptied(&self, row: usize, before: &[f64], sides: [&[f64]; 2]) -> Option<Emptied> {
        if self.around_poles() {
            return None;
        }
        emptied(row, 1.0 / self.metric.nominal_area_m2(row), before, sides)
    }
}

/// Both directions, one strip, all tracers.
struct Pass<'a, 'b> {
    air: Air<'a>,
    rows_first: bool,
    tracers: &'a [Plane],
    strip: &'a mut Strip<'b>,
    room: &'a mut Room,
}

impl Work for Pass<'_, '_> {
    #[inline(always)]
    fn run(self) {
        if self.rows_first { self.rows_first() } else { self.columns_first() }
    }
}

impl Pass<'_, '_> {
    #[inline(always)]
    fn rows_first(self) {
        let Self {
            air, tracers, strip, room, ..
        } = self;
        let Room {
            along,
            across,
            depth,
            tracers: kept,
        } = room;
        let own = strip.rows.clone();
        for row in own.start - RIM..own.end + RIM {
            let slot = row % KEPT;
            let (from, turned, outer) = air.boundary.beyond(row, air.depth.shape());
            let far = along.air(&air, from, air.depth.full_row(from));
            if own.contains(&row) {
                strip.emptied = strip.emptied.or_else(|| air.emptied_along(row, air.depth.full_row(row)));
            }
            depth[slot].copy_from_slice(outer.map_or(&along.after, |outer| outer.flow.h.full_row(row)));
            for (index, (tracer, kept)) in tracers.iter().zip(kept.iter_mut()).enumerate() {
                if let Some(outer) = outer.and_then(|outer| outer.tracers.get(index)) {
                    kept[slot].copy_from_slice(outer.full_row(row));
                    continue;
                }
                let through = along.sweep(&air, from, far, air.depth.full_row(from), tracer.full_row(from), &mut kept[slot]);
                if own.contains(&row) {
                    strip.through_edges[index] += through;
                }
            }
            if turned {
                let rows = kept.iter_mut().map(|kept| &mut kept[slot]).chain([&mut depth[slot]]);
                rows.for_each(|row| boundary::turn_row(row));
            }
            // The parabolas of a row reach two rows farther.
            if row > own.start {
                let row = row - 2;
                let q = |index: usize| std::array::from_fn(|d| &kept[index][(row + d - 2) % KEPT][..]);
                across.take(&air, strip, row, [&depth[(row - 1) % KEPT], &depth[row % KEPT]], q);
                if row > own.start {
                    for (moved, rows) in strip.moved.iter_mut().zip(&across.tracers) {
                        moved.row_mut(row - 1 - own.start).copy_from_slice(&rows.out);
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn columns_first(self) {
        let Self {
            air, tracers, strip, room, ..
        } = self;
        let Room { along, across, .. } = room;
        let shape = air.depth.shape();
        let own = strip.rows.clone();
        for row in own.start - 1..=own.end {
            let q = |index: usize| std::array::from_fn(|d| tracers[index].full_row(row + d - 2));
            across.take(&air, strip, row, [air.depth.full_row(row - 1), air.depth.full_row(row)], q);
            if row <= own.start {
                continue;
            }
            let row = row - 1;
            air.boundary.close_depth_row(&mut across.after, row, shape);
            let far = along.air(&air, row, &across.after);
            strip.emptied = strip.emptied.or_else(|| air.emptied_along(row, &across.after));
            for (index, rows) in across.tracers.iter_mut().enumerate() {
                air.boundary.close_tracer_row(index, &mut rows.out, row, shape);
                let out = strip.moved[index].row_mut(row - own.start);
                strip.through_edges[index] += along.sweep(&air, row, far, &across.after, &rows.out, out);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Rotation;

    /// Two tracers carried by a rough wind for eight steps: a patch alone, and the same over a background that is next to nothing but keeps
    /// every row from being left out.
    #[test]
    fn rows_that_hold_nothing_are_left_out_without_a_trace() {
        let shape = Shape { ny: 40, nx: 18 };
        let metric = Metric::plane(shape, 2000.0, 2000.0, Rotation::Constant(0.0));
        let wave = |j: isize, i: isize| ((0.3 * j as f64).sin() + (0.7 * i as f64).cos()) * 1e8;
        for boundary in [Boundary::Periodic, Boundary::Walls] {
            let mut fluxes = Fluxes::none(shape);
            fluxes.x = Plane::from_fn(shape, |j, i| if i > 0 && i < 18 { wave(j, i) } else { 0.0 });
            fluxes.y = Plane::from_fn(shape, |j, i| if j > 0 && j < 40 { wave(i, j) } else { 0.0 });
            let patch = |least: f64| {
                Plane::from_fn(shape, |j, i| {
                    if (10..15).contains(&j) && (4..9).contains(&i) {
                        1e-3
                    } else {
                        least
                    }
                })
            };
            let mut tracers = [patch(0.0), patch(1e-200)];
            let mut transport = Transport::new(shape, 2);
            for (index, tracer) in tracers.iter_mut().enumerate() {
                boundary.close_tracer(index, tracer);
            }
            for _ in 0..8 {
                let mut depth = Plane::constant(shape, 500.0);
                transport.step(&metric, &boundary, &fluxes, &mut depth, &mut tracers);
            }
            assert!(transport.emptied().is_none());
            for j in 0..shape.ny {
                for (alone, over) in tracers[0].row(j).iter().zip(tracers[1].row(j)) {
                    assert!((alone - over).abs() < 1e-199, "{alone:e} against {over:e} in row {j}, {boundary:?}");
                }
            }
            // Eight steps reach at most eight rows and three more; what lies beyond is exactly nothing.
            assert!(tracers[0].row(30).iter().all(|q| *q == 0.0) && tracers[0].row(16).iter().any(|q| *q > 0.0));
        }
    }
}
