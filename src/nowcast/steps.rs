//! STEPS: many forecasts instead of one, each as rough as rain is; where they agree the rain is sure.
//!
//! What S-PROG lets fade, chance fills again, scale by scale and with the observed spectrum; each member moves a little differently, keeps
//! the distribution of the newest frame, and has no rain far from where rain was. Held are the waves of the observed rain, once, and for each
//! member the waves of its noise at two steps; its rain is made for one lead time at a time.

use std::collections::BTreeMap;

use ndarray::{Array2, Array3, ArrayViewMut2, Axis, Zip};
use nowblend_field::fourier::Complex32;
use nowblend_field::{
    Analysis, Error, Forecaster, LeadTime, Notice, Run, Seed, Slice,
    advection::{Drift, SemiLagrangian, Trajectories},
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    autoregression::{Chance, Memory, Remembered},
    envelope::Envelope,
    noise::{White, laplace},
    noise_windows::NoiseWindows,
    past::{Among, Past},
    plane::Spectrum,
    sprog::remembered_waves,
    statistics::{Sums, quantiles},
};

/// How many members there are, what each is made of, and what is handed on of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StepsConfig {
    /// Members, 1 to 1000.
    pub members: usize,
    /// Members that are handed on, at most. If that is fewer than there are, probabilities at `thresholds_mm_h` and the mean of all
    /// members go with them; with none the mean stands for the rain.
    pub members_kept: usize,
    /// Thresholds of those probabilities, mm h⁻¹, ascending.
    pub thresholds_mm_h: Vec<f64>,
    /// Quantiles of the members that are handed on as fields, each between 0 and 1.
    pub quantiles: Vec<f64>,
    /// Number of scales, 1 to 16.
    pub scales: usize,
    /// Rain below this is none, mm h⁻¹, greater than 0.
    pub rain_min_mm_h: f64,
    /// Full width of the windows in which the spectrum of the noise is told, km; 0 for one spectrum everywhere, somewhat quicker.
    pub noise_window_km: f64,
    /// How much the motion of the members differs, as a multiple of the differences that Bowler et al. found; 0 for none.
    pub motion_spread: f64,
    /// How fast the surroundings grow in which rain may appear, m s⁻¹.
    pub envelope_m_s: f64,
    /// Width over which they end, km.
    pub envelope_rim_km: f64,
    /// Distance from what was observed up to which rain that moves in is taken to be like that inside, km; 0 makes it missing.
    pub beyond_km: f64,
    /// How the rain is moved.
    pub advection: SemiLagrangian,
}

impl Default for StepsConfig {
    fn default() -> Self {
        Self {
            members: 20,
            members_kept: 1000,
            thresholds_mm_h: vec![0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0],
            quantiles: Vec::new(),
            scales: 6,
            rain_min_mm_h: 0.1,
            noise_window_km: 256.0,
            motion_spread: 1.0,
            envelope_m_s: 15.0,
            envelope_rim_km: 10.0,
            beyond_km: 30.0,
            advection: SemiLagrangian::default(),
        }
    }
}

/// Differences of the motion after `t` minutes, km h⁻¹: a tᵇ + c, along the motion and across it. Bowler et al. (2006), with the numbers of
/// pysteps 1.21 (`noise/motion.py`).
const ALONG: [f64; 3] = [10.88, 0.23, -7.68];
const ACROSS: [f64; 3] = [5.76, 0.31, -2.72];

/// STEPS.
pub struct Steps {
    config: StepsConfig,
}

impl Steps {
    /// STEPS as `config` says.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] for a key outside its bounds.
    pub fn new(config: &StepsConfig) -> Result<Self, Error> {
        config.advection.check()?;
        let mut bounds = super::bounds_of_scales(("steps.scales", config.scales), ("steps.rain_min_mm_h", config.rain_min_mm_h)).count(
            "steps.members",
            config.members,
            1..=1000,
            "1 to 1000",
        );
        for (what, found) in [
            ("steps.noise_window_km", config.noise_window_km),
            ("steps.motion_spread", config.motion_spread),
            ("steps.envelope_m_s", config.envelope_m_s),
            ("steps.envelope_rim_km", config.envelope_rim_km),
            ("steps.beyond_km", config.beyond_km),
        ] {
            bounds = bounds.number(what, found, 0.0..=1e6, "0 to 1000000");
        }
        for q in &config.quantiles {
            bounds = bounds.holds(*q > 0.0 && *q < 1.0, "steps.quantiles", *q, "between 0 and 1");
        }
        bounds.result()?;
        super::check_thresholds("steps.thresholds_mm_h", &config.thresholds_mm_h)?;
        Ok(Self { config: config.clone() })
    }
}

