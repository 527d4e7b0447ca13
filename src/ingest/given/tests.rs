//! Forecasts as other programs write them: other names, other orders, other units.

use std::path::Path;

use chrono::{TimeZone, Utc};
use netcdf_writer::{NcAttrValue, NcFileBuilder, NcWriteFormat, NcWriteOptions};

use super::*;

/// Names and texts of attributes.
type About<'a> = &'a [(&'a str, &'a str)];
/// A coordinate along a dimension of its own.
type Coordinate<'a> = (&'a str, Vec<f64>, About<'a>);
/// A coordinate without a dimension.
type Scalar<'a> = (&'a str, f64, About<'a>);

/// A made file: coordinates and one variable, each with its attributes.
struct Made<'a> {
    dimensions: &'a [Coordinate<'a>],
    scalars: &'a [Scalar<'a>],
    name: &'a str,
    values: Vec<f64>,
    about: About<'a>,
}

impl Made<'_> {
    fn write(&self, path: &Path, format: NcWriteFormat) {
        let mut file = NcFileBuilder::new();
        let says = |file: &mut NcFileBuilder, id, about: &[(&str, &str)]| {
            for (name, text) in about {
                file.add_variable_attribute(id, *name, NcAttrValue::Chars((*text).to_owned()))
                    .unwrap();
            }
        };
        let mut along = Vec::new();
        for (name, values, about) in self.dimensions {
            let dimension = file.add_dimension(*name, values.len() as u64).unwrap();
            along.push(dimension);
            let id = file.add_variable::<f64>(*name, &[dimension]).unwrap();
            file.write_variable(id, values).unwrap();
            says(&mut file, id, about);
        }
        for (name, value, about) in self.scalars {
            let id = file.add_variable::<f64>(*name, &[]).unwrap();
            file.write_variable(id, &[*value]).unwrap();
            says(&mut file, id, about);
        }
        let id = file.add_variable::<f64>(self.name, &along).unwrap();
        file.write_variable(id, &self.values).unwrap();
        says(&mut file, id, self.about);
        std::fs::write(path, file.to_vec(NcWriteOptions { format }).unwrap().1).unwrap();
    }
}

const LAT: &[(&str, &str)] = &[("units", "degrees_north"), ("standard_name", "latitude")];
const LON: &[(&str, &str)] = &[("units", "degrees_east"), ("standard_name", "longitude")];
const HOURS: &[(&str, &str)] = &[("units", "hours"), ("standard_name", "forecast_period")];
const REFERENCE: &[(&str, &str)] = &[
    ("units", "hours since 2024-07-01 00:00:00"),
    ("standard_name", "forecast_reference_time"),
];

#[test]
fn members_behind_lead_times_and_rows_from_the_north_are_found() {
    // An ensemble of a model: [step, number, latitude, longitude], a flux, made at 12:00, 1 and 2 hours ahead.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.nc");
    let values: Vec<f64> = (0..2 * 3 * 2 * 2).map(|k| k as f64 / 3600.0).collect();
    let made = Made {
        dimensions: &[
            ("step", vec![1.0, 2.0], HOURS),
            ("number", vec![0.0, 1.0, 2.0], &[]),
            ("latitude", vec![51.0, 50.0], LAT),
            ("longitude", vec![10.0, 11.0], LON),
        ],
        scalars: &[("time", 12.0, REFERENCE)],
        name: "tprate",
        values,
        about: &[("units", "kg m-2 s-1"), ("standard_name", "precipitation_flux")],
    };
    for format in [NcWriteFormat::Classic, NcWriteFormat::Nc4] {
        made.write(&path, format);
        let given = Given::open(&path, &GivenConfig::default()).unwrap();
        assert_eq!(given.reference_time, Utc.with_ymd_and_hms(2024, 7, 1, 12, 0, 0).unwrap());
        assert_eq!(given.valid_times[1], Utc.with_ymd_and_hms(2024, 7, 1, 14, 0, 0).unwrap());
        assert_eq!((given.members, given.shape), (3, (2, 2)));
        // The second step, the third member: numbers 20 to 23, the northern row first.
        let rain = given.rain(1, 2).unwrap();
        assert_eq!(rain.mapv(f32::round), ndarray::array![[22.0, 23.0], [20.0, 21.0]]);
    }
}

#[test]
fn probabilities_in_percent_above_thresholds_in_metres_a_second_are_understood() {
    // 1 mm/h is 1 / 3 600 000 m/s.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("probability.nc");
    let made = Made {
        dimensions: &[
            ("threshold", vec![1.0 / 3.6e6, 5.0 / 3.6e6], &[("units", "m s-1")]),
            ("forecast_period", vec![1.0], HOURS),
            ("latitude", vec![50.0, 51.0], LAT),
            ("longitude", vec![10.0, 11.0], LON),
        ],
        scalars: &[("forecast_reference_time", 6.0, REFERENCE)],
        name: "probability_of_lwe_precipitation_rate_above_threshold",
        values: vec![80.0, 60.0, 40.0, 20.0, 8.0, 6.0, 4.0, 700.0],
        about: &[("units", "%")],
    };
    made.write(&path, NcWriteFormat::Nc4);
    let given = Given::open(&path, &GivenConfig::default()).unwrap();
    assert_eq!(given.members, 0);
    assert!((given.thresholds_mm_h[0] - 1.0).abs() < 1e-9 && (given.thresholds_mm_h[1] - 5.0).abs() < 1e-9);
    let high = given.probability(0, 1).unwrap();
    assert!((high[[0, 0]] - 0.08).abs() < 1e-6 && high[[1, 1]].is_nan());
}

