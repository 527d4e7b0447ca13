//! Training: steps of gradient descent on drawn windows, checkpoints that resume exactly, and the weights that did best on
//! events that training does not see.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use burn::{
    grad_clipping::GradientClippingConfig,
    optim::{AdamWConfig, GradientsParams, ModuleOptimizer},
    tensor::Device,
};
use nowblend_field::Seed;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    Error,
    dataset::{Event, Prepared, Sample},
    evolution_net::EvolutionNet,
    learner::{Learner, Network},
    nowcast_net::RainNet,
    parameters::{mixed, numbers, on_processor, replaced},
    recipe::TrainConfig,
    scoring::{Case, cases, score},
    weights::{self, Origin},
    yes::Yes,
};

/// Power that a busy core is taken to need, W: a server of 64 cores at 400 W has about 6 a core, its memory and cooling doubled.
const WATTS_A_CORE: f64 = 12.0;

/// How training is going.
#[derive(Debug, Clone)]
pub enum Told {
    /// A remark.
    Remark(String),
    /// The events are ready, and the steps begin.
    Begin {
        /// Steps that a run which was stopped had taken.
        after: usize,
    },
    /// A step was taken.
    Step {
        /// Its number, from 1.
        step: usize,
        /// Loss, averaged over the last steps.
        loss: f32,
    },
    /// The windows of a step were written.
    Written {
        /// Its number, from 1.
        step: usize,
    },
    /// The validation events were scored.
    Score {
        /// After so many steps.
        step: usize,
        /// Threshold CRPS by lead time in minutes, mm h⁻¹.
        score: BTreeMap<u32, f64>,
        /// Whether these are the best weights so far, which were saved.
        best: bool,
    },
}

/// What a run must remember to go on as if it had never stopped.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Progress {
    step: usize,
    seed: u64,
    best: Option<(usize, f64)>,
    /// Scores since the best one.
    since_best: usize,
    mean_loss: f32,
    /// Processor time of all runs so far, s; none where the system does not tell it.
    cpu_s: Option<f64>,
    config: TrainConfig,
}

/// Trains a network and leaves the best weights in `folder/model.safetensors`; returns their path.
///
/// Every number drawn depends on the seed and the step alone, so that a run that was stopped and resumed from its checkpoint ends with the
/// same weights.
///
/// # Errors
///
/// [`Error::NoWindows`] without usable events, [`Error::File`] for a folder that cannot be written or a checkpoint of another run,
/// [`Error::Weights`] for weights to begin with that cannot be read, [`Error::Diverged`].
pub fn train(
    config: &TrainConfig,
    events: &[Event],
    validation: &[Event],
    folder: &Path,
    seed: Seed,
    fresh: bool,
    tell: &(dyn Fn(Told) + Sync),
) -> Result<PathBuf, Error> {
    match config.network {
        Network::NowcastNet => train_network::<RainNet>(config, events, validation, folder, seed, fresh, tell),
        Network::EvolutionNet => train_network::<EvolutionNet>(config, events, validation, folder, seed, fresh, tell),
    }
}

