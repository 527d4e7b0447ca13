//! The whole core, stepped: air moves in small steps, water is carried with it and changes phase, the edges and the radar's wind lead.

use nowblend_field::wide::{Work, wide};
use rayon::prelude::*;

use crate::{
    Error,
    boundary::Boundary,
    damping,
    invariants::{self, Exchange},
    metric::Metric,
    moisture::{CLOUD, Change, Moisture, RAIN, TRACERS, VAPOUR},
    plane::{Plane, RIM, Shape},
    restart::Kept,
    shallow_water::{Flow, Fluxes, ShallowWaterEquations},
    stage_rows::FlowRow,
    transport::{Emptied, Transport},
};

/// Largest Courant number: where the three stages bear waves no more (their limit on the imaginary axis is √3).
const COURANT_LIMIT: f64 = 1.732;

/// Largest share of a cell's air that may leave through one face while water is carried.
const CARRIED_LIMIT: f64 = 0.5;

/// A layer of air: geometry, edges, ground, and the laws of its water.
pub struct Layer {
    /// Geometry.
    pub metric: Metric,
    /// Edges.
    pub boundary: Boundary,
    /// Height of the ground, or of the fixed pressure field of the air around, m.
    pub orography: Plane,
    /// Gravity, m s⁻².
    pub gravity: f64,
    /// Moist physics with the columns' capacity H q_s0, m.
    pub moisture: Option<(Moisture, Plane)>,
    /// A wind that the flow is led to.
    pub nudging: Option<Nudging>,
    /// Share of the divergence between neighbouring cells that a step takes away, 0 to 1.
    pub divergence_damping: f64,
}

/// Leads the wind inside echoes to that of the radar.
pub struct Nudging {
    /// The wind aimed at; its depth is not used.
    pub towards: Flow,
    /// Time constant, s.
    pub time_s: f64,
    /// Mixing ratio of rain from which on an echo counts in full.
    pub echo: f64,
}

/// Moist air that moves: a [`Layer`] with its state.
pub struct MoistLayer {
    layer: Layer,
    flow: Flow,
    tracers: Vec<Plane>,
    time_s: f64,
    exchange: Exchange,
    room: Room,
}

/// What a step works in, so that it allocates nothing.
struct Room {
    first: Flow,
    second: Flow,
    fluxes: Fluxes,
    depth_before: Plane,
    transport: Transport,
    smoothing: Plane,
    changes: Vec<Change>,
    courant: Vec<(f64, usize)>,
}

impl MoistLayer {
    /// Air `flow` that carries `tracers`: vapour, cloud and rain [kg kg⁻¹], supply [s⁻¹] and the observed echo [kg kg⁻¹], which is only carried; or none.
    pub fn new(layer: Layer, mut flow: Flow, mut tracers: Vec<Plane>) -> Self {
        layer.boundary.close_flow(&mut flow);
        for (index, tracer) in tracers.iter_mut().enumerate() {
            layer.boundary.close_tracer(index, tracer);
        }
        let shape = layer.metric.shape();
        let room = Room {
            first: flow.clone(),
            second: flow.clone(),
            fluxes: Fluxes::none(shape),
            depth_before: flow.h.clone(),
            transport: Transport::new(shape, tracers.len()),
            smoothing: Plane::constant(shape, 0.0),
            changes: vec![Change::default(); shape.ny],
            courant: vec![(0.0, 0); shape.ny],
        };
        Self {
            layer,
            flow,
            tracers,
            time_s: 0.0,
            exchange: Exchange::default(),
            room,
        }
    }

    /// All that changes while it runs, to go on from later.
    pub fn keep(&self) -> Kept {
        Kept {
            flow: self.flow.clone(),
            tracers: self.tracers.clone(),
            time_s: self.time_s,
            exchange: self.exchange,
            rows_first: self.room.transport.rows_first(),
        }
    }

