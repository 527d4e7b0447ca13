//! The learned global model as a stepper: fields in, the fields of the next time out, over and over to ten days.

use std::{
    collections::BTreeMap,
    ops::Range,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use burn::tensor::{Device, Tensor, TensorData};
use ndarray::{Array3, Axis};
use nowblend_field::{Atmosphere, Error as FieldError, GlobalField, Globe, LeadTime, Notice, NoticeKind, Stepper};
use rayon::prelude::*;

use super::{
    checkpoint::Checkpoint,
    forcings::{self, forcing},
    network::{Graph, GraphConfig, Network},
    normalisation::Normalisation,
    task::{Channel, Channels, TaskConfig},
};
use crate::Error;

/// A network with its weights, its task and what its numbers are normalised by.
pub struct GraphCast {
    network: Network,
    graph_config: GraphConfig,
    task: TaskConfig,
    channels: Channels,
    step_length: LeadTime,
    /// What brings each channel to about one.
    scales: Scales,
    notices: Vec<Notice>,
    /// The graph of the grid that was stepped last.
    graph: Mutex<Option<(Arc<Globe>, Arc<Graph>)>>,
}

/// Means and deviations of all channels.
struct Scales {
    carried: Vec<Scale>,
    /// Forced channels of each state, constants, what is coming.
    given: Vec<Scale>,
    /// Deviations of the change of carried channels.
    change: Vec<f32>,
    asked: Vec<Scale>,
}

#[derive(Debug, Clone, Copy)]
struct Scale {
    mean: f32,
    deviation: f32,
}

impl Scale {
    fn normal(self, value: f32) -> f32 {
        (value - self.mean) / self.deviation
    }
}

/// A channel of a state: its field and its level.
type Plane = (GlobalField, usize);

impl GraphCast {
    /// The network of a checkpoint file.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] with the key, what was found there and what was expected.
    pub fn open(checkpoint: &Path, normalisation: &Normalisation) -> Result<Self, Error> {
        Self::new(&Checkpoint::open(checkpoint)?, normalisation)
    }

    /// The network of a checkpoint.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] where looking back and normalisation do not fit the task.
    pub fn new(checkpoint: &Checkpoint, normalisation: &Normalisation) -> Result<Self, Error> {
        let (channels, task) = (checkpoint.channels(), checkpoint.task.clone());
        let refuse = |key: &str, found: String, expected: String| Error::checkpoint(&checkpoint.origin, key, found, expected);
        let duration = task.input_duration_s().unwrap_or(0);
        let frames = channels.frames as u32;
        if duration == 0 || duration % frames != 0 {
            let found = format!("`{}` for weights of {frames} states", task.input_duration);
            return Err(refuse("task_config:input_duration", found, "a step length for each state".into()));
        }
        let mut notices = Vec::new();
        let scales = Scales::new(&channels, &task, normalisation, &mut notices)?;
        Ok(Self {
            network: checkpoint.network(&Device::flex()),
            graph_config: checkpoint.model.graph(),
            task,
            channels,
            step_length: LeadTime::from_seconds(duration / frames),
            scales,
            notices,
            graph: Mutex::new(None),
        })
    }

    /// What it is told and asked.
    pub fn task(&self) -> &TaskConfig {
        &self.task
    }

    /// Variables that it was not given a mean or a deviation of.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// Variables that states must hold, those that it cannot compute itself, and whether they lie on levels.
    pub fn needs(&self) -> Vec<(String, bool)> {
        let told = [&self.channels.carried, &self.channels.constant].into_iter().flatten();
        let forced = self
            .channels
            .forced
            .iter()
            .filter(|c| !forcings::NAMES.contains(&c.variable.as_str()));
        let mut needs: Vec<(String, bool)> = told
            .chain(forced)
            .filter(|c| c.level == 0)
            .map(|c| (c.variable.clone(), c.on_levels))
            .collect();
        needs.sort();
        needs
    }

    /// Variables of the states that it makes, and how many levels they have.
    pub fn answers(&self) -> Vec<(String, usize)> {
        let asked = [&self.channels.carried, &self.channels.asked].into_iter().flatten();
        let mut answers: Vec<(String, usize)> = asked.filter(|c| c.level == 0).map(|c| (c.variable.clone(), c.levels)).collect();
        answers.sort();
        answers
    }

    /// The graph of a grid; that of the last grid is kept.
    pub fn graph(&self, globe: &Arc<Globe>) -> Arc<Graph> {
        let mut kept = self.graph.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, graph)) = kept.as_ref().filter(|(of, _)| of == globe) {
            return Arc::clone(graph);
        }
        // The old one goes first, so that there are never two.
        *kept = None;
        let graph = Arc::new(Graph::new(globe, &self.graph_config, &Device::flex()));
        *kept = Some((Arc::clone(globe), Arc::clone(&graph)));
        graph
    }

    /// As [`Stepper::step`], with the forcings of the time that is asked for, by name.
    ///
    /// # Errors
    ///
    /// Those of [`Stepper::step`].
    pub fn step_with(&self, past: &[Atmosphere], coming: &BTreeMap<String, GlobalField>) -> Result<Atmosphere, Error> {
        let input = Input::new(self, past, coming)?;
        let graph = self.graph(&input.newest.globe);
        let device = &graph.work.device;
        let told = |run: Range<usize>| input.told(&self.scales, &run, device);
        let answers: Vec<Vec<f32>> = self
            .network
            .forward(&graph, &told)
            .into_iter()
            .map(|answer| {
                answer
                    .into_data()
                    .try_into_vec()
                    .expect("the network answers in numbers of four bytes")
            })
            .collect();
        let mut next = Atmosphere::empty(
            Arc::clone(&input.newest.globe),
            Arc::from(self.task.levels_hpa.as_slice()),
            input.newest.valid_time + self.step_length,
        );
        next.fields.extend(coming.iter().map(|(name, field)| (name.clone(), field.clone())));
        for channel in self.channels.constant.iter().filter(|c| c.level == 0) {
            next.fields
                .insert(channel.variable.clone(), input.newest.fields[&channel.variable].clone());
        }
        self.tell(&answers, &input, &mut next);
        Ok(next)
    }

    /// Puts what the network answered, point by point, into fields.
    fn tell(&self, answers: &[Vec<f32>], input: &Input<'_>, next: &mut Atmosphere) {
        let width = self.channels.answered();
        let (rows, columns) = next.globe.shape();
        let carried = self.channels.carried.len();
        let newest = self.channels.frames - 1;
        let planes: Vec<Vec<f32>> = (0..width)
            .into_par_iter()
            .map(|column| {
                let answers = answers.iter().flat_map(|run| run.iter().skip(column).step_by(width)).copied();
                if column < carried {
                    let (field, level) = &input.carried[newest][column];
                    let change = self.scales.change[column];
                    field
                        .index_axis(Axis(0), *level)
                        .iter()
                        .zip(answers)
                        .map(|(last, answer)| answer * change + last)
                        .collect()
                } else {
                    let Scale { mean, deviation } = self.scales.asked[column - carried];
                    answers.map(|answer| answer * deviation + mean).collect()
                }
            })
            .collect();
        let mut planes = planes.into_iter();
        let channels: Vec<&Channel> = self.channels.carried.iter().chain(&self.channels.asked).collect();
        for channel in channels.into_iter().filter(|c| c.level == 0) {
            let mut values = Vec::with_capacity(channel.levels * rows * columns);
            planes.by_ref().take(channel.levels).for_each(|plane| values.extend(plane));
            let field = Array3::from_shape_vec((channel.levels, rows, columns), values).expect("the network answers for every point");
            next.fields.insert(channel.variable.clone(), field.into_shared());
        }
    }
}

