//! A global forecast as one CF NetCDF file with the names of the public reanalysis data, written step by step.
//!
//! `temperature(time, level, lat, lon)` and so on, row 0 in the south; what does not change is written once, without time.
//!
//! # Source
//!
//! Eaton, B. et al., 2023: NetCDF Climate and Forecast (CF) Metadata Conventions, version 1.11; names of the WeatherBench 2 and GraphCast data sets.

use std::path::Path;

use nowblend_field::{Atmosphere, LeadTime, ReferenceTime};

use super::{
    Error, Provenance, cf,
    layout::{Element, Layout, Values, Variable},
    netcdf::Netcdf,
    sink::Sink,
};

/// What a variable of the public reanalysis data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GlobalVariable {
    /// Its name there.
    pub name: &'static str,
    /// Its CF standard name.
    pub standard_name: &'static str,
    /// Its unit.
    pub units: &'static str,
}

/// The variables that are known.
pub const GLOBAL_VARIABLES: [GlobalVariable; 15] = [
    variable("2m_temperature", "air_temperature", "K"),
    variable("mean_sea_level_pressure", "air_pressure_at_mean_sea_level", "Pa"),
    variable("10m_u_component_of_wind", "eastward_wind", "m s-1"),
    variable("10m_v_component_of_wind", "northward_wind", "m s-1"),
    variable("total_precipitation_6hr", "lwe_thickness_of_precipitation_amount", "m"),
    variable("temperature", "air_temperature", "K"),
    variable("geopotential", "geopotential", "m2 s-2"),
    variable("u_component_of_wind", "eastward_wind", "m s-1"),
    variable("v_component_of_wind", "northward_wind", "m s-1"),
    variable("vertical_velocity", "lagrangian_tendency_of_air_pressure", "Pa s-1"),
    variable("specific_humidity", "specific_humidity", "kg kg-1"),
    variable("relative_humidity", "relative_humidity", "%"),
    variable("geopotential_at_surface", "surface_geopotential", "m2 s-2"),
    variable("land_sea_mask", "land_area_fraction", "1"),
    variable(
        "toa_incident_solar_radiation",
        "integral_wrt_time_of_toa_incoming_shortwave_flux",
        "J m-2",
    ),
];

const fn variable(name: &'static str, standard_name: &'static str, units: &'static str) -> GlobalVariable {
    GlobalVariable {
        name,
        standard_name,
        units,
    }
}

/// A global forecast being written; dropped before [`AtmosphereWriter::finish`] it leaves nothing.
#[derive(Debug)]
pub struct AtmosphereWriter {
    layout: Layout,
    variables: Vec<String>,
    steps: usize,
    written: usize,
    sink: Box<Netcdf>,
}

impl AtmosphereWriter {
    /// Starts a file that will be called `path`, of `steps` states `step` apart after `initial`, which vouches for grid, levels and shapes. Of the fields of
    /// each state, `variables` are written. An unwritable place is found here.
    ///
    /// # Errors
    ///
    /// [`Error::Write`], [`Error::Layout`].
    pub fn create(path: &Path, initial: &Atmosphere, variables: &[(String, usize)], step: LeadTime, steps: usize) -> Result<Self, Error> {
        let layout = lay_out(initial, variables, step, steps);
        Ok(Self {
            sink: Box::new(Netcdf::create(path, &layout)?),
            layout,
            variables: variables.iter().map(|(name, _)| name.clone()).collect(),
            steps,
            written: 0,
        })
    }

    /// Stores the next state.
    ///
    /// # Errors
    ///
    /// [`Error::Frame`] for a state too many, or one that lacks a variable or has it in another shape; [`Error::Write`].
    pub fn push(&mut self, state: &Atmosphere) -> Result<(), Error> {
        let refuse = |found: String, expected: String| Error::Frame {
            valid_time: state.valid_time,
            found,
            expected,
        };
        if self.written == self.steps {
            return Err(refuse("one more state".into(), format!("{} of them", self.steps)));
        }
        for name in &self.variables {
            let shape = self.shape(name);
            let field = state.fields.get(name).filter(|f| f.shape() == shape);
            let field = field.ok_or_else(|| {
                let found = state
                    .fields
                    .get(name)
                    .map_or_else(|| "nothing".to_owned(), |f| format!("shape {:?}", f.shape()));
                refuse(format!("{found} for `{name}`"), format!("{shape:?} [level, y, x]"))
            })?;
            let time = self.written as u64;
            for (level, plane) in field.outer_iter().enumerate() {
                let bytes: Vec<u8> = plane.iter().flat_map(|v| v.to_le_bytes()).collect();
                let index = [time, level as u64];
                let index = if field.dim().0 > 1 { index.as_slice() } else { &index[..1] };
                self.sink.plane(name, index, &bytes)?;
            }
        }
        self.written += 1;
        Ok(())
    }

