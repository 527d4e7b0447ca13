//! Lines and areas over lead time as SVG: crisp at any size, light or dark, and readable without colour.

use std::fmt::Write;

/// How series are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One line a series.
    Lines,
    /// Areas on top of each other: shares of a whole.
    Stacked,
}

/// One named series over lead time.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its name, as components are called.
    pub name: String,
    /// `(lead time in minutes, value)`; NaN breaks a line.
    pub points: Vec<(f64, f64)>,
}

/// A chart over lead time.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// What is shown.
    pub title: String,
    /// Unit of the values; empty for a ratio.
    pub unit: String,
    /// Lines or areas.
    pub kind: Kind,
    /// The series, drawn in this order.
    pub series: Vec<Series>,
    /// Range of the value axis; found from the values if `None`.
    pub range: Option<(f64, f64)>,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 128.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 40.0;

impl Chart {
    /// The chart as an `<svg>` element whose colours follow the page (`--series-NAME`, `--ink`, `--faint`, `--line`), with defaults.
    pub fn svg(&self) -> String {
        let axes = Axes::of(self);
        let mut svg = format!(
            "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" xmlns=\"http://www.w3.org/2000/svg\" font-family=\"system-ui, sans-serif\" \
             font-size=\"12\"><title>{}</title><desc>{}</desc>",
            escape(&self.title),
            escape(&self.in_words())
        );
        let unit = if self.unit.is_empty() {
            String::new()
        } else {
            format!(" ({})", self.unit)
        };
        let _ = write!(
            svg,
            "<text x=\"{LEFT}\" y=\"18\" font-size=\"14\" font-weight=\"600\" fill=\"var(--ink, #1c242c)\">{}{}</text>",
            escape(&self.title),
            escape(&unit)
        );
        self.axes(&mut svg, &axes);
        match self.kind {
            Kind::Lines => self.lines(&mut svg, &axes),
            Kind::Stacked => self.areas(&mut svg, &axes),
        }
        svg + "</svg>"
    }

    /// What a reader who cannot see the chart is told: the first and last value of each series.
    fn in_words(&self) -> String {
        let said: Vec<String> = self
            .series
            .iter()
            .filter_map(|series| {
                let known: Vec<_> = series.points.iter().filter(|p| p.1.is_finite()).collect();
                let (first, last) = (known.first()?, known.last()?);
                Some(format!(
                    "{}: {} at +{} min, {} at +{} min",
                    series.name,
                    number(first.1),
                    number(first.0),
                    number(last.1),
                    number(last.0)
                ))
            })
            .collect();
        said.join("; ")
    }

    fn axes(&self, svg: &mut String, axes: &Axes) {
        for value in ticks(axes.low, axes.high, 5) {
            let y = axes.y(value);
            let _ = write!(
                svg,
                "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"var(--line, #d9dde1)\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"var(--faint, #5b6670)\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 7.0,
                y + 4.0,
                number(value)
            );
        }
        for minutes in lead_ticks(axes.first, axes.last) {
            let x = axes.x(minutes);
            let _ = write!(
                svg,
                "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{0:.1}\" y2=\"{1:.1}\" stroke=\"var(--faint, #5b6670)\"/>\
                 <text x=\"{x:.1}\" y=\"{2:.1}\" text-anchor=\"middle\" fill=\"var(--faint, #5b6670)\">{3}</text>",
                HEIGHT - BOTTOM,
                HEIGHT - BOTTOM + 4.0,
                HEIGHT - BOTTOM + 18.0,
                number(minutes)
            );
        }
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"var(--faint, #5b6670)\">lead time (min)</text>",
            f64::midpoint(LEFT, WIDTH - RIGHT),
            HEIGHT - 6.0
        );
    }

    fn lines(&self, svg: &mut String, axes: &Axes) {
        let mut ends = Vec::new();
        for (k, series) in self.series.iter().enumerate() {
            let colour = colour(&series.name, k);
            let dash = [
                "",
                " stroke-dasharray=\"7 3\"",
                " stroke-dasharray=\"2 3\"",
                " stroke-dasharray=\"9 3 2 3\"",
            ][k % 4];
            let width = if series.name == "blend" { 3.0 } else { 1.8 };
            for part in series.points.split(|p| !p.1.is_finite()) {
                let path: Vec<String> = part.iter().map(|p| format!("{:.1},{:.1}", axes.x(p.0), axes.y(p.1))).collect();
                match path.len() {
                    0 => {}
                    1 => {
                        let (x, y) = path[0].split_once(',').expect("a pair was just formatted");
                        let _ = write!(svg, "<circle cx=\"{x}\" cy=\"{y}\" r=\"3\" fill=\"{colour}\"/>");
                    }
                    _ => {
                        let _ = write!(
                            svg,
                            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"{dash} stroke-linejoin=\"round\"/>",
                            path.join(" ")
                        );
                    }
                }
            }
            if let Some(end) = series.points.iter().rev().find(|p| p.1.is_finite()) {
                ends.push((axes.y(end.1), k));
            }
        }
        self.names(svg, ends);
    }

