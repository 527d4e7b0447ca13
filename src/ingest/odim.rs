//! ODIM_H5 composites, the exchange format of the European (and many other) weather services.
//!
//! # Source
//!
//! EUMETNET OPERA, 2021: weather radar information model for implementation with the HDF5 file format, version 2.4 (ODIM_H5), on `what`, `where`
//! and `how` at the root, of datasets and of data; on quantities, gain, offset, nodata and undetect; on quality.

use std::path::Path;

use chrono::NaiveDateTime;
use ndarray::{Array2, Zip};
use nowblend_field::{
    Grid, ValidTime,
    units::{self, ZR},
};

use super::{
    Error, Limits,
    hdf5::Hdf5,
    picture::{Frames, Head, Place, Value, from_north, projection},
    scale::{Law, Scale, WEAKEST_DBZ},
};

/// Quantities that are rain or become rain, the best first.
const QUANTITIES: [&str; 7] = ["RATE", "ACRR", "DBZH", "DBZ", "DBZV", "TH", "TV"];

/// Whether the content of an HDF5 file is of this kind: by the attribute `Conventions` of its root, or in old files by the version in `what`.
pub(super) fn is_odim(path: &Path, content: &[u8], limits: Limits) -> bool {
    // Most files can be told without opening them.
    if !content.windows(5).any(|w| w == b"ODIM_" || w == b"H5rad") {
        return false;
    }
    let Ok(file) = Hdf5::open(path, content.to_vec(), limits) else {
        return false;
    };
    let says = |object: &str, name: &str, start: &str| file.text(object, name).is_some_and(|t| t.starts_with(start));
    says("", "Conventions", "ODIM_H5") || says("what", "version", "H5rad")
}

/// An open composite: one frame for each time, taken from the best quantity of that time.
pub(super) struct File {
    file: Hdf5,
    pictures: Vec<Picture>,
    quality_min: f64,
}

/// The picture of one frame.
struct Picture {
    head: Head,
    data: String,
    scale: Scale,
    /// The picture of its quality with its own scale.
    quality: Option<(String, Scale)>,
}

impl File {
    /// Reads the head. Quality below `quality_min`, 0 to 1, will count as missing.
    pub fn open(file: Hdf5, quality_min: f64) -> Result<Self, Error> {
        let path = file.path().to_owned();
        let object = file.text("what", "object").unwrap_or_default();
        if !matches!(object.as_str(), "COMP" | "IMAGE") {
            return Err(Error::content(&path, "what/object", object, "COMP or IMAGE, a map of rain"));
        }
        let nominal = moment(file.text("what", "date"), file.text("what", "time"))
            .ok_or_else(|| Error::content(&path, "what/date, what/time", "no time that exists", "YYYYMMDD and HHmmss"))?;
        let mut found: Vec<Found> = Vec::new();
        let mut quantities = Vec::new();
        for dataset in file.numbered("", "dataset") {
            for data in file.numbered(&dataset, "data") {
                let what = |name: &str| {
                    [&data, &dataset]
                        .into_iter()
                        .find_map(|o| file.attribute(&format!("{o}/what"), name))
                };
                let quantity = what("quantity").and_then(Value::text).unwrap_or_default();
                let day = |kind: &str| {
                    let text = |part: &str| what(&format!("{kind}{part}")).and_then(Value::text);
                    moment(text("date"), text("time"))
                };
                let rank = QUANTITIES.iter().position(|q| *q == quantity);
                quantities.push(quantity.clone());
                let (start, end) = (day("start"), day("end"));
                found.push(Found {
                    dataset: dataset.clone(),
                    data,
                    quantity,
                    rank,
                    start,
                    end,
                });
            }
        }
        let mut rain: Vec<&Found> = found.iter().filter(|f| f.rank.is_some()).collect();
        if rain.is_empty() {
            return Err(Error::content(
                &path,
                "quantities",
                format!("{quantities:?}"),
                format!("one of {QUANTITIES:?}"),
            ));
        }
        // One quantity of all frames, the best there is.
        rain.sort_by_key(|f| f.rank);
        let best = rain[0].rank;
        rain.retain(|f| f.rank == best);
        // A file is of its nominal time. Only where its pictures end at several times does each hold at its own end.
        let several = rain.iter().any(|f| f.end != rain[0].end);
        let quality_of_set = found.iter().find(|f| f.quantity == "QIND").map(|f| f.data.clone());
        let mut pictures: Vec<Picture> = Vec::new();
        for f in rain {
            let time = f.end.filter(|_| several || f.quantity == "ACRR").unwrap_or(nominal);
            if pictures.iter().any(|p| p.head.time == time) {
                continue;
            }
            pictures.push(f.picture(&file, time, quality_of_set.clone())?);
        }
        pictures.sort_by_key(|p| p.head.time);
        Ok(Self {
            file,
            pictures,
            quality_min,
        })
    }
}

