//! The network as a forecaster of rain, on any grid and to any lead time up to two hours.

use std::{path::PathBuf, sync::Arc};

use burn::tensor::Device;
use ndarray::{Array2, Array3, Axis};
use nowblend_field::{
    Analysis, Error as FieldError, Exceedance, Forecaster, LeadTime, Notice, NoticeKind, Run, Seed, Slice,
    advection::{Interpolation, SemiLagrangian, Trajectories, value_at},
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    Error,
    analytic::Analytic,
    head::{self, Features},
    mixture::{Lead, Readout},
    nowcast_net::{FRAMES, MULTIPLE, RainNet, THRESHOLDS_MM_H},
    probability::area_matched,
    scene::{Scene, coarse, coarse_motion, factor, read_frames},
    tiles, weights,
};

/// Smallest pieces of a map, cells.
const LEAST_TILE: usize = 224;
/// Name of the diagnostic that tells how far several networks are apart.
const DISAGREEMENT: &str = "disagreement";
/// Which threshold it is told at: 1 mm h⁻¹.
const DISAGREEMENT_AT: usize = 2;
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
}

impl Default for NowcastNetConfig {
    fn default() -> Self {
        Self {
            checkpoint: PathBuf::new(),
            tile_cells: 512,
        }
    }
}

/// The learned nowcaster: one network, or the mean of several that differ in the seed of their training.
pub struct NowcastNet {
    nets: Vec<RainNet>,
    tile: usize,
}

impl NowcastNet {
    /// The network with the weights that `config` names.
    ///
    /// # Errors
    ///
    /// [`Error::Weights`] for weights that cannot be read or belong to another network.
    pub fn new(config: &NowcastNetConfig) -> Result<Self, Error> {
        if config.tile_cells < LEAST_TILE || !config.tile_cells.is_multiple_of(MULTIPLE) {
            return Err(Error::Config {
                key: "tile_cells",
                found: config.tile_cells as f64,
                expected: "a multiple of 32, at least 224",
            });
        }
        let device = Device::flex();
        let nets = if config.checkpoint.as_os_str().is_empty() {
            weights::shipped(&device)?
        } else {
            weights::load(&config.checkpoint, &device)?
        };
        Ok(Self {
            nets,
            tile: config.tile_cells,
        })
    }

    pub(crate) fn of(net: RainNet) -> Self {
        Self {
            nets: vec![net],
            tile: NowcastNetConfig::default().tile_cells,
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
        let observed = read_frames(analysis.observed())?;
        let factor = factor(analysis.grid());
        let frames = coarse(&observed, factor)?;
        let motion = coarse_motion(analysis.motion()?, factor);
        let scene = Scene::new(&frames, &motion);
        let mut notices = Vec::new();
        let mut tell = |kind, message: String| notices.push(Notice::new(kind, "nowcast_net", message));
        let seen = scene.seen();
        if !seen.iter().any(|s| *s) {
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
        let device = Device::flex();
        let (ny, nx) = frames.grid().shape();
        let analytic = Analytic::new(&scene, (ny.next_multiple_of(MULTIPLE), nx.next_multiple_of(MULTIPLE)));
        let lead_min: Vec<f32> = lead_times.iter().map(|l| l.minutes() as f32).collect();
        let voices = self.nets.iter().map(|net| Voice {
            features: tiles::features(net, &scene, self.tile, &device),
            readout: head::readout(net),
            leads: head::leads(&net.leads(&lead_min, &device)),
        });
        let trajectories = SemiLagrangian {
            substep_s: 150.0,
            ..Default::default()
        }
        .trajectories(&motion, frames.grid());
        Ok(Box::new(NetworkRun {
            voices: voices.collect(),
            analytic,
            seen,
            trajectories,
            factor,
            shape: analysis.grid().shape(),
            lead_times: lead_times.iter().enumerate(),
            notices,
        }))
    }

    fn references(&self) -> &[&'static str] {
        &["nowblend rain network: mixture of analytic exceedance forecasts weighted by a U-Net (model card in the program's repository)"]
    }
}

/// What one network says of the scene.
struct Voice {
    features: Features,
    readout: Readout,
    leads: Vec<Lead>,
}

struct NetworkRun<'a> {
    voices: Vec<Voice>,
    analytic: Analytic,
    seen: Array2<bool>,
    trajectories: Trajectories,
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

impl Run for NetworkRun<'_> {
    fn next(&mut self) -> Result<Option<Slice>, FieldError> {
        let Some((number, &lead_time)) = self.lead_times.next() else {
            return Ok(None);
        };
        let (coarse, apart) = self.coarse_probability(lead_time, number);
        let probability = refine(&coarse, self.factor, self.shape);
        let rain = area_matched(probability.view()).insert_axis(Axis(0));
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

/// Probabilities between the centres of the network's cells, bilinear; the same probability over the outer half of the outermost cells.
fn refine(coarse: &Array3<f32>, factor: usize, shape: (usize, usize)) -> Array3<f32> {
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
