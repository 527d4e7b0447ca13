//! Runs the core on flows whose fate is known, draws them, and keeps the table of what it is held to; writes invented weather as events.

mod nature;

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use ndarray::Array2;
use nowblend_field::{Axis, Grid, Projection};
use nowblend_physics::{
    cases::{self, Bar, Case, Experiment, Field},
    metric::Metric,
};

use crate::{
    render::{
        self, Labels, Scale,
        chart::{Chart, Kind, Series},
        colour, map,
    },
    store,
};

pub use nature::{Weather, weather};

/// Samples of the invariants in a run.
const SAMPLES: usize = 24;
/// Where the table begins and ends in the documentation.
const MARKS: [&str; 2] = ["<!-- bars: begin -->", "<!-- bars: end -->"];
/// Smallest relative change that is drawn: that of the last digit.
const ROUNDING: f64 = 1e-16;

/// A case that cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The core refused.
    #[error(transparent)]
    Core(#[from] nowblend_physics::Error),
    /// The grid cannot be drawn.
    #[error(transparent)]
    Grid(#[from] nowblend_field::Error),
    /// A map cannot be drawn.
    #[error(transparent)]
    Render(#[from] render::Error),
    /// A file cannot be written.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A file or folder cannot be read or made.
    #[error("`{path}`: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The documentation has no place for the table.
    #[error("`{path}` lacks `{mark}`, between which and its end the table is written")]
    Mark {
        /// The file.
        path: PathBuf,
        /// What it lacks.
        mark: &'static str,
    },
    /// A number of the command is outside its bounds.
    #[error("`{key}` is {found}, expected {expected}")]
    Number {
        /// The option.
        key: &'static str,
        /// What was given.
        found: String,
        /// What is allowed.
        expected: &'static str,
    },
}

/// What the core was at one time of a run.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Seconds since the start.
    pub time_s: f64,
    /// Change of each invariant since the start, relative to its value then.
    pub drifts: Vec<(&'static str, f64)>,
    /// l1, l2 and l∞ from the known answer, where there is one.
    pub error: Option<[f64; 3]>,
}

/// Runs a case for `hours` on `rows` rows (its own if not given) and leaves maps, a table and a plot in `folder`; samples are told as they come.
///
/// # Errors
///
/// [`Error`] of the part that failed.
pub fn run(
    name: &str,
    rows: Option<usize>,
    hours: Option<f64>,
    folder: &Path,
    told: &mut dyn FnMut(&Sample),
) -> Result<Vec<PathBuf>, Error> {
    let case = cases::named(name)?;
    if let Some(hours) = hours.filter(|h| !(*h > 0.0 && *h <= 10_000.0)) {
        return Err(number("--hours", hours.to_string(), "more than 0 and at most 10000"));
    }
    let rows = rows.unwrap_or(case.rows());
    if !(4..=4096).contains(&rows) {
        return Err(number("--rows", rows.to_string(), "4 to 4096"));
    }
    fs::create_dir_all(folder).map_err(|source| Error::File {
        path: folder.to_owned(),
        source,
    })?;
    let length_s = hours.map_or(case.length_s(), |h| 3600.0 * h);
    let mut run = case.start(rows)?;
    let start = run.invariants();
    let mut samples = Vec::new();
    for sample in 0..=SAMPLES {
        if sample > 0 {
            run.advance(length_s * sample as f64 / SAMPLES as f64 - run.time_s())?;
        }
        let relative = |(then, now): (&cases::Invariant, cases::Invariant)| (now.name, (now.value - then.value) / then.value.abs());
        samples.push(Sample {
            time_s: run.time_s(),
            drifts: start.iter().zip(run.invariants()).map(relative).collect(),
            error: run.error().map(|e| [e.l1, e.l2, e.linf]),
        });
        told(&samples[sample]);
    }
    let mut files = Vec::new();
    let mut keep = |name: String, bytes: &[u8]| {
        let path = folder.join(name);
        store::write_whole(&path, bytes)?;
        files.push(path);
        Ok::<_, Error>(())
    };
    for field in run.fields() {
        keep(format!("{}.png", field.name), &picture(case.as_ref(), run.as_ref(), &field)?)?;
    }
    keep("invariants.csv".to_owned(), table_of(&samples).as_bytes())?;
    keep("invariants.svg".to_owned(), plot_of(&samples).svg().as_bytes())?;
    Ok(files)
}

fn number(key: &'static str, found: String, expected: &'static str) -> Error {
    Error::Number { key, found, expected }
}

/// A map of a field, as classes on both sides of its middle.
fn picture(case: &dyn Case, run: &dyn Experiment, field: &Field) -> Result<Vec<u8>, Error> {
    let grid = grid(run.metric())?;
    let (least, most) = field
        .values
        .iter()
        .filter(|v| v.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(*v), b.max(*v)));
    // Five classes on either side, each a round number wide.
    let width = round_up((most - least) / 10.0);
    let middle = (0.5 * (least + most) / width).round() * width;
    let scaled: Array2<f32> = field.values.mapv(|v| ((v - middle) / width).max(-4.999) as f32);
    let scale = Scale {
        unit: field.unit,
        label_factor: width as f32,
        ..colour::DIFFERENCE
    };
    let less = if middle == 0.0 {
        String::new()
    } else {
        format!(" less {middle} {}", field.unit)
    };
    let title = format!("{}: {}{less}", case.name(), field.name);
    let time = format!(
        "after {:.1} h on {} x {} cells",
        run.time_s() / 3600.0,
        grid.shape().0,
        grid.shape().1
    );
    let labels = Labels {
        title: &title,
        time: &time,
        source: "",
    };
    Ok(map(scaled.view(), &grid, &scale, &labels)?)
}

/// 1, 2 or 5 times a power of ten, no less than `value`.
fn round_up(value: f64) -> f64 {
    if !(value > 0.0 && value.is_finite()) {
        return 1.0;
    }
    let power = 10.0_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|m| m * power)
        .find(|w| *w >= value)
        .unwrap_or(value)
}

