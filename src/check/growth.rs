//! Does rain grow or decay along its path faster than rain does?

use ndarray::s;
use nowblend_field::{
    Slice,
    advection::{Interpolation, SemiLagrangian},
};
use nowblend_ml::RAIN_SOURCE;

use super::{
    Check, CheckConfig, Evidence, Finding, Threshold, Tile,
    coarse::{block_mean, native_tile, tiles, weighted_quantile},
    finding::{Measure, short},
    observed::{before, smooth},
};

/// Rain added to both sides of a ratio, mm h⁻¹: drizzle that doubles is no event.
const DRIZZLE_MM_H: f64 = 0.2;
/// Share of the rain whose tiles may change faster before the check fires.
const TOLERATED_SHARE: f64 = 0.05;

/// Which way rain changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It grows.
    Growth,
    /// It decays.
    Decay,
}

/// Compares tiles of smoothed rain with what the observed motion brings there from the slice before (or the newest frame); of a forecaster that
/// names the source of its rain, with the rain that it had 5 min before without that source.
///
/// A tile's factor is ((R + 0.2) / (R before + 0.2))^(5 min / Δt), rain in mm h⁻¹ as mean over the tile. Growth is the factor that
/// only a twentieth of the rain exceeds, decay the one that only a twentieth stays below.
#[derive(Debug, Clone)]
pub struct Growth {
    change: Change,
    /// Greatest growth, or least that is left of decaying rain, as a factor in 5 min.
    limit: f64,
    tile_m: f64,
}

impl Growth {
    /// Under the configuration's limits.
    pub fn new(config: &CheckConfig, change: Change) -> Self {
        let limit = match change {
            Change::Growth => config.growth_factor_5_min,
            Change::Decay => (-5.0 / config.decay_time_min).exp(),
        };
        Self {
            change,
            limit,
            tile_m: config.growth_tile_km * 1000.0,
        }
    }

    /// Tiles, the rain that goes through them, and their factor in 5 min.
    fn factors(&self, slice: &Slice, evidence: &Evidence<'_>) -> Result<Vec<(Tile, f64)>, String> {
        let observed = evidence.observed;
        let rain = observed.rain_of(slice)?;
        let now = smooth(block_mean(rain.view(), observed.factor()).view());
        let (brought, exponent) = match slice.diagnostics.get(RAIN_SOURCE) {
            Some(source) => {
                let source = smooth(block_mean(source.view(), observed.factor()).view());
                (&now - &(source * (1.0 / 12.0)), 1.0)
            }
            None => {
                let (earlier, step) = before(slice.lead_time, observed, evidence.history)?;
                let motion = observed.motion_before(slice.lead_time, step)?;
                let mut paths = SemiLagrangian::default().trajectories(&motion, observed.grid());
                let brought = paths.advance_to(step).sample(smooth(earlier).view(), Interpolation::Linear);
                (brought, 300.0 / f64::from(step.seconds()))
            }
        };
        let size = (self.tile_m / observed.block_m()).round() as usize;
        let mut factors = Vec::new();
        for (rows, columns) in tiles(now.dim(), size) {
            let (mut after, mut ahead, mut known, mut cells) = (0.0, 0.0, 0usize, 0usize);
            for (a, b) in now
                .slice(s![rows.clone(), columns.clone()])
                .iter()
                .zip(brought.slice(s![rows.clone(), columns.clone()]))
            {
                cells += 1;
                if a.is_finite() && b.is_finite() {
                    after += f64::from(*a);
                    ahead += f64::from(*b);
                    known += 1;
                }
            }
            if 2 * known < cells {
                continue;
            }
            let (after, ahead) = (after.max(0.0) / known as f64, ahead.max(0.0) / known as f64);
            let factor = ((after + DRIZZLE_MM_H) / (ahead + DRIZZLE_MM_H)).powf(exponent);
            let weight = known as f64 * if after.max(ahead) >= DRIZZLE_MM_H { after.max(ahead) } else { 0.0 };
            factors.push((native_tile(&rows, &columns, observed.factor(), factor), weight));
        }
        Ok(factors)
    }
}

impl Check for Growth {
    fn name(&self) -> &str {
        match self.change {
            Change::Growth => "growth",
            Change::Decay => "decay",
        }
    }

