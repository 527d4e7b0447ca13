//! The equations of one rotating layer of air: how depth and wind change, on a C-grid that keeps mass, energy and potential enstrophy.

use std::cell::RefCell;

use rayon::prelude::*;

use crate::{
    boundary::Boundary,
    metric::Metric,
    plane::{Plane, RIM, Shape},
    time_integration::{Stage, System},
    wide::{Work, wide},
    widths::Widths,
};

/// Rows that one task works on, with its fluxes and vorticities in the cache.
const STRIP: usize = 32;

/// Depth in the middle of the cells, wind on their faces.
#[derive(Debug, Clone, PartialEq)]
pub struct Flow {
    /// Depth h, m.
    pub h: Plane,
    /// Eastward wind on west faces, m s⁻¹.
    pub u: Plane,
    /// Northward wind on south faces, m s⁻¹.
    pub v: Plane,
}

impl Flow {
    /// Air at rest, `depth_m` deep.
    pub fn rest(shape: Shape, depth_m: f64) -> Self {
        Self {
            h: Plane::constant(shape, depth_m),
            u: Plane::constant(shape, 0.0),
            v: Plane::constant(shape, 0.0),
        }
    }
}

/// Air that went through west and south faces, m³: the step's own fluxes, which carry the tracers.
#[derive(Debug, Clone)]
pub struct Fluxes {
    /// Eastward through west faces.
    pub x: Plane,
    /// Northward through south faces.
    pub y: Plane,
}

impl Fluxes {
    pub(crate) fn none(shape: Shape) -> Self {
        Self {
            x: Plane::constant(shape, 0.0),
            y: Plane::constant(shape, 0.0),
        }
    }

    pub(crate) fn clear(&mut self) {
        self.x.fill(0.0);
        self.y.fill(0.0);
    }
}

/// The shallow-water equations in vector-invariant form over orography hs:
///
/// ∂u/∂t = q F_y - ∂x [K + g (h + hs)], ∂v/∂t = -q F_x - ∂y [K + g (h + hs)], ∂h/∂t = -∇·F,
///
/// with F = h v, K = |v|²/2 and potential vorticity q = (ζ + f)/h. The fluxes are centred; q F is averaged so that neither energy
/// nor potential enstrophy Σ h q²/2 changes by it.
///
/// # Source
///
/// Arakawa, A. and V. R. Lamb, 1981: A potential enstrophy and energy conserving scheme for the shallow water equations.
/// Mon. Wea. Rev., 109, 18-36, doi:10.1175/1520-0493(1981)109<0018:APEAEC>2.0.CO;2.
pub struct ShallowWaterEquations<'a> {
    /// Geometry.
    pub metric: &'a Metric,
    /// Edges.
    pub boundary: &'a Boundary,
    /// Height of the ground hs, m; rim included.
    pub orography: &'a Plane,
    /// Gravity, m s⁻².
    pub gravity: f64,
    /// Where the air that moves through the faces is added up, if anyone asks.
    pub fluxes: Option<&'a mut Fluxes>,
}

impl System for ShallowWaterEquations<'_> {
    type State = Flow;

    fn stage(&mut self, stage: Stage, y: &Flow, old: &Flow, into: &mut Flow) {
        let equations = Equations {
            metric: self.metric,
            orography: self.orography,
            gravity: self.gravity,
            first_west_face: self.boundary.first_west_face(),
            first_south_face: self.boundary.first_south_face(),
            stage,
        };
        match self.metric.varied() {
            None => self.every_strip(&equations, |row| self.metric.even(row), y, old, into),
            Some(varied) => self.every_strip(&equations, |row| varied.row(row), y, old, into),
        }
        self.boundary.close_flow(into);
    }
}

impl ShallowWaterEquations<'_> {
    fn every_strip<W: Widths>(
        &mut self,
        equations: &Equations<'_>,
        widths: impl Fn(usize) -> W + Sync,
        y: &Flow,
        old: &Flow,
        into: &mut Flow,
    ) {
        let Flow { h, u, v } = into;
        let mut strips: Vec<Writes<'_>> = h
            .groups_mut(STRIP)
            .zip(u.groups_mut(STRIP))
            .zip(v.groups_mut(STRIP))
            .map(|((h, u), v)| Writes { h, u, v, fluxes: None })
            .collect();
        if let Some(Fluxes { x, y }) = self.fluxes.as_deref_mut() {
            for (strip, fluxes) in strips.iter_mut().zip(x.groups_mut(STRIP).zip(y.groups_mut(STRIP))) {
                strip.fluxes = Some(fluxes);
            }
        }
        strips.into_par_iter().enumerate().for_each(|(strip, writes)| {
            ROOM.with_borrow_mut(|room| {
                wide(Strip {
                    equations,
                    widths: &widths,
                    first: strip * STRIP,
                    y,
                    old,
                    writes,
                    room,
                });
            });
        });
        if let Some(fluxes) = self.fluxes.as_deref_mut() {
            equations.last_faces(&widths, y, &mut fluxes.y);
        }
    }
}

