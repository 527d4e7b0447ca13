//! A forecast on its way into a NetCDF file: the blend, each component, each probability, each diagnostic.

use std::path::{Path, PathBuf};

use ndarray::ArrayView2;
use nowblend_field::{Grid, LeadTime, Notice, ReferenceTime};

use super::{
    Error, ForecastConfig,
    run::{Closing, Lead, Output, no_probability},
};
use crate::store::{Aside, Header, Product, Provenance, Writer};

/// What is done with each field that is kept.
type Visit<'a> = dyn FnMut(Product, ArrayView2<'_, f32>) -> Result<(), Error> + 'a;

/// Writes `forecast.nc`.
pub struct ToNetcdf {
    path: PathBuf,
    head: Option<Header>,
    thresholds_mm_h: Vec<f64>,
    keep_components: bool,
    keep_diagnostics: bool,
    writer: Option<Writer>,
    left_out: Vec<Notice>,
}

impl ToNetcdf {
    /// A file to be called `path`; an unwritable place is found here, before anything is computed.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] where the file cannot be written.
    pub fn new(
        path: &Path,
        config: &ForecastConfig,
        grid: &Grid,
        reference_time: ReferenceTime,
        lead_times: &[LeadTime],
        provenance: Provenance,
    ) -> Result<Self, Error> {
        drop(Aside::create(path)?);
        let head = Header {
            title: format!("rain forecast from {}", reference_time.format("%Y-%m-%d %H:%M UTC")),
            institution: config.institution.clone(),
            grid: grid.clone(),
            reference_time,
            lead_times: lead_times.to_vec(),
            products: Vec::new(),
            lon_lat: true,
            provenance,
        };
        Ok(Self {
            path: path.to_owned(),
            head: Some(head),
            thresholds_mm_h: config.thresholds_mm_h.clone(),
            keep_components: config.keep_components,
            keep_diagnostics: config.keep_diagnostics,
            writer: None,
            left_out: Vec::new(),
        })
    }

    /// The products of the first lead time are those of the file.
    fn open(&mut self, lead: &Lead<'_>) -> Result<(), Error> {
        let Some(mut head) = self.head.take() else { return Ok(()) };
        let mut fields = Vec::new();
        self.each(lead, &mut |product, _| {
            fields.push(product);
            Ok(())
        })?;
        head.products = fields;
        for threshold in &self.thresholds_mm_h {
            if lead.blend.exceedance.as_ref().and_then(|e| e.at(*threshold)).is_none() {
                self.left_out.push(no_probability(*threshold));
            }
        }
        self.writer = Some(Writer::create(&self.path, head)?);
        Ok(())
    }

    /// Every field of a lead time that is kept, with its product.
    fn each(&self, lead: &Lead<'_>, visit: &mut Visit<'_>) -> Result<(), Error> {
        if let Some(rain) = lead.blend.mean() {
            visit(Product::rainfall_rate(), rain.view())?;
        }
        for threshold in &self.thresholds_mm_h {
            if let Some(plane) = lead.blend.exceedance.as_ref().and_then(|e| e.at(*threshold)) {
                visit(Product::probability(*threshold), plane)?;
            }
        }
        for component in &lead.components {
            let Some(slice) = component.slice else { continue };
            if self.keep_components
                && let Some(rain) = slice.mean()
            {
                visit(Product::rainfall_rate_of(component.name), rain.view())?;
            }
            if self.keep_diagnostics {
                for (name, field) in &slice.diagnostics {
                    visit(Product::diagnostic(name), field.view())?;
                }
            }
        }
        Ok(())
    }
}

impl Output for ToNetcdf {
    fn take(&mut self, lead: &Lead<'_>) -> Result<(), Error> {
        if self.writer.is_none() {
            self.open(lead)?;
        }
        let Some(mut writer) = self.writer.take() else { return Ok(()) };
        self.each(lead, &mut |product, field| Ok(writer.push(lead.lead_time, &product.name, field)?))?;
        self.writer = Some(writer);
        Ok(())
    }
}

impl ToNetcdf {
    /// Puts the file together and gives it its name.
    ///
    /// # Errors
    ///
    /// [`Error::Store`]; then nothing is left.
    pub fn finish(self, closing: &Closing) -> Result<(), Error> {
        let Some(mut writer) = self.writer else { return Ok(()) };
        writer.set_notices(closing.notices.iter().chain(&self.left_out).cloned().collect());
        writer.set_findings(serde_json::to_string(&closing.findings).expect("findings are always JSON"));
        Ok(writer.finish()?)
    }
}
