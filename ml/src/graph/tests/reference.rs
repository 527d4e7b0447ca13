use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::{TimeDelta, TimeZone, Utc};
use ndarray::{ArrayD, Axis, Ix1, Ix3, IxDyn};
use ndarray_npy::NpzReader;
use nowblend_field::{Atmosphere, GlobalField, Globe, Stepper};

use crate::graph::{Checkpoint, GraphCast, Normalisation, Statistics};

/// The folder of the reference case, beside the data, or the one that `NOWBLEND_GRAPHCAST` names.
fn folder() -> Option<PathBuf> {
    let beside = || {
        let given = std::env::var_os("NOWBLEND_DATA").map(PathBuf::from);
        let data = given.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"));
        data.join("../reference/graphcast")
    };
    let folder = std::env::var_os("NOWBLEND_GRAPHCAST").map_or_else(beside, PathBuf::from);
    if folder.join("rollout.npz").is_file() {
        return Some(folder);
    }
    eprintln!("skipped: the reference case of the global model is not beside the data");
    None
}

/// Arrays of an archive by name, with the names of their axes.
struct Case {
    arrays: NpzReader<File>,
    dims: serde_json::Map<String, serde_json::Value>,
}

impl Case {
    fn open(folder: &Path, file: &str) -> Self {
        let dims = std::fs::read_to_string(folder.join("dims.json")).unwrap();
        Self {
            arrays: NpzReader::new(File::open(folder.join(file)).unwrap()).unwrap(),
            dims: serde_json::from_str(&dims).unwrap(),
        }
    }

    fn coordinate(&mut self, name: &str) -> Vec<f64> {
        let values: ndarray::Array<f32, Ix1> = self.arrays.by_name(name).unwrap();
        values.iter().map(|v| f64::from(*v)).collect()
    }

    /// Fields `[level, y, x]` of a variable, one for each time it has; none of them has the axis that is left out.
    fn fields(&mut self, key: &str, dims: &str, globe: &Globe) -> Vec<GlobalField> {
        let mut array: ArrayD<f32> = self.arrays.by_name(key).unwrap();
        let words = self.dims[dims].as_str().unwrap().to_owned();
        let mut names: Vec<&str> = words
            .trim_matches(['(', ')'])
            .split(',')
            .map(|w| w.trim().trim_matches('\''))
            .filter(|w| !w.is_empty())
            .collect();
        if let Some(batch) = names.iter().position(|n| *n == "batch") {
            array = array.index_axis_move(Axis(batch), 0);
            names.remove(batch);
        }
        for wanted in ["time", "level", "lat", "lon"] {
            if !names.contains(&wanted) {
                array = array.insert_axis(Axis(names.len()));
                names.push(wanted);
            }
        }
        let order = ["time", "level", "lat", "lon"].map(|w| names.iter().position(|n| *n == w).unwrap());
        let array = array.permuted_axes(IxDyn(&order));
        let (rows, columns) = globe.shape();
        let shape = [array.shape()[0], array.shape()[1], rows, columns];
        let array = array.broadcast(IxDyn(&shape)).unwrap();
        let field = |time: ndarray::ArrayViewD<'_, f32>| {
            time.to_owned()
                .into_dimensionality::<Ix3>()
                .unwrap()
                .as_standard_layout()
                .into_owned()
                .into_shared()
        };
        array.outer_iter().map(field).collect()
    }

    fn keys(&mut self, prefix: &str) -> Vec<String> {
        let names = self.arrays.names().unwrap();
        names
            .iter()
            .filter_map(|n| n.trim_end_matches(".npy").strip_prefix(prefix).map(str::to_owned))
            .collect()
    }
}

