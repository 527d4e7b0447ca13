//! Detail of the newest frame that would be gone in the next is noise of the measurement; it is taken off before a network looks closely.
//!
//! What the log rain of a cell has above that of the cells around it lives on in part, and is drawn anew with each frame for the rest: the nugget of
//! its correlogram. Let ρ₁ and ρ₂ be the correlations of this detail with that of the same air one frame before and two. Where memory fades by the
//! same factor from frame to frame, s = ρ₁²/ρ₂ of the variance lives, and the best linear estimate of what lives from the details d₀ and d₁ of the
//! newest frame and the one before, with standard deviations σ₀ and σ₁, is
//!
//! ```text
//! d = [(s - ρ₁²) d₀ + ρ₁ (1 - s) (σ₀ / σ₁) d₁] / (1 - ρ₁²)
//! ```
//!
//! Where all detail lives, s = 1, the frame stays as it is.
//!
//! # Source
//!
//! Cressie, N. A. C., 1993: Statistics for Spatial Data. Wiley, 900 pp. (prediction of what a measurement with a nugget shows without its error).

use ndarray::{Array2, Axis, Zip};

use crate::{analytic::blurred, nowcast_net::THRESHOLDS_MM_H, scene::Scene};

/// Frames that tell noise from what lives.
const TOLD_BY: usize = 3;
/// Rain of less counts as none, mm h⁻¹; the unit of rain whose logarithm is taken.
const LIGHT_MM_H: f32 = THRESHOLDS_MM_H[0] as f32;
/// Fewer rainy cells do not tell.
const LEAST_CELLS: usize = 200;

/// Takes the noise off the newest frame of `scene`, in cells that all frames in use saw and around which the newest is rainy everywhere.
pub(crate) fn take_off(scene: &mut Scene) {
    let frame = |age: usize| scene.rain.index_axis(Axis(0), age);
    let logs: [Array2<f32>; TOLD_BY] = std::array::from_fn(|age| Zip::from(frame(age)).par_map_collect(|r| (1.0 + r / LIGHT_MM_H).log10()));
    let detail = logs.each_ref().map(|log| log - &blurred(log.view()));
    // The weights of the blur add up to 1 without rounding: it is 1 where all cells around are 1.
    let mut inside = blurred(frame(0).mapv(|r| f32::from(r >= LIGHT_MM_H)).view()).mapv(|rainy| rainy == 1.0);
    for valid in scene.valid.outer_iter().take(TOLD_BY) {
        inside.zip_mut_with(&valid, |inside, valid| *inside &= *valid > 0.0);
    }
    let Some([newest, before]) = weights(&detail, &inside) else {
        return;
    };
    let lives = Zip::from(&logs[0])
        .and(&detail[0])
        .and(&detail[1])
        .par_map_collect(|log, d0, d1| LIGHT_MM_H * (10f32.powf(log - d0 + newest * d0 + before * d1) - 1.0));
    Zip::from(scene.rain.index_axis_mut(Axis(0), 0))
        .and(&lives)
        .and(&inside)
        .for_each(|rain, lives, inside| {
            if *inside {
                *rain = lives.max(0.0);
            }
        });
}

/// What the details of the newest frame and of the one before it weigh; nothing where all detail lives or no more can be told.
fn weights(detail: &[Array2<f32>; TOLD_BY], inside: &Array2<bool>) -> Option<[f32; 2]> {
    if inside.iter().filter(|inside| **inside).count() < LEAST_CELLS {
        return None;
    }
    let product = |a: usize, b: usize| {
        Zip::from(inside).and(&detail[a]).and(&detail[b]).fold(
            0.0,
            |sum, inside, a, b| if *inside { sum + f64::from(*a) * f64::from(*b) } else { sum },
        )
    };
    let variance: [f64; TOLD_BY] = std::array::from_fn(|age| product(age, age));
    let rho = |age: usize| product(0, age) / (variance[0] * variance[age]).sqrt();
    let (one, two) = (rho(1), rho(2));
    let lives = one * one / two;
    let told = one > 0.0 && one < 1.0 && lives > 0.0 && lives < 1.0;
    told.then(|| {
        let rest = 1.0 - one * one;
        let before = one * (1.0 - lives) * (variance[0] / variance[1]).sqrt();
        [((lives - one * one) / rest) as f32, (before / rest) as f32]
    })
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, s};
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Four frames of the same rain with waves of 5 cells, each with noise of its own of so many decades, and the rain without.
    fn scene(noise: f32) -> (Scene, Array2<f32>) {
        let mut numbers = ChaCha8Rng::seed_from_u64(3);
        let truth = Array2::from_shape_fn((60, 80), |(y, x)| {
            3.0 * 10f32.powf(0.2 * (1.3 * y as f32).sin() * (1.2 * x as f32).cos())
        });
        let rain = Array3::from_shape_fn((4, 60, 80), |(_, y, x)| {
            truth[[y, x]] * 10f32.powf(noise * numbers.random_range(-1.0f32..1.0))
        });
        let scene = Scene {
            rain,
            valid: Array3::ones((4, 60, 80)),
            motion: Array3::zeros((2, 60, 80)),
            step_min: 5.0,
        };
        (scene, truth)
    }

    fn error(scene: &Scene, truth: &Array2<f32>) -> f32 {
        let off = Zip::from(scene.rain.index_axis(Axis(0), 0))
            .and(truth)
            .map_collect(|r, t| (r / t).log10().powi(2));
        off.mean().unwrap().sqrt()
    }

    #[test]
    fn noise_goes_and_what_lives_stays() {
        let (mut noisy, truth) = scene(0.25);
        let before = error(&noisy, &truth);
        take_off(&mut noisy);
        let after = error(&noisy, &truth);
        assert!(after < 0.75 * before, "{after} after {before}");

        let (mut clean, _) = scene(0.0);
        let as_it_was = clean.rain.clone();
        take_off(&mut clean);
        for (found, expected) in clean.rain.iter().zip(&as_it_was) {
            assert!((found / expected - 1.0).abs() < 1e-4, "{found} of {expected}");
        }
    }

    #[test]
    fn edges_of_rain_gaps_and_few_cells_stay_as_they_are() {
        let (mut noisy, _) = scene(0.25);
        noisy.rain.slice_mut(s![.., .., 40..]).fill(0.0);
        noisy.valid.slice_mut(s![2, ..10, ..]).fill(0.0);
        let as_it_was = noisy.rain.clone();
        take_off(&mut noisy);
        assert_eq!(noisy.rain.slice(s![.., .., 39..]), as_it_was.slice(s![.., .., 39..]));
        assert_eq!(noisy.rain.slice(s![.., ..10, ..]), as_it_was.slice(s![.., ..10, ..]));
        assert_eq!(noisy.rain.slice(s![1.., .., ..]), as_it_was.slice(s![1.., .., ..]));
        assert!(noisy.rain[[0, 30, 20]] != as_it_was[[0, 30, 20]]);

        noisy.rain.slice_mut(s![.., 12.., ..]).fill(0.0);
        let few = noisy.rain.clone();
        take_off(&mut noisy);
        assert_eq!(noisy.rain, few);
    }
}
