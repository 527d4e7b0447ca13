//! Map projections: from cells to longitude and latitude, with a library doing the mathematics.

use std::fmt;

use proj4rs::Proj;
use serde::{Deserialize, Serialize};

use crate::Error;

/// A map projection, kept as its PROJ definition.
#[derive(Debug, Clone)]
pub struct Projection {
    definition: String,
    map: Proj,
    geographic: Proj,
}

impl Projection {
    /// Reads a PROJ definition such as `+proj=laea +lat_0=55 +lon_0=10 +ellps=WGS84`.
    ///
    /// # Errors
    ///
    /// [`Error::Projection`] when the library does not know it.
    pub fn parse(definition: &str) -> Result<Self, Error> {
        let refuse = |e: proj4rs::errors::Error| Error::Projection {
            definition: definition.to_owned(),
            reason: e.to_string(),
        };
        let map = Proj::from_proj_string(definition).map_err(refuse)?;
        let geographic = Proj::from_proj_string("+proj=longlat +datum=WGS84 +no_defs").map_err(refuse)?;
        Ok(Self {
            definition: definition.split_whitespace().collect::<Vec<_>>().join(" "),
            map,
            geographic,
        })
    }

    /// Longitude and latitude themselves, in degrees on WGS 84.
    pub fn lon_lat() -> Self {
        Self::parse("+proj=longlat +datum=WGS84 +no_defs").expect("the definition is a constant that parses")
    }

    /// The PROJ definition.
    pub fn definition(&self) -> &str {
        &self.definition
    }

    /// Whether coordinates are degrees of longitude and latitude.
    pub fn is_geographic(&self) -> bool {
        self.map.is_latlong()
    }

    /// Whether both describe the same map.
    pub fn agrees(&self, other: &Self) -> bool {
        let words = |p: &Self| {
            let mut words: Vec<String> = p.definition.split(' ').map(str::to_owned).collect();
            words.sort();
            words
        };
        words(self) == words(other)
    }

    /// Map coordinates of a place given in degrees.
    ///
    /// # Errors
    ///
    /// [`Error::Projection`] where the map has no such place.
    pub fn forward(&self, longitude: f64, latitude: f64) -> Result<(f64, f64), Error> {
        if self.is_geographic() {
            return Ok((longitude, latitude));
        }
        let mut point = (longitude.to_radians(), latitude.to_radians(), 0.0);
        proj4rs::transform::transform(&self.geographic, &self.map, &mut point).map_err(|e| self.refuse(&e))?;
        Ok((point.0, point.1))
    }

    /// Longitude and latitude in degrees of map coordinates.
    ///
    /// # Errors
    ///
    /// [`Error::Projection`] where the map has no such place.
    pub fn inverse(&self, x: f64, y: f64) -> Result<(f64, f64), Error> {
        if self.is_geographic() {
            return Ok((x, y));
        }
        let mut point = (x, y, 0.0);
        proj4rs::transform::transform(&self.map, &self.geographic, &mut point).map_err(|e| self.refuse(&e))?;
        Ok((point.0.to_degrees(), point.1.to_degrees()))
    }

    fn refuse(&self, e: &proj4rs::errors::Error) -> Error {
        Error::Projection {
            definition: self.definition.clone(),
            reason: e.to_string(),
        }
    }
}

impl PartialEq for Projection {
    fn eq(&self, other: &Self) -> bool {
        self.definition == other.definition
    }
}

impl fmt::Display for Projection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.definition)
    }
}

impl Serialize for Projection {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.definition)
    }
}

impl<'de> Deserialize<'de> for Projection {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let definition = String::deserialize(deserializer)?;
        Self::parse(&definition).map_err(serde::de::Error::custom)
    }
}
