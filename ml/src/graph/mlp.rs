//! The one building stone of the network: linear layers with swish between them and a layer norm at the end.
//!
//! What goes in comes in parts that the published program lays side by side. Here each part has its own share of the first weights, and the
//! products are added: (a, b) W = a W_a + b W_b. So the part of an edge that is its sender is multiplied once a node, not once an edge.

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};

use super::in_place::{normalised, swish};

/// Epsilon of the layer norm, that of the published program.
const EPSILON: f64 = 1e-5;

/// A linear layer.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[in, out]`.
    pub weight: Param<Tensor<2>>,
    /// `[out]`.
    pub bias: Param<Tensor<1>>,
}

/// What a layer norm scales by and shifts by, `[out]`.
#[derive(Module, Debug)]
pub struct Norm {
    /// By what each channel is multiplied.
    pub scale: Param<Tensor<1>>,
    /// What is added to each channel.
    pub shift: Param<Tensor<1>>,
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
    pub norm: Option<Norm>,
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
        self.after(sum)
    }

    /// What one part adds to the first layer.
    pub fn part(&self, number: usize, part: &Tensor<2>) -> Tensor<2> {
        part.clone().matmul(self.parts[number].val())
    }

    /// What follows the products of the first layer, which have no bias yet.
    pub fn after(&self, first: Tensor<2>) -> Tensor<2> {
        let (mut product, mut bias) = (first, self.bias.val());
        for linear in &self.rest {
            product = swish(product, Some(bias)).matmul(linear.weight.val());
            bias = linear.bias.val();
        }
        match &self.norm {
            Some(norm) => normalised(product, bias, norm.scale.val(), norm.shift.val(), EPSILON),
            None => product + bias.unsqueeze(),
        }
    }
}
