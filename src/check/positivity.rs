//! Rain is a finite number that is not negative, a probability lies between 0 and 1 and falls with the threshold.

use ndarray::{Array2, Array3, Axis};
use nowblend_field::{Exceedance, Notice, NoticeKind, Slice};

use super::{Check, CheckConfig, Evidence, Finding, Threshold, finding::Measure};

/// Counts values that cannot be: rain that is infinite, negative or beyond any record, and probabilities outside 0 to 1 or rising with
/// the threshold.
///
/// NaN is no value and breaks nothing. A slice without any value is not judged.
#[derive(Debug, Clone)]
pub struct Positivity {
    limits: Limits,
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    greatest_mm_h: f32,
    slack: f32,
}

impl Limits {
    fn of(config: &CheckConfig) -> Self {
        Self {
            greatest_mm_h: config.greatest_rain_mm_h as f32,
            slack: config.probability_slack as f32,
        }
    }
}

/// How many values break which law.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Broken {
    known: usize,
    infinite: usize,
    negative: usize,
    too_great: usize,
    outside: usize,
    rising: usize,
}

impl Broken {
    fn count(slice: &Slice, limits: Limits) -> Self {
        let mut broken = Self::default();
        for &rain in slice.rain.iter().flatten().filter(|r| !r.is_nan()) {
            broken.known += 1;
            if rain.is_infinite() {
                broken.infinite += 1;
            } else if rain < 0.0 {
                broken.negative += 1;
            } else if rain > limits.greatest_mm_h {
                broken.too_great += 1;
            }
        }
        if let Some(exceedance) = &slice.exceedance {
            let mut lower = None;
            for plane in exceedance.probability.outer_iter() {
                for &p in plane.iter().filter(|p| !p.is_nan()) {
                    broken.known += 1;
                    broken.outside += usize::from(p < -limits.slack || p > 1.0 + limits.slack);
                }
                if let Some(lower) = lower.replace(plane) {
                    broken.rising += plane.iter().zip(lower.iter()).filter(|(p, q)| **p > **q + limits.slack).count();
                }
            }
        }
        broken
    }

    fn all(&self) -> usize {
        self.infinite + self.negative + self.too_great + self.outside + self.rising
    }

    fn in_words(&self) -> String {
        let parts = [
            (self.infinite, "infinite rain"),
            (self.negative, "negative rain"),
            (self.too_great, "rain beyond any record"),
            (self.outside, "probabilities outside 0 to 1"),
            (self.rising, "probabilities that rise with the threshold"),
        ];
        let found: Vec<String> = parts
            .iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, what)| format!("{n} values of {what}"))
            .collect();
        if found.is_empty() {
            format!("all {} values are possible", self.known)
        } else {
            found.join(", ")
        }
    }
}

impl Positivity {
    /// Under the configuration's limits.
    pub fn new(config: &CheckConfig) -> Self {
        Self {
            limits: Limits::of(config),
        }
    }
}

impl Check for Positivity {
    fn name(&self) -> &str {
        "positivity"
    }

    fn check(&self, slice: &Slice, evidence: &Evidence<'_>) -> Finding {
        let measure = Measure {
            check: self.name(),
            unit: "values",
            threshold: Threshold::at_most(0.0),
            source: "definition of rain and probability; greatest rain of one minute on record (WMO, 1872 mm/h, Unionville 1956)",
        };
        let broken = Broken::count(slice, self.limits);
        if broken.known == 0 {
            return measure.not_applicable(slice.lead_time, evidence, "no cell of the slice has a value");
        }
        measure.hard(slice.lead_time, evidence, broken.all() as f64, broken.in_words())
    }
}

/// A slice in which nothing breaks a law.
#[derive(Debug, Clone)]
pub struct Corrected {
    /// The slice.
    pub slice: Slice,
    /// Cells `[y, x]` whose rain or probability was mended; `None` where nothing was.
    pub limited: Option<Array2<bool>>,
    /// What was mended.
    pub notices: Vec<Notice>,
}

/// Mends what breaks a law without doubt, and says so; a sound slice comes back unchanged and without a notice.
///
/// Negative rain becomes none, infinite rain unknown, rain beyond any record the record; probabilities are limited to 0 to 1 and, in
/// cells where they rise with the threshold, put in falling order.
///
/// # Source
///
/// Order: Chernozhukov, V., I. Fernández-Val and A. Galichon, 2010: Quantile and probability curves without crossing. Econometrica, 78,
/// 1093-1125, doi:10.3982/ECTA7880 (rearrangement never moves a curve away from the truth).
pub fn correct(config: &CheckConfig, component: &str, slice: Slice) -> Corrected {
    let limits = Limits::of(config);
    let broken = Broken::count(&slice, limits);
    if broken.all() == 0 {
        return Corrected {
            slice,
            limited: None,
            notices: Vec::new(),
        };
    }
    let before = slice.clone();
    let mut slice = slice;
    if let Some(rain) = &mut slice.rain {
        rain.mapv_inplace(|r| {
            if r.is_infinite() {
                f32::NAN
            } else {
                limit(r, 0.0, limits.greatest_mm_h)
            }
        });
    }
    if let Some(exceedance) = &mut slice.exceedance {
        exceedance.probability.mapv_inplace(|p| limit(p, 0.0, 1.0));
        put_in_order(exceedance);
    }
    let message = format!("{}: {}", slice.lead_time, broken.in_words());
    Corrected {
        limited: Some(changed(&before, &slice)),
        slice,
        notices: vec![Notice::new(NoticeKind::Limited, component, message)],
    }
}

