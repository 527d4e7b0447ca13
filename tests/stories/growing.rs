//! A forecaster on duty watches a folder into which frames come: in time, late, twice, in another order, or half of one so far. Each run starts
//! from the newest that can be used, says what it left out, and a run of the same time again gives the same file.

use std::{fs, path::Path};

use super::bad_input::{QUICK, frames, grid};
use crate::support::{Said, files, nowblend, write_frame};

/// A folder into which frames come, of six that there will be.
struct Growing {
    folder: tempfile::TempDir,
}

impl Growing {
    fn new(frames: &[usize]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("run.toml"), QUICK).unwrap();
        fs::create_dir(folder.path().join("radar")).unwrap();
        let growing = Self { folder };
        frames.iter().for_each(|k| growing.comes(*k));
        growing
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn comes(&self, k: usize) {
        write_frame(&self.path().join("radar"), &grid(), 5 * k as i64, &frames(6)[k]);
    }

    fn name(k: usize) -> String {
        format!("radar_2020070112{:02}.nc", 5 * k)
    }

    fn forecast(&self, output: &str, more: &[&str]) -> Said {
        let arguments = ["forecast", "radar", "--config", "run.toml", "--output", output];
        let said = nowblend(self.path(), &[&arguments, more].concat());
        assert!(said.ok(), "{}", said.err);
        said
    }

    fn stored(&self, output: &str) -> Vec<u8> {
        fs::read(self.path().join(output).join("forecast.nc")).unwrap()
    }
}

/// The first valid time of the lines printed: five minutes after the reference time.
fn first_valid(said: &Said) -> String {
    let line: serde_json::Value = serde_json::from_str(said.out.lines().next().unwrap()).unwrap();
    line["valid_time"].as_str().unwrap()[11..16].to_owned()
}

#[test]
fn a_half_written_newest_frame_waits_for_the_next_run_and_a_run_of_the_same_time_gives_the_same_file() {
    let growing = Growing::new(&[0, 1, 2, 3]);
    assert_eq!(first_valid(&growing.forecast("first", &[])), "12:20");
    // Half of the next frame is there: nobody's forecast yet, and said so.
    growing.comes(4);
    let path = growing.path().join("radar").join(Growing::name(4));
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let said = growing.forecast("half", &[]);
    assert_eq!(first_valid(&said), "12:20");
    assert!(said.err.contains(&Growing::name(4)) || !said.err.contains("WARN"), "{}", said.err);
    // Now it is whole: the next run starts from it.
    fs::write(&path, &whole).unwrap();
    assert_eq!(first_valid(&growing.forecast("second", &[])), "12:25");
    // The first run once more, now that there is more: the same, to the byte.
    growing.forecast("again", &["--reference-time", "2020-07-01T12:15"]);
    assert_eq!(growing.stored("again"), growing.stored("first"));
    growing.forecast("again", &["--reference-time", "2020-07-01T12:15"]);
    assert_eq!(growing.stored("again"), growing.stored("first"));
}

#[test]
fn frames_that_come_late_and_in_another_order_count_as_if_they_had_come_in_time() {
    let in_time = Growing::new(&[0, 1, 2, 3]);
    in_time.forecast("out", &[]);
    let late = Growing::new(&[3, 0, 1]);
    let said = late.forecast("gap", &[]);
    assert!(first_valid(&said) == "12:20" && said.err.contains("12:10"), "{}", said.err);
    late.comes(2);
    let said = late.forecast("out", &[]);
    assert!(!said.err.contains("12:10"), "{}", said.err);
    assert_eq!(late.stored("out"), in_time.stored("out"));
}

#[test]
fn a_frame_that_came_twice_counts_once_and_both_files_are_named() {
    let growing = Growing::new(&[0, 1, 2, 3]);
    growing.forecast("once", &[]);
    let radar = growing.path().join("radar");
    fs::copy(radar.join(Growing::name(2)), radar.join("zweimal.nc")).unwrap();
    let said = growing.forecast("twice", &[]);
    assert!(
        said.err.contains("it is there twice") && said.err.contains("zweimal.nc"),
        "{}",
        said.err
    );
    let lines = |said: &Said| said.out.clone();
    assert_eq!(
        lines(&said),
        lines(&growing.forecast("once", &["--reference-time", "2020-07-01T12:15"]))
    );
}

#[test]
fn what_is_still_being_written_under_another_name_is_nobodys_frame() {
    let growing = Growing::new(&[0, 1, 2]);
    growing.forecast("first", &[]);
    let radar = growing.path().join("radar");
    for name in [".radar_202007011215.nc", "radar_202007011215.nc.part", "radar_202007011215.nc.tmp"] {
        fs::write(radar.join(name), "half").unwrap();
    }
    let said = growing.forecast("second", &[]);
    assert!(first_valid(&said) == "12:15" && !said.err.contains("12:15:00"), "{}", said.err);
    assert_eq!(growing.stored("second"), growing.stored("first"));
    assert_eq!(files(&radar).len(), 6);
}
