//! What a GRIB2 header may not claim: refused with message, byte and reason before a decoder sees it.

use std::fs;

use super::{
    config,
    made::{LatLon, Made, SMALL, message, product, radar, section_at as section, some_rain as rain},
    time,
};
use crate::ingest::{Archive, IngestConfig, Limits, grib2};

/// The one refusal of a file.
fn refusal(bytes: &[u8]) -> grib2::Refusal {
    let contents = grib2::look(bytes);
    assert!(contents.fields.is_empty());
    contents.refused[0].clone()
}

#[test]
fn what_a_header_claims_is_held_against_the_bytes_that_are_there() {
    let whole = radar(&rain(), time(0), SMALL);
    assert_eq!(grib2::look(&whole).fields.len(), 1);
    let (grid, product, packing, bitmap) = (section(&whole, 3), section(&whole, 4), section(&whole, 5), section(&whole, 6));
    // Octet `k` of a section lies `k - 1` behind its start. Each case: where, what is written there, where it is refused, why.
    type Case<'a> = (usize, &'a [u8], usize, &'a str);
    let cases: [Case<'_>; 17] = [
        (7, &[1], 7, "edition 1"),
        (8, &[0xff; 8], 8, "message of 18446744073709551615 bytes"),
        (grid, &[0, 0, 0, 4], grid, "section 3 of 4 bytes"),
        (grid, &[0x7f, 0xff, 0xff, 0xff], grid, "section 3 of 2147483647 bytes"),
        (grid + 4, &[5], grid, "section 5 after section 1"),
        (grid + 6, &[0xff; 4], grid, "4294967295 points"),
        (grid + 30, &[0, 0, 0, 9], grid, "9 x 6 points"),
        (grid + 12, &[0, 99], grid, "grid template 99"),
        (grid + 63, &[0x7f, 0, 0, 0], grid, "columns 2130.706432 degrees apart"),
        (product + 7, &[0, 99], product, "product template 99"),
        (product + 18, &[0x7f, 0xff, 0xff, 0xff], product, "beyond 200 years"),
        (packing + 5, &[0xff; 4], packing + 5, "packed values, expected 47"),
        (packing + 9, &[0, 99], packing, "packing template 99"),
        (packing + 11, &[0x7f, 0x80, 0, 0], packing, "not finite"),
        (packing + 19, &[200], packing, "values of 200 bits"),
        (bitmap + 5, &[7], bitmap + 5, "bitmap indicator 7"),
        (whole.len() - 4, b"6666", whole.len() - 4, "does not end in `7777`"),
    ];
    for (at, written, byte, words) in cases {
        let mut bytes = whole.clone();
        bytes[at..at + written.len()].copy_from_slice(written);
        let refusal = refusal(&bytes);
        assert_eq!((refusal.message, refusal.byte), (1, byte), "{words}: {refusal:?}");
        assert!(refusal.reason.contains(words), "{words}: {refusal:?}");
    }
}

#[test]
fn a_bad_field_fails_alone_and_by_number() {
    let good = radar(&rain(), time(0), SMALL);
    let mut bad = good.clone();
    let at = section(&bad, 5) + 9;
    bad[at..at + 2].copy_from_slice(&[0, 99]);
    let file = [good.clone(), bad, good].concat();
    let contents = grib2::look(&file);
    assert_eq!((contents.fields.len(), contents.refused.len()), (2, 1));
    assert_eq!(contents.refused[0].message, 2);
    assert_eq!(contents.fields[1].values().unwrap().len(), 48);
}

#[test]
fn a_file_without_a_message_or_with_much_that_belongs_to_none_is_refused() {
    assert!(refusal(b"").reason.contains("no message in 0 bytes"));
    assert!(refusal(&[0; 500]).reason.contains("no message"));
    let file = [radar(&rain(), time(0), SMALL), vec![0; 2000]].concat();
    assert!(grib2::look(&file).refused[0].reason.contains("2000 bytes belong to no message"));
}

#[test]
fn a_bitmap_defined_before_is_used_again() {
    let mut field = Made {
        grid: SMALL.section(),
        product: product(1, 7, 0, (1, 0)),
        values: (0..48).map(f64::from).collect(),
    };
    field.values[5] = f64::NAN;
    let mut bytes = message(0, time(0), &[field.clone(), field]);
    // The second bitmap, 12 bytes, becomes the indicator 254 alone.
    let start = bytes.windows(6).rposition(|w| w == [0, 0, 0, 12, 6, 0]).unwrap();
    bytes.splice(start..start + 12, [0, 0, 0, 6, 6, 254]);
    let length = bytes.len() as u64;
    bytes[8..16].copy_from_slice(&length.to_be_bytes());
    let contents = grib2::look(&bytes);
    assert_eq!((contents.fields.len(), &contents.refused), (2, &Vec::new()));
    let values = contents.fields[1].values().unwrap();
    assert!(values[5].is_nan() && values[4] == 4.0 && values[47] == 47.0);
}

#[test]
fn a_limit_is_named_by_its_key_and_can_be_raised() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rain.grib2");
    let open = |limits: Limits| Archive::open(&IngestConfig { limits, ..config(&path) });
    let words = |limits: Limits| open(limits).unwrap_err().to_string();
    let tight = Limits {
        file_mb: 1,
        gzip_growth: 1,
        points_million: 1,
        decoded_mb: 1,
    };
    let whole = radar(&rain(), time(0), SMALL);
    // More points than a million, all of them of one value.
    let constant = Made {
        grid: LatLon {
            spacing: 0.01,
            rows: 1025,
            columns: 1024,
            ..SMALL
        }
        .section(),
        product: product(1, 7, 0, (1, 0)),
        values: Vec::new(),
    };
    let mut large = message(0, time(0), &[constant]);
    let packing = section(&large, 5);
    large[packing + 5..packing + 9].copy_from_slice(&(1025u32 * 1024).to_be_bytes());
    large[packing + 19] = 0;
    fs::write(&path, &large).unwrap();
    assert!(
        words(tight).contains("1049600 points, expected 1 to 1048576 (`ingest.limits.points_million`)"),
        "{}",
        words(tight)
    );
    assert_eq!(open(Limits::default()).unwrap().grid().shape(), (1025, 1024));
    fs::write(&path, [whole.clone(), vec![0; 1 << 20]].concat()).unwrap();
    assert!(words(tight).contains("`ingest.limits.file_mb`"), "{}", words(tight));
    // 33 MB of zeros in 33 kB of gzip.
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, &[whole, vec![0; 33 << 20]].concat()).unwrap();
    fs::write(&path, packed.finish().unwrap()).unwrap();
    let wide = Limits { file_mb: 100, ..tight };
    assert!(words(wide).contains("`ingest.limits.gzip_growth`"), "{}", words(wide));
}

#[test]
fn a_picture_with_more_cells_than_allowed_is_refused_with_the_key_that_allows_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("20240701120000.pgm");
    // 1100 x 1000 cells; a million and 48576 are allowed.
    let bytes = [b"P5\n1100 1000\n255\n".as_slice(), &[0; 1_100_000]].concat();
    fs::write(&path, bytes).unwrap();
    let limits = Limits {
        points_million: 1,
        ..Limits::default()
    };
    let message = Archive::open(&IngestConfig { limits, ..config(&path) }).unwrap_err().to_string();
    assert!(
        message.contains("20240701120000.pgm") && message.contains("1100 x 1000") && message.contains("ingest.limits.points_million"),
        "{message}"
    );
}