/// Some rows of one stage.
struct Strip<'a, F> {
    equations: &'a Equations<'a>,
    widths: &'a F,
    first: usize,
    y: &'a Flow,
    old: &'a Flow,
    writes: Writes<'a>,
    room: &'a mut Room,
}

impl<W: Widths, F: Fn(usize) -> W> Work for Strip<'_, F> {
    #[inline(always)]
    fn run(mut self) {
        self.equations
            .strip(self.widths, self.first, self.y, self.old, &mut self.writes, self.room);
    }
}

/// What one task writes: the same whole rows of each field.
struct Writes<'a> {
    h: &'a mut [f64],
    u: &'a mut [f64],
    v: &'a mut [f64],
    fluxes: Option<(&'a mut [f64], &'a mut [f64])>,
}

/// Three rows each of fluxes, potential vorticity and Bernoulli function: those that the tendencies of the middle one need.
#[derive(Default)]
struct Room {
    flux_x: [Vec<f64>; 3],
    flux_y: [Vec<f64>; 3],
    vorticity: [Vec<f64>; 3],
    bernoulli: [Vec<f64>; 3],
    /// Nought, and a tendency that waits to be filtered.
    nothing: Vec<f64>,
    tendency: Vec<f64>,
}

thread_local! {
    static ROOM: RefCell<Room> = RefCell::default();
}

impl Room {
    fn fit(&mut self, size: usize) {
        let rows = [&mut self.flux_x, &mut self.flux_y, &mut self.vorticity, &mut self.bernoulli];
        for row in rows.into_iter().flatten().chain([&mut self.nothing, &mut self.tendency]) {
            row.resize(size, 0.0);
        }
    }
}

struct Equations<'a> {
    metric: &'a Metric,
    orography: &'a Plane,
    gravity: f64,
    first_west_face: usize,
    first_south_face: usize,
    stage: Stage,
}

