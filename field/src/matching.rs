//! Probability matching: a forecast takes over the distribution that the radar saw, so that smoothing or noise neither widens rain nor
//! lowers its peaks.
//!
//! # Source
//!
//! Ebert, E. E., 2001: Ability of a poor man's ensemble to predict the probability and distribution of precipitation. Mon. Wea. Rev.,
//! 129, 2461-2480, doi:10.1175/1520-0493(2001)129<2461:AOAPMS>2.0.CO;2. Ranks are told by a histogram, not by sorting.

use ndarray::{Array2, ArrayView2, ArrayViewMut2};

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
        let (low, high) = bounds(values, counted);
        let total = counted.iter().filter(|counted| **counted).count();
        if self.wet.is_empty() || high <= low || !(low.is_finite() && high.is_finite()) {
            field.fill(self.dry);
            return;
        }
        let scale = BINS as f32 / (high - low);
        let place = |value: f32| ((value - low) * scale).clamp(0.0, BINS as f32);
        let mut histogram = vec![0u32; BINS];
        for (value, counted) in values.iter().zip(counted) {
            histogram[bin(place(*value))] += u32::from(*counted);
        }

        // Values at the edges of the bins; the bin in which rain begins is cut where it does.
        let dry = (1.0 - self.wet_share) * total as f64;
        let mut edges = vec![self.dry; BINS + 1];
        let mut begins = (BINS, 1.0f32);
        let mut below = 0.0;
        for (bin, count) in histogram.into_iter().enumerate() {
            let up_to = below + f64::from(count);
            if below <= dry && dry < up_to {
                begins = (bin, ((dry - below) / f64::from(count)) as f32);
            }
            edges[bin + 1] = if up_to <= dry {
                self.dry
            } else {
                self.at((up_to - dry) / (total as f64 - dry))
            };
            below = up_to;
        }
        let driest = self.wet[0];
        let imposed = |value: f32| {
            if value <= low {
                return self.dry;
            }
            let place = place(value);
            let bin = bin(place);
            let within = place - bin as f32;
            if bin == begins.0 {
                if within < begins.1 {
                    return self.dry;
                }
                driest + (within - begins.1) / (1.0 - begins.1).max(1e-6) * (edges[bin + 1] - driest)
            } else {
                edges[bin] + within * (edges[bin + 1] - edges[bin])
            }
        };
        values.iter_mut().for_each(|value| *value = imposed(*value));
    }

    /// What a share of the wet cells does not exceed.
    fn at(&self, share: f64) -> f32 {
        let place = share.clamp(0.0, 1.0) * (self.wet.len() - 1) as f64;
        let (low, part) = (place as usize, place.fract() as f32);
        let next = self.wet[(low + 1).min(self.wet.len() - 1)];
        self.wet[low] + part * (next - self.wet[low])
    }
}

/// The bin of a place from 0 up to their number; processors are quicker with 32 bits than with 64.
#[inline]
fn bin(place: f32) -> usize {
    (place as i32 as usize).min(BINS - 1)
}

/// The smallest and the largest of the values that count.
fn bounds(values: &[f32], counted: &[bool]) -> (f32, f32) {
    let (mut low, mut high) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
    for (values, counted) in values.chunks(LANES).zip(counted.chunks(LANES)) {
        for ((low, high), (value, counted)) in low.iter_mut().zip(&mut high).zip(values.iter().zip(counted)) {
            *low = low.min(if *counted { *value } else { f32::INFINITY });
            *high = high.max(if *counted { *value } else { f32::NEG_INFINITY });
        }
    }
    (
        low.into_iter().fold(f32::INFINITY, f32::min),
        high.into_iter().fold(f32::NEG_INFINITY, f32::max),
    )
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