    fn areas(&self, svg: &mut String, axes: &Axes) {
        let mut ends = Vec::new();
        let count = self.series.first().map_or(0, |s| s.points.len());
        let mut below = vec![0.0; count];
        for (k, series) in self.series.iter().enumerate() {
            let above: Vec<f64> = below
                .iter()
                .zip(&series.points)
                .map(|(b, p)| b + if p.1.is_finite() { p.1 } else { 0.0 })
                .collect();
            let point = |(p, v): (&(f64, f64), &f64)| format!("{:.1},{:.1}", axes.x(p.0), axes.y(*v));
            let upper = series.points.iter().zip(&above).map(point);
            let lower = series.points.iter().zip(&below).map(point).collect::<Vec<_>>().into_iter().rev();
            let _ = write!(
                svg,
                "<polygon points=\"{}\" fill=\"{}\" fill-opacity=\"0.78\" stroke=\"var(--paper, #fff)\" stroke-width=\"0.8\"/>",
                upper.chain(lower).collect::<Vec<_>>().join(" "),
                colour(&series.name, k)
            );
            if let (Some(low), Some(high)) = (below.last(), above.last())
                && high - low > 0.004
            {
                ends.push((axes.y(f64::midpoint(*low, *high)), k));
            }
            below = above;
        }
        self.names(svg, ends);
    }

    /// Names beside the ends of the series, moved apart where they would overlap.
    fn names(&self, svg: &mut String, mut ends: Vec<(f64, usize)>) {
        const APART: f64 = 15.0;
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut at: Vec<f64> = Vec::with_capacity(ends.len());
        for (y, _) in &ends {
            at.push(at.last().map_or(*y, |before| y.max(before + APART)));
        }
        // Down to the axis at most: push back up from the end.
        let mut limit = HEIGHT - BOTTOM + 4.0;
        for y in at.iter_mut().rev() {
            *y = y.min(limit);
            limit = *y - APART;
        }
        for ((_, k), y) in ends.iter().zip(at) {
            let name = &self.series[*k].name;
            let weight = if name == "blend" { 700 } else { 500 };
            let _ = write!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{}\" font-weight=\"{weight}\">{}</text>",
                WIDTH - RIGHT + 8.0,
                y + 4.0,
                colour(name, *k),
                escape(&name.replace('_', " "))
            );
        }
    }
}

struct Axes {
    first: f64,
    last: f64,
    low: f64,
    high: f64,
}

impl Axes {
    fn of(chart: &Chart) -> Self {
        let points = || chart.series.iter().flat_map(|s| &s.points);
        let least = |values: &mut dyn Iterator<Item = f64>| values.filter(|v| v.is_finite()).fold(f64::INFINITY, f64::min);
        let most = |values: &mut dyn Iterator<Item = f64>| values.filter(|v| v.is_finite()).fold(f64::NEG_INFINITY, f64::max);
        let (first, last) = apart(least(&mut points().map(|p| p.0)), most(&mut points().map(|p| p.0)));
        let (low, high) = chart.range.unwrap_or_else(|| {
            let (low, high) = apart(least(&mut points().map(|p| p.1)).min(0.0), most(&mut points().map(|p| p.1)));
            let step = step(low, high, 5);
            ((low / step).floor() * step, (high / step).ceil() * step)
        });
        Self { first, last, low, high }
    }

    fn x(&self, minutes: f64) -> f64 {
        LEFT + (minutes - self.first) / (self.last - self.first) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - (value.clamp(self.low, self.high) - self.low) / (self.high - self.low) * (HEIGHT - BOTTOM - TOP)
    }
}

