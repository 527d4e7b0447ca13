//! Probability matching: a forecast takes over the distribution that the radar saw, so that smoothing or noise neither widens rain nor
//! lowers its peaks.
//!
//! # Source
//!
//! Ebert, E. E., 2001: Ability of a poor man's ensemble to predict the probability and distribution of precipitation. Mon. Wea. Rev.,
//! 129, 2461-2480, doi:10.1175/1520-0493(2001)129<2461:AOAPMS>2.0.CO;2. Ranks are told by a histogram, not by sorting.

use ndarray::{Array2, ArrayView2, ArrayViewMut2};

use crate::wide::{Work, wide};

/// Values that are compared at a time.
const LANES: usize = 16;
/// Bins between the smallest and the largest value of a field.
const BINS: usize = 4096;

/// The distribution of observed rain, in any unit.
#[derive(Debug, Clone)]
pub struct Distribution {
    /// Values of the wet cells, ascending.
    wet: Vec<f32>,
    /// Share of the observed cells that are wet.
    wet_share: f64,
    /// What stands for dry.
    dry: f32,
}

impl Distribution {
    /// The distribution of `field` `[y, x]` on its observed cells; all that is not above `dry` is dry.
    pub fn of(field: ArrayView2<'_, f32>, dry: f32) -> Self {
        let observed = field.iter().filter(|v| !v.is_nan()).count();
        let mut wet: Vec<f32> = field.iter().copied().filter(|v| *v > dry).collect();
        wet.sort_unstable_by(f32::total_cmp);
        Self {
            wet_share: wet.len() as f64 / observed.max(1) as f64,
            wet,
            dry,
        }
    }

    /// Number of wet cells.
    pub fn wet_cells(&self) -> usize {
        self.wet.len()
    }

    /// Gives `field` `[y, x]`, of any unit and in standard layout, this distribution on the cells where `counted` holds: the wettest becomes the wettest. Elsewhere
    /// what is as large becomes as wet. All that is as small as the smallest is dry.
    pub fn impose(&self, mut field: ArrayViewMut2<'_, f32>, counted: &Array2<bool>) {
        let values = field.as_slice_mut().expect("fields are in standard layout");
        let counted = counted.as_slice().expect("masks are in standard layout");
        let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
        wide(Bounds {
            values,
            counted,
            low: &mut low,
            high: &mut high,
        });
        let total = counted.iter().filter(|counted| **counted).count();
        if self.wet.is_empty() || high <= low || !(low.is_finite() && high.is_finite()) {
            field.fill(self.dry);
            return;
        }
        let bins = Bins {
            low,
            scale: BINS as f32 / (high - low),
        };
        let mut histogram = [[0u32; 2]; BINS];
        wide(Count {
            values,
            counted,
            bins: &bins,
            histogram: &mut histogram,
        });

        // Values at the edges of the bins; the bin in which rain begins is cut where it does.
        let dry = (1.0 - self.wet_share) * total as f64;
        let mut edges = vec![self.dry; BINS + 1];
        let mut begins = (BINS as u32, 1.0f32);
        let mut below = 0.0;
        for (bin, [even, odd]) in histogram.into_iter().enumerate() {
            let count = even + odd;
            let up_to = below + f64::from(count);
            if below <= dry && dry < up_to {
                begins = (bin as u32, ((dry - below) / f64::from(count)) as f32);
            }
            edges[bin + 1] = if up_to <= dry {
                self.dry
            } else {
                self.at((up_to - dry) / (total as f64 - dry))
            };
            below = up_to;
        }
        wide(Impose {
            values,
            bins: &bins,
            edges: edges.as_slice().try_into().expect("an edge more than bins"),
            begins,
            dry: self.dry,
            driest: self.wet[0],
        });
    }

