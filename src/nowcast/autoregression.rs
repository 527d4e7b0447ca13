//! How long each scale of the rain remembers what it was: a process with two steps of memory, and what chance adds as the memory fades.
//!
//! X(t) = φ₁ X(t-1) + φ₂ X(t-2) + σ ε(t), of the same variance at all times. The coefficients follow from the correlations ρ₁ and ρ₂ over one
//! step and two by the equations of Yule and Walker; they vary smoothly with wavenumber, so that a field needs one spectrum for each lag
//! however many scales there are.
//!
//! # Source
//!
//! Bowler, N. E., C. E. Pierce and A. W. Seed, 2006: STEPS: a probabilistic precipitation forecasting scheme which merges an extrapolation
//! nowcast with downscaled NWP. Quart. J. Roy. Meteor. Soc., 132, 2127-2155, doi:10.1256/qj.04.100.

/// Largest correlation over a step of anything but the mean: nothing lives for ever.
const LARGEST: f64 = 0.9995;
/// A scale lives about this long for each kilometre of its wavelength, min: what is taken where fewer than two frames tell. Seed (2003) and
/// Germann, Zawadzki and Turner (2006) find lifetimes from 10 min at 8 km to hours at 128 km.
const LIFETIME_MIN_PER_KM: f64 = 1.5;

/// Coefficients of a stationary process of second order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Memory {
    /// Weight of the step before.
    pub first: f64,
    /// Weight of the step before that.
    pub second: f64,
    /// Share of the variance that chance brings in a step, σ².
    pub chance: f64,
}

impl Memory {
    /// The process of these weights, which must be those of a stationary one.
    pub fn new(first: f64, second: f64) -> Self {
        let one = if first + second >= 1.0 { 1.0 } else { first / (1.0 - second) };
        let two = first * one + second;
        Self {
            first,
            second,
            chance: (1.0 - first * one - second * two).clamp(0.0, 1.0),
        }
    }

    /// Correlation over one step.
    pub fn correlation(&self) -> f64 {
        self.first / (1.0 - self.second)
    }

    /// Share of the variance that is left of the observed fields with weights `a` and `b`.
    pub fn share(&self, (a, b): (f64, f64)) -> f64 {
        a * a + b * b + 2.0 * a * b * self.correlation()
    }

    /// The process with correlations `rho_1` over one step and `rho_2` over two, both brought to where such a process exists:
    /// 0 ≤ ρ₁ < 1 and ρ₂ ≤ ρ₁, without swinging.
    pub fn of(rho_1: f64, rho_2: f64) -> Self {
        let one = if rho_1.is_nan() { 0.0 } else { rho_1.clamp(0.0, LARGEST) };
        let two = if rho_2.is_nan() { one * one } else { rho_2.min(one) };
        let (first, second) = yule_walker(one, two);
        Self::new(first, second)
    }

    /// The process that a wavelength has by experience, over steps of `step_min`.
    pub fn by_experience(wavelength_km: f64, step_min: f64) -> Self {
        let rho = (-step_min / (LIFETIME_MIN_PER_KM * wavelength_km)).exp();
        Self::of(rho, rho * rho)
    }
}

/// φ₁ and φ₂ of a process with correlations `rho_1` over one step and `rho_2` over two, both brought to where a stationary process exists that
/// does not swing: -1 < ρ₁ < 1, ρ₂ < 1, and φ₂ ≥ -φ₁²/4, which is ρ₂ ≥ (3 ρ₁² - 2 + 2 (1 - ρ₁²)^1.5) / ρ₁².
pub fn yule_walker(rho_1: f64, rho_2: f64) -> (f64, f64) {
    let one = rho_1.clamp(-LARGEST, LARGEST);
    let square = one * one;
    let gap = 1.0 - square;
    // For small ρ₁ the bound is 3/4 ρ₁², and its formula a difference of nearly equal numbers.
    let least = if square < 1e-4 {
        0.75 * square
    } else {
        (3.0 * square - 2.0 + 2.0 * gap.powf(1.5)) / square
    };
    let two = rho_2.clamp(least, 1.0 - 0.01 * (1.0 - least));
    (one * (1.0 - two) / gap, (two - square) / gap)
}

/// What is left of the two newest fields after whole and part steps: X(t) = a X(0) + b X(-1), but for chance, scale by scale.
#[derive(Debug, Clone)]
pub struct Remembered {
    memory: Vec<Memory>,
    /// Weights `(a, b)` by scale after the last whole step, and after the one before.
    now: Vec<(f64, f64)>,
    before: Vec<(f64, f64)>,
    steps: usize,
}

impl Remembered {
    /// At the reference time, for each scale.
    pub fn new(memory: Vec<Memory>) -> Self {
        Self {
            now: vec![(1.0, 0.0); memory.len()],
            before: vec![(0.0, 1.0); memory.len()],
            memory,
            steps: 0,
        }
    }

