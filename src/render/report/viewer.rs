//! The maps side by side with their slider: what the page shows first, and the data with which it goes on.

use std::fmt::Write;

use nowblend_field::{Grid, LeadTime};
use serde_json::{Value, json};

use super::{
    super::{
        chart::{escape, number},
        colour::{self, PROBABILITY, RAIN, Scale},
        graticule::{Line, scale_bar},
    },
    Finding, ReportBuilder, Verdict,
};
use crate::blend::Weight;

/// A picture and what it says in numbers.
type Picture = (usize, String);

/// One lead time as the report keeps it.
#[derive(Debug)]
pub(super) struct Frame {
    pub lead_time: LeadTime,
    pub observed: Option<Picture>,
    pub blend: Option<Picture>,
    pub components: Vec<(String, Picture)>,
    pub probabilities: Vec<(f64, Picture)>,
    pub weights: Vec<(String, Weight)>,
    pub findings: Vec<Finding>,
}

impl Frame {
    /// The worst that the checks say.
    pub fn verdict(&self) -> Verdict {
        self.findings.iter().map(|f| f.verdict).max().unwrap_or(Verdict::Unknown)
    }
}

pub(super) fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Unknown => "unknown",
        Verdict::Pass => "pass",
        Verdict::Suspect => "suspect",
        Verdict::Fail => "fail",
    }
}

pub(super) fn sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Unknown => "·",
        Verdict::Pass => "✓",
        Verdict::Suspect => "?",
        Verdict::Fail => "✗",
    }
}

