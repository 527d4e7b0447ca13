//! Cells by forecast probability: what the scores of one event's probabilities are formed of.

use super::{Forecast, Observed, Terms};

/// Equal-width bins of probability. Shares of up to 59 members lie in a bin each, so that nothing is lost; a multiple of the bins of the
/// reliability slope.
pub(super) const BINS: usize = 60;

/// A probability this far below an edge lies on it: f32 of 0.7 is less than 0.7.
const ROUNDING: f64 = 1e-6;

/// Cells whose forecast probability lies in a bin.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Bin {
    /// Number of cells.
    pub cells: f64,
    /// Mean forecast probability.
    pub probability: f64,
    /// Share of the cells in which the event was observed.
    pub frequency: f64,
}

/// The name of the sums of [`terms`].
pub(super) fn sums(threshold_mm_h: f64) -> String {
    format!("probability_bins_{threshold_mm_h}_mm_h")
}

/// Σ(p − 1(o ≥ threshold))², then cells, Σp and observed events of each bin of probability.
pub(super) fn terms(forecast: &Forecast<'_>, observed: &Observed, threshold_mm_h: f64) -> Terms {
    let Some(probability) = forecast.probability_on(observed, threshold_mm_h) else {
        return Terms::default();
    };
    let mut sums = vec![0.0; 1 + 3 * BINS];
    sums[0] = square_error(&probability, observed, threshold_mm_h);
    for (p, o) in probability.iter().zip(observed.rain_on()) {
        let p = f64::from(*p);
        let bin = (((p + ROUNDING) * BINS as f64) as usize).min(BINS - 1);
        let event = f64::from(o >= threshold_mm_h as f32);
        for (sum, more) in sums[1 + 3 * bin..].iter_mut().zip([1.0, p, event]) {
            *sum += more;
        }
    }
    Terms::new(sums)
}

/// Mean (p − 1(o ≥ threshold))² of summed terms; NaN when no cell counts.
pub(super) fn mean_square(terms: &Terms) -> f64 {
    let cells: f64 = filled(terms, BINS).iter().map(|bin| bin.cells).sum();
    match terms.sums().first() {
        Some(square) if cells > 0.0 => square / cells,
        _ => f64::NAN,
    }
}

/// The bins that hold cells, by probability, joined to `count` of equal width.
pub(super) fn filled(terms: &Terms, count: usize) -> Vec<Bin> {
    let Some((_, bins)) = terms.sums().split_first() else {
        return Vec::new();
    };
    let joined = bins.chunks(3 * BINS / count).map(|bins| {
        let sum = |k: usize| bins.iter().skip(k).step_by(3).sum::<f64>();
        [sum(0), sum(1), sum(2)]
    });
    let bin = |[cells, probability, events]: [f64; 3]| Bin {
        cells,
        probability: probability / cells,
        frequency: events / cells,
    };
    joined.filter(|[cells, ..]| *cells > 0.0).map(bin).collect()
}

/// Cells, and mean of a value over them, weighted by the cells of each bin.
pub(super) fn mean(bins: &[Bin], value: impl Fn(&Bin) -> f64) -> f64 {
    let cells: f64 = bins.iter().map(|bin| bin.cells).sum();
    bins.iter().map(|bin| bin.cells * value(bin)).sum::<f64>() / cells
}

/// Σ(p − 1(o ≥ threshold))² over the cells that count.
pub(super) fn square_error(probability: &[f32], observed: &Observed, threshold_mm_h: f64) -> f64 {
    let threshold = threshold_mm_h as f32;
    let error = |(p, o): (&f32, f32)| f64::from(*p) - f64::from(o >= threshold);
    probability.iter().zip(observed.rain_on()).map(error).map(|e| e * e).sum()
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use ndarray::Array2;
    use nowblend_field::{Exceedance, LeadTime, Slice};

    use super::{super::members::tests::observed, *};

    /// A forecast of the probability `[y, x]` of 1 mm/h.
    pub fn probability(p: Array2<f32>) -> Slice {
        let mut slice = Slice::of_rain(LeadTime::from_minutes(5), Array2::zeros(p.dim()));
        slice.exceedance = Some(Exceedance {
            thresholds_mm_h: Arc::from([1.0]),
            probability: p.insert_axis(ndarray::Axis(0)),
        });
        slice
    }

    #[test]
    fn shares_of_as_many_as_59_members_lie_in_bins_of_their_own() {
        for members in 1..BINS {
            let p = Array2::from_shape_fn((1, members + 1), |(_, k)| (k as f64 / members as f64) as f32);
            let terms = terms(&Forecast::of(&probability(p)), &observed(&Array2::zeros((1, members + 1))), 1.0);
            assert_eq!(filled(&terms, BINS).len(), members + 1);
        }
    }

    #[test]
    fn a_tenth_is_in_the_tenth_that_it_begins() {
        let p = Array2::from_shape_fn((1, 11), |(_, k)| k as f32 / 10.0);
        let terms = terms(&Forecast::of(&probability(p)), &observed(&Array2::zeros((1, 11))), 1.0);
        let cells: Vec<f64> = filled(&terms, 10).iter().map(|bin| bin.cells).collect();
        assert_eq!(cells, [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0]);
    }
}
