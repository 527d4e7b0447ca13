//! A forecaster on duty looks at an hour of S-PROG, ANVIL and STEPS: is the rain still there, as rough as it was, and how sure is it?

use chrono::{TimeZone, Utc};
use ndarray::{Array2, ArrayView2, Axis, s};
use nowblend::nowcast::{Anvil, AnvilConfig, LagrangianProbability, LagrangianProbabilityConfig, Sprog, SprogConfig, Steps, StepsConfig};
use nowblend_field::{
    Analysis, Forecast, Forecaster, Grid, LeadTime, Seed, Sequence, Slice,
    storms::{Scene, Storm},
};

/// Storms in the middle of the map that move together and keep their rain.
fn steady(cells: usize) -> Sequence {
    let grid = Grid::plane(cells, cells, 1000.0);
    let middle = 1000.0 * 0.3 * cells as f64..1000.0 * 0.7 * cells as f64;
    let storms: Vec<Storm> = Scene::random(&grid, Seed(11))
        .storms()
        .iter()
        .filter(|storm| middle.contains(&storm.y_m) && middle.contains(&storm.x_m))
        .map(|storm| Storm {
            u: 6.0,
            v: -4.0,
            growth: 0.0,
            turning: 0.0,
            ..*storm
        })
        .collect();
    assert!(storms.len() >= 3, "the scene has {} storms", storms.len());
    let start = Utc.with_ymd_and_hms(2020, 7, 1, 12, 0, 0).unwrap();
    Scene::new(grid, storms).sequence(start, LeadTime::from_minutes(5), 4)
}

/// The same with every cell of every frame from 0.3 to 1.7 times as wet, by no rule that a forecast could know.
fn speckled(observed: &Sequence) -> Sequence {
    let mut rain = observed.rain().to_owned();
    for ((t, y, x), r) in rain.indexed_iter_mut() {
        let k = (t * 104_729 + y * 7919 + x * 1_299_709) % 1009;
        *r *= 0.3 + 1.4 * k as f32 / 1009.0;
    }
    Sequence::new(observed.grid().clone(), observed.times().to_vec(), rain).unwrap()
}

fn forecast(forecaster: &dyn Forecaster, observed: &Sequence, minutes: &[u32], seed: u64) -> Forecast {
    let analysis = Analysis::new(observed.clone());
    let leads: Vec<LeadTime> = minutes.iter().map(|m| LeadTime::from_minutes(*m)).collect();
    forecaster.forecast(&analysis, &leads, Seed(seed), 4000).unwrap()
}

fn steps(config: StepsConfig) -> Steps {
    Steps::new(&config).unwrap()
}

fn area(rain: ArrayView2<'_, f32>, threshold: f32) -> f64 {
    rain.iter().filter(|r| **r >= threshold).count() as f64
}

#[test]
fn no_painted_rain_gets_lost_in_an_hour() {
    let observed = steady(320);
    let start = area(observed.last(), 0.5);
    let anvil = Anvil::new(AnvilConfig::default()).unwrap();
    let ensemble = steps(StepsConfig {
        members: 4,
        ..StepsConfig::default()
    });
    for forecaster in [&anvil as &dyn Forecaster, &ensemble] {
        let made = forecast(forecaster, &observed, &[60], 3);
        for member in made.slices[0].rain.as_ref().unwrap().outer_iter() {
            let left = area(member, 0.5) / start;
            assert!((0.85..1.15).contains(&left), "{} keeps {left} of its area", forecaster.name());
        }
    }
}

#[test]
fn members_differ_more_and_more_and_s_prog_fades_into_what_they_share() {
    let observed = speckled(&steady(256));
    let ensemble = steps(StepsConfig {
        members: 6,
        ..StepsConfig::default()
    });
    let made = forecast(&ensemble, &observed, &[5, 30, 60], 3);
    let spread = |slice: &Slice| {
        let deviations = slice.rain.as_ref().unwrap().std_axis(Axis(0), 1.0);
        deviations.iter().filter(|d| !d.is_nan()).sum::<f32>()
    };
    let spreads: Vec<f32> = made.slices.iter().map(spread).collect();
    assert!(spreads[0] < spreads[1] && spreads[1] < spreads[2], "{spreads:?}");

    // One value to its neighbour: what fades is smoother than what chance has filled.
    let roughness = |rain: ArrayView2<'_, f32>| {
        // NaN becomes 0.05, too.
        let rain = rain.mapv(|r| r.max(0.05).ln());
        (&rain.slice(s![.., 1..]) - &rain.slice(s![.., ..-1]))
            .mapv(f32::abs)
            .mean()
            .unwrap()
    };
    let sprog = forecast(&Sprog::new(SprogConfig::default()).unwrap(), &observed, &[60], 0);
    let member = made.slices[2].rain.as_ref().unwrap().index_axis(Axis(0), 0).to_owned();
    let faded = sprog.slices[0].first_member().unwrap().to_owned();
    assert!(roughness(faded.view()) < 0.9 * roughness(member.view()));
    // Both keep the distribution: the wettest cells are as wet as they were, but for what moving them smooths.
    let wettest = |rain: ArrayView2<'_, f32>| rain.iter().copied().fold(0.0, f32::max);
    for rain in [faded, member] {
        let kept = wettest(rain.view()) / wettest(observed.last());
        assert!((0.6..=1.0).contains(&kept), "{kept}");
    }
}