fn train_network<L: Learner>(
    config: &TrainConfig,
    events: &[Event],
    validation: &[Event],
    folder: &Path,
    seed: Seed,
    fresh: bool,
    tell: &(dyn Fn(Told) + Sync),
) -> Result<PathBuf, Error> {
    config.check()?;
    std::fs::create_dir_all(folder).map_err(|e| file(folder, e))?;
    let remark = |words: &str| tell(Told::Remark(words.to_owned()));
    let model = folder.join("model.safetensors");
    let device = device().autodiff();
    // A run that was stopped when its patience had ended goes no further.
    let goes_on = |progress: &Progress| progress.step < config.steps && (config.patience == 0 || progress.since_best < config.patience);
    let resumed = if fresh {
        None
    } else {
        Run::<L>::resume(config, seed, folder, &device)?
    };
    if resumed.as_ref().is_some_and(|run| !goes_on(&run.progress)) && model.is_file() {
        remark("this training has ended before");
        return Ok(model);
    }
    let prepared = if config.steps > 0 { prepared(events, tell)? } else { Vec::new() };
    let cases = cases(validation, config.validation_starts)?;
    let mut run = match resumed {
        Some(run) => {
            remark(&format!("resuming after step {}", run.progress.step));
            run
        }
        None => Run::new(config, seed, &device)?,
    };
    tell(Told::Begin { after: run.progress.step });
    let mut saved = Instant::now();
    let mut clock = cpu_s();
    while goes_on(&run.progress) {
        run.step(config, &prepared, &device)?;
        let now = cpu_s();
        run.progress.cpu_s = run
            .progress
            .cpu_s
            .zip(now.zip(clock))
            .map(|(sum, (now, before))| sum + now - before);
        clock = now;
        let step = run.progress.step;
        tell(Told::Step {
            step,
            loss: run.progress.mean_loss,
        });
        let last = step == config.steps;
        if (step.is_multiple_of(config.validate_every) || last) && !cases.is_empty() {
            run.judge(&model, events, validation, &cases, tell)?;
        }
        if last || !goes_on(&run.progress) || saved.elapsed() >= Duration::from_secs(config.checkpoint_s) {
            run.save(folder)?;
            saved = Instant::now();
        }
    }
    if config.steps == 0 && !cases.is_empty() {
        run.judge(&model, events, validation, &cases, tell)?;
    }
    if run.progress.best.is_none() {
        run.save_model(&model, events, validation, &BTreeMap::new(), None)?;
    }
    Ok(model)
}

/// A run of training between two steps.
struct Run<L> {
    net: L,
    average: L,
    optimizer: ModuleOptimizer,
    progress: Progress,
}

impl<L: Learner> Run<L> {
    fn new(config: &TrainConfig, seed: Seed, device: &Device) -> Result<Self, Error> {
        let start = start::<L>(config, seed)?;
        // The moving average is a module of its own, started from the same numbers.
        let net = replaced(L::untrained(device), numbers(&start), device);
        let average = replaced(L::untrained(device), numbers(&start), device);
        let optimizer = AdamWConfig::new()
            .with_beta_1(0.9)
            .with_beta_2(0.98)
            .with_epsilon(1e-8)
            .with_weight_decay(config.weight_decay)
            .with_grad_clipping(Some(GradientClippingConfig::Norm(1.0)))
            .init();
        let progress = Progress {
            step: 0,
            seed: seed.0,
            best: None,
            since_best: 0,
            mean_loss: f32::NAN,
            cpu_s: Some(0.0),
            config: config.clone(),
        };
        Ok(Self {
            net,
            average,
            optimizer,
            progress,
        })
    }

    fn step(&mut self, config: &TrainConfig, events: &[Prepared], device: &Device) -> Result<(), Error> {
        let step = self.progress.step;
        let seed = Seed(self.progress.seed);
        let samples: Vec<Sample> = (0..config.batch)
            .into_par_iter()
            .map(|k| draw(events, config.before_moving, seed_of(seed, step, k)))
            .collect();
        self.learn(config, &samples, device)
    }

    /// A step downhill over these windows.
    fn learn(&mut self, config: &TrainConfig, samples: &[Sample], device: &Device) -> Result<(), Error> {
        let step = self.progress.step;
        let (value, total) = self.net.lesson(samples, device);
        if !value.is_finite() {
            return Err(Error::Diverged { step, loss: value });
        }
        let gradients = GradientsParams::from_grads(total.backward(), &self.net);
        let rate = config.learning_rate_at(step);
        self.net = self.optimizer.step(rate, self.net.clone(), gradients);
        let memory = config.average.min((1.0 + step as f32) / (10.0 + step as f32));
        self.average = mixed(self.average.clone(), &self.net, memory);
        self.progress.step += 1;
        let mean = self.progress.mean_loss;
        self.progress.mean_loss = if mean.is_nan() { value } else { 0.98 * mean + 0.02 * value };
        Ok(())
    }

