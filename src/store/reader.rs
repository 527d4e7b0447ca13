//! Reads back what the store wrote, field by field, to verify it or to go on with it.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use chrono::DateTime;
use ndarray::{Array2, ArrayD, Ix2};
use netcdf_reader::{NcFile, NcMetadataMode, NcOpenOptions, NcReadable, NcSliceInfo, NcSliceInfoElem};
use nowblend_field::{Axis, Grid, LeadTime, Notice, Projection, ReferenceTime, Seed, ValidTime};

use super::{
    Along, Error, Product, Provenance,
    cf::{threshold_of, time_of},
};

/// Largest field that is read at once, bytes.
const MAX_READ_BYTES: usize = 2 << 30;
/// Largest tile, bytes: the store writes 256 x 256 numbers of at most 8 bytes.
const MAX_TILE_BYTES: usize = 1 << 20;
/// Most values of a coordinate.
const MAX_COORDINATE: u64 = 1 << 20;

/// Opens a forecast that [`super::Writer`] wrote.
///
/// # Errors
///
/// [`Error::Read`] where the file is missing or damaged, [`Error::NotAForecast`] where it lacks what ours have.
pub fn read(path: &Path) -> Result<StoredForecast, Error> {
    StoredForecast::open(path)
}

/// A stored forecast, open; fields are read when they are asked for.
pub struct StoredForecast {
    path: PathBuf,
    file: NcFile,
    grid: Grid,
    reference_time: ReferenceTime,
    lead_times: Vec<LeadTime>,
    products: Vec<StoredProduct>,
    thresholds_mm_h: Vec<f64>,
    thresholds_mm: Vec<f64>,
}

/// A variable of a stored forecast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredProduct {
    /// Its name.
    pub name: String,
    /// What it has a field for at each time.
    pub along: Along,
    /// How many fields it has at each time.
    pub layers: usize,
    /// Minutes over which rain is added up; `None` for a rate at its time.
    pub window_min: Option<u32>,
    /// Lead times of its fields.
    pub lead_times: Vec<LeadTime>,
}

impl StoredForecast {
    fn open(path: &Path) -> Result<Self, Error> {
        let options = NcOpenOptions {
            metadata_mode: NcMetadataMode::Strict,
            chunk_cache_bytes: 16 << 20,
            max_chunk_bytes: MAX_TILE_BYTES,
            max_read_bytes: MAX_READ_BYTES,
            max_object_header_bytes: 16 << 20,
            ..NcOpenOptions::default()
        };
        let refuse = |e: netcdf_reader::Error| Error::Read {
            path: path.to_owned(),
            reason: e.to_string(),
        };
        std::fs::metadata(path).map_err(|e| Error::Read {
            path: path.to_owned(),
            reason: e.to_string(),
        })?;
        let file = NcFile::open_with_options(path, options).map_err(refuse)?;
        let lacks = |what: &str| Error::NotAForecast {
            path: path.to_owned(),
            reason: format!("it has no {what}"),
        };
        let seconds = |name: &str| coordinate::<i64>(&file, name);
        let reference_s = seconds("forecast_reference_time").and_then(|s| s.first().copied());
        let reference_time = reference_s
            .and_then(|s| DateTime::from_timestamp(s, 0))
            .ok_or_else(|| lacks("`forecast_reference_time`"))?;
        let lead_times = seconds("forecast_period").ok_or_else(|| lacks("`forecast_period`"))?;
        let lead_times: Option<Vec<LeadTime>> = lead_times
            .into_iter()
            .map(|s| u32::try_from(s).ok().map(LeadTime::from_seconds))
            .collect();
        let lead_times = lead_times.ok_or_else(|| lacks("lead times of 0 s or more"))?;
        let definition = file
            .variable("crs")
            .ok()
            .and_then(|crs| crs.attributes().iter().find(|a| a.name == "proj4"))
            .and_then(|a| a.value.as_string())
            .ok_or_else(|| lacks("`crs` with a `proj4` attribute"))?;
        let projection = Projection::parse(&definition).map_err(|e| Error::NotAForecast {
            path: path.to_owned(),
            reason: e.to_string(),
        })?;
        let axis = |name: &str| {
            let centres = coordinate::<f64>(&file, name).ok_or_else(|| lacks(&format!("coordinate `{name}`")))?;
            axis_of(&centres).ok_or_else(|| lacks(&format!("evenly spaced coordinate `{name}`")))
        };
        let grid = Grid::new(axis("y")?, axis("x")?, projection).map_err(|e| Error::NotAForecast {
            path: path.to_owned(),
            reason: e.to_string(),
        })?;
        let thresholds = |amount| coordinate::<f64>(&file, threshold_of(amount)).unwrap_or_default();
        let (thresholds_mm_h, thresholds_mm) = (thresholds(false), thresholds(true));
        let products = file
            .variables()
            .map_err(refuse)?
            .iter()
            .filter_map(|v| {
                let dimensions: Vec<(&str, usize)> = v.dimensions().iter().map(|d| (d.name.as_str(), d.size as usize)).collect();
                let (layers, time) = match dimensions.as_slice() {
                    [time, ("y", ny), ("x", nx)] if (*ny, *nx) == grid.shape() => (None, time),
                    [layers, time, ("y", ny), ("x", nx)] if (*ny, *nx) == grid.shape() => (Some(layers), time),
                    _ => return None,
                };
                let window_min = match time.0.strip_prefix("time_").and_then(|rest| rest.strip_suffix("min")) {
                    Some(window) => Some(window.parse::<u32>().ok().filter(|w| *w > 0)?),
                    None if time.0 == "time" => None,
                    None => return None,
                };
                let along = match layers {
                    None => Along::Nothing,
                    Some(("realization", _)) => Along::Members,
                    Some((name, _)) if *name == threshold_of(window_min.is_some()) => Along::Thresholds,
                    Some(_) => return None,
                };
                debug_assert_eq!(time.0, time_of(window_min));
                let ends = |l: &LeadTime| window_min.is_none_or(|w| u64::from(l.seconds()) % (60 * u64::from(w)) == 0);
                let lead_times: Vec<LeadTime> = lead_times.iter().copied().filter(ends).collect();
                (lead_times.len() == time.1).then(|| StoredProduct {
                    name: v.name().to_owned(),
                    along,
                    layers: layers.map_or(1, |(_, count)| *count),
                    window_min,
                    lead_times,
                })
            })
            .collect();
        Ok(Self {
            path: path.to_owned(),
            file,
            grid,
            reference_time,
            lead_times,
            products,
            thresholds_mm_h,
            thresholds_mm,
        })
    }

