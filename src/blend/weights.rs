//! How much each component counts at a lead time: curves that a forecaster can read, draw and change.

use nowblend_field::LeadTime;
use serde::{Deserialize, Serialize};

use super::Error;

/// Weight of one component over lead time, at least 0; the blend normalises the weights of all components.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "shape", rename_all = "snake_case", deny_unknown_fields)]
pub enum WeightCurve {
    /// The same at every lead time.
    Constant {
        /// The weight.
        weight: f64,
    },
    /// A straight line between two lead times, level outside them.
    Linear {
        /// Where the line starts, minutes.
        start_min: f64,
        /// Where it ends, minutes.
        end_min: f64,
        /// Weight up to the start.
        from: f64,
        /// Weight from the end on.
        to: f64,
    },
    /// A smooth change, from + (to - from) / (1 + exp(-(t - middle)/width)).
    Sigmoid {
        /// Lead time at which half the change is done, minutes.
        middle_min: f64,
        /// Width of the change, minutes: between -2 and +2 widths it goes from 12 to 88 %.
        width_min: f64,
        /// Weight long before the middle.
        from: f64,
        /// Weight long after.
        to: f64,
    },
    /// Weights at given lead times, straight lines between, level outside.
    Table {
        /// Lead times, minutes, increasing.
        lead_min: Vec<f64>,
        /// Weight at each of them.
        weight: Vec<f64>,
    },
}

impl WeightCurve {
    /// Weight at a lead time, not yet normalised.
    pub fn at(&self, lead_time: LeadTime) -> f64 {
        let minutes = lead_time.minutes();
        match self {
            Self::Constant { weight } => *weight,
            Self::Linear {
                start_min,
                end_min,
                from,
                to,
            } => from + (to - from) * ((minutes - start_min) / (end_min - start_min)).clamp(0.0, 1.0),
            Self::Sigmoid {
                middle_min,
                width_min,
                from,
                to,
            } => from + (to - from) / (1.0 + (-(minutes - middle_min) / width_min).exp()),
            Self::Table { lead_min, weight } => {
                let after = lead_min.partition_point(|m| *m <= minutes);
                match (after.checked_sub(1), lead_min.get(after)) {
                    (None, _) => weight[0],
                    (Some(before), None) => weight[before],
                    (Some(before), Some(next)) => {
                        let part = (minutes - lead_min[before]) / (next - lead_min[before]);
                        weight[before] + part * (weight[after] - weight[before])
                    }
                }
            }
        }
    }

    fn check(&self, component: &str) -> Result<(), Error> {
        let refuse = |reason: String| {
            Err(Error::Curve {
                component: component.to_owned(),
                reason,
            })
        };
        let weights: Vec<f64> = match self {
            Self::Constant { weight } => vec![*weight],
            Self::Linear {
                start_min,
                end_min,
                from,
                to,
            } => {
                if end_min.partial_cmp(start_min) != Some(std::cmp::Ordering::Greater) {
                    return refuse(format!("`end_min` is {end_min}, expected more than `start_min`, {start_min}"));
                }
                vec![*from, *to]
            }
            Self::Sigmoid {
                width_min,
                from,
                to,
                middle_min,
            } => {
                if !(*width_min > 0.0 && middle_min.is_finite()) {
                    return refuse(format!("`width_min` is {width_min}, expected more than 0, and `middle_min` finite"));
                }
                vec![*from, *to]
            }
            Self::Table { lead_min, weight } => {
                if lead_min.is_empty() || lead_min.len() != weight.len() {
                    return refuse(format!(
                        "`lead_min` has {} entries and `weight` {}, expected as many, at least one",
                        lead_min.len(),
                        weight.len()
                    ));
                }
                if lead_min
                    .windows(2)
                    .any(|pair| pair[1].partial_cmp(&pair[0]) != Some(std::cmp::Ordering::Greater))
                {
                    return refuse(format!("`lead_min` is {lead_min:?}, expected increasing"));
                }
                weight.clone()
            }
        };
        match weights.iter().find(|w| !(w.is_finite() && **w >= 0.0)) {
            Some(bad) => refuse(format!("a weight is {bad}, expected at least 0 and finite")),
            None => Ok(()),
        }
    }
}

