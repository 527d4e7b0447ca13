//! Weights of the network.

#![no_main]

mod mutate;

use nowblend_ml::{NowcastNet, NowcastNetConfig};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = NowcastNet::new(&NowcastNetConfig {
        checkpoint: mutate::file(data, "safetensors"),
    });
});

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { mutate::mutate(data, size, max_size, seed) });
