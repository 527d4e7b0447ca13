//! Exactly moving, growing, turning storms: known answers for tests, benches and demonstrations.

use ndarray::{Array2, Array3, Axis};
use rayon::prelude::*;

use crate::{
    Grid, LeadTime, ReferenceTime, Seed, Sequence,
    random::{mixed, step, unit},
};

/// Rain below this is set to nought, mm h⁻¹: a storm has an edge.
const FAINTEST_MM_H: f64 = 0.05;
/// Where a storm alone rains less than this, mm h⁻¹, it is not there.
const NOTHING_MM_H: f64 = 1e-6;

/// A storm: an elliptic Gaussian of rain that moves in a straight line, grows or decays exponentially, and turns.
///
/// R(x, t) = peak · exp(growth t) · exp(-(a²/l² + b²/w²)/2), where a and b are the distances along and across the storm's
/// axis at time t, and l and w its length and width.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Storm {
    /// Centre at time 0, m northward from cell (0, 0).
    pub y_m: f64,
    /// Centre at time 0, m eastward from cell (0, 0).
    pub x_m: f64,
    /// Eastward velocity, m s⁻¹.
    pub u: f64,
    /// Northward velocity, m s⁻¹.
    pub v: f64,
    /// Length scale along the axis, m.
    pub length_m: f64,
    /// Length scale across the axis, m.
    pub width_m: f64,
    /// Direction of the axis at time 0, radians anticlockwise from east.
    pub direction: f64,
    /// Turning of the axis, radians per second, anticlockwise.
    pub turning: f64,
    /// Rain in the centre at time 0, mm h⁻¹.
    pub peak_mm_h: f64,
    /// Growth rate, s⁻¹; negative decays.
    pub growth: f64,
}

impl Storm {
    fn rain(&self, y_m: f64, x_m: f64, seconds: f64) -> f64 {
        let (dy, dx) = (y_m - self.y_m - self.v * seconds, x_m - self.x_m - self.u * seconds);
        let (sin, cos) = (self.direction + self.turning * seconds).sin_cos();
        let (along, across) = ((cos * dx + sin * dy) / self.length_m, (cos * dy - sin * dx) / self.width_m);
        self.peak_mm_h * (self.growth * seconds - 0.5 * (along * along + across * across)).exp()
    }

    /// Centre at a time, m northward and eastward, and the distance from it beyond which the storm rains less than `NOTHING_MM_H`.
    fn place(&self, seconds: f64) -> (f64, f64, f64) {
        let e_foldings = (self.peak_mm_h / NOTHING_MM_H).ln() + self.growth * seconds;
        let reach = self.length_m.max(self.width_m) * (2.0 * e_foldings.max(0.0)).sqrt();
        (self.y_m + self.v * seconds, self.x_m + self.u * seconds, reach)
    }
}

/// Storms over a grid; where they overlap their rain adds up.
#[derive(Debug, Clone)]
pub struct Scene {
    grid: Grid,
    storms: Vec<Storm>,
}

impl Scene {
    /// A scene of given storms.
    pub fn new(grid: Grid, storms: Vec<Storm>) -> Self {
        Self { grid, storms }
    }

    /// A scene of storms of many sizes in one flow of 5 to 15 m s⁻¹, about one to every 30 by 30 km; the same seed gives the
    /// same scene.
    pub fn random(grid: &Grid, seed: Seed) -> Self {
        let (dy, dx) = grid.spacing_m();
        let (height, width) = (dy * grid.y.count as f64, dx * grid.x.count as f64);
        let mut numbers = Numbers {
            key: seed.derive("storms").0,
            count: 0,
        };
        let (speed, towards) = (5.0 + 10.0 * numbers.next(), std::f64::consts::TAU * numbers.next());
        let count = ((height * width / 9e8).round() as usize).max(3);
        let storms = (0..count)
            .map(|_| {
                let size = 1500.0 * (6.0f64).powf(numbers.next());
                Storm {
                    y_m: height * numbers.next(),
                    x_m: width * numbers.next(),
                    u: speed * towards.cos() + numbers.next() - 0.5,
                    v: speed * towards.sin() + numbers.next() - 0.5,
                    length_m: size * (1.0 + numbers.next()),
                    width_m: size,
                    direction: std::f64::consts::PI * numbers.next(),
                    turning: 2e-4 * (numbers.next() - 0.5),
                    peak_mm_h: 2.0 * 20f64.powf(numbers.next()),
                    growth: 2e-4 * (numbers.next() - 0.5),
                }
            })
            .collect();
        Self {
            grid: grid.clone(),
            storms,
        }
    }

    /// The storms.
    pub fn storms(&self) -> &[Storm] {
        &self.storms
    }