/// Hands the forecast over to one component alone: its share rises in a straight line to 1 between two lead times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandOver {
    /// Name of the component that has the forecast to itself in the end.
    pub to: String,
    /// When the hand-over begins, minutes.
    pub start_min: f64,
    /// When it is complete, minutes.
    pub end_min: f64,
}

/// What one component counts at one lead time, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Weight {
    /// In the rain.
    pub rain: f64,
    /// In the exceedance probabilities.
    pub probability: f64,
}

/// The weights of all components over lead time.
#[derive(Debug, Clone)]
pub struct Weights {
    rain: Vec<WeightCurve>,
    probability: Vec<WeightCurve>,
    hand_over: Option<(usize, f64, f64)>,
}

impl Weights {
    /// Curves of rain and of probabilities in the order of `names`, with a hand-over of both at the end if wanted.
    ///
    /// # Errors
    ///
    /// [`Error::Curve`] for a curve without meaning, [`Error::WeightCount`] where curves and names do not pair up,
    /// [`Error::UnknownComponent`] where the hand-over goes to nobody.
    pub fn new(names: &[&str], rain: Vec<WeightCurve>, probability: Vec<WeightCurve>, hand_over: Option<&HandOver>) -> Result<Self, Error> {
        for curves in [&rain, &probability] {
            if curves.len() != names.len() {
                return Err(Error::WeightCount {
                    curves: curves.len(),
                    components: names.len(),
                });
            }
            for (name, curve) in names.iter().zip(curves) {
                curve.check(name)?;
            }
        }
        let hand_over = match hand_over {
            None => None,
            Some(HandOver { to, start_min, end_min }) => {
                let index = names.iter().position(|name| name == to).ok_or_else(|| Error::UnknownComponent {
                    name: to.clone(),
                    known: names.join(", "),
                })?;
                if end_min.partial_cmp(start_min) != Some(std::cmp::Ordering::Greater) {
                    let reason = format!("hand-over ends at {end_min} min, expected after its start, {start_min} min");
                    return Err(Error::Curve {
                        component: to.clone(),
                        reason,
                    });
                }
                Some((index, *start_min, *end_min))
            }
        };
        Ok(Self {
            rain,
            probability,
            hand_over,
        })
    }

    /// The same weight for each of `count` components.
    pub fn equal(count: usize) -> Self {
        let curves = vec![WeightCurve::Constant { weight: 1.0 }; count];
        Self {
            rain: curves.clone(),
            probability: curves,
            hand_over: None,
        }
    }

    /// Number of components.
    pub fn count(&self) -> usize {
        self.rain.len()
    }

    /// Weights at a lead time over the components that are `present`; those of rain and those of probabilities add up to 1 each. If all that are
    /// present have weight 0, they share equally; without any present component all are 0.
    pub fn at(&self, lead_time: LeadTime, present: &[bool]) -> Vec<Weight> {
        let [rain, probability] = [&self.rain, &self.probability].map(|curves| self.shares(curves, lead_time, present));
        rain.into_iter()
            .zip(probability)
            .map(|(rain, probability)| Weight { rain, probability })
            .collect()
    }

