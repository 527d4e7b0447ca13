//! What a field is, when it holds, and on which level: sections 1, 3 and 4.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use nowblend_field::{ReferenceTime, ValidTime};

use super::{grid::Layout, octets::Octets};
use crate::ingest::Limits;

/// Furthest that a forecast reaches, s: 200 years.
const FURTHEST_S: i64 = 200 * 366 * 86_400;

/// The head of a field.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// Number of the message in its file, from 1.
    pub message: usize,
    /// Where its section 5 lies, bytes from the start of the file.
    pub byte: usize,
    /// Discipline, category and number of the parameter.
    pub parameter: (u8, u8, u8),
    /// Originating centre.
    pub centre: u16,
    /// From when the field is: the time of the observation or the start of the forecast.
    pub reference_time: ReferenceTime,
    /// When the field holds; for an accumulation the end of its interval.
    pub valid_time: ValidTime,
    /// Statistics over an interval before the valid time.
    pub interval: Option<Interval>,
    /// Whether this is a probability or an error, not the quantity itself.
    pub derived: bool,
    /// Whether a model forecast it, code table 4.3.
    pub forecast: bool,
    /// Type of the level, code table 4.5, and its value.
    pub level: (u8, Option<f64>),
    /// Where the points lie.
    pub layout: Layout,
    /// Number of points.
    pub points: usize,
}

/// An interval over which a field was accumulated, averaged and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// Code table 4.10: 0 average, 1 accumulation.
    pub statistic: u8,
    /// Length, s.
    pub seconds: i64,
}

/// Where a section lies in the file, and the section.
type Placed<'a> = (usize, &'a [u8]);

impl Header {
    /// Reads the head of a field; on failure says where and why.
    pub(super) fn read(
        discipline: u8,
        identification: Placed<'_>,
        grid: Placed<'_>,
        product: Placed<'_>,
        (message, byte): (usize, usize),
        limits: Limits,
    ) -> Result<Self, (usize, String)> {
        let centre = Octets(identification.1).u16(6);
        let reference = moment(identification.1, 13);
        let (Some(centre), Some(reference_time)) = (centre, reference) else {
            return Err((identification.0, "section 1 holds no time that exists".into()));
        };
        let (layout, points) = grid_of(grid.1, limits).map_err(|reason| (grid.0, reason))?;
        let product_at = |reason: String| (product.0, reason);
        let octets = Octets(product.1);
        let cut = || product_at("section 4 ends before its template does".into());
        let template = octets.u16(8).ok_or_else(cut)?;
        let parameter = (discipline, octets.u8(10).ok_or_else(cut)?, octets.u8(11).ok_or_else(cut)?);
        // Octets behind the head that depend on the template: where the interval begins, and whether it is derived.
        let (interval_at, derived) = match template {
            0 | 1 | 15 => (None, false),
            2 => (None, false),
            8 | 50_008 => (Some(35), false),
            11 => (Some(38), false),
            12 => (Some(37), false),
            5 => (None, true),
            9 => (Some(48), true),
            other => {
                return Err(product_at(format!(
                    "product template {other} is not supported, expected 0, 1, 2, 5, 8, 9, 11, 12 or 15"
                )));
            }
        };
        let unit = octets.u8(18).ok_or_else(cut)?;
        let lead_s = octets.signed(19, 4).ok_or_else(cut).map(|count| seconds(unit, count))?;
        let lead_s = lead_s.ok_or_else(|| product_at("the forecast time is beyond 200 years or of an unknown unit".into()))?;
        let begins = reference_time + TimeDelta::seconds(lead_s);
        let level = (octets.u8(23).ok_or_else(cut)?, octets.scaled(24));
        let (valid_time, interval) = match interval_at {
            None => (begins, None),
            Some(at) => {
                let ends = moment(product.1, at).ok_or_else(|| product_at("the interval ends at no time that exists".into()))?;
                let statistic = octets.u8(at + 12).ok_or_else(cut)?;
                let seconds = (ends - begins).num_seconds();
                if !(0..=FURTHEST_S).contains(&seconds) {
                    return Err(product_at(format!("the interval lasts {seconds} s, expected at least 0")));
                }
                (ends, Some(Interval { statistic, seconds }))
            }
        };
        Ok(Self {
            message,
            byte,
            parameter,
            centre,
            reference_time,
            valid_time,
            interval,
            derived,
            forecast: matches!(octets.u8(12), Some(2 | 4)),
            level,
            layout,
            points,
        })
    }

    /// Pressure of the level, hPa, where it is one of constant pressure.
    pub fn level_hpa(&self) -> Option<f64> {
        (self.level.0 == 100).then_some(self.level.1?).map(|pa| pa / 100.0)
    }
}

fn grid_of(section: &[u8], limits: Limits) -> Result<(Layout, usize), String> {
    let octets = Octets(section);
    let points = octets.u32(7).ok_or("section 3 ends before the number of points")?;
    let most = limits.points();
    if u64::from(points) > most || points == 0 {
        return Err(format!("{points} points, expected 1 to {most} (`ingest.limits.points_million`)"));
    }
    let layout = Layout::read(section, points)?;
    Ok((layout, points as usize))
}

/// Year (two octets), month, day, hour, minute and second from `octet` on.
fn moment(section: &[u8], octet: usize) -> Option<DateTime<Utc>> {
    let octets = Octets(section);
    let date = NaiveDate::from_ymd_opt(
        i32::from(octets.u16(octet)?),
        u32::from(octets.u8(octet + 2)?),
        u32::from(octets.u8(octet + 3)?),
    )?;
    let time = |k| octets.u8(octet + k).map(u32::from);
    let moment = date.and_hms_opt(time(4)?, time(5)?, time(6)?)?.and_utc();
    (1800..=2200).contains(&i32::from(octets.u16(octet)?)).then_some(moment)
}

/// Seconds of `count` units of code table 4.4.
fn seconds(unit: u8, count: i64) -> Option<i64> {
    let unit_s = match unit {
        0 => 60,
        1 => 3600,
        2 => 86_400,
        10 => 3 * 3600,
        11 => 6 * 3600,
        12 => 12 * 3600,
        13 => 1,
        // Without a forecast time its unit does not matter.
        _ if count == 0 => 0,
        _ => return None,
    };
    count.checked_mul(unit_s).filter(|s| s.abs() <= FURTHEST_S)
}