impl Forecaster for Steps {
    fn name(&self) -> &str {
        "steps"
    }

    fn start<'a>(&'a self, analysis: &'a Analysis, lead_times: &'a [LeadTime], seed: Seed) -> Result<Box<dyn Run + 'a>, Error> {
        let config = &self.config;
        let mut notices = super::notices_of_motion(analysis, self.name(), config.rain_min_mm_h);
        let past = Past::of(analysis, config.scales, config.rain_min_mm_h, Among::All, self.name(), &mut notices)?;
        let trajectories = config.advection.trajectories(analysis.motion()?, analysis.grid());
        let cell_m = analysis.grid().cell_size_m();
        let window = (1000.0 * config.noise_window_km / cell_m).round() as usize;
        let windows = (window > 0).then(|| NoiseWindows::over(past.newest_db.view(), window));
        let drifts = [0, 1].map(|index| laplace(seed.derive("motion"), config.members, index));
        let still = |k: usize| Member {
            drift: (drifts[0][k], drifts[1][k]),
            noise: vec![Complex32::default(); past.newest.len()],
            noise_before: vec![Complex32::default(); past.newest.len()],
            trajectories: trajectories.clone(),
        };

        let memory = on_rings(&past);
        let reach = super::cells(config.beyond_km, analysis.grid());
        Ok(Box::new(StepsRun {
            config,
            seed,
            members: (0..config.members).map(still).collect(),
            envelope: Envelope::around(analysis.observed().last(), config.rain_min_mm_h as f32),
            amplitude: if windows.is_some() {
                white_amplitude(&past)
            } else {
                amplitude(&past)
            },
            windows,
            trajectories,
            remembered: Remembered::new(past.memory.clone()),
            memory: as_weights(&memory),
            chance: Chance::new(memory),
            near: past.near(reach),
            reach,
            cell_m,
            steps: 0,
            past,
            lead_times: lead_times.iter(),
            notices,
        }))
    }

    fn references(&self) -> &[&'static str] {
        &[
            "Bowler, N. E., C. E. Pierce and A. W. Seed, 2006: STEPS: a probabilistic precipitation forecasting scheme which merges an extrapolation nowcast with downscaled NWP. Quart. J. Roy. Meteor. Soc., 132, 2127-2155, doi:10.1256/qj.04.100",
            "Pulkkinen, S., et al., 2019: Pysteps: an open-source Python library for probabilistic precipitation nowcasting (v1.0). Geosci. Model Dev., 12, 4185-4219, doi:10.5194/gmd-12-4185-2019",
        ]
    }
}

/// How long the noise of each ring remembers: processes that are mixed stay stationary. That of the mean brings nothing.
fn on_rings(past: &Past) -> Vec<Memory> {
    let part = |part: fn(&Memory) -> f64| past.cascade.on_rings(&past.memory.iter().map(part).collect::<Vec<_>>());
    part(|m| m.first)
        .into_iter()
        .zip(part(|m| m.second))
        .map(|(first, second)| Memory::new(first, second))
        .collect()
}

/// Weights of the step before, of the one before that, and of chance.
fn as_weights(memory: &[Memory]) -> Vec<[f32; 3]> {
    memory
        .iter()
        .map(|m| [m.first as f32, m.second as f32, m.chance.sqrt() as f32])
        .collect()
}

/// Standard deviation of each part of the noise, `[kx, ky]`, so that its power is that of the observed frames.
fn amplitude(past: &Past) -> Vec<f32> {
    let rows = past.cascade.rows();
    let mut amplitude = vec![0.0; past.newest.len()];
    amplitude.par_chunks_mut(rows).enumerate().for_each(|(kx, column)| {
        // A column without a mirror image keeps only half of the power of its numbers, that of the real field they make.
        let alone = 2.0 / past.cascade.copies(kx);
        for (ky, amplitude) in column.iter_mut().enumerate() {
            let place = kx * rows + ky;
            let power = 0.5 * (past.newest[place].norm_sqr() + past.before[place].norm_sqr());
            *amplitude = (0.5 * alone * power).sqrt();
        }
    });
    amplitude[0] = 0.0;
    amplitude
}

/// The same for white noise of variance 1.
fn white_amplitude(past: &Past) -> Vec<f32> {
    let (columns, rows) = past.plane.waves();
    let cells = past.plane.shape().0 * past.plane.shape().1;
    let column = |kx| vec![(cells as f32 / past.cascade.copies(kx)).sqrt(); rows];
    let mut amplitude: Vec<f32> = (0..columns).flat_map(column).collect();
    amplitude[0] = 0.0;
    amplitude
}

