//! A newest frame that is late or incomplete, under both policies.

use chrono::TimeDelta;
use nowblend_field::NoticeKind;
use tempfile::TempDir;

use super::{config, folder, put, rain, time, told};
use crate::ingest::{Archive, IngestConfig, Late, wait::tests::open_at};

/// Frames of which the newest has seen a quarter of the cells only.
fn with_an_incomplete_frame() -> TempDir {
    let folder = folder(&[0, 5, 10]);
    let mut cells = rain(15.0);
    cells.iter_mut().skip(12).for_each(|c| *c = -3.0);
    put(&folder, "newest.grib2", &cells, 15);
    folder
}

#[test]
fn going_on_passes_over_an_incomplete_newest_frame_and_says_so() {
    let folder = with_an_incomplete_frame();
    let archive = Archive::open(&config(folder.path())).unwrap();
    let newest = archive.reference_time().unwrap();
    assert_eq!(newest.reference_time, time(10));
    assert!(
        told(&newest.notices, NoticeKind::Missing, "12:15:00 UTC is incomplete: 25.0 %"),
        "{:?}",
        newest.notices
    );
    // A share of one accepts whatever there is.
    let lenient = IngestConfig {
        incomplete_share: 1.0,
        ..config(folder.path())
    };
    assert_eq!(Archive::open(&lenient).unwrap().reference_time().unwrap().reference_time, time(15));
}

#[test]
fn waiting_takes_the_frame_when_it_is_complete_and_goes_on_when_it_never_is() {
    let waiting = |folder: &TempDir| IngestConfig {
        late: Late::WaitMin(2.0),
        ..config(folder.path())
    };
    // Complete 30 s later: after a few looks, the newest frame counts.
    let folder = with_an_incomplete_frame();
    let archive = open_at(&waiting(&folder), time(15), |now| {
        if now >= time(15) + TimeDelta::seconds(30) {
            put(&folder, "newest.grib2", &rain(15.0), 15);
        }
    });
    let newest = archive.unwrap().reference_time().unwrap();
    assert_eq!(newest.reference_time, time(15));
    assert!(
        told(
            &newest.notices,
            NoticeKind::Degraded,
            "waited 30 s for the frame of 2024-07-01 12:15:00"
        ),
        "{:?}",
        newest.notices
    );
    // Never complete: two minutes after its time the older one is taken.
    let folder = with_an_incomplete_frame();
    let archive = open_at(&waiting(&folder), time(15), |_| {});
    let newest = archive.unwrap().reference_time().unwrap();
    assert_eq!(newest.reference_time, time(10));
    assert!(told(&newest.notices, NoticeKind::Degraded, "waited 120 s"), "{:?}", newest.notices);
    // A frame that is due but not there is waited for in the same way.
    let folder = super::folder(&[0, 5, 10]);
    let archive = open_at(&waiting(&folder), time(15), |_| put(&folder, "next.grib2", &rain(15.0), 15));
    assert_eq!(archive.unwrap().reference_time().unwrap().reference_time, time(15));
    // An archive of the past is not waited for: this returns at once.
    let archive = open_at(&waiting(&folder), time(6000), |_| panic!("waited"));
    assert_eq!(archive.unwrap().times().len(), 4);
}
