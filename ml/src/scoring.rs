//! How training judges a network: its probabilities on events that it does not see, held against what was observed.

use std::collections::BTreeMap;

use ndarray::{ArrayView2, Axis};
use nowblend_field::{Analysis, LeadTime, Seed};

use crate::{
    Error,
    dataset::Event,
    learner::Learner,
    loss::BRIER_WEIGHT,
    nowcast_net::{J, THRESHOLDS_MM_H},
    scene::{coarse, factor, step_min},
    yes::{Counts, Yes},
};

/// Lead times at which the validation events are scored, minutes.
const SCORED_MIN: [u32; 6] = [5, 15, 30, 45, 60, 90];

/// A start of a validation event, and what was observed after it on the network's grid.
pub(crate) struct Case {
    analysis: Analysis,
    observed: Vec<(LeadTime, ndarray::Array2<f32>)>,
}

/// Evenly spread starts of each event, with the frames at the scored lead times that the event's step gives within a minute.
pub(crate) fn cases(events: &[Event], starts: usize) -> Result<Vec<Case>, Error> {
    let mut cases = Vec::new();
    for event in events {
        let factor = factor(event.observed.grid());
        let frames = coarse(&event.observed, factor)?;
        let count = frames.frames();
        let step_min = step_min(&frames);
        let longest = (60.0 / step_min).ceil() as usize;
        if count < 5 + longest {
            continue;
        }
        for k in 0..starts {
            let start = 3 + k * (count - 4 - longest) / starts.max(1);
            let observed = SCORED_MIN
                .iter()
                .filter_map(|minutes| {
                    let ahead = (f64::from(*minutes) / step_min).round() as usize;
                    let near = (ahead as f64 * step_min - f64::from(*minutes)).abs() <= 1.01;
                    let lead_time = LeadTime::from_seconds((ahead as f64 * step_min * 60.0).round() as u32);
                    (ahead > 0 && near && start + ahead < count).then(|| (lead_time, frames.frame(start + ahead).to_owned()))
                })
                .collect();
            let known = frames.until(frames.times()[start])?;
            cases.push(Case {
                analysis: Analysis::new(known.newest(4)),
                observed,
            });
        }
    }
    Ok(cases)
}

/// Threshold CRPS by scored lead time, mm h⁻¹: mean over cases of Σⱼ wⱼ mean (Pⱼ - Oⱼ)² over cells with both; and, where the network gives
/// probabilities, from which one on it should say yes. A forecast of rain alone is sure of it.
pub(crate) fn score<L: Learner>(net: L, cases: &[Case]) -> Result<(BTreeMap<u32, f64>, Option<Yes>), Error> {
    let forecaster = net.forecaster();
    let mut sums: BTreeMap<u32, (f64, f64)> = BTreeMap::new();
    let mut counts: BTreeMap<u32, Vec<Counts>> = BTreeMap::new();
    for case in cases {
        let lead_times: Vec<LeadTime> = case.observed.iter().map(|(l, _)| *l).collect();
        let mut run = forecaster.start(&case.analysis, &lead_times, Seed(0))?;
        for (lead_time, observed) in &case.observed {
            let Some(slice) = run.next()? else { break };
            let nearest = SCORED_MIN
                .into_iter()
                .min_by_key(|m| (m * 60).abs_diff(lead_time.seconds()))
                .unwrap_or(0);
            let mut total = 0.0;
            for (j, (threshold, weight)) in THRESHOLDS_MM_H.into_iter().zip(BRIER_WEIGHT).enumerate() {
                let p = match &slice.exceedance {
                    Some(exceedance) => Some(exceedance.probability.index_axis(Axis(0), j).to_owned()),
                    None => slice.first_member().map(|rain| rain.mapv(|r| sure(r, threshold))),
                };
                let Some(p) = p else { continue };
                total += f64::from(weight) * brier(p.view(), observed.view(), threshold);
                if slice.exceedance.is_some() {
                    let of_lead = counts.entry(nearest).or_insert_with(|| vec![Counts::none(); J]);
                    of_lead[j].add(p.view(), observed.view(), threshold);
                }
            }
            let entry = sums.entry(nearest).or_default();
            *entry = (entry.0 + total, entry.1 + 1.0);
        }
    }
    let mut yes = Yes::default();
    for (lead_min, counts) in &counts {
        let best: Vec<Option<(f32, f32)>> = counts.iter().map(Counts::best).collect();
        yes.csi_optimal
            .insert(*lead_min, std::array::from_fn(|j| best[j].map(|(csi, _)| csi)));
        yes.unbiased
            .insert(*lead_min, std::array::from_fn(|j| best[j].map(|(_, area)| area)));
    }
    let means = sums.into_iter().map(|(lead, (sum, count))| (lead, sum / count)).collect();
    Ok((means, (!counts.is_empty()).then_some(yes)))
}

/// Probability of rain at or above a threshold where the rain is known; NaN where it is not.
fn sure(rain: f32, threshold_mm_h: f64) -> f32 {
    if rain.is_nan() {
        f32::NAN
    } else {
        f32::from(f64::from(rain) >= threshold_mm_h)
    }
}

fn brier(probability: ArrayView2<'_, f32>, observed: ArrayView2<'_, f32>, threshold: f64) -> f64 {
    let (mut sum, mut count) = (0.0, 0usize);
    ndarray::Zip::from(probability).and(observed).for_each(|p, o| {
        if !o.is_nan() && !p.is_nan() {
            sum += (f64::from(*p) - f64::from(f64::from(*o) >= threshold)).powi(2);
            count += 1;
        }
    });
    if count > 0 { sum / count as f64 } else { 0.0 }
}
