//! The head of the network as tensors, for a graphics card: what `mixture` does cell by cell, done to all cells at once.
//!
//! The same equations as in `mixture` and the same loss as in `loss`; a test holds loss and gradients against those.

use burn::tensor::{Device, Tensor, TensorData, activation::silu, module::conv2d, ops::ConvOptions};
use rayon::prelude::*;

use crate::{
    analytic::Analytic,
    head::{Lesson, numbers, shares},
    later::carried,
    loss::{BRIER_WEIGHT, LEAST, LOG_WEIGHT},
    mixture::{self, BOUNDS, CELL_MOST, TABLE_MOST, epsilons},
    nowcast_net::{J, Leads, RainNet, S, THRESHOLDS_MM_H, WIDTH},
};

/// The mean loss over the observed cells of each lesson, and a tensor whose gradient is that of the mean over the lessons; as
/// [`body::learn`](crate::body::learn), on the device of the features.
pub(crate) fn learn(net: &RainNet, features: Tensor<4>, analytic: &[Analytic], lessons: &[Lesson<'_>]) -> (f32, Tensor<1>) {
    let [_, _, height, width] = features.dims();
    let forecasts = forecasts(analytic, (height, width), &features.device());
    let mut total = Tensor::<1>::zeros([1], &features.device());
    for lesson in lessons {
        let p = carried(probability(net, features.clone(), forecasts.clone(), &lesson.leads), &lesson.later);
        total = total + loss(p, lesson, &shares(lesson, lessons.len()));
    }
    (numbers(total.clone())[0], total)
}

/// The analytic probabilities of all cases `[N, S, J, H, W]`.
fn forecasts(analytic: &[Analytic], (height, width): (usize, usize), device: &Device) -> Tensor<5> {
    let mut values = vec![0.0f32; analytic.len() * height * S * J * width];
    values
        .par_chunks_exact_mut(S * J * width)
        .enumerate()
        .for_each(|(k, row)| analytic[k / height].row(k % height, row));
    Tensor::<5>::from_data(TensorData::new(values, [analytic.len(), height, S, J, width]), device).permute([0, 2, 3, 1, 4])
}

/// P(R >= threshold) `[N, J, H, W]`.
fn probability(net: &RainNet, features: Tensor<4>, forecasts: Tensor<5>, leads: &Leads) -> Tensor<4> {
    let [n, _, h, w] = features.dims();
    let device = features.device();
    let film = leads.film.clone().reshape([n, 2 * WIDTH, 1, 1]);
    let (scale, offset) = (film.clone().narrow(1, 0, WIDTH) + 1.0, film.narrow(1, WIDTH, WIDTH));
    let (weight, bias) = net.readout();
    let options = ConvOptions::new([1, 1], [0, 0], [1, 1], 1);
    let out = conv2d(silu(features * scale + offset), weight, Some(bias), options); // [N, S + J, H, W]
    let cell = out
        .clone()
        .narrow(1, 0, S)
        .clamp(-CELL_MOST, CELL_MOST)
        .exp()
        .reshape([n, S, 1, h, w]);
    let table = leads.table.clone().clamp(-TABLE_MOST, TABLE_MOST).exp().reshape([n, S, J, 1, 1]);
    let weights = cell * table; // [N, S, J, H, W]
    let sum = weights.clone().sum_dim(1).reshape([n, J, h, w]).clamp_min(mixture::LEAST);
    let mixed = (weights * forecasts).sum_dim(1).reshape([n, J, h, w]) / sum;
    let small = |of: fn((f32, f32)) -> f32| {
        let values: Vec<f32> = (0..J).map(|j| of(epsilons(j))).collect();
        Tensor::<4>::from_data(TensorData::new(values, [1, J, 1, 1]), &device)
    };
    let before = Tensor::cat(vec![Tensor::ones([n, 1, h, w], &device), mixed.clone().narrow(1, 0, J - 1)], 1);
    let c = ((mixed + small(|e| e.0)) / (before + small(|e| e.1))).clamp(BOUNDS.0, BOUNDS.1);
    let shifted = out.narrow(1, S, J) + leads.shift.clone().reshape([n, J, 1, 1]);
    let sure = c.clone() / (c.clone() + (c.neg() + 1.0) * shifted.neg().exp());
    let mut falling = vec![sure.clone().narrow(1, 0, 1)];
    for j in 1..J {
        falling.push(falling[j - 1].clone() * sure.clone().narrow(1, j, 1));
    }
    Tensor::cat(falling, 1)
}

/// Log loss and squared error, weighted, over the observed cells of a lesson; `shares` says what a cell of each case counts.
fn loss(probability: Tensor<4>, lesson: &Lesson<'_>, shares: &[f32]) -> Tensor<1> {
    let [n, _, h, w] = probability.dims();
    let device = probability.device();
    let (mut rain, mut weight) = (vec![0.0f32; n * h * w], vec![0.0f32; n * h * w]);
    for (case, (later, share)) in lesson.later.iter().zip(shares).enumerate() {
        for ((y, x), observed) in later.rain.indexed_iter().filter(|(_, r)| !r.is_nan()) {
            let at = (case * h + y) * w + x;
            (rain[at], weight[at]) = (*observed, *share);
        }
    }
    let plane = |values: Vec<f32>| Tensor::<4>::from_data(TensorData::new(values, [n, 1, h, w]), &device);
    let each = |values: [f32; J]| Tensor::<4>::from_data(TensorData::new(values.to_vec(), [1, J, 1, 1]), &device);
    let exceeded = plane(rain)
        .expand([n, J, h, w])
        .greater_equal(each(THRESHOLDS_MM_H.map(|t| t as f32)).expand([n, J, h, w]))
        .float();
    let held = probability.clamp(LEAST, 1.0 - LEAST);
    // P where it was exceeded, 1 - P where it was not.
    let right = exceeded.clone() * held.clone() + (exceeded.neg() + 1.0) * (held.neg() + 1.0);
    let wrong = right.clone().neg() + 1.0;
    let of_cell = wrong.clone() * wrong * each(BRIER_WEIGHT) - right.log() * each(LOG_WEIGHT);
    (of_cell * plane(weight)).sum()
}

#[cfg(test)]
mod tests {
    use burn::optim::GradientsParams;
    use ndarray::{Array2, Array3};

    use super::*;
    use crate::{body, later::Later, nowcast_net::FRAMES, scene::Scene};

    #[test]
    fn loss_and_gradients_are_those_of_the_plain_loops() {
        const N: usize = 32;
        let device = Device::flex().autodiff();
        let net = RainNet::new(&device);
        let wave = |y: usize, x: usize, by: f32| (12.0 * ((x as f32 + by) / 5.0).sin() * (y as f32 / 7.0).cos()).max(0.0);
        let scenes: Vec<Scene> = (0..2)
            .map(|case| Scene {
                rain: Array3::from_shape_fn((FRAMES, N, N), |(k, y, x)| wave(y, x, (k + 4 * case) as f32)),
                valid: Array3::from_shape_fn((FRAMES, N, N), |(_, y, _)| f32::from(y < 28)),
                motion: Array3::from_elem((2, N, N), 0.1),
                step_min: 5.0,
            })
            .collect();
        let later: Vec<Later> = (0..2)
            .map(|case| Later {
                rain: Array2::from_shape_fn((N, N), |(y, x)| if y > 25 { f32::NAN } else { wave(y, x, 6.0 + case as f32) }),
                from: Array3::from_shape_fn((2, N, N), |(k, y, x)| 0.9 * [y, x][k] as f32 + 0.2 * case as f32),
            })
            .collect();
        let analytic: Vec<Analytic> = scenes.iter().map(|s| Analytic::new(s, (N, N))).collect();
        let all: Vec<&Scene> = scenes.iter().collect();
        let by = |learn: &dyn Fn(&[Lesson<'_>]) -> (f32, Tensor<1>)| {
            let lessons: Vec<Lesson<'_>> = [[5.0, 60.0], [30.0, 15.0]]
                .into_iter()
                .map(|lead_min: [f32; 2]| Lesson {
                    leads: net.leads(&lead_min, &device),
                    lead_min: lead_min.to_vec(),
                    later: later.iter().collect(),
                })
                .collect();
            let (value, total) = learn(&lessons);
            (value, gradients_of(&net, &GradientsParams::from_grads(total.backward(), &net)))
        };
        let plain = by(&|lessons| body::learn(&net, &all, &analytic, lessons, &device));
        let tensors = by(&|lessons| {
            let features = net.mixed(net.encode(&crate::scene::batch(&all, &device)));
            learn(&net, features, &analytic, lessons)
        });
        assert!((plain.0 - tensors.0).abs() < 1e-5 * plain.0.abs(), "{} and {}", plain.0, tensors.0);
        assert_eq!(plain.1.len(), tensors.1.len());
        for (k, (a, b)) in plain.1.iter().zip(&tensors.1).enumerate() {
            let size = a.iter().map(|a| a * a).sum::<f32>().sqrt();
            let off = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt();
            assert!(size > 0.0 && off < 1e-3 * size, "parameter {k}: off by {off} of {size}");
        }
    }

    fn gradients_of(net: &RainNet, gradients: &GradientsParams) -> Vec<Vec<f32>> {
        use burn::module::{Module, ModuleVisitor, Param};
        struct Take<'a>(&'a GradientsParams, Vec<Vec<f32>>);
        impl ModuleVisitor for Take<'_> {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                self.1.push(self.0.get::<D>(param.id).map_or_else(Vec::new, numbers));
            }
        }
        let mut take = Take(gradients, Vec::new());
        net.visit(&mut take);
        take.1
    }
}
