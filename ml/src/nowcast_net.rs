//! The rain network: it does not invent rain but decides, cell by cell and lead time by lead time, how much to trust each of
//! eleven analytic forecasts.
//!
//! Each analytic forecast is an exceedance probability of rain that is already moved with the motion: the newest frame sharp,
//! smoothed over ever larger boxes, or with an error in its intensity. A U-Net weighs them; a head shared by all lead times
//! turns its features and the lead time into weights, a correction and thus probabilities that fall with the threshold by
//! construction. Before training the network is the analytic forecast.
//!
//! Shapes: N batch, J = 8 thresholds, S = 11 analytic forecasts, H x W cells, multiples of 32; frames newest first and already
//! moved to the reference time.

use burn::{
    module::Module,
    nn::{
        GroupNorm, GroupNormConfig, Linear, LinearConfig, PaddingConfig2d,
        conv::{Conv2d, Conv2dConfig},
    },
    tensor::{
        Device, Tensor, TensorData,
        activation::{log_sigmoid, sigmoid, silu},
        module::{avg_pool2d, interpolate},
        ops::{AvgPoolOptions, InterpolateMode, InterpolateOptions, PadMode},
    },
};

/// Thresholds of the exceedance probabilities, mm h⁻¹.
pub const THRESHOLDS_MM_H: [f64; J] = [0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0];
/// Frames that the network sees.
pub const FRAMES: usize = 4;
/// Rows and columns must be multiples of this: boxes of 32 cells, and a U-Net of three halvings on half the grid.
pub const MULTIPLE: usize = 32;

/// Number of thresholds.
const J: usize = 8;
/// Number of analytic forecasts.
const S: usize = 11;
/// log₂(lead / 5 min) at which each analytic forecast is first trusted most.
const LEVEL: [f32; S] = [0.0, 1.3, 2.3, 3.3, 4.3, 5.3, 2.5, 0.0, 0.8, 1.0, 1.2];
/// Channels of the input: four frames, validity of the newest and of all, motion, step.
const INPUT: usize = FRAMES + 5;
/// Channels of the U-Net from fine to coarse.
const CHANNELS: [usize; 4] = [32, 48, 64, 64];
/// Channels of the features that the head reads.
const WIDTH: usize = 24;
/// Channels of the path at full resolution.
const FINE: usize = 12;
/// Width of the embedding of the lead time.
const EMBEDDING: usize = 32;

/// The network; 0.29 million parameters.
#[derive(Module, Debug)]
pub struct RainNet {
    body: UNet,
    lat: Conv2d,
    f1: Conv2d,
    f2: Conv2d,
    mlp: Linear,
    film: Linear,
    w1: Conv2d,
    w2: Conv2d,
    tab: Linear,
    bias: Linear,
}

/// What the body hands to the head.
#[derive(Clone)]
pub struct Encoded {
    /// Features `[N, 24, H, W]`.
    pub features: Tensor<4>,
    /// Analytic exceedance probabilities `[N, S, J, H, W]`.
    pub analytic: Tensor<5>,
}

/// What the network reads; frames are newest first.
#[derive(Clone)]
pub struct Input {
    /// Rain `[N, 4, H, W]`, mm h⁻¹, 0 where not observed.
    pub rain: Tensor<4>,
    /// 1 where observed `[N, 4, H, W]`.
    pub valid: Tensor<4>,
    /// Motion north and east `[N, 2, H, W]`, cells a minute.
    pub motion: Tensor<4>,
    /// Time between frames `[N]`, minutes.
    pub step_min: Tensor<1>,
}

impl RainNet {
    /// A network before training.
    pub fn new(device: &Device) -> Self {
        let mut net = Self {
            body: UNet::new(INPUT * 4, device),
            lat: conv(CHANNELS[0], WIDTH, 1, device),
            f1: conv(INPUT, FINE, 3, device),
            f2: conv(FINE, WIDTH, 3, device),
            mlp: LinearConfig::new(4, EMBEDDING).init(device),
            film: LinearConfig::new(EMBEDDING, 2 * WIDTH).init(device),
            w1: conv(WIDTH, WIDTH, 1, device),
            w2: conv(WIDTH, S + J, 1, device),
            tab: LinearConfig::new(EMBEDDING, S * J).init(device),
            bias: LinearConfig::new(EMBEDDING, J).init(device),
        };
        // The last layers start at a hundredth, so that the first forecast is close to the analytic one.
        net.w2.weight = net.w2.weight.map(faint);
        net.w2.bias = net.w2.bias.map(|b| b.map(faint));
        for linear in [&mut net.film, &mut net.tab, &mut net.bias] {
            linear.weight = linear.weight.clone().map(faint);
            linear.bias = linear.bias.clone().map(|b| b.map(faint));
        }
        net
    }