    /// Scores the weights on the validation events and keeps them if they are the best so far.
    fn judge(
        &mut self,
        model: &Path,
        events: &[Event],
        validation: &[Event],
        cases: &[Case],
        tell: &(dyn Fn(Told) + Sync),
    ) -> Result<(), Error> {
        let (score, yes) = score(on_processor(&self.average), cases)?;
        // Geometric: a per cent counts the same at all lead times.
        let mean = (score.values().map(|s| s.max(1e-6).ln()).sum::<f64>() / score.len().max(1) as f64).exp();
        let best = self.progress.best.is_none_or(|(_, before)| mean < before);
        self.progress.since_best = if best { 0 } else { self.progress.since_best + 1 };
        let step = self.progress.step;
        if best {
            self.progress.best = Some((step, mean));
            self.save_model(model, events, validation, &score, yes)?;
        }
        tell(Told::Score { step, score, best });
        Ok(())
    }

    fn save_model(
        &self,
        path: &Path,
        events: &[Event],
        validation: &[Event],
        score: &BTreeMap<u32, f64>,
        yes: Option<Yes>,
    ) -> Result<(), Error> {
        let origin = Origin {
            step: self.progress.step,
            seed: self.progress.seed,
            train: events.iter().map(|e| e.name.clone()).collect(),
            validation: validation.iter().map(|e| e.name.clone()).collect(),
            validation_score: score.clone(),
            yes,
            cpu_s: self.progress.cpu_s,
            energy_wh: self.progress.cpu_s.map(|s| s * WATTS_A_CORE / 3600.0),
        };
        let bytes = weights::to_bytes(&on_processor(&self.average), &origin)?;
        let aside = path.with_extension("safetensors.part");
        std::fs::write(&aside, bytes)
            .and_then(|()| std::fs::rename(&aside, path))
            .map_err(|e| file(path, e))
    }

    /// Writes a checkpoint folder aside and puts it in the place of the last one.
    fn save(&self, folder: &Path) -> Result<(), Error> {
        let (aside, place, old) = (
            folder.join("checkpoint.part"),
            folder.join("checkpoint"),
            folder.join("checkpoint.old"),
        );
        for stale in [&aside, &old] {
            let _ = std::fs::remove_dir_all(stale);
        }
        std::fs::create_dir_all(&aside).map_err(|e| file(&aside, e))?;
        let told = |e: &dyn std::fmt::Display| Error::File {
            path: aside.clone(),
            reason: e.to_string(),
        };
        self.net.clone().save_file(aside.join("net")).map_err(|e| told(&e))?;
        self.average.clone().save_file(aside.join("average")).map_err(|e| told(&e))?;
        self.optimizer.save(aside.join("optimizer")).map_err(|e| told(&e))?;
        let progress = serde_json::to_vec_pretty(&self.progress).map_err(|e| told(&e))?;
        std::fs::write(aside.join("progress.json"), progress).map_err(|e| told(&e))?;
        if place.exists() {
            std::fs::rename(&place, &old).map_err(|e| file(&place, e))?;
        }
        std::fs::rename(&aside, &place).map_err(|e| file(&place, e))?;
        let _ = std::fs::remove_dir_all(&old);
        Ok(())
    }

    fn resume(config: &TrainConfig, seed: Seed, folder: &Path, device: &Device) -> Result<Option<Self>, Error> {
        let place = [folder.join("checkpoint"), folder.join("checkpoint.old")]
            .into_iter()
            .find(|p| p.join("progress.json").is_file());
        let Some(place) = place else { return Ok(None) };
        let told = |reason: String| Error::File {
            path: place.clone(),
            reason,
        };
        let bytes = std::fs::read(place.join("progress.json")).map_err(|e| told(e.to_string()))?;
        let progress: Progress = serde_json::from_slice(&bytes).map_err(|e| told(e.to_string()))?;
        if progress.config != *config || progress.seed != seed.0 {
            return Err(told(
                "it belongs to a run with another seed or configuration\nhint: `--fresh` starts anew".into(),
            ));
        }
        let mut run = Self::new(config, seed, device)?;
        run.net = run.net.try_load_file(place.join("net")).map_err(|e| told(e.to_string()))?;
        run.average = run.average.try_load_file(place.join("average")).map_err(|e| told(e.to_string()))?;
        run.optimizer = run.optimizer.load(place.join("optimizer")).map_err(|e| told(e.to_string()))?;
        run.progress = progress;
        Ok(Some(run))
    }
}

