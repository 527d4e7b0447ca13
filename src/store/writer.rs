//! Writes a forecast slice by slice, so that memory does not grow with lead times or products.

use std::{collections::BTreeSet, path::Path};

use ndarray::{ArrayView2, Axis};
use nowblend_field::{Grid, LeadTime, Notice, ReferenceTime};
use rayon::prelude::*;

use super::{
    Error, Packing, Product, Provenance, cf, layout::Layout, netcdf::Netcdf, product::Along, sink::Sink, target::Target, zarr::Zarr,
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
    /// Members of those products that have them.
    pub members: usize,
    /// Thresholds of the probabilities of rates, mm/h, ascending.
    pub thresholds_mm_h: Vec<f64>,
    /// Thresholds of the probabilities of amounts, mm, ascending.
    pub thresholds_mm: Vec<f64>,
    /// Whether longitude and latitude of every cell are stored, too (never needed on a geographic grid).
    pub lon_lat: bool,
    /// Where it comes from.
    pub provenance: Provenance,
}

impl Header {
    pub(super) fn holds_lon_lat(&self) -> bool {
        self.lon_lat && !self.grid.projection.is_geographic()
    }

    /// The windows over which products add rain up, min, ascending.
    pub(super) fn windows_min(&self) -> BTreeSet<u32> {
        self.products.iter().filter_map(|p| p.window_min).collect()
    }

    /// Lead times at which an amount ends: the multiples of its window.
    pub(super) fn amount_leads(&self, window_min: u32) -> Vec<LeadTime> {
        self.lead_times
            .iter()
            .copied()
            .filter(|l| l.seconds() % (60 * window_min) == 0)
            .collect()
    }

    /// How many fields a product has at each time.
    pub(super) fn layers(&self, product: &Product) -> usize {
        match (product.along, product.window_min) {
            (Along::Nothing, _) => 1,
            (Along::Members, _) => self.members,
            (Along::Thresholds, None) => self.thresholds_mm_h.len(),
            (Along::Thresholds, Some(_)) => self.thresholds_mm.len(),
        }
    }
}

/// A forecast being written; dropped before [`Writer::finish`] it leaves nothing.
#[derive(Debug)]
pub struct Writer {
    header: Header,
    findings: Option<String>,
    sink: Box<dyn Sink>,
    /// Product, layer and lead time.
    written: BTreeSet<(usize, usize, usize)>,
}

impl Writer {
    /// Starts a NetCDF file that will be called `path`; an unwritable place is found here, before anything is computed.
    ///
    /// # Errors
    ///
    /// [`Error::Write`], [`Error::LeadTimes`], [`Error::DuplicateProduct`], [`Error::Layout`].
    pub fn create(path: &Path, header: Header) -> Result<Self, Error> {
        Self::start(header, |layout| Ok(Box::new(Netcdf::create(path, layout)?)))
    }

    /// Starts a Zarr folder that will be called `path`, with the same variables and attributes.
    ///
    /// # Errors
    ///
    /// As [`Writer::create`].
    pub fn create_zarr(path: &Path, header: Header) -> Result<Self, Error> {
        Self::start(header, |layout| Ok(Box::new(Zarr::create(path, layout)?)))
    }

    fn start(header: Header, sink: impl FnOnce(&Layout) -> Result<Box<dyn Sink>, Error>) -> Result<Self, Error> {
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
        let mut writer = Self {
            sink: sink(&lay_out(&header, None))?,
            header,
            findings: None,
            written: BTreeSet::new(),
        };
        if writer.header.holds_lon_lat() {
            writer.push_lon_lat()?;
        }
        Ok(writer)
    }

