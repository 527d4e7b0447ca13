//! What a field holds between its cells, beside missing ones and beyond its edge.

use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

/// How a field is read between cell centres.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// The nearest cell.
    Nearest,
    /// Bilinear.
    #[default]
    Linear,
    /// Catmull-Rom, held between the smallest and largest of the four cells around: no new peaks, nothing negative.
    Cubic,
}

/// What lies beyond the edge of a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Beyond {
    /// Nothing that is known.
    Missing,
    /// The field, mirrored at its edge, up to so many cells from it.
    Mirrored(f32),
    /// What lies on the edge, up to so many cells from it.
    Edge(f32),
}

impl Beyond {
    /// The place along one side of `cells` cells that is read for one that may lie outside; NaN stays.
    #[inline]
    pub fn place(self, place: f32, cells: f32) -> f32 {
        let outside = (-place).max(place - (cells - 1.0));
        match self {
            _ if outside <= 0.0 => place,
            Self::Missing => place,
            Self::Mirrored(reach) | Self::Edge(reach) if outside > reach => f32::NAN,
            Self::Mirrored(_) if place < -0.5 => (-1.0 - place).min(cells - 1.0),
            Self::Mirrored(_) if place > cells - 0.5 => (2.0 * cells - 1.0 - place).max(0.0),
            Self::Mirrored(_) => place,
            Self::Edge(_) => place.clamp(0.0, cells - 1.0),
        }
    }
}

/// A field that is read at many places.
pub(crate) struct Cells<'a> {
    view: ArrayView2<'a, f32>,
    flat: &'a [f32],
}

impl<'a> Cells<'a> {
    /// Of a field in standard layout.
    pub fn of(view: ArrayView2<'a, f32>) -> Self {
        Self {
            view,
            flat: view.to_slice().expect("the field is in standard layout"),
        }
    }

    /// As [`value_at`], bilinear, quicker where all cells around are inside and observed.
    #[inline(always)]
    pub fn linear(&self, y: f32, x: f32, beyond: Beyond) -> f32 {
        let (ny, nx) = self.view.dim();
        if y >= 1.0 && x >= 1.0 && y < ny as f32 - 2.0 && x < nx as f32 - 2.0 {
            let (y0, x0) = (whole(y), whole(x));
            let (fy, fx) = (y - y0 as f32, x - x0 as f32);
            let place = y0 * nx + x0;
            let around = &self.flat[place..place + nx + 2];
            let south = around[0] + fx * (around[1] - around[0]);
            let north = around[nx] + fx * (around[nx + 1] - around[nx]);
            let value = south + fy * (north - south);
            if !value.is_nan() {
                return value;
            }
            // What was not observed needs no more asking, and often lies together.
            let nearest = around[if fy >= 0.5 { nx } else { 0 } + usize::from(fx >= 0.5)];
            if nearest.is_nan() {
                return nearest;
            }
        }
        self.slow(y, x, Interpolation::Linear, beyond)
    }

    /// As [`value_at`], quicker where all cells around are inside and observed.
    #[inline(always)]
    pub fn value(&self, y: f32, x: f32, interpolation: Interpolation, beyond: Beyond) -> f32 {
        let (ny, nx) = self.view.dim();
        if interpolation == Interpolation::Cubic && y >= 1.0 && x >= 1.0 && y < ny as f32 - 2.0 && x < nx as f32 - 2.0 {
            let (y0, x0) = (whole(y), whole(x));
            let (fy, fx) = (y - y0 as f32, x - x0 as f32);
            let place = y0 * nx + x0;
            let rows: [&[f32]; 4] = std::array::from_fn(|k| {
                let start = place + k * nx - nx - 1;
                &self.flat[start..start + 4]
            });
            let (wy, wx) = (catmull_rom(fy), catmull_rom(fx));
            let along = rows.map(|r| wx[0] * r[0] + wx[1] * r[1] + wx[2] * r[2] + wx[3] * r[3]);
            let value = wy[0] * along[0] + wy[1] * along[1] + wy[2] * along[2] + wy[3] * along[3];
            if !value.is_nan() {
                let corners = [rows[1][1], rows[1][2], rows[2][1], rows[2][2]];
                let low = corners[0].min(corners[1]).min(corners[2].min(corners[3]));
                let high = corners[0].max(corners[1]).max(corners[2].max(corners[3]));
                return value.clamp(low, high);
            }
        }
        self.slow(y, x, interpolation, beyond)
    }

    #[inline(never)]
    fn slow(&self, y: f32, x: f32, interpolation: Interpolation, beyond: Beyond) -> f32 {
        let (ny, nx) = self.view.dim();
        value_at(&self.view, beyond.place(y, ny as f32), beyond.place(x, nx as f32), interpolation)
    }
}

/// The whole cells of a place that is not below 0; processors are quicker with 32 bits than with 64.
#[inline]
fn whole(place: f32) -> usize {
    place as i32 as usize
}

/// The cell nearest to a fractional one, halves away from nought; none where that lies outside.
#[inline]
pub fn nearest((ny, nx): (usize, usize), y: f32, x: f32) -> Option<(usize, usize)> {
    // Written so that a position that is NaN lies outside, too.
    let inside = y >= -0.5 && x >= -0.5 && y <= ny as f32 - 0.5 && x <= nx as f32 - 0.5;
    inside.then(|| (whole(y + 0.5).min(ny - 1), whole(x + 0.5).min(nx - 1)))
}

