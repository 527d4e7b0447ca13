//! A forecaster on duty runs the program where things break: the disk is full, the power goes, files vanish while they are read, someone
//! removes the folder, two runs meet. What stands under a final name is whole, and the next run works.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use super::bad_input::radar;
use crate::{
    damage::Numbers,
    support::{files, nowblend},
};

/// What a whole forecast has.
const WHOLE: [&str; 3] = ["config.toml", "forecast.nc", "report.html"];

fn program(folder: &Path, output: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nowblend"));
    command
        .current_dir(folder)
        .args(["forecast", "radar", "--config", "run.toml", "--output", output])
        .env("RUST_BACKTRACE", "0")
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Runs the program under a shell that first does `words`; `$0` and `$@` are the program.
fn under(folder: &Path, words: &str, output: &str) -> Output {
    Command::new("sh")
        .current_dir(folder)
        .args(["-c", &format!("{words}; exec \"$0\" \"$@\"")])
        .arg(env!("CARGO_BIN_EXE_nowblend"))
        .args(["forecast", "radar", "--config", "run.toml", "--output", output])
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap()
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Files of a folder, with their bytes, hidden ones left out.
fn content(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let names = files(folder).into_iter().filter(|n| !n.starts_with('.'));
    names.map(|n| (n.clone(), fs::read(folder.join(n)).unwrap())).collect()
}

fn hidden(folder: &Path) -> Vec<String> {
    files(folder).into_iter().filter(|n| n.starts_with('.')).collect()
}

/// Fails unless every file of `folder` is, byte by byte, one of a whole run.
#[track_caller]
fn nothing_half_written(folder: &Path, whole: &[(String, Vec<u8>)]) {
    for (name, bytes) in content(folder) {
        let expected = whole.iter().find(|(n, _)| *n == name);
        let expected = expected.unwrap_or_else(|| panic!("`{name}` belongs to no forecast"));
        assert!(
            expected.1 == bytes,
            "`{name}` has {} bytes, expected {}",
            bytes.len(),
            expected.1.len()
        );
    }
}

/// A folder with radar files and a whole forecast of them in `whole`.
fn sound() -> (tempfile::TempDir, Vec<(String, Vec<u8>)>) {
    let folder = radar(|_, _| true);
    let said = nowblend(folder.path(), &["forecast", "radar", "--config", "run.toml", "--output", "whole"]);
    assert!(said.ok(), "{}", said.err);
    let whole = content(&folder.path().join("whole"));
    assert!(WHOLE.iter().all(|name| whole.iter().any(|(n, _)| n == name)));
    (folder, whole)
}

fn finished(child: Child) -> Output {
    child.wait_with_output().unwrap()
}

#[test]
fn a_limit_on_the_size_of_files_is_an_error_that_names_the_file() {
    let (folder, whole) = sound();
    for blocks in [0, 8, 64, 200] {
        let out = folder.path().join(format!("out{blocks}"));
        let output = under(folder.path(), &format!("ulimit -f {blocks}"), &out.to_string_lossy());
        let words = words(&output);
        assert_eq!(output.status.code(), Some(1), "{words}");
        assert!(
            words.contains("cannot write `") && words.contains("large") && !words.contains("panicked"),
            "{words}"
        );
        nothing_half_written(&out, &whole);
        assert_eq!(hidden(&out), Vec::<String>::new());
    }
}

#[test]
fn a_full_disk_is_an_error_that_names_the_file() {
    let (folder, whole) = sound();
    for kilobytes in [4, 40, 100] {
        // A small disk of its own, for this process alone; what stands on it is copied before it goes.
        let mount = format!("mkdir -p disk && mount -t tmpfs -o size={kilobytes}k none disk");
        let script = format!("{mount} || exit 77; \"$0\" \"$@\"; code=$?; rm -rf copy; cp -a disk copy; exit $code");
        let output = Command::new("unshare")
            .current_dir(folder.path())
            .args(["-rm", "sh", "-c", &script])
            .arg(env!("CARGO_BIN_EXE_nowblend"))
            .args(["forecast", "radar", "--config", "run.toml", "--output", "disk"])
            .output();
        let output = match output {
            Ok(output) if output.status.code() != Some(77) && !words(&output).contains("unshare") => output,
            _ => {
                eprintln!("skipped: `a_full_disk_is_an_error_that_names_the_file` may not mount a small disk here");
                return;
            }
        };
        let words = words(&output);
        assert_eq!(output.status.code(), Some(1), "{words}");
        assert!(words.contains("cannot write `disk/") && !words.contains("panicked"), "{words}");
        let copy = folder.path().join("copy");
        nothing_half_written(&copy, &whole);
        assert_eq!(hidden(&copy), Vec::<String>::new());
    }
}

#[test]
fn a_run_that_is_killed_at_any_moment_leaves_nothing_half_written_and_the_next_one_works() {
    let (folder, whole) = sound();
    let out = folder.path().join("out");
    let begun = std::time::Instant::now();
    assert!(finished(program(folder.path(), "timed").spawn().unwrap()).status.success());
    let takes = begun.elapsed();
    let mut numbers = Numbers(20);
    let mut left = 0;
    for _ in 0..20 {
        let mut child = program(folder.path(), "out").spawn().unwrap();
        std::thread::sleep(takes.mul_f64(numbers.below(1000) as f64 / 1000.0));
        child.kill().unwrap();
        finished(child);
        nothing_half_written(&out, &whole);
        left += hidden(&out).len();
    }
    let output = finished(program(folder.path(), "out").spawn().unwrap());
    assert!(output.status.success(), "{}", words(&output));
    assert_eq!(content(&out), whole);
    assert_eq!(hidden(&out), Vec::<String>::new(), "of {left} that were left");
}

#[test]
fn files_that_vanish_shrink_or_grow_while_they_are_read_are_left_out_by_name_or_refused() {
    let mut numbers = Numbers(21);
    for round in 0..24 {
        let folder = radar(|_, _| true);
        let names: Vec<PathBuf> = files(&folder.path().join("radar"))
            .iter()
            .map(|n| folder.path().join("radar").join(n))
            .collect();
        let sound: Vec<Vec<u8>> = names.iter().map(|n| fs::read(n).unwrap()).collect();
        let child = program(folder.path(), "out").spawn().unwrap();
        std::thread::sleep(Duration::from_millis(numbers.below(60) as u64));
        // One file, or all of them.
        let hit: Vec<usize> = if round % 2 == 0 { vec![numbers.below(4)] } else { (0..4).collect() };
        for k in hit {
            match round % 3 {
                0 => fs::remove_file(&names[k]).unwrap(),
                1 => fs::write(&names[k], &sound[k][..sound[k].len() / 2]).unwrap(),
                _ => fs::write(&names[k], [&sound[k][..], &[0; 5000]].concat()).unwrap(),
            }
        }
        let output = finished(child);
        let words = words(&output);
        assert!(
            matches!(output.status.code(), Some(0 | 1)) && !words.contains("panicked"),
            "{:?}: {words}",
            output.status
        );
        let made = files(&folder.path().join("out"));
        let whole = WHOLE.iter().all(|name| made.contains(*name));
        assert!(
            output.status.success() == whole && made.iter().all(|n| !n.starts_with('.')),
            "{made:?} {words}"
        );
    }
}

#[test]
fn an_output_folder_that_is_removed_is_an_error_or_made_again_and_never_a_panic() {
    let (folder, _) = sound();
    let mut numbers = Numbers(22);
    for _ in 0..12 {
        let child = program(folder.path(), "out").spawn().unwrap();
        std::thread::sleep(Duration::from_millis(numbers.below(120) as u64));
        let _ = fs::remove_dir_all(folder.path().join("out"));
        let output = finished(child);
        let words = words(&output);
        assert!(
            matches!(output.status.code(), Some(0 | 1)) && !words.contains("panicked"),
            "{:?}: {words}",
            output.status
        );
        assert!(output.status.success() || words.contains("out"), "{words}");
    }
}

#[test]
fn two_runs_that_write_the_same_forecast_at_once_leave_a_whole_one() {
    let (folder, whole) = sound();
    for _ in 0..4 {
        let children: Vec<Child> = (0..3).map(|_| program(folder.path(), "out").spawn().unwrap()).collect();
        for output in children.into_iter().map(finished) {
            assert!(output.status.success(), "{}", words(&output));
        }
        assert_eq!(content(&folder.path().join("out")), whole);
        assert_eq!(hidden(&folder.path().join("out")), Vec::<String>::new());
        fs::remove_dir_all(folder.path().join("out")).unwrap();
    }
}

#[test]
fn a_reader_that_has_had_enough_lines_is_no_error() {
    let folder = radar(|_, _| true);
    let shell = |words: &str| {
        Command::new("sh")
            .current_dir(folder.path())
            .args(["-c", words, env!("CARGO_BIN_EXE_nowblend")])
            .output()
            .unwrap()
    };
    let output = shell("(sleep 0.2; \"$0\" ingest radar; echo $? >code) | true");
    assert!(!words(&output).contains("panicked"), "{}", words(&output));
    assert_eq!(fs::read_to_string(folder.path().join("code")).unwrap(), "0\n");
    let output = shell("\"$0\" ingest radar >/dev/full");
    assert_eq!(output.status.code(), Some(1));
    assert!(words(&output).contains("No space left"), "{}", words(&output));
}
