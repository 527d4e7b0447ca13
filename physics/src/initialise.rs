//! Starts the core: from what the radar saw and how it moves, and from a state of the air where there is one.

use ndarray::Array2;
use nowblend_field::State;

use crate::{
    Error,
    balance::{balanced_height, remove_divergence},
    boundary::{Boundary, Later, Outer, Relaxation},
    coarse::Blocks,
    config::ShallowWaterConfig,
    constants::{EPSILON, GRAVITY},
    digital_filter::{Air as AirParts, DigitalFilter, surface_tendency},
    metric::Metric,
    moist_layer::{Layer, MoistLayer, Nudging},
    moisture::{ECHO, RAIN, SUPPLY, TRACERS, VAPOUR},
    plane::{Plane, Shape},
    shallow_water::Flow,
};

/// Below this the wind cannot be read off the geopotential, s⁻¹ (within about 8° of the equator).
const LEAST_CORIOLIS: f64 = 2e-5;

/// Time over which the change of the depth is told, s.
const SETTLING_S: f64 = 10.0;

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
    /// The air around later, by seconds after the start, in the order of time.
    pub later: Vec<(f64, Air)>,
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
        let mean = |field: &Array2<f32>| blocks.mean(field);
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

/// How fast the depth changes at the start, on average over the map, m s⁻¹: what would leave as gravity waves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settled {
    /// With the wind as it is given, on a level layer.
    pub given: f64,
    /// Without its divergence and held by the pressure field.
    pub balanced: f64,
    /// After the digital filter.
    pub filtered: f64,
}

/// Air at the start that moves with the rain and is held in balance.
struct Balanced {
    /// The wind as it is given.
    given: Flow,
    /// That wind without its divergence, on a level layer.
    flow: Flow,
    boundary: Boundary,
    /// The fixed pressure field that holds it.
    pressure: Plane,
    /// Vapour outside echoes.
    outside: Plane,
}

impl Balanced {
    fn new(config: &ShallowWaterConfig, metric: &Metric, start: &Start) -> Self {
        let shape = metric.shape();
        let given = wind(config, metric, start);
        let mut flow = given.clone();
        remove_divergence(metric, &mut flow);
        let outside = over_cells(shape, |j, i| vapour_outside(config, start.air.as_ref(), j, i));
        let open = |flow: &Flow, later: Vec<Later>| {
            Boundary::Open(Box::new(Outer {
                flow: flow.clone(),
                tracers: only_vapour(outside.clone()),
                relaxation: Relaxation {
                    cells: config.relaxation_cells.min(shape.ny.min(shape.nx) / 4),
                    time_s: config.relaxation_time_s,
                },
                later,
            }))
        };
        let pressure = balanced_height(metric, &open(&flow, Vec::new()), GRAVITY, &flow);
        let mut later: Vec<Later> = Vec::new();
        if !start.later.is_empty() {
            later.push(Later {
                time_s: 0.0,
                flow: flow.clone(),
                tracers: only_vapour(outside.clone()),
            });
        }
        for (time_s, air) in &start.later {
            let mut flow = winds(config, metric, |j, i| air.wind_at(metric, j, i));
            remove_divergence(metric, &mut flow);
            let own = balanced_height(metric, &open(&flow, Vec::new()), GRAVITY, &flow);
            flow.h = depth_on(config, &own, &pressure);
            later.push(Later {
                time_s: *time_s,
                flow,
                tracers: only_vapour(over_cells(shape, |j, i| vapour_outside(config, Some(air), j, i))),
            });
        }
        let boundary = open(&flow, later);
        Self {
            given,
            flow,
            boundary,
            pressure,
            outside,
        }
    }

    fn around<'a>(&'a self, metric: &'a Metric) -> AirParts<'a> {
        AirParts {
            metric,
            boundary: &self.boundary,
            orography: &self.pressure,
            gravity: GRAVITY,
        }
    }

    /// The flow after the digital filter; as it is without one.
    fn filtered(&self, config: &ShallowWaterConfig, metric: &Metric) -> Result<Flow, Error> {
        if config.digital_filter_min > 0.0 {
            DigitalFilter::of_cutoff(30.0 * config.digital_filter_min).apply(self.around(metric), &self.flow)
        } else {
            Ok(self.flow.clone())
        }
    }
}

