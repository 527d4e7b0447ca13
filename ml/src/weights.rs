//! Weights as files: written with all that made them, checked when they are read.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use burn::{
    module::Module,
    store::{ModuleSnapshot, SafetensorsStore},
    tensor::Device,
};
use serde::{Deserialize, Serialize};

use crate::{Error, evolution_net::EvolutionNet, nowcast_net::RainNet, yes::Yes};

/// The weights that the program ships; `weights/MODEL_CARD.md` says what they were made of.
pub const SHIPPED: &[&[u8]] = &[
    include_bytes!("weights/nowcast_net_1.safetensors"),
    include_bytes!("weights/nowcast_net_2.safetensors"),
    include_bytes!("weights/nowcast_net_3.safetensors"),
];
/// Those of the evolution network.
pub const SHIPPED_EVOLUTION: &[u8] = include_bytes!("weights/evolution_net.safetensors");
/// Largest file of weights that is read, bytes.
const LARGEST: u64 = 64 << 20;

/// Where weights come from, kept in the header of their file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// Training steps taken.
    pub step: usize,
    /// Seed of the training.
    pub seed: u64,
    /// Events learned from.
    pub train: Vec<String>,
    /// Events that chose when to stop.
    pub validation: Vec<String>,
    /// Threshold CRPS on the validation events, mm h⁻¹, by lead time in minutes; lower is better.
    pub validation_score: BTreeMap<u32, f64>,
    /// From which probability on it says yes, where the network gives probabilities and there were validation events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yes: Option<Yes>,
    /// Processor time of the training, s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_s: Option<f64>,
    /// Energy that this took, estimated at 12 W a busy core, Wh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_wh: Option<f64>,
}

/// The networks with the shipped weights.
pub(crate) fn shipped(device: &Device) -> Result<Vec<(RainNet, Option<Yes>)>, Error> {
    SHIPPED
        .iter()
        .map(|bytes| Ok((read("shipped", bytes.to_vec(), RainNet::new(device))?, yes(bytes))))
        .collect()
}

/// The evolution network with the shipped weights.
pub(crate) fn shipped_evolution(device: &Device) -> Result<EvolutionNet, Error> {
    read("shipped", SHIPPED_EVOLUTION.to_vec(), EvolutionNet::new(device))
}

/// The network with the weights of a file, or those of all `.safetensors` files of a folder, in the order of their names.
pub(crate) fn load(path: &Path, device: &Device) -> Result<Vec<(RainNet, Option<Yes>)>, Error> {
    let load = |path: &PathBuf| {
        let bytes = bytes(path)?;
        let yes = yes(&bytes);
        Ok((read(&path.display().to_string(), bytes, RainNet::new(device))?, yes))
    };
    files(path)?.iter().map(load).collect()
}

/// The network `net` with the weights of a file.
pub(crate) fn load_one<M: Module>(path: &Path, net: M) -> Result<M, Error> {
    read(&path.display().to_string(), bytes(path)?, net)
}

/// The origin that the header of a safetensors file tells; none where it tells none.
pub(crate) fn origin(bytes: &[u8]) -> Option<Origin> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let header = rest.get(..usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let header: serde_json::Value = serde_json::from_slice(header).ok()?;
    serde_json::from_str(header.get("__metadata__")?.get("origin")?.as_str()?).ok()
}

fn yes(bytes: &[u8]) -> Option<Yes> {
    origin(bytes)?.yes
}

/// The files of weights that a path names.
///
/// # Errors
///
/// [`Error::Weights`] for a folder that cannot be read or holds none.
pub fn files(path: &Path) -> Result<Vec<PathBuf>, Error> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let refuse = |reason: String| Error::Weights {
        origin: path.display().to_string(),
        reason,
    };
    let entries = std::fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.map_err(|e| refuse(e.to_string()))?;
    let mut files: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|e| e == "safetensors"));
    files.sort();
    if files.is_empty() {
        return Err(refuse("the folder holds no `.safetensors` file".into()));
    }
    Ok(files)
}

/// The bytes of a file of weights.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, Error> {
    let refuse = |reason: String| Error::Weights {
        origin: path.display().to_string(),
        reason,
    };
    let bytes = std::fs::metadata(path).map_err(|e| refuse(e.to_string()))?.len();
    if bytes > LARGEST {
        return Err(refuse(format!("the file has {bytes} bytes, expected at most {LARGEST}")));
    }
    std::fs::read(path).map_err(|e| refuse(e.to_string()))
}

