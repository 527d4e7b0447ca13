use chrono::{TimeZone, Utc};
use ndarray::{Array2, array};
use netcdf_reader::NcFile;
use nowblend_field::{Axis, Grid, LeadTime, Notice, NoticeKind, Projection, Seed};

use super::*;

fn header(grid: Grid, products: Vec<Product>) -> Header {
    Header {
        title: "Rain nowcast, test".to_owned(),
        institution: "none".to_owned(),
        grid,
        reference_time: Utc.with_ymd_and_hms(2019, 6, 10, 23, 50, 0).unwrap(),
        lead_times: LeadTime::every(LeadTime::from_minutes(5), 3),
        products,
        members: 2,
        thresholds_mm_h: vec![0.5, 2.0],
        thresholds_mm: vec![5.0],
        lon_lat: true,
        provenance: Provenance {
            config_toml: "[forecast]\nleads = 3\n".to_owned(),
            seed: Seed(u64::MAX),
            version: "0.1.0".to_owned(),
            commit: None,
            inputs: vec![Input {
                name: "a.grib2".to_owned(),
                bytes: 7,
                sha256: "00".repeat(32),
            }],
            references: vec!["First, 2019".to_owned(), "Second, 2020".to_owned()],
            notices: Vec::new(),
        },
    }
}

/// Ten shapes per metre of map: any rain with missing cells and zeros will do.
fn rain(ny: usize, nx: usize, shift: f32) -> Array2<f32> {
    Array2::from_shape_fn((ny, nx), |(y, x)| match (y * nx + x) % 7 {
        0 => f32::NAN,
        1..=3 => 0.0,
        k => shift + k as f32 * 1.234_567 + y as f32,
    })
}

fn same(a: &Array2<f32>, b: &Array2<f32>) -> bool {
    a.dim() == b.dim() && a.iter().zip(b).all(|(a, b)| a == b || (a.is_nan() && b.is_nan()))
}

const FIVE: LeadTime = LeadTime::from_minutes(5);

#[test]
fn what_was_stored_is_read_back_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("forecast.nc");
    // 300 x 530 cells: 2 x 3 tiles, none of them full in both directions at the edges.
    let grid = Grid::plane(300, 530, 1000.0);
    let products = vec![
        Product::rainfall_rate(),
        Product::rainfall_rate_of("persistence"),
        Product::probability(),
    ];
    let mut writer = Writer::create(&path, header(grid.clone(), products)).unwrap();
    let fields: Vec<_> = (0..3).map(|k| rain(300, 530, k as f32)).collect();
    for (lead, field) in LeadTime::every(FIVE, 3).into_iter().zip(&fields) {
        writer.push(lead, "rainfall_rate", 0, field.view()).unwrap();
    }
    writer
        .push(
            FIVE,
            "probability_of_rainfall_rate_above_threshold",
            1,
            fields[0].mapv(|r| (r / 400.0).min(1.0)).view(),
        )
        .unwrap();
    let notice = Notice::new(NoticeKind::Missing, "radar", "frame 23:45 is \"not\" there");
    writer.set_notices(vec![notice.clone()]);
    writer.set_findings(r#"[{"check":"finite"}]"#.repeat(5000));
    assert!(!path.exists());
    writer.finish().unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    let stored = read(&path).unwrap();
    assert!(stored.grid().agrees(&grid));
    assert_eq!(stored.lead_times(), LeadTime::every(FIVE, 3));
    assert_eq!(stored.valid_times()[1].to_rfc3339(), "2019-06-11T00:00:00+00:00");
    assert_eq!(stored.products().len(), 3);
    for (lead, field) in LeadTime::every(FIVE, 3).into_iter().zip(&fields) {
        assert!(same(&stored.field("rainfall_rate", 0, lead).unwrap(), field), "{lead}");
    }
    // Never stored: missing. Packed: within half a step.
    assert!(
        stored
            .field("rainfall_rate_persistence", 0, FIVE)
            .unwrap()
            .iter()
            .all(|r| r.is_nan())
    );
    let probability = stored.field("probability_of_rainfall_rate_above_threshold", 1, FIVE).unwrap();
    for (p, r) in probability.iter().zip(&fields[0]) {
        assert!((p.is_nan() && r.is_nan()) || (p - (r / 400.0).min(1.0)).abs() < 5.1e-5, "{p} {r}");
    }
    assert_eq!(stored.notices(), [notice]);
    assert_eq!(stored.findings().unwrap().len(), 20 * 5000);
    let provenance = stored.provenance().unwrap();
    assert_eq!((provenance.seed, provenance.commit.clone()), (Seed(u64::MAX), None));
    assert_eq!(provenance.references.len(), 2);
    assert_eq!(provenance.inputs[0].name, "a.grib2");
}

