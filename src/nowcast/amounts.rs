//! How much rain each neighbourhood has: to match the ranks of smoothed rain over a whole map moves rain from showers to wide rain, part of which is given back.

use ndarray::{Array2, ArrayView2, Axis, Zip};
use nowblend_field::wide::{Work, wide};
use rayon::prelude::*;

use super::past::rate;

/// Most that the rain of a neighbourhood is multiplied by, and divided by, in dB: twice.
const MOST_DB: f32 = 3.01;
/// Rain of a neighbourhood that counts as none, sum of mm h⁻¹ over its cells.
const NONE: f32 = 1.0;
/// Rates that are added at a time.
const LANES: usize = 16;

/// Rain of each neighbourhood of the newest frame. Neighbourhoods are blocks of cells and, by half along each axis, those beside them.
pub struct Amounts {
    /// Cells a block along each axis.
    block: usize,
    /// Sum of the rain of each neighbourhood `[y, x]`, mm h⁻¹.
    newest: Array2<f32>,
    /// Rain below this is none, dB.
    least_db: f32,
}

impl Amounts {
    /// Of `newest_db` `[y, x]`, decibels and complete, in blocks of `block` cells, 1 to those of the map; below `least_db` there is no rain.
    pub fn of(newest_db: ArrayView2<'_, f32>, block: usize, least_db: f32) -> Self {
        let block = block.clamp(1, newest_db.nrows().max(newest_db.ncols()).max(1));
        Self {
            block,
            newest: amounts(newest_db, block, least_db),
            least_db,
        }
    }

    /// Multiplies the rain of `field` `[y, x]`, decibels, complete and in standard layout, by what its neighbourhood had more in the newest frame, to the
    /// power of `share`; ratios go smoothly from block to block and are at most 2 and at least ½. Dry cells stay dry.
    pub fn give_back(&self, field: &mut Array2<f32>, share: f32) {
        let had = amounts(field.view(), self.block, self.least_db);
        let ratio_db = |newest: &f32, had: &f32| {
            let ratio = (newest + NONE) / (had + NONE);
            share * (10.0 * ratio.log10()).clamp(-MOST_DB, MOST_DB)
        };
        let more_db = Zip::from(&self.newest).and(&had).map_collect(ratio_db);
        // Where the cells of a block lie, blocks from its centre.
        let places: Vec<f32> = (0..self.block).map(|cell| (cell as f32 + 0.5) / self.block as f32 - 0.5).collect();
        let (rows, columns) = more_db.dim();
        field
            .axis_chunks_iter_mut(Axis(0), self.block)
            .into_par_iter()
            .enumerate()
            .for_each(|(block, mut cells)| {
                let [before, here, after] = [block.saturating_sub(1), block, (block + 1).min(rows - 1)].map(|row| more_db.row(row));
                let mut line = vec![0.0f32; columns];
                for (row, place) in cells.rows_mut().into_iter().zip(&places) {
                    for (at, more) in line.iter_mut().enumerate() {
                        *more = between([before[at], here[at], after[at]], *place);
                    }
                    wide(GiveBack {
                        row: row.into_slice().expect("fields are in standard layout"),
                        more_db: &line,
                        places: &places,
                        least_db: self.least_db,
                    });
                }
            });
    }
}

/// What lies so far from the second of three places one apart, -½ to ½, by straight lines.
#[inline(always)]
fn between([before, here, after]: [f32; 3], place: f32) -> f32 {
    here + place * if place < 0.0 { here - before } else { after - here }
}

/// Adds decibels to the wet cells of a row, along straight lines from block to block.
struct GiveBack<'a> {
    row: &'a mut [f32],
    more_db: &'a [f32],
    places: &'a [f32],
    least_db: f32,
}

impl Work for GiveBack<'_> {
    #[inline(always)]
    fn run(self) {
        let last = self.more_db.len() - 1;
        for (block, cells) in self.row.chunks_mut(self.places.len()).enumerate() {
            let three = [block.saturating_sub(1), block, (block + 1).min(last)].map(|block| self.more_db[block]);
            for (db, place) in cells.iter_mut().zip(self.places) {
                *db += if *db >= self.least_db { between(three, *place) } else { 0.0 };
            }
        }
    }
}

