//! Observed rain as one CF NetCDF file, written frame by frame: the form in which events are kept for training and scoring.
//!
//! `rainfall_rate(time, y, x)` in steps of 0.01 mm h⁻¹, 65535 not observed, row 0 in the south, with the grid mapping `crs`.
//!
//! # Source
//!
//! Eaton, B. et al., 2023: NetCDF Climate and Forecast (CF) Metadata Conventions, version 1.11.

use std::path::Path;

use ndarray::ArrayView2;
use nowblend_field::{Grid, ValidTime};

use super::{
    Error, Packing, Provenance, cf,
    layout::{Element, Layout, Value, Values, Variable},
    netcdf::Netcdf,
    sink::Sink,
    writer::pack,
    zarr::Zarr,
};

/// Distance between neighbouring values, mm h⁻¹: a tenth of the least rain that radars tell from none.
const STEP_MM_H: f64 = 0.01;

/// What an event is, known before its first frame.
#[derive(Debug, Clone)]
pub struct EventHeader {
    /// What its rain is: observed, or simulated by what.
    pub what: String,
    /// Who observed or converted it.
    pub institution: String,
    /// Where the cells lie.
    pub grid: Grid,
}

/// An event being written; dropped before [`EventWriter::finish`] it leaves nothing.
#[derive(Debug)]
pub struct EventWriter {
    header: EventHeader,
    times: Vec<ValidTime>,
    sink: Box<dyn Sink>,
}

impl EventWriter {
    /// Starts an event of at most `frames` frames that will be called `path`: a Zarr folder where the name ends in `.zarr`, else a NetCDF file. An
    /// unwritable place is found here.
    ///
    /// # Errors
    ///
    /// [`Error::Write`].
    pub fn create(path: &Path, header: EventHeader, frames: usize) -> Result<Self, Error> {
        let layout = lay_out(&header, &vec![ValidTime::UNIX_EPOCH; frames], Vec::new());
        let sink: Box<dyn Sink> = if path.extension().is_some_and(|e| e == "zarr") {
            Box::new(Zarr::create(path, &layout)?)
        } else {
            Box::new(Netcdf::create(path, &layout)?)
        };
        Ok(Self {
            header,
            times: Vec::new(),
            sink,
        })
    }

    /// Stores one frame `[y, x]`, mm h⁻¹, NaN where it was not observed; from 0 to 655.34, rounded to the nearest 0.01.
    ///
    /// # Errors
    ///
    /// [`Error::Frame`] for a frame of another shape or not later than the one before; [`Error::Write`].
    pub fn push(&mut self, valid_time: ValidTime, rain: ArrayView2<'_, f32>) -> Result<(), Error> {
        let shape = self.header.grid.shape();
        if rain.dim() != shape {
            return Err(Error::Frame {
                valid_time,
                found: format!("shape {:?} [y, x]", rain.dim()),
                expected: format!("{shape:?}"),
            });
        }
        if let Some(last) = self.times.last().filter(|last| **last >= valid_time) {
            return Err(Error::Frame {
                valid_time,
                found: "no later time".into(),
                expected: format!("one after {last}"),
            });
        }
        let bytes = pack(rain, Packing::Steps { step: STEP_MM_H });
        self.sink.plane("rainfall_rate", &[self.times.len() as u64], &bytes)?;
        self.times.push(valid_time);
        Ok(())
    }

    /// Puts the file together and gives it its name.
    ///
    /// # Errors
    ///
    /// [`Error::Layout`], [`Error::Write`]; then nothing is left.
    pub fn finish(self, provenance: &Provenance) -> Result<(), Error> {
        let about = describe(&self.header, &self.times, provenance);
        self.sink.finish(&lay_out(&self.header, &self.times, about))
    }
}

/// Global attributes: what the file is and where it comes from.
fn describe(header: &EventHeader, times: &[ValidTime], from: &Provenance) -> Vec<(String, Value)> {
    let span = times.first().zip(times.last());
    let title = span.map_or_else(String::new, |(first, last)| {
        format!(
            "{}, {} to {}",
            header.what,
            first.format("%Y-%m-%dT%H:%M:%SZ"),
            last.format("%Y-%m-%dT%H:%M:%SZ")
        )
    });
    let attributes = [
        ("Conventions", "CF-1.11".to_owned()),
        ("title", title),
        ("institution", header.institution.clone()),
        ("source", "weather radar".to_owned()),
        ("history", format!("brought into this form by {}", from.program())),
        ("comment", "Row 0 is south. 65535 is not observed; 0 is observed dry.".to_owned()),
    ];
    cf::texts(attributes.into_iter().chain(cf::origin(from)))
}

/// All but the rain.
fn lay_out(header: &EventHeader, times: &[ValidTime], attributes: Vec<(String, Value)>) -> Layout {
    let grid = &header.grid;
    let (ny, nx) = grid.shape();
    let seconds = times.iter().map(|t| t.timestamp() as f64).collect();
    let time = Variable::new("time", &["time"], Values::F64(seconds)).texts(&[
        ("standard_name", "time"),
        ("long_name", "valid time"),
        ("units", "seconds since 1970-01-01 00:00:00"),
        ("calendar", "standard"),
        ("axis", "T"),
    ]);
    let axis = |name: &str, values: Vec<f64>, axis: &'static str| {
        Variable::new(name, &[name], Values::F64(values)).texts(&cf::coordinate(grid, axis))
    };
    let rain = Variable::new("rainfall_rate", &["time", "y", "x"], Values::Planes(Element::U16))
        .with("scale_factor", Value::Doubles(vec![STEP_MM_H]))
        .with("add_offset", Value::Doubles(vec![0.0]))
        .texts(&[
            ("standard_name", "rainfall_rate"),
            ("long_name", "rain rate at the surface"),
            ("units", "mm h-1"),
            ("grid_mapping", "crs"),
        ]);
    Layout {
        dimensions: vec![("time".to_owned(), times.len()), ("y".to_owned(), ny), ("x".to_owned(), nx)],
        attributes,
        variables: vec![
            time,
            axis("y", grid.y.centres(), "Y"),
            axis("x", grid.x.centres(), "X"),
            cf::map(grid),
            rain,
        ],
    }
}
