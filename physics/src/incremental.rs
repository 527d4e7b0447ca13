//! Brings the radar into the core while it runs: over the minutes before a forecast rain and its heating are led to what was seen, a little at a time, so that
//! the wind has answered to them when the forecast begins.

use ndarray::Array2;

use crate::{
    Error,
    config::ShallowWaterConfig,
    moist_layer::MoistLayer,
    moisture::{ECHO, RAIN, SUPPLY, VAPOUR},
    plane::Plane,
};

/// Time between two corrections, s.
const EVERY_S: f64 = 60.0;
/// Time in which a difference falls to 1/e, s.
const WITHIN_S: f64 = 300.0;
/// Most by which what feeds an echo is changed at once, as a factor, and least.
const MOST: f64 = 3.0;

/// What the radar saw on the core's cells.
pub(crate) struct Seen {
    /// Seconds after the start of the layer.
    pub time_s: f64,
    /// Rain `[y, x]`, mm h⁻¹; NaN where not observed.
    pub rain: Array2<f64>,
}

/// Runs the layer from the first of the frames to the last, `air_step_s` s a step of the air, and leads it to them.
///
/// Latent-heat nudging: what feeds an echo, and with its rain the heat of the layer, goes towards what the rain seen needs, limited to a third and three times of what it is;
/// rain goes towards the rain seen, out of the vapour or into it. Between frames what was seen is linear in time. At the end the rain is that of
/// the last frame.
///
/// # Errors
///
/// [`Error::Courant`] where the flow outruns the step.
///
/// # Source
///
/// Bloom, S. C. and others, 1996: Data assimilation using incremental analysis updates. Mon. Wea. Rev., 124, 1256-1271,
/// doi:10.1175/1520-0493(1996)124<1256:DAUIAU>2.0.CO;2; Jones, C. D. and B. Macpherson, 1997: A latent heat nudging scheme for the assimilation of precipitation data into
/// an operational mesoscale model. Meteor. Appl., 4, 269-277, doi:10.1017/S1350482797000522 (the limits of the ratio).
pub(crate) fn incremental_update(config: &ShallowWaterConfig, layer: &mut MoistLayer, seen: &[Seen], air_step_s: f64) -> Result<(), Error> {
    let [.., last] = seen else { return Ok(()) };
    if seen.len() < 2 {
        return Ok(());
    }
    let capacity = layer.layer().moisture.as_ref().map(|(_, capacity)| capacity.clone());
    for pair in seen.windows(2) {
        let span = pair[1].time_s - pair[0].time_s;
        let parts = (span / EVERY_S).ceil().max(1.0);
        for part in 1..=parts as usize {
            layer.advance(span / parts, air_step_s)?;
            let share = part as f64 / parts;
            let rain = &pair[0].rain + &(share * (&pair[1].rain - &pair[0].rain));
            lead(config, layer, capacity.as_ref(), &rain, 1.0 - (-span / parts / WITHIN_S).exp());
        }
    }
    lead(config, layer, capacity.as_ref(), &last.rain, 1.0);
    layer.change(|_, tracers| tracers[ECHO] = tracers[RAIN].clone());
    Ok(())
}

/// Goes a share of the way to the rain seen.
fn lead(config: &ShallowWaterConfig, layer: &mut MoistLayer, capacity: Option<&Plane>, seen: &Array2<f64>, share: f64) {
    let moisture = config.moisture();
    layer.change(|flow, tracers| {
        for ((j, i), rate) in seen.indexed_iter().filter(|(_, rate)| rate.is_finite()) {
            let (j, i) = (j as isize, i as isize);
            let depth = flow.h.at(j, i);
            let wanted = moisture.rain_amount(*rate) / depth;
            let rain = tracers[RAIN].at_mut(j, i);
            let more = share * (wanted - *rain);
            *rain += more;
            let feed = tracers[SUPPLY].at_mut(j, i);
            let needed = moisture.steady_supply(wanted);
            let target = if share < 1.0 && *feed > 0.0 {
                needed.clamp(*feed / MOST, *feed * MOST)
            } else {
                needed
            };
            *feed += share * (target - *feed);
            let vapour = tracers[VAPOUR].at_mut(j, i);
            *vapour = (*vapour - more).max(0.0);
            if wanted > 0.0
                && let Some(capacity) = capacity
            {
                *vapour += share * (capacity.at(j, i) / depth - *vapour).max(0.0);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use nowblend_field::Grid;

    use super::*;
    use crate::{
        coarse::Blocks,
        initialise::{Start, layer},
    };

    fn rain(centre: f64) -> Array2<f64> {
        Array2::from_shape_fn((40, 44), |(j, i)| {
            let far = (j as f64 - 20.0).hypot(i as f64 - centre) / 4.0;
            if far < 2.0 { 20.0 * (-far * far).exp() } else { 0.0 }
        })
    }

    #[test]
    fn at_the_end_it_rains_what_the_last_frame_showed_and_the_wind_flows_into_it() {
        let grid = Grid::plane(40, 44, 4000.0);
        let blocks = Blocks::new(&grid, 4000.0, 100_000);
        let config = ShallowWaterConfig::default();
        let start = Start {
            rain: rain(20.0),
            motion: [Array2::zeros((40, 44)), Array2::zeros((40, 44))],
            air: None,
            later: Vec::new(),
        };
        let mut layer = layer(&config, &blocks, &start).unwrap();
        let mut last = rain(20.0);
        last[[3, 3]] = f64::NAN;
        let seen = [
            Seen {
                time_s: 0.0,
                rain: rain(20.0),
            },
            Seen {
                time_s: 900.0,
                rain: last.clone(),
            },
        ];
        incremental_update(&config, &mut layer, &seen, 20.0).unwrap();
        assert!((layer.time_s() - 900.0).abs() < 1e-6);
        let moisture = config.moisture();
        for ((j, i), rate) in last.indexed_iter().filter(|(_, r)| r.is_finite()) {
            let (y, x) = (j as isize, i as isize);
            let found = moisture.rain_rate(layer.flow().h.at(y, x) * layer.tracers()[RAIN].at(y, x));
            assert!((found - rate).abs() < 1e-9, "{found} against {rate} mm/h at {j}, {i}");
        }
        assert_eq!(layer.tracers()[ECHO], layer.tracers()[RAIN]);
        assert!(layer.tracers().iter().all(|t| t.values().all(|q| *q >= 0.0)));
    }

    #[test]
    fn an_echo_that_came_to_be_since_the_start_is_fed() {
        let grid = Grid::plane(40, 44, 4000.0);
        let blocks = Blocks::new(&grid, 4000.0, 100_000);
        let config = ShallowWaterConfig::default();
        let start = Start {
            rain: Array2::zeros((40, 44)),
            motion: [Array2::zeros((40, 44)), Array2::zeros((40, 44))],
            air: None,
            later: Vec::new(),
        };
        let mut layer = layer(&config, &blocks, &start).unwrap();
        let seen = [0.0, 600.0].map(|time_s| Seen {
            time_s,
            rain: rain(20.0 + time_s / 200.0),
        });
        incremental_update(&config, &mut layer, &seen, 20.0).unwrap();
        let needed = config.moisture().steady_supply(layer.tracers()[RAIN].at(20, 23));
        assert!(needed > 0.0 && (layer.tracers()[SUPPLY].at(20, 23) / needed - 1.0).abs() < 1e-9);
    }
}
