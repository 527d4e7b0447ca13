//! What the pictures of a weather service mean, said in a configuration file where the file itself does not say it: a new service needs no code.

use std::path::Path;

use chrono::{NaiveDateTime, TimeDelta};
use ndarray::Array2;
use nowblend_field::{
    Grid, ValidTime,
    units::{self, ZR},
};
use serde::{Deserialize, Serialize};

use super::{
    Error,
    picture::{Frames, Head, Picture, Place, Value, from_north, projection},
    scale::{Law, Scale, WEAKEST_DBZ},
};

/// What the pictures of a weather service mean.
///
/// A number may be given as it is, or as the name under which the file holds it: `group/object@attribute` in HDF5, the word of a comment in PGM, the
/// name of an item of the metadata in GeoTIFF.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// What the numbers measure once they are scaled.
    pub quantity: Quantity,
    /// Interval of an accumulation, min.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_min: Option<Number>,
    /// The law Z = a R^b, R in mm h⁻¹ (or mm of an accumulation), where the numbers are decibels; of a reflectivity Z = 200 R^1.6 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zr: Option<ZR>,
    /// A reflectivity below this is dry, dBZ.
    #[serde(default = "weakest_dbz")]
    pub weakest_dbz: f64,
    /// The picture in an HDF5 file, such as `image1/image_data`; without it HDF5 is read as ODIM or NetCDF, which need no description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// Quantity = gain x number + offset.
    #[serde(default = "one")]
    pub gain: Number,
    /// Quantity = gain x number + offset.
    #[serde(default = "nought")]
    pub offset: Number,
    /// The name of a text such as `GEO = 0.01 * PV + 0.0` that tells gain and offset instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub formula: Option<String>,
    /// Numbers that mean *not observed*.
    #[serde(default)]
    pub missing: Vec<Number>,
    /// Numbers that mean *observed and dry*.
    #[serde(default)]
    pub dry: Vec<Number>,
    /// The valid time; of an accumulation the end of its interval.
    pub time: Time,
    /// PROJ definition in metres or degrees, which begins with `+`, or the name of one in the file; where the file says none or one not known here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projection: Option<String>,
    /// Where the edges lie; where the file does not place itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edges: Option<Edges>,
    /// Whether the first row is the northern or the southern one.
    #[serde(default)]
    pub first_row: FirstRow,
}

/// What numbers measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Rain, mm h⁻¹.
    Rate,
    /// Rain over an interval, mm.
    Accumulation,
    /// Reflectivity, dBZ.
    Reflectivity,
}

/// A number, or the name under which the file holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Number {
    /// The number.
    Given(f64),
    /// Its name.
    Named(String),
}

/// Where the valid time stands, as chrono writes formats (`%Y%m%d%H%M`); UTC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Time {
    /// The name of a text in the file; the name of the file itself if not given, in which the format may stand anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The format.
    pub format: String,
    /// Added to the time found, min: the interval, where the time is that of its beginning.
    #[serde(default)]
    pub plus_min: f64,
}

/// The outer edges of a picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Edges {
    /// The name of eight numbers: longitude and latitude, degrees, of the south-western, north-western, north-eastern and south-eastern corner.
    Corners(String),
    /// Edges on the map and size of the cells, m or degrees.
    #[serde(untagged)]
    Map {
        /// Western edge.
        west: Number,
        /// Northern edge.
        north: Number,
        /// From column to column.
        spacing_x: Number,
        /// From row to row; a sign is not looked at.
        spacing_y: Number,
    },
}

/// Which row comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FirstRow {
    /// The northern one.
    #[default]
    North,
    /// The southern one.
    South,
}

fn weakest_dbz() -> f64 {
    WEAKEST_DBZ
}

fn one() -> Number {
    Number::Given(1.0)
}

fn nought() -> Number {
    Number::Given(0.0)
}

/// The composites that MeteoSwiss and FMI write as pictures, in the words of a configuration.
const METEOSWISS_AQC: &str = include_str!("providers/meteoswiss_aqc.toml");
const FMI_PGM: &str = include_str!("providers/fmi_pgm.toml");
const FMI_GEOTIFF: &str = include_str!("providers/fmi_geotiff.toml");

impl Provider {
    /// Accumulations of MeteoSwiss.
    pub(super) fn meteoswiss_aqc() -> Self {
        toml::from_str(METEOSWISS_AQC).expect("the description is a constant that parses")
    }

    /// Reflectivity of the Finnish Meteorological Institute as PGM.
    pub(super) fn fmi_pgm() -> Self {
        toml::from_str(FMI_PGM).expect("the description is a constant that parses")
    }

