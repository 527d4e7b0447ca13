//! Sums over cells of what the members of an ensemble say there.

use rayon::prelude::*;

use super::{Forecast, Observed};

/// Cells that one thread sums at a time. Sums of these parts are added in the order of cells, so that no digit depends on the threads.
const PART: usize = 1024;

/// The members in a cell that counts, and what was observed there.
pub(super) struct Cell<'a> {
    /// Place of the cell, row by row over the grid.
    pub place: u32,
    /// Rain of the members, mm h⁻¹, 0 where missing; may be put in another order.
    pub members: &'a mut [f32],
    /// Observed rain, mm h⁻¹.
    pub observed: f32,
}

/// Adds up `count` sums over the cells that count; `None` for a forecast without members.
pub(super) fn sum_over_cells(
    forecast: &Forecast<'_>,
    observed: &Observed,
    count: usize,
    add: impl Fn(&mut [f64], Cell<'_>) + Sync,
) -> Option<Vec<f64>> {
    let members = forecast.members();
    let rows: Vec<&[f32]> = members.iter().map(|m| m.as_slice()).collect::<Option<_>>()?;
    if rows.is_empty() {
        return None;
    }
    let rain = observed.rain();
    let part = |cells: &[u32]| {
        let mut here = vec![0.0f32; cells.len() * rows.len()];
        for (member, row) in rows.iter().enumerate() {
            for (cell, members) in cells.iter().zip(here.chunks_exact_mut(rows.len())) {
                let rain = row[*cell as usize];
                members[member] = if rain.is_nan() { 0.0 } else { rain };
            }
        }
        let mut sums = vec![0.0; count];
        for (&place, members) in cells.iter().zip(here.chunks_exact_mut(rows.len())) {
            let observed = rain[place as usize];
            add(&mut sums, Cell { place, members, observed });
        }
        sums
    };
    let parts: Vec<Vec<f64>> = observed.cells().par_chunks(PART).map(part).collect();
    let mut total = vec![0.0; count];
    for part in parts {
        total.iter_mut().zip(part).for_each(|(sum, more)| *sum += more);
    }
    Some(total)
}

#[cfg(test)]
pub(super) mod tests {
    use ndarray::{Array2, Array3, ArrayView3};
    use nowblend_field::{LeadTime, Slice};

    use super::*;
    use crate::verify::{Metrics, MetricsConfig};

    /// A forecast of members `[member, y, x]`.
    pub fn ensemble(members: ArrayView3<'_, f32>) -> Slice {
        let mut slice = Slice::of_rain(LeadTime::from_minutes(5), Array2::zeros((1, 1)));
        slice.rain = Some(members.to_owned());
        slice
    }

    /// Observed rain, every cell of which counts.
    pub fn observed(rain: &Array2<f32>) -> Observed {
        Observed::new(rain, &Array2::from_elem(rain.dim(), true), 1000.0)
    }

    /// Rain without a pattern, with gaps; every third cell or so is dry.
    pub fn uneven(member: usize, y: usize, x: usize) -> f32 {
        let k = (member * 7919 + y * 104_729 + x * 1_299_709) % 1013;
        if k.is_multiple_of(41) {
            f32::NAN
        } else {
            (k as f32 / 100.0 - 3.0).max(0.0)
        }
    }

    #[test]
    fn no_digit_of_any_score_depends_on_the_number_of_threads() {
        let slice = ensemble(Array3::from_shape_fn((5, 60, 70), |(m, y, x)| uneven(m, y, x)).view());
        let truth = observed(&Array2::from_shape_fn((60, 70), |(y, x)| uneven(9, y, x)));
        let metrics = Metrics::new(&MetricsConfig::default()).unwrap();
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| metrics.terms(&Forecast::of(&slice), &truth))
        };
        let one = with(1);
        assert!(one["members_crps"].sums()[0] > 4000.0);
        assert_eq!(one, with(7));
    }

    #[test]
    fn members_in_any_layout_are_read_cell_by_cell() {
        let plain = Array3::from_shape_fn((3, 4, 5), |(m, y, x)| uneven(m, y, x));
        let turned = Array3::from_shape_fn((5, 4, 3), |(x, y, m)| uneven(m, y, x)).reversed_axes();
        assert!(!turned.is_standard_layout() && plain.shape() == turned.shape());
        let truth = observed(&Array2::zeros((4, 5)));
        let sums = |members: &Array3<f32>| {
            let mut slice = ensemble(plain.view());
            slice.rain = Some(members.clone());
            sum_over_cells(&Forecast::of(&slice), &truth, 1, |sums, cell| {
                sums[0] += f64::from(cell.place + 1) * f64::from(cell.members[1]);
            })
        };
        assert_eq!(sums(&plain), sums(&turned));
        assert!(sums(&plain).unwrap()[0] > 0.0);
    }

    #[test]
    fn a_forecast_of_one_rain_or_of_none_has_the_scores_it_can_have_and_never_fails() {
        let truth = observed(&Array2::from_shape_fn((4, 5), |(y, x)| uneven(9, y, x)));
        let rain = Array2::from_shape_fn((4, 5), |(y, x)| uneven(0, y, x));
        let mut nothing = ensemble(rain.view().insert_axis(ndarray::Axis(0)));
        let alone = nothing.clone();
        nothing.rain = None;
        let nobody = ensemble(Array3::zeros((0, 4, 5)).view());
        let metrics = Metrics::new(&MetricsConfig::default()).unwrap();
        let score = |forecast: &Forecast<'_>, name: &str| {
            let terms = metrics.terms(forecast, &truth);
            let metric = metrics.iter().find(|m| m.name() == name).unwrap();
            metric.score(&terms[&metric.sums()])
        };
        let of_rain = Forecast::of_rain(&rain);
        for forecast in [&Forecast::of(&alone), &of_rain] {
            assert_eq!(score(forecast, "crps"), score(forecast, "mae"));
            for name in [
                "crps_fair",
                "crps_weighted_fair_1_mm_h",
                "threshold_crps_fair",
                "spread",
                "spread_error",
                "rank_histogram_delta",
            ] {
                assert!(score(forecast, name).is_nan(), "{name}");
            }
            assert_eq!(score(forecast, "fss_probability_1_mm_h_5_km"), score(forecast, "fss_1_mm_h_5_km"));
        }
        for forecast in [&Forecast::of(&nothing), &Forecast::of(&nobody)] {
            for metric in metrics.iter() {
                let terms = metric.terms(forecast, &truth);
                assert!(metric.score(&terms).is_nan(), "{}", metric.name());
            }
        }
    }
}
