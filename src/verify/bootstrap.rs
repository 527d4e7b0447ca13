//! How far a score would differ with other cases: intervals from drawing blocks of starts again and again.

use std::collections::BTreeMap;

use nowblend_field::{ReferenceTime, Seed};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// How intervals are made.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BootstrapConfig {
    /// Number of resamples; 0 for no intervals.
    pub resamples: usize,
    /// Probability of the interval, between 0 and 1.
    pub level: f64,
    /// Starts of one event within blocks of this length are drawn together, since they see the same rain, min.
    pub block_min: u32,
}

impl Default for BootstrapConfig {
    fn default() -> Self {
        Self {
            resamples: 1000,
            level: 0.9,
            block_min: 30,
        }
    }
}

/// How often each block of cases is drawn in each resample: the same for all components, so that their differences are paired.
///
/// Blocks of `block_min` minutes of starts within an event are drawn with replacement, as many as there are.
///
/// # Source
///
/// Künsch, H. R., 1989: The jackknife and the bootstrap for general stationary observations. Ann. Statist., 17, 1217-1241,
/// doi:10.1214/aos/1176347265; blocks do not overlap here.
pub struct Resamples {
    level: f64,
    block_of: Vec<usize>,
    blocks: usize,
    times: Vec<Vec<f64>>,
}

impl Resamples {
    /// Resamples of cases, given by event and start; the same seed gives the same.
    pub fn new(config: &BootstrapConfig, cases: &[(&str, ReferenceTime)], seed: Seed) -> Self {
        let mut known: BTreeMap<(&str, i64), usize> = BTreeMap::new();
        for (event, start) in cases {
            known.insert((event, block(*start, config.block_min)), 0);
        }
        known.values_mut().enumerate().for_each(|(k, index)| *index = k);
        let block_of = cases
            .iter()
            .map(|(event, start)| known[&(*event, block(*start, config.block_min))])
            .collect();
        let blocks = known.len();
        let mut random = ChaCha8Rng::seed_from_u64(seed.derive("bootstrap").0);
        // One block, drawn again, is itself: it says nothing about other cases.
        let count = if blocks < 2 { 0 } else { config.resamples };
        let times = (0..count)
            .map(|_| {
                let mut times = vec![0.0; blocks];
                (0..blocks).for_each(|_| times[random.random_range(0..blocks)] += 1.0);
                times
            })
            .collect();
        Self {
            level: config.level,
            block_of,
            blocks,
            times,
        }
    }

    /// Number of blocks.
    pub fn blocks(&self) -> usize {
        self.blocks
    }

    /// The block of a case.
    pub fn block_of(&self, case: usize) -> usize {
        self.block_of[case]
    }

    /// How often each block is drawn, resample by resample.
    pub fn times(&self) -> &[Vec<f64>] {
        &self.times
    }

    /// The interval that holds the middle `level` of the values; NaN without any. Resamples without a score are left out.
    pub fn interval(&self, values: impl IntoIterator<Item = f64>) -> [f64; 2] {
        let mut sorted: Vec<f64> = values.into_iter().filter(|v| !v.is_nan()).collect();
        sorted.sort_by(f64::total_cmp);
        let tail = (1.0 - self.level) / 2.0;
        [tail, 1.0 - tail].map(|share| quantile(&sorted, share))
    }
}

fn block(start: ReferenceTime, block_min: u32) -> i64 {
    start.timestamp().div_euclid(60 * i64::from(block_min))
}

/// The quantile of ascending values, straight lines between them.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = share * last as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(last);
    sorted[below] + (place - below as f64) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, TimeZone, Utc};

    use super::*;

    fn start(minutes: i64) -> ReferenceTime {
        Utc.with_ymd_and_hms(2020, 1, 1, 0, 0, 0).unwrap() + TimeDelta::minutes(minutes)
    }

    #[test]
    fn starts_within_half_an_hour_of_one_event_are_drawn_together() {
        let cases = [("a", start(0)), ("a", start(25)), ("a", start(30)), ("b", start(0))];
        let resamples = Resamples::new(&BootstrapConfig::default(), &cases, Seed(1));
        assert_eq!(resamples.blocks(), 3);
        assert_eq!((0..4).map(|k| resamples.block_of(k)).collect::<Vec<_>>(), [0, 0, 1, 2]);
        assert!(resamples.times().iter().all(|times| times.iter().sum::<f64>() == 3.0));
    }

    #[test]
    fn one_block_gives_no_interval() {
        let resamples = Resamples::new(&BootstrapConfig::default(), &[("a", start(0)), ("a", start(5))], Seed(1));
        assert!(resamples.times().is_empty());
        assert!(resamples.interval([]).iter().all(|v| v.is_nan()));
    }

    #[test]
    fn the_interval_holds_the_middle_of_the_values() {
        let cases = [("a", start(0)), ("a", start(60))];
        let resamples = Resamples::new(&BootstrapConfig::default(), &cases, Seed(1));
        // 0, 1, …, 100: 5 % and 95 %.
        let [low, high] = resamples.interval((0..=100).rev().map(f64::from).chain([f64::NAN]));
        assert!((low - 5.0).abs() < 1e-9 && (high - 95.0).abs() < 1e-9);
    }

    #[test]
    fn the_mean_of_independent_blocks_has_the_interval_of_theory() {
        // 400 blocks of values -1 and 1: the mean has a standard error of 1/20, 1.645 of it on either side.
        let starts: Vec<ReferenceTime> = (0..400).map(|k| start(30 * k)).collect();
        let cases: Vec<(&str, ReferenceTime)> = starts.iter().map(|s| ("a", *s)).collect();
        let resamples = Resamples::new(&BootstrapConfig::default(), &cases, Seed(5));
        let mean = |times: &Vec<f64>| times.iter().enumerate().map(|(k, n)| n * [-1.0, 1.0][k % 2]).sum::<f64>() / 400.0;
        let [low, high] = resamples.interval(resamples.times().iter().map(mean));
        assert!((low + 0.082).abs() < 0.012 && (high - 0.082).abs() < 0.012, "{low} {high}");
    }
}
