//! How good was a forecast? Each metric sums up what adds over cases, and forms its score from the sum of all cases.
//!
//! Scored are the cells of an event's mask ([`EventMask`]) that were observed at the time. A cell that was not observed never counts;
//! one that the forecast leaves missing counts as dry, for everyone, and its share stands beside every score.

mod bootstrap;
mod brier;
mod case;
mod categorical;
mod config;
mod continuous;
mod crps;
mod error;
mod fractions_of_probability;
mod mask;
mod members;
mod neighbourhood;
mod pair;
mod probability_bins;
mod rank_histogram;
#[cfg(test)]
mod reference;
mod reliability_slope;
mod roc;
mod scorecard;
mod spectra;
mod spread;
mod stored;
mod terms;
mod threshold_crps;

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

pub use bootstrap::{BootstrapConfig, Resamples};
pub use brier::{Brier, BrierPart};
pub use case::{CaseTerms, LeadTerms, frame_of};
pub use categorical::{Categorical, Contingency};
pub use config::MetricsConfig;
pub use continuous::{Continuous, Moment};
pub use crps::{Crps, Kernel};
pub use error::Error;
pub use fractions_of_probability::FractionsOfProbability;
pub use mask::EventMask;
pub use neighbourhood::{FractionsSkillScore, window_cells};
pub use pair::{Forecast, Observed};
pub use rank_histogram::RankHistogram;
pub use reliability_slope::ReliabilitySlope;
pub use roc::RocArea;
pub use scorecard::{Row, Scorecard};
pub use spectra::{MemberPowerRatio, PowerRatio};
pub use spread::Spread;
pub use stored::stored;
pub use terms::Terms;
pub use threshold_crps::{ThresholdCrps, ThresholdCrpsFair};

/// A score of a forecast against what was observed.
pub trait Metric: Send + Sync {
    /// What is measured, at which threshold, in which window.
    fn label(&self) -> Label;

    /// Name in tables and files: `csi_1_mm_h`.
    fn name(&self) -> String {
        self.label().to_string()
    }

    /// Name of the sums that the score is formed of; metrics of one family share them.
    fn sums(&self) -> String;

    /// What adds up over cases.
    fn terms(&self, forecast: &Forecast<'_>, observed: &Observed) -> Terms;

    /// The score of summed terms; NaN where they do not define it.
    fn score(&self, terms: &Terms) -> f64;
}

/// What a metric measures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Label {
    /// The metric: `csi`.
    pub metric: String,
    /// Rain at or above this is the event, mm h⁻¹.
    pub threshold_mm_h: Option<f64>,
    /// Full width of the neighbourhood, km.
    pub window_km: Option<f64>,
}

impl Label {
    /// A metric of rain itself.
    pub fn new(metric: impl Into<String>) -> Self {
        Self {
            metric: metric.into(),
            threshold_mm_h: None,
            window_km: None,
        }
    }

    /// A metric of an event.
    pub fn at(metric: impl Into<String>, threshold_mm_h: f64) -> Self {
        Self {
            threshold_mm_h: Some(threshold_mm_h),
            ..Self::new(metric)
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.metric)?;
        if let Some(threshold) = self.threshold_mm_h {
            write!(f, "_{threshold}_mm_h")?;
        }
        if let Some(window) = self.window_km {
            write!(f, "_{window}_km")?;
        }
        Ok(())
    }
}

/// All metrics of a configuration.
pub struct Metrics {
    metrics: Vec<Box<dyn Metric>>,
}

impl Metrics {
    /// The metrics that `config` asks for.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] for keys out of bounds.
    pub fn new(config: &MetricsConfig) -> Result<Self, Error> {
        config.check()?;
        let mut metrics: Vec<Box<dyn Metric>> = Vec::new();
        for &threshold_mm_h in &config.thresholds_mm_h {
            for score in Contingency::ALL {
                metrics.push(Box::new(Categorical { score, threshold_mm_h }));
            }
        }
        for &threshold_mm_h in &config.fss_thresholds_mm_h {
            for &window_km in &config.fss_windows_km {
                metrics.push(Box::new(FractionsSkillScore { threshold_mm_h, window_km }));
            }
        }
        for moment in Moment::ALL {
            metrics.push(Box::new(Continuous { moment }));
        }
        for band in 0..config.spectral_bands_km.len() {
            metrics.push(Box::new(PowerRatio::new(&config.spectral_bands_km, band)));
        }
        Self::add_probabilities(config, &mut metrics);
        Self::add_members(config, &mut metrics);
        Ok(Self { metrics })
    }

    /// Those of probabilities; a forecast without doubt says 1 or 0.
    fn add_probabilities(config: &MetricsConfig, metrics: &mut Vec<Box<dyn Metric>>) {
        metrics.push(Box::new(ThresholdCrps {}));
        metrics.push(Box::new(ThresholdCrpsFair {}));
        for &threshold_mm_h in &config.thresholds_mm_h {
            for part in BrierPart::ALL {
                metrics.push(Box::new(Brier { part, threshold_mm_h }));
            }
            metrics.push(Box::new(ReliabilitySlope { threshold_mm_h }));
            metrics.push(Box::new(RocArea { threshold_mm_h }));
        }
        for &threshold_mm_h in &config.fss_thresholds_mm_h {
            for &window_km in &config.fss_windows_km {
                metrics.push(Box::new(FractionsOfProbability { threshold_mm_h, window_km }));
            }
        }
    }

    /// Those of members; a forecast without doubt is its only one.
    fn add_members(config: &MetricsConfig, metrics: &mut Vec<Box<dyn Metric>>) {
        let weights = &config.crps_weight_thresholds_mm_h;
        for kernel in [Kernel::Plain, Kernel::Fair] {
            metrics.push(Box::new(Crps::new(kernel, weights)));
            for threshold in 0..weights.len() {
                metrics.push(Box::new(Crps::above(kernel, weights, threshold)));
            }
        }
        for spread in Spread::ALL {
            metrics.push(Box::new(spread));
        }
        for part in RankHistogram::ALL {
            metrics.push(Box::new(part));
        }
        for band in 0..config.spectral_bands_km.len() {
            metrics.push(Box::new(MemberPowerRatio::new(&config.spectral_bands_km, band)));
        }
    }

    /// The metrics in the order of tables.
    pub fn iter(&self) -> impl Iterator<Item = &dyn Metric> {
        self.metrics.iter().map(AsRef::as_ref)
    }

    /// The terms of all metrics, by the name of their sums.
    pub fn terms(&self, forecast: &Forecast<'_>, observed: &Observed) -> BTreeMap<String, Terms> {
        let mut all = BTreeMap::new();
        for metric in &self.metrics {
            all.entry(metric.sums()).or_insert_with(|| metric.terms(forecast, observed));
        }
        all
    }
}
