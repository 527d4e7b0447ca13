//! Archives of arrays as NumPy writes them, read without trust: nothing is allocated beyond what the file holds and the caller allows.
//!
//! # Source
//!
//! NumPy, NEP 1: A simple file format for NumPy arrays, versions 1.0 to 3.0.

use std::{
    io::{Cursor, Read, Seek, Write},
    path::Path,
};

use zip::{CompressionMethod, ZipArchive, ZipWriter, write::SimpleFileOptions};

use crate::Error;

/// Longest head of an array that is read, bytes.
const LONGEST_HEAD: u64 = 1 << 16;
/// Most arrays of an archive.
const MOST_ENTRIES: usize = 1 << 16;

/// An open archive.
pub struct Npz<R> {
    origin: String,
    archive: ZipArchive<R>,
}

/// An array as it lies in the file.
pub struct Npy {
    /// Type of its elements, such as `<f4`.
    pub kind: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Whether the first axis runs fastest.
    fortran: bool,
    bytes: Vec<u8>,
}

impl Npz<std::io::BufReader<std::fs::File>> {
    /// Opens a file.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let origin = path.display().to_string();
        let file = std::fs::File::open(path).map_err(|e| Error::checkpoint(&origin, "file", e.to_string(), "a file that can be read"))?;
        Self::read(origin, std::io::BufReader::new(file))
    }
}

impl<R: Read + Seek> Npz<R> {
    /// Opens an archive; `origin` is what messages call it.
    pub fn read(origin: String, reader: R) -> Result<Self, Error> {
        let archive = ZipArchive::new(reader)
            .map_err(|e| Error::checkpoint(&origin, "file", e.to_string(), "an archive of arrays (.npz) that is whole"))?;
        if archive.len() > MOST_ENTRIES {
            let found = format!("{} arrays", archive.len());
            return Err(Error::checkpoint(&origin, "file", found, format!("at most {MOST_ENTRIES}")));
        }
        Ok(Self { origin, archive })
    }

    /// What messages call the archive.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Names of the arrays.
    pub fn keys(&self) -> Vec<String> {
        let keys = self.archive.file_names().map(|n| n.strip_suffix(".npy").unwrap_or(n).to_owned());
        keys.collect()
    }

    /// The array `key` of at most `most` elements.
    pub fn array(&mut self, key: &str, most: usize) -> Result<Npy, Error> {
        let origin = self.origin.clone();
        let refuse = |found: String, expected: String| Error::checkpoint(&origin, key, found, expected);
        let mut entry = self.archive.by_name(&format!("{key}.npy")).map_err(|e| match e {
            zip::result::ZipError::FileNotFound => refuse("nothing".into(), "an array of this name".into()),
            e => refuse(e.to_string(), "an array that can be unpacked".into()),
        })?;
        let cut = |e: std::io::Error| refuse(e.to_string(), "an array that can be unpacked".into());
        let mut start = [0; 8];
        entry.read_exact(&mut start).map_err(cut)?;
        if &start[..6] != b"\x93NUMPY" {
            return Err(refuse("other bytes".into(), "the head of a NumPy array".into()));
        }
        let mut length = [0; 4];
        let width = if start[6] == 1 { 2 } else { 4 };
        entry.read_exact(&mut length[..width]).map_err(cut)?;
        let length = u64::from(u32::from_le_bytes(length));
        if length > LONGEST_HEAD {
            return Err(refuse(format!("a head of {length} bytes"), format!("at most {LONGEST_HEAD}")));
        }
        let mut head = Vec::new();
        (&mut entry).take(length).read_to_end(&mut head).map_err(cut)?;
        let head = String::from_utf8_lossy(&head).into_owned();
        let (kind, fortran, shape) =
            parse(&head).ok_or_else(|| refuse(format!("the head `{}`", head.trim_end()), "type, order and shape".into()))?;
        let count = shape.iter().try_fold(1usize, |n, s| n.checked_mul(*s)).filter(|n| *n <= most);
        let count = count.ok_or_else(|| refuse(format!("shape {shape:?}"), format!("at most {most} elements")))?;
        let size = width_of(&kind).ok_or_else(|| refuse(format!("elements of type `{kind}`"), "numbers or text".into()))?;
        let needed = (count as u64).saturating_mul(size);
        let mut bytes = Vec::new();
        (&mut entry).take(needed + 1).read_to_end(&mut bytes).map_err(cut)?;
        if bytes.len() as u64 != needed {
            let found = if bytes.len() as u64 > needed {
                "more".to_owned()
            } else {
                bytes.len().to_string()
            };
            return Err(refuse(
                format!("{found} bytes"),
                format!("{needed} of shape {shape:?} and type `{kind}`"),
            ));
        }
        Ok(Npy {
            kind,
            shape,
            fortran,
            bytes,
        })
    }
}

