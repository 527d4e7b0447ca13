//! The damage of the tests as libFuzzer's mutator: half of its inputs are damaged by structure, the others by its own means.

#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "../../damage.rs"]
mod damage;

use std::path::PathBuf;

/// Damages the first `size` bytes of `data`, which may grow to `max_size`, and returns how many there are then.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    if seed % 2 == 0 {
        return libfuzzer_sys::fuzzer_mutate(data, size, max_size);
    }
    let damaged = damage::damage(&data[..size], &[], u64::from(seed)).bytes;
    let count = damaged.len().min(max_size).min(data.len());
    data[..count].copy_from_slice(&damaged[..count]);
    count
}

/// Puts an input where the program reads it from: a file of this process.
#[allow(dead_code, reason = "some formats are read from memory")]
pub fn file(data: &[u8], extension: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("nowblend-fuzz-{}.{extension}", std::process::id()));
    std::fs::write(&path, data).expect("the folder for temporary files takes it");
    path
}
