//! A walk over the sections of a GRIB2 file: what each message claims is checked before any decoder sees it.
//!
//! Decoders trust lengths and counts; a damaged file makes them panic, abort or ask for gigabytes. So every claim is held against the
//! bytes that are there. A field that fails, fails alone, with message, byte and reason.

use super::{header::Header, octets::Octets, packing};
use crate::ingest::Limits;

/// Refusals after which the rest of a file is not looked at.
const REFUSALS_MAX: usize = 1000;
/// Bytes between messages that are passed over.
const UNCLAIMED_MAX: usize = 1024;

/// Why a message or field is not decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Number of the message in its file, from 1.
    pub message: usize,
    /// Where in the file, bytes from its start.
    pub byte: usize,
    /// What was found and what was expected.
    pub reason: String,
}

/// A field that may be decoded: its header, and its sections as slices of the file.
#[derive(Debug, Clone)]
pub struct Field<'a> {
    /// What the field is, when and where it holds.
    pub header: Header,
    /// Section 5: how values are packed.
    pub(super) representation: &'a [u8],
    /// Section 6 with a bitmap of its own, or with the one defined before it; `None` where every point has a value.
    pub(super) bitmap: Option<&'a [u8]>,
    /// Section 7: packed values.
    pub(super) data: &'a [u8],
}

/// What a file holds.
#[derive(Debug, Default)]
pub struct Contents<'a> {
    /// Fields in file order.
    pub fields: Vec<Field<'a>>,
    /// What was refused, in file order.
    pub refused: Vec<Refusal>,
}

/// Walks over a file. Its packed values are not looked at: [`Field::check`] does that before one is decoded.
pub fn look(bytes: &[u8]) -> Contents<'_> {
    look_within(bytes, Limits::default())
}

/// [`look()`], with other limits than the usual ones.
pub fn look_within(bytes: &[u8], limits: Limits) -> Contents<'_> {
    let mut contents = Contents::default();
    let (mut at, mut message, mut unclaimed) = (0, 0, 0);
    while at < bytes.len() && contents.refused.len() < REFUSALS_MAX {
        let Some(found) = find(&bytes[at..], b"GRIB") else {
            unclaimed += bytes.len() - at;
            break;
        };
        unclaimed += found;
        at += found;
        message += 1;
        match one_message(bytes, (at, message), limits, &mut contents) {
            Ok(length) => at += length,
            Err((byte, reason)) => {
                contents.refused.push(Refusal { message, byte, reason });
                // The length cannot be trusted: go on behind the marker.
                at += 4;
                at += find(&bytes[at..], b"GRIB").unwrap_or(bytes.len() - at);
            }
        }
    }
    if unclaimed >= UNCLAIMED_MAX {
        contents.refused.push(Refusal {
            message: message.max(1),
            byte: 0,
            reason: format!("{unclaimed} bytes belong to no message, expected fewer than {UNCLAIMED_MAX}"),
        });
    } else if message == 0 {
        contents.refused.push(Refusal {
            message: 1,
            byte: 0,
            reason: format!("no message in {} bytes, expected at least one that starts with `GRIB`", bytes.len()),
        });
    }
    contents
}

fn find(bytes: &[u8], marker: &[u8]) -> Option<usize> {
    bytes.windows(marker.len()).position(|w| w == marker)
}

/// Where, and why.
type Refused = (usize, String);

