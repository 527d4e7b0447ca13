//! Detail of a map finer than the network's cells: it sharpens probabilities for as long as it lives.

use ndarray::{Array2, Array3, Axis};
use nowblend_field::{
    Analysis, Error, LeadTime,
    advection::{Interpolation, SemiLagrangian, Trajectories},
};
use rayon::prelude::*;

use crate::{analytic::DRIZZLE_MM_H, probability::with_odds, refine::refine_one, scene::block_means};

/// Detail that counts less than this is left away.
const LEAST: f32 = 0.05;

/// A strength that falls to 1/e in its time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fading {
    strength: f32,
    time_min: f32,
}

impl Fading {
    pub fn new(strength: f64, time_min: f64) -> Self {
        Self {
            strength: strength as f32,
            time_min: time_min as f32,
        }
    }

    /// Its strength at a lead time, 0 where that is below `least`.
    pub fn at(&self, lead_time: LeadTime, least: f32) -> f32 {
        let strength = self.strength * (-lead_time.minutes() as f32 / self.time_min).exp();
        if strength < least { 0.0 } else { strength }
    }
}

/// The newest frame in the cells of the radar, which may be finer than the network's, and the way that it goes.
pub(crate) struct Newest {
    rain: Array2<f32>,
    trajectories: Trajectories,
    fading: Fading,
}

impl Newest {
    pub fn of(analysis: &Analysis, fading: Fading) -> Result<Self, Error> {
        Ok(Self {
            rain: analysis.observed().last().to_owned(),
            trajectories: SemiLagrangian::default().trajectories(analysis.motion()?, analysis.grid()),
            fading,
        })
    }

    /// Its rain `[y, x]`, mm h⁻¹, where it is by a lead time no earlier than the last that was asked; NaN where nothing was seen that arrives.
    pub fn moved(&mut self, lead_time: LeadTime, interpolation: Interpolation) -> Array2<f32> {
        self.trajectories.advance_to(lead_time).sample(self.rain.view(), interpolation)
    }

    /// Sharpens probabilities `[threshold, y, x]` where a cell's own rain, moved on, is more or less than that of the block of `factor` x
    /// `factor` cells around it:
    ///
    /// logit P' = logit P + β log₁₀((R + 0.03) / (R̄ + 0.03)), β = strength · exp(-t / time), at all thresholds alike, so that they stay in order.
    pub fn sharpen(&mut self, probability: &mut Array3<f32>, lead_time: LeadTime, factor: usize) {
        let beta = self.fading.at(lead_time, LEAST);
        if beta == 0.0 || factor == 1 {
            return;
        }
        let moved = self.moved(lead_time, Interpolation::Linear);
        let around = refine_one(block_means(moved.view(), factor), factor, moved.dim());
        let exponent = beta * std::f32::consts::LOG10_E;
        let odds = ndarray::Zip::from(&moved).and(&around).par_map_collect(|rain, around| {
            let ratio = (rain + DRIZZLE_MM_H) / (around + DRIZZLE_MM_H);
            if ratio.is_nan() { 1.0 } else { ratio.powf(exponent) }
        });
        probability.axis_iter_mut(Axis(0)).into_par_iter().for_each(|mut plane| {
            plane.zip_mut_with(&odds, |p, odds| *p = with_odds(*p, *odds));
        });
    }
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};
    use nowblend_field::{Grid, Sequence};

    use super::*;

    #[test]
    fn detail_sharpens_towards_the_wet_cells_of_a_block_and_keeps_the_order_of_thresholds() {
        let start = Utc.with_ymd_and_hms(2020, 7, 1, 12, 0, 0).unwrap();
        // Of each block of 2 x 2 cells one rains 4 mm/h, and nothing moves.
        let rain = Array3::from_shape_fn((2, 8, 8), |(_, y, x)| if y % 2 == 0 && x % 2 == 0 { 4.0 } else { 0.0 });
        let times = vec![start, start + LeadTime::from_minutes(5)];
        let analysis = Analysis::new(Sequence::new(Grid::plane(8, 8, 1000.0), times, rain).unwrap());
        let mut newest = Newest::of(&analysis, Fading::new(4.0, 1e4)).unwrap();
        let mut p = Array3::from_shape_fn((2, 8, 8), |(j, ..)| [0.4, 0.2][j]);
        newest.sharpen(&mut p, LeadTime::from_minutes(5), 2);
        // β log10(4.03 / 1.03) = 4 x 0.5925 less a little for the time: odds of 2/3 become 2/3 e^2.369.
        assert!((p[[0, 4, 4]] - 0.8769).abs() < 2e-3, "{}", p[[0, 4, 4]]);
        assert!(p[[0, 5, 5]] < 0.01 && p.index_axis(Axis(0), 1).iter().zip(p.index_axis(Axis(0), 0)).all(|(b, a)| b <= a));
    }
}
