//! From which probability on rain is said to come: read off from the validation events, for each lead time and threshold.

use std::collections::BTreeMap;

use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use crate::nowcast_net::J;

/// Classes of probability; they are narrow where it is small, for rare rain is never likely.
const CLASSES: usize = 400;
/// Observed rainy cells from which on a probability is read off.
const LEAST_OBSERVED: f64 = 200.0;

/// Probabilities from which on a threshold counts as reached, by lead time in minutes; none where too little of it was observed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Yes {
    /// Those that gave the highest CSI.
    pub csi_optimal: BTreeMap<u32, [Option<f32>; J]>,
    /// Those that gave as many rainy cells as were observed.
    pub unbiased: BTreeMap<u32, [Option<f32>; J]>,
}

/// Between the lead times of a table and beyond its ends the nearest, linear between two; never for a threshold that is nowhere known.
pub(crate) fn at(table: &BTreeMap<u32, [Option<f32>; J]>, lead_min: f32) -> [f32; J] {
    std::array::from_fn(|j| {
        let known: Vec<(f32, f32)> = table.iter().filter_map(|(lead, yes)| Some((*lead as f32, yes[j]?))).collect();
        let after = known.partition_point(|(lead, _)| *lead <= lead_min);
        match (after.checked_sub(1).map(|k| known[k]), known.get(after)) {
            (Some((t0, p0)), Some((t1, p1))) => p0 + (p1 - p0) * (lead_min - t0) / (t1 - t0),
            (Some((_, p)), None) | (None, Some(&(_, p))) => p,
            (None, None) => f32::INFINITY,
        }
    })
}

/// How often rain came with each probability, for one lead time and threshold.
#[derive(Debug, Clone)]
pub(crate) struct Counts {
    cells: Vec<f64>,
    rainy: Vec<f64>,
}

impl Counts {
    /// None yet.
    pub fn none() -> Self {
        Self {
            cells: vec![0.0; CLASSES],
            rainy: vec![0.0; CLASSES],
        }
    }

    /// Adds the cells `[y, x]` that both know.
    pub fn add(&mut self, probability: ArrayView2<'_, f32>, observed: ArrayView2<'_, f32>, threshold_mm_h: f64) {
        ndarray::Zip::from(probability).and(observed).for_each(|p, o| {
            if !p.is_nan() && !o.is_nan() {
                let class = ((p.max(0.0).sqrt() * CLASSES as f32) as usize).min(CLASSES - 1);
                self.cells[class] += 1.0;
                self.rainy[class] += f64::from(u8::from(f64::from(*o) >= threshold_mm_h));
            }
        });
    }

    /// The probabilities of highest CSI and of the observed number of cells.
    pub fn best(&self) -> Option<(f32, f32)> {
        let observed: f64 = self.rainy.iter().sum();
        if observed < LEAST_OBSERVED {
            return None;
        }
        let (mut said, mut hits) = (0.0, 0.0);
        let (mut csi, mut unbiased) = ((0, 0.0), None);
        for class in (1..CLASSES).rev() {
            said += self.cells[class];
            hits += self.rainy[class];
            let here = hits / (said + observed - hits);
            if here > csi.1 {
                csi = (class, here);
            }
            if unbiased.is_none() && said >= observed {
                unbiased = Some(class);
            }
        }
        let probability = |class: usize| (class as f32 / CLASSES as f32).powi(2);
        Some((probability(csi.0.max(1)), probability(unbiased.unwrap_or(1))))
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    #[test]
    fn the_thresholds_of_a_known_distribution_are_found() {
        // Of 100 x 100 cells a tenth has P = 0.6 and rains in 600 of 1000, a fifth has P = 0.2 and rains in 400 of 2000: saying yes to the first
        // gives 600 / (1000 + 400) = .43, to both 1000 / 3000 = .33; 1000 cells were rainy, as many as the first has.
        let probability = Array2::from_shape_fn((100, 100), |(y, _)| {
            if y < 10 {
                0.6
            } else if y < 30 {
                0.2
            } else {
                0.0
            }
        });
        let observed = Array2::from_shape_fn((100, 100), |(y, x)| {
            f32::from(u8::from((y < 10 && x < 60) || ((10..30).contains(&y) && x < 20)))
        });
        let mut counts = Counts::none();
        counts.add(probability.view(), observed.view(), 0.5);
        let (csi, unbiased) = counts.best().unwrap();
        assert!((0.2..=0.6).contains(&csi) && csi > 0.21, "{csi}");
        assert!((0.2..=0.6).contains(&unbiased) && unbiased > 0.21, "{unbiased}");
        assert!(Counts::none().best().is_none());
    }

    #[test]
    fn between_lead_times_it_is_linear_and_unknown_thresholds_never_say_yes() {
        let row = |p: f32| std::array::from_fn(|j| (j < 2).then_some(p));
        let table = BTreeMap::from([(15, row(0.5)), (30, row(0.4))]);
        assert!((at(&table, 20.0)[0] - 0.4667).abs() < 1e-3);
        assert_eq!(
            [at(&table, 5.0)[1], at(&table, 90.0)[1], at(&table, 20.0)[2]],
            [0.5, 0.4, f32::INFINITY]
        );
    }
}
