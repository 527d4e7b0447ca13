//! Starts the core: from what the radar saw and how it moves, and from a state of the air where there is one.

use ndarray::Array2;
use nowblend_field::State;

use crate::{
    balance::{balanced_height, remove_divergence},
    boundary::{Boundary, Outer, Relaxation},
    coarse::Blocks,
    config::ShallowWaterConfig,
    constants::{EPSILON, GRAVITY},
    metric::Metric,
    moist_layer::{Layer, MoistLayer, Nudging},
    moisture::TRACERS,
    plane::{Plane, Shape},
    shallow_water::Flow,
};

/// Below this the wind cannot be read off the geopotential, s⁻¹ (within about 8° of the equator).
const LEAST_CORIOLIS: f64 = 2e-5;

/// Rows and columns over which the wind goes from the echoes' motion to that of the state around them, km.
const BLENDING_KM: f64 = 40.0;

/// What the core starts from, on its own cells `[y, x]`.
pub(crate) struct Start {
    /// Rain, mm h⁻¹; NaN where not observed.
    pub rain: Array2<f64>,
    /// Motion of the rain towards the grid's east and north, m s⁻¹.
    pub motion: [Array2<f64>; 2],
    /// The air around.
    pub air: Option<Air>,
}

/// A state of the air on the core's cells `[y, x]`; NaN where unknown.
pub(crate) struct Air {
    level_hpa: f64,
    wind: [Array2<f64>; 2],
    geopotential: Array2<f64>,
    specific_humidity: Option<Array2<f64>>,
    temperature: Option<Array2<f64>>,
}

impl Air {
    /// Means of a state, whose shapes were checked, over blocks.
    pub fn of(state: &State, blocks: &Blocks) -> Self {
        let mean = |field: &Array2<f32>| blocks.mean(field.view());
        Self {
            level_hpa: state.level_hpa,
            wind: [mean(&state.u), mean(&state.v)],
            geopotential: mean(&state.geopotential),
            specific_humidity: state.specific_humidity.as_ref().map(mean),
            temperature: state.temperature.as_ref().map(mean),
        }
    }

    /// Wind at a cell, m s⁻¹: that of the state, or where it is unknown the geostrophic one, f v = ∂φ/∂x, f u = -∂φ/∂y.
    fn wind_at(&self, metric: &Metric, j: usize, i: usize) -> Option<(f64, f64)> {
        let given = (self.wind[0][[j, i]], self.wind[1][[j, i]]);
        if given.0.is_finite() && given.1.is_finite() {
            return Some(given);
        }
        let f = metric.coriolis().at(j as isize, i as isize);
        let Shape { ny, nx } = metric.shape();
        let ((south, north), (west, east)) = (around(j, ny), around(i, nx));
        if f.abs() < LEAST_CORIOLIS || south == north || west == east {
            return None;
        }
        let phi = &self.geopotential;
        let u = -(phi[[north, i]] - phi[[south, i]]) / ((north - south) as f64 * metric.dy_m()) / f;
        let v = (phi[[j, east]] - phi[[j, west]]) / ((east - west) as f64 * metric.dx_m(j)) / f;
        (u.is_finite() && v.is_finite()).then_some((u, v))
    }
}

/// The neighbours of an index along a side of `n`, itself on the edge.
fn around(index: usize, n: usize) -> (usize, usize) {
    (index.saturating_sub(1), (index + 1).min(n - 1))
}

/// A layer of air that rains what the radar saw.
///
/// Wind: the motion of the rain; with a state its wind away from echoes. What diverges is taken out, since it would leave as gravity
/// waves, and a fixed pressure field holds the rest in nonlinear balance, so that the layer is level. Rain is inverted from the
/// observed rate, its supply keeps it steady, and the column is saturated where it rains; around it has the state's humidity or a
/// given relative one. Cells that the radar did not see start dry.
pub(crate) fn layer(config: &ShallowWaterConfig, blocks: &Blocks, start: &Start) -> MoistLayer {
    let metric = Metric::of_grid(blocks.grid());
    let shape = metric.shape();
    let moisture = config.moisture();
    let mut flow = wind(config, &metric, start);
    remove_divergence(&metric, &mut flow);
    let around = Boundary::Open(Box::new(Outer {
        flow: flow.clone(),
        tracers: Vec::new(),
        relaxation: Relaxation {
            cells: config.relaxation_cells.min(shape.ny.min(shape.nx) / 4),
            time_s: config.relaxation_time_s,
        },
    }));
    let pressure = balanced_height(&metric, &around, GRAVITY, &flow);
    let capacity = over_cells(shape, |j, i| config.mean_depth_m * saturation(config, start.air.as_ref(), j, i));
    let rain = over_cells(shape, |j, i| {
        let rate = start.rain[[j, i]];
        if rate > 0.0 {
            moisture.rain_amount(rate) / config.mean_depth_m
        } else {
            0.0
        }
    });
    let outside = over_cells(shape, |j, i| vapour_outside(config, start.air.as_ref(), j, i));
    let mut vapour = outside.clone();
    for j in 0..shape.ny as isize {
        for i in 0..shape.nx as isize {
            if rain.at(j, i) > 0.0 {
                *vapour.at_mut(j, i) = capacity.at(j, i) / config.mean_depth_m;
            }
        }
    }
    let none = Plane::constant(shape, 0.0);
    let mut supply = rain.clone();
    for j in 0..shape.ny as isize {
        for i in 0..shape.nx as isize {
            *supply.at_mut(j, i) = moisture.steady_supply(rain.at(j, i));
        }
    }
    let mut around = around;
    if let Boundary::Open(outer) = &mut around {
        outer.tracers = vec![none.clone(); TRACERS];
        outer.tracers[crate::moisture::VAPOUR] = outside;
    }
    let layer = Layer {
        metric,
        boundary: around,
        orography: pressure,
        gravity: GRAVITY,
        moisture: Some((moisture, capacity)),
        nudging: Some(Nudging {
            towards: flow.clone(),
            time_s: 60.0 * config.nudging_time_min,
            echo: moisture.rain_amount(config.nudging_rain_mm_h) / config.mean_depth_m,
        }),
        divergence_damping: config.divergence_damping,
    };
    MoistLayer::new(layer, flow, vec![vapour, none, rain.clone(), supply, rain])
}

