//! Published checkpoints: configuration and weights from one archive, believed only where every key and shape fits.
//!
//! The layout is that of the published program (`checkpoint.py`): keys joined by colons, `model_config:…`, `task_config:…:0`, and
//! `params:MODULE:w` (`b`, `scale`, `offset`) with the module names of its network. What the configuration asks for must be there with its shape,
//! and nothing else may be.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Seek},
    path::Path,
};

use burn::{
    module::Param,
    tensor::{Device, Tensor, TensorData},
};
use nowblend_field::Seed;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    edges::{OF_EDGE, OF_NODE},
    mesh::FINEST,
    mlp::{Linear, Mlp, Norm},
    network::{Network, Passing},
    npz::{Npz, NpzWriter},
    task::{Channels, ModelConfig, TaskConfig},
};
use crate::Error;

/// Most weights of a network: ten times the published one.
const MOST_WEIGHTS: usize = 400 << 20;
/// Most variables, or levels, of a task.
const MOST_NAMES: usize = 1024;

/// A network's configuration and weights.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// What messages call it.
    pub origin: String,
    /// The architecture.
    pub model: ModelConfig,
    /// What it is told and asked.
    pub task: TaskConfig,
    /// What its makers say of it.
    pub description: String,
    /// Under which terms it may be used.
    pub license: String,
    /// States that it looks at.
    frames: usize,
    weights: BTreeMap<String, Weights>,
}

#[derive(Debug, Clone)]
struct Weights {
    shape: Vec<usize>,
    values: Vec<f32>,
}

/// An MLP of the published network: its name, what goes in, what comes out, and whether a layer norm follows.
struct Module {
    name: String,
    input: usize,
    output: usize,
    norm: bool,
}

