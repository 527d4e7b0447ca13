//! What stands where the radar sees nothing, so that the edge of its range is no cliff: what is near, and far away the mean.

use ndarray::Array2;

/// Distance over which what is near fades, cells.
const FADES: f32 = 128.0;
/// Doublings of the distance up to which what is near counts.
const DOUBLINGS: usize = 6;

/// Fills the missing cells of a plane `[y, x]` that closes on itself: means of ever larger blocks are spread back from coarse to fine, and
/// pass into `far` with distance.
///
/// # Source
///
/// Gortler, S. J., et al., 1996: The lumigraph. SIGGRAPH 96, 43-54, doi:10.1145/237170.237200 (pull and push).
pub fn fill(plane: &mut Array2<f32>, far: f32) {
    let mut levels: Vec<Array2<f32>> = Vec::new();
    loop {
        let finest = levels.last().unwrap_or(plane);
        if levels.len() == DOUBLINGS || finest.len() == 1 || !finest.iter().any(|v| v.is_nan()) {
            break;
        }
        levels.push(halved(finest));
    }
    let Some(mut coarse) = levels.pop() else { return };
    coarse.mapv_inplace(|v| if v.is_nan() { far } else { v });
    while let Some(mut fine) = levels.pop() {
        push(&coarse, &mut fine, far, (2 << (levels.len() + 1)) as f32);
        coarse = fine;
    }
    push(&coarse, plane, far, 2.0);
}

/// Means of what is there in blocks of 2 by 2.
fn halved(fine: &Array2<f32>) -> Array2<f32> {
    let (ny, nx) = fine.dim();
    Array2::from_shape_fn((ny.div_ceil(2), nx.div_ceil(2)), |(j, i)| {
        let (mut sum, mut count) = (0.0, 0.0);
        for y in 2 * j..(2 * j + 2).min(ny) {
            for x in 2 * i..(2 * i + 2).min(nx) {
                let value = fine[[y, x]];
                if !value.is_nan() {
                    sum += value;
                    count += 1.0;
                }
            }
        }
        if count > 0.0 { sum / count } else { f32::NAN }
    })
}

/// Fills what is missing from the next coarser level, whose blocks are `size` cells wide, linear between them.
fn push(coarse: &Array2<f32>, fine: &mut Array2<f32>, far: f32, size: f32) {
    let left = (-size / FADES).exp();
    let (rows, columns) = coarse.dim();
    let around = |cell: usize, count: usize| {
        // Three quarters of the way from the block's neighbour on the cell's own side.
        let block = cell / 2;
        let next = if cell.is_multiple_of(2) {
            (block + count - 1) % count
        } else {
            (block + 1) % count
        };
        (block, next)
    };
    for ((y, x), value) in fine.indexed_iter_mut().filter(|(_, v)| v.is_nan()) {
        let ((j, jn), (i, in_)) = (around(y, rows), around(x, columns));
        let near = 0.75 * coarse[[j, i]] + 0.25 * coarse[[j, in_]];
        let next = 0.75 * coarse[[jn, i]] + 0.25 * coarse[[jn, in_]];
        *value = far + left * (0.75 * near + 0.25 * next - far);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_stays_and_what_is_missing_fades_with_distance() {
        let mut plane = Array2::from_elem((80, 96), f32::NAN);
        plane.slice_mut(ndarray::s![..40, ..40]).fill(20.0);
        fill(&mut plane, -15.0);
        assert!(plane.slice(ndarray::s![..40, ..40]).iter().all(|v| *v == 20.0));
        let out: Vec<f32> = [41, 50, 60].iter().map(|y| plane[[*y, 20]]).collect();
        assert!(out[0] > out[1] && out[1] > out[2] && out[2] > -15.0, "{out:?}");
        // At the edge less than a third of the way to dry, also across the seam where the plane closes.
        assert!(out[0] > 8.0 && plane[[79, 20]] > 8.0, "{out:?} {}", plane[[79, 20]]);
    }

    #[test]
    fn nothing_at_all_is_dry() {
        let mut plane = Array2::from_elem((7, 9), f32::NAN);
        fill(&mut plane, -15.0);
        assert!(plane.iter().all(|v| *v == -15.0));
    }
}
