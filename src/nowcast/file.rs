//! A forecast that another program made, on equal terms with our own: brought to the grid and the lead times of the blend.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ndarray::{Array2, Array3, Zip};
use nowblend_field::{Analysis, Error, Exceedance, Forecaster, LeadTime, Notice, NoticeKind, ReferenceTime, Run, Seed, Slice, ValidTime};

use crate::ingest::{self, Given, GivenConfig, Place};

/// Times that differ by less than this are one, s.
const TOLERANCE_S: i64 = 30;

/// Files whose fields take no more than this are read before the forecast begins, bytes.
const LOOKED_AT_BYTES: usize = 256 << 20;

/// The forecast of a file: the newest that was made at or before the reference time, so that a hindcast does not look ahead.
///
/// Its fields are brought to the grid by bilinear interpolation, or as means where they are finer, and to the lead times by linear interpolation
/// between the valid times around. It has nothing to say before its first valid time and ends with its last.
pub struct File {
    config: GivenConfig,
}

impl File {
    /// The forecast that `config` names.
    ///
    /// # Errors
    ///
    /// [`ingest::Error::Config`] for a key that makes no sense; the file itself is opened when a run starts.
    pub fn new(config: &GivenConfig) -> Result<Self, ingest::Error> {
        config.check()?;
        Ok(Self { config: config.clone() })
    }

    fn refuse(&self, e: ingest::Error) -> Error {
        Error::Component {
            component: self.config.name.clone(),
            source: Arc::new(e),
        }
    }
}

impl Forecaster for File {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn start<'a>(&'a self, analysis: &'a Analysis, lead_times: &'a [LeadTime], _: Seed) -> Result<Box<dyn Run + 'a>, Error> {
        let reference_time = analysis.reference_time();
        let given = Given::newest(&self.config, reference_time).map_err(|e| self.refuse(e))?;
        let mut notices = Vec::new();
        let mut tell = |kind, message: String| notices.push(Notice::new(kind, self.name(), message));
        let place = match &given.grid {
            Some(grid) => Place::find(grid, analysis.grid()),
            None if given.shape == analysis.grid().shape() => None,
            None => {
                return Err(Error::Shape {
                    what: "forecast of a file without a grid [y, x]",
                    found: vec![given.shape.0, given.shape.1],
                    expected: vec![analysis.grid().shape().0, analysis.grid().shape().1],
                });
            }
        };
        let age_min = (reference_time - given.reference_time).num_minutes();
        if age_min > 0 {
            tell(
                NoticeKind::Degraded,
                format!("`{}` was made {age_min} min before the reference time", given.input.name),
            );
        }
        let (first, last) = (given.valid_times[0], given.valid_times[given.valid_times.len() - 1]);
        let wanted = |lead_time: &LeadTime| reference_time + *lead_time;
        let between = lead_times.iter().map(wanted).filter(|t| *t >= first && *t <= last);
        let apart = between
            .filter(|t| given.valid_times.iter().all(|v| (*v - *t).num_seconds().abs() > TOLERANCE_S))
            .count();
        if apart > 0 {
            let message = format!("{apart} lead times lie between its valid times and are interpolated");
            tell(NoticeKind::Degraded, message);
        }
        if lead_times.first().is_some_and(|l| (first - wanted(l)).num_seconds() > TOLERANCE_S) {
            let message = format!("it has nothing to say before {}", first.format("%Y-%m-%d %H:%M UTC"));
            tell(NoticeKind::Missing, message);
        }
        let mut run = FileRun {
            forecaster: self,
            given,
            place,
            reference_time,
            shape: analysis.grid().shape(),
            lead_times: lead_times.iter(),
            kept: BTreeMap::new(),
            notices,
        };
        run.look_ahead(lead_times)?;
        Ok(Box::new(run))
    }
}

struct FileRun<'a> {
    forecaster: &'a File,
    given: Given,
    place: Option<Place>,
    reference_time: ReferenceTime,
    shape: (usize, usize),
    lead_times: std::slice::Iter<'a, LeadTime>,
    /// Fields of the valid times around the last lead time, by their numbers: the next one may lie between the same.
    kept: BTreeMap<usize, Fields>,
    notices: Vec<Notice>,
}

/// All that a file says of one valid time, on the grid of the forecast.
struct Fields {
    rain: Option<Array3<f32>>,
    probability: Option<Array3<f32>>,
}

