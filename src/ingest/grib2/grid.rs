//! Where the points of a field lie, in which order they come, and which way its wind blows: section 3.

use ndarray::Array2;
use nowblend_field::{Axis, Grid, Projection};

use super::octets::Octets;

/// The layout of a field's points.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// Points along a row.
    pub columns: usize,
    /// Rows.
    pub rows: usize,
    /// Where they lie.
    pub place: Place,
    /// Whether wind components follow the grid's axes instead of east and north.
    pub wind_along_grid: bool,
    scanning: Scanning,
}

/// Where points lie on the Earth.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// Evenly spaced on a map.
    Even(Grid),
    /// Evenly spaced in longitude, in latitude at the zeros of a Legendre polynomial; latitudes from the south, degrees.
    Gaussian {
        /// Latitudes of the rows, ascending, degrees.
        latitudes: Vec<f64>,
        /// Longitudes of the columns, degrees.
        x: Axis,
    },
    /// Longitude and latitude of a globe whose south pole was moved.
    Rotated {
        /// Latitudes and longitudes on the moved globe, degrees.
        y: Axis,
        /// Longitudes on the moved globe, degrees.
        x: Axis,
        /// Latitude and longitude of the moved south pole, degrees.
        south_pole: (f64, f64),
    },
}

/// The order of points, flag table 3.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Scanning {
    westward: bool,
    northward: bool,
    columns_first: bool,
    alternating: bool,
}

impl Layout {
    /// Reads section 3.
    pub(super) fn read(section: &[u8]) -> Result<Self, String> {
        let octets = Octets(section);
        let cut = || "section 3 ends before its template does".to_owned();
        let source = octets.u8(6).ok_or_else(cut)?;
        let template = octets.u16(13).ok_or_else(cut)?;
        if source != 0 {
            return Err(format!("a grid that is defined elsewhere (source {source}), expected a template"));
        }
        if octets.u8(11) != Some(0) {
            return Err("rows of different length (a reduced grid), expected one number of points for all rows".into());
        }
        let (columns, rows) = (octets.u32(31).ok_or_else(cut)?, octets.u32(35).ok_or_else(cut)?);
        if columns == 0 || rows == 0 || columns == u32::MAX || rows == u32::MAX {
            return Err(format!("{columns} x {rows} points, expected at least one of each"));
        }
        let (columns, rows) = (columns as usize, rows as usize);
        let (flags_at, scanning_at) = match template {
            0 | 1 | 40 => (55, 72),
            20 | 30 => (47, 65),
            other => return Err(format!("grid template {other} is not supported, expected 0, 1, 20, 30 or 40")),
        };
        let flags = octets.u8(flags_at).ok_or_else(cut)?;
        let scanning = Scanning::read(octets.u8(scanning_at).ok_or_else(cut)?)?;
        let shape = (rows, columns);
        let place = match template {
            0 => {
                let (y, x) = degrees(octets, shape, scanning)?;
                Place::Even(Grid::new(y, x, Projection::lon_lat()).map_err(|e| e.to_string())?)
            }
            1 => {
                let (y, x) = degrees(octets, shape, scanning)?;
                let angle = |octet| octets.signed(octet, 4).map(|a| a as f64 * 1e-6).ok_or_else(cut);
                let south_pole = (angle(73)?, angle(77)?);
                let turned = octets.u32(81).ok_or_else(cut)?;
                if turned != 0 {
                    return Err("a rotated grid with an angle of rotation, expected 0".into());
                }
                Place::Rotated { y, x, south_pole }
            }
            40 => gaussian(octets, shape, scanning)?,
            20 => Place::Even(polar_stereographic(octets, shape, scanning)?),
            _ => Place::Even(lambert(octets, shape, scanning)?),
        };
        Ok(Self {
            columns,
            rows,
            place,
            wind_along_grid: flags & 0x08 != 0,
            scanning,
        })
    }

    /// Row from the south and column from the west of the point that comes `index`-th, from 0.
    pub fn cell(&self, index: usize) -> (usize, usize) {
        let scanning = self.scanning;
        let (mut row, mut column) = if scanning.columns_first {
            (index % self.rows, index / self.rows)
        } else {
            (index / self.columns, index % self.columns)
        };
        if scanning.alternating {
            if scanning.columns_first && column % 2 == 1 {
                row = self.rows - 1 - row;
            } else if !scanning.columns_first && row % 2 == 1 {
                column = self.columns - 1 - column;
            }
        }
        if !scanning.northward {
            row = self.rows - 1 - row;
        }
        if scanning.westward {
            column = self.columns - 1 - column;
        }
        (row, column)
    }

