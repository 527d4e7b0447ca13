//! What lies around the domain: the domain again, walls, what is beyond the poles, or a given outer state that the flow is led to along the edges.

use rayon::prelude::*;

use crate::{
    plane::{Plane, RIM, Shape},
    shallow_water::Flow,
};

/// Where on the C-grid a field's values lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Middle of the cell.
    Centre,
    /// West face: the eastward wind.
    WestFace,
    /// South face: the northward wind.
    SouthFace,
}

/// The edges of the domain.
#[derive(Debug, Clone)]
pub enum Boundary {
    /// What leaves in the east comes back in the west, and so northward.
    Periodic,
    /// Free-slip walls on all sides.
    Walls,
    /// Around the globe: the rows close on themselves, and beyond a pole lies the far side, where east and north point the other way.
    Globe,
    /// Open: beyond the edge is an outer state, and cells near it are relaxed towards it.
    Open(Box<Outer>),
}

/// The state beyond an open edge, and how strongly the zone along the edge is led to it.
#[derive(Debug, Clone)]
pub struct Outer {
    /// Depth and wind everywhere; only the rim and the zone are used.
    pub flow: Flow,
    /// Mixing ratios of what the air carries, in the order of [`crate::transport`]'s tracers.
    pub tracers: Vec<Plane>,
    /// Relaxation of cells and faces by their distance from the edge.
    pub relaxation: Relaxation,
    /// What is beyond the edge later, in the order of time; nothing changes without.
    pub later: Vec<Later>,
}

/// The state beyond an open edge at a time.
#[derive(Debug, Clone)]
pub struct Later {
    /// Seconds since the start.
    pub time_s: f64,
    /// Depth and wind.
    pub flow: Flow,
    /// Mixing ratios of what the air carries.
    pub tracers: Vec<Plane>,
}

impl Outer {
    /// The state that it has now, at the start.
    pub fn now(&self) -> Later {
        Later {
            time_s: 0.0,
            flow: self.flow.clone(),
            tracers: self.tracers.clone(),
        }
    }

    /// Becomes what is beyond the edge at a time, s: linear in time between the states that are known, the last of them after that.
    ///
    /// To go back in time, or to resume a run that was stopped, `later` must hold a state of the start, too.
    pub(crate) fn move_to(&mut self, time_s: f64) {
        if self.later.is_empty() {
            return;
        }
        if self.later[0].time_s > 0.0 {
            let start = self.now();
            self.later.insert(0, start);
        }
        let next = self.later.partition_point(|l| l.time_s <= time_s).min(self.later.len() - 1);
        let (before, after) = (&self.later[next.max(1) - 1], &self.later[next]);
        let span = after.time_s - before.time_s;
        let share = if span > 0.0 {
            ((time_s - before.time_s) / span).clamp(0.0, 1.0)
        } else {
            1.0
        };
        let pairs = [
            (&mut self.flow.h, &before.flow.h, &after.flow.h),
            (&mut self.flow.u, &before.flow.u, &after.flow.u),
            (&mut self.flow.v, &before.flow.v, &after.flow.v),
        ];
        let tracers = self.tracers.iter_mut().zip(&before.tracers).zip(&after.tracers);
        for (now, before, after) in pairs.into_iter().chain(tracers.map(|((n, b), a)| (n, b, a))) {
            now.mix(before, after, share);
        }
    }
}

/// Davies relaxation: the rate falls from 1 / `time_s` on the edge to nought `cells` inside as the square of the distance.
///
/// # Source
///
/// Davies, H. C., 1976: A lateral boundary formulation for multi-level prediction models. Quart. J. Roy. Meteor. Soc., 102,
/// 405-418, doi:10.1002/qj.49710243210 (the zone; the quadratic profile is ours).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Relaxation {
    /// Width of the zone, cells.
    pub cells: usize,
    /// Time constant on the edge, s.
    pub time_s: f64,
}

impl Relaxation {
    /// Share of the way to the outer state that a point `distance` cells inside the edge goes in `dt` seconds.
    pub fn share(&self, distance: f64, dt: f64) -> f64 {
        let depth = 1.0 - distance / self.cells.max(1) as f64;
        if depth <= 0.0 {
            return 0.0;
        }
        let rate = depth * depth * dt / self.time_s;
        rate / (1.0 + rate)
    }
}

