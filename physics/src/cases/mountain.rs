//! A westerly wind meets a lone mountain: waves spread from it around the globe and nobody knows their formula, but good models agree.

use std::f64::consts::{FRAC_PI_6, PI};

use crate::{
    Error,
    cases::{
        Bar, Case, Experiment,
        against_reference::{Anchors, Reference},
        flowing::Flowing,
        williamson::{self, DAY, Formula, GRAVITY, planet, twice_as_wide},
        zonal_flow::solid_body,
    },
    plane::Shape,
    sphere::Place,
};

/// Wind u0, m s⁻¹.
const WIND: f64 = 20.0;
/// Height of the surface on the equator, m.
const HEIGHT: f64 = 5960.0;
/// Height of the mountain, m, and its radius, radians.
const MOUNTAIN: (f64, f64) = (2000.0, PI / 9.0);

/// Zonal flow over an isolated mountain (test 5).
pub(crate) struct Mountain;

/// Height of the mountain: a cone in degrees of longitude and latitude about 90° W, 30° N.
pub(crate) fn ground(place: Place) -> f64 {
    let (height, radius) = MOUNTAIN;
    let east = (place.longitude - 1.5 * PI + PI).rem_euclid(2.0 * PI) - PI;
    let distance = east.hypot(place.latitude - FRAC_PI_6).min(radius);
    height * (1.0 - distance / radius)
}

/// Height of the surface in balance with the wind.
pub(crate) fn surface(place: Place) -> f64 {
    let planet = planet(0.0);
    HEIGHT - (planet.radius_m * planet.rotation_s * WIND + 0.5 * WIND * WIND) * place.latitude.sin().powi(2) / GRAVITY
}

/// A run of it on cells of the grid.
fn run(shape: Shape) -> Result<Flowing, Error> {
    Formula {
        depth: |p| surface(p) - ground(p),
        wind: |p| solid_body(WIND, 0.0, p),
        ground,
    }
    .start(planet(0.0), shape)
}

impl Case for Mountain {
    fn name(&self) -> &'static str {
        "williamson_5"
    }

    fn about(&self) -> &'static str {
        "a westerly wind meets a lone mountain"
    }

    fn source(&self) -> &'static str {
        williamson::SOURCE
    }

    fn length_s(&self) -> f64 {
        15.0 * DAY
    }

    fn rows(&self) -> usize {
        64
    }

    fn start(&self, rows: usize) -> Result<Box<dyn Experiment>, Error> {
        Ok(Box::new(run(twice_as_wide(rows))?))
    }

    fn bars(&self) -> Result<Vec<Bar>, Error> {
        let reference = Reference {
            bytes: include_bytes!("reference/williamson_5.f32"),
            anchors: Anchors::WILLIAMSON_5,
        };
        let mut bars = reference.bars(run, self.length_s())?;
        bars.extend(williamson::drift(self, 128, 1e-5, 1e-3)?);
        Ok(bars)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mountain_keeps_air_and_nearly_all_energy_for_two_days() {
        for bar in williamson::drift_over(&Mountain, 32, 2.0 * DAY, 1e-5, 1e-3).unwrap() {
            assert!(bar.is_met(), "{bar:?}");
        }
    }
}