/// `shallow_water` as people read it.
pub(super) fn spoken(name: &str) -> String {
    let text = name.replace('_', " ");
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Panels in their order: identifier and heading.
fn panels(report: &ReportBuilder) -> Vec<(String, String)> {
    let mut panels = vec![("observed".to_owned(), "Observed".to_owned())];
    if report.frames.iter().any(|f| f.blend.is_some()) {
        panels.push(("blend".to_owned(), "Blend".to_owned()));
    }
    if !report.head.thresholds_mm_h.is_empty() {
        panels.push(("probability".to_owned(), "Probability".to_owned()));
    }
    panels.extend(report.head.components.iter().map(|name| (name.clone(), spoken(name))));
    panels
}

/// The section with slider, legends and maps.
pub(super) fn section(report: &ReportBuilder, lines: &[Line]) -> String {
    let Some(first) = report.frames.first() else {
        return "<section><p>There is no lead time in this forecast.</p></section>".to_owned();
    };
    let mut html = String::from("<section id=\"viewer\" aria-label=\"Maps over lead time\">");
    html += &controls(report);
    html += &format!(
        "<div class=\"legends\">{}{}</div>",
        legend(&RAIN, "Rain"),
        if report.head.thresholds_mm_h.is_empty() {
            String::new()
        } else {
            legend(&PROBABILITY, "Probability")
        }
    );
    let grid = &report.head.grid;
    let (dy, dx) = grid.spacing_m();
    let aspect = (dx * grid.x.count as f64) / (dy * grid.y.count as f64);
    html += &overlay(lines, grid, aspect);
    let _ = write!(html, "<div class=\"panels\" style=\"--aspect:{aspect:.4}\">");
    for (id, heading) in panels(report) {
        let chosen = first.probabilities.first().map(|p| p.0);
        let (picture, note) = shown(report, first, &id, chosen);
        let image = match picture {
            Some(index) => format!("src=\"{}\" data-image=\"{index}\"", report.images.address(index)),
            None => "hidden".to_owned(),
        };
        let choice = if id == "probability" { thresholds(report) } else { String::new() };
        let _ = write!(
            html,
            "<figure class=\"panel{}\" data-panel=\"{1}\"><figcaption><h3>{2}</h3>{choice}<span class=\"reading\"></span></figcaption>\
             <div class=\"map\"><img alt=\"{2}: {3}\" {image}><svg class=\"over\" aria-hidden=\"true\"><use href=\"#graticule\"/></svg>\
             <span class=\"none\">no forecast</span></div><p class=\"note\">{3}</p></figure>",
            if id == "blend" { " best" } else { "" },
            escape(&id),
            escape(&heading),
            escape(&note)
        );
    }
    html += "</div></section>";
    html
}

/// Picture and note of one panel at one lead time.
fn shown(report: &ReportBuilder, frame: &Frame, panel: &str, threshold: Option<f64>) -> (Option<usize>, String) {
    let known = |picture: Option<&Picture>| picture.map_or((None, "no forecast".to_owned()), |(index, note)| (Some(*index), note.clone()));
    match panel {
        "observed" => match (&frame.observed, &report.last_observed) {
            (Some((index, note)), _) => (Some(*index), note.clone()),
            (None, Some((index, note))) => {
                let at = report.head.reference_time.format("%H:%M");
                (Some(*index), format!("not yet observed · shown: last at {at} UTC, {note}"))
            }
            (None, None) => (None, "not yet observed".to_owned()),
        },
        "blend" => known(frame.blend.as_ref()),
        "probability" => known(frame.probabilities.iter().find(|p| Some(p.0) == threshold).map(|p| &p.1)),
        name => known(frame.components.iter().find(|c| c.0 == name).map(|c| &c.1)),
    }
}

fn controls(report: &ReportBuilder) -> String {
    let last = report.frames.len() - 1;
    let mut ticks = String::new();
    for (k, frame) in report.frames.iter().enumerate() {
        let verdict = frame.verdict();
        let _ = write!(
            ticks,
            "<button type=\"button\" data-lead=\"{k}\" class=\"{0}\" title=\"{1}, checks: {0}\" aria-label=\"{1}, checks: {0}\"><b>{2}</b><i>{3}</i></button>",
            word(verdict),
            frame.lead_time,
            number(frame.lead_time.minutes()),
            sign(verdict)
        );
    }
    let first = &report.frames[0];
    format!(
        "<div class=\"controls\"><div class=\"clock\" aria-live=\"polite\"><output id=\"lead\">{}</output><span id=\"valid\">valid {}</span></div>\
         <div class=\"travel\"><input id=\"slider\" type=\"range\" min=\"0\" max=\"{last}\" value=\"0\" step=\"1\" aria-label=\"Lead time\">\
         <div class=\"ticks\" role=\"group\" aria-label=\"Lead times, min\">{ticks}</div></div>\
         <div class=\"buttons\"><button type=\"button\" id=\"back\" aria-label=\"Earlier\">◀</button>\
         <button type=\"button\" id=\"play\" aria-pressed=\"false\">Play</button>\
         <button type=\"button\" id=\"on\" aria-label=\"Later\">▶</button></div>\
         <p class=\"keys\">← → step · space plays · the pointer reads all maps at one place</p></div>",
        first.lead_time,
        (report.head.reference_time + first.lead_time).format("%Y-%m-%d %H:%M UTC"),
    )
}

fn thresholds(report: &ReportBuilder) -> String {
    let options: String = report
        .head
        .thresholds_mm_h
        .iter()
        .map(|t| format!("<option value=\"{t}\">≥ {t} mm/h</option>"))
        .collect();
    format!("<select id=\"threshold\" aria-label=\"Threshold of the probability\">{options}</select>")
}

fn legend(scale: &Scale, name: &str) -> String {
    let boxes: String = scale
        .colours
        .iter()
        .zip(scale.labels())
        .map(|(c, label)| format!("<li><i style=\"background:{}\"></i>{label}</li>", colour::hex(*c)))
        .collect();
    format!(
        "<div class=\"legend\"><span>{name}, {}</span><ol>{boxes}</ol><span class=\"veil\"><i></i>no data</span></div>",
        scale.unit
    )
}

/// Graticule, labels and scale bar: drawn once, laid over every map.
fn overlay(lines: &[Line], grid: &Grid, aspect: f64) -> String {
    const WIDTH: f64 = 1000.0;
    let height = WIDTH / aspect;
    let mut svg = format!(
        "<svg width=\"0\" height=\"0\" style=\"position:absolute\" aria-hidden=\"true\"><symbol id=\"graticule\" viewBox=\"0 0 {WIDTH} {height:.0}\" \
         preserveAspectRatio=\"none\">"
    );
    for line in lines {
        let points: Vec<String> = line
            .points
            .iter()
            .map(|(r, d)| format!("{:.1},{:.1}", r * WIDTH, d * height))
            .collect();
        let _ = write!(svg, "<polyline points=\"{}\"/>", points.join(" "));
        let Some(edge) = line.at_edge.filter(|e| (0.04..0.96).contains(e)) else {
            continue;
        };
        let (x, y) = if line.meridian {
            (edge * WIDTH + 6.0, height - 10.0)
        } else {
            (8.0, edge * height - 8.0)
        };
        let _ = write!(svg, "<text x=\"{x:.0}\" y=\"{y:.0}\">{}</text>", line.label);
    }
    let (share, label) = scale_bar(grid);
    let (from, to) = (WIDTH * (1.0 - share) - 24.0, WIDTH - 24.0);
    let _ = write!(
        svg,
        "<path class=\"bar\" d=\"M{from:.0} 26V40H{to:.0}V26\"/><text x=\"{:.0}\" y=\"34\" text-anchor=\"end\">{label}</text>",
        from - 10.0
    );
    svg + "</symbol></svg>"
}

/// What the script needs: the pictures, which panel shows which, and what the checks found.
pub(super) fn data(report: &ReportBuilder) -> String {
    let panels = panels(report);
    let first_threshold = report.frames.first().and_then(|f| f.probabilities.first()).map(|p| p.0);
    let in_page: Vec<usize> = report
        .frames
        .first()
        .map(|frame| {
            panels
                .iter()
                .filter_map(|(id, _)| shown(report, frame, id, first_threshold).0)
                .collect()
        })
        .unwrap_or_default();
    let leads: Vec<Value> = report
        .frames
        .iter()
        .map(|frame| {
            let mut maps = serde_json::Map::new();
            for (id, _) in &panels {
                if id != "probability" {
                    maps.insert(id.clone(), json!(shown(report, frame, id, None)));
                }
            }
            for threshold in &report.head.thresholds_mm_h {
                maps.insert(
                    format!("probability {threshold}"),
                    json!(shown(report, frame, "probability", Some(*threshold))),
                );
            }
            json!({
                "lead": frame.lead_time.to_string(),
                "valid": (report.head.reference_time + frame.lead_time).format("%Y-%m-%d %H:%M UTC").to_string(),
                "maps": maps,
                "findings": frame.findings.iter().map(finding).collect::<Vec<_>>(),
            })
        })
        .collect();
    let names: serde_json::Map<String, Value> = panels.into_iter().map(|(id, heading)| (id, json!(heading))).collect();
    let data = json!({
        "images": report.images.encoded(&in_page),
        "leads": leads,
        "names": names,
        "scales": { "rain": scale(&RAIN), "probability": scale(&PROBABILITY) },
        "places": places(&report.head.grid),
    });
    // Inside a script element nothing may look like its end.
    data.to_string().replace('<', "\\u003c")
}

fn finding(finding: &Finding) -> Value {
    let value = if finding.value.is_nan() {
        String::new()
    } else {
        format!("{} {}", number(finding.value), finding.unit)
    };
    json!({
        "check": spoken(&finding.check),
        "subject": spoken(&finding.subject),
        "verdict": word(finding.verdict),
        "sign": sign(finding.verdict),
        "value": value.trim(),
        "threshold": finding.threshold,
        "source": finding.source,
        "message": finding.message,
    })
}

fn scale(scale: &Scale) -> Value {
    json!({ "unit": scale.unit, "colours": scale.colours, "labels": scale.labels() })
}

/// Longitudes and latitudes at 17 x 17 places of the picture, from the north-west: enough for a reading to 0.01 degree or so.
fn places(grid: &Grid) -> Value {
    const SIDE: usize = 17;
    let (ny, nx) = grid.shape();
    let at = |k: usize, count: usize| k as f64 / (SIDE - 1) as f64 * count as f64 - 0.5;
    let mut places = Vec::with_capacity(SIDE * SIDE);
    for i in (0..SIDE).rev() {
        for j in 0..SIDE {
            match grid.lon_lat(at(i, ny), at(j, nx)) {
                Ok((lon, lat)) if lon.is_finite() && lat.is_finite() => {
                    places.push([(lon * 1e4).round() / 1e4, (lat * 1e4).round() / 1e4]);
                }
                _ => return Value::Null,
            }
        }
    }
    json!(places)
}