    /// Where the cells lie.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// When the forecast starts.
    pub fn reference_time(&self) -> ReferenceTime {
        self.reference_time
    }

    /// Lead times in order.
    pub fn lead_times(&self) -> &[LeadTime] {
        &self.lead_times
    }

    /// Valid times in order.
    pub fn valid_times(&self) -> Vec<ValidTime> {
        self.lead_times.iter().map(|l| self.reference_time + *l).collect()
    }

    /// The products.
    pub fn products(&self) -> &[StoredProduct] {
        &self.products
    }

    /// Thresholds of the probabilities of rates, mm h⁻¹, ascending; none where there are no such probabilities.
    pub fn thresholds_mm_h(&self) -> &[f64] {
        &self.thresholds_mm_h
    }

    /// Thresholds of the probabilities of amounts, mm, ascending; none where there are no such probabilities.
    pub fn thresholds_mm(&self) -> &[f64] {
        &self.thresholds_mm
    }

    /// The components whose rain is stored beside the best one, with their products.
    pub fn components(&self) -> impl Iterator<Item = (&str, &StoredProduct)> {
        self.products.iter().filter_map(|product| {
            let rest = product.name.strip_prefix("rainfall_rate_")?;
            let plain = product.along == Along::Nothing && product.window_min.is_none() && product.name != Product::flags().name;
            plain.then_some((rest, product))
        })
    }

    /// The product of a name.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownProduct`].
    pub fn product(&self, name: &str) -> Result<&StoredProduct, Error> {
        self.products.iter().find(|p| p.name == name).ok_or_else(|| Error::UnknownProduct {
            name: name.to_owned(),
            known: self.products.iter().map(|p| p.name.clone()).collect(),
        })
    }

    /// One field `[y, x]` of a product at one lead time, unpacked, of a member or threshold by its number from 0; NaN where it is missing.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownProduct`], [`Error::UnknownLayer`], [`Error::UnknownLeadTime`], [`Error::Read`].
    pub fn field(&self, product: &str, layer: usize, lead_time: LeadTime) -> Result<Array2<f32>, Error> {
        let stored = self.product(product)?;
        let lead = stored
            .lead_times
            .iter()
            .position(|l| *l == lead_time)
            .ok_or(Error::UnknownLeadTime {
                lead_time,
                count: stored.lead_times.len(),
            })?;
        // To the end of the grid, not of what the file claims to hold.
        let (ny, nx) = self.grid.shape();
        let plane = self.select(
            stored,
            layer,
            [NcSliceInfoElem::Index(lead as u64), first(ny as u64), first(nx as u64)],
        )?;
        // What the header says and what lies in the file need not agree.
        let found = plane.shape().to_vec();
        let plane = plane.into_dimensionality::<Ix2>().ok().filter(|p| p.dim() == (ny, nx));
        plane.ok_or_else(|| Error::Read {
            path: self.path.clone(),
            reason: format!("`{product}` at {lead_time}: shape {found:?} [y, x], expected {:?}", (ny, nx)),
        })
    }