    fn check(&self, slice: &Slice, evidence: &Evidence<'_>) -> Finding {
        let (threshold, share) = match self.change {
            Change::Growth => (Threshold::at_most(self.limit), 1.0 - TOLERATED_SHARE),
            Change::Decay => (Threshold::at_least(self.limit), TOLERATED_SHARE),
        };
        let measure = Measure {
            check: self.name(),
            unit: "factor in 5 min",
            threshold,
            source: "proposal, to be calibrated over honest hindcasts",
        };
        let factors = match self.factors(slice, evidence) {
            Ok(factors) => factors,
            Err(why) => return measure.not_applicable(slice.lead_time, evidence, why),
        };
        let value = weighted_quantile(factors.iter().map(|(tile, rain)| (tile.value, *rain)).collect(), share);
        if value.is_nan() {
            return measure.not_applicable(slice.lead_time, evidence, "too little rain to see it grow or decay");
        }
        let (verb, limit) = match self.change {
            Change::Growth => ("grows", self.limit),
            Change::Decay => ("shrinks", self.limit),
        };
        let message = format!(
            "along its path rain {verb} by a factor of {} in 5 min where it does so most (a twentieth of the rain left out)",
            short(value)
        );
        let wet = factors.into_iter().filter(|(_, rain)| *rain > 0.0).map(|(tile, _)| tile);
        let further = |a: &Tile, b: &Tile| match self.change {
            Change::Growth => a.value.total_cmp(&b.value),
            Change::Decay => b.value.total_cmp(&a.value),
        };
        // Logarithms, since two factors in a row multiply: twice the limit's logarithm is the limit in half the time.
        measure
            .graded(slice.lead_time, evidence, value, value.ln() / limit.ln(), message)
            .with_worst(wet.max_by(further))
    }
}

#[cfg(test)]
mod tests {
    use nowblend_field::LeadTime;

    use super::*;
    use crate::check::{Verdict, scenes};

    fn check(change: Change) -> Growth {
        Growth::new(&CheckConfig::default(), change)
    }

    #[test]
    fn storms_that_move_and_slowly_change_pass() {
        let scene = scenes::storms(2);
        let analysis = scenes::analysis(&scene);
        for change in [Change::Growth, Change::Decay] {
            for finding in scenes::findings(&check(change), &analysis, &scenes::truth(&scene, &[5, 10, 20])) {
                assert_eq!(finding.verdict, Verdict::Pass, "{change:?}: {}", finding.message);
            }
        }
    }

    #[test]
    fn tenfold_rain_fails_as_growth_and_vanished_rain_as_decay() {
        let scene = scenes::storms(2);
        let analysis = scenes::analysis(&scene);
        let tenfold = scenes::scaled(&scene, 5, 10.0);
        assert_eq!(scenes::first(&check(Change::Growth), &analysis, &tenfold).verdict, Verdict::Fail);
        assert_eq!(scenes::first(&check(Change::Decay), &analysis, &tenfold).verdict, Verdict::Pass);
        let vanished = scenes::scaled(&scene, 5, 0.0);
        assert_eq!(scenes::first(&check(Change::Decay), &analysis, &vanished).verdict, Verdict::Fail);
        assert_eq!(scenes::first(&check(Change::Growth), &analysis, &vanished).verdict, Verdict::Pass);
    }

    #[test]
    fn the_same_growth_over_a_longer_step_is_slower() {
        // Three times the rain in 5 min is beyond 2; in 15 min it is 3^(1/3) = 1.44 in 5.
        let scene = scenes::storms(2);
        let analysis = scenes::analysis(&scene);
        let fast = scenes::first(&check(Change::Growth), &analysis, &scenes::scaled(&scene, 5, 3.0));
        let slow = scenes::first(&check(Change::Growth), &analysis, &scenes::scaled(&scene, 15, 3.0));
        assert_ne!(fast.verdict, Verdict::Pass, "{}", fast.message);
        assert_eq!(slow.verdict, Verdict::Pass, "{}", slow.message);
        assert_eq!(slow.lead_time, LeadTime::from_minutes(15));
    }

    #[test]
    fn a_source_that_is_named_is_read_instead_of_the_rain_before() {
        let scene = scenes::storms(2);
        let analysis = scenes::analysis(&scene);
        let mut slice = scenes::scaled(&scene, 5, 1.0);
        let rain = slice.first_member().unwrap().to_owned();
        // Nine tenths of the rain came within 5 min: tenfold growth, though the rain itself is as it should be.
        slice.diagnostics.insert(RAIN_SOURCE.to_owned(), rain.mapv(|r| 0.9 * 12.0 * r));
        assert_eq!(scenes::first(&check(Change::Growth), &analysis, &slice).verdict, Verdict::Fail);
        slice.diagnostics.insert(RAIN_SOURCE.to_owned(), rain.mapv(|r| 0.1 * 12.0 * r));
        assert_eq!(scenes::first(&check(Change::Growth), &analysis, &slice).verdict, Verdict::Pass);
    }

    #[test]
    fn without_rain_nothing_grows() {
        scenes::degenerate(&check(Change::Growth));
        scenes::degenerate(&check(Change::Decay));
    }
}
