//! Mean square error of probabilities, and what it consists of.

use super::{
    Forecast, Label, Metric, Observed, Terms,
    probability_bins::{self, BINS, filled, mean, mean_square},
};

/// Brier score of an event, its parts, and its skill. A forecast without doubt says 1 or 0. NaN when no cell counts.
///
/// Cells are grouped by forecast probability, with n cells of mean probability p and observed frequency ō each, among N cells of frequency
/// c; then Brier = reliability − resolution + uncertainty. Shares of up to 59 members have a group each, and this holds exactly; other
/// probabilities, and those of cases of different numbers of members, are grouped in steps of 1/60, and it holds but for what they vary
/// within.
///
/// # Source
///
/// Brier, G. W., 1950: Verification of forecasts expressed in terms of probability. Mon. Wea. Rev., 78, 1-3,
/// doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2. Murphy, A. H., 1973: A new vector partition of the probability score. J. Appl.
/// Meteor., 12, 595-600, doi:10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2, for the parts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Brier {
    /// The score or a part of it.
    pub part: BrierPart,
    /// Rain at or above this is the event, mm h⁻¹.
    pub threshold_mm_h: f64,
}

/// The Brier score or a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrierPart {
    /// Mean (p − 1(o ≥ threshold))²; 0 is perfect.
    Score,
    /// Σ n (p − ō)² / N; 0 is perfect: what is forecast with p comes in a share p of the cells.
    Reliability,
    /// Σ n (ō − c)² / N; the more the better: how far cases are told apart.
    Resolution,
    /// c (1 − c), whatever the forecast.
    Uncertainty,
    /// 1 − Brier / (c (1 − c)), relative to the frequency in all cells and cases; 1 is perfect, 0 no better than to know that frequency.
    /// NaN when the event was observed always or never.
    Skill,
}

impl BrierPart {
    /// All of them, in the order of tables.
    pub const ALL: [Self; 5] = [Self::Score, Self::Reliability, Self::Resolution, Self::Uncertainty, Self::Skill];
}

impl Metric for Brier {
    fn label(&self) -> Label {
        let name = match self.part {
            BrierPart::Score => "brier",
            BrierPart::Reliability => "brier_reliability",
            BrierPart::Resolution => "brier_resolution",
            BrierPart::Uncertainty => "brier_uncertainty",
            BrierPart::Skill => "brier_skill",
        };
        Label::at(name, self.threshold_mm_h)
    }

    fn sums(&self) -> String {
        probability_bins::sums(self.threshold_mm_h)
    }

    fn terms(&self, forecast: &Forecast<'_>, observed: &Observed) -> Terms {
        probability_bins::terms(forecast, observed, self.threshold_mm_h)
    }

    fn score(&self, terms: &Terms) -> f64 {
        let bins = filled(terms, BINS);
        let climate = mean(&bins, |bin| bin.frequency);
        let uncertainty = climate * (1.0 - climate);
        match self.part {
            BrierPart::Score => mean_square(terms),
            BrierPart::Reliability => mean(&bins, |bin| (bin.probability - bin.frequency).powi(2)),
            BrierPart::Resolution => mean(&bins, |bin| (bin.frequency - climate).powi(2)),
            BrierPart::Uncertainty => uncertainty,
            BrierPart::Skill if uncertainty > 0.0 => 1.0 - mean_square(terms) / uncertainty,
            BrierPart::Skill => f64::NAN,
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Array3, array};

    use super::{
        super::{
            members::tests::{ensemble, observed, uneven},
            probability_bins::tests::probability,
        },
        *,
    };

    fn scores(terms: &Terms) -> [f64; 5] {
        BrierPart::ALL.map(|part| Brier { part, threshold_mm_h: 1.0 }.score(terms))
    }

    #[test]
    fn brier_is_the_mean_square_of_what_was_left_open() {
        let metric = Brier {
            part: BrierPart::Score,
            threshold_mm_h: 1.0,
        };
        // (0.5 - 1)² + (0.25 - 0)² over two cells.
        let slice = probability(array![[0.5, 0.25]]);
        let terms = metric.terms(&Forecast::of(&slice), &observed(&array![[1.0, 0.5]]));
        assert_eq!(metric.score(&terms), 0.3125 / 2.0);
    }

    #[test]
    fn the_score_is_reliability_less_resolution_and_uncertainty() {
        // 0.5 with rain in one of two, 0 with rain in one of four: c = 1/3, uncertainty 2/9; Brier (1/4 + 1/4 + 1) / 6 = 1/4.
        // Reliability 4 (1/4)² / 6 = 1/24, resolution (2 (1/2 - 1/3)² + 4 (1/4 - 1/3)²) / 6 = 1/72; skill 1 - 9/8.
        let slice = probability(array![[0.5, 0.5, 0.0, 0.0, 0.0, 0.0]]);
        let rain = array![[1.0, 0.0, 2.0, 0.0, 0.0, 0.9]];
        let terms = probability_bins::terms(&Forecast::of(&slice), &observed(&rain), 1.0);
        let expected = [1.0 / 4.0, 1.0 / 24.0, 1.0 / 72.0, 2.0 / 9.0, -1.0 / 8.0];
        for (score, expected) in scores(&terms).iter().zip(expected) {
            assert!((score - expected).abs() < 1e-12, "{score} {expected}");
        }
    }

    #[test]
    fn the_parts_of_the_score_of_any_members_add_up_to_it() {
        let missing = |terms: &Terms| {
            let [brier, reliability, resolution, uncertainty, _] = scores(terms);
            (brier - (reliability - resolution + uncertainty)).abs()
        };
        let mut sum = Terms::default();
        for members in [20, 7] {
            let slice = ensemble(Array3::from_shape_fn((members, 30, 40), |(m, y, x)| uneven(m, y, x)).view());
            let truth = observed(&Array2::from_shape_fn((30, 40), |(y, x)| uneven(5, y, x)));
            let terms = probability_bins::terms(&Forecast::of(&slice), &truth, 1.0);
            assert!(missing(&terms) < 1e-6);
            sum += &terms;
        }
        // 5 of 7 and 14 of 20 share a group, within which probabilities differ by 0.014.
        assert!(missing(&sum) < 0.014);
    }

    #[test]
    fn the_frequency_itself_has_no_skill_and_a_dry_day_no_score_of_it() {
        let slice = probability(Array2::from_elem((1, 4), 0.25));
        let terms = |rain| probability_bins::terms(&Forecast::of(&slice), &observed(&rain), 1.0);
        assert_eq!(scores(&terms(array![[0.0, 5.0, 0.0, 0.0]])), [0.1875, 0.0, 0.0, 0.1875, 0.0]);
        let [brier, .., uncertainty, skill] = scores(&terms(Array2::zeros((1, 4))));
        assert!(brier == 0.0625 && uncertainty == 0.0 && skill.is_nan());
        assert!(scores(&Terms::default()).iter().all(|s| s.is_nan()));
    }
}