    /// Goes on to the first whole step at or after `steps`, and gives the weights at `steps`, which never go back.
    pub fn at(&mut self, steps: f64) -> Vec<(f64, f64)> {
        while (self.steps as f64) < steps - 1e-6 {
            for ((now, before), memory) in self.now.iter_mut().zip(&mut self.before).zip(&self.memory) {
                let next = (
                    memory.first * now.0 + memory.second * before.0,
                    memory.first * now.1 + memory.second * before.1,
                );
                *before = std::mem::replace(now, next);
            }
            self.steps += 1;
        }
        let back = (self.steps as f64 - steps).clamp(0.0, 1.0);
        let between = |now: f64, before: f64| now + back * (before - now);
        let weights = self.now.iter().zip(&self.before);
        weights
            .map(|(now, before)| (between(now.0, before.0), between(now.1, before.1)))
            .collect()
    }
}

/// The variance that chance has brought after whole and part steps, from none at the reference time, as a share of that of the process.
#[derive(Debug, Clone)]
pub struct Chance {
    memory: Vec<Memory>,
    /// Variances after the last whole step and the one before, and their covariance.
    moments: Vec<[f64; 3]>,
    steps: usize,
}

impl Chance {
    /// At the reference time, for each process.
    pub fn new(memory: Vec<Memory>) -> Self {
        Self {
            moments: vec![[0.0; 3]; memory.len()],
            memory,
            steps: 0,
        }
    }

    /// Goes on to the first whole step at or after `steps`, and gives the variances at `steps`, which never go back.
    pub fn at(&mut self, steps: f64) -> Vec<f64> {
        while (self.steps as f64) < steps - 1e-6 {
            for (moments, m) in self.moments.iter_mut().zip(&self.memory) {
                let [now, before, both] = *moments;
                let next = m.first * m.first * now + m.second * m.second * before + 2.0 * m.first * m.second * both + m.chance;
                *moments = [next, now, m.first * now + m.second * both];
            }
            self.steps += 1;
        }
        let back = (self.steps as f64 - steps).clamp(0.0, 1.0);
        let between = |[now, before, both]: &[f64; 3]| {
            let left = 1.0 - back;
            left * left * now + back * back * before + 2.0 * back * left * both
        };
        self.moments.iter().map(between).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn coefficients_solve_yule_and_walker() {
        // rho 0.8, 0.6: phi_1 = 0.8 x 0.4/0.36, phi_2 = -0.04/0.36.
        let memory = Memory::of(0.8, 0.6);
        assert!((memory.first - 0.32 / 0.36).abs() < 1e-12 && (memory.second + 0.04 / 0.36).abs() < 1e-12);
        assert!((memory.first + memory.second * 0.8 - 0.8).abs() < 1e-12);
        assert!((memory.first * 0.8 + memory.second - 0.6).abs() < 1e-12);
        // A process with these would swing: phi_2 = -phi_1²/4 is the least that does not.
        let (first, second) = yule_walker(-0.5, -0.9);
        assert!((second + first * first / 4.0).abs() < 1e-9);
    }

    #[test]
    fn part_steps_lie_between() {
        let mut whole = Remembered::new(vec![Memory::of(0.8, 0.6)]);
        let (one, two) = (whole.at(1.0)[0], whole.at(2.0)[0]);
        let mut part = Remembered::new(vec![Memory::of(0.8, 0.6)]);
        let middle = part.at(1.5)[0];
        assert!((middle.0 - 0.5 * (one.0 + two.0)).abs() < 1e-6 && (middle.1 - 0.5 * (one.1 + two.1)).abs() < 1e-6);
        assert_eq!(part.at(2.0)[0], two);
    }

    proptest! {
        #[test]
        fn whatever_the_correlations_the_process_is_stationary_and_keeps_its_variance(one in -1.5f64..1.5, two in -1.5f64..1.5) {
            let memory = Memory::of(one, two);
            prop_assert!(memory.second.abs() < 1.0 && memory.second + memory.first < 1.0 + 1e-9 && memory.second - memory.first < 1.0);
            // Covariances of variance 1 at lags 0 and 1 go on: var = φ₁² + φ₂² + 2 φ₁ φ₂ r₁ + σ² with r₁ = φ₁/(1 - φ₂).
            let r = memory.first / (1.0 - memory.second);
            let variance = memory.first.powi(2) + memory.second.powi(2) + 2.0 * memory.first * memory.second * r + memory.chance;
            prop_assert!((variance - 1.0).abs() < 1e-6, "{memory:?} {variance}");
            let (mut left, mut chance) = (Remembered::new(vec![memory]), Chance::new(vec![memory]));
            for step in 0..200 {
                let (a, b) = left.at(f64::from(step))[0];
                // And chance brings what is lacking.
                let whole = memory.share((a, b)) + chance.at(f64::from(step))[0];
                prop_assert!((whole - 1.0).abs() < 1e-6, "{memory:?} {step} {whole}");
                // What is remembered never varies more than the rain itself.
                prop_assert!(memory.share((a, b)) <= 1.001, "{memory:?} {a} {b}");
            }
        }
    }
}
