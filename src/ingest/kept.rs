//! Frames and checksums that are kept for the next time: a forecast asks twice for its newest frames, a hindcast thirty times for each.

use std::{
    collections::{HashMap, VecDeque},
    fs,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use super::archive::Frame;
use crate::store::Input;

/// Rain that is kept at most, bytes.
const BYTES_MAX: usize = 256 << 20;

/// A file, when it changed, and how long it is: what was read of it holds as long as these do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Version {
    file: usize,
    changed: SystemTime,
    bytes: u64,
}

/// What is kept.
#[derive(Debug, Default)]
pub(super) struct Kept {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    sums: HashMap<Version, Input>,
    /// Frames by version and number, the newest last.
    frames: VecDeque<((Version, usize), Arc<Frame>)>,
    bytes: usize,
}

impl Version {
    /// Of a file as it lies there now.
    pub fn of(file: usize, path: &Path) -> Option<Self> {
        let about = fs::metadata(path).ok()?;
        Some(Self {
            file,
            changed: about.modified().ok()?,
            bytes: about.len(),
        })
    }
}

impl Kept {
    /// The checksum of a file, if it is known.
    pub fn sum(&self, version: Version) -> Option<Input> {
        self.lock().sums.get(&version).cloned()
    }

    /// A frame, if it is kept.
    pub fn frame(&self, version: Version, number: usize) -> Option<Arc<Frame>> {
        let inner = self.lock();
        let found = inner.frames.iter().find(|(key, _)| *key == (version, number));
        found.map(|(_, frame)| Arc::clone(frame))
    }

    /// Keeps a frame and the checksum of its file; the oldest frames go where they become too many.
    pub fn put(&self, version: Version, number: usize, frame: &Arc<Frame>, input: &Input) {
        let size = |frame: &Frame| frame.rain.len() * size_of::<f32>();
        let mut inner = self.lock();
        inner.sums.entry(version).or_insert_with(|| input.clone());
        if inner.frames.iter().any(|(key, _)| *key == (version, number)) {
            return;
        }
        inner.bytes += size(frame);
        inner.frames.push_back(((version, number), Arc::clone(frame)));
        while inner.bytes > BYTES_MAX {
            let Some((_, old)) = inner.frames.pop_front() else { break };
            inner.bytes -= size(&old);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Whoever panicked left whole entries behind.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
