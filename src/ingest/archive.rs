//! Which file holds which valid time: a file, a directory or a pattern becomes evenly timed frames, read when they are asked for.

use std::{collections::BTreeMap, sync::Arc};

use ndarray::{Array2, Array3, s};
use nowblend_field::{Grid, LeadTime, Notice, NoticeKind, ReferenceTime, Sequence, ValidTime};
use rayon::prelude::*;

use super::{
    Error, IngestConfig, Late,
    index::{self, Frame, Index, Record},
    quality,
    wait::{self, Clock},
};
use crate::store::Input;

/// Radar files in order of time.
#[derive(Debug)]
pub struct Archive {
    config: IngestConfig,
    index: Index,
    times: Vec<ValidTime>,
    /// The grid of the newest frame before and after cropping and averaging.
    whole: Arc<Grid>,
    grid: Grid,
    /// What was waited for when the archive was opened.
    waited: Option<Notice>,
}

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

/// The newest complete frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newest {
    /// Its time: what a forecast starts from unless another time is given.
    pub reference_time: ReferenceTime,
    /// Newer frames that were passed over, and why.
    pub notices: Vec<Notice>,
}

impl Archive {
    /// Finds the frames of a source without reading their rain. Under [`Late::WaitMin`] looks again while a frame is late.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] for a number outside its bounds, [`Error::NoFiles`] where nothing matches, [`Error::NoRain`] where no file holds rain,
    /// [`Error::Content`] where the region to crop does not lie on the grid.
    pub fn open(config: &IngestConfig) -> Result<Self, Error> {
        wait::open(config, &Clock::system())
    }

    /// Finds the frames that there are now.
    pub(super) fn look(config: &IngestConfig) -> Result<Self, Error> {
        config.check()?;
        let index = Index::of(&config.source)?;
        let (_, newest) = index.records.last_key_value().expect("an index without records is an error");
        let whole = Arc::clone(&newest[0].grid);
        let grid = fitted(config, &whole, &index)?;
        Ok(Self {
            config: config.clone(),
            times: index.records.keys().copied().collect(),
            index,
            whole,
            grid,
            waited: None,
        })
    }

    /// The grid of the frames, after cropping and averaging.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// Valid times of the frames there are, ascending.
    pub fn times(&self) -> &[ValidTime] {
        &self.times
    }

    /// Time between frames: the configured one, or the one that occurs most often, the smallest of several; `None` for a single frame.
    pub fn step(&self) -> Option<LeadTime> {
        self.step_of(&self.times)
    }

    fn step_of(&self, times: &[ValidTime]) -> Option<LeadTime> {
        if let Some(minutes) = self.config.step_min {
            return Some(LeadTime::from_seconds((minutes * 60.0).round() as u32));
        }
        let mut counts = BTreeMap::new();
        for pair in times.windows(2) {
            *counts.entry((pair[1] - pair[0]).num_seconds()).or_insert(0usize) += 1;
        }
        let (seconds, _) = counts.iter().max_by_key(|(seconds, count)| (**count, -**seconds))?;
        u32::try_from(*seconds).ok().filter(|s| *s > 0).map(LeadTime::from_seconds)
    }

