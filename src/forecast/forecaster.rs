//! Who forecasts: from the words of a configuration to forecasters that run.

use std::collections::BTreeMap;

use nowblend_field::{Forecaster, ReferenceTime};
use nowblend_ml::{Evolution, EvolutionConfig, NowcastNet, NowcastNetConfig};
use nowblend_physics::{ShallowWater, ShallowWaterConfig};
use serde::{Deserialize, Serialize};

use super::Error;
use crate::{
    blend::{Blend, Combining, HandOver, WeightCurve, Weights},
    ingest::{Given, GivenConfig},
    nowcast::{
        Anvil, AnvilConfig, Extrapolation, ExtrapolationConfig, File, LagrangianProbability, LagrangianProbabilityConfig, Persistence,
        PersistenceConfig, Sprog, SprogConfig, Steps, StepsConfig,
    },
    store::Input,
};

/// A forecaster by `kind`, with its own keys beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ForecasterConfig {
    /// The newest frame, kept still.
    Persistence(PersistenceConfig),
    /// The newest frame, moved with the motion.
    Extrapolation(ExtrapolationConfig),
    /// The newest frame, moved, each scale fading as it does.
    Sprog(SprogConfig),
    /// The newest frame, moved, growing and decaying as it did.
    Anvil(AnvilConfig),
    /// The newest frame, moved, with probabilities from the neighbourhood.
    LagrangianProbability(LagrangianProbabilityConfig),
    /// An ensemble of S-PROG with what fades filled by chance.
    Steps(StepsConfig),
    /// The shallow-water core.
    ShallowWater(ShallowWaterConfig),
    /// The network.
    NowcastNet(NowcastNetConfig),
    /// The evolution network.
    EvolutionNet(EvolutionConfig),
    /// A forecast that another program made.
    File(GivenConfig),
    /// A blend of forecasters.
    Blend(BlendConfig),
}

/// A blend: of whom, and how much each counts at a lead time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlendConfig {
    /// Name of the blend in reports and files.
    #[serde(default = "blend_name")]
    pub name: String,
    /// The components.
    pub of: Vec<ForecasterConfig>,
    /// Weight of each component by its name; a component without an entry weighs 1 throughout. Weights are normalised at each lead time.
    #[serde(default)]
    pub weights: BTreeMap<String, WeightCurve>,
    /// The same for exceedance probabilities; a component without an entry counts in them as it does in the rain.
    #[serde(default)]
    pub probability_weights: BTreeMap<String, WeightCurve>,
    /// Hands the forecast over to one component at the end, if given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hand_over: Option<HandOver>,
    /// How the components are joined.
    #[serde(default)]
    pub combining: Combining,
}

impl Default for ForecasterConfig {
    /// The blend that the program makes when nobody says otherwise, with weights set from hindcasts on validation events (README, "How good
    /// is it?").
    fn default() -> Self {
        let table = |lead_min: &[f64], weight: &[f64]| WeightCurve::Table {
            lead_min: lead_min.to_vec(),
            weight: weight.to_vec(),
        };
        Self::Blend(BlendConfig {
            name: blend_name(),
            of: vec![
                Self::Extrapolation(ExtrapolationConfig::default()),
                Self::NowcastNet(NowcastNetConfig::default()),
                Self::ShallowWater(ShallowWaterConfig::default()),
            ],
            weights: BTreeMap::from([
                (
                    "extrapolation".to_owned(),
                    table(&[5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0], &[0.3, 0.4, 0.4, 0.3, 0.2, 0.1, 0.1]),
                ),
                (
                    "nowcast_net".to_owned(),
                    table(
                        &[5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 90.0, 120.0],
                        &[0.7, 0.6, 0.6, 0.7, 0.8, 0.9, 0.6, 0.4],
                    ),
                ),
                ("shallow_water".to_owned(), table(&[60.0, 90.0, 120.0], &[0.0, 0.3, 0.5])),
            ]),
            probability_weights: BTreeMap::from([
                ("extrapolation".to_owned(), table(&[45.0, 60.0], &[0.1, 0.0])),
                ("nowcast_net".to_owned(), table(&[45.0, 60.0, 120.0, 180.0], &[0.9, 1.0, 1.0, 0.5])),
                ("shallow_water".to_owned(), table(&[120.0, 180.0], &[0.0, 0.5])),
            ]),
            hand_over: None,
            combining: Combining::default(),
        })
    }
}

fn blend_name() -> String {
    "blend".to_owned()
}

impl ForecasterConfig {
    /// The forecaster that these words describe.
    ///
    /// # Errors
    ///
    /// Those of the forecaster: keys out of bounds, weights that cannot be read.
    pub fn build(&self) -> Result<Box<dyn Forecaster>, Error> {
        Ok(match self {
            Self::Persistence(config) => Box::new(Persistence::new(*config)),
            Self::Extrapolation(config) => Box::new(Extrapolation::new(*config)?),
            Self::Sprog(config) => Box::new(Sprog::new(*config)?),
            Self::Anvil(config) => Box::new(Anvil::new(*config)?),
            Self::LagrangianProbability(config) => Box::new(LagrangianProbability::new(config)?),
            Self::Steps(config) => Box::new(Steps::new(config)?),
            Self::ShallowWater(config) => Box::new(ShallowWater::new(*config)?),
            Self::NowcastNet(config) => Box::new(NowcastNet::new(config)?),
            Self::EvolutionNet(config) => Box::new(Evolution::new(config)?),
            Self::File(config) => Box::new(File::new(config)?),
            Self::Blend(config) => Box::new(config.build()?),
        })
    }

    /// The files of other programs that a forecast from `reference_time` takes in; one that cannot be read is told by its component.
    pub fn inputs(&self, reference_time: ReferenceTime) -> Vec<Input> {
        match self {
            Self::File(config) => Given::newest(config, reference_time).map(|given| given.input).into_iter().collect(),
            Self::Blend(config) => config.of.iter().flat_map(|part| part.inputs(reference_time)).collect(),
            _ => Vec::new(),
        }
    }

    /// A blend of these words: themselves if they are one, else a blend of one.
    ///
    /// # Errors
    ///
    /// As [`ForecasterConfig::build`].
    pub fn build_blend(&self) -> Result<Blend, Error> {
        match self {
            Self::Blend(config) => config.build(),
            single => Ok(Blend::new("best", vec![single.build()?], Weights::equal(1), Combining::default())?),
        }
    }
}

impl BlendConfig {
    fn build(&self) -> Result<Blend, Error> {
        let components = self.of.iter().map(ForecasterConfig::build).collect::<Result<Vec<_>, _>>()?;
        let names: Vec<&str> = components.iter().map(|c| c.name()).collect();
        let mut weighed = self.weights.keys().chain(self.probability_weights.keys());
        if let Some(name) = weighed.find(|name| !names.contains(&name.as_str())) {
            return Err(crate::blend::Error::UnknownComponent {
                name: name.clone(),
                known: names.join(", "),
            }
            .into());
        }
        let rain = |name: &&str| self.weights.get(*name).cloned().unwrap_or(WeightCurve::Constant { weight: 1.0 });
        let probability = |name: &&str| self.probability_weights.get(*name).cloned().unwrap_or_else(|| rain(name));
        let (of_rain, of_probability) = (names.iter().map(rain).collect(), names.iter().map(probability).collect());
        let weights = Weights::new(&names, of_rain, of_probability, self.hand_over.as_ref())?;
        Ok(Blend::new(&self.name, components, weights, self.combining)?)
    }
}
