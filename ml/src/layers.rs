//! Layers of a network in plain memory, one case at a time, with their gradients: on small windows they keep what they work on close to the
//! processor, where tensors would go through memory for each step.
//!
//! Fields are `[channel, y, x]`. With L what is lowered: a layer's `backward` takes ∂L/∂(what it gave), adds ∂L/∂(its parameters) to a layer of the
//! same shape and returns ∂L/∂(what it was given).

use burn::nn::{GroupNorm, conv::Conv2d};
use ndarray::{Array, Array1, Array2, Array3, ArrayView2, Axis, Dimension, Slice, Zip, linalg::general_mat_mul, s};
use nowblend_field::{
    exponential::logistic,
    wide::{Work, wide},
};
use rayon::prelude::*;

use crate::head::numbers;

/// Numbers that a band of patches holds at most, so that it stays near the processor.
const BAND: usize = 1 << 16;

/// A convolution with squares of cells; beyond the edge is nought.
#[derive(Debug, Clone)]
pub(crate) struct Conv {
    /// `[to, from · size²]`, the cells of a square innermost.
    pub weight: Array2<f32>,
    /// `[to]`.
    pub bias: Array1<f32>,
    size: usize,
}

impl Conv {
    /// With the numbers of a tensor layer.
    pub fn of(layer: &Conv2d) -> Self {
        let [to, from, size, _] = layer.weight.dims();
        let weight = Array2::from_shape_vec((to, from * size * size), numbers(layer.weight.val()));
        let bias = layer.bias.as_ref().expect("convolutions were made with constants");
        Self {
            weight: weight.expect("a layer has as many numbers as its shape says"),
            bias: Array1::from_vec(numbers(bias.val())),
            size,
        }
    }

    /// The same shape, all nought.
    pub fn zeros(&self) -> Self {
        Self {
            weight: Array2::zeros(self.weight.raw_dim()),
            bias: Array1::zeros(self.bias.raw_dim()),
            size: self.size,
        }
    }

    /// Adds another's numbers.
    pub fn add(&mut self, other: &Self) {
        self.weight += &other.weight;
        self.bias += &other.bias;
    }

    /// The weighted sums of the squares around each cell, and the constants.
    pub fn forward(&self, x: &Array3<f32>) -> Array3<f32> {
        let (_, h, w) = x.dim();
        let bias = self.bias.to_shape((self.bias.len(), 1)).expect("constants lie in one piece");
        let mut out = bias.broadcast((self.bias.len(), h * w)).expect("one constant a channel").to_owned();
        let rows = self.rows_of_band(x);
        let bands: Vec<_> = out.axis_chunks_iter_mut(Axis(1), rows * w).enumerate().collect();
        bands.into_par_iter().for_each(|(k, mut sums)| {
            let patches = self.patches(x, k * rows, sums.ncols() / w);
            general_mat_mul(1.0, &self.weight, &patches, 1.0, &mut sums);
        });
        in_cells(out, (h, w))
    }

    /// The way back, given what came in and ∂L/∂(what went out).
    pub fn backward(&self, x: &Array3<f32>, of_out: &Array3<f32>, sum: &mut Self) -> Array3<f32> {
        self.of_parameters(x, of_out, sum);
        let (from, h, w) = x.dim();
        let of_out = lines(of_out);
        let mut of_x = Array3::zeros((from, h, w));
        let turned = self.weight.t();
        for (first, rows) in self.bands(x) {
            let of_patches = turned.dot(&of_out.slice(s![.., first * w..(first + rows) * w]));
            self.put_back(&of_patches, first, rows, &mut of_x);
        }
        of_x
    }

    /// The first half of [`Self::backward`], for a layer whose input is given.
    pub fn of_parameters(&self, x: &Array3<f32>, of_out: &Array3<f32>, sum: &mut Self) {
        let (_, _, w) = x.dim();
        let of_out = lines(of_out);
        sum.bias += &of_out.sum_axis(Axis(1));
        for (first, rows) in self.bands(x) {
            let patches = self.patches(x, first, rows);
            let of_band = of_out.slice(s![.., first * w..(first + rows) * w]);
            general_mat_mul(1.0, &of_band, &patches.t(), 1.0, &mut sum.weight);
        }
    }

    /// So many rows that their patches stay near the processor.
    fn rows_of_band(&self, x: &Array3<f32>) -> usize {
        let (_, h, w) = x.dim();
        (BAND / (self.weight.ncols() * w)).clamp(1, h)
    }

