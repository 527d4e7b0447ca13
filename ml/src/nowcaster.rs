//! The network as a forecaster of rain, on any grid and to any lead time up to two hours.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use burn::tensor::Device;
use ndarray::{Array2, Array3, ArrayView3, Axis};
use nowblend_field::{
    Analysis, Error as FieldError, Exceedance, Forecaster, LeadTime, Motion, Notice, NoticeKind, Run, Seed, Sequence, Slice,
    advection::{Interpolation, SemiLagrangian, Trajectories, value_at},
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    Error,
    analytic::{Analytic, DRIZZLE_MM_H},
    head::{self, Features},
    mixture::{Lead, Readout},
    nowcast_net::{FRAMES, J, RainNet, THRESHOLDS_MM_H},
    probability::{RainOf, area_matched, from_yes, mean, quantile},
    scene::{Scene, block_means, coarse, coarse_motion, factor, read_frames},
    tiles::{self, LEAST_TILE},
    weights,
    yes::{self, Yes},
};

/// Name of the diagnostic that tells how far several networks are apart.
const DISAGREEMENT: &str = "disagreement";
/// Which threshold it is told at: 1 mm h⁻¹.
const DISAGREEMENT_AT: usize = 2;
/// Detail that counts less than this is left away.
const LEAST_DETAIL: f32 = 0.05;
/// A close look that counts less than this is not taken: it gains less than it costs.
const LEAST_CLOSE_UP: f32 = 0.15;
/// Beyond this the network was never asked in training, minutes.
const FARTHEST_MIN: f64 = 120.0;

/// Which weights the network takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NowcastNetConfig {
    /// File of weights that `nowblend train` wrote, or a folder of several, whose mean is the forecast; empty for those that the program ships.
    pub checkpoint: PathBuf,
    /// Largest side of the pieces in which the network looks at a map, cells of about 2 km: memory grows with its square.
    pub tile_cells: usize,
    /// Which rain field goes with the probabilities.
    pub rain: RainOf,
    /// How much detail of a map finer than the network's cells sharpens the probabilities at the start; 0 for none.
    pub detail: f64,
    /// Time in which that falls to 1/e, min.
    pub detail_min: f64,
    /// How much a second look at a map finer than the network's cells counts at the start, in cells of half their size or of the map's own; at
    /// most 1 is made of it, 0 for no such look.
    pub close_up: f64,
    /// Time in which that falls to 1/e, min.
    pub close_up_min: f64,
    /// Most cells of a close look, whose memory grows with them.
    pub close_up_cells: usize,
}

impl Default for NowcastNetConfig {
    fn default() -> Self {
        Self {
            checkpoint: PathBuf::new(),
            tile_cells: LEAST_TILE,
            rain: RainOf::default(),
            detail: 6.0,
            detail_min: 10.0,
            close_up: 1.4,
            close_up_min: 15.0,
            close_up_cells: 4_000_000,
        }
    }
}

/// The learned nowcaster: one network, or the mean of several that differ in the seed of their training.
pub struct NowcastNet {
    nets: Vec<(RainNet, Option<Yes>)>,
    tile: usize,
    rain: RainOf,
    detail: Fading,
    close_up: Fading,
    close_up_cells: usize,
}