impl Checkpoint {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] with the key, what was found there and what was expected.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::from_archive(Npz::open(path)?)
    }

    /// Reads an archive in memory or elsewhere; `origin` is what messages call it.
    ///
    /// # Errors
    ///
    /// Those of [`Checkpoint::open`].
    pub fn read(origin: &str, reader: impl Read + Seek) -> Result<Self, Error> {
        Self::from_archive(Npz::read(origin.to_owned(), reader)?)
    }

    fn from_archive<R: Read + Seek>(mut npz: Npz<R>) -> Result<Self, Error> {
        let keys: BTreeSet<String> = npz.keys().into_iter().collect();
        let mut known = BTreeSet::new();
        let (model, task) = configuration(&mut npz, &keys, &mut known)?;
        let mut text = |key: &str| {
            known.insert(key.to_owned());
            let read = keys.contains(key).then(|| npz.array(key, 1));
            read.transpose().map(|array| array.and_then(|a| a.text()).unwrap_or_default())
        };
        let (description, license) = (text("description")?, text("license")?);
        let origin = npz.origin().to_owned();
        let refuse = |key: &str, found: String, expected: String| Error::checkpoint(&origin, key, found, expected);

        // How many states it looks at stands nowhere but in the size of its first weights.
        let first = format!("{}:w", linear("grid2mesh_gnn", "encoder_nodes_grid_nodes", 0));
        let told = npz.array(&first, MOST_WEIGHTS)?.shape.first().copied().unwrap_or(0);
        let once = task.channels(1);
        let each = once.carried.len() + once.forced.len();
        let fixed = once.constant.len() + once.coming.len() + OF_NODE;
        let frames = told
            .checked_sub(fixed)
            .filter(|rest| *rest > 0 && each > 0 && *rest % each == 0)
            .map(|rest| rest / each);
        let frames = frames.ok_or_else(|| {
            refuse(
                &first,
                format!("{told} rows"),
                format!("{fixed} and a multiple of {each}, one for each state of the task's variables"),
            )
        })?;

        let expected = expected(&model, &task.channels(frames));
        let count = expected
            .values()
            .map(|shape| shape.iter().product::<usize>())
            .fold(0usize, usize::saturating_add);
        if count > MOST_WEIGHTS {
            return Err(refuse(
                "model_config:latent_size",
                format!("{count} weights"),
                format!("at most {MOST_WEIGHTS}"),
            ));
        }
        known.extend(expected.keys().cloned());
        if let Some(unknown) = keys.difference(&known).next() {
            let found = "a key that the configuration has no use for".to_owned();
            return Err(refuse(unknown, found, "only what its architecture and task ask for".to_owned()));
        }
        let mut weights = BTreeMap::new();
        for (key, shape) in expected {
            let array = npz.array(&key, shape.iter().product())?;
            if array.shape != shape {
                return Err(refuse(&key, format!("shape {:?}", array.shape), format!("{shape:?}")));
            }
            let values = array.floats();
            let values = values.ok_or_else(|| refuse(&key, format!("numbers of type `{}`", array.kind), "<f4 or <f8".to_owned()))?;
            if let Some(value) = values.iter().find(|v| !v.is_finite()) {
                return Err(refuse(&key, value.to_string(), "finite numbers".to_owned()));
            }
            weights.insert(key, Weights { shape, values });
        }
        Ok(Self {
            origin,
            model,
            task,
            description,
            license,
            frames,
            weights,
        })
    }

    /// Random weights for an architecture and a task that looks at two states: to measure with, not to forecast.
    pub fn random(model: ModelConfig, task: TaskConfig, seed: Seed) -> Self {
        let frames = 2;
        let mut rng = ChaCha8Rng::seed_from_u64(seed.0);
        let weights = expected(&model, &task.channels(frames)).into_iter().map(|(key, shape)| {
            let count = shape.iter().product();
            let values = match (key.rsplit(':').next(), shape.as_slice()) {
                (Some("scale"), _) => vec![1.0; count],
                // Products keep the size of what goes in.
                (_, &[input, _]) => {
                    let scale = (3.0 / input as f32).sqrt();
                    (0..count).map(|_| rng.random_range(-scale..scale)).collect()
                }
                _ => (0..count).map(|_| rng.random_range(-0.1..0.1)).collect(),
            };
            (key, Weights { shape, values })
        });
        Self {
            origin: "random".into(),
            weights: weights.collect(),
            model,
            task,
            description: "random weights".into(),
            license: String::new(),
            frames,
        }
    }

    /// The bytes of the file.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] where memory is short.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let mut npz = NpzWriter::new();
        for (key, weights) in &self.weights {
            npz.floats(key, &weights.shape, &weights.values)?;
        }
        let model = &self.model;
        npz.number("model_config:resolution", model.resolution)?;
        npz.count("model_config:mesh_size", model.mesh_size)?;
        npz.count("model_config:latent_size", model.latent_size)?;
        npz.count("model_config:gnn_msg_steps", model.message_steps)?;
        npz.count("model_config:hidden_layers", model.hidden_layers)?;
        npz.number("model_config:radius_query_fraction_edge_length", model.radius)?;
        if let Some(longest) = model.longest_out {
            npz.number("model_config:mesh2grid_edge_normalization_factor", longest)?;
        }
        let task = &self.task;
        for (list, names) in [
            ("input_variables", &task.inputs),
            ("target_variables", &task.targets),
            ("forcing_variables", &task.forcings),
        ] {
            for (k, name) in names.iter().enumerate() {
                npz.text(&format!("task_config:{list}:{k}"), name)?;
            }
        }
        for (k, level) in task.levels_hpa.iter().enumerate() {
            npz.number(&format!("task_config:pressure_levels:{k}"), *level)?;
        }
        npz.text("task_config:input_duration", &task.input_duration)?;
        npz.text("description", &self.description)?;
        npz.text("license", &self.license)?;
        npz.finish()
    }

    /// Number of weights.
    pub fn count(&self) -> usize {
        self.weights.values().map(|w| w.values.len()).sum()
    }

    /// The channels of its task.
    pub fn channels(&self) -> Channels {
        self.task.channels(self.frames)
    }

    /// The network on a device. Weights of nodes that nothing depends on are left out.
    pub(super) fn network(&self, device: &Device) -> Network {
        let build = Build { checkpoint: self, device };
        let channels = self.channels();
        let latent = self.model.latent_size;
        let told = channels.told();
        let place: Vec<usize> = (told..told + OF_NODE).collect();
        let mut grid_rows = channels.published_inputs();
        grid_rows.push(place.clone());
        let own: Vec<usize> = (0..latent).collect();
        let thirds: Vec<Vec<usize>> = (0..3).map(|k| (k * latent..(k + 1) * latent).collect()).collect();
        let halves = thirds[..2].to_vec();
        let edge = || vec![(0..OF_EDGE).collect::<Vec<_>>()];
        let passing = |gnn: &str, message: String, update: String| Passing {
            message: build.mlp(gnn, &message, &thirds),
            update: build.mlp(gnn, &update, &halves),
        };
        let process = (0..self.model.message_steps).map(|k| {
            passing(
                "mesh_gnn",
                format!("processor_edges_{k}_mesh"),
                format!("processor_nodes_{k}_mesh_nodes"),
            )
        });
        Network {
            embed_grid: build.mlp("grid2mesh_gnn", "encoder_nodes_grid_nodes", &grid_rows),
            // The published program tells corners as many zeros as it tells grid points numbers.
            embed_mesh: build.mlp("grid2mesh_gnn", "encoder_nodes_mesh_nodes", &[place]),
            embed_in: build.mlp("grid2mesh_gnn", "encoder_edges_grid2mesh", &edge()),
            encode: passing(
                "grid2mesh_gnn",
                "processor_edges_0_grid2mesh".into(),
                "processor_nodes_0_mesh_nodes".into(),
            ),
            update_grid: build.mlp("grid2mesh_gnn", "processor_nodes_0_grid_nodes", std::slice::from_ref(&own)),
            embed_within: build.mlp("mesh_gnn", "encoder_edges_mesh", &edge()),
            process: process.collect(),
            embed_out: build.mlp("mesh2grid_gnn", "encoder_edges_mesh2grid", &edge()),
            decode: passing(
                "mesh2grid_gnn",
                "processor_edges_0_mesh2grid".into(),
                "processor_nodes_0_grid_nodes".into(),
            ),
            speak: build.output("mesh2grid_gnn", "decoder_nodes_grid_nodes", &own, &channels.published_outputs()),
        }
    }
}

