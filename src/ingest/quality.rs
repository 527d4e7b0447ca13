//! Which values can be rain: codes of missing data become NaN, spikes are limited, and what was done is counted.

use ndarray::Array2;

/// Rain above this has no meaning, mm h⁻¹: five times the largest rate that radars report in hail.
const ABSURD_MM_H: f32 = 2000.0;

/// How many values of a frame were not what they should be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Codes of missing data or no coverage (-1, -3; -99, -999 of reflectivity): NaN.
    pub coded: usize,
    /// Negative, infinite or absurd values: NaN.
    pub meaningless: usize,
    /// Spikes above the limit: set to it.
    pub limited: usize,
}

/// Judges rain `[y, x]`, mm h⁻¹, in place.
pub fn judge(rain: &mut Array2<f32>, rain_max_mm_h: f32) -> Counts {
    let mut counts = Counts::default();
    for value in rain.iter_mut() {
        let r = *value;
        if (0.0..=rain_max_mm_h.min(ABSURD_MM_H)).contains(&r) || r.is_nan() {
            continue;
        }
        if [-1.0, -3.0, -99.0, -999.0].contains(&r) {
            counts.coded += 1;
            *value = f32::NAN;
        } else if (0.0..=ABSURD_MM_H).contains(&r) {
            counts.limited += 1;
            *value = rain_max_mm_h;
        } else {
            counts.meaningless += 1;
            *value = f32::NAN;
        }
    }
    counts
}

/// Means over blocks of `block` x `block` cells of what was observed; NaN where more than half of a block was not. A remainder in the north
/// and east is left out.
pub fn block_mean(rain: &Array2<f32>, block: usize) -> Array2<f32> {
    if block <= 1 {
        return rain.clone();
    }
    let (rows, columns) = (rain.nrows() / block, rain.ncols() / block);
    Array2::from_shape_fn((rows, columns), |(row, column)| {
        let cells = rain.slice(ndarray::s![row * block..(row + 1) * block, column * block..(column + 1) * block]);
        let (sum, seen) = cells
            .iter()
            .filter(|r| !r.is_nan())
            .fold((0.0f64, 0usize), |(sum, seen), r| (sum + f64::from(*r), seen + 1));
        if 2 * seen < block * block {
            f32::NAN
        } else {
            (sum / seen as f64) as f32
        }
    })
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn no_coverage_is_not_dry_and_a_spike_is_limited_and_counted() {
        let mut rain = array![[0.0, -3.0, -1.0, f32::NAN], [250.0, 2001.0, f32::INFINITY, -0.5]];
        let counts = judge(&mut rain, 200.0);
        assert_eq!(
            counts,
            Counts {
                coded: 2,
                meaningless: 3,
                limited: 1
            }
        );
        assert_eq!((rain[[0, 0]], rain[[1, 0]]), (0.0, 200.0));
        assert_eq!(rain.iter().filter(|r| r.is_nan()).count(), 6);
    }

    #[test]
    fn a_block_is_the_mean_of_what_was_seen_unless_more_than_half_is_missing() {
        // Blocks of 2 in 3 x 5: the third row and fifth column are left out. (1 + 3) / 2 = 2; one of four seen: missing.
        let x = f32::NAN;
        let rain = array![[1.0, x, x, x, 9.0], [x, 3.0, x, 8.0, 9.0], [9.0; 5]];
        let mean = block_mean(&rain, 2);
        assert_eq!(mean.dim(), (1, 2));
        assert!(mean[[0, 0]] == 2.0 && mean[[0, 1]].is_nan());
    }
}