impl NowcastNet {
    /// The network with the weights that `config` names.
    ///
    /// # Errors
    ///
    /// [`Error::Weights`] for weights that cannot be read or belong to another network.
    pub fn new(config: &NowcastNetConfig) -> Result<Self, Error> {
        tiles::check(config.tile_cells)?;
        if let RainOf::Quantile(level) = config.rain
            && !(level > 0.0 && level < 1.0)
        {
            return Err(Error::Config {
                key: "rain.quantile",
                found: level,
                expected: "more than 0 and less than 1",
            });
        }
        let strength = |key, found: f64| (key, found, (0.0..=20.0).contains(&found), "0 to 20");
        let time = |key, found: f64| (key, found, found > 0.0 && found <= 1e4, "more than 0 and at most 10000");
        let bounds = [
            strength("detail", config.detail),
            time("detail_min", config.detail_min),
            strength("close_up", config.close_up),
            time("close_up_min", config.close_up_min),
        ];
        if let Some((key, found, _, expected)) = bounds.into_iter().find(|(_, _, fine, _)| !fine) {
            return Err(Error::Config { key, found, expected });
        }
        let device = Device::flex();
        let nets = if config.checkpoint.as_os_str().is_empty() {
            weights::shipped(&device)?
        } else {
            weights::load(&config.checkpoint, &device)?
        };
        if let RainOf::CsiOptimal | RainOf::Unbiased = config.rain
            && nets.iter().all(|(_, yes)| yes.is_none())
        {
            return Err(Error::Weights {
                origin: config.checkpoint.display().to_string(),
                reason: "they know no thresholds from validation events, which `rain` asks for".into(),
            });
        }
        Ok(Self::with(nets, config))
    }

    /// The rain field that goes with probabilities at a lead time.
    fn rain(&self, probability: ArrayView3<'_, f32>, lead_min: f32) -> Array2<f32> {
        match self.rain {
            RainOf::AreaMatched => area_matched(probability),
            RainOf::CsiOptimal => from_yes(probability, &self.yes(lead_min, |yes| &yes.csi_optimal)),
            RainOf::Unbiased => from_yes(probability, &self.yes(lead_min, |yes| &yes.unbiased)),
            RainOf::Median => quantile(probability, 0.5),
            RainOf::Quantile(level) => quantile(probability, level),
            RainOf::Mean => mean(probability),
        }
    }

    /// From which probability on each threshold counts as reached: the mean of what the networks read off their validation events.
    fn yes(&self, lead_min: f32, table: fn(&Yes) -> &BTreeMap<u32, [Option<f32>; J]>) -> [f32; J] {
        let known: Vec<[f32; J]> = self
            .nets
            .iter()
            .filter_map(|(_, yes)| Some(yes::at(table(yes.as_ref()?), lead_min)))
            .collect();
        std::array::from_fn(|j| known.iter().map(|yes| yes[j]).sum::<f32>() / known.len() as f32)
    }

    pub(crate) fn of(net: RainNet) -> Self {
        Self::with(vec![(net, None)], &NowcastNetConfig::default())
    }

    fn with(nets: Vec<(RainNet, Option<Yes>)>, config: &NowcastNetConfig) -> Self {
        Self {
            nets,
            tile: config.tile_cells,
            rain: config.rain,
            detail: Fading::new(config.detail, config.detail_min),
            close_up: Fading::new(config.close_up, config.close_up_min),
            close_up_cells: config.close_up_cells,
        }
    }

    /// What a close look at a map finer than the network's cells counts at a lead time.
    fn close_up_share(&self, lead_time: LeadTime) -> f32 {
        let share = self.close_up.at(lead_time).min(1.0);
        if share < LEAST_CLOSE_UP { 0.0 } else { share }
    }

    /// The map in cells of one size.
    fn look(&self, ready: &Ready, lead_times: &[LeadTime]) -> Look {
        let device = Device::flex();
        let lead_min: Vec<f32> = lead_times.iter().map(|l| l.minutes() as f32).collect();
        let voices = self.nets.iter().map(|(net, _)| Voice {
            features: tiles::features(net, &ready.scene, self.tile, &device),
            readout: head::readout(net),
            leads: head::leads(&net.leads(&lead_min, &device)),
        });
        Look {
            voices: voices.collect(),
            analytic: Analytic::new(&ready.scene, tiles::padded(&ready.scene)),
            seen: ready.scene.seen(),
            trajectories: ready.trajectories(),
            factor: ready.factor,
        }
    }
}

impl Forecaster for NowcastNet {
    fn name(&self) -> &str {
        "nowcast_net"
    }

