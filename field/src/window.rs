//! What lies around each cell: sums over a window, at a cost that does not depend on its width.

use std::ops::{Add, Sub};

use ndarray::{Array2, ArrayView2, Zip};

/// Sum of the values of cells in the window of odd width around each cell, by running sums: the cost does not depend on the width.
pub fn window_sums<T>(field: ArrayView2<'_, f32>, window: usize, value: impl Fn(f32) -> T + Sync) -> Array2<T>
where
    T: Copy + Default + Add<Output = T> + Sub<Output = T> + Send + Sync,
{
    let half = window / 2;
    let (ny, nx) = field.dim();
    let mut along_rows = Array2::from_elem((ny, nx), T::default());
    Zip::from(along_rows.rows_mut())
        .and(field.rows())
        .par_for_each(|mut counts, cells| {
            let mut before = vec![T::default(); nx + 1];
            for (column, cell) in cells.iter().enumerate() {
                before[column + 1] = before[column] + value(*cell);
            }
            for (column, count) in counts.iter_mut().enumerate() {
                *count = before[(column + half + 1).min(nx)] - before[column.saturating_sub(half)];
            }
        });
    let mut counts = Array2::from_elem((ny, nx), T::default());
    let mut running = Array2::from_elem((1, nx), T::default());
    let mut running = running.row_mut(0);
    for row in 0..half.min(ny) {
        Zip::from(&mut running)
            .and(along_rows.row(row))
            .for_each(|sum, more| *sum = *sum + *more);
    }
    for row in 0..ny {
        if row + half < ny {
            Zip::from(&mut running)
                .and(along_rows.row(row + half))
                .for_each(|sum, more| *sum = *sum + *more);
        }
        if let Some(left) = row.checked_sub(half + 1) {
            Zip::from(&mut running)
                .and(along_rows.row(left))
                .for_each(|sum, less| *sum = *sum - *less);
        }
        counts.row_mut(row).assign(&running);
    }
    counts
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn windows_end_at_the_edge_and_count_what_they_are_asked_for() {
        let field = array![[1.0, f32::NAN, 2.0], [0.0, 3.0, 0.0]];
        let seen = |window| window_sums(field.view(), window, |v| u32::from(!v.is_nan()));
        assert_eq!(seen(3), array![[3, 5, 3], [3, 5, 3]]);
        assert_eq!(seen(1), array![[1, 0, 1], [1, 1, 1]]);
        assert_eq!(seen(101), Array2::from_elem((2, 3), 5));
    }
}
