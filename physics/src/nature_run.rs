//! Hours of invented weather that is known exactly: eddies, and showers that are born where the air converges, rain and die.

use chrono::TimeDelta;
use ndarray::{Array2, Array3};
use nowblend_field::{Error as FieldError, Grid, LeadTime, ReferenceTime, Seed, Sequence};
use serde::Serialize;

use crate::{
    Error, ShallowWaterConfig,
    balance::balanced_height,
    boundary::Boundary,
    constants::GRAVITY,
    dice::Dice,
    metric::{Metric, Rotation},
    moist_layer::{Layer, MoistLayer},
    moisture::{RAIN, SUPPLY, TRACERS, VAPOUR},
    plane::{Plane, Shape},
    shallow_water::Flow,
};

/// How often showers are born, s.
const EVERY: f64 = 600.0;
/// Places that a shower looks at before it is born where the air converges most.
const CHOICE: usize = 12;
/// Waves along each side that the eddies are made of.
const WAVES: usize = 8;

/// What a nature run is made of.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct NatureConfig {
    /// Cells along a side, 32 to 4096.
    pub cells: usize,
    /// Size of a cell, km, 0.5 to 10.
    pub cell_km: f64,
    /// Wind of the eddies in the mean of squares, m s⁻¹, 0 to 30.
    pub wind_m_s: f64,
    /// Showers born every 10 min on 100 x 100 km, 0 to 100.
    pub showers: f64,
}

impl Default for NatureConfig {
    fn default() -> Self {
        Self {
            cells: 128,
            cell_km: 2.0,
            wind_m_s: 8.0,
            showers: 3.0,
        }
    }
}

impl NatureConfig {
    /// Refuses keys outside their bounds.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with the first such key.
    pub fn check(&self) -> Result<(), Error> {
        let bounds = [
            ("cells", self.cells as f64, 32.0..=4096.0, "32 to 4096"),
            ("cell_km", self.cell_km, 0.5..=10.0, "0.5 to 10 km"),
            ("wind_m_s", self.wind_m_s, 0.0..=30.0, "0 to 30 m/s"),
            ("showers", self.showers, 0.0..=100.0, "0 to 100"),
        ];
        match bounds.into_iter().find(|(_, found, range, _)| !range.contains(found)) {
            Some((key, found, _, expected)) => Err(Error::Config { key, found, expected }),
            None => Ok(()),
        }
    }
}

/// A moist layer between walls whose state is known at every moment.
///
/// Eddies start in nonlinear balance from a random stream function. Every ten minutes showers are born, each at the best of a dozen random places:
/// where the air converges most. What feeds a shower lasts 20 to 60 min, is carried with the air, and is drawn from its vapour, so that the
/// budget of water closes.
pub struct NatureRun {
    config: NatureConfig,
    law: ShallowWaterConfig,
    layer: MoistLayer,
    dice: Dice,
    /// Longest step of the air, s: chosen for the wind at the start.
    step_s: f64,
    born_until_s: f64,
}

impl NatureRun {
    /// A start of its own for each seed.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] for a key outside its bounds.
    pub fn new(config: NatureConfig, seed: Seed) -> Result<Self, Error> {
        config.check()?;
        let law = ShallowWaterConfig {
            supply_time_min: 40.0,
            ..ShallowWaterConfig::default()
        };
        let shape = Shape {
            ny: config.cells,
            nx: config.cells,
        };
        let cell_m = 1000.0 * config.cell_km;
        let metric = Metric::plane(shape, cell_m, cell_m, Rotation::Constant(1e-4));
        let mut dice = Dice::new(seed.0);
        let mut flow = eddies(shape, cell_m, config.wind_m_s, law.mean_depth_m, &mut dice);
        Boundary::Walls.close_flow(&mut flow);
        let height = balanced_height(&metric, &Boundary::Walls, GRAVITY, &flow);
        flow.h = Plane::from_fn(shape, |j, i| law.mean_depth_m + height.at(j, i));
        let mut tracers = vec![Plane::constant(shape, 0.0); TRACERS];
        tracers[VAPOUR] = Plane::constant(shape, 0.95 * law.saturation_kg_kg);
        let layer = Layer {
            metric,
            boundary: Boundary::Walls,
            orography: Plane::constant(shape, 0.0),
            gravity: GRAVITY,
            moisture: Some((law.moisture(), Plane::constant(shape, law.mean_depth_m * law.saturation_kg_kg))),
            nudging: None,
            divergence_damping: law.divergence_damping,
        };
        let layer = MoistLayer::new(layer, flow, tracers);
        let step_s = layer.air_step_s(0.35);
        Ok(Self {
            step_s,
            config,
            law,
            layer,
            dice,
            born_until_s: 0.0,
        })
    }

