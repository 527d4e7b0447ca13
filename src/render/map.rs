//! One field as a PNG map to send around: classes, title, time, legend, graticule and scale bar, north up.

use ndarray::ArrayView2;
use nowblend_field::Grid;

use super::{
    Error,
    colour::{Colour, DRY_CLASS, MISSING, Scale},
    graticule::{Line, graticule, scale_bar},
    png,
    raster::{Raster, Summary},
    text::{Canvas, Style, width},
};

/// Longest side of the map itself, points.
const SIDE: usize = 900;
/// Around the map, points.
const MARGIN: usize = 24;
const LEFT: usize = 66;
const TOP: usize = 96;
const BOTTOM: usize = 86;
const LEGEND: usize = 118;

const PAPER: Colour = [0xFF; 3];
const INK: Colour = [0x1C, 0x24, 0x2C];
const FAINT: Colour = [0x5B, 0x66, 0x70];

/// What stands around a map.
#[derive(Debug, Clone, Copy)]
pub struct Labels<'a> {
    /// What and where: `Rain, blend of all components`.
    pub title: &'a str,
    /// When: `valid 2019-06-10 23:55 UTC, +5 min`.
    pub time: &'a str,
    /// Whence, in small letters at the foot; may be empty.
    pub source: &'a str,
}

/// Draws a field `[y, x]` as a PNG map.
///
/// Where the grid has more cells than the picture points, a point is the mean of its cells (see [`Raster::of`]); the maximum
/// below the map is that of the full field.
///
/// # Errors
///
/// [`Error::Shape`] where the field does not fit the grid, [`Error::Encode`].
pub fn map(field: ArrayView2<'_, f32>, grid: &Grid, scale: &Scale, labels: &Labels<'_>) -> Result<Vec<u8>, Error> {
    Error::check(labels.title, field.dim(), grid.shape())?;
    let raster = Raster::of(field, SIDE);
    let (rows, columns) = raster.shape();
    let (dy, dx) = grid.spacing_m();
    let (high_m, wide_m) = (dy * grid.y.count as f64, dx * grid.x.count as f64);
    let points_per_m = SIDE as f64 / high_m.max(wide_m);
    let map_width = ((wide_m * points_per_m).round() as usize).clamp(60, SIDE);
    let map_height = ((high_m * points_per_m).round() as usize).clamp(60, SIDE);
    let heading = |size, bold| Style {
        size,
        bold,
        colour: INK,
        anchor: 0.0,
    };
    let (title, time) = (heading(30.0, true), heading(22.0, false));
    let text_width = width(labels.title, title).max(width(labels.time, time)) as usize;
    let picture_width = LEFT + (map_width + LEGEND).max(text_width) + MARGIN;
    let picture_height = TOP + map_height.max(440) + BOTTOM;

    let mut canvas = Canvas::new(picture_width, picture_height, PAPER);
    let palette = scale.palette();
    let classes = raster.classes(scale);
    for row in 0..map_height {
        for column in 0..map_width {
            let from = (row * rows / map_height) * columns + column * columns / map_width;
            canvas.points[(TOP + row) * picture_width + LEFT + column] = palette[usize::from(classes[from])];
        }
    }
    let frame = Frame {
        x: LEFT as f64,
        y: TOP as f64,
        width: map_width as f64,
        height: map_height as f64,
    };
    for line in graticule(grid) {
        draw_line(&mut canvas, &line, &frame);
    }
    outline(&mut canvas, &frame);
    canvas.text(labels.title, LEFT as f32, 44.0, title);
    canvas.text(labels.time, LEFT as f32, 76.0, time);
    legend(&mut canvas, scale, (LEFT + map_width + 28) as i64, TOP as i64);
    foot(&mut canvas, field, grid, scale, raster.factor, labels, &frame);
    png::coloured(&canvas.points, picture_width)
}