    /// Goes on where another core of the same layer was kept, bit by bit.
    ///
    /// # Errors
    ///
    /// [`Error::Kept`] for one of another shape.
    pub fn resume(layer: Layer, kept: Kept) -> Result<Self, Error> {
        if kept.flow.h.shape() != layer.metric.shape() {
            return Err(Error::Kept {
                what: "as many rows and columns as the layer has",
            });
        }
        let mut resumed = Self::new(layer, kept.flow, kept.tracers);
        resumed.time_s = kept.time_s;
        resumed.exchange = kept.exchange;
        resumed.room.transport.begin(kept.rows_first);
        Ok(resumed)
    }

    /// Changes the state by hand and closes its edges again.
    pub(crate) fn change(&mut self, by: impl FnOnce(&mut Flow, &mut [Plane])) {
        by(&mut self.flow, &mut self.tracers);
        self.layer.boundary.close_flow(&mut self.flow);
        for (index, tracer) in self.tracers.iter_mut().enumerate() {
            self.layer.boundary.close_tracer(index, tracer);
        }
    }

    /// Another height of the ground, or of what presses on the fluid.
    pub(crate) fn change_ground(&mut self, mut ground: Plane) {
        self.layer.boundary.close_depth(&mut ground);
        self.layer.orography = ground;
    }

    /// Depth and wind now.
    pub fn flow(&self) -> &Flow {
        &self.flow
    }

    /// Tracers now, in the order they were given.
    pub fn tracers(&self) -> &[Plane] {
        &self.tracers
    }

    /// The layer.
    pub fn layer(&self) -> &Layer {
        &self.layer
    }

    /// Seconds since the start.
    pub fn time_s(&self) -> f64 {
        self.time_s
    }

    /// What has gone in and out so far.
    pub fn exchange(&self) -> Exchange {
        self.exchange
    }

    /// Air that went through the faces during the last step, m³; counted where there are tracers or open edges.
    pub fn fluxes(&self) -> &Fluxes {
        &self.room.fluxes
    }

    /// Vapour, cloud and rain in the layer, m³.
    pub fn water(&self) -> f64 {
        [VAPOUR, CLOUD, RAIN]
            .iter()
            .filter_map(|k| self.tracers.get(*k))
            .map(|q| invariants::amount(&self.layer.metric, &self.flow.h, q))
            .sum()
    }

    /// Longest step of the air, s: `courant` times the narrowest spacing over wind plus wave speed.
    pub fn air_step_s(&self, courant: f64) -> f64 {
        let wave = (self.layer.gravity * largest(&self.flow.h)).sqrt();
        courant * self.layer.metric.smallest_spacing_m() / (self.strongest_wind() + wave)
    }

    fn strongest_wind(&self) -> f64 {
        largest(&self.flow.u).max(largest(&self.flow.v))
    }

    /// How many steps of `air_step_s` the air may take while water is carried once: as many as leave room for a wind a tenth and 5 m/s stronger.
    fn air_steps_per_step(&self, air_step_s: f64) -> usize {
        if self.tracers.is_empty() {
            return 1;
        }
        let wind = self.strongest_wind() + 5.0;
        // Air that crosses a pole leaves the last row through half a cell.
        let share = if let Boundary::Globe = self.layer.boundary { 0.35 } else { 0.9 };
        let longest = share * CARRIED_LIMIT * self.layer.metric.smallest_spacing_m() / wind;
        ((longest / air_step_s) as usize).clamp(1, 6)
    }

    /// Moves on by `seconds`, minutes rather than hours, in equal steps: the air at most `air_step_s` at a time, water once every so many of them as
    /// the wind at the start allows.
    ///
    /// # Errors
    ///
    /// [`Error::Courant`] where the flow outruns the step or is not finite.
    pub fn advance(&mut self, seconds: f64, air_step_s: f64) -> Result<(), Error> {
        let air_steps = self.air_steps_per_step(air_step_s);
        let steps = (seconds / (air_step_s * air_steps as f64)).ceil().max(1.0);
        let dt = seconds / (steps * air_steps as f64);
        for _ in 0..steps as usize {
            self.step(dt, air_steps)?;
        }
        Ok(())
    }