    /// Moves on by `seconds`.
    ///
    /// # Errors
    ///
    /// [`Error::Courant`] or [`Error::Emptied`] where the flow outruns the step.
    pub fn advance(&mut self, seconds: f64) -> Result<(), Error> {
        let until = self.layer.time_s() + seconds;
        while self.layer.time_s() < until - 1e-6 {
            if self.layer.time_s() >= self.born_until_s - 1e-6 {
                self.bear();
                self.born_until_s += EVERY;
            }
            let part = until.min(self.born_until_s) - self.layer.time_s();
            self.layer.advance(part, self.step_s)?;
        }
        Ok(())
    }

    /// The known state.
    pub fn layer(&self) -> &MoistLayer {
        &self.layer
    }

    /// Rain now `[y, x]`, mm h⁻¹.
    pub fn rain(&self) -> Array2<f32> {
        let law = self.law.moisture();
        let (h, rain) = (&self.layer.flow().h, &self.layer.tracers()[RAIN]);
        Array2::from_shape_fn((self.config.cells, self.config.cells), |(j, i)| {
            law.rain_rate(h.row(j)[i] * rain.row(j)[i]) as f32
        })
    }

    /// The next `frames` frames of rain, the first of them now, at `first` on.
    ///
    /// # Errors
    ///
    /// [`FieldError`] of the component where the flow outruns the step.
    pub fn sequence(&mut self, first: ReferenceTime, every: LeadTime, frames: usize) -> Result<Sequence, FieldError> {
        let cells = self.config.cells;
        let mut rain = Array3::zeros((frames, cells, cells));
        let mut times = Vec::with_capacity(frames);
        for frame in 0..frames {
            if frame > 0 {
                self.advance(f64::from(every.seconds()))
                    .map_err(|e| FieldError::component("nature_run", e))?;
            }
            rain.index_axis_mut(ndarray::Axis(0), frame).assign(&self.rain());
            times.push(first + TimeDelta::seconds(i64::from(every.seconds()) * frame as i64));
        }
        Sequence::new(Grid::plane(cells, cells, 1000.0 * self.config.cell_km), times, rain)
    }

    /// Adds a little of another random flow, `wind_m_s` in the mean of squares, to the wind: a twin that is known but for that.
    pub fn perturb(&mut self, wind_m_s: f64, seed: Seed) {
        let shape = self.layer.layer().metric.shape();
        let other = eddies(shape, 1000.0 * self.config.cell_km, wind_m_s, 0.0, &mut Dice::new(seed.0));
        self.layer.change(|flow, _| {
            flow.u.add(&other.u);
            flow.v.add(&other.v);
        });
    }

    fn bear(&mut self) {
        let side_km = self.config.cells as f64 * self.config.cell_km;
        let expected = self.config.showers * (side_km / 100.0).powi(2);
        let count = (expected + self.dice.throw()) as usize;
        let law = self.law.moisture();
        for _ in 0..count {
            let place = self.place();
            let radius = self.dice.between(2.5, 7.0) / self.config.cell_km;
            let peak_mm_h = 4.0 * (1.1 * self.dice.normal()).exp();
            let supply = law.steady_supply(law.rain_amount(peak_mm_h.min(100.0)) / self.law.mean_depth_m);
            let most = self.config.cells as isize - 1;
            let reach = (3.0 * radius).ceil() as isize;
            self.layer.change(|_, tracers| {
                for j in (place.0 - reach).max(0)..=(place.0 + reach).min(most) {
                    for i in (place.1 - reach).max(0)..=(place.1 + reach).min(most) {
                        let away = ((j - place.0).pow(2) + (i - place.1).pow(2)) as f64 / (radius * radius);
                        *tracers[SUPPLY].at_mut(j, i) += supply * (-away).exp();
                    }
                }
            });
        }
    }

    /// The random place, of a dozen, with the strongest convergence.
    fn place(&mut self) -> (isize, isize) {
        let cells = self.config.cells as f64;
        let flow = self.layer.flow();
        let mut best = (f64::NEG_INFINITY, (0, 0));
        for _ in 0..CHOICE {
            let [j, i] = [self.dice.throw(), self.dice.throw()].map(|t| ((t * cells) as isize).min(cells as isize - 1));
            let (u, v) = (&flow.u, &flow.v);
            let convergence = u.at(j, i) - u.at(j, i + 1) + v.at(j, i) - v.at(j + 1, i);
            if convergence > best.0 {
                best = (convergence, (j, i));
            }
        }
        best.1
    }
}

