//! The echo as images of halving size, and the match of a small window between two of them.

use ndarray::{Array2, ArrayView2, Zip};
use rayon::prelude::*;

use super::dense::Vector;
use crate::Sequence;

/// Decibels that stand for no rain, as pysteps sets them.
pub(super) const DRY_DB: f32 = -15.0;
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
        let mut seen = Array2::from_elem(rain.dim(), true);
        Zip::from(&mut db).and(&mut seen).and(rain).par_for_each(|db, seen, r| {
            if *r >= rain_min {
                *db = 10.0 * r.log10();
            } else if r.is_nan() {
                *seen = false;
            }
        });
        Self { db, seen }
    }

    /// Decibels at a fractional cell, linearly; none outside or where one of the four cells around was not observed.
    pub fn at(&self, y: f32, x: f32) -> Option<f32> {
        let (ny, nx) = self.db.dim();
        // Written so that a position that is NaN lies outside, too.
        if !(y >= 0.0 && x >= 0.0 && y < (ny - 1) as f32 && x < (nx - 1) as f32) {
            return None;
        }
        let (j, i) = (y as usize, x as usize);
        let (fy, fx) = (y - j as f32, x - i as f32);
        let (seen_south, seen_north) = (line(&self.seen, j), line(&self.seen, j + 1));
        if !(seen_south[i] && seen_south[i + 1] && seen_north[i] && seen_north[i + 1]) {
            return None;
        }
        let (south, north) = (line(&self.db, j), line(&self.db, j + 1));
        let (s, n) = (south[i] + fx * (south[i + 1] - south[i]), north[i] + fx * (north[i + 1] - north[i]));
        Some(s + fy * (n - s))
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
                let (south, here, north) = (
                    line(&self.db, y.saturating_sub(1)),
                    line(&self.db, y),
                    line(&self.db, (y + 1).min(ny - 1)),
                );
                let seen_here = line(&self.seen, y);
                let blurred: Vec<f32> = (0..nx).map(|x| 0.25 * south[x] + 0.5 * here[x] + 0.25 * north[x]).collect();
                for column in 0..shape.1 {
                    let x = 2 * column;
                    db[column] = 0.25 * blurred[x.saturating_sub(1)] + 0.5 * blurred[x] + 0.25 * blurred[(x + 1).min(nx - 1)];
                    seen[column] = seen_here[x];
                }
            });
        Self { db, seen }
    }
}

/// A row of an image as a slice.
pub(super) fn line<T>(image: &Array2<T>, row: usize) -> &[T] {
    let columns = image.ncols();
    let cells = image.as_slice().expect("images are made in standard layout");
    &cells[row * columns..(row + 1) * columns]
}

/// An image at full size, half, a quarter and so on.
pub(super) struct Pyramid {
    levels: Vec<Image>,
}

impl Pyramid {
    /// One for each of the newest `count` frames, at least two of them, oldest first.
    pub fn of_newest(observed: &Sequence, count: usize, rain_min_mm_h: f64, halvings: usize) -> Vec<Self> {
        let frames = observed.frames();
        (frames.saturating_sub(count.max(2))..frames)
            .map(|k| Self::new(Image::of_rain(observed.frame(k), rain_min_mm_h), halvings))
            .collect()
    }

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

    /// How many sizes there are.
    pub fn levels(&self) -> usize {
        self.levels.len()
    }

