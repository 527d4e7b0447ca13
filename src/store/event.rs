//! Observed rain as one CF NetCDF file, written frame by frame: the form in which events are kept for training and scoring.
//!
//! `rainfall_rate(time, y, x)` in steps of 0.01 mm h⁻¹, 65535 not observed, row 0 in the south, with the grid mapping `crs`.
//!
//! # Source
//!
//! Eaton, B. et al., 2023: NetCDF Climate and Forecast (CF) Metadata Conventions, version 1.11.

use std::path::Path;

use ndarray::ArrayView2;
use netcdf_writer::{Error as NcError, NcAttrValue, NcFileBuilder, NcWriteFormat, NcWriteOptions};
use nowblend_field::{Grid, ValidTime};

use super::{
    Aside, Error, Packing, Provenance, cf,
    chunks::{LEVEL, Spool, Tiled, assemble},
    whole::{folder, root_of},
    writer::pack,
};

/// Distance between neighbouring values, mm h⁻¹: a tenth of the least rain that radars tell from none.
const STEP_MM_H: f64 = 0.01;

/// What an event is, known before its first frame.
#[derive(Debug, Clone)]
pub struct EventHeader {
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
    aside: Aside,
    spool: Spool,
    rain: Tiled,
}

impl EventWriter {
    /// Starts an event that will be called `path`; an unwritable place is found here.
    ///
    /// # Errors
    ///
    /// [`Error::Write`].
    pub fn create(path: &Path, header: EventHeader) -> Result<Self, Error> {
        let aside = Aside::create(path)?;
        let file = tempfile::tempfile_in(folder(path)).map_err(|e| Error::write(path, root_of(e)))?;
        Ok(Self {
            header,
            times: Vec::new(),
            aside,
            spool: Spool::new(file),
            rain: Tiled::new("rainfall_rate", 1, u16::MAX.to_le_bytes().to_vec()),
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
        self.rain
            .push(&mut self.spool, &[self.times.len() as u64], shape, &bytes)
            .map_err(|e| Error::write(self.aside.path(), e))?;
        self.times.push(valid_time);
        Ok(())
    }

    /// Puts the file together and gives it its name.
    ///
    /// # Errors
    ///
    /// [`Error::Layout`], [`Error::Write`]; then nothing is left.
    pub fn finish(mut self, provenance: &Provenance) -> Result<(), Error> {
        let head = lay_out(&self.header, &self.times, provenance).map_err(|e| Error::Layout {
            path: self.aside.path().to_owned(),
            reason: e.to_string(),
        })?;
        let shape = self.header.grid.shape();
        assemble(head, std::slice::from_mut(&mut self.rain), self.spool, shape, self.aside.file())
            .map_err(|e| Error::write(self.aside.path(), e))?;
        self.aside.commit()
    }
}

/// The file as the NetCDF library lays it out: all but the rain.
fn lay_out(header: &EventHeader, times: &[ValidTime], from: &Provenance) -> Result<Vec<u8>, NcError> {
    let mut file = NcFileBuilder::new();
    let grid = &header.grid;
    let span = times.first().zip(times.last());
    let title = span.map_or_else(String::new, |(first, last)| {
        format!(
            "observed rain, {} to {}",
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
        ("references", from.references.join("\n")),
        ("nowblend_version", from.version.clone()),
        ("nowblend_commit", from.commit.clone().unwrap_or_else(|| "unknown".to_owned())),
        ("nowblend_configuration", from.config_toml.clone()),
        (
            "nowblend_inputs",
            serde_json::to_string(&from.inputs).expect("names, sizes and sums are always JSON"),
        ),
        (
            "nowblend_notices",
            serde_json::to_string(&from.notices).expect("notices are always JSON"),
        ),
    ];
    cf::global(&mut file, attributes)?;
    let (ny, nx) = grid.shape();
    let time = file.add_dimension("time", times.len() as u64)?;
    let y = file.add_dimension("y", ny as u64)?;
    let x = file.add_dimension("x", nx as u64)?;

    let variable = file.add_variable::<f64>("time", &[time])?;
    file.write_variable(variable, &times.iter().map(|t| t.timestamp() as f64).collect::<Vec<_>>())?;
    let about = [
        ("standard_name", "time"),
        ("long_name", "valid time"),
        ("units", "seconds since 1970-01-01 00:00:00"),
        ("calendar", "standard"),
        ("axis", "T"),
    ];
    cf::texts(&mut file, variable, &about)?;
    for (name, values, axis) in [("y", grid.y.centres(), "Y"), ("x", grid.x.centres(), "X")] {
        let variable = file.add_variable::<f64>(name, &[if axis == "Y" { y } else { x }])?;
        file.write_variable(variable, &values)?;
        cf::texts(&mut file, variable, &cf::coordinate(grid, axis))?;
    }
    cf::map(&mut file, grid)?;

    let variable = file.add_variable::<u16>("rainfall_rate", &[time, y, x])?;
    file.set_variable_chunking(variable, Tiled::tile_shape(1, grid.shape()))?;
    file.set_variable_deflate(variable, Some(LEVEL), true)?;
    file.set_variable_fill_value(variable, u16::MAX)?;
    for (name, value) in [("scale_factor", STEP_MM_H), ("add_offset", 0.0)] {
        file.add_variable_attribute(variable, name, NcAttrValue::Doubles(vec![value]))?;
    }
    let about = [
        ("standard_name", "rainfall_rate"),
        ("long_name", "rain rate at the surface"),
        ("units", "mm h-1"),
        ("grid_mapping", "crs"),
    ];
    cf::texts(&mut file, variable, &about)?;
    let format = NcWriteOptions {
        format: NcWriteFormat::Nc4,
    };
    file.to_vec(format).map(|(_, bytes)| bytes)
}
