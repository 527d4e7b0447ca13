//! ANVIL: the rain moves, and goes on growing or decaying where and as fast as it lately did; it stays as sharp as it is.
//!
//! The changes of each scale from frame to frame are a process with two steps of memory, whose correlations are those of the surroundings of
//! a cell: d(t) = φ₁ d(t-1) + φ₂ d(t-2), and all changes over all scales up to t add up to D(t). Where it grows the rain is R(t) = R(0) + D(t);
//! where it decays, R(t) = R(0) exp(D(t) / R(0)), which sets out alike and never reaches nought: a decay takes its part of what is left. Of the
//! sum and the changes of two steps nothing else need be held.
//!
//! # Source
//!
//! Pulkkinen, S., V. Chandrasekar, A. von Lerber and A.-M. Harri, 2020: Nowcasting of convective rainfall using volumetric radar
//! observations. IEEE Trans. Geosci. Remote Sens., 58, 7845-7859, doi:10.1109/TGRS.2020.2984594, with rain rate instead of vertically
//! integrated liquid.

use ndarray::{Array2, ArrayView2, Axis, Zip};
use nowblend_field::{
    Analysis, Error, Forecaster, LeadTime, Notice, NoticeKind, Run, Seed, Slice,
    advection::{Beyond, Interpolation, SemiLagrangian, Trajectories},
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    autoregression::yule_walker,
    cascade::Cascade,
    lagrangian::past_frames,
    plane::{Plane, Spectrum},
};

/// Correlations are worked out on squares of this many cells.
const BLOCK: usize = 8;
/// Changes weaker than this are none, (mm h⁻¹)².
const NO_CHANGE: f32 = 1e-8;

/// How rain is taken apart, where its changes are alike, and how it is moved.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AnvilConfig {
    /// Number of scales, 1 to 16.
    pub scales: usize,
    /// Radius of the surroundings that tell how changes go on, cells (standard deviation of a Gaussian); 1 to 1000.
    pub radius_cells: f64,
    /// Share of the correlation of changes over a step that is believed, over two steps its square; 0 to 1. Told by a few frames, it is told too
    /// high.
    pub correlation_share: f64,
    /// Rain below this is none, mm h⁻¹, greater than 0: where there is none now there will be none.
    pub rain_min_mm_h: f64,
    /// Distance from the edge of the map up to which rain that moves in is taken to be like that inside, km; 0 makes it missing.
    pub beyond_km: f64,
    /// How the rain is moved.
    pub advection: SemiLagrangian,
}

impl Default for AnvilConfig {
    fn default() -> Self {
        Self {
            scales: 6,
            radius_cells: 25.0,
            correlation_share: 0.8,
            rain_min_mm_h: 0.1,
            beyond_km: 30.0,
            advection: SemiLagrangian::default(),
        }
    }
}

/// ANVIL.
pub struct Anvil {
    config: AnvilConfig,
}

impl Anvil {
    /// ANVIL as `config` says.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] for a key outside its bounds.
    pub fn new(config: AnvilConfig) -> Result<Self, Error> {
        config.advection.check()?;
        super::bounds_of_scales(("anvil.scales", config.scales), ("anvil.rain_min_mm_h", config.rain_min_mm_h))
            .number("anvil.radius_cells", config.radius_cells, 1.0..=1000.0, "1 to 1000")
            .number("anvil.correlation_share", config.correlation_share, 0.0..=1.0, "0 to 1")
            .number("anvil.beyond_km", config.beyond_km, 0.0..=1e6, "0 to 1000000")
            .result()?;
        Ok(Self { config })
    }
}

impl Forecaster for Anvil {
    fn name(&self) -> &str {
        "anvil"
    }