#[test]
fn other_readers_find_the_names_that_cf_asks_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("forecast.nc");
    let axis = |first, count| Axis {
        first,
        spacing: 0.01,
        count,
    };
    let grid = Grid::new(axis(40.0, 4), axis(-100.0, 5), Projection::lon_lat()).unwrap();
    let mut writer = Writer::create(&path, header(grid, vec![Product::rainfall_rate()])).unwrap();
    writer.push(FIVE, "rainfall_rate", 0, rain(4, 5, 0.0).view()).unwrap();
    writer.finish().unwrap();

    let file = NcFile::open(&path).unwrap();
    let text = |variable: &str, name: &str| {
        let variable = file.variable(variable).unwrap();
        variable
            .attributes()
            .iter()
            .find(|a| a.name == name)
            .and_then(|a| a.value.as_string())
    };
    assert_eq!(text("time", "units").unwrap(), "seconds since 1970-01-01 00:00:00");
    assert_eq!(text("x", "standard_name").unwrap(), "longitude");
    assert_eq!(text("y", "units").unwrap(), "degrees_north");
    assert_eq!(text("rainfall_rate", "units").unwrap(), "mm h-1");
    assert_eq!(text("rainfall_rate", "grid_mapping").unwrap(), "crs");
    assert!(text("crs", "crs_wkt").unwrap().contains("WGS"));
    assert!(file.variable("lon").is_err());
    let dimensions: Vec<_> = file
        .variable("rainfall_rate")
        .unwrap()
        .dimensions()
        .iter()
        .map(|d| d.name.clone())
        .collect();
    assert_eq!(dimensions, ["time", "y", "x"]);
    // 2019-06-10 23:55 UTC is 1560210900 s after the epoch.
    assert_eq!(file.read_variable::<i64>("time").unwrap()[[0]], 1_560_210_900);
    assert_eq!(
        file.read_variable::<f32>("rainfall_rate").unwrap().as_slice().unwrap()[4],
        4.0 * 1.234_567
    );
}

#[test]
fn equal_forecasts_are_equal_files_whatever_the_order_of_their_products() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, order: [usize; 2], nan: f32| {
        let path = folder.path().join(name);
        let products = vec![Product::rainfall_rate(), Product::rainfall_rate_of("persistence")];
        let mut writer = Writer::create(&path, header(Grid::plane(4, 5, 1000.0), products)).unwrap();
        let names = ["rainfall_rate", "rainfall_rate_persistence"];
        for k in order {
            let field = rain(4, 5, k as f32).mapv(|r| if r.is_nan() { nan } else { r });
            writer.push(FIVE, names[k], 0, field.view()).unwrap();
        }
        writer.finish().unwrap();
        let stored = read(&path).unwrap();
        names.map(|n| stored.field(n, 0, FIVE).unwrap().mapv(f32::to_bits))
    };
    assert_eq!(write("a.nc", [0, 1], f32::NAN), write("b.nc", [1, 0], -f32::NAN));
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("forecast.nc");
    let grid = Grid::plane(2, 3, 1000.0);
    let create = |path: &std::path::Path, products| Writer::create(path, header(grid.clone(), products));
    let mut writer = create(&path, vec![Product::rainfall_rate()]).unwrap();
    let field = array![[0.0_f32, 1.0, 2.0], [3.0, 4.0, 5.0]];
    assert!(matches!(
        writer.push(FIVE, "snow", 0, field.view()),
        Err(Error::UnknownProduct { .. })
    ));
    let late = LeadTime::from_minutes(60);
    assert!(matches!(
        writer.push(late, "rainfall_rate", 0, field.view()),
        Err(Error::UnknownLeadTime { .. })
    ));
    assert!(matches!(writer.push(FIVE, "rainfall_rate", 0, field.t()), Err(Error::Shape { .. })));
    writer.push(FIVE, "rainfall_rate", 0, field.view()).unwrap();
    assert!(matches!(
        writer.push(FIVE, "rainfall_rate", 0, field.view()),
        Err(Error::WrittenTwice { .. })
    ));
    drop(writer);
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "a dropped writer leaves nothing"
    );
    let twice = vec![Product::rainfall_rate(), Product::rainfall_rate()];
    assert!(matches!(create(&path, twice), Err(Error::DuplicateProduct { .. })));
    let nowhere = folder.path().join("nowhere/forecast.nc");
    let message = create(&nowhere, vec![Product::rainfall_rate()]).unwrap_err().to_string();
    assert!(message.contains("nowhere/forecast.nc"), "{message}");
}

#[test]
fn damaged_and_foreign_files_are_refused_with_their_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("forecast.nc");
    let mut writer = Writer::create(&path, header(Grid::plane(40, 50, 1000.0), vec![Product::rainfall_rate()])).unwrap();
    writer.push(FIVE, "rainfall_rate", 0, rain(40, 50, 0.0).view()).unwrap();
    writer.finish().unwrap();
    let whole = std::fs::read(&path).unwrap();
    let other = folder.path().join("damaged.nc");
    for length in [0, 7, 100, 3000, whole.len() / 2, whole.len() - 100] {
        std::fs::write(&other, &whole[..length]).unwrap();
        let result = read(&other).and_then(|f| f.field("rainfall_rate", 0, FIVE));
        let message = result.expect_err("a part of a file must not read as a forecast").to_string();
        assert!(message.contains("damaged.nc"), "{message}");
    }
    assert!(
        read(&folder.path().join("nowhere.nc"))
            .unwrap_err()
            .to_string()
            .contains("nowhere.nc")
    );
}
