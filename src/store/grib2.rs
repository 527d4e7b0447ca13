//! A stored forecast as GRIB2: rain in the form that models and their tools exchange, a message for each lead time and member.
//!
//! Probabilities and amounts stay in NetCDF: readers lose the threshold of probability messages.
//!
//! # Source
//!
//! WMO Manual on Codes, volume I.2, FM 92 GRIB edition 2: grid templates 3.0, 3.20, 3.30; product templates 4.0 and 4.1; parameter
//! 0-1-52 (total precipitation rate, kg m⁻² s⁻¹), code tables 1.2, 1.4, 3.2, 4.3, 4.4, 4.6.

use std::{borrow::Cow, io, io::Write as _, path::Path};

use chrono::{Datelike, Timelike};
use grib::{
    def::grib2::{
        GridDefinitionTemplate, ProductDefinitionTemplate, Section1Payload, Section3Payload, Section4Payload,
        template::{Template3_0, Template3_20, Template3_30, Template4_0, Template4_1, param_set},
    },
    encoder::{EncodingMethod, GpvEncoder, SimplePackingStrategy, SingleGrib2Message, WriteGrib2Message},
};
use ndarray::ArrayView2;
use nowblend_field::{Grid, LeadTime, Notice};

use super::{
    Along, Aside, Error, Header, Product, Target,
    wkt::{Words, ellipsoid},
};

/// Decimal places of a rate in kg m⁻² s⁻¹: steps of 0.0036 mm h⁻¹.
const DECIMALS: i16 = 6;
/// Rows from west to east, the southernmost first (flag table 3.4).
const SOUTH_FIRST: u8 = 0b0100_0000;
/// A resolution that holds for both increments (flag table 3.3).
const INCREMENTS_GIVEN: u8 = 0b0011_0000;

/// A GRIB2 file being written aside.
pub struct Grib2 {
    aside: Aside,
    header: Header,
    ensemble: bool,
}

impl Grib2 {
    /// A file that will be called `path`.
    ///
    /// # Errors
    ///
    /// [`Error::Write`]; [`Error::Unsupported`] for a grid that has no template here, and for more than 255 members.
    pub fn create(path: &Path, header: Header) -> Result<Self, Error> {
        grid_definition(&header.grid)?;
        if header.members > usize::from(u8::MAX) {
            return Err(Error::Unsupported {
                format: "GRIB2",
                found: format!("{} members", header.members),
                expected: "at most 255",
            });
        }
        let ensemble = header.products.iter().any(|p| p.along == Along::Members);
        let aside = Aside::create(path)?;
        Ok(Self { aside, header, ensemble })
    }
}

impl Target for Grib2 {
    fn take(&mut self, lead_time: LeadTime, product: &Product, layer: usize, field: ArrayView2<'_, f32>) -> Result<(), Error> {
        let wanted = match self.ensemble {
            true => product.along == Along::Members,
            false => product.name == Product::rainfall_rate().name,
        };
        if !wanted {
            return Ok(());
        }
        let member = self.ensemble.then_some(layer);
        let told = |e: &str| Error::write(self.aside.path(), io::Error::other(e.to_owned()));
        let bytes = message(&self.header, lead_time, member, field)?.map_err(told)?;
        let path = self.aside.path().to_owned();
        self.aside.file().write_all(&bytes).map_err(|e| Error::write(path, e))
    }

    fn finish(self: Box<Self>, _: Vec<Notice>, _: String) -> Result<(), Error> {
        self.aside.commit()
    }
}

fn message(
    header: &Header,
    lead_time: LeadTime,
    member: Option<usize>,
    field: ArrayView2<'_, f32>,
) -> Result<Result<Vec<u8>, &'static str>, Error> {
    // Rounded here, so that what is packed is a whole number of steps however the encoder rounds.
    let step = 10f64.powi(i32::from(DECIMALS));
    let values: Vec<f64> = field.iter().map(|r| (f64::from(*r) / 3600.0 * step).round() / step).collect();
    let encoder = GpvEncoder::new(
        Cow::Owned(values),
        EncodingMethod::SimplePacking(SimplePackingStrategy::Decimal(DECIMALS)),
    );
    let origin = header.provenance.program();
    let local: &[u8] = origin.as_bytes();
    let message = SingleGrib2Message::new(
        0,
        identification(header, member.is_some()),
        Some(local),
        grid_definition(&header.grid)?,
        product(header, lead_time, member),
        encoder,
    );
    let mut bytes = vec![0; message.num_octets()];
    Ok(message.write(&mut bytes).map(|_| bytes))
}

