//! Damaged files: no panic, no hang, never nought messages and success, and what is read makes sense.

use std::fs;

use ndarray::{Array2, Array3};
use netcdf_writer::NcWriteFormat;
use nowblend_field::{Seed, random};

use super::{
    made::{Frames, LatLon, Made, SMALL, lambert, message, packings, product, radar, some_rain, state, statistic},
    time,
};
use crate::ingest::{Archive, IngestConfig, grib2, netcdf};

/// Messages of every packing that can be made here.
fn messages() -> Vec<Vec<u8>> {
    let field = |grid: Vec<u8>, product: Vec<u8>, count: usize| Made {
        grid,
        product,
        values: (0..count).map(|k| (k % 7) as f64).collect(),
    };
    let wind = |number, along| field(lambert(along), product(2, number, 60, (100, 70_000)), 20);
    let serpentine = LatLon { scanning: 0x50, ..SMALL };
    let mut all = vec![
        radar(&some_rain(), time(0), SMALL),
        radar(&Array2::zeros((6, 8)), time(0), SMALL),
        message(
            0,
            time(0),
            &[
                wind(2, true),
                wind(3, true),
                field(lambert(true), product(3, 5, 60, (100, 70_000)), 20),
            ],
        ),
        message(
            0,
            time(0),
            &[field(
                serpentine.section(),
                statistic(1, 8, 1, time(0) + chrono::TimeDelta::hours(1)),
                48,
            )],
        ),
    ];
    all.push(state(time(0)));
    all.extend(packings().into_iter().map(|(_, bytes)| bytes));
    all
}

/// Random numbers, one after the other (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(random::step(0));
        (random::mixed(self.0) % count.max(1) as u64) as usize
    }
}

/// The sections of a message behind section 0, without the end.
fn sections(bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut at, mut out) = (16, Vec::new());
    while at + 5 <= bytes.len() - 4 {
        let size = (u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize).clamp(5, bytes.len() - 4 - at);
        out.push(bytes[at..at + size].to_vec());
        at += size;
    }
    out
}

/// Damages a message where it hurts: lengths and counts, order of sections, single bytes, its end.
fn damage(bytes: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut parts = sections(bytes);
    for _ in 0..=numbers.below(3) {
        let k = numbers.below(parts.len());
        let other = numbers.below(parts.len());
        match numbers.below(8) {
            0 => parts.swap(k, other),
            1 => parts.insert(other, parts[k].clone()),
            2 if parts.len() > 1 => drop(parts.remove(k)),
            3 => parts[k].truncate(5 + numbers.below(30)),
            // A number of one, two or four octets becomes nought, one, small or huge.
            4 | 5 if parts[k].len() > 6 => {
                let width = [1, 2, 4][numbers.below(3)].min(parts[k].len() - 5);
                let at = 5 + numbers.below(parts[k].len() - 5 - width + 1);
                let value = [0u32, 1, 2, 255, 0x7fff_ffff, 0xffff_ffff, 0x8000_0001, numbers.below(70_000) as u32][numbers.below(8)];
                let last = parts[k].len().min(at + width);
                parts[k][at..last].copy_from_slice(&value.to_be_bytes()[4 - (last - at)..]);
            }
            _ => {
                let at = numbers.below(parts[k].len());
                parts[k][at] ^= 1 << numbers.below(8);
            }
        }
    }
    // Most lengths are mended, so that damage reaches beyond the first check.
    let mend = numbers.below(4) > 0;
    for part in &mut parts {
        if mend && part.len() >= 5 {
            let length = part.len() as u32;
            part[..4].copy_from_slice(&length.to_be_bytes());
        }
    }
    let mut out = [&bytes[..16], &parts.concat(), b"7777"].concat();
    if mend {
        let length = out.len() as u64;
        out[8..16].copy_from_slice(&length.to_be_bytes());
    }
    match numbers.below(10) {
        0 => out.truncate(numbers.below(out.len())),
        1 => out.extend(vec![0x47; numbers.below(3000)]),
        _ => {}
    }
    out
}

/// What is read from a GRIB2 file makes sense, or is refused with a reason.
fn judge_grib2(bytes: &[u8]) {
    let contents = grib2::look(bytes);
    assert!(
        !contents.fields.is_empty() || !contents.refused.is_empty(),
        "nought messages and success"
    );
    for field in &contents.fields {
        match field.values() {
            Ok(values) => {
                assert_eq!(values.len(), field.header.points);
                let arranged = field.arranged().expect("it was decoded before");
                let same = |(k, v): (usize, &f32)| arranged[field.header.layout.cell(k)].to_bits() == v.to_bits();
                assert!(values.iter().enumerate().all(same), "arranged otherwise");
                assert!(values.iter().all(|v| !v.is_infinite()));
                assert!(
                    field
                        .header
                        .layout
                        .lon_lat(values.len() - 1)
                        .is_ok_and(|(x, y)| x.is_finite() && y.is_finite())
                        || field.header.layout.grid().is_ok()
                );
            }
            Err(refusal) => assert!(!refusal.reason.is_empty()),
        }
    }
}

#[test]
fn the_undamaged_messages_are_read() {
    for bytes in messages() {
        let contents = grib2::look(&bytes);
        assert_eq!(contents.refused, []);
        assert!(contents.fields.iter().all(|f| f.values().is_ok()));
    }
}

