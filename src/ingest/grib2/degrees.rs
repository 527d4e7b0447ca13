//! Grids in degrees: even in longitude and latitude, at Gaussian latitudes, or on a globe whose poles were moved.

use nowblend_field::Axis;

use super::{
    grid::{Place, Scanning},
    octets::Octets,
};

/// Both axes of a longitude-latitude grid, from its corners; the increments are only compared with them.
pub(super) fn degrees(octets: Octets<'_>, (rows, columns): (usize, usize), scanning: Scanning) -> Result<(Axis, Axis), String> {
    let unit = unit(octets)?;
    let (first, last) = (angle(octets, 47, unit)?, angle(octets, 56, unit)?);
    let (south, north) = if scanning.northward { (first, last) } else { (last, first) };
    if !(-90.0 - 1e-3..=90.0 + 1e-3).contains(&south) || north > 90.0 + 1e-3 || (rows > 1 && north <= south) {
        return Err(format!("latitudes from {south} to {north}, expected -90 to 90, ascending"));
    }
    let spacing = (north - south) / (rows.max(2) - 1) as f64;
    let told = octets.u32(68).filter(|d| *d != 0 && *d != u32::MAX).map(|d| f64::from(d) * unit);
    if let Some(told) = told.filter(|t| rows > 1 && (t - spacing).abs() > 0.01 * spacing + 2.0 * unit) {
        return Err(format!(
            "rows {told} degrees apart, expected {spacing}: {rows} from {south} to {north}"
        ));
    }
    let y = Axis {
        first: south,
        spacing: if rows > 1 { spacing } else { told.unwrap_or(1.0) },
        count: rows,
    };
    Ok((y, longitudes(octets, columns, scanning, unit)?))
}

fn unit(octets: Octets<'_>) -> Result<f64, String> {
    let (basic, parts) = (octets.u32(39), octets.u32(43));
    match (basic, parts) {
        (Some(0 | u32::MAX), Some(_)) => Ok(1e-6),
        (Some(basic), Some(parts)) if parts != 0 && parts != u32::MAX => Ok(f64::from(basic) / f64::from(parts)),
        _ => Err("angles have no unit".into()),
    }
}

pub(super) fn angle(octets: Octets<'_>, octet: usize, unit: f64) -> Result<f64, String> {
    octets
        .signed(octet, 4)
        .map(|a| a as f64 * unit)
        .ok_or("section 3 ends before its template does".into())
}

fn longitudes(octets: Octets<'_>, columns: usize, scanning: Scanning, unit: f64) -> Result<Axis, String> {
    let (first, last) = (angle(octets, 51, unit)?, angle(octets, 60, unit)?);
    let (west, east) = if scanning.westward { (last, first) } else { (first, last) };
    if !(-360.0..=720.0).contains(&west) || !(-360.0..=720.0).contains(&east) {
        return Err(format!("longitudes from {west} to {east}, expected -360 to 720"));
    }
    let told = octets.u32(64).filter(|d| *d != 0 && *d != u32::MAX).map(|d| f64::from(d) * unit);
    let width = match (east - west).rem_euclid(360.0) {
        _ if columns == 1 => 0.0,
        // The last meridian repeats the first.
        width if width < 1e-9 => 360.0,
        width => width,
    };
    let spacing = width / (columns.max(2) - 1) as f64;
    if columns > 1 && spacing <= 0.0 {
        return Err(format!("{columns} columns from {west} to {east}, expected them apart"));
    }
    if let Some(told) = told.filter(|t| columns > 1 && (t - spacing).abs() > 0.01 * spacing + 2.0 * unit) {
        return Err(format!(
            "columns {told} degrees apart, expected {spacing}: {columns} from {west} to {east}"
        ));
    }
    // West of Greenwich is negative, so that a grid on the Atlantic does not jump.
    let first = (west + 180.0).rem_euclid(360.0) - 180.0;
    Ok(Axis {
        first,
        spacing: if columns > 1 { spacing } else { told.unwrap_or(1.0) },
        count: columns,
    })
}

pub(super) fn gaussian(octets: Octets<'_>, (rows, columns): (usize, usize), scanning: Scanning) -> Result<Place, String> {
    let unit = unit(octets)?;
    let half = octets.u32(68).ok_or("section 3 ends before its template does")? as usize;
    if half == 0 || half > 2000 || rows != 2 * half {
        return Err(format!(
            "{rows} Gaussian rows with {half} between pole and equator, expected twice as many: the whole globe"
        ));
    }
    let latitudes = gaussian_latitudes(half);
    let first = angle(octets, 47, unit)?;
    let expected = if scanning.northward { latitudes[0] } else { latitudes[rows - 1] };
    if (first - expected).abs() > 1e-2 {
        return Err(format!("the first Gaussian row at {first}, expected {expected}"));
    }
    Ok(Place::Gaussian {
        latitudes,
        x: longitudes(octets, columns, scanning, unit)?,
    })
}

/// Zeros of the Legendre polynomial of degree `2 half`, as latitudes in degrees, ascending.
///
/// Newton's method from the usual first guess cos(pi (k - 1/4) / (n + 1/2)) (Abramowitz and Stegun 1964, 22.16.6).
fn gaussian_latitudes(half: usize) -> Vec<f64> {
    let n = 2 * half;
    let north: Vec<f64> = (1..=half)
        .map(|k| {
            let mut x = (std::f64::consts::PI * (k as f64 - 0.25) / (n as f64 + 0.5)).cos();
            for _ in 0..6 {
                let (mut p, mut before) = (x, 1.0);
                for degree in 2..=n {
                    let d = degree as f64;
                    (p, before) = (((2.0 * d - 1.0) * x * p - (d - 1.0) * before) / d, p);
                }
                x -= p * (x * x - 1.0) / (n as f64 * (x * p - before));
            }
            x.asin().to_degrees()
        })
        .collect();
    north.iter().map(|l| -l).chain(north.iter().rev().copied()).collect()
}

/// From longitude and latitude on a globe whose south pole was moved to those on the Earth, degrees.
pub(super) fn unrotate(longitude: f64, latitude: f64, (pole_latitude, pole_longitude): (f64, f64)) -> (f64, f64) {
    // Turn by the angle between both south poles about the axis through 90 degrees east, then about the Earth's axis.
    let turn = (pole_latitude + 90.0).to_radians();
    let (longitude, latitude) = (longitude.to_radians(), latitude.to_radians());
    let (x, y, z) = (longitude.cos() * latitude.cos(), longitude.sin() * latitude.cos(), latitude.sin());
    let (x, z) = (turn.cos() * x - turn.sin() * z, turn.sin() * x + turn.cos() * z);
    (y.atan2(x).to_degrees() + pole_longitude, z.clamp(-1.0, 1.0).asin().to_degrees())
}