    /// One step: `air_steps` of `dt` seconds for the air, then all of them at once for its water.
    ///
    /// # Errors
    ///
    /// [`Error::Courant`] where the flow outruns the step or is not finite.
    pub fn step(&mut self, dt: f64, air_steps: usize) -> Result<(), Error> {
        let whole = dt * air_steps as f64;
        if let Boundary::Open(outer) = &mut self.layer.boundary {
            outer.move_to(self.time_s + whole);
        }
        let counted = !self.tracers.is_empty() || matches!(self.layer.boundary, Boundary::Open(_));
        if counted {
            self.room.fluxes.clear();
        }
        let mut all_slow = true;
        for air_step in 0..air_steps {
            let mut equations = ShallowWaterEquations {
                metric: &self.layer.metric,
                boundary: &self.layer.boundary,
                orography: &self.layer.orography,
                gravity: self.layer.gravity,
                fluxes: counted.then_some(&mut self.room.fluxes),
            };
            let is_last = air_step + 1 == air_steps;
            let limits = Limits {
                layer: &self.layer,
                carries: !self.tracers.is_empty(),
                dt,
                whole,
            };
            let is_slow = |row: usize, flow: FlowRow<'_>| !is_last || limits.is_slow(row, flow);
            let room = [&mut self.room.first, &mut self.room.second];
            let passes = equations.step(dt, &mut self.flow, room, &is_slow);
            if air_step == 0 {
                std::mem::swap(&mut self.room.depth_before, &mut self.room.first.h);
            }
            all_slow = passes;
        }
        self.time_s += whole;
        if !all_slow {
            self.check_courant(dt, whole)?;
        }
        self.count_air_through_edges();
        if !self.tracers.is_empty() {
            self.carry()?;
        }
        self.change_phases(whole);
        self.lead(whole);
        Ok(())
    }

    fn carry(&mut self) -> Result<(), Error> {
        let Layer { metric, boundary, .. } = &self.layer;
        self.room
            .transport
            .step(metric, boundary, &self.room.fluxes, &mut self.room.depth_before, &mut self.tracers);
        if let Some(Emptied { row, column, share }) = self.room.transport.emptied() {
            return Err(Error::Emptied {
                courant: share,
                row,
                column,
                time_s: self.time_s,
            });
        }
        let through = self.room.transport.through_edges();
        self.exchange.water_through_edges += through.iter().take(RAIN + 1).sum::<f64>();
        Ok(())
    }

    fn change_phases(&mut self, dt: f64) {
        let Some((moisture, capacity)) = &self.layer.moisture else { return };
        if self.tracers.len() < TRACERS {
            return;
        }
        moisture.step(
            dt,
            &self.layer.metric,
            capacity,
            &mut self.flow.h,
            &mut self.tracers,
            &mut self.room.changes,
        );
        for change in &self.room.changes {
            self.exchange.rain_fallen -= change.fallen;
            self.exchange.mass_by_phase_changes += change.mass;
        }
    }

    /// Leads wind and edges, damps divergence, and fills the rims for the next step.
    fn lead(&mut self, dt: f64) {
        self.nudge(dt);
        self.damp_divergence();
        let (metric, tracers) = (&self.layer.metric, &self.tracers);
        let water = tracers.get(VAPOUR..=RAIN).unwrap_or_default();
        let gained = self.layer.boundary.relax(dt, &mut self.flow, |j, i, deeper| {
            let mass = deeper * metric.area_m2(j, i);
            [mass, water.iter().map(|q| mass * q.row(j)[i]).sum()]
        });
        self.exchange.mass_by_relaxation += gained[0];
        self.exchange.water_by_relaxation += gained[1];
        self.layer.boundary.close_flow(&mut self.flow);
        for (index, tracer) in self.tracers.iter_mut().enumerate() {
            self.layer.boundary.close_tracer(index, tracer);
        }
    }

