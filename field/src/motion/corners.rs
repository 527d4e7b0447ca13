//! Corners of the echo: places whose surroundings vary in both directions, so that their motion can be told.
//!
//! # Source
//!
//! Shi, J. and C. Tomasi, 1994: Good features to track. CVPR 1994, 593-600.

use ndarray::{Array2, Zip};

use super::pyramid::Image;

/// Half the width of the square over which gradients are summed, cells.
const BLOCK_HALF: usize = 2;
/// Corners keep this far from cells that were not observed, cells.
const BUFFER: usize = 5;

/// How many corners, how strong, how far apart.
pub(super) struct CornerLimits {
    pub count: usize,
    pub quality: f32,
    pub distance: usize,
}

/// Strongest corners `(row, column)` first.
pub(super) fn corners(image: &Image, limits: &CornerLimits) -> Vec<(usize, usize)> {
    let strength = strength(image);
    let strongest = strength.iter().copied().fold(0.0, f32::max);
    if strongest <= 0.0 {
        return Vec::new();
    }
    let (ny, nx) = strength.dim();
    let mut candidates: Vec<(f32, usize)> = Vec::new();
    for y in 1..ny.saturating_sub(1) {
        for x in 1..nx.saturating_sub(1) {
            let here = strength[[y, x]];
            if here < limits.quality * strongest {
                continue;
            }
            let peak = (y - 1..=y + 1).all(|j| (x - 1..=x + 1).all(|i| strength[[j, i]] <= here));
            if peak {
                candidates.push((here, y * nx + x));
            }
        }
    }
    candidates.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    // One bucket a square of the least distance: a new corner need only look at the nine around it.
    let distance = limits.distance.max(1);
    let mut buckets: Array2<Vec<(usize, usize)>> = Array2::default((ny / distance + 3, nx / distance + 3));
    let mut chosen = Vec::new();
    for (_, place) in candidates {
        let (y, x) = (place / nx, place % nx);
        let (by, bx) = (y / distance + 1, x / distance + 1);
        let near = |other: &(usize, usize)| y.abs_diff(other.0).pow(2) + x.abs_diff(other.1).pow(2) < distance * distance;
        let crowded = (by - 1..=by + 1).any(|j| (bx - 1..=bx + 1).any(|i| buckets[[j, i]].iter().any(near)));
        if !crowded {
            buckets[[by, bx]].push((y, x));
            chosen.push((y, x));
            if chosen.len() == limits.count {
                break;
            }
        }
    }
    chosen
}

/// The smaller eigenvalue of the summed gradient products; 0 near missing cells.
fn strength(image: &Image) -> Array2<f32> {
    let (ny, nx) = image.db.dim();
    let mut out = Array2::zeros((ny, nx));
    let reach = BUFFER.max(BLOCK_HALF + 1);
    if ny <= 2 * reach || nx <= 2 * reach {
        return out;
    }
    let mut products = Array2::from_elem((ny, nx), [0.0f32; 3]);
    Zip::indexed(products.rows_mut()).par_for_each(|y, mut row| {
        if y == 0 || y + 1 == ny {
            return;
        }
        for x in 1..nx - 1 {
            let gy = 0.5 * (image.db[[y + 1, x]] - image.db[[y - 1, x]]);
            let gx = 0.5 * (image.db[[y, x + 1]] - image.db[[y, x - 1]]);
            row[x] = [gy * gy, gy * gx, gx * gx];
        }
    });
    let unseen = near_unseen(image);
    Zip::indexed(out.rows_mut()).par_for_each(|y, mut row| {
        if y < reach || y + reach >= ny {
            return;
        }
        for x in reach..nx - reach {
            if unseen[[y, x]] {
                continue;
            }
            let mut sum = [0.0f32; 3];
            for j in y - BLOCK_HALF..=y + BLOCK_HALF {
                for i in x - BLOCK_HALF..=x + BLOCK_HALF {
                    let p = products[[j, i]];
                    sum = [sum[0] + p[0], sum[1] + p[1], sum[2] + p[2]];
                }
            }
            let [yy, yx, xx] = sum;
            row[x] = 0.5 * (yy + xx - ((yy - xx).powi(2) + 4.0 * yx * yx).sqrt());
        }
    });
    out
}

/// Whether a cell lies within the buffer of one that was not observed.
fn near_unseen(image: &Image) -> Array2<bool> {
    let (ny, nx) = image.seen.dim();
    let mut along = Array2::from_elem((ny, nx), false);
    Zip::from(along.rows_mut()).and(image.seen.rows()).par_for_each(|mut along, seen| {
        let mut last: Option<usize> = None;
        for x in 0..nx {
            if !seen[x] {
                last = Some(x);
            }
            along[x] |= last.is_some_and(|l| x - l <= BUFFER);
        }
        last = None;
        for x in (0..nx).rev() {
            if !seen[x] {
                last = Some(x);
            }
            along[x] |= last.is_some_and(|l| l - x <= BUFFER);
        }
    });
    let mut out = Array2::from_elem((ny, nx), false);
    Zip::indexed(out.rows_mut()).par_for_each(|y, mut out| {
        for row in along
            .slice(ndarray::s![y.saturating_sub(BUFFER)..(y + BUFFER + 1).min(ny), ..])
            .rows()
        {
            Zip::from(&mut out).and(row).for_each(|o, a| *o |= a);
        }
    });
    out
}