    /// Reflectivity of the Finnish Meteorological Institute as GeoTIFF.
    pub(super) fn fmi_geotiff() -> Self {
        toml::from_str(FMI_GEOTIFF).expect("the description is a constant that parses")
    }

    /// Checks what can be checked without a file; on failure key, value and what was expected.
    pub(super) fn check(&self) -> Result<(), Error> {
        let refuse = |key: &'static str, found: String, expected: &'static str| Err(Error::Config { key, found, expected });
        if self.quantity == Quantity::Accumulation && self.interval_min.is_none() {
            return refuse("provider.interval_min", "not given".into(), "minutes of an accumulation");
        }
        if let Some(zr) = self
            .zr
            .filter(|zr| !(zr.a > 0.0 && zr.b > 0.0 && zr.a.is_finite() && zr.b.is_finite()))
        {
            return refuse("provider.zr", format!("a = {}, b = {}", zr.a, zr.b), "both above 0");
        }
        if self.weakest_dbz.is_nan() {
            return refuse("provider.weakest_dbz", "NaN".into(), "a number");
        }
        if !(-1e5..=1e5).contains(&self.time.plus_min) {
            return refuse(
                "provider.time.plus_min",
                self.time.plus_min.to_string(),
                "at most 100000 either way",
            );
        }
        if chrono::format::StrftimeItems::new(&self.time.format).any(|i| i == chrono::format::Item::Error) {
            return refuse("provider.time.format", self.time.format.clone(), "a format such as `%Y%m%d%H%M`");
        }
        Ok(())
    }

    fn scale(&self, path: &Path, picture: &dyn Picture) -> Result<Scale, Error> {
        let number = |n: &Number| n.of(path, picture);
        let numbers = |all: &[Number]| all.iter().map(number).collect::<Result<Vec<f64>, Error>>();
        let (gain, offset) = match &self.formula {
            None => (number(&self.gain)?, number(&self.offset)?),
            Some(name) => {
                let text = text(path, picture, name)?;
                linear(&text).ok_or_else(|| Error::content(path, name, text, "a formula such as `GEO = 0.01 * PV + 0.0`"))?
            }
        };
        let factor = match (&self.interval_min, self.quantity) {
            (Some(minutes), Quantity::Accumulation) => {
                let minutes = number(minutes)?;
                if !(minutes > 0.0 && minutes <= 1e6) {
                    return Err(Error::content(path, "interval_min", minutes.to_string(), "above 0"));
                }
                units::rate_of_accumulation(1.0, 60.0 * minutes)
            }
            _ => 1.0,
        };
        let zr = self.zr.or((self.quantity == Quantity::Reflectivity).then(ZR::default));
        let law = zr.map_or(Law::Linear(factor), |zr| Law::Decibel {
            zr,
            factor,
            weakest_dbz: if self.quantity == Quantity::Reflectivity {
                self.weakest_dbz
            } else {
                f64::NEG_INFINITY
            },
        });
        let mut missing = numbers(&self.missing)?;
        missing.extend(picture.no_data());
        Ok(Scale {
            gain,
            offset,
            missing,
            dry: numbers(&self.dry)?,
            law,
        })
    }

    fn time(&self, path: &Path, picture: &dyn Picture) -> Result<ValidTime, Error> {
        let (field, found) = match &self.time.value {
            Some(name) => (name.clone(), text(path, picture, name)?),
            None => {
                let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
                ("name of the file".to_owned(), name)
            }
        };
        let parse = |start: usize| {
            let rest = found.get(start..)?;
            NaiveDateTime::parse_and_remainder(rest, &self.time.format)
                .ok()
                .map(|(time, _)| time)
        };
        // In the name of a file the time may stand anywhere, in a value it stands at its beginning.
        let starts = if self.time.value.is_some() { 0..1 } else { 0..found.len() };
        let shift = TimeDelta::seconds((self.time.plus_min * 60.0).round() as i64);
        let time = starts.filter_map(parse).map(|t| t.and_utc()).next();
        time.and_then(|t| t.checked_add_signed(shift))
            .filter(|t| (0..=253_402_300_799).contains(&t.timestamp()))
            .ok_or_else(|| Error::content(path, field, found.clone(), format!("a time as `{}`", self.time.format)))
    }

