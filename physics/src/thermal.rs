//! Air whose weight depends on its warmth: water that condenses warms it, warm air holds more vapour, and both steer the wind.

use crate::{
    Error, invariants,
    moist_layer::Layer,
    plane::{Plane, RIM},
    shallow_water::{Flow, Fluxes, ShallowWaterEquations},
    time_integration::{Stage, System, ssprk3},
    transport::Transport,
};

/// Order of what this air carries.
pub(crate) const VAPOUR: usize = 0;
pub(crate) const CLOUD: usize = 1;
pub(crate) const RAIN: usize = 2;
pub(crate) const BUOYANCY: usize = 3;

/// Laws of the water: saturation q_s = q0 / (g (h + hs)) exp(ν (1 - b/g)).
///
/// What is beyond saturation becomes cloud, C = (q_v - q_s) / (1 + ν β2 q_s / g), which leaves the air just saturated for the warmth that it
/// releases; below saturation cloud evaporates by the same law. Cloud beyond `cloud_kg_kg` becomes rain at `rain_rate_s`; rain stays in the
/// air. Condensing water makes the air lighter: b falls by β2 C.
///
/// # Source
///
/// Zerroukat, M. and T. Allen, 2015: A moist Boussinesq shallow water equations set for testing atmospheric models. J. Comput. Phys., 290,
/// 55-72, doi:10.1016/j.jcp.2015.02.011. Their conversion to rain is a share a step; here it is a rate, so that it does not depend on the step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Water {
    /// q0, m² s⁻².
    pub q0: f64,
    /// ν.
    pub nu: f64,
    /// β2, m s⁻².
    pub beta2: f64,
    /// Cloud that stays cloud, kg kg⁻¹.
    pub cloud_kg_kg: f64,
    /// Rate of the rest becoming rain, s⁻¹.
    pub rain_rate_s: f64,
}

impl Water {
    /// Vapour that air of buoyancy `b` holds below a surface at `height_m`.
    pub fn saturation(&self, gravity: f64, height_m: f64, b: f64) -> f64 {
        self.q0 / (gravity * height_m) * (self.nu * (1.0 - b / gravity)).exp()
    }
}

/// A layer of air whose buoyancy b [m s⁻²] takes the place of gravity:
///
/// ∂v/∂t = … - b ∇(h + hs) - (h/2) ∇b, ∂(hb)/∂t + ∇·(F b) = -β2 h C.
pub struct ThermalLayer {
    layer: Layer,
    water: Water,
    flow: Flow,
    tracers: Vec<Plane>,
    condensed: Plane,
    time_s: f64,
    room: [Flow; 2],
    fluxes: Fluxes,
    depth_before: Plane,
    transport: Transport,
}

impl ThermalLayer {
    /// Air that carries vapour, cloud, rain [kg kg⁻¹] and buoyancy [m s⁻²].
    pub fn new(layer: Layer, water: Water, mut flow: Flow, mut tracers: [Plane; 4]) -> Self {
        layer.boundary.close_flow(&mut flow);
        for (index, tracer) in tracers.iter_mut().enumerate() {
            layer.boundary.close_tracer(index, tracer);
        }
        let shape = layer.metric.shape();
        Self {
            room: [flow.clone(), flow.clone()],
            fluxes: Fluxes::none(shape),
            depth_before: flow.h.clone(),
            transport: Transport::new(shape, 4),
            condensed: Plane::constant(shape, 0.0),
            layer,
            water,
            flow,
            tracers: tracers.into(),
            time_s: 0.0,
        }
    }

    /// Depth and wind now.
    pub fn flow(&self) -> &Flow {
        &self.flow
    }

    /// Vapour, cloud, rain and buoyancy now.
    pub fn tracers(&self) -> &[Plane] {
        &self.tracers
    }

    /// All that has become cloud since the start, m of water; what evaporated again is not taken off.
    pub fn condensed(&self) -> &Plane {
        &self.condensed
    }

    /// The layer.
    pub fn layer(&self) -> &Layer {
        &self.layer
    }

    /// Seconds since the start.
    pub fn time_s(&self) -> f64 {
        self.time_s
    }

    /// Vapour, cloud and rain in the layer, m³.
    pub fn water(&self) -> f64 {
        let amount = |q: &Plane| invariants::amount(&self.layer.metric, &self.flow.h, q);
        self.tracers[..=RAIN].iter().map(amount).sum()
    }

    /// Moves on by `seconds` in equal steps of at most `step_s`.
    ///
    /// # Errors
    ///
    /// [`Error::Courant`] where the depth is not positive any more, or not a number.
    pub fn advance(&mut self, seconds: f64, step_s: f64) -> Result<(), Error> {
        let steps = (seconds / step_s).ceil().max(1.0);
        for _ in 0..steps as usize {
            self.step(seconds / steps)?;
        }
        Ok(())
    }

