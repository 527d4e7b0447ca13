//! The evolution network: rain goes on along its motion, which the network bends a little, and grows or decays by a source that it names.
//!
//! Where the rain network says how likely rain is, this one says what the rain does: in blocks of a quarter of an hour it moves every
//! parcel of air by a residual displacement and adds a source, so that what it holds for true can be read off and held against physics.
//! The form follows the evolution network of NowcastNet (Zhang et al. 2023, Nature 619), here in the frame that already moves with the rain.
//!
//! With y = log₁₀(1 + R / 0.1 mm h⁻¹) / 1.5 at the places of the reference time, block k from t to t + 15 min:
//!
//! ```text
//! y(x, t + 15 min) = L(y(x - d_k(x), t) + s_k(x))        L(a) = a above nought, a/10 below
//! ```
//!
//! Shapes: N batch, K = 6 blocks, H x W cells of about 2 km, multiples of 32.

use burn::{
    module::Module,
    nn::conv::Conv2d,
    tensor::{
        Device, Tensor, TensorData,
        activation::leaky_relu,
        module::interpolate,
        ops::{GridSampleOptions, GridSamplePaddingMode, InterpolateMode, InterpolateOptions},
    },
};

use crate::{
    dataset::Sample,
    head::numbers,
    later::{Later, carried},
    loss::lead_weight,
    nowcast_net::{INPUT, Input},
    scene::batch,
    unet::{OUTPUT, UNet, conv, faint, pool, space_to_depth},
};

/// Length of a block, minutes.
pub(crate) const BLOCK_MIN: f32 = 15.0;
/// Number of blocks: an hour and a half, the longest lead time that training draws.
pub(crate) const BLOCKS: usize = 6;
/// What the network says of a cell: displacement north and east, then source, each for every block.
pub(crate) const CONTROLS: usize = 3 * BLOCKS;
/// Largest residual displacement in a block, cells: 9 m s⁻¹.
const DISPLACEMENT_MOST: f32 = 4.0;
/// Largest source in a block: tenfold rain or a tenth.
const SOURCE_MOST: f32 = 1.0 / 1.5;
/// Rain that is added before logarithms are taken, mm h⁻¹, and their decades in one unit of y.
const DRIZZLE_MM_H: f32 = 0.1;
const DECADES: f32 = 1.5;
/// What is left of the slope below nought, so that dry air can learn to rain.
const LEAK: f64 = 0.1;
/// Weight of a cell in the loss: 1 + this times its observed y. Heavy rain is rare.
const HEAVY: f32 = 2.0;
/// Weight of squared displacements, cells, in the loss: the motion is bent only where that pays.
const STIFFNESS: f32 = 1e-3;

/// The network; 0.27 million parameters.
#[derive(Module, Debug)]
pub struct EvolutionNet {
    body: UNet,
    out: Conv2d,
}

impl EvolutionNet {
    /// A network before training: rain hardly changes along its motion.
    pub fn new(device: &Device) -> Self {
        let mut net = Self {
            body: UNet::new(INPUT * 4, device),
            out: conv(OUTPUT, CONTROLS, 1, device),
        };
        net.out.weight = net.out.weight.map(faint);
        net.out.bias = net.out.bias.map(|b| b.map(faint));
        net
    }

    /// Displacements north and east, cells, and sources `[N, 3 K, H, W]`; displacements change over 16 cells, sources over 2.
    pub fn controls(&self, input: &Input) -> Tensor<4> {
        let [n, _, h, w] = input.rain.dims();
        let raw = self.out.forward(self.body.forward(space_to_depth(input.channels()))).tanh(); // [N, 18, H/2, W/2]
        let [_, _, half_h, half_w] = raw.dims();
        let fine = |x: Tensor<4>| {
            let options = InterpolateOptions::new(InterpolateMode::Bilinear).with_align_corners(false);
            interpolate(x, options.with_output_size([h, w]))
        };
        let displacement = raw.clone().slice([0..n, 0..2 * BLOCKS, 0..half_h, 0..half_w]);
        let source = raw.slice([0..n, 2 * BLOCKS..CONTROLS, 0..half_h, 0..half_w]);
        Tensor::cat(vec![fine(pool(displacement, 8)) * DISPLACEMENT_MOST, fine(source) * SOURCE_MOST], 1)
    }
}

