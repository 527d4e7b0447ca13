//! The rain network up to its features in plain memory, case by case, and the way back: a processor takes a fraction of the time that it takes over
//! tensors.
//!
//! The same arithmetic as [`RainNet::encode`] and [`RainNet::mixed`]; a test holds loss and gradients against those of tensors.

use burn::tensor::{Device, Tensor};
use ndarray::Array3;
use rayon::prelude::*;

use crate::{
    analytic::Analytic,
    head::{self, Features, Lesson, along, numbers},
    layers::{Conv, Norm, double, double_backward, halve_backward, pooled, silu, silu_backward, to_depth},
    nowcast_net::{INPUT, RainNet, WIDTH},
    scene::Scene,
    unet::LEVELS,
};

/// The mean loss over the observed cells of each lesson, and a tensor whose gradient is that of the mean over the lessons.
///
/// Everything but what the lead times bring is computed in plain loops, a case a task, and added up in the order of cases.
pub(crate) fn learn(net: &RainNet, scenes: &[&Scene], analytic: &[Analytic], lessons: &[Lesson<'_>], device: &Device) -> (f32, Tensor<1>) {
    let body = Body::of(net);
    let (_, height, width) = scenes[0].rain.dim();
    let there: Vec<(Array3<f32>, Walk)> = scenes.par_iter().map(|scene| body.forward(channels(scene))).collect();
    let values = there.iter().flat_map(|(features, _)| features.iter().copied()).collect();
    let (value, of_features, of_head) = head::learn(net, &Features::in_memory(values, (height, width)), analytic, lessons, device);
    let gradients: Vec<Body> = there
        .par_iter()
        .zip(of_features.par_chunks_exact(WIDTH * height * width))
        .map(|((_, walk), of_features)| {
            let of_features = Array3::from_shape_vec((WIDTH, height, width), of_features.to_vec());
            let mut gradient = body.zeros();
            body.backward(walk, &of_features.expect("a gradient has the shape of its field"), &mut gradient);
            gradient
        })
        .collect();
    let mut sum = body.zeros();
    gradients.iter().for_each(|gradient| sum.add(gradient));
    (value, of_head + sum.as_gradient(net))
}

/// What the network sees of a scene `[INPUT, y, x]`.
fn channels(scene: &Scene) -> Array3<f32> {
    let channels = scene.input(&Device::flex()).channels();
    let [_, _, h, w] = channels.dims();
    Array3::from_shape_vec((INPUT, h, w), numbers(channels)).expect("a tensor has as many numbers as its shape says")
}

/// Where the layers stand, as [`RainNet::layers`] tells them: two convolutions with a norm each on the way down a level, past them where the number of
/// channels changes, up from the level below, on the way up with a norm; then those that are not of the U-Net.
const C1: usize = 0;
const C2: usize = C1 + LEVELS;
const PAST: usize = C2 + LEVELS;
const UP: usize = PAST + LEVELS - 1;
const DEC: usize = UP + LEVELS - 1;
const LAT: usize = DEC + LEVELS - 1;
const F1: usize = LAT + 1;
const F2: usize = F1 + 1;
const W1: usize = F2 + 1;
/// The same of norms.
const N1: usize = 0;
const N2: usize = N1 + LEVELS;
const ND: usize = N2 + LEVELS;

/// Parameters of all layers before the head, or gradients with respect to them.
pub(crate) struct Body {
    convs: Vec<Conv>,
    norms: Vec<Norm>,
}

/// What the way back needs of the way there.
struct Walk {
    x: Array3<f32>,
    /// From fine to coarse.
    down: Vec<Down>,
    /// From fine to coarse.
    climb: Vec<Climb>,
    /// What the U-Net gives.
    coarse: Array3<f32>,
    fine: Array3<f32>,
    fine_open: Array3<f32>,
    both: Array3<f32>,
}

/// What goes through a level on the way down, in its order.
struct Down {
    x: Array3<f32>,
    c1: Array3<f32>,
    n1: Array3<f32>,
    open: Array3<f32>,
    c2: Array3<f32>,
    sum: Array3<f32>,
}

/// What goes through a level on the way up, in its order.
struct Climb {
    below: Array3<f32>,
    x: Array3<f32>,
    c: Array3<f32>,
    sum: Array3<f32>,
}

impl Body {
    /// With the numbers of a network.
    pub fn of(net: &RainNet) -> Self {
        let (convs, norms) = net.layers();
        Self {
            convs: convs.into_iter().map(Conv::of).collect(),
            norms: norms.into_iter().map(Norm::of).collect(),
        }
    }

    /// The same shape, all nought.
    fn zeros(&self) -> Self {
        Self {
            convs: self.convs.iter().map(Conv::zeros).collect(),
            norms: self.norms.iter().map(Norm::zeros).collect(),
        }
    }

    /// Adds another's numbers.
    fn add(&mut self, other: &Self) {
        self.convs.iter_mut().zip(&other.convs).for_each(|(to, from)| to.add(from));
        self.norms.iter_mut().zip(&other.norms).for_each(|(to, from)| to.add(from));
    }

    /// Features `[WIDTH, y, x]` of a scene, as the head reads them, its sides padded to multiples of 32.
    pub fn features(&self, scene: &Scene) -> Vec<f32> {
        let (features, _) = self.forward(channels(scene));
        features.into_iter().collect()
    }

    /// Features `[WIDTH, y, x]` of a case from the channels of its input, and the way there.
    fn forward(&self, x: Array3<f32>) -> (Array3<f32>, Walk) {
        let conv = |k: usize, x: &Array3<f32>| self.convs[k].forward(x);
        let mut down = Vec::with_capacity(LEVELS);
        let mut skips = Vec::with_capacity(LEVELS - 1);
        let mut here = to_depth(&x);
        for l in 0..LEVELS {
            let c1 = conv(C1 + l, &here);
            let n1 = self.norms[N1 + l].forward(&c1);
            let open = silu(&n1);
            let c2 = conv(C2 + l, &open);
            let past = if l + 1 < LEVELS { &conv(PAST + l, &here) } else { &here };
            let sum = self.norms[N2 + l].forward(&c2) + past;
            let mut next = silu(&sum);
            if l + 1 < LEVELS {
                let half = pooled(&next, 2);
                skips.push(std::mem::replace(&mut next, half));
            }
            let x = std::mem::replace(&mut here, next);
            down.push(Down { x, c1, n1, open, c2, sum });
        }
        let mut climb = Vec::with_capacity(LEVELS - 1);
        for (l, skip) in skips.into_iter().enumerate().rev() {
            let x = double(&conv(UP + l, &here)) + skip;
            let c = conv(DEC + l, &x);
            let sum = self.norms[ND + l].forward(&c) + &x;
            let below = std::mem::replace(&mut here, silu(&sum));
            climb.push(Climb { below, x, c, sum });
        }
        climb.reverse();
        let fine = conv(F1, &x);
        let fine_open = silu(&fine);
        let both = double(&conv(LAT, &here)) + conv(F2, &fine_open);
        let features = conv(W1, &both);
        let walk = Walk {
            x,
            down,
            climb,
            coarse: here,
            fine,
            fine_open,
            both,
        };
        (features, walk)
    }

    /// Adds ∂L/∂(parameters) to `sum` from ∂L/∂(features) `[WIDTH, y, x]`.
    fn backward(&self, walk: &Walk, of_features: &Array3<f32>, sum: &mut Self) {
        let conv = |k: usize, x: &Array3<f32>, of: &Array3<f32>, sum: &mut Self| self.convs[k].backward(x, of, &mut sum.convs[k]);
        let norm = |k: usize, x: &Array3<f32>, of: &Array3<f32>, sum: &mut Self| self.norms[k].backward(x, of, &mut sum.norms[k]);
        let of_both = conv(W1, &walk.both, of_features, sum);
        let of_fine = silu_backward(&walk.fine, conv(F2, &walk.fine_open, &of_both, sum));
        self.convs[F1].of_parameters(&walk.x, &of_fine, &mut sum.convs[F1]);
        let mut of_here = conv(LAT, &walk.coarse, &double_backward(&of_both), sum);
        let mut of_skips = Vec::with_capacity(LEVELS - 1);
        for (l, climb) in walk.climb.iter().enumerate() {
            let of_sum = silu_backward(&climb.sum, of_here);
            let of_c = norm(ND + l, &climb.c, &of_sum, sum);
            let of_x = conv(DEC + l, &climb.x, &of_c, sum) + of_sum;
            of_here = conv(UP + l, &climb.below, &double_backward(&of_x), sum);
            of_skips.push(of_x);
        }
        for (l, down) in walk.down.iter().enumerate().rev() {
            if l + 1 < LEVELS {
                of_here = halve_backward(&of_here) + &of_skips[l];
            }
            let of_sum = silu_backward(&down.sum, of_here);
            let of_c2 = norm(N2 + l, &down.c2, &of_sum, sum);
            let of_n1 = silu_backward(&down.n1, conv(C2 + l, &down.open, &of_c2, sum));
            let of_c1 = norm(N1 + l, &down.c1, &of_n1, sum);
            if l == 0 {
                self.convs[C1].of_parameters(&down.x, &of_c1, &mut sum.convs[C1]);
                self.convs[PAST].of_parameters(&down.x, &of_sum, &mut sum.convs[PAST]);
                return;
            }
            let past = if l + 1 < LEVELS {
                conv(PAST + l, &down.x, &of_sum, sum)
            } else {
                of_sum
            };
            of_here = conv(C1 + l, &down.x, &of_c1, sum) + past;
        }
    }

    /// A tensor whose gradient with respect to the parameters of `net` is this: Σ of each parameter times its gradient.
    fn as_gradient(&self, net: &RainNet) -> Tensor<1> {
        let (convs, norms) = net.layers();
        let of_convs = convs.iter().zip(&self.convs).flat_map(|(layer, of)| {
            let bias = layer.bias.as_ref().expect("convolutions were made with constants");
            [
                along(layer.weight.val(), of.weight.iter().copied().collect()),
                along(bias.val(), of.bias.to_vec()),
            ]
        });
        let of_norms = norms.iter().zip(&self.norms).flat_map(|(layer, of)| {
            let both = layer.gamma.iter().zip([&of.gamma]).chain(layer.beta.iter().zip([&of.beta]));
            both.map(|(tensor, of)| along(tensor.val(), of.to_vec())).collect::<Vec<_>>()
        });
        let parts: Vec<Tensor<1>> = of_convs.chain(of_norms).collect();
        Tensor::cat(parts, 0).sum()
    }
}
