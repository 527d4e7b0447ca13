//! Several steps in one piece of arithmetic, through which gradients flow: what training descends along.
//!
//! All numbers are normalised, and a state is `[point, channel]` of the carried channels. The next state is x + f · σ_change / σ, the very arithmetic
//! of [`GraphCast`](super::GraphCast) in other units.

use burn::tensor::{Tensor, TensorData};

use super::network::{Graph, Network};

/// Steps from `states`, oldest first, once for each of `given`: forced channels of the states, constants, and what is coming. Hands out the carried
/// channels `[point, channel]` after each step. `change` is σ_change / σ of each carried channel.
pub fn rollout(network: &Network, graph: &Graph, states: Vec<Tensor<2>>, given: &[Tensor<2>], change: &[f32]) -> Vec<Tensor<2>> {
    let looked_at = states.len();
    let change = Tensor::<2>::from_data(TensorData::new(change.to_vec(), [1, change.len()]), &graph.work.device);
    let mut states = states;
    for given in given {
        let told = &states[states.len() - looked_at..];
        let parts = |run: std::ops::Range<usize>| {
            let rows = |tensor: &Tensor<2>| tensor.clone().narrow(0, run.start, run.len());
            told.iter().chain([given]).map(rows).collect()
        };
        let answer = Tensor::cat(network.forward(graph, &parts), 0);
        let last = told.last().expect("a network looks at one state at least").clone();
        let [points, channels] = last.dims();
        let answer = answer.slice([0..points, 0..channels]);
        states.push(last + answer * change.clone());
    }
    states.split_off(looked_at)
}
