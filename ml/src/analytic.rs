//! Eleven forecasts that need no learning: the newest rain where the motion takes it, sharp, smoothed over ever larger boxes, or with
//! an error in its intensity, each as probabilities of exceedance.

use ndarray::{Array2, Array3, ArrayView2, Axis, s};
use nowblend_field::{
    exponential::logistic,
    wide::{Work, wide},
};

use crate::{
    layers::pooled,
    nowcast_net::{FRAMES, J, THRESHOLDS_MM_H},
    scene::Scene,
};

/// Sides of the boxes whose means are forecasts, cells; the last is that of the mean over all frames.
const BOXES: [usize; 6] = [2, 4, 8, 16, 32, 4];
/// Error in the intensity of the last four forecasts, decades.
const WIDTHS: [f32; 4] = [0.06, 0.15, 0.12, 0.12];
/// Least share of a box that counts as observed.
const LEAST_SEEN: f32 = 0.02;
/// Added to rain before its logarithm is taken, mm h⁻¹.
pub(crate) const DRIZZLE_MM_H: f32 = 0.03;

/// The analytic forecasts of one scene at the places of the reference time, each kept on the grid where it was made and brought to the
/// network's grid row by row.
///
/// In their order: exceedance of the newest frame, its means over boxes of 2, 4, 8, 16 and 32 cells, that of the four frames over boxes
/// of 4; and the newest frame with an error of 0.06 and 0.15 decades, its 3 x 3 blur with 0.12, the mean of the four with 0.12.
pub(crate) struct Analytic {
    shape: (usize, usize),
    /// Newest rain `[y, x]`, mm h⁻¹, negative where it was not observed.
    newest: Array2<f32>,
    boxes: Vec<Boxes>,
    dressed: [Dressed; 4],
}

/// Means over boxes, as probabilities `[J, y, x]` on their own coarse grid.
struct Boxes {
    side: usize,
    probability: Array3<f32>,
}

/// A logarithm of rain whose error is a logistic distribution.
struct Dressed {
    log_rain: Array2<f32>,
    /// 1 where anything was observed.
    seen: Array2<f32>,
    width: f32,
}

impl Analytic {
    /// Of a scene padded to `[y, x]`, multiples of 32, with cells that were not observed.
    pub fn new(scene: &Scene, padded: (usize, usize)) -> Self {
        let grown = |stack: &Array3<f32>, k: usize| {
            let mut out = Array2::zeros(padded);
            let plane = stack.index_axis(Axis(0), k);
            out.slice_mut(s![..plane.nrows(), ..plane.ncols()]).assign(&plane);
            out
        };
        let rain: Vec<Array2<f32>> = (0..FRAMES).map(|k| grown(&scene.rain, k)).collect();
        let valid: Vec<Array2<f32>> = (0..FRAMES).map(|k| grown(&scene.valid, k)).collect();
        let exceeds = |k: usize| {
            let mut out = Array3::zeros((J, padded.0, padded.1));
            for (mut plane, threshold) in out.outer_iter_mut().zip(THRESHOLDS_MM_H) {
                ndarray::Zip::from(&mut plane)
                    .and(&rain[k])
                    .and(&valid[k])
                    .for_each(|p, r, v| *p = if *r >= threshold as f32 { *v } else { 0.0 });
            }
            out
        };
        let now = exceeds(0);
        let mut boxes = Vec::with_capacity(BOXES.len());
        let (mut part, mut share) = (now.clone(), valid[0].clone());
        for side in &BOXES[..5] {
            part = pooled(&part, 2);
            share = pooled(&share, 2);
            boxes.push(Boxes::new(*side, &part, &share));
        }
        let total = (1..FRAMES).fold(now, |sum, k| sum + exceeds(k));
        let seen = valid.iter().fold(Array2::zeros(padded), |sum, v| sum + v);
        boxes.push(Boxes::new(BOXES[5], &pooled(&total, BOXES[5]), &pooled(&seen, BOXES[5])));

        let logs: Vec<Array2<f32>> = rain.iter().map(|r| r.mapv(|r| (r + DRIZZLE_MM_H).log10())).collect();
        let sum = logs.iter().zip(&valid).fold(Array2::zeros(padded), |sum, (l, v)| sum + l * v);
        let mean = sum / seen.mapv(|s| s.max(1.0));
        let dressed = |log_rain: Array2<f32>, seen: Array2<f32>, k: usize| Dressed {
            log_rain,
            seen,
            width: WIDTHS[k],
        };
        let dressed = [
            dressed(logs[0].clone(), valid[0].clone(), 0),
            dressed(logs[0].clone(), valid[0].clone(), 1),
            dressed(blurred(logs[0].view()), valid[0].clone(), 2),
            dressed(mean, seen.mapv(|s| f32::from(s > 0.0)), 3),
        ];
        let mut newest = rain.into_iter().next().expect("a scene has frames");
        ndarray::Zip::from(&mut newest).and(&valid[0]).for_each(|r, v| {
            if *v == 0.0 {
                *r = -1.0;
            }
        });
        Self {
            shape: padded,
            newest,
            boxes,
            dressed,
        }
    }

