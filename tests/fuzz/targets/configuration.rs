//! A configuration: read, and written again as it was understood.

#![no_main]

mod mutate;

use nowblend::config::{self, Config};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(config) = config::read::<Config>(&mutate::file(data, "toml")) {
        assert!(toml::from_str::<Config>(&config.to_toml()).is_ok());
    }
});

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { mutate::mutate(data, size, max_size, seed) });
