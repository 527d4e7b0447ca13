//! Are events told from non-events, whatever the probability from which one acts?

use super::{
    Forecast, Label, Metric, Observed, Terms,
    probability_bins::{self, BINS, filled},
};

/// Area under the relative operating characteristic: the share of events forecast with at least p, drawn over that of non-events, for
/// every p; straight lines between. 1 is perfect, 0.5 is chance.
///
/// The levels p are those of the bins of probability: all there are for up to 59 members, steps of 1/60 else; two for a forecast without
/// doubt, which therefore has less area than one that knows more. NaN when the event was observed always or never.
///
/// # Source
///
/// Mason, S. J. and N. E. Graham, 2002: Areas beneath the relative operating characteristics (ROC) and relative operating levels (ROL)
/// curves: statistical significance and interpretation. Quart. J. Roy. Meteor. Soc., 128, 2145-2166, doi:10.1256/003590002320603584.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RocArea {
    /// Rain at or above this is the event, mm h⁻¹.
    pub threshold_mm_h: f64,
}

impl Metric for RocArea {
    fn label(&self) -> Label {
        Label::at("roc_area", self.threshold_mm_h)
    }

    fn sums(&self) -> String {
        probability_bins::sums(self.threshold_mm_h)
    }

    fn terms(&self, forecast: &Forecast<'_>, observed: &Observed) -> Terms {
        probability_bins::terms(forecast, observed, self.threshold_mm_h)
    }

    fn score(&self, terms: &Terms) -> f64 {
        let (mut hits, mut false_alarms, mut area) = (0.0, 0.0, 0.0);
        for bin in filled(terms, BINS).iter().rev() {
            let events = bin.cells * bin.frequency;
            let others = bin.cells - events;
            area += others * (hits + events / 2.0);
            hits += events;
            false_alarms += others;
        }
        // Rounding leaves less than half a cell of neither.
        if hits < 0.5 || false_alarms < 0.5 {
            return f64::NAN;
        }
        area / (hits * false_alarms)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::{
        super::{members::tests::observed, probability_bins::tests::probability},
        *,
    };

    fn area(p: Array2<f32>, rain: Array2<f32>) -> f64 {
        let metric = RocArea { threshold_mm_h: 1.0 };
        metric.score(&metric.terms(&Forecast::of(&probability(p)), &observed(&rain)))
    }

    #[test]
    fn the_area_is_the_share_of_pairs_told_apart() {
        // Events forecast with 0.9 and 0.4, non-events with 0.4, 0.1 and 0: of six pairs five are right and one is a tie, 5.5/6.
        let score = area(array![[0.9, 0.4, 0.4, 0.1, 0.0]], array![[2.0, 1.0, 0.0, 0.5, 0.0]]);
        assert!((score - 5.5 / 6.0).abs() < 1e-12, "{score}");
    }

    #[test]
    fn perfect_is_one_and_no_difference_is_chance() {
        let rain = array![[1.0, 0.0, 3.0, 0.0]];
        assert_eq!(area(array![[1.0, 0.0, 0.6, 0.5]], rain.clone()), 1.0);
        assert_eq!(area(Array2::from_elem((1, 4), 0.3), rain), 0.5);
    }

    #[test]
    fn without_events_or_with_nothing_else_there_is_no_area() {
        let p = array![[0.5, 0.2]];
        assert!(area(p.clone(), array![[0.0, 0.0]]).is_nan());
        assert!(area(p, array![[1.0, 2.0]]).is_nan());
        assert!(RocArea { threshold_mm_h: 1.0 }.score(&Terms::default()).is_nan());
    }
}