impl Equations<'_> {
    #[inline(always)]
    fn strip<W: Widths>(&self, widths: &impl Fn(usize) -> W, first: usize, y: &Flow, old: &Flow, writes: &mut Writes<'_>, room: &mut Room) {
        let stride = y.h.shape().stride();
        let count = writes.h.len() / stride;
        room.fit(stride);
        // From one row south of the strip to one row north of it; each new row overwrites the oldest of three.
        for k in 0..count + 2 {
            let row = first + RIM - 1 + k;
            self.fill(widths(row), row, y, room, k % 3);
            if k < 2 {
                continue;
            }
            let local = k - 2;
            let row = row - 1;
            let w = widths(row);
            let part = local * stride..(local + 1) * stride;
            let Room {
                flux_x,
                flux_y,
                vorticity,
                bernoulli,
                nothing,
                tendency,
            } = &mut *room;
            let [south, here, north] = [0, 1, 2].map(|d| (local + d) % 3);
            let near = Near {
                flux_x: [south, here].map(|at| &flux_x[at][..]),
                flux_y: [south, here, north].map(|at| &flux_y[at][..]),
                vorticity: [south, here, north].map(|at| &vorticity[at][..]),
                bernoulli: [south, here].map(|at| &bernoulli[at][..]),
            };
            self.depth(w, &near, (y.h.full_row(row), old.h.full_row(row)), &mut writes.h[part.clone()]);
            let (u, old_u, new_u) = (y.u.full_row(row), old.u.full_row(row), &mut writes.u[part.clone()]);
            let (v, old_v, new_v) = (y.v.full_row(row), old.v.full_row(row), &mut writes.v[part.clone()]);
            match self.metric.filter() {
                Some(filter) if filter.acts_on(row) => {
                    let alone = Stage {
                        old: 0.0,
                        new: 1.0,
                        ..self.stage
                    };
                    let nothing = &nothing[..stride];
                    let tendency = &mut tendency[..stride];
                    self.eastward(w, alone, &near, (nothing, nothing), tendency);
                    filter.cells(row, tendency);
                    self.stage.combine(u, old_u, tendency, new_u);
                    if row >= RIM + self.first_south_face {
                        self.northward(w, alone, &near, (nothing, nothing), tendency);
                        filter.faces(row, tendency);
                        self.stage.combine(v, old_v, tendency, new_v);
                    }
                }
                _ => {
                    self.eastward(w, self.stage, &near, (u, old_u), new_u);
                    if row >= RIM + self.first_south_face {
                        self.northward(w, self.stage, &near, (v, old_v), new_v);
                    }
                }
            }
            if let Some((x, y)) = &mut writes.fluxes {
                let weight = self.stage.share * self.stage.dt;
                accumulate(&mut x[part.clone()], near.flux_x[1], weight);
                accumulate(&mut y[part], near.flux_y[1], weight);
            }
        }
    }

    /// Fluxes, vorticity and Bernoulli function of whole row `row`.
    #[inline(always)]
    fn fill<W: Widths>(&self, w: W, row: usize, y: &Flow, room: &mut Room, at: usize) {
        let rows = Rows::of(y, row);
        self.flux_x(w, &rows, &mut room.flux_x[at]);
        self.flux_y(w, &rows, &mut room.flux_y[at]);
        if let Some(filter) = self.metric.filter() {
            filter.cells(row, &mut room.flux_x[at]);
            filter.faces(row, &mut room.flux_y[at]);
        }
        self.vorticity(w, row, &rows, &mut room.vorticity[at]);
        self.bernoulli(row, y, &mut room.bernoulli[at]);
    }

    /// Fluxes through the north faces of the last row, which belong to no strip.
    fn last_faces<W: Widths>(&self, widths: &impl Fn(usize) -> W, y: &Flow, sums: &mut Plane) {
        let shape = y.h.shape();
        let row = RIM + shape.ny;
        ROOM.with_borrow_mut(|room| {
            room.fit(shape.stride());
            let flux = &mut room.flux_y[0];
            self.flux_y(widths(row), &Rows::of(y, row), flux);
            accumulate(sums.full_row_mut(row), flux, self.stage.share * self.stage.dt);
        });
    }

    /// h u dy, m³ s⁻¹.
    #[inline(always)]
    fn flux_x(&self, w: impl Widths, rows: &Rows<'_>, out: &mut [f64]) {
        let n = out.len();
        let (h, u) = (&rows.h[..n], &rows.u[..n]);
        for k in 1..n {
            out[k] = w.flux_x(k, h[k - 1], h[k], u[k]);
        }
    }

    /// h v dx, m³ s⁻¹.
    #[inline(always)]
    fn flux_y(&self, w: impl Widths, rows: &Rows<'_>, out: &mut [f64]) {
        let n = out.len();
        let (h0, h1, v) = (&rows.h_south[..n], &rows.h[..n], &rows.v[..n]);
        for k in 0..n {
            out[k] = w.flux_y(k, h0[k], h1[k], v[k]);
        }
    }

    /// (f + ζ)/h on the corners, m⁻¹ s⁻¹, divided by 24 for the averages that use it; around a pole the mean of its corners.
    #[inline(always)]
    fn vorticity(&self, w: impl Widths, row: usize, rows: &Rows<'_>, out: &mut [f64]) {
        let n = out.len();
        let f = &self.metric.coriolis().full_row(row)[..n];
        let (h0, h1) = (&rows.h_south[..n], &rows.h[..n]);
        let (u0, u1, v) = (&rows.u_south[..n], &rows.u[..n], &rows.v[..n]);
        for k in 1..n {
            let circulation = f[k] * w.corner_area(k) + w.circulation(k, [u0[k], u1[k]], [v[k - 1], v[k]]);
            let volume = w.volume(k, [h0[k - 1], h0[k], h1[k - 1], h1[k]]);
            out[k] = circulation / (24.0 * volume);
        }
        if self.metric.is_pole(row) {
            out.fill(self.vorticity_of_pole(row, rows) / 24.0);
        }
    }

    fn vorticity_of_pole(&self, row: usize, rows: &Rows<'_>) -> f64 {
        let Shape { ny, nx } = self.metric.shape();
        let (h, u, sign) = if row < RIM + ny {
            (rows.h, rows.u, -1.0)
        } else {
            (rows.h_south, rows.u_south, 1.0)
        };
        let width = self.metric.width(row);
        let mean = |values: &[f64]| values[RIM..RIM + nx].iter().sum::<f64>() / nx as f64;
        let f = self.metric.coriolis().full_row(row)[RIM];
        // The half of each cell that is nearer to the pole holds a quarter of its area.
        let cap = 0.25 * width * self.metric.dy_m();
        (f * cap + sign * width * mean(u)) / (cap * mean(h))
    }

    /// K + g (h + hs), m² s⁻².
    #[inline(always)]
    fn bernoulli(&self, row: usize, y: &Flow, out: &mut [f64]) {
        let n = out.len();
        let g = self.gravity;
        let (h, hs) = (&y.h.full_row(row)[..n], &self.orography.full_row(row)[..n]);
        let (u, v0, v1) = (&y.u.full_row(row)[..n], &y.v.full_row(row)[..n], &y.v.full_row(row + 1)[..n]);
        for k in 0..n - 1 {
            let kinetic = 0.25 * (u[k] * u[k] + u[k + 1] * u[k + 1] + v0[k] * v0[k] + v1[k] * v1[k]);
            out[k] = kinetic + g * (h[k] + hs[k]);
        }
    }

    #[inline(always)]
    fn depth(&self, w: impl Widths, near: &Near<'_>, (y, old): (&[f64], &[f64]), out: &mut [f64]) {
        let Stage { new: b, dt, .. } = self.stage;
        let n = out.len();
        let (x, south, north) = (&near.flux_x[1][..n], &near.flux_y[1][..n], &near.flux_y[2][..n]);
        let (y, old) = (&y[..n], &old[..n]);
        for k in RIM..n - RIM {
            // Thirds as weights of old and new do not add up to one: that alone would lose 6e-17 of the air a step.
            out[k] = old[k] + b * ((y[k] - old[k]) - dt * w.per_area(k) * (x[k + 1] - x[k] + north[k] - south[k]));
        }
    }

    #[inline(always)]
    fn eastward(&self, w: impl Widths, stage: Stage, near: &Near<'_>, (y, old): (&[f64], &[f64]), out: &mut [f64]) {
        let Stage { old: a, new: b, dt, .. } = stage;
        let n = out.len();
        let (q0, q1) = (&near.vorticity[1][..n], &near.vorticity[2][..n]);
        let (south, north, x, p) = (
            &near.flux_y[1][..n],
            &near.flux_y[2][..n],
            &near.flux_x[1][..n],
            &near.bernoulli[1][..n],
        );
        let (y, old) = (&y[..n], &old[..n]);
        for k in RIM + self.first_west_face..n - RIM {
            // Arakawa and Lamb's alpha, beta, gamma, delta and epsilon (their 3.34).
            let (west, middle, east) = (q0[k - 1] + q1[k - 1], q0[k] + q1[k], q0[k + 1] + q1[k + 1]);
            let alpha = middle + east + q1[k + 1] + q0[k];
            let beta = middle + west + q1[k - 1] + q0[k];
            let gamma = middle + west + q1[k] + q0[k - 1];
            let delta = middle + east + q1[k] + q0[k + 1];
            let epsilon_east = q1[k + 1] + q1[k] - q0[k] - q0[k + 1];
            let epsilon_west = q1[k] + q1[k - 1] - q0[k - 1] - q0[k];
            let turning = alpha * north[k] + beta * north[k - 1] + gamma * south[k - 1] + delta * south[k] - epsilon_east * x[k + 1]
                + epsilon_west * x[k - 1];
            out[k] = a * old[k] + b * (y[k] + dt * w.per_dx(k) * (turning - (p[k] - p[k - 1])));
        }
    }

    #[inline(always)]
    fn northward(&self, w: impl Widths, stage: Stage, near: &Near<'_>, (y, old): (&[f64], &[f64]), out: &mut [f64]) {
        let Stage { old: a, new: b, dt, .. } = stage;
        let n = out.len();
        let [q_south, q0, q1] = near.vorticity.map(|q| &q[..n]);
        let [x_south, x] = near.flux_x.map(|x| &x[..n]);
        let (v_south, v_north) = (&near.flux_y[0][..n], &near.flux_y[2][..n]);
        let [p_south, p] = near.bernoulli.map(|p| &p[..n]);
        let (y, old) = (&y[..n], &old[..n]);
        for k in RIM..n - RIM {
            let (west, east) = (q0[k], q0[k + 1]);
            let (north_west, north_east) = (q1[k], q1[k + 1]);
            let (south_west, south_east) = (q_south[k], q_south[k + 1]);
            let gamma = 2.0 * (north_east + west) + north_west + east;
            let delta = 2.0 * (north_west + east) + north_east + west;
            let alpha = 2.0 * (east + south_west) + west + south_east;
            let beta = 2.0 * (west + south_east) + east + south_west;
            let phi_north = north_west + west - north_east - east;
            let phi_south = west + south_west - east - south_east;
            let turning = gamma * x[k + 1] + delta * x[k] + alpha * x_south[k] + beta * x_south[k + 1] + phi_north * v_north[k]
                - phi_south * v_south[k];
            out[k] = a * old[k] + b * (y[k] - dt * w.per_dy(k) * (turning + p[k] - p_south[k]));
        }
    }
}

