//! S-PROG: the rain moves, and each of its scales fades as fast as scales of its size do, so that only what can still be known is left.

use ndarray::Array2;
use nowblend_field::{
    Analysis, Error, Forecaster, LeadTime, Notice, Run, Seed, Slice,
    advection::{Interpolation, SemiLagrangian, Trajectories},
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    autoregression::Remembered,
    past::{Among, Past},
    plane::Spectrum,
};

/// How rain is taken apart and moved.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SprogConfig {
    /// Number of scales, 1 to 16.
    pub scales: usize,
    /// Rain below this is none, mm h⁻¹, greater than 0.
    pub rain_min_mm_h: f64,
    /// Distance from what was observed up to which rain that moves in is taken to be like that inside, km; 0 makes it missing.
    pub beyond_km: f64,
    /// How the rain is moved.
    pub advection: SemiLagrangian,
}

impl Default for SprogConfig {
    fn default() -> Self {
        Self {
            scales: 6,
            rain_min_mm_h: 0.1,
            beyond_km: 30.0,
            advection: SemiLagrangian::default(),
        }
    }
}

/// S-PROG. The smoothed rain takes back the distribution of the newest frame.
pub struct Sprog {
    config: SprogConfig,
}

impl Sprog {
    /// S-PROG as `config` says.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] for a key outside its bounds.
    pub fn new(config: SprogConfig) -> Result<Self, Error> {
        super::bounds_of_scales(("sprog.scales", config.scales), ("sprog.rain_min_mm_h", config.rain_min_mm_h))
            .number("sprog.beyond_km", config.beyond_km, 0.0..=1e6, "0 to 1000000")
            .result()?;
        Ok(Self { config })
    }
}

impl Forecaster for Sprog {
    fn name(&self) -> &str {
        "sprog"
    }

    fn start<'a>(&'a self, analysis: &'a Analysis, lead_times: &'a [LeadTime], _: Seed) -> Result<Box<dyn Run + 'a>, Error> {
        let mut notices = super::notices_of_motion(analysis, self.name(), self.config.rain_min_mm_h);
        let past = Past::of(
            analysis,
            self.config.scales,
            self.config.rain_min_mm_h,
            Among::Wet,
            self.name(),
            &mut notices,
        )?;
        let reach = super::cells(self.config.beyond_km, analysis.grid());
        Ok(Box::new(SprogRun {
            near: past.near(reach),
            reach,
            remembered: Remembered::new(past.memory.clone()),
            trajectories: self.config.advection.trajectories(analysis.motion()?, analysis.grid()),
            interpolation: self.config.advection.interpolation,
            past,
            lead_times: lead_times.iter(),
            notices,
        }))
    }

    fn references(&self) -> &[&'static str] {
        &[
            "Seed, A. W., 2003: A dynamic and spatial scaling approach to advection forecasting. J. Appl. Meteor., 42, 381-388, doi:10.1175/1520-0450(2003)042<0381:ADASSA>2.0.CO;2",
        ]
    }
}

struct SprogRun<'a> {
    past: Past,
    remembered: Remembered,
    trajectories: Trajectories,
    interpolation: Interpolation,
    /// Cells that are no farther than `reach` cells from those that were observed.
    near: Array2<bool>,
    reach: f32,
    lead_times: std::slice::Iter<'a, LeadTime>,
    notices: Vec<Notice>,
}

impl Run for SprogRun<'_> {
    fn next(&mut self) -> Result<Option<Slice>, Error> {
        let Some(&lead_time) = self.lead_times.next() else {
            return Ok(None);
        };
        let mut waves = remembered_waves(&self.past, &self.remembered.at(self.past.steps(lead_time)));
        let mut rain = Array2::zeros(self.past.seen.dim());
        self.past.plane.back(&mut waves, rain.view_mut());
        let mut there = Array2::zeros(self.past.seen.dim());
        let displacement = self.trajectories.advance_to(lead_time);
        let known = |cell, from| self.past.known(cell, from, &self.near, self.reach);
        self.past.rain_into(rain, displacement, self.interpolation, known, there.view_mut());
        Ok(Some(Slice::of_rain(lead_time, there)))
    }

    fn notices(&self) -> &[Notice] {
        &self.notices
    }
}

/// What is left of the observed waves under weights of the newest and the frame before for each scale; the mean stays as it is.
pub(super) fn remembered_waves(past: &Past, weights: &[(f64, f64)]) -> Spectrum {
    let (newest, before): (Vec<f64>, Vec<f64>) = weights
        .iter()
        .zip(&past.strength)
        .map(|((a, b), strength)| (*a, b * strength))
        .unzip();
    let on_rings = |by_scale: &[f64]| past.cascade.on_rings(by_scale).into_iter().map(|w| w as f32);
    let mut weights: Vec<(f32, f32)> = on_rings(&newest).zip(on_rings(&before)).collect();
    weights[0] = (1.0, 0.0);
    let mut waves = vec![Default::default(); past.newest.len()];
    let rows = past.cascade.rows();
    waves
        .par_chunks_mut(rows)
        .zip(past.newest.par_chunks(rows))
        .zip(past.before.par_chunks(rows))
        .zip(past.cascade.rings().par_chunks(rows))
        .for_each(|(((out, newest), before), rings)| {
            for (((out, newest), before), ring) in out.iter_mut().zip(newest).zip(before).zip(rings) {
                let (a, b) = weights[usize::from(*ring)];
                *out = newest * a + before * b;
            }
        });
    waves
}
