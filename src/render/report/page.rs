//! The page around the maps: what it is, what to mind, how far to trust it, how good it was, where it comes from.

use std::fmt::Write;

use super::{
    super::{
        chart::{Chart, Kind, Series, escape, number},
        graticule::Line,
    },
    Best, ReportBuilder, Score, Verdict, viewer,
};
use crate::{blend::Weight, store::Provenance};

const STYLE: &str = include_str!("report.css");
const SCRIPT: &str = include_str!("report.js");

/// The whole page.
pub(super) fn page(report: &ReportBuilder, lines: &[Line], provenance: &Provenance) -> String {
    let head = &report.head;
    let title = if head.region.is_empty() {
        head.title.clone()
    } else {
        format!("{}, {}", head.title, head.region)
    };
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{} · {}</title><style>{STYLE}</style></head><body>",
        escape(&title),
        head.reference_time.format("%Y-%m-%d %H:%M UTC")
    );
    html += &heading(report, &title, provenance);
    html += "<main>";
    html += &notices(provenance);
    html += &viewer::section(report, lines);
    html += &trust(report);
    html += &weights(report);
    html += &scores(&report.scores);
    html += &origin(provenance);
    html += "</main>";
    let _ = writeln!(
        html,
        "<script type=\"application/json\" id=\"data\">{}</script><script>{SCRIPT}</script></body></html>",
        viewer::data(report)
    );
    html
}

fn heading(report: &ReportBuilder, title: &str, provenance: &Provenance) -> String {
    let head = &report.head;
    let (kind, label) = if head.simulated {
        ("simulated", "Simulated scene, not real weather")
    } else {
        ("real", "Real observations")
    };
    let reach = report
        .frames
        .last()
        .map_or_else(String::new, |last| format!(" to {}", last.lead_time));
    let (ny, nx) = head.grid.shape();
    let (dy, dx) = head.grid.spacing_m();
    let size = |m: f64| {
        if m >= 1000.0 {
            format!("{} km", number((m / 10.0).round() / 100.0))
        } else {
            format!("{m:.0} m")
        }
    };
    let cell = if (dy - dx).abs() < 0.01 * dx {
        size(dx)
    } else {
        format!("{} x {}", size(dy), size(dx))
    };
    format!(
        "<header><p class=\"badge {kind}\">{label}</p><h1>{}</h1><p class=\"when\">from <time datetime=\"{}\">{}</time>{reach}</p>\
         <p class=\"what\">{} <span>Grid {ny} x {nx} cells of {cell} · {}</span></p></header>",
        escape(title),
        head.reference_time.to_rfc3339(),
        head.reference_time.format("%A %-d %B %Y, %H:%M UTC"),
        escape(&head.statement),
        escape(&provenance.program()),
    )
}

fn notices(provenance: &Provenance) -> String {
    if provenance.notices.is_empty() {
        return String::new();
    }
    let items: String = provenance
        .notices
        .iter()
        .map(|notice| {
            let said = notice.to_string();
            let (kind, rest) = said.split_once(": ").unwrap_or(("notice", &said));
            format!("<li><b>{}</b> {}</li>", escape(kind), escape(rest))
        })
        .collect();
    let many = provenance.notices.len();
    format!(
        "<section class=\"notices\"><details{}><summary><h2>{many} {}</h2></summary><ul>{items}</ul></details></section>",
        if many <= 4 { " open" } else { "" },
        if many == 1 { "notice" } else { "notices" }
    )
}

