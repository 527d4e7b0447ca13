//! Real files, where they are there.

use chrono::{TimeZone, Utc};

use super::data;
use crate::ingest::{Archive, Crop, IngestConfig};

#[test]
fn a_radar_composite_is_read_north_up_with_no_coverage_apart_from_dry() {
    let Some(data) = data("a_radar_composite_is_read_north_up_with_no_coverage_apart_from_dry") else {
        return;
    };
    let config = IngestConfig {
        source: data.join("radar/test/mrms_20190610").to_string_lossy().into_owned(),
        crop: Some(Crop {
            rows: [1790, 2813],
            columns: [4264, 5287],
        }),
        ..IngestConfig::default()
    };
    let archive = Archive::open(&config).unwrap();
    assert_eq!(archive.times().len(), 36);
    assert_eq!(archive.step().unwrap().minutes(), 2.0);
    assert_eq!(archive.grid().shape(), (1024, 1024));
    let newest = archive.reference_time().unwrap();
    assert_eq!(newest.reference_time, Utc.with_ymd_and_hms(2019, 6, 10, 1, 10, 0).unwrap());
    let observed = archive.observed(Utc.with_ymd_and_hms(2019, 6, 10, 0, 30, 0).unwrap(), 4).unwrap();
    assert_eq!(observed.sequence.frames(), 4);
    assert_eq!(observed.inputs.len(), 4);
    assert!(observed.inputs.iter().all(|i| i.sha256.len() == 64));
    let rain = observed.sequence.last();
    let seen = rain.iter().filter(|r| !r.is_nan()).count();
    assert!(seen > 1024 * 1024 / 2, "{seen}");
    println!(
        "{:?} {seen} {:?}",
        observed.notices,
        rain.iter().copied().filter(|r| !r.is_nan()).fold(0.0, f32::max)
    );
}
