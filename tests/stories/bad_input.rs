//! A forecaster on duty has what the network sent: files that are late, cut off, doubled, empty or absurd. What can go on goes on and
//! says what it left out; what cannot says why, and leaves nothing behind.

use std::{fs, path::Path};

use ndarray::{Array2, s};
use nowblend_field::{Grid, LeadTime, Seed, storms::Scene};

use crate::support::{Said, files, nowblend, start, write_frame};

/// Quick to forecast: no network, two lead times.
pub const QUICK: &str = "[forecast]\nlead_count = 2\n\n[forecast.forecaster]\nkind = 'blend'\nof = [{ kind = 'extrapolation' }, { kind = 'persistence' }]\n\n\
                     [maps]\nlead_min = [5]\n";

pub fn grid() -> Grid {
    Grid::plane(60, 70, 1000.0)
}

/// Rain of a scene at each of the frames, five minutes apart.
pub fn frames(count: usize) -> Vec<Array2<f32>> {
    let sequence = Scene::random(&grid(), Seed(3)).sequence(start(), LeadTime::from_minutes(5), count);
    (0..count).map(|k| sequence.frame(k).to_owned()).collect()
}

/// A folder with `radar/` of four frames, changed as the story says, and a quick configuration.
pub fn radar(change: impl Fn(usize, &mut Array2<f32>) -> bool) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("run.toml"), QUICK).unwrap();
    let radar = folder.path().join("radar");
    fs::create_dir(&radar).unwrap();
    for (k, mut rain) in frames(4).into_iter().enumerate() {
        if change(k, &mut rain) {
            write_frame(&radar, &grid(), 5 * k as i64, &rain);
        }
    }
    folder
}

fn forecast(folder: &Path) -> Said {
    nowblend(folder, &["forecast", "radar", "--config", "run.toml", "--output", "out"])
}

#[track_caller]
fn whole(folder: &Path) {
    let made = files(&folder.join("out"));
    assert!(made.contains("forecast.nc") && made.contains("report.html"), "{made:?}");
    assert!(made.iter().all(|name| !name.contains(".part")), "{made:?}");
}

#[track_caller]
fn nothing(folder: &Path) {
    assert_eq!(files(&folder.join("out")), std::collections::BTreeSet::new());
}

#[test]
fn a_sound_archive_makes_a_whole_forecast() {
    let folder = radar(|_, _| true);
    let said = forecast(folder.path());
    assert!(said.ok(), "{}", said.err);
    assert_eq!(said.out.lines().count(), 2);
    whole(folder.path());
}

#[test]
fn no_files_is_an_error_that_names_the_pattern() {
    let folder = radar(|_, _| false);
    forecast(folder.path()).refuses(&["radar", "hint:"]);
    let said = nowblend(folder.path(), &["forecast", "nowhere/*.nc", "--output", "out"]);
    said.refuses(&["nowhere/*.nc", "hint:"]);
    nothing(folder.path());
}

#[test]
fn one_frame_is_kept_still_and_said_so() {
    let folder = radar(|k, _| k == 3);
    let said = forecast(folder.path());
    assert!(said.ok() && said.err.contains("one frame shows no motion"), "{}", said.err);
    whole(folder.path());
}

#[test]
fn a_frame_missing_in_the_middle_is_named_and_the_forecast_goes_on() {
    let folder = radar(|k, _| k != 2);
    let said = forecast(folder.path());
    assert!(said.ok() && said.err.contains("12:10"), "{}", said.err);
    whole(folder.path());
}

#[test]
fn a_frame_on_another_grid_is_left_out_and_both_grids_are_named() {
    let folder = radar(|k, _| k != 1);
    let other = Grid::plane(50, 40, 2000.0);
    write_frame(&folder.path().join("radar"), &other, 5, &Array2::from_elem((50, 40), 1.0));
    let said = forecast(folder.path());
    assert!(said.ok(), "{}", said.err);
    assert!(said.err.contains("60 x 70") && said.err.contains("50 x 40"), "{}", said.err);
    whole(folder.path());
}

#[test]
fn damaged_netcdf_files_are_left_out_by_name_and_all_damaged_is_an_error() {
    type Damage = fn(&[u8]) -> Vec<u8>;
    let damages: [Damage; 3] = [
        |_| Vec::new(),
        |bytes| bytes[..bytes.len() / 3].to_vec(),
        |bytes| bytes.iter().map(|b| b.wrapping_add(0x5a)).collect(),
    ];
    for damage in damages {
        let folder = radar(|_, _| true);
        let name = folder.path().join("radar/radar_202007011205.nc");
        fs::write(&name, damage(&fs::read(&name).unwrap())).unwrap();
        let said = forecast(folder.path());
        assert!(said.ok() && said.err.contains("radar_202007011205.nc"), "{}", said.err);
        whole(folder.path());
        for name in files(&folder.path().join("radar")) {
            let path = folder.path().join("radar").join(name);
            fs::write(&path, damage(&fs::read(&path).unwrap())).unwrap();
        }
        fs::remove_dir_all(folder.path().join("out")).unwrap();
        forecast(folder.path()).refuses(&["radar_2020070112"]);
        nothing(folder.path());
    }
}

