//! Numbers without pattern from a counter: what is drawn for a place or a member depends on its number and on no order.
//!
//! # Source
//!
//! Steele, G. L., D. Lea and C. H. Flood, 2014: Fast splittable pseudorandom number generators. OOPSLA '14, 453-472,
//! doi:10.1145/2660193.2660195 (SplitMix64).

/// Number `index` of the even steps that SplitMix64 takes, wrapping around.
#[inline]
pub fn step(index: u64) -> u64 {
    index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Mixes the bits of `z`: numbers that differ little become unlike (the finaliser of SplitMix64).
#[inline]
pub fn mixed(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number from 0 up to 1 from the upper bits of `bits`.
#[inline]
pub fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_published_generator() {
        // The first three of SplitMix64 from state 1234567 (test values of its public C code).
        let first = [0, 1, 2].map(|k| mixed(1_234_567u64.wrapping_add(step(k))));
        assert_eq!(
            first,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
        assert_eq!((unit(0), unit(1 << 63)), (0.0, 0.5));
        assert!(unit(u64::MAX) < 1.0);
    }
}
