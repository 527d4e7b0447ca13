//! Coordinates of CF files: evenly spaced axes and times since a moment.

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use nowblend_field::{Axis, ValidTime};

/// An ascending axis of evenly spaced coordinates, and whether they fall in the file.
pub(in crate::ingest) fn axis(values: &[f64]) -> Option<(Axis, bool)> {
    let (first, last) = (*values.first()?, *values.last()?);
    let spacing = (last - first) / (values.len() as f64 - 1.0);
    let even = values
        .iter()
        .enumerate()
        .all(|(k, v)| (v - first - spacing * k as f64).abs() <= 0.01 * spacing.abs());
    let falls = spacing < 0.0;
    (values.len() > 1 && spacing != 0.0 && spacing.is_finite() && even).then(|| {
        (
            Axis {
                first: if falls { last } else { first },
                spacing: spacing.abs(),
                count: values.len(),
            },
            falls,
        )
    })
}

/// Times of `number unit since moment`, to the second.
pub(in crate::ingest) fn times(values: &[f64], units: Option<&str>) -> Option<Vec<ValidTime>> {
    let (unit, since) = units?.split_once(" since ")?;
    let seconds = match unit.trim() {
        "seconds" | "second" | "s" => 1.0,
        "minutes" | "minute" | "min" => 60.0,
        "hours" | "hour" | "h" => 3600.0,
        "days" | "day" | "d" => 86_400.0,
        _ => return None,
    };
    let since = since.trim().trim_end_matches("UTC").trim_end_matches('Z').trim().replace('T', " ");
    let since = since.trim_end_matches("+00:00").trim_end();
    let origin: DateTime<Utc> = NaiveDateTime::parse_from_str(since, "%Y-%m-%d %H:%M:%S%.f")
        .or_else(|_| NaiveDateTime::parse_from_str(since, "%Y-%m-%d %H:%M"))
        .ok()
        .or_else(|| NaiveDate::parse_from_str(since, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))?
        .and_utc();
    values
        .iter()
        .map(|v| {
            let whole = (v * seconds).round();
            (whole.abs() < 1e12)
                .then(|| origin.checked_add_signed(TimeDelta::seconds(whole as i64)))
                .flatten()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    #[test]
    fn times_are_counted_from_their_moment() {
        let expected = Utc.with_ymd_and_hms(2020, 1, 1, 1, 30, 0).unwrap();
        for (value, units) in [
            (5400.0, "seconds since 2020-01-01 00:00:00"),
            (5400.0, "seconds since 2020-01-01 00:00:00 UTC"),
            (90.0, "minutes since 2020-01-01T00:00:00Z"),
            (90.0, "minutes since 2020-01-01T00:00:00+00:00"),
            (1.5, "hours since 2020-01-01"),
        ] {
            assert_eq!(times(&[value], Some(units)).unwrap(), [expected], "{units}");
        }
        assert!(times(&[1.0], Some("fortnights since 2020-01-01")).is_none());
        assert!(times(&[f64::NAN], Some("hours since 2020-01-01")).is_none());
    }

    #[test]
    fn an_axis_that_falls_is_turned_and_an_uneven_one_refused() {
        let (axis, falls) = axis(&[3.0, 2.0, 1.0]).unwrap();
        assert!(
            falls
                && axis
                    == Axis {
                        first: 1.0,
                        spacing: 1.0,
                        count: 3
                    }
        );
        assert!(super::axis(&[1.0, 2.0, 4.0]).is_none() && super::axis(&[1.0]).is_none());
    }
}
