//! A forecast on its way into files: the blend and its members, each component, probabilities, amounts, diagnostics, in every format asked for.

use std::{
    cell::OnceCell,
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use ndarray::{Array2, Array3, ArrayView2, Axis};
use nowblend_field::{Analysis, LeadTime, Notice, NoticeKind, share_at_or_above};

use super::{
    Error, ForecastConfig, OutputConfig,
    amounts::Amounts,
    output::Format,
    run::{Closing, Lead, Output, no_probability},
};
use crate::store::{Aside, Geotiff, Grib2, Header, LIMITED, MISSING, Product, Provenance, Target, Writer};

/// Writes `forecast.nc` and what is asked for beside it.
pub struct ToFiles {
    folder: PathBuf,
    also: Vec<Format>,
    head: Header,
    keep_components: bool,
    keep_diagnostics: bool,
    windows_min: Vec<u32>,
    amounts: Amounts,
    /// Open from the first lead time on.
    targets: Vec<Box<dyn Target>>,
    announced: BTreeSet<String>,
    notices: Vec<Notice>,
}

/// What is done with a field that is kept: its product, the number of its member or threshold, and its values, made when they are asked for.
type Visit<'a> = dyn FnMut(Product, usize, &dyn Fn() -> Array2<f32>) -> Result<(), Error> + 'a;

impl ToFiles {
    /// Files in `folder`; an unwritable place and a grid that a format cannot hold are found here, before anything is computed.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] for a key out of bounds, [`Error::Store`] where a file cannot be written.
    pub fn new(
        folder: &Path,
        config: &ForecastConfig,
        output: &OutputConfig,
        analysis: &Analysis,
        lead_times: &[LeadTime],
        provenance: Provenance,
    ) -> Result<Self, Error> {
        output.check()?;
        let (windows_min, others) = output.windows(config);
        let reference_time = analysis.reference_time();
        let head = Header {
            title: format!("rain forecast from {}", reference_time.format("%Y-%m-%d %H:%M UTC")),
            institution: config.institution.clone(),
            grid: analysis.grid().clone(),
            reference_time,
            lead_times: lead_times.to_vec(),
            products: Vec::new(),
            members: 0,
            thresholds_mm_h: config.thresholds_mm_h.clone(),
            thresholds_mm: output.amount_thresholds_mm.clone(),
            lon_lat: true,
            provenance,
        };
        let notices = others.iter().map(|window| {
            let message = format!(
                "no amount of {window} min: {} lead times every {} min do not end with it",
                config.lead_count, config.lead_step_min
            );
            Notice::new(NoticeKind::Missing, "amounts", message)
        });
        let made = Self {
            folder: folder.to_owned(),
            also: output.also.clone(),
            keep_components: config.keep_components,
            keep_diagnostics: config.keep_diagnostics,
            amounts: Amounts::new(&windows_min, analysis),
            windows_min,
            targets: Vec::new(),
            announced: BTreeSet::new(),
            notices: notices.collect(),
            head,
        };
        drop(Aside::create(&made.netcdf())?);
        for format in &made.also {
            drop(made.target(*format)?);
        }
        Ok(made)
    }

    /// The NetCDF file.
    pub fn netcdf(&self) -> PathBuf {
        self.folder.join("forecast.nc")
    }

    /// Everything that will be there at the end.
    pub fn paths(&self) -> Vec<PathBuf> {
        let also = self.also.iter().map(|format| self.path(*format));
        std::iter::once(self.netcdf()).chain(also).collect()
    }

    fn path(&self, format: Format) -> PathBuf {
        self.folder.join(match format {
            Format::Zarr => "forecast.zarr",
            Format::Geotiff => "geotiff",
            Format::Grib2 => "forecast.grib2",
        })
    }

    fn target(&self, format: Format) -> Result<Box<dyn Target>, Error> {
        let (path, head) = (self.path(format), self.head.clone());
        Ok(match format {
            Format::Zarr => Box::new(Writer::create_zarr(&path, head)?),
            Format::Geotiff => Box::new(Geotiff::create(&path, head)?),
            Format::Grib2 => Box::new(Grib2::create(&path, head)?),
        })
    }

    /// The products of the first lead time are those of the files.
    fn open(&mut self, lead: &Lead<'_>) -> Result<(), Error> {
        self.head.members = lead.blend.members();
        let (known, unknown): (Vec<f64>, Vec<f64>) = self.head.thresholds_mm_h.iter().partition(|t| lead.blend.tells_probability(**t));
        self.head.thresholds_mm_h = known;
        self.notices.extend(unknown.into_iter().map(no_probability));
        let mut products: Vec<Product> = Vec::new();
        self.each(lead, &mut |product, _, _| {
            if !products.contains(&product) {
                products.push(product);
            }
            Ok(())
        })?;
        if lead.blend.members() > 0 {
            for window in &self.windows_min {
                products.push(Product::amount(*window));
                if self.probable_amounts(lead.blend.members()) {
                    products.push(Product::amount_probability(*window));
                }
            }
        }
        self.announced = products.iter().map(|p| p.name.clone()).collect();
        self.head.products = products;
        self.targets.push(Box::new(Writer::create(&self.netcdf(), self.head.clone())?));
        for format in self.also.clone() {
            let target = self.target(format)?;
            self.targets.push(target);
        }
        Ok(())
    }

    /// Whether amounts have a probability: that of members.
    fn probable_amounts(&self, members: usize) -> bool {
        members > 1 && !self.head.thresholds_mm.is_empty()
    }

    /// Every field of a lead time that is kept, but amounts.
    fn each(&self, lead: &Lead<'_>, visit: &mut Visit<'_>) -> Result<(), Error> {
        let blend = lead.blend;
        if let Some(members) = blend.rain.as_ref().filter(|_| blend.members() > 0) {
            let kept = OnceCell::new();
            let mean = || kept.get_or_init(|| blend.mean().expect("there is a member"));
            visit(Product::flags(), 0, &|| flags(mean().view(), lead.limited))?;
            if blend.members() > 1 {
                visit(Product::ensemble_mean(), 0, &|| mean().clone())?;
                for (number, member) in members.outer_iter().enumerate() {
                    visit(Product::members(), number, &|| member.to_owned())?;
                }
            } else {
                visit(Product::rainfall_rate(), 0, &|| mean().clone())?;
            }
        }
        for (number, threshold) in self.head.thresholds_mm_h.iter().enumerate() {
            if blend.tells_probability(*threshold) {
                let probability = || blend.probability(*threshold).expect("it was asked whether it is told");
                visit(Product::probability(), number, &probability)?;
            }
        }
        for component in &lead.components {
            let Some(slice) = component.slice else { continue };
            if self.keep_components && slice.members() > 0 {
                let product = Product::rainfall_rate_of(component.name);
                visit(product, 0, &|| slice.mean().expect("there is a member"))?;
            }
            if self.keep_diagnostics {
                for (name, field) in &slice.diagnostics {
                    visit(Product::diagnostic(name), 0, &|| field.clone())?;
                }
            }
        }
        Ok(())
    }

    fn take_amount(&mut self, lead_time: LeadTime, window_min: u32, amount: &Array3<f32>) -> Result<(), Error> {
        let Some(mean) = amount.mean_axis(Axis(0)) else { return Ok(()) };
        let product = Product::amount(window_min);
        for target in &mut self.targets {
            target.take(lead_time, &product, 0, mean.view())?;
        }
        if self.probable_amounts(amount.len_of(Axis(0))) {
            let product = Product::amount_probability(window_min);
            for (number, threshold) in self.head.thresholds_mm.iter().enumerate() {
                let share = share_at_or_above(amount.view(), *threshold);
                for target in &mut self.targets {
                    target.take(lead_time, &product, number, share.view())?;
                }
            }
        }
        Ok(())
    }

    /// Gives every file its name.
    ///
    /// # Errors
    ///
    /// [`Error::Store`]; what could not be finished is not there.
    pub fn finish(self, closing: &Closing) -> Result<(), Error> {
        let notices: Vec<Notice> = closing.notices.iter().chain(&self.notices).cloned().collect();
        let findings = serde_json::to_string(&closing.findings).expect("findings are always JSON");
        for target in self.targets {
            target.finish(notices.clone(), findings.clone())?;
        }
        Ok(())
    }
}

impl Output for ToFiles {
    fn take(&mut self, lead: &Lead<'_>) -> Result<(), Error> {
        if self.targets.is_empty() {
            self.open(lead)?;
        }
        let mut targets = std::mem::take(&mut self.targets);
        let mut unannounced = Vec::new();
        self.each(lead, &mut |product, number, field| {
            if !self.announced.contains(&product.name) {
                unannounced.push(product.name);
                return Ok(());
            }
            let field = field();
            for target in &mut targets {
                target.take(lead.lead_time, &product, number, field.view())?;
            }
            Ok(())
        })?;
        self.targets = targets;
        for name in unannounced {
            let message = format!("left out at {}: the first lead time did not have it", lead.lead_time);
            self.notices.push(Notice::new(NoticeKind::Missing, name, message));
        }
        if let Some(rain) = &lead.blend.rain {
            for (window_min, amount) in self.amounts.add(lead.lead_time, rain.view()) {
                self.take_amount(lead.lead_time, window_min, &amount)?;
            }
        }
        Ok(())
    }
}

/// What is wrong with each cell of the best rain.
fn flags(rain: ArrayView2<'_, f32>, limited: Option<&Array2<bool>>) -> Array2<f32> {
    let mut flags = rain.mapv(|r| if r.is_nan() { f32::from(MISSING) } else { 0.0 });
    if let Some(limited) = limited {
        ndarray::Zip::from(&mut flags).and(limited).for_each(|flag, limited| {
            if *limited {
                *flag += f32::from(LIMITED);
            }
        });
    }
    flags
}