impl Stepper for GraphCast {
    fn name(&self) -> &str {
        "graphcast"
    }

    fn step_length(&self) -> LeadTime {
        self.step_length
    }

    fn looks_back(&self) -> usize {
        self.channels.frames
    }

    fn step(&self, past: &[Atmosphere]) -> Result<Atmosphere, FieldError> {
        let told = |e: Error| FieldError::component(self.name(), e);
        let newest = past
            .last()
            .ok_or_else(|| told(Error::state("states", "none", format!("{}", self.channels.frames))))?;
        let time = newest.valid_time + self.step_length;
        let coming = self.task.forcings.iter().map(|name| {
            let field = forcing(name, time, &newest.globe);
            field
                .map(|field| (name.clone(), field))
                .ok_or_else(|| Error::state(name, "no way to compute it", "a forcing that is known"))
        });
        let coming = coming.collect::<Result<_, _>>().map_err(told)?;
        self.step_with(past, &coming).map_err(told)
    }

    fn references(&self) -> &[&'static str] {
        &[
            "Lam, R. et al., 2023: Learning skillful medium-range global weather forecasting. Science, 382, 1416-1421, doi:10.1126/science.adi2336",
        ]
    }
}

impl Scales {
    fn new(channels: &Channels, task: &TaskConfig, by: &Normalisation, notices: &mut Vec<Notice>) -> Result<Self, Error> {
        let mut missing = |what: &str, channel: &Channel| {
            if channel.level == 0 {
                let message = format!("`{}` has no {what}: it goes in and out as it is", channel.variable);
                notices.push(Notice::new(NoticeKind::Missing, "graphcast", message));
            }
        };
        let mut scale = |channel: &Channel| {
            let (mean, deviation) = (by.mean.of(channel, &task.levels_hpa)?, by.deviation.of(channel, &task.levels_hpa)?);
            if mean.is_none() {
                missing("mean", channel);
            }
            if deviation.is_none() {
                missing("standard deviation", channel);
            }
            Ok(Scale {
                mean: mean.unwrap_or(0.0),
                deviation: deviation.unwrap_or(1.0),
            })
        };
        let mut all = |channels: &[Channel]| channels.iter().map(&mut scale).collect::<Result<Vec<_>, Error>>();
        let (carried, forced, constant) = (all(&channels.carried)?, all(&channels.forced)?, all(&channels.constant)?);
        let (coming, asked) = (all(&channels.coming)?, all(&channels.asked)?);
        let change = channels.carried.iter().map(|channel| {
            let change = by.change.of(channel, &task.levels_hpa)?;
            if change.is_none() {
                missing("standard deviation of its change", channel);
            }
            Ok(change.unwrap_or(1.0))
        });
        let change = change.collect::<Result<_, Error>>()?;
        notices.dedup();
        Ok(Self {
            carried,
            given: [forced.repeat(channels.frames), constant, coming].concat(),
            change,
            asked,
        })
    }
}

