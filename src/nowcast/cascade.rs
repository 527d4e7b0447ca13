//! Rain taken apart by wavelength: large areas live for hours, single cells for minutes, and each scale is forecast for as long as it lives.
//!
//! # Source
//!
//! Seed, A. W., 2003: A dynamic and spatial scaling approach to advection forecasting. J. Appl. Meteor., 42, 381-388,
//! doi:10.1175/1520-0450(2003)042<0381:ADASSA>2.0.CO;2; Gaussian bands after Pulkkinen, S., et al., 2019: Pysteps (v1.0). Geosci. Model
//! Dev., 12, 4185-4219, doi:10.5194/gmd-12-4185-2019, with centres at fixed wavelengths of the grid instead of shares of the domain.

use ndarray::{Array2, Axis};
use nowblend_field::fourier::Complex32;
use rayon::prelude::*;

use super::plane::{Plane, Spectrum};

/// The finest scale is centred at this wavelength, cells.
const FINEST_CELLS: f64 = 2.86;
/// The coarsest at this share of the plane's longer side.
const COARSEST: f64 = 0.57;
/// Width of a band in the logarithm of wavelength, as a share of the distance to the next.
const WIDTH: f64 = 0.5;

/// Scales of a plane, from coarse to fine, and the rings of wavenumber that they are made of.
pub struct Cascade {
    /// Ring of each coefficient, `[kx, ky]`.
    rings: Vec<u16>,
    /// Share of each scale in each ring, `[scale, ring]`; the shares of a ring add up to 1.
    shares: Array2<f32>,
    /// Wavelength of each ring, cells; infinite for the mean.
    wavelengths: Vec<f64>,
    /// Wavelength in the middle of each scale, cells.
    centres: Vec<f64>,
    /// Columns and rows of wavenumber.
    waves: (usize, usize),
    /// Whether the width of the plane is even, so that its last column has no mirror image.
    last_alone: bool,
}

/// A wave of which a scale has a smaller share than this is not drawn in a sketch of it.
const LEAST_SHARE: f32 = 0.02;

/// One scale of fields on a grid of as few cells as show it: those of large scales lie far apart.
pub struct Sketch<'a> {
    cascade: &'a Cascade,
    scale: usize,
    /// Rows and columns of the plane whose spectra are drawn.
    whole: (usize, usize),
    plane: Plane,
}

impl Sketch<'_> {
    /// The scale of a field `[y, x]` on the cells of the sketch.
    pub fn band(&self, spectrum: &Spectrum) -> Array2<f32> {
        let (shares, rings) = (self.cascade.shares.row(self.scale), &self.cascade.rings);
        let (columns, rows) = self.plane.waves();
        let whole_rows = self.whole.0;
        // Coefficients are sums over the cells of their plane.
        let (drawn_rows, drawn_columns) = self.plane.shape();
        let fewer = (drawn_rows * drawn_columns) as f32 / (whole_rows * self.whole.1) as f32;
        let mut waves = vec![Complex32::default(); columns * rows];
        waves.par_chunks_mut(rows).enumerate().for_each(|(kx, column)| {
            // Northward waves from the front of a column, southward ones from its end.
            let (first, south) = (kx * whole_rows, rows / 2);
            let north = first..first + rows - south;
            let south = first + whole_rows - south..first + whole_rows;
            for (wave, k) in column.iter_mut().zip(north.chain(south)) {
                *wave = spectrum[k] * (fewer * shares[usize::from(rings[k])]);
            }
        });
        let mut band = Array2::zeros(self.plane.grid());
        self.plane.back(&mut waves, band.view_mut());
        band
    }

    /// What of a field `[y, x]` on the whole grid lies where the cells of the sketch do.
    pub fn sample<T: Copy>(&self, field: &Array2<T>) -> Array2<T> {
        let ((ny, nx), (rows, columns)) = (self.whole, self.plane.shape());
        Array2::from_shape_fn(self.plane.grid(), |(j, i)| field[[j * ny / rows, i * nx / columns]])
    }
}

/// How alike two fields are on one scale.
#[derive(Debug, Clone, Copy)]
pub struct Alike {
    /// Their correlation; 0 where one of them does not vary.
    pub correlation: f64,
    /// Standard deviation of the first over that of the second; 1 where one of them does not vary.
    pub ratio: f64,
}

