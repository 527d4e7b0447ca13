//! Texture that is the same wherever and whenever it is asked for: random numbers by place, time and octave instead of by order.

use nowblend_field::{
    Seed,
    random::{mixed, step, unit},
};

/// Random numbers tied to integer places, so that no state is passed and any order gives the same rain.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noise {
    key: u64,
}

impl Noise {
    /// Noise of a named part of the scene.
    pub fn new(seed: Seed, part: &str) -> Self {
        Self { key: seed.derive(part).0 }
    }

    /// A number from 0 up to 1 that belongs to a place.
    pub fn uniform(&self, place: [i64; 4]) -> f64 {
        let mut hash = self.key;
        for index in place {
            hash = mixed((hash ^ index as u64).wrapping_add(step(0)));
        }
        unit(hash)
    }

    /// The `count`th number from 0 up to 1 in a list.
    pub fn draw(&self, count: usize) -> f64 {
        self.uniform([count as i64, 0, 0, 0])
    }

    /// Smooth noise between -1 and 1: random values at integer places, joined by quintic ramps, continuous to the second derivative.
    pub fn smooth(&self, x: f64, y: f64, z: f64, octave: i64) -> f64 {
        let (x0, y0, z0) = (x.floor(), y.floor(), z.floor());
        let (fx, fy, fz) = (ramp(x - x0), ramp(y - y0), ramp(z - z0));
        let at = |i: i64, j: i64, k: i64| 2.0 * self.uniform([x0 as i64 + i, y0 as i64 + j, z0 as i64 + k, octave]) - 1.0;
        let mix = |a: f64, b: f64, f: f64| a + f * (b - a);
        let row = |j, k| mix(at(0, j, k), at(1, j, k), fx);
        let plane = |k| mix(row(0, k), row(1, k), fy);
        mix(plane(0), plane(1), fz)
    }
}

/// 6t⁵ - 15t⁴ + 10t³.
///
/// # Source
///
/// Perlin, K., 2002: Improving noise. ACM Trans. Graph., 21, 681-682, doi:10.1145/566654.566636.
fn ramp(t: f64) -> f64 {
    t * t * t * (t * (6.0 * t - 15.0) + 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_smooth_bounded_and_different_by_part() {
        let (one, other) = (Noise::new(Seed(1), "a"), Noise::new(Seed(1), "b"));
        let mut apart = 0.0f64;
        for k in 0..2000 {
            let x = f64::from(k) * 0.013 - 9.0;
            let (here, near) = (one.smooth(x, 0.3, 2.7, 0), one.smooth(x + 1e-4, 0.3, 2.7, 0));
            assert!(here.abs() <= 1.0);
            // The steepest ramp is 15/8 a unit, between values 2 apart.
            assert!((here - near).abs() <= 1e-4 * 2.0 * 15.0 / 8.0 + 1e-12);
            apart = apart.max((here - other.smooth(x, 0.3, 2.7, 0)).abs());
        }
        assert!(apart > 0.5);
    }

    #[test]
    fn numbers_fill_nought_to_one_evenly() {
        let noise = Noise::new(Seed(3), "draw");
        let mean = (0..4000).map(|k| noise.draw(k)).sum::<f64>() / 4000.0;
        // The standard error of the mean is 0.289 / 63 = 0.0046.
        assert!((mean - 0.5).abs() < 0.015, "{mean}");
    }
}