/// The sections in force while a message is read.
#[derive(Default)]
struct Sections<'a> {
    identification: &'a [u8],
    grid: Option<(usize, &'a [u8])>,
    product: Option<(usize, &'a [u8])>,
    representation: Option<(usize, &'a [u8])>,
    bitmap: Option<(usize, &'a [u8])>,
    /// The last bitmap that was given in full.
    defined: Option<&'a [u8]>,
}

/// Adds the fields of the message at `start` to `contents` and returns its length.
fn one_message<'a>(
    bytes: &'a [u8],
    (start, message): (usize, usize),
    limits: Limits,
    contents: &mut Contents<'a>,
) -> Result<usize, Refused> {
    let rest = &bytes[start..];
    let head = Octets(rest);
    let edition = head.u8(8).ok_or((start, "the file ends inside section 0".to_owned()))?;
    if edition != 2 {
        return Err((start + 7, format!("GRIB edition {edition}, expected 2")));
    }
    let discipline = head.u8(7).unwrap_or(u8::MAX);
    let length = head.unsigned(9, 8).ok_or((start, "the file ends inside section 0".to_owned()))?;
    if length < 21 || length > rest.len() as u64 {
        return Err((
            start + 8,
            format!("message of {length} bytes, expected 21 to the {} bytes that are left", rest.len()),
        ));
    }
    let length = length as usize;
    if &rest[length - 4..length] != b"7777" {
        return Err((start + length - 4, "the message does not end in `7777`".into()));
    }
    let end = length - 4;
    let (mut at, mut before) = (16, 0u8);
    let mut sections = Sections::default();
    let known = contents.fields.len() + contents.refused.len();
    while at < end {
        let section = Octets(&rest[at..end]);
        let (Some(size), Some(number)) = (section.u32(1), section.u8(5)) else {
            return Err((start + at, format!("{} bytes left for a section, expected at least 5", end - at)));
        };
        let size = size as usize;
        let least = if number == 6 { 6 } else { 5 };
        if size < least || size > end - at {
            return Err((
                start + at,
                format!("section {number} of {size} bytes, expected {least} to {}", end - at),
            ));
        }
        let follows = match number {
            1 => before == 0,
            2 => before == 1 || before == 7,
            3 => matches!(before, 1 | 2 | 7),
            4 => before == 3 || (before == 7 && sections.grid.is_some()),
            5..=7 => before == number - 1,
            _ => false,
        };
        if !follows {
            return Err((
                start + at,
                format!("section {number} after section {before}, expected the order 1 (2) 3 4 5 6 7"),
            ));
        }
        let content = &rest[at..at + size];
        let placed = Some((start + at, content));
        match number {
            1 => sections.identification = content,
            3 => sections.grid = placed,
            4 => sections.product = placed,
            5 => sections.representation = placed,
            6 => {
                sections.bitmap = placed;
                if content[5] == 0 {
                    sections.defined = Some(content);
                }
            }
            7 => match one_field(&sections, discipline, (start, message), limits, content) {
                Ok(field) => contents.fields.push(field),
                Err((byte, reason)) => contents.refused.push(Refusal { message, byte, reason }),
            },
            _ => {}
        }
        (at, before) = (at + size, number);
    }
    if before != 7 {
        return Err((start + end, format!("the message ends after section {before}, expected section 7")));
    }
    debug_assert!(contents.fields.len() + contents.refused.len() > known);
    Ok(length)
}

fn one_field<'a>(
    sections: &Sections<'a>,
    discipline: u8,
    (start, message): (usize, usize),
    limits: Limits,
    data: &'a [u8],
) -> Result<Field<'a>, Refused> {
    let needed = |section: Option<(usize, &'a [u8])>, number: u8| section.ok_or((start, format!("no section {number} before section 7")));
    let (grid_at, grid) = needed(sections.grid, 3)?;
    let (product_at, product) = needed(sections.product, 4)?;
    let (representation_at, representation) = needed(sections.representation, 5)?;
    let (bitmap_at, bitmap) = needed(sections.bitmap, 6)?;
    let header = Header::read(
        discipline,
        (start, sections.identification),
        (grid_at, grid),
        (product_at, product),
        (message, representation_at),
        limits,
    )?;
    let points = header.points;
    let values = Octets(representation)
        .u32(6)
        .ok_or((representation_at, "section 5 ends before the number of values".to_owned()))?;
    let bitmap = match bitmap[5] {
        255 => None,
        0 => Some(bitmap),
        // The bitmap of an earlier field of this message.
        254 => Some(
            sections
                .defined
                .ok_or((bitmap_at, "a bitmap defined before (indicator 254), but none is".to_owned()))?,
        ),
        other => return Err((bitmap_at + 5, format!("bitmap indicator {other}, expected 0, 254 or 255"))),
    };
    let present = match bitmap {
        None => points as u64,
        Some(section) => {
            let bits = &section[6..];
            if bits.len() != points.div_ceil(8) {
                return Err((
                    bitmap_at,
                    format!(
                        "bitmap of {} bytes for {points} points, expected {}",
                        bits.len(),
                        points.div_ceil(8)
                    ),
                ));
            }
            let spare = bits.len() * 8 - points;
            let ones: u64 = bits.iter().map(|b| u64::from(b.count_ones())).sum();
            // Bits behind the last point do not count.
            ones - bits.last().map_or(0, |b| u64::from((b & ((1u16 << spare) - 1) as u8).count_ones()))
        }
    };
    if u64::from(values) != present {
        return Err((
            representation_at + 5,
            format!("{values} packed values, expected {present}: one for each point that has a value"),
        ));
    }
    packing::check_template(representation).map_err(|reason| (representation_at, reason))?;
    Ok(Field {
        header,
        representation,
        bitmap,
        data,
    })
}

impl Field<'_> {
    /// Template by which the values are packed, code table 5.0.
    pub fn packing(&self) -> u16 {
        Octets(self.representation).u16(10).unwrap_or(u16::MAX)
    }

    /// Checks the packed values against what the header says of them, in time proportional to their groups or runs.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] with what was found and what was expected.
    pub fn check(&self) -> Result<(), Refusal> {
        packing::check_data(self.representation, self.data).map_err(|reason| self.refusal(reason))
    }

    pub(in crate::ingest) fn refusal(&self, reason: String) -> Refusal {
        Refusal {
            message: self.header.message,
            byte: self.header.byte,
            reason,
        }
    }
}
