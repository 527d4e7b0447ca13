//! What water does in the air: it condenses where the column holds too much, becomes rain, evaporates and falls.

use std::cell::RefCell;

use nowblend_field::wide::{Work, sum, wide};
use rayon::prelude::*;

use crate::{
    metric::Metric,
    plane::{Plane, RIM},
};

/// Order of the tracers of moist air.
pub(crate) const VAPOUR: usize = 0;
pub(crate) const CLOUD: usize = 1;
pub(crate) const RAIN: usize = 2;
pub(crate) const SUPPLY: usize = 3;
pub(crate) const ECHO: usize = 4;
/// Number of tracers of moist air.
pub(crate) const TRACERS: usize = 5;

/// Constants of the moist physics, with mixing ratios q in kg kg⁻¹ and the depth h in m.
///
/// The amounts h q, m, change by C (condensation less evaporation of cloud), A (cloud to rain), E (evaporation of rain), the
/// supply σ and fallout:
///
/// vapour: -C + E - hσ, cloud: C - A, rain: A - E + hσ - h q_r / τ_f, depth: -(γ/q_ref)(C - E).
///
/// A column holds at most H q_s0 of vapour, so the saturation mixing ratio is q_s0 H/h: where air converges h grows, q_s falls and
/// vapour condenses. h - (γ/q_ref) h q_v does not change when water changes phase. The supply is what the updraught that one layer
/// cannot see feeds to an observed echo. It goes into rain at once: as cloud it would evaporate again wherever the column's mean is
/// below saturation. It is drawn from the vapour, never more than there is, and its heat is released above the layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moisture {
    /// Depth H of the layer at rest, m.
    pub mean_depth_m: f64,
    /// Mass W0 of the column of air that the layer stands for, kg m⁻².
    pub column_mass_kg_m2: f64,
    /// Time constant τ_a of cloud becoming rain, s.
    pub autoconversion_time_s: f64,
    /// Cloud that stays cloud, kg kg⁻¹.
    pub autoconversion_threshold_kg_kg: f64,
    /// Rate k_e of E = h k_e (q_s - q_v) √q_r, s⁻¹.
    pub evaporation_rate_s: f64,
    /// Time constant τ_f of rain falling out, s.
    pub fallout_time_s: f64,
    /// Time in which the supply falls to 1/e, s.
    pub supply_time_s: f64,
    /// γ/q_ref: how much of the depth one unit of condensing water takes.
    pub depth_per_water: f64,
}

impl Moisture {
    /// Rain rate, mm h⁻¹, of an amount h q_r of rain in the layer, m: 3600 W0 (h/H) q_r / τ_f.
    pub fn rain_rate(&self, amount_m: f64) -> f64 {
        3600.0 * self.column_mass_kg_m2 * amount_m / (self.mean_depth_m * self.fallout_time_s)
    }

    /// Amount h q_r, m, that rains at a rate, mm h⁻¹: the inverse of [`Self::rain_rate`].
    pub fn rain_amount(&self, rain_mm_h: f64) -> f64 {
        rain_mm_h * self.mean_depth_m * self.fallout_time_s / (3600.0 * self.column_mass_kg_m2)
    }

    /// Supply σ, s⁻¹, that keeps a mixing ratio of rain steady against fallout.
    pub fn steady_supply(&self, rain_mixing_ratio: f64) -> f64 {
        rain_mixing_ratio / self.fallout_time_s
    }

    /// Lets water change for `dt` seconds in columns of `capacity` (H q_s0, m). `changes` receives, row by row, what that changed.
    pub(crate) fn step(
        &self,
        dt: f64,
        metric: &Metric,
        capacity: &Plane,
        depth: &mut Plane,
        tracers: &mut [Plane],
        changes: &mut [Change],
    ) {
        let [vapour, cloud, rain, supply, ..] = tracers else {
            return;
        };
        let rates = Rates {
            to_rain: implicit(dt / self.autoconversion_time_s),
            evaporation: self.evaporation_rate_s * dt,
            fallout: implicit(dt / self.fallout_time_s),
            supply_left: (-dt / self.supply_time_s).exp(),
            water_per_depth: 1.0 / self.depth_per_water,
            dt,
        };
        depth
            .rows_mut()
            .zip(vapour.rows_mut())
            .zip(cloud.rows_mut())
            .zip(rain.rows_mut())
            .zip(supply.rows_mut())
            .zip(changes.par_iter_mut())
            .enumerate()
            .for_each(|(j, (((((depth, vapour), cloud), rain), supply), change))| {
                let area = metric.nominal_area_m2(j + RIM);
                let (fell, deeper) = ROOM.with_borrow_mut(|[fell, deeper]| {
                    fell.resize(depth.len(), 0.0);
                    deeper.resize(depth.len(), 0.0);
                    wide(Row {
                        moisture: self,
                        rates: &rates,
                        capacity: capacity.full_row(j + RIM),
                        depth,
                        vapour,
                        cloud,
                        rain,
                        supply,
                        fell,
                        deeper,
                    });
                    let inside = RIM..fell.len() - RIM;
                    if let Some(areas) = metric.areas(j + RIM) {
                        for (k, area_k) in areas.iter().enumerate() {
                            fell[k] *= area_k / area;
                            deeper[k] *= area_k / area;
                        }
                    }
                    (sum(&fell[inside.clone()]), sum(&deeper[inside]))
                });
                *change = Change {
                    fallen: area * fell,
                    mass: area * deeper,
                };
            });
    }

