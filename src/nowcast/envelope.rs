//! Where rain may appear: near rain, and farther from it as time goes on.

use ndarray::{Array2, ArrayView2, ArrayViewMut2};
use rayon::prelude::*;

/// Farther than this nothing is told apart, cells.
const FAR: f32 = 60_000.0;

/// Distance of each cell to the rain at the reference time.
pub struct Envelope {
    /// Distance `[y, x]` in tenths of a cell.
    distance: Array2<u16>,
}

impl Envelope {
    /// The surroundings of rain `[y, x]` of at least `rain_min`, mm h⁻¹; a cell that is not observed is as near as its distance to rain.
    ///
    /// Distances are sums of steps along the axes (1) and diagonals (√2), at most 8 % too long.
    ///
    /// # Source
    ///
    /// Borgefors, G., 1986: Distance transformations in digital images. Comput. Vision Graph., 34, 344-371,
    /// doi:10.1016/S0734-189X(86)80047-0.
    pub fn around(rain: ArrayView2<'_, f32>, rain_min: f32) -> Self {
        let (ny, nx) = rain.dim();
        let mut distance = rain.mapv(|r| if r >= rain_min { 0.0f32 } else { FAR });
        let sweep = |distance: &mut Array2<f32>, down: bool| {
            for line in 0..ny {
                let y = if down { line } else { ny - 1 - line };
                let before = if down { y.checked_sub(1) } else { Some(y + 1).filter(|y| *y < ny) };
                for place in 0..nx {
                    let x = if down { place } else { nx - 1 - place };
                    let mut least = distance[[y, x]];
                    let side = if down { x.checked_sub(1) } else { Some(x + 1).filter(|x| *x < nx) };
                    if let Some(side) = side {
                        least = least.min(distance[[y, side]] + 1.0);
                    }
                    if let Some(before) = before {
                        least = least.min(distance[[before, x]] + 1.0);
                        if x > 0 {
                            least = least.min(distance[[before, x - 1]] + std::f32::consts::SQRT_2);
                        }
                        if x + 1 < nx {
                            least = least.min(distance[[before, x + 1]] + std::f32::consts::SQRT_2);
                        }
                    }
                    distance[[y, x]] = least;
                }
            }
        };
        sweep(&mut distance, true);
        sweep(&mut distance, false);
        Self {
            distance: distance.mapv(|d| (10.0 * d).round().min(f32::from(u16::MAX)) as u16),
        }
    }

    /// Whether each cell is no farther than `reach` cells from the rain.
    pub fn within(&self, reach: f32) -> Array2<bool> {
        self.distance.mapv(|distance| f32::from(distance) * 0.1 <= reach)
    }

    /// Draws `field` `[y, x]` towards `least` from `reach` cells off the rain on, all the way `rim` cells farther.
    pub fn confine(&self, mut field: ArrayViewMut2<'_, f32>, least: f32, reach: f32, rim: f32) {
        field
            .outer_iter_mut()
            .into_par_iter()
            .zip(self.distance.outer_iter().into_par_iter())
            .for_each(|(mut row, distances)| {
                for (value, distance) in row.iter_mut().zip(distances) {
                    let off = f32::from(*distance) * 0.1 - reach;
                    if off > 0.0 {
                        let left = 1.0 - (off / rim.max(1e-3)).min(1.0);
                        *value = if left == 0.0 {
                            least
                        } else {
                            least + left * (*value - least).max(0.0)
                        };
                    }
                }
            });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_to_the_nearest_rain() {
        let mut rain = Array2::zeros((12, 15));
        rain[[3, 4]] = 1.0;
        rain[[3, 5]] = f32::NAN;
        let envelope = Envelope::around(rain.view(), 0.1);
        assert_eq!(envelope.distance[[3, 4]], 0);
        assert_eq!(envelope.distance[[3, 14]], 100);
        // Three diagonal steps and two straight ones: 6.24.
        assert_eq!(envelope.distance[[6, 9]], 62);
        assert_eq!(envelope.distance[[0, 4]], 30);
    }

    #[test]
    fn beyond_the_rim_nothing_is_left() {
        let mut rain = Array2::zeros((1, 20));
        rain[[0, 0]] = 1.0;
        let envelope = Envelope::around(rain.view(), 0.1);
        let mut field = Array2::from_elem((1, 20), 5.0);
        envelope.confine(field.view_mut(), -15.0, 4.0, 10.0);
        // 9 cells off: half-way down the rim.
        assert_eq!((field[[0, 4]], field[[0, 9]], field[[0, 14]]), (5.0, -5.0, -15.0));
    }
}
