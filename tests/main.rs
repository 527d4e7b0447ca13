//! Stories: what a forecaster, a researcher or a sceptic does with the program, from file to report.

mod stories;
mod support;
