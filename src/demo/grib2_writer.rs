//! Writes a radar-like GRIB2 message: a field of rain on a longitude-latitude grid, north row first, as radar networks send it.
//!
//! Discipline 209, category 6, number 1 in the local tables of centre 161 is a precipitation rate in mm/h; a cell without coverage holds -3.

use std::borrow::Cow;

use chrono::{DateTime, Datelike, Timelike, Utc};
use grib::{
    def::grib2::{
        GridDefinitionTemplate, ProductDefinitionTemplate, Section1Payload, Section3Payload, Section4Payload,
        template::{Template3_0, Template4_0, param_set},
    },
    encoder::{EncodingMethod, GpvEncoder, SimplePackingStrategy, SingleGrib2Message, WriteGrib2Message},
};
use ndarray::ArrayView2;

/// What a cell without coverage holds.
pub(super) const NO_COVERAGE: f64 = -3.0;
/// Decimal places kept: rain in tenths of mm h⁻¹.
const DECIMALS: i16 = 1;

/// A longitude-latitude grid in whole millionths of a degree, as the format keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GridInMicrodegrees {
    /// Latitude of the southernmost row.
    pub south: i32,
    /// Longitude of the westernmost column, negative in the west.
    pub west: i32,
    /// Distance of rows.
    pub row_spacing: u32,
    /// Distance of columns.
    pub column_spacing: u32,
    /// Rows.
    pub rows: u32,
    /// Columns.
    pub columns: u32,
}

/// One GRIB2 message of `rain` `[y, x]` in mm h⁻¹, row 0 south, NaN where there is no coverage, to a tenth of mm h⁻¹; `remark` goes into the
/// section for local use.
///
/// # Errors
///
/// What the encoder says.
pub(super) fn message(
    rain: ArrayView2<'_, f32>,
    grid: &GridInMicrodegrees,
    valid_time: DateTime<Utc>,
    remark: &str,
) -> Result<Vec<u8>, &'static str> {
    if rain.dim() != (grid.rows as usize, grid.columns as usize) {
        return Err("rain does not have the shape of its grid");
    }
    // Rounded here, so that what is packed is a whole number of tenths however the encoder rounds.
    let tenths = |r: f32| {
        if r.is_nan() {
            NO_COVERAGE
        } else {
            (f64::from(r) * 10.0).round() / 10.0
        }
    };
    let values: Vec<f64> = rain
        .rows()
        .into_iter()
        .rev()
        .flat_map(|row| row.into_iter().map(|r| tenths(*r)))
        .collect();
    let encoder = GpvEncoder::new(
        Cow::Owned(values),
        EncodingMethod::SimplePacking(SimplePackingStrategy::Decimal(DECIMALS)),
    );
    let local: &[u8] = remark.as_bytes();
    let message = SingleGrib2Message::new(
        209,
        identification(valid_time),
        Some(local),
        grid_definition(grid),
        product(),
        encoder,
    );
    let mut bytes = vec![0; message.num_octets()];
    message.write(&mut bytes)?;
    Ok(bytes)
}

fn identification(valid_time: DateTime<Utc>) -> Section1Payload {
    Section1Payload {
        centre_id: 161,
        subcentre_id: 0,
        master_table_version: 29,
        local_table_version: 1,
        // An observation time; a test product; radar data.
        ref_time_significance: 3,
        ref_time: param_set::DateTime {
            year: valid_time.year().clamp(0, i32::from(u16::MAX)) as u16,
            month: valid_time.month() as u8,
            day: valid_time.day() as u8,
            hour: valid_time.hour() as u8,
            minute: valid_time.minute() as u8,
            second: valid_time.second() as u8,
        },
        prod_status: 1,
        data_type: 7,
        optional: None,
    }
}

