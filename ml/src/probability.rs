//! From probabilities of exceedance one rain field: the one whose area is right, the one that hits most, a quantile or the mean.

use ndarray::{Array2, ArrayView2, ArrayView3, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::nowcast_net::{J, THRESHOLDS_MM_H};

/// Least probability at which the rain field whose area is right says yes.
const LEAST_YES: f32 = 0.05;

/// Which rain field stands for the probabilities.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RainOf {
    /// Its area at or above each threshold is the expected area, the sum of the probabilities; needs no observation.
    #[default]
    AreaMatched,
    /// It says yes from the probabilities on that gave the highest CSI on the validation events, for each lead time.
    CsiOptimal,
    /// It says yes from the probabilities on that gave as much rainy area as was observed on the validation events, for each lead time.
    Unbiased,
    /// The rain that is exceeded with probability 1/2.
    Median,
    /// The rain that is not exceeded with this probability.
    Quantile(f64),
    /// The expected rain.
    Mean,
}

/// The rain field `[y, x]`, mm h⁻¹, whose area at or above each threshold is the expected area Σ P.
///
/// For each threshold the cells of highest probability are taken until their number is Σ P, but none below 0.05. No observation is needed. NaN
/// where the probability is.
pub(crate) fn area_matched(probability: ArrayView3<'_, f32>) -> Array2<f32> {
    let yes: Vec<f32> = probability
        .axis_iter(Axis(0))
        .into_par_iter()
        .map(|plane| yes_threshold(plane))
        .collect();
    from_yes(probability, &std::array::from_fn(|j| yes[j]))
}

/// The rain field `[y, x]`, mm h⁻¹, that says yes at each threshold where the probability is at least `yes`.
///
/// Rain lies between the highest threshold with a yes and the next one, the nearer to it the closer its probability comes. NaN where the
/// probability is.
pub(crate) fn from_yes(probability: ArrayView3<'_, f32>, yes: &[f32; J]) -> Array2<f32> {
    each(probability, |p| {
        let Some(top) = (0..J).rev().find(|j| p[*j] >= yes[*j]) else {
            return 0.0;
        };
        let low = THRESHOLDS_MM_H[top] as f32;
        let Some(high) = THRESHOLDS_MM_H.get(top + 1) else {
            return low;
        };
        let part = if yes[top + 1].is_finite() {
            (p[top + 1] / yes[top + 1]).clamp(0.0, 0.999)
        } else {
            0.0
        };
        low * (*high as f32 / low).powf(part)
    })
}

/// The rain `[y, x]`, mm h⁻¹, that is exceeded with probability 1 - `level`: between thresholds linear in the probability and in the logarithm of
/// rain; none where rain of 0.1 mm h⁻¹ is less likely than that. NaN where the probability is.
pub(crate) fn quantile(probability: ArrayView3<'_, f32>, level: f64) -> Array2<f32> {
    let above = (1.0 - level) as f32;
    each(probability, |p| {
        let Some(top) = (0..J).rev().find(|j| p[*j] >= above) else {
            return 0.0;
        };
        let low = THRESHOLDS_MM_H[top] as f32;
        let Some(high) = THRESHOLDS_MM_H.get(top + 1) else {
            return low;
        };
        let part = ((p[top] - above) / (p[top] - p[top + 1]).max(1e-6)).clamp(0.0, 0.999);
        low * (*high as f32 / low).powf(part)
    })
}

/// The expected rain `[y, x]`, mm h⁻¹: ∫ P(R >= r) dr, P linear between thresholds, that of 0.1 mm h⁻¹ below it, nought above 40. NaN where the
/// probability is.
pub(crate) fn mean(probability: ArrayView3<'_, f32>) -> Array2<f32> {
    each(probability, |p| {
        let widths = THRESHOLDS_MM_H.windows(2).map(|pair| (pair[1] - pair[0]) as f32);
        let between: f32 = widths.zip(p.windows(2)).map(|(width, p)| width * 0.5 * (p[0] + p[1])).sum();
        THRESHOLDS_MM_H[0] as f32 * p[0] + between
    })
}

/// A probability whose odds are made `odds` times as high.
#[inline]
pub(crate) fn with_odds(p: f32, odds: f32) -> f32 {
    p * odds / (1.0 - p + p * odds)
}

/// A value of each cell from its probabilities; NaN where they are.
fn each(probability: ArrayView3<'_, f32>, of: impl Fn(&[f32; J]) -> f32 + Sync) -> Array2<f32> {
    let (_, ny, nx) = probability.dim();
    let mut out = Array2::zeros((ny, nx));
    out.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(y, mut row)| {
        for (x, value) in row.iter_mut().enumerate() {
            let p: [f32; J] = std::array::from_fn(|j| probability[[j, y, x]]);
            *value = if p[0].is_nan() { f32::NAN } else { of(&p) };
        }
    });
    out
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
    fn quantiles_and_the_mean_are_those_of_the_distribution() {
        // P falls from 0.8 at 0.5 mm/h to 0.4 at 1 mm/h: the median lies 3/4 of the way, 0.5 x 2^0.75 = 0.8409; the quantile 0.1 (P = 0.9) at 0.1.
        let p = ndarray::arr1(&[0.9f32, 0.8, 0.4, 0.0, 0.0, 0.0, 0.0, 0.0]);
        let p = p.into_shape_with_order((8, 1, 1)).unwrap();
        assert!((quantile(p.view(), 0.5)[[0, 0]] - 0.8409).abs() < 1e-3);
        assert!((quantile(p.view(), 0.1)[[0, 0]] - 0.1).abs() < 1e-3 && quantile(p.view(), 0.05)[[0, 0]] == 0.0);
        // 0.1 x 0.9 + 0.4 x 0.85 + 0.5 x 0.6 + 1 x 0.2 = 0.93.
        assert!((mean(p.view())[[0, 0]] - 0.93).abs() < 1e-6);
    }

    #[test]
    fn small_probabilities_everywhere_make_no_rain() {
        let p = Array3::from_elem((8, 50, 50), 0.01);
        assert_eq!(area_matched(p.view()).sum(), 0.0);
    }
}
