//! When a forecast starts, how far it reaches and when it holds: valid = reference + lead.

use std::{fmt, ops::Add};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// When a forecast starts: the time of the newest observation it may know.
pub type ReferenceTime = DateTime<Utc>;

/// When a field holds.
pub type ValidTime = DateTime<Utc>;

/// Time from the reference time to the valid time, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeadTime {
    seconds: u32,
}

impl LeadTime {
    /// A lead time of whole seconds.
    pub const fn from_seconds(seconds: u32) -> Self {
        Self { seconds }
    }

    /// A lead time of whole minutes.
    pub const fn from_minutes(minutes: u32) -> Self {
        Self { seconds: minutes * 60 }
    }

    /// Seconds.
    pub const fn seconds(self) -> u32 {
        self.seconds
    }

    /// Minutes, with their fraction.
    pub fn minutes(self) -> f64 {
        f64::from(self.seconds) / 60.0
    }

    /// `count` lead times `step` apart, the first one a step after the reference time.
    pub fn every(step: Self, count: usize) -> Vec<Self> {
        (1..=count as u32).map(|k| Self::from_seconds(k * step.seconds)).collect()
    }
}

impl fmt::Display for LeadTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{} min", (self.minutes() * 100.0).round() / 100.0)
    }
}

impl Add<LeadTime> for DateTime<Utc> {
    type Output = ValidTime;

    fn add(self, lead_time: LeadTime) -> ValidTime {
        self + TimeDelta::seconds(i64::from(lead_time.seconds))
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    #[test]
    fn valid_time_is_reference_plus_lead_across_midnight() {
        let reference_time = Utc.with_ymd_and_hms(2020, 2, 28, 23, 50, 0).unwrap();
        let valid_time = reference_time + LeadTime::from_minutes(20);
        assert_eq!(valid_time, Utc.with_ymd_and_hms(2020, 2, 29, 0, 10, 0).unwrap());
        assert_eq!(LeadTime::from_seconds(150).to_string(), "+2.5 min");
    }

    #[test]
    fn lead_times_start_one_step_after_the_reference() {
        let minutes: Vec<f64> = LeadTime::every(LeadTime::from_minutes(5), 3).iter().map(|l| l.minutes()).collect();
        assert_eq!(minutes, [5.0, 10.0, 15.0]);
    }
}
