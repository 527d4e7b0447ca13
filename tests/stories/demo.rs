//! A newcomer without data types one command and sees a forecast, the truth beside it, and how far to trust it.

use std::fs;

use crate::support::{files, nowblend};

#[test]
fn one_command_leaves_a_report_that_says_it_is_simulated_and_how_good_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let said = nowblend(folder.path(), &["demo", "here", "--seed", "2"]);
    assert!(said.ok(), "{}", said.err);
    assert!(said.err.contains("Simulated, not observed"), "{}", said.err);
    assert_eq!(said.out.lines().count(), 24);
    let here = folder.path().join("here");
    let made = files(&here);
    for name in ["report.html", "forecast.nc", "scores.csv", "config.toml", "rain_060min.png"] {
        assert!(made.contains(name), "{name} is not in {made:?}");
    }
    let report = fs::read_to_string(here.join("report.html")).unwrap();
    for part in [
        "Simulated scene, not real weather",
        "id=\"scores\"",
        "shallow water",
        "nowcast net",
        "CSI",
    ] {
        assert!(report.contains(part), "the report lacks `{part}`");
    }
    assert!(
        !report.contains("http://") || !report.contains("src=\"http"),
        "the report must open without a network"
    );
    let scores = fs::read_to_string(here.join("scores.csv")).unwrap();
    let csi = |component: &str| -> f64 {
        let line = scores
            .lines()
            .find(|l| l.starts_with(&format!("forecast,{component},30,csi,1,")) || l.starts_with(&format!("all,{component},30,csi,1,")))
            .unwrap_or_else(|| panic!("no csi of {component} in {scores}"));
        line.split(',').nth(6).unwrap().parse().unwrap()
    };
    assert!(
        csi("blend") > 0.3 && csi("extrapolation") > 0.3,
        "{} {}",
        csi("blend"),
        csi("extrapolation")
    );
}
