//! The arithmetic of the blend: the same plain function serves the forecast, the hindcast and the fit of the weights.

use std::{collections::BTreeMap, sync::Arc};

use ndarray::{Array2, Array3, ArrayView2, Axis, Zip};
use nowblend_field::{Bounds, Error, Exceedance, Grid, LeadTime, Slice, window_sums};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Weight;
use crate::nowcast::{Neighbourhoods, half_width};

/// Least reach of a cell where a component has data: it speaks even at the very edge if nobody else does.
const LEAST_REACH: f32 = 1e-3;

/// How components are joined: what happens at the edge of a component's data, and to the peaks of the blend.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Combining {
    /// Width over which a component's weight rises from its first missing cell inwards, km.
    pub edge_km: f64,
    /// Whether the blended rain takes back the distribution of its components (their averaged quantiles), so that averaging
    /// neither widens light rain nor lowers peaks.
    pub keep_distribution: bool,
    /// Growth of the full width of the square whose share of rainy cells is the probability of a component that tells none, km min⁻¹; three
    /// cells at least, or with 0 the cell alone, whose probability is 1 or 0.
    pub growth_km_min: f64,
}

impl Default for Combining {
    fn default() -> Self {
        Self {
            edge_km: 20.0,
            keep_distribution: false,
            growth_km_min: 0.25,
        }
    }
}

impl Combining {
    /// Refuses a number out of its bounds.
    pub(super) fn check(&self) -> Result<(), Error> {
        Bounds::default()
            .number("`combining.edge_km`", self.edge_km, 0.0..=1000.0, "0 to 1000")
            .number("`combining.growth_km_min`", self.growth_km_min, 0.0..=100.0, "0 to 100")
            .result()
    }
}

/// Blends the slices of one lead time under their weights.
///
/// Rain `[member, y, x]` is Σ wᵢ cᵢ Rᵢ / Σ wᵢ cᵢ, wᵢ being the component's weight in the rain. The blend has as many members as its largest component; member k is made of each
/// component's own member k modulo its count, so that a forecast without members takes part in every one. The exceedance probability is the
/// same mean of the components' probabilities at the thresholds of all of them: between its own thresholds a component is interpolated, one
/// without probabilities says what share of its members is at or above the threshold, and one without members what share of its cells is, in a
/// square that grows with the lead time: rain without doubt is likely to be a little out of place. The reach
/// cᵢ is 0 where the component is missing and max(2 f - 1, 0.001) elsewhere, f being the share of cells with data in the
/// square of twice the edge width around the cell: 0 along a straight edge, 1 from one width inwards, with no seam between.
/// A cell that no component of positive weight covers takes those of weight 0; one that nobody covers is NaN.
///
/// # Errors
///
/// [`Error::Shape`] for a slice that does not lie on `grid`.
///
/// # Source
///
/// Theis, S. E., A. Hense and U. Damrath, 2005: Probabilistic precipitation forecasts from a deterministic model: a pragmatic approach. Meteor.
/// Appl., 12, 257-268, doi:10.1017/S1350482705001763, for the shares of cells.
pub fn combine(lead_time: LeadTime, grid: &Grid, said: &[(&Slice, Weight)], combining: Combining) -> Result<Slice, Error> {
    let shape = grid.shape();
    let half = (combining.edge_km * 1000.0 / grid.cell_size_m()).round().max(0.0) as usize;
    let around = match combining.growth_km_min {
        growth if growth > 0.0 => half_width(growth, lead_time, grid.cell_size_m() / 1000.0).max(1),
        _ => 0,
    };
    let mut parts = Vec::with_capacity(said.len());
    for (slice, weight) in said {
        let rain = slice.mean();
        let found = rain
            .as_ref()
            .map(Array2::dim)
            .or(slice.exceedance.as_ref().map(|e| (e.probability.dim().1, e.probability.dim().2)));
        if let Some(found) = found
            && found != shape
        {
            return Err(Error::Shape {
                what: "slice of a component [y, x]",
                found: vec![found.0, found.1],
                expected: vec![shape.0, shape.1],
            });
        }
        if found.is_some() {
            // A tiny floor lets a component without weight speak where all others are silent.
            let least = |weight: f64| (weight as f32).max(1e-9);
            parts.push(Part {
                slice,
                rain,
                of_rain: least(weight.rain),
                of_probability: least(weight.probability),
            });
        }
    }
    let reach: Vec<Option<Array2<f32>>> = parts.par_iter().map(|p| p.reach(half)).collect();

    let members = parts.iter().map(|p| p.slice.members()).max().unwrap_or(0);
    let mut rain = (members > 0).then(|| Array3::zeros((members, shape.0, shape.1)));
    for (member, mut plane) in rain.iter_mut().flat_map(|rain| rain.outer_iter_mut()).enumerate() {
        let fields: Vec<Field<'_>> = parts
            .iter()
            .zip(&reach)
            .filter_map(|(part, reach)| Some((part.member(member)?, part.of_rain, reach.as_ref())))
            .collect();
        let mut mean = weighted_mean(shape, &fields);
        if combining.keep_distribution && fields.len() > 1 {
            keep_distribution(&mut mean, &fields);
        }
        plane.assign(&mean);
    }

    let exceedance = thresholds(&parts).map(|thresholds_mm_h| {
        let around: Vec<Option<Neighbourhoods<'_>>> = parts.iter().map(|p| p.neighbourhoods(around)).collect();
        let mut probability = Array3::zeros((thresholds_mm_h.len(), shape.0, shape.1));
        probability
            .axis_iter_mut(Axis(0))
            .into_par_iter()
            .zip(thresholds_mm_h.par_iter())
            .for_each(|(mut plane, threshold)| {
                let said: Vec<(Array2<f32>, usize)> = parts
                    .iter()
                    .zip(&around)
                    .enumerate()
                    .filter_map(|(k, (p, around))| p.probability(*threshold, around.as_ref()).map(|field| (field, k)))
                    .collect();
                let fields: Vec<_> = said
                    .iter()
                    .map(|(field, k)| (field.view(), parts[*k].of_probability, reach[*k].as_ref()))
                    .collect();
                plane.assign(&weighted_mean(shape, &fields));
            });
        Exceedance {
            thresholds_mm_h,
            probability,
        }
    });
    Ok(Slice {
        lead_time,
        rain,
        exceedance,
        diagnostics: BTreeMap::new(),
    })
}

