//! Rain keeps its area for longer than a network that saw few events believes, above all heavy rain: the area at each threshold is held to that
//! of the newest frame where it has moved.

use ndarray::{Array3, ArrayView2, ArrayViewMut2, Axis, s};
use rayon::prelude::*;

use crate::{
    nowcast_net::{J, THRESHOLDS_MM_H},
    probability::with_odds,
};

/// Share of the newest frame in the logarithm of the area at each threshold: chosen on providers that the network had not seen (model card).
const SHARE: [f64; J] = [0.5, 0.5, 0.5, 0.6, 0.8, 1.0, 1.0, 1.0];
/// Rainy cells of the newest frame at which that share is halved: few cells say little.
const FEW: f64 = 20.0;
/// An area is made so many times larger or smaller at most.
const MOST: f64 = 3.0;
/// No more of the map than this is made rainy.
const MOST_OF_MAP: f64 = 0.95;
/// Bounds of the shift of logits.
const SHIFT: f64 = 3.0;
/// Classes of probability, by its square root: narrow where it is small.
const CLASSES: usize = 1024;
/// Halvings of the bounds, after which the shift is known to 1e-6.
const HALVINGS: usize = 24;

/// Shifts the logits of probabilities `[J, y, x]` by a number for each threshold, so that with the expected area A = Σ P and the area N of the newest
/// frame `moved` `[y, x]`, in cells that both know,
///
/// Σ P' = A (N / A)^α, α = `strength` · SHARE N / (N + FEW).
///
/// Probabilities go on falling with the threshold; nothing changes where the newest frame has no such rain.
pub(crate) fn hold(probability: &mut Array3<f32>, moved: ArrayView2<'_, f32>, strength: f64) {
    let planes = probability.axis_iter_mut(Axis(0)).into_par_iter().enumerate();
    planes.for_each(|(j, mut plane)| {
        let odds = Areas::of(&plane, moved, THRESHOLDS_MM_H[j] as f32).shift(strength * SHARE[j]).exp() as f32;
        plane.mapv_inplace(|p| with_odds(p, odds));
    });
    for j in 1..J {
        let (below, mut here) = probability.multi_slice_mut((s![j - 1, .., ..], s![j, .., ..]));
        here.zip_mut_with(&below, |p, below| {
            if *p > *below {
                *p = *below;
            }
        });
    }
}

/// What is expected and what the newest frame holds at one threshold.
struct Areas {
    /// Number of cells and sum of probabilities of each class.
    classes: Vec<(f64, f64)>,
    cells: f64,
    expected: f64,
    newest: f64,
}

impl Areas {
    fn of(plane: &ArrayViewMut2<'_, f32>, moved: ArrayView2<'_, f32>, threshold: f32) -> Self {
        let mut areas = Self {
            classes: vec![(0.0, 0.0); CLASSES],
            cells: 0.0,
            expected: 0.0,
            newest: 0.0,
        };
        ndarray::Zip::from(plane).and(moved).for_each(|p, rain| {
            if !p.is_nan() && !rain.is_nan() {
                let class = &mut areas.classes[((p.max(0.0).sqrt() * CLASSES as f32) as usize).min(CLASSES - 1)];
                *class = (class.0 + 1.0, class.1 + f64::from(*p));
                areas.newest += f64::from(u8::from(*rain >= threshold));
            }
        });
        areas.cells = areas.classes.iter().map(|(cells, _)| cells).sum();
        areas.expected = areas.classes.iter().map(|(_, sum)| sum).sum();
        areas
    }

