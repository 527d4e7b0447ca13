//! What packed values claim: widths, counts, groups, runs and pictures, each against the bytes that are there.

use super::octets::{Bits, Octets};

/// Packings that are decoded: simple, complex, complex with spatial differences, JPEG 2000, PNG, CCSDS, run length.
const TEMPLATES: [u16; 7] = [0, 2, 3, 40, 41, 42, 200];

/// Checks section 5 by itself.
pub(super) fn check_template(section: &[u8]) -> Result<(), String> {
    let octets = Octets(section);
    let template = octets.u16(10).ok_or("section 5 ends before its template")?;
    if !TEMPLATES.contains(&template) {
        return Err(format!(
            "packing template {template} is not supported, expected one of {TEMPLATES:?}"
        ));
    }
    let least = match template {
        0 => 21,
        2 => 47,
        3 => 49,
        40 => 23,
        41 => 21,
        42 => 25,
        _ => 17,
    };
    if section.len() < least {
        return Err(format!(
            "section 5 of {} bytes, expected at least {least} for packing {template}",
            section.len()
        ));
    }
    if template == 200 {
        return check_run_length_template(octets, section.len());
    }
    let reference = f32::from_bits(octets.u32(12).unwrap_or(0));
    if !reference.is_finite() {
        return Err("the reference value is not finite".into());
    }
    let (binary, decimal) = (octets.signed(16, 2).unwrap_or(0), octets.signed(18, 2).unwrap_or(0));
    if binary.abs() > 120 || decimal.abs() > 37 {
        return Err(format!(
            "scale factors 2^{binary} and 10^-{decimal}, expected exponents up to 120 and 37"
        ));
    }
    let width = octets.u8(20).unwrap_or(u8::MAX);
    let widest = if template == 0 || template == 42 { 32 } else { 31 };
    if width > widest && template != 41 || width > 32 {
        return Err(format!("values of {width} bits, expected at most {widest}"));
    }
    let kind = octets.u8(21).unwrap_or(0);
    if kind != 0 {
        return Err(format!("original values of type {kind}, expected 0, floating point"));
    }
    match template {
        2 | 3 => check_group_template(octets, template),
        42 => {
            let (block, interval) = (octets.u8(23).unwrap_or(0), octets.u16(24).unwrap_or(0));
            if ![8, 16, 32, 64].contains(&block) || !(1..=4096).contains(&interval) {
                return Err(format!(
                    "CCSDS blocks of {block} and reference interval {interval}, expected 8, 16, 32 or 64 and 1 to 4096"
                ));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn check_run_length_template(octets: Octets<'_>, length: usize) -> Result<(), String> {
    let (width, largest, levels) = (octets.u8(12).unwrap_or(0), octets.u16(13).unwrap_or(0), octets.u16(15).unwrap_or(0));
    if !(1..=15).contains(&width) || u32::from(largest) + 1 >= 1 << width {
        return Err(format!(
            "run lengths of {width} bits with levels up to {largest}, expected 1 to 15 bits and levels that fit"
        ));
    }
    if length < 17 + 2 * usize::from(levels) || levels < largest {
        return Err(format!(
            "{levels} levels in section 5 of {length} bytes, expected values for {largest}"
        ));
    }
    Ok(())
}

fn check_group_template(octets: Octets<'_>, template: u16) -> Result<(), String> {
    let (splitting, missing) = (octets.u8(22).unwrap_or(0), octets.u8(23).unwrap_or(0));
    if splitting != 1 || missing > 2 {
        return Err(format!(
            "group splitting {splitting} and missing values {missing}, expected 1 and at most 2"
        ));
    }
    if octets.u32(32) == Some(0) && octets.u32(6) != Some(0) {
        return Err("no group of packed values".into());
    }
    if template == 3 {
        let (order, size) = (octets.u8(48).unwrap_or(0), octets.u8(49).unwrap_or(0));
        if !(1..=2).contains(&order) || !(1..=4).contains(&size) {
            return Err(format!(
                "spatial differences of order {order} with {size} octets, expected 1 or 2 and 1 to 4"
            ));
        }
    }
    Ok(())
}

/// Checks section 7 against section 5, which [`check_template`] has passed.
pub(super) fn check_data(representation: &[u8], section: &[u8]) -> Result<(), String> {
    let octets = Octets(representation);
    let (template, values) = (octets.u16(10).unwrap_or(0), octets.u32(6).unwrap_or(0) as usize);
    let width = usize::from(octets.u8(20).unwrap_or(0));
    let data = section.get(5..).unwrap_or_default();
    match template {
        0 => fits(values, width, data.len()),
        2 | 3 => check_groups(octets, template, values, width, data),
        200 => check_runs(octets, values, data),
        _ if width == 0 => Ok(()),
        40 => check_jpeg2000(values, data),
        41 => check_png(values, width, data),
        _ if data.is_empty() => Err("no packed values".into()),
        _ => Ok(()),
    }
}

fn fits(count: usize, width: usize, bytes: usize) -> Result<(), String> {
    let needed = (count * width).div_ceil(8);
    if needed > bytes {
        return Err(format!("{count} values of {width} bits in {bytes} bytes, expected {needed}"));
    }
    Ok(())
}

fn check_groups(octets: Octets<'_>, template: u16, values: usize, width: usize, data: &[u8]) -> Result<(), String> {
    let number = |octet| octets.u32(octet).unwrap_or(0) as usize;
    let small = |octet| usize::from(octets.u8(octet).unwrap_or(0));
    let (groups, reference_width, width_bits) = (number(32), small(36), small(37));
    let (reference_length, increment, last, length_bits) = (number(38), small(42), number(43), small(47));
    if groups > values || width_bits > 32 || length_bits > 32 {
        return Err(format!(
            "{groups} groups of {values} values, their widths and lengths of {width_bits} and {length_bits} bits, expected fewer groups and at most 32 bits"
        ));
    }
    let extra = if template == 3 { (small(48) + 1) * small(49) } else { 0 };
    let mut at = extra;
    let mut part = |bits: usize| -> Result<&[u8], String> {
        let end = at + (groups * bits).div_ceil(8);
        let part = data
            .get(at..end)
            .ok_or(format!("the groups' heads end at byte {end}, expected at most {}", data.len()))?;
        at = end;
        Ok(part)
    };
    part(width)?;
    let (mut widths, mut lengths) = (Bits::new(part(width_bits)?), Bits::new(part(length_bits)?));
    let (mut total, mut total_bits) = (0usize, 0usize);
    for group in 0..groups {
        let width = widths.next(width_bits).unwrap_or(0) as usize + reference_width;
        let packed = lengths.next(length_bits).unwrap_or(0) as usize * increment + reference_length;
        let length = if group + 1 == groups { last } else { packed };
        total += length;
        if width >= 32 || length > values {
            return Err(format!(
                "a group of {length} values of {width} bits, expected at most {values} of 31"
            ));
        }
        total_bits += width * length;
    }
    if total != values {
        return Err(format!("groups of {total} values in all, expected {values}"));
    }
    if total_bits.div_ceil(8) > data.len() - at {
        return Err(format!("groups of {total_bits} bits in {} bytes", data.len() - at));
    }
    // Spatial differences start from one or two values given apart.
    if template == 3 && values < small(48) {
        return Err(format!("{values} values, expected at least the order of their differences"));
    }
    Ok(())
}

fn check_runs(octets: Octets<'_>, values: usize, data: &[u8]) -> Result<(), String> {
    let (width, largest) = (usize::from(octets.u8(12).unwrap_or(0)), u64::from(octets.u16(13).unwrap_or(0)));
    let base = largest + 1;
    let range = (1u64 << width) - base;
    let (mut bits, mut total, mut factor, mut begun) = (Bits::new(data), 0u64, 1u64, false);
    while let Some(value) = bits.next(width) {
        if value <= largest {
            (begun, factor) = (true, 1);
            total += 1;
        } else {
            if !begun {
                return Err("a run before its first level".into());
            }
            // A digit that counts for more than there are values, and yet follows: decoders overflow.
            if factor > values as u64 {
                return Err(format!("a run length of more digits than {values} values need"));
            }
            total = (value - base)
                .checked_mul(factor)
                .and_then(|run| total.checked_add(run))
                .unwrap_or(u64::MAX);
            factor = factor.saturating_mul(range);
        }
        if total > values as u64 {
            break;
        }
    }
    if total != values as u64 {
        return Err(format!("runs of {total} values or more, expected {values}"));
    }
    Ok(())
}

fn check_jpeg2000(values: usize, data: &[u8]) -> Result<(), String> {
    let octets = Octets(data);
    if octets.u32(1) != Some(0xff4f_ff51) {
        return Err("no JPEG 2000 codestream".into());
    }
    let number = |octet| octets.u32(octet).map(u64::from).ok_or("the JPEG 2000 head is cut off");
    let (right, bottom, left, top) = (number(9)?, number(13)?, number(17)?, number(21)?);
    let (tile_width, tile_height, tile_left, tile_top) = (number(25)?, number(29)?, number(33)?, number(37)?);
    let components = octets.u16(41).unwrap_or(0);
    let picture = right.saturating_sub(left) * bottom.saturating_sub(top);
    if picture != values as u64 || components != 1 {
        return Err(format!(
            "a JPEG 2000 picture of {picture} samples in {components} components, expected {values} in one"
        ));
    }
    let tiles = |end: u64, start: u64, size: u64| {
        if size == 0 {
            u64::MAX
        } else {
            end.saturating_sub(start).div_ceil(size)
        }
    };
    let tiles = tiles(right, tile_left, tile_width).saturating_mul(tiles(bottom, tile_top, tile_height));
    if tiles > 65_535 || tile_left > left || tile_top > top {
        return Err(format!("{tiles} JPEG 2000 tiles, expected at most 65535 that cover the picture"));
    }
    if octets.u8(44) != Some(1) || octets.u8(45) != Some(1) {
        return Err("a JPEG 2000 picture with sub-sampling, expected none".into());
    }
    Ok(())
}

fn check_png(values: usize, width: usize, data: &[u8]) -> Result<(), String> {
    let octets = Octets(data);
    if data.get(..8) != Some(b"\x89PNG\r\n\x1a\n".as_slice()) {
        return Err("no PNG picture".into());
    }
    let number = |octet| octets.u32(octet).map(u64::from).ok_or("the PNG head is cut off");
    let (columns, rows) = (number(17)?, number(21)?);
    let depth = usize::from(octets.u8(25).unwrap_or(0));
    let channels = match octets.u8(26) {
        Some(0) => 1,
        Some(2) => 3,
        Some(6) => 4,
        other => return Err(format!("a PNG picture of colour type {}, expected 0, 2 or 6", other.unwrap_or(255))),
    };
    if columns.saturating_mul(rows) != values as u64 || depth * channels != width {
        return Err(format!(
            "a PNG picture of {columns} x {rows} pixels of {} bits, expected {values} of {width}",
            depth * channels
        ));
    }
    if !(columns as usize * width).is_multiple_of(8) && rows > 1 {
        return Err(format!("PNG rows of {columns} pixels of {width} bits, expected whole octets"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_length_with_more_digits_than_there_are_values_is_refused() {
        // Levels 0 to 3 in 8 bits: digits to the base 252, the lowest first; 4 is the digit 0.
        let mut representation = vec![0; 17];
        representation[5..].copy_from_slice(&[0, 0, 0, 48, 0, 200, 8, 0, 3, 0, 3, 1]);
        let section = |runs: &[u8]| [&[0, 0, 0, 0, 7], runs].concat();
        assert_eq!(check_data(&representation, &section(&[1, 4 + 47])), Ok(()));
        assert_eq!(
            check_data(&representation, &section(&[1, 4 + 47, 4])).unwrap_err(),
            "a run length of more digits than 48 values need"
        );
    }
}
