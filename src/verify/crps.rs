//! How far the members lie from the rain, less how far they lie from each other.

use std::sync::Arc;

use super::{
    Forecast, Label, Metric, Observed, Terms,
    members::{Cell, sum_over_cells},
};

/// Which continuous ranked probability score of members x₁ … x_M against observed rain o, mm h⁻¹; 0 is perfect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// Mean over members of |x - o| less the sum over pairs of |xᵢ - xⱼ| / 2M²: of the members as they are. Of one member it is the mean
    /// absolute error.
    Plain,
    /// The same with M(M - 1) for M²: what the score of infinitely many such members is expected to be, so that ensembles of different
    /// size can be compared. NaN for one member.
    Fair,
}

/// Continuous ranked probability score of members, mm h⁻¹, of all rain or of that above a threshold t.
///
/// Σᵢ|xᵢ - o| / M - Σᵢⱼ|xᵢ - xⱼ| / 2M²; above a threshold, with max(x, t) and max(o, t) for x and o, which weighs levels of rain from
/// t upwards by 1 and those below by 0. A missing cell of a member is dry. Each cell of each case is scored with the members that it
/// has, so that cases may differ in their number of members; [`Kernel::Fair`] is over the cases with two or more. NaN when there is
/// none.
///
/// # Source
///
/// Gneiting, T. and A. E. Raftery, 2007: Strictly proper scoring rules, prediction, and estimation. J. Amer. Stat. Assoc., 102,
/// 359-378, doi:10.1198/016214506000001437, for the form with pairs. Ferro, C. A. T., 2014: Fair scores for ensemble forecasts. Quart. J.
/// Roy. Meteor. Soc., 140, 1917-1923, doi:10.1002/qj.2270. Gneiting, T. and R. Ranjan, 2011: Comparing density forecasts using threshold-
/// and quantile-weighted scoring rules. J. Bus. Econ. Stat., 29, 411-422, doi:10.1198/jbes.2010.08110, for the weight; Allen, S., D.
/// Ginsbourger and J. Ziegel, 2023: Evaluating forecasts for high-impact events using transformed kernel scores. SIAM/ASA J. Uncertain.
/// Quantif., 11, 906-940, doi:10.1137/22M1532184, for max(x, t) in the form with pairs.
#[derive(Debug, Clone, PartialEq)]
pub struct Crps {
    kernel: Kernel,
    weight_thresholds_mm_h: Arc<[f64]>,
    weight: Option<usize>,
}

impl Crps {
    /// The score of all rain, from a pass over the members that serves the `weight_thresholds_mm_h`, too.
    pub fn new(kernel: Kernel, weight_thresholds_mm_h: &[f64]) -> Self {
        Self {
            kernel,
            weight_thresholds_mm_h: weight_thresholds_mm_h.into(),
            weight: None,
        }
    }

    /// The score of rain above one of the thresholds, by its number.
    pub fn above(kernel: Kernel, weight_thresholds_mm_h: &[f64], threshold: usize) -> Self {
        Self {
            weight: Some(threshold),
            ..Self::new(kernel, weight_thresholds_mm_h)
        }
    }
}

impl Metric for Crps {
    fn label(&self) -> Label {
        let name = |plain: &str| match self.kernel {
            Kernel::Plain => plain.to_owned(),
            Kernel::Fair => format!("{plain}_fair"),
        };
        match self.weight {
            None => Label::new(name("crps")),
            Some(k) => Label::at(name("crps_weighted"), self.weight_thresholds_mm_h[k]),
        }
    }

    fn sums(&self) -> String {
        "members_crps".to_owned()
    }

    /// Cells, cells with two or more members, then the sums over cells of the plain and the fair score, of all rain and of that above
    /// each threshold.
    fn terms(&self, forecast: &Forecast<'_>, observed: &Observed) -> Terms {
        let count = 2 + 2 * (1 + self.weight_thresholds_mm_h.len());
        let several = forecast.member_count() > 1;
        let add = |sums: &mut [f64], cell: Cell<'_>| {
            cell.members.sort_unstable_by(f32::total_cmp);
            sums[0] += 1.0;
            sums[1] += f64::from(several);
            let from = std::iter::once(f64::NEG_INFINITY).chain(self.weight_thresholds_mm_h.iter().copied());
            for (pair, from) in sums[2..].chunks_exact_mut(2).zip(from) {
                let [plain, fair] = scores(cell.members, cell.observed, from);
                pair[0] += plain;
                pair[1] += fair;
            }
        };
        sum_over_cells(forecast, observed, count, add).map_or_else(Terms::default, Terms::new)
    }

    fn score(&self, terms: &Terms) -> f64 {
        let [cells, several, sums @ ..] = terms.sums() else {
            return f64::NAN;
        };
        let place = 2 * self.weight.map_or(0, |k| k + 1);
        let (sum, cells) = match self.kernel {
            Kernel::Plain => (sums.get(place), *cells),
            Kernel::Fair => (sums.get(place + 1), *several),
        };
        sum.filter(|_| cells > 0.0).map_or(f64::NAN, |sum| sum / cells)
    }
}

