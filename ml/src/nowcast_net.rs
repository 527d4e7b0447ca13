//! The rain network: it does not invent rain but decides, cell by cell and lead time by lead time, how much to trust each of
//! eleven analytic forecasts.
//!
//! Each analytic forecast is an exceedance probability of rain that is already moved with the motion: the newest frame sharp,
//! smoothed over ever larger boxes, or with an error in its intensity. A U-Net weighs them; a head shared by all lead times
//! turns its features and the lead time into weights, a correction and thus probabilities that fall with the threshold by
//! construction. Before training the network is the analytic forecast.
//!
//! Here stand the parts that are tensors; the U-Net is in `unet`. The arithmetic of the head is in `mixture`, the analytic
//! forecasts are in `analytic`.
//!
//! Shapes: N batch, J = 8 thresholds, S = 11 analytic forecasts, H x W cells, multiples of 32; frames newest first and already
//! moved to the reference time.

use burn::{
    module::Module,
    nn::{GroupNorm, Linear, LinearConfig, conv::Conv2d},
    tensor::{Device, Tensor, TensorData, activation::silu},
};

use crate::unet::{OUTPUT, UNet, conv, faint, space_to_depth, up2};

/// Thresholds of the exceedance probabilities, mm h⁻¹.
pub const THRESHOLDS_MM_H: [f64; J] = [0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0];
/// Frames that the network sees.
pub const FRAMES: usize = 4;
/// Rows and columns must be multiples of this: boxes of 32 cells, and a U-Net of three halvings on half the grid.
pub const MULTIPLE: usize = 32;

/// Number of thresholds.
pub(crate) const J: usize = 8;
/// Number of analytic forecasts.
pub(crate) const S: usize = 11;
/// log₂(lead / 5 min) at which each analytic forecast is first trusted most.
const LEVEL: [f32; S] = [0.0, 1.3, 2.3, 3.3, 4.3, 5.3, 2.5, 0.0, 0.8, 1.0, 1.2];
/// Channels of the input: four frames, validity of the newest and of all, motion, step.
pub(crate) const INPUT: usize = FRAMES + 5;
/// Channels of the features that the head reads.
pub(crate) const WIDTH: usize = 24;
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

/// What lead times bring to the head, for each case.
pub struct Leads {
    /// Change of each feature's scale, then of its offset `[N, 2 WIDTH]`.
    pub film: Tensor<2>,
    /// Logarithms of the analytic forecasts' weights `[N, S J]`.
    pub table: Tensor<2>,
    /// Shift of the conditional logits `[N, J]`.
    pub shift: Tensor<2>,
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

impl Input {
    /// What the networks see of it `[N, 9, H, W]`: logarithms of rain, what was observed, motion and step, each about 1 in size.
    pub(crate) fn channels(&self) -> Tensor<4> {
        let [n, _, h, w] = self.rain.dims();
        let newest = self.valid.clone().slice([0..n, 0..1]);
        let all = self.valid.clone().min_dim(1);
        let step = (self.step_min.clone() / 15.0).reshape([n, 1, 1, 1]).expand([n, 1, h, w]);
        let logs = (self.rain.clone() * 10.0 + 1.0).log() * (1.0 / (1.5 * std::f32::consts::LN_10));
        Tensor::cat(vec![logs, newest, all, self.motion.clone() * 2.0, step], 1)
    }
}

impl RainNet {
    /// A network before training.
    pub fn new(device: &Device) -> Self {
        let mut net = Self {
            body: UNet::new(INPUT * 4, device),
            lat: conv(OUTPUT, WIDTH, 1, device),
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

    /// Features `[N, 24, H, W]`, which do not depend on the lead time.
    pub fn encode(&self, input: &Input) -> Tensor<4> {
        let x = input.channels();
        let coarse = self.body.forward(space_to_depth(x.clone())); // [N, 32, H/2, W/2]
        let coarse = up2(self.lat.forward(coarse)); // [N, 24, H, W]
        let fine = self.f2.forward(silu(self.f1.forward(x))); // [N, 24, H, W]
        coarse + fine
    }

    /// Features as the head reads them `[N, 24, H, W]`.
    pub fn mixed(&self, features: Tensor<4>) -> Tensor<4> {
        self.w1.forward(features)
    }

    /// The convolutions before the head, and the norms: those of the U-Net in its order, then those of [`Self::encode`] and [`Self::mixed`].
    pub(crate) fn layers(&self) -> (Vec<&Conv2d>, Vec<&GroupNorm>) {
        let (mut convs, norms) = self.body.layers();
        convs.extend([&self.lat, &self.f1, &self.f2, &self.w1]);
        (convs, norms)
    }

    /// What the lead times of N cases bring, minutes.
    pub fn leads(&self, lead_min: &[f32], device: &Device) -> Leads {
        let n = lead_min.len();
        let words: Vec<f32> = lead_min
            .iter()
            .flat_map(|t| [t / 60.0, (t / 5.0).log2() / 3.6, (t / 60.0).sqrt(), 1.0])
            .collect();
        let e = silu(self.mlp.forward(Tensor::<2>::from_data(TensorData::new(words, [n, 4]), device))); // [N, 32]
        let trust: Vec<f32> = lead_min
            .iter()
            .flat_map(|t| LEVEL.map(|level| [-0.4 * (level - (t / 5.0).log2()).powi(2); J]))
            .flatten()
            .collect();
        Leads {
            film: self.film.forward(e.clone()),
            table: Tensor::<2>::from_data(TensorData::new(trust, [n, S * J]), device) + self.tab.forward(e.clone()),
            shift: self.bias.forward(e),
        }
    }

    /// The matrix `[S + J, 24, 1, 1]` and the constants `[S + J]` that turn features into weights and corrections.
    pub fn readout(&self) -> (Tensor<4>, Tensor<1>) {
        let bias = self.w2.bias.as_ref().expect("this layer was made with constants");
        (self.w2.weight.val(), bias.val())
    }
}