impl FileRun<'_> {
    /// Reads all fields of a small file once, so that a damaged one is refused before the forecast has begun.
    fn look_ahead(&mut self, lead_times: &[LeadTime]) -> Result<(), Error> {
        let layers = self.given.members + self.given.thresholds_mm_h.len();
        let cells = self.given.shape.0 * self.given.shape.1 * layers * self.given.valid_times.len();
        if cells * size_of::<f32>() > LOOKED_AT_BYTES {
            return Ok(());
        }
        let wanted = lead_times
            .iter()
            .filter_map(|l| around(&self.given.valid_times, self.reference_time + *l));
        let wanted: BTreeSet<usize> = wanted.flat_map(|(first, second, _)| [first, second]).collect();
        // The first comes last, to be at hand when the run begins.
        wanted.into_iter().rev().try_for_each(|time| self.keep(time, time))
    }

    /// Keeps the fields of two valid times and no others.
    fn keep(&mut self, before: usize, after: usize) -> Result<(), Error> {
        self.kept.retain(|time, _| *time == before || *time == after);
        for time in [before, after] {
            if !self.kept.contains_key(&time) {
                let fields = self.read(time)?;
                self.kept.insert(time, fields);
            }
        }
        Ok(())
    }

    fn read(&self, time: usize) -> Result<Fields, Error> {
        let given = &self.given;
        let bring = |field: Array2<f32>| match &self.place {
            Some(place) => place.bring(&field),
            None => field,
        };
        let stack = |count: usize, read: &dyn Fn(usize) -> Result<Array2<f32>, ingest::Error>| {
            let mut all = Array3::zeros((count, self.shape.0, self.shape.1));
            for (k, mut plane) in all.outer_iter_mut().enumerate() {
                plane.assign(&bring(read(k)?));
            }
            Ok::<_, ingest::Error>((count > 0).then_some(all))
        };
        let read = || -> Result<Fields, ingest::Error> {
            Ok(Fields {
                rain: stack(given.members, &|k| given.rain(time, k))?,
                probability: stack(given.thresholds_mm_h.len(), &|k| given.probability(time, k))?,
            })
        };
        read().map_err(|e| self.forecaster.refuse(e))
    }
}

/// Numbers of the valid times around a time, and how far it lies from the first to the second.
fn around(valid_times: &[ValidTime], time: ValidTime) -> Option<(usize, usize, f32)> {
    if let Some(same) = valid_times.iter().position(|v| (*v - time).num_seconds().abs() <= TOLERANCE_S) {
        return Some((same, same, 0.0));
    }
    let after = valid_times.iter().position(|v| *v > time).filter(|k| *k > 0)?;
    let (before, length) = (after - 1, (valid_times[after] - valid_times[after - 1]).num_seconds());
    let share = (time - valid_times[before]).num_seconds() as f32 / length as f32;
    Some((before, after, share))
}

impl Run for FileRun<'_> {
    fn next(&mut self) -> Result<Option<Slice>, Error> {
        let Some(&lead_time) = self.lead_times.next() else {
            return Ok(None);
        };
        let time = self.reference_time + lead_time;
        let valid_times = &self.given.valid_times;
        if (time - valid_times[valid_times.len() - 1]).num_seconds() > TOLERANCE_S {
            return Ok(None);
        }
        let fields = match around(valid_times, time) {
            None => {
                let nothing = |count: usize| (count > 0).then(|| Array3::from_elem((count, self.shape.0, self.shape.1), f32::NAN));
                Fields {
                    rain: nothing(self.given.members),
                    probability: nothing(self.given.thresholds_mm_h.len()),
                }
            }
            Some((before, after, share)) => {
                self.keep(before, after)?;
                let (first, second) = (&self.kept[&before], &self.kept[&after]);
                Fields {
                    rain: mean(first.rain.as_ref(), second.rain.as_ref(), share),
                    probability: mean(first.probability.as_ref(), second.probability.as_ref(), share),
                }
            }
        };
        let thresholds_mm_h: Arc<[f64]> = self.given.thresholds_mm_h.clone().into();
        Ok(Some(Slice {
            lead_time,
            rain: fields.rain,
            exceedance: fields.probability.map(|probability| Exceedance {
                thresholds_mm_h,
                probability,
            }),
            diagnostics: BTreeMap::new(),
        }))
    }

    fn notices(&self) -> &[Notice] {
        &self.notices
    }
}

