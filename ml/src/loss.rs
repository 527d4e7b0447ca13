//! What training lowers: probabilities far from what happened, at every threshold.

use crate::nowcast_net::{J, THRESHOLDS_MM_H};

/// Weight of the log loss at each threshold: heavy rain is rare and would be drowned.
pub(crate) const LOG_WEIGHT: [f32; J] = [0.6, 0.8, 1.0, 1.2, 1.6, 1.8, 1.8, 1.5];
/// Rain that each threshold stands for, mm h⁻¹: half the way from the threshold below to the one above, 10 for the last.
pub(crate) const BRIER_WEIGHT: [f32; J] = [0.25, 0.45, 0.75, 2.0, 4.0, 7.5, 15.0, 10.0];
/// Probabilities are kept so far from certainty.
pub(crate) const LEAST: f32 = 1e-6;

/// Weight of a lead time, (lead / 30 min)^-0.4: near ones can be forecast.
pub(crate) fn lead_weight(lead_min: f32) -> f32 {
    (lead_min / 30.0).powf(-0.4)
}

/// Σ over the observed cells of a row of Σⱼ αⱼ · log lossⱼ + Σⱼ wⱼ · (Pⱼ - Oⱼ)²; the second sum is the threshold CRPS.
///
/// `probability` is `[J, x]`, `rain` `[x]` in mm h⁻¹, NaN where not observed. Writes the derivative with respect to each probability, times `scale`.
pub(crate) fn loss(probability: &[f32], rain: &[f32], scale: f32, derivative: &mut [f32]) -> f64 {
    let width = rain.len();
    let mut sum = 0.0f64;
    for (j, threshold) in THRESHOLDS_MM_H.iter().enumerate() {
        let (alpha, weight) = (LOG_WEIGHT[j], BRIER_WEIGHT[j]);
        let lines = probability[j * width..][..width].iter().zip(&mut derivative[j * width..][..width]);
        for ((p, derivative), rain) in lines.zip(rain) {
            if rain.is_nan() {
                *derivative = 0.0;
                continue;
            }
            let exceeded = f64::from(*rain) >= *threshold;
            let held = p.clamp(LEAST, 1.0 - LEAST);
            let (right, wrong) = if exceeded { (held, 1.0 - held) } else { (1.0 - held, held) };
            sum += f64::from(-alpha * right.ln() + weight * wrong * wrong);
            let towards = if exceeded { -1.0 } else { 1.0 };
            *derivative = if *p == held {
                scale * towards * (alpha / right + 2.0 * weight * wrong)
            } else {
                0.0
            };
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sure_and_right_forecast_costs_nothing_and_missing_cells_do_not_count() {
        let rain = [3.0, f32::NAN];
        let exceeded: Vec<f32> = THRESHOLDS_MM_H.iter().flat_map(|t| [f32::from(3.0 >= *t), 0.0]).collect();
        let mut derivative = vec![f32::NAN; 2 * J];
        assert!(loss(&exceeded, &rain, 1.0, &mut derivative) < 1e-4);
        // P = 1/2 at all thresholds: Σ α ln 2 + Σ w / 4 = 10.3 x 0.693147 + 39.95 / 4 = 17.1269.
        let half = loss(&[0.5; 2 * J], &rain, 1.0, &mut derivative);
        assert!((half - 17.1269).abs() < 1e-3, "{half}");
        // At 2 mm/h (exceeded) -α/P - 2 w (1 - P) = -2.4 - 2; at 5 mm/h (not) 3.2 + 4.
        assert!((derivative[6] + 4.4).abs() < 1e-5 && (derivative[8] - 7.2).abs() < 1e-5);
        assert_eq!(derivative[7], 0.0);
    }
}
