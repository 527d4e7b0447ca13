//! Motion of rain by dense optical flow: parabolas around each cell are matched from frame to frame, from coarse to fine.
//!
//! A pattern f₁(x) = x'Ax + b₁'x + c that has moved by d has b₂ = b₁ - 2Ad. With a first guess d̃ the two are taken at x and x + d̃,
//! Δb = (b₁ - b₂) / 2 + A d̃ with the mean A, and d minimises Σ |A d - Δb|² over a window and all pairs of frames. Where the parabolas are
//! clear, one vector a square goes on to the outlier test and the optimal interpolation that [`LucasKanade`](super::LucasKanade) uses.
//!
//! # Source
//!
//! Farneback, G., 2003: Two-frame motion estimation based on polynomial expansion. SCIA 2003, Lecture Notes in Computer Science, 2749,
//! 363-370, doi:10.1007/3-540-45103-X_50, sections 3 to 5 (constant motion in a window, a window of even weight).

use ndarray::{Array2, Axis, Zip, s};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    Motion, MotionEstimator,
    corners::near_unseen,
    dense::{Vector, decluster, spread, without_outliers},
    displacement_max, in_metres_per_second,
    polynomial::{Parabola, parabolas},
    pyramid::{Image, Pyramid, line},
    refine::finer,
};
use crate::{Bounds, Error, Sequence};

/// Columns that are summed together downwards.
const STRIP: usize = 64;
/// Pull of the first guess where parabolas are flat, dB² cell⁻⁴.
const GUESS_WEIGHT: f64 = 1e-3;
/// A match is no match where it is less clear than this, dB² cell⁻⁴: rounding alone.
const LEAST_CLEAR: f32 = 1e-6;

/// Dense optical flow by polynomial expansion; lengths are in cells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OpticalFlow {
    /// Newest frames used, at least 2; all pairs of neighbours have one motion.
    pub frames: usize,
    /// Rain below this does not count as echo, mm h⁻¹.
    pub rain_min_mm_h: f64,
    /// Half the width of the window of a parabola.
    pub parabola_half: usize,
    /// Full width of the window in which the motion is constant, cells of each level.
    pub window: usize,
    /// Halvings of the coarsest image.
    pub levels: usize,
    /// Halvings of the finest image that is used; 0 is the full one.
    pub finest: usize,
    /// Times that the match is repeated on each level.
    pub iterations: usize,
    /// Weakest match kept, as a share of the strongest.
    pub quality: f64,
    /// Vectors further than this from their neighbours are dropped, standard deviations.
    pub outlier_deviations: f64,
    /// Neighbours that a vector is compared with.
    pub outlier_neighbours: usize,
    /// One vector is kept for a square of this width.
    pub decluster: usize,
    /// Distance over which vectors speak for their surroundings, as a share of the longer side of the map.
    pub reach: f64,
    /// Error of a single vector over the spread of the true motion, as variances: the larger the smoother.
    pub noise: f64,
    /// Fastest motion believed, m s⁻¹.
    pub speed_max_m_s: f64,
}

impl Default for OpticalFlow {
    fn default() -> Self {
        Self {
            frames: 4,
            rain_min_mm_h: 0.1,
            parabola_half: 4,
            window: 31,
            levels: 4,
            finest: 1,
            iterations: 3,
            quality: 0.01,
            outlier_deviations: 3.0,
            outlier_neighbours: 30,
            decluster: 20,
            reach: 0.12,
            noise: 0.5,
            speed_max_m_s: 60.0,
        }
    }
}

impl OpticalFlow {
    /// Checks every number against its bounds.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] for the first that is outside.
    pub fn check(&self) -> Result<(), Error> {
        Bounds::default()
            .count("motion.frames", self.frames, 2..=1000, "2 to 1000")
            .at_least_0("motion.rain_min_mm_h", self.rain_min_mm_h)
            .count("motion.parabola_half", self.parabola_half, 1..=50, "1 to 50")
            .count("motion.window", self.window, 1..=1000, "1 to 1000")
            .count("motion.levels", self.levels, 0..=12, "0 to 12")
            .count("motion.finest", self.finest, 0..=12, "0 to 12")
            .count("motion.iterations", self.iterations, 1..=100, "1 to 100")
            .at_least_0("motion.quality", self.quality)
            .at_least_0("motion.outlier_deviations", self.outlier_deviations)
            .count("motion.outlier_neighbours", self.outlier_neighbours, 1..=1000, "1 to 1000")
            .count("motion.decluster", self.decluster, 1..=10_000, "1 to 10000")
            .at_least_0("motion.reach", self.reach)
            .at_least_0("motion.noise", self.noise)
            .at_least_0("motion.speed_max_m_s", self.speed_max_m_s)
            .result()
    }

