//! A modeller wants to see what the core is worth before trusting its rain: known flows, a start in balance, invented weather, and the air around the globe
//! against what came.

use chrono::TimeDelta;
use nowblend::{
    global::{ScoreRequest, score},
    ingest::{grib2, netcdf, regrid},
};
use nowblend_field::{Analysis, Forecaster, LeadTime, Seed, Sequence};
use nowblend_physics::{ShallowWater, ShallowWaterConfig, ShallowWaterGlobe};

use crate::support::{data, files, nowblend};

#[test]
fn a_known_flow_is_run_and_drawn_and_an_unknown_one_is_refused_with_all_names() {
    let folder = tempfile::tempdir().unwrap();
    let cases = nowblend(folder.path(), &["physics", "cases"]);
    assert!(
        cases.ok() && cases.out.contains("williamson_5: ") && cases.out.contains("doi:"),
        "{}",
        cases.out
    );
    let run = nowblend(
        folder.path(),
        &["physics", "run", "geostrophic_adjustment", "--hours", "1", "-o", "adjustment"],
    );
    assert!(run.ok(), "{}", run.err);
    let lines: Vec<serde_json::Value> = run.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 25);
    let drift = lines[24]["relative_change_of_mass"].as_f64().unwrap();
    assert!(drift.abs() < 1e-12, "{drift:e}");
    let left = files(&folder.path().join("adjustment"));
    for name in ["height.png", "invariants.csv", "invariants.svg"] {
        assert!(left.contains(name), "{name} is not among {left:?}");
    }
    nowblend(folder.path(), &["physics", "run", "a_storm"]).refuses(&["a_storm", "dam_break"]);
    nowblend(folder.path(), &["physics", "run", "dam_break", "--hours=-1"]).refuses(&["--hours", "more than 0"]);
}

#[test]
fn invented_weather_is_an_event_that_the_program_reads_and_the_same_for_the_same_seed() {
    let folder = tempfile::tempdir().unwrap();
    let invent = |name: &str, seed: &str| {
        let told = nowblend(
            folder.path(),
            &[
                "physics",
                "nature",
                "-o",
                name,
                "--cells",
                "48",
                "--before-h",
                "0.5",
                "--hours",
                "0.5",
                "--every-min",
                "10",
                "--seed",
                seed,
            ],
        );
        assert!(told.ok(), "{}", told.err);
        netcdf::read(&folder.path().join(name)).unwrap().0
    };
    let (one, again, other) = (invent("one.nc", "1"), invent("again.nc", "1"), invent("other.nc", "2"));
    assert_eq!(one.rain().dim(), (4, 48, 48));
    assert_eq!(one.rain(), again.rain());
    assert_ne!(one.rain(), other.rain());
    assert!(one.last().iter().any(|r| *r >= 1.0) && one.last().iter().all(|r| (0.0..300.0).contains(r)));
    nowblend(folder.path(), &["physics", "nature", "--cells", "3"]).refuses(&["cells", "32 to 4096"]);
    assert!(!folder.path().join("nature.nc").exists());
}

/// The radar's frames of an event as if they had been seen when a model's analysis holds.
fn at_the_time_of(radar: &Sequence, state: &nowblend_field::State) -> Sequence {
    let late = state.valid_time - radar.reference_time();
    let times = radar.times().iter().map(|t| *t + TimeDelta::seconds(late.num_seconds())).collect();
    Sequence::new(radar.grid().clone(), times, radar.rain().to_owned()).unwrap()
}

#[test]
fn the_core_starts_from_a_models_analysis_without_a_burst_of_waves() {
    let Some(data) = data("the_core_starts_from_a_models_analysis_without_a_burst_of_waves") else {
        return;
    };
    let radar = netcdf::read(&data.join("radar/train/mch_20160711.nc")).unwrap().0.newest(4);
    for file in ["gfs_global_2p5deg_2011011012_f120.grib2", "ifs_global_10deg_20240603_06.grib2"] {
        let read = grib2::states(&data.join("nwp").join(file), 700.0).unwrap();
        let states: Vec<_> = read.states.iter().map(|s| regrid(s, radar.grid()).unwrap()).collect();
        let observed = at_the_time_of(&radar, &states[0]);
        let analysis = Analysis::new(observed).with_states(states);
        let config = ShallowWaterConfig {
            digital_filter_min: 60.0,
            update_min: 15.0,
            ..ShallowWaterConfig::default()
        };
        let core = ShallowWater::new(config).unwrap();
        let settled = core.settled(&analysis).unwrap().unwrap();
        println!("{file}: surface tendency in m/s: {settled:?}");
        assert!(
            settled.balanced < 0.05 * settled.given && settled.filtered < 0.05 * settled.given,
            "{file}: {settled:?}"
        );
        let forecast = core.forecast(&analysis, &[LeadTime::from_minutes(60)], Seed(1), 500).unwrap();
        let rain = forecast.slices[0].first_member().unwrap();
        assert!(rain.iter().all(|r| r.is_nan() || (0.0..300.0).contains(r)));
        assert!(rain.iter().any(|r| *r > 1.0));
    }
}

#[test]
fn around_the_globe_the_core_beats_persistence_where_one_layer_can() {
    let Some(data) = data("around_the_globe_the_core_beats_persistence_where_one_layer_can") else {
        return;
    };
    let source = |name: &str| data.join("nwp").join(name).to_string_lossy().into_owned();
    let request = |name: &str, longest_h: u32| ScoreRequest {
        source: source(name),
        climatology: None,
        longest_h,
        core: ShallowWaterGlobe::default(),
    };
    // Without wind, from heights alone, and against the mean January.
    let era5 = score(&ScoreRequest {
        climatology: Some(source("eraint_uvz_monthly.nc")),
        ..request("era5_ens_global_3deg_20170101.grib2", 36)
    })
    .unwrap();
    assert!(era5.notices.iter().any(|n| n.message.contains("geostrophic")), "{:?}", era5.notices);
    assert_eq!(era5.scores.len(), 9);
    for s in &era5.scores {
        assert!(s.core_m < 0.8 * s.persistence_m && s.core_m < s.climatology_m.unwrap(), "{s:?}");
        assert_eq!(s.starts, ((48.0 - s.lead_h) / 12.0) as usize);
    }
    // With wind; height needs half a day to become better than persistence.
    let ifs = score(&request("ifs_global_10deg_20240603_06.grib2", 24)).unwrap();
    assert_eq!(ifs.scores.len(), 12);
    for s in ifs.scores.iter().filter(|s| s.region == "globe") {
        assert!(s.core_wind_m_s.unwrap() < 0.85 * s.persistence_wind_m_s.unwrap(), "{s:?}");
        assert!(
            s.core_m < 1.1 * s.persistence_m && (s.lead_h < 18.0 || s.core_m < 0.9 * s.persistence_m),
            "{s:?}"
        );
    }
    let alone = score(&request("gfs_global_2p5deg_2011011012_f120.grib2", 24))
        .unwrap_err()
        .to_string();
    assert!(alone.contains("two or more"), "{alone}");
}
