//! What a forecaster says: rain by member and, where it has them, probabilities of exceedance, lead by lead.

use std::{collections::BTreeMap, sync::Arc};

use ndarray::{Array2, Array3, Array4, ArrayView2, ArrayView3, Axis};

use crate::{Error, Grid, LeadTime, Notice, ReferenceTime};

/// Probability `[threshold, y, x]` that rain is at or above each threshold; falls with the threshold.
#[derive(Debug, Clone)]
pub struct Exceedance {
    /// Thresholds, mm h⁻¹, ascending.
    pub thresholds_mm_h: Arc<[f64]>,
    /// Probability `[threshold, y, x]`, 0 to 1; NaN where the forecaster has nothing to say.
    pub probability: Array3<f32>,
}

impl Exceedance {
    /// What a forecast of rain without doubt says: 1 where it is at or above the threshold, 0 below, NaN where it is missing.
    pub fn of_rain(rain: ArrayView2<'_, f32>, thresholds_mm_h: &Arc<[f64]>) -> Self {
        let (ny, nx) = rain.dim();
        let mut probability = Array3::zeros((thresholds_mm_h.len(), ny, nx));
        for (mut plane, threshold) in probability.outer_iter_mut().zip(thresholds_mm_h.iter()) {
            ndarray::Zip::from(&mut plane).and(rain).for_each(|p, r| {
                *p = if r.is_nan() {
                    f32::NAN
                } else {
                    f32::from(f64::from(*r) >= *threshold)
                };
            });
        }
        Self {
            thresholds_mm_h: Arc::clone(thresholds_mm_h),
            probability,
        }
    }

    /// Probability `[y, x]` of one threshold, if it is among those given (to 1e-6 mm h⁻¹).
    pub fn at(&self, threshold_mm_h: f64) -> Option<ArrayView2<'_, f32>> {
        let index = self.thresholds_mm_h.iter().position(|t| (t - threshold_mm_h).abs() < 1e-6)?;
        Some(self.probability.index_axis(Axis(0), index))
    }

    /// Probability `[y, x]` at a threshold between two of those given, linear in the logarithm of the threshold; `None` outside them.
    pub fn between(&self, threshold_mm_h: f64) -> Option<Array2<f32>> {
        let upper = self.thresholds_mm_h.iter().position(|t| *t >= threshold_mm_h).filter(|k| *k > 0)?;
        let (low, high) = (self.thresholds_mm_h[upper - 1], self.thresholds_mm_h[upper]);
        let share = ((threshold_mm_h / low).ln() / (high / low).ln()) as f32;
        let (below, above) = (
            self.probability.index_axis(Axis(0), upper - 1),
            self.probability.index_axis(Axis(0), upper),
        );
        Some(ndarray::Zip::from(below).and(above).map_collect(|b, a| b + share * (a - b)))
    }
}

/// A forecast for one lead time.
#[derive(Debug, Clone)]
pub struct Slice {
    /// How far ahead.
    pub lead_time: LeadTime,
    /// Rain `[member, y, x]`, mm h⁻¹; NaN where nothing is known. A deterministic forecast has one member.
    pub rain: Option<Array3<f32>>,
    /// Probabilities of exceedance.
    pub exceedance: Option<Exceedance>,
    /// Further fields `[y, x]` by name, with the unit in the name: `column_water_kg_m2`.
    pub diagnostics: BTreeMap<String, Array2<f32>>,
}

impl Slice {
    /// A deterministic forecast of rain `[y, x]`, mm h⁻¹.
    pub fn of_rain(lead_time: LeadTime, rain: Array2<f32>) -> Self {
        Self {
            lead_time,
            rain: Some(rain.insert_axis(Axis(0))),
            exceedance: None,
            diagnostics: BTreeMap::new(),
        }
    }