    /// Puts the file together and gives it its name.
    ///
    /// # Errors
    ///
    /// [`Error::Layout`], [`Error::Write`]; then nothing is left.
    pub fn finish(mut self, from: &Provenance) -> Result<(), Error> {
        let attributes = [
            ("Conventions", "CF-1.11".to_owned()),
            ("title", "global forecast".to_owned()),
            ("institution", "unknown".to_owned()),
            ("source", from.program()),
            ("history", format!("made by {}", from.program())),
            ("comment", "Row 0 is south.".to_owned()),
        ];
        self.layout.attributes = cf::texts(attributes.into_iter().chain(cf::origin(from)));
        self.sink.finish(&self.layout)
    }

    /// Shape of a variable in a state.
    fn shape(&self, name: &str) -> [usize; 3] {
        let variable = self.layout.variables.iter().find(|v| v.name == name);
        let on_levels = variable.is_some_and(|v| v.dimensions.iter().any(|d| d == "level"));
        let levels = if on_levels { self.layout.length("level") } else { 1 };
        [levels, self.layout.length("lat"), self.layout.length("lon")]
    }
}

/// All but the fields, and the attributes that are known at the end.
fn lay_out(initial: &Atmosphere, variables: &[(String, usize)], step: LeadTime, steps: usize) -> Layout {
    let reference_time: ReferenceTime = initial.valid_time;
    let leads: Vec<i64> = (1..=steps as i64).map(|k| k * i64::from(step.seconds())).collect();
    let valid = leads.iter().map(|lead| reference_time.timestamp() + lead).collect();
    let globe = &initial.globe;
    let mut layout = Layout {
        dimensions: vec![
            ("time".to_owned(), steps),
            ("level".to_owned(), initial.levels_hpa.len().max(1)),
            ("lat".to_owned(), globe.shape().0),
            ("lon".to_owned(), globe.shape().1),
        ],
        attributes: Vec::new(),
        variables: Vec::new(),
    };
    let mut add = |variable: Variable, words: &[(&str, &str)]| layout.variables.push(variable.texts(words));
    let clock = [
        ("units", cf::EPOCH),
        ("calendar", "standard"),
        ("units_metadata", "leap_seconds: none"),
    ];
    add(
        Variable::new("time", &["time"], Values::I64(valid)).texts(&clock),
        &[("standard_name", "time"), ("long_name", "valid time"), ("axis", "T")],
    );
    add(
        Variable::new("forecast_reference_time", &[], Values::I64(vec![reference_time.timestamp()])).texts(&clock),
        &[
            ("standard_name", "forecast_reference_time"),
            ("long_name", "time of the newest analysis"),
        ],
    );
    add(
        Variable::new("forecast_period", &["time"], Values::I64(leads)),
        &[("standard_name", "forecast_period"), ("long_name", "lead time"), ("units", "s")],
    );
    if !initial.levels_hpa.is_empty() {
        add(
            Variable::new("level", &["level"], Values::F64(initial.levels_hpa.to_vec())),
            &[
                ("standard_name", "air_pressure"),
                ("units", "hPa"),
                ("positive", "down"),
                ("axis", "Z"),
            ],
        );
    }
    add(
        Variable::new("lat", &["lat"], Values::F64(globe.latitudes().to_vec())),
        &[("standard_name", "latitude"), ("units", "degrees_north"), ("axis", "Y")],
    );
    add(
        Variable::new("lon", &["lon"], Values::F64(globe.longitudes().to_vec())),
        &[("standard_name", "longitude"), ("units", "degrees_east"), ("axis", "X")],
    );
    for (name, levels) in variables {
        let dimensions: &[&str] = if *levels > 1 {
            &["time", "level", "lat", "lon"]
        } else {
            &["time", "lat", "lon"]
        };
        let mut variable = Variable::new(name, dimensions, Values::Planes(Element::F32));
        if let Some(known) = GLOBAL_VARIABLES.iter().find(|v| v.name == name) {
            variable = variable.texts(&[("standard_name", known.standard_name), ("units", known.units)]);
        }
        layout.variables.push(variable.texts(&[("long_name", &name.replace('_', " "))]));
    }
    layout
}
