//! The file of cases: one line a start, appended and flushed as it is done, so that a run may be killed anywhere.

use std::{
    collections::BTreeSet,
    fs::{File, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use nowblend_field::{LeadTime, Notice, ReferenceTime};
use serde::{Deserialize, Serialize};

use super::{Covariances, Error, HindcastConfig};
use crate::verify::CaseTerms;

/// One line: all that one start adds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Terms of every component at every lead time.
    #[serde(flatten)]
    pub case: CaseTerms,
    /// What was missing, limited, redistributed or degraded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<Notice>,
    /// Sums for fitting weights, by lead time in seconds, if they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub covariances: Vec<(LeadTime, Covariances)>,
}

/// The first line: whose cases follow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Head {
    nowblend: String,
    fingerprint: String,
    configuration: serde_json::Value,
}

impl Head {
    fn words(&self) -> String {
        format!("nowblend {} with configuration {}", self.nowblend, self.fingerprint)
    }
}

/// The file of cases, open.
#[derive(Debug)]
pub struct Records {
    path: PathBuf,
    file: File,
    records: Vec<Record>,
}

impl Records {
    /// Opens the file, or begins it where there is none or with `fresh`. A last line that was not finished is cut off.
    ///
    /// # Errors
    ///
    /// [`Error::OtherConfig`] for the file of another configuration or version, [`Error::Record`] for a line that cannot be read,
    /// [`Error::File`].
    pub fn open(path: &Path, config: &HindcastConfig, fresh: bool) -> Result<Self, Error> {
        let refuse = |e: &std::io::Error| Error::file(path, e);
        let head = Head {
            nowblend: env!("CARGO_PKG_VERSION").to_owned(),
            fingerprint: config.fingerprint(),
            configuration: config.resolved(),
        };
        let mut options = OpenOptions::new();
        let mut file = options
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .map_err(|e| refuse(&e))?;
        // Held until the file is closed, also by being killed: two runs would cut off each other's lines.
        lock(&file).map_err(|_| Error::File {
            path: path.to_owned(),
            reason: "another hindcast is writing to it\nhint: wait for it, or choose another `folder`".to_owned(),
        })?;
        let mut bytes = Vec::new();
        if fresh {
            file.set_len(0).map_err(|e| refuse(&e))?;
        } else {
            file.read_to_end(&mut bytes).map_err(|e| refuse(&e))?;
        }
        // What follows the last line feed was being written when the run was killed.
        let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        file.set_len(whole as u64)
            .and_then(|()| file.seek(SeekFrom::End(0)))
            .map_err(|e| refuse(&e))?;
        let text = String::from_utf8_lossy(&bytes[..whole]);
        let unreadable = |line: usize, e: serde_json::Error| Error::Record {
            path: path.to_owned(),
            line,
            reason: e.to_string(),
        };
        let mut lines = text.lines().enumerate();
        let mut opened = Self {
            path: path.to_owned(),
            file,
            records: Vec::new(),
        };
        match lines.next() {
            None => opened.write_line(&head)?,
            Some((_, first)) => {
                let found: Head = serde_json::from_str(first).map_err(|e| unreadable(1, e))?;
                if (&found.nowblend, &found.fingerprint) != (&head.nowblend, &head.fingerprint) {
                    return Err(Error::OtherConfig {
                        path: path.to_owned(),
                        found: found.words(),
                        expected: head.words(),
                    });
                }
            }
        }
        for (k, line) in lines {
            opened.records.push(serde_json::from_str(line).map_err(|e| unreadable(k + 1, e))?);
        }
        Ok(opened)
    }

    /// Event and start of the cases there are.
    pub fn keys(&self) -> BTreeSet<(String, ReferenceTime)> {
        self.records.iter().map(|r| (r.case.event.clone(), r.case.reference_time)).collect()
    }

    /// Appends a case, and leaves only when it is on the disk.
    ///
    /// # Errors
    ///
    /// [`Error::File`].
    pub fn append(&mut self, record: Record) -> Result<(), Error> {
        self.write_line(&record)?;
        self.records.push(record);
        Ok(())
    }