#[test]
fn damaged_grib2_files_are_left_out_by_name_and_all_damaged_is_an_error() {
    let folder = radar(|_, _| false);
    let radar = folder.path().join("radar");
    let config = nowblend::demo::SceneConfig {
        past_frames: 4,
        future_frames: 0,
        ..nowblend::demo::SceneConfig::new(Seed(1))
    };
    let scene = nowblend::demo::write_scene(&folder.path().join("scene"), &config).unwrap();
    fs::remove_dir(&radar).unwrap();
    fs::rename(&scene.past, &radar).unwrap();
    let names: Vec<String> = files(&radar).into_iter().collect();
    type Damage = fn(&[u8]) -> Vec<u8>;
    let damages: [Damage; 4] = [
        |_| Vec::new(),
        |bytes| bytes[..bytes.len() - 100].to_vec(),
        |bytes| [&bytes[..30], &[0xff; 8], &bytes[38..]].concat(),
        |bytes| [b"GRIX", &bytes[4..]].concat(),
    ];
    let sound: Vec<Vec<u8>> = names.iter().map(|n| fs::read(radar.join(n)).unwrap()).collect();
    for damage in damages {
        fs::write(radar.join(&names[1]), damage(&sound[1])).unwrap();
        let said = forecast(folder.path());
        assert!(said.ok() && said.err.contains(&names[1]), "{}", said.err);
        whole(folder.path());
        for (name, bytes) in names.iter().zip(&sound) {
            fs::write(radar.join(name), damage(bytes)).unwrap();
        }
        fs::remove_dir_all(folder.path().join("out")).unwrap();
        forecast(folder.path()).refuses(&["SIMULATED_PrecipRate"]);
        nothing(folder.path());
        for (name, bytes) in names.iter().zip(&sound) {
            fs::write(radar.join(name), bytes).unwrap();
        }
    }
}

#[test]
fn a_dry_radar_forecasts_dry_weather() {
    let folder = radar(|_, rain| {
        rain.fill(0.0);
        true
    });
    let said = forecast(folder.path());
    assert!(
        said.ok() && said.out.lines().all(|l| l.contains("\"max_mm_h\":0.0")),
        "{}{}",
        said.out,
        said.err
    );
    whole(folder.path());
}

#[test]
fn a_radar_that_saw_nothing_is_said_to_have_seen_nothing() {
    let folder = radar(|_, rain| {
        rain.fill(f32::NAN);
        true
    });
    let said = forecast(folder.path());
    assert!(said.err.contains("missing") || said.err.contains("no observation"), "{}", said.err);
    if said.ok() {
        assert!(said.out.lines().all(|l| l.contains("\"known_share\":0.0")), "{}", said.out);
        whole(folder.path());
    } else {
        assert_ne!(said.code, Some(101));
        nothing(folder.path());
    }
}

#[test]
fn cells_without_a_number_are_not_observed_and_absurd_ones_are_counted() {
    let folder = radar(|_, rain| {
        rain.slice_mut(s![..20, ..]).fill(f32::NAN);
        rain[[40, 40]] = 1e9;
        rain[[41, 40]] = 640.0;
        true
    });
    let said = forecast(folder.path());
    assert!(said.ok(), "{}", said.err);
    assert!(said.err.contains("limited"), "{}", said.err);
    let wettest = said
        .out
        .lines()
        .filter_map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap()["max_mm_h"].as_f64())
        .fold(0.0, f64::max);
    assert!(wettest <= 200.0, "{wettest} mm/h");
    whole(folder.path());
}

#[test]
fn a_truth_on_another_grid_is_refused_before_the_forecast_is_made() {
    let folder = radar(|_, _| true);
    let truth = folder.path().join("truth");
    fs::create_dir(&truth).unwrap();
    write_frame(&truth, &Grid::plane(50, 40, 2000.0), 20, &Array2::from_elem((50, 40), 1.0));
    let said = nowblend(
        folder.path(),
        &["forecast", "radar", "--config", "run.toml", "--output", "out", "--truth", "truth"],
    );
    said.refuses(&["50 x 40", "60 x 70"]);
    nothing(folder.path());
}

#[test]
fn a_reason_is_said_once() {
    let folder = radar(|_, _| true);
    let said = nowblend(folder.path(), &["forecast", "radar", "--config", "nowhere.toml"]);
    said.refuses(&["nowhere.toml"]);
    assert_eq!(said.err.matches("No such file").count(), 1, "{}", said.err);
}

#[test]
fn an_unknown_key_is_refused_before_anything_is_read() {
    let folder = radar(|_, _| true);
    fs::write(folder.path().join("run.toml"), "[forecast]\nlead_cuont = 2\n").unwrap();
    forecast(folder.path()).refuses(&["lead_cuont", "run.toml", "line 2"]);
    nothing(folder.path());
}

#[test]
fn keys_out_of_bounds_are_refused_with_their_bounds() {
    for (text, parts) in [
        ("[forecast]\nlead_count = 0\n", ["lead_count", "1 to 1000"]),
        (
            "[motion]\nkind = 'lucas_kanade'\nwindow = 4294967295\n",
            ["motion.window", "2 to 500"],
        ),
        ("[ingest]\nblock = 0\n", ["block", "at least 1"]),
        ("[ingest.crop]\nrows = [10, 5]\ncolumns = [0, 5]\n", ["crop", "10"]),
    ] {
        let folder = radar(|_, _| true);
        fs::write(folder.path().join("run.toml"), text).unwrap();
        forecast(folder.path()).refuses(&parts);
        nothing(folder.path());
    }
}

#[test]
fn an_output_that_cannot_be_written_is_found_before_the_forecast_is_made() {
    let folder = radar(|_, _| true);
    fs::write(folder.path().join("out"), "a file where a folder should be").unwrap();
    let said = forecast(folder.path());
    said.refuses(&["out"]);
    assert_eq!(said.out, "");
    assert_eq!(
        fs::read_to_string(folder.path().join("out")).unwrap(),
        "a file where a folder should be"
    );
}