    /// Brings the newest frames to about 2 km, computes the network's body once and its head for each lead time, and carries the
    /// probabilities along the motion; for the first minutes of a finer map the same in cells of half that size or its own.
    fn start<'a>(&'a self, analysis: &'a Analysis, lead_times: &'a [LeadTime], _: Seed) -> Result<Box<dyn Run + 'a>, FieldError> {
        let ready = Ready::new(analysis, lead_times, self.name())?;
        let mut notices = ready.notices.clone();
        let finer = ready.factor > 1;
        let mut close = None;
        if finer && lead_times.iter().any(|lead| self.close_up_share(*lead) > 0.0) {
            let ready = Ready::of(analysis, ready.factor.div_ceil(2))?;
            let cells = ready.scene.seen().len();
            if cells <= self.close_up_cells {
                close = Some(self.look(&ready, lead_times));
            } else {
                let message = format!(
                    "no close look for the first minutes: it needs {cells} cells, `close_up_cells` is {}",
                    self.close_up_cells
                );
                notices.push(Notice::new(NoticeKind::Degraded, self.name(), message));
            }
        }
        Ok(Box::new(NetworkRun {
            net: self,
            far: self.look(&ready, lead_times),
            close,
            fine: if finer { Some(Fine::of(analysis)?) } else { None },
            shape: analysis.grid().shape(),
            lead_times: lead_times.iter().enumerate(),
            notices,
        }))
    }

    fn references(&self) -> &[&'static str] {
        &["nowblend rain network: mixture of analytic exceedance forecasts weighted by a U-Net (model card in the program's repository)"]
    }
}

/// What a network of this family starts from.
pub(crate) struct Ready {
    /// Cells of the analysis in one of the network's, along each side.
    pub factor: usize,
    /// The newest frames on the network's grid.
    pub frames: Sequence,
    /// Motion on that grid, m s⁻¹.
    pub motion: Motion,
    pub scene: Scene,
    /// What it lacks.
    pub notices: Vec<Notice>,
}

impl Ready {
    /// Brings the newest frames to about 2 km and the reference time, and tells in the name of `component` what is missing.
    pub fn new(analysis: &Analysis, lead_times: &[LeadTime], component: &str) -> Result<Self, FieldError> {
        let mut ready = Self::of(analysis, factor(analysis.grid()))?;
        let mut tell = |kind, message: String| ready.notices.push(Notice::new(kind, component, message));
        if !ready.scene.seen().iter().any(|s| *s) {
            tell(NoticeKind::Missing, "no frame holds an observation: it has nothing to say".into());
        } else if ready.frames.frames() < FRAMES {
            tell(
                NoticeKind::Degraded,
                format!("it has {} of the {FRAMES} frames that it was trained with", ready.frames.frames()),
            );
        }
        if let Some(far) = lead_times.iter().find(|l| l.minutes() > FARTHEST_MIN) {
            tell(
                NoticeKind::Degraded,
                format!("{far} lies beyond the {FARTHEST_MIN} min that it was trained for"),
            );
        }
        Ok(ready)
    }

    /// The newest frames in cells of `factor` x `factor` of the analysis, and the reference time.
    fn of(analysis: &Analysis, factor: usize) -> Result<Self, FieldError> {
        let frames = coarse(&read_frames(analysis.observed())?, factor)?;
        let motion = coarse_motion(analysis.motion()?, factor);
        Ok(Self {
            factor,
            scene: Scene::new(&frames, &motion),
            frames,
            motion,
            notices: Vec::new(),
        })
    }

    /// The ways of the air over the network's grid.
    pub fn trajectories(&self) -> Trajectories {
        SemiLagrangian {
            substep_s: 150.0,
            ..Default::default()
        }
        .trajectories(&self.motion, self.frames.grid())
    }
}

/// What one network says of the scene.
struct Voice {
    features: Features,
    readout: Readout,
    leads: Vec<Lead>,
}

/// What the networks see and say of a map in cells of one size.
struct Look {
    voices: Vec<Voice>,
    analytic: Analytic,
    seen: Array2<bool>,
    trajectories: Trajectories,
    /// Cells of the map in one of these, along each side.
    factor: usize,
}

