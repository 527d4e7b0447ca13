//! S-PROG: the rain moves, and each of its scales fades as fast as scales of its size do, so that only what can still be known is left.

use ndarray::Array2;
use nowblend_field::{
    Analysis, Error, Forecaster, LeadTime, Notice, Run, Seed, Slice,
    advection::{Interpolation, SemiLagrangian, Trajectories},
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    amounts::Amounts,
    autoregression::Remembered,
    past::{Among, Past},
    plane::Spectrum,
};

/// Power of the ratio that a neighbourhood has lost by which its rain is multiplied, at first. Of ½ and 1 it keeps the CSI at 1 mm h⁻¹ on train and validation
/// events.
const SHARE: f32 = 0.5;
/// After this time the power is 1 / e of it, min.
const SHARE_LIVES_MIN: f64 = 60.0;

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
    /// How far the motion of the rain is from today's after an hour, m s⁻¹ along each axis, beyond what the frames tell of the lives of its scales.
    pub motion_error_m_s: f64,
    /// Size of the neighbourhoods that keep some of their amount of rain, km; 0 leaves all to the ranks of the whole map.
    pub amounts_km: f64,
    /// How the rain is moved.
    pub advection: SemiLagrangian,
}

impl Default for SprogConfig {
    fn default() -> Self {
        Self {
            scales: 6,
            rain_min_mm_h: 0.1,
            beyond_km: 30.0,
            motion_error_m_s: 1.5,
            amounts_km: 32.0,
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
        config.advection.check()?;
        super::bounds_of_scales(("sprog.scales", config.scales), ("sprog.rain_min_mm_h", config.rain_min_mm_h))
            .number("sprog.beyond_km", config.beyond_km, 0.0..=1e6, "0 to 1000000")
            .number("sprog.motion_error_m_s", config.motion_error_m_s, 0.0..=1e3, "0 to 1000")
            .number("sprog.amounts_km", config.amounts_km, 0.0..=1e6, "0 to 1000000")
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
        let block = super::cells(self.config.amounts_km, analysis.grid()).round() as usize;
        Ok(Box::new(SprogRun {
            near: past.near(reach),
            amounts: (self.config.amounts_km > 0.0).then(|| Amounts::of(past.newest_db.view(), block, past.least_db())),
            reach,
            error_cells_s: self.config.motion_error_m_s / analysis.grid().cell_size_m(),
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
    /// Rain of the neighbourhoods, where it is kept.
    amounts: Option<Amounts>,
    /// Error of the motion after an hour, cells s⁻¹.
    error_cells_s: f64,
    lead_times: std::slice::Iter<'a, LeadTime>,
    notices: Vec<Notice>,
}

impl Run for SprogRun<'_> {
    fn next(&mut self) -> Result<Option<Slice>, Error> {
        let Some(&lead_time) = self.lead_times.next() else {
            return Ok(None);
        };
        let weights = self.remembered.at(self.past.steps(lead_time));
        let mut waves = remembered_waves(&self.past, &weights, lost_cells(self.error_cells_s, lead_time));
        let mut rain = Array2::zeros(self.past.seen.dim());
        self.past.plane.back(&mut waves, rain.view_mut());
        if let Some(amounts) = &self.amounts {
            let share = SHARE * (-lead_time.minutes() / SHARE_LIVES_MIN).exp() as f32;
            self.past.distribution.impose(rain.view_mut(), &self.past.seen);
            amounts.give_back(&mut rain, share);
        }
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

/// How far off rain is by a lead time along each axis, cells, where the error of its motion is a random walk that has come to `error` cells s⁻¹
/// after an hour T: the standard deviation of its sum, error t √(t / 3T).
fn lost_cells(error: f64, lead_time: LeadTime) -> f64 {
    let t = f64::from(lead_time.seconds());
    error * t * (t / (3.0 * 3600.0)).sqrt()
}

/// What is left of the observed waves under weights of the newest and the frame before for each scale, where the rain is somewhere around its
/// place by a normal distribution of `lost` cells along each axis: exp(-½ (2π lost / λ)²) of waves of length λ. The mean stays as it is.
pub(super) fn remembered_waves(past: &Past, weights: &[(f64, f64)], lost: f64) -> Spectrum {
    let (newest, before): (Vec<f64>, Vec<f64>) = weights
        .iter()
        .zip(&past.strength)
        .map(|((a, b), strength)| (*a, b * strength))
        .unzip();
    let on_rings = |by_scale: &[f64]| past.cascade.on_rings(by_scale).into_iter().map(|w| w as f32);
    let mut weights: Vec<(f32, f32)> = on_rings(&newest).zip(on_rings(&before)).collect();
    for ((a, b), wavelength) in weights.iter_mut().zip(past.cascade.wavelengths()) {
        let left = (-0.5 * (std::f64::consts::TAU * lost / wavelength).powi(2)).exp() as f32;
        (*a, *b) = (*a * left, *b * left);
    }
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

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};
    use ndarray::{ArrayView2, Axis, s};
    use nowblend_field::{Grid, Sequence, storms};

    use super::{super::noise, *};

    #[test]
    fn an_error_that_wanders_is_added_up() {
        // 1.5 m/s after an hour on cells of 1 km: 1.5 x 3600 / √3 m, and half an hour before that √8 less.
        let after = |minutes| lost_cells(1.5e-3, LeadTime::from_minutes(minutes));
        assert!((after(60) - 5.4 / 3.0_f64.sqrt()).abs() < 1e-12);
        assert!((after(60) / after(30) - 8.0_f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn waves_lose_what_a_place_that_is_not_known_takes_from_them() {
        let start = Utc.with_ymd_and_hms(2020, 7, 1, 12, 0, 0).unwrap();
        let scene = storms::Scene::random(&Grid::plane(96, 120, 1000.0), Seed(2)).sequence(start, LeadTime::from_minutes(5), 3);
        let past = Past::of(&Analysis::new(scene), 6, 0.1, Among::All, "sprog", &mut Vec::new()).unwrap();
        let weights = vec![(0.7, 0.2); 6];
        let [known, lost] = [0.0, 3.0].map(|cells| remembered_waves(&past, &weights, cells));
        assert_eq!(known[0], lost[0], "the mean stays");
        for ((known, lost), ring) in known.iter().zip(&lost).zip(past.cascade.rings()).skip(1) {
            // exp(-½ (2π 3 / λ)²) = exp(-177.65 / λ²): for 24 cells .735.
            let left = (-177.65 / past.cascade.wavelengths()[usize::from(*ring)].powi(2)).exp() as f32;
            assert!((known * left - lost).norm() <= 1e-3 * known.norm(), "ring {ring}");
        }
    }

    #[test]
    fn wide_rain_keeps_more_of_its_amount_beside_showers_of_which_nothing_is_known() {
        // In the west a wave of rain of 2 ± 2 dB that stays, in the east 2 ± 7 dB that differ from cell to cell and frame to frame. Nothing of these is left, so
        // that matching alone gives their peaks to the west.
        let start = Utc.with_ymd_and_hms(2020, 7, 1, 12, 0, 0).unwrap();
        let rain = ndarray::Array3::from_shape_fn((3, 128, 256), |(time, y, x)| {
            let decibels = if x < 128 {
                2.0 + 2.0 * (x as f64 * std::f64::consts::TAU / 64.0).sin()
            } else {
                2.0 + 14.0 * (noise::uniform(Seed(3), time, (256 * y + x) as u64) - 0.5)
            };
            10f64.powf(0.1 * decibels) as f32
        });
        let times = (0..3).map(|k| start + LeadTime::from_minutes(5 * k)).collect();
        let analysis = Analysis::new(Sequence::new(Grid::plane(128, 256, 1000.0), times, rain).unwrap());
        // A whole wave, away from the border.
        let west = |rain: ArrayView2<'_, f32>| rain.slice(s![.., 32..96]).sum();
        let before = west(analysis.observed().last());
        let after = |amounts_km| {
            let config = SprogConfig {
                amounts_km,
                ..SprogConfig::default()
            };
            let (sprog, lead_times) = (Sprog::new(config).unwrap(), [LeadTime::from_minutes(15)]);
            let slice = sprog.start(&analysis, &lead_times, Seed(1)).unwrap().next().unwrap().unwrap();
            west(slice.rain.unwrap().index_axis(Axis(0), 0)) / before
        };
        let (alone, kept) = (after(0.0), after(32.0));
        assert!(alone > 1.3, "matching alone leaves {alone} of the rain");
        assert!((kept - 1.0).abs() < 0.9 * (alone - 1.0), "{kept} of it is left instead of {alone}");
    }
}
