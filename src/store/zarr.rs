//! A stored forecast as a Zarr folder, for readers in the cloud and in parallel.
//!
//! # Source
//!
//! Zarr core specification, version 3; names of dimensions and missing values as xarray reads them (`dimension_names`, `_FillValue`).

use std::{collections::BTreeMap, io, path::Path, sync::Arc};

use rayon::prelude::*;
use serde_json::{Map, Value as Json, json};
use zarrs::{
    array::{Array, ArrayBuilder, ArrayBytes, FillValue, builder::ArrayBuilderFillValue, codec::GzipCodec, data_type},
    filesystem::FilesystemStore,
    group::GroupBuilder,
};

use super::{
    Error,
    aside_folder::AsideFolder,
    chunks::{LEVEL, Tiled, cut, origins},
    layout::{Element, Layout, Value, Values, Variable},
    sink::Sink,
};

/// A Zarr folder being written aside.
#[derive(Debug)]
pub(super) struct Zarr {
    aside: AsideFolder,
    store: Arc<FilesystemStore>,
    planes: BTreeMap<String, (Array<FilesystemStore>, Element)>,
    shape: (usize, usize),
}

impl Zarr {
    /// A folder that will be called `path`; an unwritable place is found here.
    pub fn create(path: &Path, layout: &Layout) -> Result<Self, Error> {
        let aside = AsideFolder::create(path)?;
        let store = FilesystemStore::new(aside.place()).map_err(|e| refuse(path, &e))?;
        let mut made = Self {
            aside,
            store: Arc::new(store),
            planes: BTreeMap::new(),
            shape: (layout.length("y"), layout.length("x")),
        };
        for variable in &layout.variables {
            if let Values::Planes(element) = variable.values {
                let array = made.array(variable, layout)?;
                made.planes.insert(variable.name.clone(), (array, element));
            }
        }
        Ok(made)
    }

    /// An array with its metadata, still without values.
    fn array(&self, variable: &Variable, layout: &Layout) -> Result<Array<FilesystemStore>, Error> {
        let lengths: Vec<u64> = variable.dimensions.iter().map(|d| layout.length(d) as u64).collect();
        let mut attributes = attributes(&variable.attributes);
        let (kind, fill, chunk) = match &variable.values {
            Values::I32(_) => (data_type::int32(), FillValue::from(0i32), lengths.clone()),
            Values::I64(_) => (data_type::int64(), FillValue::from(0i64), lengths.clone()),
            Values::F64(_) => (data_type::float64(), FillValue::from(f64::NAN), lengths.clone()),
            Values::Planes(element) => {
                let (kind, fill) = match element {
                    Element::F32 => (data_type::float32(), FillValue::from(f32::NAN)),
                    Element::F64 => (data_type::float64(), FillValue::from(f64::NAN)),
                    Element::U16 => (data_type::uint16(), FillValue::from(u16::MAX)),
                    Element::U8 => (data_type::uint8(), FillValue::from(u8::MAX)),
                };
                match element {
                    Element::U16 => drop(attributes.insert("_FillValue".to_owned(), json!(u16::MAX))),
                    Element::U8 => drop(attributes.insert("_FillValue".to_owned(), json!(u8::MAX))),
                    Element::F32 | Element::F64 => {}
                }
                (kind, fill, Tiled::tile_shape(lengths.len() - 2, self.shape))
            }
        };
        let gzip = GzipCodec::new(u32::from(LEVEL)).map_err(|e| refuse(self.aside.path(), &e))?;
        let array = ArrayBuilder::new(lengths, chunk, kind, ArrayBuilderFillValue::from(fill))
            .bytes_to_bytes_codecs(vec![Arc::new(gzip)])
            .dimension_names(Some(variable.dimensions.iter().map(String::as_str)))
            .attributes(attributes)
            .build(Arc::clone(&self.store), &format!("/{}", variable.name))
            .map_err(|e| refuse(self.aside.path(), &e))?;
        array.store_metadata().map_err(|e| refuse(self.aside.path(), &e))?;
        Ok(array)
    }
}

impl Sink for Zarr {
    fn plane(&mut self, variable: &str, index: &[u64], plane: &[u8]) -> Result<(), Error> {
        let (array, element) = self.planes.get(variable).expect("only variables of the layout are pushed");
        let fill = element.fill();
        origins(self.shape).into_par_iter().try_for_each(|origin| {
            let Some(tile) = cut(plane, self.shape, origin, &fill) else {
                return Ok(());
            };
            let (height, width) = (self.shape.0.min(super::chunks::TILE), self.shape.1.min(super::chunks::TILE));
            let mut chunk = index.to_vec();
            chunk.extend([(origin.0 / height) as u64, (origin.1 / width) as u64]);
            array
                .store_chunk(&chunk, ArrayBytes::new_flen(tile))
                .map_err(|e| refuse(self.aside.path(), &e))
        })
    }

    fn finish(self: Box<Self>, layout: &Layout) -> Result<(), Error> {
        let told = |e: &dyn std::error::Error| refuse(self.aside.path(), e);
        for variable in &layout.variables {
            let bytes: Vec<u8> = match &variable.values {
                Values::I32(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
                Values::I64(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
                Values::F64(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
                // The final layout may have fewer times than were announced.
                Values::Planes(_) => {
                    self.array(variable, layout)?;
                    continue;
                }
            };
            let array = self.array(variable, layout)?;
            let first = vec![0; variable.dimensions.len()];
            array.store_chunk(&first, ArrayBytes::new_flen(bytes)).map_err(|e| told(&e))?;
        }
        let group = GroupBuilder::new()
            .attributes(attributes(&layout.attributes))
            .build(Arc::clone(&self.store), "/")
            .map_err(|e| told(&e))?;
        group.store_metadata().map_err(|e| told(&e))?;
        self.aside.commit()
    }
}

fn attributes(attributes: &[(String, Value)]) -> Map<String, Json> {
    let one_or_all = |values: Vec<Json>| match <[Json; 1]>::try_from(values) {
        Ok([one]) => one,
        Err(all) => Json::Array(all),
    };
    attributes
        .iter()
        .map(|(name, value)| {
            let value = match value {
                Value::Text(text) => json!(text),
                Value::Doubles(values) => one_or_all(values.iter().map(|v| json!(v)).collect()),
                // The shortest decimal of an f32, so that 0.0001 stays 0.0001.
                Value::Floats(values) => one_or_all(
                    values
                        .iter()
                        .map(|v| json!(v.to_string().parse::<f64>().unwrap_or(f64::from(*v))))
                        .collect(),
                ),
                Value::U8s(values) => one_or_all(values.iter().map(|v| json!(v)).collect()),
            };
            (name.clone(), value)
        })
        .collect()
}

fn refuse(path: &Path, e: &dyn std::error::Error) -> Error {
    Error::write(path, io::Error::other(e.to_string()))
}