    /// The first member `[y, x]`: of a deterministic forecast, the forecast.
    pub fn first_member(&self) -> Option<ArrayView2<'_, f32>> {
        self.rain
            .as_ref()
            .filter(|r| r.len_of(Axis(0)) > 0)
            .map(|r| r.index_axis(Axis(0), 0))
    }

    /// Number of members; 0 without rain.
    pub fn members(&self) -> usize {
        self.rain.as_ref().map_or(0, |r| r.len_of(Axis(0)))
    }

    /// Whether [`Slice::probability`] has something to say of a threshold, mm h⁻¹.
    pub fn tells_probability(&self, threshold_mm_h: f64) -> bool {
        self.members() > 1 || self.exceedance.as_ref().is_some_and(|e| e.at(threshold_mm_h).is_some())
    }

    /// Probability `[y, x]` that rain is at or above a threshold, mm h⁻¹: the one given, or else the share of members, where there are
    /// several; NaN where a member is missing.
    pub fn probability(&self, threshold_mm_h: f64) -> Option<Array2<f32>> {
        if let Some(plane) = self.exceedance.as_ref().and_then(|e| e.at(threshold_mm_h)) {
            return Some(plane.to_owned());
        }
        let rain = self.rain.as_ref().filter(|_| self.members() > 1)?;
        Some(share_at_or_above(rain.view(), threshold_mm_h))
    }

    /// The mean over members `[y, x]`, mm h⁻¹.
    pub fn mean(&self) -> Option<Array2<f32>> {
        self.rain.as_ref().and_then(|r| r.mean_axis(Axis(0)))
    }
}

/// Share `[y, x]` of members `[member, y, x]` that are at or above a threshold of their own unit; NaN where one is missing.
pub fn share_at_or_above(members: ArrayView3<'_, f32>, threshold: f64) -> Array2<f32> {
    let (count, ny, nx) = members.dim();
    let mut share = Array2::zeros((ny, nx));
    for member in members.outer_iter() {
        ndarray::Zip::from(&mut share).and(member).par_for_each(|share, value| {
            if value.is_nan() {
                *share = f32::NAN;
            } else {
                *share += f32::from(f64::from(*value) >= threshold);
            }
        });
    }
    share.mapv_into(|s| s / count.max(1) as f32)
}

/// A whole forecast, collected from its slices.
#[derive(Debug, Clone)]
pub struct Forecast {
    /// Who made it.
    pub forecaster: String,
    /// Where the cells lie.
    pub grid: Grid,
    /// When it starts.
    pub reference_time: ReferenceTime,
    /// One slice a lead time, in order.
    pub slices: Vec<Slice>,
    /// What was missing, limited, redistributed or degraded.
    pub notices: Vec<Notice>,
}

impl Forecast {
    /// Rain `[member, lead, y, x]`, mm h⁻¹, if every slice has it with the same members.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where members differ between lead times.
    pub fn rain(&self) -> Result<Option<Array4<f32>>, Error> {
        let Some(views) = self
            .slices
            .iter()
            .map(|s| s.rain.as_ref().map(|r| r.view()))
            .collect::<Option<Vec<_>>>()
        else {
            return Ok(None);
        };
        let Some(first) = views.first() else { return Ok(None) };
        if let Some(other) = views.iter().find(|v| v.dim() != first.dim()) {
            return Err(Error::Shape {
                what: "rain [member, y, x] of a slice",
                found: other.shape().to_vec(),
                expected: first.shape().to_vec(),
            });
        }
        Ok(Some(ndarray::stack(Axis(1), &views).expect("shapes were compared above")))
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn rain_at_the_threshold_counts_and_missing_stays_missing() {
        let thresholds: Arc<[f64]> = [1.0, 5.0].into();
        let certain = Exceedance::of_rain(array![[1.0, 0.99, 5.0], [0.0, f32::NAN, 7.0]].view(), &thresholds);
        assert_eq!(certain.at(1.0).unwrap().row(0).to_vec(), [1.0, 0.0, 1.0]);
        assert_eq!(certain.at(5.0).unwrap()[[1, 2]], 1.0);
        assert!(certain.at(5.0).unwrap()[[1, 1]].is_nan());
        assert!(certain.at(2.0).is_none());
        // Half-way from 1 to 4 in the logarithm.
        let thresholds: Arc<[f64]> = [1.0, 4.0].into();
        let probability = array![[[0.8]], [[0.2]]];
        let exceedance = Exceedance {
            thresholds_mm_h: thresholds,
            probability,
        };
        assert!((exceedance.between(2.0).unwrap()[[0, 0]] - 0.5).abs() < 1e-6);
        assert!(exceedance.between(0.5).is_none() && exceedance.between(5.0).is_none());
    }

    #[test]
    fn members_give_a_probability_where_all_of_them_speak() {
        // At or above 2: one of two; both; one of them missing.
        let mut slice = Slice::of_rain(LeadTime::from_minutes(5), array![[0.0, 3.0, 9.0]]);
        assert!(slice.probability(2.0).is_none());
        slice.rain = Some(array![[[0.0, 3.0, 9.0]], [[2.0, 4.0, f32::NAN]]]);
        let p = slice.probability(2.0).unwrap();
        assert_eq!((p[[0, 0]], p[[0, 1]]), (0.5, 1.0));
        assert!(p[[0, 2]].is_nan());
    }
}
