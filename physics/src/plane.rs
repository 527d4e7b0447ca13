//! A field of the core with a rim of cells around it, so that every loop runs over whole rows and the boundary is filled in one place.

use std::ops::Range;

use rayon::prelude::*;

use crate::row::{pitch, room};

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
    pub const fn width(self) -> usize {
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
#[derive(Debug)]
pub struct Plane {
    shape: Shape,
    /// Rows a [`pitch`] apart; what lies between them means nothing.
    data: Vec<f64>,
    start: usize,
}

impl Clone for Plane {
    fn clone(&self) -> Self {
        let mut plane = Self::constant(self.shape, 0.0);
        plane.copy_from(self);
        plane
    }
}

impl PartialEq for Plane {
    fn eq(&self, other: &Self) -> bool {
        self.shape == other.shape && self.rows().eq(other.rows())
    }
}

impl Plane {
    /// The same value everywhere, rim included.
    pub fn constant(shape: Shape, value: f64) -> Self {
        let (data, start) = room(shape.rows() * pitch(shape.width()), value);
        Self { shape, data, start }
    }

    /// Values by row and column, rim included: the function is asked for -[`RIM`] up to the size plus [`RIM`] less one.
    pub fn from_fn(shape: Shape, mut value: impl FnMut(isize, isize) -> f64) -> Self {
        let mut plane = Self::constant(shape, 0.0);
        for row in 0..shape.rows() {
            for (column, v) in plane.full_row_mut(row).iter_mut().enumerate() {
                *v = value(row as isize - RIM as isize, column as isize - RIM as isize);
            }
        }
        plane
    }

    /// Values of all rows one after the other, rim included.
    pub(crate) fn of_values(shape: Shape, values: &[f64]) -> Self {
        assert_eq!(values.len(), shape.rows() * shape.width(), "values of whole rows");
        let mut plane = Self::constant(shape, 0.0);
        for (row, values) in values.chunks_exact(shape.width()).enumerate() {
            plane.full_row_mut(row).copy_from_slice(values);
        }
        plane
    }

    /// All whole rows.
    fn rows(&self) -> impl Iterator<Item = &[f64]> {
        (0..self.shape.rows()).map(|row| self.full_row(row))
    }

    /// All values, rim included.
    pub(crate) fn values(&self) -> impl Iterator<Item = &f64> {
        self.rows().flatten()
    }

    /// Size without the rim.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// One value; rows and columns of the rim are negative or beyond the size.
    pub fn at(&self, j: isize, i: isize) -> f64 {
        self.full_row((j + RIM as isize) as usize)[(i + RIM as isize) as usize]
    }

    /// One value, to be changed.
    pub fn at_mut(&mut self, j: isize, i: isize) -> &mut f64 {
        &mut self.full_row_mut((j + RIM as isize) as usize)[(i + RIM as isize) as usize]
    }

    #[inline]
    fn place(&self, row: usize) -> Range<usize> {
        let first = self.start + row * pitch(self.shape.width());
        first..first + self.shape.width()
    }

    /// A whole row with its rims, counted from the southernmost of the rim.
    #[inline]
    pub(crate) fn full_row(&self, row: usize) -> &[f64] {
        &self.data[self.place(row)]
    }

    #[inline]
    pub(crate) fn full_row_mut(&mut self, row: usize) -> &mut [f64] {
        let place = self.place(row);
        &mut self.data[place]
    }

    /// The values of a row without its rims.
    #[inline]
    pub fn row(&self, j: usize) -> &[f64] {
        &self.full_row(j + RIM)[RIM..RIM + self.shape.nx]
    }

    /// Whole rows inside the rim, for parallel loops.
    pub(crate) fn rows_mut(&mut self) -> impl IndexedParallelIterator<Item = &mut [f64]> {
        let (width, ny) = (self.shape.width(), self.shape.ny);
        let first = self.place(RIM).start;
        self.data[first..first + ny * pitch(width)]
            .par_chunks_mut(pitch(width))
            .map(move |row| &mut row[..width])
    }

    /// Groups of up to `count` whole rows inside the rim.
    pub(crate) fn groups_mut(&mut self, count: usize) -> impl Iterator<Item = Rows<'_>> {
        self.groups_of(count, self.shape.ny)
    }

    /// The same, and with the last of them the first row of the northern rim.
    pub(crate) fn groups_and_last_mut(&mut self, count: usize) -> impl Iterator<Item = Rows<'_>> {
        self.groups_of(count, self.shape.ny + 1)
    }

    /// As many groups as the rows inside the rim make; the last of them ends with row `end` of the domain.
    fn groups_of(&mut self, count: usize, end: usize) -> impl Iterator<Item = Rows<'_>> {
        let (width, groups) = (self.shape.width(), self.shape.ny.div_ceil(count));
        let first = self.place(RIM).start;
        let mut rest = &mut self.data[first..first + end * pitch(width)];
        (1..=groups).map(move |group| {
            let size = if group == groups { rest.len() } else { count * pitch(width) };
            let (data, others) = std::mem::take(&mut rest).split_at_mut(size);
            rest = others;
            Rows { data, width }
        })
    }

    /// Copies everything, rim included.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.meet([other], |value, [other]| *value = other);
    }

    /// Adds another plane, rim included.
    pub(crate) fn add(&mut self, other: &Self) {
        self.meet([other], |value, [other]| *value += other);
    }

    /// Adds a share of another plane, rim included.
    pub(crate) fn add_share(&mut self, other: &Self, share: f64) {
        self.meet([other], |value, [other]| *value += share * other);
    }

    /// Multiplies every value, rim included.
    pub(crate) fn scale(&mut self, factor: f64) {
        self.meet([], |value, []| *value *= factor);
    }

    /// Becomes `share` of the way from one to another, rim included.
    pub(crate) fn mix(&mut self, from: &Self, to: &Self, share: f64) {
        self.meet([from, to], |value, [from, to]| *value = from + share * (to - from));
    }

    /// Changes every value, rim included, by those of others of its shape.
    fn meet<const N: usize>(&mut self, others: [&Self; N], change: impl Fn(&mut f64, [f64; N])) {
        for row in 0..self.shape.rows() {
            let others = others.map(|other| other.full_row(row));
            for (k, value) in self.full_row_mut(row).iter_mut().enumerate() {
                change(value, others.map(|other| other[k]));
            }
        }
    }

    /// Sets every value, rim included.
    pub(crate) fn fill(&mut self, value: f64) {
        self.data.fill(value);
    }

    /// Copies whole row `from` onto whole row `to`.
    pub(crate) fn copy_row(&mut self, from: usize, to: usize) {
        let (from, to) = (self.place(from), self.place(to));
        self.data.copy_within(from, to.start);
    }
}

/// Whole rows of a plane, one after the other.
pub(crate) struct Rows<'a> {
    data: &'a mut [f64],
    width: usize,
}

impl Rows<'_> {
    /// How many.
    pub(crate) fn count(&self) -> usize {
        self.data.len() / pitch(self.width)
    }

    /// One of them, if there are so many.
    #[inline(always)]
    pub(crate) fn get_mut(&mut self, row: usize) -> Option<&mut [f64]> {
        let first = row * pitch(self.width);
        self.data.get_mut(first..first + self.width)
    }

    /// One of them.
    #[inline(always)]
    pub(crate) fn row_mut(&mut self, row: usize) -> &mut [f64] {
        let first = row * pitch(self.width);
        &mut self.data[first..first + self.width]
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