    /// Stores one field `[y, x]` of a product at one lead time, of a member or threshold by its number from 0, 0 for a product that has
    /// neither; what is never stored reads as missing.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownProduct`], [`Error::UnknownLayer`], [`Error::UnknownLeadTime`], [`Error::WrittenTwice`], [`Error::Shape`],
    /// [`Error::Write`].
    pub fn push(&mut self, lead_time: LeadTime, product: &str, layer: usize, field: ArrayView2<'_, f32>) -> Result<(), Error> {
        let products = &self.header.products;
        let index = products
            .iter()
            .position(|p| p.name == product)
            .ok_or_else(|| Error::UnknownProduct {
                name: product.to_owned(),
                known: products.iter().map(|p| p.name.clone()).collect(),
            })?;
        let announced = &products[index];
        let layers = self.header.layers(announced);
        if layer >= layers {
            return Err(Error::UnknownLayer {
                name: product.to_owned(),
                found: layer,
                count: layers,
            });
        }
        let leads = announced
            .window_min
            .map_or_else(|| self.header.lead_times.clone(), |w| self.header.amount_leads(w));
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
        if !self.written.insert((index, layer, lead)) {
            return Err(Error::WrittenTwice {
                name: product.to_owned(),
                lead_time,
            });
        }
        let mut place = vec![lead as u64];
        if announced.along != Along::Nothing {
            place.insert(0, layer as u64);
        }
        self.sink.plane(product, &place, &pack(field, announced.packing))
    }

    /// Replaces the notices of the header, which are complete only when the last slice is made.
    pub fn set_notices(&mut self, notices: Vec<Notice>) {
        self.header.provenance.notices = notices;
    }

    /// Adds what the checks found, as JSON.
    pub fn set_findings(&mut self, json: String) {
        self.findings = Some(json);
    }

    /// Puts everything together and gives it its name.
    ///
    /// # Errors
    ///
    /// [`Error::Layout`], [`Error::Write`]; then nothing is left.
    pub fn finish(self) -> Result<(), Error> {
        self.sink.finish(&lay_out(&self.header, self.findings.as_deref()))
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
        self.sink.plane("lon", &[], &lon)?;
        self.sink.plane("lat", &[], &lat)
    }
}

impl Target for Writer {
    fn take(&mut self, lead_time: LeadTime, product: &Product, layer: usize, field: ArrayView2<'_, f32>) -> Result<(), Error> {
        self.push(lead_time, &product.name, layer, field)
    }

    fn finish(mut self: Box<Self>, notices: Vec<Notice>, findings: String) -> Result<(), Error> {
        self.header.provenance.notices = notices;
        self.findings = Some(findings);
        Self::finish(*self)
    }
}

fn lay_out(header: &Header, findings: Option<&str>) -> Layout {
    let notices = serde_json::to_string(&header.provenance.notices).expect("notices are always JSON");
    cf::lay_out(header, &cf::Closing { notices, findings })
}

pub(super) fn pack(field: ArrayView2<'_, f32>, packing: Packing) -> Vec<u8> {
    match packing {
        // One kind of NaN only, so that equal forecasts are equal files.
        Packing::Float => cells(field, |v| if v.is_nan() { f32::NAN } else { v }.to_le_bytes()),
        Packing::Steps { step } => cells(field, |v| {
            let steps = if v.is_nan() {
                u16::MAX
            } else {
                (f64::from(v) / step).round().clamp(0.0, f64::from(u16::MAX - 1)) as u16
            };
            steps.to_le_bytes()
        }),
        Packing::Flags => cells(field, |v| [v as u8]),
    }
}

/// The bytes of each cell one after the other, row by row.
fn cells<const N: usize>(field: ArrayView2<'_, f32>, bytes: impl Fn(f32) -> [u8; N] + Sync) -> Vec<u8> {
    let mut out = vec![0; field.len() * N];
    let width = (field.ncols() * N).max(1);
    out.par_chunks_mut(width).zip(field.axis_iter(Axis(0))).for_each(|(out, row)| {
        for (out, value) in out.chunks_exact_mut(N).zip(row) {
            out.copy_from_slice(&bytes(*value));
        }
    });
    out
}
