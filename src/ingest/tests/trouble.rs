//! Directories in which something is wrong: what can go on goes on, and says what it left out.

use std::fs;

use nowblend_field::NoticeKind;

use super::{
    config, folder,
    made::{LatLon, SMALL, radar},
    put, rain, time, told,
};
use crate::ingest::{Archive, Error, IngestConfig};

#[test]
fn a_frame_that_is_there_twice_is_read_once_and_said() {
    let folder = folder(&[0, 5]);
    put(&folder, "again.grib2", &rain(50.0), 5);
    let archive = Archive::open(&config(folder.path())).unwrap();
    assert_eq!(archive.times().len(), 2);
    let observed = archive.observed(time(5), 2).unwrap();
    assert!(
        told(&observed.notices, NoticeKind::Degraded, "not from `frame-1.grib2`"),
        "{:?}",
        observed.notices
    );
    // The second is read where the first cannot be.
    fs::write(folder.path().join("again.grib2"), "garbage").unwrap();
    assert_eq!(archive.observed(time(5), 2).unwrap().sequence.last()[[0, 0]], 5.0);
}

#[test]
fn a_truncated_frame_is_named_and_left_out() {
    let folder = folder(&[0, 5, 10]);
    let archive = Archive::open(&config(folder.path())).unwrap();
    let path = folder.path().join("frame-1.grib2");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 20]).unwrap();
    let observed = archive.observed(time(10), 3).unwrap();
    assert!(observed.sequence.frame(1).iter().all(|r| r.is_nan()));
    assert!(
        told(&observed.notices, NoticeKind::Missing, "frame-1.grib2`: message 1, byte 8"),
        "{:?}",
        observed.notices
    );
    // The newest one asked for is truncated: the sequence ends earlier and says so.
    let observed = archive.observed(time(5), 2).unwrap();
    assert_eq!(observed.sequence.reference_time(), time(0));
    assert!(
        told(&observed.notices, NoticeKind::Missing, "the newest is of 2024-07-01 12:00:00"),
        "{:?}",
        observed.notices
    );
    // Opened anew, the broken file belongs to no known time, and is named.
    let stepped = IngestConfig {
        step_min: Some(5.0),
        ..config(folder.path())
    };
    let again = Archive::open(&stepped).unwrap().observed(time(10), 3).unwrap();
    assert!(told(&again.notices, NoticeKind::Missing, "frame-1.grib2"), "{:?}", again.notices);
    assert!(
        told(&again.notices, NoticeKind::Missing, "2024-07-01 12:05:00"),
        "{:?}",
        again.notices
    );
}

#[test]
fn where_nothing_can_be_read_there_is_an_error_and_never_an_empty_success() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Archive::open(&config(folder.path())), Err(Error::NoFiles { .. })));
    fs::write(folder.path().join("empty.grib2"), []).unwrap();
    let message = Archive::open(&config(folder.path())).unwrap_err().to_string();
    assert!(message.contains("0 bytes of no known format"), "{message}");
    put(&folder, "good.grib2", &rain(0.0), 0);
    let archive = Archive::open(&config(folder.path())).unwrap();
    assert!(matches!(archive.observed(time(-1), 2), Err(Error::NoFrame { .. })));
    fs::write(folder.path().join("good.grib2"), "garbage").unwrap();
    assert!(matches!(archive.observed(time(0), 2), Err(Error::NothingReadable { .. })));
    assert!(archive.frame(time(0)).is_err() && archive.reference_time().is_err());
}

#[test]
fn a_frame_on_another_grid_is_left_out_and_both_grids_are_named() {
    let folder = folder(&[0, 10]);
    let other = LatLon { west: -90.0, ..SMALL };
    fs::write(folder.path().join("other.grib2"), radar(&rain(5.0), time(5), other)).unwrap();
    let archive = Archive::open(&config(folder.path())).unwrap();
    let observed = archive.observed(time(10), 3).unwrap();
    assert!(observed.sequence.frame(1).iter().all(|r| r.is_nan()));
    let notice = observed.notices.iter().find(|n| n.subject.contains("12:05")).unwrap();
    assert!(
        notice.message.contains("(35, -90)") && notice.message.contains("(35, -98)"),
        "{notice}"
    );
    assert!(archive.frame(time(5)).is_err());
}

#[test]
fn nothing_after_the_reference_time_is_read() {
    let folder = folder(&[0, 5, 10, 15, 20]);
    let archive = Archive::open(&config(folder.path())).unwrap();
    let before = archive.observed(time(10), 3).unwrap();
    for k in [3, 4] {
        fs::write(folder.path().join(format!("frame-{k}.grib2")), vec![0xff; 5000]).unwrap();
    }
    let after = archive.observed(time(10), 3).unwrap();
    assert_eq!(before.sequence.rain(), after.sequence.rain());
    assert_eq!((before.notices, before.inputs), (after.notices, after.inputs));
    // Nor where the later files are garbage from the start, if their names tell their time.
    for k in [3, 4] {
        fs::rename(
            folder.path().join(format!("frame-{k}.grib2")),
            folder.path().join(format!("R_20240701-12{}00.grib2", 5 * k)),
        )
        .unwrap();
    }
    let anew = Archive::open(&config(folder.path())).unwrap().observed(time(10), 3).unwrap();
    assert_eq!(anew.sequence.rain(), after.sequence.rain());
    assert!(anew.notices.is_empty(), "{:?}", anew.notices);
}
