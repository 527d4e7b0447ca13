//! The smoothest field that yields to what is known at its nodes, by conjugate gradients.
//!
//! # Source
//!
//! Hestenes, M. R. and E. Stiefel, 1952: Methods of conjugate gradients for solving linear systems. J. Res. Nat. Bur. Stand., 49, 409-436.

use ndarray::Array2;

/// The search ends when the residual has shrunk to this share of the right-hand side, both in the norm of the preconditioner.
const SETTLED: f64 = 1e-4;

/// What is known at a node: A V = b, by least squares.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Pull {
    yy: f64,
    yx: f64,
    xx: f64,
    y: f64,
    x: f64,
}

impl Pull {
    /// Adds gy Vy + gx Vx = `towards` with a weight.
    pub fn add(&mut self, weight: f32, gy: f32, gx: f32, towards: f32) {
        self.yy += f64::from(weight * gy * gy);
        self.yx += f64::from(weight * gy * gx);
        self.xx += f64::from(weight * gx * gx);
        self.y += f64::from(weight * gy * towards);
        self.x += f64::from(weight * gx * towards);
    }
}

/// Improves `field` (north, east) `[y, x]` to the minimum of Σ (V'AV - 2 b'V) + `alpha2` Σ |ΔV|², the second sum over neighbouring nodes.
pub(super) fn smoothest(pulls: &Array2<Pull>, alpha2: f64, field: &mut [Array2<f32>; 2], iterations: usize) {
    let (rows, columns) = pulls.dim();
    let pulls: Vec<Pull> = pulls.iter().copied().collect();
    let neighbours = |k: usize| {
        let (j, i) = (k / columns, k % columns);
        let around = [
            (j > 0, k.wrapping_sub(columns)),
            (j + 1 < rows, k + columns),
            (i > 0, k.wrapping_sub(1)),
            (i + 1 < columns, k + 1),
        ];
        around.into_iter().filter(|(inside, _)| *inside).map(|(_, k)| k)
    };
    let apply = |v: &[[f64; 2]], out: &mut [[f64; 2]]| {
        for (k, out) in out.iter_mut().enumerate() {
            let (p, here) = (&pulls[k], v[k]);
            let mut rough = [0.0; 2];
            for other in neighbours(k) {
                rough = [rough[0] + here[0] - v[other][0], rough[1] + here[1] - v[other][1]];
            }
            *out = [
                p.yy * here[0] + p.yx * here[1] + alpha2 * rough[0],
                p.yx * here[0] + p.xx * here[1] + alpha2 * rough[1],
            ];
        }
    };
    // The part of the system that concerns one node alone, inverted.
    let own: Vec<[f64; 3]> = (0..pulls.len())
        .map(|k| {
            let stiff = alpha2 * neighbours(k).count().max(1) as f64;
            let (yy, yx, xx) = (pulls[k].yy + stiff, pulls[k].yx, pulls[k].xx + stiff);
            let determinant = yy * xx - yx * yx;
            [xx / determinant, -yx / determinant, yy / determinant]
        })
        .collect();
    let precondition = |r: &[[f64; 2]], z: &mut [[f64; 2]]| {
        for ((z, r), m) in z.iter_mut().zip(r).zip(&own) {
            *z = [m[0] * r[0] + m[1] * r[1], m[1] * r[0] + m[2] * r[1]];
        }
    };
    let dot = |a: &[[f64; 2]], b: &[[f64; 2]]| a.iter().zip(b).map(|(a, b)| a[0] * b[0] + a[1] * b[1]).sum::<f64>();

    let mut v: Vec<[f64; 2]> = field[0]
        .iter()
        .zip(&field[1])
        .map(|(y, x)| [f64::from(*y), f64::from(*x)])
        .collect();
    let mut product = vec![[0.0; 2]; v.len()];
    apply(&v, &mut product);
    let mut r: Vec<[f64; 2]> = pulls.iter().zip(&product).map(|(p, a)| [p.y - a[0], p.x - a[1]]).collect();
    let mut z: Vec<[f64; 2]> = pulls.iter().map(|p| [p.y, p.x]).collect();
    let known = z.clone();
    precondition(&known, &mut z);
    let enough = SETTLED * SETTLED * dot(&known, &z);
    precondition(&r, &mut z);
    let mut direction = z.clone();
    let mut rz = dot(&r, &z);
    for _ in 0..iterations {
        if rz <= enough {
            break;
        }
        apply(&direction, &mut product);
        let curvature = dot(&direction, &product);
        if curvature <= 0.0 || curvature.is_nan() {
            break;
        }
        let step = rz / curvature;
        for k in 0..v.len() {
            for part in 0..2 {
                v[k][part] += step * direction[k][part];
                r[k][part] -= step * product[k][part];
            }
        }
        precondition(&r, &mut z);
        let after = dot(&r, &z);
        let keep = after / rz;
        rz = after;
        for (d, z) in direction.iter_mut().zip(&z) {
            *d = [z[0] + keep * d[0], z[1] + keep * d[1]];
        }
    }
    for (part, field) in field.iter_mut().enumerate() {
        for (cell, v) in field.iter_mut().zip(&v) {
            *cell = v[part] as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_node_that_knows_speaks_for_all() {
        let mut pulls = Array2::from_elem((4, 5), Pull::default());
        pulls[[1, 3]].add(1.0, 2.0, 0.0, 6.0); // 2 Vy = 6
        pulls[[1, 3]].add(1.0, 0.0, 1.0, -1.0); // Vx = -1
        let mut field = [Array2::zeros((4, 5)), Array2::zeros((4, 5))];
        smoothest(&pulls, 10.0, &mut field, 200);
        assert!(field[0].iter().all(|v| (v - 3.0).abs() < 0.02), "{}", field[0]);
        assert!(field[1].iter().all(|v| (v + 1.0).abs() < 0.02), "{}", field[1]);
    }

    #[test]
    fn between_two_that_differ_the_field_goes_evenly() {
        // A row of five nodes held hard at 0 and 4: the smoothest way between is 0 1 2 3 4.
        let mut pulls = Array2::from_elem((1, 5), Pull::default());
        for (node, value) in [(0, 0.0), (4, 4.0)] {
            pulls[[0, node]].add(1e4, 1.0, 0.0, value);
        }
        let mut field = [Array2::zeros((1, 5)), Array2::zeros((1, 5))];
        smoothest(&pulls, 1.0, &mut field, 200);
        for (node, v) in field[0].iter().enumerate() {
            assert!((v - node as f32).abs() < 0.01, "{}", field[0]);
        }
    }

    #[test]
    fn nothing_known_changes_nothing() {
        let mut field = [Array2::from_elem((3, 4), 2.0), Array2::zeros((3, 4))];
        smoothest(&Array2::from_elem((3, 4), Pull::default()), 1.0, &mut field, 50);
        assert!(field[0].iter().all(|v| *v == 2.0));
    }
}