    /// Probabilities `[S, J, x]` of a row.
    pub fn row(&self, y: usize, out: &mut [f32]) {
        wide(OfRow { of: self, y, out });
    }
}

/// All analytic forecasts of a row.
struct OfRow<'a> {
    of: &'a Analytic,
    y: usize,
    out: &'a mut [f32],
}

impl Work for OfRow<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { of, y, out } = self;
        let width = of.shape.1;
        let (first, rest) = out.split_at_mut(J * width);
        let newest = line(&of.newest, y);
        for (p, threshold) in first.chunks_exact_mut(width).zip(THRESHOLDS_MM_H) {
            for (p, r) in p.iter_mut().zip(newest) {
                *p = f32::from(*r >= threshold as f32);
            }
        }
        let (of_boxes, of_dressed) = rest.split_at_mut(BOXES.len() * J * width);
        for (part, boxes) in of_boxes.chunks_exact_mut(J * width).zip(&of.boxes) {
            boxes.row(y, part);
        }
        for (part, dressed) in of_dressed.chunks_exact_mut(J * width).zip(&of.dressed) {
            dressed.row(y, part);
        }
    }
}

impl Boxes {
    /// What exceeds a threshold out of what was observed, both smoothed.
    fn new(side: usize, part: &Array3<f32>, seen: &Array2<f32>) -> Self {
        let seen = blurred(seen.view()).mapv(|s| s.max(LEAST_SEEN));
        let mut probability = part.clone();
        for mut plane in probability.outer_iter_mut() {
            let smooth = blurred(plane.view()) / &seen;
            plane.assign(&smooth);
        }
        Self { side, probability }
    }

    /// Between the centres of the boxes, bilinear.
    #[inline(always)]
    fn row(&self, y: usize, out: &mut [f32]) {
        let (_, rows, columns) = self.probability.dim();
        let width = columns * self.side;
        let (south, share) = between(y, self.side, rows);
        let north = (south + 1).min(rows - 1);
        let planes = self.probability.as_slice().expect("boxes are made in one piece");
        let mut here = vec![0.0; columns];
        for (plane, out) in planes.chunks_exact(rows * columns).zip(out.chunks_exact_mut(width)) {
            let (a, b) = (&plane[south * columns..][..columns], &plane[north * columns..][..columns]);
            for ((here, a), b) in here.iter_mut().zip(a).zip(b) {
                *here = a + share * (b - a);
            }
            match self.side {
                2 => spread::<2>(&here, out),
                4 => spread::<4>(&here, out),
                8 => spread::<8>(&here, out),
                16 => spread::<16>(&here, out),
                32 => spread::<32>(&here, out),
                side => unreachable!("no boxes have sides of {side} cells"),
            }
        }
    }
}

/// Between the centres of boxes of `SIDE` cells along a row; before the first and after the last its own value goes on.
#[inline(always)]
fn spread<const SIDE: usize>(boxes: &[f32], out: &mut [f32]) {
    let last = boxes.len() - 1;
    let (west, out) = out.split_at_mut(SIDE / 2);
    let (between, east) = out.split_at_mut(last * SIDE);
    west.fill(boxes[0]);
    east.fill(boxes[last]);
    let shares: [f32; SIDE] = std::array::from_fn(|k| (k as f32 + 0.5) / SIDE as f32);
    for (cells, pair) in between.as_chunks_mut::<SIDE>().0.iter_mut().zip(boxes.windows(2)) {
        for (p, share) in cells.iter_mut().zip(shares) {
            *p = pair[0] + share * (pair[1] - pair[0]);
        }
    }
}