fn identification(header: &Header, ensemble: bool) -> Section1Payload {
    let time = header.reference_time;
    Section1Payload {
        centre_id: 255,
        subcentre_id: 0,
        master_table_version: 29,
        local_table_version: 0,
        // The start of a forecast; an operational test product; forecast, or perturbed forecast.
        ref_time_significance: 1,
        ref_time: param_set::DateTime {
            year: time.year().clamp(0, i32::from(u16::MAX)) as u16,
            month: time.month() as u8,
            day: time.day() as u8,
            hour: time.hour() as u8,
            minute: time.minute() as u8,
            second: time.second() as u8,
        },
        prod_status: 1,
        data_type: if ensemble { 4 } else { 1 },
        optional: None,
    }
}

fn product(header: &Header, lead_time: LeadTime, member: Option<usize>) -> Section4Payload {
    let surface = |surface_type: u8, scale_factor: i8, scaled_value: i32| param_set::FixedSurface {
        surface_type,
        value: param_set::ScaledValue {
            scale_factor,
            scaled_value,
        },
    };
    let param = param_set::ProductParam { category: 1, num: 52 };
    let generating_process = param_set::GeneratingProcess {
        process_type: if member.is_some() { 4 } else { 2 },
        background_process: 0,
        process_id: 255,
    };
    // In minutes; in seconds where they are no whole minutes.
    let whole = lead_time.seconds().is_multiple_of(60);
    let time = param_set::TimeRange {
        unit: if whole { 0 } else { 13 },
        len: (if whole { lead_time.seconds() / 60 } else { lead_time.seconds() }) as i32,
    };
    let forecast_time = param_set::ForecastTime {
        cutoff_hours: 0,
        cutoff_minutes: 0,
        time,
    };
    // On the ground; no second surface, whose numbers are all ones: -127 and -2147483647 in sign and magnitude.
    let horizontal = param_set::Horizontal {
        first_surface: surface(1, 0, 0),
        second_surface: surface(255, -127, -2_147_483_647),
    };
    let (template_num, template) = match member {
        None => (
            0,
            ProductDefinitionTemplate::_4_0(Template4_0 {
                param,
                generating_process,
                forecast_time,
                horizontal,
            }),
        ),
        Some(member) => (
            1,
            ProductDefinitionTemplate::_4_1(Template4_1 {
                param,
                generating_process,
                forecast_time,
                horizontal,
                emsemble_forecast: param_set::EnsembleForecast {
                    // Positively perturbed: no member is a control.
                    ensemble_forecast_type: 3,
                    perturbation_num: member as u8,
                    num_forecasts: header.members as u8,
                },
            }),
        ),
    };
    Section4Payload {
        num_coord_values: 0,
        template_num,
        template,
    }
}

