//! Radar frames in the form that the network reads: about 2 km apart, and already moved to the reference time.

use burn::tensor::{Device, Tensor, TensorData};
use ndarray::{Array2, Array3, ArrayView2, Axis, s};
use nowblend_field::{
    Axis as GridAxis, Error, Grid, LeadTime, Motion, Sequence,
    advection::{Interpolation, SemiLagrangian},
};

use crate::nowcast_net::{FRAMES, Input, MULTIPLE, THRESHOLDS_MM_H};

/// Distance of cells that the network was made for, m.
pub(crate) const SPACING_M: f64 = 2000.0;
/// Rain is cut off here before the network sees it, mm h⁻¹.
pub(crate) const RAIN_MAX_MM_H: f32 = 150.0;
/// Step between frames that the network is told when there is only one frame, minutes.
const STEP_OF_ONE_MIN: f32 = 5.0;

/// The network was trained with frames about this far apart or farther, minutes.
const STEP_MIN: f64 = 5.0;

/// The frames of `observed` that the network reads: of frames that are closer together than in its training every second, third .. as far as
/// there are enough of them.
///
/// # Errors
///
/// None for a sequence that is valid itself.
pub(crate) fn read_frames(observed: &Sequence) -> Result<Sequence, Error> {
    let wanted = observed.step().map_or(1, |step| (STEP_MIN / step.minutes()).round() as usize);
    let there = (observed.frames() - 1) / (FRAMES - 1);
    let stride = wanted.min(there).max(1);
    if stride == 1 {
        return Ok(observed.newest(FRAMES));
    }
    let kept: Vec<usize> = (0..FRAMES).rev().map(|age| observed.frames() - 1 - stride * age).collect();
    let times = kept.iter().map(|k| observed.times()[*k]).collect();
    Sequence::new(observed.grid().clone(), times, observed.rain().select(Axis(0), &kept))
}

/// Four frames, newest first, moved to the reference time, and how they were moved.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    /// Rain `[4, y, x]`, mm h⁻¹, 0 where not observed.
    pub rain: Array3<f32>,
    /// 1 where observed `[4, y, x]`.
    pub valid: Array3<f32>,
    /// Motion north and east `[2, y, x]`, cells a minute.
    pub motion: Array3<f32>,
    /// Time between frames, minutes.
    pub step_min: f32,
}

impl Scene {
    /// The newest frames of `observed`, moved with the `motion` of showers on the same grid. Frames that are not there are not observed.
    pub fn new(observed: &Sequence, motion: &Motion) -> Self {
        let (ny, nx) = observed.grid().shape();
        let step = observed.step();
        let mut rain = Array3::zeros((FRAMES, ny, nx));
        let mut valid = Array3::zeros((FRAMES, ny, nx));
        let mut trajectories = SemiLagrangian {
            substep_s: 150.0,
            ..Default::default()
        }
        .trajectories(&motion.of_showers(), observed.grid());
        for age in 0..FRAMES.min(observed.frames()) {
            let frame = observed.frame(observed.frames() - 1 - age);
            let moved = match (age, step) {
                (0, _) | (_, None) => frame.to_owned(),
                (_, Some(step)) => {
                    let back = LeadTime::from_seconds(step.seconds() * age as u32);
                    trajectories.advance_to(back).sample(frame, Interpolation::Linear)
                }
            };
            valid.index_axis_mut(Axis(0), age).assign(&moved.mapv(|r| f32::from(!r.is_nan())));
            rain.index_axis_mut(Axis(0), age)
                .assign(&moved.mapv(|r| if r.is_nan() { 0.0 } else { r.min(RAIN_MAX_MM_H) }));
        }
        let mut cells = Array3::zeros((2, ny, nx));
        for row in 0..ny {
            let (dy, dx) = observed.grid().spacing_m_in_row(row);
            cells
                .slice_mut(s![0, row, ..])
                .assign(&motion.v.row(row).mapv(|v| v * (60.0 / dy) as f32));
            cells
                .slice_mut(s![1, row, ..])
                .assign(&motion.u.row(row).mapv(|u| u * (60.0 / dx) as f32));
        }
        Self {
            rain,
            valid,
            motion: cells,
            step_min: step.map_or(STEP_OF_ONE_MIN, |s| s.minutes() as f32),
        }
    }