    /// Backward displacements on the finest level used, and how clear each is.
    fn flow(&self, pyramids: &[Pyramid], finest: usize) -> Flow {
        let coarsest = pyramids[0].levels() - 1;
        let mut flow: Option<Flow> = None;
        for level in (finest..=coarsest).rev() {
            let shape = pyramids[0].level(level).db.dim();
            let mut here = match flow {
                Some(coarser) => Flow {
                    dy: 2.0 * finer(&coarser.dy, shape),
                    dx: 2.0 * finer(&coarser.dx, shape),
                    clear: Array2::zeros(shape),
                },
                None => Flow {
                    dy: Array2::zeros(shape),
                    dx: Array2::zeros(shape),
                    clear: Array2::zeros(shape),
                },
            };
            let frames: Vec<Frame> = pyramids.iter().map(|p| Frame::new(p.level(level), self.parabola_half)).collect();
            for _ in 0..self.iterations {
                let sums = matches(&frames, &here);
                here.solve(&sums, self.window / 2);
            }
            flow = Some(here);
        }
        flow.expect("the finest level is at most the coarsest")
    }
}

impl MotionEstimator for OpticalFlow {
    fn follow(&self, observed: &Sequence) -> Result<Option<Motion>, Error> {
        let grid = observed.grid();
        let Some(step) = observed.step() else { return Ok(None) };
        let pyramids = Pyramid::of_newest(observed, self.frames, self.rain_min_mm_h, self.levels);
        let finest = self.finest.min(pyramids[0].levels() - 1);
        let flow = self.flow(&pyramids, finest);
        let mut vectors = flow.vectors(self.quality as f32, finest);
        let most = displacement_max(self.speed_max_m_s, step, grid);
        vectors.retain(|v| v.dy.hypot(v.dx) <= most);
        let vectors = decluster(&vectors, self.decluster, grid.shape());
        let vectors = without_outliers(&vectors, self.outlier_deviations as f32, self.outlier_neighbours);
        if vectors.is_empty() {
            return Ok(None);
        }
        let motion = spread(&vectors, grid.shape(), self.reach, self.noise)?;
        Ok(Some(in_metres_per_second(motion, step, grid)))
    }
}

/// An image's parabolas, and which of them rest on observed cells alone.
struct Frame {
    parabolas: Array2<Parabola>,
    unseen: Option<Array2<bool>>,
}

impl Frame {
    fn new(image: &Image, half: usize) -> Self {
        Self {
            parabolas: parabolas(image, half),
            unseen: near_unseen(image, half),
        }
    }

    fn seen(&self, y: usize, x: usize) -> bool {
        self.unseen.as_ref().is_none_or(|unseen| !line(unseen, y)[x])
    }

    /// The parabola at a fractional cell, linearly; none outside or near what was not observed.
    fn at(&self, y: f32, x: f32) -> Option<Parabola> {
        let (ny, nx) = self.parabolas.dim();
        // Written so that a position that is NaN lies outside, too.
        if !(y >= 0.0 && x >= 0.0 && y < (ny - 1) as f32 && x < (nx - 1) as f32) {
            return None;
        }
        let (j, i) = (y as usize, x as usize);
        if !(self.seen(j, i) && self.seen(j + 1, i + 1)) {
            return None;
        }
        let (fy, fx) = (y - j as f32, x - i as f32);
        let (south, north) = (line(&self.parabolas, j), line(&self.parabolas, j + 1));
        let weights = [(1.0 - fy) * (1.0 - fx), (1.0 - fy) * fx, fy * (1.0 - fx), fy * fx];
        let corners = [south[i], south[i + 1], north[i], north[i + 1]];
        let mean = |of: fn(&Parabola) -> f32| weights.iter().zip(&corners).map(|(w, p)| w * of(p)).sum();
        Some(Parabola {
            by: mean(|p| p.by),
            bx: mean(|p| p.bx),
            ayy: mean(|p| p.ayy),
            ayx: mean(|p| p.ayx),
            axx: mean(|p| p.axx),
        })
    }
}

/// A'A (yy, yx, xx) and A'Δb (y, x) at a cell.
type Match = [f32; 5];

/// Matches of each newer frame with the one before it, added up over the pairs. Pairs of cells that were not observed add nothing.
fn matches(frames: &[Frame], guess: &Flow) -> Array2<Match> {
    let mut out = Array2::from_elem(guess.dy.dim(), [0.0; 5]);
    Zip::indexed(out.rows_mut()).par_for_each(|y, mut row| {
        let (dys, dxs) = (line(&guess.dy, y), line(&guess.dx, y));
        for pair in frames.windows(2) {
            let (older, newer) = (&pair[0], &pair[1]);
            for ((x, sum), here) in row.iter_mut().enumerate().zip(line(&newer.parabolas, y)) {
                // Dry around.
                if *here == Parabola::default() || !newer.seen(y, x) {
                    continue;
                }
                let (dy, dx) = (dys[x], dxs[x]);
                let Some(there) = older.at(y as f32 + dy, x as f32 + dx) else {
                    continue;
                };
                let (ayy, ayx, axx) = (
                    0.5 * (here.ayy + there.ayy),
                    0.5 * (here.ayx + there.ayx),
                    0.5 * (here.axx + there.axx),
                );
                let by = 0.5 * (here.by - there.by) + ayy * dy + ayx * dx;
                let bx = 0.5 * (here.bx - there.bx) + ayx * dy + axx * dx;
                let add = [
                    ayy * ayy + ayx * ayx,
                    ayx * (ayy + axx),
                    axx * axx + ayx * ayx,
                    ayy * by + ayx * bx,
                    ayx * by + axx * bx,
                ];
                sum.iter_mut().zip(add).for_each(|(sum, add)| *sum += add);
            }
        }
    });
    out
}

