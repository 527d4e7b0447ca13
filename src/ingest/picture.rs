//! What radar formats have in common: frames in a file, and pictures of numbers whose meaning is given beside them.

use std::path::Path;

use ndarray::{Array2, Axis as Dimension};
use nowblend_field::{Axis, Grid, Projection, ValidTime};

use super::{Error, Limits, scale::Scale};

/// When a frame holds, and where its cells lie.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Head {
    pub time: ValidTime,
    pub grid: Grid,
}

/// An open file of frames: their heads are read, their rain is not.
pub(super) trait Frames {
    /// The heads in the order of the file.
    fn heads(&self) -> Vec<Head>;

    /// Rain `[y, x]` of a frame, mm h⁻¹, row 0 in the south, NaN where it was not observed; spikes and codes are not judged.
    fn rain(&self, number: usize) -> Result<Array2<f32>, Error>;
}

/// A picture of numbers as its file holds it.
pub(super) trait Picture {
    /// What the file says under a name; for HDF5 `group/object@attribute`.
    fn value(&self, name: &str) -> Option<Value>;

    /// Rows and columns.
    fn shape(&self) -> [usize; 2];

    /// Edges and projection, where the file knows them itself; a PROJ definition that is given stands for its own.
    fn place(&self, _given: Option<&str>) -> Result<Option<Place>, Error> {
        Ok(None)
    }

    /// A number that the format itself, not a name in it, marks as missing.
    fn no_data(&self) -> Option<f64> {
        None
    }

    /// Rain `[row, column]`, mm h⁻¹, in the order of the file.
    fn rain(&self, scale: &Scale) -> Result<Array2<f32>, Error>;
}

/// What a file says under a name.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Numbers(Vec<f64>),
}

impl Value {
    /// As text; a single number as its digits.
    pub fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Numbers(numbers) if numbers.len() == 1 => Some(numbers[0].to_string()),
            Self::Numbers(_) => None,
        }
    }

    /// As numbers, which a text may hold one after the other.
    pub fn numbers(self) -> Option<Vec<f64>> {
        match self {
            Self::Numbers(numbers) => Some(numbers),
            Self::Text(text) => from_words(&text),
        }
    }

    /// As one number.
    pub fn number(self) -> Option<f64> {
        self.numbers().filter(|n| n.len() == 1).map(|n| n[0])
    }
}

/// The outer edges of a picture on a map, in its units.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Place {
    pub projection: Projection,
    pub west: f64,
    pub east: f64,
    pub south: f64,
    pub north: f64,
}

impl Place {
    /// From the corners of the outer edges, longitude and latitude in degrees; a file may round them.
    pub fn between(path: &Path, projection: Projection, south_west: (f64, f64), north_east: (f64, f64)) -> Result<Self, Error> {
        let corner = |(longitude, latitude): (f64, f64)| {
            projection.forward(longitude, latitude).map_err(|source| Error::Field {
                path: path.to_owned(),
                source,
            })
        };
        let ((west, south), (east, north)) = (corner(south_west)?, corner(north_east)?);
        Ok(Self {
            projection,
            west,
            east,
            south,
            north,
        })
    }

    /// The grid of a picture of this shape.
    pub fn grid(self, path: &Path, [rows, columns]: [usize; 2]) -> Result<Grid, Error> {
        let axis = |from: f64, to: f64, count: usize| {
            let spacing = (to - from) / count as f64;
            Axis {
                first: from + spacing / 2.0,
                spacing,
                count,
            }
        };
        Grid::new(
            axis(self.south, self.north, rows),
            axis(self.west, self.east, columns),
            self.projection,
        )
        .map_err(|source| Error::Field {
            path: path.to_owned(),
            source,
        })
    }
}

/// Whether a file of so many bytes can hold a picture of this shape: no packing in use makes 4000 cells of a byte, and some million cost nothing.
pub(super) fn plausible([rows, columns]: [usize; 2], bytes: usize, limits: Limits) -> bool {
    let cells = rows.saturating_mul(columns);
    cells > 0 && cells as u64 <= limits.points() && cells <= (4 << 20) + bytes.saturating_mul(4000)
}

/// What size was expected, in words.
pub(super) fn expected_size(bytes: usize, limits: Limits) -> String {
    format!(
        "rows and columns, 1 to {} cells (`ingest.limits.points_million`) in {bytes} bytes",
        limits.points()
    )
}

/// Finite numbers that a text holds one after the other, at least one and nothing else.
pub(super) fn from_words(text: &str) -> Option<Vec<f64>> {
    let words = text.split([' ', ',', ';', '\t']).filter(|w| !w.is_empty());
    let numbers = words
        .map(|w| w.parse().ok().filter(|n: &f64| n.is_finite()))
        .collect::<Option<Vec<f64>>>();
    numbers.filter(|n| !n.is_empty())
}

/// Turns a picture that begins in the north.
pub(super) fn from_north(mut rain: Array2<f32>) -> Array2<f32> {
    rain.invert_axis(Dimension(0));
    rain
}

/// A projection, or the words of the refusal with the file.
pub(super) fn projection(path: &Path, definition: &str) -> Result<Projection, Error> {
    Projection::parse(definition).map_err(|source| Error::Field {
        path: path.to_owned(),
        source,
    })
}