    /// Bands of rows, each the first and their number.
    fn bands(&self, x: &Array3<f32>) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (h, rows) = (x.dim().1, self.rows_of_band(x));
        (0..h).step_by(rows).map(move |first| (first, rows.min(h - first)))
    }

    /// The squares around the cells of a band of rows `[from · size², cell]`.
    fn patches(&self, x: &Array3<f32>, first: usize, rows: usize) -> Array2<f32> {
        let (_, h, w) = x.dim();
        let mut patches = Array2::zeros((self.weight.ncols(), rows * w));
        let into = patches.as_slice_mut().expect("patches lie in one piece");
        let x = x.as_slice().expect("fields lie in one piece");
        self.each_line((h, w), first, rows, |patch, cells| {
            into[patch..][..cells.len()].copy_from_slice(&x[cells]);
        });
        patches
    }

    /// Adds to each cell what the squares that it lies in say of it: the other way round of [`Self::patches`].
    fn put_back(&self, patches: &Array2<f32>, first: usize, rows: usize, into: &mut Array3<f32>) {
        let (_, h, w) = into.dim();
        let patches = patches.as_slice().expect("patches lie in one piece");
        let into = into.as_slice_mut().expect("fields lie in one piece");
        self.each_line((h, w), first, rows, |patch, cells| {
            let pairs = into[cells].iter_mut().zip(&patches[patch..]);
            pairs.for_each(|(to, from)| *to += from);
        });
    }

    /// For each place in a square and each row of a band that has cells there: where they begin in the patches, and which cells of the field they are.
    #[inline]
    fn each_line(&self, (h, w): (usize, usize), first: usize, rows: usize, mut each: impl FnMut(usize, std::ops::Range<usize>)) {
        let (size, half) = (self.size, self.size / 2);
        for row in 0..self.weight.ncols() {
            let (channel, dy, dx) = (row / (size * size), row / size % size, row % size);
            let (west, east) = (dx.saturating_sub(half), (w + dx).saturating_sub(half).min(w));
            for k in 0..rows {
                let y = first + k + dy;
                if (half..h + half).contains(&y) {
                    let line = (channel * h + y - half) * w;
                    each((row * rows + k) * w + half.saturating_sub(dx), line + west..line + east);
                }
            }
        }
    }
}

/// Mean 0 and variance 1 of groups of channels, then a scale and an offset for each channel.
///
/// Wu, Y. and K. He, 2018: Group normalization. Proc. ECCV 2018, arXiv:1803.08494.
#[derive(Debug, Clone)]
pub(crate) struct Norm {
    /// Scale `[channel]`.
    pub gamma: Array1<f32>,
    /// Offset `[channel]`.
    pub beta: Array1<f32>,
    /// Groups of channels that are brought to mean 0 and variance 1 together.
    groups: usize,
    /// Added to a variance.
    least_variance: f32,
}

impl Norm {
    /// With the numbers of a tensor layer.
    pub fn of(layer: &GroupNorm) -> Self {
        let part = |of: &Option<burn::module::Param<burn::tensor::Tensor<1>>>| {
            let of = of.as_ref().expect("norms were made with a scale and an offset");
            Array1::from_vec(numbers(of.val()))
        };
        Self {
            gamma: part(&layer.gamma),
            beta: part(&layer.beta),
            groups: layer.num_groups,
            least_variance: layer.epsilon as f32,
        }
    }

    /// The same shape, all nought.
    pub fn zeros(&self) -> Self {
        Self {
            gamma: Array1::zeros(self.gamma.raw_dim()),
            beta: Array1::zeros(self.beta.raw_dim()),
            ..*self
        }
    }

    /// Adds another's numbers.
    pub fn add(&mut self, other: &Self) {
        self.gamma += &other.gamma;
        self.beta += &other.beta;
    }

    /// γ x̂ + β with x̂ of mean 0 and variance 1 in each group.
    pub fn forward(&self, x: &Array3<f32>) -> Array3<f32> {
        let mut out = x.clone();
        let of_group = self.gamma.len() / self.groups;
        for (group, mut part) in out.axis_chunks_iter_mut(Axis(0), of_group).enumerate() {
            let (mean, inverse) = self.moments(part.as_slice().expect("fields lie in one piece"));
            for (k, mut plane) in part.outer_iter_mut().enumerate() {
                let channel = group * of_group + k;
                let scale = inverse * self.gamma[channel];
                let offset = self.beta[channel] - mean * scale;
                plane.mapv_inplace(|x| x * scale + offset);
            }
        }
        out
    }

