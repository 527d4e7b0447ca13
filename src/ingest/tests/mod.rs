//! What the room promises, on files made here and on real ones.

mod archive;
mod composites;
mod damaged;
mod fields;
mod formats;
mod late;
mod made;
mod pictures;
mod raw;
mod real;
mod refusals;
mod trouble;

use std::{
    fs,
    path::{Path, PathBuf},
};

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use ndarray::Array2;
use nowblend_field::{Notice, NoticeKind};
use tempfile::TempDir;

use super::IngestConfig;
use made::{SMALL, radar};

/// The folder of real data: `NOWBLEND_DATA`, or `../shared/data` beside the project. Says in one line why a test is skipped where neither is there.
fn data(test: &str) -> Option<PathBuf> {
    let given = std::env::var_os("NOWBLEND_DATA").map(PathBuf::from);
    let folder = given.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"));
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!(
        "skipped: `{test}` needs real data, and neither NOWBLEND_DATA nor `{}` is there",
        folder.display()
    );
    None
}

fn time(minutes: i64) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2024, 7, 1, 12, 0, 0).unwrap() + TimeDelta::minutes(minutes)
}

/// Rain that grows towards the north-east: row + column / 8, so that each cell differs.
fn rain(offset: f64) -> Array2<f64> {
    Array2::from_shape_fn((SMALL.rows, SMALL.columns), |(row, column)| {
        offset + row as f64 + column as f64 / 8.0
    })
}

fn put(folder: &TempDir, name: &str, rain: &Array2<f64>, minutes: i64) {
    fs::write(folder.path().join(name), radar(rain, time(minutes), SMALL)).unwrap();
}

/// A folder of a frame at each of these minutes, holding `minutes` + [`rain`], with names that tell nothing of the time.
fn folder(minutes: &[i64]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (k, m) in minutes.iter().enumerate() {
        put(&folder, &format!("frame-{k}.grib2"), &rain(*m as f64), *m);
    }
    folder
}

fn config(source: &Path) -> IngestConfig {
    IngestConfig {
        source: source.to_string_lossy().into_owned(),
        ..IngestConfig::default()
    }
}

fn told(notices: &[Notice], kind: NoticeKind, words: &str) -> bool {
    notices.iter().any(|n| n.kind == kind && n.to_string().contains(words))
}
