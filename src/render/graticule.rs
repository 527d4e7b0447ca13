//! Lines of equal longitude and latitude across a map, with their labels, and a bar that says how far is far.

use nowblend_field::Grid;

/// A line of the graticule in picture coordinates: (0, 0) is the north-west corner, (1, 1) the south-east corner.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// `10°E`, `47.5°N`.
    pub label: String,
    /// Whether it runs north to south.
    pub meridian: bool,
    /// Its course, `(right, down)`; may leave the picture and come back.
    pub points: Vec<(f64, f64)>,
    /// Where it meets the lower edge (a meridian) or the left edge (a parallel), if it does.
    pub at_edge: Option<f64>,
}

/// Steps between lines that people like, degrees.
const STEPS: [f64; 12] = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0];

/// Points along a line.
const POINTS: usize = 65;

/// Some four lines each way across a grid; none where the map projection fails at its edge.
pub fn graticule(grid: &Grid) -> Vec<Line> {
    let Some(extent) = Extent::of(grid) else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    for meridian in [true, false] {
        let (low, high) = if meridian { extent.longitude } else { extent.latitude };
        let (from, to) = if meridian { extent.latitude } else { extent.longitude };
        // Beyond the outermost centres, so that a line reaches the edge of the picture.
        let (from, to) = (from - 0.05 * (to - from), to + 0.05 * (to - from));
        let step = STEPS.into_iter().find(|s| (high - low) / s <= 5.0).unwrap_or(45.0);
        let first = (low / step).ceil() as i64;
        let last = (high / step).floor() as i64;
        for k in first..=last {
            let value = k as f64 * step;
            let points: Vec<(f64, f64)> = (0..POINTS)
                .filter_map(|p| {
                    let along = from + (to - from) * p as f64 / (POINTS - 1) as f64;
                    if meridian {
                        place(grid, value, along)
                    } else {
                        place(grid, along, value)
                    }
                })
                .collect();
            if points.len() < 2 {
                continue;
            }
            lines.push(Line {
                label: label(value, meridian, step),
                meridian,
                at_edge: crossing(&points, meridian),
                points,
            });
        }
    }
    lines
}

/// A scale bar: `(share of the width, label)`, about a fifth of the width and a round number of km or m.
pub fn scale_bar(grid: &Grid) -> (f64, String) {
    let width_m = grid.spacing_m().1 * grid.x.count as f64;
    let wanted = width_m / 5.0;
    let power = 10f64.powf(wanted.log10().floor());
    let metres = [5.0, 2.0, 1.0]
        .into_iter()
        .map(|f| f * power)
        .find(|m| *m <= wanted)
        .unwrap_or(power);
    let label = if metres >= 1000.0 {
        format!("{} km", metres / 1000.0)
    } else {
        format!("{metres} m")
    };
    (metres / width_m, label)
}

/// Longitudes and latitudes that a grid spans, degrees; longitudes run through the antimeridian without a jump.
struct Extent {
    longitude: (f64, f64),
    latitude: (f64, f64),
}

impl Extent {
    fn of(grid: &Grid) -> Option<Self> {
        let (ny, nx) = grid.shape();
        let (last_row, last_column) = (ny as f64 - 1.0, nx as f64 - 1.0);
        let (centre, _) = grid.lon_lat(last_row / 2.0, last_column / 2.0).ok()?;
        let mut extent = Self {
            longitude: (f64::INFINITY, f64::NEG_INFINITY),
            latitude: (f64::INFINITY, f64::NEG_INFINITY),
        };
        for i in 0..=16 {
            for j in 0..=16 {
                let (row, column) = (last_row * f64::from(i) / 16.0, last_column * f64::from(j) / 16.0);
                let Ok((lon, lat)) = grid.lon_lat(row, column) else { continue };
                if !(lon.is_finite() && lat.is_finite()) {
                    continue;
                }
                let lon = centre + (lon - centre + 540.0).rem_euclid(360.0) - 180.0;
                extent.longitude = (extent.longitude.0.min(lon), extent.longitude.1.max(lon));
                extent.latitude = (extent.latitude.0.min(lat), extent.latitude.1.max(lat));
            }
        }
        (extent.longitude.0 < extent.longitude.1 && extent.latitude.0 < extent.latitude.1).then_some(extent)
    }
}