/// The thresholds of all components, ascending; `None` where nobody has probabilities.
fn thresholds(parts: &[Part<'_>]) -> Option<Arc<[f64]>> {
    let mut lists = parts.iter().filter_map(|p| p.slice.exceedance.as_ref().map(|e| &e.thresholds_mm_h));
    let first = lists.next()?;
    let mut all: Vec<f64> = first.to_vec();
    for list in lists {
        all.extend(list.iter().filter(|t| first.iter().all(|f| (f - *t).abs() >= 1e-6)));
    }
    if all.len() == first.len() {
        return Some(Arc::clone(first));
    }
    all.sort_by(f64::total_cmp);
    all.dedup_by(|a, b| (*a - *b).abs() < 1e-6);
    Some(all.into())
}

struct Part<'a> {
    slice: &'a Slice,
    /// The mean of its members.
    rain: Option<Array2<f32>>,
    /// Its weights.
    of_rain: f32,
    of_probability: f32,
}

impl Part<'_> {
    /// Reach of the component; `None` where it covers every cell.
    fn reach(&self, half: usize) -> Option<Array2<f32>> {
        let field = match (&self.rain, &self.slice.exceedance) {
            (Some(rain), _) => rain.view(),
            (None, Some(e)) => e.probability.index_axis(Axis(0), 0),
            (None, None) => return None,
        };
        if field.iter().all(|r| !r.is_nan()) {
            return None;
        }
        let share = box_share(field, half);
        Some(
            Zip::from(field)
                .and(&share)
                .map_collect(|r, f| if r.is_nan() { 0.0 } else { (2.0 * f - 1.0).max(LEAST_REACH) }),
        )
    }

    /// Its member that stands for member `k` of the blend.
    fn member(&self, k: usize) -> Option<ArrayView2<'_, f32>> {
        let rain = self.slice.rain.as_ref()?;
        let count = rain.len_of(Axis(0));
        (count > 0).then(|| rain.index_axis(Axis(0), k % count))
    }

    /// What lies within `half` cells of each, where there is rain without members.
    fn neighbourhoods(&self, half: usize) -> Option<Neighbourhoods<'_>> {
        let rain = self.slice.first_member().filter(|_| self.slice.members() == 1)?;
        Some(Neighbourhoods::new(rain, half))
    }

    /// What it gives, or the share of its members, or that of the cells around each.
    fn probability(&self, threshold_mm_h: f64, around: Option<&Neighbourhoods<'_>>) -> Option<Array2<f32>> {
        let given = self.slice.probability(threshold_mm_h);
        let given = given.or_else(|| self.slice.exceedance.as_ref().and_then(|e| e.between(threshold_mm_h)));
        given.or_else(|| Some(around?.share(threshold_mm_h as f32)))
    }
}

