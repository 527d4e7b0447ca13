//! Grids in metres on a map projection: polar stereographic and Lambert conformal.

use nowblend_field::{Axis, Grid, Projection};

use super::{degrees::angle, grid::Scanning, octets::Octets};

/// The Earth, code table 3.2, in PROJ's words; latitudes are taken as they are.
fn earth(octets: Octets<'_>) -> Result<String, String> {
    let metres = |octet| octets.scaled(octet).filter(|r| (6.3e6..6.5e6).contains(r));
    let kilometres = |octet| octets.scaled(octet).map(|r| r * 1000.0).filter(|r| (6.3e6..6.5e6).contains(r));
    let shape = octets.u8(15).unwrap_or(u8::MAX);
    let words = match shape {
        0 => Some("+R=6367470".into()),
        1 => metres(16).map(|r| format!("+R={r}")),
        2 => Some("+a=6378160 +b=6356775".into()),
        3 => kilometres(21).zip(kilometres(26)).map(|(a, b)| format!("+a={a} +b={b}")),
        4 => Some("+ellps=GRS80".into()),
        5 => Some("+ellps=WGS84".into()),
        6 => Some("+R=6371229".into()),
        7 => metres(21).zip(metres(26)).map(|(a, b)| format!("+a={a} +b={b}")),
        8 => Some("+R=6371200".into()),
        _ => None,
    };
    words.ok_or(format!("an Earth of shape {shape} without a size, expected 0 to 8"))
}

pub(super) fn polar_stereographic(octets: Octets<'_>, shape: (usize, usize), scanning: Scanning) -> Result<Grid, String> {
    let true_latitude = angle(octets, 48, 1e-6)?;
    let orientation = angle(octets, 52, 1e-6)?;
    let centre = octets.u8(64).ok_or("section 3 ends before its template does")?;
    let pole = if centre & 0x80 == 0 { 90 } else { -90 };
    let definition = format!(
        "+proj=stere +lat_0={pole} +lat_ts={true_latitude} +lon_0={orientation} {} +units=m +no_defs",
        earth(octets)?
    );
    projected(octets, shape, scanning, &definition)
}

pub(super) fn lambert(octets: Octets<'_>, shape: (usize, usize), scanning: Scanning) -> Result<Grid, String> {
    let (origin, orientation) = (angle(octets, 48, 1e-6)?, angle(octets, 52, 1e-6)?);
    let (first, second) = (angle(octets, 66, 1e-6)?, angle(octets, 70, 1e-6)?);
    let definition = format!(
        "+proj=lcc +lat_1={first} +lat_2={second} +lat_0={origin} +lon_0={orientation} {} +units=m +no_defs",
        earth(octets)?
    );
    projected(octets, shape, scanning, &definition)
}

/// A grid on a map, from the place of its first point and its increments in millimetres.
fn projected(octets: Octets<'_>, (rows, columns): (usize, usize), scanning: Scanning, definition: &str) -> Result<Grid, String> {
    let (latitude, longitude) = (angle(octets, 39, 1e-6)?, angle(octets, 43, 1e-6)?);
    let increment = |octet| {
        octets
            .u32(octet)
            .map(|d| f64::from(d) * 1e-3)
            .ok_or("section 3 ends before its template does")
    };
    let (dx, dy) = (increment(56)?, increment(60)?);
    for (count, spacing) in [(columns, dx), (rows, dy)] {
        // Half the way around the Earth.
        if spacing <= 0.0 || spacing * count as f64 > 2.1e7 {
            return Err(format!(
                "{count} points {spacing} m apart, expected less than half the way around the Earth"
            ));
        }
    }
    let projection = Projection::parse(definition).map_err(|e| e.to_string())?;
    let (x, y) = projection.forward(longitude, latitude).map_err(|e| e.to_string())?;
    let axis = |first: f64, spacing: f64, count: usize, ascending: bool| Axis {
        first: if ascending { first } else { first - spacing * (count - 1) as f64 },
        spacing,
        count,
    };
    let (y, x) = (axis(y, dy, rows, scanning.northward), axis(x, dx, columns, !scanning.westward));
    Grid::new(y, x, projection).map_err(|e| e.to_string())
}