/// Puts weights into modules.
struct Build<'a> {
    checkpoint: &'a Checkpoint,
    device: &'a Device,
}

impl Build<'_> {
    /// An MLP whose first weights are told apart by rows.
    fn mlp(&self, gnn: &str, name: &str, rows: &[Vec<usize>]) -> Mlp {
        let weights = |layer: usize| self.weights(&format!("{}:w", linear(gnn, name, layer)));
        let bias = |layer: usize| self.vector(&format!("{}:b", linear(gnn, name, layer)));
        let first = weights(0);
        let width = first.shape[1];
        let part = |rows: &Vec<usize>| {
            let values = rows
                .iter()
                .flat_map(|row| &first.values[row * width..(row + 1) * width])
                .copied()
                .collect();
            self.matrix(values, [rows.len(), width])
        };
        let norm = format!("{}:scale", norm(gnn, name));
        Mlp {
            parts: rows.iter().map(part).collect(),
            bias: bias(0),
            rest: (1..=self.checkpoint.model.hidden_layers)
                .map(|layer| {
                    let weights = weights(layer);
                    Linear {
                        weight: self.matrix(weights.values.clone(), [weights.shape[0], weights.shape[1]]),
                        bias: bias(layer),
                    }
                })
                .collect(),
            norm: self.checkpoint.weights.contains_key(&norm).then(|| self.norm(gnn, name)),
        }
    }

    /// An MLP that speaks its output in another order.
    fn output(&self, gnn: &str, name: &str, rows: &[usize], columns: &[usize]) -> Mlp {
        let mut mlp = self.mlp(gnn, name, &[rows.to_vec()]);
        let layer = self.checkpoint.model.hidden_layers;
        let weights = self.weights(&format!("{}:w", linear(gnn, name, layer)));
        let bias = self.weights(&format!("{}:b", linear(gnn, name, layer)));
        let width = weights.shape[1];
        let values = weights
            .values
            .chunks(width)
            .flat_map(|row| columns.iter().map(|c| row[*c]))
            .collect();
        let weight = self.matrix(values, [weights.shape[0], columns.len()]);
        let bias = self.tensor(columns.iter().map(|c| bias.values[*c]).collect());
        match mlp.rest.last_mut() {
            Some(last) => *last = Linear { weight, bias },
            None => (mlp.parts, mlp.bias) = (vec![weight], bias),
        }
        mlp
    }

    fn norm(&self, gnn: &str, name: &str) -> Norm {
        Norm {
            scale: self.vector(&format!("{}:scale", norm(gnn, name))),
            shift: self.vector(&format!("{}:offset", norm(gnn, name))),
        }
    }

    fn weights(&self, key: &str) -> &Weights {
        self.checkpoint.weights.get(key).expect("every key of the architecture was read")
    }

    fn vector(&self, key: &str) -> Param<Tensor<1>> {
        self.tensor(self.weights(key).values.clone())
    }

    fn tensor(&self, values: Vec<f32>) -> Param<Tensor<1>> {
        let length = values.len();
        Param::from_tensor(Tensor::from_data(TensorData::new(values, [length]), self.device))
    }

    fn matrix(&self, values: Vec<f32>, shape: [usize; 2]) -> Param<Tensor<2>> {
        Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), self.device))
    }
}

