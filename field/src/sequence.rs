//! Observed rain over time: what the radar saw up to the reference time, evenly spaced, with what it did not see marked.

use ndarray::{Array3, ArrayView2, ArrayView3, Axis};

use crate::{Error, Grid, LeadTime, ReferenceTime, ValidTime};

/// Observed rain `[time, y, x]` in mm h⁻¹ at evenly spaced times; NaN is not observed, 0 observed dry. Never empty, never negative.
#[derive(Debug, Clone)]
pub struct Sequence {
    grid: Grid,
    times: Vec<ValidTime>,
    rain: Array3<f32>,
}

impl Sequence {
    /// Observed frames in order of time. A frame that is missing altogether is all NaN.
    ///
    /// # Errors
    ///
    /// [`Error::TooFewFrames`] without a frame, [`Error::Shape`] where the array does not fit grid and times,
    /// [`Error::UnevenTimes`] where the step changes, [`Error::Value`] for rain that is negative or infinite.
    pub fn new(grid: Grid, times: Vec<ValidTime>, rain: Array3<f32>) -> Result<Self, Error> {
        if times.is_empty() {
            return Err(Error::TooFewFrames {
                what: "a sequence",
                needed: 1,
                found: 0,
            });
        }
        let (ny, nx) = grid.shape();
        if rain.dim() != (times.len(), ny, nx) {
            return Err(Error::Shape {
                what: "rain [time, y, x]",
                found: rain.shape().to_vec(),
                expected: vec![times.len(), ny, nx],
            });
        }
        if times.len() > 1 {
            let step_s = (times[1] - times[0]).num_seconds();
            for pair in times.windows(2) {
                let found_s = (pair[1] - pair[0]).num_seconds();
                if found_s != step_s || found_s <= 0 {
                    return Err(Error::UnevenTimes {
                        valid_time: pair[1],
                        found_s,
                        expected_s: step_s,
                    });
                }
            }
        }
        if let Some(&bad) = rain.iter().find(|r| **r < 0.0 || r.is_infinite()) {
            return Err(Error::Value {
                what: "observed rain",
                found: f64::from(bad),
                expected: "at least 0 and finite, or NaN where not observed",
            });
        }
        Ok(Self {
            grid,
            times,
            rain: if rain.is_standard_layout() {
                rain
            } else {
                rain.as_standard_layout().into_owned()
            },
        })
    }

    /// Where the cells lie.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// Valid times of the frames, oldest first.
    pub fn times(&self) -> &[ValidTime] {
        &self.times
    }

    /// All frames `[time, y, x]`, mm h⁻¹.
    pub fn rain(&self) -> ArrayView3<'_, f32> {
        self.rain.view()
    }

    /// Number of frames, at least one.
    pub fn frames(&self) -> usize {
        self.times.len()
    }

    /// One frame `[y, x]`, mm h⁻¹.
    pub fn frame(&self, index: usize) -> ArrayView2<'_, f32> {
        self.rain.index_axis(Axis(0), index)
    }

    /// The newest frame `[y, x]`, mm h⁻¹.
    pub fn last(&self) -> ArrayView2<'_, f32> {
        self.frame(self.frames() - 1)
    }

    /// The time of the newest frame.
    pub fn reference_time(&self) -> ReferenceTime {
        self.times[self.times.len() - 1]
    }

    /// Time between frames; `None` for a single frame.
    pub fn step(&self) -> Option<LeadTime> {
        let pair = self.times.get(..2)?;
        Some(LeadTime::from_seconds((pair[1] - pair[0]).num_seconds() as u32))
    }

    /// The newest `count` frames, or all if there are fewer.
    pub fn newest(&self, count: usize) -> Self {
        let first = self.frames().saturating_sub(count.max(1));
        Self {
            grid: self.grid.clone(),
            times: self.times[first..].to_vec(),
            rain: self.rain.slice(ndarray::s![first.., .., ..]).to_owned(),
        }
    }

    /// The frames at or before `reference_time`: what a forecaster may know then.
    ///
    /// # Errors
    ///
    /// [`Error::TooFewFrames`] when no frame is that old.
    pub fn until(&self, reference_time: ReferenceTime) -> Result<Self, Error> {
        let count = self.times.iter().filter(|t| **t <= reference_time).count();
        if count == 0 {
            return Err(Error::TooFewFrames {
                what: "a sequence until the reference time",
                needed: 1,
                found: 0,
            });
        }
        Ok(Self {
            grid: self.grid.clone(),
            times: self.times[..count].to_vec(),
            rain: self.rain.slice(ndarray::s![..count, .., ..]).to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, TimeZone, Utc};

    use super::*;

    fn times(minutes: &[i64]) -> Vec<ValidTime> {
        let start = Utc.with_ymd_and_hms(2020, 1, 1, 0, 0, 0).unwrap();
        minutes.iter().map(|m| start + TimeDelta::minutes(*m)).collect()
    }

    #[test]
    fn uneven_times_are_refused() {
        let rain = Array3::zeros((3, 4, 5));
        let grid = Grid::plane(4, 5, 1000.0);
        assert!(matches!(
            Sequence::new(grid.clone(), times(&[0, 5, 15]), rain.clone()),
            Err(Error::UnevenTimes {
                found_s: 600,
                expected_s: 300,
                ..
            })
        ));
        assert!(Sequence::new(grid, times(&[0, 5, 10]), rain).is_ok());
    }

    #[test]
    fn nothing_after_the_reference_time_is_left() {
        let sequence = Sequence::new(Grid::plane(4, 5, 1000.0), times(&[0, 5, 10]), Array3::zeros((3, 4, 5))).unwrap();
        let known = sequence.until(times(&[7])[0]).unwrap();
        assert_eq!(known.times(), &times(&[0, 5])[..]);
        assert_eq!(known.reference_time(), times(&[5])[0]);
        assert!(sequence.until(times(&[-1])[0]).is_err());
    }

    #[test]
    fn negative_and_infinite_rain_is_refused_and_missing_is_kept() {
        let grid = Grid::plane(4, 5, 1000.0);
        for (bad, accepted) in [(-3.0, false), (f32::INFINITY, false), (f32::NAN, true)] {
            let mut rain = Array3::zeros((1, 4, 5));
            rain[[0, 1, 2]] = bad;
            assert_eq!(Sequence::new(grid.clone(), times(&[0]), rain).is_ok(), accepted, "{bad}");
        }
    }
}
