//! From an archive to evenly timed frames up to a reference time, with all that is missing or was limited said.

use chrono::TimeDelta;
use ndarray::Array3;
use nowblend_field::{LeadTime, Notice, NoticeKind, ReferenceTime, Sequence, ValidTime};
use rayon::prelude::*;

use super::{
    Archive, Error,
    archive::{Frame, Read, fitted, missing, words},
    index::Problem,
};
use crate::store::Input;

/// What was observed up to a reference time, what was wrong with it, and the files that it came from.
#[derive(Debug)]
pub struct Observed {
    /// Evenly timed frames; one that is missing is all NaN.
    pub sequence: Sequence,
    /// Gaps, limited spikes, files left out.
    pub notices: Vec<Notice>,
    /// The files read.
    pub inputs: Vec<Input>,
}

impl Archive {
    /// The newest frames up to a reference time; nothing after it is read.
    ///
    /// The sequence ends with the newest frame that can be read, and a notice says where that is older than the reference time. Before it come
    /// frames at even steps: one that is not there, cannot be read, or lies on another grid is all NaN, with a notice.
    ///
    /// # Errors
    ///
    /// [`Error::NoFrame`] where no frame is that old, [`Error::NothingReadable`] where none of those can be read.
    pub fn observed(&self, reference_time: ReferenceTime, frames: usize) -> Result<Observed, Error> {
        let frames = frames.max(1);
        let past: Vec<ValidTime> = self.times.iter().copied().filter(|t| *t <= reference_time).collect();
        if past.is_empty() {
            return Err(Error::NoFrame {
                reference_time,
                oldest: self.times[0],
            });
        }
        let mut notices = Vec::new();
        let (newest, last) = self.newest_readable(&past, reference_time, &mut notices)?;
        let step = self.step_of(&past);
        let slots = self.slots(&past, newest, step, frames, &mut notices);
        let grid = &last.grid;
        let fitted = fitted(&self.config, grid, &self.index)?;
        let (ny, nx) = fitted.shape();
        let mut rain = Array3::from_elem((slots.len(), ny, nx), f32::NAN);
        // Slots to be read, and the arrays they go to; the last one has been read already.
        let mut places: Vec<_> = rain.outer_iter_mut().collect();
        let mut anchor = places.pop().expect("the newest frame has a place");
        anchor.assign(&last.frame.rain);
        let work: Vec<_> = slots
            .iter()
            .zip(places)
            .filter_map(|(slot, place)| Some((slot.found?, slot.time, place)))
            .collect();
        let done: Vec<(Vec<Notice>, Option<Input>)> = work
            .into_par_iter()
            .map(|(found, time, mut place)| {
                let mut notices = Vec::new();
                let Some(read) = self.read_first(found, time, &mut notices) else {
                    return (notices, None);
                };
                if read.grid.agrees(grid) {
                    place.assign(&read.frame.rain);
                    notices.extend(self.judged(time, &read.frame));
                } else {
                    notices.push(missing(
                        time,
                        &format!("it lies on grid {}, expected that of the newest frame, {grid}; left out", read.grid),
                    ));
                }
                (notices, Some(read.input))
            })
            .collect();
        let mut inputs: Vec<Input> = Vec::new();
        for (found, input) in done {
            notices.extend(found);
            inputs.extend(input.filter(|i| !inputs.contains(i)));
        }
        notices.extend(self.judged(newest, &last.frame));
        if !inputs.contains(&last.input) {
            inputs.push(last.input);
        }
        let times = slots.iter().map(|s| s.time).collect();
        notices.extend(self.problems_between(slots[0].time, reference_time));
        let sequence = Sequence::new(fitted, times, rain).map_err(|source| Error::Field {
            path: self.config.source.clone().into(),
            source,
        })?;
        if sequence.rain().iter().all(|r| r.is_nan()) {
            notices.push(Notice::new(
                NoticeKind::Missing,
                "observed rain",
                "no cell is observed in any frame",
            ));
        }
        Ok(Observed { sequence, notices, inputs })
    }

