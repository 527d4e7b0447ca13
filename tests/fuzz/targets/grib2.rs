//! GRIB2: whatever is accepted is decoded, and what is decoded is finite.

#![no_main]

mod mutate;

use nowblend::ingest::grib2;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let contents = grib2::look(data);
    assert!(!contents.fields.is_empty() || !contents.refused.is_empty(), "nought messages and success");
    for field in &contents.fields {
        match field.arranged() {
            Ok(values) => assert!(values.iter().all(|v| !v.is_infinite())),
            Err(refusal) => assert!(!refusal.reason.contains("panicked"), "{}", refusal.reason),
        }
    }
});

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { mutate::mutate(data, size, max_size, seed) });
