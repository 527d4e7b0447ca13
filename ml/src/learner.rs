//! What training asks of a network, and the two networks that can be trained.

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use nowblend_field::Forecaster;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    analytic::Analytic,
    body,
    dataset::{CROP, Sample},
    evolution_net::{self, EvolutionNet},
    evolution_nowcaster::Evolution,
    head::Lesson,
    head_tensors,
    nowcast_net::RainNet,
    nowcaster::NowcastNet,
    scene::batch,
};

/// Which network is trained.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// The rain network, whose forecast is probabilities.
    #[default]
    NowcastNet,
    /// The evolution network, whose forecast is motion and a source.
    EvolutionNet,
}

/// A network that can be trained.
pub(crate) trait Learner: Module {
    /// Before training.
    fn untrained(device: &Device) -> Self;

    /// The loss over drawn windows, and a tensor whose gradient is that of the loss.
    fn lesson(&self, samples: &[Sample], device: &Device) -> (f32, Tensor<1>);

    /// The forecaster with this network.
    fn forecaster(self) -> Box<dyn Forecaster>;
}

impl Learner for RainNet {
    fn untrained(device: &Device) -> Self {
        Self::new(device)
    }

    fn lesson(&self, samples: &[Sample], device: &Device) -> (f32, Tensor<1>) {
        let scenes: Vec<_> = samples.iter().map(|s| &s.scene).collect();
        let analytic: Vec<Analytic> = samples.par_iter().map(|s| Analytic::new(&s.scene, (CROP, CROP))).collect();
        let lessons: Vec<Lesson> = (0..2)
            .map(|k| {
                let lead_min: Vec<f32> = samples.iter().map(|s| s.lead_min[k]).collect();
                Lesson {
                    leads: self.leads(&lead_min, device),
                    lead_min,
                    later: samples.iter().map(|s| &s.later[k]).collect(),
                }
            })
            .collect();
        // A graphics card wants few large pieces of work, the processor few passes through memory.
        if cfg!(feature = "gpu") {
            let features = self.mixed(self.encode(&batch(&scenes, device)));
            head_tensors::learn(self, features, &analytic, &lessons)
        } else {
            body::learn(self, &scenes, &analytic, &lessons, device)
        }
    }

    fn forecaster(self) -> Box<dyn Forecaster> {
        Box::new(NowcastNet::of(self))
    }
}

impl Learner for EvolutionNet {
    fn untrained(device: &Device) -> Self {
        Self::new(device)
    }

    fn lesson(&self, samples: &[Sample], device: &Device) -> (f32, Tensor<1>) {
        evolution_net::lesson(self, samples, device)
    }

    fn forecaster(self) -> Box<dyn Forecaster> {
        Box::new(Evolution::of(self))
    }
}
