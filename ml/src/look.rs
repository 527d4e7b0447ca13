//! A map in cells of one size as the networks see it, and what they say of it at each lead time.

use ndarray::{Array2, Array3, ArrayViewMut2, Axis};
use nowblend_field::{
    LeadTime,
    advection::{Interpolation, Trajectories},
};
use rayon::prelude::*;

use crate::{
    analytic::Analytic,
    detail::Newest,
    head::{self, Voice},
    nowcast_net::RainNet,
    ready::Ready,
    refine::{refine, refine_one},
    tiles,
};

/// What the networks see and say of a map in cells of one size.
pub(crate) struct Look {
    voices: Vec<Voice>,
    analytic: Analytic,
    seen: Array2<bool>,
    trajectories: Trajectories,
    /// Cells of the map in one of these, along each side.
    factor: usize,
}

/// Probabilities `[threshold, y, x]`, and how far the networks are apart where there are several: the standard deviation of P(R >= 1 mm/h)
/// among them `[y, x]`.
pub(crate) struct Said {
    pub probability: Array3<f32>,
    pub apart: Option<Array2<f32>>,
}

impl Look {
    /// What `nets` see in tiles of `tile` x `tile` cells, and what they will be asked.
    pub fn new<'a>(nets: impl Iterator<Item = &'a RainNet>, ready: &Ready, tile: usize, lead_times: &[LeadTime]) -> Self {
        let lead_min: Vec<f32> = lead_times.iter().map(|l| l.minutes() as f32).collect();
        Self {
            voices: nets
                .map(|net| Voice::new(net, tiles::features(net, &ready.scene, tile), &lead_min))
                .collect(),
            analytic: Analytic::new(&ready.scene, tiles::padded(&ready.scene)),
            seen: ready.scene.seen(),
            trajectories: ready.trajectories(),
            factor: ready.factor,
        }
    }

    /// What the networks say of the lead time with this `number` on the cells of a map of `shape`, sharpened with its detail. NaN where no
    /// frame saw the air that arrives.
    pub fn said(&mut self, lead_time: LeadTime, number: usize, shape: (usize, usize), newest: &mut Newest) -> Said {
        let Said { probability, apart } = self.arrived(lead_time, number);
        let mut probability = refine(&probability, self.factor, shape);
        newest.sharpen(&mut probability, lead_time, self.factor);
        Said {
            probability,
            apart: apart.map(|apart| refine_one(apart, self.factor, shape)),
        }
    }

    /// The same on the look's own cells.
    fn arrived(&mut self, lead_time: LeadTime, number: usize) -> Said {
        let Said { mut probability, apart } = head::said(&self.voices, number, &self.analytic, self.seen.dim());
        let (seen, displacement) = (&self.seen, self.trajectories.advance_to(lead_time));
        let arrive = |mut plane: ArrayViewMut2<'_, f32>| {
            ndarray::Zip::from(&mut plane).and(seen).for_each(|p, seen| {
                if !seen {
                    *p = f32::NAN;
                }
            });
            let there = displacement.sample(plane.view(), Interpolation::Linear);
            plane.assign(&there);
        };
        probability.axis_iter_mut(Axis(0)).into_par_iter().for_each(arrive);
        Said {
            probability,
            apart: apart.map(|mut apart| {
                arrive(apart.view_mut());
                apart
            }),
        }
    }
}

impl Said {
    /// Takes the `share` of what was seen from close by.
    pub fn mix(&mut self, close: &Self, share: f32) {
        ndarray::Zip::from(&mut self.probability)
            .and(&close.probability)
            .par_for_each(|far, close| mix(far, *close, share));
        if let (Some(apart), Some(close)) = (&mut self.apart, &close.apart) {
            ndarray::Zip::from(apart)
                .and(close)
                .par_for_each(|far, close| mix(far, *close, share));
        }
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