impl Frames for File {
    fn heads(&self) -> Vec<Head> {
        self.pictures.iter().map(|p| p.head.clone()).collect()
    }

    fn rain(&self, number: usize) -> Result<Array2<f32>, Error> {
        let picture = &self.pictures[number];
        let mut rain = self.file.map(&format!("{}/data", picture.data), |v| picture.scale.mm_h(v))?;
        if let Some((name, scale)) = picture.quality.as_ref().filter(|_| self.quality_min > 0.0) {
            let quality = self.file.map(&format!("{name}/data"), |v| scale.mm_h(v))?;
            if quality.dim() != rain.dim() {
                return Err(Error::content(
                    self.file.path(),
                    name,
                    format!("shape {:?}", quality.dim()),
                    format!("that of the rain, {:?}", rain.dim()),
                ));
            }
            // A cell without any quality is not judged, nor one whose code the file does not announce: a quality is never negative.
            let poor = |q: f32| q >= 0.0 && f64::from(q) < self.quality_min;
            Zip::from(&mut rain).and(&quality).for_each(|r, q| {
                if poor(*q) {
                    *r = f32::NAN;
                }
            });
        }
        Ok(from_north(rain))
    }
}

/// A group of data in the file.
struct Found {
    dataset: String,
    data: String,
    quantity: String,
    rank: Option<usize>,
    start: Option<ValidTime>,
    end: Option<ValidTime>,
}

impl Found {
    fn picture(&self, file: &Hdf5, time: ValidTime, quality_of_set: Option<String>) -> Result<Picture, Error> {
        let grid = self.grid(file)?;
        let law = match self.quantity.as_str() {
            "RATE" => Law::Linear(1.0),
            "ACRR" => {
                let seconds = self.start.zip(self.end).map_or(0, |(start, end)| (end - start).num_seconds());
                if seconds <= 0 {
                    let field = format!("{}/what: startdate to endtime", self.dataset);
                    return Err(Error::content(
                        file.path(),
                        field,
                        format!("{seconds} s"),
                        "the interval of an accumulation",
                    ));
                }
                Law::Linear(units::rate_of_accumulation(1.0, seconds as f64))
            }
            _ => {
                let how = |name: &str| {
                    [format!("{}/how", self.data), format!("{}/how", self.dataset), "how".to_owned()]
                        .iter()
                        .find_map(|o| file.number(o, name))
                        .filter(|n| n.is_finite() && *n > 0.0)
                };
                let zr = how("zr_a").zip(how("zr_b")).map_or_else(ZR::default, |(a, b)| ZR { a, b });
                Law::Decibel {
                    zr,
                    factor: 1.0,
                    weakest_dbz: WEAKEST_DBZ,
                }
            }
        };
        let total = |name: &String| file.text(&format!("{name}/how"), "task").is_some_and(|t| t.ends_with("qi_total"));
        let mut qualities = file.numbered(&self.data, "quality");
        qualities.extend(file.numbered(&self.dataset, "quality"));
        let quality = qualities
            .iter()
            .find(|n| total(n))
            .or(qualities.first())
            .cloned()
            .or(quality_of_set);
        let quality = quality.map(|name| {
            // A quality that is data of its own (QIND) may leave its scale to its dataset.
            let own = name.rsplit_once('/').filter(|(_, last)| last.starts_with("data"));
            let groups: Vec<&str> = [name.as_str()].into_iter().chain(own.map(|(dataset, _)| dataset)).collect();
            let mut scale = scale(file, &groups, Law::Linear(1.0));
            // Where nothing was detected nobody can say how well: not judged, like a cell without quality.
            scale.missing.append(&mut scale.dry);
            (name, scale)
        });
        Ok(Picture {
            head: Head { time, grid },
            data: self.data.clone(),
            scale: scale(file, &[&self.data, &self.dataset], law),
            quality,
        })
    }

