//! A probability from the neighbourhood: how much of the rain around a parcel reaches a threshold tells how likely the parcel itself will, and
//! the longer the forecast the larger the neighbourhood that may be where the parcel is expected.
//!
//! # Source
//!
//! Germann, U. and I. Zawadzki, 2004: Scale dependence of the predictability of precipitation from continental radar images. Part II:
//! Probability forecasts. J. Appl. Meteor., 43, 74-89, doi:10.1175/1520-0450(2004)043<0074:SDOTPO>2.0.CO;2 (local Lagrangian method).

use std::{collections::BTreeMap, sync::Arc};

use ndarray::{Array2, Array3, ArrayView2, Axis, Zip};
use nowblend_field::{
    Analysis, Bounds, Error, Exceedance, Forecaster, LeadTime, Notice, Run, Seed, Slice,
    advection::{Interpolation, SemiLagrangian, Trajectories},
    window_sums,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Which probabilities, and how fast the neighbourhood grows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LagrangianProbabilityConfig {
    /// Thresholds, mm h⁻¹, ascending.
    pub thresholds_mm_h: Vec<f64>,
    /// Growth of the full width of the neighbourhood, km min⁻¹; 0 to 100.
    pub growth_km_min: f64,
    /// How the rain is moved.
    pub advection: SemiLagrangian,
}

impl Default for LagrangianProbabilityConfig {
    fn default() -> Self {
        Self {
            thresholds_mm_h: vec![0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0],
            growth_km_min: 1.0,
            advection: SemiLagrangian::default(),
        }
    }
}

/// Probability as the share of observed cells at or above a threshold in a square around the parcel; its rain is that of extrapolation.
pub struct LagrangianProbability {
    config: LagrangianProbabilityConfig,
    thresholds_mm_h: Arc<[f64]>,
}

impl LagrangianProbability {
    /// Probabilities as `config` says.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] for a key outside its bounds.
    pub fn new(config: &LagrangianProbabilityConfig) -> Result<Self, Error> {
        config.advection.check()?;
        super::check_thresholds("lagrangian_probability.thresholds_mm_h", &config.thresholds_mm_h)?;
        Bounds::default()
            .number(
                "lagrangian_probability.growth_km_min",
                config.growth_km_min,
                0.0..=100.0,
                "0 to 100",
            )
            .result()?;
        Ok(Self {
            config: config.clone(),
            thresholds_mm_h: config.thresholds_mm_h.as_slice().into(),
        })
    }
}

impl Forecaster for LagrangianProbability {
    fn name(&self) -> &str {
        "lagrangian_probability"
    }

    fn start<'a>(&'a self, analysis: &'a Analysis, lead_times: &'a [LeadTime], _: Seed) -> Result<Box<dyn Run + 'a>, Error> {
        Ok(Box::new(ProbabilityRun {
            of: self,
            newest: analysis.observed().last(),
            cell_km: analysis.grid().cell_size_m() / 1000.0,
            trajectories: self.config.advection.trajectories(analysis.motion()?, analysis.grid()),
            interpolation: self.config.advection.interpolation,
            lead_times: lead_times.iter(),
            notices: super::notices_of_motion(analysis, self.name(), self.config.thresholds_mm_h.first().copied().unwrap_or(0.1)),
        }))
    }

    fn references(&self) -> &[&'static str] {
        &[
            "Germann, U. and I. Zawadzki, 2004: Scale dependence of the predictability of precipitation from continental radar images. Part II: Probability forecasts. J. Appl. Meteor., 43, 74-89, doi:10.1175/1520-0450(2004)043<0074:SDOTPO>2.0.CO;2",
        ]
    }
}

struct ProbabilityRun<'a> {
    of: &'a LagrangianProbability,
    newest: ArrayView2<'a, f32>,
    cell_km: f64,
    trajectories: Trajectories,
    interpolation: Interpolation,
    lead_times: std::slice::Iter<'a, LeadTime>,
    notices: Vec<Notice>,
}

impl Run for ProbabilityRun<'_> {
    fn next(&mut self) -> Result<Option<Slice>, Error> {
        let Some(&lead_time) = self.lead_times.next() else {
            return Ok(None);
        };
        let half = half_width(self.of.config.growth_km_min, lead_time, self.cell_km);
        let displacement = self.trajectories.advance_to(lead_time);
        let rain = displacement.sample(self.newest, self.interpolation);
        let neighbourhoods = Neighbourhoods::new(self.newest, half);
        let (ny, nx) = rain.dim();
        let mut probability = Array3::zeros((self.of.thresholds_mm_h.len(), ny, nx));
        probability
            .axis_iter_mut(Axis(0))
            .into_par_iter()
            .zip(self.of.thresholds_mm_h.par_iter())
            .for_each(|(out, threshold)| {
                let around = neighbourhoods.share(*threshold as f32);
                displacement.sample_into(around.view(), Interpolation::Linear, out);
            });
        Ok(Some(Slice {
            lead_time,
            rain: Some(rain.insert_axis(Axis(0))),
            exceedance: Some(Exceedance {
                thresholds_mm_h: Arc::clone(&self.of.thresholds_mm_h),
                probability,
            }),
            diagnostics: BTreeMap::new(),
        }))
    }

    fn notices(&self) -> &[Notice] {
        &self.notices
    }
}

/// Cells on each side of the middle one in a neighbourhood whose full width grows by so many km a minute.
pub(crate) fn half_width(growth_km_min: f64, lead_time: LeadTime, cell_km: f64) -> usize {
    (0.5 * (growth_km_min * lead_time.minutes() / cell_km - 1.0)).round().max(0.0) as usize
}

/// The squares around each cell, whose observed cells are counted once for all thresholds.
pub(crate) struct Neighbourhoods<'a> {
    rain: ArrayView2<'a, f32>,
    /// Full width, cells.
    window: usize,
    seen: Array2<u32>,
}

impl<'a> Neighbourhoods<'a> {
    /// Within `half` cells of each, along rows and columns.
    pub fn new(rain: ArrayView2<'a, f32>, half: usize) -> Self {
        let window = 2 * half + 1;
        let seen = window_sums(rain, window, |r| u32::from(!r.is_nan()));
        Self { rain, window, seen }
    }

    /// Share of the observed cells that are at or above a threshold; NaN where the cell itself was not observed.
    pub fn share(&self, threshold: f32) -> Array2<f32> {
        let reached = window_sums(self.rain, self.window, |r| u32::from(r >= threshold));
        Zip::from(&self.rain)
            .and(&reached)
            .and(&self.seen)
            .map_collect(|r, reached, seen| if r.is_nan() { f32::NAN } else { *reached as f32 / *seen as f32 })
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn the_share_counts_observed_cells_of_the_window_only() {
        let rain = array![[1.0, 0.0, 2.0, f32::NAN], [0.0, 0.0, f32::NAN, 3.0], [0.0, 5.0, 0.0, 0.0]];
        let share_around = |half: usize| Neighbourhoods::new(rain.view(), half).share(1.0);
        let share = share_around(1);
        // Around (1, 1): 3 wet of 8 seen. Around (0, 0): 1 of 4. Around (1, 3): 2 of 4, of which (0, 3) and (1, 2) are not seen.
        assert_eq!((share[[1, 1]], share[[0, 0]], share[[1, 3]]), (0.375, 0.25, 0.5));
        assert!(share[[0, 3]].is_nan() && share[[1, 2]].is_nan());
        assert_eq!(share_around(0)[[0, 0]], 1.0);
        assert_eq!(share_around(50)[[0, 0]], 0.4);
    }
}
