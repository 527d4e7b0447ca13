use burn::tensor::{Device, Tensor, TensorData};
use nowblend_field::{Globe, Seed};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{small_model, small_task};
use crate::graph::{Checkpoint, Graph, rollout::rollout};

/// Half the mean square of the carried channels after two steps.
fn loss(checkpoint: &Checkpoint, graph: &Graph, states: &[Tensor<2>], given: &[Tensor<2>]) -> Tensor<1> {
    let network = checkpoint.network(&graph.work.device);
    let change = vec![0.3; checkpoint.channels().carried.len()];
    let steps = rollout(&network, graph, states.to_vec(), given, &change);
    steps[1].clone().powf_scalar(2.0).mean() * 0.5
}

#[test]
fn the_gradient_of_two_steps_is_that_of_finite_differences() {
    let checkpoint = Checkpoint::random(small_model(), small_task(), Seed(5));
    let latitudes = (0..6).map(|k| -75.0 + 30.0 * f64::from(k)).collect();
    let globe = Globe::new(latitudes, (0..12).map(|k| 30.0 * f64::from(k)).collect()).unwrap();
    let (channels, points) = (checkpoint.channels(), globe.points());
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let mut random =
        |width: usize| -> (Vec<f32>, [usize; 2]) { ((0..points * width).map(|_| rng.random_range(-1.0..1.0)).collect(), [points, width]) };
    let carried = channels.carried.len();
    let states: Vec<_> = (0..2).map(|_| random(carried)).collect();
    let given: Vec<_> = (0..2).map(|_| random(channels.told() - 2 * carried)).collect();
    let direction = random(carried);
    let on = |device: &Device, moved: f32| {
        let tensor = |(values, shape): &(Vec<f32>, [usize; 2])| Tensor::<2>::from_data(TensorData::new(values.clone(), *shape), device);
        let first = tensor(&states[0]) + tensor(&direction) * moved;
        (vec![first, tensor(&states[1])], given.iter().map(tensor).collect::<Vec<_>>())
    };

    let device = Device::flex().autodiff();
    let graph = Graph::new(&globe, &checkpoint.model.graph(), &device);
    let (mut states_on, given_on) = on(&device, 0.0);
    states_on[0] = states_on[0].clone().require_grad();
    let gradients = loss(&checkpoint, &graph, &states_on, &given_on).backward();
    let gradient = states_on[0].grad(&gradients).unwrap().into_data();
    let along: f64 = gradient
        .as_slice::<f32>()
        .unwrap()
        .iter()
        .zip(&direction.0)
        .map(|(g, d)| f64::from(g * d))
        .sum();

    let plain = Device::flex();
    let graph = Graph::new(&globe, &checkpoint.model.graph(), &plain);
    let at = |moved: f32| {
        let (states, given) = on(&plain, moved);
        f64::from(loss(&checkpoint, &graph, &states, &given).into_scalar::<f32>())
    };
    let step = 1e-2;
    let expected = (at(step) - at(-step)) / (2.0 * f64::from(step));
    assert!(
        (along / expected - 1.0).abs() < 5e-3,
        "gradient {along}, finite differences {expected}"
    );
}
