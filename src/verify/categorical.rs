//! Scores of yes and no: was there rain at or above a threshold where it was forecast?

use super::{Forecast, Label, Metric, Observed, Terms};

/// A score of the table of hits h, misses m, false alarms a and correct negatives c.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contingency {
    /// Critical success index, h / (h + m + a); 1 is perfect. NaN when the event was neither forecast nor observed.
    Csi,
    /// Probability of detection, h / (h + m); 1 is perfect. NaN when the event was not observed.
    Pod,
    /// False alarm ratio, a / (h + a); 0 is perfect. NaN when the event was not forecast.
    Far,
    /// Heidke skill score, 2 (h c - m a) / ((h + m)(m + c) + (h + a)(a + c)); 1 is perfect, 0 is chance. NaN when forecast and
    /// observation are both always or both never the event.
    Hss,
    /// Equitable threat score, (h - r) / (h + m + a - r) with hits by chance r = (h + m)(h + a) / n; 1 is perfect, 0 is chance. NaN
    /// when the event was neither forecast nor observed, or always both.
    Ets,
    /// Frequency bias, (h + a) / (h + m); 1 is perfect. NaN when the event was not observed.
    FrequencyBias,
}

impl Contingency {
    /// All of them, in the order of tables.
    pub const ALL: [Self; 6] = [Self::Csi, Self::Pod, Self::Far, Self::Hss, Self::Ets, Self::FrequencyBias];

    fn name(self) -> &'static str {
        match self {
            Self::Csi => "csi",
            Self::Pod => "pod",
            Self::Far => "far",
            Self::Hss => "hss",
            Self::Ets => "ets",
            Self::FrequencyBias => "frequency_bias",
        }
    }
}

/// A categorical score at a threshold.
///
/// # Source
///
/// Wilks, D. S., 2019: Statistical Methods in the Atmospheric Sciences, 4th ed., Elsevier, chapter 9,
/// doi:10.1016/C2017-0-03921-6.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Categorical {
    /// Which score.
    pub score: Contingency,
    /// Rain at or above this is the event, mm h⁻¹.
    pub threshold_mm_h: f64,
}

impl Metric for Categorical {
    fn label(&self) -> Label {
        Label::at(self.score.name(), self.threshold_mm_h)
    }

    fn sums(&self) -> String {
        format!("contingency_{}_mm_h", self.threshold_mm_h)
    }

    /// Hits, misses, false alarms, correct negatives.
    fn terms(&self, forecast: &Forecast<'_>, observed: &Observed) -> Terms {
        let Some(rain) = forecast.rain_on(observed) else {
            return Terms::default();
        };
        let threshold = self.threshold_mm_h as f32;
        let mut table = [0u64; 4];
        for (f, o) in rain.zip(observed.rain_on()) {
            // 0 hit, 1 miss, 2 false alarm, 3 correct negative.
            table[usize::from(f < threshold) + 2 * usize::from(o < threshold)] += 1;
        }
        Terms::new(table.map(|count| count as f64))
    }

    fn score(&self, terms: &Terms) -> f64 {
        let Some([h, m, a, c]) = terms.array() else { return f64::NAN };
        let ratio = |part: f64, of: f64| if of == 0.0 { f64::NAN } else { part / of };
        match self.score {
            Contingency::Csi => ratio(h, h + m + a),
            Contingency::Pod => ratio(h, h + m),
            Contingency::Far => ratio(a, h + a),
            Contingency::Hss => ratio(2.0 * (h * c - m * a), (h + m) * (m + c) + (h + a) * (a + c)),
            Contingency::Ets => {
                let by_chance = (h + m) * (h + a) / (h + m + a + c);
                ratio(h - by_chance, h + m + a - by_chance)
            }
            Contingency::FrequencyBias => ratio(h + a, h + m),
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    fn score(score: Contingency, terms: &Terms) -> f64 {
        Categorical {
            score,
            threshold_mm_h: 1.0,
        }
        .score(terms)
    }

    fn terms(forecast: &Array2<f32>, observed: &Array2<f32>) -> Terms {
        let mask = Array2::from_elem(observed.dim(), true);
        let observed = Observed::new(observed, &mask, 1000.0);
        Categorical {
            score: Contingency::Csi,
            threshold_mm_h: 1.0,
        }
        .terms(&Forecast::of_rain(forecast), &observed)
    }

    #[test]
    fn rain_at_the_threshold_is_an_event_and_unobserved_cells_do_not_count() {
        let observed = array![
            [1.0, 0.9, 0.0, 0.0, 5.0],
            [0.0, 0.0, 0.0, 0.0, 0.0],
            [2.0, f32::NAN, f32::NAN, 0.0, 0.0],
            [0.0, 0.0, 0.0, 0.0, 1.0]
        ];
        let forecast = array![
            [1.0, 1.0, 0.0, 0.0, 0.0],
            [0.0, 0.0, 0.0, 0.0, 0.0],
            [3.0, 7.0, 0.0, 0.0, 2.0],
            [0.0, 0.0, 0.0, 0.0, f32::NAN]
        ];
        // Hits (0,0), (2,0); misses (0,4) and (3,4), missing counts as dry; false alarms (0,1), (2,4); 20 - 2 - 6 = 12 left.
        let table = terms(&forecast, &observed);
        assert_eq!(table.sums(), [2.0, 2.0, 2.0, 12.0]);
        assert_eq!(score(Contingency::Csi, &table), 2.0 / 6.0);
        assert_eq!(score(Contingency::Pod, &table), 0.5);
        assert_eq!(score(Contingency::Far, &table), 0.5);
        assert_eq!(score(Contingency::FrequencyBias, &table), 1.0);
        // 2 (24 - 4) / (4 14 + 4 14) = 40/112; by chance 16/18, (2 - 16/18) / (6 - 16/18) = 20/92.
        assert!((score(Contingency::Hss, &table) - 40.0 / 112.0).abs() < 1e-15);
        assert!((score(Contingency::Ets, &table) - 20.0 / 92.0).abs() < 1e-15);
    }

    #[test]
    fn a_dry_day_has_no_score_but_no_error_either() {
        let dry = Array2::zeros((4, 5));
        for which in Contingency::ALL {
            assert!(score(which, &terms(&dry, &dry)).is_nan(), "{which:?}");
            assert!(score(which, &Terms::default()).is_nan(), "{which:?}");
        }
    }

    #[test]
    fn one_wet_cell_hit_is_perfect() {
        let mut wet = Array2::zeros((4, 5));
        wet[[2, 1]] = 3.0;
        let table = terms(&wet, &wet);
        assert_eq!(Contingency::ALL.map(|which| score(which, &table)), [1.0, 1.0, 0.0, 1.0, 1.0, 1.0]);
    }
}