    /// The part that does not depend on the lead time.
    pub fn encode(&self, input: &Input) -> Encoded {
        let [n, _, h, w] = input.rain.dims();
        let newest = input.valid.clone().slice([0..n, 0..1]);
        let all = input.valid.clone().min_dim(1);
        let step = (input.step_min.clone() / 15.0).reshape([n, 1, 1, 1]).expand([n, 1, h, w]);
        let logs = (input.rain.clone() * 10.0 + 1.0).log() * (1.0 / (1.5 * std::f32::consts::LN_10));
        let x = Tensor::cat(vec![logs, newest, all, input.motion.clone() * 2.0, step], 1); // [N, 9, H, W]
        let coarse = self.body.forward(space_to_depth(x.clone())); // [N, 32, H/2, W/2]
        let coarse = up2(self.lat.forward(coarse)); // [N, 24, H, W]
        let fine = self.f2.forward(silu(self.f1.forward(x))); // [N, 24, H, W]
        Encoded {
            features: coarse + fine,
            analytic: analytic(&input.rain, &input.valid),
        }
    }

    /// P(R >= threshold) `[N, J, H, W]` at the places of the reference time, for lead times `[N]` in minutes; the caller carries it
    /// along the motion.
    pub fn head(&self, encoded: &Encoded, lead_min: &[f32]) -> Tensor<4> {
        let [n, _, h, w] = encoded.features.dims();
        let device = encoded.features.device();
        let words: Vec<f32> = lead_min
            .iter()
            .flat_map(|t| [t / 60.0, (t / 5.0).log2() / 3.6, (t / 60.0).sqrt(), 1.0])
            .collect();
        let e = silu(self.mlp.forward(Tensor::<2>::from_data(TensorData::new(words, [n, 4]), &device))); // [N, 32]
        let film = self.film.forward(e.clone()).reshape([n, 2 * WIDTH, 1, 1]);
        let (a, b) = (film.clone().slice([0..n, 0..WIDTH]), film.slice([0..n, WIDTH..2 * WIDTH]));
        let o = self.w2.forward(silu(self.w1.forward(encoded.features.clone()) * (a + 1.0) + b)); // [N, S + J, H, W]
        let trust: Vec<f32> = lead_min
            .iter()
            .flat_map(|t| LEVEL.map(|level| -0.4 * (level - (t / 5.0).log2()).powi(2)))
            .collect();
        let table = Tensor::<3>::from_data(TensorData::new(trust, [n, S, 1]), &device) + self.tab.forward(e.clone()).reshape([n, S, J]);
        let table = table.clamp(-12.0, 12.0).exp(); // [N, S, J]
        let cell = o.clone().slice([0..n, 0..S]).clamp(-6.0, 6.0).exp(); // [N, S, H, W]

        let weight = cell.unsqueeze_dim::<5>(2) * table.reshape([n, S, J, 1, 1]); // [N, S, J, H, W]
        let total = weight.clone().sum_dim(1).clamp_min(1e-6);
        let p = ((weight * encoded.analytic.clone()).sum_dim(1) / total).reshape([n, J, h, w]); // [N, J, H, W]

        // Conditional probability of a threshold given the one below, corrected in logits.
        let eps = 3e-4;
        let before = Tensor::cat(vec![Tensor::ones([n, 1, h, w], &device), p.clone().slice([0..n, 0..J - 1])], 1);
        let first = |one: f32, rest: f32| {
            let values: Vec<f32> = (0..J).map(|j| if j == 0 { one } else { rest }).collect();
            Tensor::<4>::from_data(TensorData::new(values, [1, J, 1, 1]), &device)
        };
        let c = ((p + first(eps, 0.3 * eps)) / (before + first(2.0 * eps, eps))).clamp(1e-4, 1.0 - 1e-3);
        let logit = c.clone().log() - (c.neg() + 1.0).log();
        let shift = self.bias.forward(e).reshape([n, J, 1, 1]) + o.slice([0..n, S..S + J]);
        log_sigmoid(logit + shift).cumsum(1).exp()
    }
}

#[derive(Module, Debug)]
struct UNet {
    enc: Vec<Encoder>,
    up: Vec<Conv2d>,
    dec: Vec<Decoder>,
}

impl UNet {
    fn new(input: usize, device: &Device) -> Self {
        let from: Vec<usize> = std::iter::once(input).chain(CHANNELS).collect();
        Self {
            enc: from.iter().zip(CHANNELS).map(|(a, b)| Encoder::new(*a, b, device)).collect(),
            up: CHANNELS.windows(2).map(|pair| conv(pair[1], pair[0], 1, device)).collect(),
            dec: CHANNELS[..CHANNELS.len() - 1].iter().map(|c| Decoder::new(*c, device)).collect(),
        }
    }

