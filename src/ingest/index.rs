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

use super::{
    Error, IngestConfig, Provider, bytes, geotiff, gif, grib2, hdf5, netcdf, odim, pgm,
    picture::{Frames, Picture, Value},
    provider, radolan,
};
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

impl Index {
    /// Reads the heads of all files that the source names: a file, a directory or a pattern.
    pub fn of(config: &IngestConfig) -> Result<Self, Error> {
        let source = config.source.as_str();
        let files = files(source)?;
        let heads: Vec<Heads> = files.par_iter().map(|path| heads(path, config)).collect();
        let mut index = Self { files, ..Self::default() };
        // Files of one network share one grid: kept once.
        let mut grids: Vec<Arc<Grid>> = Vec::new();
        let mut passed = None;
        for (file, head) in heads.into_iter().enumerate() {
            passed = passed.or(head.passed);
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
                .map(|p| p.words.clone())
                .or(passed)
                .unwrap_or_else(|| format!("no {FORMATS} file"));
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
struct Heads {
    frames: Vec<(ValidTime, usize, Grid)>,
    problems: Vec<Problem>,
    /// Why the file was passed over without a word.
    passed: Option<String>,
}

fn heads(path: &Path, config: &IngestConfig) -> Heads {
    let problem = |time: Option<ValidTime>, words: String| Problem {
        path: path.to_owned(),
        time: time.or_else(|| time_in_name(path)),
        words,
    };
    let failed = |error: &Error| Heads {
        problems: vec![problem(None, error.without_folders())],
        ..Heads::default()
    };
    let content = match bytes::read(path, false, config.limits) {
        Ok(bytes) => bytes.content,
        Err(error) => return failed(&error),
    };
    match Format::of(path, &content) {
        None if !looks_like_data(path) => Heads::default(),
        None => failed(&Error::content(
            path,
            "byte 0",
            format!("{} bytes of no known format", content.len()),
            format!("{FORMATS}, plain or gzipped"),
        )),
        Some(Format::Grib2) => {
            let contents = grib2::look_within(&content, config.limits);
            let mut head = Heads::default();
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
        Some(format) => match format.open(path, content, config) {
            Ok(file) => Heads {
                frames: file.heads().into_iter().enumerate().map(|(k, h)| (h.time, k, h.grid)).collect(),
                ..Heads::default()
            },
            // A picture that nobody gave a meaning is no frame: a map or a legend beside the frames.
            Err(error @ Error::NoMeaning { .. }) => Heads {
                passed: Some(error.without_folders()),
                ..Heads::default()
            },
            Err(error) => failed(&error),
        },
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
pub(super) fn read(
    path: &Path,
    number: usize,
    time: ValidTime,
    config: &IngestConfig,
    checksum: bool,
) -> Result<(Array2<f32>, Input), Error> {
    let bytes::Bytes { content, input } = bytes::read(path, checksum, config.limits)?;
    let gone = || {
        let found = "another content than when the archive was opened";
        Error::content(path, "frames", found, format!("a frame of `{time}`"))
    };
    let rain = match Format::of(path, &content) {
        Some(Format::Grib2) => {
            let contents = grib2::look_within(&content, config.limits);
            let field = contents.fields.get(number).filter(|f| f.header.valid_time == time);
            let refused = || contents.refused.first().map_or_else(gone, |r| Error::refused(path, r.clone()));
            grib2::rain(field.ok_or_else(refused)?).map_err(|r| Error::refused(path, r))?
        }
        Some(format) => {
            let file = format.open(path, content, config)?;
            if file.heads().get(number).is_none_or(|h| h.time != time) {
                return Err(gone());
            }
            file.rain(number)?
        }
        None => return Err(gone()),
    };
    Ok((rain, input))
}

/// The formats that are read, told apart by their first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Grib2,
    NetCdf,
    Hdf5,
    Radolan,
    Pgm,
    GeoTiff,
    Gif,
}

impl Format {
    fn of(path: &Path, content: &[u8]) -> Option<Self> {
        let start = &content[..content.len().min(1024)];
        let begins = |with: &[u8]| start.starts_with(with);
        if begins(hdf5::SIGNATURE) {
            Some(Self::Hdf5)
        } else if begins(b"CDF") {
            Some(Self::NetCdf)
        } else if begins(b"GIF87a") || begins(b"GIF89a") {
            Some(Self::Gif)
        } else if begins(b"II*\0") || begins(b"MM\0*") || begins(b"II+\0") || begins(b"MM\0+") {
            Some(Self::GeoTiff)
        } else if begins(b"P5") && start.get(2).is_some_and(u8::is_ascii_whitespace) {
            Some(Self::Pgm)
        } else if radolan::is_radolan(content) || named_as_radolan(path) && !content.is_empty() {
            Some(Self::Radolan)
        } else if start.windows(4).any(|w| w == b"GRIB") {
            Some(Self::Grib2)
        } else {
            None
        }
    }

    /// Opens a file of frames: all but GRIB2, whose messages are looked at one by one.
    ///
    /// HDF5 holds composites by ODIM, those of a configured service, or NetCDF: what the file says of itself comes first.
    fn open(self, path: &Path, content: Vec<u8>, config: &IngestConfig) -> Result<Box<dyn Frames>, Error> {
        let provider = config.provider.as_ref();
        let picture: Box<dyn Picture> = match self {
            Self::Grib2 | Self::NetCdf => return Ok(Box::new(netcdf::File::open_within(path, content, config.limits)?)),
            Self::Radolan => return Ok(Box::new(radolan::File::open(path, content)?)),
            Self::Hdf5 => match provider.and_then(|p| p.dataset.as_deref()) {
                Some(dataset) => Box::new(hdf5::Dataset::open(hdf5::Hdf5::open(path, content, config.limits)?, dataset)?),
                None if odim::is_odim(path, &content, config.limits) => {
                    return Ok(Box::new(odim::File::open(
                        hdf5::Hdf5::open(path, content, config.limits)?,
                        config.quality_min,
                    )?));
                }
                None => return Ok(Box::new(netcdf::File::open_within(path, content, config.limits)?)),
            },
            Self::Pgm => Box::new(pgm::Pgm::open(path, &content, config.limits)?),
            Self::GeoTiff => Box::new(geotiff::GeoTiff::open(path, content, config.limits)?),
            Self::Gif => Box::new(gif::Gif::open(path, content, config.limits)?),
        };
        let known = || self.known(path, picture.as_ref());
        let provider = provider
            .cloned()
            .or_else(known)
            .ok_or_else(|| Error::NoMeaning { path: path.to_owned() })?;
        Ok(Box::new(provider::File::open(path, picture, &provider)?))
    }

    /// The meaning of pictures that are known by what they say of themselves.
    fn known(self, path: &Path, picture: &dyn Picture) -> Option<Provider> {
        let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let says = |key: &str, words: &str| picture.value(key).and_then(Value::text).is_some_and(|t| t == words);
        match self {
            Self::Gif if name.starts_with("AQC") => Some(Provider::meteoswiss_aqc()),
            Self::Pgm if says("param", "CorrectedReflectivity") => Some(Provider::fmi_pgm()),
            Self::GeoTiff if says("Quantity", "Corrected reflectivity") => Some(Provider::fmi_geotiff()),
            _ => None,
        }
    }
}

/// What is read, in words.
const FORMATS: &str = "GRIB2, NetCDF, ODIM HDF5, RADOLAN, GeoTIFF, PGM or GIF";

/// Whether a name is one of the Deutscher Wetterdienst, so that a damaged head is refused and not passed over.
fn named_as_radolan(path: &Path) -> bool {
    path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("raa01-"))
}

/// Whether a name promises radar data: a picture or a text beside the frames is passed over without a word, a damaged frame is not.
fn looks_like_data(path: &Path) -> bool {
    let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().to_lowercase());
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    ["grib2", "grb2", "grib", "grb", "bin", "nc", "nc4", "h5", "hdf", "hdf5", "pgm"]
        .iter()
        .any(|e| name.ends_with(&format!(".{e}")))
}

/// A time in the name of a file, such as 20240701-150500: only tells to which times a file that cannot be read would have belonged.
pub(super) fn time_in_name(path: &Path) -> Option<ValidTime> {
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
