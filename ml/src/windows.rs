//! The windows of a training, written for a program that takes its steps elsewhere: another framework, on another machine.

use std::io::{self, Write};

use ndarray::{ArrayBase, Data, Dimension};
use nowblend_field::Seed;
use rayon::prelude::*;

use crate::{
    Error,
    dataset::{Event, Sample},
    evolution_net::EvolutionNet,
    learner::Network,
    nowcast_net::RainNet,
    recipe::TrainConfig,
    training::{self, Told, draw},
    weights,
};

/// Steps whose windows are drawn at once.
const AHEAD: usize = 8;

/// Writes the weights that a training with this configuration starts from and then the windows of all its steps, in their order.
///
/// All numbers are little-endian: the length of the weights in eight bytes and the weights as safetensors; then for each window, in numbers of
/// four bytes, planes of 128 x 128 cells (rain of the four frames, mm h⁻¹, newest first and moved to the reference time; 1 where each of them
/// was observed; motion north and east, cells a minute; what was observed at two lead times where the air of the window is by then, NaN where nothing was; for
/// each of the two the row and the column of the window from which the air came), the time between frames and the two lead times, minutes. A reader that goes away ends the writing.
///
/// # Errors
///
/// As [`train`](crate::train), and those of writing.
pub fn write_windows(
    config: &TrainConfig,
    events: &[Event],
    seed: Seed,
    out: &mut dyn Write,
    tell: &(dyn Fn(Told) + Sync),
) -> Result<(), Error> {
    config.check()?;
    let start = match config.network {
        Network::NowcastNet => weights::plain(&training::start::<RainNet>(config, seed)?)?,
        Network::EvolutionNet => weights::plain(&training::start::<EvolutionNet>(config, seed)?)?,
    };
    let prepared = training::prepared(events, tell)?;
    tell(Told::Begin { after: 0 });
    let written = (|| {
        out.write_all(&(start.len() as u64).to_le_bytes())?;
        out.write_all(&start)?;
        for first in (0..config.steps).step_by(AHEAD) {
            let steps: Vec<usize> = (first..(first + AHEAD).min(config.steps)).collect();
            let windows: Vec<Vec<u8>> = steps
                .par_iter()
                .flat_map(|step| (0..config.batch).into_par_iter().map(move |k| (*step, k)))
                .map(|(step, k)| bytes(&draw(&prepared, config.before_moving, training::seed_of(seed, step, k))))
                .collect();
            for (step, of_step) in steps.iter().zip(windows.chunks(config.batch)) {
                of_step.iter().try_for_each(|window| out.write_all(window))?;
                tell(Told::Written { step: step + 1 });
            }
        }
        out.flush()
    })();
    match written {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|e| Error::Windows { reason: e.to_string() }),
    }
}

fn bytes(sample: &Sample) -> Vec<u8> {
    let mut bytes = Vec::new();
    let scene = &sample.scene;
    for stack in [&scene.rain, &scene.valid, &scene.motion] {
        put(stack, &mut bytes);
    }
    sample.later.iter().for_each(|later| put(&later.rain, &mut bytes));
    sample.later.iter().for_each(|later| put(&later.from, &mut bytes));
    for number in [scene.step_min, sample.lead_min[0], sample.lead_min[1]] {
        bytes.extend(number.to_le_bytes());
    }
    bytes
}

fn put<D: Dimension>(of: &ArrayBase<impl Data<Elem = f32>, D>, bytes: &mut Vec<u8>) {
    bytes.extend(of.iter().flat_map(|number| number.to_le_bytes()));
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use chrono::{TimeZone, Utc};
    use nowblend_field::{Grid, LeadTime, storms::Scene as Storms};

    use super::*;
    use crate::dataset::CROP;

    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_weights_come_first_and_then_the_windows_that_training_draws() {
        let start = Utc.with_ymd_and_hms(2020, 7, 1, 12, 0, 0).unwrap();
        let observed = Storms::random(&Grid::plane(130, 140, 2000.0), Seed(1)).sequence(start, LeadTime::from_minutes(5), 8);
        let events = [Event {
            name: "storms".into(),
            weight: 1.0,
            observed,
        }];
        let config = TrainConfig {
            steps: 2,
            batch: 2,
            ..Default::default()
        };
        let mut out = Vec::new();
        write_windows(&config, &events, Seed(3), &mut out, &|_| {}).unwrap();
        let (length, rest) = out.split_first_chunk::<8>().unwrap();
        let (of_weights, windows) = rest.split_at(u64::from_le_bytes(*length) as usize);
        let folder = std::env::temp_dir().join(format!("nowblend-windows-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("start.safetensors"), of_weights).unwrap();
        assert!(weights::load_one(&folder.join("start.safetensors"), RainNet::new(&Device::flex())).is_ok());
        std::fs::remove_dir_all(&folder).unwrap();
        let size = 4 * (16 * CROP * CROP + 3);
        assert_eq!(windows.len(), 4 * size);
        let prepared = training::prepared(&events, &|_| {}).unwrap();
        let sample = draw(&prepared, false, training::seed_of(Seed(3), 1, 0));
        let number = |k: usize| f32::from_le_bytes(windows[2 * size + 4 * k..][..4].try_into().unwrap());
        assert_eq!(number(64 * CROP + 5), sample.scene.rain[[0, 64, 5]]);
        let truth = number((11 * CROP + 64) * CROP + 64);
        assert!(truth == sample.later[1].rain[[64, 64]] || truth.is_nan() && sample.later[1].rain[[64, 64]].is_nan());
        assert_eq!(number((15 * CROP + 64) * CROP + 64), sample.later[1].from[[1, 64, 64]]);
        assert_eq!(number(16 * CROP * CROP + 2), sample.lead_min[1]);
        assert!(write_windows(&config, &events, Seed(3), &mut Closed, &|_| {}).is_ok());
    }
}