/// The value of `field` `[y, x]` at a fractional cell, under the rules of [`Displacement::sample`](super::Displacement::sample).
pub fn value_at(field: &ArrayView2<'_, f32>, y: f32, x: f32, interpolation: Interpolation) -> f32 {
    let (ny, nx) = field.dim();
    let Some((y_near, x_near)) = nearest((ny, nx), y, x) else {
        return f32::NAN;
    };
    let nearest = field[[y_near, x_near]];
    if nearest.is_nan() || interpolation == Interpolation::Nearest {
        return nearest;
    }
    let (y, x) = (y.clamp(0.0, (ny - 1) as f32), x.clamp(0.0, (nx - 1) as f32));
    let (y0, x0) = (whole(y).min(ny.saturating_sub(2)), whole(x).min(nx.saturating_sub(2)));
    let (y1, x1) = ((y0 + 1).min(ny - 1), (x0 + 1).min(nx - 1));
    let (fy, fx) = (y - y0 as f32, x - x0 as f32);
    let corners = [field[[y0, x0]], field[[y0, x1]], field[[y1, x0]], field[[y1, x1]]];
    let weights = [(1.0 - fy) * (1.0 - fx), (1.0 - fy) * fx, fy * (1.0 - fx), fy * fx];
    let linear = corners[0] * weights[0] + corners[1] * weights[1] + corners[2] * weights[2] + corners[3] * weights[3];
    if linear.is_nan() {
        let (mut sum, mut total) = (0.0, 0.0);
        for (corner, weight) in corners.into_iter().zip(weights) {
            if !corner.is_nan() {
                sum += weight * corner;
                total += weight;
            }
        }
        return if total > 0.0 { sum / total } else { nearest };
    }
    if interpolation == Interpolation::Linear || y0 == 0 || x0 == 0 || y0 + 2 >= ny || x0 + 2 >= nx {
        return linear;
    }
    let (wy, wx) = (catmull_rom(fy), catmull_rom(fx));
    let mut cubic = 0.0;
    for (j, wy) in wy.into_iter().enumerate() {
        for (i, wx) in wx.into_iter().enumerate() {
            cubic += wy * wx * field[[y0 + j - 1, x0 + i - 1]];
        }
    }
    if cubic.is_nan() {
        return linear;
    }
    let low = corners.into_iter().fold(f32::INFINITY, f32::min);
    let high = corners.into_iter().fold(f32::NEG_INFINITY, f32::max);
    cubic.clamp(low, high)
}

/// Weights of the four cells around a point, a fraction `f` after the second (Catmull and Rom 1974, tension 1/2).
fn catmull_rom(f: f32) -> [f32; 4] {
    let (f2, f3) = (f * f, f * f * f);
    [
        0.5 * (-f3 + 2.0 * f2 - f),
        0.5 * (3.0 * f3 - 5.0 * f2 + 2.0),
        0.5 * (-3.0 * f3 + 4.0 * f2 + f),
        0.5 * (f3 - f2),
    ]
}

/// Two fields at a fractional place, bilinear; outside those of their edge.
pub(super) fn both_at(a: &Array2<f32>, b: &Array2<f32>, y: f32, x: f32) -> (f32, f32) {
    let (ny, nx) = a.dim();
    let (y, x) = (y.clamp(0.0, (ny - 1) as f32), x.clamp(0.0, (nx - 1) as f32));
    let (y0, x0) = (whole(y), whole(x));
    let (fy, fx) = (y - y0 as f32, x - x0 as f32);
    let (here, east) = (y0 * nx + x0, usize::from(x0 + 1 < nx));
    let north = if y0 + 1 < ny { here + nx } else { here };
    let at = |field: &Array2<f32>| {
        let field = field.as_slice().expect("made in standard layout");
        let (southwest, southeast) = (field[here], field[here + east]);
        let (northwest, northeast) = (field[north], field[north + east]);
        let (south, north) = (southwest + fx * (southeast - southwest), northwest + fx * (northeast - northwest));
        south + fy * (north - south)
    };
    (at(a), at(b))
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn the_quick_way_of_reading_reads_the_same() {
        let mut field = Array2::from_shape_fn((12, 15), |(y, x)| ((y * 31 + x * 17) % 23) as f32);
        field[[5, 7]] = f32::NAN;
        let view = field.view();
        let cells = Cells {
            view,
            flat: field.as_slice().unwrap(),
        };
        for k in 0..400 {
            let (y, x) = (0.037 * k as f32 - 1.0, (0.61 * k as f32) % 16.0 - 0.7);
            for interpolation in [Interpolation::Nearest, Interpolation::Linear, Interpolation::Cubic] {
                let (quick, plain) = (
                    cells.value(y, x, interpolation, Beyond::Missing),
                    value_at(&view, y, x, interpolation),
                );
                assert!(
                    quick.is_nan() && plain.is_nan() || (quick - plain).abs() < 1e-4,
                    "({y}, {x}): {quick} {plain}"
                );
            }
        }
    }

    #[test]
    fn a_cell_next_to_missing_data_is_read_from_what_is_there() {
        let field = array![[2.0, f32::NAN], [2.0, f32::NAN]];
        assert_eq!(value_at(&field.view(), 0.5, 0.4, Interpolation::Linear), 2.0);
        assert!(value_at(&field.view(), 0.5, 0.6, Interpolation::Linear).is_nan());
        assert!(value_at(&field.view(), f32::NAN, 0.0, Interpolation::Linear).is_nan());
    }
}