/// The weights that a training starts from, in the processor, so that a graphics card starts from the same.
pub(crate) fn start<L: Learner>(config: &TrainConfig, seed: Seed) -> Result<L, Error> {
    let processor = Device::flex();
    processor.seed(seed.derive("weights").0);
    let start = L::untrained(&processor);
    if config.start_from.as_os_str().is_empty() {
        return Ok(start);
    }
    weights::load_one(&config.start_from, start)
}

/// The events made ready.
pub(crate) fn prepared(events: &[Event], tell: &(dyn Fn(Told) + Sync)) -> Result<Vec<Prepared>, Error> {
    if events.is_empty() {
        return Err(Error::NoWindows {
            reason: "no training event was given".into(),
        });
    }
    let remark = |words: &str| tell(Told::Remark(words.to_owned()));
    events.iter().map(|e| Prepared::new(e, &remark)).collect()
}

/// The seed of a window.
pub(crate) fn seed_of(seed: Seed, step: usize, window: usize) -> Seed {
    seed.derive(&format!("step {step} window {window}"))
}

/// The window that a seed draws.
pub(crate) fn draw(events: &[Prepared], before_moving: bool, seed: Seed) -> Sample {
    let mut numbers = ChaCha8Rng::seed_from_u64(seed.0);
    let total: f64 = events.iter().map(|e| e.weight).sum();
    let mut place = numbers.random::<f64>() * total;
    let event = events.iter().find(|e| {
        place -= e.weight;
        place <= 0.0
    });
    event.unwrap_or(&events[events.len() - 1]).draw(&mut numbers, before_moving)
}

/// Where tensors of training live: on the graphics card where the program was built for one, else in the processor.
fn device() -> Device {
    #[cfg(feature = "gpu")]
    return Device::vulkan(burn::tensor::DeviceKind::DefaultDevice);
    #[cfg(not(feature = "gpu"))]
    return Device::flex();
}

