//! Chance that looks like rain: numbers from a counter, so that a member's noise depends on its seed, its step and its place and on nothing
//! else.

use nowblend_field::fourier::Complex32;
use nowblend_field::{
    Seed,
    random::{mixed, step, unit},
};

/// Mean and standard deviation of the sum of four bytes.
const BYTES_MEAN: f32 = 510.0;
const BYTES_DEVIATION: f32 = 147.801;

/// Nearly normal complex numbers, both parts of mean 0 and variance 1.
///
/// Each is made of the eight bytes of one number of [`nowblend_field::random`]: four add up to each part. A field is a sum of thousands of
/// them.
#[derive(Debug, Clone, Copy)]
pub struct White {
    key: u64,
}

impl White {
    /// The numbers of one member at step `at`.
    pub fn new(seed: Seed, member: usize, at: usize) -> Self {
        Self {
            key: mixed(mixed(seed.0.wrapping_add(step(member as u64))).wrapping_add(step(at as u64))),
        }
    }

    /// Number `index`.
    #[inline]
    pub fn at(self, index: u64) -> Complex32 {
        const EVERY_OTHER: u64 = 0x00ff_00ff_00ff_00ff;
        const ONES: u64 = 0x0001_0001_0001_0001;
        let bits = mixed(self.key.wrapping_add(step(index)));
        let sum = |bytes: u64| (bytes.wrapping_mul(ONES) >> 48) as f32;
        Complex32::new(
            (sum(bits & EVERY_OTHER) - BYTES_MEAN) * (1.0 / BYTES_DEVIATION),
            (sum((bits >> 8) & EVERY_OTHER) - BYTES_MEAN) * (1.0 / BYTES_DEVIATION),
        )
    }
}

/// A number from 0 up to 1 for a member, of a purpose told by `index`.
pub fn uniform(seed: Seed, member: usize, index: u64) -> f64 {
    let key = mixed(seed.0.wrapping_add(step(member as u64)));
    unit(mixed(key.wrapping_add(step(index))))
}

/// A number of Laplace's distribution with mean 0 and variance 1 for each of `members`, of a purpose told by `index`: chance says who gets
/// which equal part of the distribution, and where in it, so that a few members stand for all of it (a Latin hypercube where there are several
/// purposes).
///
/// # Source
///
/// McKay, M. D., R. J. Beckman and W. J. Conover, 1979: A comparison of three methods for selecting values of input variables in the analysis of
/// output from a computer code. Technometrics, 21, 239-245.
pub fn laplace(seed: Seed, members: usize, index: u64) -> Vec<f64> {
    let order = seed.derive("order");
    let mut ranked: Vec<usize> = (0..members).collect();
    ranked.sort_by(|a, b| uniform(order, *a, index).total_cmp(&uniform(order, *b, index)));
    let mut numbers = vec![0.0; members];
    for (part, member) in ranked.into_iter().enumerate() {
        let u = (part as f64 + uniform(seed, member, index)) / members as f64 - 0.5;
        numbers[member] = -u.signum() * (1.0 - 2.0 * u.abs()).max(1e-12).ln() * std::f64::consts::FRAC_1_SQRT_2;
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_mean_nought_variance_one_and_nothing_in_common() {
        let (count, white) = (200_000u64, White::new(Seed(7), 3, 5));
        let numbers: Vec<Complex32> = (0..count).map(|k| white.at(k)).collect();
        let mean = |of: &dyn Fn(usize) -> f32| (0..numbers.len() - 1).map(|k| f64::from(of(k))).sum::<f64>() / count as f64;
        // Three standard errors of a mean of 200,000 are 0.007.
        assert!(mean(&|k| numbers[k].re).abs() < 0.007 && mean(&|k| numbers[k].im).abs() < 0.007);
        assert!((mean(&|k| numbers[k].re.powi(2)) - 1.0).abs() < 0.01 && (mean(&|k| numbers[k].im.powi(2)) - 1.0).abs() < 0.01);
        assert!(mean(&|k| numbers[k].re * numbers[k].im).abs() < 0.007);
        assert!(mean(&|k| numbers[k].re * numbers[k + 1].re).abs() < 0.007);
        let other = White::new(Seed(7), 4, 5);
        assert!(mean(&|k| numbers[k].re * other.at(k as u64).re).abs() < 0.007);
    }

    #[test]
    fn laplace_has_unit_variance() {
        let numbers = laplace(Seed(1), 50_000, 0);
        let mean = numbers.iter().sum::<f64>() / 5e4;
        let variance = numbers.iter().map(|n| n * n).sum::<f64>() / 5e4;
        assert!(mean.abs() < 0.001 && (variance - 1.0).abs() < 0.01, "{mean} {variance}");
    }

    #[test]
    fn a_few_members_share_the_distribution_among_them() {
        let quarters = |numbers: &[f64]| {
            // The median, and where a quarter lies beyond: ±ln 2 / √2.
            let edge = std::f64::consts::LN_2 * std::f64::consts::FRAC_1_SQRT_2;
            [f64::NEG_INFINITY, -edge, 0.0, edge].map(|low| numbers.iter().filter(|n| **n >= low).count())
        };
        let (one, other) = (laplace(Seed(1), 8, 0), laplace(Seed(1), 8, 1));
        assert_eq!([quarters(&one), quarters(&other)], [[8, 6, 4, 2]; 2]);
        assert_ne!(one, other);
    }
}
