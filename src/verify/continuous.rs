//! Scores of the amount of rain.

use super::{Forecast, Label, Metric, Observed, Terms};

/// A score of forecast rain f and observed rain o, mm h⁻¹.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Mean absolute error, mean |f - o|, mm h⁻¹.
    Mae,
    /// Root mean square error, √(mean (f - o)²), mm h⁻¹.
    Rmse,
    /// Bias, mean (f - o), mm h⁻¹.
    Bias,
    /// Mean forecast over mean observed rain. NaN when nothing was observed.
    BiasRatio,
    /// Pearson correlation over cells and cases. NaN when either does not vary.
    Correlation,
}

impl Moment {
    /// All of them, in the order of tables.
    pub const ALL: [Self; 5] = [Self::Mae, Self::Rmse, Self::Bias, Self::BiasRatio, Self::Correlation];
}

/// A continuous score; NaN when no cell counts.
///
/// # Source
///
/// Wilks, D. S., 2019: Statistical Methods in the Atmospheric Sciences, 4th ed., Elsevier, chapter 9,
/// doi:10.1016/C2017-0-03921-6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Continuous {
    /// Which score.
    pub moment: Moment,
}

/// A variance below this part of the mean square is rounding.
const LEAST_VARIANCE: f64 = 1e-12;

impl Metric for Continuous {
    fn label(&self) -> Label {
        Label::new(match self.moment {
            Moment::Mae => "mae",
            Moment::Rmse => "rmse",
            Moment::Bias => "bias",
            Moment::BiasRatio => "bias_ratio",
            Moment::Correlation => "correlation",
        })
    }

    fn sums(&self) -> String {
        "moments".to_owned()
    }

    /// Cells, Σf, Σo, Σf², Σo², Σfo, Σ|f - o|, Σ(f - o)².
    fn terms(&self, forecast: &Forecast<'_>, observed: &Observed) -> Terms {
        let Some(rain) = forecast.rain_on(observed) else {
            return Terms::default();
        };
        let mut sums = [0.0; 8];
        for (f, o) in rain.zip(observed.rain_on()) {
            let (f, o) = (f64::from(f), f64::from(o));
            let d = f - o;
            for (sum, term) in sums.iter_mut().zip([1.0, f, o, f * f, o * o, f * o, d.abs(), d * d]) {
                *sum += term;
            }
        }
        Terms::new(sums)
    }

    fn score(&self, terms: &Terms) -> f64 {
        let Some([n, f, o, ff, oo, fo, absolute, square]) = terms.array() else {
            return f64::NAN;
        };
        if n == 0.0 {
            return f64::NAN;
        }
        match self.moment {
            Moment::Mae => absolute / n,
            Moment::Rmse => (square / n).sqrt(),
            Moment::Bias => (f - o) / n,
            Moment::BiasRatio if o > 0.0 => f / o,
            Moment::Correlation => {
                let (var_f, var_o) = (ff - f * f / n, oo - o * o / n);
                if var_f <= LEAST_VARIANCE * ff || var_o <= LEAST_VARIANCE * oo {
                    return f64::NAN;
                }
                (fo - f * o / n) / (var_f * var_o).sqrt()
            }
            Moment::BiasRatio => f64::NAN,
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    fn scores(forecast: &Array2<f32>, observed: &Array2<f32>) -> [f64; 5] {
        let mask = Array2::from_elem(observed.dim(), true);
        let observed = Observed::new(observed, &mask, 1000.0);
        Moment::ALL.map(|moment| {
            let metric = Continuous { moment };
            metric.score(&metric.terms(&Forecast::of_rain(forecast), &observed))
        })
    }

    #[test]
    fn errors_are_those_of_the_cells_that_were_observed() {
        // Differences +1, -2, 0, +1 (missing is dry: 0 - 0, and so 0), one cell unobserved: over five cells.
        let observed = array![[0.0, 2.0, 3.0], [1.0, 0.0, f32::NAN]];
        let forecast = array![[1.0, 0.0, 3.0], [2.0, f32::NAN, 8.0]];
        let [mae, rmse, bias, ratio, correlation] = scores(&forecast, &observed);
        assert_eq!([mae, bias, ratio], [0.8, 0.0, 1.0]);
        assert!((rmse - 1.2f64.sqrt()).abs() < 1e-15);
        // f 1 0 3 2 0, o 0 2 3 1 0: both mean 1.2, squares 14 - 7.2 = 6.8, products 11 - 7.2 = 3.8.
        assert!((correlation - 3.8 / 6.8).abs() < 1e-12);
    }

    #[test]
    fn rain_that_does_not_vary_has_no_correlation() {
        let even = Array2::from_elem((4, 5), 0.1);
        let mut varying = Array2::zeros((4, 5));
        varying[[1, 3]] = 2.0;
        assert!(scores(&even, &varying)[4].is_nan() && scores(&varying, &even)[4].is_nan());
        let [mae, rmse, bias, ratio, _] = scores(&even, &Array2::zeros((4, 5)));
        assert!((mae - 0.1).abs() < 1e-8 && (rmse - 0.1).abs() < 1e-8 && (bias - 0.1).abs() < 1e-8 && ratio.is_nan());
    }
}
