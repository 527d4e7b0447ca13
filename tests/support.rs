//! Where real data lie, how a test says that they are not here, and what stories need: radar files to order, and the program itself.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use ndarray::Array2;
use nowblend::store::{Header, Product, Provenance, Writer};
use nowblend_field::{Grid, LeadTime, Seed, storms::Scene};

/// The folder of real data: `NOWBLEND_DATA`, or `../shared/data` beside the project. Says in one line why a test is skipped where neither is there.
pub fn data(test: &str) -> Option<PathBuf> {
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

/// When every story's radar starts.
pub fn start() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2020, 7, 1, 12, 0, 0).unwrap()
}

/// The provenance of a file that a story makes up.
pub fn no_provenance(seed: Seed) -> Provenance {
    Provenance {
        config_toml: String::new(),
        seed,
        version: "0".to_owned(),
        commit: None,
        inputs: Vec::new(),
        references: Vec::new(),
        notices: Vec::new(),
    }
}

/// Writes one radar frame as a CF NetCDF file, `minutes` after [`start`].
pub fn write_frame(folder: &Path, grid: &Grid, minutes: i64, rain: &Array2<f32>) -> PathBuf {
    let valid_time = start() + TimeDelta::minutes(minutes);
    let path = folder.join(format!("radar_{}.nc", valid_time.format("%Y%m%d%H%M")));
    let lead_time = LeadTime::from_minutes(5);
    let header = Header {
        title: "radar frame of a story".into(),
        institution: "nowblend tests".into(),
        grid: grid.clone(),
        reference_time: valid_time - TimeDelta::minutes(5),
        lead_times: vec![lead_time],
        products: vec![Product::rainfall_rate()],
        members: 1,
        thresholds_mm_h: Vec::new(),
        thresholds_mm: Vec::new(),
        lon_lat: false,
        provenance: no_provenance(Seed(0)),
    };
    let mut writer = Writer::create(&path, header).unwrap();
    writer.push(lead_time, "rainfall_rate", 0, rain.view()).unwrap();
    writer.finish().unwrap();
    path
}

/// Writes frames of storms, five minutes apart from [`start`], into the folder `radar`.
pub fn write_storms(folder: &Path, grid: &Grid, seed: u64, frames: usize) {
    let radar = folder.join("radar");
    std::fs::create_dir(&radar).unwrap();
    let scene = Scene::random(grid, Seed(seed)).sequence(start(), LeadTime::from_minutes(5), frames);
    for k in 0..frames {
        write_frame(&radar, grid, 5 * k as i64, &scene.frame(k).to_owned());
    }
}

/// What the program said.
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    /// Whether it ended well.
    pub fn ok(&self) -> bool {
        self.code == Some(0)
    }

    /// Fails unless the program refused in words that hold all of `parts`, without a panic.
    #[track_caller]
    pub fn refuses(&self, parts: &[&str]) {
        assert!(!self.ok(), "it should have refused: {}", self.err);
        assert!(self.code.is_some_and(|c| c != 101), "it panicked: {}", self.err);
        for part in parts {
            assert!(self.err.contains(part), "`{part}` is not in: {}", self.err);
        }
    }
}

/// Runs the program in `folder`.
pub fn nowblend(folder: &Path, arguments: &[&str]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_nowblend"))
        .current_dir(folder)
        .args(arguments)
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Names of the files in a folder, which may not be there.
pub fn files(folder: &Path) -> BTreeSet<String> {
    std::fs::read_dir(folder).map_or_else(
        |_| BTreeSet::new(),
        |entries| entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect(),
    )
}
