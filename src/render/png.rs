//! Small PNG files: a palette instead of colours, and four bits a point where sixteen colours do.

use std::collections::BTreeMap;

use png::{BitDepth, ColorType, Compression, Encoder, Filter};

use super::{Error, colour::Colour};

/// Encodes palette indices, row by row; `alpha` gives the opacity of the first entries of the palette, the rest is opaque.
pub(super) fn indexed(indices: &[u8], width: usize, palette: &[Colour], alpha: &[u8]) -> Result<Vec<u8>, Error> {
    let height = indices.len() / width.max(1);
    let few = palette.len() <= 16;
    let rows: Vec<u8> = if few {
        indices
            .chunks(width.max(1))
            .flat_map(|row| row.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).copied().unwrap_or(0)))
            .collect()
    } else {
        indices.to_vec()
    };
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(ColorType::Indexed);
    encoder.set_depth(if few { BitDepth::Four } else { BitDepth::Eight });
    encoder.set_palette(palette.concat());
    if !alpha.is_empty() {
        encoder.set_trns(alpha.to_vec());
    }
    encoder.set_compression(Compression::High);
    encoder.set_filter(Filter::NoFilter);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&rows)?;
    writer.finish()?;
    Ok(bytes)
}

/// Encodes points in full colour, with a palette where 256 colours do.
pub(super) fn coloured(points: &[Colour], width: usize) -> Result<Vec<u8>, Error> {
    let mut found: BTreeMap<Colour, u8> = BTreeMap::new();
    for point in points {
        let next = found.len();
        if next >= 256 && !found.contains_key(point) {
            return full(points, width);
        }
        found.entry(*point).or_insert(next as u8);
    }
    let mut palette = vec![[0; 3]; found.len()];
    for (colour, index) in &found {
        palette[usize::from(*index)] = *colour;
    }
    let indices: Vec<u8> = points.iter().map(|p| found[p]).collect();
    indexed(&indices, width, &palette, &[])
}

fn full(points: &[Colour], width: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, width as u32, (points.len() / width.max(1)) as u32);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&points.concat())?;
    writer.finish()?;
    Ok(bytes)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Width, height, and red, green, blue and opacity of every point.
    pub(in crate::render) fn decode(bytes: &[u8]) -> (u32, u32, Vec<u8>) {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::ALPHA);
        let mut reader = decoder.read_info().unwrap();
        let mut points = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut points).unwrap();
        assert_eq!(frame.color_type, ColorType::Rgba);
        (frame.width, frame.height, points)
    }

    #[test]
    fn an_odd_width_of_half_bytes_keeps_every_point() {
        let palette = [[10, 20, 30], [40, 50, 60], [70, 80, 90]];
        let bytes = indexed(&[0, 1, 2, 2, 1, 0], 3, &palette, &[0]).unwrap();
        let (width, height, points) = decode(&bytes);
        assert_eq!((width, height), (3, 2));
        assert_eq!(points[..8], [10, 20, 30, 0, 40, 50, 60, 255]);
        assert_eq!(points[16..20], [40, 50, 60, 255]);
    }

    #[test]
    fn more_colours_than_a_palette_holds_stay_exact() {
        let points: Vec<Colour> = (0..300_u32).map(|k| [(k % 256) as u8, (k / 256) as u8, 7]).collect();
        for count in [200, 300] {
            let (_, _, decoded) = decode(&coloured(&points[..count], 20).unwrap());
            assert!(decoded.chunks(4).zip(&points).all(|(d, p)| d[..3] == *p));
        }
    }
}