/// Sums of rain, mm h⁻¹, of the neighbourhoods of `field` `[y, x]`, decibels.
fn amounts(field: ArrayView2<'_, f32>, block: usize, least_db: f32) -> Array2<f32> {
    let mut sums = Array2::<f32>::zeros((field.nrows().div_ceil(block), field.ncols().div_ceil(block)));
    let rows = sums.axis_iter_mut(Axis(0)).into_par_iter();
    rows.zip(field.axis_chunks_iter(Axis(0), block)).for_each(|(mut sums, rows)| {
        for row in rows.rows() {
            wide(BlockSums {
                row: row.to_slice().expect("fields are in standard layout"),
                block,
                least_db,
                sums: sums.as_slice_mut().expect("fields are in standard layout"),
            });
        }
    });
    let about = |sums: &Array2<f32>, axis: usize| {
        let mut about = sums.clone();
        for (at, mut line) in about.axis_iter_mut(Axis(axis)).enumerate() {
            for beside in [at.checked_sub(1), Some(at + 1).filter(|next| *next < sums.len_of(Axis(axis)))]
                .into_iter()
                .flatten()
            {
                line.scaled_add(0.5, &sums.index_axis(Axis(axis), beside));
            }
        }
        about
    };
    about(&about(&sums, 0), 1)
}

/// Adds the rates of a row of decibels up, block by block.
struct BlockSums<'a> {
    row: &'a [f32],
    block: usize,
    least_db: f32,
    sums: &'a mut [f32],
}

impl Work for BlockSums<'_> {
    #[inline(always)]
    fn run(self) {
        for (sum, part) in self.sums.iter_mut().zip(self.row.chunks(self.block)) {
            let (many, rest) = part.as_chunks::<LANES>();
            let mut lanes = [0.0f32; LANES];
            for many in many {
                for (lane, db) in lanes.iter_mut().zip(many) {
                    *lane += rate(*db, self.least_db);
                }
            }
            let rest: f32 = rest.iter().map(|db| rate(*db, self.least_db)).sum();
            *sum += lanes.iter().sum::<f32>() + rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decibels `[y, x]` of `rate` mm/h; dry in the first row.
    fn rain(rate: f32) -> Array2<f32> {
        Array2::from_shape_fn((40, 56), |(y, _)| if y == 0 { -15.0 } else { 10.0 * rate.log10() })
    }

    #[test]
    fn what_is_missing_all_over_comes_back_by_its_share() {
        let newest = rain(1.0);
        for (ratio, share, left) in [
            (0.8, 1.0, 1.0),
            (0.8, 0.5, 0.8f32.sqrt()),
            (1.25, 1.0, 1.0),
            (0.25, 1.0, 0.5),
            (4.0, 1.0, 2.0),
        ] {
            let mut field = rain(ratio);
            Amounts::of(newest.view(), 16, -10.0).give_back(&mut field, share);
            for ((y, x), db) in field.indexed_iter() {
                // Sums of some 200 mm/h of a block in the corner against the one of NONE: half a per cent.
                let expected = if y == 0 { -15.0 } else { 10.0 * left.log10() };
                assert!(
                    (db - expected).abs() < 0.03,
                    "{ratio} to the power of {share}: {db} dB at {y}, {x} instead of {expected}"
                );
            }
        }
    }

    #[test]
    fn rain_goes_back_to_where_it_was() {
        // The west has lost a fifth, the east has won one: far from the border all of it comes back, at the border it is between.
        let mut field = Array2::from_shape_fn((64, 256), |(_, x)| 10.0 * if x < 128 { 0.8f32 } else { 1.2 }.log10());
        Amounts::of(Array2::zeros((64, 256)).view(), 16, -10.0).give_back(&mut field, 1.0);
        let row = field.row(32);
        assert!(row[20].abs() < 0.01 && row[236].abs() < 0.01, "{} and {} dB", row[20], row[236]);
        let steps = row
            .windows(2)
            .into_iter()
            .enumerate()
            .map(|(x, pair)| (x, (pair[1] - pair[0]).abs()));
        for (x, step) in steps.filter(|(x, _)| *x != 127) {
            assert!(step < 0.1, "a step of {step} dB at {x}");
        }
    }

    #[test]
    fn no_rain_stays_none() {
        let dry = Array2::from_elem((20, 30), -15.0f32);
        let mut field = dry.clone();
        Amounts::of(dry.view(), 16, -10.0).give_back(&mut field, 0.5);
        assert_eq!(field, dry);
        let one = Array2::zeros((1, 1));
        for block in [0, 16, usize::MAX] {
            let mut field = one.clone();
            Amounts::of(one.view(), block, -10.0).give_back(&mut field, 0.5);
            assert_eq!(field, one);
        }
    }
}
