//! What the network learns from: windows of past and future radar frames, told apart by event so that no event is on both sides.

use ndarray::{Array2, Array3, ArrayView2, Axis, s};
use nowblend_field::{
    Sequence,
    motion::{Estimator, MotionEstimator},
};
use rand::Rng;
use rayon::prelude::*;

use crate::{
    Error,
    later::{Later, Place},
    nowcast_net::FRAMES,
    scene::{Scene, block_means, coarse, factor, part, step_min},
};

/// Side of the windows that training draws, cells of 2 km.
pub(crate) const CROP: usize = 128;
/// Side of the parts of a large composite that are kept, cells of 2 km.
const TILE: usize = 512;
/// Wettest parts kept of each start of a large composite.
const TILES: usize = 5;
/// A window with a smaller share of wet cells (0.1 mm/h) is drawn anew.
const WET_SHARE: f32 = 0.02;
/// Times that a window is drawn anew at most.
const DRAWS: usize = 20;
/// Frames are also taken farther apart than an event has them, up to this, so that rarer frames are nothing new to the network, minutes.
const FARTHEST_STEP_MIN: f64 = 15.0;
/// Of so many starts one is also seen with rarer frames, for each number of frames left out.
const RARER: usize = 2;
/// Longest lead time drawn, minutes.
const LONGEST_MIN: f64 = 90.0;

/// One radar event and how often it is drawn.
pub struct Event {
    /// Name, for the model card.
    pub name: String,
    /// Share of the draws, relative to the other events.
    pub weight: f64,
    /// All its frames.
    pub observed: Sequence,
}

/// An event made ready: frames at 2 km and a scene for each start.
pub(crate) struct Prepared {
    pub weight: f64,
    pub frames: Sequence,
    pub windows: Vec<Window>,
}

/// A start of an event, or a part of it.
pub(crate) struct Window {
    /// Index of the newest frame that is known.
    pub start: usize,
    /// First row and column of the part.
    pub origin: (usize, usize),
    pub scene: Scene,
}

/// One drawn case: the scene and what came at two lead times.
pub(crate) struct Sample {
    pub scene: Scene,
    pub lead_min: [f32; 2],
    pub later: [Later; 2],
}

impl Prepared {
    /// Frames brought to 2 km; for each start with a past and a future the motion and the scene; of a composite larger than 512 cells
    /// the five wettest parts.
    ///
    /// # Errors
    ///
    /// [`Error::NoWindows`] for an event of fewer than five frames, and those of the motion.
    pub fn new(event: &Event, told: &(dyn Fn(&str) + Sync)) -> Result<Self, Error> {
        let observed = &event.observed;
        let factor = factor(observed.grid());
        let frames = coarse(observed, factor)?;
        let (ny, nx) = frames.grid().shape();
        let last = frames.frames().checked_sub(2).filter(|last| *last >= FRAMES - 1);
        let Some(last) = last else {
            return Err(Error::NoWindows {
                reason: format!("event `{}` has {} frames", event.name, frames.frames()),
            });
        };
        told(&format!("preparing {} ({} frames of {ny} x {nx})", event.name, frames.frames()));
        let large = ny > TILE || nx > TILE;
        let step_min = step_min(&frames);
        let starts: Vec<(usize, usize)> = (FRAMES - 1..=last)
            .flat_map(|start| (1..=(FARTHEST_STEP_MIN / step_min).max(1.0) as usize).map(move |every| (start, every)))
            .filter(|(start, every)| *every == 1 || (*start >= every * (FRAMES - 1) && start.is_multiple_of(every * RARER)))
            .collect();
        let windows: Vec<Window> = starts
            .into_par_iter()
            .map(|(start, every)| {
                let parts = if large { wettest(frames.frame(start)) } else { vec![(0, 0)] };
                let past: Vec<usize> = (0..FRAMES).rev().map(|age| start - every * age).collect();
                parts
                    .into_iter()
                    .map(|(y, x)| {
                        let (h, w) = (TILE.min(ny - y), TILE.min(nx - x));
                        let part = cut(&frames, &past, y..y + h, x..x + w)?;
                        // Motion from the original cells where they are finer.
                        let motion = if factor > 1 {
                            let (fy, fx) = observed.grid().shape();
                            let rows = y * factor..((y + h) * factor).min(fy);
                            let columns = x * factor..((x + w) * factor).min(fx);
                            let fine = cut(observed, &past, rows, columns)?;
                            Estimator::default()
                                .estimate(&fine)?
                                .each(|field| block_means(field.view(), factor))
                        } else {
                            Estimator::default().estimate(&part)?
                        };
                        Ok(Window {
                            start,
                            origin: (y, x),
                            scene: Scene::new(&part, &motion),
                        })
                    })
                    .collect::<Result<Vec<_>, Error>>()
            })
            .collect::<Result<Vec<_>, Error>>()?
            .into_iter()
            .flatten()
            .collect();
        Ok(Self {
            weight: event.weight,
            frames,
            windows,
        })
    }

