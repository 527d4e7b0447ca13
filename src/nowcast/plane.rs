//! Rain on a larger plane that closes on itself, of a size that Fourier transforms like: what leaves one edge does not come in at the other.

use std::{cell::RefCell, sync::Arc};

use ndarray::{Array2, ArrayView2, ArrayViewMut2};
use nowblend_field::fourier::{self, Complex32, ComplexToReal, Fft, RealToComplex};
use rayon::prelude::*;

use super::fill::fill;

/// Cells that the plane is wider than the grid, at least: over them one edge passes into the other.
const MARGIN: usize = 24;
/// Lines that are turned together from columns to rows.
const LINES: usize = 16;

/// A plane around a grid, with the transforms of its size.
#[derive(Clone)]
pub struct Plane {
    /// Rows and columns of the grid.
    grid: (usize, usize),
    /// Rows and columns of the plane.
    shape: (usize, usize),
    rows_forward: Arc<dyn RealToComplex<f32>>,
    rows_back: Arc<dyn ComplexToReal<f32>>,
    columns_forward: Arc<dyn Fft<f32>>,
    columns_back: Arc<dyn Fft<f32>>,
}

/// The Fourier coefficients of a real field, column of wavenumber after column: `[kx, ky]` with kx up to half the width.
pub type Spectrum = Vec<Complex32>;

thread_local! {
    /// Room for the lines of one thread, kept from transform to transform.
    static ROOM: RefCell<(Vec<Complex32>, Vec<f32>, Vec<Complex32>)> = const { RefCell::new((Vec::new(), Vec::new(), Vec::new())) };
}

impl Plane {
    /// The plane of a grid of `(rows, columns)`.
    pub fn around(grid: (usize, usize)) -> Self {
        Self::of(grid, (quick(grid.0 + MARGIN, 1), quick(grid.1 + MARGIN, 2)))
    }

    /// A square of at least `width` cells, without a margin.
    pub fn square(width: usize) -> Self {
        let width = quick(width, 2);
        Self::of((width, width), (width, width))
    }

    fn of(grid: (usize, usize), shape: (usize, usize)) -> Self {
        let (rows_forward, rows_back) = fourier::real_f32(shape.1);
        let (columns_forward, columns_back) = fourier::complex_f32(shape.0);
        Self {
            grid,
            shape,
            rows_forward,
            rows_back,
            columns_forward,
            columns_back,
        }
    }

    /// The same plane in fewer cells, at least so many rows and columns and never more than it has.
    pub fn coarser(&self, (rows, columns): (usize, usize)) -> Self {
        let (ny, nx) = self.shape;
        let shape = (quick(rows, 1).min(ny), quick(columns, 2).min(nx));
        if shape == self.shape {
            return self.clone();
        }
        // Cells that lie within the grid.
        let grid = ((self.grid.0 * shape.0).div_ceil(ny), (self.grid.1 * shape.1).div_ceil(nx));
        Self::of(grid, shape)
    }

    /// Rows and columns of the grid.
    pub fn grid(&self) -> (usize, usize) {
        self.grid
    }

    /// Rows and columns of the plane.
    pub fn shape(&self) -> (usize, usize) {
        self.shape
    }

    /// Columns of wavenumber, `(kx, ky)`.
    pub fn waves(&self) -> (usize, usize) {
        (self.shape.1 / 2 + 1, self.shape.0)
    }

    /// The field `[y, x]` of the grid on the plane: what is missing, and the margin, pass from what is near to the mean of all that is there;
    /// where nothing is there all is 0.
    pub fn spread(&self, field: ArrayView2<'_, f32>) -> Array2<f32> {
        let mut wide = Array2::from_elem(self.shape, f32::NAN);
        wide.slice_mut(ndarray::s![..self.grid.0, ..self.grid.1]).assign(&field);
        let (sum, count) = field
            .iter()
            .filter(|v| !v.is_nan())
            .fold((0.0, 0.0), |(sum, count), v| (sum + f64::from(*v), count + 1.0));
        fill(&mut wide, if count > 0.0 { (sum / count) as f32 } else { 0.0 });
        wide
    }

    /// Coefficients of a field `[y, x]` on the plane; those of wavenumber 0 are the sum over its cells.
    pub fn forward(&self, field: &Array2<f32>) -> Spectrum {
        let (ny, nx) = self.shape;
        let waves = nx / 2 + 1;
        let field = field.as_standard_layout();
        let cells = field.as_slice().expect("made in standard layout");
        let mut lines = vec![Complex32::default(); ny * waves];
        lines.par_chunks_mut(waves).zip(cells.par_chunks(nx)).for_each(|(line, cells)| {
            ROOM.with_borrow_mut(|(scratch, real, _)| {
                real.clear();
                real.extend_from_slice(cells);
                let needed = self.rows_forward.get_scratch_len();
                resize(scratch, needed);
                self.rows_forward
                    .process_with_scratch(real, line, &mut scratch[..needed])
                    .expect("the line has the length of the plan");
            });
        });
        let mut spectrum = vec![Complex32::default(); ny * waves];
        spectrum.par_chunks_mut(ny * LINES).enumerate().for_each(|(block, columns)| {
            let first = block * LINES;
            // Eight lines at a time, so that what is written lies together, too.
            for (block, eight) in lines.chunks(LINES / 2 * waves).enumerate() {
                let south = block * (LINES / 2);
                for (k, column) in columns.chunks_exact_mut(ny).enumerate() {
                    let column = &mut column[south..];
                    for (value, line) in column.iter_mut().zip(eight.chunks_exact(waves)) {
                        *value = line[first + k];
                    }
                }
            }
            self.along_columns(&*self.columns_forward, columns);
        });
        spectrum
    }

