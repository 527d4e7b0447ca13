//! Which file holds which valid time: a file, a directory or a pattern becomes evenly timed frames, read when they are asked for.

use std::{collections::BTreeMap, sync::Arc};

use ndarray::{Array2, s};
use nowblend_field::{Grid, LeadTime, Notice, NoticeKind, ValidTime};

use super::{
    Error, IngestConfig, Late,
    index::{self, Index, Record},
    kept::{Kept, Version},
    quality,
    wait::{self, Clock},
};
use crate::store::Input;

/// Radar files in order of time.
#[derive(Debug)]
pub struct Archive {
    pub(super) config: IngestConfig,
    pub(super) index: Index,
    pub(super) times: Vec<ValidTime>,
    /// The grid of the newest frame before and after cropping and averaging.
    pub(super) whole: Arc<Grid>,
    grid: Grid,
    /// What was waited for when the archive was opened.
    pub(super) waited: Option<Notice>,
    kept: Kept,
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
        let index = Index::of(&config.source, config.limits)?;
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
            kept: Kept::default(),
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

    pub(super) fn step_of(&self, times: &[ValidTime]) -> Option<LeadTime> {
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
        Ok(Some(read.rain.clone()))
    }

    /// Reads the frame of `found` from the first file that yields it; says which failed. The notices name it by `time`.
    pub(super) fn read_first(&self, found: ValidTime, time: ValidTime, notices: &mut Vec<Notice>) -> Option<Read> {
        let records = &self.index.records[&found];
        for (k, record) in records.iter().enumerate() {
            match self.read(record, found) {
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
                Err(error) => notices.push(missing(time, &error.without_folders())),
            }
        }
        None
    }

    fn read(&self, record: &Record, time: ValidTime) -> Result<Read, Error> {
        let path = &self.index.files[record.file];
        let version = Version::of(record.file, path);
        let sum = version.and_then(|v| self.kept.sum(v));
        let frame = version.and_then(|v| self.kept.frame(v, record.number));
        let grid = Arc::clone(&record.grid);
        if let (Some(frame), Some(input)) = (frame, &sum) {
            let input = input.clone();
            return Ok(Read { frame, input, grid });
        }
        let (rain, input) = index::read(path, (record.number, time), sum.is_none(), self.config.limits)?;
        let (frame, input) = (Arc::new(self.fit(rain)), sum.unwrap_or(input));
        if let Some(version) = version {
            self.kept.put(version, record.number, &frame, &input);
        }
        Ok(Read { frame, input, grid })
    }

    pub(super) fn frame_at(&self, time: ValidTime) -> Result<Arc<Frame>, Error> {
        let mut failed = None;
        for record in &self.index.records[&time] {
            match self.read(record, time) {
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
    pub(super) fn fit(&self, rain: Array2<f32>) -> Frame {
        let mut cropped = match self.config.crop {
            None => rain,
            Some(crop) => {
                // A frame on a smaller grid than the newest: what there is of it, to be left out for its grid.
                let end = |last: usize, count: usize| (last + 1).min(count);
                let (rows, columns) = (end(crop.rows[1], rain.nrows()), end(crop.columns[1], rain.ncols()));
                rain.slice(s![crop.rows[0].min(rows)..rows, crop.columns[0].min(columns)..columns])
                    .to_owned()
            }
        };
        let counts = quality::judge(&mut cropped, self.config.rain_max_mm_h as f32);
        let seen = cropped.iter().filter(|r| !r.is_nan()).count() as f64 / cropped.len().max(1) as f64;
        let rain = match self.config.block {
            1 => cropped,
            block => quality::block_mean(&cropped, block),
        };
        Frame { rain, counts, seen }
    }

    pub(super) fn name(&self, record: &Record) -> String {
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

/// A frame brought to the grid of the forecast, and what was done to it.
#[derive(Debug)]
pub(super) struct Frame {
    /// Rain `[y, x]`, mm h⁻¹.
    pub rain: Array2<f32>,
    /// What was wrong with its values.
    pub counts: quality::Counts,
    /// Share of cells that were observed, 0 to 1, before averaging.
    pub seen: f64,
}

/// A frame that was read.
pub(super) struct Read {
    pub frame: Arc<Frame>,
    pub input: Input,
    pub grid: Arc<Grid>,
}

/// The grid after cropping and averaging.
pub(super) fn fitted(config: &IngestConfig, whole: &Grid, index: &Index) -> Result<Grid, Error> {
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

pub(super) fn missing(time: ValidTime, why: &str) -> Notice {
    Notice::new(NoticeKind::Missing, format!("frame of {}", words(time)), why)
}

/// A time as people write it: `2024-07-01 15:00:00 UTC`.
pub(super) fn words(time: ValidTime) -> String {
    time.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}
