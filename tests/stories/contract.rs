//! What every forecaster keeps, whoever it is: a new one is added to the list below.

use chrono::{TimeZone, Utc};
use ndarray::{Array3, s};
use nowblend::forecast::ForecasterConfig;
use nowblend_field::{Analysis, Forecast, Forecaster, Grid, LeadTime, Seed, Sequence, storms::Scene};

const BUDGET_MB: u64 = 500;

/// Everything that forecasts rain.
fn forecasters() -> Vec<Box<dyn Forecaster>> {
    let kinds = [
        "kind = 'persistence'",
        "kind = 'extrapolation'",
        "kind = 'sprog'",
        "kind = 'anvil'",
        "kind = 'steps'\nmembers = 3\nnoise_window_km = 0",
        "kind = 'steps'\nmembers = 5\nmembers_kept = 0\nquantiles = [0.5]",
        "kind = 'steps'\nmembers = 5\nmembers_kept = 2\nnoise_window_km = 32.0",
        "kind = 'lagrangian_probability'",
        "kind = 'shallow_water'",
        "kind = 'nowcast_net'",
        "kind = 'nowcast_net'\nrain = 'median'",
        "kind = 'evolution_net'",
        "kind = 'blend'\nof = [{ kind = 'persistence' }, { kind = 'extrapolation' }]",
        "kind = 'blend'\nof = [{ kind = 'blend', name = 'inner', of = [{ kind = 'persistence' }] }, { kind = 'extrapolation' }, { kind = 'nowcast_net' }]",
    ];
    kinds
        .iter()
        .map(|kind| toml::from_str::<ForecasterConfig>(kind).unwrap().build().unwrap())
        .collect()
}

fn moving() -> Sequence {
    let grid = Grid::plane(90, 110, 1000.0);
    Scene::random(&grid, Seed(3)).sequence(Utc.with_ymd_and_hms(2020, 7, 1, 12, 0, 0).unwrap(), LeadTime::from_minutes(5), 4)
}

fn changed(change: impl Fn(&mut Array3<f32>)) -> Sequence {
    let scene = moving();
    let mut rain = scene.rain().to_owned();
    change(&mut rain);
    Sequence::new(scene.grid().clone(), scene.times().to_vec(), rain).unwrap()
}

/// What a radar hands over on good days and bad ones.
fn scenes() -> Vec<(&'static str, Sequence)> {
    vec![
        ("moving storms", moving()),
        ("one frame", moving().newest(1)),
        ("two frames", moving().newest(2)),
        ("all dry", changed(|r| r.fill(0.0))),
        ("all missing", changed(|r| r.fill(f32::NAN))),
        ("newest frame missing", changed(|r| r.slice_mut(s![3, .., ..]).fill(f32::NAN))),
        (
            "a frame missing in the middle",
            changed(|r| r.slice_mut(s![2, .., ..]).fill(f32::NAN)),
        ),
        ("half the radar missing", changed(|r| r.slice_mut(s![.., .., ..55]).fill(f32::NAN))),
        (
            "one wet cell",
            changed(|r| {
                r.fill(0.0);
                r.slice_mut(s![.., 45, 55]).fill(12.0);
            }),
        ),
        ("the same rain everywhere", changed(|r| r.fill(3.0))),
    ]
}

fn lead_times() -> Vec<LeadTime> {
    // Between frames, unevenly, and beyond an hour.
    [3, 5, 12, 30, 75].map(LeadTime::from_minutes).to_vec()
}

fn make(forecaster: &dyn Forecaster, observed: &Sequence) -> Forecast {
    let analysis = Analysis::new(observed.clone());
    forecaster.forecast(&analysis, &lead_times(), Seed(1), BUDGET_MB).unwrap()
}

