//! A whole archive as one NetCDF file or Zarr folder: what services wrote in many formats leaves as an event that every tool opens, and that trains and scores.

use std::path::{Path, PathBuf};

use nowblend_field::{Notice, NoticeKind, Seed};
use serde::Serialize;

use crate::{
    config::Config,
    ingest::{self, Archive, IngestConfig},
    progress::Progress,
    store::{self, EventHeader, EventWriter, Input, Provenance},
};

/// Greatest rain that the file can hold, mm h⁻¹.
const GREATEST_MM_H: f32 = 655.34;

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converted {
    /// Number of frames.
    pub frames: usize,
    /// What was missing, left out or limited.
    pub notices: Vec<Notice>,
}

/// Why an archive could not be written as one file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name of the file asks for a format that is not written.
    #[error("`{}`: found {found}, expected a name that ends in `.nc` or `.zarr`", path.display())]
    Format {
        /// The file that was wanted.
        path: PathBuf,
        /// The ending.
        found: String,
    },
    /// The archive cannot be opened.
    #[error(transparent)]
    Ingest(#[from] ingest::Error),
    /// No frame of it can be read.
    #[error("none of {frames} frames can be read; the first says: {reason}")]
    NothingReadable {
        /// How many there are.
        frames: usize,
        /// What is wrong with the first.
        reason: String,
    },
    /// The file cannot be written.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// The part of the configuration that the file depends on.
#[derive(Serialize)]
struct Resolved<'a> {
    ingest: &'a IngestConfig,
}

/// Writes all frames of the configured archive to `path`, one after the other; a frame that cannot be used is left out, and a notice says so.
///
/// # Errors
///
/// See [`Error`]; then nothing is left under that name.
pub fn run(config: &Config, path: &Path) -> Result<Converted, Error> {
    let found = path
        .extension()
        .map_or_else(|| "no ending".into(), |e| format!("`.{}`", e.to_string_lossy()));
    if found != "`.nc`" && found != "`.zarr`" {
        return Err(Error::Format {
            path: path.to_owned(),
            found,
        });
    }
    let archive = Archive::open(&config.ingest)?;
    let header = EventHeader {
        what: "observed rain".into(),
        institution: config.forecast.institution.clone(),
        grid: archive.grid().clone(),
    };
    let mut writer = EventWriter::create(path, header, archive.times().len())?;
    let mut inputs: Vec<Input> = Vec::new();
    let mut notices: Vec<Notice> = Vec::new();
    let mut frames = 0;
    let progress = Progress::new("frames", archive.times().len() as u64);
    for valid_time in archive.times() {
        let subject = || format!("frame of {}", valid_time.format("%Y-%m-%d %H:%M:%S UTC"));
        match archive.frame_and_input(*valid_time) {
            Ok((rain, input, told)) => {
                let limited = rain.iter().filter(|r| **r > GREATEST_MM_H).count();
                if limited > 0 {
                    let message = format!("{limited} cells above {GREATEST_MM_H} mm/h were set to it");
                    notices.push(Notice::new(NoticeKind::Limited, subject(), message));
                }
                notices.extend(told);
                writer.push(*valid_time, rain.view())?;
                frames += 1;
                if !inputs.contains(&input) {
                    inputs.push(input);
                }
            }
            Err(error) => notices.push(Notice::new(NoticeKind::Missing, subject(), error.without_folders())),
        }
        progress.inc(1);
    }
    progress.finish();
    notices.extend(archive.problems());
    if frames == 0 {
        return Err(Error::NothingReadable {
            frames: archive.times().len(),
            reason: notices.first().map_or_else(String::new, |n| n.message.clone()),
        });
    }
    let resolved = toml::to_string(&Resolved { ingest: &config.ingest });
    let resolved = resolved.expect("every configuration is made of keys, numbers and words");
    writer.finish(&Provenance {
        inputs,
        notices: notices.clone(),
        ..Provenance::here(resolved, Seed(0))
    })?;
    Ok(Converted { frames, notices })
}
