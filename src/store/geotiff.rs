//! A stored forecast as cloud-optimised GeoTIFF, a file for each field, for maps in a GIS.
//!
//! # Source
//!
//! OGC 19-008r4, 2019: OGC GeoTIFF Standard, version 1.1; OGC 21-026, 2023: Cloud Optimized GeoTIFF Standard, version 1.0.

use std::{
    fs::File,
    io::{self, BufWriter},
    path::Path,
};

use geotiff_writer::{CogBuilder, Compression, GeoTiffBuilder, Predictor, RasterType, Resampling};
use ndarray::{ArrayView2, s};
use nowblend_field::{LeadTime, Notice};

use super::{Along, Error, Header, Product, Target, aside_folder::AsideFolder, geokeys::GeoKeys};

/// Side of a tile, cells.
const TILE: u32 = 256;

/// A folder of GeoTIFF files being written aside.
pub struct Geotiff {
    aside: AsideFolder,
    header: Header,
    keys: GeoKeys,
}

impl Geotiff {
    /// A folder that will be called `path`.
    ///
    /// # Errors
    ///
    /// [`Error::Write`]; [`Error::Unsupported`] for a map that GeoTIFF has no keys for.
    pub fn create(path: &Path, header: Header) -> Result<Self, Error> {
        let keys = GeoKeys::of(&header.grid.projection).ok_or_else(|| Error::Unsupported {
            format: "GeoTIFF",
            found: header.grid.projection.to_string(),
            expected: "a map of longitude and latitude, polar stereographic, Lambert, Albers, azimuthal, Mercator or Swiss",
        })?;
        Ok(Self {
            aside: AsideFolder::create(path)?,
            header,
            keys,
        })
    }

    fn name(&self, lead_time: LeadTime, product: &Product, layer: usize) -> String {
        let valid_time = (self.header.reference_time + lead_time).format("%Y%m%dT%H%M%SZ");
        let (values, unit) = match product.window_min {
            None => (&self.header.thresholds_mm_h, "mm_h"),
            Some(_) => (&self.header.thresholds_mm, "mm"),
        };
        match (product.along, values.get(layer)) {
            (Along::Thresholds, Some(threshold)) => {
                let number = threshold.to_string().replace('.', "p");
                format!(
                    "{}_{valid_time}.tif",
                    product.name.replace("threshold", &format!("{number}_{unit}"))
                )
            }
            _ => format!("{}_{valid_time}.tif", product.name),
        }
    }
}

impl Target for Geotiff {
    fn take(&mut self, lead_time: LeadTime, product: &Product, layer: usize, field: ArrayView2<'_, f32>) -> Result<(), Error> {
        let best = product.name == Product::rainfall_rate().name;
        let wanted = best || product.along == Along::Thresholds || product.window_min.is_some();
        if !wanted {
            return Ok(());
        }
        let grid = &self.header.grid;
        let shape = grid.shape();
        if field.dim() != shape {
            return Err(Error::Shape {
                name: product.name.clone(),
                lead_time,
                found: field.dim(),
                expected: shape,
            });
        }
        let name = self.name(lead_time, product, layer);
        let told = |e: String| Error::write(self.aside.path().join(&name), io::Error::other(e));
        let (dy, dx) = (grid.y.spacing, grid.x.spacing);
        let north_west = (grid.x.first - 0.5 * dx, grid.y.centre((shape.0 - 1) as f64) + 0.5 * dy);
        let builder = GeoTiffBuilder::new(shape.1 as u32, shape.0 as u32)
            .tile_size(TILE, TILE)
            .compression(Compression::Deflate)
            .predictor(Predictor::FloatingPoint)
            .raster_type(RasterType::PixelIsArea)
            .pixel_scale(dx, dy)
            .origin(north_west.0, north_west.1)
            .nodata("nan");
        let builder = self.keys.apply(builder);
        // Overviews down to one tile, as a viewer asks for them.
        let largest = shape.0.max(shape.1) as u32;
        let levels: Vec<u32> = (1..12).map(|k| 1 << k).take_while(|level| largest / (level / 2) > TILE).collect();
        // Rows from the north, as every GIS has them; one kind of NaN, so that equal forecasts are equal files.
        let north_first = field.slice(s![..;-1, ..]).mapv(|v| if v.is_nan() { f32::NAN } else { v });
        let file = File::create_new(self.aside.place().join(&name)).map_err(|e| told(e.to_string()))?;
        CogBuilder::new(builder)
            .overview_levels(levels)
            .resampling(Resampling::Average)
            .write_2d_to(BufWriter::new(file), north_first.view())
            .map_err(|e| told(e.to_string()))
    }

    fn finish(self: Box<Self>, notices: Vec<Notice>, _: String) -> Result<(), Error> {
        // A picture has no room for where it comes from: it stands beside them.
        let mut provenance = self.header.provenance;
        provenance.notices = notices;
        let text = serde_json::to_string_pretty(&provenance).expect("a provenance is always JSON");
        let path = self.aside.place().join("provenance.json");
        std::fs::write(&path, text).map_err(|e| Error::write(self.aside.path().join("provenance.json"), e))?;
        self.aside.commit()
    }
}
