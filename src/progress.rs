//! How far long work has come: a bar with rate and time left on a terminal, plain lines elsewhere.

use std::{
    io::IsTerminal,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// Seconds between plain lines where standard error is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Progress of one piece of work, told on standard error; may be shared between threads.
pub struct Progress {
    label: String,
    bar: Option<ProgressBar>,
    total: u64,
    started: Instant,
    lines: Mutex<Lines>,
}

struct Lines {
    done: u64,
    /// Items that were done before, and when those after them began.
    before: (u64, Instant),
    told: Instant,
    message: String,
}

impl Lines {
    fn new(now: Instant) -> Self {
        Self {
            done: 0,
            before: (0, now),
            told: now,
            message: String::new(),
        }
    }
}

impl Progress {
    /// Progress of `total` items of work called `label`.
    pub fn new(label: &str, total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{prefix:>12} [{bar:30}] {pos}/{len} {per_sec} {eta} left {msg}")
                .expect("the template is a constant that parses")
                .progress_chars("=> ");
            ProgressBar::new(total).with_style(style).with_prefix(label.to_owned())
        });
        let now = Instant::now();
        Self {
            label: label.to_owned(),
            bar,
            total,
            started: now,
            lines: Mutex::new(Lines::new(now)),
        }
    }

    /// Progress that nobody is told of.
    pub fn silent() -> Self {
        let now = Instant::now();
        Self {
            label: String::new(),
            bar: Some(ProgressBar::hidden()),
            total: 0,
            started: now,
            lines: Mutex::new(Lines::new(now)),
        }
    }

    /// Counts `items` more as done.
    pub fn inc(&self, items: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(items);
            return;
        }
        let mut lines = self.lines();
        lines.done += items;
        if lines.told.elapsed() >= LINE_EVERY && lines.done < self.total {
            lines.told = Instant::now();
            let seconds = lines.before.1.elapsed().as_secs_f64();
            let rate = (lines.done - lines.before.0) as f64 / seconds;
            let left = (self.total - lines.done) as f64 / rate;
            let gap = if lines.message.is_empty() { "" } else { " " };
            tracing::info!(
                "{}: {}/{} ({rate:.2}/s, about {left:.0} s left){gap}{}",
                self.label,
                lines.done,
                self.total,
                lines.message
            );
        }
    }

    /// Begins after `items` that were done before, by a run that was stopped say: what follows tells how fast the rest goes.
    pub fn begin_after(&self, items: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(items);
            bar.reset_eta();
            return;
        }
        let mut lines = self.lines();
        lines.done = items;
        lines.before = (items, Instant::now());
    }

    /// Says what is being done, or how well; seen on the bar and at the end of the next line.
    pub fn message(&self, message: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(message.to_owned()),
            None => message.clone_into(&mut self.lines().message),
        }
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the bar, or tells the time taken in a line.
    pub fn finish(&self) {
        match &self.bar {
            Some(bar) => bar.finish_and_clear(),
            None => tracing::info!(
                "{}: {} done in {:.1} s",
                self.label,
                self.total,
                self.started.elapsed().as_secs_f64()
            ),
        }
    }
}
