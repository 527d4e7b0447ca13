//! Which file holds which valid time, from the heads of the files; their rain stays packed.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::{DateTime, NaiveDateTime, Utc};
use ndarray::Array2;
use nowblend_field::{Grid, ValidTime};
use rayon::prelude::*;

use super::{Error, Limits, bytes, grib2, netcdf};
use crate::store::Input;

/// A frame in a file.
#[derive(Debug, Clone)]
pub(super) struct Record {
    /// Index of the file.
    pub file: usize,
    /// Number of the field or frame in it.
    pub number: usize,
    /// Where its cells lie, all of them.
    pub grid: Arc<Grid>,
}

/// A file, or a field in it, that cannot be used.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    /// The file.
    pub path: PathBuf,
    /// When it would hold, from its head, or else from its name.
    pub time: Option<ValidTime>,
    /// What is wrong.
    pub words: String,
}

/// Frames by valid time, and what cannot be used.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub files: Vec<PathBuf>,
    pub records: BTreeMap<ValidTime, Vec<Record>>,
    pub problems: Vec<Problem>,
}

/// The formats that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Grib2,
    NetCdf,
}

impl Index {
    /// Reads the heads of all files that `source` names: a file, a directory or a pattern.
    pub fn of(source: &str, limits: Limits) -> Result<Self, Error> {
        let files = files(source)?;
        let heads: Vec<Head> = files.par_iter().map(|path| head(path, limits)).collect();
        let mut index = Self { files, ..Self::default() };
        // Files of one network share one grid: kept once.
        let mut grids: Vec<Arc<Grid>> = Vec::new();
        for (file, head) in heads.into_iter().enumerate() {
            for (time, number, grid) in head.frames {
                let known = grids.iter().find(|g| ***g == grid).cloned();
                let grid = known.unwrap_or_else(|| {
                    grids.push(Arc::new(grid));
                    Arc::clone(&grids[grids.len() - 1])
                });
                index.records.entry(time).or_default().push(Record { file, number, grid });
            }
            index.problems.extend(head.problems);
        }
        if index.records.is_empty() {
            let reason = index
                .problems
                .first()
                .map_or_else(|| "no GRIB2 or NetCDF file".into(), |p| p.words.clone());
            return Err(Error::NoRain {
                source_words: source.to_owned(),
                files: index.files.len(),
                reason,
            });
        }
        Ok(index)
    }
}

/// The files that a source names, in order of their names.
pub(super) fn files(source: &str) -> Result<Vec<PathBuf>, Error> {
    let none = || Error::NoFiles {
        source_words: source.to_owned(),
    };
    let path = Path::new(source);
    let told = |reason: String| Error::Read {
        path: path.to_owned(),
        reason,
    };
    let mut found: Vec<PathBuf> = if path.is_dir() {
        let entries: Result<Vec<_>, _> = fs::read_dir(path).map_err(|e| told(e.to_string()))?.collect();
        entries.map_err(|e| told(e.to_string()))?.into_iter().map(|e| e.path()).collect()
    } else if path.is_file() {
        return Ok(vec![path.to_owned()]);
    } else {
        glob::glob(source)
            .map_err(|e| told(format!("not a file, a directory or a pattern: {e}")))?
            .filter_map(Result::ok)
            .collect()
    };
    // Hidden files and those still being written are nobody's frames yet.
    found.retain(|p| {
        let name = p.file_name().map_or_else(Default::default, |n| n.to_string_lossy());
        p.is_file() && !name.starts_with('.') && !name.ends_with(".part") && !name.ends_with(".tmp")
    });
    found.sort();
    if found.is_empty() { Err(none()) } else { Ok(found) }
}

/// What the head of a file says.
#[derive(Default)]
struct Head {
    frames: Vec<(ValidTime, usize, Grid)>,
    problems: Vec<Problem>,
}

