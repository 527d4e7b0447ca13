//! Rain cannot be more than the water that is there and that flows in.

use ndarray::{Array2, Zip, s};
use nowblend_field::{LeadTime, Slice};

use super::{
    Check, CheckConfig, Evidence, Finding, Moment, Threshold,
    coarse::{native_tile, tiles},
    finding::{Measure, short},
};

/// Holds accumulated rain against the water that can feed it: ∫P dt ≤ W + ∫max(-div Q, 0) dt.
///
/// P is the rain [kg m⁻² s⁻¹] of the slice and those before, W the column water [kg m⁻²] at the start of the window and Q the moisture
/// flux [kg m⁻¹ s⁻¹], all as means over tiles of at least 50 km and at least an hour: smaller cells are fed by convergence that a layer
/// does not resolve. W and Q are the core's own: no radar event observes them, so the finding says how the rain compares with the
/// core's water, not with the air's.
#[derive(Debug, Clone)]
pub struct AttainableRain {
    tile_m: f64,
    window_s: f64,
}

impl AttainableRain {
    /// With the configuration's tile and window.
    pub fn new(config: &CheckConfig) -> Self {
        Self {
            tile_m: config.attainable_tile_km * 1000.0,
            window_s: config.attainable_window_min * 60.0,
        }
    }

    fn greatest(&self, now: &Moment, evidence: &Evidence<'_>) -> Result<(f64, super::Tile), String> {
        let until_s = f64::from(now.lead_time.seconds());
        if until_s < self.window_s {
            return Err(format!(
                "it needs {} min of forecast, this is {}",
                short(self.window_s / 60.0),
                now.lead_time
            ));
        }
        // The window starts at the newest earlier slice that is a whole window ago, or else at the reference time.
        let old_enough = |m: &Moment| until_s - f64::from(m.lead_time.seconds()) >= self.window_s;
        let first = evidence.history.iter().rposition(old_enough);
        let start = first.map_or(LeadTime::from_seconds(0), |k| evidence.history[k].lead_time);
        let within: Vec<&Moment> = evidence.history.iter().skip(first.map_or(0, |k| k + 1)).chain([now]).collect();
        let opening = first.map_or(within[0], |k| &evidence.history[k]);
        let lacks = |what: &str, m: &Moment| format!("{what} is missing at {}", m.lead_time);
        let mut supply = opening
            .column_water
            .clone()
            .ok_or_else(|| lacks("the core's column water", opening))?;
        let mut fallen = Array2::<f32>::zeros(supply.dim());
        let mut before = start;
        for moment in within {
            let seconds = moment.lead_time.seconds().saturating_sub(before.seconds()) as f32;
            let rain = moment.rain.as_ref().ok_or_else(|| lacks("rain", moment))?;
            let divergence = moment
                .flux_divergence
                .as_ref()
                .ok_or_else(|| lacks("the core's moisture flux divergence", moment))?;
            Zip::from(&mut fallen).and(rain).for_each(|sum, r| *sum += r * seconds / 3600.0);
            Zip::from(&mut supply)
                .and(divergence)
                .for_each(|sum, d| *sum += (-d).max(0.0) * seconds);
            before = moment.lead_time;
        }
        self.worst(&fallen, &supply, evidence)
            .ok_or_else(|| "no tile has both rain and the core's water".to_owned())
    }

    fn worst(&self, fallen: &Array2<f32>, supply: &Array2<f32>, evidence: &Evidence<'_>) -> Option<(f64, super::Tile)> {
        let size = (self.tile_m / evidence.observed.block_m()).ceil() as usize;
        let mut worst: Option<(f64, super::Tile)> = None;
        for (rows, columns) in tiles(fallen.dim(), size) {
            let (mut fell, mut fed, mut known, mut cells) = (0.0, 0.0, 0usize, 0usize);
            for (p, w) in fallen
                .slice(s![rows.clone(), columns.clone()])
                .iter()
                .zip(supply.slice(s![rows.clone(), columns.clone()]))
            {
                cells += 1;
                if p.is_finite() && w.is_finite() {
                    fell += f64::from(*p);
                    fed += f64::from(*w);
                    known += 1;
                }
            }
            // Below a tenth of a millimetre nothing is at stake, and a ratio of two noughts would say much.
            let at_stake = 2 * known >= cells && fell / known as f64 >= 0.1;
            let ratio = if fed > 0.0 { fell / fed } else { f64::MAX };
            if at_stake && worst.as_ref().is_none_or(|(w, _)| ratio > *w) {
                worst = Some((ratio, native_tile(&rows, &columns, evidence.observed.factor(), ratio)));
            } else if worst.is_none() && 2 * known >= cells {
                worst = Some((0.0, native_tile(&rows, &columns, evidence.observed.factor(), 0.0)));
            }
        }
        worst
    }
}

impl Check for AttainableRain {
    fn name(&self) -> &str {
        "attainable_rain"
    }

    fn check(&self, slice: &Slice, evidence: &Evidence<'_>) -> Finding {
        let measure = Measure {
            check: self.name(),
            unit: "1",
            threshold: Threshold::at_most(1.0),
            source: "conservation of water; column water and moisture flux are the core's own, not observed",
        };
        if evidence.physics.is_none() {
            return measure.not_applicable(
                slice.lead_time,
                evidence,
                "the core did not run, so its column water and moisture flux are not known",
            );
        }
        if let Err(why) = evidence.observed.usable_rain(slice) {
            return measure.not_applicable(slice.lead_time, evidence, why);
        }
        match self.greatest(&Moment::of(slice, evidence.physics, evidence.observed), evidence) {
            Err(why) => measure.not_applicable(slice.lead_time, evidence, why),
            Ok((ratio, tile)) => {
                let message = format!(
                    "in the worst of the tiles of {} km the rain of {} min takes {} of the water that the core has there and brings in",
                    short(self.tile_m / 1000.0),
                    short(self.window_s / 60.0),
                    short(ratio)
                );
                measure.hard(slice.lead_time, evidence, ratio, message).with_worst(Some(tile))
            }
        }
    }
}