    /// Draws a window of 128 x 128 cells with rain in it, two of its lead times, a turn or mirror and an intensity; what came is told where the air
    /// starts if wanted so, `before_moving`.
    pub fn draw(&self, numbers: &mut impl Rng, before_moving: bool) -> Sample {
        let mut best: Option<(usize, usize, usize, f32)> = None;
        for _ in 0..DRAWS {
            let k = numbers.random_range(0..self.windows.len());
            let (_, h, w) = self.windows[k].scene.rain.dim();
            let (y, x) = (
                numbers.random_range(0..=h.saturating_sub(CROP)),
                numbers.random_range(0..=w.saturating_sub(CROP)),
            );
            let crop = self.windows[k].scene.rain.slice(s![0, y..(y + CROP).min(h), x..(x + CROP).min(w)]);
            let wet = crop.iter().filter(|r| **r >= 0.1).count() as f32 / (CROP * CROP) as f32;
            if best.is_none_or(|(.., wettest)| wet > wettest) {
                best = Some((k, y, x, wet));
            }
            if wet > WET_SHARE {
                break;
            }
        }
        let (k, y, x, _) = best.expect("at least one window was drawn");
        let window = &self.windows[k];
        let step_min = step_min(&self.frames);
        let farthest = ((LONGEST_MIN / step_min) as usize)
            .min(self.frames.frames() - 1 - window.start)
            .max(1);
        let steps = [numbers.random_range(1..=farthest), numbers.random_range(1..=farthest)];
        let intensity = 0.7 * 2f32.powf(numbers.random());
        let turn = Turn {
            transpose: numbers.random(),
            flip_y: numbers.random(),
            flip_x: numbers.random(),
        };
        self.sample(window, (y, x), steps, intensity, turn, before_moving)
    }

    fn sample(
        &self,
        window: &Window,
        (y, x): (usize, usize),
        steps: [usize; 2],
        intensity: f32,
        turn: Turn,
        before_moving: bool,
    ) -> Sample {
        let crop = |of| part(of, (y, x), (CROP, CROP));
        let motion = crop(&window.scene.motion);
        let between_min = step_min(&self.frames) as f32;
        let lead_min = steps.map(|step| between_min * step as f32);
        let place = Place {
            part: window.origin,
            window: (y, x),
            side: CROP,
        };
        let later = [0, 1].map(|k| {
            let frame = self.frames.frame(window.start + steps[k]);
            let later = if before_moving {
                Later::before_moving(frame, &motion, place, lead_min[k])
            } else {
                Later::new(frame, &window.scene.motion, place, lead_min[k])
            };
            Later {
                rain: turn.plane(later.rain.view()).mapv(|r| r * intensity),
                from: turn.places(&later.from),
            }
        });
        let mut turned = Array3::zeros(motion.raw_dim());
        let (north, east) = (turn.plane(motion.index_axis(Axis(0), 0)), turn.plane(motion.index_axis(Axis(0), 1)));
        let (north, east) = if turn.transpose { (east, north) } else { (north, east) };
        turned.index_axis_mut(Axis(0), 0).assign(&(north * turn.sign(turn.flip_y)));
        turned.index_axis_mut(Axis(0), 1).assign(&(east * turn.sign(turn.flip_x)));
        let scene = Scene {
            rain: turn.stack(&crop(&window.scene.rain)).mapv(|r| r * intensity),
            valid: turn.stack(&crop(&window.scene.valid)),
            motion: turned,
            step_min: window.scene.step_min,
        };
        Sample { scene, lead_min, later }
    }
}

/// One of the eight ways to lay a square down again.
#[derive(Debug, Clone, Copy)]
struct Turn {
    transpose: bool,
    flip_y: bool,
    flip_x: bool,
}

impl Turn {
    fn plane(&self, plane: ArrayView2<'_, f32>) -> Array2<f32> {
        let mut view = if self.transpose { plane.reversed_axes() } else { plane };
        if self.flip_y {
            view.invert_axis(Axis(0));
        }
        if self.flip_x {
            view.invert_axis(Axis(1));
        }
        view.as_standard_layout().into_owned()
    }

    fn stack(&self, planes: &Array3<f32>) -> Array3<f32> {
        let turned: Vec<Array2<f32>> = planes.outer_iter().map(|p| self.plane(p)).collect();
        let views: Vec<_> = turned.iter().map(|p| p.view()).collect();
        ndarray::stack(Axis(0), &views).expect("turned squares have one shape")
    }

    /// Rows and columns `[2, y, x]` of a square that is laid down again, told for its new cells.
    fn places(&self, places: &Array3<f32>) -> Array3<f32> {
        let (rows, columns) = (self.plane(places.index_axis(Axis(0), 0)), self.plane(places.index_axis(Axis(0), 1)));
        let (rows, columns) = if self.transpose { (columns, rows) } else { (rows, columns) };
        let last = (places.dim().1 - 1) as f32;
        let flip = |of: Array2<f32>, flipped: bool| if flipped { of.mapv(|place| last - place) } else { of };
        let (rows, columns) = (flip(rows, self.flip_y), flip(columns, self.flip_x));
        ndarray::stack(Axis(0), &[rows.view(), columns.view()]).expect("turned squares have one shape")
    }

