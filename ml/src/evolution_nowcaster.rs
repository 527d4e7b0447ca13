//! The evolution network as a forecaster of rain, whose source can be read beside it.

use std::path::PathBuf;

use burn::tensor::{Device, Tensor, TensorData};
use ndarray::{Array2, Array3, Axis};
use nowblend_field::{Analysis, Error as FieldError, Forecaster, LeadTime, Run, Seed, Slice, Slices, advection::Interpolation};
use serde::{Deserialize, Serialize};

use crate::{
    Error,
    evolution_net::{BLOCK_MIN, BLOCKS, CONTROLS, EvolutionNet, evolve, of_rain, shares, to_rain, unleaked},
    head::numbers,
    ready::Ready,
    refine::refine,
    tiles::{self, LEAST_TILE},
    weights,
};

/// Name of the diagnostic that tells what the network adds to the rain along its path, mm h⁻¹ in an hour.
pub const RAIN_SOURCE: &str = "rain_source_mm_h2";

/// Which weights the evolution network takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvolutionConfig {
    /// File of weights that `nowblend train` wrote; empty for those that the program ships.
    pub checkpoint: PathBuf,
    /// Largest side of the pieces in which the network looks at a map, cells of about 2 km: memory grows with its square, once for each thread.
    pub tile_cells: usize,
}

impl Default for EvolutionConfig {
    fn default() -> Self {
        Self {
            checkpoint: PathBuf::new(),
            tile_cells: LEAST_TILE,
        }
    }
}

/// Rain that moves, grows and decays as a network says.
pub struct Evolution {
    net: EvolutionNet,
    tile: usize,
}

impl Evolution {
    /// The network with the weights that `config` names.
    ///
    /// # Errors
    ///
    /// A number out of its bounds, and [`Error::Weights`] for weights that cannot be read or belong to another network.
    pub fn new(config: &EvolutionConfig) -> Result<Self, Error> {
        tiles::check(config.tile_cells)?;
        let device = Device::flex();
        let net = if config.checkpoint.as_os_str().is_empty() {
            weights::shipped_evolution(&device)?
        } else {
            weights::load_one(&config.checkpoint, EvolutionNet::new(&device))?
        };
        Ok(Self {
            net,
            tile: config.tile_cells,
        })
    }

    pub(crate) fn of(net: EvolutionNet) -> Self {
        Self {
            net,
            tile: EvolutionConfig::default().tile_cells,
        }
    }
}

impl Forecaster for Evolution {
    fn name(&self) -> &str {
        "evolution_net"
    }

    /// Brings the newest frames to about 2 km, asks the network once for displacements and sources, and carries the evolving rain along
    /// the motion.
    fn start<'a>(&'a self, analysis: &'a Analysis, lead_times: &'a [LeadTime], _: Seed) -> Result<Box<dyn Run + 'a>, FieldError> {
        let ready = Ready::new(analysis, lead_times, self.name())?;
        let device = Device::flex();
        let padded = tiles::padded(&ready.scene);
        let controls = tiles::planes(&ready.scene, self.tile, CONTROLS, |part| {
            numbers(self.net.controls(&part.input(&device)))
        });
        let mut now = vec![0.0f32; padded.0 * padded.1];
        let newest = ready.scene.rain.index_axis(Axis(0), 0);
        for (to, from) in now.chunks_exact_mut(padded.1).zip(newest.rows()) {
            to.iter_mut().zip(from).for_each(|(to, rain)| *to = of_rain(*rain));
        }
        let now = Tensor::<4>::from_data(TensorData::new(now, [1, 1, padded.0, padded.1]), &device);
        let controls = Tensor::<4>::from_data(TensorData::new(controls, [1, CONTROLS, padded.0, padded.1]), &device);
        let sources = controls.clone().slice([0..1, 2 * BLOCKS..CONTROLS, 0..padded.0, 0..padded.1]);
        let stack = |tensor: Tensor<4>, planes: usize| {
            Array3::from_shape_vec((planes, padded.0, padded.1), numbers(tensor)).expect("planes of the padded map")
        };
        let evolving = Evolving {
            states: stack(evolve(now, &controls), BLOCKS + 1),
            sources: stack(sources, BLOCKS),
            seen: ready.scene.seen(),
        };
        let mut trajectories = ready.trajectories();
        let (factor, shape) = (ready.factor, analysis.grid().shape());
        let slices = lead_times.iter().map(move |&lead_time| {
            let displacement = trajectories.advance_to(lead_time);
            let arrive = |plane: Array2<f32>| {
                let there = displacement.sample(plane.view(), Interpolation::Linear);
                refine(&there.insert_axis(Axis(0)), factor, shape)
            };
            let lead_min = lead_time.minutes() as f32;
            let source = arrive(evolving.source(lead_min)).index_axis_move(Axis(0), 0);
            Ok(Slice {
                lead_time,
                rain: Some(arrive(evolving.rain(lead_min))),
                exceedance: None,
                diagnostics: [(RAIN_SOURCE.to_owned(), source)].into_iter().collect(),
            })
        });
        Ok(Box::new(Slices::new(slices, ready.notices)))
    }

    fn references(&self) -> &[&'static str] {
        &[
            "Zhang, Y., Long, M., Chen, K., Xing, L., Jin, R., Jordan, M. I. and Wang, J. (2023): Skilful nowcasting of extreme precipitation with NowcastNet, Nature 619, 526-532",
        ]
    }
}

/// The evolving rain at the places of the reference time.
struct Evolving {
    /// y after each block `[K + 1, y, x]`.
    states: Array3<f32>,
    /// Source of each block `[K, y, x]`.
    sources: Array3<f32>,
    seen: Array2<bool>,
}

impl Evolving {
    /// Rain `[y, x]`, mm h⁻¹, NaN where no frame saw the air.
    fn rain(&self, lead_min: f32) -> Array2<f32> {
        let shares = shares(lead_min);
        self.where_seen(|y, x| to_rain((0..=BLOCKS).map(|k| shares[k] * self.states[[k, y, x]]).sum()))
    }

    /// What the source of the block that the lead time ends in adds `[y, x]`, mm h⁻¹ in an hour; nothing beyond the last block.
    fn source(&self, lead_min: f32) -> Array2<f32> {
        let block = (lead_min / BLOCK_MIN).ceil().max(1.0) as usize - 1;
        if block >= BLOCKS {
            return self.where_seen(|_, _| 0.0);
        }
        self.where_seen(|y, x| {
            let after = self.states[[block + 1, y, x]];
            let before = unleaked(after) - self.sources[[block, y, x]];
            (to_rain(after) - to_rain(before)) * (60.0 / BLOCK_MIN)
        })
    }

    fn where_seen(&self, of: impl Fn(usize, usize) -> f32) -> Array2<f32> {
        Array2::from_shape_fn(self.seen.dim(), |(y, x)| if self.seen[[y, x]] { of(y, x) } else { f32::NAN })
    }
}