/// Where the map lies in the picture.
struct Frame {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

fn outline(canvas: &mut Canvas, frame: &Frame) {
    let (x, y, width, height) = (frame.x as i64, frame.y as i64, frame.width as i64, frame.height as i64);
    canvas.rectangle(x - 1, y - 1, width + 2, 1, FAINT);
    canvas.rectangle(x - 1, y + height, width + 2, 1, FAINT);
    canvas.rectangle(x - 1, y - 1, 1, height + 2, FAINT);
    canvas.rectangle(x + width, y - 1, 1, height + 2, FAINT);
}

/// A thin line, mixed in so that the rain under it stays readable, and its label outside the map.
fn draw_line(canvas: &mut Canvas, line: &Line, frame: &Frame) {
    let style = Style {
        size: 17.0,
        bold: false,
        colour: FAINT,
        anchor: if line.meridian { 0.5 } else { 1.0 },
    };
    let at = |(right, down): (f64, f64)| (frame.x + right * frame.width, frame.y + down * frame.height);
    let inside = |x: f64, y: f64| (frame.x..frame.x + frame.width).contains(&x) && (frame.y..frame.y + frame.height).contains(&y);
    let mut last = None;
    for pair in line.points.windows(2) {
        let ((x0, y0), (x1, y1)) = (at(pair[0]), at(pair[1]));
        let steps = (x1 - x0).abs().max((y1 - y0).abs()).ceil().max(1.0);
        for k in 0..steps as i64 {
            let share = k as f64 / steps;
            let (x, y) = (x0 + (x1 - x0) * share, y0 + (y1 - y0) * share);
            let point = (x.floor() as i64, y.floor() as i64);
            if inside(x, y) && last != Some(point) {
                canvas.mix(point.0, point.1, FAINT, 0.4);
                last = Some(point);
            }
        }
    }
    match line.at_edge {
        Some(edge) if line.meridian => {
            let x = frame.x + edge * frame.width;
            canvas.text(&line.label, x as f32, (frame.y + frame.height) as f32 + 21.0, style);
        }
        Some(edge) => {
            let y = frame.y + edge * frame.height;
            canvas.text(&line.label, frame.x as f32 - 7.0, y as f32 + 6.0, style);
        }
        None => {}
    }
}

fn legend(canvas: &mut Canvas, scale: &Scale, x: i64, y: i64) {
    let style = |size, colour| Style {
        size,
        bold: false,
        colour,
        anchor: 0.0,
    };
    let unit = Style {
        bold: true,
        ..style(19.0, INK)
    };
    canvas.text(scale.unit, x as f32, y as f32 + 14.0, unit);
    let (box_width, box_height) = (26, 34);
    let top = y + 28;
    for (k, (colour, label)) in scale.colours.iter().zip(scale.labels()).rev().enumerate() {
        let at = top + k as i64 * box_height;
        canvas.rectangle(x, at, box_width, box_height, *colour);
        canvas.text(&label, (x + box_width + 9) as f32, (at + box_height) as f32 + 6.0, style(18.0, INK));
        canvas.rectangle(x + box_width, at + box_height, 5, 1, FAINT);
    }
    let at = top + scale.bounds.len() as i64 * box_height;
    canvas.rectangle(x, at + 22, box_width, 20, FAINT);
    canvas.rectangle(x + 1, at + 23, box_width - 2, 18, MISSING);
    canvas.text("no data", (x + box_width + 9) as f32, (at + 38) as f32, style(16.0, FAINT));
}

/// Below the map: scale bar, maximum and wet share, source.
fn foot(canvas: &mut Canvas, field: ArrayView2<'_, f32>, grid: &Grid, scale: &Scale, factor: usize, labels: &Labels<'_>, frame: &Frame) {
    let style = Style {
        size: 17.0,
        bold: false,
        colour: INK,
        anchor: 0.0,
    };
    let line = (frame.y + frame.height) as i64 + 44;
    let (share, bar) = scale_bar(grid);
    let bar_width = (share * frame.width).round() as i64;
    let x = frame.x as i64;
    canvas.rectangle(x, line - 5, bar_width, 3, INK);
    canvas.rectangle(x, line - 9, 1, 11, INK);
    canvas.rectangle(x + bar_width - 1, line - 9, 1, 11, INK);
    canvas.text(&bar, (x + bar_width + 8) as f32, line as f32 + 2.0, style);
    let said = numbers(field, scale);
    let said = if factor > 1 {
        format!("{said} · mean of {factor} x {factor} cells a point")
    } else {
        said
    };
    let end = Style { anchor: 1.0, ..style };
    canvas.text(&said, (frame.x + frame.width) as f32, line as f32 + 2.0, end);
    let small = Style {
        size: 15.0,
        colour: FAINT,
        ..style
    };
    canvas.text(labels.source, frame.x as f32, line as f32 + 30.0, small);
}

/// The field in a few words: `max 34.2 mm/h · 12 % wet`.
pub(super) fn numbers(field: ArrayView2<'_, f32>, scale: &Scale) -> String {
    let summary = Summary::of(field, scale.bounds[usize::from(DRY_CLASS) - 1]);
    if summary.maximum.is_nan() {
        return "no data".to_owned();
    }
    let maximum = summary.maximum * scale.label_factor;
    let maximum = if maximum >= 10.0 || scale.label_factor > 1.0 {
        format!("{maximum:.0}")
    } else {
        format!("{maximum:.1}")
    };
    let share = |share: f64| match share * 100.0 {
        p if p > 0.0 && p < 1.0 => "< 1 %".to_owned(),
        p => format!("{p:.0} %"),
    };
    let mut said = format!("max {maximum} {}", scale.unit);
    if scale.label_factor == 1.0 {
        said += &format!(" · {} wet", share(summary.wet));
    }
    if summary.missing >= 0.0005 {
        said += &format!(" · {} no data", share(summary.missing));
    }
    said
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::{
        super::{
            colour::{PROBABILITY, RAIN},
            png::tests::decode,
        },
        *,
    };

    const LABELS: Labels<'static> = Labels {
        title: "Rain",
        time: "now",
        source: "",
    };

