//! Values packed as a PNG picture, unpacked row by row into their place: the largest radar composites come so.

use ndarray::{Array2, ArrayViewMut1};

use super::{look::Field, octets::Octets};

/// How whole numbers become values: (reference + number x 2^E) x 10^-D.
struct Scale {
    reference: f32,
    binary: f32,
    decimal: f32,
}

impl Field<'_> {
    /// Values `[y, x]` of a picture whose rows are those of the grid, row 0 in the south; `None` for any other packing or layout.
    pub(super) fn picture(&self) -> Option<Result<Array2<f32>, String>> {
        let octets = Octets(self.representation);
        let (width, layout) = (octets.u8(20)?, &self.header.layout);
        let plain = self.packing() == 41 && self.bitmap.is_none() && layout.rows_follow();
        if !plain || !matches!(width, 8 | 16 | 24 | 32) {
            return None;
        }
        let mut decoder = png::Decoder::new(std::io::Cursor::new(self.data.get(5..)?));
        decoder.set_transformations(png::Transformations::IDENTITY);
        let reader = decoder.read_info().ok()?;
        let about = reader.info();
        let (rows, columns) = (about.height as usize, about.width as usize);
        if about.interlaced || (rows, columns) != (layout.rows, layout.columns) || about.bits_per_pixel() != usize::from(width) {
            return None;
        }
        let scale = Scale {
            reference: f32::from_bits(octets.u32(12)?),
            binary: 2f32.powi(octets.signed(16, 2)? as i32),
            decimal: 10f32.powi(-(octets.signed(18, 2)? as i32)),
        };
        Some(self.rows_of(reader, usize::from(width) / 8, &scale))
    }

    fn rows_of(&self, mut reader: png::Reader<std::io::Cursor<&[u8]>>, octets: usize, scale: &Scale) -> Result<Array2<f32>, String> {
        let layout = &self.header.layout;
        let mut out = Array2::zeros((layout.rows, layout.columns));
        for k in 0..layout.rows {
            let told = |reason: String| format!("row {k} of the PNG picture: {reason}");
            let row = reader
                .next_row()
                .map_err(|e| told(e.to_string()))?
                .ok_or_else(|| told("it is not there".into()))?;
            let data = row
                .data()
                .get(..layout.columns * octets)
                .ok_or_else(|| told("it is too short".into()))?;
            let (to_row, column) = layout.cell(k * layout.columns);
            let mut to = out.row_mut(to_row);
            if column != 0 {
                to.invert_axis(ndarray::Axis(0));
            }
            if !scale.unpack(data, octets, to) {
                return Err(told("an infinite value".into()));
            }
        }
        Ok(out)
    }
}

impl Scale {
    fn value(&self, number: u32) -> f32 {
        (self.reference + number as f32 * self.binary) * self.decimal
    }

    /// Unpacks a row of numbers of `octets` each; whether all values are finite.
    fn unpack(&self, data: &[u8], octets: usize, to: ArrayViewMut1<'_, f32>) -> bool {
        match octets {
            1 => self.each(data.iter().map(|b| u32::from(*b)), to),
            2 => self.each(data.as_chunks::<2>().0.iter().map(|c| u32::from(u16::from_be_bytes(*c))), to),
            3 => self.each(
                data.as_chunks::<3>().0.iter().map(|c| u32::from_be_bytes([0, c[0], c[1], c[2]])),
                to,
            ),
            _ => self.each(data.as_chunks::<4>().0.iter().map(|c| u32::from_be_bytes(*c)), to),
        }
    }

    fn each(&self, numbers: impl Iterator<Item = u32>, mut to: ArrayViewMut1<'_, f32>) -> bool {
        let mut finite = true;
        let mut put = |(to, number): (&mut f32, u32)| {
            *to = self.value(number);
            finite &= to.is_finite();
        };
        // A slice where it is one, for the sake of speed.
        match to.as_slice_mut() {
            Some(to) => to.iter_mut().zip(numbers).for_each(&mut put),
            None => to.iter_mut().zip(numbers).for_each(&mut put),
        }
        finite
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array1;

    use super::*;

    #[test]
    fn numbers_of_one_to_four_octets_are_scaled_and_an_infinite_value_is_seen() {
        let scale = Scale {
            reference: 3.0,
            binary: 0.5,
            decimal: 10.0,
        };
        // (3 + n / 2) x 10 of n = 258: 0x0102.
        for (octets, data) in [(2, vec![1, 2]), (3, vec![0, 1, 2]), (4, vec![0, 0, 1, 2])] {
            let mut to = Array1::zeros(1);
            assert!(scale.unpack(&data, octets, to.view_mut()) && to[0] == 1320.0, "{octets}");
        }
        let mut to = Array1::zeros(2);
        let mut turned = to.view_mut();
        turned.invert_axis(ndarray::Axis(0));
        assert!(scale.unpack(&[2, 4], 1, turned));
        assert_eq!(to.to_vec(), [50.0, 40.0]);
        let huge = Scale { decimal: 1e37, ..scale };
        assert!(!huge.unpack(&[255, 255], 2, to.slice_mut(ndarray::s![..1])));
    }
}