struct NetworkRun<'a> {
    net: &'a NowcastNet,
    far: Look,
    /// The same map in smaller cells, for the first minutes.
    close: Option<Look>,
    fine: Option<Fine>,
    shape: (usize, usize),
    lead_times: std::iter::Enumerate<std::slice::Iter<'a, LeadTime>>,
    notices: Vec<Notice>,
}

impl Look {
    /// Probabilities `[threshold, y, x]` on the look's own grid at the valid time, and how far the networks are apart where there are several:
    /// the standard deviation of P(R >= 1 mm/h) among them `[y, x]`. NaN where no frame saw the air that arrives.
    fn probability(&mut self, lead_time: LeadTime, number: usize) -> (Array3<f32>, Option<Array2<f32>>) {
        let shape = self.seen.dim();
        let mut said = self
            .voices
            .iter()
            .map(|voice| head::probability(&voice.features, &self.analytic, &voice.leads[number], &voice.readout, shape));
        let mut sum = said.next().expect("there is at least one network");
        let count = self.voices.len() as f32;
        let mut squares = (count > 1.0).then(|| sum.index_axis(Axis(0), DISAGREEMENT_AT).mapv(|p| p * p));
        for p in said {
            if let Some(squares) = &mut squares {
                *squares += &p.index_axis(Axis(0), DISAGREEMENT_AT).mapv(|p| p * p);
            }
            sum += &p;
        }
        let mut p = sum / count;
        let mut apart = squares.map(|squares| {
            let mean = p.index_axis(Axis(0), DISAGREEMENT_AT);
            ndarray::Zip::from(&squares)
                .and(&mean)
                .map_collect(|s, m| (s / count - m * m).max(0.0).sqrt())
        });
        let seen = &self.seen;
        let hide = |mut plane: ndarray::ArrayViewMut2<'_, f32>| {
            ndarray::Zip::from(&mut plane).and(seen).for_each(|p, seen| {
                if !seen {
                    *p = f32::NAN;
                }
            });
        };
        p.axis_iter_mut(Axis(0)).into_par_iter().for_each(hide);
        if let Some(apart) = &mut apart {
            hide(apart.view_mut());
        }
        let displacement = self.trajectories.advance_to(lead_time);
        let planes: Vec<Array2<f32>> = p
            .outer_iter()
            .map(|plane| displacement.sample(plane, Interpolation::Linear))
            .collect();
        let views: Vec<_> = planes.iter().map(|p| p.view()).collect();
        let p = ndarray::stack(Axis(0), &views).expect("all planes have the same shape");
        (p, apart.map(|apart| displacement.sample(apart.view(), Interpolation::Linear)))
    }
}

/// A strength that falls to 1/e in its time.
#[derive(Debug, Clone, Copy)]
struct Fading {
    strength: f32,
    time_min: f32,
}

impl Fading {
    fn new(strength: f64, time_min: f64) -> Self {
        Self {
            strength: strength as f32,
            time_min: time_min as f32,
        }
    }

    /// Its strength at a lead time.
    fn at(&self, lead_time: LeadTime) -> f32 {
        self.strength * (-lead_time.minutes() as f32 / self.time_min).exp()
    }
}

/// The newest frame in the cells of the radar, which are finer than the network's.
struct Fine {
    newest: Array2<f32>,
    trajectories: Trajectories,
}

impl Fine {
    fn of(analysis: &Analysis) -> Result<Self, FieldError> {
        Ok(Self {
            newest: analysis.observed().last().to_owned(),
            trajectories: SemiLagrangian::default().trajectories(analysis.motion()?, analysis.grid()),
        })
    }