impl Boundary {
    /// Fills the rims, and the faces on the edge itself, of a flow.
    pub(crate) fn close_flow(&self, flow: &mut Flow) {
        let outer = match self {
            Self::Open(outer) => Some(&outer.flow),
            _ => None,
        };
        self.close(&mut flow.h, Place::Centre, outer.map(|o| &o.h));
        self.close(&mut flow.u, Place::WestFace, outer.map(|o| &o.u));
        self.close(&mut flow.v, Place::SouthFace, outer.map(|o| &o.v));
    }

    /// The same where the rows inside are closed already; not for what lies beyond poles.
    pub(crate) fn close_flow_beyond(&self, flow: &mut Flow) {
        let outer = match self {
            Self::Open(outer) => Some(&outer.flow),
            _ => None,
        };
        let planes = [
            (&mut flow.h, Place::Centre, outer.map(|o| &o.h)),
            (&mut flow.u, Place::WestFace, outer.map(|o| &o.u)),
            (&mut flow.v, Place::SouthFace, outer.map(|o| &o.v)),
        ];
        for (plane, place, outer) in planes {
            match (self, outer) {
                (Self::Periodic | Self::Globe, _) => repeat_beyond(plane),
                (_, Some(outer)) => surround_beyond(plane, place, outer),
                (_, None) => mirror_beyond(plane, place),
            }
        }
    }

    /// Fills the rim of tracer `index`.
    pub(crate) fn close_tracer(&self, index: usize, tracer: &mut Plane) {
        let outer = match self {
            Self::Open(outer) => outer.tracers.get(index),
            _ => None,
        };
        self.close(tracer, Place::Centre, outer);
    }

    /// Fills the rim of a depth.
    pub(crate) fn close_depth(&self, depth: &mut Plane) {
        let outer = match self {
            Self::Open(outer) => Some(&outer.flow.h),
            _ => None,
        };
        self.close(depth, Place::Centre, outer);
    }

    /// West faces on the edge are computed only where the domain repeats; else they are given.
    pub(crate) fn first_west_face(&self) -> usize {
        match self {
            Self::Periodic | Self::Globe => 0,
            Self::Walls | Self::Open(_) => 1,
        }
    }

    /// The same for south faces; those at a pole have no width.
    pub(crate) fn first_south_face(&self) -> usize {
        match self {
            Self::Periodic => 0,
            Self::Walls | Self::Globe | Self::Open(_) => 1,
        }
    }

    fn close(&self, plane: &mut Plane, place: Place, outer: Option<&Plane>) {
        match self {
            Self::Periodic => repeat(plane),
            Self::Walls => mirror(plane, place),
            Self::Globe => cross_poles(plane, place),
            Self::Open(_) => match outer {
                Some(outer) => surround(plane, place, outer),
                None => mirror(plane, Place::Centre),
            },
        }
    }

    /// Fills the rims of a single whole row of a flow, and gives it what is given; those beyond poles need their whole plane.
    pub(crate) fn close_row(&self, values: &mut [f64], place: Place, full_row: usize, shape: Shape) {
        let outer = match self {
            Self::Open(outer) => Some(outer.flow.at(place)),
            _ => None,
        };
        self.close_row_to(values, place, full_row, outer, shape);
    }

    /// The same for a row of depths inside.
    pub(crate) fn close_depth_row(&self, values: &mut [f64], full_row: usize, shape: Shape) {
        self.close_row(values, Place::Centre, full_row, shape);
    }

    /// The same for a row of tracer `index` inside.
    pub(crate) fn close_tracer_row(&self, index: usize, values: &mut [f64], full_row: usize, shape: Shape) {
        let outer = match self {
            Self::Open(outer) => outer.tracers.get(index),
            _ => None,
        };
        self.close_row_to(values, Place::Centre, full_row, outer, shape);
    }

    fn close_row_to(&self, values: &mut [f64], place: Place, full_row: usize, outer: Option<&Plane>, shape: Shape) {
        match (self, outer) {
            (Self::Periodic | Self::Globe, _) => repeat_row(values, shape.nx),
            (Self::Open(_), Some(outer)) => surround_row(values, place, full_row, outer.full_row(full_row), shape),
            (Self::Walls | Self::Open(_), _) => mirror_row(values, place, full_row, shape),
        }
    }

