//! A forecaster on duty waits for motion, extrapolation, S-PROG, ANVIL and STEPS: how long, in CPU seconds on one thread, on a real event; and how
//! that grows with the map and the ensemble.
//!
//! `cargo test --workspace --test nowblend -- --ignored --nocapture speed` prints the table; `shared/peers/time_pysteps.py` and
//! `tests/reference/nowcast` time pysteps on the same frames.

use chrono::{TimeZone, Utc};
use nowblend::{
    ingest::{Archive, Crop, IngestConfig},
    nowcast::{Anvil, AnvilConfig, Extrapolation, ExtrapolationConfig, Sprog, SprogConfig, Steps, StepsConfig},
};
use nowblend_field::{Analysis, Forecaster, Grid, LeadTime, Seed, storms::Scene};

use crate::support;

/// CPU seconds that this process has used, and the most memory that it has held, MB.
fn used() -> (f64, f64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    let peak_kb: f64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    (ticks / 100.0, peak_kb / 1000.0)
}

#[test]
#[ignore = "takes a minute and wants a quiet machine: it prints CPU seconds, and judges memory alone"]
fn speed_of_rain_in_motion_on_one_thread() {
    let Some(data) = support::data("speed") else { return };
    let threads: usize = std::env::var("NOWBLEND_SPEED_THREADS").map_or(1, |t| t.parse().unwrap());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    for (grid, crop) in [("512 x 512", Some(([64, 575], [100, 611]))), ("640 x 710", None)] {
        let config = IngestConfig {
            source: data.join("radar/train/mch_20160711.nc").to_string_lossy().into_owned(),
            crop: crop.map(|(rows, columns)| Crop { rows, columns }),
            ..IngestConfig::default()
        };
        let archive = Archive::open(&config).unwrap();
        let start = archive.times()[3];
        let observed = archive.observed(start, 4).unwrap().sequence;
        let leads = LeadTime::every(LeadTime::from_minutes(5), 12);
        pool.install(|| {
            let (before, _) = used();
            let wall = std::time::Instant::now();
            let analysis = Analysis::new(observed.clone());
            analysis.motion().unwrap();
            println!(
                "{grid} motion {:.3} s CPU, {:.3} s",
                used().0 - before,
                wall.elapsed().as_secs_f64()
            );
            let forecasters: [Box<dyn Forecaster>; 4] = [
                Box::new(Extrapolation::new(ExtrapolationConfig::default()).unwrap()),
                Box::new(Sprog::new(SprogConfig::default()).unwrap()),
                Box::new(Anvil::new(AnvilConfig::default()).unwrap()),
                Box::new(Steps::new(&StepsConfig::default()).unwrap()),
            ];
            for forecaster in &forecasters {
                let (before, _) = used();
                let wall = std::time::Instant::now();
                let mut run = forecaster.start(&analysis, &leads, Seed(1)).unwrap();
                let start = used().0 - before;
                while run.next().unwrap().is_some() {}
                let (after, peak) = used();
                println!(
                    "{grid} {} {:.3} s CPU (start {start:.3}), {:.3} s, peak so far {peak:.0} MB",
                    forecaster.name(),
                    after - before,
                    wall.elapsed().as_secs_f64()
                );
            }
        });
        assert!(used().1 < 400.0, "twenty members of {grid} cells need {} MB", used().1);
    }
}

#[test]
#[ignore = "takes minutes and wants a quiet machine"]
fn speed_of_steps_grows_with_members_and_with_n_log_n_of_cells() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let start = Utc.with_ymd_and_hms(2020, 7, 1, 12, 0, 0).unwrap();
    let leads = LeadTime::every(LeadTime::from_minutes(5), 12);
    let cost = |side: usize, members: usize| {
        let grid = Grid::plane(side, side, 1000.0);
        let observed = Scene::random(&grid, Seed(1)).sequence(start, LeadTime::from_minutes(5), 4);
        let analysis = Analysis::new(observed);
        analysis.motion().unwrap();
        let config = StepsConfig {
            members,
            members_kept: 0,
            thresholds_mm_h: vec![0.1, 1.0, 5.0, 10.0],
            ..StepsConfig::default()
        };
        let steps = Steps::new(&config).unwrap();
        let (before, _) = used();
        pool.install(|| {
            let mut run = steps.start(&analysis, &leads, Seed(1)).unwrap();
            while run.next().unwrap().is_some() {}
        });
        let (after, peak) = used();
        let cells = (side * side) as f64;
        let each = (after - before) / (members as f64 * cells * cells.log2());
        println!(
            "{side} x {side}, {members} members, 12 lead times: {:.2} s CPU, {:.3} ns / (member n log2 n), peak so far {peak:.0} MB",
            after - before,
            1e9 * each
        );
        each
    };
    let by_cells = [256, 512, 1024, 2048].map(|side| cost(side, 20));
    let by_members = [10, 20, 40, 80].map(|members| cost(512, members));
    // Windows of noise that stick out of a small map, and the start, make small tasks dearer by the cell: what must not be is that large ones are.
    for pair in by_cells.windows(2).chain(by_members.windows(2)) {
        assert!(pair[1] < 1.3 * pair[0], "cost a member and n log n cells grows: {pair:?}");
    }
}