/// One member between lead times.
struct Member {
    /// Waves of its noise at the newest whole step, and at the one before.
    noise: Spectrum,
    noise_before: Spectrum,
    trajectories: Trajectories,
    /// Its differences of the motion, along and across, in standard deviations.
    drift: (f64, f64),
}

struct StepsRun<'a> {
    config: &'a StepsConfig,
    seed: Seed,
    past: Past,
    remembered: Remembered,
    chance: Chance,
    /// Weights of the step before, of the one before that, and of chance, for the noise of each ring.
    memory: Vec<[f32; 3]>,
    amplitude: Vec<f32>,
    windows: Option<NoiseWindows>,
    envelope: Envelope,
    members: Vec<Member>,
    /// Those of the motion itself.
    trajectories: Trajectories,
    /// Cells within `reach` cells of what was observed.
    near: Array2<bool>,
    reach: f32,
    cell_m: f64,
    /// Whole steps that the noise has made.
    steps: usize,
    lead_times: std::slice::Iter<'a, LeadTime>,
    notices: Vec<Notice>,
}

impl StepsRun<'_> {
    /// What the noise of each ring is multiplied by, to be as strong as what the observed rain has left open under the `weights` of its scales.
    fn gains(&mut self, lead_time: LeadTime, weights: &[(f64, f64)]) -> Vec<f32> {
        let open: Vec<f64> = self
            .past
            .memory
            .iter()
            .zip(weights)
            .map(|(memory, weights)| (1.0 - memory.share(*weights)).max(0.0))
            .collect();
        let open = self.past.cascade.on_rings(&open).into_iter();
        let made = self.chance.at(self.past.steps(lead_time));
        open.zip(made).map(|(open, made)| (open / made.max(1e-9)).sqrt() as f32).collect()
    }
}

impl Run for StepsRun<'_> {
    fn next(&mut self) -> Result<Option<Slice>, Error> {
        let Some(&lead_time) = self.lead_times.next() else {
            return Ok(None);
        };
        let weights = self.remembered.at(self.past.steps(lead_time));
        let mut faded = Array2::zeros(self.past.seen.dim());
        self.past
            .plane
            .back(&mut remembered_waves(&self.past, &weights, 0.0), faded.view_mut());
        let gains = self.gains(lead_time, &weights);
        let whole = (self.past.steps(lead_time) - 1e-6).ceil() as usize;
        let mut known = Array2::default(self.past.seen.dim());
        let displacement = self.trajectories.advance_to(lead_time);
        displacement.each(known.view_mut(), |cell, from| self.past.known(cell, from, &self.near, self.reach));
        let scene = Scene {
            known: &known,
            memory: &self.memory,
            gains: &gains,
            windows: self.windows.as_ref(),
            config: self.config,
            seed: self.seed,
            past: &self.past,
            amplitude: &self.amplitude,
            envelope: &self.envelope,
            faded: &faded,
            lead_time,
            from: self.steps,
            to: whole,
            back: (whole as f64 - self.past.steps(lead_time)).clamp(0.0, 1.0) as f32,
            cell_m: self.cell_m,
        };
        let slice = if self.config.members_kept >= self.members.len() || !self.config.quantiles.is_empty() {
            scene.all(&mut self.members)
        } else {
            scene.statistics(&mut self.members)
        };
        self.steps = whole;
        Ok(Some(slice))
    }

    fn notices(&self) -> &[Notice] {
        &self.notices
    }
}

/// All that the members of one lead time share.
struct Scene<'a> {
    config: &'a StepsConfig,
    seed: Seed,
    past: &'a Past,
    amplitude: &'a [f32],
    windows: Option<&'a NoiseWindows>,
    envelope: &'a Envelope,
    /// Whether rain comes from cells that were observed: the same for all members.
    known: &'a Array2<bool>,
    /// What is left of the observed rain `[y, x]`, decibels.
    faded: &'a Array2<f32>,
    /// Weights of the noise of each ring in a step, and what it is multiplied by at the lead time.
    memory: &'a [[f32; 3]],
    gains: &'a [f32],
    lead_time: LeadTime,
    /// Whole steps before and after.
    from: usize,
    to: usize,
    /// Part of a step from `to` back to the lead time.
    back: f32,
    cell_m: f64,
}

