//! When the forecasts of a hindcast start.

use nowblend_field::{LeadTime, ReferenceTime, ValidTime};
use serde::{Deserialize, Serialize};

use super::Error;

/// Which frames of an event forecasts start from. A start needs the frames that a forecast is made of before it, and room for the
/// longest lead time after it, or in an event too short for that, for the shortest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Starts {
    /// So many, evenly spread over each event.
    Spread {
        /// How many in each event.
        count: usize,
    },
    /// One each so many minutes.
    Every {
        /// Minutes between starts.
        every_min: u32,
        /// Not before this time, if given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        first: Option<ReferenceTime>,
        /// Not after this time, if given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last: Option<ReferenceTime>,
    },
    /// At given times, in the events that have a frame then.
    At {
        /// The times.
        times: Vec<ReferenceTime>,
    },
}

impl Default for Starts {
    fn default() -> Self {
        Self::Every {
            every_min: 30,
            first: None,
            last: None,
        }
    }
}

impl Starts {
    /// The starts among the frames of an event, ascending.
    pub(super) fn of(&self, times: &[ValidTime], frames: usize, lead_times: &[LeadTime]) -> Vec<ReferenceTime> {
        let Some(end) = times.last() else { return Vec::new() };
        let room = |lead_time: Option<&LeadTime>| -> Vec<ReferenceTime> {
            let Some(lead_time) = lead_time else { return Vec::new() };
            times.iter().skip(frames - 1).copied().filter(|t| *t + *lead_time <= *end).collect()
        };
        let mut possible = room(lead_times.last());
        if possible.is_empty() || matches!(self, Self::At { .. }) {
            possible = room(lead_times.first());
        }
        match self {
            Self::Spread { count } => {
                let (count, last) = ((*count).min(possible.len()), possible.len().saturating_sub(1));
                let place = |k: usize| {
                    if count == 1 {
                        last / 2
                    } else {
                        (k * last + (count - 1) / 2) / (count - 1)
                    }
                };
                (0..count).map(|k| possible[place(k)]).collect()
            }
            Self::Every { every_min, first, last } => {
                let mut starts: Vec<ReferenceTime> = Vec::new();
                for time in possible {
                    let wanted = first.is_none_or(|first| time >= first) && last.is_none_or(|last| time <= last);
                    let since = starts.last().map(|before| (time - *before).num_seconds());
                    if wanted && since.is_none_or(|since| since >= i64::from(*every_min) * 60) {
                        starts.push(time);
                    }
                }
                starts
            }
            Self::At { times } => possible.into_iter().filter(|t| times.contains(t)).collect(),
        }
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let (key, found) = match self {
            Self::Spread { count: 0 } => ("starts.count", "0"),
            Self::Every { every_min: 0, .. } => ("starts.every_min", "0"),
            Self::At { times } if times.is_empty() => ("starts.times", "none"),
            _ => return Ok(()),
        };
        Err(Error::Config {
            key,
            found: found.to_owned(),
            expected: "at least 1",
        })
    }
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, TimeZone, Utc};

    use super::*;

    fn at(minutes: i64) -> ValidTime {
        Utc.with_ymd_and_hms(2020, 1, 1, 0, 0, 0).unwrap() + TimeDelta::minutes(minutes)
    }

    fn starts(starts: &Starts, frames: i64, leads: &[u32]) -> Vec<i64> {
        let times: Vec<ValidTime> = (0..frames).map(|k| at(5 * k)).collect();
        let lead_times: Vec<LeadTime> = leads.iter().map(|m| LeadTime::from_minutes(*m)).collect();
        let found = starts.of(&times, 4, &lead_times);
        found.into_iter().map(|t| (t - at(0)).num_minutes()).collect()
    }

    #[test]
    fn starts_leave_room_for_the_frames_before_and_the_lead_times_after() {
        // Frames 0 to 120 min; four frames end at 15 min, an hour must follow: 15 to 60.
        assert_eq!(starts(&Starts::Spread { count: 4 }, 25, &[5, 60]), [15, 30, 45, 60]);
        assert_eq!(starts(&Starts::Spread { count: 1 }, 25, &[5, 60]), [35]);
        assert_eq!(starts(&Starts::Spread { count: 99 }, 8, &[5, 10]), [15, 20, 25]);
        let every = |first, last| Starts::Every {
            every_min: 15,
            first,
            last,
        };
        assert_eq!(starts(&every(None, None), 25, &[5, 60]), [15, 30, 45, 60]);
        assert_eq!(starts(&every(Some(at(20)), Some(at(45))), 25, &[5, 60]), [20, 35]);
    }

    #[test]
    fn a_short_event_is_scored_at_the_lead_times_it_has() {
        // 55 minutes hold no start with two hours after it, but some with five minutes.
        assert_eq!(starts(&Starts::Spread { count: 2 }, 12, &[5, 120]), [15, 50]);
        assert!(starts(&Starts::Spread { count: 2 }, 4, &[5, 120]).is_empty());
    }

    #[test]
    fn given_times_are_taken_where_a_frame_is() {
        let given = Starts::At {
            times: vec![at(5), at(40), at(41), at(110)],
        };
        assert_eq!(starts(&given, 25, &[5, 60]), [40, 110]);
    }
}