    /// Values in file order as `[y, x]`, row 0 in the south, column 0 in the west.
    pub(super) fn arrange(&self, values: &[f32]) -> Array2<f32> {
        let mut out = Array2::from_elem((self.rows, self.columns), f32::NAN);
        if self.scanning.columns_first {
            for (index, value) in values.iter().enumerate().take(out.len()) {
                out[self.cell(index)] = *value;
            }
            return out;
        }
        // A row at a time: most fields come so, and the largest have 24 million points.
        for (k, row) in values.chunks_exact(self.columns).enumerate().take(self.rows) {
            let (to_row, column) = self.cell(k * self.columns);
            let backwards = column != 0;
            let mut to = out.row_mut(to_row);
            if backwards {
                to.iter_mut().rev().zip(row).for_each(|(to, value)| *to = *value);
            } else {
                to.iter_mut().zip(row).for_each(|(to, value)| *to = *value);
            }
        }
        out
    }

    /// The grid, where points are evenly spaced on a map.
    ///
    /// # Errors
    ///
    /// Says which grid it is where it has none.
    pub fn grid(&self) -> Result<&Grid, String> {
        match &self.place {
            Place::Even(grid) => Ok(grid),
            Place::Gaussian { .. } => Err("a Gaussian grid, expected rows at even distances".into()),
            Place::Rotated { .. } => Err("a rotated longitude-latitude grid, expected one of a map projection".into()),
        }
    }

    /// Longitude and latitude, degrees, of the point that comes `index`-th.
    ///
    /// # Errors
    ///
    /// Where the map has no such place.
    pub fn lon_lat(&self, index: usize) -> Result<(f64, f64), String> {
        let (row, column) = self.cell(index);
        match &self.place {
            Place::Even(grid) => grid.lon_lat(row as f64, column as f64).map_err(|e| e.to_string()),
            Place::Gaussian { latitudes, x } => Ok((x.centre(column as f64), latitudes[row])),
            Place::Rotated { y, x, south_pole } => Ok(unrotate(x.centre(column as f64), y.centre(row as f64), *south_pole)),
        }
    }
}

impl Scanning {
    fn read(flags: u8) -> Result<Self, String> {
        if flags & 0x0f != 0 {
            return Err(format!("scanning mode {flags} with rows or columns offset, expected none"));
        }
        Ok(Self {
            westward: flags & 0x80 != 0,
            northward: flags & 0x40 != 0,
            columns_first: flags & 0x20 != 0,
            alternating: flags & 0x10 != 0,
        })
    }
}

/// Both axes of a longitude-latitude grid, from its corners; the increments are only compared with them.
fn degrees(octets: Octets<'_>, (rows, columns): (usize, usize), scanning: Scanning) -> Result<(Axis, Axis), String> {
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

fn angle(octets: Octets<'_>, octet: usize, unit: f64) -> Result<f64, String> {
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

fn gaussian(octets: Octets<'_>, (rows, columns): (usize, usize), scanning: Scanning) -> Result<Place, String> {
    let unit = unit(octets)?;
    let half = octets.u32(68).ok_or("section 3 ends before its template does")? as usize;
    if half == 0 || half > 10_000 || rows != 2 * half {
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
            for _ in 0..10 {
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

fn polar_stereographic(octets: Octets<'_>, shape: (usize, usize), scanning: Scanning) -> Result<Grid, String> {
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

fn lambert(octets: Octets<'_>, shape: (usize, usize), scanning: Scanning) -> Result<Grid, String> {
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

/// From longitude and latitude on a globe whose south pole was moved to those on the Earth, degrees.
fn unrotate(longitude: f64, latitude: f64, (pole_latitude, pole_longitude): (f64, f64)) -> (f64, f64) {
    // Turn by the angle between both south poles about the axis through 90 degrees east, then about the Earth's axis.
    let turn = (pole_latitude + 90.0).to_radians();
    let (longitude, latitude) = (longitude.to_radians(), latitude.to_radians());
    let (x, y, z) = (longitude.cos() * latitude.cos(), longitude.sin() * latitude.cos(), latitude.sin());
    let (x, z) = (turn.cos() * x - turn.sin() * z, turn.sin() * x + turn.cos() * z);
    (y.atan2(x).to_degrees() + pole_longitude, z.clamp(-1.0, 1.0).asin().to_degrees())
}
