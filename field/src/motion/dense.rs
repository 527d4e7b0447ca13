//! From scattered vectors to a motion for every cell: outliers out, crowds thinned, the rest spread by optimal interpolation.

use ndarray::{Array1, Array2, Zip};
use ndarray_linalg::{FactorizeC, SolveC, UPLO};

use super::{Motion, refine::refine};
use crate::Error;

/// Vectors that the interpolation takes at most: its cost grows with their cube.
const VECTORS_MAX: usize = 400;
/// The interpolation is worked out on every so many cells at most, and refined linearly between.
const NODE_SPACING_MAX: usize = 16;

/// A corner at `(y, x)` moved by `(dy, dx)`, cells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Vector {
    pub y: f32,
    pub x: f32,
    pub dy: f32,
    pub dx: f32,
}

/// Drops vectors that differ from their nearest neighbours by more than `deviations` in the neighbours' own spread
/// (Mahalanobis distance, the spread at least a tenth of a cell).
pub(super) fn without_outliers(vectors: &[Vector], deviations: f32, neighbours: usize) -> Vec<Vector> {
    if vectors.len() < 4 {
        return vectors.to_vec();
    }
    let mut kept = Vec::with_capacity(vectors.len());
    let mut order: Vec<(f32, usize)> = Vec::with_capacity(vectors.len());
    for (k, vector) in vectors.iter().enumerate() {
        order.clear();
        order.extend(
            vectors
                .iter()
                .enumerate()
                .filter(|(j, _)| *j != k)
                .map(|(j, o)| ((o.y - vector.y).powi(2) + (o.x - vector.x).powi(2), j)),
        );
        let count = neighbours.min(order.len());
        if count < order.len() {
            order.select_nth_unstable_by(count - 1, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        }
        // A fixed order of summation, whatever the selection left.
        let near = &mut order[..count];
        near.sort_unstable_by_key(|(_, j)| *j);
        let n = count as f32;
        let (my, mx) = near
            .iter()
            .fold((0.0, 0.0), |(y, x), (_, j)| (y + vectors[*j].dy / n, x + vectors[*j].dx / n));
        let (mut yy, mut yx, mut xx) = (0.01, 0.0, 0.01);
        for (_, j) in near.iter() {
            let (ey, ex) = (vectors[*j].dy - my, vectors[*j].dx - mx);
            yy += ey * ey / n;
            yx += ey * ex / n;
            xx += ex * ex / n;
        }
        let (ey, ex) = (vector.dy - my, vector.dx - mx);
        let distance2 = (xx * ey * ey - 2.0 * yx * ey * ex + yy * ex * ex) / (yy * xx - yx * yx);
        if distance2 <= deviations * deviations {
            kept.push(*vector);
        }
    }
    kept
}

/// One vector for each square of `width` cells: the median of those in it. The squares widen until at most 400 vectors remain.
pub(super) fn decluster(vectors: &[Vector], width: usize, shape: (usize, usize)) -> Vec<Vector> {
    let mut width = width.max(1);
    loop {
        let columns = shape.1 / width + 1;
        let mut keyed: Vec<(usize, Vector)> = vectors
            .iter()
            .map(|v| ((v.y as usize / width) * columns + v.x as usize / width, *v))
            .collect();
        keyed.sort_by_key(|(key, _)| *key);
        let thinned: Vec<Vector> = keyed
            .chunk_by(|a, b| a.0 == b.0)
            .map(|group| {
                let middle = |of: fn(&Vector) -> f32| median(&mut group.iter().map(|(_, v)| of(v)).collect::<Vec<_>>());
                Vector {
                    y: middle(|v| v.y),
                    x: middle(|v| v.x),
                    dy: middle(|v| v.dy),
                    dx: middle(|v| v.dx),
                }
            })
            .collect();
        if thinned.len() <= VECTORS_MAX {
            return thinned;
        }
        width = width * 5 / 4 + 1;
    }
}

/// Motion for every cell, in cells a frame: the median vector, plus the optimal interpolation of what the vectors say beyond it.
///
/// The increment at a place is k' (K + noise I)⁻¹ d, with d the vectors' departures from the median and the correlation
/// K = exp(-r²/2L²) of places r apart; L is `reach` times the longer side. Far from all vectors the median is left.
///
/// # Source
///
/// Gandin, L. S., 1965: Objective analysis of meteorological fields. Israel Program for Scientific Translations.
pub(super) fn spread(vectors: &[Vector], shape: (usize, usize), reach: f64, noise: f64) -> Result<Motion, Error> {
    super::blas_on_one_thread();
    let n = vectors.len();
    let of = |part: fn(&Vector) -> f32| median(&mut vectors.iter().map(part).collect::<Vec<_>>());
    let (my, mx) = (of(|v| v.dy), of(|v| v.dx));
    let length = (reach * shape.0.max(shape.1) as f64).max(1.0);
    let correlation =
        |y: f64, x: f64, v: &Vector| (-0.5 * ((y - f64::from(v.y)).powi(2) + (x - f64::from(v.x)).powi(2)) / (length * length)).exp();
    let matrix = Array2::from_shape_fn((n, n), |(j, i)| {
        correlation(f64::from(vectors[j].y), f64::from(vectors[j].x), &vectors[i]) + if i == j { noise.max(1e-6) } else { 0.0 }
    });
    let factor = matrix.factorizec(UPLO::Lower).map_err(|e| Error::component("lucas_kanade", e))?;
    let solve = |departures: Vec<f64>| {
        factor
            .solvec_into(Array1::from(departures))
            .map_err(|e| Error::component("lucas_kanade", e))
    };
    let wy = solve(vectors.iter().map(|v| f64::from(v.dy - my)).collect())?;
    let wx = solve(vectors.iter().map(|v| f64::from(v.dx - mx)).collect())?;

    // A quarter of the correlation length keeps the linear refinement within 1 % of the increment.
    let spacing = ((length / 4.0) as usize).clamp(1, NODE_SPACING_MAX);
    let nodes = (shape.0.div_ceil(spacing) + 1, shape.1.div_ceil(spacing) + 1);
    // The correlation is a product of one along y and one along x: few exponentials for many nodes.
    let along = |count: usize, of: fn(&Vector) -> f32| {
        Array2::from_shape_fn((count, n), |(node, k)| {
            (-0.5 * ((node * spacing) as f64 - f64::from(of(&vectors[k]))).powi(2) / (length * length)).exp()
        })
    };
    let (along_y, along_x) = (along(nodes.0, |v| v.y), along(nodes.1, |v| v.x));
    let mut node_y = Array2::<f32>::zeros(nodes);
    let mut node_x = Array2::<f32>::zeros(nodes);
    Zip::indexed(node_y.rows_mut())
        .and(node_x.rows_mut())
        .par_for_each(|j, mut row_y, mut row_x| {
            let (from_y, from_x) = (&along_y.row(j) * &wy, &along_y.row(j) * &wx);
            for i in 0..nodes.1 {
                row_y[i] = my + along_x.row(i).dot(&from_y) as f32;
                row_x[i] = mx + along_x.row(i).dot(&from_x) as f32;
            }
        });
    Ok(Motion::new(refine(&node_x, spacing, shape), refine(&node_y, spacing, shape)))
}

fn median(values: &mut [f32]) -> f32 {
    values.sort_unstable_by(f32::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        0.5 * (values[middle - 1] + values[middle])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_unlike_its_neighbours_is_dropped() {
        let mut vectors: Vec<Vector> = (0..20)
            .map(|k| Vector {
                y: k as f32,
                x: (k * 7 % 20) as f32,
                dy: 1.0 + 0.01 * k as f32,
                dx: 2.0,
            })
            .collect();
        vectors.push(Vector {
            y: 10.0,
            x: 10.0,
            dy: -5.0,
            dx: 9.0,
        });
        let kept = without_outliers(&vectors, 3.0, 8);
        assert!(kept.iter().all(|v| v.dy > 0.0), "{kept:?}");
        assert!(kept.len() >= 18);
    }

    #[test]
    fn far_from_all_vectors_the_median_is_left_and_near_one_its_own_word_counts() {
        // Nine vectors of 1 and one of 4 cells a frame: the median is 1.
        let mut vectors: Vec<Vector> = (0..9)
            .map(|k| Vector {
                y: 100.0 + 30.0 * (k / 3) as f32,
                x: 100.0 + 30.0 * (k % 3) as f32,
                dy: 1.0,
                dx: 1.0,
            })
            .collect();
        vectors.push(Vector {
            y: 300.0,
            x: 300.0,
            dy: 4.0,
            dx: 1.0,
        });
        let motion = spread(&vectors, (400, 400), 0.05, 0.25).unwrap();
        assert!((motion.v[[10, 390]] - 1.0).abs() < 0.01);
        // Alone there, with noise 0.25: 1 + 3/(1 + 0.25) = 3.4 (the refinement takes a little).
        assert!((motion.v[[300, 300]] - 3.4).abs() < 0.15, "{}", motion.v[[300, 300]]);
    }
}
