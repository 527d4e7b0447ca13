//! The network as a forecaster of rain, on any grid and to any lead time up to two hours.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

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
    nowcast_net::{Encoded, FRAMES, RainNet, THRESHOLDS_MM_H},
    probability::{area_matched, at_reference_places},
    scene::{Scene, coarse, coarse_motion, factor, read_frames},
    weights,
};

/// Beyond this the network was never asked in training, minutes.
const FARTHEST_MIN: f64 = 120.0;

/// Which weights the network takes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NowcastNetConfig {
    /// File of weights that `nowblend train` wrote; empty for those that the program ships.
    pub checkpoint: PathBuf,
}

/// The learned nowcaster.
pub struct NowcastNet {
    net: RainNet,
}

impl NowcastNet {
    /// The network with the weights that `config` names.
    ///
    /// # Errors
    ///
    /// [`Error::Weights`] for weights that cannot be read or belong to another network.
    pub fn new(config: &NowcastNetConfig) -> Result<Self, Error> {
        let device = Device::flex();
        let net = if config.checkpoint.as_os_str().is_empty() {
            weights::shipped(&device)?
        } else {
            weights::load(&config.checkpoint, &device)?
        };
        Ok(Self { net })
    }

    pub(crate) fn of(net: RainNet) -> Self {
        Self { net }
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
        let encoded = self.net.encode(&scene.input(&Device::flex()));
        let trajectories = SemiLagrangian {
            substep_s: 150.0,
            ..Default::default()
        }
        .trajectories(&motion, frames.grid());
        Ok(Box::new(NetworkRun {
            net: &self.net,
            encoded,
            seen,
            trajectories,
            factor,
            shape: analysis.grid().shape(),
            lead_times: lead_times.iter(),
            notices,
        }))
    }

    fn references(&self) -> &[&'static str] {
        &["nowblend rain network: mixture of analytic exceedance forecasts weighted by a U-Net (model card in the program's repository)"]
    }
}

struct NetworkRun<'a> {
    net: &'a RainNet,
    encoded: Encoded,
    seen: Array2<bool>,
    trajectories: Trajectories,
    factor: usize,
    shape: (usize, usize),
    lead_times: std::slice::Iter<'a, LeadTime>,
    notices: Vec<Notice>,
}

impl NetworkRun<'_> {
    /// Probabilities `[threshold, y, x]` on the network's own grid at the valid time; NaN where no frame saw the air that arrives.
    fn coarse_probability(&mut self, lead_time: LeadTime) -> Array3<f32> {
        let mut p = at_reference_places(self.net, &self.encoded, self.seen.dim(), lead_time);
        let seen = &self.seen;
        p.axis_iter_mut(Axis(0)).into_par_iter().for_each(|mut plane| {
            ndarray::Zip::from(&mut plane).and(seen).for_each(|p, seen| {
                if !seen {
                    *p = f32::NAN;
                }
            });
        });
        let displacement = self.trajectories.advance_to(lead_time);
        let planes: Vec<Array2<f32>> = p
            .outer_iter()
            .map(|plane| displacement.sample(plane, Interpolation::Linear))
            .collect();
        let views: Vec<_> = planes.iter().map(|p| p.view()).collect();
        ndarray::stack(Axis(0), &views).expect("all planes have the same shape")
    }
}

impl Run for NetworkRun<'_> {
    fn next(&mut self) -> Result<Option<Slice>, FieldError> {
        let Some(&lead_time) = self.lead_times.next() else {
            return Ok(None);
        };
        let coarse = self.coarse_probability(lead_time);
        let probability = refine(&coarse, self.factor, self.shape);
        let rain = area_matched(probability.view()).insert_axis(Axis(0));
        let exceedance = Some(Exceedance {
            thresholds_mm_h: Arc::from(THRESHOLDS_MM_H),
            probability,
        });
        Ok(Some(Slice {
            lead_time,
            rain: Some(rain),
            exceedance,
            diagnostics: BTreeMap::new(),
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
