//! Sums from which the weights of a blend can be fitted by least squares, without making the forecasts again.

use ndarray::Array2;
use serde::{Deserialize, Serialize};

/// Sums of products over the cells that count and where every component has data: of the components' rain x and the observed rain y, the
/// last of the vector z = (x₁, …, xₙ, y).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Covariances {
    /// The components, in order.
    pub components: Vec<String>,
    /// Number of cells.
    pub cells: u64,
    /// Σ zᵢ zⱼ for i ≤ j, row by row, rain in mm h⁻¹.
    pub rain: Vec<f64>,
    /// The same with rain as 10 log10((R + 0.1 mm h⁻¹) / 0.1 mm h⁻¹), dB.
    pub decibel: Vec<f64>,
}

impl Covariances {
    /// The sums of the components' rain and the observed one, all `[y, x]` in mm h⁻¹, where `mask` holds.
    pub fn of(components: &[(&str, Array2<f32>)], observed: &Array2<f32>, mask: &Array2<bool>) -> Self {
        let fields: Vec<&Array2<f32>> = components.iter().map(|(_, rain)| rain).chain([observed]).collect();
        let size = fields.len();
        let pairs = size * (size + 1) / 2;
        let mut sums = Self {
            components: components.iter().map(|(name, _)| (*name).to_owned()).collect(),
            cells: 0,
            rain: vec![0.0; pairs],
            decibel: vec![0.0; pairs],
        };
        let (mut rain, mut decibel) = (vec![0.0; size], vec![0.0; size]);
        for (cell, counts) in mask.indexed_iter() {
            if !counts || fields.iter().any(|field| field[cell].is_nan()) {
                continue;
            }
            for (k, field) in fields.iter().enumerate() {
                rain[k] = f64::from(field[cell]);
                decibel[k] = 10.0 * ((rain[k] + 0.1) / 0.1).log10();
            }
            sums.cells += 1;
            add_products(&mut sums.rain, &rain);
            add_products(&mut sums.decibel, &decibel);
        }
        sums
    }
}

fn add_products(sums: &mut [f64], z: &[f64]) {
    let mut sums = sums.iter_mut();
    for (i, a) in z.iter().enumerate() {
        for (b, sum) in z[i..].iter().zip(sums.by_ref()) {
            *sum += a * b;
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn products_are_summed_where_everyone_has_data() {
        let (a, b) = (array![[1.0, 2.0, f32::NAN]], array![[3.0, 0.0, 1.0]]);
        let observed = array![[2.0, 1.0, 1.0]];
        let sums = Covariances::of(&[("a", a), ("b", b)], &observed, &array![[true, true, true]]);
        // Two cells: aa 1 + 4, ab 3 + 0, ay 2 + 2, bb 9 + 0, by 6 + 0, yy 4 + 1.
        assert_eq!(sums.rain, [5.0, 3.0, 4.0, 9.0, 6.0, 5.0]);
        assert_eq!(
            (sums.cells, sums.components.as_slice()),
            (2, ["a".to_owned(), "b".to_owned()].as_slice())
        );
        // The dry cell is 0 dB: bb is (10 log10 31)² alone.
        assert!((sums.decibel[3] - (10.0 * 31f64.log10()).powi(2)).abs() < 1e-9);
    }
}