    fn shares(&self, curves: &[WeightCurve], lead_time: LeadTime, present: &[bool]) -> Vec<f64> {
        let share = |weights: &mut [f64]| {
            for (weight, present) in weights.iter_mut().zip(present) {
                if !present {
                    *weight = 0.0;
                }
            }
            if weights.iter().sum::<f64>() <= 0.0 {
                for (weight, present) in weights.iter_mut().zip(present) {
                    *weight = f64::from(*present);
                }
            }
            let sum: f64 = weights.iter().sum();
            if sum > 0.0 {
                weights.iter_mut().for_each(|w| *w /= sum);
            }
        };
        let mut weights: Vec<f64> = curves.iter().map(|c| c.at(lead_time)).collect();
        share(&mut weights);
        if let Some((heir, start_min, end_min)) = self.hand_over {
            let part = ((lead_time.minutes() - start_min) / (end_min - start_min)).clamp(0.0, 1.0);
            weights.iter_mut().for_each(|w| *w *= 1.0 - part);
            weights[heir] += part;
            share(&mut weights);
        }
        weights
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(curve: &WeightCurve, minutes: u32) -> f64 {
        curve.at(LeadTime::from_minutes(minutes))
    }

    fn rain(weights: &[Weight]) -> Vec<f64> {
        weights.iter().map(|w| w.rain).collect()
    }

    #[test]
    fn curves_pass_through_their_points() {
        let linear = WeightCurve::Linear {
            start_min: 30.0,
            end_min: 90.0,
            from: 0.2,
            to: 0.8,
        };
        assert_eq!([at(&linear, 10), at(&linear, 60), at(&linear, 120)], [0.2, 0.5, 0.8]);
        let sigmoid = WeightCurve::Sigmoid {
            middle_min: 60.0,
            width_min: 10.0,
            from: 1.0,
            to: 0.0,
        };
        // 1 - 1/(1 + e^-2) = 0.119203 two widths after the middle.
        assert!((at(&sigmoid, 60) - 0.5).abs() < 1e-12 && (at(&sigmoid, 80) - 0.119_203).abs() < 1e-6);
        let table = WeightCurve::Table {
            lead_min: vec![5.0, 15.0, 60.0],
            weight: vec![1.0, 0.5, 0.2],
        };
        assert_eq!(
            [at(&table, 1), at(&table, 10), at(&table, 15), at(&table, 200)],
            [1.0, 0.75, 0.5, 0.2]
        );
    }

    #[test]
    fn a_missing_component_leaves_its_weight_to_the_rest_in_proportion() {
        let curves = [0.2, 0.3, 0.5].map(|weight| WeightCurve::Constant { weight }).to_vec();
        let sure = [0.0, 0.0, 1.0].map(|weight| WeightCurve::Constant { weight }).to_vec();
        let weights = Weights::new(&["a", "b", "c"], curves, sure, None).unwrap();
        let at = |present: &[bool]| weights.at(LeadTime::from_minutes(5), present);
        let rest = rain(&at(&[true, true, false]));
        assert!((rest[0] - 0.4).abs() < 1e-12 && (rest[1] - 0.6).abs() < 1e-12 && rest[2] == 0.0);
        assert_eq!(rain(&at(&[false; 3])), [0.0; 3]);
        // Probabilities have weights of their own; of those that are left, which have none, each gets as much.
        let probability = |present: &[bool]| at(present).iter().map(|w| w.probability).collect::<Vec<f64>>();
        assert_eq!(probability(&[true; 3]), [0.0, 0.0, 1.0]);
        assert_eq!(probability(&[true, true, false]), [0.5, 0.5, 0.0]);
    }

    #[test]
    fn after_the_hand_over_one_component_has_it_all_unless_it_is_missing() {
        let hand_over = HandOver {
            to: "b".into(),
            start_min: 60.0,
            end_min: 120.0,
        };
        let curves = vec![WeightCurve::Constant { weight: 1.0 }, WeightCurve::Constant { weight: 0.0 }];
        let weights = Weights::new(&["a", "b"], curves.clone(), curves, Some(&hand_over)).unwrap();
        let at = |minutes, present: &[bool]| {
            let weights = weights.at(LeadTime::from_minutes(minutes), present);
            assert!(weights.iter().all(|w| w.rain == w.probability));
            rain(&weights)
        };
        assert_eq!(at(60, &[true, true]), [1.0, 0.0]);
        assert_eq!(at(90, &[true, true]), [0.5, 0.5]);
        assert_eq!(at(180, &[true, true]), [0.0, 1.0]);
        assert_eq!(at(180, &[true, false]), [1.0, 0.0]);
    }

    #[test]
    fn senseless_curves_are_refused_by_name() {
        let refuse = |curve| {
            Weights::new(&["physics"], vec![WeightCurve::Constant { weight: 1.0 }], vec![curve], None)
                .unwrap_err()
                .to_string()
        };
        assert!(refuse(WeightCurve::Constant { weight: -1.0 }).contains("`physics`: a weight is -1"));
        assert!(
            refuse(WeightCurve::Table {
                lead_min: vec![5.0, 5.0],
                weight: vec![1.0, 1.0]
            })
            .contains("expected increasing")
        );
        assert!(
            refuse(WeightCurve::Linear {
                start_min: 9.0,
                end_min: f64::NAN,
                from: 0.0,
                to: 1.0
            })
            .contains("`end_min`")
        );
    }
}