/// The grid that a case runs on, for a map.
fn grid(metric: &Metric) -> Result<Grid, Error> {
    let shape = metric.shape();
    if metric.sphere().is_none() {
        return Ok(Grid::plane(shape.ny, shape.nx, metric.dy_m()));
    }
    let axis = |from: f64, whole: f64, count: usize| Axis {
        first: from + 0.5 * whole / count as f64,
        spacing: whole / count as f64,
        count,
    };
    Ok(Grid::new(
        axis(-90.0, 180.0, shape.ny),
        axis(0.0, 360.0, shape.nx),
        Projection::lon_lat(),
    )?)
}

fn table_of(samples: &[Sample]) -> String {
    let mut text = "time_h".to_owned();
    for (name, _) in &samples[0].drifts {
        let _ = write!(text, ",relative_change_of_{name}");
    }
    if samples[0].error.is_some() {
        text.push_str(",l1,l2,linf");
    }
    for sample in samples {
        let _ = write!(text, "\n{}", sample.time_s / 3600.0);
        for value in sample.drifts.iter().map(|d| d.1).chain(sample.error.into_iter().flatten()) {
            let _ = write!(text, ",{value:e}");
        }
    }
    text + "\n"
}

fn plot_of(samples: &[Sample]) -> Chart {
    let series = (0..samples[0].drifts.len())
        .map(|k| Series {
            name: samples[0].drifts[k].0.to_owned(),
            points: samples
                .iter()
                .map(|s| (s.time_s / 60.0, s.drifts[k].1.abs().max(ROUNDING).log10()))
                .collect(),
        })
        .collect();
    Chart {
        title: "Relative change of what should stay, power of ten".to_owned(),
        unit: String::new(),
        kind: Kind::Lines,
        series,
        range: Some((-16.0, 0.0)),
    }
}

/// A case with its figures.
#[derive(Debug)]
pub struct Held {
    /// Name of the case.
    pub name: &'static str,
    /// What was measured.
    pub bars: Vec<Bar>,
    /// How long that took, s.
    pub took_s: f64,
}

/// Runs the bars of every case whose name contains `only`; each case is told when it is done.
///
/// # Errors
///
/// [`Error::Core`] of a run that failed.
pub fn bars(only: &str, told: &mut dyn FnMut(&Held)) -> Result<Vec<Held>, Error> {
    let mut all = Vec::new();
    for case in cases::all().iter().filter(|c| c.name().contains(only)) {
        let started = Instant::now();
        let held = Held {
            name: case.name(),
            bars: case.bars()?,
            took_s: started.elapsed().as_secs_f64(),
        };
        told(&held);
        all.push(held);
    }
    Ok(all)
}

/// Writes the figures as a table between the marks of a Markdown file.
///
/// # Errors
///
/// [`Error::File`], [`Error::Mark`] where there is no place for it, [`Error::Store`].
pub fn document(held: &[Held], path: &Path) -> Result<(), Error> {
    let text = fs::read_to_string(path).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })?;
    let [begin, end] = MARKS.map(|mark| text.find(mark).ok_or(mark));
    let missing = |mark| Error::Mark {
        path: path.to_owned(),
        mark,
    };
    let begin = begin.map_err(missing)? + MARKS[0].len();
    let end = end.map_err(missing)?;
    let written = format!("{}\n\n{}\n{}", &text[..begin], markdown(held), &text[end.max(begin)..]);
    Ok(store::write_whole(path, written.as_bytes())?)
}

fn markdown(held: &[Held]) -> String {
    let mut table = "| case | figure | measured | asked for | met | remark |\n| --- | --- | --- | --- | --- | --- |\n".to_owned();
    for Held { name, bars, .. } in held {
        for bar in bars {
            let met = if bar.is_met() { "yes" } else { "**no**" };
            let _ = writeln!(
                table,
                "| `{name}` | {} | {:.3e} | {} | {met} | {} |",
                bar.what, bar.measured, bar.bound, bar.remark
            );
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use nowblend_physics::cases::Bound;

    use super::*;

    #[test]
    fn classes_are_round_numbers_wide() {
        // 3.1 becomes 5, 0.2 stays, 0.06 becomes 0.1; nothing to show has classes of one.
        for (value, expected) in [(3.1, 5.0), (0.2, 0.2), (0.06, 0.1), (0.0, 1.0), (f64::NAN, 1.0)] {
            assert!((round_up(value) - expected).abs() < 1e-12, "{value}");
        }
    }

    #[test]
    fn the_table_replaces_the_one_before_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("physics.md");
        fs::write(&path, format!("# Core\n{}\nold\n{}\nrest\n", MARKS[0], MARKS[1])).unwrap();
        let bar = |measured| Bar {
            what: "l2(h)".to_owned(),
            measured,
            bound: Bound::AtMost(1e-3),
            remark: "",
        };
        let held = [Held {
            name: "a_case",
            bars: vec![bar(5e-4), bar(2e-3)],
            took_s: 1.0,
        }];
        document(&held, &path).unwrap();
        document(&held, &path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("# Core\n") && text.ends_with(&format!("{}\nrest\n", MARKS[1])),
            "{text}"
        );
        assert_eq!((text.matches("a_case").count(), text.matches("**no**").count()), (2, 1));
        assert!(!text.contains("old"));
        fs::write(&path, "no marks").unwrap();
        assert!(matches!(document(&held, &path), Err(Error::Mark { .. })));
    }
}
