//! Every score against the numbers that the project's Python score library gives for the same fields: `tests/reference/verify`.

use std::sync::Arc;

use ndarray::{Array2, Array3};
use nowblend_field::{Exceedance, LeadTime, Slice};

use super::{
    Brier, BrierPart, Categorical, Contingency, Continuous, Crps, EventMask, Forecast, FractionsOfProbability, FractionsSkillScore, Kernel,
    Metric, Moment, Observed, PowerRatio, RankHistogram, ReliabilitySlope, RocArea, Spread, ThresholdCrps, ThresholdCrpsFair,
    members::tests::ensemble,
};

const NY: usize = 90;
const NX: usize = 101;
const CELL_M: f64 = 1700.0;
const WEIGHTS: [f64; 2] = [1.0, 5.0];
const LEVELS: [f64; 8] = [0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0];

/// As `hashed` in make.py.
fn hashed(k: usize) -> f64 {
    let modulus = 1u64 << 32;
    let mut k = (k as u64 * 2_654_435_761 + 12_345) % modulus;
    k = (k ^ (k >> 15)) * 2_246_822_519 % modulus;
    (k ^ (k >> 13)) as f64 / modulus as f64
}

/// As `rain` in make.py.
fn rain(salt: usize) -> Array2<f32> {
    Array2::from_shape_fn((NY, NX), |(y, x)| {
        let block = hashed((y / 9) * 64 + (x + salt) / 9);
        let cell = hashed(100_000 + 1000 * salt + y * NX + x);
        let wet = f64::max(block - 0.4, 0.0) / 0.6;
        ((64.0 * 30.0 * wet * wet * wet * (0.5 + cell)).floor() / 64.0) as f32
    })
}

fn with_gaps(mut rain: Array2<f32>, salt: usize, share: f64) -> Array2<f32> {
    for ((y, x), cell) in rain.indexed_iter_mut() {
        if hashed(salt + y * NX + x) < share {
            *cell = f32::NAN;
        }
    }
    rain
}

fn frames() -> Vec<Array2<f32>> {
    (0..12)
        .map(|k| {
            let mut frame = rain(0);
            frame.slice_mut(ndarray::s![30..40, 60..70]).fill(f32::NAN);
            if k < 1 {
                frame[[5, 5]] = f32::NAN;
            }
            if k < 2 {
                frame[[50, 20]] = f32::NAN;
            }
            frame
        })
        .collect()
}

fn probability() -> Slice {
    let probability = Array3::from_shape_fn((LEVELS.len(), NY, NX), |(j, y, x)| {
        let p = (1.25 * hashed(900_000 + y * NX + x) - j as f64 / 10.0).clamp(0.0, 1.0) as f32;
        (p * 256.0).floor() / 256.0
    });
    let mut slice = Slice::of_rain(LeadTime::from_minutes(5), Array2::zeros((NY, NX)));
    slice.exceedance = Some(Exceedance {
        thresholds_mm_h: Arc::from(LEVELS),
        probability,
    });
    slice
}

/// Twenty members, the second with gaps; many equal the rain where both are dry.
fn members() -> Slice {
    let mut members = Array3::from_shape_fn((20, NY, NX), |_| 0.0);
    for (m, mut member) in members.outer_iter_mut().enumerate() {
        member.assign(&if m == 1 { with_gaps(rain(3), 600_000, 0.05) } else { rain(2 + m) });
    }
    ensemble(members.view())
}

/// Seven members, none of which equals the rain anywhere.
fn apart() -> Slice {
    let mut members = Array3::from_shape_fn((7, NY, NX), |_| 0.0);
    for (m, mut member) in members.outer_iter_mut().enumerate() {
        member.assign(&(rain(30 + m) + (m + 1) as f32 / 1024.0));
    }
    ensemble(members.view())
}

