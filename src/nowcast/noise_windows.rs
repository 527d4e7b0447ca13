//! Chance that looks like the rain around it: the spectrum of noise is told window by window, so that showers stay showers beside a wide rain.
//!
//! # Source
//!
//! Nerini, D., et al., 2017: A non-stationary stochastic ensemble generator for radar rainfall fields based on the short-space Fourier
//! transform. Hydrol. Earth Syst. Sci., 21, 2777-2797, doi:10.5194/hess-21-2777-2017; windows overlap by half.

use std::{f32::consts::PI, sync::Arc};

use ndarray::{Array2, ArrayView2, s};
use rayon::prelude::*;
use rustfft::{Fft, FftPlanner, num_complex::Complex32};

/// Windows over a grid, each with the spectrum of the rain in it.
pub struct NoiseWindows {
    /// Cells along a side of a window, even.
    width: usize,
    /// Windows along y and x.
    count: (usize, usize),
    /// Amplitude of each window's waves `[window][ky, kx]`, for white noise of variance 1; empty where nothing varies.
    amplitudes: Vec<Vec<f32>>,
    forward: Arc<dyn Fft<f32>>,
    back: Arc<dyn Fft<f32>>,
}

impl NoiseWindows {
    /// The spectra of `field` `[y, x]`, complete, in windows of about `width` cells.
    pub fn over(field: ArrayView2<'_, f32>, width: usize) -> Self {
        let width = width.max(8).next_multiple_of(2);
        let half = width / 2;
        let count = (field.nrows().div_ceil(half) + 1, field.ncols().div_ceil(half) + 1);
        let mut planner = FftPlanner::new();
        let mut made = Self {
            width,
            count,
            amplitudes: Vec::new(),
            forward: planner.plan_fft_forward(width),
            back: planner.plan_fft_inverse(width),
        };
        let taper = made.taper();
        let power: f32 = taper.iter().map(|t| t * t).sum();
        made.amplitudes = (0..count.0 * count.1)
            .into_par_iter()
            .map(|window| {
                let patch = made.patch(field, window);
                let weight: f32 = taper.iter().sum();
                let mean = patch.iter().zip(&taper).map(|(v, t)| v.re * t).sum::<f32>() / weight;
                let mut waves: Vec<Complex32> = patch.iter().zip(&taper).map(|(v, t)| (v - mean) * t).collect();
                made.transform(&*made.forward, &mut waves);
                // Noise of variance 1 has a power of width² in each wave.
                let amplitudes: Vec<f32> = waves.iter().map(|c| c.norm() / power.sqrt()).collect();
                if amplitudes.iter().any(|a| *a > 1e-3) { amplitudes } else { Vec::new() }
            })
            .collect();
        made
    }

    /// Adds to `field` `[y, x]` the noise that `white` `[y, x]`, of variance 1, becomes under the spectra of the windows.
    pub fn add(&self, white: ArrayView2<'_, f32>, field: &mut Array2<f32>) {
        let taper = self.taper();
        // Rows of windows that do not touch are made together: the even ones, then the odd ones.
        let half = self.width / 2;
        let made: Vec<Option<Vec<Complex32>>> = (0..self.amplitudes.len())
            .into_par_iter()
            .map(|window| {
                let amplitudes = &self.amplitudes[window];
                if amplitudes.is_empty() {
                    return None;
                }
                let mut waves = self.patch(white, window);
                self.transform(&*self.forward, &mut waves);
                waves.iter_mut().zip(amplitudes).for_each(|(c, a)| *c *= a / (self.width * self.width) as f32);
                self.transform(&*self.back, &mut waves);
                Some(waves)
            })
            .collect();
        let (ny, nx) = field.dim();
        for (window, patch) in made.into_iter().enumerate() {
            let Some(patch) = patch else { continue };
            let (top, left) = ((window / self.count.1) * half, (window % self.count.1) * half);
            for (k, (value, weight)) in patch.iter().zip(&taper).enumerate() {
                let (y, x) = (top + k / self.width, left + k % self.width);
                if y >= half && x >= half && y - half < ny && x - half < nx {
                    field[[y - half, x - half]] += value.re * weight;
                }
            }
        }
    }

