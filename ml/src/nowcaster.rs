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
}

impl Default for NowcastNetConfig {
    fn default() -> Self {
        Self {
            checkpoint: PathBuf::new(),
            tile_cells: LEAST_TILE,
            rain: RainOf::default(),
            detail: 6.0,
            detail_min: 10.0,
        }
    }
}

/// The learned nowcaster: one network, or the mean of several that differ in the seed of their training.
pub struct NowcastNet {
    nets: Vec<(RainNet, Option<Yes>)>,
    tile: usize,
    rain: RainOf,
    detail: Detail,
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
        let bounds = [
            ("detail", config.detail, (0.0..=20.0).contains(&config.detail), "0 to 20"),
            (
                "detail_min",
                config.detail_min,
                config.detail_min > 0.0 && config.detail_min <= 1e4,
                "more than 0 and at most 10000",
            ),
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
        Ok(Self {
            nets,
            tile: config.tile_cells,
            rain: config.rain,
            detail: Detail::of(config),
        })
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
        Self {
            nets: vec![(net, None)],
            tile: LEAST_TILE,
            rain: RainOf::default(),
            detail: Detail::of(&NowcastNetConfig::default()),
        }
    }
}

impl Forecaster for NowcastNet {
    fn name(&self) -> &str {
        "nowcast_net"
    }

    /// Brings the newest frames to about 2 km, computes the network's body once and its head for each lead time, and carries the
    /// probabilities along the motion.
    fn start<'a>(&'a self, analysis: &'a Analysis, lead_times: &'a [LeadTime], _: Seed) -> Result<Box<dyn Run + 'a>, FieldError> {
        let ready = Ready::new(analysis, lead_times, self.name())?;
        let scene = &ready.scene;
        let device = Device::flex();
        let analytic = Analytic::new(scene, tiles::padded(scene));
        let lead_min: Vec<f32> = lead_times.iter().map(|l| l.minutes() as f32).collect();
        let voices = self.nets.iter().map(|(net, _)| Voice {
            features: tiles::features(net, scene, self.tile, &device),
            readout: head::readout(net),
            leads: head::leads(&net.leads(&lead_min, &device)),
        });
        Ok(Box::new(NetworkRun {
            net: self,
            voices: voices.collect(),
            analytic,
            seen: scene.seen(),
            trajectories: ready.trajectories(),
            fine: if ready.factor > 1 { Some(Fine::of(analysis)?) } else { None },
            factor: ready.factor,
            shape: analysis.grid().shape(),
            lead_times: lead_times.iter().enumerate(),
            notices: ready.notices,
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
        let observed = read_frames(analysis.observed())?;
        let factor = factor(analysis.grid());
        let frames = coarse(&observed, factor)?;
        let motion = coarse_motion(analysis.motion()?, factor);
        let scene = Scene::new(&frames, &motion);
        let mut notices = Vec::new();
        let mut tell = |kind, message: String| notices.push(Notice::new(kind, component, message));
        if !scene.seen().iter().any(|s| *s) {
            tell(NoticeKind::Missing, "no frame holds an observation: it has nothing to say".into());
        } else if observed.frames() < FRAMES {
            tell(
                NoticeKind::Degraded,
                format!("it has {} of the {FRAMES} frames that it was trained with", observed.frames()),
            );
        }
        if let Some(far) = lead_times.iter().find(|l| l.minutes() > FARTHEST_MIN) {
            tell(
                NoticeKind::Degraded,
                format!("{far} lies beyond the {FARTHEST_MIN} min that it was trained for"),
            );
        }
        Ok(Self {
            factor,
            frames,
            motion,
            scene,
            notices,
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

struct NetworkRun<'a> {
    net: &'a NowcastNet,
    voices: Vec<Voice>,
    analytic: Analytic,
    seen: Array2<bool>,
    trajectories: Trajectories,
    fine: Option<Fine>,
    factor: usize,
    shape: (usize, usize),
    lead_times: std::iter::Enumerate<std::slice::Iter<'a, LeadTime>>,
    notices: Vec<Notice>,
}

impl NetworkRun<'_> {
    /// Probabilities `[threshold, y, x]` on the network's own grid at the valid time, and how far the networks are apart where there are several:
    /// the standard deviation of P(R >= 1 mm/h) among them `[y, x]`. NaN where no frame saw the air that arrives.
    fn coarse_probability(&mut self, lead_time: LeadTime, number: usize) -> (Array3<f32>, Option<Array2<f32>>) {
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

/// How strongly detail counts.
#[derive(Debug, Clone, Copy)]
struct Detail {
    strength: f32,
    time_min: f32,
}

impl Detail {
    fn of(config: &NowcastNetConfig) -> Self {
        Self {
            strength: config.detail as f32,
            time_min: config.detail_min as f32,
        }
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
    fn sharpen(&mut self, probability: &mut Array3<f32>, lead_time: LeadTime, detail: Detail, factor: usize) {
        let beta = detail.strength * (-lead_time.minutes() as f32 / detail.time_min).exp();
        if beta < LEAST_DETAIL {
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
        let (coarse, apart) = self.coarse_probability(lead_time, number);
        let mut probability = refine(&coarse, self.factor, self.shape);
        if let Some(fine) = &mut self.fine {
            fine.sharpen(&mut probability, lead_time, self.net.detail, self.factor);
        }
        let rain = self.net.rain(probability.view(), lead_time.minutes() as f32).insert_axis(Axis(0));
        let exceedance = Some(Exceedance {
            thresholds_mm_h: Arc::from(THRESHOLDS_MM_H),
            probability,
        });
        let apart = apart.map(|apart| refine(&apart.insert_axis(Axis(0)), self.factor, self.shape).index_axis_move(Axis(0), 0));
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
        let detail = Detail {
            strength: 4.0,
            time_min: 1e4,
        };
        fine.sharpen(&mut p, LeadTime::from_minutes(5), detail, 2);
        // β log10(4.03 / 1.03) = 4 x 0.5925 less a little for the time: odds of 2/3 become 2/3 e^2.369.
        assert!((p[[0, 4, 4]] - 0.8769).abs() < 2e-3, "{}", p[[0, 4, 4]]);
        assert!(p[[0, 5, 5]] < 0.01 && p.index_axis(Axis(0), 1).iter().zip(p.index_axis(Axis(0), 0)).all(|(b, a)| b <= a));
    }
}