fn metric(name: &str, threshold: Option<f64>, window: Option<f64>) -> Option<Box<dyn Metric>> {
    let threshold_mm_h = threshold.unwrap_or(f64::NAN);
    let categorical = |score| Some(Box::new(Categorical { score, threshold_mm_h }) as Box<dyn Metric>);
    let continuous = |moment| Some(Box::new(Continuous { moment }) as Box<dyn Metric>);
    let brier = |part| Some(Box::new(Brier { part, threshold_mm_h }) as Box<dyn Metric>);
    let crps = |kernel| {
        Some(Box::new(match threshold {
            None => Crps::new(kernel, &WEIGHTS),
            Some(t) => Crps::above(kernel, &WEIGHTS, WEIGHTS.iter().position(|w| *w == t)?),
        }) as Box<dyn Metric>)
    };
    let power = |band| Some(Box::new(PowerRatio::new(&[[0.0, 8.0], [8.0, 32.0], [32.0, 128.0]], band)) as Box<dyn Metric>);
    match name {
        "CSI" => categorical(Contingency::Csi),
        "POD" => categorical(Contingency::Pod),
        "FAR" => categorical(Contingency::Far),
        "HSS" => categorical(Contingency::Hss),
        "ETS" => categorical(Contingency::Ets),
        "FBIAS" => categorical(Contingency::FrequencyBias),
        "MAE" => continuous(Moment::Mae),
        "RMSE" => continuous(Moment::Rmse),
        "ME" => continuous(Moment::Bias),
        "bias_ratio" => continuous(Moment::BiasRatio),
        "corr" => continuous(Moment::Correlation),
        "FSS" => Some(Box::new(FractionsSkillScore {
            threshold_mm_h,
            window_km: window?,
        })),
        "power_ratio_db_0_8km" => power(0),
        "power_ratio_db_8_32km" => power(1),
        "power_ratio_db_32_128km" => power(2),
        "tCRPS" => Some(Box::new(ThresholdCrps {})),
        "tCRPS_fair" => Some(Box::new(ThresholdCrpsFair {})),
        "Brier" => brier(BrierPart::Score),
        "BS_reliability" => brier(BrierPart::Reliability),
        "BS_resolution" => brier(BrierPart::Resolution),
        "BSS" => brier(BrierPart::Skill),
        "reliability_slope" => Some(Box::new(ReliabilitySlope { threshold_mm_h })),
        "ROC_area" => Some(Box::new(RocArea { threshold_mm_h })),
        "pFSS" => Some(Box::new(FractionsOfProbability {
            threshold_mm_h,
            window_km: window?,
        })),
        "CRPS" | "CRPS_weighted" => crps(Kernel::Plain),
        "CRPS_fair" | "CRPS_fair_weighted" => crps(Kernel::Fair),
        "spread" => Some(Box::new(Spread::Spread)),
        "ens_mean_rmse" => Some(Box::new(Spread::MeanRmse)),
        "spread_error_ratio" => Some(Box::new(Spread::SpreadError)),
        "rankhist_delta" => Some(Box::new(RankHistogram::Delta)),
        "rankhist_low" => Some(Box::new(RankHistogram::Lowest)),
        "rankhist_high" => Some(Box::new(RankHistogram::Highest)),
        _ => None,
    }
}

#[test]
fn every_score_is_the_score_librarys_to_a_millionth() {
    let reference: serde_json::Value = serde_json::from_str(include_str!("../../tests/reference/verify/scores.json")).unwrap();
    let mut mask = EventMask::new((NY, NX));
    let frames = frames();
    frames.iter().for_each(|frame| mask.add(frame));
    let mask = mask.cells(0.9, 6);
    assert_eq!(
        mask.iter().filter(|c| **c).count() as u64,
        reference["mask_cells"].as_u64().unwrap()
    );
    let truth = with_gaps(frames[5].clone(), 800_000, 0.03);
    let observed = Observed::new(&truth, &mask, CELL_M);
    assert_eq!(observed.count() as u64, reference["cells"].as_u64().unwrap());
    let given = with_gaps(rain(2), 700_000, 0.05);
    let sum: f64 = given.iter().filter(|r| !r.is_nan()).map(|r| f64::from(*r)).sum();
    assert_eq!(
        sum,
        reference["forecast_sum"].as_f64().unwrap(),
        "the fields are not those of make.py"
    );
    let (probability, members, apart) = (probability(), members(), apart());
    let dry = Array2::<f32>::zeros((NY, NX));
    let forecasts = [
        ("forecast", Forecast::of_rain(&given)),
        ("dry", Forecast::of_rain(&dry)),
        ("probability", Forecast::of(&probability)),
        ("members", Forecast::of(&members)),
        ("apart", Forecast::of(&apart)),
    ];
    let mut compared = 0;
    for row in reference["rows"].as_array().unwrap() {
        let (who, name) = (row[0].as_str().unwrap(), row[1].as_str().unwrap());
        // Yes and no by probability are not scored here.
        if who == "probability" && !["tCRPS", "Brier", "reliability_slope", "pFSS"].contains(&name) {
            continue;
        }
        let Some(metric) = metric(name, row[2].as_f64(), row[3].as_f64()) else {
            continue;
        };
        let forecast = &forecasts.iter().find(|(w, _)| *w == who).unwrap().1;
        let score = metric.score(&metric.terms(forecast, &observed));
        let tolerance = match name {
            // Ranks of equals are drawn; a share of 5000 cells is known to 0.007, a sum of 21 of them to about 0.05.
            _ if who == "members" && name.starts_with("rankhist") => 0.05,
            // Summed in f32 there: to a millionth of the score.
            "CRPS" | "CRPS_fair" | "CRPS_weighted" | "CRPS_fair_weighted" | "spread" | "ens_mean_rmse" => {
                1e-6 * row[4].as_f64().unwrap().max(1.0)
            }
            _ => 1e-6,
        };
        match row[4].as_f64() {
            None => assert!(score.is_nan(), "{row}: {score}"),
            Some(expected) => assert!((score - expected).abs() <= tolerance, "{row}: {score}"),
        }
        compared += 1;
    }
    // Two fields with 6 scores at 4 thresholds, 8 FSS, 5 moments and 3 bands; 8 Brier scores, 8 slopes, one CRPS and 8 FSS of
    // probabilities; two ensembles with 6 CRPS, 3 of spread, 3 of ranks, 2 threshold CRPS, 3 slopes, 5 scores of probabilities at 4
    // thresholds and 8 FSS.
    assert_eq!(compared, 2 * (24 + 8 + 5 + 3) + 25 + 2 * (6 + 3 + 3 + 2 + 3 + 20 + 8));
}