/// A range that is not empty.
fn apart(low: f64, high: f64) -> (f64, f64) {
    if !(low.is_finite() && high.is_finite()) {
        (0.0, 1.0)
    } else if high - low < 1e-12 {
        (low, low + 1.0)
    } else {
        (low, high)
    }
}

fn step(low: f64, high: f64, most: usize) -> f64 {
    let least = (high - low) / most as f64;
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|f| f * power)
        .find(|s| *s >= least * (1.0 - 1e-9))
        .unwrap_or(10.0 * power)
}

fn ticks(low: f64, high: f64, most: usize) -> Vec<f64> {
    let step = step(low, high, most);
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last).map(|k| k as f64 * step).collect()
}

/// Minutes that people count in.
fn lead_ticks(first: f64, last: f64) -> Vec<f64> {
    let step = [1.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 180.0, 360.0, 720.0]
        .into_iter()
        .find(|s| (last - first) / s <= 9.0)
        .unwrap_or(1440.0);
    let from = (first / step - 1e-9).ceil() as i64;
    let to = (last / step + 1e-9).floor() as i64;
    (from..=to).map(|k| k as f64 * step).collect()
}

/// One colour a component everywhere: Okabe, M. and K. Ito, 2008: Color universal design (colours that all kinds of eyes tell apart).
fn colour(name: &str, index: usize) -> String {
    let known = match name {
        "blend" => "var(--ink, #1c242c)",
        "persistence" => "var(--series-persistence, #808890)",
        "extrapolation" => "var(--series-extrapolation, #0072b2)",
        "shallow_water" => "var(--series-shallow_water, #009e73)",
        "nowcast_net" => "var(--series-nowcast_net, #d55e00)",
        _ => ["#cc79a7", "#56b4e9", "#e69f00", "#7a5fb5"][index % 4],
    };
    known.to_owned()
}

/// At most three decimals, none that say nothing; lining minus.
pub(super) fn number(value: f64) -> String {
    if value.is_nan() {
        return "–".to_owned();
    }
    let rounded = (value * 1000.0).round() / 1000.0;
    let text = if rounded == 0.0 { "0".to_owned() } else { rounded.to_string() };
    text.replace('-', "−")
}

/// Text as it may stand in HTML and SVG, also between quotes.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(kind: Kind, values: &[f64]) -> Chart {
        let series = |name: &str, factor: f64| Series {
            name: name.to_owned(),
            points: values.iter().enumerate().map(|(k, v)| (5.0 * (k + 1) as f64, v * factor)).collect(),
        };
        Chart {
            title: "CSI <1 & more>".to_owned(),
            unit: String::new(),
            kind,
            series: vec![series("blend", 1.0), series("persistence", 0.5)],
            range: Some((0.0, 1.0)),
        }
    }

    #[test]
    fn points_lie_where_their_values_are() {
        // +5 min is the left end, +15 min the right; 0 the bottom, 1 the top.
        let svg = chart(Kind::Lines, &[0.0, 0.5, 1.0]).svg();
        assert!(svg.contains("points=\"52.0,260.0 282.0,147.0 512.0,34.0\""), "{svg}");
        assert!(svg.contains("CSI &lt;1 &amp; more&gt;") && !svg.contains("CSI <1"));
    }

    #[test]
    fn a_missing_value_breaks_the_line_and_is_not_drawn() {
        let svg = chart(Kind::Lines, &[0.1, f64::NAN, 0.3, 0.4]).svg();
        assert!(!svg.contains("NaN"), "{svg}");
        assert_eq!((svg.matches("<circle").count(), svg.matches("<polyline").count()), (2, 2));
        assert!(!chart(Kind::Lines, &[f64::NAN]).svg().contains("NaN"));
    }

    #[test]
    fn shares_stand_on_each_other() {
        let svg = chart(Kind::Stacked, &[0.5, 0.5]).svg();
        // The second area reaches from 0.5 to 0.75.
        assert!(svg.contains("points=\"52.0,90.5 512.0,90.5 512.0,147.0 52.0,147.0\""), "{svg}");
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(ticks(0.0, 1.0, 5), [0.0, 0.2, 0.4, 0.600_000_000_000_000_1, 0.8, 1.0]);
        assert_eq!(lead_ticks(5.0, 60.0), [10.0, 20.0, 30.0, 40.0, 50.0, 60.0]);
        assert_eq!(
            (number(0.6000000000000001), number(-0.25), number(f64::NAN)),
            ("0.6".into(), "−0.25".into(), "–".into())
        );
    }
}
