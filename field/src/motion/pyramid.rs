//! The echo as images of halving size, and the match of a small window between two of them.

use ndarray::{Array2, ArrayView2, Zip};
use rayon::prelude::*;

use super::dense::Vector;

/// Decibels that stand for no rain, as pysteps sets them.
const DRY_DB: f32 = -15.0;
/// A match is given up where the weaker direction of the window's gradient is below this (decibel² a cell²).
const LEAST_GRADIENT: f32 = 0.05;
/// A match has settled when a step is shorter than this, cells.
const SETTLED: f32 = 0.02;

/// Rain in decibels `[y, x]`, dry where nothing was observed, and whether it was observed.
pub(super) struct Image {
    pub db: Array2<f32>,
    pub seen: Array2<bool>,
}

impl Image {
    /// 10 log10 R where R is at or above `rain_min_mm_h`.
    pub fn of_rain(rain: ArrayView2<'_, f32>, rain_min_mm_h: f64) -> Self {
        let rain_min = rain_min_mm_h as f32;
        let mut db = Array2::from_elem(rain.dim(), DRY_DB);
        Zip::from(&mut db).and(rain).par_for_each(|db, r| {
            if *r >= rain_min {
                *db = 10.0 * r.log10();
            }
        });
        Self {
            db,
            seen: rain.mapv(|r| !r.is_nan()),
        }
    }

    /// Half the size: blurred by 1 2 1 in both directions, every second cell.
    fn half(&self) -> Self {
        let (ny, nx) = self.db.dim();
        let shape = (ny.div_ceil(2), nx.div_ceil(2));
        let mut db = Array2::zeros(shape);
        let mut seen = Array2::from_elem(shape, false);
        Zip::indexed(db.rows_mut())
            .and(seen.rows_mut())
            .par_for_each(|row, mut db, mut seen| {
                let y = 2 * row;
                let rows = [y.saturating_sub(1), y, (y + 1).min(ny - 1)];
                for column in 0..shape.1 {
                    let x = 2 * column;
                    let columns = [x.saturating_sub(1), x, (x + 1).min(nx - 1)];
                    let mut sum = 0.0;
                    for (j, wy) in rows.into_iter().zip([0.25, 0.5, 0.25]) {
                        for (i, wx) in columns.into_iter().zip([0.25, 0.5, 0.25]) {
                            sum += wy * wx * self.db[[j, i]];
                        }
                    }
                    db[column] = sum;
                    seen[column] = self.seen[[y, x]];
                }
            });
        Self { db, seen }
    }
}

/// An image at full size, half, a quarter and so on.
pub(super) struct Pyramid {
    levels: Vec<Image>,
}

impl Pyramid {
    /// Halves `image` up to `halvings` times, as long as 16 cells remain.
    pub fn new(image: Image, halvings: usize) -> Self {
        let mut levels = vec![image];
        for _ in 0..halvings {
            let last = &levels[levels.len() - 1];
            if last.db.nrows().min(last.db.ncols()) < 32 {
                break;
            }
            levels.push(last.half());
        }
        Self { levels }
    }

    /// The image at full size.
    pub fn finest(&self) -> &Image {
        &self.levels[0]
    }

    /// Follows corners `(row, column)` into the `next` image: those whose window can be matched, with their displacement in cells.
    pub fn follow(&self, next: &Self, corners: &[(usize, usize)], window: usize, iterations: usize) -> Vec<Vector> {
        let found: Vec<Option<Vector>> = corners
            .par_iter()
            .map(|&(y, x)| {
                let (mut dy, mut dx) = (0.0, 0.0);
                for level in (0..self.levels.len()).rev() {
                    let scale = (1 << level) as f32;
                    let (from, to) = (&self.levels[level], &next.levels[level]);
                    // On coarse levels the same window covers more of the map: half of it is enough.
                    let half = if level == 0 {
                        window as isize / 2
                    } else {
                        (window as isize / 2).min(12 + 12 / level as isize)
                    };
                    let matched = match_window(
                        from,
                        to,
                        (y as f32 / scale, x as f32 / scale),
                        (dy / scale, dx / scale),
                        half,
                        iterations,
                    );
                    match matched {
                        Some((my, mx)) => (dy, dx) = (my * scale, mx * scale),
                        None if level == 0 => return None,
                        None => {}
                    }
                }
                Some(Vector {
                    y: y as f32,
                    x: x as f32,
                    dy,
                    dx,
                })
            })
            .collect();
        found.into_iter().flatten().collect()
    }
}