fn head(path: &Path, limits: Limits) -> Head {
    let problem = |time: Option<ValidTime>, words: String| Problem {
        path: path.to_owned(),
        time: time.or_else(|| time_in_name(path)),
        words,
    };
    let failed = |error: &Error| Head {
        frames: Vec::new(),
        problems: vec![problem(None, error.without_folders())],
    };
    let content = match bytes::read(path, false, limits) {
        Ok(bytes) => bytes.content,
        Err(error) => return failed(&error),
    };
    match format(&content) {
        None if !looks_like_data(path) => Head::default(),
        None => failed(&Error::Content {
            path: path.to_owned(),
            field: "byte 0".into(),
            found: format!("{} bytes of no known format", content.len()),
            expected: "GRIB2 or NetCDF, plain or gzipped".into(),
        }),
        Some(Format::NetCdf) => match netcdf::File::open_within(path, content, limits) {
            Ok(file) => Head {
                frames: file.times().iter().enumerate().map(|(k, t)| (*t, k, file.grid().clone())).collect(),
                problems: Vec::new(),
            },
            Err(error) => failed(&error),
        },
        Some(Format::Grib2) => {
            let contents = grib2::look_within(&content, limits);
            let mut head = Head::default();
            for (number, field) in contents.fields.iter().enumerate() {
                if grib2::Rain::of(&field.header).is_none() || field.header.forecast {
                    continue;
                }
                match field.header.layout.grid() {
                    Ok(grid) => head.frames.push((field.header.valid_time, number, grid.clone())),
                    Err(reason) => {
                        let error = Error::refused(path, field.refusal(reason));
                        head.problems.push(problem(Some(field.header.valid_time), error.without_folders()));
                    }
                }
            }
            let time = head.frames.first().map(|f| f.0);
            for refusal in contents.refused {
                head.problems.push(problem(time, Error::refused(path, refusal).without_folders()));
            }
            if let (true, true, Some(first)) = (head.frames.is_empty(), head.problems.is_empty(), contents.fields.first()) {
                let error = Error::refused(path, first.refusal(no_rain(&contents.fields)));
                head.problems.push(problem(None, error.without_folders()));
            }
            head
        }
    }
}

/// What a file without observed rain holds instead, in words.
fn no_rain(fields: &[grib2::Field<'_>]) -> String {
    const NAMED: usize = 8;
    let words = |field: &grib2::Field<'_>| {
        let forecast = if field.header.forecast { " of a model" } else { "" };
        format!("{:?}{forecast}", field.header.parameter)
    };
    let mut found: Vec<String> = fields.iter().take(NAMED).map(words).collect();
    if fields.len() > NAMED {
        found.push(format!("and {} more", fields.len() - NAMED));
    }
    format!(
        "parameters (discipline, category, number) {}, expected observed rain, such as (209, 6, 1) or (0, 1, 7); `--fields` tells any field",
        found.join(" ")
    )
}

/// Reads frame `number` of a file, in mm h⁻¹ as it is, which must hold at `time`. The checksum is taken where it is asked for.
pub(super) fn read(path: &Path, (number, time): (usize, ValidTime), checksum: bool, limits: Limits) -> Result<(Array2<f32>, Input), Error> {
    let bytes::Bytes { content, input } = bytes::read(path, checksum, limits)?;
    let gone = || Error::Content {
        path: path.to_owned(),
        field: "frames".into(),
        found: "another content than when the archive was opened".into(),
        expected: format!("a frame of `{time}`"),
    };
    let rain = match format(&content) {
        Some(Format::NetCdf) => {
            let file = netcdf::File::open_within(path, content, limits)?;
            if file.times().get(number) != Some(&time) {
                return Err(gone());
            }
            file.frame(number)?
        }
        Some(Format::Grib2) => {
            let contents = grib2::look_within(&content, limits);
            let field = contents.fields.get(number).filter(|f| f.header.valid_time == time);
            let refused = || contents.refused.first().map_or_else(gone, |r| Error::refused(path, r.clone()));
            grib2::rain(field.ok_or_else(refused)?).map_err(|r| Error::refused(path, r))?
        }
        None => return Err(gone()),
    };
    Ok((rain, input))
}

fn format(content: &[u8]) -> Option<Format> {
    let start = &content[..content.len().min(1024)];
    if start.starts_with(b"CDF") || start.starts_with(b"\x89HDF\r\n\x1a\n") {
        Some(Format::NetCdf)
    } else if start.windows(4).any(|w| w == b"GRIB") {
        Some(Format::Grib2)
    } else {
        None
    }
}

/// Whether a name promises radar data: a picture or a text beside the frames is passed over without a word, a damaged frame is not.
fn looks_like_data(path: &Path) -> bool {
    let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().to_lowercase());
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    ["grib2", "grb2", "grib", "grb", "bin", "nc", "nc4", "h5", "hdf"]
        .iter()
        .any(|e| name.ends_with(&format!(".{e}")))
}

/// A time in the name of a file, such as 20240701-150500: only tells to which times a file that cannot be read would have belonged.
fn time_in_name(path: &Path) -> Option<ValidTime> {
    let name = path.file_name()?.to_string_lossy().into_owned();
    let groups: Vec<&str> = name.split(|c: char| !c.is_ascii_digit()).filter(|g| !g.is_empty()).collect();
    let digits = groups.iter().enumerate().find_map(|(k, g)| match g.len() {
        14 => Some((*g).to_owned()),
        12 => Some(format!("{g}00")),
        8 if g.starts_with("19") || g.starts_with("20") => {
            let clock = groups.get(k + 1).filter(|c| c.len() == 6 || c.len() == 4)?;
            Some(format!("{g}{clock:0<6}"))
        }
        _ => None,
    })?;
    NaiveDateTime::parse_from_str(&digits, "%Y%m%d%H%M%S")
        .ok()
        .map(|t| t.and_utc())
        .filter(|t: &DateTime<Utc>| t.timestamp() > 0)
}