/// From one valid time to the next, linear.
fn mean(first: Option<&Array3<f32>>, second: Option<&Array3<f32>>, share: f32) -> Option<Array3<f32>> {
    let mut mean = first?.clone();
    if share > 0.0 {
        Zip::from(&mut mean).and(second?).par_for_each(|a, b| *a += share * (b - *a));
    }
    Some(mean)
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, TimeZone, Utc};
    use ndarray::{Array4, array};
    use ndarray_npy::WriteNpyExt;
    use nowblend_field::{Grid, Sequence};

    use super::*;

    fn analysis() -> Analysis {
        let time = Utc.with_ymd_and_hms(2024, 7, 1, 15, 0, 0).unwrap();
        let rain = Array3::zeros((1, 1, 2));
        Analysis::new(Sequence::new(Grid::plane(1, 2, 1000.0), vec![time], rain).unwrap())
    }

    fn written(folder: &std::path::Path, numbers: &Array4<f32>) -> GivenConfig {
        let path = folder.join("theirs_20240701-1450.npy");
        numbers.write_npy(std::fs::File::create(&path).unwrap()).unwrap();
        GivenConfig {
            source: path.display().to_string(),
            lead_min: vec![20.0, 40.0],
            ..GivenConfig::default()
        }
    }

    #[test]
    fn a_forecast_made_earlier_is_taken_by_its_valid_times() {
        // Two members of 14:50, valid at 15:10 and 15:30; from 15:00 at 5 min nothing, at 10 min the first, at 15 min a quarter on, then the end.
        let folder = tempfile::tempdir().unwrap();
        let numbers = array![[[[4.0, f32::NAN]], [[8.0, 2.0]]], [[[0.0, 1.0]], [[0.0, 1.0]]]];
        let file = File::new(&written(folder.path(), &numbers)).unwrap();
        let analysis = analysis();
        let lead_times: Vec<LeadTime> = [5, 10, 15, 45].map(LeadTime::from_minutes).into();
        let mut run = file.start(&analysis, &lead_times, Seed(0)).unwrap();
        let mut next = || run.next().unwrap().map(|s| s.rain.unwrap());
        assert!(next().unwrap().iter().all(|r| r.is_nan()));
        assert_eq!(next().unwrap()[[0, 0, 0]], 4.0);
        let third = next().unwrap();
        assert_eq!((third[[0, 0, 0]], third[[1, 0, 1]]), (5.0, 1.0));
        assert!(third[[0, 0, 1]].is_nan());
        assert!(next().is_none());
        let told: Vec<&str> = run.notices().iter().map(|n| n.message.as_str()).collect();
        assert!(
            told.iter().any(|m| m.contains("10 min before")) && told.iter().any(|m| m.contains("interpolated")),
            "{told:?}"
        );
    }

    #[test]
    fn a_forecast_of_the_future_is_not_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = written(folder.path(), &Array4::zeros((1, 2, 1, 2)));
        config.reference_time = Some(analysis().reference_time() + TimeDelta::minutes(1));
        let analysis = analysis();
        let message = File::new(&config)
            .unwrap()
            .start(&analysis, &[], Seed(0))
            .err()
            .unwrap()
            .to_string();
        assert!(message.contains("2024-07-01 15:01"), "{message}");
    }

    #[test]
    fn probabilities_keep_their_thresholds() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = written(folder.path(), &array![[[[0.9, 0.4]], [[0.9, 0.4]]], [[[0.2, 0.1]], [[0.4, 7.0]]]]);
        (config.holds, config.thresholds_mm_h) = (ingest::Holds::Probability, vec![1.0, 5.0]);
        let (analysis, lead_times) = (analysis(), [LeadTime::from_minutes(30)]);
        let file = File::new(&config).unwrap();
        let slice = file.start(&analysis, &lead_times, Seed(0)).unwrap().next().unwrap().unwrap();
        assert!(slice.rain.is_none());
        let p = slice.exceedance.unwrap();
        assert!((p.at(5.0).unwrap()[[0, 0]] - 0.4).abs() < 1e-6 && p.at(5.0).unwrap()[[0, 1]].is_nan());
    }
}
