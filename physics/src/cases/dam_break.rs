//! A dam breaks between deep and shallow water: a bore runs one way, a smooth wave the other.

use crate::{
    Error,
    boundary::Boundary,
    cases::{Bar, Bound, Case, Experiment, flat::Flat, flowing::Flowing},
    moist_layer::MoistLayer,
    plane::{Plane, Shape},
};

const GRAVITY: f64 = 9.806_16;
/// Depths on both sides, m.
const DEEP: f64 = 2.0;
const SHALLOW: f64 = 1.0;
/// Length of the channel, m; the dam stands in its middle.
const LENGTH: f64 = 100.0;
/// Neither wave has reached an end, s.
const TIME: f64 = 8.0;
/// The scheme has no shock of its own making: damping of the divergence makes it.
const DAMPING: f64 = 1.0;

/// Dam break on a wet bed.
pub(crate) struct DamBreak;

/// Depth and speed behind the bore, and its own speed.
#[derive(Debug, Clone, Copy)]
struct Bore {
    depth: f64,
    wind: f64,
    speed: f64,
}

impl Bore {
    /// The jump where `wind_behind(depth)` meets the smooth wave: u = 2 (√(g h0) - √(g h)).
    fn solve(wind_behind: impl Fn(f64) -> f64) -> Self {
        let (mut low, mut high) = (SHALLOW, DEEP);
        for _ in 0..200 {
            let depth = 0.5 * (low + high);
            let expanding = 2.0 * ((GRAVITY * DEEP).sqrt() - (GRAVITY * depth).sqrt());
            if wind_behind(depth) < expanding {
                low = depth;
            } else {
                high = depth;
            }
        }
        let wind = wind_behind(low);
        Self {
            depth: low,
            wind,
            speed: wind * low / (low - SHALLOW),
        }
    }

    /// What mass and momentum allow.
    fn true_one() -> Self {
        Self::solve(|h| (h - SHALLOW) * (0.5 * GRAVITY * (h + SHALLOW) / (h * SHALLOW)).sqrt())
    }

    /// What mass and K + g h allow, which are what the equations for the wind keep.
    fn of_the_equations() -> Self {
        Self::solve(|h| (h - SHALLOW) * (2.0 * GRAVITY / (h + SHALLOW)).sqrt())
    }

    /// Depth at an eastward distance from the dam, m, after a time, s.
    fn depth_at(self, x: f64, time_s: f64) -> f64 {
        let fast = (GRAVITY * DEEP).sqrt();
        let slope = x / time_s.max(1e-9);
        if slope < -fast {
            DEEP
        } else if slope < self.wind - (GRAVITY * self.depth).sqrt() {
            (2.0 * fast - slope).powi(2) / (9.0 * GRAVITY)
        } else if slope < self.speed {
            self.depth
        } else {
            SHALLOW
        }
    }
}

fn run(cells: usize) -> (MoistLayer, f64) {
    let cell_m = LENGTH / cells as f64;
    let flat = Flat {
        shape: Shape { ny: 4, nx: cells },
        cell_m,
        rotation_s: 0.0,
        gravity: GRAVITY,
        boundary: Boundary::Walls,
        damping: DAMPING,
    };
    let depth = |_, x| if x < 0.5 * LENGTH { DEEP } else { SHALLOW };
    (flat.air(depth, |_, _| (0.0, 0.0)), cell_m)
}

/// What a run of `cells` cells shows after eight seconds.
#[derive(Debug)]
struct Found {
    /// Speed of the bore over that of the scheme's own jump and over the true one.
    speed: [f64; 2],
    /// Mean distance from the true depth over the mean depth.
    l1: f64,
    /// Highest water behind the bore above that of the jump, over it.
    overshoot: f64,
}

fn find(cells: usize) -> Result<Found, Error> {
    let (mut air, cell_m) = run(cells);
    let step = air.air_step_s(0.3);
    air.advance(TIME, step)?;
    let row = air.flow().h.row(1);
    let (own, exact) = (Bore::of_the_equations(), Bore::true_one());
    let from_dam = |k: usize| (k as f64 + 0.5) * cell_m - 0.5 * LENGTH;
    let half = 0.5 * (own.depth + SHALLOW);
    let last = (0..cells).rev().find(|k| row[*k] >= half).unwrap_or(0);
    let past = if last + 1 < cells {
        (row[last] - half) / (row[last] - row[last + 1])
    } else {
        0.0
    };
    let speed = (from_dam(last) + past * cell_m) / TIME;
    let apart: f64 = (0..cells).map(|k| (row[k] - exact.depth_at(from_dam(k), TIME)).abs()).sum();
    let highest = (0..cells).filter(|k| from_dam(*k) > 0.0).fold(0.0_f64, |a, k| a.max(row[k]));
    Ok(Found {
        speed: [speed / own.speed, speed / exact.speed],
        l1: apart / (0.5 * (DEEP + SHALLOW) * cells as f64),
        overshoot: highest / own.depth - 1.0,
    })
}

impl Case for DamBreak {
    fn name(&self) -> &'static str {
        "dam_break"
    }

    fn about(&self) -> &'static str {
        "a dam breaks between water of 2 m and of 1 m"
    }

    fn source(&self) -> &'static str {
        "Stoker, J. J., 1957: Water waves. Interscience, chapter 10.8"
    }

    fn length_s(&self) -> f64 {
        TIME
    }

    fn rows(&self) -> usize {
        4
    }

    /// Rows tell nothing here: the channel is four wide and a hundred times `rows` long.
    fn start(&self, rows: usize) -> Result<Box<dyn Experiment>, Error> {
        let (air, cell_m) = run(100 * rows.max(1));
        let shape = air.layer().metric.shape();
        let answer = move |time| {
            let bore = Bore::true_one();
            Plane::from_fn(shape, |_, i| bore.depth_at((i as f64 + 0.5) * cell_m - 0.5 * LENGTH, time))
        };
        Ok(Box::new(Flowing::new(air, 0.3).held_to(answer)))
    }

    fn bars(&self) -> Result<Vec<Bar>, Error> {
        let found = find(400)?;
        let bar = |what: &str, measured, bound, remark| Bar {
            what: what.to_owned(),
            measured,
            bound,
            remark,
        };
        Ok(vec![
            bar(
                "speed of the bore over that of the equations' own jump, 400 cells",
                found.speed[0],
                Bound::Within(1.0, 0.01),
                "the wind's equation keeps K + g h across a jump, not momentum: 4.119 m/s",
            ),
            bar(
                "speed of the bore over the true one",
                found.speed[1],
                Bound::Within(1.0, 0.025),
                "mass and momentum: 4.182 m/s",
            ),
            bar("l1 of the depth", found.l1, Bound::AtMost(0.01), ""),
            bar("overshoot behind the bore", found.overshoot, Bound::AtMost(0.12), ""),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_jumps_are_those_of_the_textbook_and_of_the_equations() {
        let (own, exact) = (Bore::of_the_equations(), Bore::true_one());
        let near = |bore: Bore, depth: f64, wind: f64, speed: f64| {
            (bore.depth - depth).abs() < 1e-5 && (bore.wind - wind).abs() < 1e-5 && (bore.speed - speed).abs() < 1e-5
        };
        assert!(near(exact, 1.453_841, 1.305_578, 4.182_309), "{exact:?}");
        assert!(near(own, 1.458_21, 1.294_25, 4.118_84), "{own:?}");
    }

    #[test]
    fn the_bore_runs_at_its_speed() {
        for bar in DamBreak.bars().unwrap() {
            assert!(bar.is_met(), "{bar:?}");
        }
    }
}