impl Cascade {
    /// `count` scales, evenly spaced in the logarithm of wavelength from 0.57 of the plane's longer side down to 2.86 cells, as those of
    /// pysteps lie on 512 cells.
    pub fn new(plane: &Plane, count: usize) -> Self {
        let (ny, nx) = plane.shape();
        let (columns, rows) = plane.waves();
        let longer = ny.max(nx) as f64;
        let ring = |kx: usize, ky: usize| {
            let (fy, fx) = (ky.min(ny - ky) as f64 / ny as f64, kx as f64 / nx as f64);
            (fy.hypot(fx) * longer).round()
        };
        let mut rings = vec![0u16; columns * rows];
        rings.par_chunks_mut(rows).enumerate().for_each(|(kx, column)| {
            for (ky, place) in column.iter_mut().enumerate() {
                *place = ring(kx, ky).min(f64::from(u16::MAX)) as u16;
            }
        });
        let last = (ring(columns - 1, ny / 2) as usize).min(usize::from(u16::MAX));
        let wavelengths: Vec<f64> = (0..=last).map(|ring| longer / ring as f64).collect();

        let (coarsest, count) = ((longer * COARSEST).max(FINEST_CELLS), count.max(1));
        let step = (coarsest / FINEST_CELLS).ln() / (count.max(2) - 1) as f64;
        let mut shares = Array2::zeros((count, wavelengths.len()));
        for (ring, mut column) in shares.axis_iter_mut(Axis(1)).enumerate() {
            let place = (coarsest / wavelengths[ring]).ln() / step.max(1e-9);
            // Far beyond the coarsest and the finest scale it is all that is left.
            let place = place.clamp(-2.0, (count + 1) as f64);
            let weight = |scale: usize| (-0.5 * ((scale as f64 - place) / WIDTH).powi(2)).exp();
            let total: f64 = (0..count).map(weight).sum();
            for (scale, share) in column.iter_mut().enumerate() {
                *share = (weight(scale) / total) as f32;
            }
        }
        Self {
            rings,
            shares,
            centres: (0..count).map(|scale| coarsest * (-(scale as f64) * step).exp()).collect(),
            wavelengths,
            waves: (columns, rows),
            last_alone: nx.is_multiple_of(2),
        }
    }

    /// Number of scales.
    pub fn scales(&self) -> usize {
        self.shares.nrows()
    }

    /// Ring of each coefficient, `[kx, ky]`.
    pub fn rings(&self) -> &[u16] {
        &self.rings
    }

    /// Wavelength in the middle of each scale, cells.
    pub fn centres(&self) -> &[f64] {
        &self.centres
    }

    /// Wavelength of each ring, cells; infinite for the mean.
    pub fn wavelengths(&self) -> &[f64] {
        &self.wavelengths
    }

    /// Number of coefficients of one column.
    pub fn rows(&self) -> usize {
        self.waves.1
    }

    /// How often a coefficient of column `kx` stands in the whole spectrum.
    pub fn copies(&self, kx: usize) -> f32 {
        if kx == 0 || (self.last_alone && kx + 1 == self.waves.0) {
            1.0
        } else {
            2.0
        }
    }

    /// One scale of a field, `[y, x]` on the cells of the grid; all scales add up to it.
    pub fn band(&self, plane: &Plane, spectrum: &Spectrum, scale: usize) -> Array2<f32> {
        self.drawn_on(plane.clone(), plane.shape(), scale).band(spectrum)
    }

    /// One scale of fields on `plane`, on as few cells as show it.
    pub fn sketch(&self, plane: &Plane, scale: usize) -> Sketch<'_> {
        let (ny, nx) = plane.shape();
        let shares = self.shares.row(scale);
        let last = shares.iter().rposition(|share| *share >= LEAST_SHARE).unwrap_or(0);
        let cells = |side: usize| 2 * (last * side).div_ceil(ny.max(nx)) + 2;
        self.drawn_on(plane.coarser((cells(ny), cells(nx))), (ny, nx), scale)
    }

    fn drawn_on(&self, plane: Plane, whole: (usize, usize), scale: usize) -> Sketch<'_> {
        Sketch {
            cascade: self,
            scale,
            whole,
            plane,
        }
    }

    /// Two fields scale by scale, their means left out.
    pub fn alike(&self, a: &Spectrum, b: &Spectrum) -> Vec<Alike> {
        // Sums over rings first, column after column in order, so that they do not depend on the number of threads.
        let rows = self.waves.1;
        let by_column: Vec<Vec<[f64; 3]>> = a
            .par_chunks(rows)
            .zip(b.par_chunks(rows))
            .zip(self.rings.par_chunks(rows))
            .chunks(64)
            .enumerate()
            .map(|(chunk, columns)| {
                let mut sums = vec![[0.0; 3]; self.wavelengths.len()];
                for (k, ((a, b), rings)) in columns.into_iter().enumerate() {
                    let copies = f64::from(self.copies(64 * chunk + k));
                    for ((a, b), ring) in a.iter().zip(b).zip(rings) {
                        let sum = &mut sums[usize::from(*ring)];
                        sum[0] += copies * f64::from(real_product(*a, *b));
                        sum[1] += copies * f64::from(a.norm_sqr());
                        sum[2] += copies * f64::from(b.norm_sqr());
                    }
                }
                sums
            })
            .collect();
        self.shares
            .axis_iter(Axis(0))
            .map(|shares| {
                let mut sum = [0.0; 3];
                for columns in &by_column {
                    for (ring, share) in columns.iter().zip(&shares).skip(1) {
                        for (sum, more) in sum.iter_mut().zip(ring) {
                            *sum += f64::from(share * share) * more;
                        }
                    }
                }
                let [ab, aa, bb] = sum;
                if aa > 0.0 && bb > 0.0 {
                    Alike {
                        correlation: ab / (aa * bb).sqrt(),
                        ratio: (aa / bb).sqrt(),
                    }
                } else {
                    Alike {
                        correlation: 0.0,
                        ratio: 1.0,
                    }
                }
            })
            .collect()
    }

    /// A number for each ring from one for each scale, smooth from scale to scale.
    ///
    /// # Panics
    ///
    /// Where there is not one number for each scale.
    pub fn on_rings(&self, by_scale: &[f64]) -> Vec<f64> {
        assert_eq!(by_scale.len(), self.scales(), "a number for each scale");
        let mean = |shares: ndarray::ArrayView1<'_, f32>| shares.iter().zip(by_scale).map(|(w, v)| f64::from(*w) * v).sum();
        self.shares.axis_iter(Axis(1)).map(mean).collect()
    }
}