#[test]
fn statistics_are_those_of_all_members_however_many_are_handed_on() {
    let observed = steady(160);
    let with = |members_kept, quantiles: Vec<f64>| {
        let config = StepsConfig {
            members: 7,
            members_kept,
            thresholds_mm_h: vec![0.5, 2.0],
            quantiles,
            ..StepsConfig::default()
        };
        forecast(&steps(config), &observed, &[5, 20], 8)
    };
    let all = with(1000, vec![0.5]);
    let (two, none, sorted) = (with(2, vec![]), with(0, vec![]), with(0, vec![0.5]));
    for lead in 0..2 {
        let members = all.slices[lead].rain.as_ref().unwrap();
        assert_eq!(members.len_of(Axis(0)), 7);
        let kept = two.slices[lead].rain.as_ref().unwrap();
        assert!(all.slices[lead].exceedance.is_none() && kept.dim().0 == 2);
        let same = |a: &Array2<f32>, b: &Array2<f32>| a.iter().zip(b).all(|(a, b)| a.is_nan() && b.is_nan() || (a - b).abs() < 1e-4);
        assert!(same(
            &kept.index_axis(Axis(0), 1).to_owned(),
            &members.index_axis(Axis(0), 1).to_owned()
        ));
        let mean = members.mean_axis(Axis(0)).unwrap();
        assert!(same(&mean, &two.slices[lead].diagnostics["mean_mm_h"]));
        assert!(same(&mean, &none.slices[lead].first_member().unwrap().to_owned()));
        for threshold in [0.5, 2.0] {
            let share = all.slices[lead].probability(threshold).unwrap();
            assert!(same(&share, &none.slices[lead].probability(threshold).unwrap()));
            assert!(same(&share, &sorted.slices[lead].probability(threshold).unwrap()));
        }
        let median = &sorted.slices[lead].diagnostics["quantile_50_mm_h"];
        assert!(same(median, &all.slices[lead].diagnostics["quantile_50_mm_h"]));
        let mut here: Vec<f32> = members.slice(s![.., 80, 80]).to_vec();
        here.sort_by(f32::total_cmp);
        assert_eq!(median[[80, 80]], here[3]);
    }
}

#[test]
fn a_probability_from_the_neighbourhood_widens_with_the_lead_time() {
    let observed = steady(160);
    let made = forecast(
        &LagrangianProbability::new(&LagrangianProbabilityConfig::default()).unwrap(),
        &observed,
        &[5, 45],
        0,
    );
    let probable = |slice: &Slice| {
        let p = slice.probability(1.0).unwrap();
        (p.iter().filter(|p| **p > 0.0).count(), p.iter().filter(|p| **p > 0.9).count())
    };
    let ((possible, sure), (later, less_sure)) = (probable(&made.slices[0]), probable(&made.slices[1]));
    assert!(later > possible && less_sure < sure, "{possible} {later} {sure} {less_sure}");
}

#[test]
fn nearly_nothing_is_followed_and_said_so() {
    let mut rain = steady(96).rain().to_owned();
    rain.fill(0.0);
    rain.slice_mut(s![.., 40..42, 50]).fill(3.0);
    let scene = steady(96);
    let little = Sequence::new(scene.grid().clone(), scene.times().to_vec(), rain).unwrap();
    for forecaster in [
        Box::new(Sprog::new(SprogConfig::default()).unwrap()) as Box<dyn Forecaster>,
        Box::new(steps(StepsConfig {
            members: 2,
            ..StepsConfig::default()
        })),
    ] {
        let made = forecast(forecaster.as_ref(), &little, &[30], 1);
        let told = made.notices.iter().any(|n| n.message.contains("2 wet cells"));
        assert!(told, "{}: {:?}", forecaster.name(), made.notices);
        let wet = area(made.slices[0].first_member().unwrap(), 0.1);
        assert!(wet <= 12.0, "{} makes {wet} wet cells of two", forecaster.name());
    }
}