    fn step(&mut self, dt: f64) -> Result<(), Error> {
        self.fluxes.clear();
        self.depth_before.copy_from(&self.flow.h);
        let Layer {
            metric,
            boundary,
            orography,
            gravity,
            ..
        } = &self.layer;
        let mut equations = ThermalEquations {
            air: ShallowWaterEquations {
                metric,
                boundary,
                orography,
                gravity: *gravity,
                fluxes: Some(&mut self.fluxes),
            },
            buoyancy: &self.tracers[BUOYANCY],
        };
        let [first, second] = &mut self.room;
        ssprk3(&mut equations, dt, &mut self.flow, first, second);
        self.time_s += dt;
        self.check()?;
        self.transport
            .step(metric, boundary, &self.fluxes, &mut self.depth_before, &mut self.tracers);
        self.change_phases(dt);
        for (index, tracer) in self.tracers.iter_mut().enumerate() {
            self.layer.boundary.close_tracer(index, tracer);
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Error> {
        for j in 0..self.flow.h.shape().ny {
            if let Some(column) = self.flow.h.row(j).iter().position(|h| !(h.is_finite() && *h > 0.0)) {
                return Err(Error::Courant {
                    courant: f64::NAN,
                    limit: 1.732,
                    row: j,
                    column,
                    time_s: self.time_s,
                });
            }
        }
        Ok(())
    }

    fn change_phases(&mut self, dt: f64) {
        let (water, gravity) = (self.water, self.layer.gravity);
        let to_rain = water.rain_rate_s * dt / (1.0 + water.rain_rate_s * dt);
        let [vapour, cloud, rain, buoyancy] = &mut self.tracers[..] else {
            return;
        };
        for j in 0..self.flow.h.shape().ny {
            let row = j + RIM;
            let (h, hs) = (self.flow.h.full_row(row), self.layer.orography.full_row(row));
            let (vapour, cloud) = (vapour.full_row_mut(row), cloud.full_row_mut(row));
            let (rain, b) = (rain.full_row_mut(row), buoyancy.full_row_mut(row));
            let so_far = self.condensed.full_row_mut(row);
            for k in RIM..h.len() - RIM {
                let most = water.saturation(gravity, h[k] + hs[k], b[k]);
                let share = 1.0 / (1.0 + water.nu * water.beta2 * most / gravity);
                let condensed = (share * (vapour[k] - most)).clamp(-cloud[k], vapour[k]);
                vapour[k] -= condensed;
                cloud[k] += condensed;
                so_far[k] += h[k] * condensed.max(0.0);
                b[k] -= water.beta2 * condensed;
                let converted = to_rain * (cloud[k] - water.cloud_kg_kg).max(0.0);
                cloud[k] -= converted;
                rain[k] += converted;
            }
        }
    }
}

/// The equations of air of one weight, and what its warmth adds: -(b - g) ∇(h + hs) - (h/2) ∇b.
struct ThermalEquations<'a> {
    air: ShallowWaterEquations<'a>,
    buoyancy: &'a Plane,
}

impl System for ThermalEquations<'_> {
    type State = Flow;

    fn stage(&mut self, stage: Stage, y: &Flow, old: &Flow, into: &mut Flow) {
        self.air.stage(stage, y, old, into);
        let rate = -stage.new * stage.dt;
        let (metric, b) = (self.air.metric, self.buoyancy);
        let first = [self.air.boundary.first_west_face(), self.air.boundary.first_south_face()];
        let Flow { u, v, .. } = into;
        let shape = metric.shape();
        let mut push = vec![0.0; shape.width()];
        for row in RIM..RIM + shape.ny {
            let (h, hs, b0) = (y.h.full_row(row), self.air.orography.full_row(row), b.full_row(row));
            let (south_h, south_hs, south_b) = (y.h.full_row(row - 1), self.air.orography.full_row(row - 1), b.full_row(row - 1));
            let gravity = self.air.gravity;
            let force = |h: [f64; 2], hs: [f64; 2], b: [f64; 2]| {
                (0.5 * (b[0] + b[1]) - gravity) * (h[1] + hs[1] - h[0] - hs[0]) + 0.25 * (h[0] + h[1]) * (b[1] - b[0])
            };
            for k in RIM + first[0]..RIM + shape.nx {
                push[k] = rate * metric.per_dx(row, k) * force([h[k - 1], h[k]], [hs[k - 1], hs[k]], [b0[k - 1], b0[k]]);
            }
            if let Some(filter) = metric.filter() {
                filter.cells(row, &mut push);
            }
            let add = |values: &mut [f64], push: &[f64], from: usize| {
                values[from..RIM + shape.nx]
                    .iter_mut()
                    .zip(&push[from..])
                    .for_each(|(v, p)| *v += p);
            };
            add(u.full_row_mut(row), &push, RIM + first[0]);
            if row >= RIM + first[1] {
                for k in RIM..RIM + shape.nx {
                    push[k] = rate * metric.per_dy(row, k) * force([south_h[k], h[k]], [south_hs[k], hs[k]], [south_b[k], b0[k]]);
                }
                if let Some(filter) = metric.filter() {
                    filter.faces(row, &mut push);
                }
                add(v.full_row_mut(row), &push, RIM);
            }
        }
        self.air.boundary.close_flow(into);
    }
}