    /// Which whole row inside a row of cells is, repeats or mirrors; whether it must be turned by half the way around the globe; and the state
    /// that it has instead beyond an open edge.
    pub(crate) fn beyond(&self, full_row: usize, Shape { ny, .. }: Shape) -> (usize, bool, Option<&Outer>) {
        if (RIM..RIM + ny).contains(&full_row) {
            return (full_row, false, None);
        }
        let mirrored = if full_row < RIM {
            RIM + (RIM - 1 - full_row).min(ny - 1)
        } else {
            RIM + ny - 1 - (full_row - RIM - ny).min(ny - 1)
        };
        match self {
            Self::Periodic => (RIM + (full_row + RIM * ny - RIM) % ny, false, None),
            Self::Walls => (mirrored, false, None),
            Self::Globe => (mirrored, true, None),
            Self::Open(outer) => (mirrored, false, Some(outer)),
        }
    }

    /// Fills whole row `row` beyond walls or an open edge, counted from the south of the domain, from closed rows inside.
    pub(crate) fn fill_row_beyond<'a>(
        &self,
        values: &mut [f64],
        place: Place,
        row: isize,
        ny: isize,
        inside: impl FnOnce(isize) -> &'a [f64],
    ) {
        if let Self::Open(outer) = self {
            values.copy_from_slice(outer.flow.at(place).full_row((row + RIM as isize) as usize));
        } else if place == Place::SouthFace {
            let axis = if row < 0 { 0 } else { ny };
            if row == axis {
                values.fill(0.0);
            } else {
                values.copy_from_slice(inside(2 * axis - row));
                values.iter_mut().for_each(|v| *v = -*v);
            }
        } else {
            let axis = if row < 0 { -1 } else { 2 * ny - 1 };
            values.copy_from_slice(inside(axis - row));
        }
    }

    /// Leads the flow towards the outer state along open edges, `dt` seconds' worth. Tracers need no lead: they come in with the air.
    ///
    /// Returns the sums over the cells (j, i) of `gained(j, i, by how much it grew deeper, m)`.
    pub(crate) fn relax(&self, dt: f64, flow: &mut Flow, gained: impl Fn(usize, usize, f64) -> [f64; 2] + Sync) -> [f64; 2] {
        let Self::Open(outer) = self else { return [0.0; 2] };
        if outer.relaxation.cells == 0 {
            return [0.0; 2];
        }
        let zone = Zone {
            shape: flow.h.shape(),
            relaxation: outer.relaxation,
            dt,
        };
        zone.lead(&mut flow.u, &outer.flow.u, 0.5, 0.0, |_, _, _| [0.0; 2]);
        zone.lead(&mut flow.v, &outer.flow.v, 0.0, 0.5, |_, _, _| [0.0; 2]);
        zone.lead(&mut flow.h, &outer.flow.h, 0.5, 0.5, gained)
    }
}

struct Zone {
    shape: Shape,
    relaxation: Relaxation,
    dt: f64,
}

impl Zone {
    /// Relaxes a plane whose first value lies `(south, west)` cells inside the edges; returns the sums of what that gained, row by row.
    fn lead(
        &self,
        plane: &mut Plane,
        outer: &Plane,
        south: f64,
        west: f64,
        gained: impl Fn(usize, usize, f64) -> [f64; 2] + Sync,
    ) -> [f64; 2] {
        let Shape { ny, nx } = self.shape;
        let reach = self.relaxation.cells;
        let distance = |k: usize, first: f64, n: usize| (k as f64 + first).min(n as f64 - k as f64 - first);
        let rows = plane.rows_mut().enumerate().map(|(j, row)| {
            let to = outer.full_row(j + RIM);
            let from_south = distance(j, south, ny);
            let mut sums = [0.0; 2];
            let mut lead = |i: usize| {
                let share = self.relaxation.share(from_south.min(distance(i, west, nx)), self.dt);
                let change = share * (to[i + RIM] - row[i + RIM]);
                row[i + RIM] += change;
                let gained = gained(j, i, change);
                sums = [sums[0] + gained[0], sums[1] + gained[1]];
            };
            if from_south < reach as f64 || 2 * reach >= nx {
                (0..nx).for_each(&mut lead);
            } else {
                (0..reach).for_each(&mut lead);
                (nx - reach..nx).for_each(&mut lead);
            }
            sums
        });
        let rows: Vec<[f64; 2]> = rows.collect();
        rows.iter().fold([0.0; 2], |sums, row| [sums[0] + row[0], sums[1] + row[1]])
    }
}

fn repeat_row(values: &mut [f64], nx: usize) {
    for k in 0..RIM {
        values[k] = values[RIM + (nx * RIM - RIM + k) % nx];
        values[RIM + nx + k] = values[RIM + k % nx];
    }
}