    /// All lead times of a product in one cell, by its row and column; NaN where it is missing.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownProduct`], [`Error::UnknownLayer`], [`Error::Read`].
    pub fn series(&self, product: &str, layer: usize, row: usize, column: usize) -> Result<Vec<f32>, Error> {
        let stored = self.product(product)?;
        let all = first(stored.lead_times.len() as u64);
        let place = [row, column].map(|k| NcSliceInfoElem::Index(k as u64));
        let [row, column] = place;
        Ok(self.select(stored, layer, [all, row, column])?.into_iter().collect())
    }

    fn select(&self, stored: &StoredProduct, layer: usize, part: [NcSliceInfoElem; 3]) -> Result<ArrayD<f32>, Error> {
        if layer >= stored.layers {
            return Err(Error::UnknownLayer {
                name: stored.name.clone(),
                found: layer,
                count: stored.layers,
            });
        }
        let mut selections = Vec::from(part);
        if stored.along != Along::Nothing {
            selections.insert(0, NcSliceInfoElem::Index(layer as u64));
        }
        let values = self
            .file
            .read_variable_slice_unpacked_masked(&stored.name, &NcSliceInfo { selections })
            .map_err(|e| Error::Read {
                path: self.path.clone(),
                reason: format!("`{}`: {e}", stored.name),
            })?;
        Ok(values.mapv(|v| v as f32))
    }

    /// A global attribute, if there is one of that name and it is a text.
    pub fn text(&self, attribute: &str) -> Option<String> {
        self.file.global_attribute(attribute).ok()?.value.as_string()
    }

    /// What was missing, limited, redistributed or degraded when the forecast was made.
    pub fn notices(&self) -> Vec<Notice> {
        self.json("nowblend_notices").unwrap_or_default()
    }

    /// What the checks found, as JSON.
    pub fn findings(&self) -> Option<String> {
        self.text("nowblend_findings")
    }

    /// Where the forecast comes from; `None` where the file does not say.
    pub fn provenance(&self) -> Option<Provenance> {
        let references = self.text("references")?;
        Some(Provenance {
            config_toml: self.text("nowblend_configuration")?,
            seed: Seed(self.text("nowblend_seed")?.parse().ok()?),
            version: self.text("nowblend_version")?,
            commit: self.text("nowblend_commit").filter(|c| c != "unknown"),
            inputs: self.json("nowblend_inputs")?,
            references: references.lines().map(str::to_owned).collect(),
            notices: self.notices(),
        })
    }

    fn json<T: serde::de::DeserializeOwned>(&self, attribute: &str) -> Option<T> {
        serde_json::from_str(&self.text(attribute)?).ok()
    }
}

impl fmt::Debug for StoredForecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredForecast")
            .field("path", &self.path)
            .field("reference_time", &self.reference_time)
            .field("lead_times", &self.lead_times.len())
            .field("products", &self.products)
            .finish_non_exhaustive()
    }
}

fn first(count: u64) -> NcSliceInfoElem {
    NcSliceInfoElem::Slice {
        start: 0,
        end: count,
        step: 1,
    }
}

/// The values of a coordinate, of which there are only so many.
fn coordinate<T: NcReadable>(file: &NcFile, name: &str) -> Option<Vec<T>> {
    let shape = file.variable(name).ok()?.shape();
    if shape.iter().product::<u64>() > MAX_COORDINATE {
        return None;
    }
    let selection = NcSliceInfo {
        selections: shape.into_iter().map(first).collect(),
    };
    let values = file.read_variable_slice::<T>(name, &selection).ok()?;
    Some(values.into_iter().collect())
}

/// Evenly spaced, ascending centres as an axis; a single one has a spacing of 1.
fn axis_of(centres: &[f64]) -> Option<Axis> {
    let (first, last) = (*centres.first()?, *centres.last()?);
    let spacing = match centres.len() {
        1 => 1.0,
        count => (last - first) / (count - 1) as f64,
    };
    let axis = Axis {
        first,
        spacing,
        count: centres.len(),
    };
    let even = centres
        .iter()
        .enumerate()
        .all(|(k, c)| (axis.centre(k as f64) - c).abs() <= 1e-3 * spacing);
    (spacing > 0.0 && even).then_some(axis)
}
