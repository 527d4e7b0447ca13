//! A stored forecast as one NetCDF-4 file, the form that every analysis tool opens.

use std::{collections::BTreeMap, path::Path};

use netcdf_writer::{Error as NcError, NcAttrValue, NcFileBuilder, NcWriteFormat, NcWriteOptions};

use super::{
    Aside, Error,
    chunks::{LEVEL, Spool, Tiled, assemble},
    layout::{Element, Layout, Value, Values},
    sink::Sink,
    whole::{folder, root_of},
};

/// Texts beyond this go into strings of variable length, for an attribute of fixed length ends at 64 KiB.
const LONG_TEXT: usize = 4096;

/// A NetCDF-4 file being written aside.
#[derive(Debug)]
pub(super) struct Netcdf {
    aside: Aside,
    spool: Spool,
    /// Tiles of the variables that come in planes.
    tiled: BTreeMap<String, Tiled>,
    shape: (usize, usize),
}

impl Netcdf {
    /// A file that will be called `path`; an unwritable place and a layout that the library refuses are found here.
    pub fn create(path: &Path, layout: &Layout) -> Result<Self, Error> {
        let aside = Aside::create(path)?;
        let file = tempfile::tempfile_in(folder(path)).map_err(|e| Error::write(path, root_of(e)))?;
        let shape = layout.plane();
        let tiled = layout.variables.iter().filter_map(|v| match v.values {
            Values::Planes(element) => Some((v.name.clone(), Tiled::new(&v.name, v.dimensions.len() - 2, element.fill()))),
            _ => None,
        });
        let made = Self {
            aside,
            spool: Spool::new(file),
            tiled: tiled.collect(),
            shape,
        };
        made.head(layout)?;
        Ok(made)
    }

    fn head(&self, layout: &Layout) -> Result<Vec<u8>, Error> {
        lay_out(layout, self.shape).map_err(|e| Error::Layout {
            path: self.aside.path().to_owned(),
            reason: e.to_string(),
        })
    }
}

impl Sink for Netcdf {
    fn plane(&mut self, variable: &str, index: &[u64], plane: &[u8]) -> Result<(), Error> {
        let tiled = self.tiled.get_mut(variable).expect("only variables of the layout are pushed");
        tiled
            .push(&mut self.spool, index, self.shape, plane)
            .map_err(|e| Error::write(self.aside.path(), e))
    }

    fn finish(mut self: Box<Self>, layout: &Layout) -> Result<(), Error> {
        let head = self.head(layout)?;
        // In the order of the layout, so that equal forecasts are equal files.
        let mut variables: Vec<Tiled> = layout.variables.iter().filter_map(|v| self.tiled.remove(&v.name)).collect();
        assemble(head, &mut variables, self.spool, self.shape, self.aside.file()).map_err(|e| Error::write(self.aside.path(), e))?;
        self.aside.commit()
    }
}

/// The file as the NetCDF library lays it out: all but the planes.
pub(super) fn lay_out(layout: &Layout, shape: (usize, usize)) -> Result<Vec<u8>, NcError> {
    let mut file = NcFileBuilder::new();
    for (name, value) in &layout.attributes {
        file.add_attribute(name, attribute(value))?;
    }
    let mut dimensions = BTreeMap::new();
    for (name, length) in &layout.dimensions {
        dimensions.insert(name.as_str(), file.add_dimension(name, *length as u64)?);
    }
    for variable in &layout.variables {
        let name = &variable.name;
        let along: Vec<_> = variable
            .dimensions
            .iter()
            .filter_map(|d| dimensions.get(d.as_str()).copied())
            .collect();
        let id = match &variable.values {
            Values::I32(values) => {
                let id = file.add_variable::<i32>(name, &along)?;
                file.write_variable(id, values)?;
                id
            }
            Values::I64(values) => {
                let id = file.add_variable::<i64>(name, &along)?;
                file.write_variable(id, values)?;
                id
            }
            Values::F64(values) => {
                let id = file.add_variable::<f64>(name, &along)?;
                file.write_variable(id, values)?;
                id
            }
            Values::Planes(element) => {
                let id = match element {
                    Element::F32 => file.add_variable::<f32>(name, &along)?,
                    Element::F64 => file.add_variable::<f64>(name, &along)?,
                    Element::U16 => file.add_variable::<u16>(name, &along)?,
                    Element::U8 => file.add_variable::<u8>(name, &along)?,
                };
                file.set_variable_chunking(id, Tiled::tile_shape(along.len() - 2, shape))?;
                file.set_variable_deflate(id, Some(LEVEL), true)?;
                match element {
                    Element::F32 => file.set_variable_fill_value(id, f32::NAN)?,
                    Element::F64 => file.set_variable_fill_value(id, f64::NAN)?,
                    Element::U16 => file.set_variable_fill_value(id, u16::MAX)?,
                    Element::U8 => file.set_variable_fill_value(id, u8::MAX)?,
                }
                id
            }
        };
        for (name, value) in &variable.attributes {
            file.add_variable_attribute(id, name, attribute(value))?;
        }
    }
    let format = NcWriteOptions {
        format: NcWriteFormat::Nc4,
    };
    file.to_vec(format).map(|(_, bytes)| bytes)
}

fn attribute(value: &Value) -> NcAttrValue {
    match value {
        Value::Text(text) if text.len() > LONG_TEXT => NcAttrValue::Strings(vec![text.clone()]),
        Value::Text(text) => NcAttrValue::Chars(text.clone()),
        Value::Doubles(values) => NcAttrValue::Doubles(values.clone()),
        Value::Floats(values) => NcAttrValue::Floats(values.clone()),
        Value::U8s(values) => NcAttrValue::UBytes(values.clone()),
    }
}