/// Plain and fair score of members in ascending order, of rain above `from`; the fair one of a single member is 0.
fn scores(members: &[f32], observed: f32, from: f64) -> [f64; 2] {
    let count = members.len() as f64;
    let observed = f64::from(observed).max(from);
    let (mut distance, mut apart) = (0.0, 0.0);
    // Of members in order, Σ over pairs of |xᵢ - xⱼ| / 2 is Σ (2i - M - 1) xᵢ with i from 1.
    let mut weight = 1.0 - count;
    for member in members {
        let member = f64::from(*member).max(from);
        distance += (member - observed).abs();
        apart += weight * member;
        weight += 2.0;
    }
    let distance = distance / count;
    if count < 2.0 {
        return [distance, 0.0];
    }
    [distance - apart / (count * count), distance - apart / (count * (count - 1.0))]
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::{
        super::members::tests::{ensemble, observed},
        *,
    };

    fn all(members: ndarray::Array3<f32>, truth: &ndarray::Array2<f32>) -> ([f64; 4], Terms) {
        let slice = ensemble(members.view());
        let metrics = [
            Crps::new(Kernel::Plain, &[2.0]),
            Crps::new(Kernel::Fair, &[2.0]),
            Crps::above(Kernel::Plain, &[2.0], 0),
            Crps::above(Kernel::Fair, &[2.0], 0),
        ];
        let terms = metrics[0].terms(&Forecast::of(&slice), &observed(truth));
        (metrics.map(|metric| metric.score(&terms)), terms)
    }

    #[test]
    fn members_pay_for_their_distance_from_the_rain_and_are_paid_for_that_from_each_other() {
        // Members 4, 1, 1 and rain 2: |x - o| 2 1 1, mean 4/3; pairs apart 3 3 0, sum over all ordered pairs 12, halved 6:
        // 4/3 - 6/9 = 2/3, fair 4/3 - 6/6 = 1/3. Above 2: members 4 2 2, distances 2 0 0, pairs 2 2 0, halved 4: 2/3 - 4/9 and 2/3 - 4/6.
        let (scores, _) = all(array![[[4.0]], [[1.0]], [[1.0]]], &array![[2.0]]);
        for (score, expected) in scores.iter().zip([2.0 / 3.0, 1.0 / 3.0, 2.0 / 9.0, 0.0]) {
            assert!((score - expected).abs() < 1e-12, "{scores:?}");
        }
    }

    #[test]
    fn a_missing_member_is_dry_and_an_unobserved_cell_does_not_count() {
        let (with_gap, _) = all(array![[[4.0, 9.0]], [[f32::NAN, 9.0]]], &array![[2.0, f32::NAN]]);
        let (dry, _) = all(array![[[4.0]], [[0.0]]], &array![[2.0]]);
        assert_eq!(with_gap, dry);
        // Distances 2 and 2, apart 4: 2 - 4/4 and 2 - 4/2.
        assert_eq!(dry[..2], [1.0, 0.0]);
    }

    #[test]
    fn rain_below_the_weights_threshold_is_not_judged() {
        let (scores, _) = all(array![[[0.5]], [[1.9]]], &array![[0.0]]);
        assert!(scores[0] > 0.0 && scores[2] == 0.0 && scores[3] == 0.0, "{scores:?}");
    }

    #[test]
    fn cases_of_different_numbers_of_members_add_cell_by_cell() {
        let (_, two) = all(array![[[4.0]], [[0.0]]], &array![[2.0]]);
        let (alone, one) = all(array![[[5.0]]], &array![[2.0]]);
        assert_eq!(alone[0], 3.0);
        assert!(alone[1].is_nan() && alone[3].is_nan());
        let mut sum = two.clone();
        sum += &one;
        // Plain over both cells, (1 + 3) / 2; fair over the one with two members.
        assert_eq!(Crps::new(Kernel::Plain, &[2.0]).score(&sum), 2.0);
        assert_eq!(Crps::new(Kernel::Fair, &[2.0]).score(&sum), 0.0);
    }
}