    /// The outer corners and the size of a cell; both must agree.
    fn grid(&self, file: &Hdf5) -> Result<Grid, Error> {
        let path = file.path();
        let number = |name: &str| {
            [format!("{}/where", self.dataset), "where".to_owned()]
                .iter()
                .find_map(|o| file.number(o, name))
                .filter(|n| n.is_finite())
        };
        let needed = |name: &str| number(name).ok_or_else(|| Error::content(path, format!("where/{name}"), "nothing", "a number"));
        let definition = [format!("{}/where", self.dataset), "where".to_owned()]
            .iter()
            .find_map(|o| file.text(o, "projdef"))
            .ok_or_else(|| Error::content(path, "where/projdef", "nothing", "a PROJ definition"))?;
        let projection = projection(path, &definition)?;
        let shape = file.shape(&format!("{}/data", self.data))?;
        let announced = [needed("ysize")?, needed("xsize")?];
        if announced != shape.map(|n| n as f64) {
            return Err(Error::content(
                path,
                format!("{}/data", self.data),
                format!("shape {shape:?}"),
                format!("{announced:?} of ysize and xsize"),
            ));
        }
        let corner = |name: &str| Ok((needed(&format!("{name}_lon"))?, needed(&format!("{name}_lat"))?));
        let mut place = Place::between(path, projection, corner("LL")?, corner("UR")?)?;
        if !place.projection.is_geographic() {
            let [rows, columns] = shape;
            let (dx, dy) = (needed("xscale")?, needed("yscale")?);
            let (east, north) = (place.west + dx * columns as f64, place.south + dy * rows as f64);
            // Corners are often rounded to some decimals of a degree, so the size of a cell is the better measure.
            if !((east - place.east).abs() < dx && (north - place.north).abs() < dy) {
                return Err(Error::content(
                    path,
                    "where/UR_lon, UR_lat",
                    format!("({}, {}) on the map", place.east, place.north),
                    format!("({east}, {north}) from LL, xscale and yscale, within a cell"),
                ));
            }
            (place.east, place.north) = (east, north);
        }
        place.grid(path, shape)
    }
}

/// Gain, offset and codes from the first of these groups that has them.
fn scale(file: &Hdf5, groups: &[&str], law: Law) -> Scale {
    let number = |name: &str| groups.iter().find_map(|g| file.number(&format!("{g}/what"), name));
    Scale {
        gain: number("gain").unwrap_or(1.0),
        offset: number("offset").unwrap_or(0.0),
        missing: number("nodata").into_iter().collect(),
        dry: number("undetect").into_iter().collect(),
        law,
    }
}

/// A time of a date and a clock, YYYYMMDD and HHmmss.
fn moment(date: Option<String>, clock: Option<String>) -> Option<ValidTime> {
    let (date, clock) = (date?, clock?);
    let plain = date.len() == 8 && clock.len() == 6;
    let time = NaiveDateTime::parse_from_str(&format!("{date}{clock}"), "%Y%m%d%H%M%S").ok()?;
    plain.then(|| time.and_utc())
}