/// How far a start is in balance.
///
/// # Errors
///
/// Those of the digital filter.
pub(crate) fn settled(config: &ShallowWaterConfig, blocks: &Blocks, start: &Start) -> Result<Settled, Error> {
    let metric = Metric::of_grid(blocks.grid());
    let balanced = Balanced::new(config, &metric, start);
    let level = Plane::constant(metric.shape(), 0.0);
    let around = balanced.around(&metric);
    let tendency = |orography: &Plane, flow: &Flow| surface_tendency(AirParts { orography, ..around }, flow, SETTLING_S);
    Ok(Settled {
        given: tendency(&level, &balanced.given),
        balanced: tendency(&balanced.pressure, &balanced.flow),
        filtered: tendency(&balanced.pressure, &balanced.filtered(config, &metric)?),
    })
}

/// A layer of air that rains what the radar saw.
///
/// Wind: the motion of the rain; with a state its wind away from echoes. What diverges is taken out, since it would leave as gravity
/// waves, and a fixed pressure field holds the rest in nonlinear balance, so that the layer is level. Rain is inverted from the
/// observed rate, its supply keeps it steady, and the column is saturated where it rains; around it has the state's humidity or a
/// given relative one. Cells that the radar did not see start dry. States that hold later are what lies beyond the edges by then.
///
/// # Errors
///
/// Those of the digital filter.
pub(crate) fn layer(config: &ShallowWaterConfig, blocks: &Blocks, start: &Start) -> Result<MoistLayer, Error> {
    let metric = Metric::of_grid(blocks.grid());
    let shape = metric.shape();
    let moisture = config.moisture();
    let balanced = Balanced::new(config, &metric, start);
    let flow = balanced.filtered(config, &metric)?;
    let Balanced {
        boundary,
        pressure,
        outside,
        ..
    } = balanced;
    let capacity = over_cells(shape, |j, i| config.mean_depth_m * saturation(config, start.air.as_ref(), j, i));
    let rain = over_cells(shape, |j, i| {
        let rate = start.rain[[j, i]];
        if rate > 0.0 {
            moisture.rain_amount(rate) / config.mean_depth_m
        } else {
            0.0
        }
    });
    let mut vapour = outside;
    for j in 0..shape.ny as isize {
        for i in 0..shape.nx as isize {
            if rain.at(j, i) > 0.0 {
                *vapour.at_mut(j, i) = capacity.at(j, i) / config.mean_depth_m;
            }
        }
    }
    let mut supply = rain.clone();
    for j in 0..shape.ny as isize {
        for i in 0..shape.nx as isize {
            *supply.at_mut(j, i) = moisture.steady_supply(rain.at(j, i));
        }
    }
    let layer = Layer {
        metric,
        boundary,
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
    let mut tracers = only_vapour(vapour);
    tracers[RAIN] = rain.clone();
    tracers[SUPPLY] = supply;
    tracers[ECHO] = rain;
    Ok(MoistLayer::new(layer, flow, tracers))
}

/// What the air beyond the edges carries: vapour.
fn only_vapour(vapour: Plane) -> Vec<Plane> {
    let mut tracers = vec![Plane::constant(vapour.shape(), 0.0); TRACERS];
    tracers[VAPOUR] = vapour;
    tracers
}

/// Depth of a layer over the fixed pressure field `ground` that holds the wind for which `own` is that field, m: its mean is the mean depth, and it
/// is nowhere less than a fifth of it.
fn depth_on(config: &ShallowWaterConfig, own: &Plane, ground: &Plane) -> Plane {
    let shape = own.shape();
    let cells = || (0..shape.ny as isize).flat_map(move |j| (0..shape.nx as isize).map(move |i| (j, i)));
    let mean = cells().map(|(j, i)| own.at(j, i) - ground.at(j, i)).sum::<f64>() / (shape.ny * shape.nx) as f64;
    Plane::from_fn(shape, |j, i| {
        let depth = config.mean_depth_m + own.at(j, i) - ground.at(j, i) - mean;
        depth.max(0.2 * config.mean_depth_m)
    })
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

/// Wind of the start: the motion of the rain, away from echoes that of the state.
fn wind(config: &ShallowWaterConfig, metric: &Metric, start: &Start) -> Flow {
    let near_echo = start.air.as_ref().map(|_| near_echo(metric, &start.rain));
    winds(config, metric, |j, i| {
        let known = |m: f64| if m.is_finite() { m } else { 0.0 };
        let motion = (known(start.motion[0][[j, i]]), known(start.motion[1][[j, i]]));
        let air = start.air.as_ref().and_then(|air| air.wind_at(metric, j, i));
        Some(match (air, &near_echo) {
            (Some((u, v)), Some(near)) => (u + near[[j, i]] * (motion.0 - u), v + near[[j, i]] * (motion.1 - v)),
            _ => motion,
        })
    })
}

/// A level layer with the wind of its cells, rest where there is none.
fn winds(config: &ShallowWaterConfig, metric: &Metric, of_cell: impl Fn(usize, usize) -> Option<(f64, f64)>) -> Flow {
    let shape = metric.shape();
    let cells = Array2::from_shape_fn((shape.ny, shape.nx), |(j, i)| of_cell(j, i).unwrap_or_default());
    let east = over_cells(shape, |j, i| cells[[j, i]].0);
    let north = over_cells(shape, |j, i| cells[[j, i]].1);
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

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};
    use nowblend_field::Grid;

    use super::*;

    fn plane(ny: usize, nx: usize) -> (Grid, Blocks) {
        let grid = Grid::plane(ny, nx, 4000.0);
        let blocks = Blocks::new(&grid, 4000.0, 100_000);
        (grid, blocks)
    }

    fn still(blocks: &Blocks) -> Start {
        let shape = blocks.grid().shape();
        Start {
            rain: Array2::zeros(shape),
            motion: [Array2::zeros(shape), Array2::zeros(shape)],
            air: None,
            later: Vec::new(),
        }
    }

    #[test]
    fn the_layer_rains_what_the_radar_saw_and_is_saturated_there() {
        let (_, blocks) = plane(20, 24);
        let mut start = still(&blocks);
        start.rain[[5, 7]] = 10.0;
        start.rain[[5, 8]] = f64::NAN;
        let config = ShallowWaterConfig::default();
        let layer = layer(&config, &blocks, &start).unwrap();
        let rate = |j, i| {
            config
                .moisture()
                .rain_rate(layer.flow().h.at(j, i) * layer.tracers()[RAIN].at(j, i))
        };
        assert!((rate(5, 7) - 10.0).abs() < 1e-9);
        assert_eq!((rate(5, 8), rate(0, 0)), (0.0, 0.0));
        let vapour = &layer.tracers()[VAPOUR];
        // 0.012 in the echo, 0.8 x 0.012 outside.
        assert!((vapour.at(5, 7) - 0.012).abs() < 1e-15 && (vapour.at(9, 9) - 0.0096).abs() < 1e-15);
    }

    #[test]
    fn a_sheared_wind_in_balance_is_held_for_three_hours() {
        // 20 m/s from the west with a jet of 10 m/s more over 40 km: no divergence, so the pressure field holds it all. What is left
        // is the second-order error of a jet 10 cells wide and waves from the corners; a wind that were not held would turn by
        // f t = 1.07e-4 x 10800 = 1.2 radians.
        let (_, blocks) = plane(60, 64);
        let mut start = still(&blocks);
        start.motion[0] = Array2::from_shape_fn((60, 64), |(j, _)| 20.0 + 10.0 * (-((j as f64 - 30.0) / 10.0).powi(2)).exp());
        let config = ShallowWaterConfig::default();
        let mut layer = layer(&config, &blocks, &start).unwrap();
        layer.advance(10_800.0, 15.0).unwrap();
        for (j, i) in [(30, 32), (20, 20), (45, 50), (10, 40)] {
            let expected = start.motion[0][[j as usize, i as usize]];
            let (u, v) = (layer.flow().u.at(j, i), layer.flow().v.at(j, i));
            assert!(
                (u - expected).abs() < 0.2 && v.abs() < 0.2,
                "{u}, {v} at {j}, {i}, expected {expected}, 0"
            );
            assert!((layer.flow().h.at(j, i) - 500.0).abs() < 2.0, "{}", layer.flow().h.at(j, i));
        }
    }

    fn state(grid: &Grid, wind: f32) -> State {
        let shape = grid.shape();
        State {
            grid: grid.clone(),
            valid_time: Utc.with_ymd_and_hms(2020, 7, 1, 12, 0, 0).unwrap(),
            level_hpa: 700.0,
            u: Array2::from_elem(shape, wind),
            v: Array2::zeros(shape),
            geopotential: Array2::from_shape_fn(shape, |(j, _)| 30_000.0 - 8.0 * j as f32),
            specific_humidity: Some(Array2::from_elem(shape, 0.003)),
            temperature: Some(Array2::from_elem(shape, 273.15)),
        }
    }

    #[test]
    fn a_state_gives_its_wind_and_humidity_away_from_echoes() {
        let (grid, blocks) = plane(60, 64);
        let mut start = still(&blocks);
        start.rain.slice_mut(ndarray::s![..30, ..]).fill(2.0);
        start.motion[0].fill(5.0);
        start.air = Some(Air::of(&state(&grid, 15.0), &blocks));
        let metric = Metric::of_grid(blocks.grid());
        let flow = wind(&ShallowWaterConfig::default(), &metric, &start);
        assert!((flow.u.at(5, 30) - 5.0).abs() < 1e-9 && (flow.u.at(55, 30) - 15.0).abs() < 1e-9);
        let config = ShallowWaterConfig::default();
        // At 0 °C e_s = 6.112 hPa: q_s = 0.622 x 6.112 / (700 - 0.378 x 6.112) = 5.449e-3.
        assert!((saturation(&config, start.air.as_ref(), 3, 3) - 5.449e-3).abs() < 1e-6);
        assert!((vapour_outside(&config, start.air.as_ref(), 50, 3) - 0.003).abs() < 1e-9);
    }

    #[test]
    fn a_wind_that_is_not_given_is_read_off_the_geopotential() {
        // φ falls by 8 m² s⁻² in 4 km northward: u = 2e-3 / f with f = 1.03e-4 near 45° N: 19.4 m/s.
        let (grid, blocks) = plane(60, 64);
        let air = Air::of(&state(&grid, f32::NAN), &blocks);
        let metric = Metric::of_grid(blocks.grid());
        let (u, v) = air.wind_at(&metric, 30, 30).unwrap();
        let expected = 2e-3 / metric.coriolis().at(30, 30);
        assert!((u - expected).abs() < 1e-3 && (15.0..25.0).contains(&u), "{u} against {expected}");
        assert_eq!(v, 0.0);
    }
    #[test]
    fn the_air_beyond_the_edges_changes_with_the_states() {
        // 10 m/s from the west, 20 m/s three hours later: after these the edges blow with 20 m/s, half way with 15, and the layer's slope along
        // the map, f 10 m/s / g = 1.0e-4, or 26 m over 240 km, holds that wind.
        let (grid, blocks) = plane(60, 64);
        let mut start = still(&blocks);
        start.motion[0].fill(10.0);
        start.air = Some(Air::of(&state(&grid, 10.0), &blocks));
        start.later = vec![(10_800.0, Air::of(&state(&grid, 20.0), &blocks))];
        let config = ShallowWaterConfig::default();
        let mut layer = layer(&config, &blocks, &start).unwrap();
        for (time_s, expected) in [(5400.0, 15.0), (10_800.0, 20.0)] {
            layer.advance(time_s - layer.time_s(), 15.0).unwrap();
            for (j, i) in [(0, 30), (59, 30), (30, 1), (30, 62)] {
                let u = layer.flow().u.at(j, i);
                assert!((u - expected).abs() < 0.5, "{u} m/s at {j}, {i} after {time_s} s");
            }
            let middle = layer.flow().u.at(30, 32);
            assert!((middle - expected).abs() < 2.5, "{middle} m/s in the middle after {time_s} s");
        }
        let slope = (layer.flow().h.at(2, 32) - layer.flow().h.at(57, 32)) / (55.0 * 4000.0);
        assert!((slope / 1.05e-4 - 1.0).abs() < 0.2, "{slope}");
    }
}