    fn grid(&self, path: &Path, picture: &dyn Picture) -> Result<Grid, Error> {
        let shape = picture.shape();
        let definition = match self.projection.as_deref() {
            Some(given) if !given.trim_start().starts_with('+') => Some(text(path, picture, given)?),
            given => given.map(str::to_owned),
        };
        let needed = || {
            Error::content(
                path,
                "place",
                "nothing in the file",
                "`projection` and `edges` under [ingest.provider]",
            )
        };
        let Some(edges) = &self.edges else {
            return picture.place(definition.as_deref())?.ok_or_else(needed)?.grid(path, shape);
        };
        let definition = definition.ok_or_else(needed)?;
        let map = projection(path, &definition)?;
        let place = match edges {
            Edges::Corners(name) => {
                let numbers = picture.value(name).and_then(Value::numbers);
                let refuse = || {
                    Error::content(
                        path,
                        name,
                        format!("{numbers:?}"),
                        "eight numbers, longitude and latitude of four corners",
                    )
                };
                let corners = numbers.as_deref().filter(|n| n.len() == 8).ok_or_else(refuse)?;
                Place::between(path, map, (corners[0], corners[1]), (corners[4], corners[5]))?
            }
            Edges::Map {
                west,
                north,
                spacing_x,
                spacing_y,
            } => {
                let number = |n: &Number| n.of(path, picture);
                let (west, north) = (number(west)?, number(north)?);
                let [rows, columns] = shape.map(|n| n as f64);
                Place {
                    projection: map,
                    west,
                    east: west + columns * number(spacing_x)?,
                    south: north - rows * number(spacing_y)?.abs(),
                    north,
                }
            }
        };
        place.grid(path, shape)
    }
}

impl Number {
    fn of(&self, path: &Path, picture: &dyn Picture) -> Result<f64, Error> {
        match self {
            Self::Given(number) => Ok(*number),
            Self::Named(name) => {
                let found = picture.value(name);
                let words = found.clone().and_then(Value::text).unwrap_or_else(|| "nothing".into());
                found
                    .and_then(Value::number)
                    .ok_or_else(|| Error::content(path, name, words, "a number"))
            }
        }
    }
}

fn text(path: &Path, picture: &dyn Picture, name: &str) -> Result<String, Error> {
    picture
        .value(name)
        .and_then(Value::text)
        .ok_or_else(|| Error::content(path, name, "nothing", "a text"))
}

/// Gain and offset of `GEO = gain * PV + offset`, blanks and the sign of the offset as they come.
fn linear(formula: &str) -> Option<(f64, f64)> {
    let plain: String = formula.split_once('=')?.1.chars().filter(|c| !c.is_whitespace()).collect();
    let (gain, rest) = plain.split_once("*PV")?;
    let offset = rest.strip_prefix('+').unwrap_or(rest);
    let offset = if offset.is_empty() { 0.0 } else { offset.parse().ok()? };
    Some((gain.parse().ok()?, offset)).filter(|(g, o): &(f64, f64)| g.is_finite() && o.is_finite())
}

/// A picture with its meaning: one frame.
pub(super) struct File {
    picture: Box<dyn Picture>,
    head: Head,
    scale: Scale,
    first_row: FirstRow,
}

impl File {
    /// Gives the picture its meaning.
    pub fn open(path: &Path, picture: Box<dyn Picture>, provider: &Provider) -> Result<Self, Error> {
        Ok(Self {
            head: Head {
                time: provider.time(path, picture.as_ref())?,
                grid: provider.grid(path, picture.as_ref())?,
            },
            scale: provider.scale(path, picture.as_ref())?,
            first_row: provider.first_row,
            picture,
        })
    }
}

impl Frames for File {
    fn heads(&self) -> Vec<Head> {
        vec![self.head.clone()]
    }

    fn rain(&self, _: usize) -> Result<Array2<f32>, Error> {
        let rain = self.picture.rain(&self.scale)?;
        Ok(match self.first_row {
            FirstRow::North => from_north(rain),
            FirstRow::South => rain,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_descriptions_parse_and_keep_to_their_bounds() {
        for provider in [Provider::meteoswiss_aqc(), Provider::fmi_pgm(), Provider::fmi_geotiff()] {
            provider.check().unwrap();
            assert_eq!(toml::from_str::<Provider>(&toml::to_string(&provider).unwrap()).unwrap(), provider);
        }
    }

    #[test]
    fn a_formula_tells_gain_and_offset() {
        assert_eq!(linear("GEO = 0.010000 * PV + 0.000000"), Some((0.01, 0.0)));
        assert_eq!(linear("GEO=0.500000*PV+-32.000000"), Some((0.5, -32.0)));
        assert_eq!(linear("GEO=0.5*PV-32"), Some((0.5, -32.0)));
        assert_eq!(linear("PV"), None);
    }
}