impl Dressed {
    #[inline(always)]
    fn row(&self, y: usize, out: &mut [f32]) {
        let (log_rain, seen) = (line(&self.log_rain, y), line(&self.seen, y));
        let steep = 1.0 / self.width;
        for (p, threshold) in out.chunks_exact_mut(log_rain.len()).zip(THRESHOLDS_MM_H) {
            let middle = (threshold as f32 + DRIZZLE_MM_H).log10();
            for ((p, log_rain), seen) in p.iter_mut().zip(log_rain).zip(seen) {
                *p = logistic((log_rain - middle) * steep) * seen;
            }
        }
    }
}

/// The box whose centre lies next to the south or west of a cell, and how much of the way to the next centre the cell lies.
#[inline(always)]
fn between(cell: usize, side: usize, count: usize) -> (usize, f32) {
    let place = ((cell as f32 + 0.5) / side as f32 - 0.5).max(0.0);
    let first = (place as usize).min(count - 1);
    (first, place - first as f32)
}

#[inline(always)]
fn line(plane: &Array2<f32>, y: usize) -> &[f32] {
    let width = plane.ncols();
    &plane.as_slice().expect("planes are made in one piece")[y * width..][..width]
}

/// Blur by 1 2 1 in both directions, edges repeated.
pub(crate) fn blurred(plane: ArrayView2<'_, f32>) -> Array2<f32> {
    let (ny, nx) = plane.dim();
    let across = |of: &Array2<f32>, axis: usize| {
        let last = of.len_of(Axis(axis)) - 1;
        let mut out = of * 0.5;
        for (k, mut lane) in out.axis_iter_mut(Axis(axis)).enumerate() {
            for neighbour in [k.saturating_sub(1), (k + 1).min(last)] {
                lane.scaled_add(0.25, &of.index_axis(Axis(axis), neighbour));
            }
        }
        out
    };
    if ny == 0 || nx == 0 {
        return plane.to_owned();
    }
    across(&across(&plane.to_owned(), 1), 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nowcast_net::S;

    fn scene(rain: f32, valid: f32) -> Scene {
        Scene {
            rain: Array3::from_elem((FRAMES, 32, 64), rain),
            valid: Array3::from_elem((FRAMES, 32, 64), valid),
            motion: Array3::zeros((2, 32, 64)),
            step_min: 5.0,
        }
    }

    #[test]
    fn the_same_rain_everywhere_is_sure_below_it_and_unsure_at_it() {
        let analytic = Analytic::new(&scene(2.0, 1.0), (32, 64));
        let mut row = vec![f32::NAN; S * J * 64];
        analytic.row(7, &mut row);
        let p = |s: usize, j: usize| row[(s * J + j) * 64 + 20];
        for s in 0..7 {
            assert_eq!([p(s, 0), p(s, 3), p(s, 4)], [1.0, 1.0, 0.0], "forecast {s}");
        }
        for s in 7..S {
            assert!(p(s, 0) > 0.99 && (p(s, 3) - 0.5).abs() < 1e-5 && p(s, 7) < 0.01, "forecast {s}");
        }
    }

    #[test]
    fn what_nobody_saw_has_no_rain() {
        let analytic = Analytic::new(&scene(0.0, 0.0), (32, 64));
        let mut row = vec![f32::NAN; S * J * 64];
        analytic.row(31, &mut row);
        assert!(row.iter().all(|p| *p == 0.0));
    }

    #[test]
    fn boxes_are_read_between_their_centres() {
        // Boxes of 4 with 0, 8 and 4: cells 2 to 5 lie 1/8, 3/8, 5/8 and 7/8 of the way from the first centre to the second.
        let mut row = [f32::NAN; 12];
        spread::<4>(&[0.0, 8.0, 4.0], &mut row);
        assert_eq!(row, [0.0, 0.0, 1.0, 3.0, 5.0, 7.0, 7.5, 6.5, 5.5, 4.5, 4.0, 4.0]);
        // Boxes of 4: cell 3 lies 3/8 of the way from the first centre (1.5) to the second (5.5); the outermost cells keep the value of their box.
        assert_eq!(between(3, 4, 8), (0, 0.375));
        assert_eq!(between(0, 4, 8), (0, 0.0));
        let (first, share) = between(31, 4, 8);
        assert_eq!((first, share), (7, 0.375));
    }
}
