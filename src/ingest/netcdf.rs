//! CF NetCDF radar files: rain over time, y and x, with a grid mapping.

use std::path::Path;

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use ndarray::{Array3, Axis as Dimension, Ix3};
use netcdf_reader::{NcFile, NcOpenOptions};
use nowblend_field::{Axis, Grid, Projection, Sequence, ValidTime, units};

use super::Error;

/// Names under which rain is looked for, after its standard name.
const RAIN_NAMES: [&str; 4] = ["rainfall_rate", "precipitation_rate", "rain_rate", "precipitation"];
/// Largest file that is read, bytes.
const FILE_MAX: u64 = 4 << 30;
/// Largest array that is decoded, bytes.
const READ_MAX: usize = 4 << 30;
/// Largest chunk that is decoded, bytes.
const CHUNK_MAX: usize = 1 << 30;
/// Largest object header that is read, bytes.
const HEADER_MAX: usize = 1 << 20;
/// Rain above this has no meaning and counts as not observed, mm h⁻¹.
const ABSURD_MM_H: f32 = 2000.0;

/// All frames of a file: rain in mm h⁻¹, row 0 in the south, NaN where it was not observed; and how many values were absurd.
///
/// # Errors
///
/// [`Error::Read`] for a file that cannot be read or decoded, [`Error::Content`] where rain, times, coordinates or the grid mapping
/// are missing or have no meaning.
pub fn read(path: &Path) -> Result<(Sequence, usize), Error> {
    let told = |reason: String| Error::Read {
        path: path.to_owned(),
        reason,
    };
    let content = |field: &str, found: String, expected: &str| Error::Content {
        path: path.to_owned(),
        field: field.to_owned(),
        found,
        expected: expected.to_owned(),
    };
    let bytes = std::fs::metadata(path).map_err(|e| told(e.to_string()))?.len();
    if bytes > FILE_MAX {
        return Err(content("file", format!("{bytes} bytes"), &format!("at most {FILE_MAX}")));
    }
    let options = NcOpenOptions {
        max_read_bytes: READ_MAX,
        max_chunk_bytes: CHUNK_MAX,
        max_object_header_bytes: HEADER_MAX,
        ..Default::default()
    };
    let bytes = std::fs::read(path).map_err(|e| told(e.to_string()))?;
    let file = NcFile::from_bytes_with_options(&bytes, options).map_err(|e| told(e.to_string()))?;
    let text =
        |variable: &str, attribute: &str| -> Option<String> { file.variable(variable).ok()?.attribute(attribute)?.value.as_string() };

    let names: Vec<String> = file
        .variables()
        .map_err(|e| told(e.to_string()))?
        .iter()
        .map(|v| v.name().to_owned())
        .collect();
    let rain_name = names
        .iter()
        .find(|n| text(n, "standard_name").is_some_and(|s| s == "rainfall_rate" || s == "lwe_precipitation_rate"))
        .or_else(|| names.iter().find(|n| RAIN_NAMES.contains(&n.as_str())))
        .ok_or_else(|| content("variables", names.join(", "), "one with the standard name `rainfall_rate`"))?;

    let values = |name: &str| -> Result<Vec<f64>, Error> {
        file.read_variable_as_f64(name)
            .map(|a| a.iter().copied().collect())
            .map_err(|e| content(name, e.to_string(), "a coordinate that can be read"))
    };
    let times = times(&values("time")?, text("time", "units").as_deref()).ok_or_else(|| {
        content(
            "time",
            text("time", "units").unwrap_or_default(),
            "units such as `seconds since 1970-01-01 00:00:00`",
        )
    })?;
    let (y, y_falls) = axis(&values("y")?).ok_or_else(|| content("y", "uneven or too few values".into(), "evenly spaced coordinates"))?;
    let (x, x_falls) = axis(&values("x")?).ok_or_else(|| content("x", "uneven or too few values".into(), "evenly spaced coordinates"))?;
    let mapping = text(rain_name, "grid_mapping").unwrap_or_else(|| "crs".into());
    let definition =
        text(&mapping, "proj4").ok_or_else(|| content(&mapping, "no attribute `proj4`".into(), "a grid mapping with a PROJ definition"))?;
    let field = |source| Error::Field {
        path: path.to_owned(),
        source,
    };
    let grid = Grid::new(y, x, Projection::parse(&definition).map_err(field)?).map_err(field)?;

    let factor = match text(rain_name, "units").as_deref() {
        Some("mm h-1" | "mm/h" | "mm hr-1" | "mm/hr") => 1.0,
        Some("kg m-2 s-1" | "mm s-1") => units::rate_of_flux(1.0),
        Some("m s-1") => 1000.0 * units::rate_of_flux(1.0),
        other => {
            return Err(content(
                &format!("units of {rain_name}"),
                other.unwrap_or("none").into(),
                "mm h-1, kg m-2 s-1 or m s-1",
            ));
        }
    };
    let raw = file
        .read_variable_unpacked_masked(rain_name)
        .map_err(|e| told(format!("{rain_name}: {e}")))?;
    let shape = raw.shape().to_vec();
    let expected = [times.len(), grid.y.count, grid.x.count];
    let raw = raw.into_dimensionality::<Ix3>().ok().filter(|r| r.shape() == expected);
    let raw = raw.ok_or_else(|| content(rain_name, format!("shape {shape:?}"), &format!("{expected:?} [time, y, x]")))?;
    let mut absurd = 0;
    let mut rain: Array3<f32> = raw.mapv(|r| {
        let rate = (r * factor) as f32;
        let fine = rate.is_nan() || (0.0..=ABSURD_MM_H).contains(&rate);
        absurd += usize::from(!fine);
        if fine { rate } else { f32::NAN }
    });
    if y_falls {
        rain.invert_axis(Dimension(1));
    }
    if x_falls {
        rain.invert_axis(Dimension(2));
    }
    Ok((Sequence::new(grid, times, rain).map_err(field)?, absurd))
}

/// An ascending axis of evenly spaced coordinates, and whether they fall in the file.
fn axis(values: &[f64]) -> Option<(Axis, bool)> {
    let (first, last) = (*values.first()?, *values.last()?);
    let spacing = (last - first) / (values.len() as f64 - 1.0);
    let even = values
        .iter()
        .enumerate()
        .all(|(k, v)| (v - first - spacing * k as f64).abs() <= 0.01 * spacing.abs());
    let falls = spacing < 0.0;
    (values.len() > 1 && spacing != 0.0 && even).then(|| {
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

/// Times of `number unit since moment`.
fn times(values: &[f64], units: Option<&str>) -> Option<Vec<ValidTime>> {
    let (unit, since) = units?.split_once(" since ")?;
    let seconds = match unit.trim() {
        "seconds" | "second" | "s" => 1.0,
        "minutes" | "minute" | "min" => 60.0,
        "hours" | "hour" | "h" => 3600.0,
        "days" | "day" | "d" => 86_400.0,
        _ => return None,
    };
    let since = since.trim().trim_end_matches("UTC").trim_end_matches('Z').trim().replace('T', " ");
    let origin: DateTime<Utc> = NaiveDateTime::parse_from_str(&since, "%Y-%m-%d %H:%M:%S%.f")
        .or_else(|_| NaiveDateTime::parse_from_str(&since, "%Y-%m-%d %H:%M"))
        .ok()
        .or_else(|| NaiveDate::parse_from_str(&since, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))?
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
            (90.0, "minutes since 2020-01-01T00:00:00Z"),
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