#[test]
fn what_a_file_does_not_say_is_asked_for_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bare.nc");
    let dimensions = [
        (
            "time",
            vec![0.0, 300.0],
            &[("units", "seconds since 2024-07-01 12:00:00")] as &[(&str, &str)],
        ),
        ("latitude", vec![50.0, 51.0], LAT),
        ("longitude", vec![10.0, 11.0], LON),
    ];
    let made = |name, about| Made {
        dimensions: &dimensions,
        scalars: &[],
        name,
        values: vec![1.0; 8],
        about,
    };
    let rain: &[(&str, &str)] = &[("units", "mm h-1")];
    made("rainfall_rate", rain).write(&path, NcWriteFormat::Nc4);
    let open = |config: &GivenConfig| Given::open(&path, config);
    let message = open(&GivenConfig::default()).err().unwrap().to_string();
    assert!(
        message.contains("bare.nc") && message.contains("the key `reference_time`"),
        "{message}"
    );
    let mut config = GivenConfig {
        reference_time: Some(Utc.with_ymd_and_hms(2024, 7, 1, 11, 55, 0).unwrap()),
        ..GivenConfig::default()
    };
    assert_eq!(open(&config).unwrap().valid_times.len(), 2);
    made("water", rain).write(&path, NcWriteFormat::Nc4);
    let message = open(&config).err().unwrap().to_string();
    assert!(message.contains("rainfall_rate") && message.contains("water"), "{message}");
    config.variable = "water".to_owned();
    assert_eq!(open(&config).unwrap().members, 1);
    made("water", &[("units", "K")]).write(&path, NcWriteFormat::Nc4);
    let message = open(&config).err().unwrap().to_string();
    assert!(message.contains("units of water") && message.contains("K"), "{message}");
}

#[test]
fn a_finer_grid_is_averaged_and_a_coarser_one_interpolated() {
    let axis = |first, spacing, count| nowblend_field::Axis { first, spacing, count };
    let map = Grid::plane(2, 2, 1000.0).projection;
    let grid = |spacing: f64, count| {
        Grid::new(
            axis(0.5 * spacing, spacing, count),
            axis(0.5 * spacing, spacing, count),
            map.clone(),
        )
        .unwrap()
    };
    let (fine, coarse) = (grid(1000.0, 8), grid(4000.0, 2));
    // One wet cell of sixteen; the corner cell of another block missing: its other fifteen speak.
    let mut rain = Array2::zeros((8, 8));
    rain[[1, 1]] = 16.0;
    rain[[7, 7]] = f32::NAN;
    let brought = Place::find(&fine, &coarse).unwrap().bring(&rain);
    assert!((brought[[0, 0]] - 1.0).abs() < 1e-5 && brought[[1, 1]] == 0.0, "{brought}");
    let back = Place::find(&coarse, &fine).unwrap().bring(&ndarray::array![[0.0, 4.0], [0.0, 4.0]]);
    // Centres 2 and 6 km: at 3.5 km three eighths of the way.
    assert!((back[[4, 3]] - 1.5).abs() < 1e-3, "{back}");
    assert!(Place::find(&fine, &fine).is_none());
    let far = Grid::new(axis(1e6, 1000.0, 2), axis(1e6, 1000.0, 2), map.clone()).unwrap();
    assert!(Place::find(&fine, &far).unwrap().bring(&rain).iter().all(|r| r.is_nan()));
}

#[test]
fn damaged_numpy_files_are_refused_by_name() {
    use ndarray_npy::WriteNpyExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("theirs_20240701-1200.npy");
    let config = GivenConfig {
        lead_min: vec![5.0, 10.0],
        ..GivenConfig::default()
    };
    let mut bytes = Vec::new();
    ndarray::Array4::<f64>::zeros((3, 2, 4, 5)).write_npy(&mut bytes).unwrap();
    let open = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        Given::open(&path, &config)
    };
    assert_eq!(open(&bytes).unwrap().members, 3);
    for length in [6, 9, 40, 127, bytes.len() / 2, bytes.len() - 1] {
        let message = open(&bytes[..length]).err().unwrap().to_string();
        assert!(message.contains("theirs_20240701-1200.npy"), "{message}");
    }
    // A shape that claims terabytes is refused before anything of that size is made.
    let at = bytes.windows(12).position(|w| w == b"(3, 2, 4, 5)").unwrap();
    bytes[at..at + 12].copy_from_slice(b"(99999,9999)");
    assert!(open(&bytes).err().unwrap().to_string().contains("numbers in"));
}