    /// Whether any frame saw the cell `[y, x]`.
    pub fn seen(&self) -> Array2<bool> {
        self.valid.fold_axis(Axis(0), false, |seen, v| *seen || *v > 0.0)
    }

    /// Whether no frame saw rain at the lowest threshold.
    pub fn dry(&self) -> bool {
        self.rain.iter().all(|rain| *rain < THRESHOLDS_MM_H[0] as f32)
    }

    /// The network's input for this scene alone, padded in the north and east with cells that are not observed.
    pub fn input(&self, device: &Device) -> Input {
        batch(&[self], device)
    }
}

/// A part of planes `[k, y, x]` with these sides; 0 beyond them, where nothing was observed.
pub(crate) fn part(of: &Array3<f32>, (y, x): (usize, usize), (h, w): (usize, usize)) -> Array3<f32> {
    let (count, ny, nx) = of.dim();
    let mut out = Array3::zeros((count, h, w));
    let inside = of.slice(s![.., y.min(ny)..(y + h).min(ny), x.min(nx)..(x + w).min(nx)]);
    out.slice_mut(s![.., ..inside.dim().1, ..inside.dim().2]).assign(&inside);
    out
}

/// One input of several scenes of the same shape.
pub(crate) fn batch(scenes: &[&Scene], device: &Device) -> Input {
    let (_, ny, nx) = scenes[0].rain.dim();
    let padded = (ny.next_multiple_of(MULTIPLE), nx.next_multiple_of(MULTIPLE));
    let stack = |of: fn(&Scene) -> &Array3<f32>| {
        let channels = of(scenes[0]).dim().0;
        let mut values = vec![0.0f32; scenes.len() * channels * padded.0 * padded.1];
        for (plane, source) in values
            .chunks_mut(padded.0 * padded.1)
            .zip(scenes.iter().flat_map(|s| of(s).outer_iter()))
        {
            for (to, from) in plane.chunks_mut(padded.1).zip(source.rows()) {
                to[..nx].iter_mut().zip(from).for_each(|(t, f)| *t = *f);
            }
        }
        Tensor::<4>::from_data(TensorData::new(values, [scenes.len(), channels, padded.0, padded.1]), device)
    };
    let steps: Vec<f32> = scenes.iter().map(|s| s.step_min).collect();
    Input {
        rain: stack(|s| &s.rain),
        valid: stack(|s| &s.valid),
        motion: stack(|s| &s.motion),
        step_min: Tensor::from_data(TensorData::new(steps, [scenes.len()]), device),
    }
}

/// Time between frames, minutes; infinite where there is only one.
pub(crate) fn step_min(frames: &Sequence) -> f64 {
    frames.step().map_or(f64::INFINITY, LeadTime::minutes)
}

/// How many cells of a grid make one of the network's, in each direction.
pub(crate) fn factor(grid: &Grid) -> usize {
    ((SPACING_M / grid.cell_size_m()).round() as usize).max(1)
}

/// The newest four frames as means over blocks of `factor` x `factor` cells; blocks at the north and east edge may be smaller.
/// A block is observed where at least half of it is.
///
/// # Errors
///
/// None for a sequence that is valid itself.
pub(crate) fn coarse(observed: &Sequence, factor: usize) -> Result<Sequence, Error> {
    let grid = coarse_grid(observed.grid(), factor)?;
    let (ny, nx) = grid.shape();
    let mut rain = Array3::zeros((observed.frames(), ny, nx));
    for (frame, mut out) in observed.rain().outer_iter().zip(rain.outer_iter_mut()) {
        out.assign(&block_means(frame, factor));
    }
    Sequence::new(grid, observed.times().to_vec(), rain)
}

fn coarse_grid(grid: &Grid, factor: usize) -> Result<Grid, Error> {
    let axis = |a: &GridAxis| GridAxis {
        first: a.centre((factor - 1) as f64 / 2.0),
        spacing: a.spacing * factor as f64,
        count: a.count.div_ceil(factor),
    };
    Grid::new(axis(&grid.y), axis(&grid.x), grid.projection.clone())
}