#[inline(always)]
fn accumulate(sums: &mut [f64], flux: &[f64], weight: f64) {
    let n = sums.len();
    for (sum, flux) in sums[RIM..=n - RIM].iter_mut().zip(&flux[RIM..=n - RIM]) {
        *sum += weight * flux;
    }
}

/// The rows that fluxes and vorticity of one row need.
struct Rows<'a> {
    h: &'a [f64],
    h_south: &'a [f64],
    u: &'a [f64],
    u_south: &'a [f64],
    v: &'a [f64],
}

impl<'a> Rows<'a> {
    fn of(flow: &'a Flow, row: usize) -> Self {
        Self {
            h: flow.h.full_row(row),
            h_south: flow.h.full_row(row - 1),
            u: flow.u.full_row(row),
            u_south: flow.u.full_row(row - 1),
            v: flow.v.full_row(row),
        }
    }
}

/// What a row's tendencies need, from south to north: the last of a pair, the middle of three, is the row itself.
struct Near<'a> {
    flux_x: [&'a [f64]; 2],
    flux_y: [&'a [f64]; 3],
    vorticity: [&'a [f64]; 3],
    bernoulli: [&'a [f64]; 2],
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{constants::GRAVITY, invariants, metric::Rotation, sphere::Sphere, time_integration::ssprk3};

    const SHAPE: Shape = Shape { ny: 24, nx: 28 };

    fn step(boundary: &Boundary, metric: &Metric, orography: &Plane, flow: &mut Flow, dt: f64, steps: usize) {
        let mut fluxes = Fluxes::none(metric.shape());
        let (mut a, mut b) = (flow.clone(), flow.clone());
        boundary.close_flow(flow);
        for _ in 0..steps {
            let mut equations = ShallowWaterEquations {
                metric,
                boundary,
                orography,
                gravity: GRAVITY,
                fluxes: Some(&mut fluxes),
            };
            ssprk3(&mut equations, dt, flow, &mut a, &mut b);
        }
    }

    /// A rough field that repeats with the domain: a few sines whose phases share nothing.
    fn rough(shape: Shape, mean: f64, amplitude: f64, seed: f64) -> Plane {
        Plane::from_fn(shape, |j, i| {
            let (y, x) = (
                std::f64::consts::TAU * j as f64 / shape.ny as f64,
                std::f64::consts::TAU * i as f64 / shape.nx as f64,
            );
            mean + amplitude
                * ((2.0 * x + seed).sin() * (y - seed).cos()
                    + 0.7 * (5.0 * x + 3.0 * y + 2.0 * seed).sin()
                    + 0.4 * (7.0 * y - 4.0 * x).cos())
        })
    }

    fn rough_flow(shape: Shape) -> Flow {
        Flow {
            h: rough(shape, 500.0, 60.0, 0.3),
            u: rough(shape, 10.0, 15.0, 1.1),
            v: rough(shape, -5.0, 15.0, 2.3),
        }
    }

    #[test]
    fn a_lake_over_a_mountain_stays_at_rest() {
        let metric = Metric::plane(SHAPE, 1000.0, 1000.0, Rotation::Constant(1e-4));
        let mountain = rough(SHAPE, 120.0, 50.0, 0.7);
        for boundary in [Boundary::Periodic, Boundary::Walls] {
            let mut orography = mountain.clone();
            boundary.close_depth(&mut orography);
            let mut lake = Flow::rest(SHAPE, 0.0);
            lake.h = Plane::from_fn(SHAPE, |j, i| 500.0 - orography.at(j, i));
            step(&boundary, &metric, &orography, &mut lake, 5.0, 500);
            let fastest = (0..24)
                .flat_map(|j| [lake.u.row(j), lake.v.row(j)])
                .flatten()
                .fold(0.0_f64, |a, b| a.max(b.abs()));
            assert!(fastest <= 1e-12, "{boundary:?}: {fastest:e} m/s");
        }
    }

    /// d/dt of an invariant by central difference of tiny Euler steps would round; instead the step is taken both ways with the
    /// Euler stage and the quadratic part cancels: (I(y + e L) - I(y - e L)) / 2e is exact but for e² of cubic terms.
    fn relative_tendency(boundary: &Boundary, metric: &Metric, orography: &Plane, invariant: impl Fn(&Flow) -> f64) -> f64 {
        let mut y = rough_flow(metric.shape());
        boundary.close_flow(&mut y);
        let moved = |dt: f64| {
            let mut fluxes = Fluxes::none(metric.shape());
            let mut into = y.clone();
            let mut equations = ShallowWaterEquations {
                metric,
                boundary,
                orography,
                gravity: GRAVITY,
                fluxes: Some(&mut fluxes),
            };
            let euler = Stage {
                old: 0.0,
                new: 1.0,
                dt,
                share: 1.0,
            };
            equations.stage(euler, &y, &y, &mut into);
            invariant(&into)
        };
        // A step of 1e-3 s: the change of an invariant that moved freely would be 1e-3 times its rate of about 1e-3 s-1.
        let e = 1e-3;
        ((moved(e) - moved(-e)) / (2.0 * e)).abs() / invariant(&y)
    }

    #[test]
    fn energy_has_no_tendency_on_any_metric() {
        let mut tilted = Metric::plane(SHAPE, 1000.0, 900.0, Rotation::Constant(1e-4));
        for (boundary, metric) in [
            (Boundary::Periodic, tilted.clone()),
            (Boundary::Walls, {
                tilted = narrowing(SHAPE);
                tilted.clone()
            }),
            (Boundary::Globe, Metric::globe(SHAPE, Sphere::EARTH, 0.5).unwrap()),
            (Boundary::Walls, on_a_map(SHAPE)),
        ] {
            let mut orography = rough(SHAPE, 50.0, 20.0, 0.1);
            boundary.close_depth(&mut orography);
            let tendency = relative_tendency(&boundary, &metric, &orography, |flow| {
                invariants::energy(&metric, &orography, GRAVITY, flow)
            });
            // Rounding of I is 1e-16 I, divided by 2e = 2e-3: 5e-14 s-1; a scheme that does not conserve gives 1e-6 s-1 here.
            assert!(tendency < 2e-13, "{boundary:?}: {tendency:e} 1/s");
        }
    }

    fn narrowing(shape: Shape) -> Metric {
        use nowblend_field::{Axis, Grid, Projection};
        let axis = |first, count| Axis {
            first,
            spacing: 0.1,
            count,
        };
        Metric::of_grid(&Grid::new(axis(50.0, shape.ny), axis(5.0, shape.nx), Projection::lon_lat()).unwrap())
    }

    /// A map whose scale grows by a fifth from south-west to north-east.
    fn on_a_map(shape: Shape) -> Metric {
        let grid = nowblend_field::Grid::plane(shape.ny, shape.nx, 1000.0);
        Metric::map(&grid, |y, x| (1.0 + 0.004 * (y + x), 1.0 + 0.004 * y + 0.005 * x))
    }

    #[test]
    fn potential_enstrophy_has_no_tendency() {
        let metric = Metric::plane(SHAPE, 1000.0, 1000.0, Rotation::Constant(1e-4));
        let flat = Plane::constant(SHAPE, 0.0);
        let tendency = relative_tendency(&Boundary::Periodic, &metric, &flat, |flow| {
            invariants::potential_enstrophy(&metric, flow)
        });
        assert!(tendency < 1e-12, "{tendency:e} 1/s");
    }

    #[test]
    fn gravity_waves_run_at_the_square_root_of_g_h() {
        // A standing wave cos(kx) without rotation: period L / c, with c = sqrt(9.80665 x 500) = 70.024 m/s; over 32 cells a
        // wavelength the grid slows it by sin(k dx / 2) / (k dx / 2) = 0.9984, within the 1 % asked for.
        let shape = Shape { ny: 4, nx: 32 };
        let metric = Metric::plane(shape, 1000.0, 1000.0, Rotation::Constant(0.0));
        let flat = Plane::constant(shape, 0.0);
        let k = std::f64::consts::TAU / 32.0;
        let mut flow = Flow::rest(shape, 500.0);
        flow.h = Plane::from_fn(shape, |_, i| 500.0 + 0.01 * (k * (i as f64 + 0.5)).cos());
        let amplitude = |flow: &Flow| {
            (0..32)
                .map(|i| (flow.h.at(0, i) - 500.0) * (k * (i as f64 + 0.5)).cos())
                .sum::<f64>()
        };
        // The amplitude is nought at a quarter and three quarters of the period.
        let dt = 1.0;
        let mut crossings = Vec::new();
        let mut before = amplitude(&flow);
        for n in 1..600 {
            step(&Boundary::Periodic, &metric, &flat, &mut flow, dt, 1);
            let now = amplitude(&flow);
            if before * now < 0.0 {
                crossings.push(dt * (n as f64 - now / (now - before)));
            }
            before = now;
        }
        let speed = 32_000.0 / (2.0 * (crossings[1] - crossings[0]));
        assert!((speed / (GRAVITY * 500.0).sqrt() - 1.0).abs() < 0.01, "{speed} m/s");
    }

    /// How much depth, m, and wind, m s⁻¹, of a vortex in gradient balance change in half a day on `n` x `n` cells of 300 km.
    ///
    /// v(r) = V (r/R) exp((1 - r²/R²)/2) turns without change where g dh/dr = f v + v²/r:
    /// g (h - H) = -f V R e^(1/2) exp(-r²/2R²) - V² (e/2) exp(-r²/R²).
    fn vortex_changes_by(n: usize) -> (f64, f64) {
        let shape = Shape { ny: n, nx: n };
        let (dx, f, depth) = (300_000.0 / n as f64, 1e-4, 500.0);
        let metric = Metric::plane(shape, dx, dx, Rotation::Constant(f));
        let flat = Plane::constant(shape, 0.0);
        let (speed, radius) = (10.0, 40_000.0);
        let wind = |r: f64| speed / radius * (0.5 * (1.0 - r * r / (radius * radius))).exp();
        let from_centre = |k: f64| (k - 0.5 * n as f64) * dx;
        let mut flow = Flow::rest(shape, depth);
        flow.h = Plane::from_fn(shape, |j, i| {
            let r2 = (from_centre(j as f64 + 0.5).powi(2) + from_centre(i as f64 + 0.5).powi(2)) / (radius * radius);
            let e = std::f64::consts::E;
            depth - (f * speed * radius * e.sqrt() * (-0.5 * r2).exp() + speed * speed * 0.5 * e * (-r2).exp()) / GRAVITY
        });
        flow.u = Plane::from_fn(shape, |j, i| {
            let (y, x) = (from_centre(j as f64 + 0.5), from_centre(i as f64));
            -y * wind(y.hypot(x))
        });
        flow.v = Plane::from_fn(shape, |j, i| {
            let (y, x) = (from_centre(j as f64), from_centre(i as f64 + 0.5));
            x * wind(y.hypot(x))
        });
        let start = flow.clone();
        let steps = 12 * 3600 / 25 * n / 60;
        step(&Boundary::Walls, &metric, &flat, &mut flow, 25.0 * 60.0 / n as f64, steps);
        let change = |now: &Plane, then: &Plane| {
            (0..n)
                .flat_map(|j| now.row(j).iter().zip(then.row(j)))
                .fold(0.0_f64, |a, (x, y)| a.max((x - y).abs()))
        };
        (change(&flow.h, &start.h), change(&flow.u, &start.u))
    }

    #[test]
    fn a_vortex_in_gradient_balance_stays_for_half_a_day() {
        // In the middle the layer is 9.1 m shallower; half a day is two turns of the core. The differences are of second order:
        // (dx/R)² = 1/64 of 9.1 m is 0.14 m on cells of 5 km and 0.04 m on half of them; waves it sends out add to that.
        let (coarse, fine) = (vortex_changes_by(60), vortex_changes_by(120));
        assert!(coarse.0 < 0.2 && coarse.1 < 0.3, "{coarse:?}");
        assert!(fine.0 < 0.4 * coarse.0, "{fine:?} against {coarse:?}");
    }
}
