//! Where among its members does the rain fall?

use nowblend_field::random::{mixed, step};

use super::{
    Forecast, Label, Metric, Observed, Terms,
    members::{Cell, sum_over_cells},
};

/// A cell counts where the rain or a member is at or above this, mm h⁻¹.
const WET: f32 = 0.1;

/// Rank histogram: how often 0, 1, … M members lie below the observed rain, in M + 1 shares h; of reliable members each is 1 / (M + 1).
///
/// Only cells where the rain or a member is at or above 0.1 mm h⁻¹ count, since all others are ties. Rain that equals members gets one
/// of the ranks that it shares, by a hash of the cell and its wettest member: no rank is favoured, and the same forecast has the same
/// histogram, whatever the number of threads. A missing cell of a member is dry. NaN for one member, and when no cell counts.
///
/// Ranks among different numbers of members are no ranks of one histogram: over such cases [`RankHistogram::Delta`] is NaN, while the
/// lowest and the highest rank keep their meaning.
///
/// # Source
///
/// Hamill, T. M., 2001: Interpretation of rank histograms for verifying ensemble forecasts. Mon. Wea. Rev., 129, 550-560,
/// doi:10.1175/1520-0493(2001)129<0550:IORHFV>2.0.CO;2, for ties, too. Delle Monache, L., et al., 2006: Probabilistic aspects of
/// meteorological and ozone regional ensemble forecasts. J. Geophys. Res., 111, D24307, doi:10.1029/2005JD006917, for the sum of
/// deviations (reliability index).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RankHistogram {
    /// Σ|h - 1/(M + 1)|; 0 is flat.
    Delta,
    /// Share of rain below all members.
    Lowest,
    /// Share of rain above all members.
    Highest,
}

impl RankHistogram {
    /// All of them, in the order of tables.
    pub const ALL: [Self; 3] = [Self::Delta, Self::Lowest, Self::Highest];
}

/// Sums before those of the ranks.
const HEAD: usize = 5;

impl Metric for RankHistogram {
    fn label(&self) -> Label {
        Label::new(match self {
            Self::Delta => "rank_histogram_delta",
            Self::Lowest => "rank_histogram_lowest",
            Self::Highest => "rank_histogram_highest",
        })
    }

    fn sums(&self) -> String {
        "members_rank".to_owned()
    }

    /// Cells n, Σ n M, Σ n M², cells of the lowest rank, of the highest, then of each rank from 0 to M.
    fn terms(&self, forecast: &Forecast<'_>, observed: &Observed) -> Terms {
        let members = forecast.member_count();
        if members < 2 {
            return Terms::default();
        }
        let add = |ranks: &mut [f64], cell: Cell<'_>| {
            if let Some(rank) = rank(&cell) {
                ranks[rank] += 1.0;
            }
        };
        let Some(ranks) = sum_over_cells(forecast, observed, members + 1, add) else {
            return Terms::default();
        };
        let (cells, count) = (ranks.iter().sum::<f64>(), members as f64);
        let mut sums = vec![cells, cells * count, cells * count * count, ranks[0], ranks[members]];
        sums.extend(ranks);
        Terms::new(sums)
    }

    fn score(&self, terms: &Terms) -> f64 {
        let Some(([cells, times, squares, lowest, highest], ranks)) = terms.sums().split_first_chunk::<HEAD>() else {
            return f64::NAN;
        };
        if *cells == 0.0 {
            return f64::NAN;
        }
        match self {
            Self::Lowest => lowest / cells,
            Self::Highest => highest / cells,
            // Of equal numbers the square of the sum is the sum of squares times their number; counts are whole, so this is exact.
            Self::Delta if times * times == cells * squares => {
                let flat = cells / (times + cells);
                ranks
                    .iter()
                    .take((times / cells) as usize + 1)
                    .map(|n| (n / cells - flat).abs())
                    .sum()
            }
            Self::Delta => f64::NAN,
        }
    }
}

