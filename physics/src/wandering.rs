//! Lets fine detail go as it stops being predictable: what is left of an echo is its mean over where eddies may have taken it.

use ndarray::{Array2, ArrayViewMut1, Axis};
use rayon::prelude::*;

/// Mean of `field` `[y, x]` over a pyramid of 4 `half` + 1 cells along a side (a box of 2 `half` + 1, twice); cells that are not observed
/// do not count and stay unknown.
pub(crate) fn mean_around(field: &Array2<f32>, half: usize) -> Array2<f32> {
    if half == 0 {
        return field.clone();
    }
    let along_x = twice_along_rows(field, half);
    let turned = along_x.t().as_standard_layout().into_owned();
    twice_along_rows(&turned, half).t().as_standard_layout().into_owned()
}

fn twice_along_rows(field: &Array2<f32>, half: usize) -> Array2<f32> {
    let mut out = field.clone();
    out.axis_iter_mut(Axis(0)).into_par_iter().for_each_init(
        || (Vec::new(), Vec::new()),
        |(sums, counts), mut row| {
            for _ in 0..2 {
                add_up(&row, sums, counts);
                average(&mut row, sums, counts, half);
            }
        },
    );
    out
}

/// Sums and numbers of the observed values before each cell.
fn add_up(row: &ArrayViewMut1<'_, f32>, sums: &mut Vec<f64>, counts: &mut Vec<u32>) {
    sums.clear();
    counts.clear();
    let (mut sum, mut count) = (0.0, 0);
    sums.push(sum);
    counts.push(count);
    for value in row {
        if !value.is_nan() {
            sum += f64::from(*value);
            count += 1;
        }
        sums.push(sum);
        counts.push(count);
    }
}

fn average(row: &mut ArrayViewMut1<'_, f32>, sums: &[f64], counts: &[u32], half: usize) {
    let n = row.len();
    for (i, value) in row.iter_mut().enumerate().filter(|(_, v)| !v.is_nan()) {
        let (first, end) = (i.saturating_sub(half), (i + half + 1).min(n));
        // Differences of sums may round below nought.
        *value = ((sums[end] - sums[first]) / f64::from(counts[end] - counts[first])).max(0.0) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wet_cell_becomes_a_pyramid_that_holds_as_much() {
        // A box of 3 twice is [1, 2, 3, 2, 1] / 9 along each side: 81 mm/h in the middle become 81 x 3/9 x 3/9 = 9, and
        // 81 x 3/9 x 1/9 = 3 two cells east.
        let mut field = Array2::zeros((12, 15));
        field[[5, 7]] = 81.0;
        let mean = mean_around(&field, 1);
        assert!((mean[[5, 7]] - 9.0).abs() < 1e-5 && (mean[[5, 9]] - 3.0).abs() < 1e-5);
        assert_eq!(mean[[5, 10]], 0.0);
        assert!((mean.sum() - 81.0).abs() < 1e-4);
    }

    #[test]
    fn what_was_not_observed_does_not_count_and_stays_unknown() {
        let field = ndarray::array![[2.0, f32::NAN, 2.0, 2.0], [2.0, 2.0, f32::NAN, 2.0]];
        for (mean, value) in mean_around(&field, 2).iter().zip(&field) {
            assert_eq!(mean.is_nan(), value.is_nan());
            assert!(mean.is_nan() || (mean - 2.0).abs() < 1e-6);
        }
    }
}