/// y at the reference time and after each block `[N, K + 1, H, W]`, from y now `[N, 1, H, W]` and the controls.
pub(crate) fn evolve(now: Tensor<4>, controls: &Tensor<4>) -> Tensor<4> {
    let [n, _, h, w] = now.dims();
    let device = now.device();
    // Places from -1 to 1 between the centres of the outermost cells; first east, then north.
    let (east, north) = (2.0 / (w - 1) as f32, 2.0 / (h - 1) as f32);
    let here: Vec<f32> = (0..h)
        .flat_map(|y| (0..w).flat_map(move |x| [x as f32 * east - 1.0, y as f32 * north - 1.0]))
        .collect();
    let here = Tensor::<4>::from_data(TensorData::new(here, [1, h, w, 2]), &device).expand([n, h, w, 2]);
    let scale = Tensor::<4>::from_data(TensorData::new(vec![east, north], [1, 1, 1, 2]), &device);
    let options = GridSampleOptions::new(InterpolateMode::Bilinear)
        .with_padding_mode(GridSamplePaddingMode::Border)
        .with_align_corners(true);
    let plane = |k: usize| controls.clone().slice([0..n, k..k + 1, 0..h, 0..w]);
    let mut states = vec![now];
    for block in 0..BLOCKS {
        let displacement = Tensor::cat(vec![plane(2 * block + 1), plane(2 * block)], 1).permute([0, 2, 3, 1]); // [N, H, W, 2]
        let from = here.clone() - displacement * scale.clone();
        let moved = states[block].clone().grid_sample_2d(from, options.clone());
        states.push(leaky_relu(moved + plane(2 * BLOCKS + block), LEAK));
    }
    Tensor::cat(states, 1)
}

/// How much each state counts at a lead time: linear between the ends of blocks, the last one beyond.
pub(crate) fn shares(lead_min: f32) -> [f32; BLOCKS + 1] {
    let place = (lead_min / BLOCK_MIN).clamp(0.0, BLOCKS as f32);
    std::array::from_fn(|k| (1.0 - (place - k as f32).abs()).max(0.0))
}

/// y of rain, mm h⁻¹.
pub(crate) fn of_rain(rain: f32) -> f32 {
    (1.0 + rain / DRIZZLE_MM_H).log10() / DECADES
}

/// Rain of y, mm h⁻¹; none below what counts as rain.
pub(crate) fn to_rain(y: f32) -> f32 {
    let rain = DRIZZLE_MM_H * (10f32.powf(DECADES * y) - 1.0);
    if rain >= DRIZZLE_MM_H { rain } else { 0.0 }
}

/// The inverse of the leak: what a state was before it.
pub(crate) fn unleaked(y: f32) -> f32 {
    if y < 0.0 { y / LEAK as f32 } else { y }
}

/// Mean over observed cells and lead times of (1 + 2 y) |error of y|, the near lead times weighing more, plus the stiffness.
pub(crate) fn lesson(net: &EvolutionNet, samples: &[Sample], device: &Device) -> (f32, Tensor<1>) {
    let n = samples.len();
    let input = batch(&samples.iter().map(|s| &s.scene).collect::<Vec<_>>(), device);
    let [_, _, h, w] = input.rain.dims();
    let controls = net.controls(&input);
    let now = input.rain.clone().slice([0..n, 0..1, 0..h, 0..w]);
    let now = (now / DRIZZLE_MM_H + 1.0).log() * (1.0 / (DECADES * std::f32::consts::LN_10));
    let states = evolve(now, &controls);
    let bend = controls.slice([0..n, 0..2 * BLOCKS, 0..h, 0..w]);
    let mut total = (bend.clone() * bend).mean() * STIFFNESS;
    let lead_times = samples[0].lead_min.len();
    for k in 0..lead_times {
        let at: Vec<f32> = samples.iter().flat_map(|s| shares(s.lead_min[k])).collect();
        let at = Tensor::<4>::from_data(TensorData::new(at, [n, BLOCKS + 1, 1, 1]), device);
        let later: Vec<&Later> = samples.iter().map(|s| &s.later[k]).collect();
        let forecast = carried((states.clone() * at).sum_dim(1), &later);
        let (truth, weight) = truth(samples, k, (h, w), lead_times);
        let plane = |values: Vec<f32>| Tensor::<4>::from_data(TensorData::new(values, [n, 1, h, w]), device);
        total = total + ((forecast - plane(truth)).abs() * plane(weight)).sum();
    }
    (numbers(total.clone())[0], total)
}

