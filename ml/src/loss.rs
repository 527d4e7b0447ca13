//! What training lowers: probabilities far from what happened, at every threshold.

use burn::tensor::{Device, Tensor, TensorData};

use crate::nowcast_net::THRESHOLDS_MM_H;

/// Weight of the log loss at each threshold: heavy rain is rare and would be drowned.
const LOG_WEIGHT: [f32; 8] = [0.6, 0.8, 1.0, 1.2, 1.6, 1.8, 1.8, 1.5];
/// Rain that each threshold stands for, mm h⁻¹: half the way from the threshold below to the one above, 10 for the last.
pub(crate) const BRIER_WEIGHT: [f32; 8] = [0.25, 0.45, 0.75, 2.0, 4.0, 7.5, 15.0, 10.0];

/// Mean over observed cells of Σⱼ αⱼ · log lossⱼ + Σⱼ wⱼ · (Pⱼ - Oⱼ)², times (lead / 30 min)^-0.4 for each case.
///
/// `probability` and `exceeded` are `[N, J, H, W]`, `observed` `[N, 1, H, W]` is 1 where the truth was observed. The second sum is the
/// threshold CRPS.
pub(crate) fn loss(probability: Tensor<4>, exceeded: Tensor<4>, observed: Tensor<4>, lead_min: &[f32]) -> Tensor<1> {
    let device = probability.device();
    let per_threshold = |values: [f32; 8]| Tensor::<4>::from_data(TensorData::new(values.to_vec(), [1, values.len(), 1, 1]), &device);
    let p = probability.clamp(1e-6, 1.0 - 1e-6);
    let no = exceeded.clone().neg() + 1.0;
    let log_loss = (exceeded.clone() * p.clone().log() + no * (p.clone().neg() + 1.0).log()).neg();
    let brier = (p - exceeded).powi_scalar(2);
    let cell = log_loss * per_threshold(LOG_WEIGHT) + brier * per_threshold(BRIER_WEIGHT);
    let scale: Vec<f32> = lead_min.iter().map(|t| (t / 30.0).powf(-0.4)).collect();
    let scale = Tensor::<4>::from_data(TensorData::new(scale, [lead_min.len(), 1, 1, 1]), &device);
    let count = observed.clone().sum().clamp_min(1.0);
    (cell * observed * scale).sum() / count
}

/// 1 where rain `[N, H, W]` (flat, mm h⁻¹, NaN not observed) is at or above each threshold, and 1 where it was observed.
pub(crate) fn truth(rain: &[f32], shape: [usize; 3], device: &Device) -> (Tensor<4>, Tensor<4>) {
    let [n, h, w] = shape;
    let mut exceeded = Vec::with_capacity(rain.len() * THRESHOLDS_MM_H.len());
    for frame in rain.chunks(h * w) {
        for threshold in THRESHOLDS_MM_H {
            exceeded.extend(frame.iter().map(|r| f32::from(f64::from(*r) >= threshold)));
        }
    }
    let observed: Vec<f32> = rain.iter().map(|r| f32::from(!r.is_nan())).collect();
    (
        Tensor::from_data(TensorData::new(exceeded, [n, THRESHOLDS_MM_H.len(), h, w]), device),
        Tensor::from_data(TensorData::new(observed, [n, 1, h, w]), device),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sure_and_right_forecast_costs_nothing_and_missing_cells_do_not_count() {
        let device = Device::flex();
        let (exceeded, observed) = truth(&[3.0, f32::NAN], [1, 1, 2], &device);
        let right = loss(exceeded.clone(), exceeded.clone(), observed.clone(), &[30.0]).into_scalar::<f32>();
        assert!(right < 1e-4, "{right}");
        // P = 1/2 at all thresholds: Σ α ln 2 + Σ w / 4 = 10.3 x 0.693147 + 39.95 / 4 = 17.1269.
        let half = loss(exceeded.clone() * 0.0 + 0.5, exceeded, observed, &[30.0]).into_scalar::<f32>();
        assert!((half - 17.1269).abs() < 1e-3, "{half}");
    }
}