/// Number of members below the rain, ties drawn; `None` in a dry cell.
fn rank(cell: &Cell<'_>) -> Option<usize> {
    let (mut below, mut equal, mut highest) = (0, 0, 0.0f32);
    for member in cell.members.iter() {
        below += usize::from(*member < cell.observed);
        equal += usize::from(*member == cell.observed);
        highest = highest.max(*member);
    }
    if cell.observed.max(highest) < WET {
        return None;
    }
    // The upper half of hash × choices is even over the choices.
    let hash = mixed(step(u64::from(cell.place) | u64::from(highest.to_bits()) << 32));
    let drawn = (u128::from(hash) * (equal as u128 + 1)) >> 64;
    Some(below + drawn as usize)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Array3, array};

    use super::{
        super::members::tests::{ensemble, observed},
        *,
    };

    fn terms(members: &Array3<f32>, truth: &Array2<f32>) -> Terms {
        RankHistogram::Delta.terms(&Forecast::of(&ensemble(members.view())), &observed(truth))
    }

    #[test]
    fn rain_falls_below_between_and_above_its_members() {
        // Members 1 and 2, rain 0.5, 1.5, 3, 9: ranks 0, 1, 2, 2; the last cell is dry in all and does not count.
        let members = array![[[1.0, 1.0, 1.0, 1.0, 0.05]], [[2.0, 2.0, 2.0, 2.0, 0.0]]];
        let sums = terms(&members, &array![[0.5, 1.5, 3.0, 9.0, 0.05]]);
        assert_eq!(sums.sums(), [4.0, 8.0, 16.0, 1.0, 2.0, 1.0, 1.0, 2.0]);
        // |1/4 - 1/3| + |1/4 - 1/3| + |1/2 - 1/3| = 1/3.
        assert!((RankHistogram::Delta.score(&sums) - 1.0 / 3.0).abs() < 1e-15);
        assert_eq!(RankHistogram::Lowest.score(&sums), 0.25);
        assert_eq!(RankHistogram::Highest.score(&sums), 0.5);
    }

    #[test]
    fn ties_are_spread_evenly_over_the_ranks_they_share() {
        // Rain 0 like three of four members, the fourth wet: ranks 0 to 3, a quarter of 10 000 each, standard deviation 43.
        let members = Array3::from_shape_fn((4, 100, 100), |(m, _, _)| if m == 2 { 1.0 } else { 0.0 });
        let sums = terms(&members, &Array2::zeros((100, 100)));
        let [counts @ .., highest] = &sums.sums()[HEAD..] else { panic!() };
        assert!(counts.iter().all(|n| (n - 2500.0).abs() < 200.0), "{counts:?}");
        assert_eq!(*highest, 0.0);
    }

    #[test]
    fn a_dry_day_and_a_single_member_have_no_histogram() {
        let dry = terms(&Array3::zeros((3, 2, 2)), &Array2::zeros((2, 2)));
        let single = terms(&Array3::ones((1, 2, 2)), &Array2::ones((2, 2)));
        for which in RankHistogram::ALL {
            assert!(which.score(&dry).is_nan() && which.score(&single).is_nan());
        }
        assert_eq!(single, Terms::default());
    }

    #[test]
    fn ranks_among_different_numbers_of_members_are_not_one_histogram_but_the_ends_are_ends() {
        let mut sum = terms(&array![[[1.0]], [[2.0]]], &array![[3.0]]);
        let same = sum.clone();
        sum += &same;
        assert!((RankHistogram::Delta.score(&sum) - 4.0 / 3.0).abs() < 1e-15);
        sum += &terms(&array![[[1.0, 1.0]], [[2.0, 2.0]], [[4.0, 2.5]]], &array![[0.5, 3.0]]);
        assert!(RankHistogram::Delta.score(&sum).is_nan());
        // Above all members twice among two, once among three; below once, of four.
        assert_eq!(RankHistogram::Highest.score(&sum), 0.75);
        assert_eq!(RankHistogram::Lowest.score(&sum), 0.25);
    }
}