/// A NetCDF classic file of small variables, as much of it as the normalisation needs.
fn statistics(path: &Path) -> Statistics {
    let bytes = std::fs::read(path).unwrap();
    let mut at = 4;
    let offsets_of_8 = bytes[3] == 2;
    let int = |at: &mut usize| {
        *at += 4;
        u32::from_be_bytes(bytes[*at - 4..*at].try_into().unwrap()) as usize
    };
    let text = |at: &mut usize| {
        let length = int(at);
        let words = String::from_utf8(bytes[*at..*at + length].to_vec()).unwrap();
        *at += length.next_multiple_of(4);
        words
    };
    let skip_attributes = |at: &mut usize| {
        let (_, count) = (int(at), int(at));
        for _ in 0..count {
            text(at);
            let (kind, length) = (int(at), int(at));
            let width = [0, 1, 1, 2, 4, 4, 8][kind];
            *at += (length * width).next_multiple_of(4);
        }
    };
    int(&mut at);
    let (_, dimensions) = (int(&mut at), int(&mut at));
    let lengths: Vec<usize> = (0..dimensions)
        .map(|_| {
            text(&mut at);
            int(&mut at)
        })
        .collect();
    skip_attributes(&mut at);
    let (_, variables) = (int(&mut at), int(&mut at));
    let mut statistics = Statistics {
        origin: path.display().to_string(),
        ..Statistics::default()
    };
    for _ in 0..variables {
        let name = text(&mut at);
        let rank = int(&mut at);
        let count: usize = (0..rank).map(|_| lengths[int(&mut at)]).product();
        skip_attributes(&mut at);
        let (kind, _) = (int(&mut at), int(&mut at));
        if offsets_of_8 {
            assert_eq!(int(&mut at), 0);
        }
        let begin = int(&mut at);
        let values: Vec<f64> = (0..count)
            .map(|k| match kind {
                4 => f64::from(i32::from_be_bytes(bytes[begin + 4 * k..][..4].try_into().unwrap())),
                5 => f64::from(f32::from_be_bytes(bytes[begin + 4 * k..][..4].try_into().unwrap())),
                6 => f64::from_be_bytes(bytes[begin + 8 * k..][..8].try_into().unwrap()),
                kind => panic!("{name}: type {kind}"),
            })
            .collect();
        if name == "level" {
            statistics.levels_hpa = values;
        } else {
            statistics.values.insert(name, values.iter().map(|v| *v as f32).collect());
        }
    }
    statistics
}

/// The steps that the published program made with the same weights and inputs.
#[test]
fn the_rollout_of_the_published_program_is_reproduced() {
    let Some(folder) = folder() else { return };
    let normalisation = Normalisation {
        mean: statistics(&folder.join("mean_by_level.nc")),
        deviation: statistics(&folder.join("stddev_by_level.nc")),
        change: statistics(&folder.join("diffs_stddev_by_level.nc")),
    };
    let checkpoint = Checkpoint::open(&folder.join("checkpoint.npz")).unwrap();
    let graphcast = GraphCast::new(&checkpoint, &normalisation).unwrap();

    let mut inputs = Case::open(&folder, "inputs.npz");
    let globe = Arc::new(Globe::new(inputs.coordinate("lat"), inputs.coordinate("lon")).unwrap());
    let levels: Arc<[f64]> = Arc::from(checkpoint.task.levels_hpa.as_slice());
    let start = Utc.with_ymd_and_hms(2020, 1, 1, 0, 0, 0).unwrap();
    let step = i64::from(graphcast.step_length().seconds());
    let mut past: Vec<Atmosphere> = (0..graphcast.looks_back())
        .map(|k| Atmosphere::empty(Arc::clone(&globe), Arc::clone(&levels), start + TimeDelta::seconds(step * k as i64)))
        .collect();
    for name in inputs.keys("input/") {
        let key = format!("input/{name}");
        let fields = inputs.fields(&key, &key, &globe);
        for (k, state) in past.iter_mut().enumerate() {
            state.fields.insert(name.clone(), fields[k.min(fields.len() - 1)].clone());
        }
    }
    let mut coming: BTreeMap<String, Vec<GlobalField>> = BTreeMap::new();
    for name in inputs.keys("forcing/") {
        let key = format!("forcing/{name}");
        coming.insert(name, inputs.fields(&key, &key, &globe));
    }
    let mut rollout = Case::open(&folder, "rollout.npz");
    let expected: BTreeMap<String, Vec<GlobalField>> = rollout
        .keys("")
        .into_iter()
        .map(|name| {
            let fields = rollout.fields(&name, &format!("rollout/{name}"), &globe);
            (name, fields)
        })
        .collect();
    assert_eq!(expected.len(), checkpoint.task.targets.len());
    let steps = expected.values().next().unwrap().len();
    let mut worst: f32 = 0.0;
    for step in 0..steps {
        let coming = coming.iter().map(|(name, fields)| (name.clone(), fields[step].clone())).collect();
        let next = graphcast.step_with(&past, &coming).unwrap();
        for (name, fields) in &expected {
            let deviations = &normalisation.deviation.values[name];
            for (level, (found, expected)) in next.fields[name].outer_iter().zip(fields[step].outer_iter()).enumerate() {
                let deviation = if deviations.len() == 1 {
                    deviations[0]
                } else {
                    let place = normalisation.deviation.levels_hpa.iter().position(|l| *l == levels[level]).unwrap();
                    deviations[place]
                };
                let difference = (&found - &expected).fold(0.0f32, |most, d| most.max(d.abs())) / deviation;
                assert!(
                    difference <= 1e-4,
                    "step {}, {name}, level {level}: {difference} standard deviations",
                    step + 1
                );
                worst = worst.max(difference);
            }
        }
        past.remove(0);
        past.push(next);
    }
    println!("{steps} steps of {} within {worst:.1e} standard deviations", folder.display());
}
