//! What many members say together: probabilities, mean and quantiles, from one member after the other.

use std::{collections::BTreeMap, sync::Arc};

use ndarray::{Array2, Array3, ArrayView2, Axis, Zip};
use nowblend_field::{Exceedance, LeadTime, Slice};
use rayon::prelude::*;

/// Sums over members, in their order.
pub struct Sums<'a> {
    thresholds_mm_h: &'a [f64],
    reached: Array3<u16>,
    total: Array2<f32>,
}

impl<'a> Sums<'a> {
    /// Of no member yet.
    pub fn new(thresholds_mm_h: &'a [f64], (ny, nx): (usize, usize)) -> Self {
        Self {
            thresholds_mm_h,
            reached: Array3::zeros((thresholds_mm_h.len(), ny, nx)),
            total: Array2::zeros((ny, nx)),
        }
    }

    /// Adds one member's rain `[y, x]`.
    pub fn add(&mut self, rain: ArrayView2<'_, f32>) {
        Zip::from(&mut self.total).and(rain).par_for_each(|sum, rain| *sum += rain);
        for (mut plane, threshold) in self.reached.outer_iter_mut().zip(self.thresholds_mm_h) {
            let threshold = *threshold as f32;
            Zip::from(&mut plane)
                .and(rain)
                .par_for_each(|n, rain| *n += u16::from(*rain >= threshold));
        }
    }

    /// The slice of `count` members with the rain that is `kept`; of all the mean, where none is. A cell that one member leaves missing is
    /// missing.
    pub fn slice(self, lead_time: LeadTime, kept: Array3<f32>, count: usize, mut diagnostics: BTreeMap<String, Array2<f32>>) -> Slice {
        let share = 1.0 / count as f32;
        let mean = self.total.mapv_into(|sum| sum * share);
        let mut probability = Array3::zeros(self.reached.raw_dim());
        for (mut plane, reached) in probability.outer_iter_mut().zip(self.reached.outer_iter()) {
            Zip::from(&mut plane).and(reached).and(&mean).par_for_each(|p, n, mean| {
                *p = if mean.is_nan() { f32::NAN } else { f32::from(*n) * share };
            });
        }
        let rain = if kept.is_empty() {
            mean.insert_axis(Axis(0))
        } else {
            diagnostics.insert("mean_mm_h".to_owned(), mean);
            kept
        };
        Slice {
            lead_time,
            rain: Some(rain),
            exceedance: (!self.thresholds_mm_h.is_empty()).then(|| Exceedance {
                thresholds_mm_h: Arc::from(self.thresholds_mm_h),
                probability,
            }),
            diagnostics,
        }
    }
}

/// Quantiles over members `[member, y, x]`, one field each, linear between the ordered members; NaN where a member is missing.
pub fn quantiles(rain: &Array3<f32>, quantiles: &[f64]) -> Vec<Array2<f32>> {
    let (count, ny, nx) = rain.dim();
    let mut fields = vec![Array2::zeros((ny, nx)); quantiles.len()];
    let rows: Vec<Vec<Vec<f32>>> = (0..ny)
        .into_par_iter()
        .map(|y| {
            let mut sorted = vec![0.0f32; count];
            let mut row = vec![vec![f32::NAN; nx]; quantiles.len()];
            for x in 0..nx {
                for (value, member) in sorted.iter_mut().zip(rain.slice(ndarray::s![.., y, x])) {
                    *value = *member;
                }
                if sorted.iter().any(|v| v.is_nan()) {
                    continue;
                }
                sorted.sort_unstable_by(f32::total_cmp);
                for (row, q) in row.iter_mut().zip(quantiles) {
                    let place = q * (count - 1) as f64;
                    let low = sorted[place as usize];
                    let high = sorted[(place as usize + 1).min(count - 1)];
                    row[x] = low + place.fract() as f32 * (high - low);
                }
            }
            row
        })
        .collect();
    for (y, row) in rows.into_iter().enumerate() {
        for (field, values) in fields.iter_mut().zip(row) {
            field.row_mut(y).assign(&ndarray::Array1::from(values));
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_the_ordered_members() {
        let rain = ndarray::array![[[4.0f32, 1.0]], [[0.0, f32::NAN]], [[1.0, 2.0]]];
        let made = quantiles(&rain, &[0.5, 0.75]);
        assert_eq!((made[0][[0, 0]], made[1][[0, 0]]), (1.0, 2.5));
        assert!(made[0][[0, 1]].is_nan());
    }
}
