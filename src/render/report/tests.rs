use chrono::{TimeZone, Utc};
use ndarray::Array2;
use nowblend_field::{Notice, NoticeKind, Seed};

use super::*;
use crate::store::Input;

fn head() -> ReportHead {
    ReportHead {
        title: "Rain nowcast".to_owned(),
        region: "Nowhere <&>".to_owned(),
        reference_time: Utc.with_ymd_and_hms(2020, 2, 28, 23, 50, 0).unwrap(),
        grid: Grid::plane(40, 50, 1000.0),
        simulated: true,
        statement: "A made-up scene.".to_owned(),
        components: vec!["extrapolation".to_owned(), "persistence".to_owned()],
        thresholds_mm_h: vec![1.0],
    }
}

fn provenance() -> Provenance {
    Provenance {
        config_toml: "title = \"</pre><script>alert(1)</script>\"\n".to_owned(),
        seed: Seed(7),
        version: "0.1.0".to_owned(),
        commit: None,
        inputs: vec![Input {
            name: "a.grib2".to_owned(),
            bytes: 1_234_567,
            sha256: "ab".repeat(32),
        }],
        references: vec!["Someone, 2020".to_owned()],
        notices: vec![Notice::new(NoticeKind::Missing, "frame 23:45", "not there")],
    }
}

fn weight(rain: f64, probability: f64) -> Weight {
    Weight { rain, probability }
}

fn finding(verdict: Verdict) -> Finding {
    Finding {
        check: "growth".to_owned(),
        subject: "blend".to_owned(),
        verdict,
        value: 2.5,
        unit: String::new(),
        threshold: "at most 2 in 5 min".to_owned(),
        source: "Someone 2020".to_owned(),
        message: "</script> grows too fast".to_owned(),
    }
}

fn report(truth: bool) -> String {
    let rain = Array2::from_shape_fn((40, 50), |(y, x)| (y * x) as f32 / 40.0);
    let probability = rain.mapv(|r| (r / 60.0).min(1.0));
    let mut report = ReportBuilder::new(head(), Some(rain.view())).unwrap();
    for (k, lead_time) in LeadTime::every(LeadTime::from_minutes(5), 3).into_iter().enumerate() {
        let moved = rain.mapv(|r| r + k as f32);
        let view = LeadView {
            lead_time,
            observed: truth.then_some(moved.view()),
            blend: Some(moved.view()),
            components: vec![("extrapolation", moved.view()), ("persistence", rain.view())],
            probabilities: vec![(1.0, probability.view()), (5.0, probability.view())],
            weights: vec![
                ("extrapolation", weight(1.0 - 0.2 * k as f64, 1.0)),
                ("persistence", weight(0.2 * k as f64, 0.0)),
            ],
            findings: vec![finding(if k == 1 { Verdict::Fail } else { Verdict::Pass })],
        };
        report.add_lead(&view).unwrap();
    }
    if truth {
        let score = |component: &str, lead: u32, value| Score {
            name: "CSI ≥ 1 mm/h".to_owned(),
            unit: String::new(),
            component: component.to_owned(),
            lead_time: LeadTime::from_minutes(lead),
            value,
            cells: 2000,
            best: Best::Highest,
        };
        report.set_scores(vec![
            score("blend", 5, 0.8),
            score("persistence", 5, 0.6),
            score("blend", 10, f64::NAN),
            score("persistence", 10, 0.5),
        ]);
    }
    report.finish(&provenance())
}

/// The data that the script is given.
fn data(html: &str) -> serde_json::Value {
    let from = html.find("id=\"data\">").unwrap() + 10;
    let to = from + html[from..].find("</script>").unwrap();
    serde_json::from_str(&html[from..to]).unwrap()
}

#[test]
fn every_picture_is_inside_and_nothing_is_fetched() {
    let html = report(true);
    let outside = ["http://", "https://", "url(", "@import", "<link", "src=\"/"];
    let without_names = html.replace("http://www.w3.org/2000/svg", "");
    for word in outside {
        assert!(!without_names.contains(word), "{word}");
    }
    let data = data(&html);
    let leads = data["leads"].as_array().unwrap();
    assert_eq!(leads.len(), 3);
    assert_eq!(leads[1]["valid"], "2020-02-29 00:00 UTC");
    let images = data["images"].as_array().unwrap();
    for lead in leads {
        for picture in ["observed", "blend", "extrapolation", "persistence", "probability 1"] {
            let index = lead["maps"][picture][0].as_u64().unwrap() as usize;
            let in_page = html.contains(&format!("data-image=\"{index}\""));
            assert!(in_page || !images[index].as_str().unwrap().is_empty(), "{picture}");
        }
    }
    // Three moved fields (the first is also persistence and the observation) and one probability: each picture once.
    assert_eq!(images.len(), 4);
}

#[test]
fn weights_of_rain_and_of_probabilities_are_shown_apart_where_they_differ() {
    let html = report(true);
    assert!(html.contains("Weights in the rain by lead time") && html.contains("Weights in the probabilities by lead time"));
    // Persistence at 10 and 15 min: 0.20, 0.40 of the rain, nothing of the probabilities.
    assert!(html.contains("<td data-lead=\"1\">0.20</td><td data-lead=\"2\">0.40</td>"));
    assert!(html.contains("<td data-lead=\"1\">0.00</td><td data-lead=\"2\">0.00</td>"));
}

#[test]
fn no_text_of_a_user_becomes_markup() {
    let html = report(true);
    assert!(!html.contains("<script>alert") && !html.contains("</script> grows"));
    assert!(html.contains("Nowhere &lt;&amp;&gt;"));
    assert_eq!(html.matches("<script").count(), 2);
}

#[test]
fn what_is_simulated_missing_or_unknown_is_said() {
    let html = report(false);
    assert!(html.contains("Simulated scene, not real weather") && !html.contains("Real observations"));
    assert!(html.contains("frame 23:45: not there"));
    assert!(html.contains("not yet observed · shown: last at 23:50 UTC"));
    assert!(!html.contains("id=\"scores\""), "without truth there are no scores");
    assert!(html.contains("The first check fails at +10 min"));
    assert!(html.contains("class=\"fail\"") && html.contains("at most 2 in 5 min"));
}

#[test]
fn the_best_of_a_lead_time_is_marked_and_counts_are_shown() {
    let html = report(true);
    assert!(html.contains("<td class=\"best\">0.800</td>") && html.contains("<td>0.600</td>"));
    assert!(html.contains("<td>–</td>") && html.contains("<td class=\"best\">0.500</td>"));
    assert!(html.contains("2\u{2009}000") && html.contains("1\u{2009}234\u{2009}567"));
}

#[test]
fn a_field_of_another_shape_is_refused_by_name() {
    let mut report = ReportBuilder::new(head(), None).unwrap();
    let wrong = Array2::<f32>::zeros((50, 40));
    let view = LeadView {
        lead_time: LeadTime::from_minutes(5),
        observed: None,
        blend: None,
        components: vec![("extrapolation", wrong.view())],
        probabilities: Vec::new(),
        weights: Vec::new(),
        findings: Vec::new(),
    };
    let message = report.add_lead(&view).unwrap_err().to_string();
    assert!(message.contains("extrapolation") && message.contains("(40, 50)"), "{message}");
}