/// Cells `[y, x]` in which two slices of one shape differ.
fn changed(before: &Slice, after: &Slice) -> Array2<bool> {
    fn fields(slice: &Slice) -> [Option<&Array3<f32>>; 2] {
        [slice.rain.as_ref(), slice.exceedance.as_ref().map(|e| &e.probability)]
    }
    let pairs = fields(before).into_iter().zip(fields(after)).filter_map(|(b, a)| b.zip(a));
    let pairs: Vec<(&Array3<f32>, &Array3<f32>)> = pairs.collect();
    let planes = pairs.first().map_or((0, 0), |(b, _)| (b.dim().1, b.dim().2));
    let mut limited = Array2::from_elem(planes, false);
    for (before, after) in pairs {
        for (before, after) in before.outer_iter().zip(after.outer_iter()) {
            for ((cell, b), a) in limited.iter_mut().zip(before).zip(after) {
                *cell |= b.to_bits() != a.to_bits() && !(b.is_nan() && a.is_nan());
            }
        }
    }
    limited
}

/// As `clamp`, which keeps NaN.
fn limit(value: f32, least: f32, most: f32) -> f32 {
    value.clamp(least, most)
}

fn put_in_order(exceedance: &mut Exceedance) {
    let mut known = Vec::new();
    for mut column in exceedance.probability.lanes_mut(Axis(0)) {
        known.clear();
        known.extend(column.iter().copied().filter(|p| !p.is_nan()));
        if known.is_sorted_by(|a, b| a >= b) {
            continue;
        }
        known.sort_by(|a, b| b.total_cmp(a));
        let mut sorted = known.iter();
        for p in column.iter_mut().filter(|p| !p.is_nan()) {
            if let Some(next) = sorted.next() {
                *p = *next;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ndarray::array;
    use nowblend_field::LeadTime;

    use super::*;
    use crate::check::{Verdict, scenes};

    fn verdict(slice: &Slice) -> (Verdict, f64) {
        let analysis = scenes::analysis(&scenes::storms(0));
        let finding = scenes::first(&Positivity::new(&CheckConfig::default()), &analysis, slice);
        (finding.verdict, finding.trust)
    }

    fn rain(cells: Array2<f32>) -> Slice {
        Slice::of_rain(LeadTime::from_minutes(5), cells)
    }

    fn probabilities(falling: [f32; 3]) -> Slice {
        let thresholds_mm_h: Arc<[f64]> = [0.1, 1.0, 5.0].into();
        let probability = Array3::from_shape_fn((3, 2, 2), |(k, _, _)| falling[k]);
        Slice {
            rain: None,
            exceedance: Some(Exceedance {
                thresholds_mm_h,
                probability,
            }),
            ..rain(Array2::zeros((2, 2)))
        }
    }

    #[test]
    fn possible_values_pass_and_one_impossible_value_fails() {
        assert_eq!(verdict(&rain(array![[0.0, f32::NAN], [1872.0, 3.0]])), (Verdict::Pass, 1.0));
        for bad in [-0.1, f32::INFINITY, f32::NEG_INFINITY, 1e9] {
            assert_eq!(verdict(&rain(array![[0.0, bad]])), (Verdict::Fail, 0.0), "{bad}");
        }
        assert_eq!(verdict(&probabilities([0.9, 0.9, 0.1])).0, Verdict::Pass);
        assert_eq!(verdict(&probabilities([0.5, 0.9, 0.1])).0, Verdict::Fail);
        assert_eq!(verdict(&probabilities([1.2, 0.9, 0.1])).0, Verdict::Fail);
    }

    #[test]
    fn a_slice_without_a_value_is_not_judged() {
        assert!(matches!(
            verdict(&rain(Array2::from_elem((2, 2), f32::NAN))).0,
            Verdict::NotApplicable { .. }
        ));
        assert!(matches!(verdict(&probabilities([f32::NAN; 3])).0, Verdict::NotApplicable { .. }));
        let nothing = Slice {
            rain: None,
            ..rain(Array2::zeros((2, 2)))
        };
        assert!(matches!(verdict(&nothing).0, Verdict::NotApplicable { .. }));
    }

    #[test]
    fn what_is_mended_is_possible_told_and_nothing_else_is_touched() {
        let mut broken = probabilities([0.5, 0.9, 1.5]);
        broken.rain = Some(array![[[-1.0, 2.0], [f32::INFINITY, f32::NAN]]]);
        let config = CheckConfig::default();
        let Corrected {
            slice: mended,
            limited,
            notices,
        } = correct(&config, "blend", broken);
        // The probability of 1.5 stands in every cell.
        assert!(limited.unwrap().iter().all(|l| *l));
        assert_eq!(Broken::count(&mended, Limits::of(&config)).all(), 0);
        let rain = mended.rain.unwrap();
        assert_eq!((rain[[0, 0, 0]], rain[[0, 0, 1]]), (0.0, 2.0));
        assert!(rain[[0, 1, 0]].is_nan() && rain[[0, 1, 1]].is_nan());
        let p = mended.exceedance.unwrap().probability;
        assert_eq!((p[[0, 0, 0]], p[[1, 0, 0]], p[[2, 0, 0]]), (1.0, 0.9, 0.5));
        assert_eq!(notices.len(), 1);
        assert!(notices[0].message.contains("1 values of negative rain"), "{}", notices[0].message);

        let sound = correct(&config, "blend", probabilities([0.9, 0.9, 0.1]));
        assert!(sound.notices.is_empty() && sound.limited.is_none());
    }
}