    fn nudge(&mut self, dt: f64) {
        let (Some(nudging), Some(rain)) = (&self.layer.nudging, self.tracers.get(RAIN)) else {
            return;
        };
        let share = dt / nudging.time_s / (1.0 + dt / nudging.time_s);
        let per_echo = 0.5 * share / nudging.echo;
        let (first, first_row) = (self.layer.boundary.first_west_face(), self.layer.boundary.first_south_face());
        let Flow { u, v, .. } = &mut self.flow;
        u.rows_mut().zip(v.rows_mut()).enumerate().for_each(|(j, (u, v))| {
            let row = j + RIM;
            let (here, south) = (rain.full_row(row), rain.full_row(row - 1));
            let lead = |wind, behind, echo, towards, first: usize| Lead {
                wind,
                behind,
                echo,
                towards,
                first,
                per_echo,
                share,
            };
            wide(lead(
                u,
                &here[..here.len() - 1],
                &here[1..],
                nudging.towards.u.full_row(row),
                RIM + first,
            ));
            if j >= first_row {
                wide(lead(v, &south[1..], &here[1..], nudging.towards.v.full_row(row), RIM));
            }
        });
    }

    fn damp_divergence(&mut self) {
        let Layer {
            metric,
            boundary,
            divergence_damping,
            ..
        } = &self.layer;
        if *divergence_damping > 0.0 {
            damping::damp(*divergence_damping, metric, boundary, &mut self.flow, &mut self.room.smoothing);
        }
    }

    fn count_air_through_edges(&mut self) {
        if !matches!(self.layer.boundary, Boundary::Open(_)) {
            return;
        }
        let Shape { ny, nx } = self.layer.metric.shape();
        let Fluxes { x, y } = &self.room.fluxes;
        let rows: f64 = (0..ny as isize).map(|j| x.at(j, 0) - x.at(j, nx as isize)).sum();
        let columns: f64 = (0..nx as isize).map(|i| y.at(0, i) - y.at(ny as isize, i)).sum();
        self.exchange.mass_through_edges += rows + columns;
    }

    /// Refuses a flow whose waves cross more than the stages bear in `dt`, or that carries more than half a cell in `whole`.
    fn check_courant(&mut self, dt: f64, whole: f64) -> Result<(), Error> {
        let Layer { metric, gravity, .. } = &self.layer;
        let flow = &self.flow;
        let carries = !self.tracers.is_empty();
        self.room.courant.par_iter_mut().enumerate().for_each(|(j, worst)| {
            let row = j + RIM;
            let (h, u, v) = (flow.h.full_row(row), flow.u.full_row(row), flow.v.full_row(row));
            let (per_x, per_y) = (1.0 / metric.felt_width(row), 1.0 / metric.dy_m());
            let across = 2.0 * per_x.hypot(per_y);
            *worst = (0.0, RIM);
            let mut largest = 0.0;
            for k in RIM..h.len() - RIM {
                let (x, y) = (u[k].abs() * per_x, v[k].abs() * per_y);
                let waves = dt * (x + y + (gravity * h[k]).sqrt() * across);
                let carried = if carries {
                    whole * x.max(y) * (COURANT_LIMIT / CARRIED_LIMIT)
                } else {
                    0.0
                };
                let courant = waves.max(carried);
                if courant > largest || courant.is_nan() {
                    largest = courant;
                    *worst = (courant, k);
                    if courant.is_nan() {
                        break;
                    }
                }
            }
        });
        let (mut worst, mut place) = (0.0, (0, 0));
        for (j, (courant, k)) in self.room.courant.iter().enumerate() {
            if *courant > worst || courant.is_nan() {
                (worst, place) = (*courant, (j, k - RIM));
                if worst.is_nan() {
                    break;
                }
            }
        }
        if worst <= COURANT_LIMIT {
            return Ok(());
        }
        Err(Error::Courant {
            courant: worst,
            limit: COURANT_LIMIT,
            row: place.0,
            column: place.1,
            time_s: self.time_s,
        })
    }
}