impl Npy {
    /// Its elements, the last axis fastest, if they are numbers.
    pub fn floats(&self) -> Option<Vec<f32>> {
        let values: Vec<f32> = match self.kind.as_str() {
            "<f4" => self
                .bytes
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes(b.try_into().expect("four bytes")))
                .collect(),
            "<f8" => self
                .bytes
                .chunks_exact(8)
                .map(|b| f64::from_le_bytes(b.try_into().expect("eight bytes")) as f32)
                .collect(),
            _ => return None,
        };
        match (self.fortran, self.shape.as_slice()) {
            (true, &[rows, columns]) => Some((0..rows * columns).map(|k| values[k % columns * rows + k / columns]).collect()),
            (true, [_, _, _, ..]) => None,
            _ => Some(values),
        }
    }

    /// Its only element as a number.
    pub fn number(&self) -> Option<f64> {
        let bytes = self.bytes.as_slice();
        match self.kind.as_str() {
            "<i8" => Some(i64::from_le_bytes(bytes.try_into().ok()?) as f64),
            "<i4" => Some(f64::from(i32::from_le_bytes(bytes.try_into().ok()?))),
            "<f8" => Some(f64::from_le_bytes(bytes.try_into().ok()?)),
            "<f4" => Some(f64::from(f32::from_le_bytes(bytes.try_into().ok()?))),
            _ => None,
        }
    }

    /// Its only element as text.
    pub fn text(&self) -> Option<String> {
        match self.kind.get(..2)? {
            "<U" => {
                let units = self
                    .bytes
                    .chunks_exact(4)
                    .map(|b| u32::from_le_bytes(b.try_into().expect("four bytes")));
                units.take_while(|u| *u != 0).map(char::from_u32).collect()
            }
            "|S" => String::from_utf8(self.bytes.iter().copied().take_while(|b| *b != 0).collect()).ok(),
            _ => None,
        }
    }
}

/// Bytes of an element.
fn width_of(kind: &str) -> Option<u64> {
    let count = kind.get(2..)?.parse::<u64>().ok()?;
    match kind.get(..2)? {
        "<f" | "<i" | "|S" => Some(count),
        "<U" => count.checked_mul(4),
        _ => None,
    }
    .filter(|width| *width <= LONGEST_HEAD)
}

/// Type, order and shape from the head of an array: a Python dictionary of three keys.
fn parse(head: &str) -> Option<(String, bool, Vec<usize>)> {
    let value = |key: &str| {
        let (_, rest) = head.split_once(&format!("'{key}'"))?;
        Some(rest.trim_start().strip_prefix(':')?.trim_start())
    };
    let kind = value("descr")?.strip_prefix('\'')?.split_once('\'')?.0.to_owned();
    let fortran = match value("fortran_order")? {
        order if order.starts_with("True") => true,
        order if order.starts_with("False") => false,
        _ => return None,
    };
    let shape = value("shape")?.strip_prefix('(')?.split_once(')')?.0;
    let lengths = shape.split(',').map(str::trim).filter(|s| !s.is_empty());
    Some((kind, fortran, lengths.map(|s| s.parse().ok()).collect::<Option<_>>()?))
}

