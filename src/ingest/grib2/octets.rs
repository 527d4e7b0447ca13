//! Numbers as GRIB2 writes them: octets counted from 1, big end first, signs apart from magnitudes.

/// A section of a message, whose octets are counted from 1 as in the manual; reading past its end gives `None`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Octets<'a>(pub &'a [u8]);

impl Octets<'_> {
    /// One octet.
    pub fn u8(self, octet: usize) -> Option<u8> {
        self.0.get(octet.checked_sub(1)?).copied()
    }

    /// An unsigned number of `count` octets, at most 8.
    pub fn unsigned(self, octet: usize, count: usize) -> Option<u64> {
        let first = octet.checked_sub(1)?;
        let bytes = self.0.get(first..first.checked_add(count)?)?;
        Some(bytes.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte)))
    }

    /// Two octets, unsigned.
    pub fn u16(self, octet: usize) -> Option<u16> {
        self.unsigned(octet, 2).map(|v| v as u16)
    }

    /// Four octets, unsigned.
    pub fn u32(self, octet: usize) -> Option<u32> {
        self.unsigned(octet, 4).map(|v| v as u32)
    }

    /// A number of `count` octets whose first bit is its sign.
    pub fn signed(self, octet: usize, count: usize) -> Option<i64> {
        let value = self.unsigned(octet, count)?;
        let sign = 1u64 << (8 * count - 1);
        let magnitude = (value & (sign - 1)) as i64;
        Some(if value & sign == 0 { magnitude } else { -magnitude })
    }

    /// A scale factor (one octet) and a scaled value (four) from `octet` on: value / 10^factor; `None` where all bits are set.
    pub fn scaled(self, octet: usize) -> Option<f64> {
        let (factor, value) = (self.u8(octet)?, self.u32(octet + 1)?);
        if value == u32::MAX || factor == u8::MAX {
            return None;
        }
        Some(self.signed(octet + 1, 4)? as f64 / 10f64.powi(self.signed(octet, 1)? as i32))
    }
}

/// Reads numbers of a few bits one after the other.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    /// From the first bit of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next `width` bits, at most 32; `None` at the end.
    pub fn next(&mut self, width: usize) -> Option<u64> {
        let end = self.at + width;
        if width > 32 || end > self.bytes.len() * 8 {
            return None;
        }
        let mut value = 0u64;
        let (first, last) = (self.at / 8, end.div_ceil(8));
        for byte in &self.bytes[first..last] {
            value = (value << 8) | u64::from(*byte);
        }
        self.at = end;
        Some((value >> (last * 8 - end)) & ((1u64 << width) - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sign_is_a_bit_of_its_own() {
        let octets = Octets(&[0x80, 0x05, 0x00, 0x05, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!((octets.signed(1, 2), octets.signed(3, 2)), (Some(-5), Some(5)));
        assert_eq!((octets.u32(5), octets.u32(6), octets.u8(0)), (Some(u32::MAX), None, None));
    }

    #[test]
    fn a_scaled_value_is_divided_by_its_power_of_ten() {
        assert_eq!(Octets(&[2, 0, 0, 0, 250]).scaled(1), Some(2.5));
        assert_eq!(Octets(&[0x82, 0, 0, 0, 250]).scaled(1), Some(25_000.0));
        assert_eq!(Octets(&[255, 255, 255, 255, 255]).scaled(1), None);
    }

    #[test]
    fn bits_are_read_across_octets_and_end() {
        let mut bits = Bits::new(&[0b1010_1100, 0b0111_0000]);
        assert_eq!(
            [bits.next(3), bits.next(6), bits.next(0), bits.next(7), bits.next(1)],
            [Some(5), Some(0b01_1000), Some(0), Some(0b111_0000), None]
        );
    }
}
