//! From probabilities of exceedance the one rain field that says yes over the right area.

use ndarray::{Array2, ArrayView2, ArrayView3, Axis};
use rayon::prelude::*;

use crate::nowcast_net::THRESHOLDS_MM_H;

/// Least probability at which the rain field says yes.
const LEAST_YES: f32 = 0.15;

/// The rain field `[y, x]`, mm h⁻¹, whose area at or above each threshold is the expected area Σ P.
///
/// For each threshold the cells of highest probability are taken until their number is Σ P, but none below 0.15; rain lies between the highest
/// threshold so taken and the next one, the nearer to it the closer its probability comes. No observation is needed. NaN where
/// the probability is.
pub(crate) fn area_matched(probability: ArrayView3<'_, f32>) -> Array2<f32> {
    let yes: Vec<f32> = probability
        .axis_iter(Axis(0))
        .into_par_iter()
        .map(|plane| yes_threshold(plane))
        .collect();
    let (count, ny, nx) = probability.dim();
    let mut rain = Array2::zeros((ny, nx));
    rain.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(y, mut row)| {
        for (x, rain) in row.iter_mut().enumerate() {
            let p = |j: usize| probability[[j, y, x]];
            if p(0).is_nan() {
                *rain = f32::NAN;
                continue;
            }
            let Some(top) = (0..count).rev().find(|j| p(*j) >= yes[*j]) else {
                continue;
            };
            let low = THRESHOLDS_MM_H[top] as f32;
            *rain = match THRESHOLDS_MM_H.get(top + 1) {
                None => low,
                Some(high) => {
                    let part = if yes[top + 1].is_finite() {
                        (p(top + 1) / yes[top + 1]).clamp(0.0, 0.999)
                    } else {
                        0.0
                    };
                    low * (*high as f32 / low).powf(part)
                }
            };
        }
    });
    rain
}

/// The probability from which the event is forecast, so that its area is the sum of the probabilities.
fn yes_threshold(probability: ArrayView2<'_, f32>) -> f32 {
    let mut values: Vec<f32> = probability.iter().copied().filter(|p| !p.is_nan()).collect();
    let expected = values.iter().map(|p| f64::from(*p)).sum::<f64>().round() as usize;
    if expected == 0 {
        return f32::INFINITY;
    }
    let place = expected.min(values.len()) - 1;
    let (_, yes, _) = values.select_nth_unstable_by(place, |a, b| b.total_cmp(a));
    yes.max(LEAST_YES)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, s};

    use super::*;

    #[test]
    fn the_forecast_area_is_the_sum_of_the_probabilities() {
        // Σ P(>= 0.1) = 0.9 + 0.8 + 0.6 + 0.4 + 0.3 = 3: the three likeliest cells are wet; Σ P(>= 0.5) = 0.9 + 0.1 = 1.
        let mut p = Array3::zeros((8, 1, 6));
        p.slice_mut(s![0, 0, ..])
            .assign(&ndarray::arr1(&[0.9, 0.8, 0.6, 0.4, 0.3, f32::NAN]));
        p.slice_mut(s![1, 0, ..])
            .assign(&ndarray::arr1(&[0.9, 0.1, 0.0, 0.0, 0.0, f32::NAN]));
        p.slice_mut(s![2.., 0, 5]).fill(f32::NAN);
        let rain = area_matched(p.view());
        assert_eq!(rain[[0, 0]], 0.5);
        // 0.1 x 5^(0.1/0.9) = 0.1196 and 0.1 x 5^0.
        assert!((rain[[0, 1]] - 0.1196).abs() < 1e-4 && rain[[0, 2]] == 0.1 && rain[[0, 3]] == 0.0);
        assert!(rain[[0, 5]].is_nan());
    }

    #[test]
    fn small_probabilities_everywhere_make_no_rain() {
        let p = Array3::from_elem((8, 50, 50), 0.01);
        assert_eq!(area_matched(p.view()).sum(), 0.0);
    }
}
