//! Scores of neighbourhoods for forecasts that doubt: the right probability nearby counts.

use ndarray::ArrayView2;
use nowblend_field::window_sums;

use super::{
    Forecast, FractionsSkillScore, Label, Metric, Observed, Terms,
    neighbourhood::{fractions_skill, fractions_terms, window_cells},
};

/// Fractions skill score of probabilities: as [`FractionsSkillScore`], with p_f the mean in the window of the probability of rain at or above
/// the threshold, which is the forecaster's own, or else the share of its members. Of a forecast without doubt it is the same score. A
/// missing probability is 0. NaN when neither field has an event.
///
/// # Source
///
/// Roberts, N. M. and H. W. Lean, 2008: Mon. Wea. Rev., 136, 78-97, doi:10.1175/2007MWR2123.1. Duc, L., K. Saito and H. Seko, 2013:
/// Spatial-temporal fractions verification for high-resolution ensemble forecasts. Tellus A, 65, 18171,
/// doi:10.3402/tellusa.v65i0.18171: the fraction among all members and cells nearby.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FractionsOfProbability {
    /// Rain at or above this is the event, mm h⁻¹.
    pub threshold_mm_h: f64,
    /// Full width of the window, km; it becomes an odd number of cells.
    pub window_km: f64,
}

impl Metric for FractionsOfProbability {
    fn label(&self) -> Label {
        Label {
            window_km: Some(self.window_km),
            ..Label::at("fss_probability", self.threshold_mm_h)
        }
    }

    fn sums(&self) -> String {
        format!("fractions_of_probability_{}_mm_h_{}_km", self.threshold_mm_h, self.window_km)
    }

    /// Σ(p_f − p_o)², Σp_f² + Σp_o².
    fn terms(&self, forecast: &Forecast<'_>, observed: &Observed) -> Terms {
        let &Self { threshold_mm_h, window_km } = self;
        if !forecast.tells_probability(threshold_mm_h) {
            return FractionsSkillScore { threshold_mm_h, window_km }.terms(forecast, observed);
        }
        let Some(probability) = forecast.probability(threshold_mm_h) else {
            return Terms::default();
        };
        let window = window_cells(window_km, observed.cell_km());
        let events = observed.counts(threshold_mm_h as f32, window);
        let Ok(probability) = ArrayView2::from_shape(events.dim(), &probability) else {
            return Terms::default();
        };
        let sums = window_sums(probability, window, f64::from);
        fractions_terms(&sums, &events, window, observed)
    }

    fn score(&self, terms: &Terms) -> f64 {
        fractions_skill(terms)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::{
        super::{
            members::tests::{ensemble, observed},
            probability_bins::tests::probability,
        },
        *,
    };

    fn score(slice: &nowblend_field::Slice, truth: &Array2<f32>, window_km: f64) -> f64 {
        let metric = FractionsOfProbability {
            threshold_mm_h: 1.0,
            window_km,
        };
        metric.score(&metric.terms(&Forecast::of(slice), &observed(truth)))
    }

    #[test]
    fn half_a_chance_where_it_rains_is_four_fifths_of_the_skill() {
        // (1/2 - 1)² against (1/2)² + 1: 1 - 0.25/1.25; a gap and a cell without rain add nothing.
        let slice = probability(array![[0.0, 0.5, f32::NAN]]);
        assert!((score(&slice, &array![[0.0, 2.0, 0.0]], 1.0) - 0.8).abs() < 1e-12);
        let members = ensemble(array![[[0.0, 3.0, f32::NAN]], [[0.9, 0.0, 0.0]]].view());
        assert!((score(&members, &array![[0.0, 2.0, 0.0]], 1.0) - 0.8).abs() < 1e-12);
    }

    #[test]
    fn a_chance_one_cell_off_is_found_nearby() {
        // Windows of 3 over five cells in a row: observed 0 1 1 1 0, forecast 0 0 ½ ½ ½ (each over 9): differences 1 + ¼ + ¼ + ¼, squares 3 + ¾.
        let slice = probability(array![[0.0, 0.0, 0.0, 0.5, 0.0]]);
        let found = score(&slice, &array![[0.0, 0.0, 4.0, 0.0, 0.0]], 3.0);
        assert!((found - (1.0 - 1.75 / 3.75)).abs() < 1e-12, "{found}");
        assert_eq!(score(&slice, &array![[0.0, 0.0, 4.0, 0.0, 0.0]], 1.0), 0.0);
    }

    #[test]
    fn neither_chance_nor_rain_is_no_score() {
        assert!(score(&probability(Array2::zeros((2, 3))), &Array2::zeros((2, 3)), 3.0).is_nan());
    }
}