    /// The cells of a window; beyond the grid those of its edge, mirrored.
    fn patch(&self, field: ArrayView2<'_, f32>, window: usize) -> Vec<Complex32> {
        let half = self.width / 2;
        let place = |first: usize, k: usize, cells: usize| {
            let at = (first + k) as isize - half as isize;
            let period = 2 * cells as isize;
            let at = at.rem_euclid(period);
            (if at < cells as isize { at } else { period - 1 - at }) as usize
        };
        let (top, left) = ((window / self.count.1) * half, (window % self.count.1) * half);
        let columns: Vec<usize> = (0..self.width).map(|k| place(left, k, field.ncols())).collect();
        let mut patch = Vec::with_capacity(self.width * self.width);
        for k in 0..self.width {
            let row = field.slice(s![place(top, k, field.nrows()), ..]);
            patch.extend(columns.iter().map(|x| Complex32::new(row[*x], 0.0)));
        }
        patch
    }

    /// Hann's weights of a window: those of four that overlap add up to 1 everywhere.
    fn taper(&self) -> Vec<f32> {
        let along: Vec<f32> = (0..self.width)
            .map(|k| (PI * (k as f32 + 0.5) / self.width as f32).sin().powi(2))
            .collect();
        along.iter().flat_map(|a| along.iter().map(move |b| a * b)).collect()
    }

    /// Along rows, then along columns; both times turned.
    fn transform(&self, along: &dyn Fft<f32>, waves: &mut [Complex32]) {
        let width = self.width;
        for _ in 0..2 {
            along.process(waves);
            for y in 0..width {
                for x in y + 1..width {
                    waves.swap(y * width + x, x * width + y);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use nowblend_field::Seed;

    use super::*;
    use crate::nowcast::noise::White;

    fn white(shape: (usize, usize)) -> Array2<f32> {
        let numbers = White::new(Seed(5), 0, 0);
        Array2::from_shape_fn(shape, |(y, x)| numbers.at((y * shape.1 + x) as u64).re)
    }

    #[test]
    fn noise_is_as_strong_as_what_it_stands_for_and_nothing_where_nothing_varies() {
        // West: waves of 8 cells and variance 1/2; east: nothing.
        let field = Array2::from_shape_fn((96, 160), |(_, x)| if x < 64 { (x as f32 * PI / 4.0).sin() } else { 0.0 });
        let windows = NoiseWindows::over(field.view(), 32);
        let mut noise = Array2::zeros((96, 160));
        windows.add(white((96, 160)).view(), &mut noise);
        let variance = |part: ArrayView2<'_, f32>| part.iter().map(|v| v * v).sum::<f32>() / part.len() as f32;
        assert!(variance(noise.slice(s![.., 96..])) < 1e-3);
        let west = variance(noise.slice(s![.., 8..48]));
        assert!((0.3..0.7).contains(&west), "{west}");
    }

    #[test]
    fn white_noise_under_a_flat_spectrum_stays_as_it_is() {
        // A single spike has a flat spectrum: noise keeps its pattern, cell by cell.
        let mut field = Array2::zeros((40, 40));
        field[[20, 20]] = 1.0;
        let windows = NoiseWindows::over(field.view(), 16);
        let (white, mut noise) = (white((40, 40)), Array2::zeros((40, 40)));
        windows.add(white.view(), &mut noise);
        let (a, b) = (white.slice(s![18..22, 18..22]), noise.slice(s![18..22, 18..22]));
        let product: f32 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
        let norms = a.iter().map(|v| v * v).sum::<f32>().sqrt() * b.iter().map(|v| v * v).sum::<f32>().sqrt();
        assert!(product / norms > 0.95, "{}", product / norms);
    }
}
