//! NetCDF 3 and 4: the head, then every frame.

#![no_main]

mod mutate;

use std::path::Path;

use nowblend::ingest::netcdf::File;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(file) = File::open(Path::new("input.nc"), data.to_vec()) else { return };
    for k in 0..file.times().len().min(8) {
        if let Ok(frame) = file.frame(k) {
            assert_eq!(frame.dim(), file.grid().shape());
        }
    }
});

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { mutate::mutate(data, size, max_size, seed) });