/// What was observed at a lead time as y, and what each cell counts: nothing where it was not observed.
fn truth(samples: &[Sample], k: usize, (h, w): (usize, usize), lead_times: usize) -> (Vec<f32>, Vec<f32>) {
    let observed: usize = samples.iter().map(|s| s.later[k].rain.iter().filter(|r| !r.is_nan()).count()).sum();
    let all = (observed.max(1) * lead_times) as f32;
    let (mut truth, mut weight) = (vec![0.0; samples.len() * h * w], vec![0.0; samples.len() * h * w]);
    for (n, sample) in samples.iter().enumerate() {
        let of_lead = lead_weight(sample.lead_min[k]) / all;
        for ((row, column), rain) in sample.later[k].rain.indexed_iter().filter(|(_, rain)| !rain.is_nan()) {
            let y = of_rain(*rain);
            let at = (n * h + row) * w + column;
            (truth[at], weight[at]) = (y, of_lead * (1.0 + HEAVY * y));
        }
    }
    (truth, weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane(h: usize, w: usize, of: impl Fn(usize, usize) -> f32) -> Tensor<4> {
        let values: Vec<f32> = (0..h).flat_map(|y| (0..w).map(move |x| (y, x))).map(|(y, x)| of(y, x)).collect();
        Tensor::from_data(TensorData::new(values, [1, 1, h, w]), &Device::flex())
    }

    #[test]
    fn rain_goes_where_the_displacement_says_and_grows_by_the_source() {
        // A cell of y = 0.5 at row 8, column 10; two cells north and one east in the first block, a source of 0.25 in the second.
        let now = plane(32, 32, |y, x| if (y, x) == (8, 10) { 0.5 } else { 0.0 });
        let mut controls = vec![0.0f32; CONTROLS * 32 * 32];
        controls[..1024].fill(2.0);
        controls[1024..2048].fill(1.0);
        controls[(2 * BLOCKS + 1) * 1024..(2 * BLOCKS + 2) * 1024].fill(0.25);
        let controls = Tensor::from_data(TensorData::new(controls, [1, CONTROLS, 32, 32]), &Device::flex());
        let states = numbers(evolve(now, &controls));
        let at = |block: usize, y: usize, x: usize| states[(block * 32 + y) * 32 + x];
        assert!((at(1, 10, 11) - 0.5).abs() < 1e-4 && at(1, 8, 10).abs() < 1e-4);
        assert!((at(2, 10, 11) - 0.75).abs() < 1e-4 && (at(2, 20, 20) - 0.25).abs() < 1e-4);
        assert!(
            (at(6, 10, 11) - 0.75).abs() < 1e-4,
            "nothing happens in the blocks without a source"
        );
    }

    #[test]
    fn rain_and_its_logarithm_are_each_others_inverse_and_lead_times_lie_between_blocks() {
        for rain in [0.1, 1.0, 30.0, 150.0f32] {
            assert!((to_rain(of_rain(rain)) / rain - 1.0).abs() < 1e-3, "{rain}");
        }
        assert_eq!(to_rain(of_rain(0.05)), 0.0);
        assert_eq!(shares(20.0).map(|s| (s * 3.0).round()), [0.0, 2.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(shares(120.0)[BLOCKS], 1.0);
    }

    #[test]
    fn the_gradient_of_displacement_and_source_is_that_of_finite_differences() {
        let device = Device::flex().autodiff();
        let wave = |y: usize, x: usize| 0.8 + 0.4 * (y as f32 / 5.0).sin() * (x as f32 / 6.0).cos();
        let now: Vec<f32> = (0..32).flat_map(|y| (0..32).map(move |x| wave(y, x))).collect();
        let target = plane(32, 32, |y, x| wave(y + 1, x + 2));
        let value = |controls: Tensor<4>| {
            let now = Tensor::<4>::from_data(TensorData::new(now.clone(), [1, 1, 32, 32]), &controls.device());
            let last = evolve(now, &controls).slice([0..1, 3..4, 0..32, 0..32]);
            let off = last - Tensor::from_data(target.clone().into_data(), &controls.device());
            (off.clone() * off).mean()
        };
        let flat = |north: f32, source: f32| {
            let mut values = vec![0.0f32; CONTROLS * 1024];
            values[..1024].fill(north);
            values[2 * BLOCKS * 1024..(2 * BLOCKS + 1) * 1024].fill(source);
            Tensor::<4>::from_data(TensorData::new(values, [1, CONTROLS, 32, 32]), &device)
        };
        let controls = flat(0.3, 0.05).require_grad();
        let gradients = value(controls.clone()).backward();
        let of = numbers(controls.grad(&gradients).unwrap());
        let sum = |range: std::ops::Range<usize>| of[range].iter().map(|g| f64::from(*g)).sum::<f64>();
        let scalar = |north, source| f64::from(numbers(value(flat(north, source)))[0]);
        let e = 1e-2;
        let along_north = (scalar(0.3 + e, 0.05) - scalar(0.3 - e, 0.05)) / f64::from(2.0 * e);
        let along_source = (scalar(0.3, 0.05 + e) - scalar(0.3, 0.05 - e)) / f64::from(2.0 * e);
        let found = [sum(0..1024), sum(2 * BLOCKS * 1024..(2 * BLOCKS + 1) * 1024)];
        for (found, expected) in found.into_iter().zip([along_north, along_source]) {
            assert!(
                (found - expected).abs() < 0.02 * expected.abs() + 1e-6,
                "gradient {found}, differences {expected}"
            );
        }
    }
}
