//! Directories of frames become evenly timed sequences: order, gaps, units, region.

use std::{fs, io::Write};

use chrono::TimeDelta;
use ndarray::{Array2, Array3};
use netcdf_writer::NcWriteFormat;
use nowblend_field::NoticeKind;

use super::{
    config, folder,
    made::{Frames, SMALL, radar},
    put, rain, time, told,
};
use crate::ingest::{Archive, Crop, IngestConfig};

#[test]
fn frames_come_in_order_of_their_content_whatever_their_names_say() {
    let folder = folder(&[10, 0, 5]);
    let archive = Archive::open(&config(folder.path())).unwrap();
    assert_eq!(archive.times(), [time(0), time(5), time(10)]);
    assert_eq!(archive.step().unwrap().minutes(), 5.0);
    let observed = archive.observed(time(10), 3).unwrap();
    // Row 0 is south, column 0 west: the south-western cell holds the frame's minute, the one north of it one more.
    let corner: Vec<f32> = observed.sequence.rain().outer_iter().map(|f| f[[0, 0]]).collect();
    assert_eq!(corner, [0.0, 5.0, 10.0]);
    assert_eq!((observed.sequence.last()[[1, 0]], observed.sequence.last()[[0, 1]]), (11.0, 10.125));
    let grid = archive.grid();
    assert!((grid.y.first - 35.0).abs() < 1e-9 && (grid.x.first + 98.0).abs() < 1e-9);
    assert!(observed.notices.is_empty(), "{:?}", observed.notices);
    let names: Vec<&str> = observed.inputs.iter().map(|i| i.name.as_str()).collect();
    assert_eq!(names, ["frame-1.grib2", "frame-2.grib2", "frame-0.grib2"]);
}

#[test]
fn a_gap_is_a_frame_of_nan_with_a_notice_that_names_its_time() {
    let folder = folder(&[0, 5, 15, 20, 25]);
    let observed = Archive::open(&config(folder.path())).unwrap().observed(time(20), 4).unwrap();
    assert_eq!(observed.sequence.times(), [time(5), time(10), time(15), time(20)]);
    assert!(observed.sequence.frame(1).iter().all(|r| r.is_nan()) && !observed.sequence.frame(2)[[0, 0]].is_nan());
    assert!(
        told(&observed.notices, NoticeKind::Missing, "2024-07-01 12:10:00"),
        "{:?}",
        observed.notices
    );
}

#[test]
fn no_coverage_missing_dry_and_spikes_are_kept_apart() {
    let folder = tempfile::tempdir().unwrap();
    let mut cells = rain(0.0);
    (cells[[0, 0]], cells[[0, 1]], cells[[0, 2]], cells[[0, 3]]) = (-3.0, -1.0, 0.0, 650.0);
    (cells[[1, 0]], cells[[1, 1]], cells[[1, 2]]) = (-0.5, 2500.0, f64::NAN);
    put(&folder, "a.grib2", &cells, 0);
    let observed = Archive::open(&config(folder.path())).unwrap().observed(time(0), 1).unwrap();
    let seen = observed.sequence.last();
    for cell in [[0, 0], [0, 1], [1, 0], [1, 1], [1, 2]] {
        assert!(seen[cell].is_nan(), "{cell:?}");
    }
    assert_eq!((seen[[0, 2]], seen[[0, 3]], seen[[1, 3]]), (0.0, 200.0, 1.375));
    assert!(
        told(&observed.notices, NoticeKind::Limited, "1 cells above 200 mm/h"),
        "{:?}",
        observed.notices
    );
    assert!(
        told(&observed.notices, NoticeKind::Missing, "2 cells hold negative, infinite or absurd"),
        "{:?}",
        observed.notices
    );
}

#[test]
fn a_dry_frame_and_one_without_coverage_are_valid() {
    for (value, expected) in [(0.0, 0.0), (-3.0, f32::NAN), (f64::NAN, f32::NAN)] {
        let folder = tempfile::tempdir().unwrap();
        put(&folder, "a.grib2", &Array2::from_elem((6, 8), value), 0);
        let archive = Archive::open(&config(folder.path())).unwrap();
        assert_eq!(archive.reference_time().unwrap().reference_time, time(0));
        let observed = archive.observed(time(0), 1).unwrap();
        assert!(
            observed
                .sequence
                .rain()
                .iter()
                .all(|r| r.to_bits() == expected.to_bits() || (r.is_nan() && expected.is_nan()))
        );
        assert_eq!(
            told(&observed.notices, NoticeKind::Missing, "no cell is observed"),
            expected.is_nan()
        );
    }
}