    /// The image after so many halvings.
    pub fn level(&self, halvings: usize) -> &Image {
        &self.levels[halvings]
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

/// A row of the window: its cells from column `first` on, every `stride`th.
struct WindowRow {
    y: isize,
    first: isize,
    cells: std::ops::Range<usize>,
}

/// Value and gradient of a cell of the window, all 0 where it was not observed.
#[derive(Clone, Copy, Default)]
struct Cell {
    value: f32,
    gy: f32,
    gx: f32,
    observed: bool,
}

/// Lucas-Kanade step repeated from a first guess: minimises Σ (I(p) - J(p + d))² over the window, every second cell of it.
fn match_window(from: &Image, to: &Image, centre: (f32, f32), guess: (f32, f32), half: isize, iterations: usize) -> Option<(f32, f32)> {
    let (ny, nx) = from.db.dim();
    let (cy, cx) = (centre.0.round() as isize, centre.1.round() as isize);
    let stride = if half > 8 { 2 } else { 1 };
    // The first row and column of the window that lie inside the image, a border of one left out.
    let inside = |centre: isize| {
        let first = centre - half;
        if first < 1 {
            first + (1 - first + stride - 1) / stride * stride
        } else {
            first
        }
    };
    let (first_y, first_x) = (inside(cy), inside(cx));
    let (last_y, last_x) = ((cy + half).min(ny as isize - 2), (cx + half).min(nx as isize - 2));
    if first_y > last_y || first_x > last_x {
        return None;
    }
    let mut rows: Vec<WindowRow> = Vec::with_capacity(half as usize + 1);
    let mut cells: Vec<Cell> = Vec::with_capacity(((half + 1) * (half + 1)) as usize);
    let (mut gyy, mut gyx, mut gxx, mut observed) = (0.0f64, 0.0f64, 0.0f64, 0usize);
    for y in (first_y..=last_y).step_by(stride as usize) {
        let j = y as usize;
        let (south, here, north) = (line(&from.db, j - 1), line(&from.db, j), line(&from.db, j + 1));
        let (seen_south, seen, seen_north) = (line(&from.seen, j - 1), line(&from.seen, j), line(&from.seen, j + 1));
        let begin = cells.len();
        for i in (first_x as usize..=last_x as usize).step_by(stride as usize) {
            if !(seen[i] && seen_south[i] && seen_north[i] && seen[i - 1] && seen[i + 1]) {
                cells.push(Cell::default());
                continue;
            }
            // Scharr's weights 3 10 3 over 32.
            let gy = (3.0 * (north[i - 1] - south[i - 1]) + 10.0 * (north[i] - south[i]) + 3.0 * (north[i + 1] - south[i + 1])) / 32.0;
            let gx =
                (3.0 * (south[i + 1] - south[i - 1]) + 10.0 * (here[i + 1] - here[i - 1]) + 3.0 * (north[i + 1] - north[i - 1])) / 32.0;
            gyy += f64::from(gy * gy);
            gyx += f64::from(gy * gx);
            gxx += f64::from(gx * gx);
            observed += 1;
            cells.push(Cell {
                value: here[i],
                gy,
                gx,
                observed: true,
            });
        }
        rows.push(WindowRow {
            y,
            first: first_x,
            cells: begin..cells.len(),
        });
    }
    let count = observed as f64;
    let weaker = 0.5 * (gyy + gxx - ((gyy - gxx).powi(2) + 4.0 * gyx * gyx).sqrt());
    if count < 9.0 || weaker / count < f64::from(LEAST_GRADIENT) {
        return None;
    }
    let determinant = gyy * gxx - gyx * gyx;
    let (mut dy, mut dx) = guess;
    for _ in 0..iterations {
        let (by, bx, used) = mismatch(to, &rows, &cells, (dy, dx), stride);
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

/// Sums of gradient (y, x) times I(p) - J(p + d) over the cells observed in both images, and their number. Each row is summed in f32.
fn mismatch(to: &Image, rows: &[WindowRow], cells: &[Cell], (dy, dx): (f32, f32), stride: isize) -> (f64, f64, usize) {
    let (ny, nx) = to.db.dim();
    let (fy, fx) = (dy.floor(), dx.floor());
    let (oy, ox) = (fy as isize, fx as isize);
    let (fy, fx) = (dy - fy, dx - fx);
    let weights = [(1.0 - fy) * (1.0 - fx), (1.0 - fy) * fx, fy * (1.0 - fx), fy * fx];
    let (mut by, mut bx, mut used) = (0.0f64, 0.0f64, 0usize);
    for row in rows {
        let j = row.y + oy;
        if j < 0 || j + 1 >= ny as isize {
            continue;
        }
        let (south, north) = (line(&to.db, j as usize), line(&to.db, j as usize + 1));
        let (seen_south, seen_north) = (line(&to.seen, j as usize), line(&to.seen, j as usize + 1));
        // Cells whose neighbour to the east lies inside, too.
        let first = row.first + ox;
        let skip = if first < 0 { (-first + stride - 1) / stride } else { 0 };
        let room = (nx as isize - 2 - first).div_euclid(stride) + 1;
        let end = room.clamp(0, row.cells.len() as isize);
        if skip >= end {
            continue;
        }
        let (mut row_y, mut row_x) = (0.0f32, 0.0f32);
        let mut i = (first + skip * stride) as usize;
        for cell in &cells[row.cells.start + skip as usize..row.cells.start + end as usize] {
            if cell.observed && seen_south[i] && seen_north[i + 1] {
                let there = weights[0] * south[i] + weights[1] * south[i + 1] + weights[2] * north[i] + weights[3] * north[i + 1];
                let change = cell.value - there;
                row_y += change * cell.gy;
                row_x += change * cell.gx;
                used += 1;
            }
            i += stride as usize;
        }
        by += f64::from(row_y);
        bx += f64::from(row_x);
    }
    (by, bx, used)
}