    /// Rain `[y, x]`, mm h⁻¹, a time after the start of the scene, which may be negative.
    pub fn rain_at(&self, seconds: f64) -> Array2<f32> {
        let (dy, dx) = self.grid.spacing_m();
        let places: Vec<(f64, f64, f64)> = self.storms.iter().map(|s| s.place(seconds)).collect();
        let mut rain = Array2::zeros(self.grid.shape());
        rain.axis_iter_mut(Axis(0))
            .into_par_iter()
            .enumerate()
            .for_each(|(row, mut cells)| {
                let y = row as f64 * dy;
                let mut sums = vec![0.0; cells.len()];
                for (storm, (centre_y, centre_x, reach)) in self.storms.iter().zip(&places) {
                    let half = (reach * reach - (y - centre_y).powi(2)).max(0.0).sqrt();
                    let from = (((centre_x - half) / dx).ceil().max(0.0) as usize).min(sums.len());
                    let to = (((centre_x + half) / dx + 1.0).floor().max(0.0) as usize).clamp(from, sums.len());
                    for (column, sum) in (from..to).zip(&mut sums[from..to]) {
                        *sum += storm.rain(y, column as f64 * dx, seconds);
                    }
                }
                for (cell, sum) in cells.iter_mut().zip(sums) {
                    *cell = if sum < FAINTEST_MM_H { 0.0 } else { sum as f32 };
                }
            });
        rain
    }

    /// Frames `step` apart, the first at `start`.
    pub fn sequence(&self, start: ReferenceTime, step: LeadTime, frames: usize) -> Sequence {
        let (ny, nx) = self.grid.shape();
        let mut rain = Array3::zeros((frames, ny, nx));
        let mut times = Vec::with_capacity(frames);
        for (k, mut frame) in rain.outer_iter_mut().enumerate() {
            let since = LeadTime::from_seconds(step.seconds() * k as u32);
            frame.assign(&self.rain_at(f64::from(since.seconds())));
            times.push(start + since);
        }
        Sequence::new(self.grid.clone(), times, rain).expect("frames are evenly timed and their rain is finite by construction")
    }
}

/// Random numbers from a counter: number k depends on the key and k alone.
struct Numbers {
    key: u64,
    count: u64,
}

impl Numbers {
    /// The next number, from 0 up to 1.
    fn next(&mut self) -> f64 {
        let bits = mixed(self.key.wrapping_add(step(self.count)));
        self.count += 1;
        unit(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storm() -> Storm {
        Storm {
            y_m: 10_000.0,
            x_m: 10_000.0,
            u: 10.0,
            v: 5.0,
            length_m: 3000.0,
            width_m: 1500.0,
            direction: 0.0,
            turning: 0.0,
            peak_mm_h: 8.0,
            growth: 0.0,
        }
    }

    #[test]
    fn a_storm_is_where_its_velocity_takes_it() {
        // After 400 s: 4 km east, 2 km north of cell (10, 10).
        let scene = Scene::new(Grid::plane(30, 30, 1000.0), vec![storm()]);
        assert_eq!(scene.rain_at(0.0)[[10, 10]], 8.0);
        assert!((scene.rain_at(400.0)[[12, 14]] - 8.0).abs() < 1e-5);
    }

    #[test]
    fn a_storm_grows_by_e_in_its_time_and_turns() {
        let turned = Storm {
            growth: 1e-3,
            turning: std::f64::consts::FRAC_PI_2 / 1000.0,
            u: 0.0,
            v: 0.0,
            ..storm()
        };
        let rain = Scene::new(Grid::plane(30, 30, 1000.0), vec![turned]).rain_at(1000.0);
        assert!((f64::from(rain[[10, 10]]) - 8.0 * std::f64::consts::E).abs() < 1e-4);
        // A quarter turn: 3 km north is now one length scale along the axis, exp(-1/2).
        assert!((f64::from(rain[[13, 10]]) - 8.0 * 0.5f64.exp()).abs() < 1e-4);
    }

    #[test]
    fn no_storm_is_missed_where_it_rains() {
        let scene = Scene::random(&Grid::plane(70, 90, 2000.0), Seed(3));
        let rain = scene.rain_at(1800.0);
        for ((row, column), cell) in rain.indexed_iter() {
            let rain = |s: &Storm| s.rain(2000.0 * row as f64, 2000.0 * column as f64, 1800.0);
            let sum: f64 = scene.storms().iter().map(rain).sum();
            let near = (sum - FAINTEST_MM_H).abs() < 1e-4 || (f64::from(*cell) - if sum < FAINTEST_MM_H { 0.0 } else { sum }).abs() < 1e-4;
            assert!(near, "{cell} at {row}, {column}, all storms together {sum}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_scene() {
        let grid = Grid::plane(60, 80, 2000.0);
        assert_eq!(Scene::random(&grid, Seed(1)).storms(), Scene::random(&grid, Seed(1)).storms());
        assert_ne!(Scene::random(&grid, Seed(1)).storms(), Scene::random(&grid, Seed(2)).storms());
    }
}
