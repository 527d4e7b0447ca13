//! Forecasts as NumPy arrays: bare numbers, whose times and thresholds the configuration tells.

use std::{io::Cursor, path::Path};

use chrono::TimeDelta;
use ndarray::{Array2, Array4, ArrayD, Axis, Ix4, s};
use ndarray_npy::{ReadNpyError, ReadNpyExt};

use super::{Fields, GivenConfig, Head, Holds, Rows};
use crate::ingest::{Error, index};

/// Largest array that is read, numbers.
const NUMBERS_MAX: u64 = 1 << 31;

/// An array `[member or threshold, lead, y, x]`, row 0 in the south.
pub(super) struct Numbers(Array4<f32>);

/// Whether bytes begin as a NumPy array does.
pub(super) fn is_npy(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x93NUMPY")
}

pub(super) fn open(path: &Path, bytes: &[u8], config: &GivenConfig) -> Result<(Head, Numbers), Error> {
    let content = |field: &str, found: String, expected: String| Error::Content {
        path: path.to_owned(),
        field: field.to_owned(),
        found,
        expected,
    };
    let read = read(bytes).map_err(|e| Error::Read {
        path: path.to_owned(),
        reason: format!("NumPy array: {e}"),
    })?;
    let shape = read.shape().to_vec();
    let whole = match shape.len() {
        3 => read.insert_axis(Axis(0)),
        _ => read,
    };
    let whole = whole.into_dimensionality::<Ix4>().map_err(|_| {
        let expected = "[lead, y, x] or [member or threshold, lead, y, x]".to_owned();
        content("shape", format!("{shape:?}"), expected)
    })?;
    let (layers, leads, ny, nx) = whole.dim();
    if layers == 0 || ny == 0 || nx == 0 || leads != config.lead_min.len() {
        let expected = format!("{} lead times as `lead_min` says, and none empty", config.lead_min.len());
        return Err(content("shape", format!("{shape:?}"), expected));
    }
    let (members, thresholds_mm_h) = match config.holds {
        Holds::Rain => (layers, Vec::new()),
        Holds::Probability if layers == config.thresholds_mm_h.len() => (0, config.thresholds_mm_h.clone()),
        Holds::Probability => {
            let expected = format!("{} thresholds as `thresholds_mm_h` says", config.thresholds_mm_h.len());
            return Err(content("shape", format!("{shape:?}"), expected));
        }
    };
    let reference_time = config.reference_time.or_else(|| index::time_in_name(path)).ok_or_else(|| {
        let expected = "a time in the file's name such as 20240701-1505, or the key `reference_time`".to_owned();
        content("reference time", "none".to_owned(), expected)
    })?;
    let lead = |minutes: &f64| reference_time + TimeDelta::seconds((minutes * 60.0).round() as i64);
    let whole = match config.rows {
        Rows::FromSouth => whole,
        Rows::FromNorth => whole.slice(s![.., .., ..;-1, ..]).to_owned(),
    };
    let head = Head {
        reference_time,
        valid_times: config.lead_min.iter().map(lead).collect(),
        grid: None,
        shape: (ny, nx),
        members,
        thresholds_mm_h,
    };
    Ok((head, Numbers(whole)))
}

/// Numbers of any width.
fn read(bytes: &[u8]) -> Result<ArrayD<f32>, String> {
    let numbers = announced(bytes)?;
    if numbers > NUMBERS_MAX || numbers > bytes.len() as u64 {
        return Err(format!(
            "{numbers} numbers in {} bytes, expected at most {NUMBERS_MAX} and all of them",
            bytes.len()
        ));
    }
    match ArrayD::<f32>::read_npy(Cursor::new(bytes)) {
        Ok(array) => Ok(array),
        Err(ReadNpyError::WrongDescriptor(_)) => match ArrayD::<f64>::read_npy(Cursor::new(bytes)) {
            Ok(array) => Ok(array.mapv(|v| v as f32)),
            Err(e) => Err(format!("{e}; expected floating-point numbers of 4 or 8 bytes")),
        },
        Err(e) => Err(e.to_string()),
    }
}

/// How many numbers the header announces, before anything of that size is made.
fn announced(bytes: &[u8]) -> Result<u64, String> {
    let header = &bytes[..bytes.len().min(65_536)];
    let text = String::from_utf8_lossy(header);
    let shape = text
        .split("'shape':")
        .nth(1)
        .and_then(|rest| rest.split_once('('))
        .and_then(|(_, rest)| rest.split_once(')'));
    let (shape, _) = shape.ok_or("a header without a shape")?;
    let mut product: u64 = 1;
    for length in shape.split(',').map(str::trim).filter(|l| !l.is_empty()) {
        let length: u64 = length.parse().map_err(|_| format!("a length of `{length}`"))?;
        product = product.checked_mul(length).ok_or("a shape beyond all numbers")?;
    }
    Ok(product)
}

impl Fields for Numbers {
    fn rain(&self, time: usize, member: usize) -> Result<Array2<f32>, Error> {
        Ok(self.0.slice(s![member, time, .., ..]).to_owned())
    }

    fn probability(&self, time: usize, threshold: usize) -> Result<Array2<f32>, Error> {
        self.rain(time, threshold)
    }
}