/// Wind without divergence that no wall stops: u = -∂ψ/∂y, v = ∂ψ/∂x with ψ of random sines whose eddies of each size have the same wind.
fn eddies(shape: Shape, cell_m: f64, wind_m_s: f64, depth_m: f64, dice: &mut Dice) -> Flow {
    let amplitudes: Vec<f64> = (0..WAVES * WAVES).map(|_| dice.normal()).collect();
    let sines = |n: usize| -> Vec<f64> {
        (0..=n)
            .flat_map(|at| (1..=WAVES).map(move |k| (std::f64::consts::PI * (k * at) as f64 / n as f64).sin()))
            .collect()
    };
    let (along_y, along_x) = (sines(shape.ny), sines(shape.nx));
    let corners: Vec<f64> = (0..=shape.ny)
        .flat_map(|j| (0..=shape.nx).map(move |i| (j, i)))
        .map(|(j, i)| {
            let mut sum = 0.0;
            for m in 0..WAVES {
                for n in 0..WAVES {
                    let wavenumber = ((m + 1) as f64).hypot((n + 1) as f64);
                    sum += amplitudes[m * WAVES + n] * along_y[j * WAVES + m] * along_x[i * WAVES + n] / wavenumber.powi(2);
                }
            }
            sum
        })
        .collect();
    let (ny, nx) = (shape.ny as isize, shape.nx as isize);
    let psi = |j: isize, i: isize| corners[j.clamp(0, ny) as usize * (shape.nx + 1) + i.clamp(0, nx) as usize];
    let mut flow = Flow::rest(shape, depth_m);
    flow.u = Plane::from_fn(shape, |j, i| (psi(j, i) - psi(j + 1, i)) / cell_m);
    flow.v = Plane::from_fn(shape, |j, i| (psi(j, i + 1) - psi(j, i)) / cell_m);
    let squares: f64 = (0..shape.ny)
        .flat_map(|j| [flow.u.row(j), flow.v.row(j)])
        .flatten()
        .map(|w| w * w)
        .sum();
    let scale = wind_m_s / (squares / (shape.ny * shape.nx) as f64).sqrt().max(f64::MIN_POSITIVE);
    flow.u.scale(scale);
    flow.v.scale(scale);
    flow
}

/// How fast a small difference grows at one scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Growth {
    /// From this wavelength, km, to twice as much.
    pub scale_km: f64,
    /// Difference of the eastward wind at the start and at the end, m s⁻¹ in the mean of squares.
    pub difference_m_s: (f64, f64),
    /// Time in which it grows by e, min; negative where it shrinks.
    pub e_folding_min: f64,
}

/// Twin runs that differ by `wind_m_s` of a random flow: how the difference grows from the first hour, by which waves have left, to the end.
///
/// # Errors
///
/// Those of the runs.
pub fn growth(config: NatureConfig, seed: Seed, wind_m_s: f64, hours: f64) -> Result<Vec<Growth>, Error> {
    let (mut truth, mut twin) = (NatureRun::new(config, seed)?, NatureRun::new(config, seed)?);
    twin.perturb(wind_m_s, Seed(seed.0 ^ 0x5eed));
    let mut at = |seconds: f64| -> Result<Vec<(f64, f64)>, Error> {
        truth.advance(seconds)?;
        twin.advance(seconds)?;
        Ok(by_scale(config, &truth, &twin))
    };
    let (early, late) = (at(3600.0)?, at(3600.0 * (hours - 1.0))?);
    let grown = |((scale_km, before), (_, after)): ((f64, f64), (f64, f64))| Growth {
        scale_km,
        difference_m_s: (before, after),
        e_folding_min: 60.0 * (hours - 1.0) / (after / before).ln(),
    };
    Ok(early.into_iter().zip(late).map(grown).collect())
}

