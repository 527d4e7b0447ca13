//! Who may use whom: the floors of ARCHITECTURE.md as a table.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Rooms of `src` in order: each may use those before it.
const ROOMS: [&str; 19] = [
    "store", "ingest", "nowcast", "check", "verify", "blend", "forecast", "hindcast", "train", "folds", "global", "render", "config",
    "convert", "bulletin", "point", "physics", "demo", "cli",
];
/// Libraries, and the only places that may name them.
const LIBRARIES: [(&str, &[&str]); 12] = [
    ("burn", &["ml/src"]),
    ("grib", &["src/ingest", "src/demo", "src/store"]),
    ("hdf5_reader", &["src/ingest"]),
    ("geotiff_reader", &["src/ingest"]),
    ("geotiff_writer", &["src/store", "src/ingest/tests"]),
    ("zarrs", &["src/store"]),
    ("gif", &["src/ingest"]),
    ("netcdf_reader", &["src/ingest", "src/store"]),
    ("netcdf_writer", &["src/store", "src/ingest/tests", "src/ingest/given/tests"]),
    ("image", &["src/render"]),
    ("nowblend_physics", &["src"]),
    ("nowblend_ml", &["src"]),
];

/// What is wrong with a file, as `file:line: reason`.
fn faults(file: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let room = file.strip_prefix("src/").map(|rest| rest.split(['/', '.']).next().unwrap_or(""));
    let place = room.and_then(|room| ROOMS.iter().position(|r| *r == room));
    for (number, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or("");
        let mut fault = |reason: String| found.push(format!("{file}:{}: {reason}", number + 1));
        for (library, homes) in LIBRARIES {
            let named = code.match_indices(&format!("{library}::")).any(|(at, _)| {
                let before = code[..at].chars().next_back();
                !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
            });
            if named && !homes.iter().any(|home| file.starts_with(home)) {
                fault(format!("`{library}` belongs to {homes:?}"));
            }
        }
        if let Some(place) = place {
            for later in &ROOMS[place + 1..] {
                if code.contains(&format!("crate::{later}")) {
                    fault(format!("room `{}` may not use `{later}`, which comes after it", ROOMS[place]));
                }
            }
        }
    }
    found
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

#[test]
fn every_file_keeps_to_its_floor() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "field/src", "physics/src", "ml/src"] {
        sources(&root.join(folder), &mut files);
    }
    assert!(files.len() > 20, "the sources were not found");
    let found: Vec<String> = files
        .iter()
        .flat_map(|path| {
            faults(
                &path.strip_prefix(root).unwrap().to_string_lossy(),
                &fs::read_to_string(path).unwrap(),
            )
        })
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_file_on_the_wrong_floor_is_named_with_its_line() {
    let text = "use ndarray::Array2;\nuse burn::tensor::Tensor;\n";
    assert_eq!(
        faults("src/check/growth.rs", text),
        ["src/check/growth.rs:2: `burn` belongs to [\"ml/src\"]"]
    );
    assert!(faults("ml/src/loss.rs", text).is_empty());
    assert_eq!(faults("physics/src/lib.rs", "fn f() { nowblend_ml::train() }").len(), 1);
    assert_eq!(faults("src/ingest/mod.rs", "use crate::blend::Blend;").len(), 1);
    assert!(faults("src/blend/mod.rs", "use crate::ingest::Error; // crate::demo comes later").is_empty());
}
