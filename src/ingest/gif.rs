//! GIF pictures whose colours are codes, as MeteoSwiss writes its accumulations; the palette is not looked at.
//!
//! # Source
//!
//! CompuServe, 1990: Graphics Interchange Format, version 89a.

use std::{
    io::Cursor,
    path::{Path, PathBuf},
};

use gif::{ColorOutput, DecodeOptions, MemoryLimit};
use ndarray::Array2;

use super::{
    Error, Limits,
    picture::{Picture, Value, expected_size, plausible},
    scale::Scale,
};

/// An open picture: its size is known.
pub(super) struct Gif {
    path: PathBuf,
    content: Vec<u8>,
    rows: usize,
    columns: usize,
}

impl Gif {
    /// Reads the size.
    pub fn open(path: &Path, content: Vec<u8>, limits: Limits) -> Result<Self, Error> {
        let octet = |k: usize| content.get(k).copied().unwrap_or(0);
        let (columns, rows) = (u16::from_le_bytes([octet(6), octet(7)]), u16::from_le_bytes([octet(8), octet(9)]));
        let (rows, columns) = (usize::from(rows), usize::from(columns));
        if !plausible([rows, columns], content.len(), limits) {
            return Err(Error::content(
                path,
                "size",
                format!("{columns} x {rows}"),
                expected_size(content.len(), limits),
            ));
        }
        Ok(Self {
            path: path.to_owned(),
            content,
            rows,
            columns,
        })
    }
}

impl Picture for Gif {
    fn value(&self, _: &str) -> Option<Value> {
        None
    }

    fn shape(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    fn rain(&self, scale: &Scale) -> Result<Array2<f32>, Error> {
        let told = |reason: String| Error::Read {
            path: self.path.clone(),
            reason,
        };
        let mut options = DecodeOptions::new();
        options.set_color_output(ColorOutput::Indexed);
        options.set_memory_limit(MemoryLimit::Bytes(
            ((self.rows * self.columns) as u64).try_into().expect("the size is not nought"),
        ));
        let mut decoder = options.read_info(Cursor::new(&self.content)).map_err(|e| told(e.to_string()))?;
        let frame = decoder.read_next_frame().map_err(|e| told(e.to_string()))?;
        let frame = frame.ok_or_else(|| told("no picture".into()))?;
        let found = [frame.height, frame.width].map(usize::from);
        if found != self.shape() || frame.top != 0 || frame.left != 0 || frame.buffer.len() != self.rows * self.columns {
            return Err(Error::content(
                &self.path,
                "first picture",
                format!("{found:?} rows and columns"),
                format!("{:?}, the whole canvas", self.shape()),
            ));
        }
        let rain = frame.buffer.iter().map(|code| scale.mm_h(f64::from(*code))).collect();
        Ok(Array2::from_shape_vec((self.rows, self.columns), rain).expect("the cells were counted"))
    }
}