/// Scale, km, and difference of the eastward wind there, m s⁻¹: of means over blocks less those over twice as large ones.
fn by_scale(config: NatureConfig, truth: &NatureRun, twin: &NatureRun) -> Vec<(f64, f64)> {
    let n = config.cells;
    let difference = |j: usize, i: usize| twin.layer.flow().u.row(j)[i] - truth.layer.flow().u.row(j)[i];
    let means = |block: usize| -> Array2<f64> {
        Array2::from_shape_fn((n / block, n / block), |(j, i)| {
            let cells = (0..block * block).map(|k| difference(j * block + k / block, i * block + k % block));
            cells.sum::<f64>() / (block * block) as f64
        })
    };
    let mut scales = Vec::new();
    let mut block = 1;
    while 4 * block <= n {
        let (fine, coarse) = (means(block), means(2 * block));
        let (rows, columns) = (coarse.nrows(), coarse.ncols());
        let mut sum = 0.0;
        for ((j, i), value) in fine.indexed_iter().filter(|((j, i), _)| j / 2 < rows && i / 2 < columns) {
            sum += (value - coarse[[j / 2, i / 2]]).powi(2);
        }
        scales.push((2.0 * block as f64 * config.cell_km, (sum / (4 * rows * columns) as f64).sqrt()));
        block *= 2;
    }
    scales
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> NatureConfig {
        NatureConfig {
            cells: 48,
            ..NatureConfig::default()
        }
    }

    #[test]
    fn showers_come_and_go_and_the_water_is_all_there() {
        let mut run = NatureRun::new(small(), Seed(4)).unwrap();
        let water = run.layer().water();
        let mut wet = Vec::new();
        for _ in 0..8 {
            run.advance(900.0).unwrap();
            let rain = run.rain();
            assert!(rain.iter().all(|r| r.is_finite() && *r >= 0.0));
            wet.push(rain.iter().filter(|r| **r >= 1.0).count() as f64 / rain.len() as f64);
        }
        assert!(wet[4..].iter().all(|w| (0.005..0.6).contains(w)), "{wet:?}");
        let now = run.layer().water() - run.layer().exchange().rain_fallen;
        assert!(((now - water) / water).abs() < 1e-12);
    }

    #[test]
    fn the_same_seed_is_the_same_weather_and_another_is_not() {
        let after = |seed| {
            let mut run = NatureRun::new(small(), Seed(seed)).unwrap();
            run.advance(1500.0).unwrap();
            run.layer().keep()
        };
        assert_eq!(after(7), after(7));
        assert_ne!(after(7).to_bytes(), after(8).to_bytes());
    }

    #[test]
    fn the_start_is_in_balance_and_sends_out_no_waves() {
        let dry = NatureConfig { showers: 0.0, ..small() };
        let mut run = NatureRun::new(dry, Seed(2)).unwrap();
        let depth = |run: &NatureRun| -> Vec<f64> { (0..48).flat_map(|j| run.layer().flow().h.row(j).to_vec()).collect() };
        // Tendency of the depth in the mean of squares, m per min; the same eddies on a level layer are the burst that balance prevents.
        let tendency = |run: &mut NatureRun| {
            let before = depth(run);
            run.advance(60.0).unwrap();
            let squares: f64 = depth(run).iter().zip(&before).map(|(a, b)| (a - b).powi(2)).sum();
            (squares / before.len() as f64).sqrt()
        };
        let balanced = tendency(&mut run);
        let mut level = NatureRun::new(dry, Seed(2)).unwrap();
        level.layer.change(|flow, _| flow.h.fill(500.0));
        level.advance(240.0).unwrap();
        let burst = tendency(&mut level);
        assert!(balanced < 0.2 * burst, "{balanced} against {burst} m/min");
    }

    #[test]
    fn twins_that_differ_by_nothing_never_part_and_others_do() {
        let (mut truth, mut twin) = (NatureRun::new(small(), Seed(3)).unwrap(), NatureRun::new(small(), Seed(3)).unwrap());
        twin.perturb(0.0, Seed(9));
        truth.advance(900.0).unwrap();
        twin.advance(900.0).unwrap();
        assert_eq!(truth.rain(), twin.rain());
        let grown = growth(small(), Seed(3), 1e-3, 3.0).unwrap();
        assert!(
            grown.iter().all(|g| g.difference_m_s.1 > 0.0 && g.e_folding_min.is_finite()),
            "{grown:?}"
        );
    }

    #[test]
    #[ignore = "half a minute: three hours on 512 x 512 cells of 2 km, for their time"]
    fn three_hours_on_a_radar_domain() {
        let config = NatureConfig {
            cells: 512,
            ..NatureConfig::default()
        };
        let mut run = NatureRun::new(config, Seed(1)).unwrap();
        let started = std::time::Instant::now();
        run.advance(10_800.0).unwrap();
        println!(
            "{:.1} s on {} threads",
            started.elapsed().as_secs_f64(),
            rayon::current_num_threads()
        );
    }

    #[test]
    #[ignore = "a minute: e-folding times for the documentation"]
    fn e_folding_times() {
        for g in growth(NatureConfig::default(), Seed(1), 1e-3, 6.0).unwrap() {
            println!("{} km | {:?} m/s | {:.0} min", g.scale_km, g.difference_m_s, g.e_folding_min);
        }
    }
}