/// The planes of all channels that the network is told.
struct Input<'a> {
    newest: &'a Atmosphere,
    /// By state.
    carried: Vec<Vec<Plane>>,
    given: Vec<Plane>,
}

impl<'a> Input<'a> {
    fn new(of: &GraphCast, past: &'a [Atmosphere], coming: &BTreeMap<String, GlobalField>) -> Result<Self, Error> {
        let (channels, frames) = (&of.channels, of.channels.frames);
        let (Some(newest), true) = (past.last(), past.len() == frames) else {
            return Err(Error::state("states", past.len().to_string(), frames.to_string()));
        };
        for (k, state) in past.iter().rev().enumerate() {
            let expected = newest.valid_time - chrono::TimeDelta::seconds(i64::from(of.step_length.seconds()) * k as i64);
            if state.valid_time != expected {
                let found = format!("a state of {}", state.valid_time.format("%Y-%m-%d %H:%M:%S"));
                return Err(Error::state("valid time", found, expected.format("%Y-%m-%d %H:%M:%S").to_string()));
            }
            if state.globe != newest.globe {
                let words = |globe: &Globe| format!("{:?} [y, x]", globe.shape());
                return Err(Error::state(
                    "grid of a state",
                    words(&state.globe),
                    format!("that of the newest, {}", words(&newest.globe)),
                ));
            }
        }
        let carried = past
            .iter()
            .map(|state| planes(&channels.carried, &of.task, state, &state.fields))
            .collect::<Result<_, _>>()?;
        let mut given = Vec::new();
        for state in past {
            // What a state holds goes first; the rest is computed for its time.
            let mut fields = BTreeMap::new();
            for channel in channels.forced.iter().filter(|c| c.level == 0) {
                let name = &channel.variable;
                let field = state
                    .fields
                    .get(name)
                    .cloned()
                    .or_else(|| forcing(name, state.valid_time, &state.globe));
                fields.extend(field.map(|field| (name.clone(), field)));
            }
            given.extend(planes(&channels.forced, &of.task, state, &fields)?);
        }
        given.extend(planes(&channels.constant, &of.task, newest, &newest.fields)?);
        given.extend(planes(&channels.coming, &of.task, newest, coming)?);
        Ok(Self { newest, carried, given })
    }