/// The published name of a linear layer.
fn linear(gnn: &str, name: &str, layer: usize) -> String {
    format!("params:{gnn}/~_networks_builder/{name}_mlp/~/linear_{layer}")
}

/// The published name of a layer norm.
fn norm(gnn: &str, name: &str) -> String {
    format!("params:{gnn}/~_networks_builder/{name}_layer_norm")
}

/// Every key of the weights and its shape.
fn expected(model: &ModelConfig, channels: &Channels) -> BTreeMap<String, Vec<usize>> {
    let latent = model.latent_size;
    let told = channels.told() + OF_NODE;
    let mut modules = Vec::new();
    let mut add = |gnn: &'static str, name: String, input: usize| {
        let module = Module {
            name,
            input,
            output: latent,
            norm: true,
        };
        modules.push((gnn, module));
    };
    let (edges, nodes, both) = (3 * latent, 2 * latent, latent);
    add("grid2mesh_gnn", "encoder_edges_grid2mesh".into(), OF_EDGE);
    add("grid2mesh_gnn", "encoder_nodes_grid_nodes".into(), told);
    add("grid2mesh_gnn", "encoder_nodes_mesh_nodes".into(), told);
    add("grid2mesh_gnn", "processor_edges_0_grid2mesh".into(), edges);
    add("grid2mesh_gnn", "processor_nodes_0_grid_nodes".into(), both);
    add("grid2mesh_gnn", "processor_nodes_0_mesh_nodes".into(), nodes);
    add("mesh_gnn", "encoder_edges_mesh".into(), OF_EDGE);
    for k in 0..model.message_steps {
        add("mesh_gnn", format!("processor_edges_{k}_mesh"), edges);
        add("mesh_gnn", format!("processor_nodes_{k}_mesh_nodes"), nodes);
    }
    add("mesh2grid_gnn", "encoder_edges_mesh2grid".into(), OF_EDGE);
    add("mesh2grid_gnn", "processor_edges_0_mesh2grid".into(), edges);
    add("mesh2grid_gnn", "processor_nodes_0_grid_nodes".into(), nodes);
    add("mesh2grid_gnn", "processor_nodes_0_mesh_nodes".into(), both);
    let speak = Module {
        name: "decoder_nodes_grid_nodes".into(),
        input: latent,
        output: channels.answered(),
        norm: false,
    };
    modules.push(("mesh2grid_gnn", speak));
    let mut expected = BTreeMap::new();
    for (gnn, module) in modules {
        for layer in 0..=model.hidden_layers {
            let input = if layer == 0 { module.input } else { latent };
            let output = if layer == model.hidden_layers { module.output } else { latent };
            let key = linear(gnn, &module.name, layer);
            expected.insert(format!("{key}:w"), vec![input, output]);
            expected.insert(format!("{key}:b"), vec![output]);
        }
        if module.norm {
            let key = norm(gnn, &module.name);
            expected.insert(format!("{key}:scale"), vec![latent]);
            expected.insert(format!("{key}:offset"), vec![latent]);
        }
    }
    expected
}

