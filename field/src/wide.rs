//! Lets the inner loops use the processor's wide vector units where it has them, with the very same results.

#[cfg(target_arch = "x86_64")]
use std::arch::is_x86_feature_detected;

/// A loop over whole rows that is worth compiling for each kind of processor.
pub trait Work {
    /// Does it; mark it `#[inline(always)]`, and what it calls, or it is compiled for the oldest processors only.
    fn run(self);
}

/// Runs `work` in eight lanes of f64 where the processor has them (AVX-512), in four (AVX2) or in two elsewhere.
///
/// A product is fused with a sum only where `mul_add` says so, so that every processor rounds alike; those without such an instruction (before
/// 2013) take long over it.
#[inline]
pub fn wide(work: impl Work) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512bw")
    {
        #[allow(unsafe_code, reason = "compiled for AVX-512, which the lines above have found")]
        unsafe {
            in_eight_lanes(work);
        }
        return;
    }
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        #[allow(unsafe_code, reason = "compiled for AVX2, which the line above has found")]
        unsafe {
            in_four_lanes(work);
        }
        return;
    }
    work.run();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn in_four_lanes(work: impl Work) {
    work.run();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "fma,avx512f,avx512vl,avx512dq,avx512bw")]
fn in_eight_lanes(work: impl Work) {
    work.run();
}

/// Sum of a row in eight lanes, the same on every processor.
#[inline(always)]
pub fn sum(values: &[f64]) -> f64 {
    let (eights, rest) = values.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for eight in eights {
        for (lane, value) in lanes.iter_mut().zip(eight) {
            *lane += value;
        }
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h)) + rest.iter().sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_counts_every_value_once() {
        // 1 + 2 + ... + 19 = 190: two eights and three left over.
        let values: Vec<f64> = (1..20).map(f64::from).collect();
        assert_eq!(sum(&values), 190.0);
        assert_eq!(sum(&[]), 0.0);
    }
}