/// Field, weight and reach of each component.
type Field<'a> = (ArrayView2<'a, f32>, f32, Option<&'a Array2<f32>>);

fn weighted_mean(shape: (usize, usize), fields: &[Field<'_>]) -> Array2<f32> {
    let mut sum = Array2::<f32>::zeros(shape);
    let mut total = Array2::<f32>::zeros(shape);
    for (field, weight, reach) in fields {
        let add = |sum: &mut f32, total: &mut f32, x: f32, reach: f32| {
            if !x.is_nan() {
                *sum += weight * reach * x;
                *total += weight * reach;
            }
        };
        match reach {
            Some(reach) => Zip::from(&mut sum)
                .and(&mut total)
                .and(field)
                .and(*reach)
                .par_for_each(|s, t, x, c| add(s, t, *x, *c)),
            None => Zip::from(&mut sum)
                .and(&mut total)
                .and(field)
                .par_for_each(|s, t, x| add(s, t, *x, 1.0)),
        }
    }
    Zip::from(&mut sum)
        .and(&total)
        .par_for_each(|s, t| *s = if *t > 0.0 { *s / *t } else { f32::NAN });
    sum
}

/// Share of cells with data in the square of `2 half + 1` cells around each cell, as far as it lies on the grid.
fn box_share(field: ArrayView2<'_, f32>, half: usize) -> Array2<f32> {
    let (ny, nx) = field.dim();
    let counts = window_sums(field, 2 * half + 1, |r| u32::from(!r.is_nan()));
    let width = |k: usize, n: usize| ((k + half + 1).min(n) - k.saturating_sub(half)) as f32;
    Array2::from_shape_fn((ny, nx), |(y, x)| counts[[y, x]] as f32 / (width(y, ny) * width(x, nx)))
}

/// Gives the blend the distribution of its components where all of them have data: the k-th largest blended value becomes the
/// weighted mean of the components' k-th largest values.
///
/// # Source
///
/// Probability matching after Ebert, E. E., 2001: Ability of a poor man's ensemble to predict the probability and distribution of
/// precipitation. Mon. Wea. Rev., 129, 2461-2480, with averaged instead of pooled quantiles.
fn keep_distribution(mean: &mut Array2<f32>, fields: &[Field<'_>]) {
    let cells: Vec<usize> = {
        let views: Vec<_> = fields.iter().map(|(f, ..)| f).collect();
        let (_, nx) = mean.dim();
        (0..mean.len())
            .filter(|i| views.iter().all(|v| !v[[i / nx, i % nx]].is_nan()))
            .collect()
    };
    let (_, nx) = mean.dim();
    let total: f32 = fields.iter().map(|(_, w, _)| w).sum();
    let sorted: Vec<Vec<f32>> = fields
        .par_iter()
        .map(|(field, ..)| {
            let mut values: Vec<f32> = cells.iter().map(|i| field[[i / nx, i % nx]]).collect();
            values.par_sort_unstable_by(f32::total_cmp);
            values
        })
        .collect();
    let mut order = cells;
    // Ties keep the order of the cells, so that the result does not depend on threads.
    order.par_sort_by(|a, b| mean[[a / nx, a % nx]].total_cmp(&mean[[b / nx, b % nx]]));
    for (rank, cell) in order.iter().enumerate() {
        let at = [cell / nx, cell % nx];
        if mean[at] > 0.0 {
            mean[at] = fields
                .iter()
                .zip(&sorted)
                .map(|((_, weight, _), values)| weight * values[rank])
                .sum::<f32>()
                / total;
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use proptest::prelude::*;

    use super::*;

    const LEAD: LeadTime = LeadTime::from_minutes(5);

    fn slice(rain: Array2<f32>) -> Slice {
        Slice::of_rain(LEAD, rain)
    }

    /// The same weight in the rain and in the probabilities.
    fn alike(weight: f64) -> Weight {
        Weight {
            rain: weight,
            probability: weight,
        }
    }

    fn blended(fields: &[(&Slice, f64)], grid: &Grid, combining: Combining) -> Array2<f32> {
        let said: Vec<(&Slice, Weight)> = fields.iter().map(|(slice, weight)| (*slice, alike(*weight))).collect();
        combine(LEAD, grid, &said, combining).unwrap().first_member().unwrap().to_owned()
    }

    #[test]
    fn weights_apply_and_a_missing_cell_takes_what_the_others_say() {
        let grid = Grid::plane(2, 3, 1000.0);
        let a = slice(array![[4.0, 0.0, f32::NAN], [8.0, 0.0, f32::NAN]]);
        let b = slice(array![[0.0, 4.0, 2.0], [0.0, 0.0, f32::NAN]]);
        let out = blended(
            &[(&a, 0.25), (&b, 0.75)],
            &grid,
            Combining {
                edge_km: 0.0,
                ..Combining::default()
            },
        );
        // 0.25 x 4 = 1; 0.75 x 4 = 3; only b: 2; 0.25 x 8 = 2.
        assert_eq!(out.row(0).to_vec(), [1.0, 3.0, 2.0]);
        assert_eq!(out[[1, 0]], 2.0);
        assert!(out[[1, 2]].is_nan());
    }

    #[test]
    fn there_is_no_seam_at_the_edge_of_the_data() {
        // a says 10 everywhere, b says 0 west of column 30 and nothing east of it.
        let grid = Grid::plane(40, 60, 1000.0);
        let a = slice(Array2::from_elem((40, 60), 10.0));
        let b = slice(Array2::from_shape_fn((40, 60), |(_, x)| if x < 30 { 0.0 } else { f32::NAN }));
        let out = blended(
            &[(&a, 0.5), (&b, 0.5)],
            &grid,
            Combining {
                edge_km: 8.0,
                ..Combining::default()
            },
        );
        let row = out.row(20);
        assert_eq!([row[10], row[40]], [5.0, 10.0]);
        let steepest = row.windows(2).into_iter().map(|w| (w[1] - w[0]).abs()).fold(0.0, f32::max);
        assert!(steepest < 1.3, "{steepest}");
    }

    #[test]
    fn probabilities_pool_and_rain_without_doubt_tells_the_share_of_rainy_cells_around() {
        let grid = Grid::plane(1, 2, 1000.0);
        let thresholds: Arc<[f64]> = [1.0].into();
        let mut network = slice(array![[0.5, 0.5]]);
        network.exceedance = Some(Exceedance {
            thresholds_mm_h: thresholds,
            probability: array![[[0.2, 0.6]]],
        });
        let extrapolation = slice(array![[3.0, 0.0]]);
        let told = |growth_km_min: f64, lead_min: u32| {
            let combining = Combining {
                growth_km_min,
                ..Combining::default()
            };
            let lead_time = LeadTime::from_minutes(lead_min);
            let out = combine(lead_time, &grid, &[(&network, alike(0.5)), (&extrapolation, alike(0.5))], combining).unwrap();
            out.exceedance.unwrap().probability.iter().copied().collect::<Vec<f32>>()
        };
        let near = |found: Vec<f32>, expected: [f32; 2]| {
            assert!(
                found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6),
                "{found:?}, expected {expected:?}"
            );
        };
        // The cell alone: (0.2 + 1) / 2 and (0.6 + 0) / 2.
        near(told(0.0, 60), [0.6, 0.3]);
        // A square of three cells holds both, of which one is rainy: (0.2 + 0.5) / 2 and (0.6 + 0.5) / 2.
        near(told(0.25, 5), [0.35, 0.55]);
        // Of 20 cells with the first and the last rainy: after 30 min of 7 cells, at the edges of 4 and in the middle of none.
        let grid = Grid::plane(1, 20, 1000.0);
        let mut line = Array2::zeros((1, 20));
        (line[[0, 0]], line[[0, 19]]) = (3.0, 3.0);
        let (line, mut knows) = (slice(line), slice(Array2::zeros((1, 20))));
        knows.exceedance = Some(Exceedance {
            thresholds_mm_h: [1.0].into(),
            probability: Array3::zeros((1, 1, 20)),
        });
        let out = combine(
            LeadTime::from_minutes(30),
            &grid,
            &[(&line, alike(0.5)), (&knows, alike(0.5))],
            Combining::default(),
        )
        .unwrap();
        let told = out.exceedance.unwrap().probability;
        assert_eq!(
            [told[[0, 0, 0]], told[[0, 0, 3]], told[[0, 0, 4]], told[[0, 0, 19]]],
            [0.125, 0.5 / 7.0, 0.0, 0.125]
        );
    }

    #[test]
    fn rain_and_probabilities_are_weighed_apart() {
        let sure = |rain: f32, probability: f32| {
            let mut slice = slice(array![[rain]]);
            slice.exceedance = Some(Exceedance {
                thresholds_mm_h: [1.0].into(),
                probability: array![[[probability]]],
            });
            slice
        };
        let (a, b) = (sure(4.0, 0.25), sure(0.0, 0.75));
        let weight = |rain, probability| Weight { rain, probability };
        let said = [(&a, weight(0.75, 0.0)), (&b, weight(0.25, 1.0))];
        let out = combine(LEAD, &Grid::plane(1, 1, 1000.0), &said, Combining::default()).unwrap();
        assert_eq!(out.rain.unwrap()[[0, 0, 0]], 3.0);
        assert!((out.exceedance.unwrap().probability[[0, 0, 0]] - 0.75).abs() < 1e-6);
    }

    #[test]
    fn a_forecast_without_members_takes_part_in_every_member() {
        let grid = Grid::plane(1, 2, 1000.0);
        let mut ensemble = slice(array![[0.0, 0.0]]);
        ensemble.rain = Some(array![[[2.0, 0.0]], [[6.0, 4.0]]]);
        let single = slice(array![[4.0, 0.0]]);
        let out = combine(LEAD, &grid, &[(&ensemble, alike(0.5)), (&single, alike(0.5))], Combining::default()).unwrap();
        // (2 + 4) / 2 and (6 + 4) / 2; (0 + 0) / 2 and (4 + 0) / 2.
        assert_eq!(out.rain.unwrap(), array![[[3.0, 0.0]], [[5.0, 2.0]]]);
    }

    #[test]
    fn averaging_need_not_lower_the_peak() {
        // The same storm in two places: the mean has two peaks of 5, the kept distribution one of 10.
        let grid = Grid::plane(1, 4, 1000.0);
        let a = slice(array![[10.0, 0.0, 0.0, 1.0]]);
        let b = slice(array![[0.0, 10.0, 0.0, 1.0]]);
        let combining = Combining {
            edge_km: 0.0,
            keep_distribution: true,
            ..Combining::default()
        };
        let out = blended(&[(&a, 0.6), (&b, 0.4)], &grid, combining);
        assert_eq!(out.row(0).to_vec(), [10.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn numbers_out_of_bounds_are_refused_by_key() {
        let message = |combining: Combining| combining.check().unwrap_err().to_string();
        let edge = Combining {
            edge_km: f64::NAN,
            ..Combining::default()
        };
        let growth = Combining {
            growth_km_min: -0.1,
            ..Combining::default()
        };
        assert_eq!(message(edge), "`combining.edge_km` is NaN, expected 0 to 1000");
        assert_eq!(message(growth), "`combining.growth_km_min` is -0.1, expected 0 to 100");
        assert!(Combining::default().check().is_ok());
    }

    #[test]
    fn a_slice_of_another_shape_is_refused() {
        let wrong = slice(Array2::zeros((3, 3)));
        assert!(matches!(
            combine(LEAD, &Grid::plane(2, 3, 1000.0), &[(&wrong, alike(1.0))], Combining::default()),
            Err(Error::Shape { .. })
        ));
    }

    proptest! {
        #[test]
        fn a_blend_of_equals_is_that_forecast(values in proptest::collection::vec(0.0f32..100.0, 20), w in 0.01f64..0.99, keep in any::<bool>()) {
            let field = Array2::from_shape_vec((4, 5), values).unwrap();
            let one = slice(field.clone());
            let out = blended(&[(&one, w), (&one, 1.0 - w)], &Grid::plane(4, 5, 1000.0), Combining { edge_km: 2.0, keep_distribution: keep, ..Combining::default() });
            for (a, b) in out.iter().zip(&field) {
                prop_assert!((a - b).abs() <= 1e-5 * (1.0 + b.abs()));
            }
        }

        #[test]
        fn a_blend_lies_between_its_components(a in proptest::collection::vec(0.0f32..100.0, 20), b in proptest::collection::vec(0.0f32..100.0, 20), w in 0.0f64..1.0) {
            let field = |v: &Vec<f32>| Array2::from_shape_vec((4, 5), v.clone()).unwrap();
            let out = blended(&[(&slice(field(&a)), w), (&slice(field(&b)), 1.0 - w)], &Grid::plane(4, 5, 1000.0), Combining::default());
            for ((o, a), b) in out.iter().zip(&a).zip(&b) {
                prop_assert!(*o >= a.min(*b) - 1e-3 && *o <= a.max(*b) + 1e-3);
            }
        }
    }
}
