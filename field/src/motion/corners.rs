//! Corners of the echo: places whose surroundings vary in both directions, so that their motion can be told.
//!
//! # Source
//!
//! Shi, J. and C. Tomasi, 1994: Good features to track. CVPR 1994, 593-600.

use ndarray::{Array2, Zip};

use super::pyramid::{Image, line};

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
    let weakest = limits.quality * strongest;
    let (ny, nx) = strength.dim();
    let mut candidates: Vec<(f32, usize)> = Vec::new();
    for y in 1..ny.saturating_sub(1) {
        let row = line(&strength, y);
        for (x, &here) in row.iter().enumerate().take(nx.saturating_sub(1)).skip(1) {
            if here < weakest {
                continue;
            }
            let peak = (y - 1..=y + 1).all(|j| line(&strength, j)[x - 1..=x + 1].iter().all(|other| *other <= here));
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
        let (south, here, north) = (line(&image.db, y - 1), line(&image.db, y), line(&image.db, y + 1));
        for (x, product) in row.iter_mut().enumerate().take(nx - 1).skip(1) {
            let gy = 0.5 * (north[x] - south[x]);
            let gx = 0.5 * (here[x + 1] - here[x - 1]);
            *product = [gy * gy, gy * gx, gx * gx];
        }
    });
    let unseen = near_unseen(image, BUFFER);
    Zip::indexed(out.rows_mut()).par_for_each(|y, mut row| {
        if y < reach || y + reach >= ny {
            return;
        }
        let block: [&[[f32; 3]]; 2 * BLOCK_HALF + 1] = std::array::from_fn(|k| line(&products, y + k - BLOCK_HALF));
        for x in reach..nx - reach {
            if unseen.as_ref().is_some_and(|unseen| unseen[[y, x]]) {
                continue;
            }
            let mut sum = [0.0f32; 3];
            for line in block {
                for p in &line[x - BLOCK_HALF..=x + BLOCK_HALF] {
                    sum = [sum[0] + p[0], sum[1] + p[1], sum[2] + p[2]];
                }
            }
            let [yy, yx, xx] = sum;
            row[x] = 0.5 * (yy + xx - ((yy - xx).powi(2) + 4.0 * yx * yx).sqrt());
        }
    });
    out
}

/// Whether a cell lies within `buffer` cells of one that was not observed; nothing where all were.
pub(super) fn near_unseen(image: &Image, buffer: usize) -> Option<Array2<bool>> {
    if image.seen.iter().all(|seen| *seen) {
        return None;
    }
    let (ny, nx) = image.seen.dim();
    let mut along = Array2::from_elem((ny, nx), false);
    Zip::from(along.rows_mut()).and(image.seen.rows()).par_for_each(|mut along, seen| {
        let mut last: Option<usize> = None;
        for x in 0..nx {
            if !seen[x] {
                last = Some(x);
            }
            along[x] |= last.is_some_and(|l| x - l <= buffer);
        }
        last = None;
        for x in (0..nx).rev() {
            if !seen[x] {
                last = Some(x);
            }
            along[x] |= last.is_some_and(|l| l - x <= buffer);
        }
    });
    let mut out = Array2::from_elem((ny, nx), false);
    Zip::indexed(out.rows_mut()).par_for_each(|y, mut out| {
        for row in along
            .slice(ndarray::s![y.saturating_sub(buffer)..(y + buffer + 1).min(ny), ..])
            .rows()
        {
            Zip::from(&mut out).and(row).for_each(|o, a| *o |= a);
        }
    });
    Some(out)
}