    #[test]
    fn the_north_of_the_field_is_the_top_of_the_map() {
        // Dry but for cloudbursts in the northern row: the first points under the frame are magenta, the last are white.
        let mut field = Array2::<f32>::zeros((4, 5));
        field.row_mut(3).fill(100.0);
        field[[0, 0]] = f32::NAN;
        let bytes = map(field.view(), &Grid::plane(4, 5, 1000.0), &RAIN, &LABELS).unwrap();
        let (width, _, points) = decode(&bytes);
        let colour = |x: usize, y: usize| points[4 * (y * width as usize + x)..][..3].to_vec();
        let (x, y) = (LEFT + 30, TOP + 10);
        assert_eq!(colour(x, y), RAIN.colours[9]);
        // 5 x 4 cells on 900 x 720 points.
        assert_eq!(colour(x, y + 700), MISSING);
        assert_eq!(colour(x + 400, y + 700), PAPER);
    }

    #[test]
    fn numbers_are_of_the_full_field() {
        let mut field = Array2::<f32>::zeros((10, 10));
        field[[3, 4]] = 34.24;
        assert_eq!(numbers(field.view(), &RAIN), "max 34 mm/h · 1 % wet");
        field[[0, 0]] = f32::NAN;
        field[[3, 4]] = 0.42;
        assert_eq!(numbers(field.view(), &PROBABILITY), "max 42 % · 1 % no data");
        assert_eq!(numbers(Array2::from_elem((2, 2), f32::NAN).view(), &RAIN), "no data");
    }

    #[test]
    fn a_field_on_another_grid_is_refused() {
        let field = Array2::<f32>::zeros((5, 4));
        assert!(matches!(
            map(field.view(), &Grid::plane(4, 5, 1000.0), &RAIN, &LABELS),
            Err(Error::Shape { .. })
        ));
    }
}
