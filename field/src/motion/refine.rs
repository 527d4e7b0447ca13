//! From nodes to cells, and from nodes to finer nodes, linearly.

use ndarray::{Array2, Zip};

use super::pyramid::line;

/// A field given every `spacing` cells, the first at cell (0, 0), on all cells of `shape`; it must reach beyond the last cell.
pub(super) fn refine(nodes: &Array2<f32>, spacing: usize, shape: (usize, usize)) -> Array2<f32> {
    let mut out = Array2::<f32>::zeros(shape);
    Zip::indexed(out.rows_mut()).par_for_each(|y, mut row| {
        let (j, fy) = (y / spacing, (y % spacing) as f32 / spacing as f32);
        let between: Vec<f32> = line(nodes, j)
            .iter()
            .zip(line(nodes, j + 1))
            .map(|(south, north)| south * (1.0 - fy) + north * fy)
            .collect();
        for (i, cells) in row.as_slice_mut().expect("a fresh array").chunks_mut(spacing).enumerate() {
            for (k, cell) in cells.iter_mut().enumerate() {
                let fx = k as f32 / spacing as f32;
                *cell = between[i] * (1.0 - fx) + between[i + 1] * fx;
            }
        }
    });
    out
}

/// A field on `shape` nodes of half the distance.
pub(super) fn finer(coarse: &Array2<f32>, shape: (usize, usize)) -> Array2<f32> {
    let (ny, nx) = coarse.dim();
    Array2::from_shape_fn(shape, |(y, x)| {
        let ([j, k], [i, l]) = (
            [y / 2, y.div_ceil(2)].map(|j| j.min(ny - 1)),
            [x / 2, x.div_ceil(2)].map(|i| i.min(nx - 1)),
        );
        0.25 * (coarse[[j, i]] + coarse[[j, l]] + coarse[[k, i]] + coarse[[k, l]])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plane_is_kept_by_both() {
        let plane = |scale: f32| move |(y, x): (usize, usize)| scale * (2.0 * y as f32 - x as f32);
        let coarse = Array2::from_shape_fn((3, 4), plane(4.0));
        assert_eq!(refine(&coarse, 4, (8, 11)), Array2::from_shape_fn((8, 11), plane(1.0)));
        assert_eq!(finer(&coarse, (5, 7)), Array2::from_shape_fn((5, 7), plane(2.0)));
    }
}