    /// With x̂ the field of mean 0 and variance 1 and g = γ ∂L/∂y: ∂L/∂x = (g - mean(g) - x̂ mean(g x̂)) / σ over each group.
    pub fn backward(&self, x: &Array3<f32>, of_out: &Array3<f32>, sum: &mut Self) -> Array3<f32> {
        let (_, h, w) = x.dim();
        let mut of_x = Array3::zeros(x.raw_dim());
        let of_group = self.gamma.len() / self.groups;
        let count = (of_group * h * w) as f32;
        for group in 0..self.groups {
            let channels = group * of_group..(group + 1) * of_group;
            let part = x.slice(s![channels.clone(), .., ..]);
            let (mean, inverse) = self.moments(part.as_slice().expect("fields lie in one piece"));
            let (mut of_mean, mut of_size) = (0.0, 0.0);
            for channel in channels.clone() {
                let (mut all, mut along) = (0.0f64, 0.0f64);
                for (x, of) in x.slice(s![channel, .., ..]).iter().zip(of_out.slice(s![channel, .., ..])) {
                    all += f64::from(*of);
                    along += f64::from(*of) * f64::from((x - mean) * inverse);
                }
                sum.beta[channel] += all as f32;
                sum.gamma[channel] += along as f32;
                of_mean += self.gamma[channel] * all as f32;
                of_size += self.gamma[channel] * along as f32;
            }
            let (of_mean, of_size) = (of_mean / count, of_size / count);
            for channel in channels {
                let gamma = self.gamma[channel];
                Zip::from(of_x.slice_mut(s![channel, .., ..]))
                    .and(x.slice(s![channel, .., ..]))
                    .and(of_out.slice(s![channel, .., ..]))
                    .for_each(|to, x, of| *to = inverse * (gamma * of - of_mean - (x - mean) * inverse * of_size));
            }
        }
        of_x
    }

    /// Mean, and one over the standard deviation.
    fn moments(&self, values: &[f32]) -> (f32, f32) {
        let count = values.len() as f64;
        let mean = values.iter().map(|x| f64::from(*x)).sum::<f64>() / count;
        let variance = values.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / count;
        (mean as f32, 1.0 / (variance as f32 + self.least_variance).sqrt())
    }
}

/// x σ(x).
pub(crate) fn silu(x: &Array3<f32>) -> Array3<f32> {
    let mut out = x.clone();
    wide(Silu(out.as_slice_mut().expect("fields lie in one piece")));
    out
}

/// ∂L/∂x of x σ(x).
pub(crate) fn silu_backward(x: &Array3<f32>, mut of_out: Array3<f32>) -> Array3<f32> {
    wide(SiluBackward {
        x: x.as_slice().expect("fields lie in one piece"),
        of: of_out.as_slice_mut().expect("fields lie in one piece"),
    });
    of_out
}

struct Silu<'a>(&'a mut [f32]);

impl Work for Silu<'_> {
    #[inline(always)]
    fn run(self) {
        for x in self.0 {
            *x *= logistic(*x);
        }
    }
}

struct SiluBackward<'a> {
    x: &'a [f32],
    of: &'a mut [f32],
}

impl Work for SiluBackward<'_> {
    #[inline(always)]
    fn run(self) {
        for (of, x) in self.of.iter_mut().zip(self.x) {
            let gate = logistic(*x);
            *of *= gate * (1.0 + x * (1.0 - gate));
        }
    }
}

/// Means over squares of `side` x `side` cells, of which whole numbers fit.
pub(crate) fn pooled<D: Dimension>(x: &Array<f32, D>, side: usize) -> Array<f32, D> {
    let every = |from: usize| Slice::new(from as isize, None, side as isize);
    let cell = |dy: usize, dx: usize| {
        x.slice_each_axis(|of| match x.ndim() - of.axis.index() {
            2 => every(dy),
            1 => every(dx),
            _ => Slice::from(..),
        })
    };
    let mut sum = cell(0, 0).to_owned();
    for k in 1..side * side {
        sum += &cell(k / side, k % side);
    }
    sum / (side * side) as f32
}

/// ∂L/∂x of [`pooled`] over squares of 2 x 2 cells.
pub(crate) fn halve_backward(of_out: &Array3<f32>) -> Array3<f32> {
    double(of_out) * 0.25
}

/// ∂L/∂x of [`double`].
pub(crate) fn double_backward(of_out: &Array3<f32>) -> Array3<f32> {
    pooled(of_out, 2) * 4.0
}

/// Each cell four times: twice the rows and columns.
pub(crate) fn double(x: &Array3<f32>) -> Array3<f32> {
    let (c, h, w) = x.dim();
    let mut out = Array3::zeros((c, 2 * h, 2 * w));
    for (y, x0) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        out.slice_mut(s![.., y..;2, x0..;2]).assign(x);
    }
    out
}

/// Blocks of 2 x 2 cells become channels, the block's cells innermost.
pub(crate) fn to_depth(x: &Array3<f32>) -> Array3<f32> {
    let (c, h, w) = x.dim();
    let mut out = Array3::zeros((4 * c, h / 2, w / 2));
    for (k, (y, x0)) in [(0, 0), (0, 1), (1, 0), (1, 1)].into_iter().enumerate() {
        out.slice_mut(s![k..;4, .., ..]).assign(&x.slice(s![.., y..;2, x0..;2]));
    }
    out
}

fn in_cells(lines: Array2<f32>, (h, w): (usize, usize)) -> Array3<f32> {
    let channels = lines.nrows();
    lines.into_shape_with_order((channels, h, w)).expect("fields lie in one piece")
}

fn lines(field: &Array3<f32>) -> ArrayView2<'_, f32> {
    let (c, h, w) = field.dim();
    field.view().into_shape_with_order((c, h * w)).expect("fields lie in one piece")
}