#[test]
fn every_forecaster_answers_every_lead_time_of_every_scene_with_possible_rain() {
    for forecaster in forecasters() {
        for (name, observed) in scenes() {
            let forecast = make(forecaster.as_ref(), &observed);
            let who = format!("{} on {name}", forecaster.name());
            let answered: Vec<LeadTime> = forecast.slices.iter().map(|s| s.lead_time).collect();
            assert_eq!(answered, lead_times(), "{who}");
            for slice in &forecast.slices {
                let rain = slice.rain.as_ref().unwrap_or_else(|| panic!("{who} gives no rain"));
                assert_eq!(rain.shape()[1..], [90, 110], "{who}");
                assert!(rain.iter().all(|r| r.is_nan() || (*r >= 0.0 && r.is_finite())), "{who}");
                if let Some(exceedance) = &slice.exceedance {
                    assert!(
                        exceedance.probability.iter().all(|p| p.is_nan() || (0.0..=1.0).contains(p)),
                        "{who}"
                    );
                    for cell in exceedance.probability.lanes(ndarray::Axis(0)) {
                        assert!(
                            cell.windows(2).into_iter().all(|w| w[0].is_nan() || w[1] <= w[0] + 1e-5),
                            "{who}: {cell}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_dry_radar_gives_a_dry_forecast() {
    let (_, dry) = scenes().swap_remove(3);
    for forecaster in forecasters() {
        for slice in make(forecaster.as_ref(), &dry).slices {
            let wettest = slice.rain.unwrap().iter().copied().fold(0.0, f32::max);
            assert!(wettest < 0.1, "{} rains {wettest} mm/h out of nothing", forecaster.name());
        }
    }
}

#[test]
fn where_the_radar_saw_nothing_at_all_no_forecaster_pretends_to() {
    let (_, missing) = scenes().swap_remove(4);
    for forecaster in forecasters() {
        let forecast = make(forecaster.as_ref(), &missing);
        let known = forecast
            .slices
            .iter()
            .flat_map(|s| s.rain.as_ref().unwrap())
            .filter(|r| !r.is_nan())
            .count();
        assert_eq!(known, 0, "{}", forecaster.name());
        assert!(!forecast.notices.is_empty(), "{} says nothing about it", forecaster.name());
    }
}

#[test]
fn the_same_seed_gives_the_same_forecast_with_one_thread_and_two() {
    let observed = moving();
    for forecaster in forecasters() {
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| make(forecaster.as_ref(), &observed))
        };
        for (one, two) in with(1).slices.iter().zip(&with(2).slices) {
            let bits = |slice: &nowblend_field::Slice| slice.rain.as_ref().unwrap().iter().map(|r| r.to_bits()).collect::<Vec<_>>();
            assert!(bits(one) == bits(two), "{} at {}", forecaster.name(), one.lead_time);
        }
    }
}

#[test]
fn storms_are_found_nearer_by_those_that_move_them() {
    let scene = Scene::random(&Grid::plane(90, 110, 1000.0), Seed(3));
    let start = Utc.with_ymd_and_hms(2020, 7, 1, 12, 0, 0).unwrap();
    let all = scene.sequence(start, LeadTime::from_minutes(5), 8);
    let known = all.until(all.times()[3]).unwrap();
    let truth = all.frame(7);
    let error = |kind: &str| {
        let forecaster = toml::from_str::<ForecasterConfig>(kind).unwrap().build().unwrap();
        let forecast = forecaster
            .forecast(&Analysis::new(known.clone()), &[LeadTime::from_minutes(20)], Seed(1), BUDGET_MB)
            .unwrap();
        let rain = forecast.slices[0].first_member().unwrap().to_owned();
        let inside = s![25..65, 25..85];
        ndarray::Zip::from(rain.slice(inside))
            .and(truth.slice(inside))
            .fold(0.0, |sum, f, o| sum + f64::from((if f.is_nan() { 0.0 } else { *f } - o).abs()))
    };
    let persistence = error("kind = 'persistence'");
    for kind in ["kind = 'extrapolation'", "kind = 'shallow_water'"] {
        assert!(error(kind) < 0.7 * persistence, "{kind}: {} against {persistence}", error(kind));
    }
}