fn grid_definition(grid: &GridInMicrodegrees) -> Section3Payload {
    let absent = || param_set::ScaledValue {
        scale_factor: 0xff,
        scaled_value: 0xffff_ffff,
    };
    let last = |first: i32, spacing: u32, count: u32| first + (spacing * (count - 1)) as i32;
    let eastern = |longitude: i32| {
        if longitude < 0 {
            (longitude + 360_000_000) as u32
        } else {
            longitude as u32
        }
    };
    Section3Payload {
        grid_def_source: 0,
        num_points: grid.rows * grid.columns,
        num_point_list_octets: 0,
        point_list_interpretation: 0,
        template_num: 0,
        template: GridDefinitionTemplate::_3_0(Template3_0 {
            // A sphere of radius 6,371,229 m.
            earth: param_set::EarthShape {
                shape: 6,
                spherical_earth_radius: absent(),
                major_axis: absent(),
                minor_axis: absent(),
            },
            lat_lon: param_set::LatLonGrid {
                grid: param_set::Grid {
                    ni: grid.columns,
                    nj: grid.rows,
                    initial_production_domain_basic_angle: 0,
                    basic_angle_subdivisions: 0xffff_ffff,
                    first_point_lat: last(grid.south, grid.row_spacing, grid.rows),
                    first_point_lon: eastern(grid.west),
                    resolution_and_component_flags: param_set::ResolutionAndComponentFlags(0b0011_0000),
                    last_point_lat: grid.south,
                    last_point_lon: eastern(last(grid.west, grid.column_spacing, grid.columns)),
                },
                i_direction_inc: grid.column_spacing,
                j_direction_inc: grid.row_spacing,
                // Rows from west to east, the northernmost first.
                scanning_mode: param_set::ScanningMode(0),
            },
        }),
    }
}

fn product() -> Section4Payload {
    let surface = |surface_type: u8, scale_factor: i8, scaled_value: i32| param_set::FixedSurface {
        surface_type,
        value: param_set::ScaledValue {
            scale_factor,
            scaled_value,
        },
    };
    Section4Payload {
        num_coord_values: 0,
        template_num: 0,
        template: ProductDefinitionTemplate::_4_0(Template4_0 {
            param: param_set::ProductParam { category: 6, num: 1 },
            // An observation (code table 4.3).
            generating_process: param_set::GeneratingProcess {
                process_type: 8,
                background_process: 0,
                process_id: 255,
            },
            forecast_time: param_set::ForecastTime {
                cutoff_hours: 0,
                cutoff_minutes: 0,
                time: param_set::TimeRange { unit: 0, len: 0 },
            },
            // At mean sea level; no second surface, whose numbers are all ones: -127 and -2147483647 in sign and magnitude.
            horizontal: param_set::Horizontal {
                first_surface: surface(102, 0, 0),
                second_surface: surface(255, -127, -2_147_483_647),
            },
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use chrono::TimeZone;
    use grib::LatLons as _;
    use ndarray::{Array2, array};

    use super::*;

    const GRID: GridInMicrodegrees = GridInMicrodegrees {
        south: 38_000_000,
        west: -98_000_000,
        row_spacing: 14_000,
        column_spacing: 18_000,
        rows: 2,
        columns: 3,
    };

    /// Values in file order, latitudes and longitudes as the reader gives them, and the discipline.
    fn read(bytes: &[u8]) -> (Vec<f32>, Vec<(f64, f64)>, u8) {
        let file = grib::from_reader(Cursor::new(bytes)).unwrap();
        let (_, field) = file.iter().next().unwrap();
        let places = field.latlons().unwrap().collect();
        let discipline = field.indicator().discipline;
        (
            grib::Grib2SubmessageDecoder::from(field).unwrap().dispatch().unwrap().collect(),
            places,
            discipline,
        )
    }

    fn time() -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2024, 7, 1, 15, 5, 0).unwrap()
    }

    #[test]
    fn what_is_written_reads_back_north_first_to_a_tenth() {
        let rain = array![[0.0, 12.34, f32::NAN], [0.1, 99.96, 3.0]];
        let (values, places, discipline) = read(&message(rain.view(), &GRID, time(), "a test").unwrap());
        let expected = [0.1, 100.0, 3.0, 0.0, 12.3, -3.0];
        assert!(values.iter().zip(expected).all(|(v, e)| (v - e).abs() < 1e-5), "{values:?}");
        assert_eq!(discipline, 209);
        assert_eq!(places.len(), 6);
        let near =
            |place: (f64, f64), latitude: f64, longitude: f64| (place.0 - latitude).abs() < 1e-4 && (place.1 - longitude).abs() < 1e-4;
        assert!(near(places[0], 38.014, -98.0), "{:?}", places[0]);
        assert!(near(places[5], 38.0, -97.964), "{:?}", places[5]);
    }

    #[test]
    fn a_field_without_any_rain_or_any_coverage_is_written_too() {
        for (value, expected) in [(0.0, 0.0), (f32::NAN, -3.0)] {
            let (values, _, _) = read(&message(Array2::from_elem((2, 3), value).view(), &GRID, time(), "").unwrap());
            assert_eq!(values, [expected; 6]);
        }
    }

    #[test]
    fn a_field_of_another_shape_is_refused() {
        assert!(message(Array2::zeros((3, 3)).view(), &GRID, time(), "").is_err());
    }
}
