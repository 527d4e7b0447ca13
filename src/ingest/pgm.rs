//! PGM pictures with comments, as the Finnish Meteorological Institute writes its composites.
//!
//! # Source
//!
//! Netpbm project, 2016: PGM format specification ("plain" is not read). The comments on place and time follow the files of FMI's open data.

use std::path::{Path, PathBuf};

use ndarray::Array2;

use super::{
    Error, Limits,
    picture::{Picture, Place, Value, from_words, projection},
    scale::Scale,
};

/// The sphere of these composites, radius 6371.288 km (pysteps 1.21, `io/importers.py`, `import_fmi_pgm`).
const RADIUS_M: f64 = 6_371_288.0;
/// Most octets of the head.
const HEADER_MAX: usize = 1 << 16;

/// An open picture: its head is read.
pub(super) struct Pgm {
    path: PathBuf,
    /// Lines of comment: a word and what follows it.
    comments: Vec<(String, String)>,
    rows: usize,
    columns: usize,
    /// Octets of a cell: 1, or 2 with the greater one first.
    octets: usize,
    cells: Vec<u8>,
}

impl Pgm {
    /// Reads the head.
    pub fn open(path: &Path, content: &[u8], limits: Limits) -> Result<Self, Error> {
        let refuse = |field: &str, found: String, expected: &str| Error::content(path, field, found, expected);
        let mut comments = Vec::new();
        let mut words: Vec<String> = Vec::new();
        let mut at = 2;
        // Width, height and greatest value, with comments anywhere between them; one blank before the cells.
        while words.len() < 3 {
            match content.get(at).filter(|_| at < HEADER_MAX) {
                Some(b'#') => {
                    let line: Vec<u8> = content[at + 1..]
                        .iter()
                        .copied()
                        .take(HEADER_MAX)
                        .take_while(|b| *b != b'\n')
                        .collect();
                    at += line.len() + 1;
                    let line = String::from_utf8_lossy(&line).into_owned();
                    let (word, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
                    comments.push((word.to_owned(), rest.trim().to_owned()));
                }
                Some(b) if b.is_ascii_digit() => {
                    let word: String = content[at..]
                        .iter()
                        .take(9)
                        .take_while(|b| b.is_ascii_digit())
                        .map(|b| char::from(*b))
                        .collect();
                    at += word.len();
                    words.push(word);
                }
                Some(b) if b.is_ascii_whitespace() => at += 1,
                other => {
                    return Err(refuse(
                        "head",
                        format!("{other:?} at byte {at}"),
                        "width, height and greatest value",
                    ));
                }
            }
        }
        let number = |k: usize| words[k].parse::<usize>().unwrap_or(0);
        let (columns, rows, greatest) = (number(0), number(1), number(2));
        let octets = if greatest > 255 { 2 } else { 1 };
        if rows == 0 || columns == 0 || rows.saturating_mul(columns) as u64 > limits.points() || greatest == 0 || greatest > 65_535 {
            let found = format!("{columns} x {rows} up to {greatest}");
            let most = limits.points();
            let expected = format!("1 to {most} cells (`ingest.limits.points_million`) up to 255 or 65535");
            return Err(refuse("head", found, &expected));
        }
        let cells = content.get(at + 1..).unwrap_or(&[]);
        if cells.len() != rows * columns * octets {
            let expected = format!("{} for {columns} x {rows}", rows * columns * octets);
            return Err(refuse("cells", format!("{} bytes", cells.len()), &expected));
        }
        Ok(Self {
            path: path.to_owned(),
            comments,
            rows,
            columns,
            octets,
            cells: cells.to_vec(),
        })
    }

    fn comment(&self, name: &str) -> Option<&str> {
        self.comments.iter().find(|(word, _)| word == name).map(|(_, rest)| rest.as_str())
    }
}

impl Picture for Pgm {
    fn value(&self, name: &str) -> Option<Value> {
        self.comment(name).map(|rest| Value::Text(rest.to_owned()))
    }

    fn shape(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    fn place(&self, given: Option<&str>) -> Result<Option<Place>, Error> {
        let Some(kind) = self.comment("type") else {
            return Ok(None);
        };
        if kind != "stereographic" {
            return Err(Error::content(&self.path, "type of projection", kind, "stereographic"));
        }
        let numbers = |name: &str| -> Result<Vec<f64>, Error> {
            let text = self.comment(name).unwrap_or("");
            from_words(text).ok_or_else(|| Error::content(&self.path, name, text, "numbers"))
        };
        let pair = |name: &str| match numbers(name)?.as_slice() {
            [longitude, latitude] => Ok((*longitude, *latitude)),
            other => Err(Error::content(&self.path, name, format!("{other:?}"), "longitude and latitude")),
        };
        let definition = format!(
            "+proj=stere +lat_0={} +lon_0={} +lat_ts={} +R={RADIUS_M} +units=m +no_defs",
            numbers("centrallatitude")?[0],
            numbers("centrallongitude")?[0],
            numbers("truelatitude")?[0]
        );
        let map = projection(&self.path, given.unwrap_or(&definition))?;
        Place::between(&self.path, map, pair("bottomleft")?, pair("topright")?).map(Some)
    }

    fn rain(&self, scale: &Scale) -> Result<Array2<f32>, Error> {
        let number = |cell: &[u8]| match cell {
            [high, low] => f64::from(u16::from_be_bytes([*high, *low])),
            _ => f64::from(cell[0]),
        };
        let rain: Vec<f32> = self.cells.chunks_exact(self.octets).map(|c| scale.mm_h(number(c))).collect();
        Ok(Array2::from_shape_vec((self.rows, self.columns), rain).expect("cells were counted when the head was read"))
    }
}