/// Architecture and task, and the keys that they stand under.
fn configuration<R: Read + Seek>(
    npz: &mut Npz<R>,
    keys: &BTreeSet<String>,
    known: &mut BTreeSet<String>,
) -> Result<(ModelConfig, TaskConfig), Error> {
    let origin = npz.origin().to_owned();
    let refuse = |key: &str, found: String, expected: String| Error::checkpoint(&origin, key, found, expected);
    let mut number = |name: &str, low: f64, high: f64, whole: bool| {
        let key = format!("model_config:{name}");
        let array = npz.array(&key, 1)?;
        let value = array.number();
        let value = value.ok_or_else(|| refuse(&key, format!("type `{}`", array.kind), "one number".to_owned()))?;
        let kind = if whole { "a whole number" } else { "a number" };
        if !(low..=high).contains(&value) || (whole && value.fract() != 0.0) {
            return Err(refuse(&key, value.to_string(), format!("{kind} from {low} to {high}")));
        }
        known.insert(key);
        Ok(value)
    };
    let model = ModelConfig {
        resolution: number("resolution", 0.0, 180.0, false)?,
        mesh_size: number("mesh_size", 0.0, FINEST as f64, true)? as usize,
        latent_size: number("latent_size", 1.0, 16_384.0, true)? as usize,
        message_steps: number("gnn_msg_steps", 1.0, 1024.0, true)? as usize,
        hidden_layers: number("hidden_layers", 0.0, 64.0, true)? as usize,
        radius: number("radius_query_fraction_edge_length", 0.0, 10.0, false)?,
        longest_out: match keys.contains("model_config:mesh2grid_edge_normalization_factor") {
            true => Some(number("mesh2grid_edge_normalization_factor", 1e-6, 1e6, false)?),
            false => None,
        },
    };
    let mut list = |name: &str| {
        let mut members = Vec::new();
        for k in 0.. {
            let key = format!("task_config:{name}:{k}");
            if !keys.contains(&key) {
                break;
            }
            if k == MOST_NAMES {
                return Err(refuse(&key, "one more".into(), format!("at most {MOST_NAMES}")));
            }
            members.push((npz.array(&key, 1)?, key.clone()));
            known.insert(key);
        }
        Ok(members)
    };
    let (inputs, targets, forcings) = (list("input_variables")?, list("target_variables")?, list("forcing_variables")?);
    let levels = list("pressure_levels")?;
    let names = |members: Vec<(super::npz::Npy, String)>| {
        let name = |(array, key): (super::npz::Npy, String)| {
            array
                .text()
                .ok_or_else(|| refuse(&key, format!("type `{}`", array.kind), "text".to_owned()))
        };
        members.into_iter().map(name).collect::<Result<Vec<_>, _>>()
    };
    let duration = "task_config:input_duration";
    let input_duration = npz.array(duration, 1)?.text().unwrap_or_default();
    known.insert(duration.to_owned());
    let levels = levels.into_iter().map(|(array, key)| {
        let level = array.number().filter(|l| (0.0..=1100.0).contains(l));
        level.ok_or_else(|| refuse(&key, format!("type `{}`", array.kind), "a pressure from 0 to 1100 hPa".to_owned()))
    });
    let task = TaskConfig {
        levels_hpa: levels.collect::<Result<_, _>>()?,
        inputs: names(inputs)?,
        targets: names(targets)?,
        forcings: names(forcings)?,
        input_duration,
    };
    if task.targets.is_empty() {
        return Err(refuse(
            "task_config:target_variables:0",
            "nothing".into(),
            "at least one variable".into(),
        ));
    }
    if let Some(both) = task.forcings.iter().find(|f| task.targets.contains(f)) {
        let found = format!("`{both}`, which is a target, too");
        return Err(refuse(
            "task_config:forcing_variables",
            found,
            "variables that are not asked for".into(),
        ));
    }
    if task.input_duration_s().is_none() {
        return Err(refuse(
            duration,
            format!("`{}`", task.input_duration),
            "hours or days such as `12h`".into(),
        ));
    }
    Ok((model, task))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::graph::tests::{small_model, small_task};

    fn random() -> Checkpoint {
        Checkpoint::random(small_model(), small_task(), Seed(1))
    }

    fn reread(bytes: Vec<u8>) -> Result<Checkpoint, Error> {
        Checkpoint::read("mine.npz", Cursor::new(bytes))
    }

    #[test]
    fn a_checkpoint_comes_back_as_it_was_written() {
        let made = random();
        let read = reread(made.to_bytes().unwrap()).unwrap();
        assert_eq!((&read.model, &read.task, read.frames), (&made.model, &made.task, 2));
        assert!(made.weights.iter().all(|(key, weights)| read.weights[key].values == weights.values));
    }

    #[test]
    fn what_is_missing_foreign_or_of_another_shape_is_named() {
        let key = "params:mesh_gnn/~_networks_builder/processor_edges_1_mesh_mlp/~/linear_0:w";
        let refused = |change: &dyn Fn(&mut Checkpoint), parts: &[&str]| {
            let mut checkpoint = random();
            change(&mut checkpoint);
            let message = reread(checkpoint.to_bytes().unwrap()).unwrap_err().to_string();
            for part in ["mine.npz"].iter().chain(parts) {
                assert!(message.contains(part), "`{part}` is not in: {message}");
            }
        };
        refused(&|c| drop(c.weights.remove(key)), &[key, "nothing"]);
        refused(
            &|c| {
                let weights = c.weights.get_mut(key).unwrap();
                weights.shape = vec![8, 24];
            },
            &[key, "[8, 24]", "[24, 8]"],
        );
        refused(&|c| c.weights.get_mut(key).unwrap().values[3] = f32::NAN, &[key, "NaN"]);
        let extra = "params:denoiser/~/linear_0:w";
        refused(
            &|c| {
                drop(c.weights.insert(
                    extra.into(),
                    Weights {
                        shape: vec![1],
                        values: vec![0.0],
                    },
                ));
            },
            &[extra],
        );
        refused(&|c| c.model.mesh_size = 99, &["model_config:mesh_size", "99"]);
        refused(&|c| c.model.latent_size = 1 << 40, &["model_config:latent_size"]);
        refused(&|c| c.model.message_steps = 3, &["processor_edges_2_mesh", "nothing"]);
        refused(&|c| c.task.input_duration = "soon".into(), &["task_config:input_duration", "soon"]);
        refused(&|c| drop(c.task.inputs.pop()), &["encoder_nodes_grid_nodes", "rows"]);
        refused(
            &|c| c.task.forcings.push(c.task.targets[0].clone()),
            &["task_config:forcing_variables"],
        );
    }

    #[test]
    fn damaged_files_are_refused_without_a_panic() {
        let bytes = random().to_bytes().unwrap();
        for cut in [0, 4, 100, bytes.len() / 2, bytes.len() - 1] {
            assert!(reread(bytes[..cut].to_vec()).is_err(), "cut at {cut}");
        }
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for _ in 0..500 {
            let mut damaged = bytes.clone();
            for _ in 0..rng.random_range(1..8) {
                let at = rng.random_range(0..damaged.len());
                damaged[at] = rng.random();
            }
            // Heads of arrays and the directory at the end are hit more often than chance would.
            let at = damaged.len() - 1 - rng.random_range(0..2000);
            damaged[at] ^= 1 << rng.random_range(0..8);
            let _ = reread(damaged);
        }
    }
}