/// Processor time that this process has used, s, where the system tells it; a busy machine stretches it less than time of the clock.
pub(crate) fn cpu_s() -> Option<f64> {
    // Of the fields behind the name, the twelfth and the thirteenth are the time in the program and in the system, in hundredths of a second.
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks = |k: usize| fields.get(k)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

fn file(path: &Path, e: std::io::Error) -> Error {
    Error::File {
        path: path.to_owned(),
        reason: e.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};
    use nowblend_field::{Grid, LeadTime, storms::Scene as Storms};

    use super::*;

    fn event(seed: u64) -> Event {
        let grid = Grid::plane(130, 140, 2000.0);
        let start = Utc.with_ymd_and_hms(2020, 7, 1, 12, 0, 0).unwrap();
        let observed = Storms::random(&grid, Seed(seed)).sequence(start, LeadTime::from_minutes(5), 18);
        Event {
            name: format!("storms {seed}"),
            weight: 1.0,
            observed,
        }
    }

    fn config(steps: usize) -> TrainConfig {
        TrainConfig {
            steps,
            batch: 1,
            warmup: 2,
            validate_every: 100,
            validation_starts: 1,
            checkpoint_s: 0,
            ..Default::default()
        }
    }

    #[test]
    fn a_run_that_was_stopped_ends_with_the_same_weights() {
        let events = [event(1)];
        let device = Device::flex().autodiff();
        let prepared: Vec<Prepared> = events.iter().map(|e| Prepared::new(e, &|_| {}).unwrap()).collect();
        let config = config(4);
        let mut straight = Run::<RainNet>::new(&config, Seed(5), &device).unwrap();
        let folder = std::env::temp_dir().join(format!("nowblend-resume-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for k in 0..4 {
            straight.step(&config, &prepared, &device).unwrap();
            if k == 1 {
                straight.save(&folder).unwrap();
            }
        }
        let mut resumed = Run::<RainNet>::resume(&config, Seed(5), &folder, &device).unwrap().unwrap();
        assert_eq!(resumed.progress.step, 2);
        while resumed.progress.step < 4 {
            resumed.step(&config, &prepared, &device).unwrap();
        }
        assert!(numbers(&straight.net) == numbers(&resumed.net), "weights differ after resuming");
        assert!(
            numbers(&straight.average) == numbers(&resumed.average),
            "averages differ after resuming"
        );
        assert!(
            Run::<RainNet>::resume(&config, Seed(6), &folder, &device).is_err(),
            "another seed is another run"
        );
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_evolution_network_learns_what_happens_in_given_windows() {
        let prepared = [Prepared::new(&event(1), &|_| {}).unwrap()];
        // As its recipe draws them.
        let samples: Vec<Sample> = (0..2).map(|k| draw(&prepared, true, Seed(k))).collect();
        let device = Device::flex().autodiff();
        let config = config(20);
        let mut run = Run::<EvolutionNet>::new(&config, Seed(1), &device).unwrap();
        let before = run.net.lesson(&samples, &device).0;
        for _ in 0..20 {
            run.learn(&config, &samples, &device).unwrap();
        }
        let after = run.net.lesson(&samples, &device).0;
        assert!(after < 0.9 * before, "{before} before, {after} after");
    }

    #[test]
    fn an_evolution_network_is_scored_saved_and_begun_from() {
        let folder = std::env::temp_dir().join(format!("nowblend-evolution-{}", std::process::id()));
        let mut config = TrainConfig {
            network: Network::EvolutionNet,
            ..config(2)
        };
        let model = train(&config, &[event(1)], &[event(2)], &folder, Seed(1), true, &|_| {}).unwrap();
        let origin = weights::origin(&std::fs::read(&model).unwrap()).unwrap();
        assert!(origin.yes.is_none() && origin.validation_score.contains_key(&30), "{origin:?}");
        let given = folder.join("given.safetensors");
        std::fs::rename(&model, &given).unwrap();
        config.start_from = given.clone();
        let device = Device::flex().autodiff();
        let run = Run::<EvolutionNet>::new(&config, Seed(1), &device).unwrap();
        let expected = numbers(&weights::load_one(&given, EvolutionNet::new(&Device::flex())).unwrap());
        assert!(numbers(&run.net) == expected && numbers(&run.average) == expected);
        let evolution = crate::EvolutionConfig {
            checkpoint: given,
            ..Default::default()
        };
        assert!(crate::Evolution::new(&evolution).is_ok());
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_few_steps_lower_the_loss_and_leave_usable_weights() {
        let folder = std::env::temp_dir().join(format!("nowblend-train-{}", std::process::id()));
        let losses = std::sync::Mutex::new(Vec::new());
        let tell = |told: Told| {
            if let Told::Step { loss, .. } = told {
                losses.lock().unwrap().push(loss);
            }
        };
        let model = train(&config(12), &[event(1)], &[event(2)], &folder, Seed(1), true, &tell).unwrap();
        let losses = losses.into_inner().unwrap();
        assert!(losses[11] < losses[0], "{losses:?}");
        let config = crate::NowcastNetConfig {
            checkpoint: model,
            ..Default::default()
        };
        assert!(crate::NowcastNet::new(&config).is_ok());
        let origin = weights::origin(&std::fs::read(&config.checkpoint).unwrap()).unwrap();
        let yes = origin.yes.expect("probabilities were held against the validation event");
        assert!(yes.unbiased[&30][0].is_some_and(|p| p > 0.0 && p < 1.0), "{yes:?}");
        // Without steps the weights to begin with are scored: as they were at the end of the training.
        let none = TrainConfig {
            start_from: config.checkpoint,
            ..self::config(0)
        };
        let scored = train(&none, &[], &[event(2)], &folder.join("scored"), Seed(1), true, &|_| {}).unwrap();
        let again = weights::origin(&std::fs::read(&scored).unwrap()).unwrap();
        assert_eq!((again.step, again.validation_score), (0, origin.validation_score));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
