//! The network as a forecaster of rain, on any grid and to any lead time up to two hours.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use burn::tensor::Device;
use ndarray::{Array2, ArrayView3, Axis};
use nowblend_field::{
    Analysis, Bounds, Error as FieldError, Exceedance, Forecaster, LeadTime, Notice, NoticeKind, Run, Seed, Slice, advection::Interpolation,
};
use serde::{Deserialize, Serialize};

use crate::{
    Error,
    detail::{Fading, Newest},
    hold::hold,
    look::{Look, Said},
    nowcast_net::{J, RainNet, THRESHOLDS_MM_H},
    nugget,
    probability::{RainOf, area_matched, from_yes, mean, quantile},
    ready::Ready,
    tiles::{self, LEAST_TILE},
    weights,
    yes::{self, Yes},
};

/// Name of the diagnostic that tells how far several networks are apart.
const DISAGREEMENT: &str = "disagreement";
/// A close look that counts less than this is not taken: it gains less than it costs.
const LEAST_CLOSE_UP: f32 = 0.15;

/// Which weights the network takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NowcastNetConfig {
    /// File of weights that `nowblend train` wrote, or a folder of several, whose mean is the forecast; empty for those that the program ships.
    pub checkpoint: PathBuf,
    /// Largest side of the pieces in which the network looks at a map, cells of about 2 km: memory grows with its square, once for each thread.
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
    /// How far the areas of rain, above all of heavy rain, are held to those of the newest frame, 0 to 1; 0 for none.
    pub hold: f64,
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
            hold: 1.0,
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
    hold: f64,
}

impl NowcastNet {
    /// The network with the weights that `config` names.
    ///
    /// # Errors
    ///
    /// A number out of its bounds, and [`Error::Weights`] for weights that cannot be read or belong to another network.
    pub fn new(config: &NowcastNetConfig) -> Result<Self, Error> {
        tiles::check(config.tile_cells)?;
        let time =
            |bounds: Bounds, what, found: f64| bounds.holds(found > 0.0 && found <= 1e4, what, found, "more than 0 and at most 10000");
        let mut bounds = Bounds::default();
        if let RainOf::Quantile(level) = config.rain {
            bounds = bounds.holds(level > 0.0 && level < 1.0, "`rain.quantile`", level, "more than 0 and less than 1");
        }
        bounds = bounds.number("`detail`", config.detail, 0.0..=20.0, "0 to 20");
        bounds = time(bounds, "`detail_min`", config.detail_min);
        bounds = bounds.number("`close_up`", config.close_up, 0.0..=20.0, "0 to 20");
        bounds = time(bounds, "`close_up_min`", config.close_up_min);
        bounds.share("`hold`", config.hold).result()?;
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
            hold: config.hold,
        }
    }

    /// What a close look at a map finer than the network's cells counts at a lead time.
    fn close_up_share(&self, lead_time: LeadTime) -> f32 {
        self.close_up.at(lead_time, LEAST_CLOSE_UP).min(1.0)
    }

    /// The map in the cells of `ready`.
    fn look(&self, ready: &Ready, lead_times: &[LeadTime]) -> Look {
        Look::new(self.nets.iter().map(|(net, _)| net), ready, self.tile, lead_times)
    }
}

impl Forecaster for NowcastNet {
    fn name(&self) -> &str {
        "nowcast_net"
    }

    /// Brings the newest frames to about 2 km, computes the network's body once and its head for each lead time, and carries the
    /// probabilities along the motion; for the first minutes of a finer map the same in cells of half that size or its own, whose newest frame
    /// is cleared of noise.
    fn start<'a>(&'a self, analysis: &'a Analysis, lead_times: &'a [LeadTime], _: Seed) -> Result<Box<dyn Run + 'a>, FieldError> {
        let ready = Ready::new(analysis, lead_times, self.name())?;
        let mut notices = ready.notices.clone();
        let finer = ready.factor > 1;
        let mut close = None;
        if finer && lead_times.iter().any(|lead| self.close_up_share(*lead) > 0.0) {
            let factor = ready.factor.div_ceil(2);
            let (ny, nx) = analysis.grid().shape();
            let cells = ny.div_ceil(factor) * nx.div_ceil(factor);
            if cells <= self.close_up_cells {
                let mut ready = Ready::of(analysis, factor)?;
                nugget::take_off(&mut ready.scene);
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
            newest: Newest::of(analysis, self.detail)?,
            shape: analysis.grid().shape(),
            lead_times: lead_times.iter().enumerate(),
            notices,
        }))
    }

    fn references(&self) -> &[&'static str] {
        &["nowblend rain network: mixture of analytic exceedance forecasts weighted by a U-Net (model card in the program's repository)"]
    }
}

struct NetworkRun<'a> {
    net: &'a NowcastNet,
    far: Look,
    /// The same map in smaller cells, for the first minutes.
    close: Option<Look>,
    newest: Newest,
    shape: (usize, usize),
    lead_times: std::iter::Enumerate<std::slice::Iter<'a, LeadTime>>,
    notices: Vec<Notice>,
}

impl Run for NetworkRun<'_> {
    fn next(&mut self) -> Result<Option<Slice>, FieldError> {
        let Some((number, &lead_time)) = self.lead_times.next() else {
            return Ok(None);
        };
        let mut said = self.far.said(lead_time, number, self.shape, &mut self.newest);
        let share = self.net.close_up_share(lead_time);
        if let Some(close) = self.close.as_mut().filter(|_| share > 0.0) {
            let close = close.said(lead_time, number, self.shape, &mut self.newest);
            said.mix(&close, share);
        }
        let Said { mut probability, apart } = said;
        if self.net.hold > 0.0 {
            let moved = self.newest.moved(lead_time, Interpolation::Nearest);
            hold(&mut probability, moved.view(), self.net.hold);
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

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};
    use ndarray::Array3;
    use nowblend_field::Grid;

    use super::*;

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