fn read<M: Module>(origin: &str, bytes: Vec<u8>, mut net: M) -> Result<M, Error> {
    let refuse = |reason: String| Error::Weights {
        origin: origin.to_owned(),
        reason,
    };
    let mut store = SafetensorsStore::from_bytes(Some(bytes)).validate(true);
    let result = net.load_from(&mut store).map_err(|e| refuse(shortened(&e.to_string())))?;
    if let Some((key, _)) = result.missing.first() {
        return Err(refuse(format!("`{key}` and {} other keys are missing", result.missing.len() - 1)));
    }
    if !result.errors.is_empty() {
        let first = result.errors.iter().take(3).map(ToString::to_string).collect::<Vec<_>>();
        let more = result.errors.len() - first.len();
        return Err(refuse(shortened(&format!("{} ({more} more)", first.join("; ")))));
    }
    Ok(net)
}

/// What a library says, in one line of a readable length.
fn shortened(words: &str) -> String {
    const LONGEST: usize = 300;
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= LONGEST {
        return line;
    }
    line.chars().take(LONGEST).chain(" …".chars()).collect()
}

/// The weights alone as the bytes of a safetensors file.
pub(crate) fn plain<M: Module>(net: &M) -> Result<Vec<u8>, Error> {
    saved(net, SafetensorsStore::from_bytes(None))
}

/// The weights as the bytes of a safetensors file with their origin in its header.
pub(crate) fn to_bytes<M: Module>(net: &M, origin: &Origin) -> Result<Vec<u8>, Error> {
    let header = serde_json::to_string(origin).map_err(|e| unsaved(&e))?;
    saved(net, SafetensorsStore::from_bytes(None).metadata("origin", header))
}

fn saved<M: Module>(net: &M, mut store: SafetensorsStore) -> Result<Vec<u8>, Error> {
    net.save_into(&mut store).map_err(|e| unsaved(&e))?;
    store.get_bytes().map_err(|e| unsaved(&e))
}