#[test]
fn damaged_grib2_is_refused_or_makes_sense() {
    let mut numbers = Numbers(Seed(20_240_701).0);
    let bases = messages();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.grib2");
    let begun = std::time::Instant::now();
    for k in 0..2000 {
        let bytes = damage(&bases[k % bases.len()], &mut numbers);
        judge_grib2(&bytes);
        if k % 10 == 0 {
            fs::write(&path, &bytes).unwrap();
            open(&path);
            let _ = grib2::states(&path, 700.0);
        }
    }
    assert!(begun.elapsed().as_secs() < 20);
}

#[test]
fn damaged_packings_of_real_files_are_refused_or_make_sense() {
    let Some(data) = super::data("damaged_packings_of_real_files_are_refused_or_make_sense") else {
        return;
    };
    let mut numbers = Numbers(7);
    for (name, rounds) in [
        ("grib/Z__C_RJTD_20160822020000_NOWC_GPV_Ggis10km_Pphw10_FH0000-0100_grib2.bin", 60),
        ("grib/gdas.t12z.pgrb2.0p25.f000.46", 10),
        ("grib/wind_solar_ind_0.125_20240521_12Z.grib2.0", 60),
        ("nwp/nam_awp211_f12.grib2", 60),
        ("grib/20250912120000-0h-oper-fc.grib2.89", 6),
    ] {
        let whole = fs::read(data.join(name)).unwrap();
        let length = u64::from_be_bytes(whole[8..16].try_into().unwrap()) as usize;
        for _ in 0..rounds {
            judge_grib2(&damage(&whole[..length], &mut numbers));
        }
    }
}

#[test]
fn damaged_netcdf_is_refused_or_makes_sense() {
    let mut numbers = Numbers(11);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.nc");
    for format in [NcWriteFormat::Classic, NcWriteFormat::Nc4] {
        let made = Frames {
            rain: Array3::from_elem((2, 4, 5), 1.5),
            times: vec![0.0, 300.0],
            units: "mm h-1",
            degrees: true,
            format,
        };
        let whole = made.bytes();
        for _ in 0..400 {
            let mut bytes = whole.clone();
            for _ in 0..=numbers.below(4) {
                let at = numbers.below(bytes.len());
                match numbers.below(3) {
                    0 => bytes[at] ^= 1 << numbers.below(8),
                    1 => bytes[at] = [0, 1, 0x7f, 0xff][numbers.below(4)],
                    _ => {
                        let last = bytes.len().min(at + 4);
                        bytes[at..last].fill([0, 0xff][numbers.below(2)]);
                    }
                }
            }
            if numbers.below(5) == 0 {
                bytes.truncate(numbers.below(whole.len()));
            }
            if let Ok(file) = netcdf::File::open(&path, bytes.clone()) {
                for k in 0..file.times().len().min(3) {
                    if let Ok(frame) = file.frame(k) {
                        assert_eq!(frame.dim(), file.grid().shape());
                    }
                }
            }
            fs::write(&path, &bytes).unwrap();
            open(&path);
        }
    }
}

#[test]
fn damaged_files_of_every_other_format_are_refused_or_make_sense() {
    let mut numbers = Numbers(13);
    let folder = tempfile::tempdir().unwrap();
    let begun = std::time::Instant::now();
    for (name, whole, provider) in super::formats::all() {
        let config = IngestConfig {
            source: folder.path().join(&name).to_string_lossy().into_owned(),
            provider,
            ..IngestConfig::default()
        };
        let read = |bytes: &[u8]| {
            fs::write(folder.path().join(&name), bytes).unwrap();
            let archive = Archive::open(&config).map_err(|e| e.to_string())?;
            let newest = archive.times()[archive.times().len() - 1];
            let rain = archive.frame(newest).map_err(|e| e.to_string())?.unwrap();
            assert!(rain.iter().all(|r| r.is_nan() || (0.0..=200.0).contains(r)), "{name}");
            Ok::<_, String>((newest, rain))
        };
        let (time, rain) = read(&whole).unwrap();
        // A file that is cut off is refused; what lies behind its last cell it can do without.
        for k in 0..40 {
            let cut = whole.len() * k / 40;
            match read(&whole[..cut]) {
                Ok((t, r)) => assert!(
                    t == time && r.iter().zip(&rain).all(|(a, b)| a == b || a.is_nan() && b.is_nan()),
                    "{name} cut at {cut}"
                ),
                Err(words) => assert!(words.contains(&name), "{words}"),
            }
        }
        for k in 0..300 {
            let mut bytes = whole.clone();
            // Every other time where the head is.
            let reach = if k % 2 == 0 { bytes.len() } else { bytes.len().min(400) };
            for _ in 0..=numbers.below(4) {
                let at = numbers.below(reach);
                match numbers.below(3) {
                    0 => bytes[at] ^= 1 << numbers.below(8),
                    1 => bytes[at] = [0, 1, b'9', 0x7f, 0xff][numbers.below(5)],
                    _ => {
                        let last = bytes.len().min(at + 4);
                        bytes[at..last].fill([0, b'9', 0xff][numbers.below(3)]);
                    }
                }
            }
            if let Err(words) = read(&bytes) {
                assert!(words.contains(&name), "{words}");
            }
        }
    }
    assert!(begun.elapsed().as_secs() < 60);
}

/// Opens a file as an archive; rain that comes out of it is rain.
fn open(path: &std::path::Path) {
    let config = IngestConfig {
        source: path.to_string_lossy().into_owned(),
        ..IngestConfig::default()
    };
    if let Ok(archive) = Archive::open(&config) {
        let newest = archive.times()[archive.times().len() - 1];
        if let Ok(observed) = archive.observed(newest, 3) {
            assert!(observed.sequence.rain().iter().all(|r| r.is_nan() || (0.0..=200.0).contains(r)));
        }
    }
}
