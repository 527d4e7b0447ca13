//! The body that both networks share: a U-Net, which sees each cell in surroundings of a hundred kilometres.

use burn::{
    module::Module,
    nn::{
        GroupNorm, GroupNormConfig, PaddingConfig2d,
        conv::{Conv2d, Conv2dConfig},
    },
    tensor::{Device, Tensor, activation::silu, module::avg_pool2d, ops::AvgPoolOptions},
};

/// Levels, each of half the rows and columns of the one before.
pub(crate) const LEVELS: usize = 4;
/// Channels from fine to coarse.
const CHANNELS: [usize; LEVELS] = [32, 48, 64, 64];
/// Channels of what it gives.
pub(crate) const OUTPUT: usize = CHANNELS[0];

#[derive(Module, Debug)]
pub(crate) struct UNet {
    enc: Vec<Encoder>,
    up: Vec<Conv2d>,
    dec: Vec<Decoder>,
}

impl UNet {
    /// From `input` channels.
    pub fn new(input: usize, device: &Device) -> Self {
        let from: Vec<usize> = std::iter::once(input).chain(CHANNELS).collect();
        Self {
            enc: from.iter().zip(CHANNELS).map(|(a, b)| Encoder::new(*a, b, device)).collect(),
            up: CHANNELS.windows(2).map(|pair| conv(pair[1], pair[0], 1, device)).collect(),
            dec: CHANNELS[..CHANNELS.len() - 1].iter().map(|c| Decoder::new(*c, device)).collect(),
        }
    }

    /// Its convolutions: the first and the second of each level on the way down, those past both, those up to each level but the last and those on the
    /// way up, each from fine to coarse; and in the same order its norms.
    pub fn layers(&self) -> (Vec<&Conv2d>, Vec<&GroupNorm>) {
        let convs = (self.enc.iter().map(|e| &e.c1))
            .chain(self.enc.iter().map(|e| &e.c2))
            .chain(self.enc.iter().filter_map(|e| e.k.as_ref()))
            .chain(&self.up)
            .chain(self.dec.iter().map(|d| &d.c));
        let norms = (self.enc.iter().map(|e| &e.n1))
            .chain(self.enc.iter().map(|e| &e.n2))
            .chain(self.dec.iter().map(|d| &d.n));
        (convs.collect(), norms.collect())
    }

    /// `[N, C, H, W]` to `[N, 32, H, W]`: average pooling down, nearest up, skips added.
    pub fn forward(&self, mut x: Tensor<4>) -> Tensor<4> {
        let mut skips = Vec::with_capacity(self.enc.len());
        for (level, encoder) in self.enc.iter().enumerate() {
            x = encoder.forward(if level == 0 { x } else { pool(x, 2) });
            skips.push(x.clone());
        }
        for level in (0..self.dec.len()).rev() {
            x = self.dec[level].forward(skips[level].clone() + up2(self.up[level].forward(x)));
        }
        x
    }
}

#[derive(Module, Debug)]
struct Encoder {
    c1: Conv2d,
    n1: GroupNorm,
    c2: Conv2d,
    n2: GroupNorm,
    k: Option<Conv2d>,
}

impl Encoder {
    fn new(a: usize, b: usize, device: &Device) -> Self {
        Self {
            c1: conv(a, b, 3, device),
            n1: norm(b, device),
            c2: conv(b, b, 3, device),
            n2: norm(b, device),
            k: (a != b).then(|| conv(a, b, 1, device)),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = silu(self.n1.forward(self.c1.forward(x.clone())));
        let skip = match &self.k {
            Some(k) => k.forward(x),
            None => x,
        };
        silu(self.n2.forward(self.c2.forward(y)) + skip)
    }
}

#[derive(Module, Debug)]
struct Decoder {
    c: Conv2d,
    n: GroupNorm,
}

impl Decoder {
    fn new(a: usize, device: &Device) -> Self {
        Self {
            c: conv(a, a, 3, device),
            n: norm(a, device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        silu(self.n.forward(self.c.forward(x.clone())) + x)
    }
}

/// Blocks of 2 x 2 cells become channels: `[N, C, H, W]` to `[N, 4 C, H/2, W/2]`, the block's cells innermost.
pub(crate) fn space_to_depth(x: Tensor<4>) -> Tensor<4> {
    let [n, c, h, w] = x.dims();
    x.reshape([n, c, h / 2, 2, w / 2, 2])
        .permute([0, 1, 3, 5, 2, 4])
        .reshape([n, 4 * c, h / 2, w / 2])
}

/// Means over squares of `size` cells.
pub(crate) fn pool(x: Tensor<4>, size: usize) -> Tensor<4> {
    avg_pool2d(x, AvgPoolOptions::new([size, size]))
}

/// Each cell four times: twice the rows and columns.
pub(crate) fn up2(x: Tensor<4>) -> Tensor<4> {
    let [n, c, h, w] = x.dims();
    x.reshape([n, c, h, 1, w, 1])
        .expand([n, c, h, 2, w, 2])
        .reshape([n, c, 2 * h, 2 * w])
}

/// A hundredth of a parameter, still a parameter of its own.
pub(crate) fn faint<const D: usize>(parameter: Tensor<D>) -> Tensor<D> {
    let learns = parameter.is_require_grad();
    (parameter * 0.01).detach().set_require_grad(learns)
}

/// A convolution with squares of `size` cells, the map's edge padded with nought.
pub(crate) fn conv(a: usize, b: usize, size: usize, device: &Device) -> Conv2d {
    let half = size / 2;
    Conv2dConfig::new([a, b], [size, size])
        .with_padding(PaddingConfig2d::Explicit(half, half, half, half))
        .init(device)
}

fn norm(channels: usize, device: &Device) -> GroupNorm {
    GroupNormConfig::new(4, channels).init(device)
}
