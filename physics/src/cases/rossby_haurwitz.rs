//! Four great waves walk eastward around the globe, nearly unchanged: a test of how fast the model lets them go.

use crate::{
    Error,
    cases::{
        Bar, Case, Experiment,
        against_reference::{Anchors, Reference},
        flowing::Flowing,
        williamson::{self, DAY, Formula, GRAVITY, planet, twice_as_wide},
    },
    plane::Shape,
    sphere::Place,
};

/// ω and K, s⁻¹.
const RATE: f64 = 7.848e-6;
/// Number of waves R.
const WAVES: f64 = 4.0;
/// Depth at the poles, m.
const DEPTH: f64 = 8000.0;

/// Rossby-Haurwitz wave (test 6).
pub(crate) struct RossbyHaurwitz;

pub(crate) fn depth(place: Place) -> f64 {
    let (planet, w, k, r) = (planet(0.0), RATE, RATE, WAVES);
    let c = place.latitude.cos();
    let (c2, cr) = (c * c, c.powf(r));
    let a = 0.5 * w * (2.0 * planet.rotation_s + w) * c2
        + 0.25 * k * k * cr * cr * ((r + 1.0) * c2 + (2.0 * r * r - r - 2.0) - 2.0 * r * r / c2);
    let b = 2.0 * (planet.rotation_s + w) * k / ((r + 1.0) * (r + 2.0)) * cr * ((r * r + 2.0 * r + 2.0) - (r + 1.0).powi(2) * c2);
    let d = 0.25 * k * k * cr * cr * ((r + 1.0) * c2 - (r + 2.0));
    let (east, twice) = ((r * place.longitude).cos(), (2.0 * r * place.longitude).cos());
    DEPTH + planet.radius_m * planet.radius_m * (a + b * east + d * twice) / GRAVITY
}

pub(crate) fn wind(place: Place) -> (f64, f64) {
    let (radius, w, k, r) = (planet(0.0).radius_m, RATE, RATE, WAVES);
    let (s, c) = place.latitude.sin_cos();
    let wave = radius * k * c.powf(r - 1.0);
    (
        radius * w * c + wave * (r * s * s - c * c) * (r * place.longitude).cos(),
        -wave * r * s * (r * place.longitude).sin(),
    )
}

/// A run of it on cells of the grid.
fn run(shape: Shape) -> Result<Flowing, Error> {
    Formula {
        depth,
        wind,
        ground: |_| 0.0,
    }
    .start(planet(0.0), shape)
}

impl Case for RossbyHaurwitz {
    fn name(&self) -> &'static str {
        "williamson_6"
    }

    fn about(&self) -> &'static str {
        "four great waves walk eastward around the globe"
    }

    fn source(&self) -> &'static str {
        williamson::SOURCE
    }

    fn length_s(&self) -> f64 {
        10.0 * DAY
    }

    fn rows(&self) -> usize {
        64
    }

    fn start(&self, rows: usize) -> Result<Box<dyn Experiment>, Error> {
        Ok(Box::new(run(twice_as_wide(rows))?))
    }

    fn bars(&self) -> Result<Vec<Bar>, Error> {
        let reference = Reference {
            bytes: include_bytes!("reference/williamson_6.f32"),
            anchors: Anchors::WILLIAMSON_6,
        };
        reference.bars(run, self.length_s())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waves_keep_air_and_nearly_all_energy_for_two_days() {
        for bar in williamson::drift_over(&RossbyHaurwitz, 32, 2.0 * DAY, 1e-4, 1e-2).unwrap() {
            assert!(bar.is_met(), "{bar:?}");
        }
    }
}
