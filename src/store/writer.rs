//! Writes a forecast slice by slice, so that memory does not grow with lead times or products.

use std::{collections::BTreeSet, path::Path};

use ndarray::ArrayView2;
use nowblend_field::{Grid, LeadTime, Notice, ReferenceTime};

use super::{
    Aside, Error, Packing, Product, Provenance, cf,
    chunks::{Spool, Tiled, assemble},
    whole::{folder, root_of},
};

/// What a stored forecast is, known before its first slice.
#[derive(Debug, Clone)]
pub struct Header {
    /// One line on what the file holds and where.
    pub title: String,
    /// Who made the forecast.
    pub institution: String,
    /// Where the cells lie.
    pub grid: Grid,
    /// When the forecast starts.
    pub reference_time: ReferenceTime,
    /// Lead times, increasing.
    pub lead_times: Vec<LeadTime>,
    /// The variables.
    pub products: Vec<Product>,
    /// Whether longitude and latitude of every cell are stored, too (never needed on a geographic grid).
    pub lon_lat: bool,
    /// Where it comes from.
    pub provenance: Provenance,
}

impl Header {
    pub(super) fn holds_lon_lat(&self) -> bool {
        self.lon_lat && !self.grid.projection.is_geographic()
    }
}

/// A forecast being written; dropped before [`Writer::finish`] it leaves nothing.
#[derive(Debug)]
pub struct Writer {
    header: Header,
    findings: Option<String>,
    aside: Aside,
    spool: Spool,
    /// One for each product, then longitude and latitude if stored.
    variables: Vec<Tiled>,
    written: BTreeSet<(usize, usize)>,
}

impl Writer {
    /// Starts a forecast that will be called `path`; an unwritable place is found here, before anything is computed.
    ///
    /// # Errors
    ///
    /// [`Error::Write`], [`Error::LeadTimes`], [`Error::DuplicateProduct`], [`Error::Layout`].
    pub fn create(path: &Path, header: Header) -> Result<Self, Error> {
        let increasing = header.lead_times.windows(2).all(|pair| pair[0] < pair[1]);
        if header.lead_times.first().is_none_or(|first| first.seconds() == 0) || !increasing {
            return Err(Error::LeadTimes);
        }
        let mut names = BTreeSet::new();
        if let Some(product) = header.products.iter().find(|p| !names.insert(p.name.as_str())) {
            return Err(Error::DuplicateProduct {
                name: product.name.clone(),
            });
        }
        let aside = Aside::create(path)?;
        let file = tempfile::tempfile_in(folder(path)).map_err(|e| Error::write(path, root_of(e)))?;
        let variables = header
            .products
            .iter()
            .map(|product| match product.packing {
                Packing::Float => Tiled::new(&product.name, 1, f32::NAN.to_le_bytes().to_vec()),
                Packing::Steps { .. } => Tiled::new(&product.name, 1, u16::MAX.to_le_bytes().to_vec()),
            })
            .collect();
        let mut writer = Self {
            header,
            findings: None,
            aside,
            spool: Spool::new(file),
            variables,
            written: BTreeSet::new(),
        };
        writer.lay_out()?;
        if writer.header.holds_lon_lat() {
            writer.push_lon_lat()?;
        }
        Ok(writer)
    }

    /// Stores one product `[y, x]` of one lead time; what is never stored reads as missing.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownProduct`], [`Error::UnknownLeadTime`], [`Error::WrittenTwice`], [`Error::Shape`], [`Error::Write`].
    pub fn push(&mut self, lead_time: LeadTime, product: &str, field: ArrayView2<'_, f32>) -> Result<(), Error> {
        let products = &self.header.products;
        let index = products
            .iter()
            .position(|p| p.name == product)
            .ok_or_else(|| Error::UnknownProduct {
                name: product.to_owned(),
                known: products.iter().map(|p| p.name.clone()).collect(),
            })?;
        let leads = &self.header.lead_times;
        let lead = leads.iter().position(|l| *l == lead_time).ok_or(Error::UnknownLeadTime {
            lead_time,
            count: leads.len(),
        })?;
        let shape = self.header.grid.shape();
        if field.dim() != shape {
            return Err(Error::Shape {
                name: product.to_owned(),
                lead_time,
                found: field.dim(),
                expected: shape,
            });
        }
        if !self.written.insert((index, lead)) {
            return Err(Error::WrittenTwice {
                name: product.to_owned(),
                lead_time,
            });
        }
        let bytes = pack(field, products[index].packing);
        self.variables[index]
            .push(&mut self.spool, &[lead as u64], shape, &bytes)
            .map_err(|e| Error::write(self.aside.path(), e))
    }

    /// Replaces the notices of the header, which are complete only when the last slice is made.
    pub fn set_notices(&mut self, notices: Vec<Notice>) {
        self.header.provenance.notices = notices;
    }

    /// Adds what the checks found, as JSON.
    pub fn set_findings(&mut self, json: String) {
        self.findings = Some(json);
    }

    /// Puts the file together and gives it its name.
    ///
    /// # Errors
    ///
    /// [`Error::Layout`], [`Error::Write`]; then nothing is left.
    pub fn finish(mut self) -> Result<(), Error> {
        let head = self.lay_out()?;
        let shape = self.header.grid.shape();
        assemble(head, &mut self.variables, self.spool, shape, self.aside.file()).map_err(|e| Error::write(self.aside.path(), e))?;
        self.aside.commit()
    }

    fn lay_out(&self) -> Result<Vec<u8>, Error> {
        let notices = serde_json::to_string(&self.header.provenance.notices).expect("notices are always JSON");
        let closing = cf::Closing {
            notices,
            findings: self.findings.as_deref(),
        };
        cf::lay_out(&self.header, &closing).map_err(|e| Error::Layout {
            path: self.aside.path().to_owned(),
            reason: e.to_string(),
        })
    }

    /// Longitude and latitude of every cell; NaN where the map has none.
    fn push_lon_lat(&mut self) -> Result<(), Error> {
        let grid = &self.header.grid;
        let (ny, nx) = grid.shape();
        let (mut lon, mut lat) = (Vec::with_capacity(ny * nx * 8), Vec::with_capacity(ny * nx * 8));
        for row in 0..ny {
            for column in 0..nx {
                let place = grid.lon_lat(row as f64, column as f64).unwrap_or((f64::NAN, f64::NAN));
                lon.extend(place.0.to_le_bytes());
                lat.extend(place.1.to_le_bytes());
            }
        }
        for (name, plane) in [("lon", lon), ("lat", lat)] {
            let mut variable = Tiled::new(name, 0, f64::NAN.to_le_bytes().to_vec());
            variable
                .push(&mut self.spool, &[], (ny, nx), &plane)
                .map_err(|e| Error::write(self.aside.path(), e))?;
            self.variables.push(variable);
        }
        Ok(())
    }
}

pub(super) fn pack(field: ArrayView2<'_, f32>, packing: Packing) -> Vec<u8> {
    match packing {
        // One kind of NaN only, so that equal forecasts are equal files.
        Packing::Float => field
            .iter()
            .flat_map(|v| if v.is_nan() { f32::NAN } else { *v }.to_le_bytes())
            .collect(),
        Packing::Steps { step } => field
            .iter()
            .flat_map(|v| {
                let steps = if v.is_nan() {
                    u16::MAX
                } else {
                    (f64::from(*v) / step).round().clamp(0.0, f64::from(u16::MAX - 1)) as u16
                };
                steps.to_le_bytes()
            })
            .collect(),
    }
}