    /// The field of `spectrum` on the cells of the grid, into `out`; the spectrum is used up.
    pub fn back(&self, spectrum: &mut Spectrum, mut out: ArrayViewMut2<'_, f32>) {
        let (ny, nx) = self.shape;
        let waves = nx / 2 + 1;
        assert_eq!(
            (spectrum.len(), out.dim()),
            (ny * waves, self.grid),
            "a spectrum of the plane, a field of the grid"
        );
        spectrum
            .par_chunks_mut(ny * LINES)
            .for_each(|columns| self.along_columns(&*self.columns_back, columns));
        let scale = 1.0 / (ny * nx) as f32;
        let spectrum = &*spectrum;
        out.axis_chunks_iter_mut(ndarray::Axis(0), LINES)
            .into_par_iter()
            .enumerate()
            .for_each(|(block, mut rows)| {
                let (first, count) = (block * LINES, rows.nrows());
                ROOM.with_borrow_mut(|(scratch, real, lines)| {
                    resize(lines, LINES * waves);
                    resize(real, nx);
                    let needed = self.rows_back.get_scratch_len();
                    resize(scratch, needed);
                    // Eight columns at a time, so that what is written lies together, too.
                    for (block, eight) in spectrum.chunks(LINES / 2 * ny).enumerate() {
                        let west = block * (LINES / 2);
                        for (k, line) in lines.chunks_exact_mut(waves).take(count).enumerate() {
                            for (value, column) in line[west..].iter_mut().zip(eight.chunks_exact(ny)) {
                                *value = column[first + k];
                            }
                        }
                    }
                    for (k, mut row) in rows.outer_iter_mut().enumerate() {
                        let line = &mut lines[k * waves..(k + 1) * waves];
                        // What is left of an imaginary part there belongs to no real field.
                        line[0].im = 0.0;
                        if nx.is_multiple_of(2) {
                            line[waves - 1].im = 0.0;
                        }
                        self.rows_back
                            .process_with_scratch(line, &mut real[..nx], &mut scratch[..needed])
                            .expect("the line has the length of the plan");
                        for (cell, value) in row.iter_mut().zip(real.iter()) {
                            *cell = value * scale;
                        }
                    }
                });
            });
    }

    fn along_columns(&self, transform: &dyn Fft<f32>, columns: &mut [Complex32]) {
        ROOM.with_borrow_mut(|(scratch, _, _)| {
            let needed = transform.get_inplace_scratch_len();
            resize(scratch, needed);
            transform.process_with_scratch(columns, &mut scratch[..needed]);
        });
    }
}

fn resize<T: Clone + Default>(room: &mut Vec<T>, needed: usize) {
    if room.len() < needed {
        room.resize(needed, T::default());
    }
}

/// The smallest length of at least `least`, a multiple of `of`, without a prime factor above 5.
fn quick(least: usize, of: usize) -> usize {
    let smooth = |mut n: usize| {
        for factor in [2, 3, 5] {
            while n.is_multiple_of(factor) {
                n /= factor;
            }
        }
        n == 1
    };
    (least..)
        .find(|n| n.is_multiple_of(of) && smooth(*n))
        .expect("such lengths never end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_quick_and_widths_even() {
        assert_eq!((quick(533, 1), quick(533, 2), quick(734, 2), quick(29, 2)), (540, 540, 750, 30));
        assert_eq!(Plane::around((4, 5)).shape(), (30, 30));
    }

    #[test]
    fn a_field_comes_back_from_its_waves() {
        for shape in [(4, 5), (37, 20), (64, 129)] {
            let plane = Plane::around(shape);
            let field = Array2::from_shape_fn(shape, |(y, x)| ((y * 7 + x * 3) % 11) as f32 - 4.0);
            let mut spectrum = plane.forward(&plane.spread(field.view()));
            let mut back = Array2::zeros(shape);
            plane.back(&mut spectrum, back.view_mut());
            assert!(field.iter().zip(&back).all(|(a, b)| (a - b).abs() < 1e-4), "{shape:?}");
        }
    }

    #[test]
    fn a_wave_lies_at_its_wavenumber() {
        let plane = Plane::around((30, 36));
        let (ny, nx) = plane.shape();
        let wave = Array2::from_shape_fn((ny, nx), |(y, x)| {
            (std::f32::consts::TAU * (3.0 * y as f32 / ny as f32 + 2.0 * x as f32 / nx as f32)).cos()
        });
        let spectrum = plane.forward(&wave);
        let half = (ny * nx) as f32 / 2.0;
        assert!((spectrum[2 * ny + 3].re / half - 1.0).abs() < 1e-4);
        assert!(spectrum.iter().map(|c| c.norm()).sum::<f32>() < 1.01 * half);
    }
}