    /// The shift of logits that brings the expected area where it should be.
    fn shift(&self, share: f64) -> f64 {
        let most = MOST_OF_MAP * self.cells;
        if self.newest == 0.0 || self.expected <= 0.0 || self.expected >= most {
            return 0.0;
        }
        let alpha = share * self.newest / (self.newest + FEW);
        let wanted = (self.expected * (self.newest / self.expected).powf(alpha).clamp(1.0 / MOST, MOST)).min(most);
        let (mut low, mut high) = (-SHIFT, SHIFT);
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + high);
            if self.after(middle.exp()) < wanted {
                low = middle;
            } else {
                high = middle;
            }
        }
        0.5 * (low + high)
    }

    /// The expected area with all odds so many times as high.
    fn after(&self, odds: f64) -> f64 {
        let classes = self.classes.iter().filter(|(cells, _)| *cells > 0.0);
        classes
            .map(|(cells, sum)| {
                let p = sum / cells;
                cells * p * odds / (1.0 - p + p * odds)
            })
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    /// 100 x 100 cells; the newest frame has 12 mm/h in `heavy` of them and 1.5 mm/h in half of the others; one cell is unknown.
    fn frame(heavy: usize) -> Array2<f32> {
        Array2::from_shape_fn((100, 100), |(y, x)| match 100 * y + x {
            9999 => f32::NAN,
            k if k < heavy => 12.0,
            k if k % 2 == 0 => 1.5,
            _ => 0.0,
        })
    }

    fn area(p: &Array3<f32>, j: usize) -> f32 {
        p.index_axis(Axis(0), j).iter().filter(|p| !p.is_nan()).sum()
    }

    #[test]
    fn heavy_rain_is_held_to_the_area_of_the_newest_frame_and_light_rain_half_the_way() {
        let mut p = Array3::from_shape_fn((J, 100, 100), |(j, y, _)| (0.6 - 0.07 * j as f32) * (0.5 + y as f32 / 200.0));
        p.slice_mut(s![.., 99, 99]).fill(f32::NAN);
        let before = p.clone();
        hold(&mut p, frame(1500).view(), 1.0);
        // 10 mm/h: 1500 cells and α = 1500 / 1520; A is Σ 0.25 (0.5 + y / 200) = 1868 or so.
        let expected = area(&before, 5) * (1500.0 / area(&before, 5)).powf(1500.0 / 1520.0);
        assert!((area(&p, 5) / expected - 1.0).abs() < 2e-3, "{} {expected}", area(&p, 5));
        // 0.1 mm/h: 1500 cells and half of the 8500 others, and half of that exponent.
        let expected = area(&before, 0) * (5750.0 / area(&before, 0)).powf(0.5 * 5750.0 / 5770.0);
        assert!((area(&p, 0) / expected - 1.0).abs() < 2e-3, "{} {expected}", area(&p, 0));
        // 20 mm/h: there is none, but no more than at 10 mm/h.
        assert_eq!(p.index_axis(Axis(0), 6)[[50, 50]], before[[6, 50, 50]]);
        assert!(p.axis_windows(Axis(0), 2).into_iter().all(|pair| {
            let (low, high) = (pair.index_axis(Axis(0), 0), pair.index_axis(Axis(0), 1));
            low.iter().zip(high).all(|(low, high)| high <= low || low.is_nan() && high.is_nan())
        }));
    }

    #[test]
    fn a_dry_frame_and_no_strength_change_nothing_and_there_are_bounds() {
        let p = Array3::from_shape_fn((J, 100, 100), |(j, ..)| if j < 7 { 0.5 } else { 0.1 });
        let held = |rain: f32, strength: f64| {
            let mut held = p.clone();
            hold(&mut held, Array2::from_elem((100, 100), rain).view(), strength);
            held
        };
        assert_eq!(held(0.0, 1.0), p);
        assert!(held(50.0, 0.0).iter().zip(&p).all(|(held, p)| (held - p).abs() < 1e-5));
        // All of the map has rain of 50 mm/h: three times the area is as far as it goes at 40 mm/h, and 20 mm/h grows no likelier than 0.1 mm/h,
        // 0.5 x 2^(0.5 x 10000 / 10020) = 0.7066.
        let full = held(50.0, 1.0);
        assert!((full[[7, 3, 3]] - 0.3).abs() < 1e-3, "{}", full[[7, 3, 3]]);
        assert!(full[[6, 3, 3]] == full[[0, 3, 3]] && (full[[0, 3, 3]] - 0.7066).abs() < 1e-3);
    }
}
