//! How far a field is from the one that is known to be right.

use crate::{metric::Metric, plane::Plane};

/// Distances relative to the size of the right field: l1 = I(|a - b|)/I(|b|), l2 = √(I((a - b)²)/I(b²)), l∞ = max|a - b|/max|b|, where I is
/// the integral over the area.
///
/// # Source
///
/// Williamson et al., 1992, doi:10.1016/S0021-9991(05)80016-6, equations 82 to 84.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Norms {
    /// Mean distance.
    pub l1: f64,
    /// Root mean square distance.
    pub l2: f64,
    /// Largest distance.
    pub linf: f64,
}

impl Norms {
    /// Distance of `found` from `right` on the cells of a grid.
    pub fn of(metric: &Metric, found: &Plane, right: &Plane) -> Self {
        let shape = metric.shape();
        let [mut l1, mut l2, mut linf] = [[0.0_f64; 2]; 3];
        for j in 0..shape.ny {
            for (i, (a, b)) in found.row(j).iter().zip(right.row(j)).enumerate() {
                let area = metric.area_m2(j, i);
                for (k, value) in [(a - b).abs(), b.abs()].into_iter().enumerate() {
                    l1[k] += area * value;
                    l2[k] += area * value * value;
                    // `max` would hide a value that is not a number.
                    if value > linf[k] || value.is_nan() {
                        linf[k] = value;
                    }
                }
            }
        }
        Self {
            l1: l1[0] / l1[1],
            l2: (l2[0] / l2[1]).sqrt(),
            linf: linf[0] / linf[1],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{metric::Rotation, plane::Shape};

    #[test]
    fn one_wrong_cell_of_twenty_counts_by_its_share() {
        let shape = Shape { ny: 4, nx: 5 };
        let metric = Metric::plane(shape, 2.0, 3.0, Rotation::Constant(0.0));
        let right = Plane::constant(shape, 2.0);
        let mut found = right.clone();
        *found.at_mut(1, 3) = 1.0;
        // l1 = 1/(20 x 2), l2 = √(1/(20 x 4)), l∞ = 1/2.
        let norms = Norms::of(&metric, &found, &right);
        assert!((norms.l1 - 0.025).abs() < 1e-15 && (norms.l2 - (1.0_f64 / 80.0).sqrt()).abs() < 1e-15 && norms.linf == 0.5);
        *found.at_mut(0, 0) = f64::NAN;
        let norms = Norms::of(&metric, &found, &right);
        assert!(norms.l1.is_nan() && norms.l2.is_nan());
    }
}