    /// `[N, C, H, W]` to `[N, 32, H, W]`: average pooling down, nearest up, skips added.
    fn forward(&self, mut x: Tensor<4>) -> Tensor<4> {
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

/// Exceedance probabilities `[N, S, J, H, W]` of eleven analytic forecasts: the newest frame sharp and as means over boxes of
/// 2, 4, 8, 16, 32 cells; the four frames over boxes of 4; and the newest frame with an error of 0.06 and 0.15 decades, its 3 x 3
/// blur with 0.12, the mean of the four with 0.12.
fn analytic(rain: &Tensor<4>, valid: &Tensor<4>) -> Tensor<5> {
    let [n, _, h, w] = rain.dims();
    let device = rain.device();
    let newest = valid.clone().slice([0..n, 0..1]); // [N, 1, H, W]
    let thresholds = |add: f32, log: bool| {
        let values = THRESHOLDS_MM_H.map(|t| if log { (t as f32 + add).log10() } else { t as f32 + add });
        Tensor::<4>::from_data(TensorData::new(values.to_vec(), [1, J, 1, 1]), &device)
    };
    let exceeds = |k: usize| {
        let frame = rain.clone().slice([0..n, k..k + 1]);
        let seen = valid.clone().slice([0..n, k..k + 1]);
        (frame - thresholds(0.0, false)).greater_equal_scalar(0.0).float() * seen // [N, J, H, W]
    };
    let up = |x: Tensor<4>| {
        let options = InterpolateOptions::new(InterpolateMode::Bilinear)
            .with_align_corners(false)
            .with_output_size([h, w]);
        interpolate(x, options)
    };
    let ratio = |a: Tensor<4>, b: Tensor<4>| up(blur(a) / blur(b).clamp_min(0.02));

    let mut parts = vec![exceeds(0)];
    let (mut e, mut m) = (exceeds(0), newest.clone());
    for _ in 0..5 {
        (e, m) = (pool(e, 2), pool(m, 2));
        parts.push(ratio(e.clone(), m.clone()));
    }
    let total = (1..FRAMES).fold(exceeds(0), |sum, k| sum + exceeds(k));
    let seen = valid.clone().sum_dim(1); // [N, 1, H, W]
    parts.push(ratio(pool(total, 4), pool(seen.clone(), 4)));

    let log = (rain.clone() + 0.03).log() * std::f32::consts::LOG10_E;
    let now = log.clone().slice([0..n, 0..1]);
    let mean = (log * valid.clone()).sum_dim(1) / seen.clone().clamp_min(1.0);
    let dress = |x: Tensor<4>, width: f32| sigmoid((x - thresholds(0.03, true)) * (1.0 / width));
    parts.push(dress(now.clone(), 0.06) * newest.clone());
    parts.push(dress(now.clone(), 0.15) * newest.clone());
    parts.push(dress(blur(now), 0.12) * newest);
    parts.push(dress(mean, 0.12) * seen.greater_elem(0.0).float());
    Tensor::stack(parts, 1)
}

/// Blur by 1 2 1 in both directions, edges repeated.
fn blur(x: Tensor<4>) -> Tensor<4> {
    let [n, c, h, w] = x.dims();
    let x = x.pad((1, 1, 1, 1), PadMode::Edge); // [N, C, H + 2, W + 2]
    let part = |k: usize| x.clone().slice([0..n, 0..c, 0..h + 2, k..k + w]);
    let x = (part(0) + part(1) * 2.0 + part(2)) * 0.25;
    let part = |k: usize| x.clone().slice([0..n, 0..c, k..k + h, 0..w]);
    (part(0) + part(1) * 2.0 + part(2)) * 0.25
}

/// Blocks of 2 x 2 cells become channels: `[N, C, H, W]` to `[N, 4 C, H/2, W/2]`, the block's cells innermost.
fn space_to_depth(x: Tensor<4>) -> Tensor<4> {
    let [n, c, h, w] = x.dims();
    x.reshape([n, c, h / 2, 2, w / 2, 2])
        .permute([0, 1, 3, 5, 2, 4])
        .reshape([n, 4 * c, h / 2, w / 2])
}

fn pool(x: Tensor<4>, size: usize) -> Tensor<4> {
    avg_pool2d(x, AvgPoolOptions::new([size, size]))
}

/// Each cell four times: twice the rows and columns.
fn up2(x: Tensor<4>) -> Tensor<4> {
    let [n, c, h, w] = x.dims();
    x.reshape([n, c, h, 1, w, 1])
        .expand([n, c, h, 2, w, 2])
        .reshape([n, c, 2 * h, 2 * w])
}

/// A hundredth of a parameter, still a parameter of its own.
fn faint<const D: usize>(parameter: Tensor<D>) -> Tensor<D> {
    let learns = parameter.is_require_grad();
    (parameter * 0.01).detach().set_require_grad(learns)
}

fn conv(a: usize, b: usize, size: usize, device: &Device) -> Conv2d {
    let half = size / 2;
    Conv2dConfig::new([a, b], [size, size])
        .with_padding(PaddingConfig2d::Explicit(half, half, half, half))
        .init(device)
}

fn norm(channels: usize, device: &Device) -> GroupNorm {
    GroupNormConfig::new(4, channels).init(device)
}