/// Leads the wind on a row of faces to another, as far as the echo on both sides of each face says; slices of the echo begin with face 1.
struct Lead<'a> {
    wind: &'a mut [f64],
    behind: &'a [f64],
    echo: &'a [f64],
    towards: &'a [f64],
    first: usize,
    per_echo: f64,
    share: f64,
}

impl Work for Lead<'_> {
    #[inline(always)]
    fn run(self) {
        let faces = self.first..self.wind.len() - RIM;
        let near = faces.start - 1..faces.end - 1;
        let echoes = self.behind[near.clone()].iter().zip(&self.echo[near]);
        let winds = self.wind[faces.clone()].iter_mut().zip(&self.towards[faces]);
        for ((wind, towards), (behind, ahead)) in winds.zip(echoes) {
            *wind += (self.per_echo * (behind + ahead)).min(self.share) * (towards - *wind);
        }
    }
}

/// How fast the flow may be.
struct Limits<'a> {
    layer: &'a Layer,
    carries: bool,
    dt: f64,
    whole: f64,
}

impl Limits<'_> {
    /// Whether no cell of a whole row comes near them.
    fn is_slow(&self, row: usize, FlowRow { h, u, v }: FlowRow<'_>) -> bool {
        let Layer { metric, gravity, .. } = self.layer;
        let (per_x, per_y) = (1.0 / metric.felt_width(row), 1.0 / metric.dy_m());
        let across = 2.0 * self.dt * per_x.hypot(per_y);
        let mut slow = true;
        wide(IsSlow {
            h,
            u,
            v,
            wind: [self.dt * per_x, self.dt * per_y],
            waves: gravity * across * across,
            carried: if self.carries {
                [self.whole * per_x, self.whole * per_y]
            } else {
                [0.0; 2]
            },
            slow: &mut slow,
        });
        slow
    }
}

/// Whether no cell of a row comes near the limits of the step.
struct IsSlow<'a> {
    h: &'a [f64],
    u: &'a [f64],
    v: &'a [f64],
    /// Courant number of a wind of 1 m s⁻¹, eastward and northward.
    wind: [f64; 2],
    /// Square of that of waves, for a depth of 1 m.
    waves: f64,
    /// Cells that a wind of 1 m s⁻¹ carries water through.
    carried: [f64; 2],
    slow: &'a mut bool,
}

impl Work for IsSlow<'_> {
    #[inline(always)]
    fn run(self) {
        let n = self.h.len();
        let (h, u, v) = (self.h, &self.u[..n], &self.v[..n]);
        let mut slow = true;
        for k in RIM..n - RIM {
            let (u, v) = (u[k].abs(), v[k].abs());
            // Squares instead of roots; anything that is not a number fails a comparison.
            let left = COURANT_LIMIT - self.wind[0] * u - self.wind[1] * v;
            let waves = (h[k] >= 0.0) & (left >= 0.0) & (self.waves * h[k] <= left * left);
            let carried = (self.carried[0] * u <= CARRIED_LIMIT) & (self.carried[1] * v <= CARRIED_LIMIT);
            slow &= waves & carried;
        }
        *self.slow = slow;
    }
}

