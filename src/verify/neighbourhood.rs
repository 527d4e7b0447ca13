//! Scores of neighbourhoods: rain in about the right place counts.

use ndarray::Array2;
use nowblend_field::window_sums;

use super::{Forecast, Label, Metric, Observed, Terms};

/// Fractions skill score: does the forecast have the right amount of rain *nearby*?
///
/// FSS = 1 − Σ(p_f − p_o)² / (Σp_f² + Σp_o²) over the cells that count, where p is the fraction of cells at or above the threshold in
/// the square window around a cell. Beyond the border, where nothing was observed and where the forecast is missing there is no
/// event. 1 is perfect; NaN when neither field has an event.
///
/// # Source
///
/// Roberts, N. M. and H. W. Lean, 2008: Scale-selective verification of rainfall accumulations from high-resolution forecasts of
/// convective events. Mon. Wea. Rev., 136, 78-97, doi:10.1175/2007MWR2123.1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FractionsSkillScore {
    /// Rain at or above this is the event, mm h⁻¹.
    pub threshold_mm_h: f64,
    /// Full width of the window, km; it becomes an odd number of cells.
    pub window_km: f64,
}

impl Metric for FractionsSkillScore {
    fn label(&self) -> Label {
        Label {
            window_km: Some(self.window_km),
            ..Label::at("fss", self.threshold_mm_h)
        }
    }

    fn sums(&self) -> String {
        format!("fractions_{}_mm_h_{}_km", self.threshold_mm_h, self.window_km)
    }

    /// Σ(p_f − p_o)², Σp_f² + Σp_o².
    fn terms(&self, forecast: &Forecast<'_>, observed: &Observed) -> Terms {
        let Some(rain) = forecast.rain() else { return Terms::default() };
        let window = window_cells(self.window_km, observed.cell_km());
        let threshold = self.threshold_mm_h as f32;
        let forecast = event_counts(rain, threshold, window);
        let observed_counts = observed.counts(threshold, window);
        fractions_terms(&forecast, &observed_counts, window, observed)
    }

    fn score(&self, terms: &Terms) -> f64 {
        fractions_skill(terms)
    }
}

/// Σ(p_f − p_o)², Σp_f² + Σp_o² of sums in windows of odd width.
pub(super) fn fractions_terms<T: Copy + Into<f64>>(
    forecast: &Array2<T>,
    events: &Array2<u32>,
    window: usize,
    observed: &Observed,
) -> Terms {
    let (Some(f), Some(o)) = (forecast.as_slice(), events.as_slice()) else {
        return Terms::default();
    };
    // Counts are whole, so their sums are exact; the window's size is taken out at the end.
    let (mut difference, mut sum) = (0.0, 0.0);
    for cell in observed.cells() {
        let (f, o) = (f[*cell as usize].into(), f64::from(o[*cell as usize]));
        difference += (f - o) * (f - o);
        sum += f * f + o * o;
    }
    let area = (window * window) as f64;
    Terms::new([difference / (area * area), sum / (area * area)])
}

/// 1 − Σ(p_f − p_o)² / (Σp_f² + Σp_o²).
pub(super) fn fractions_skill(terms: &Terms) -> f64 {
    match terms.array() {
        Some([difference, sum]) if sum > 0.0 => 1.0 - difference / sum,
        _ => f64::NAN,
    }
}

/// Full width of a window in cells: the nearest whole number, one more if that is even.
pub fn window_cells(window_km: f64, cell_km: f64) -> usize {
    (window_km / cell_km).round_ties_even() as usize | 1
}

/// Number of cells at or above a threshold in the window of odd width around each cell.
pub(super) fn event_counts(rain: &Array2<f32>, threshold: f32, window: usize) -> Array2<u32> {
    window_sums(rain.view(), window, |r| u32::from(r >= threshold))
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use proptest::prelude::*;

    use super::*;

    fn fss(forecast: &Array2<f32>, observed: &Array2<f32>, window_km: f64) -> f64 {
        let mask = Array2::from_elem(observed.dim(), true);
        let observed = Observed::new(observed, &mask, 1000.0);
        let metric = FractionsSkillScore {
            threshold_mm_h: 1.0,
            window_km,
        };
        metric.score(&metric.terms(&Forecast::of_rain(forecast), &observed))
    }

    #[test]
    fn one_cell_off_is_lost_at_grid_scale_and_found_nearby() {
        let (mut observed, mut forecast) = (Array2::zeros((4, 5)), Array2::zeros((4, 5)));
        observed[[1, 2]] = 3.0;
        forecast[[1, 3]] = 3.0;
        assert_eq!(fss(&forecast, &observed, 1.0), 0.0);
        // Windows of 3 cells: the observed cell is in 9 windows (rows 0-2, columns 1-3), the forecast one in 9 (columns 2-4), six of
        // them the same. Differences in 6 windows, squares in 18: 1 - 6/18.
        assert!((fss(&forecast, &observed, 3.0) - 2.0 / 3.0).abs() < 1e-15);
    }

    #[test]
    fn two_dry_fields_have_no_score_and_one_false_alarm_scores_nought() {
        let dry = Array2::zeros((4, 5));
        let mut wet = dry.clone();
        wet[[3, 4]] = 2.0;
        assert!(fss(&dry, &dry, 3.0).is_nan());
        assert_eq!(fss(&wet, &dry, 3.0), 0.0);
    }

    #[test]
    fn a_window_ends_at_the_border() {
        let rain = array![[1.0, 0.0, 1.0], [0.0, 1.0, f32::NAN]];
        assert_eq!(event_counts(&rain, 1.0, 3), array![[2, 3, 2], [2, 3, 2]]);
        assert_eq!(event_counts(&rain, 1.0, 9), Array2::from_elem((2, 3), 3));
        assert_eq!(event_counts(&rain, 1.0, 1), array![[1, 0, 1], [0, 1, 0]]);
    }

    #[test]
    fn a_window_is_an_odd_number_of_cells() {
        assert_eq!([1.0, 5.0, 10.0, 20.0].map(|km| window_cells(km, 1.0)), [1, 5, 11, 21]);
        assert_eq!([1.0, 5.0, 10.0, 20.0].map(|km| window_cells(km, 2.0)), [1, 3, 5, 11]);
    }

    proptest! {
        #[test]
        fn any_rain_forecasts_itself_perfectly_and_any_other_lies_between_nought_and_one(
            a in prop::collection::vec(0.0f32..3.0, 63),
            b in prop::collection::vec(0.0f32..3.0, 63),
            window in 0usize..6,
        ) {
            let (a, b) = (Array2::from_shape_vec((7, 9), a).unwrap(), Array2::from_shape_vec((7, 9), b).unwrap());
            let km = window as f64 * 2.0 + 1.0;
            prop_assert!(a.iter().all(|r| *r < 1.0) || fss(&a, &a, km) == 1.0);
            let score = fss(&a, &b, km);
            prop_assert!(score.is_nan() || (-1e-12..=1.0).contains(&score));
        }

        #[test]
        fn running_sums_count_what_a_plain_loop_counts(cells in prop::collection::vec(0.0f32..2.0, 42), window in 0usize..5) {
            let rain = Array2::from_shape_vec((6, 7), cells).unwrap();
            let counts = event_counts(&rain, 1.0, 2 * window + 1);
            for ((y, x), count) in counts.indexed_iter() {
                let near = rain.indexed_iter().filter(|((j, i), r)| **r >= 1.0 && j.abs_diff(y) <= window && i.abs_diff(x) <= window);
                prop_assert_eq!(*count as usize, near.count());
            }
        }
    }
}