fn real_product(a: Complex32, b: Complex32) -> f32 {
    a.re * b.re + a.im * b.im
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn waves(plane: &Plane, length: f32, phase: f32) -> Array2<f32> {
        Array2::from_shape_fn(plane.shape(), |(_, x)| (std::f32::consts::TAU * (x as f32 / length + phase)).cos())
    }

    #[test]
    fn each_wave_lies_in_the_scale_of_its_length() {
        // A plane of 120: scales at 68.4, 30.9, 14, 6.3 and 2.86 cells.
        let plane = Plane::around((96, 96));
        assert_eq!(plane.shape(), (120, 120));
        let cascade = Cascade::new(&plane, 5);
        for (length, scale) in [(60.0, 0), (30.0, 1), (12.0, 2), (6.0, 3), (3.0, 4)] {
            let spectrum = plane.forward(&waves(&plane, length, 0.0));
            let power = |scale| cascade.band(&plane, &spectrum, scale).iter().map(|v| v * v).sum::<f32>();
            let power: Vec<f32> = (0..5).map(power).collect();
            let largest = (0..5).max_by(|a, b| power[*a].total_cmp(&power[*b])).unwrap();
            assert_eq!(largest, scale, "{length}: {power:?}");
        }
    }

    #[test]
    fn a_sketch_is_the_scale_where_its_cells_lie() {
        let plane = Plane::around((96, 130));
        let cascade = Cascade::new(&plane, 5);
        let (ny, nx) = plane.shape();
        let tau = std::f32::consts::TAU;
        // Three waves along the plane and two across it, which a sketch shows between the cells of the grid, too.
        let wave = |y: f32, x: f32| (tau * (2.0 * y + 3.0 * x)).cos();
        let spectrum = plane.forward(&Array2::from_shape_fn((ny, nx), |(y, x)| {
            wave(y as f32 / ny as f32, x as f32 / nx as f32)
        }));
        let ring = ((2.0 / ny as f64).hypot(3.0 / nx as f64) * ny.max(nx) as f64).round() as usize;
        for scale in 0..3 {
            let sketch = cascade.sketch(&plane, scale);
            let (rows, columns) = sketch.plane.shape();
            let share = cascade.shares[[scale, ring]];
            for ((j, i), found) in sketch.band(&spectrum).indexed_iter() {
                let expected = share * wave(j as f32 / rows as f32, i as f32 / columns as f32);
                assert!((found - expected).abs() < 1e-4, "{scale}: {found}, {expected}");
            }
            assert!(scale > 1 || 20 * rows * columns < ny * nx, "{scale}: {rows} x {columns}");
        }
        let finest = cascade.sketch(&plane, 4).band(&spectrum);
        assert_eq!(finest, cascade.band(&plane, &spectrum, 4));
    }

    #[test]
    fn a_scale_that_moves_by_a_quarter_wave_is_not_correlated_and_the_others_are() {
        let plane = Plane::around((96, 96));
        let cascade = Cascade::new(&plane, 5);
        let field = |phase| plane.forward(&(waves(&plane, 60.0, 0.0) + waves(&plane, 3.0, phase)));
        let alike = cascade.alike(&field(0.0), &field(0.25));
        assert!(
            (alike[0].correlation - 1.0).abs() < 1e-3 && alike[4].correlation.abs() < 1e-2,
            "{alike:?}"
        );
        assert!((alike[0].ratio - 1.0).abs() < 1e-3);
        let flat = plane.forward(&Array2::from_elem(plane.shape(), 3.0));
        assert!(
            cascade
                .alike(&flat, &flat)
                .iter()
                .all(|a| a.correlation.abs() <= 1.0 && a.ratio.is_finite())
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn the_scales_add_up_to_the_field(values in proptest::collection::vec(-20.0f32..40.0, 35), count in 1usize..9) {
            let plane = Plane::around((5, 7));
            let cascade = Cascade::new(&plane, count);
            let field = Array2::from_shape_vec((5, 7), values).unwrap();
            let spectrum = plane.forward(&plane.spread(field.view()));
            let mut sum = Array2::<f32>::zeros((5, 7));
            for scale in 0..cascade.scales() {
                sum += &cascade.band(&plane, &spectrum, scale);
            }
            prop_assert!(field.iter().zip(&sum).all(|(a, b)| (a - b).abs() < 1e-3));
        }
    }
}