/// Findings by check and lead time as a table, with the details of one lead time below.
fn trust(report: &ReportBuilder) -> String {
    let mut rows: Vec<(&str, &str)> = Vec::new();
    for finding in report.frames.iter().flat_map(|f| &f.findings) {
        let row = (finding.subject.as_str(), finding.check.as_str());
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    rows.sort_by_key(|(subject, _)| rank(report, subject));
    let mut html = String::from(
        "<section id=\"trust\"><h2>How far to trust it</h2><p>Each forecast is checked for physical consistency at each lead time, without \
         looking at the future. <span class=\"key pass\">✓ pass</span> <span class=\"key suspect\">? suspect</span> \
         <span class=\"key fail\">✗ fail</span> <span class=\"key unknown\">· not judged</span></p>\
         <div class=\"scroll\"><table class=\"findings\"><thead><tr><th scope=\"col\">Forecast</th><th scope=\"col\">Check</th>",
    );
    for (k, frame) in report.frames.iter().enumerate() {
        let _ = write!(
            html,
            "<th scope=\"col\" data-lead=\"{k}\">+{}</th>",
            number(frame.lead_time.minutes())
        );
    }
    html += "</tr></thead><tbody>";
    let mut before = "";
    for (subject, check) in &rows {
        let name = if *subject == before {
            String::new()
        } else {
            viewer::spoken(subject)
        };
        let class = if *subject == before { "" } else { " class=\"new\"" };
        before = subject;
        let _ = write!(
            html,
            "<tr{class}><th scope=\"row\">{}</th><th scope=\"row\">{}</th>",
            escape(&name),
            escape(&viewer::spoken(check))
        );
        for (k, frame) in report.frames.iter().enumerate() {
            let found = frame.findings.iter().find(|f| f.subject == *subject && f.check == *check);
            let Some(found) = found else {
                let _ = write!(html, "<td data-lead=\"{k}\"></td>");
                continue;
            };
            let verdict = viewer::word(found.verdict);
            let _ = write!(
                html,
                "<td data-lead=\"{k}\" class=\"{verdict}\" title=\"{verdict}: {} {}, {}\"><span>{}</span><b>{}</b></td>",
                escape(&number(found.value)),
                escape(&found.unit),
                escape(&found.threshold),
                viewer::sign(found.verdict),
                if found.value.is_nan() {
                    String::new()
                } else {
                    escape(&brief(found.value))
                }
            );
        }
        html += "</tr>";
    }
    html += "</tbody></table></div>";
    let worst = report.frames.iter().find(|f| f.verdict() == Verdict::Fail);
    if let Some(frame) = worst {
        let _ = write!(html, "<p>The first check fails at {}.</p>", frame.lead_time);
    }
    html + "<h3 id=\"details-title\"></h3><ul id=\"details\"></ul></section>"
}

/// Two or three digits that fit a narrow cell.
fn brief(value: f64) -> String {
    let size = value.abs();
    if size >= 1e5 || (size < 1e-3 && size > 0.0) {
        format!("{value:.0e}").replace('-', "−")
    } else if size >= 100.0 {
        format!("{value:.0}").replace('-', "−")
    } else if size >= 10.0 {
        number((value * 10.0).round() / 10.0)
    } else {
        number((value * 100.0).round() / 100.0)
    }
}

/// The blend first, then components in their order.
fn rank(report: &ReportBuilder, name: &str) -> usize {
    match report.head.components.iter().position(|c| c == name) {
        Some(k) => k + 1,
        None if name == "blend" => 0,
        None => usize::MAX,
    }
}

fn weights(report: &ReportBuilder) -> String {
    let mut all = report.frames.iter().flat_map(|f| &f.weights).peekable();
    if all.peek().is_none() {
        return String::new();
    }
    let mut html = String::from(
        "<section id=\"weights\"><h2>Who is listened to</h2><p>Share of each component in the blend, where all of them have something to say.</p>\
         <div class=\"charts\">",
    );
    if all.all(|(_, w)| w.rain == w.probability) {
        html += &shares(report, "Weights in the blend by lead time", "Weight", |w| w.rain);
    } else {
        html += &shares(report, "Weights in the rain by lead time", "Rain", |w| w.rain);
        html += &shares(report, "Weights in the probabilities by lead time", "Probabilities", |w| {
            w.probability
        });
    }
    html + "</div></section>"
}

/// A chart and a table of one kind of weight.
fn shares(report: &ReportBuilder, title: &str, what: &str, of: fn(&Weight) -> f64) -> String {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in report.frames.iter().flat_map(|f| &f.weights) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names.sort_by_key(|name| rank(report, name));
    let weight = |frame: &viewer::Frame, name: &str| frame.weights.iter().find(|w| w.0 == name).map_or(0.0, |w| of(&w.1));
    let chart = Chart {
        title: title.to_owned(),
        unit: String::new(),
        kind: Kind::Stacked,
        series: names
            .iter()
            .map(|name| Series {
                name: (*name).to_owned(),
                points: report.frames.iter().map(|f| (f.lead_time.minutes(), weight(f, name))).collect(),
            })
            .collect(),
        range: Some((0.0, 1.0)),
    };
    let mut table = format!("<table class=\"numbers\"><thead><tr><th scope=\"col\">{what}</th>");
    for (k, frame) in report.frames.iter().enumerate() {
        let _ = write!(
            table,
            "<th scope=\"col\" data-lead=\"{k}\">+{}</th>",
            number(frame.lead_time.minutes())
        );
    }
    table += "</tr></thead><tbody>";
    for name in &names {
        let _ = write!(table, "<tr><th scope=\"row\">{}</th>", escape(&viewer::spoken(name)));
        for (k, frame) in report.frames.iter().enumerate() {
            let _ = write!(table, "<td data-lead=\"{k}\">{:.2}</td>", weight(frame, name));
        }
        table += "</tr>";
    }
    table += "</tbody></table>";
    // A single lead time makes no curve.
    let drawn = if report.frames.len() > 1 { chart.svg() } else { String::new() };
    format!("<div>{drawn}<div class=\"scroll\">{table}</div></div>")
}

fn scores(scores: &[Score]) -> String {
    if scores.is_empty() {
        return String::new();
    }
    let mut html = String::from(
        "<section id=\"scores\"><h2>How good it was</h2><p>Against what was observed afterwards, this one case only: differences between components \
         here say little about other days. The best of each lead time is bold.</p><div class=\"charts\">",
    );
    let mut names: Vec<&str> = Vec::new();
    for score in scores {
        if !names.contains(&score.name.as_str()) {
            names.push(&score.name);
        }
    }
    for name in names {
        let of_name: Vec<&Score> = scores.iter().filter(|s| s.name == name).collect();
        html += &one_score(name, &of_name);
    }
    html + "</div></section>"
}

fn one_score(name: &str, scores: &[&Score]) -> String {
    let mut components: Vec<&str> = Vec::new();
    let mut leads: Vec<_> = scores.iter().map(|s| s.lead_time).collect();
    leads.sort_unstable();
    leads.dedup();
    for score in scores {
        if !components.contains(&score.component.as_str()) {
            components.push(&score.component);
        }
    }
    let at = |component: &str, lead| scores.iter().find(|s| s.component == component && s.lead_time == lead);
    let unit = &scores[0].unit;
    let chart = Chart {
        title: name.to_owned(),
        unit: unit.clone(),
        kind: Kind::Lines,
        series: components
            .iter()
            .map(|component| Series {
                name: (*component).to_owned(),
                points: leads
                    .iter()
                    .map(|l| (l.minutes(), at(component, *l).map_or(f64::NAN, |s| s.value)))
                    .collect(),
            })
            .collect(),
        range: None,
    };
    let mut table = format!("<table class=\"numbers\"><thead><tr><th scope=\"col\">{}</th>", escape(name));
    for lead in &leads {
        let _ = write!(table, "<th scope=\"col\">+{}</th>", number(lead.minutes()));
    }
    table += "</tr></thead><tbody>";
    for component in &components {
        let _ = write!(table, "<tr><th scope=\"row\">{}</th>", escape(&viewer::spoken(component)));
        for lead in &leads {
            let value = at(component, *lead).map_or(f64::NAN, |s| s.value);
            let best = best_of(scores, *lead).is_some_and(|b| (b - value).abs() < 5e-4);
            let shown = if value.is_nan() {
                "–".to_owned()
            } else {
                format!("{value:.3}").replace('-', "−")
            };
            let _ = write!(table, "<td{}>{shown}</td>", if best { " class=\"best\"" } else { "" });
        }
        table += "</tr>";
    }
    table += "<tr class=\"count\"><th scope=\"row\">Cells compared</th>";
    for lead in &leads {
        let cells = scores.iter().filter(|s| s.lead_time == *lead).map(|s| s.cells).max().unwrap_or(0);
        let _ = write!(table, "<td>{}</td>", thousands(cells));
    }
    table += "</tr></tbody></table>";
    let drawn = if leads.len() > 1 { chart.svg() } else { String::new() };
    format!("<div>{drawn}<details><summary>Numbers</summary><div class=\"scroll\">{table}</div></details></div>")
}

fn best_of(scores: &[&Score], lead: nowblend_field::LeadTime) -> Option<f64> {
    let distance = |score: &Score| match score.best {
        Best::Highest => -score.value,
        Best::Lowest => score.value,
        Best::Nearest(target) => (score.value - target).abs(),
    };
    scores
        .iter()
        .filter(|s| s.lead_time == lead && s.value.is_finite())
        .min_by(|a, b| distance(a).total_cmp(&distance(b)))
        .map(|s| s.value)
}

/// Digits in threes, with thin spaces between.
fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (k, digit) in digits.chars().enumerate() {
        if k > 0 && (digits.len() - k).is_multiple_of(3) {
            text.push('\u{2009}');
        }
        text.push(digit);
    }
    text
}