    /// The newest complete frame: one that can be read and whose share of observed cells is at least (1 - `incomplete_share`) times the median
    /// share of up to three frames before it.
    ///
    /// # Errors
    ///
    /// [`Error::NothingReadable`] where none can be read.
    pub fn reference_time(&self) -> Result<Newest, Error> {
        let mut notices: Vec<Notice> = self.waited.iter().cloned().collect();
        let mut shares: Vec<Option<Result<f64, String>>> = vec![None; self.times.len()];
        let mut share = |k: usize| {
            shares[k]
                .get_or_insert_with(|| self.frame_at(self.times[k]).map(|f| f.seen).map_err(|e| e.to_string()))
                .clone()
        };
        let mut first_reason = None;
        for k in (0..self.times.len()).rev() {
            let time = self.times[k];
            let found = match share(k) {
                Ok(found) => found,
                Err(reason) => {
                    notices.push(Notice::new(
                        NoticeKind::Missing,
                        "observed rain",
                        format!("the newest frame cannot be read: {reason}"),
                    ));
                    first_reason.get_or_insert(reason);
                    continue;
                }
            };
            let mut before: Vec<f64> = (k.saturating_sub(3)..k).filter_map(|j| share(j).ok()).collect();
            before.sort_by(f64::total_cmp);
            let expected = before.get(before.len() / 2).copied().unwrap_or(0.0);
            if found >= (1.0 - self.config.incomplete_share) * expected {
                return Ok(Newest {
                    reference_time: time,
                    notices,
                });
            }
            notices.push(Notice::new(
                NoticeKind::Missing,
                "observed rain",
                format!(
                    "the frame of {} is incomplete: {:.1} % of its cells are observed, {:.1} % were in the frames before it; going on with an older one",
                    words(time),
                    100.0 * found,
                    100.0 * expected
                ),
            ));
        }
        Err(Error::NothingReadable {
            reference_time: self.times[self.times.len() - 1],
            reason: first_reason.unwrap_or_default(),
        })
    }

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
                let Some(read) = self.read_first(found, time, true, &mut notices) else {
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

    /// One frame `[y, x]`, mm h⁻¹, as the truth that a forecast is judged by; `None` where there is none of that time.
    ///
    /// # Errors
    ///
    /// Where the frame is there but cannot be read, or lies on another grid than [`Archive::grid`].
    pub fn frame(&self, valid_time: ValidTime) -> Result<Option<Array2<f32>>, Error> {
        if !self.index.records.contains_key(&valid_time) {
            return Ok(None);
        }
        let read = self.frame_at(valid_time)?;
        Ok(Some(read.rain))
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
            if let Some(read) = self.read_first(time, time, true, &mut told) {
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
        let tolerance = chrono::TimeDelta::seconds(step_s / 10);
        let mut slots = Vec::new();
        for k in (1..frames as i64).rev().filter(|_| step_s > 0) {
            let time = newest - chrono::TimeDelta::seconds(k * step_s);
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

    /// Reads the frame of `found` from the first file that yields it; says which failed. The notices name it by `time`.
    fn read_first(&self, found: ValidTime, time: ValidTime, checksum: bool, notices: &mut Vec<Notice>) -> Option<Read> {
        let records = &self.index.records[&found];
        for (k, record) in records.iter().enumerate() {
            match self.read(record, found, checksum) {
                Ok(read) => {
                    if let Some(other) = records.get(k + 1) {
                        let message = format!(
                            "it is there twice; taken from `{}`, not from `{}`",
                            self.name(record),
                            self.name(other)
                        );
                        notices.push(Notice::new(NoticeKind::Degraded, format!("frame of {}", words(time)), message));
                    }
                    return Some(read);
                }
                Err(error) => notices.push(missing(time, &error.to_string())),
            }
        }
        None
    }

    fn read(&self, record: &Record, time: ValidTime, checksum: bool) -> Result<Read, Error> {
        let path = &self.index.files[record.file];
        let take = |rain: Array2<f32>| self.fit(&rain);
        let (mut frames, input) = index::read(path, &[(record.number, time)], checksum, &take)?;
        let frame = frames.pop().expect("one frame was asked for")?;
        Ok(Read {
            frame,
            input,
            grid: Arc::clone(&record.grid),
        })
    }

    fn frame_at(&self, time: ValidTime) -> Result<Frame, Error> {
        let mut failed = None;
        for record in &self.index.records[&time] {
            match self.read(record, time, false) {
                Ok(read) if read.grid.agrees(&self.whole) => return Ok(read.frame),
                Ok(read) => {
                    failed.get_or_insert(Error::Content {
                        path: self.index.files[record.file].clone(),
                        field: "grid".into(),
                        found: read.grid.to_string(),
                        expected: format!("that of the newest frame, {}", self.whole),
                    });
                }
                Err(error) => {
                    failed.get_or_insert(error);
                }
            }
        }
        Err(failed.expect("a time has a record"))
    }

    /// Crops, judges and averages, in this order.
    fn fit(&self, rain: &Array2<f32>) -> Frame {
        let cropped = match self.config.crop {
            None => rain.view(),
            Some(crop) => {
                // A frame on a smaller grid than the newest: what there is of it, to be left out for its grid.
                let end = |last: usize, count: usize| (last + 1).min(count);
                let (rows, columns) = (end(crop.rows[1], rain.nrows()), end(crop.columns[1], rain.ncols()));
                rain.slice(s![crop.rows[0].min(rows)..rows, crop.columns[0].min(columns)..columns])
            }
        };
        let mut cropped = cropped.to_owned();
        let counts = quality::judge(&mut cropped, self.config.rain_max_mm_h as f32);
        let seen = cropped.iter().filter(|r| !r.is_nan()).count() as f64 / cropped.len().max(1) as f64;
        Frame {
            rain: quality::block_mean(&cropped, self.config.block),
            counts,
            seen,
        }
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

    /// Files that cannot be used and would have belonged to these times, or to times that nobody knows.
    fn problems_between(&self, first: ValidTime, last: ValidTime) -> Vec<Notice> {
        let problems = self
            .index
            .problems
            .iter()
            .filter(|p| p.time.is_none_or(|t| t >= first && t <= last));
        problems
            .map(|p| {
                let name = p.path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
                Notice::new(NoticeKind::Missing, name, p.words.clone())
            })
            .collect()
    }

    fn name(&self, record: &Record) -> String {
        let name = self.index.files[record.file].file_name();
        name.map_or_else(String::new, |n| n.to_string_lossy().into_owned())
    }

    /// Says what was waited for.
    pub(super) fn with_waited(mut self, waited: Option<Notice>) -> Self {
        self.waited = waited;
        self
    }

    /// How long after its valid time a frame is waited for.
    pub(super) fn patience(&self) -> Option<chrono::TimeDelta> {
        match self.config.late {
            Late::GoOn => None,
            Late::WaitMin(minutes) => Some(chrono::TimeDelta::seconds((minutes * 60.0).round() as i64)),
        }
    }
}

/// A time of the sequence and the frame that stands for it.
struct Slot {
    time: ValidTime,
    found: Option<ValidTime>,
}

/// A frame that was read.
struct Read {
    frame: Frame,
    input: Input,
    grid: Arc<Grid>,
}

/// The grid after cropping and averaging.
fn fitted(config: &IngestConfig, whole: &Grid, index: &Index) -> Result<Grid, Error> {
    let outside = |what: &str, found: String| Error::Content {
        path: index.files[0].clone(),
        field: what.into(),
        found,
        expected: format!("a part of the grid of {} x {} cells", whole.y.count, whole.x.count),
    };
    let mut grid = whole.clone();
    if let Some(crop) = config.crop {
        let refuse = || outside("region to crop", format!("rows {:?}, columns {:?}", crop.rows, crop.columns));
        let range = |[first, last]: [usize; 2]| first..last.saturating_add(1);
        grid = whole.crop(&range(crop.rows), &range(crop.columns)).map_err(|_| refuse())?;
    }
    if config.block > grid.y.count.min(grid.x.count) {
        return Err(outside("blocks", format!("{} cells wide", config.block)));
    }
    Ok(if config.block > 1 { grid.coarsen(config.block) } else { grid })
}

fn missing(time: ValidTime, why: &str) -> Notice {
    Notice::new(NoticeKind::Missing, format!("frame of {}", words(time)), why)
}

/// A time as people write it: `2024-07-01 15:00:00 UTC`.
pub(super) fn words(time: ValidTime) -> String {
    time.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}