    fn start<'a>(&'a self, analysis: &'a Analysis, lead_times: &'a [LeadTime], _: Seed) -> Result<Box<dyn Run + 'a>, Error> {
        let mut notices = super::notices_of_motion(analysis, self.name(), self.config.rain_min_mm_h);
        let observed = analysis.observed();
        if (2..4).contains(&observed.frames()) {
            let message = format!(
                "{} of the 4 frames that tell how changes go on: {}",
                observed.frames(),
                if observed.frames() == 2 {
                    "none is carried on"
                } else {
                    "they are told from one step to the next only"
                }
            );
            notices.push(Notice::new(NoticeKind::Degraded, self.name(), message));
        }
        let changes = changes(analysis, &self.config)?;
        let rain = observed.last().mapv(|r| if r.is_nan() { 0.0 } else { r });
        Ok(Box::new(AnvilRun {
            rain_before: rain.clone(),
            rain,
            newest: observed.last(),
            rain_min: self.config.rain_min_mm_h as f32,
            changes,
            steps: 0,
            step_s: observed.step().map_or(f64::INFINITY, |s| f64::from(s.seconds())),
            trajectories: self.config.advection.trajectories(analysis.motion()?, analysis.grid()),
            interpolation: self.config.advection.interpolation,
            beyond: super::beyond(self.config.beyond_km, analysis.grid()),
            lead_times: lead_times.iter(),
            notices,
        }))
    }

    fn references(&self) -> &[&'static str] {
        &[
            "Pulkkinen, S., V. Chandrasekar, A. von Lerber and A.-M. Harri, 2020: Nowcasting of convective rainfall using volumetric radar observations. IEEE Trans. Geosci. Remote Sens., 58, 7845-7859, doi:10.1109/TGRS.2020.2984594",
        ]
    }
}

/// The changes of one scale.
struct Change {
    /// Change to the newest whole step, and to the one before, `[y, x]`, mm h⁻¹.
    now: Array2<f32>,
    before: Array2<f32>,
    /// Weights of both on blocks `[y, x]`.
    first: Array2<f32>,
    second: Array2<f32>,
}

/// The changes of each scale; none where fewer than three frames tell of them.
fn changes(analysis: &Analysis, config: &AnvilConfig) -> Result<Vec<Change>, Error> {
    let frames = analysis.observed().frames().min(4);
    if frames < 3 {
        return Ok(Vec::new());
    }
    let plane = Plane::around(analysis.grid().shape());
    let cascade = Cascade::new(&plane, config.scales);
    let newest = analysis.observed().last();
    let mut spectra: Vec<Spectrum> = vec![plane.forward(&plane.spread(newest))];
    let past = past_frames(analysis, newest, 3, Interpolation::Linear, Into::into)?;
    spectra.extend(past.map(|arrived| plane.forward(&plane.spread(arrived.view()))));
    for newer in 0..frames - 1 {
        let (a, b) = spectra.split_at_mut(newer + 1);
        a[newer].par_iter_mut().zip(&b[0]).for_each(|(newer, older)| *newer -= older);
    }
    let scales = (0..cascade.scales())
        .into_par_iter()
        .map(|scale| {
            let mut steps: Vec<Array2<f32>> = spectra[..frames - 1]
                .iter()
                .map(|change| cascade.band(&plane, change, scale))
                .collect();
            let local = |a: &Array2<f32>, b: &Array2<f32>| local_correlation(a, b, config.radius_cells);
            let one = local(&steps[0], &steps[1]);
            let two = steps.get(2).map_or_else(|| one.mapv(|r| r * r), |older| local(&steps[0], older));
            let (mut first, mut second) = (one, two);
            let share = config.correlation_share;
            Zip::from(&mut first).and(&mut second).for_each(|a, b| {
                let (phi_1, phi_2) = yule_walker(share * f64::from(*a), share * share * f64::from(*b));
                (*a, *b) = (phi_1 as f32, phi_2 as f32);
            });
            steps.truncate(2);
            let before = steps.pop().expect("three frames have two changes");
            let now = steps.pop().expect("three frames have two changes");
            Change {
                now,
                before,
                first,
                second,
            }
        })
        .collect();
    Ok(scales)
}