/// An archive being made in memory.
pub struct NpzWriter(ZipWriter<Cursor<Vec<u8>>>);

impl NpzWriter {
    /// An archive without arrays.
    pub fn new() -> Self {
        Self(ZipWriter::new(Cursor::new(Vec::new())))
    }

    /// Adds numbers.
    pub fn floats(&mut self, key: &str, shape: &[usize], values: &[f32]) -> Result<(), Error> {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.add(key, "<f4", shape, &bytes)
    }

    /// Adds a number.
    pub fn number(&mut self, key: &str, value: f64) -> Result<(), Error> {
        self.add(key, "<f8", &[], &value.to_le_bytes())
    }

    /// Adds a whole number.
    pub fn count(&mut self, key: &str, value: usize) -> Result<(), Error> {
        self.add(key, "<i8", &[], &(value as u64).to_le_bytes())
    }

    /// Adds text.
    pub fn text(&mut self, key: &str, value: &str) -> Result<(), Error> {
        let units: Vec<u8> = value.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
        self.add(key, &format!("<U{}", units.len() / 4), &[], &units)
    }

    fn add(&mut self, key: &str, kind: &str, shape: &[usize], bytes: &[u8]) -> Result<(), Error> {
        let told = |e: String| Error::checkpoint("to be saved", key, e, "room for it");
        let lengths: String = shape.iter().map(|s| format!("{s},")).collect();
        let mut head = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({lengths}), }}");
        // The head ends with a line, and the numbers begin at a multiple of 64.
        while (10 + head.len() + 1) % 64 != 0 {
            head.push(' ');
        }
        head.push('\n');
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .large_file(bytes.len() >= 1 << 31);
        self.0.start_file(format!("{key}.npy"), options).map_err(|e| told(e.to_string()))?;
        let length = (head.len() as u16).to_le_bytes();
        for part in [b"\x93NUMPY\x01\x00".as_slice(), &length, head.as_bytes(), bytes] {
            self.0.write_all(part).map_err(|e| told(e.to_string()))?;
        }
        Ok(())
    }

    /// The archive.
    pub fn finish(self) -> Result<Vec<u8>, Error> {
        let done = self.0.finish();
        done.map(Cursor::into_inner)
            .map_err(|e| Error::checkpoint("to be saved", "file", e.to_string(), "room for it"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut writer = NpzWriter::new();
        writer.floats("a:w", &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        writer.number("n", 0.6).unwrap();
        writer.count("k", 7).unwrap();
        writer.text("t", "2m_temperature").unwrap();
        let mut npz = Npz::read("made".into(), Cursor::new(writer.finish().unwrap())).unwrap();
        let array = npz.array("a:w", 6).unwrap();
        assert_eq!((array.shape.as_slice(), array.floats().unwrap()[4]), ([2, 3].as_slice(), 5.0));
        assert_eq!(npz.array("n", 1).unwrap().number(), Some(0.6));
        assert_eq!(npz.array("k", 1).unwrap().number(), Some(7.0));
        assert_eq!(npz.array("t", 1).unwrap().text().as_deref(), Some("2m_temperature"));
        assert!(npz.array("a:w", 5).is_err(), "larger than allowed");
        assert!(npz.array("b", 5).is_err());
    }

    #[test]
    fn columns_that_run_first_are_turned() {
        let array = Npy {
            kind: "<f4".into(),
            shape: vec![2, 3],
            fortran: true,
            bytes: [1.0f32, 4.0, 2.0, 5.0, 3.0, 6.0].iter().flat_map(|v| v.to_le_bytes()).collect(),
        };
        assert_eq!(array.floats().unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }
}
