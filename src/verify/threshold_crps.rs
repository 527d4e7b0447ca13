//! Probabilities on a few levels of rain, judged together.

use super::{Forecast, Label, Metric, Observed, Terms, probability_bins::square_error};

/// Levels of the threshold CRPS, mm h⁻¹, and the width that each stands for: (next - previous)/2 from 0, and 10 for the last.
const LEVELS: [(f64, f64); 8] = [
    (0.1, 0.25),
    (0.5, 0.45),
    (1.0, 0.75),
    (2.0, 2.0),
    (5.0, 4.0),
    (10.0, 7.5),
    (20.0, 15.0),
    (40.0, 10.0),
];

/// Levels at which the threshold CRPS asks for a probability, mm h⁻¹.
pub(super) fn levels() -> impl Iterator<Item = f64> {
    LEVELS.into_iter().map(|(level, _)| level)
}

/// Continuous ranked probability score on a few levels, mm h⁻¹: Σ over levels of width × mean (p − 1(o ≥ level))². 0 is perfect; of a
/// forecast without doubt it is the mean absolute error, coarsely. NaN when no cell counts.
///
/// # Source
///
/// Hersbach, H., 2000: Decomposition of the continuous ranked probability score for ensemble prediction systems. Wea. Forecasting, 15,
/// 559-570, doi:10.1175/1520-0434(2000)015<0559:DOTCRP>2.0.CO;2, whose integral is taken on levels here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThresholdCrps {}

impl Metric for ThresholdCrps {
    fn label(&self) -> Label {
        Label::new("threshold_crps")
    }

    fn sums(&self) -> String {
        "threshold_crps".to_owned()
    }

    /// Cells, and Σ over levels and cells of width × (p − 1(o ≥ level))².
    fn terms(&self, forecast: &Forecast<'_>, observed: &Observed) -> Terms {
        let mut total = 0.0;
        for (level, width) in LEVELS {
            let Some(probability) = forecast.probability_on(observed, level) else {
                return Terms::default();
            };
            total += width * square_error(&probability, observed, level);
        }
        Terms::new([observed.count() as f64, total])
    }

    fn score(&self, terms: &Terms) -> f64 {
        match terms.array() {
            Some([cells, total]) if cells > 0.0 => total / cells,
            _ => f64::NAN,
        }
    }
}

/// The same of the shares of M members, less Σ width × p(1 − p)/(M − 1): what the score of infinitely many such members is expected to
/// be, so that ensembles of different size can be compared.
///
/// Judged are the members, also where the forecaster gives probabilities of its own beside them. Each case is scored with the members
/// that it has; the score is that of the cases with two or more, NaN without one.
///
/// # Source
///
/// Ferro, C. A. T., 2014: Fair scores for ensemble forecasts. Quart. J. Roy. Meteor. Soc., 140, 1917-1923, doi:10.1002/qj.2270, the fair
/// Brier score, taken on the levels of [`ThresholdCrps`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThresholdCrpsFair {}

impl Metric for ThresholdCrpsFair {
    fn label(&self) -> Label {
        Label::new("threshold_crps_fair")
    }

    fn sums(&self) -> String {
        "threshold_crps_fair".to_owned()
    }

    /// Cells, and Σ over levels and cells of width × ((p − 1(o ≥ level))² − p(1 − p)/(M − 1)).
    fn terms(&self, forecast: &Forecast<'_>, observed: &Observed) -> Terms {
        let others = forecast.member_count() as f64 - 1.0;
        let mut total = 0.0;
        for (level, width) in LEVELS {
            let Some(share) = forecast.share_of_members(level) else {
                return Terms::default();
            };
            let share: Vec<f32> = observed.cells().iter().map(|cell| share[*cell as usize]).collect();
            let doubt: f64 = share.iter().map(|p| f64::from(*p) * (1.0 - f64::from(*p))).sum();
            total += width * (square_error(&share, observed, level) - doubt / others);
        }
        Terms::new([observed.count() as f64, total])
    }

    fn score(&self, terms: &Terms) -> f64 {
        ThresholdCrps {}.score(terms)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, array};

    use super::{
        super::members::tests::{ensemble, observed},
        *,
    };

    #[test]
    fn a_forecast_without_doubt_pays_the_width_of_each_level_it_misses() {
        // Forecast 2 mm/h, observed 0.6: levels 1 and 2 are missed, 0.75 + 2.0; the other cell is right.
        let metric = ThresholdCrps {};
        let forecast = array![[2.0, 0.0]];
        let terms = metric.terms(&Forecast::of_rain(&forecast), &observed(&array![[0.6, 0.0]]));
        assert_eq!(metric.score(&terms), 2.75 / 2.0);
        assert!(metric.score(&Terms::default()).is_nan());
    }

    #[test]
    fn members_are_not_blamed_for_being_few() {
        // Members 0.6 and 0, rain 0.6: at 0.1 and 0.5 half of them are there, (1/2)² of 0.25 + 0.45; 1/4 over 1 is taken off again.
        let slice = ensemble(array![[[0.6]], [[0.0]]].view());
        let (forecast, truth) = (Forecast::of(&slice), observed(&array![[0.6]]));
        assert!((ThresholdCrps {}.score(&ThresholdCrps {}.terms(&forecast, &truth)) - 0.25 * 0.7).abs() < 1e-15);
        let terms = ThresholdCrpsFair {}.terms(&forecast, &truth);
        assert!(ThresholdCrpsFair {}.score(&terms).abs() < 1e-15 && terms.sums()[0] == 1.0);
    }

    #[test]
    fn one_member_has_no_fair_score() {
        let slice = ensemble(array![[[0.6]]].view());
        let terms = ThresholdCrpsFair {}.terms(&Forecast::of(&slice), &observed(&array![[0.6]]));
        assert_eq!(terms, Terms::default());
        assert!(ThresholdCrpsFair {}.score(&terms).is_nan());
    }

    #[test]
    fn a_slice_without_rain_and_probabilities_adds_nothing() {
        let mut slice = ensemble(array![[[0.5]]].view());
        slice.rain = None;
        let rain = observed(&array![[1.0]]);
        assert_eq!(ThresholdCrps {}.terms(&Forecast::of(&slice), &rain), Terms::default());
        slice.rain = Some(Array3::from_elem((1, 1, 1), 2.0));
        assert_ne!(ThresholdCrps {}.terms(&Forecast::of(&slice), &rain), Terms::default());
    }
}