/// Correlation of two fields `[y, x]` of mean 0 in the surroundings of each block, under a Gaussian of `radius` cells; 0 where nothing changes.
fn local_correlation(a: &Array2<f32>, b: &Array2<f32>, radius: f64) -> Array2<f32> {
    let (ny, nx) = a.dim();
    let blocks = (ny.div_ceil(BLOCK), nx.div_ceil(BLOCK));
    let sums = |product: &dyn Fn(f32, f32) -> f32| {
        let mut sums = Array2::<f32>::zeros(blocks);
        for ((rows_a, rows_b), mut sums) in a
            .axis_chunks_iter(Axis(0), BLOCK)
            .zip(b.axis_chunks_iter(Axis(0), BLOCK))
            .zip(sums.outer_iter_mut())
        {
            for (row_a, row_b) in rows_a.outer_iter().zip(rows_b.outer_iter()) {
                for (x, (a, b)) in row_a.iter().zip(row_b).enumerate() {
                    sums[x / BLOCK] += product(*a, *b);
                }
            }
        }
        gaussian(&sums, radius / BLOCK as f64)
    };
    let (aa, bb, ab) = (sums(&|a, _| a * a), sums(&|_, b| b * b), sums(&|a, b| a * b));
    let cells = (BLOCK * BLOCK) as f32;
    Zip::from(&aa).and(&bb).and(&ab).map_collect(|aa, bb, ab| {
        let variance = (aa * bb).sqrt();
        if variance / cells > NO_CHANGE {
            (ab / variance).clamp(-1.0, 1.0)
        } else {
            0.0
        }
    })
}

/// A field `[y, x]` under a Gaussian of `deviation` cells, nothing beyond its edges.
fn gaussian(field: &Array2<f32>, deviation: f64) -> Array2<f32> {
    let half = (3.0 * deviation).ceil() as usize;
    let weights: Vec<f32> = (0..=half).map(|k| (-0.5 * (k as f64 / deviation).powi(2)).exp() as f32).collect();
    let along = |field: ArrayView2<'_, f32>| {
        let count = field.ncols();
        let mut out = Array2::zeros(field.raw_dim());
        for (mut out, row) in out.outer_iter_mut().zip(field.outer_iter()) {
            for x in 0..count {
                let from = x.saturating_sub(half);
                out[x] = (from..(x + half + 1).min(count)).map(|k| weights[k.abs_diff(x)] * row[k]).sum();
            }
        }
        out
    };
    let rows = along(field.view());
    along(rows.t()).reversed_axes().as_standard_layout().into_owned()
}

struct AnvilRun<'a> {
    /// Rain with all changes added up at the newest whole step, and at the one before, where it was at the reference time; may fall below 0.
    rain: Array2<f32>,
    rain_before: Array2<f32>,
    newest: ArrayView2<'a, f32>,
    rain_min: f32,
    changes: Vec<Change>,
    steps: usize,
    step_s: f64,
    trajectories: Trajectories,
    interpolation: Interpolation,
    beyond: Beyond,
    lead_times: std::slice::Iter<'a, LeadTime>,
    notices: Vec<Notice>,
}

impl AnvilRun<'_> {
    /// One step of the changes and of the rain.
    fn advance(&mut self) {
        self.rain_before.assign(&self.rain);
        for Change {
            now,
            before,
            first,
            second,
        } in &mut self.changes
        {
            let (first, second) = (&*first, &*second);
            Zip::indexed(self.rain.rows_mut())
                .and(now.rows_mut())
                .and(before.rows_mut())
                .par_for_each(|y, mut rain, mut now, mut before| {
                    let (first, second) = (along_row(first, y, rain.len()), along_row(second, y, rain.len()));
                    let weights = first.into_iter().zip(second);
                    let cells = rain.iter_mut().zip(&mut now).zip(&mut before);
                    for (((rain, now), before), (first, second)) in cells.zip(weights) {
                        let change = first * *now + second * *before;
                        *before = *now;
                        *now = change;
                        *rain += change;
                    }
                });
        }
        self.steps += 1;
    }
}

impl Run for AnvilRun<'_> {
    fn next(&mut self) -> Result<Option<Slice>, Error> {
        let Some(&lead_time) = self.lead_times.next() else {
            return Ok(None);
        };
        let steps = f64::from(lead_time.seconds()) / self.step_s;
        while (self.steps as f64) < steps - 1e-6 && !self.changes.is_empty() {
            self.advance();
        }
        let back = (self.steps as f64 - steps).clamp(0.0, 1.0) as f32;
        let mut rain = Array2::zeros(self.rain.raw_dim());
        Zip::from(&mut rain)
            .and(&self.rain)
            .and(&self.rain_before)
            .and(&self.newest)
            .par_for_each(|out, now, before, newest| {
                *out = if newest.is_nan() {
                    f32::NAN
                } else if *newest < self.rain_min {
                    0.0
                } else {
                    changed(*newest, now + back * (before - now) - newest)
                };
            });
        let mut there = Array2::zeros(rain.raw_dim());
        let displacement = self.trajectories.advance_to(lead_time);
        displacement.read(rain.view(), self.interpolation, self.beyond, there.view_mut());
        Ok(Some(Slice::of_rain(lead_time, there)))
    }

    fn notices(&self) -> &[Notice] {
        &self.notices
    }
}

