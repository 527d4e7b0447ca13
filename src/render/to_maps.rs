//! A forecast on its way into PNG maps to send around.

use std::path::{Path, PathBuf};

use ndarray::ArrayView2;
use nowblend_field::{Grid, ReferenceTime};
use serde::{Deserialize, Serialize};

use super::{
    colour::{PROBABILITY, RAIN, Scale},
    map::{Labels, map},
};
use crate::{
    forecast::{Error, Lead, Output},
    store::{Aside, write_whole},
};

/// Which maps are drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MapsConfig {
    /// Lead times that get a map, minutes; those that the forecast does not have are passed over. Empty for none.
    pub lead_min: Vec<f64>,
    /// Whether each component gets a map, too.
    pub components: bool,
    /// Thresholds whose probability gets a map, mm h⁻¹.
    pub thresholds_mm_h: Vec<f64>,
}

impl Default for MapsConfig {
    fn default() -> Self {
        Self {
            lead_min: vec![15.0, 30.0, 60.0],
            components: false,
            thresholds_mm_h: vec![1.0],
        }
    }
}

/// Draws maps and keeps them until the forecast is whole.
pub struct ToMaps {
    folder: PathBuf,
    config: MapsConfig,
    grid: Grid,
    reference_time: ReferenceTime,
    source: String,
    maps: Vec<(String, Vec<u8>)>,
}

impl ToMaps {
    /// Maps for `folder`, which must be there; `source` stands in small letters at their foot.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] where the folder cannot be written to.
    pub fn new(folder: &Path, config: &MapsConfig, grid: &Grid, reference_time: ReferenceTime, source: &str) -> Result<Self, Error> {
        drop(Aside::create(&folder.join("map.png"))?);
        Ok(Self {
            folder: folder.to_owned(),
            config: config.clone(),
            grid: grid.clone(),
            reference_time,
            source: source.to_owned(),
            maps: Vec::new(),
        })
    }

    /// Writes the maps and returns their paths.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] where one cannot be written.
    pub fn finish(self) -> Result<Vec<PathBuf>, Error> {
        let write = |(name, bytes): (String, Vec<u8>)| {
            let path = self.folder.join(name);
            write_whole(&path, &bytes)?;
            Ok(path)
        };
        self.maps.into_iter().map(write).collect()
    }

    fn draw(&mut self, lead: &Lead<'_>, name: &str, title: &str, field: ArrayView2<'_, f32>, scale: &Scale) -> Result<(), Error> {
        let time = format!(
            "valid {}, {} from {}",
            lead.valid_time.format("%Y-%m-%d %H:%M UTC"),
            lead.lead_time,
            self.reference_time.format("%H:%M UTC")
        );
        let labels = Labels {
            title,
            time: &time,
            source: &self.source,
        };
        let picture = map(field, &self.grid, scale, &labels).map_err(|e| Error::Output {
            what: "map",
            source: Box::new(e),
        })?;
        let minutes = lead.lead_time.minutes();
        self.maps.push((format!("{name}_{minutes:03}min.png"), picture));
        Ok(())
    }
}

impl Output for ToMaps {
    fn take(&mut self, lead: &Lead<'_>) -> Result<(), Error> {
        let minutes = lead.lead_time.minutes();
        if !self.config.lead_min.iter().any(|m| (m - minutes).abs() < 0.01) {
            return Ok(());
        }
        if let Some(rain) = lead.blend.mean() {
            self.draw(lead, "rain", "Rain, blend of all components", rain.view(), &RAIN)?;
        }
        for threshold in self.config.thresholds_mm_h.clone() {
            if let Some(plane) = lead.blend.probability(threshold) {
                let title = format!("Probability of rain at or above {threshold} mm/h");
                let name = format!("probability_{}_mm_h", threshold.to_string().replace('.', "p"));
                self.draw(lead, &name, &title, plane.view(), &PROBABILITY)?;
            }
        }
        if self.config.components {
            for component in &lead.components {
                if let Some(rain) = component.slice.and_then(nowblend_field::Slice::mean) {
                    let title = format!("Rain, {}", component.name.replace('_', " "));
                    self.draw(lead, &format!("rain_{}", component.name), &title, rain.view(), &RAIN)?;
                }
            }
        }
        Ok(())
    }
}