/// Turns what is inside a whole row by half the way around the globe.
pub(crate) fn turn_row(values: &mut [f64]) {
    let inside = RIM..values.len() - RIM;
    let half = inside.len() / 2;
    let (west, east) = values[inside].split_at_mut(half);
    west.swap_with_slice(east);
}

/// Closes the rows and puts the far side beyond each pole; no wind blows through a face of no width.
fn cross_poles(plane: &mut Plane, place: Place) {
    let Shape { ny, nx } = plane.shape();
    let sign = if place == Place::Centre { 1.0 } else { -1.0 };
    let on_pole = place == Place::SouthFace;
    if on_pole {
        plane.full_row_mut(RIM).fill(0.0);
        plane.full_row_mut(RIM + ny).fill(0.0);
    }
    for row in RIM..RIM + ny {
        repeat_row(plane.full_row_mut(row), nx);
    }
    // Faces lie on the poles themselves, so that they mirror one row farther in.
    let (skip, last) = if on_pole { (1, ny) } else { (0, ny - 1) };
    let mut beyond = |from: usize, to: usize| {
        plane.copy_row(from, to);
        let values = plane.full_row_mut(to);
        turn_row(values);
        values.iter_mut().for_each(|v| *v *= sign);
        repeat_row(values, nx);
    };
    for k in 0..RIM {
        beyond(RIM + (k + skip).min(ny - 1), RIM - 1 - k);
    }
    for k in 0..RIM - skip {
        beyond(RIM + last - (k + skip).min(ny - 1), RIM + last + 1 + k);
    }
}

fn repeat(plane: &mut Plane) {
    let Shape { ny, nx } = plane.shape();
    for row in RIM..RIM + ny {
        repeat_row(plane.full_row_mut(row), nx);
    }
    repeat_beyond(plane);
}

fn repeat_beyond(plane: &mut Plane) {
    let ny = plane.shape().ny;
    for k in 0..RIM {
        plane.copy_row(RIM + (ny * RIM - RIM + k) % ny, k);
        plane.copy_row(RIM + k % ny, RIM + ny + k);
    }
}

/// Reflects a row at its walls; the wind through a wall is nought there and changes sign beyond.
fn mirror_row(values: &mut [f64], place: Place, full_row: usize, Shape { ny, nx }: Shape) {
    let inside = |k: usize| k.min(nx - 1);
    if place == Place::SouthFace && (full_row == RIM || full_row == RIM + ny) {
        values.fill(0.0);
    } else if place == Place::WestFace {
        values[RIM] = 0.0;
        values[RIM + nx] = 0.0;
        for k in 1..RIM {
            values[RIM - k] = -values[RIM + inside(k)];
            values[RIM + nx + k] = -values[RIM + nx - inside(k)];
        }
        values[0] = -values[RIM + inside(RIM)];
    } else {
        for k in 0..RIM {
            values[RIM - 1 - k] = values[RIM + inside(k)];
            values[RIM + nx + k] = values[RIM + nx - 1 - inside(k)];
        }
    }
}

/// Reflects at the walls.
fn mirror(plane: &mut Plane, place: Place) {
    let shape = plane.shape();
    for row in RIM..RIM + shape.ny {
        mirror_row(plane.full_row_mut(row), place, row, shape);
    }
    mirror_beyond(plane, place);
}

fn mirror_beyond(plane: &mut Plane, place: Place) {
    let ny = plane.shape().ny;
    let inside = |k: usize, n: usize| k.min(n - 1);
    if place == Place::SouthFace {
        plane.full_row_mut(RIM + ny).fill(0.0);
        for k in 1..=RIM {
            plane.copy_row(RIM + inside(k, ny), RIM - k);
            plane.full_row_mut(RIM - k).iter_mut().for_each(|v| *v = -*v);
            if k < RIM {
                plane.copy_row(RIM + ny - inside(k, ny), RIM + ny + k);
                plane.full_row_mut(RIM + ny + k).iter_mut().for_each(|v| *v = -*v);
            }
        }
    } else {
        for k in 0..RIM {
            plane.copy_row(RIM + inside(k, ny), RIM - 1 - k);
            plane.copy_row(RIM + ny - 1 - inside(k, ny), RIM + ny + k);
        }
    }
}

fn surround(plane: &mut Plane, place: Place, outer: &Plane) {
    let shape = plane.shape();
    for row in 0..shape.rows() {
        surround_row(plane.full_row_mut(row), place, row, outer.full_row(row), shape);
    }
}