/// Rain after changes that add up to `sum`: a decay takes its part of what is left.
fn changed(rain: f32, sum: f32) -> f32 {
    if sum < 0.0 { rain * (sum / rain).exp() } else { rain + sum }
}

/// A field on blocks along row `y` of `cells` cells, linear between the centres of the blocks.
fn along_row(blocks: &Array2<f32>, y: usize, cells: usize) -> Vec<f32> {
    let (j, next, part) = between(y, blocks.nrows());
    let row: Vec<f32> = blocks
        .row(j)
        .iter()
        .zip(blocks.row(next))
        .map(|(s, n)| s + part * (n - s))
        .collect();
    let mut along = vec![row[row.len() - 1]; cells];
    let half = BLOCK / 2;
    along[..half.min(cells)].fill(row[0]);
    for (pair, out) in row.windows(2).zip(along[half.min(cells)..].chunks_mut(BLOCK)) {
        let step = (pair[1] - pair[0]) / BLOCK as f32;
        for (k, out) in out.iter_mut().enumerate() {
            *out = pair[0] + (k as f32 + 0.5) * step;
        }
    }
    along
}

/// The blocks on both sides of a cell, and how far it is on the way from the first to the second.
fn between(cell: usize, blocks: usize) -> (usize, usize, f32) {
    let place = ((cell as f32 + 0.5) / BLOCK as f32 - 0.5).max(0.0);
    let block = (place as usize).min(blocks - 1);
    (block, (block + 1).min(blocks - 1), place - block as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gaussian_keeps_the_sum_inside_and_its_width() {
        let mut field = Array2::zeros((41, 45));
        field[[20, 22]] = 1.0;
        let smooth = gaussian(&field, 3.0);
        // Weights 1 in the middle, exp(-1/2) one deviation off.
        assert!((smooth[[20, 22]] - 1.0).abs() < 1e-6 && (smooth[[23, 22]] - (-0.5f32).exp()).abs() < 1e-6);
        assert!((smooth[[20, 25]] - smooth[[23, 22]]).abs() < 1e-6);
    }

    #[test]
    fn growth_goes_on_by_amounts_and_decay_by_shares() {
        assert_eq!((changed(2.0, 1.5), changed(2.0, 0.0)), (3.5, 2.0));
        // Small decays are amounts, large ones leave e^-2 of 2 mm/h.
        assert!((changed(2.0, -0.01) - 1.99).abs() < 1e-4 && (changed(2.0, -4.0) - 0.270_67).abs() < 1e-4);
    }

    #[test]
    fn between_blocks_a_field_is_linear_and_beyond_them_that_of_the_last() {
        let blocks = ndarray::array![[0.0, 8.0, 16.0]];
        let along = along_row(&blocks, 3, 21);
        // Centres at 3.5, 11.5 and 19.5 cells.
        assert_eq!((along[0], along[4], along[11], along[12], along[20]), (0.0, 0.5, 7.5, 8.5, 16.0));
    }

    #[test]
    fn correlations_are_those_of_the_surroundings() {
        // West: the same change twice; east: the opposite.
        let a = Array2::from_shape_fn((64, 128), |(y, x)| ((y * 5 + x * 3) % 7) as f32 - 3.0);
        let mut b = a.clone();
        b.slice_mut(ndarray::s![.., 64..]).mapv_inplace(|v| -v);
        let rho = local_correlation(&a, &b, 8.0);
        assert!(rho[[4, 1]] > 0.99 && rho[[4, 14]] < -0.99, "{rho}");
        assert!(local_correlation(&Array2::zeros((64, 128)), &b, 8.0).iter().all(|r| *r == 0.0));
    }
}
