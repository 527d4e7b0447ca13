//! Random numbers from a counter: the same seed throws the same numbers everywhere.

/// Uniform and normal numbers.
///
/// # Source
///
/// Steele, G. L., D. Lea and C. H. Flood, 2014: Fast splittable pseudorandom number generators. OOPSLA '14, doi:10.1145/2660193.2660195.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    /// In 0 to 1.
    pub(crate) fn throw(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as f64 / u64::MAX as f64
    }

    /// In `low` to `high`.
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.throw()
    }

    /// With mean 0 and variance 1, by the method of Box and Muller (1958).
    pub(crate) fn normal(&mut self) -> f64 {
        let (radius, angle) = (1.0 - self.throw(), std::f64::consts::TAU * self.throw());
        (-2.0 * radius.max(f64::MIN_POSITIVE).ln()).sqrt() * angle.cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_those_of_the_laws() {
        let mut dice = Dice::new(3);
        let n = 20_000;
        let uniform = (0..n).map(|_| dice.throw()).sum::<f64>() / f64::from(n);
        let square = (0..n).map(|_| dice.normal().powi(2)).sum::<f64>() / f64::from(n);
        // Standard errors 0.289/√20000 = 0.002 and √2/√20000 = 0.01.
        assert!((uniform - 0.5).abs() < 0.01 && (square - 1.0).abs() < 0.05, "{uniform}, {square}");
    }
}