#[test]
fn cropping_comes_before_averaging_and_both_ends_are_kept() {
    let folder = folder(&[0]);
    let config = IngestConfig {
        crop: Some(Crop {
            rows: [1, 4],
            columns: [2, 5],
        }),
        block: 2,
        ..config(folder.path())
    };
    let archive = Archive::open(&config).unwrap();
    // Rows 1 to 4 and columns 2 to 5 make 2 x 2 blocks; the first holds rows 1, 2 and columns 2, 3: 1.5 + 2.5 / 8.
    assert_eq!(archive.grid().shape(), (2, 2));
    assert!((archive.grid().y.first - 35.015).abs() < 1e-9 && (archive.grid().x.first + 97.975).abs() < 1e-9);
    assert_eq!(archive.observed(time(0), 1).unwrap().sequence.last()[[0, 0]], 1.8125);
    assert_eq!(archive.frame(time(0)).unwrap().unwrap()[[0, 0]], 1.8125);
    assert!(archive.frame(time(1)).unwrap().is_none());
    let beyond = IngestConfig {
        crop: Some(Crop {
            rows: [1, 6],
            columns: [2, 5],
        }),
        ..config
    };
    let message = Archive::open(&beyond).unwrap_err().to_string();
    assert!(message.contains("rows [1, 6]") && message.contains("6 x 8"), "{message}");
}

#[test]
fn gzipped_files_and_patterns_are_read_alike() {
    let folder = folder(&[0, 5]);
    let plain = fs::read(folder.path().join("frame-1.grib2")).unwrap();
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(&plain).unwrap();
    fs::write(folder.path().join("frame-1.grib2.gz"), packer.finish().unwrap()).unwrap();
    fs::remove_file(folder.path().join("frame-1.grib2")).unwrap();
    fs::write(folder.path().join("notes.txt"), "not radar").unwrap();
    let observed = Archive::open(&config(&folder.path().join("frame-*")))
        .unwrap()
        .observed(time(5), 2)
        .unwrap();
    assert_eq!(observed.sequence.last()[[0, 0]], 5.0);
    assert_eq!(observed.inputs[1].name, "frame-1.grib2.gz");
    let whole = Archive::open(&config(folder.path())).unwrap().observed(time(5), 2).unwrap();
    assert!(whole.notices.is_empty(), "{:?}", whole.notices);
}

#[test]
fn times_that_are_off_by_seconds_count_and_are_said() {
    let folder = folder(&[0, 5, 15]);
    let late = time(10) + TimeDelta::seconds(20);
    fs::write(folder.path().join("late.grib2"), radar(&rain(10.0), late, SMALL)).unwrap();
    let config = IngestConfig {
        step_min: Some(5.0),
        ..config(folder.path())
    };
    let observed = Archive::open(&config).unwrap().observed(time(15), 4).unwrap();
    assert_eq!(observed.sequence.frame(2)[[0, 0]], 10.0);
    assert!(told(&observed.notices, NoticeKind::Degraded, "12:10:20"), "{:?}", observed.notices);
}

#[test]
fn fewer_frames_than_asked_for_are_given_and_said() {
    let folder = folder(&[0, 5]);
    let observed = Archive::open(&config(folder.path())).unwrap().observed(time(7), 4).unwrap();
    assert_eq!(observed.sequence.times(), [time(0), time(5)]);
    assert!(
        told(&observed.notices, NoticeKind::Missing, "2 frames from"),
        "{:?}",
        observed.notices
    );
    assert!(
        told(&observed.notices, NoticeKind::Missing, "no frame of 2024-07-01 12:07:00"),
        "{:?}",
        observed.notices
    );
}

#[test]
fn netcdf_frames_are_read_one_by_one_with_their_units_and_missing_values() {
    // 3 mm in five minutes are 36 mm/h; 36 dBZ are 200 R^1.6 = 3981, R = 6.48 mm/h; latitudes fall in the file.
    for (units, value, expected) in [
        ("mm h-1", 7.5, 7.5),
        ("mm", 3.0, 36.0),
        ("kg m-2 s-1", 0.01, 36.0),
        ("dBZ", 36.0, 6.483_68),
    ] {
        for (degrees, format) in [(true, NcWriteFormat::Nc4), (false, NcWriteFormat::Classic)] {
            let folder = tempfile::tempdir().unwrap();
            let mut frames = Array3::from_elem((3, 4, 5), 0.0f32);
            frames[[2, 0, 1]] = value;
            (frames[[2, 1, 1]], frames[[2, 1, 2]]) = (-9999.0, -8888.0);
            let times = (0..3).map(|k| (time(5 * k).timestamp()) as f64).collect();
            let made = Frames {
                rain: frames,
                times,
                units,
                degrees,
                format,
            };
            fs::write(folder.path().join("event.nc"), made.bytes()).unwrap();
            let observed = Archive::open(&config(folder.path())).unwrap().observed(time(10), 2).unwrap();
            assert_eq!(observed.sequence.times(), [time(5), time(10)]);
            let last = observed.sequence.last();
            assert!((last[[3, 1]] - expected).abs() < 1e-3, "{units}: {}", last[[3, 1]]);
            assert!(last[[2, 1]].is_nan() && last[[2, 2]].is_nan() && !last[[0, 0]].is_nan());
            assert_eq!(observed.sequence.grid().projection.is_geographic(), degrees);
        }
    }
}