/// Largest absolute value inside the rim.
fn largest(plane: &Plane) -> f64 {
    (0..plane.shape().ny)
        .flat_map(|j| plane.row(j))
        .fold(0.0_f64, |a, b| a.max(b.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        boundary::{Outer, Relaxation},
        constants::GRAVITY,
        metric::Rotation,
        moisture::{ECHO, MOISTURE},
    };

    const SHAPE: Shape = Shape { ny: 20, nx: 26 };
    const DEPTH: f64 = 500.0;

    /// A field that repeats with the domain.
    fn rough(mean: f64, amplitude: f64, seed: f64) -> Plane {
        let tau = std::f64::consts::TAU;
        Plane::from_fn(SHAPE, |j, i| {
            let (y, x) = (tau * j as f64 / SHAPE.ny as f64, tau * i as f64 / SHAPE.nx as f64);
            mean + amplitude * ((2.0 * x + seed).sin() * (y - seed).cos() + 0.5 * (3.0 * x + 2.0 * y + seed).sin())
        })
    }

    /// Vapour about saturation, so that it condenses and evaporates; cloud, echoes and their supply in places.
    fn waters() -> Vec<Plane> {
        let vapour = rough(0.0115, 0.002, 0.4);
        let rain = Plane::from_fn(SHAPE, |j, i| (rough(0.0, 4e-4, 1.7).at(j, i) - 1e-4).max(0.0));
        let cloud = Plane::from_fn(SHAPE, |j, i| (rough(0.0, 2e-4, 0.9).at(j, i)).max(0.0));
        let supply = Plane::from_fn(SHAPE, |j, i| rain.at(j, i) / 600.0);
        vec![vapour, cloud, rain.clone(), supply, rain]
    }

    fn storm(boundary: Boundary, speed: f64) -> MoistLayer {
        let layer = Layer {
            metric: Metric::plane(SHAPE, 2000.0, 1800.0, Rotation::Constant(1e-4)),
            boundary,
            orography: Plane::constant(SHAPE, 0.0),
            gravity: GRAVITY,
            moisture: Some((MOISTURE, Plane::constant(SHAPE, DEPTH * 0.012))),
            nudging: None,
            divergence_damping: 0.2,
        };
        let flow = Flow {
            h: rough(DEPTH, 15.0, 0.2),
            u: rough(speed, 4.0, 1.1),
            v: rough(-0.5 * speed, 4.0, 2.3),
        };
        MoistLayer::new(layer, flow, waters())
    }

    fn relative(difference: f64, of: f64) -> f64 {
        difference.abs() / of
    }

    fn all_at_least_nought(layer: &MoistLayer) -> bool {
        layer
            .tracers()
            .iter()
            .all(|q| (0..SHAPE.ny).flat_map(|j| q.row(j)).all(|q| *q >= 0.0))
    }

    #[test]
    fn a_closed_domain_keeps_its_mass_and_its_water_while_it_rains() {
        for boundary in [Boundary::Periodic, Boundary::Walls] {
            let mut layer = storm(boundary.clone(), 8.0);
            let metric = layer.layer().metric.clone();
            let (mass, water) = (invariants::mass(&metric, &layer.flow().h), layer.water());
            for _ in 0..1000 {
                layer.step(6.0, 3).unwrap();
            }
            let exchange = layer.exchange();
            let mass_now = invariants::mass(&metric, &layer.flow().h) - exchange.mass_by_phase_changes;
            let water_now = layer.water() - exchange.rain_fallen;
            assert!(
                relative(mass_now - mass, mass) < 1e-13,
                "{boundary:?}: {:e}",
                relative(mass_now - mass, mass)
            );
            assert!(
                relative(water_now - water, water) < 1e-13,
                "{boundary:?}: {:e}",
                relative(water_now - water, water)
            );
            assert!(-exchange.rain_fallen > 1e-3 * water, "it did rain");
            assert!(all_at_least_nought(&layer));
        }
    }

    #[test]
    fn depth_and_vapour_together_are_blind_to_changes_of_phase() {
        // h - 50 h q_v changes with the air that moves, but its sum over a periodic domain only by what the supply draws, whose heat
        // goes elsewhere: without supply it stays.
        let mut layer = storm(Boundary::Periodic, 8.0);
        layer.tracers[crate::moisture::SUPPLY].fill(0.0);
        let metric = layer.layer().metric.clone();
        let moist =
            |l: &MoistLayer| invariants::mass(&metric, &l.flow().h) - 50.0 * invariants::amount(&metric, &l.flow().h, &l.tracers()[VAPOUR]);
        let before = moist(&layer);
        for _ in 0..200 {
            layer.step(6.0, 3).unwrap();
        }
        assert!(layer.exchange().mass_by_phase_changes.abs() > 1e-4 * invariants::mass(&metric, &layer.flow().h));
        assert!(relative(moist(&layer) - before, before) < 1e-13);
    }

    fn open(speed: f64) -> MoistLayer {
        let outer = Outer {
            flow: Flow {
                h: Plane::constant(SHAPE, DEPTH),
                u: Plane::constant(SHAPE, speed),
                v: Plane::constant(SHAPE, -0.5 * speed),
            },
            tracers: [0.0096, 0.0, 0.0, 0.0, 0.0].map(|q| Plane::constant(SHAPE, q)).to_vec(),
            relaxation: Relaxation { cells: 5, time_s: 120.0 },
            later: Vec::new(),
        };
        storm(Boundary::Open(Box::new(outer)), speed)
    }

    /// Fails unless all that an open domain gained since it held `mass` and `water` came through its edges or was led in.
    fn assert_closed(layer: &MoistLayer, mass: f64, water: f64) {
        let e = layer.exchange();
        let mass_now = invariants::mass(&layer.layer().metric, &layer.flow().h)
            - e.mass_by_phase_changes
            - e.mass_by_relaxation
            - e.mass_through_edges;
        let water_now = layer.water() - e.rain_fallen - e.water_by_relaxation - e.water_through_edges;
        assert!(relative(mass_now - mass, mass) < 1e-12, "{:e}", relative(mass_now - mass, mass));
        assert!(
            relative(water_now - water, water) < 1e-12,
            "{:e}",
            relative(water_now - water, water)
        );
    }

    #[test]
    fn what_an_open_domain_gains_came_through_its_edges_or_was_led_in() {
        let mut layer = open(10.0);
        let metric = layer.layer().metric.clone();
        let (mass, water) = (invariants::mass(&metric, &layer.flow().h), layer.water());
        for _ in 0..200 {
            layer.step(6.0, 3).unwrap();
        }
        assert_closed(&layer, mass, water);
        assert!(layer.exchange().water_through_edges.abs() > 1e-4 * water, "nothing went through");
        assert!(all_at_least_nought(&layer));
    }

    #[test]
    fn the_budget_of_an_open_domain_closes_while_the_air_outside_changes() {
        let mut layer = open(10.0);
        let Boundary::Open(outer) = &mut layer.layer.boundary else {
            unreachable!("it is open")
        };
        // In 20 min the wind outside doubles, the layer deepens by 4 m and the vapour rises by a fifth.
        let mut then = outer.now();
        then.time_s = 1200.0;
        then.flow.u.fill(20.0);
        then.flow.h.fill(504.0);
        then.tracers[VAPOUR].fill(0.0115);
        outer.later = vec![then];
        let metric = layer.layer().metric.clone();
        let (mass, water) = (invariants::mass(&metric, &layer.flow().h), layer.water());
        layer.advance(2400.0, 6.0).unwrap();
        assert_closed(&layer, mass, water);
        // The edge follows: 20 m/s on the west edge, and nearly so beside it.
        let wind = (0..SHAPE.ny).map(|j| layer.flow().u.row(j)[1]).sum::<f64>() / SHAPE.ny as f64;
        assert!((wind - 20.0).abs() < 2.0, "{wind} m/s");
        assert!(all_at_least_nought(&layer));
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let after = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut layer = open(10.0);
            pool.install(|| (0..9).for_each(|_| layer.step(6.0, 2).unwrap()));
            layer.keep()
        };
        assert_eq!(after(1), after(3));
    }

    #[test]
    fn a_core_that_was_stopped_goes_on_bit_by_bit() {
        // 13 steps, so that the transport has begun along the columns last.
        let mut through = storm(Boundary::Periodic, 8.0);
        let mut stopped = storm(Boundary::Periodic, 8.0);
        for _ in 0..13 {
            through.step(6.0, 2).unwrap();
            stopped.step(6.0, 2).unwrap();
        }
        let kept = Kept::from_bytes(&stopped.keep().to_bytes()).unwrap();
        let mut resumed = MoistLayer::resume(stopped.layer, kept).unwrap();
        for _ in 0..20 {
            through.step(6.0, 2).unwrap();
            resumed.step(6.0, 2).unwrap();
        }
        assert_eq!(through.keep(), resumed.keep());
    }

    #[test]
    fn echoes_leave_an_open_domain_and_none_come_in() {
        // The domain is 47 km wide; 10 m/s cross it in 80 min, and 5 m/s the 40 km northward in 133 min, so all has left after that.
        let mut layer = open(10.0);
        layer.advance(8100.0, 6.0).unwrap();
        let most = (0..SHAPE.ny)
            .flat_map(|j| layer.tracers()[ECHO].row(j))
            .fold(0.0_f64, |a, b| a.max(*b));
        assert!(most < 1e-6, "{most:e}");
    }

    #[test]
    fn moist_air_at_rest_over_a_mountain_stays_at_rest() {
        for boundary in [Boundary::Periodic, Boundary::Walls] {
            let mut layer = storm(boundary.clone(), 0.0);
            let mut mountain = rough(120.0, 50.0, 0.7);
            boundary.close_depth(&mut mountain);
            let mut lake = Flow::rest(SHAPE, 0.0);
            lake.h = Plane::from_fn(SHAPE, |j, i| DEPTH - mountain.at(j, i));
            let vapour = Plane::constant(SHAPE, 0.0096);
            let none = Plane::constant(SHAPE, 0.0);
            layer.layer.orography = mountain;
            let mut layer = MoistLayer::new(layer.layer, lake, vec![vapour, none.clone(), none.clone(), none.clone(), none]);
            for _ in 0..200 {
                layer.step(6.0, 3).unwrap();
            }
            let fastest = (0..SHAPE.ny)
                .flat_map(|j| [layer.flow().u.row(j), layer.flow().v.row(j)])
                .flatten()
                .fold(0.0_f64, |a, b| a.max(b.abs()));
            assert!(fastest <= 1e-12, "{boundary:?}: {fastest:e} m/s");
        }
    }

    #[test]
    fn a_constant_mixing_ratio_stays_constant_in_any_wind() {
        let mut layer = storm(Boundary::Periodic, 8.0);
        layer.layer.moisture = None;
        let mut layer = MoistLayer::new(layer.layer, layer.flow, vec![Plane::constant(SHAPE, 0.3)]);
        for _ in 0..200 {
            layer.step(6.0, 3).unwrap();
        }
        // Each of 200 steps rounds a few times at 1e-16 of the value.
        let worst = (0..SHAPE.ny)
            .flat_map(|j| layer.tracers()[0].row(j))
            .fold(0.0_f64, |a, q| a.max((q - 0.3).abs()));
        assert!(worst < 1e-13, "{worst:e}");
    }

    #[test]
    fn a_flow_too_fast_for_its_step_is_refused_with_its_place() {
        let mut layer = storm(Boundary::Periodic, 8.0);
        // Waves of 70 m/s cross 1.8 km in 26 s: a step of 60 s is far beyond what the stages bear.
        let refused = layer.step(60.0, 1);
        assert!(
            matches!(refused, Err(Error::Courant { courant, .. }) if courant > COURANT_LIMIT || courant.is_nan()),
            "{refused:?}"
        );
    }
}
