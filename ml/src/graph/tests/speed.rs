use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor};
use nowblend_field::{Globe, Seed};

use super::{small_model, small_task};
use crate::{
    graph::{Checkpoint, Graph, task::ModelConfig},
    training::cpu_s,
};

/// One step of passing messages in the full mesh; `tests/reference/graphcast/time_torch.py` does the same arithmetic.
///
/// `cargo test --workspace --lib -- --ignored --nocapture graph::tests::speed`
#[test]
#[ignore = "takes half a minute and wants a quiet machine: it prints seconds"]
fn one_message_passing_step_of_the_full_mesh() {
    let model = ModelConfig {
        mesh_size: 6,
        latent_size: 512,
        message_steps: 1,
        ..small_model()
    };
    let checkpoint = Checkpoint::random(model, small_task(), Seed(1));
    let device = Device::flex();
    let globe = Globe::new(vec![-45.0, 45.0], vec![0.0, 180.0]).unwrap();
    let graph = Graph::new(&globe, &checkpoint.model.graph(), &device);
    let network = checkpoint.network(&device);
    let mesh = Tensor::<2>::random([graph.size[1], 512], Distribution::Normal(0.0, 1.0), &device);
    println!("{} nodes, {} edges", graph.size[1], graph.size[3]);
    let times = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let edges = network.edges_within(&graph);
            let (mut best, mut least) = (f64::INFINITY, f64::INFINITY);
            for _ in 0..3 {
                let (started, before) = (Instant::now(), cpu_s().unwrap_or(0.0));
                let passed = network.process[0].pass(&graph, &mesh, edges.clone(), false);
                best = best.min(started.elapsed().as_secs_f64());
                least = least.min(cpu_s().unwrap_or(0.0) - before);
                drop(passed);
            }
            println!("{threads} threads: {best:.2} s, {least:.2} s CPU");
            best
        })
    };
    let (one, two) = (times(1), times(2));
    println!("two threads are {:.2} times as fast as one", one / two);
}