    /// The parts `[point, channel]` of a run of points, normalised: carried channels of each state, then what is given.
    fn told(&self, scales: &Scales, run: &Range<usize>, device: &Device) -> Vec<Tensor<2>> {
        let part = |planes: &[Plane], scales: &[Scale]| {
            let width = planes.len();
            let mut values = vec![0.0; run.len() * width];
            for (column, ((field, level), scale)) in planes.iter().zip(scales).enumerate() {
                let plane = field.as_slice().expect("fields are checked to lie in order");
                let points = plane.len() / field.dim().0;
                let plane = &plane[level * points..][run.clone()];
                for (to, value) in values.iter_mut().skip(column).step_by(width).zip(plane) {
                    *to = scale.normal(*value);
                }
            }
            Tensor::from_data(TensorData::new(values, [run.len(), width]), device)
        };
        let carried = self.carried.iter().map(|planes| part(planes, &scales.carried));
        carried.chain([part(&self.given, &scales.given)]).collect()
    }
}

/// The planes of channels in a state; levels are found by their pressure.
fn planes(
    channels: &[Channel],
    task: &TaskConfig,
    state: &Atmosphere,
    fields: &BTreeMap<String, GlobalField>,
) -> Result<Vec<Plane>, Error> {
    let (rows, columns) = state.globe.shape();
    let plane = |channel: &Channel| {
        let name = &channel.variable;
        let at = || format!("in the state of {}", state.valid_time.format("%Y-%m-%d %H:%M"));
        let field = fields
            .get(name)
            .ok_or_else(|| Error::state(name, format!("nothing {}", at()), "a field"))?;
        let held = if channel.on_levels { state.levels_hpa.len() } else { 1 };
        if field.dim() != (held, rows, columns) {
            return Err(Error::state(
                name,
                format!("shape {:?} {}", field.dim(), at()),
                format!("{:?} [level, y, x]", (held, rows, columns)),
            ));
        }
        let wanted = task.levels_hpa.get(channel.level).copied();
        let level = match channel.on_levels {
            false => Some(0),
            true => state.levels_hpa.iter().position(|l| Some(*l) == wanted),
        };
        let level =
            level.ok_or_else(|| Error::state(name, format!("levels {:?} hPa", state.levels_hpa), format!("one at {wanted:?} hPa")))?;
        // A field that lies in order is shared, not copied.
        let ordered = field.is_standard_layout().then(|| field.clone());
        Ok((
            ordered.unwrap_or_else(|| field.as_standard_layout().into_owned().into_shared()),
            level,
        ))
    };
    channels.iter().map(plane).collect()
}