    /// One column after the step, and what fell out of it, m.
    #[inline(always)]
    fn change(&self, column: Column, supply: f64, capacity: f64, rates: &Rates) -> (Column, f64) {
        let Column {
            depth,
            mut vapour,
            mut cloud,
            mut rain,
        } = column;
        let supplied = (supply * rates.dt * depth).min(vapour);
        vapour -= supplied;
        rain += supplied;
        // No column gives more than half of its depth for the heat of what condenses at once.
        let most = vapour.min(0.5 * depth * rates.water_per_depth);
        let condensed = (vapour - capacity).max(-cloud).min(most);
        vapour -= condensed;
        cloud += condensed;
        let converted = (cloud - self.autoconversion_threshold_kg_kg * depth).max(0.0) * rates.to_rain;
        cloud -= converted;
        rain += converted;
        let deficit = (capacity - vapour).max(0.0);
        let evaporated = (deficit * (rates.evaporation * (rain / depth).sqrt()).min(1.0)).min(rain);
        rain -= evaporated;
        vapour += evaporated;
        let fell = rain * rates.fallout;
        let column = Column {
            depth: depth - self.depth_per_water * (condensed - evaporated),
            vapour,
            cloud,
            rain: rain - fell,
        };
        (column, fell)
    }
}

/// What a step of the water changed in one row, m³.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Change {
    /// Rain that fell out.
    pub fallen: f64,
    /// Depth gained, times area.
    pub mass: f64,
}

thread_local! {
    static ROOM: RefCell<[Vec<f64>; 2]> = RefCell::default();
}

/// One row of columns.
struct Row<'a> {
    moisture: &'a Moisture,
    rates: &'a Rates,
    capacity: &'a [f64],
    depth: &'a mut [f64],
    vapour: &'a mut [f64],
    cloud: &'a mut [f64],
    rain: &'a mut [f64],
    supply: &'a mut [f64],
    /// What fell out of each column and by how much it grew deeper, m.
    fell: &'a mut [f64],
    deeper: &'a mut [f64],
}

impl Work for Row<'_> {
    #[inline(always)]
    fn run(self) {
        let n = self.depth.len();
        let (depth, vapour, cloud, rain) = (self.depth, &mut self.vapour[..n], &mut self.cloud[..n], &mut self.rain[..n]);
        let (supply, capacity, fell, deeper) = (
            &mut self.supply[..n],
            &self.capacity[..n],
            &mut self.fell[..n],
            &mut self.deeper[..n],
        );
        let (moisture, rates) = (*self.moisture, *self.rates);
        for k in RIM..n - RIM {
            let h = depth[k];
            let column = Column {
                depth: h,
                vapour: h * vapour[k],
                cloud: h * cloud[k],
                rain: h * rain[k],
            };
            let (column, fallen) = moisture.change(column, supply[k], capacity[k], &rates);
            let per_depth = 1.0 / column.depth;
            depth[k] = column.depth;
            vapour[k] = column.vapour * per_depth;
            cloud[k] = column.cloud * per_depth;
            rain[k] = column.rain * per_depth;
            supply[k] *= rates.supply_left;
            fell[k] = fallen;
            deeper[k] = column.depth - h;
        }
    }
}

/// Depth of a column and amounts of water in it, m.
#[derive(Debug, Clone, Copy)]
struct Column {
    depth: f64,
    vapour: f64,
    cloud: f64,
    rain: f64,
}

#[derive(Debug, Clone, Copy)]
struct Rates {
    to_rain: f64,
    evaporation: f64,
    fallout: f64,
    supply_left: f64,
    /// One over the depth that one unit of condensing water takes; infinite where it takes none.
    water_per_depth: f64,
    dt: f64,
}

