//! Do the members lie as far apart as their mean lies from the rain?

use super::{
    Forecast, Label, Metric, Observed, Terms,
    members::{Cell, sum_over_cells},
};

/// Spread of the members, the error of their mean, and one over the other.
///
/// Over the cells of all cases with two or more members, each with its own number of members M. A missing cell of a member is dry.
/// NaN for one member.
///
/// # Source
///
/// Fortin, V., et al., 2014: Why should ensemble spread match the RMSE of the ensemble mean? J. Hydrometeor., 15, 1708-1713,
/// doi:10.1175/JHM-D-14-0008.1: the variance is averaged before its root is taken. The factor (M + 1)/M by which the squared error of a
/// mean of M reliable members is larger is left out here: such members reach √(M / (M + 1)), 0.98 for 20.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// √(mean over cells of the members' variance Σ(x - x̄)² / (M - 1)), mm h⁻¹.
    Spread,
    /// Root mean square error of the members' mean, √(mean (x̄ - o)²), mm h⁻¹.
    MeanRmse,
    /// The first over the second; 1 is reliable, less is too sure. NaN when the mean is without error.
    SpreadError,
}

impl Spread {
    /// All of them, in the order of tables.
    pub const ALL: [Self; 3] = [Self::Spread, Self::MeanRmse, Self::SpreadError];
}

impl Metric for Spread {
    fn label(&self) -> Label {
        Label::new(match self {
            Self::Spread => "spread",
            Self::MeanRmse => "member_mean_rmse",
            Self::SpreadError => "spread_error",
        })
    }

    fn sums(&self) -> String {
        "members_spread".to_owned()
    }

    /// Cells, Σ variance, Σ(x̄ - o)².
    fn terms(&self, forecast: &Forecast<'_>, observed: &Observed) -> Terms {
        if forecast.member_count() < 2 {
            return Terms::default();
        }
        let add = |sums: &mut [f64], cell: Cell<'_>| {
            let count = cell.members.len() as f64;
            let mean = cell.members.iter().map(|x| f64::from(*x)).sum::<f64>() / count;
            let square = |d: f64| d * d;
            let apart: f64 = cell.members.iter().map(|x| square(f64::from(*x) - mean)).sum();
            sums[0] += 1.0;
            sums[1] += apart / (count - 1.0);
            sums[2] += square(mean - f64::from(cell.observed));
        };
        sum_over_cells(forecast, observed, 3, add).map_or_else(Terms::default, Terms::new)
    }

    fn score(&self, terms: &Terms) -> f64 {
        let Some([cells, variance, error]) = terms.array::<3>().filter(|[cells, ..]| *cells > 0.0) else {
            return f64::NAN;
        };
        match self {
            Self::Spread => (variance / cells).sqrt(),
            Self::MeanRmse => (error / cells).sqrt(),
            Self::SpreadError if error > 0.0 => (variance / error).sqrt(),
            Self::SpreadError => f64::NAN,
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::{
        super::members::tests::{ensemble, observed},
        *,
    };

    fn terms(members: &ndarray::Array3<f32>, truth: &ndarray::Array2<f32>) -> Terms {
        Spread::Spread.terms(&Forecast::of(&ensemble(members.view())), &observed(truth))
    }

    #[test]
    fn variances_are_averaged_before_the_root_is_taken() {
        // Members 0 and 3, 2 and a gap (0): variances 4.5 and 2; means 1.5 and 1 against 0 and 3, squares 2.25 and 4.
        let sums = terms(&array![[[0.0, 2.0]], [[3.0, f32::NAN]]], &array![[0.0, 3.0]]);
        assert_eq!(sums.sums(), [2.0, 6.5, 6.25]);
        assert_eq!(Spread::Spread.score(&sums), 3.25f64.sqrt());
        assert_eq!(Spread::MeanRmse.score(&sums), 3.125f64.sqrt());
        assert_eq!(Spread::SpreadError.score(&sums), (6.5f64 / 6.25).sqrt());
    }

    #[test]
    fn one_member_has_no_spread_and_adds_nothing_to_that_of_others() {
        assert_eq!(terms(&array![[[1.0]]], &array![[0.0]]), Terms::default());
        assert!(Spread::ALL.iter().all(|s| s.score(&Terms::default()).is_nan()));
    }

    #[test]
    fn members_that_are_all_right_have_no_ratio() {
        let sums = terms(&array![[[1.0]], [[1.0]]], &array![[1.0]]);
        assert_eq!(Spread::MeanRmse.score(&sums), 0.0);
        assert!(Spread::SpreadError.score(&sums).is_nan());
    }
}
