//! Scores of probabilities of exceedance. A forecast without doubt says 1 or 0.

use super::{Forecast, Label, Metric, Observed, Terms};

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

/// Equal-width bins of probability.
const BINS: usize = 10;

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

/// Brier score, mean (p − 1(o ≥ threshold))²; 0 is perfect. NaN when no cell counts.
///
/// # Source
///
/// Brier, G. W., 1950: Verification of forecasts expressed in terms of probability. Mon. Wea. Rev., 78, 1-3,
/// doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Brier {
    /// Rain at or above this is the event, mm h⁻¹.
    pub threshold_mm_h: f64,
}

impl Metric for Brier {
    fn label(&self) -> Label {
        Label::at("brier", self.threshold_mm_h)
    }

    fn sums(&self) -> String {
        reliability_sums(self.threshold_mm_h)
    }

    fn terms(&self, forecast: &Forecast<'_>, observed: &Observed) -> Terms {
        reliability_terms(forecast, observed, self.threshold_mm_h)
    }

    fn score(&self, terms: &Terms) -> f64 {
        let [square, bins @ ..] = terms.sums() else { return f64::NAN };
        let cells: f64 = bins.chunks(3).map(|bin| bin[0]).sum();
        if cells > 0.0 { square / cells } else { f64::NAN }
    }
}

/// Slope of the count-weighted line through (mean probability, observed frequency) of ten equal-width bins: 1 is reliable, less than 1
/// is too sure. NaN when all probabilities fall in one bin.
///
/// # Source
///
/// Wilks, D. S., 2019: Statistical Methods in the Atmospheric Sciences, 4th ed., Elsevier, section 9.4 (reliability diagram),
/// doi:10.1016/C2017-0-03921-6.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReliabilitySlope {
    /// Rain at or above this is the event, mm h⁻¹.
    pub threshold_mm_h: f64,
}

impl Metric for ReliabilitySlope {
    fn label(&self) -> Label {
        Label::at("reliability_slope", self.threshold_mm_h)
    }

    fn sums(&self) -> String {
        reliability_sums(self.threshold_mm_h)
    }

    fn terms(&self, forecast: &Forecast<'_>, observed: &Observed) -> Terms {
        reliability_terms(forecast, observed, self.threshold_mm_h)
    }

    fn score(&self, terms: &Terms) -> f64 {
        let [_, bins @ ..] = terms.sums() else { return f64::NAN };
        let filled = || {
            bins.chunks(3)
                .filter(|bin| bin[0] > 0.0)
                .map(|bin| (bin[0], bin[1] / bin[0], bin[2] / bin[0]))
        };
        if filled().count() < 2 {
            return f64::NAN;
        }
        let cells: f64 = filled().map(|(n, _, _)| n).sum();
        let mean_p: f64 = filled().map(|(n, p, _)| n * p).sum::<f64>() / cells;
        let mean_o: f64 = filled().map(|(n, _, o)| n * o).sum::<f64>() / cells;
        let covariance: f64 = filled().map(|(n, p, o)| n * (p - mean_p) * (o - mean_o)).sum();
        let variance: f64 = filled().map(|(n, p, _)| n * (p - mean_p) * (p - mean_p)).sum();
        covariance / variance
    }
}

fn reliability_sums(threshold_mm_h: f64) -> String {
    format!("reliability_{threshold_mm_h}_mm_h")
}

/// Σ(p − 1(o ≥ threshold))², then cells, Σp and observed events of each bin of probability.
fn reliability_terms(forecast: &Forecast<'_>, observed: &Observed, threshold_mm_h: f64) -> Terms {
    let Some(probability) = forecast.probability_on(observed, threshold_mm_h) else {
        return Terms::default();
    };
    let mut sums = vec![0.0; 1 + 3 * BINS];
    sums[0] = square_error(&probability, observed, threshold_mm_h);
    for (p, o) in probability.iter().zip(observed.rain_on()) {
        let p = f64::from(*p);
        let bin = ((p * BINS as f64) as usize).min(BINS - 1);
        let event = f64::from(o >= threshold_mm_h as f32);
        for (sum, more) in sums[1 + 3 * bin..].iter_mut().zip([1.0, p, event]) {
            *sum += more;
        }
    }
    Terms::new(sums)
}

fn square_error(probability: &[f32], observed: &Observed, threshold_mm_h: f64) -> f64 {
    let threshold = threshold_mm_h as f32;
    let error = |(p, o): (&f32, f32)| f64::from(*p) - f64::from(o >= threshold);
    probability.iter().zip(observed.rain_on()).map(error).map(|e| e * e).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ndarray::{Array2, Array3, array};
    use nowblend_field::{Exceedance, LeadTime, Slice};

    use super::*;

    fn observed(rain: &Array2<f32>) -> Observed {
        Observed::new(rain, &Array2::from_elem(rain.dim(), true), 1000.0)
    }

    fn probability(p: Array2<f32>) -> Slice {
        let mut slice = Slice::of_rain(LeadTime::from_minutes(5), Array2::zeros(p.dim()));
        slice.exceedance = Some(Exceedance {
            thresholds_mm_h: Arc::from([1.0]),
            probability: p.insert_axis(ndarray::Axis(0)),
        });
        slice
    }

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
    fn brier_is_the_mean_square_of_what_was_left_open() {
        let metric = Brier { threshold_mm_h: 1.0 };
        // (0.5 - 1)² + (0.25 - 0)² over two cells.
        let slice = probability(array![[0.5, 0.25]]);
        let terms = metric.terms(&Forecast::of(&slice), &observed(&array![[1.0, 0.5]]));
        assert_eq!(metric.score(&terms), 0.3125 / 2.0);
    }

    #[test]
    fn probabilities_twice_as_bold_as_the_frequencies_have_half_the_slope() {
        // 0.8 is followed by rain in 2 of 5, 0.2 in 1 of 10 (twice the line through 0.1): slope 0.3/0.6.
        let p = Array2::from_shape_fn((1, 15), |(_, k)| if k < 5 { 0.8 } else { 0.2 });
        let rain = Array2::from_shape_fn((1, 15), |(_, k)| if k < 2 || k == 9 { 3.0 } else { 0.0 });
        let metric = ReliabilitySlope { threshold_mm_h: 1.0 };
        let slice = probability(p);
        let score = metric.score(&metric.terms(&Forecast::of(&slice), &observed(&rain)));
        assert!((score - 0.5).abs() < 1e-6, "{score}");
        let same = probability(Array2::from_elem((1, 15), 0.3));
        assert!(metric.score(&metric.terms(&Forecast::of(&same), &observed(&rain))).is_nan());
    }

    #[test]
    fn a_slice_without_rain_and_probabilities_adds_nothing() {
        let mut slice = probability(array![[0.5]]);
        (slice.rain, slice.exceedance) = (None, None);
        let rain = observed(&array![[1.0]]);
        assert_eq!(ThresholdCrps {}.terms(&Forecast::of(&slice), &rain), Terms::default());
        slice.rain = Some(Array3::from_elem((1, 1, 1), 2.0));
        assert_ne!(ThresholdCrps {}.terms(&Forecast::of(&slice), &rain), Terms::default());
    }
}