/// Picture coordinates of a place, if it is on the map and not far outside.
fn place(grid: &Grid, longitude: f64, latitude: f64) -> Option<(f64, f64)> {
    // A geographic grid may count its longitudes beyond 180: leave them as they are there.
    let longitude = if grid.projection.is_geographic() {
        longitude
    } else {
        (longitude + 540.0).rem_euclid(360.0) - 180.0
    };
    let (row, column) = grid.cell_at(longitude, latitude).ok()?;
    let right = (column + 0.5) / grid.x.count as f64;
    let down = 1.0 - (row + 0.5) / grid.y.count as f64;
    ((-1.0..2.0).contains(&right) && (-1.0..2.0).contains(&down)).then_some((right, down))
}

/// Where a line crosses the lower edge (a meridian) or the left edge (a parallel) inside the picture.
fn crossing(points: &[(f64, f64)], meridian: bool) -> Option<f64> {
    let turned: Vec<(f64, f64)> = points
        .iter()
        .map(|(r, d)| if meridian { (*d - 1.0, *r) } else { (*r, *d) })
        .collect();
    turned.windows(2).find_map(|pair| {
        let ((a, at), (b, next)) = (pair[0], pair[1]);
        if a.signum() == b.signum() || a == b {
            return None;
        }
        let edge = at + (next - at) * a / (a - b);
        (0.0..=1.0).contains(&edge).then_some(edge)
    })
}

fn label(value: f64, meridian: bool, step: f64) -> String {
    let value = if meridian {
        (value + 540.0).rem_euclid(360.0) - 180.0
    } else {
        value
    };
    let decimals = if step < 0.1 { 2 } else { usize::from(step < 1.0) };
    let side = match (meridian, value) {
        (_, v) if v.abs() < step / 2.0 => "",
        (true, v) if v < 0.0 => "W",
        (true, _) => "E",
        (false, v) if v < 0.0 => "S",
        (false, _) => "N",
    };
    format!("{:.decimals$}°{side}", value.abs())
}

#[cfg(test)]
mod tests {
    use nowblend_field::{Axis, Projection};

    use super::*;

    fn degrees(first_lat: f64, first_lon: f64) -> Grid {
        let axis = |first, count| Axis {
            first,
            spacing: 0.01,
            count,
        };
        Grid::new(axis(first_lat, 400), axis(first_lon, 500), Projection::lon_lat()).unwrap()
    }

    #[test]
    fn lines_of_a_geographic_grid_are_straight_and_round() {
        // 45.005 .. 48.995 N, 6.005 .. 10.995 E: parallels 46, 47, 48; meridians 7, 8, 9, 10.
        let lines = graticule(&degrees(45.005, 6.005));
        let labels: Vec<&str> = lines.iter().map(|l| l.label.as_str()).collect();
        assert_eq!(labels, ["7°E", "8°E", "9°E", "10°E", "46°N", "47°N", "48°N"]);
        // 7 E is 1 degree of 5 from the left edge, 46 N a quarter of the height above the lower one.
        assert!((lines[0].points[3].0 - 0.2).abs() < 1e-9);
        assert!((lines[0].at_edge.unwrap() - 0.2).abs() < 1e-9);
        assert!((lines[4].at_edge.unwrap() - 0.75).abs() < 1e-9);
    }

    #[test]
    fn the_antimeridian_and_the_other_hemispheres_have_their_names() {
        let labels: Vec<String> = graticule(&degrees(-2.0, 177.5)).into_iter().map(|l| l.label).collect();
        assert!(
            labels.contains(&"178°E".to_owned()) && labels.contains(&"178°W".to_owned()),
            "{labels:?}"
        );
        assert!(
            labels.contains(&"1°S".to_owned()) && labels.contains(&"0°".to_owned()),
            "{labels:?}"
        );
    }

    #[test]
    fn a_scale_bar_is_a_round_fifth_of_the_width() {
        // 500 km wide: 100 km are a fifth.
        let (share, label) = scale_bar(&Grid::plane(300, 500, 1000.0));
        assert_eq!((share, label.as_str()), (0.2, "100 km"));
    }
}
