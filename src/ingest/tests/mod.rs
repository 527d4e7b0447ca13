//! What the room promises, on files made here and on real ones.

mod archive;
mod damaged;
mod fields;
mod made;
mod real;

use std::path::PathBuf;

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
