//! Radar files in HDF5, and any other that the program knows by its first bytes: opened as an archive.

#![no_main]

mod mutate;

use nowblend::ingest::{Archive, IngestConfig};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let config = IngestConfig {
        source: mutate::file(data, "h5").to_string_lossy().into_owned(),
        ..IngestConfig::default()
    };
    let Ok(archive) = Archive::open(&config) else { return };
    for time in archive.times().iter().take(8) {
        let _ = archive.frame(*time);
    }
});

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { mutate::mutate(data, size, max_size, seed) });
