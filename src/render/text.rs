//! Letters on a picture, from a typeface that travels with the program (Noto Sans, SIL Open Font License 1.1).

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, Glyph, ScaleFont, point};

use super::colour::Colour;

static REGULAR: LazyLock<FontRef<'static>> =
    LazyLock::new(|| FontRef::try_from_slice(notosans::REGULAR_TTF).expect("the typeface is a constant that parses"));
static BOLD: LazyLock<FontRef<'static>> =
    LazyLock::new(|| FontRef::try_from_slice(notosans::BOLD_TTF).expect("the typeface is a constant that parses"));

/// Levels of coverage at the edge of a letter: enough to look smooth, few enough for a palette.
const LEVELS: f32 = 10.0;

/// How a text looks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub size: f32,
    pub bold: bool,
    pub colour: Colour,
    /// Where `x` is in the text: 0 its start, 0.5 its middle, 1 its end.
    pub anchor: f32,
}

/// Points being painted, row by row from the top.
#[derive(Debug, Clone)]
pub(super) struct Canvas {
    pub width: usize,
    pub height: usize,
    pub points: Vec<Colour>,
}

impl Canvas {
    pub fn new(width: usize, height: usize, colour: Colour) -> Self {
        Self {
            width,
            height,
            points: vec![colour; width * height],
        }
    }

    /// Mixes `colour` into a point; nothing outside the canvas.
    pub fn mix(&mut self, x: i64, y: i64, colour: Colour, share: f32) {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else {
            return;
        };
        if x >= self.width || y >= self.height {
            return;
        }
        let share = ((share * LEVELS).round() / LEVELS).clamp(0.0, 1.0);
        let point = &mut self.points[y * self.width + x];
        for (channel, new) in point.iter_mut().zip(colour) {
            *channel = (f32::from(*channel) + share * (f32::from(new) - f32::from(*channel))).round() as u8;
        }
    }

    pub fn rectangle(&mut self, x: i64, y: i64, width: i64, height: i64, colour: Colour) {
        for row in y..y + height {
            for column in x..x + width {
                self.mix(column, row, colour, 1.0);
            }
        }
    }

    /// Writes one line of text with its baseline at `y`.
    pub fn text(&mut self, text: &str, x: f32, y: f32, style: Style) {
        let glyphs = lay_out(text, style);
        let width = glyphs.1;
        let font = face(style.bold);
        for mut glyph in glyphs.0 {
            glyph.position.x += x - style.anchor * width;
            glyph.position.y = y;
            let Some(outline) = font.outline_glyph(glyph) else { continue };
            let corner = outline.px_bounds().min;
            outline.draw(|column, row, coverage| {
                self.mix(
                    corner.x as i64 + i64::from(column),
                    corner.y as i64 + i64::from(row),
                    style.colour,
                    coverage,
                );
            });
        }
    }
}

/// Width of a text in points.
pub(super) fn width(text: &str, style: Style) -> f32 {
    lay_out(text, style).1
}

fn face(bold: bool) -> &'static FontRef<'static> {
    if bold { &BOLD } else { &REGULAR }
}

/// Letters side by side with kerning, and the width of all.
fn lay_out(text: &str, style: Style) -> (Vec<Glyph>, f32) {
    let scaled = face(style.bold).as_scaled(style.size);
    let (mut glyphs, mut pen, mut before) = (Vec::new(), 0.0, None);
    for letter in text.chars().filter(|c| !c.is_control()) {
        let id = scaled.glyph_id(letter);
        if let Some(before) = before {
            pen += scaled.kern(before, id);
        }
        glyphs.push(id.with_scale_and_position(style.size, point(pen, 0.0)));
        pen += scaled.h_advance(id);
        before = Some(id);
    }
    (glyphs, pen)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STYLE: Style = Style {
        size: 20.0,
        bold: false,
        colour: [0, 0, 0],
        anchor: 0.0,
    };

    #[test]
    fn the_typeface_has_what_maps_say() {
        for letter in "Aß°–·≥é−".chars() {
            assert_ne!(face(false).glyph_id(letter).0, 0, "{letter}");
            assert_ne!(face(true).glyph_id(letter).0, 0, "{letter}");
        }
        assert!(width("mm/h", STYLE) > width("mm", STYLE));
    }

    #[test]
    fn a_text_is_dark_where_it_stands_and_nowhere_else() {
        let mut canvas = Canvas::new(60, 30, [255; 3]);
        canvas.text("il", 30.0, 22.0, STYLE);
        let dark = |from: usize, to: usize| (0..30).any(|y| (from..to).any(|x| canvas.points[y * 60 + x][0] < 128));
        assert!(dark(30, 45) && !dark(0, 30) && !dark(45, 60));
    }
}