fn origin(provenance: &Provenance) -> String {
    let inputs: String = provenance
        .inputs
        .iter()
        .map(|input| {
            format!(
                "<tr><td>{}</td><td>{}</td><td><code>{}</code></td></tr>",
                escape(&input.name),
                thousands(input.bytes),
                escape(&input.sha256)
            )
        })
        .collect();
    let references: String = provenance.references.iter().map(|r| format!("<li>{}</li>", escape(r))).collect();
    format!(
        "<section id=\"origin\"><h2>Where it comes from</h2><p>{}, seed {}. The same inputs, configuration and seed give the same forecast.</p>\
         <details><summary>{} input {}</summary><div class=\"scroll\"><table class=\"inputs\"><thead><tr><th scope=\"col\">File</th><th scope=\"col\">Bytes</th>\
         <th scope=\"col\">SHA-256</th></tr></thead><tbody>{inputs}</tbody></table></div></details>\
         <details><summary>Configuration</summary><pre>{}</pre></details>\
         <details><summary>{} references</summary><ol class=\"references\">{references}</ol></details></section>",
        escape(&provenance.program()),
        provenance.seed.0,
        provenance.inputs.len(),
        if provenance.inputs.len() == 1 { "file" } else { "files" },
        escape(&provenance.config_toml),
        provenance.references.len(),
    )
}