    /// The newest of `past` that can be read.
    fn newest_readable(
        &self,
        past: &[ValidTime],
        reference_time: ReferenceTime,
        notices: &mut Vec<Notice>,
    ) -> Result<(ValidTime, Read), Error> {
        let mut reason = None;
        for &time in past.iter().rev() {
            let mut told = Vec::new();
            if let Some(read) = self.read_first(time, time, &mut told) {
                notices.extend(told);
                if time < reference_time {
                    let message = format!(
                        "no frame of {} can be had; the newest is of {}, and the forecast starts there",
                        words(reference_time),
                        words(time)
                    );
                    notices.push(Notice::new(NoticeKind::Missing, "observed rain", message));
                }
                return Ok((time, read));
            }
            reason = reason.or_else(|| told.first().map(|n| n.message.clone()));
            notices.extend(told);
        }
        Err(Error::NothingReadable {
            reference_time,
            reason: reason.unwrap_or_default(),
        })
    }

    /// Evenly spaced times that end with `newest`, and the frame of each. Time stamps that are off by less than a tenth of the step count.
    fn slots(&self, past: &[ValidTime], newest: ValidTime, step: Option<LeadTime>, frames: usize, notices: &mut Vec<Notice>) -> Vec<Slot> {
        let step_s = step.map_or(0, |s| i64::from(s.seconds()));
        let tolerance = TimeDelta::seconds(step_s / 10);
        let mut slots = Vec::new();
        for k in (1..frames as i64).rev().filter(|_| step_s > 0) {
            let time = newest - TimeDelta::seconds(k * step_s);
            if time + tolerance < past[0] {
                continue;
            }
            let near = past
                .iter()
                .copied()
                .min_by_key(|t| (*t - time).abs())
                .filter(|t| (*t - time).abs() <= tolerance);
            match near {
                None => notices.push(missing(time, "there is none in the archive")),
                Some(found) if found != time => {
                    let message = format!(
                        "the frame of {} stands for it, the step is {} min",
                        words(found),
                        step_s as f64 / 60.0
                    );
                    notices.push(Notice::new(NoticeKind::Degraded, format!("frame of {}", words(time)), message));
                }
                Some(_) => {}
            }
            slots.push(Slot { time, found: near });
        }
        slots.push(Slot {
            time: newest,
            found: Some(newest),
        });
        if slots.len() < frames {
            let message = format!("{} frames from {} on, expected {frames}", slots.len(), words(slots[0].time));
            notices.push(Notice::new(NoticeKind::Missing, "observed rain", message));
        }
        slots
    }

    /// What was done to the values of a frame.
    fn judged(&self, time: ValidTime, frame: &Frame) -> Vec<Notice> {
        let subject = format!("frame of {}", words(time));
        let counts = frame.counts;
        let mut notices = Vec::new();
        if counts.limited > 0 {
            let message = format!("{} cells above {} mm/h were set to it", counts.limited, self.config.rain_max_mm_h);
            notices.push(Notice::new(NoticeKind::Limited, subject.clone(), message));
        }
        if counts.meaningless > 0 {
            let message = format!(
                "{} cells hold negative, infinite or absurd values and count as not observed",
                counts.meaningless
            );
            notices.push(Notice::new(NoticeKind::Missing, subject.clone(), message));
        }
        if frame.seen == 0.0 {
            notices.push(Notice::new(NoticeKind::Missing, subject, "no cell is observed"));
        }
        notices
    }

    /// Files, and fields in them, that cannot be used.
    pub fn problems(&self) -> Vec<Notice> {
        self.index.problems.iter().map(told).collect()
    }

    /// Files that cannot be used and would have belonged to these times, or to times that nobody knows.
    fn problems_between(&self, first: ValidTime, last: ValidTime) -> Vec<Notice> {
        let problems = self
            .index
            .problems
            .iter()
            .filter(|p| p.time.is_none_or(|t| t >= first && t <= last));
        problems.map(told).collect()
    }
}

fn told(problem: &Problem) -> Notice {
    let name = problem
        .path
        .file_name()
        .map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    Notice::new(NoticeKind::Missing, name, problem.words.clone())
}

/// A time of the sequence and the frame that stands for it.
struct Slot {
    time: ValidTime,
    found: Option<ValidTime>,
}