    /// The cases by event and start; one that two runs made at the same time counts once.
    pub fn into_cases(mut self) -> Vec<Record> {
        let key = |r: &Record| (r.case.event.clone(), r.case.reference_time);
        self.records.sort_by_key(key);
        self.records.dedup_by_key(|r| key(r));
        self.records
    }

    fn write_line(&mut self, line: &impl Serialize) -> Result<(), Error> {
        let mut bytes = serde_json::to_vec(line).expect("names and numbers can always be written");
        bytes.push(b'\n');
        self.file
            .write_all(&bytes)
            .and_then(|()| self.file.sync_data())
            .map_err(|e| Error::file(&self.path, &e))
    }
}

/// Locks a file. One that is just being let go is waited for: a child that its holder is starting holds it, too, until it runs.
fn lock(file: &File) -> Result<(), TryLockError> {
    let mut tries = 0;
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if tries < 20 => tries += 1,
            done => return done,
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, TimeZone, Utc};

    use super::*;

    fn record(event: &str, minutes: i64) -> Record {
        Record {
            case: CaseTerms {
                event: event.to_owned(),
                reference_time: Utc.with_ymd_and_hms(2020, 1, 1, 0, 0, 0).unwrap() + TimeDelta::minutes(minutes),
                leads: Vec::new(),
            },
            notices: Vec::new(),
            covariances: Vec::new(),
        }
    }

    #[test]
    fn a_torn_last_line_is_cut_off_and_the_cases_before_it_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cases.jsonl");
        let config = HindcastConfig::default();
        let mut records = Records::open(&path, &config, false).unwrap();
        records.append(record("b", 5)).unwrap();
        records.append(record("a", 10)).unwrap();
        drop(records);
        let whole = std::fs::read(&path).unwrap();
        for torn in 1..40 {
            std::fs::write(&path, &whole[..whole.len() - torn]).unwrap();
            let mut records = Records::open(&path, &config, false).unwrap();
            assert_eq!(records.keys().len(), 1, "{torn} bytes short");
            records.append(record("a", 10)).unwrap();
            drop(records);
            assert_eq!(std::fs::read(&path).unwrap(), whole);
        }
        let cases = Records::open(&path, &config, false).unwrap().into_cases();
        assert_eq!(cases, [record("a", 10), record("b", 5)]);
    }

    #[test]
    fn a_file_torn_in_its_first_line_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cases.jsonl");
        std::fs::write(&path, "{\"nowblend\":\"0.1").unwrap();
        assert!(Records::open(&path, &HindcastConfig::default(), false).unwrap().keys().is_empty());
        assert!(std::fs::read_to_string(&path).unwrap().ends_with("}\n"));
    }

    #[test]
    fn another_configuration_is_refused_and_a_fresh_run_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cases.jsonl");
        let config = HindcastConfig::default();
        Records::open(&path, &config, false).unwrap().append(record("a", 5)).unwrap();
        let other = HindcastConfig { seed: 7, ..config };
        let message = Records::open(&path, &other, false).unwrap_err().to_string();
        assert!(message.contains(&other.fingerprint()) && message.contains("hint:"), "{message}");
        assert!(Records::open(&path, &other, true).unwrap().keys().is_empty());
        assert!(Records::open(&path, &other, false).is_ok());
    }

    #[test]
    fn two_runs_do_not_write_to_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cases.jsonl");
        let config = HindcastConfig::default();
        let first = Records::open(&path, &config, false).unwrap();
        let message = Records::open(&path, &config, false).unwrap_err().to_string();
        assert!(message.contains("another hindcast"), "{message}");
        drop(first);
        assert!(Records::open(&path, &config, false).is_ok());
    }

    #[test]
    fn a_spoiled_line_in_the_middle_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cases.jsonl");
        let config = HindcastConfig::default();
        Records::open(&path, &config, false).unwrap().append(record("a", 5)).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("\"event\"", "\"evnt\"")).unwrap();
        let message = Records::open(&path, &config, false).unwrap_err().to_string();
        assert!(message.contains("line 2"), "{message}");
    }
}