/// A plane from values of the cells; the rim repeats those of the edge.
fn over_cells(shape: Shape, value: impl Fn(usize, usize) -> f64) -> Plane {
    Plane::from_fn(shape, |j, i| {
        value(
            j.clamp(0, shape.ny as isize - 1) as usize,
            i.clamp(0, shape.nx as isize - 1) as usize,
        )
    })
}

fn wind(config: &ShallowWaterConfig, metric: &Metric, start: &Start) -> Flow {
    let shape = metric.shape();
    let near_echo = start.air.as_ref().map(|_| near_echo(metric, &start.rain));
    let of_cell = |part: usize| {
        over_cells(shape, |j, i| {
            let motion = start.motion[part][[j, i]];
            let motion = if motion.is_finite() { motion } else { 0.0 };
            let (Some(air), Some(near)) = (&start.air, &near_echo) else {
                return motion;
            };
            match air.wind_at(metric, j, i) {
                Some((u, v)) => {
                    let wind = if part == 0 { u } else { v };
                    wind + near[[j, i]] * (motion - wind)
                }
                None => motion,
            }
        })
    };
    let (east, north) = (of_cell(0), of_cell(1));
    let first = -(crate::plane::RIM as isize);
    let mut flow = Flow::rest(shape, config.mean_depth_m);
    flow.u = Plane::from_fn(shape, |j, i| 0.5 * (east.at(j, (i - 1).max(first)) + east.at(j, i)));
    flow.v = Plane::from_fn(shape, |j, i| 0.5 * (north.at((j - 1).max(first), i) + north.at(j, i)));
    flow
}

/// 1 in echoes, falling to 0 away from them `[y, x]`: the share of wet cells in a window, doubled and limited.
fn near_echo(metric: &Metric, rain: &Array2<f64>) -> Array2<f64> {
    let wet = rain.mapv(|r| f64::from(r >= 0.1));
    let cells = (1000.0 * BLENDING_KM / metric.smallest_spacing_m()).round() as usize;
    let smooth = box_mean(&box_mean(&wet, cells).reversed_axes(), cells).reversed_axes();
    smooth.mapv(|s| (2.0 * s).min(1.0))
}

/// Mean along the rows over a window of 2 `half` + 1 cells, fewer on the edges.
fn box_mean(field: &Array2<f64>, half: usize) -> Array2<f64> {
    let mut out = Array2::zeros(field.raw_dim());
    for (row, mut out) in field.rows().into_iter().zip(out.rows_mut()) {
        let n = row.len();
        let mut sums = vec![0.0; n + 1];
        for i in 0..n {
            sums[i + 1] = sums[i] + row[i];
        }
        for (i, mean) in out.iter_mut().enumerate() {
            let (first, end) = (i.saturating_sub(half), (i + half + 1).min(n));
            *mean = (sums[end] - sums[first]) / (end - first) as f64;
        }
    }
    out
}

/// Vapour that a resting column holds at most, kg kg⁻¹: from the temperature of the state where it has one, else given.
///
/// q_s = ε e_s / (p - (1 - ε) e_s) with e_s = 6.112 hPa exp(17.67 T / (T + 243.5)), T in °C, limited to 1e-4 to 0.05.
///
/// # Source
///
/// Bolton, D., 1980: The computation of equivalent potential temperature. Mon. Wea. Rev., 108, 1046-1053,
/// doi:10.1175/1520-0493(1980)108<1046:TCOEPT>2.0.CO;2, equation 10.
fn saturation(config: &ShallowWaterConfig, air: Option<&Air>, j: usize, i: usize) -> f64 {
    let Some((air, temperature)) = air.and_then(|a| Some((a, a.temperature.as_ref()?[[j, i]]))) else {
        return config.saturation_kg_kg;
    };
    let celsius = temperature - 273.15;
    let pressure = 6.112 * (17.67 * celsius / (celsius + 243.5)).exp();
    let q = EPSILON * pressure / (air.level_hpa - (1.0 - EPSILON) * pressure);
    if q.is_finite() && q > 0.0 {
        q.clamp(1e-4, 0.05)
    } else {
        config.saturation_kg_kg
    }
}

fn vapour_outside(config: &ShallowWaterConfig, air: Option<&Air>, j: usize, i: usize) -> f64 {
    let most = saturation(config, air, j, i);
    let given = air.and_then(|a| a.specific_humidity.as_ref()).map(|q| q[[j, i]]);
    match given {
        Some(q) if q.is_finite() => q.clamp(0.0, most),
        _ => config.relative_humidity * most,
    }
}
