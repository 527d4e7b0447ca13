//! Do events come as often as they are forecast to?

use super::{
    Forecast, Label, Metric, Observed, Terms,
    probability_bins::{self, filled, mean},
};

/// Equal-width bins of probability.
const BINS: usize = 10;

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
        probability_bins::sums(self.threshold_mm_h)
    }

    fn terms(&self, forecast: &Forecast<'_>, observed: &Observed) -> Terms {
        probability_bins::terms(forecast, observed, self.threshold_mm_h)
    }

    fn score(&self, terms: &Terms) -> f64 {
        let bins = filled(terms, BINS);
        if bins.len() < 2 {
            return f64::NAN;
        }
        let mean_p = mean(&bins, |bin| bin.probability);
        let mean_o = mean(&bins, |bin| bin.frequency);
        let covariance = mean(&bins, |bin| (bin.probability - mean_p) * (bin.frequency - mean_o));
        let variance = mean(&bins, |bin| (bin.probability - mean_p).powi(2));
        covariance / variance
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::{
        super::{members::tests::observed, probability_bins::tests::probability},
        *,
    };

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
}