fn unsaved(e: &dyn std::fmt::Display) -> Error {
    Error::Weights {
        origin: "to be saved".to_owned(),
        reason: e.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use burn::{
        store::{KeyRemapper, PyTorchToBurnAdapter},
        tensor::{Tensor, TensorData},
    };
    use ndarray::{Array, ArrayView, Dimension, Ix0, Ix1, Ix3, Ix4, IxDyn};

    use super::*;
    use crate::{
        analytic::Analytic,
        body::Body,
        head::{self, Features, Voice},
        nowcast_net::Input,
        scene::Scene,
    };

    fn made() -> Origin {
        Origin {
            step: 1,
            seed: 2,
            train: vec!["a".into()],
            validation: vec!["b".into()],
            validation_score: BTreeMap::new(),
            yes: Some(Yes {
                unbiased: BTreeMap::from([(15, [Some(0.25); 8])]),
                ..Default::default()
            }),
            cpu_s: None,
            energy_wh: None,
        }
    }

    #[test]
    fn weights_come_back_as_they_were_written_and_say_where_they_are_from() {
        let device = Device::flex();
        let net = RainNet::new(&device);
        let bytes = to_bytes(&net, &made()).unwrap();
        assert_eq!(origin(&bytes), Some(made()));
        let again = to_bytes(&read("test", bytes.clone(), RainNet::new(&device)).unwrap(), &made()).unwrap();
        assert_eq!(bytes.len(), again.len());
        let features = |net: &RainNet| {
            let input = Input {
                rain: Tensor::ones([1, 4, 32, 32], &device),
                valid: Tensor::ones([1, 4, 32, 32], &device),
                motion: Tensor::zeros([1, 2, 32, 32], &device),
                step_min: Tensor::ones([1], &device),
            };
            (
                net.mixed(net.encode(&input)).into_data(),
                head::readout(net),
                head::leads(&net.leads(&[15.0], &device)),
            )
        };
        let (before, after) = (features(&net), features(&read("test", bytes, RainNet::new(&device)).unwrap()));
        before.0.assert_eq(&after.0, true);
        assert!(before.1 == after.1 && before.2 == after.2);
    }

    #[test]
    fn damaged_and_foreign_weights_are_refused_by_name() {
        let device = Device::flex();
        let bytes = to_bytes(&RainNet::new(&device), &made()).unwrap();
        for cut in [0, 7, 100, bytes.len() / 2, bytes.len() - 1] {
            let message = read("mine", bytes[..cut].to_vec(), RainNet::new(&device)).unwrap_err().to_string();
            assert!(message.starts_with("weights `mine`: "), "{message}");
        }
        let mut huge = bytes;
        huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(read("mine", huge, RainNet::new(&device)).is_err());
    }

    fn reference(file: &str) -> Option<PathBuf> {
        let given = std::env::var_os("NOWBLEND_DATA").map(PathBuf::from);
        let data = given.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"));
        let path = data.join("../reference/nowcast_net").join(file);
        if !path.is_file() {
            eprintln!("skipped: the reference case of the network is not beside the data");
            return None;
        }
        Some(path)
    }

    fn tensor<const D: usize, I: Dimension>(array: &Array<f32, I>, shape: [usize; D]) -> Tensor<D> {
        Tensor::from_data(TensorData::new(array.iter().copied().collect::<Vec<f32>>(), shape), &Device::flex())
    }

    /// The network's arithmetic is that of an implementation in PyTorch 2 with the same weights, on a real case of 96 x 96 cells.
    #[test]
    fn the_reference_case_is_reproduced() {
        let (Some(weights), Some(case)) = (reference("prototype.safetensors"), reference("case.npz")) else {
            return;
        };
        let device = Device::flex();
        let mut net = RainNet::new(&device);
        let names = KeyRemapper::new().add_pattern(r"^mlp\.0\.", "mlp.").unwrap();
        let mut store = SafetensorsStore::from_file(weights)
            .with_from_adapter(PyTorchToBurnAdapter)
            .remap(names)
            .allow_partial(true);
        let loaded = net.load_from(&mut store).unwrap();
        assert!(loaded.missing.is_empty() && loaded.errors.is_empty(), "{loaded:?}");

        let mut case = ndarray_npy::NpzReader::new(std::fs::File::open(case).unwrap()).unwrap();
        let (rain, valid): (Array<f32, Ix3>, Array<f32, Ix3>) = (case.by_name("rain").unwrap(), case.by_name("valid").unwrap());
        let motion: Array<f32, Ix3> = case.by_name("motion").unwrap();
        let step: Array<f32, Ix0> = case.by_name("step_min").unwrap();
        let leads: Array<f32, Ix1> = case.by_name("leads_min").unwrap();
        let (features, probability): (Array<f32, Ix3>, Array<f32, Ix4>) =
            (case.by_name("features").unwrap(), case.by_name("probability").unwrap());
        let analytic: Array<f32, Ix4> = case.by_name("analytic").unwrap();
        let input = Input {
            rain: tensor(&rain, [1, 4, 96, 96]),
            valid: tensor(&valid, [1, 4, 96, 96]),
            motion: tensor(&motion, [1, 2, 96, 96]),
            step_min: tensor(&step, [1]),
        };
        let found = net.encode(&input);
        let close = |found: ArrayView<'_, f32, IxDyn>, expected: ArrayView<'_, f32, IxDyn>, what: &str| {
            assert_eq!(found.shape(), expected.shape(), "{what}");
            let off = found.iter().zip(&expected).fold(0.0f32, |most, (a, b)| most.max((a - b).abs()));
            assert!(off <= 1e-4, "{what}: off by {off}");
        };
        let values = Array::from_shape_vec(features.raw_dim(), head::numbers(found)).unwrap();
        close(values.view().into_dyn(), features.view().into_dyn(), "features");
        let scene = Scene {
            rain,
            valid,
            motion,
            step_min: step.into_scalar(),
        };
        let parts = Analytic::new(&scene, (96, 96));
        let mut row = vec![0.0f32; 11 * 8 * 96];
        for y in 0..96 {
            parts.row(y, &mut row);
            let found = ArrayView::from_shape((11, 8, 96), &row).unwrap();
            let expected = analytic.index_axis(ndarray::Axis(2), y);
            close(found.into_dyn(), expected.into_dyn(), "analytic forecasts");
        }
        let lead_min = leads.as_slice().unwrap();
        let features = Features::in_memory(Body::of(&net).features(&scene), (96, 96));
        let voice = [Voice::new(&net, features, lead_min)];
        for k in 0..lead_min.len() {
            let found = head::said(&voice, k, &parts, (96, 96)).probability;
            close(
                found.view().into_dyn(),
                probability.index_axis(ndarray::Axis(0), k).into_dyn(),
                "probability",
            );
        }
    }
}
