//! One case: a forecast from one start, compared with what came, lead time by lead time.

use std::collections::BTreeMap;

use nowblend_field::{LeadTime, ReferenceTime, ValidTime};
use serde::{Deserialize, Serialize};

use super::{Forecast, Metrics, Observed, Terms};

/// Seconds that a frame may be off the valid time that it judges.
pub(super) const TOLERANCE_S: i64 = 60;

/// All that one start adds to the scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseTerms {
    /// The event that the start belongs to.
    pub event: String,
    /// When the forecast started.
    pub reference_time: ReferenceTime,
    /// What each component adds at each lead time.
    pub leads: Vec<LeadTerms>,
}

/// What one component adds at one lead time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeadTerms {
    /// Who forecast.
    pub component: String,
    /// How far ahead, seconds.
    #[serde(rename = "lead_s")]
    pub lead_time: LeadTime,
    /// Cells that count.
    pub cells: u64,
    /// Those among them that the forecast left missing.
    pub missing: u64,
    /// Terms by the name of their sums.
    pub terms: BTreeMap<String, Terms>,
}

impl LeadTerms {
    /// Compares a component's forecast with what was observed.
    pub fn of(component: &str, lead_time: LeadTime, metrics: &Metrics, forecast: &Forecast<'_>, observed: &Observed) -> Self {
        Self {
            component: component.to_owned(),
            lead_time,
            cells: observed.count() as u64,
            missing: forecast.missing(observed) as u64,
            terms: metrics.terms(forecast, observed),
        }
    }
}

/// The frame that judges a valid time: the nearest within a minute, the earlier of two; `None` where there is none.
pub fn frame_of(times: &[ValidTime], valid_time: ValidTime) -> Option<ValidTime> {
    let off = |t: &ValidTime| (*t - valid_time).num_seconds().abs();
    times.iter().copied().filter(|t| off(t) <= TOLERANCE_S).min_by_key(off)
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, TimeZone, Utc};

    use super::*;

    #[test]
    fn a_frame_a_minute_off_judges_and_one_farther_off_does_not() {
        let start = Utc.with_ymd_and_hms(2020, 1, 1, 0, 0, 0).unwrap();
        let at = |minutes: i64| start + TimeDelta::minutes(minutes);
        // Six-minute frames: 5 min is judged by the frame at 6, 15 min by none.
        let times = [at(0), at(6), at(12), at(18)];
        assert_eq!(frame_of(&times, at(5)), Some(at(6)));
        assert_eq!(frame_of(&times, at(15)), None);
        // Two-minute frames: 4 and 6 are equally near to 5.
        assert_eq!(frame_of(&[at(2), at(4), at(6)], at(5)), Some(at(4)));
    }
}