/// Section 3 of a grid.
fn grid_definition(grid: &Grid) -> Result<Section3Payload, Error> {
    let unsupported = || Error::Unsupported {
        format: "GRIB2",
        found: grid.projection.to_string(),
        expected: "longitude and latitude, polar stereographic or Lambert conformal",
    };
    let words = Words::of(grid.projection.definition());
    let number = |key, default| words.number(key).unwrap_or(default);
    let (rows, columns) = grid.shape();
    let (ni, nj) = (columns as u32, rows as u32);
    let micro = |degrees: f64| (degrees * 1e6).round() as i32;
    let eastern = |degrees: f64| (degrees.rem_euclid(360.0) * 1e6).round() as u32;
    let first = grid.lon_lat(0.0, 0.0).map_err(|_| unsupported())?;
    let scanning_mode = || param_set::ScanningMode(SOUTH_FIRST);
    let resolution_and_component_flags = || param_set::ResolutionAndComponentFlags(INCREMENTS_GIVEN);
    let pole = |lat: f64| param_set::ProjectionCentreFlag(if lat < 0.0 { 0x80 } else { 0 });
    let millimetres = |spacing: f64| (spacing * 1000.0).round() as u32;
    let earth_shape = earth(&words).ok_or_else(unsupported)?;
    // A false origin, or metres of another length, does not matter: points are placed by the first one and its distances.
    let plain = words.text("units").is_none_or(|u| u == "m") && words.text("to_meter").is_none();
    let kind = if grid.projection.is_geographic() {
        "longlat"
    } else {
        words.text("proj").unwrap_or_default()
    };
    let (template_num, template) = match kind {
        "longlat" => {
            let last = grid.lon_lat((rows - 1) as f64, (columns - 1) as f64).map_err(|_| unsupported())?;
            let template = Template3_0 {
                earth: earth_shape,
                lat_lon: param_set::LatLonGrid {
                    grid: param_set::Grid {
                        ni,
                        nj,
                        initial_production_domain_basic_angle: 0,
                        basic_angle_subdivisions: 0xffff_ffff,
                        first_point_lat: micro(first.1),
                        first_point_lon: eastern(first.0),
                        resolution_and_component_flags: resolution_and_component_flags(),
                        last_point_lat: micro(last.1),
                        last_point_lon: eastern(last.0),
                    },
                    i_direction_inc: micro(grid.x.spacing) as u32,
                    j_direction_inc: micro(grid.y.spacing) as u32,
                    scanning_mode: scanning_mode(),
                },
            };
            (0, GridDefinitionTemplate::_3_0(template))
        }
        "stere" if plain && number("lat_0", 0.0).abs() == 90.0 => {
            let lat_0 = number("lat_0", 0.0);
            let lad = match (words.number("lat_ts"), words.number("k_0").or(words.number("k"))) {
                (Some(latitude), _) => latitude,
                (None, None) => lat_0,
                (None, Some(1.0)) => lat_0,
                (None, Some(_)) => return Err(unsupported()),
            };
            let template = Template3_20 {
                earth_shape,
                ni,
                nj,
                first_point_lat: micro(first.1),
                first_point_lon: eastern(first.0),
                resolution_and_component_flags: resolution_and_component_flags(),
                lad: micro(lad),
                lov: eastern(number("lon_0", 0.0)) as i32,
                dx: millimetres(grid.x.spacing),
                dy: millimetres(grid.y.spacing),
                projection_centre: pole(lat_0),
                scanning_mode: scanning_mode(),
            };
            (20, GridDefinitionTemplate::_3_20(template))
        }
        "lcc" if plain => {
            let latin1 = number("lat_1", number("lat_0", 0.0));
            let template = Template3_30 {
                earth_shape,
                ni,
                nj,
                first_point_lat: micro(first.1),
                first_point_lon: eastern(first.0),
                resolution_and_component_flags: resolution_and_component_flags(),
                lad: micro(number("lat_0", latin1)),
                lov: eastern(number("lon_0", 0.0)),
                dx: millimetres(grid.x.spacing),
                dy: millimetres(grid.y.spacing),
                projection_centre: pole(latin1),
                scanning_mode: scanning_mode(),
                latin1: micro(latin1),
                latin2: micro(number("lat_2", latin1)),
                south_pole_lat: micro(-90.0),
                south_pole_lon: 0,
            };
            (30, GridDefinitionTemplate::_3_30(template))
        }
        _ => return Err(unsupported()),
    };
    Ok(Section3Payload {
        grid_def_source: 0,
        num_points: ni * nj,
        num_point_list_octets: 0,
        point_list_interpretation: 0,
        template_num,
        template,
    })
}

/// The Earth, code table 3.2.
fn earth(words: &Words<'_>) -> Option<param_set::EarthShape> {
    let (label, axis, flattening) = ellipsoid(words)?;
    let absent = || param_set::ScaledValue {
        scale_factor: 0xff,
        scaled_value: 0xffff_ffff,
    };
    let centimetres = |metres: f64| param_set::ScaledValue {
        scale_factor: 2,
        scaled_value: (metres * 100.0).round() as u32,
    };
    let (shape, radius, major, minor) = match (label, flattening) {
        ("WGS 84", _) => (5, absent(), absent(), absent()),
        ("GRS 1980", _) => (4, absent(), absent(), absent()),
        (_, 0.0) => (1, centimetres(axis), absent(), absent()),
        (_, inverse) => (7, absent(), centimetres(axis), centimetres(axis - axis / inverse)),
    };
    Some(param_set::EarthShape {
        shape,
        spherical_earth_radius: radius,
        major_axis: major,
        minor_axis: minor,
    })
}
