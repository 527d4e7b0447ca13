//! Forecasts of the past, without looking ahead: an archive is replayed start by start, every component is scored, and a run that was
//! stopped anywhere goes on where it was.
//!
//! What a forecast may know is read by [`Archive::observed`], which reads nothing after the reference time; the frames that judge it
//! are read when it has been made. The event's mask, which needs all frames, decides what is scored and never reaches a forecaster.

mod case;
mod config;
mod covariances;
mod error;
mod records;
mod starts;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use ndarray::Array2;
use nowblend_field::{ReferenceTime, Seed};

pub use case::{Forecasters, Said};
pub use config::{EventConfig, HindcastConfig, Starts};
pub use covariances::Covariances;
pub use error::Error;
pub use records::{Record, Records};

use crate::{
    ingest::Archive,
    progress::Progress,
    store::{sweep, write_whole},
    verify::{CaseTerms, EventMask, Metrics, Scorecard},
};

/// Name of the file of cases in the folder of a hindcast.
pub const RECORDS: &str = "cases.jsonl";

/// Replays the events of `config`, appends what each start adds to `cases.jsonl` in its folder, and writes `scores.csv` and `scores.json`
/// of all cases there are. Starts that are in the file already are not made again; with `fresh` the file is begun anew. The scores
/// depend neither on the number of threads nor on how often the run was stopped.
///
/// # Errors
///
/// [`Error::OtherConfig`] where the folder holds cases of another configuration, [`Error::NoStarts`] where an event is too short, and
/// those of reading, forecasting and writing.
pub fn run(config: &HindcastConfig, fresh: bool) -> Result<Scorecard, Error> {
    let metrics = Metrics::new(&config.metrics)?;
    config.check()?;
    let events = config
        .events
        .iter()
        .map(|event| Event::open(event, config))
        .collect::<Result<Vec<_>, _>>()?;
    std::fs::create_dir_all(&config.folder).map_err(|e| Error::file(&config.folder, &e))?;
    sweep(&config.folder);
    note_use(config)?;
    let path = config.folder.join(RECORDS);
    let records = Mutex::new(Records::open(&path, config, fresh)?);
    replay(config, &metrics, &events, &records)?;
    drop(records);

    // Read back, so that a run that was stopped and one that was not form their scores from the same digits.
    let cases: Vec<CaseTerms> = Records::open(&path, config, false)?
        .into_cases()
        .into_iter()
        .map(|record| record.case)
        .collect();
    let reference = (!config.reference.is_empty()).then_some(config.reference.as_str());
    let card = Scorecard::new(&cases, &metrics, &config.metrics.bootstrap, reference, Seed(config.seed)).with_about(about(config, &events));
    write_whole(&config.folder.join("scores.csv"), card.csv().as_bytes())?;
    write_whole(&config.folder.join("scores.json"), card.json().as_bytes())?;
    Ok(card)
}

/// An event, open, with the starts to be made.
struct Event {
    name: String,
    archive: Archive,
    frames: usize,
    starts: Vec<ReferenceTime>,
}

impl Event {
    fn open(event: &EventConfig, config: &HindcastConfig) -> Result<Self, Error> {
        let archive = Archive::open(&event.ingest)?;
        let frames = event.ingest.frames.max(1);
        let starts = config.starts.of(archive.times(), frames, &config.lead_times());
        if starts.is_empty() {
            return Err(Error::NoStarts {
                event: event.name(),
                found: archive.times().len(),
                frames,
            });
        }
        Ok(Self {
            name: event.name(),
            archive,
            frames,
            starts,
        })
    }
}

/// Makes the cases that are not in the records yet, several at a time.
fn replay(config: &HindcastConfig, metrics: &Metrics, events: &[Event], records: &Mutex<Records>) -> Result<(), Error> {
    let done: BTreeSet<(String, ReferenceTime)> = lock(records).keys();
    let todo: Vec<(&Event, ReferenceTime)> = events
        .iter()
        .flat_map(|event| event.starts.iter().map(move |start| (event, *start)))
        .filter(|(event, start)| !done.contains(&(event.name.clone(), *start)))
        .collect();
    if todo.is_empty() {
        return Ok(());
    }
    let masks = events
        .iter()
        .filter(|event| todo.iter().any(|(e, _)| e.name == event.name))
        .map(|event| Ok((event.name.as_str(), EventMask::of(&event.name, &event.archive, &config.metrics)?)))
        .collect::<Result<BTreeMap<&str, Array2<bool>>, Error>>()?;
    let forecasters = Forecasters::new(config)?;
    let progress = Progress::new("hindcast", todo.len() as u64);
    // Threads of their own, each with one case in hand: memory is that of so many cases, and no more.
    let next = AtomicUsize::new(0);
    let failure: Mutex<Option<Error>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..rayon::current_num_threads().min(todo.len()) {
            scope.spawn(|| {
                while let Some((event, start)) = todo.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let made = forecasters
                        .score(
                            &event.name,
                            &event.archive,
                            event.frames,
                            *start,
                            &masks[event.name.as_str()],
                            metrics,
                        )
                        .and_then(|record| lock(records).append(record));
                    if let Err(e) = made {
                        // The others finish the case in hand; what is done stays done.
                        next.store(todo.len(), Ordering::Relaxed);
                        lock(&failure).get_or_insert(e);
                        return;
                    }
                    progress.message(&format!("{} {start}", event.name));
                    progress.inc(1);
                }
            });
        }
    });
    progress.finish();
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// Appends a line to the log of uses, if the configuration names one: runs on events that nothing may be chosen on are recorded so.
fn note_use(config: &HindcastConfig) -> Result<(), Error> {
    let Some(path) = &config.log_use else { return Ok(()) };
    let names: Vec<String> = config.events.iter().map(EventConfig::name).collect();
    let line = format!(
        "{} config {} nowblend {} events {}\n",
        chrono::Utc::now().format("%Y-%m-%dT%H:%M:%SZ"),
        config.fingerprint(),
        env!("CARGO_PKG_VERSION"),
        names.join(",")
    );
    let append = |path: &Path| {
        std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)?
            .write_all(line.as_bytes())
    };
    append(path).map_err(|e| Error::file(path, &e))
}

fn about(config: &HindcastConfig, events: &[Event]) -> BTreeMap<String, String> {
    let starts: Vec<String> = events.iter().map(|e| format!("{} ({} starts)", e.name, e.starts.len())).collect();
    let entries = [
        ("program", format!("nowblend {}", env!("CARGO_PKG_VERSION"))),
        ("configuration", config.resolved().to_string()),
        ("configuration_sha256", config.fingerprint()),
        ("events", starts.join(", ")),
        (
            "interval",
            format!(
                "{} %, {} resamples of {}-minute blocks of starts",
                100.0 * config.metrics.bootstrap.level,
                config.metrics.bootstrap.resamples,
                config.metrics.bootstrap.block_min
            ),
        ),
        (
            "missing",
            "cells that the forecast leaves missing count as dry; unobserved cells never count".to_owned(),
        ),
    ];
    entries.map(|(key, value)| (key.to_owned(), value)).into()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