/// Lucas-Kanade step repeated from a first guess: minimises Σ (I(p) - J(p + d))² over the window, every second cell of it.
fn match_window(from: &Image, to: &Image, centre: (f32, f32), guess: (f32, f32), half: isize, iterations: usize) -> Option<(f32, f32)> {
    let (ny, nx) = from.db.dim();
    let (cy, cx) = (centre.0.round() as isize, centre.1.round() as isize);
    // Cells of the window with their value and gradient.
    let mut cells: Vec<(isize, isize, f32, f32, f32)> = Vec::with_capacity(((half + 1) * (half + 1)) as usize);
    let (mut gyy, mut gyx, mut gxx) = (0.0f64, 0.0f64, 0.0f64);
    let stride = if half > 8 { 2 } else { 1 };
    for y in (cy - half..=cy + half).step_by(stride).filter(|y| (1..ny as isize - 1).contains(y)) {
        for x in (cx - half..=cx + half).step_by(stride).filter(|x| (1..nx as isize - 1).contains(x)) {
            let (j, i) = (y as usize, x as usize);
            if !(from.seen[[j, i]] && from.seen[[j - 1, i]] && from.seen[[j + 1, i]] && from.seen[[j, i - 1]] && from.seen[[j, i + 1]]) {
                continue;
            }
            let db = &from.db;
            // Scharr's weights 3 10 3 over 32.
            let gy = (3.0 * (db[[j + 1, i - 1]] - db[[j - 1, i - 1]])
                + 10.0 * (db[[j + 1, i]] - db[[j - 1, i]])
                + 3.0 * (db[[j + 1, i + 1]] - db[[j - 1, i + 1]]))
                / 32.0;
            let gx = (3.0 * (db[[j - 1, i + 1]] - db[[j - 1, i - 1]])
                + 10.0 * (db[[j, i + 1]] - db[[j, i - 1]])
                + 3.0 * (db[[j + 1, i + 1]] - db[[j + 1, i - 1]]))
                / 32.0;
            gyy += f64::from(gy * gy);
            gyx += f64::from(gy * gx);
            gxx += f64::from(gx * gx);
            cells.push((y, x, db[[j, i]], gy, gx));
        }
    }
    let count = cells.len() as f64;
    let weaker = 0.5 * (gyy + gxx - ((gyy - gxx).powi(2) + 4.0 * gyx * gyx).sqrt());
    if count < 9.0 || weaker / count < f64::from(LEAST_GRADIENT) {
        return None;
    }
    let determinant = gyy * gxx - gyx * gyx;
    let (mut dy, mut dx) = guess;
    for _ in 0..iterations {
        let (fy, fx) = (dy.floor(), dx.floor());
        let (oy, ox) = (fy as isize, fx as isize);
        let (fy, fx) = (dy - fy, dx - fx);
        let weights = [(1.0 - fy) * (1.0 - fx), (1.0 - fy) * fx, fy * (1.0 - fx), fy * fx];
        let (mut by, mut bx, mut used) = (0.0f64, 0.0f64, 0usize);
        for &(y, x, value, gy, gx) in &cells {
            let (j, i) = (y + oy, x + ox);
            if j < 0 || i < 0 || j + 1 >= ny as isize || i + 1 >= nx as isize {
                continue;
            }
            let (j, i) = (j as usize, i as usize);
            if !to.seen[[j, i]] || !to.seen[[j + 1, i + 1]] {
                continue;
            }
            let there = weights[0] * to.db[[j, i]]
                + weights[1] * to.db[[j, i + 1]]
                + weights[2] * to.db[[j + 1, i]]
                + weights[3] * to.db[[j + 1, i + 1]];
            let change = f64::from(value - there);
            by += change * f64::from(gy);
            bx += change * f64::from(gx);
            used += 1;
        }
        if (used as f64) < 0.5 * count {
            return None;
        }
        let (sy, sx) = (
            ((gxx * by - gyx * bx) / determinant) as f32,
            ((gyy * bx - gyx * by) / determinant) as f32,
        );
        dy += sy;
        dx += sx;
        if !(dy.is_finite() && dx.is_finite()) || (dy - guess.0).hypot(dx - guess.1) > 1.5 * half as f32 {
            return None;
        }
        if sy.hypot(sx) < SETTLED {
            break;
        }
    }
    Some((dy, dx))
}
