//! How long the network takes; `tests/reference/nowcast_net/time_torch.py` does the same arithmetic.

use std::time::Instant;

use burn::tensor::Device;
use ndarray::Array3;

use crate::{
    analytic::Analytic,
    head::{self, Voice},
    nowcast_net::{FRAMES, RainNet},
    scene::Scene,
    tiles::{self, LEAST_TILE},
};

const N: usize = 512;

/// `cargo test --workspace --lib -- --ignored --nocapture speed::probabilities`
#[test]
#[ignore = "wants a quiet machine: it prints seconds"]
fn probabilities_of_512_by_512_cells_and_12_lead_times() {
    let net = RainNet::new(&Device::flex());
    let rain = Array3::from_shape_fn((FRAMES, N, N), |(_, y, x)| {
        (3.0 * (x as f32 / 23.0).sin() * (y as f32 / 31.0).cos()).max(0.0)
    });
    let scene = Scene {
        valid: Array3::ones(rain.raw_dim()),
        motion: Array3::zeros((2, N, N)),
        rain,
        step_min: 5.0,
    };
    let lead_min: Vec<f32> = (1..=12).map(|k| 5.0 * k as f32).collect();
    for (threads, tile) in [(1, N), (2, N), (2, LEAST_TILE)] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (mut best, mut features_s) = (f64::INFINITY, 0.0);
        pool.install(|| {
            for _ in 0..4 {
                let started = Instant::now();
                let features = tiles::features(&net, &scene, tile);
                let of_features = started.elapsed().as_secs_f64();
                let (analytic, voice) = (Analytic::new(&scene, (N, N)), [Voice::new(&net, features, &lead_min)]);
                for number in 0..lead_min.len() {
                    let p = head::said(&voice, number, &analytic, (N, N)).probability;
                    assert!(p.iter().all(|p| (0.0..=1.0).contains(p)));
                }
                let all = started.elapsed().as_secs_f64();
                if all < best {
                    (best, features_s) = (all, of_features);
                }
            }
        });
        println!("{threads} threads, tiles of {tile}: {best:.2} s, of which the features {features_s:.2} s");
    }
}