    /// Sharpens probabilities `[threshold, y, x]` where a cell's own rain, moved on, is more or less than that of the block around it:
    ///
    /// logit P' = logit P + β log₁₀((R + 0.03) / (R̄ + 0.03)), β = strength · exp(-t / time), at all thresholds alike, so that they stay in order.
    fn sharpen(&mut self, probability: &mut Array3<f32>, lead_time: LeadTime, detail: Fading, factor: usize) {
        let beta = detail.at(lead_time);
        if beta < LEAST_DETAIL || factor == 1 {
            return;
        }
        let displacement = self.trajectories.advance_to(lead_time);
        let moved = displacement.sample(self.newest.view(), Interpolation::Linear);
        let around = refine(&block_means(moved.view(), factor).insert_axis(Axis(0)), factor, moved.dim());
        let around = around.index_axis(Axis(0), 0);
        let exponent = beta * std::f32::consts::LOG10_E;
        let odds = ndarray::Zip::from(&moved).and(around).par_map_collect(|rain, around| {
            let ratio = (rain + DRIZZLE_MM_H) / (around + DRIZZLE_MM_H);
            if ratio.is_nan() { 1.0 } else { ratio.powf(exponent) }
        });
        probability.axis_iter_mut(Axis(0)).into_par_iter().for_each(|mut plane| {
            plane.zip_mut_with(&odds, |p, odds| *p = *p * odds / (1.0 - *p + *p * odds));
        });
    }
}

impl Run for NetworkRun<'_> {
    fn next(&mut self) -> Result<Option<Slice>, FieldError> {
        let Some((number, &lead_time)) = self.lead_times.next() else {
            return Ok(None);
        };
        let (mut probability, mut apart) = self.far.probability(lead_time, number);
        probability = refine(&probability, self.far.factor, self.shape);
        apart = apart.map(|apart| refine_one(apart, self.far.factor, self.shape));
        if let Some(fine) = &mut self.fine {
            fine.sharpen(&mut probability, lead_time, self.net.detail, self.far.factor);
        }
        let share = self.net.close_up_share(lead_time);
        if let Some(close) = self.close.as_mut().filter(|_| share > 0.0) {
            let (p, of_close) = close.probability(lead_time, number);
            let mut p = refine(&p, close.factor, self.shape);
            if let Some(fine) = &mut self.fine {
                fine.sharpen(&mut p, lead_time, self.net.detail, close.factor);
            }
            ndarray::Zip::from(&mut probability)
                .and(&p)
                .par_for_each(|far, close| mix(far, *close, share));
            if let (Some(apart), Some(of_close)) = (&mut apart, of_close) {
                let of_close = refine_one(of_close, close.factor, self.shape);
                ndarray::Zip::from(apart)
                    .and(&of_close)
                    .for_each(|far, close| mix(far, *close, share));
            }
        }
        let rain = self.net.rain(probability.view(), lead_time.minutes() as f32).insert_axis(Axis(0));
        let exceedance = Some(Exceedance {
            thresholds_mm_h: Arc::from(THRESHOLDS_MM_H),
            probability,
        });
        Ok(Some(Slice {
            lead_time,
            rain: Some(rain),
            exceedance,
            diagnostics: apart.map(|field| (DISAGREEMENT.to_owned(), field)).into_iter().collect(),
        }))
    }

    fn notices(&self) -> &[Notice] {
        &self.notices
    }
}

/// The mean of two, of which `close` has the `share`; the one that is there where only one is.
fn mix(far: &mut f32, close: f32, share: f32) {
    if far.is_nan() {
        *far = close;
    } else if !close.is_nan() {
        *far += share * (close - *far);
    }
}

fn refine_one(plane: Array2<f32>, factor: usize, shape: (usize, usize)) -> Array2<f32> {
    refine(&plane.insert_axis(Axis(0)), factor, shape).index_axis_move(Axis(0), 0)
}

