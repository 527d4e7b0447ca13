//! The one building stone of the network: linear layers with swish between them and a layer norm at the end.
//!
//! What goes in comes in parts that the published program lays side by side. Here each part has its own share of the first weights, and the
//! products are added: (a, b) W = a W_a + b W_b. So the part of an edge that is its sender is multiplied once a node, not once an edge.

use burn::{
    module::{Module, Param},
    nn::LayerNorm,
    tensor::{Tensor, activation::silu},
};

use super::blocks::is_cpu;

/// Epsilon of the layer norm, that of the published program.
pub const EPSILON: f64 = 1e-5;

/// A linear layer.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[in, out]`.
    pub weight: Param<Tensor<2>>,
    /// `[out]`.
    pub bias: Param<Tensor<1>>,
}

/// Linear layers, swish between them, perhaps a layer norm.
#[derive(Module, Debug)]
pub struct Mlp {
    /// Weights of the first layer for each part of what comes in `[part, out]`.
    pub parts: Vec<Param<Tensor<2>>>,
    /// `[out]`, of the first layer.
    pub bias: Param<Tensor<1>>,
    /// The layers after the first.
    pub rest: Vec<Linear>,
    /// Absent in the one that speaks the output.
    pub norm: Option<LayerNorm>,
}

impl Mlp {
    /// From all parts `[row, part]` to `[row, out]`.
    pub fn forward(&self, parts: &[&Tensor<2>]) -> Tensor<2> {
        let sum = parts
            .iter()
            .enumerate()
            .map(|(k, part)| self.part(k, part))
            .reduce(|sum, product| sum + product)
            .expect("every network has an input");
        self.after(sum + self.bias.val().unsqueeze())
    }

    /// What one part adds to the first layer.
    pub fn part(&self, number: usize, part: &Tensor<2>) -> Tensor<2> {
        part.clone().matmul(self.parts[number].val())
    }

    /// As [`Mlp::part`], with the bias of the first layer.
    pub fn part_and_bias(&self, number: usize, part: &Tensor<2>) -> Tensor<2> {
        self.part(number, part) + self.bias.val().unsqueeze()
    }

    /// What follows the products of the first layer.
    pub fn after(&self, first: Tensor<2>) -> Tensor<2> {
        let last = self
            .rest
            .iter()
            .fold(first, |x, linear| swish(x).matmul(linear.weight.val()) + linear.bias.val().unsqueeze());
        match &self.norm {
            Some(norm) => norm.forward(last),
            None => last,
        }
    }
}

/// x / (1 + exp(-x)).
///
/// On a CPU and without gradients it is computed in place, four lanes at a time: the tensor library's own takes the exponential of one number
/// after the other, and twice the memory.
fn swish(x: Tensor<2>) -> Tensor<2> {
    let device = x.device();
    if !is_cpu(&device) || device.is_autodiff() {
        return silu(x);
    }
    let mut data = x.into_data();
    match data.as_mut_slice::<f32>() {
        Ok(values) => values.iter_mut().for_each(|x| *x /= 1.0 + exponential(-*x)),
        Err(_) => return silu(Tensor::from_data(data, &device)),
    }
    Tensor::from_data(data, &device)
}

/// exp(x), within two units in the last place from -87 to 88 and held to its values there beyond.
///
/// 2^n · e^r with x = n ln 2 + r and |r| <= ln 2 / 2; e^r by its series to r⁷ / 7!, whose rest is below 5e-9.
#[inline]
fn exponential(x: f32) -> f32 {
    // Adding it rounds to an integer, which then stands in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    // ln 2 in two parts, of which the first has few enough bits that its product is exact.
    let r = (x - n * 0.693_359_4) - n * -2.121_944_4e-4;
    let series = [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0]
        .into_iter()
        .fold(1.0 / 5040.0, |sum, c| sum * r + c);
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    series * power
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn the_exponential_is_right_to_the_last_bits() {
        for k in -8700..8800 {
            let x = k as f32 * 0.01;
            let expected = f64::from(x).exp();
            let error = (f64::from(exponential(x)) - expected).abs() / expected;
            assert!(error < 2.5e-7, "exp({x}): relative error {error}");
        }
    }

    #[test]
    fn swish_is_x_over_one_plus_exp_of_minus_x_with_and_without_gradients() {
        let values = [[-1000.0, -88.0, -5.0, -0.1, 0.0], [0.1, 1.0, 5.0, 80.0, 1000.0]];
        let plain = swish(Tensor::from_data(values, &Device::flex())).into_data();
        let learning = swish(Tensor::from_data(values, &Device::flex().autodiff())).into_data();
        let plain = plain.as_slice::<f32>().unwrap();
        for ((x, a), b) in values.as_flattened().iter().zip(plain).zip(learning.as_slice::<f32>().unwrap()) {
            assert!((a - b).abs() <= 1e-6 * b.abs().max(1e-3), "{x}: {a} and {b}");
        }
    }
}