    fn sign(&self, flipped: bool) -> f32 {
        if flipped { -1.0 } else { 1.0 }
    }
}

fn cut(sequence: &Sequence, frames: &[usize], rows: std::ops::Range<usize>, columns: std::ops::Range<usize>) -> Result<Sequence, Error> {
    let grid = sequence.grid().crop(&rows, &columns)?;
    let rain = sequence.rain().slice(s![.., rows, columns]).select(Axis(0), frames);
    let times = frames.iter().map(|k| sequence.times()[*k]).collect();
    Ok(Sequence::new(grid, times, rain)?)
}

/// Origins of the wettest parts of 512 x 512 cells, overlapping by half at most.
fn wettest(frame: ArrayView2<'_, f32>) -> Vec<(usize, usize)> {
    let (ny, nx) = frame.dim();
    let starts = |n: usize| {
        let mut all: Vec<usize> = (0..n.saturating_sub(TILE)).step_by(TILE / 2).collect();
        all.push(n.saturating_sub(TILE));
        all
    };
    let mut parts: Vec<(f32, usize, usize)> = Vec::new();
    for y in starts(ny) {
        for x in starts(nx) {
            let wet = frame
                .slice(s![y..(y + TILE).min(ny), x..(x + TILE).min(nx)])
                .iter()
                .filter(|r| !r.is_nan())
                .map(|r| r.min(20.0))
                .sum::<f32>();
            parts.push((wet, y, x));
        }
    }
    parts.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let mut chosen: Vec<(usize, usize)> = Vec::new();
    for (_, y, x) in parts {
        let apart = |(cy, cx): &(usize, usize)| cy.abs_diff(y) >= TILE / 2 || cx.abs_diff(x) >= TILE / 2;
        if chosen.iter().all(apart) {
            chosen.push((y, x));
        }
        if chosen.len() == TILES {
            break;
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};
    use nowblend_field::{
        Grid, LeadTime,
        storms::{Scene as Storms, Storm},
    };

    use super::*;

    fn event() -> Event {
        let storm = Storm {
            y_m: 120_000.0,
            x_m: 100_000.0,
            u: 10.0,
            v: -4.0,
            length_m: 24_000.0,
            width_m: 16_000.0,
            direction: 0.4,
            turning: 0.0,
            peak_mm_h: 12.0,
            growth: 0.0,
        };
        let other = Storm {
            y_m: 180_000.0,
            x_m: 190_000.0,
            ..storm
        };
        let scene = Storms::new(Grid::plane(140, 150, 2000.0), vec![storm, other]);
        let start = Utc.with_ymd_and_hms(2020, 7, 1, 12, 0, 0).unwrap();
        Event {
            name: "storms".into(),
            weight: 1.0,
            observed: scene.sequence(start, LeadTime::from_minutes(5), 10),
        }
    }

    #[test]
    fn however_it_is_turned_the_truth_of_a_moving_storm_lies_on_its_past() {
        let prepared = Prepared::new(&event(), &|_| {}).unwrap();
        // Starts 3 to 8 have three frames before and one after; of frames 10 min apart start 8 does, of those 15 min apart none.
        assert_eq!(prepared.windows.len(), 7);
        assert_eq!(prepared.windows.iter().filter(|w| w.scene.step_min == 10.0).count(), 1);
        for (transpose, flip_y, flip_x) in [(false, false, false), (true, false, true), (true, true, false), (false, true, true)] {
            let turn = Turn { transpose, flip_y, flip_x };
            let sample = prepared.sample(&prepared.windows[0], (5, 10), [1, 4], 1.0, turn, false);
            let now = sample.scene.rain.index_axis(Axis(0), 0);
            for later in &sample.later {
                let (mut off, mut all) = (0.0, 0.0);
                for ((y, x), rain) in later
                    .rain
                    .indexed_iter()
                    .filter(|((y, x), _)| (30..100).contains(y) && (30..100).contains(x))
                {
                    let carried: f32 = later.around((y, x)).iter().map(|(cell, count)| count * now[*cell]).sum();
                    off += (carried - rain).abs();
                    all += rain;
                }
                assert!(off < 0.1 * all, "{turn:?}: {off} of {all} mm/h are elsewhere");
            }
            // The motion is turned with the picture: an old frame and the new one agree, so the sign shows in the motion alone.
            let (north, east) = (sample.scene.motion[[0, 64, 64]], sample.scene.motion[[1, 64, 64]]);
            let (north, east) = (north * turn.sign(flip_y), east * turn.sign(flip_x));
            let (north, east) = if transpose { (east, north) } else { (north, east) };
            assert!((north + 0.12).abs() < 0.03 && (east - 0.3).abs() < 0.03, "{turn:?}: {north} {east}");
        }
    }

    #[test]
    fn too_short_an_event_is_refused_by_name() {
        let mut short = event();
        short.observed = short.observed.newest(4);
        let message = Prepared::new(&short, &|_| {}).err().unwrap().to_string();
        assert!(message.contains("`storms` has 4 frames"), "{message}");
    }
}
