//! Stories: what a forecaster, a researcher or a sceptic does with the program, from file to report.

mod damage;
#[allow(dead_code, reason = "the tests of `ingest` use the rest of it")]
#[path = "../src/ingest/tests/made.rs"]
mod made;
mod stories;
mod support;