    /// What a share of the wet cells does not exceed.
    fn at(&self, share: f64) -> f32 {
        let place = share.clamp(0.0, 1.0) * (self.wet.len() - 1) as f64;
        let (low, part) = (place as usize, place.fract() as f32);
        let next = self.wet[(low + 1).min(self.wet.len() - 1)];
        self.wet[low] + part * (next - self.wet[low])
    }
}

/// Bins of equal width from the smallest value on.
struct Bins {
    low: f32,
    /// Bins a unit.
    scale: f32,
}

impl Bins {
    /// Where a value lies, bins from the smallest, held within them.
    #[inline(always)]
    fn place(&self, value: f32) -> f32 {
        ((value - self.low) * self.scale).clamp(0.0, BINS as f32)
    }

    /// The bin of a place and how far within it the place is. Rounding by a sum with 2²³ stands for a conversion, which compilers do one by one.
    #[inline(always)]
    fn bin(place: f32) -> (u32, f32) {
        const ROUND: f32 = 8_388_608.0;
        let round = place + ROUND;
        let up = round - ROUND > place;
        let bin = (round.to_bits() & 0x007f_ffff).wrapping_sub(u32::from(up)).min(BINS as u32 - 1);
        let begin = (round - ROUND - if up { 1.0 } else { 0.0 }).min((BINS - 1) as f32);
        (bin, place - begin)
    }
}

/// Counts the values of each bin, one after the other in two histograms: a processor waits where it adds to what it has just written.
struct Count<'a> {
    values: &'a [f32],
    counted: &'a [bool],
    bins: &'a Bins,
    histogram: &'a mut [[u32; 2]; BINS],
}

impl Count<'_> {
    #[inline(always)]
    fn lanes<const N: usize>(&mut self, values: &[f32; N], counted: &[bool; N]) {
        let mut bins = [0u32; N];
        for (bin, value) in bins.iter_mut().zip(values) {
            (*bin, _) = Bins::bin(self.bins.place(*value));
        }
        for (lane, (bin, counted)) in bins.into_iter().zip(counted).enumerate() {
            self.histogram[bin as usize][lane % 2] += u32::from(*counted);
        }
    }
}

impl Work for Count<'_> {
    #[inline(always)]
    fn run(mut self) {
        let (many, rest) = self.values.as_chunks::<LANES>();
        let (many_counted, rest_counted) = self.counted.as_chunks::<LANES>();
        for (values, counted) in many.iter().zip(many_counted) {
            self.lanes(values, counted);
        }
        for (value, counted) in rest.iter().zip(rest_counted) {
            self.lanes(&[*value], &[*counted]);
        }
    }
}

/// Gives each value what its place among the bins stands for.
struct Impose<'a> {
    values: &'a mut [f32],
    bins: &'a Bins,
    /// What the edges of the bins stand for.
    edges: &'a [f32; BINS + 1],
    /// The bin and the place within it where rain begins.
    begins: (u32, f32),
    dry: f32,
    /// The weakest rain.
    driest: f32,
}

impl Impose<'_> {
    #[inline(always)]
    fn lanes<const N: usize>(&self, values: &mut [f32; N]) {
        let (first, begins) = self.begins;
        let (mut bins, mut within) = ([0u32; N], [0.0f32; N]);
        for ((bin, within), value) in bins.iter_mut().zip(&mut within).zip(values.iter()) {
            (*bin, *within) = Bins::bin(self.bins.place(*value));
        }
        let (mut below, mut above) = ([0.0f32; N], [0.0f32; N]);
        for ((below, above), bin) in below.iter_mut().zip(&mut above).zip(bins) {
            (*below, *above) = (self.edges[bin as usize], self.edges[bin as usize + 1]);
        }
        for lane in 0..N {
            let (within, below, above) = (within[lane], below[lane], above[lane]);
            let rain = below + within * (above - below);
            let first_rain = self.driest + (within - begins) / (1.0 - begins).max(1e-6) * (above - self.driest);
            let in_first = if within < begins { self.dry } else { first_rain };
            let imposed = if bins[lane] == first { in_first } else { rain };
            values[lane] = if values[lane] <= self.bins.low { self.dry } else { imposed };
        }
    }
}

