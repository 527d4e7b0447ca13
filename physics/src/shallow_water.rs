//! The equations of one rotating layer of air: how depth and wind change, on a C-grid that keeps mass, energy and potential enstrophy.

use std::cell::RefCell;

use nowblend_field::wide::{Work, wide};
use rayon::prelude::*;

use crate::{
    boundary::{Boundary, Place},
    metric::Metric,
    plane::{Plane, RIM, Rows, Shape},
    stage_rows::{Equations, FlowRowMut, Give, StageRows, Sums},
    time_integration::{Stage, System, ssprk3, stages},
    wavefront::{Check, can_sweep, sweep},
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

impl Flow {
    /// The field whose values lie in a place.
    pub(crate) fn at(&self, place: Place) -> &Plane {
        match place {
            Place::Centre => &self.h,
            Place::WestFace => &self.u,
            Place::SouthFace => &self.v,
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
        let equations = self.equations();
        match self.metric.varied() {
            None => self.every_strip(&equations, stage, |row| self.metric.even(row), [y, old], into),
            Some(varied) => self.every_strip(&equations, stage, |row| varied.row(row), [y, old], into),
        }
        self.boundary.close_flow(into);
    }
}

impl<'a> ShallowWaterEquations<'a> {
    /// A whole step of `dt` seconds: [`ssprk3`], in one sweep over the rows where the edges allow that, with the same result to the bit.
    /// `first` is the state before afterwards. Returns whether every whole row of the result passes `check`.
    pub(crate) fn step(&mut self, dt: f64, state: &mut Flow, [first, second]: [&mut Flow; 2], check: &Check<'_>) -> bool {
        let equations = self.equations();
        if !can_sweep(&equations, self.boundary) {
            ssprk3(self, dt, state, first, second);
            return (RIM..RIM + state.h.shape().ny)
                .into_par_iter()
                .all(|row| check(row, state.full_row(row)));
        }
        let (stages, boundary, into) = (stages(dt), self.boundary, (&mut *first, self.fluxes.as_deref_mut()));
        let passes = match self.metric.varied() {
            None => sweep(&equations, boundary, stages, |row| equations.metric.even(row), state, into, check),
            Some(varied) => sweep(&equations, boundary, stages, |row| varied.row(row), state, into, check),
        };
        boundary.close_flow_beyond(first);
        std::mem::swap(state, first);
        passes
    }

    fn equations(&self) -> Equations<'a> {
        Equations {
            metric: self.metric,
            orography: self.orography,
            gravity: self.gravity,
        }
    }

    fn every_strip<W: Widths>(
        &mut self,
        equations: &Equations<'_>,
        stage: Stage,
        widths: impl Fn(usize) -> W + Sync,
        [y, old]: [&Flow; 2],
        into: &mut Flow,
    ) {
        let strips = writes(into, self.fluxes.as_deref_mut(), STRIP);
        strips.into_par_iter().enumerate().for_each(|(strip, writes)| {
            ROOM.with_borrow_mut(|room| {
                wide(Strip {
                    equations,
                    stage,
                    widths: &widths,
                    first: RIM + strip * STRIP,
                    y,
                    old,
                    writes,
                    room,
                });
            });
        });
    }
}

thread_local! {
    static ROOM: RefCell<StageRows> = RefCell::default();
}

/// Some rows of one stage.
struct Strip<'a, F> {
    equations: &'a Equations<'a>,
    stage: Stage,
    widths: &'a F,
    /// The first whole row.
    first: usize,
    y: &'a Flow,
    old: &'a Flow,
    writes: Writes<'a>,
    room: &'a mut StageRows,
}

impl<W: Widths, F: Fn(usize) -> W> Work for Strip<'_, F> {
    #[inline(always)]
    fn run(mut self) {
        let Self { equations, first, y, .. } = self;
        self.room.fit(y.h.shape().width());
        let end = first + self.writes.flow.h.count();
        for row in first - 1..=end {
            let (south, here) = (y.full_row(row - 1), y.full_row(row));
            let Writes { flow, sums } = &mut self.writes;
            let give = (row > first).then(|| Give {
                stage: self.stage,
                w: (self.widths)(row - 1),
                old: self.old.full_row(row - 1),
                into: flow.row(first, row - 1),
            });
            let sums = sums.as_mut().and_then(|s| s.row(first, row as isize - RIM as isize, self.stage));
            self.room
                .take(equations, (self.widths)(row), [row, row - 1], [south, here], sums, give);
        }
    }
}

/// What one task writes: the same whole rows of each field.
pub(crate) struct Writes<'a> {
    pub(crate) flow: FlowRows<'a>,
    pub(crate) sums: Option<FluxRows<'a>>,
}

/// Rows of depth and wind.
pub(crate) struct FlowRows<'a> {
    h: Rows<'a>,
    u: Rows<'a>,
    v: Rows<'a>,
}

/// Rows of what goes through west and south faces; those of the last strip have the south faces of one more row.
pub(crate) struct FluxRows<'a> {
    x: Rows<'a>,
    y: Rows<'a>,
}

/// Rows inside the rim in groups of `count`.
pub(crate) fn writes<'a>(flow: &'a mut Flow, fluxes: Option<&'a mut Fluxes>, count: usize) -> Vec<Writes<'a>> {
    let Flow { h, u, v } = flow;
    let mut strips: Vec<Writes<'_>> = h
        .groups_mut(count)
        .zip(u.groups_mut(count))
        .zip(v.groups_mut(count))
        .map(|((h, u), v)| Writes {
            flow: FlowRows { h, u, v },
            sums: None,
        })
        .collect();
    if let Some(Fluxes { x, y }) = fluxes {
        for (strip, (x, y)) in strips.iter_mut().zip(x.groups_mut(count).zip(y.groups_and_last_mut(count))) {
            strip.sums = Some(FluxRows { x, y });
        }
    }
    strips
}

impl FlowRows<'_> {
    /// Whole row `row` of a strip that begins with `first`.
    #[inline(always)]
    pub(crate) fn row(&mut self, first: usize, row: usize) -> FlowRowMut<'_> {
        FlowRowMut {
            h: self.h.row_mut(row - first),
            u: self.u.row_mut(row - first),
            v: self.v.row_mut(row - first),
        }
    }
}

impl FluxRows<'_> {
    /// Where what goes through the faces of a row, counted from the south of the domain, is added up, as far as the row is the strip's own;
    /// `first` is its first whole row.
    #[inline(always)]
    pub(crate) fn row(&mut self, first: usize, row: isize, stage: Stage) -> Option<Sums<'_>> {
        let row = usize::try_from(row + RIM as isize - first as isize).ok()?;
        Some(Sums {
            x: self.x.get_mut(row),
            y: self.y.get_mut(row),
            weight: stage.share * stage.dt,
            before: None,
        })
    }
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

    /// d/dt of an invariant from Euler stages of ±e and ±e/2: in D(e) = (I(y + e L) - I(y - e L)) / 2e even powers of e cancel, and in
    /// (4 D(e/2) - D(e)) / 3 its square, which is all that is left of an energy.
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
        // Rounding of I is 1e-16 I, divided by e = 0.1 s: 1e-15 s-1; a scheme that does not conserve gives 1e-6 s-1 here.
        let e = 0.1;
        let central = |e: f64| (moved(e) - moved(-e)) / (2.0 * e);
        ((4.0 * central(0.5 * e) - central(e)) / 3.0).abs() / invariant(&y)
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
            assert!(tendency < 1e-13, "{boundary:?}: {tendency:e} 1/s");
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
        assert!(tendency < 1e-13, "{tendency:e} 1/s");
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