/// Planes between the centres of the network's cells, bilinear; the same value over the outer half of the outermost cells.
pub(crate) fn refine(coarse: &Array3<f32>, factor: usize, shape: (usize, usize)) -> Array3<f32> {
    if factor == 1 {
        return coarse.clone();
    }
    let (count, ny, nx) = coarse.dim();
    let mut out = Array3::zeros((count, shape.0, shape.1));
    let place = |k: usize, n: usize| (((k as f32 + 0.5) / factor as f32) - 0.5).clamp(0.0, (n - 1) as f32);
    for (mut plane, source) in out.outer_iter_mut().zip(coarse.outer_iter()) {
        plane.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(y, mut row)| {
            for (x, p) in row.iter_mut().enumerate() {
                *p = value_at(&source, place(y, ny), place(x, nx), Interpolation::Linear);
            }
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};
    use nowblend_field::Grid;

    use super::*;

    #[test]
    fn detail_sharpens_towards_the_wet_cells_of_a_block_and_keeps_the_order_of_thresholds() {
        let start = Utc.with_ymd_and_hms(2020, 7, 1, 12, 0, 0).unwrap();
        // Of each block of 2 x 2 cells one rains 4 mm/h, and nothing moves.
        let rain = Array3::from_shape_fn((2, 8, 8), |(_, y, x)| if y % 2 == 0 && x % 2 == 0 { 4.0 } else { 0.0 });
        let times = vec![start, start + LeadTime::from_minutes(5)];
        let analysis = Analysis::new(Sequence::new(Grid::plane(8, 8, 1000.0), times, rain).unwrap());
        let mut fine = Fine::of(&analysis).unwrap();
        let mut p = Array3::from_shape_fn((2, 8, 8), |(j, ..)| [0.4, 0.2][j]);
        let detail = Fading::new(4.0, 1e4);
        fine.sharpen(&mut p, LeadTime::from_minutes(5), detail, 2);
        // β log10(4.03 / 1.03) = 4 x 0.5925 less a little for the time: odds of 2/3 become 2/3 e^2.369.
        assert!((p[[0, 4, 4]] - 0.8769).abs() < 2e-3, "{}", p[[0, 4, 4]]);
        assert!(p[[0, 5, 5]] < 0.01 && p.index_axis(Axis(0), 1).iter().zip(p.index_axis(Axis(0), 0)).all(|(b, a)| b <= a));
    }

    #[test]
    fn a_close_look_tells_of_the_first_minutes_alone_and_of_maps_that_are_small_enough() {
        let start = Utc.with_ymd_and_hms(2020, 7, 1, 12, 0, 0).unwrap();
        let observed = nowblend_field::storms::Scene::random(&Grid::plane(70, 90, 1000.0), Seed(4));
        let analysis = Analysis::new(observed.sequence(start, LeadTime::from_minutes(5), 4));
        let lead_times = [5, 60].map(LeadTime::from_minutes);
        let forecast = |close_up: f64, close_up_cells: usize| {
            let config = NowcastNetConfig {
                close_up,
                close_up_cells,
                ..NowcastNetConfig::default()
            };
            let net = NowcastNet::new(&config).unwrap();
            let mut run = net.start(&analysis, &lead_times, Seed(0)).unwrap();
            let said: Vec<Array3<f32>> = (0..2)
                .map(|_| run.next().unwrap().unwrap().exceedance.unwrap().probability)
                .collect();
            (said, run.notices().len())
        };
        let (without, close, too_large) = (forecast(0.0, 10_000), forecast(1.4, 10_000), forecast(1.4, 6299));
        // What comes from beyond the map is missing.
        let same = |a: &Array3<f32>, b: &Array3<f32>| a.iter().zip(b).all(|(a, b)| a == b || a.is_nan() && b.is_nan());
        assert!(same(&too_large.0[0], &without.0[0]) && same(&too_large.0[1], &without.0[1]) && same(&close.0[1], &without.0[1]));
        assert!(close.0[0].iter().zip(&without.0[0]).any(|(a, b)| (a - b).abs() > 0.05));
        let (low, high) = (close.0[0].outer_iter(), close.0[0].outer_iter().skip(1));
        assert!(
            low.zip(high)
                .all(|(low, high)| low.iter().zip(high).all(|(l, h)| h <= l || h.is_nan()))
        );
        assert_eq!((without.1, close.1, too_large.1), (0, 0, 1));
    }
}
