//! A core that was stopped goes on as if it had not been: what must be kept, as bytes.

use crate::{
    Error,
    invariants::Exchange,
    plane::{Plane, Shape},
    shallow_water::Flow,
};

/// First bytes of a kept core; the last two tell the layout.
const MARK: &[u8; 8] = b"nbcore01";

/// All that changes while a core runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Depth and wind.
    pub(crate) flow: Flow,
    /// What the air carries.
    pub(crate) tracers: Vec<Plane>,
    /// Seconds since the start.
    pub(crate) time_s: f64,
    /// What went in and out.
    pub(crate) exchange: Exchange,
    /// Whether the next transport begins along the rows.
    pub(crate) rows_first: bool,
}

impl Kept {
    /// Everything as little-endian bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let Shape { ny, nx } = self.flow.h.shape();
        let mut bytes = MARK.to_vec();
        for count in [ny, nx, self.tracers.len(), usize::from(self.rows_first)] {
            bytes.extend((count as u64).to_le_bytes());
        }
        let e = self.exchange;
        let numbers = [
            self.time_s,
            e.mass_through_edges,
            e.mass_by_relaxation,
            e.mass_by_phase_changes,
            e.water_through_edges,
            e.water_by_relaxation,
            e.rain_fallen,
        ];
        let planes = [&self.flow.h, &self.flow.u, &self.flow.v].into_iter().chain(&self.tracers);
        let values = planes.flat_map(Plane::values);
        for value in numbers.iter().chain(values) {
            bytes.extend(value.to_le_bytes());
        }
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    ///
    /// [`Error::Kept`] for bytes of another kind, another length than they tell, or with values that are no numbers.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let refused = |what: &'static str| Error::Kept { what };
        let rest = bytes.strip_prefix(MARK).ok_or(refused("the mark `nbcore01`"))?;
        let (words, []) = rest.as_chunks::<8>() else {
            return Err(refused("whole words of 8 bytes"));
        };
        let ([ny, nx, tracers, rows_first], words) = words.split_first_chunk::<4>().ok_or(refused("four counts"))?;
        let [ny, nx, tracers, rows_first] = [ny, nx, tracers, rows_first].map(|w| u64::from_le_bytes(*w));
        let count = |n: u64| usize::try_from(n).ok().filter(|n| (1..=1 << 20).contains(n));
        let (Some(ny), Some(nx), Ok(tracers @ 0..=64)) = (count(ny), count(nx), usize::try_from(tracers)) else {
            return Err(refused("1 to 1048576 rows and columns, and 64 tracers at most"));
        };
        let shape = Shape { ny, nx };
        let size = shape.rows() * shape.width();
        if words.len() != 7 + (3 + tracers) * size {
            return Err(refused("as many values as its rows, columns and tracers make"));
        }
        let values: Vec<f64> = words.iter().map(|w| f64::from_le_bytes(*w)).collect();
        if values.iter().any(|v| !v.is_finite()) {
            return Err(refused("numbers"));
        }
        let (numbers, values) = values.split_at(7);
        let mut planes = values.chunks_exact(size).map(|values| Plane::of_values(shape, values));
        let mut next = || planes.next().ok_or(refused("three fields of the flow"));
        Ok(Self {
            flow: Flow {
                h: next()?,
                u: next()?,
                v: next()?,
            },
            tracers: planes.collect(),
            time_s: numbers[0],
            exchange: Exchange {
                mass_through_edges: numbers[1],
                mass_by_relaxation: numbers[2],
                mass_by_phase_changes: numbers[3],
                water_through_edges: numbers[4],
                water_by_relaxation: numbers[5],
                rain_fallen: numbers[6],
            },
            rows_first: rows_first == 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Kept {
        let shape = Shape { ny: 2, nx: 3 };
        Kept {
            flow: Flow::rest(shape, 500.0),
            tracers: vec![Plane::from_fn(shape, |j, i| 0.1 * j as f64 - 0.3 * i as f64)],
            time_s: 12.5,
            exchange: Exchange {
                rain_fallen: -3.0,
                ..Exchange::default()
            },
            rows_first: false,
        }
    }

    #[test]
    fn what_was_kept_comes_back_bit_by_bit() {
        assert_eq!(Kept::from_bytes(&kept().to_bytes()).unwrap(), kept());
    }

    #[test]
    fn damaged_bytes_are_refused_by_name() {
        let bytes = kept().to_bytes();
        for cut in 0..bytes.len() {
            assert!(Kept::from_bytes(&bytes[..cut]).is_err(), "{cut} bytes");
        }
        let mut huge = bytes.clone();
        huge[8..16].fill(0xff);
        assert!(Kept::from_bytes(&huge).unwrap_err().to_string().contains("rows and columns"));
        let mut nan = bytes;
        let end = nan.len();
        nan[end - 8..].copy_from_slice(&f64::NAN.to_le_bytes());
        assert!(Kept::from_bytes(&nan).unwrap_err().to_string().contains("numbers"));
    }
}