/// Means over blocks; a block is observed where at least half of it is.
pub(crate) fn block_means(field: ArrayView2<'_, f32>, factor: usize) -> Array2<f32> {
    let (ny, nx) = field.dim();
    if factor == 1 {
        return field.to_owned();
    }
    Array2::from_shape_fn((ny.div_ceil(factor), nx.div_ceil(factor)), |(y, x)| {
        let block = field.slice(s![y * factor..((y + 1) * factor).min(ny), x * factor..((x + 1) * factor).min(nx)]);
        let (sum, count) = block
            .iter()
            .filter(|r| !r.is_nan())
            .fold((0.0f64, 0usize), |(s, n), r| (s + f64::from(*r), n + 1));
        if 2 * count >= block.len() {
            (sum / count as f64) as f32
        } else {
            f32::NAN
        }
    })
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};

    use super::*;

    fn sequence(rain: Array3<f32>, spacing_m: f64) -> Sequence {
        let start = Utc.with_ymd_and_hms(2020, 7, 1, 12, 0, 0).unwrap();
        let times = (0..rain.dim().0).map(|k| start + LeadTime::from_minutes(5 * k as u32)).collect();
        Sequence::new(Grid::plane(rain.dim().1, rain.dim().2, spacing_m), times, rain).unwrap()
    }

    #[test]
    fn a_block_is_the_mean_of_what_was_observed_in_half_of_it_or_more() {
        let mut rain = Array3::zeros((1, 2, 5));
        rain.slice_mut(s![0, .., ..]).assign(&ndarray::array![
            [1.0, 3.0, f32::NAN, f32::NAN, 7.0],
            [f32::NAN, 5.0, f32::NAN, 4.0, 9.0]
        ]);
        let out = coarse(&sequence(rain, 1000.0), 2).unwrap();
        // (1 + 3 + 5)/3 = 3; one of four observed: missing; the last column alone: (7 + 9)/2 = 8.
        assert_eq!([out.last()[[0, 0]], out.last()[[0, 2]]], [3.0, 8.0]);
        assert!(out.last()[[0, 1]].is_nan());
    }

    #[test]
    fn frames_two_minutes_apart_are_thinned_if_there_are_enough() {
        let start = Utc.with_ymd_and_hms(2020, 7, 1, 12, 0, 0).unwrap();
        let times = |count: u32| (0..count).map(|k| start + LeadTime::from_minutes(2 * k)).collect::<Vec<_>>();
        let frames = |count: usize| {
            let rain = Array3::from_shape_fn((count, 2, 2), |(k, ..)| k as f32);
            Sequence::new(Grid::plane(2, 2, 2000.0), times(count as u32), rain).unwrap()
        };
        // 5 / 2 is 2.5: every third frame, ten of them; of nine frames every second.
        for (count, step_min, oldest) in [(11, 6, 1.0), (9, 4, 2.0), (4, 2, 0.0)] {
            let read = read_frames(&frames(count)).unwrap();
            assert_eq!(read.frames(), FRAMES);
            assert_eq!(read.step(), Some(LeadTime::from_minutes(step_min)), "{count} frames");
            assert_eq!([read.frame(0)[[0, 0]], read.last()[[0, 0]]], [oldest, count as f32 - 1.0]);
        }
    }

    #[test]
    fn old_frames_lie_on_the_newest_when_the_motion_is_right() {
        // A cell of 4 mm/h that goes one cell of 2 km east in 5 min: 20/3 m/s.
        let mut rain = Array3::zeros((3, 4, 6));
        for k in 0..3 {
            rain[[k, 2, 1 + k]] = 4.0;
        }
        let observed = sequence(rain, 2000.0);
        let motion = Motion::new(Array2::from_elem((4, 6), 20.0 / 3.0), Array2::zeros((4, 6)));
        let scene = Scene::new(&observed, &motion);
        for age in 0..3 {
            assert!((scene.rain[[age, 2, 3]] - 4.0).abs() < 1e-4, "{age}");
        }
        assert_eq!(scene.valid.slice(s![3, .., ..]).sum(), 0.0);
        assert_eq!(scene.valid[[1, 2, 0]], 0.0, "what came from outside the map is not observed");
        assert!((scene.motion[[1, 0, 0]] - 0.2).abs() < 1e-6, "a fifth of a cell a minute");
    }
}
