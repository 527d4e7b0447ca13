//! A field of the core with a rim of cells around it, so that every loop runs over whole rows and the boundary is filled in one place.

use rayon::prelude::*;

/// Cells kept beyond each side: what the parabolas of the transport reach for.
pub const RIM: usize = 3;

/// Number of rows and columns without the rim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Rows, south to north.
    pub ny: usize,
    /// Columns, west to east.
    pub nx: usize,
}

impl Shape {
    /// Values in a row with both rims.
    pub const fn stride(self) -> usize {
        self.nx + 2 * RIM
    }

    /// Rows with both rims.
    pub const fn rows(self) -> usize {
        self.ny + 2 * RIM
    }
}

/// Values `[y, x]` with a rim of [`RIM`] cells; row 0 and column 0 are the first inside the rim.
///
/// On the C-grid the depth lies in the middle of cell (j, i), the eastward wind on its west face, the northward wind on its
/// south face, the vorticity on its south-west corner. The last face of a row is the first value of the far rim.
#[derive(Debug, Clone, PartialEq)]
pub struct Plane {
    shape: Shape,
    data: Vec<f64>,
}

impl Plane {
    /// The same value everywhere, rim included.
    pub fn constant(shape: Shape, value: f64) -> Self {
        Self {
            shape,
            data: vec![value; shape.rows() * shape.stride()],
        }
    }

    /// Values by row and column, rim included: the function is asked for -[`RIM`] up to the size plus [`RIM`] less one.
    pub fn from_fn(shape: Shape, mut value: impl FnMut(isize, isize) -> f64) -> Self {
        let mut plane = Self::constant(shape, 0.0);
        for (row, values) in plane.data.chunks_exact_mut(shape.stride()).enumerate() {
            for (column, v) in values.iter_mut().enumerate() {
                *v = value(row as isize - RIM as isize, column as isize - RIM as isize);
            }
        }
        plane
    }

    /// Values of all rows, rim included.
    pub(crate) fn of_values(shape: Shape, data: Vec<f64>) -> Self {
        assert_eq!(data.len(), shape.rows() * shape.stride(), "values of whole rows");
        Self { shape, data }
    }

    /// All values, rim included.
    pub(crate) fn values(&self) -> &[f64] {
        &self.data
    }

    /// Size without the rim.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// One value; rows and columns of the rim are negative or beyond the size.
    pub fn at(&self, j: isize, i: isize) -> f64 {
        self.data[self.index(j, i)]
    }

    /// One value, to be changed.
    pub fn at_mut(&mut self, j: isize, i: isize) -> &mut f64 {
        let index = self.index(j, i);
        &mut self.data[index]
    }

    /// A whole row with its rims, counted from the southernmost of the rim.
    #[inline]
    pub(crate) fn full_row(&self, row: usize) -> &[f64] {
        let stride = self.shape.stride();
        &self.data[row * stride..(row + 1) * stride]
    }

    #[inline]
    pub(crate) fn full_row_mut(&mut self, row: usize) -> &mut [f64] {
        let stride = self.shape.stride();
        &mut self.data[row * stride..(row + 1) * stride]
    }

    /// The values of a row without its rims.
    #[inline]
    pub fn row(&self, j: usize) -> &[f64] {
        &self.full_row(j + RIM)[RIM..RIM + self.shape.nx]
    }

    /// Groups of up to `count` whole rows inside the rim, for parallel loops.
    pub(crate) fn strips_mut(&mut self, count: usize) -> rayon::slice::ChunksMut<'_, f64> {
        let stride = self.shape.stride();
        self.data[RIM * stride..(RIM + self.shape.ny) * stride].par_chunks_mut(stride * count)
    }

    /// The same groups, one after the other.
    pub(crate) fn groups_mut(&mut self, count: usize) -> std::slice::ChunksMut<'_, f64> {
        let stride = self.shape.stride();
        self.data[RIM * stride..(RIM + self.shape.ny) * stride].chunks_mut(stride * count)
    }

    /// The same, and with the last of them the first row of the northern rim.
    pub(crate) fn groups_and_last_mut(&mut self, count: usize) -> impl Iterator<Item = &mut [f64]> {
        let (stride, ny) = (self.shape.stride(), self.shape.ny);
        let mut rest = &mut self.data[RIM * stride..(RIM + ny + 1) * stride];
        let groups = ny.div_ceil(count);
        (1..=groups).map(move |group| {
            let rows = if group == groups { rest.len() } else { count * stride };
            let (rows, others) = std::mem::take(&mut rest).split_at_mut(rows);
            rest = others;
            rows
        })
    }

    /// Copies everything, rim included.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.data.copy_from_slice(&other.data);
    }

    /// Adds another plane, rim included.
    pub(crate) fn add(&mut self, other: &Self) {
        self.data.iter_mut().zip(&other.data).for_each(|(a, b)| *a += b);
    }

    /// Adds a share of another plane, rim included.
    pub(crate) fn add_share(&mut self, other: &Self, share: f64) {
        self.data.iter_mut().zip(&other.data).for_each(|(a, b)| *a += share * b);
    }

    /// Multiplies every value, rim included.
    pub(crate) fn scale(&mut self, factor: f64) {
        self.data.iter_mut().for_each(|a| *a *= factor);
    }

    /// Becomes `share` of the way from one to another, rim included.
    pub(crate) fn mix(&mut self, from: &Self, to: &Self, share: f64) {
        for ((value, from), to) in self.data.iter_mut().zip(&from.data).zip(&to.data) {
            *value = from + share * (to - from);
        }
    }

    /// Sets every value, rim included.
    pub(crate) fn fill(&mut self, value: f64) {
        self.data.fill(value);
    }

    /// Copies whole row `from` onto whole row `to`.
    pub(crate) fn copy_row(&mut self, from: usize, to: usize) {
        let stride = self.shape.stride();
        self.data.copy_within(from * stride..(from + 1) * stride, to * stride);
    }

    fn index(&self, j: isize, i: isize) -> usize {
        let row = (j + RIM as isize) as usize;
        let column = (i + RIM as isize) as usize;
        debug_assert!(row < self.shape.rows() && column < self.shape.stride());
        row * self.shape.stride() + column
    }
}

/// Sum over the cells of `value(j, i)`, row by row in a fixed order, so that it does not depend on the number of threads.
pub(crate) fn sum_over_cells(shape: Shape, value: impl Fn(usize, usize) -> f64 + Sync) -> f64 {
    let rows: Vec<f64> = (0..shape.ny)
        .into_par_iter()
        .map(|j| (0..shape.nx).map(|i| value(j, i)).sum())
        .collect();
    rows.iter().sum()
}
