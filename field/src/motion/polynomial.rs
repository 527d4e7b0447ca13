//! An image as a parabola around each cell: f(x) ~ x'Ax + b'x + c in a Gaussian window.
//!
//! # Source
//!
//! Farneback, G., 2003: Two-frame motion estimation based on polynomial expansion. SCIA 2003, Lecture Notes in Computer Science, 2749,
//! 363-370, doi:10.1007/3-540-45103-X_50, section 2.

use ndarray::{Array2, Zip};

use super::pyramid::{DRY_DB, Image, line};

/// Slope b and curvature A of an image at a cell, y and x northward and eastward.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Parabola {
    pub by: f32,
    pub bx: f32,
    pub ayy: f32,
    pub ayx: f32,
    pub axx: f32,
}

/// The parabola around each cell in a window of `2 half + 1` cells, with Gaussian weights whose standard deviation is `half / 2`.
/// Beyond the edge of the image the cells at the edge go on.
pub(super) fn parabolas(image: &Image, half: usize) -> Array2<Parabola> {
    let (ny, nx) = image.db.dim();
    let deviation = 0.5 * half as f64;
    let offsets: Vec<f64> = (0..=2 * half).map(|k| k as f64 - half as f64).collect();
    let mut weights: Vec<f64> = offsets.iter().map(|o| (-0.5 * (o / deviation).powi(2)).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|w| *w /= sum);
    let moment = |power: i32| offsets.iter().zip(&weights).map(|(o, w)| w * o.powi(power)).sum::<f64>();
    let (m2, m4) = (moment(2), moment(4));
    // Weights for the value, the slope and the curvature along one direction.
    let taps: Vec<[f32; 3]> = offsets
        .iter()
        .zip(&weights)
        .map(|(o, w)| [*w as f32, (w * o) as f32, (w * o * o) as f32])
        .collect();
    let (by_m2, by_m2_m2, by_m4) = (1.0 / m2 as f32, 1.0 / (m2 * m2) as f32, 1.0 / (m4 - m2 * m2) as f32);
    let m2 = m2 as f32;
    let mut out = Array2::from_elem((ny, nx), Parabola::default());
    Zip::indexed(out.rows_mut()).par_for_each(|y, mut row| {
        // Sums over the rows of the window, half a window more on both sides.
        let mut across = vec![[0.0f32; 3]; nx + 2 * half];
        for (k, tap) in taps.iter().enumerate() {
            let cells = line(&image.db, (y + k).saturating_sub(half).min(ny - 1));
            for (sum, f) in across[half..].iter_mut().zip(cells) {
                // Above dry, so that all is 0 where all is dry.
                let f = f - DRY_DB;
                *sum = [sum[0] + tap[0] * f, sum[1] + tap[1] * f, sum[2] + tap[2] * f];
            }
        }
        let (first, last) = (across[half], across[half + nx - 1]);
        across[..half].fill(first);
        across[half + nx..].fill(last);
        for (x, parabola) in row.iter_mut().enumerate() {
            let window = &across[x..=x + 2 * half];
            let (mut f, mut fx, mut fxx, mut fy, mut fyx, mut fyy) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
            for (s, tap) in window.iter().zip(&taps) {
                f += tap[0] * s[0];
                fx += tap[1] * s[0];
                fxx += tap[2] * s[0];
                fy += tap[0] * s[1];
                fyx += tap[1] * s[1];
                fyy += tap[0] * s[2];
            }
            *parabola = Parabola {
                by: fy * by_m2,
                bx: fx * by_m2,
                ayy: (fyy - m2 * f) * by_m4,
                ayx: 0.5 * fyx * by_m2_m2,
                axx: (fxx - m2 * f) * by_m4,
            };
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parabola_is_found_as_it_is() {
        // f = 3 + 2y - x + 0.5 y² + 0.3 yx - 0.2 x² around cell (10, 12).
        let db = Array2::from_shape_fn((21, 24), |(y, x)| {
            let (y, x) = (y as f32 - 10.0, x as f32 - 12.0);
            3.0 + 2.0 * y - x + 0.5 * y * y + 0.3 * y * x - 0.2 * x * x
        });
        let seen = Array2::from_elem(db.dim(), true);
        let found = parabolas(&Image { db, seen }, 4)[[10, 12]];
        let expected = [2.0, -1.0, 0.5, 0.15, -0.2];
        for (f, e) in [found.by, found.bx, found.ayy, found.ayx, found.axx].into_iter().zip(expected) {
            assert!((f - e).abs() < 1e-3, "{found:?}");
        }
    }
}