impl Work for Impose<'_> {
    #[inline(always)]
    fn run(mut self) {
        let (many, rest) = std::mem::take(&mut self.values).as_chunks_mut::<LANES>();
        for values in many {
            self.lanes(values);
        }
        for value in rest {
            self.lanes(std::array::from_mut(value));
        }
    }
}

/// Finds the smallest and the largest of the values that count.
struct Bounds<'a> {
    values: &'a [f32],
    counted: &'a [bool],
    low: &'a mut f32,
    high: &'a mut f32,
}

impl Work for Bounds<'_> {
    #[inline(always)]
    fn run(self) {
        let (mut low, mut high) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
        let (many, rest) = self.values.as_chunks::<LANES>();
        let (many_counted, rest_counted) = self.counted.as_chunks::<LANES>();
        for (values, counted) in many.iter().zip(many_counted) {
            for lane in 0..LANES {
                low[lane] = low[lane].min(if counted[lane] { values[lane] } else { f32::INFINITY });
                high[lane] = high[lane].max(if counted[lane] { values[lane] } else { f32::NEG_INFINITY });
            }
        }
        let rest = rest
            .iter()
            .zip(rest_counted)
            .filter(|(_, counted)| **counted)
            .map(|(value, _)| *value);
        *self.low = low.into_iter().chain(rest.clone()).fold(f32::INFINITY, f32::min);
        *self.high = high.into_iter().chain(rest).fold(f32::NEG_INFINITY, f32::max);
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use proptest::prelude::*;

    use super::*;

    fn everywhere(shape: (usize, usize)) -> Array2<bool> {
        Array2::from_elem(shape, true)
    }

    #[test]
    fn the_wettest_become_the_wettest_and_the_rest_dries() {
        let target = Distribution::of(array![[0.0, 8.0, 2.0], [0.0, 0.0, f32::NAN]].view(), 0.0);
        // Two of five observed cells are wet.
        let mut field = array![[-3.0, 0.0, 1.0], [2.0, 7.0, -9.0]];
        let mut counted = everywhere((2, 3));
        counted[[1, 2]] = false;
        target.impose(field.view_mut(), &counted);
        assert_eq!(field[[1, 1]], 8.0);
        assert!(field[[1, 0]] >= 2.0 && field[[1, 0]] < 8.0, "{field}");
        assert_eq!(field.iter().filter(|r| **r > 0.0).count(), 2);
    }

    #[test]
    fn a_field_without_differences_is_dry() {
        let target = Distribution::of(array![[0.0, 8.0]].view(), 0.0);
        let mut field = array![[4.0, 4.0]];
        target.impose(field.view_mut(), &everywhere((1, 2)));
        assert_eq!(field, array![[0.0, 0.0]]);
        Distribution::of(array![[0.0, 0.0]].view(), 0.0).impose(field.view_mut(), &everywhere((1, 2)));
        assert_eq!(field, array![[0.0, 0.0]]);
    }

    proptest! {
        #[test]
        fn the_distribution_is_kept(rain in proptest::collection::vec(0.0f32..30.0, 400), noise in proptest::collection::vec(-20.0f32..40.0, 400)) {
            let rain = Array2::from_shape_vec((20, 20), rain).unwrap().mapv(|r| if r < 15.0 { 0.0 } else { r - 14.9 });
            let mut field = Array2::from_shape_vec((20, 20), noise).unwrap();
            Distribution::of(rain.view(), 0.0).impose(field.view_mut(), &everywhere((20, 20)));
            for threshold in [0.1, 1.0, 5.0, 10.0, 14.0] {
                let share = |f: &Array2<f32>| f.iter().filter(|r| **r >= threshold).count() as f64 / 400.0;
                prop_assert!((share(&field) - share(&rain)).abs() <= 0.01, "{threshold}: {} {}", share(&field), share(&rain));
            }
        }
    }
}
