//! One forecast from several: each component weighs what its lead time has earned, and who is missing leaves its weight to the rest.

mod combine;
mod error;
mod run;
mod weights;

use nowblend_field::{Analysis, Error as FieldError, Forecaster, LeadTime, Run, Seed};

pub use combine::{Combining, combine};
pub use error::Error;
pub use run::{BlendRun, Parts};
pub use weights::{HandOver, Weight, WeightCurve, Weights};

/// A weighted mean of other forecasters, itself a [`Forecaster`]: a blend may be part of a blend.
///
/// At each lead time and cell, rain and exceedance probabilities are Σ wᵢ cᵢ xᵢ / Σ wᵢ cᵢ, where wᵢ is the weight of component i
/// at that lead time, one in the rain and one in the probabilities of all thresholds, and cᵢ its reach: 0 where it has nothing to say, rising smoothly to 1 inside its data (see [`combine`]).
pub struct Blend {
    name: String,
    components: Vec<Box<dyn Forecaster>>,
    weights: Weights,
    combining: Combining,
    references: Vec<&'static str>,
}

impl Blend {
    /// A blend of `components` under `weights`, in the same order.
    ///
    /// # Errors
    ///
    /// [`Error::NoComponents`], [`Error::SameName`] for two components of one name, [`Error::WeightCount`] where curves and
    /// components do not pair up, [`Error::Value`] for a number out of its bounds.
    pub fn new(
        name: impl Into<String>,
        components: Vec<Box<dyn Forecaster>>,
        weights: Weights,
        combining: Combining,
    ) -> Result<Self, Error> {
        if components.is_empty() {
            return Err(Error::NoComponents);
        }
        for (k, component) in components.iter().enumerate() {
            if components[..k].iter().any(|other| other.name() == component.name()) {
                return Err(Error::SameName {
                    name: component.name().to_owned(),
                });
            }
        }
        if weights.count() != components.len() {
            return Err(Error::WeightCount {
                curves: weights.count(),
                components: components.len(),
            });
        }
        combining.check()?;
        let mut references: Vec<&'static str> = Vec::new();
        for reference in components.iter().flat_map(|c| c.references()) {
            if !references.contains(reference) {
                references.push(reference);
            }
        }
        Ok(Self {
            name: name.into(),
            components,
            weights,
            combining,
            references,
        })
    }

    /// Names of the components, in the order of their weights.
    pub fn component_names(&self) -> Vec<&str> {
        self.components.iter().map(|c| c.name()).collect()
    }

    /// Starts a run that also hands out what each component said.
    ///
    /// A component that cannot start leaves its weight to the others, with a notice.
    ///
    /// # Errors
    ///
    /// When no component can start.
    pub fn start_parts<'a>(&'a self, analysis: &'a Analysis, lead_times: &'a [LeadTime], seed: Seed) -> Result<BlendRun<'a>, FieldError> {
        BlendRun::start(&self.components, &self.weights, self.combining, analysis, lead_times, seed)
    }
}

impl Forecaster for Blend {
    fn name(&self) -> &str {
        &self.name
    }

    fn start<'a>(&'a self, analysis: &'a Analysis, lead_times: &'a [LeadTime], seed: Seed) -> Result<Box<dyn Run + 'a>, FieldError> {
        Ok(Box::new(self.start_parts(analysis, lead_times, seed)?))
    }

    fn references(&self) -> &[&'static str] {
        &self.references
    }
}