impl Scene<'_> {
    /// A slice with all members, or those that are kept and the quantiles of all.
    fn all(&self, members: &mut [Member]) -> Slice {
        let (ny, nx) = self.past.seen.dim();
        let mut rain = Array3::zeros((members.len(), ny, nx));
        rain.axis_iter_mut(Axis(0))
            .into_par_iter()
            .zip(members.par_iter_mut())
            .enumerate()
            .for_each(|(k, (out, member))| self.rain(k, member, out));
        let mut diagnostics = BTreeMap::new();
        if !self.config.quantiles.is_empty() {
            for (q, field) in self.config.quantiles.iter().zip(quantiles(&rain, &self.config.quantiles)) {
                diagnostics.insert(format!("quantile_{}_mm_h", 100.0 * q), field);
            }
        }
        if self.config.members_kept >= members.len() {
            return Slice {
                lead_time: self.lead_time,
                rain: Some(rain),
                exceedance: None,
                diagnostics,
            };
        }
        let mut sums = Sums::new(&self.config.thresholds_mm_h, (ny, nx));
        for plane in rain.outer_iter() {
            sums.add(plane);
        }
        let kept = rain.slice_move(ndarray::s![..self.config.members_kept, .., ..]);
        sums.slice(self.lead_time, kept, members.len(), diagnostics)
    }

    /// A slice with what is kept of the members and the statistics of all, of which only a few exist at a time.
    fn statistics(&self, members: &mut [Member]) -> Slice {
        let (ny, nx) = self.past.seen.dim();
        let count = members.len();
        let mut sums = Sums::new(&self.config.thresholds_mm_h, (ny, nx));
        let mut kept = Array3::zeros((self.config.members_kept, ny, nx));
        let together = rayon::current_num_threads().max(1);
        let mut rain = Array3::zeros((together.min(count), ny, nx));
        for (block, members) in members.chunks_mut(together).enumerate() {
            rain.axis_iter_mut(Axis(0))
                .into_par_iter()
                .zip(members.par_iter_mut())
                .enumerate()
                .for_each(|(k, (out, member))| self.rain(block * together + k, member, out));
            for (k, plane) in rain.outer_iter().take(members.len()).enumerate() {
                sums.add(plane);
                if let Some(mut kept) = kept.outer_iter_mut().nth(block * together + k) {
                    kept.assign(&plane);
                }
            }
        }
        sums.slice(self.lead_time, kept, count, BTreeMap::new())
    }

    /// Takes member `k` to the lead time and puts its rain into `out`.
    fn rain(&self, k: usize, member: &mut Member, out: ArrayViewMut2<'_, f32>) {
        for step in self.from..self.to {
            self.advance(member, White::new(self.seed, k, step));
        }
        let mut rain = self.field(member);
        let lead_s = f64::from(self.lead_time.seconds());
        let (reach, rim) = (
            self.config.envelope_m_s * lead_s / self.cell_m,
            1000.0 * self.config.envelope_rim_km / self.cell_m,
        );
        self.envelope.confine(rain.view_mut(), self.past.dry_db, reach as f32, rim as f32);
        let drift = self.drift(member);
        let displacement = member.trajectories.drift_to(self.lead_time, drift);
        self.past.rain_into(
            rain,
            displacement,
            self.config.advection.interpolation,
            |cell, _| self.known[cell],
            out,
        );
    }

    /// What is left of the observed rain, and a member's noise, decibels.
    fn field(&self, member: &Member) -> Array2<f32> {
        let states = member.noise.par_iter().zip(&member.noise_before).zip(self.past.cascade.rings());
        let mut waves: Spectrum = states
            .with_min_len(1 << 14)
            .map(|((now, before), ring)| (now + (before - now) * self.back) * self.gains[usize::from(*ring)])
            .collect();
        let mut field = Array2::zeros(self.past.seen.dim());
        self.past.plane.back(&mut waves, field.view_mut());
        if let Some(windows) = self.windows {
            let white = std::mem::replace(&mut field, self.faded.clone());
            windows.add(white.view(), &mut field);
        } else {
            Zip::from(&mut field).and(self.faded).par_for_each(|noise, faded| *noise += faded);
        }
        field
    }

    /// One step of the noise.
    fn advance(&self, member: &mut Member, white: White) {
        let rows = self.past.cascade.rows();
        member
            .noise_before
            .par_chunks_mut(rows)
            .zip(member.noise.par_chunks(rows))
            .zip(self.amplitude.par_chunks(rows))
            .zip(self.past.cascade.rings().par_chunks(rows))
            .enumerate()
            .for_each(|(kx, (((before, now), amplitude), rings))| {
                let first = (kx * rows) as u64;
                for (ky, (((before, now), amplitude), ring)) in before.iter_mut().zip(now).zip(amplitude).zip(rings).enumerate() {
                    let [one, two, chance] = self.memory[usize::from(*ring)];
                    *before = now * one + *before * two + white.at(first + ky as u64) * (chance * amplitude);
                }
            });
        std::mem::swap(&mut member.noise, &mut member.noise_before);
    }

    /// What is added to the motion of a member at the lead time.
    fn drift(&self, member: &Member) -> Drift {
        let minutes = self.lead_time.minutes();
        let cells_s = |[a, b, c]: [f64; 3], times: f64| {
            let km_h = self.config.motion_spread * (a * minutes.powf(b) + c).max(0.0);
            (times * km_h / 3.6 / self.cell_m) as f32
        };
        Drift {
            along: cells_s(ALONG, member.drift.0),
            left: cells_s(ACROSS, member.drift.1),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};
    use nowblend_field::{Grid, storms};

    use super::*;
    use crate::nowcast::autoregression::Memory;

    fn past() -> Past {
        let start = Utc.with_ymd_and_hms(2020, 7, 1, 12, 0, 0).unwrap();
        let scene = storms::Scene::random(&Grid::plane(120, 140, 1000.0), Seed(2)).sequence(start, LeadTime::from_minutes(5), 3);
        Past::of(&Analysis::new(scene), 6, 0.1, Among::All, "steps", &mut Vec::new()).unwrap()
    }

    /// Power of the real field of `waves` by octave of wavelength from 4 cells on; columns without a mirror image weigh `alone`.
    fn octaves(past: &Past, waves: &Spectrum, alone: f64) -> [f64; 4] {
        let mut power = [0.0; 4];
        for (place, (c, ring)) in waves.iter().zip(past.cascade.rings()).enumerate() {
            let octave = (past.cascade.wavelengths()[usize::from(*ring)] / 4.0).log2();
            let weight = if past.cascade.copies(place / past.cascade.rows()) == 1.0 {
                alone
            } else {
                2.0
            };
            if (0.0..4.0).contains(&octave) {
                power[octave as usize] += weight * f64::from(c.norm_sqr());
            }
        }
        power
    }

    #[test]
    fn noise_comes_to_have_the_observed_spectrum_and_keeps_it() {
        let mut past = past();
        // Everything forgets at once, so that a few steps fill the noise; a mean over members tells its power.
        past.memory = past.memory.iter().map(|_| Memory::of(0.5, 0.3)).collect();
        let memory = as_weights(&on_rings(&past));
        let (amplitude, envelope) = (amplitude(&past), Envelope::around(past.newest_db.view(), 0.0));
        let (config, known, faded) = (
            StepsConfig::default(),
            Array2::from_elem(past.seen.dim(), true),
            Array2::zeros((0, 0)),
        );
        let scene = Scene {
            config: &config,
            seed: Seed(4),
            past: &past,
            amplitude: &amplitude,
            memory: &memory,
            gains: &[],
            windows: None,
            envelope: &envelope,
            known: &known,
            faded: &faded,
            lead_time: LeadTime::from_minutes(5),
            from: 0,
            to: 0,
            back: 0.0,
            cell_m: 1000.0,
        };
        // Of the noise in a column without a mirror image the real field keeps one half.
        let mean = [&past.newest, &past.before].map(|w| octaves(&past, w, 1.0));
        for steps in [12, 24] {
            let mut power = [0.0; 4];
            for k in 0..40 {
                let mut member = Member {
                    drift: (0.0, 0.0),
                    noise: vec![Complex32::default(); past.newest.len()],
                    noise_before: vec![Complex32::default(); past.newest.len()],
                    trajectories: SemiLagrangian::default()
                        .trajectories(&nowblend_field::Motion::rest(past.seen.dim()), &Grid::plane(120, 140, 1000.0)),
                };
                for step in 0..steps {
                    scene.advance(&mut member, White::new(Seed(4), k, step));
                }
                for (sum, more) in power.iter_mut().zip(octaves(&past, &member.noise, 0.5)) {
                    *sum += more / 40.0;
                }
            }
            for (octave, power) in power.into_iter().enumerate() {
                let asked = 0.5 * (mean[0][octave] + mean[1][octave]);
                assert!(
                    (power / asked - 1.0).abs() < 0.1,
                    "octave {octave} after {steps} steps: {power} of {asked}"
                );
            }
        }
    }
}
