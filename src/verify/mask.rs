//! Which cells of an event are scored: observed nearly always, and far from missing data and the border.

use ndarray::{Array2, Zip};

use super::{Error, MetricsConfig};
use crate::ingest::Archive;

/// Counts in how many frames each cell was observed.
pub struct EventMask {
    observed: Array2<u32>,
    frames: usize,
}

impl EventMask {
    /// A mask of an event on a grid of `shape`, without a frame yet.
    pub fn new(shape: (usize, usize)) -> Self {
        Self {
            observed: Array2::zeros(shape),
            frames: 0,
        }
    }

    /// Adds a frame `[y, x]`; NaN is not observed.
    pub fn add(&mut self, rain: &Array2<f32>) {
        self.frames += 1;
        Zip::from(&mut self.observed)
            .and(rain)
            .for_each(|count, r| *count += u32::from(!r.is_nan()));
    }

    /// The cells that were observed in more than `share` of the frames, and are more than `margin` cells from one that was not and
    /// from outside the grid (Euclidean distance between centres).
    pub fn cells(&self, share: f64, margin: usize) -> Array2<bool> {
        let good = self.observed.mapv(|count| f64::from(count) / self.frames.max(1) as f64 > share);
        let least = (margin * margin) as f64;
        square_distance(&good).mapv(|square| square > least)
    }

    /// The mask of all frames of an archive that can be read.
    ///
    /// # Errors
    ///
    /// [`Error::NoCells`] where no cell is left.
    pub fn of(event: &str, archive: &Archive, config: &MetricsConfig) -> Result<Array2<bool>, Error> {
        let mut mask = Self::new(archive.grid().shape());
        for valid_time in archive.times() {
            // A frame that cannot be read says nothing of where the radar sees; whoever is to be judged by it is told.
            if let Ok(Some(rain)) = archive.frame(*valid_time) {
                mask.add(&rain);
            }
        }
        let cells = mask.cells(config.observed_share, config.margin_cells);
        if cells.iter().any(|c| *c) {
            return Ok(cells);
        }
        Err(Error::NoCells {
            event: event.to_owned(),
            share: config.observed_share,
            frames: mask.frames,
            margin: config.margin_cells,
        })
    }
}

/// Square of the distance from each cell to the nearest that is not `good`, those around the grid included; exact.
///
/// # Source
///
/// Felzenszwalb, P. F. and D. P. Huttenlocher, 2012: Distance transforms of sampled functions. Theory of Computing, 8, 415-428,
/// doi:10.4086/toc.2012.v008a019.
fn square_distance(good: &Array2<bool>) -> Array2<f64> {
    let (ny, nx) = good.dim();
    let mut square = Array2::zeros((ny, nx));
    for column in 0..nx {
        // Distance along the column, from the south and from the north.
        let mut since = 0.0;
        for row in 0..ny {
            since = if good[[row, column]] { since + 1.0 } else { 0.0 };
            square[[row, column]] = since;
        }
        since = 0.0;
        for row in (0..ny).rev() {
            since = if good[[row, column]] { since + 1.0 } else { 0.0 };
            square[[row, column]] = f64::min(square[[row, column]], since).powi(2);
        }
    }
    for mut row in square.outer_iter_mut() {
        let heights: Vec<f64> = std::iter::once(0.0).chain(row.iter().copied()).chain([0.0]).collect();
        let lowest = lower_envelope(&heights);
        row.iter_mut().zip(&lowest[1..]).for_each(|(cell, square)| *cell = *square);
    }
    square
}

/// At each place q, the least of (q - p)² + height(p) over all places p: parabolas, of which the lowest is kept piece by piece.
fn lower_envelope(heights: &[f64]) -> Vec<f64> {
    let meet = |p: usize, q: usize| {
        let (pf, qf) = (p as f64, q as f64);
        (heights[q] + qf * qf - heights[p] - pf * pf) / (2.0 * (qf - pf))
    };
    let mut pieces: Vec<(usize, f64)> = vec![(0, f64::NEG_INFINITY)];
    for q in 1..heights.len() {
        let mut from = meet(pieces[pieces.len() - 1].0, q);
        while from <= pieces[pieces.len() - 1].1 {
            pieces.pop();
            from = meet(pieces[pieces.len() - 1].0, q);
        }
        pieces.push((q, from));
    }
    let mut piece = 0;
    (0..heights.len())
        .map(|q| {
            while pieces.get(piece + 1).is_some_and(|(_, from)| *from < q as f64) {
                piece += 1;
            }
            let p = pieces[piece].0;
            (q as f64 - p as f64).powi(2) + heights[p]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_border_counts_as_missing() {
        // A 5 x 5 grid all observed: the centre is 3 cells from outside, its neighbours 2.
        let mut mask = EventMask::new((5, 5));
        mask.add(&Array2::zeros((5, 5)));
        let cells = mask.cells(0.9, 2);
        assert_eq!(cells.iter().filter(|c| **c).count(), 1);
        assert!(cells[[2, 2]]);
        assert_eq!(mask.cells(0.9, 0), Array2::from_elem((5, 5), true));
    }

    #[test]
    fn nine_frames_of_ten_are_too_few() {
        let mut mask = EventMask::new((1, 2));
        for k in 0..10 {
            mask.add(&array![[0.0, if k == 0 { f32::NAN } else { 0.0 }]]);
        }
        assert_eq!(mask.cells(0.9, 0), array![[true, false]]);
    }

    proptest! {
        #[test]
        fn distances_are_those_of_a_plain_search(good in prop::collection::vec(prop::bool::weighted(0.85), 8 * 11)) {
            let good = Array2::from_shape_vec((8, 11), good).unwrap();
            let square = square_distance(&good);
            for ((y, x), found) in square.indexed_iter() {
                let mut least = i64::MAX;
                for j in -1..=8i64 {
                    for i in -1..=11i64 {
                        let inside = (0..8).contains(&j) && (0..11).contains(&i);
                        if !inside || !good[[j as usize, i as usize]] {
                            least = least.min((j - y as i64).pow(2) + (i - x as i64).pow(2));
                        }
                    }
                }
                prop_assert_eq!(*found, least as f64);
            }
        }
    }
}
