//! HDF5 files: groups, attributes and datasets, with every size looked at before it is read.
//!
//! # Source
//!
//! The HDF Group, HDF5 File Format Specification Version 3.0, for what the library decodes.

use std::path::{Path, PathBuf};

use hdf5_reader::{Attribute, Datatype, Hdf5File, OpenOptions};
use ndarray::{Array2, Ix2};

use super::{
    Error, Limits,
    picture::{Picture, Value, expected_size, plausible},
    scale::Scale,
};

/// What every HDF5 file begins with.
pub(super) const SIGNATURE: &[u8] = b"\x89HDF\r\n\x1a\n";
/// Largest object header that is read, bytes.
const HEADER_MAX: usize = 1 << 20;
/// Most elements of an attribute.
const ATTRIBUTE_MAX: u64 = 1 << 16;

/// An open file: nothing is read but what is asked for.
pub(super) struct Hdf5 {
    path: PathBuf,
    bytes: usize,
    limits: Limits,
    file: Hdf5File,
}

impl Hdf5 {
    /// Opens a file whose content is `bytes`.
    pub fn open(path: &Path, bytes: Vec<u8>, limits: Limits) -> Result<Self, Error> {
        let options = OpenOptions {
            max_read_bytes: limits.decoded_bytes(),
            max_chunk_bytes: limits.decoded_bytes(),
            max_object_header_bytes: HEADER_MAX,
            // A picture is read once: its chunks need no second look.
            chunk_cache_bytes: 0,
            ..OpenOptions::default()
        };
        let size = bytes.len();
        let file = Hdf5File::from_vec_with_options(bytes, options).map_err(|e| Error::Read {
            path: path.to_owned(),
            reason: e.to_string(),
        })?;
        Ok(Self {
            path: path.to_owned(),
            bytes: size,
            limits,
            file,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// An attribute of a group or dataset, such as `("image1/calibration", "calibration_formulas")`; the root is the empty name.
    pub fn attribute(&self, object: &str, name: &str) -> Option<Value> {
        let group = if object.is_empty() {
            self.file.root_group()
        } else {
            self.file.group(object)
        };
        let attribute = match group {
            Ok(group) => group.attribute(name).ok()?,
            Err(_) => self.file.dataset(object).ok()?.attribute(name).ok()?,
        };
        value(&attribute)
    }

    /// The text of an attribute.
    pub fn text(&self, object: &str, name: &str) -> Option<String> {
        self.attribute(object, name)?.text()
    }

    /// The number of an attribute.
    pub fn number(&self, object: &str, name: &str) -> Option<f64> {
        self.attribute(object, name)?.number()
    }

    /// Groups inside a group that are called `stem` and a number, such as `dataset1`, in the order of their numbers.
    pub fn numbered(&self, group: &str, stem: &str) -> Vec<String> {
        let inside = if group.is_empty() {
            self.file.root_group()
        } else {
            self.file.group(group)
        };
        let names = inside
            .and_then(|g| g.member_names())
            .map_or_else(|_| Vec::new(), |(groups, _)| groups);
        let mut found: Vec<(u32, String)> = names
            .into_iter()
            .filter_map(|name| {
                let number = name.strip_prefix(stem)?.parse().ok()?;
                Some((number, if group.is_empty() { name } else { format!("{group}/{name}") }))
            })
            .collect();
        found.sort();
        found.into_iter().map(|(_, name)| name).collect()
    }

    /// The shape `[rows, columns]` of a picture.
    pub fn shape(&self, dataset: &str) -> Result<[usize; 2], Error> {
        let limits = self.limits;
        let shape = self.dataset(dataset)?.shape().to_vec();
        match shape.as_slice() {
            [rows, columns]
                if *rows <= limits.points()
                    && *columns <= limits.points()
                    && plausible([*rows as usize, *columns as usize], self.bytes, limits) =>
            {
                Ok([*rows as usize, *columns as usize])
            }
            _ => Err(Error::content(
                &self.path,
                dataset,
                format!("shape {shape:?}"),
                expected_size(self.bytes, limits),
            )),
        }
    }

    /// The numbers `[row, column]` of a picture in the order of the file, each made into what is wanted of it.
    pub fn map(&self, dataset: &str, of: impl Fn(f64) -> f32) -> Result<Array2<f32>, Error> {
        let [rows, columns] = self.shape(dataset)?;
        let data = self.dataset(dataset)?;
        let told = |reason: String| Error::Read {
            path: self.path.clone(),
            reason: format!("{dataset}: {reason}"),
        };
        macro_rules! read {
            ($number:ty) => {
                data.read_array::<$number>().map(|a| a.mapv(|v| of(v as f64)))
            };
        }
        let read = match data.dtype() {
            Datatype::FixedPoint {
                size: 1, signed: false, ..
            } => read!(u8),
            Datatype::FixedPoint { size: 1, signed: true, .. } => read!(i8),
            Datatype::FixedPoint {
                size: 2, signed: false, ..
            } => read!(u16),
            Datatype::FixedPoint { size: 2, signed: true, .. } => read!(i16),
            Datatype::FixedPoint {
                size: 4, signed: false, ..
            } => read!(u32),
            Datatype::FixedPoint { size: 4, signed: true, .. } => read!(i32),
            Datatype::FixedPoint {
                size: 8, signed: false, ..
            } => read!(u64),
            Datatype::FixedPoint { size: 8, signed: true, .. } => read!(i64),
            Datatype::FloatingPoint { size: 4, .. } => read!(f32),
            Datatype::FloatingPoint { size: 8, .. } => read!(f64),
            other => {
                return Err(Error::content(
                    &self.path,
                    dataset,
                    format!("{other:?}"),
                    "whole or floating numbers",
                ));
            }
        };
        let read = read.map_err(|e| told(e.to_string()))?;
        let found = read.shape().to_vec();
        let read = read.into_dimensionality::<Ix2>().ok().filter(|a| a.dim() == (rows, columns));
        read.ok_or_else(|| told(format!("shape {found:?}, expected {:?}", [rows, columns])))
    }

    fn dataset(&self, name: &str) -> Result<hdf5_reader::Dataset, Error> {
        self.file
            .dataset(name)
            .map_err(|e| Error::content(&self.path, name, e.to_string(), "a dataset"))
    }
}

/// A dataset of a file as a picture whose meaning a configuration gives.
pub(super) struct Dataset {
    file: Hdf5,
    name: String,
    shape: [usize; 2],
}

impl Dataset {
    /// Looks at its shape.
    pub fn open(file: Hdf5, name: &str) -> Result<Self, Error> {
        Ok(Self {
            shape: file.shape(name)?,
            name: name.to_owned(),
            file,
        })
    }
}

impl Picture for Dataset {
    fn value(&self, name: &str) -> Option<Value> {
        let (object, attribute) = name.split_once('@').unwrap_or(("", name));
        self.file.attribute(object.trim_matches('/'), attribute)
    }

    fn shape(&self) -> [usize; 2] {
        self.shape
    }

    fn rain(&self, scale: &Scale) -> Result<Array2<f32>, Error> {
        self.file.map(&self.name, |v| scale.mm_h(v))
    }
}

/// Text or numbers of an attribute.
fn value(attribute: &Attribute) -> Option<Value> {
    if attribute.num_elements().ok()? > ATTRIBUTE_MAX {
        return None;
    }
    macro_rules! numbers {
        ($number:ty) => {
            attribute
                .read_1d::<$number>()
                .map(|all| all.into_iter().map(|v| v as f64).collect())
                .or_else(|_| attribute.read_scalar::<$number>().map(|v| vec![v as f64]))
                .ok()
        };
    }
    let numbers: Option<Vec<f64>> = match &attribute.datatype {
        Datatype::FixedPoint {
            size: 1, signed: false, ..
        } => numbers!(u8),
        Datatype::FixedPoint { size: 1, signed: true, .. } => numbers!(i8),
        Datatype::FixedPoint {
            size: 2, signed: false, ..
        } => numbers!(u16),
        Datatype::FixedPoint { size: 2, signed: true, .. } => numbers!(i16),
        Datatype::FixedPoint {
            size: 4, signed: false, ..
        } => numbers!(u32),
        Datatype::FixedPoint { size: 4, signed: true, .. } => numbers!(i32),
        Datatype::FixedPoint {
            size: 8, signed: false, ..
        } => numbers!(u64),
        Datatype::FixedPoint { size: 8, signed: true, .. } => numbers!(i64),
        Datatype::FloatingPoint { size: 4, .. } => numbers!(f32),
        Datatype::FloatingPoint { size: 8, .. } => numbers!(f64),
        _ => {
            return attribute
                .read_string()
                .ok()
                .map(|t| Value::Text(t.trim_matches(['\0', ' ']).to_owned()));
        }
    };
    numbers.filter(|n| !n.is_empty()).map(Value::Numbers)
}