/// Where the pattern at each cell was a frame before, relative to the cell, and how well that can be told.
struct Flow {
    dy: Array2<f32>,
    dx: Array2<f32>,
    /// The smaller eigenvalue of the mean A'A in the window.
    clear: Array2<f32>,
}

impl Flow {
    /// The displacement that fits all matches within `half` cells in both directions best, the one before where there are none.
    fn solve(&mut self, sums: &Array2<Match>, half: usize) {
        let along = sums_along_rows(sums, half);
        let area = ((2 * half + 1) * (2 * half + 1)) as f64;
        let ny = along.nrows();
        self.dy
            .axis_chunks_iter_mut(Axis(1), STRIP)
            .into_par_iter()
            .zip(self.dx.axis_chunks_iter_mut(Axis(1), STRIP))
            .zip(self.clear.axis_chunks_iter_mut(Axis(1), STRIP))
            .zip(along.axis_chunks_iter(Axis(1), STRIP))
            .for_each(|(((mut dy, mut dx), mut clear), along)| {
                let mut window = vec![[0.0f64; 5]; along.ncols()];
                let mut change = |row: usize, sign: f64| {
                    for (sum, add) in window.iter_mut().zip(along.row(row)) {
                        sum.iter_mut().zip(add).for_each(|(sum, add)| *sum += sign * f64::from(*add));
                    }
                    window.clone()
                };
                for row in 0..half.min(ny) {
                    change(row, 1.0);
                }
                let mut sums = Vec::new();
                for y in 0..ny {
                    if y + half < ny {
                        sums = change(y + half, 1.0);
                    }
                    if y > half {
                        sums = change(y - half - 1, -1.0);
                    }
                    for (x, sum) in sums.iter().enumerate() {
                        let [yy, yx, xx, y_side, x_side] = sum.map(|s| s / area);
                        let (gyy, gxx) = (yy + GUESS_WEIGHT, xx + GUESS_WEIGHT);
                        let (hy, hx) = (
                            y_side + GUESS_WEIGHT * f64::from(dy[[y, x]]),
                            x_side + GUESS_WEIGHT * f64::from(dx[[y, x]]),
                        );
                        let determinant = (gyy * gxx - yx * yx).max(GUESS_WEIGHT * GUESS_WEIGHT);
                        dy[[y, x]] = ((gxx * hy - yx * hx) / determinant) as f32;
                        dx[[y, x]] = ((gyy * hx - yx * hy) / determinant) as f32;
                        clear[[y, x]] = (0.5 * (yy + xx - ((yy - xx).powi(2) + 4.0 * yx * yx).sqrt())).max(0.0) as f32;
                    }
                }
            });
    }

    /// The motion of cells whose parabolas are clear, in cells of the map a frame.
    fn vectors(&self, quality: f32, halvings: usize) -> Vec<Vector> {
        let clearest = self.clear.iter().copied().fold(0.0, f32::max);
        let scale = (1 << halvings) as f32;
        let stride = 4;
        let mut vectors = Vec::new();
        for ((y, x), clear) in self.clear.slice(s![..;stride, ..;stride]).indexed_iter() {
            if *clear >= LEAST_CLEAR && *clear >= quality * clearest {
                let (y, x) = (y * stride, x * stride);
                vectors.push(Vector {
                    y: scale * y as f32,
                    x: scale * x as f32,
                    dy: -scale * self.dy[[y, x]],
                    dx: -scale * self.dx[[y, x]],
                });
            }
        }
        vectors
    }
}

/// Sums over the cells within `half` columns.
fn sums_along_rows(sums: &Array2<Match>, half: usize) -> Array2<Match> {
    let nx = sums.ncols();
    let mut out = Array2::from_elem(sums.dim(), [0.0; 5]);
    Zip::indexed(out.rows_mut()).par_for_each(|y, mut row| {
        let cells = line(sums, y);
        let mut window = [0.0f64; 5];
        let mut change = |x: usize, sign: f64| {
            window.iter_mut().zip(cells[x]).for_each(|(sum, add)| *sum += sign * f64::from(add));
            window
        };
        for x in 0..half.min(nx) {
            change(x, 1.0);
        }
        let mut sum = [0.0; 5];
        for (x, out) in row.iter_mut().enumerate() {
            if x + half < nx {
                sum = change(x + half, 1.0);
            }
            if x > half {
                sum = change(x - half - 1, -1.0);
            }
            *out = sum.map(|s| s as f32);
        }
    });
    out
}