fn surround_beyond(plane: &mut Plane, place: Place, outer: &Plane) {
    let shape = plane.shape();
    for row in (0..RIM).chain(RIM + shape.ny..shape.rows()) {
        surround_row(plane.full_row_mut(row), place, row, outer.full_row(row), shape);
    }
}

/// Takes what lies outside the domain, and on its edge, from a row of the outer state.
fn surround_row(values: &mut [f64], place: Place, full_row: usize, outer: &[f64], Shape { ny, nx }: Shape) {
    let (first_row, first_column) = match place {
        Place::Centre => (RIM, RIM),
        Place::WestFace => (RIM, RIM + 1),
        Place::SouthFace => (RIM + 1, RIM),
    };
    if (first_row..RIM + ny).contains(&full_row) {
        values[..first_column].copy_from_slice(&outer[..first_column]);
        values[RIM + nx..].copy_from_slice(&outer[RIM + nx..]);
    } else {
        values.copy_from_slice(outer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { ny: 4, nx: 5 };

    #[test]
    fn a_periodic_rim_repeats_the_far_side() {
        let mut plane = Plane::from_fn(SHAPE, |j, i| (10 * j + i) as f64);
        Boundary::Periodic.close(&mut plane, Place::Centre, None);
        assert_eq!(plane.at(0, -1), 4.0);
        assert_eq!(plane.at(-1, 5), 30.0);
        assert_eq!(plane.at(6, 7), 22.0);
    }

    #[test]
    fn nothing_blows_through_a_wall_and_depth_is_level_there() {
        let mut u = Plane::from_fn(SHAPE, |j, i| (10 * j + i + 1) as f64);
        Boundary::Walls.close(&mut u, Place::WestFace, None);
        assert_eq!((u.at(2, 0), u.at(2, 5)), (0.0, 0.0));
        assert_eq!((u.at(2, -1), u.at(2, 6)), (-22.0, -25.0));
        assert_eq!(u.at(-1, 2), u.at(0, 2));
        let mut v = Plane::from_fn(SHAPE, |j, i| (10 * j + i + 1) as f64);
        Boundary::Walls.close(&mut v, Place::SouthFace, None);
        assert_eq!((v.at(0, 2), v.at(4, 2)), (0.0, 0.0));
        assert_eq!((v.at(-1, 2), v.at(5, 2)), (-13.0, -33.0));
        let mut h = Plane::from_fn(SHAPE, |j, i| (10 * j + i + 1) as f64);
        Boundary::Walls.close(&mut h, Place::Centre, None);
        assert_eq!((h.at(1, -1), h.at(1, -2), h.at(4, 3), h.at(5, 3)), (11.0, 12.0, 34.0, 24.0));
    }

    #[test]
    fn beyond_a_pole_lies_the_far_side_and_the_wind_turns() {
        let shape = Shape { ny: 4, nx: 8 };
        let value = |j: isize, i: isize| (10 * j + i + 1) as f64;
        let closed = |place| {
            let mut plane = Plane::from_fn(shape, value);
            Boundary::Globe.close(&mut plane, place, None);
            plane
        };
        let h = closed(Place::Centre);
        assert_eq!((h.at(-1, 1), h.at(-2, 6), h.at(4, 0), h.at(6, 7)), (6.0, 13.0, 35.0, 14.0));
        assert_eq!((h.at(1, -1), h.at(1, 9), h.at(-1, -1)), (18.0, 12.0, 4.0));
        let u = closed(Place::WestFace);
        assert_eq!((u.at(-1, 1), u.at(4, 0)), (-6.0, -35.0));
        // South faces 0 and 4 are the poles; face 1 lies one row from the south pole, face 3 one row from the north pole.
        let v = closed(Place::SouthFace);
        assert_eq!((v.at(0, 3), v.at(4, 3)), (0.0, 0.0));
        assert_eq!((v.at(-1, 1), v.at(5, 1), v.at(6, 0)), (-16.0, -36.0, -25.0));
    }

    #[test]
    fn relaxation_is_strongest_on_the_edge_and_ends_inside() {
        let relaxation = Relaxation { cells: 8, time_s: 60.0 };
        // On the edge, dt = 60 s: rate 1, share 1 / (1 + 1).
        assert!((relaxation.share(0.0, 60.0) - 0.5).abs() < 1e-15);
        // Half-way: rate 1/4, share 0.25 / 1.25.
        assert!((relaxation.share(4.0, 60.0) - 0.2).abs() < 1e-15);
        assert_eq!(relaxation.share(8.0, 60.0), 0.0);
    }
}
