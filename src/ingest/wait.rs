//! Waits for a frame that is late: looks again every few seconds, no longer than the configuration allows.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use nowblend_field::{Notice, NoticeKind, ValidTime};

use super::{Archive, Error, IngestConfig, archive::words};

/// Time between looks.
const PAUSE: Duration = Duration::from_secs(5);

/// What time it is, and how to let it pass; tests bring their own.
pub(super) struct Clock<'a> {
    now: Box<dyn Fn() -> DateTime<Utc> + 'a>,
    pause: Box<dyn Fn(Duration) + 'a>,
}

impl Clock<'_> {
    /// The wall clock.
    pub fn system() -> Self {
        Self {
            now: Box::new(Utc::now),
            pause: Box::new(std::thread::sleep),
        }
    }
}

/// Opens an archive; under a policy of waiting again and again while its newest frame is late.
pub(super) fn open(config: &IngestConfig, clock: &Clock<'_>) -> Result<Archive, Error> {
    let begun = (clock.now)();
    let mut awaited = None;
    loop {
        let archive = Archive::look(config)?;
        let now = (clock.now)();
        let late = archive.patience().and_then(|patience| late(&archive, now, patience));
        let Some((time, deadline)) = late else {
            let notice = awaited.map(|time: ValidTime| {
                let message = format!("waited {} s for the frame of {}", (now - begun).num_seconds(), words(time));
                Notice::new(NoticeKind::Degraded, "observed rain", message)
            });
            return Ok(archive.with_waited(notice));
        };
        awaited = Some(time);
        let left = (deadline - now).to_std().unwrap_or_default();
        (clock.pause)(left.min(PAUSE));
    }
}

/// The frame that is late but may still come, and until when it is waited for.
fn late(archive: &Archive, now: DateTime<Utc>, patience: TimeDelta) -> Option<(ValidTime, DateTime<Utc>)> {
    let newest = *archive.times().last()?;
    // A frame still to come after the newest one.
    let next = archive.step().map(|step| newest + step).filter(|next| *next <= now);
    let candidate = |time: ValidTime| Some((time, time + patience)).filter(|(_, deadline)| now < *deadline);
    if let Some(found) = next.and_then(candidate) {
        return Some(found);
    }
    // The newest one may still be put together.
    let found = candidate(newest)?;
    let complete = archive.reference_time().is_ok_and(|n| n.reference_time == newest);
    (!complete).then_some(found)
}

#[cfg(test)]
pub(super) mod tests {
    use std::cell::Cell;

    use super::*;

    /// Opens an archive as if it were `start`; each pause lets the time pass and then lets `meanwhile` happen.
    pub fn open_at(config: &IngestConfig, start: DateTime<Utc>, meanwhile: impl Fn(DateTime<Utc>)) -> Result<Archive, Error> {
        let now = Cell::new(start);
        let clock = Clock {
            now: Box::new(|| now.get()),
            pause: Box::new(|time| {
                now.set(now.get() + time);
                meanwhile(now.get());
            }),
        };
        open(config, &clock)
    }
}