/// Share lost in an implicit step of decay at `rate` per step.
fn implicit(rate: f64) -> f64 {
    rate / (1.0 + rate)
}

/// Water as the tests of the core have it, over 500 m of air.
#[cfg(test)]
pub(crate) const MOISTURE: Moisture = Moisture {
    mean_depth_m: 500.0,
    column_mass_kg_m2: 5000.0,
    autoconversion_time_s: 1000.0,
    autoconversion_threshold_kg_kg: 1e-4,
    evaporation_rate_s: 1e-3,
    fallout_time_s: 600.0,
    supply_time_s: 3600.0,
    depth_per_water: 50.0,
};

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(dt: f64) -> Rates {
        Rates {
            to_rain: implicit(dt / 1000.0),
            evaporation: 1e-3 * dt,
            fallout: implicit(dt / 600.0),
            supply_left: 1.0,
            water_per_depth: 1.0 / 50.0,
            dt,
        }
    }

    #[test]
    fn ten_millimetres_an_hour_is_a_third_of_a_gram() {
        // 10 mm/h = 10/3600 kg m-2 s-1; x 600 s / 5000 kg m-2 = 3.33e-4; x 500 m of layer = 0.1667 m.
        assert!((MOISTURE.rain_amount(10.0) - 0.166_667).abs() < 1e-6);
        assert!((MOISTURE.rain_rate(MOISTURE.rain_amount(7.3)) - 7.3).abs() < 1e-12);
    }

    #[test]
    fn phase_changes_keep_water_and_the_moist_depth() {
        // Supersaturated with cloud and rain; dry with cloud and rain; dry with rain only.
        for (vapour, cloud, rain) in [(6.5, 0.2, 0.1), (4.0, 0.3, 0.2), (5.0, 0.0, 1e-4), (7.0, 0.0, 0.0)] {
            let before = Column {
                depth: 480.0,
                vapour,
                cloud,
                rain,
            };
            let (after, fell) = MOISTURE.change(before, 0.0, 6.0, &rates(30.0));
            let water = |c: Column| c.vapour + c.cloud + c.rain;
            let moist_depth = |c: Column| c.depth - 50.0 * c.vapour;
            assert!((water(after) + fell - water(before)).abs() < 4e-15, "{after:?}");
            assert!((moist_depth(after) - moist_depth(before)).abs() < 4e-13, "{after:?}");
            assert!(
                after.vapour >= 0.0 && after.cloud >= 0.0 && after.rain >= 0.0 && fell >= 0.0,
                "{after:?}"
            );
        }
    }

    #[test]
    fn saturated_air_condenses_all_above_its_capacity_at_once() {
        let before = Column {
            depth: 500.0,
            vapour: 6.25,
            cloud: 0.0,
            rain: 0.0,
        };
        let (after, _) = MOISTURE.change(before, 0.0, 6.0, &rates(30.0));
        assert_eq!(after.vapour, 6.0);
        // 0.25 m of water condense and take 50 x 0.25 = 12.5 m of depth.
        assert_eq!(after.depth, 487.5);
    }

    #[test]
    fn a_supplied_echo_in_saturated_air_rains_steadily_and_draws_on_the_vapour() {
        let amount = MOISTURE.rain_amount(10.0);
        let mut column = Column {
            depth: 500.0,
            vapour: 6.0,
            cloud: 0.0,
            rain: amount,
        };
        let supply = MOISTURE.steady_supply(amount / 500.0);
        let mut fallen = 0.0;
        for _ in 0..20 {
            let (next, fell) = MOISTURE.change(
                column,
                supply,
                6.0,
                &Rates {
                    evaporation: 0.0,
                    ..rates(30.0)
                },
            );
            column = next;
            fallen += fell;
        }
        assert!((column.rain - amount).abs() < 1e-13);
        // Ten minutes at 10 mm/h are 1.667 mm: x 500 m / 5000 kg m-2 = 0.1667 m of layer water.
        assert!((fallen - 1.0 / 6.0).abs() < 1e-12);
        assert!((6.0 - column.vapour - fallen).abs() < 1e-12);
    }

    #[test]
    fn supply_never_takes_more_vapour_than_there_is() {
        let before = Column {
            depth: 500.0,
            vapour: 0.01,
            cloud: 0.0,
            rain: 0.0,
        };
        let (after, fell) = MOISTURE.change(
            before,
            1.0,
            6.0,
            &Rates {
                evaporation: 0.0,
                ..rates(30.0)
            },
        );
        assert_eq!(after.vapour, 0.0);
        assert!((after.rain + fell - 0.01).abs() < 1e-17);
    }
}
