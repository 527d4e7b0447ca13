//! The air turns as a solid body in balance with its height: it must not notice the grid, nor its poles.

use std::f64::consts::{FRAC_PI_2, TAU};

use crate::{
    Error,
    cases::{
        Bar, Bound, Case, Experiment,
        williamson::{self, DAY, Formula, GRAVITY, planet, twice_as_wide},
    },
    plane::Plane,
    sphere::Place,
};

/// Wind u0, m s⁻¹: once around in twelve days.
const WIND: f64 = TAU * 6.371_22e6 / (12.0 * DAY);
/// g h0, m² s⁻².
const GEOPOTENTIAL: f64 = 2.94e4;

/// Steady zonal flow (test 2): h = h0 - (a Ω u0 + u0²/2) s²/g, where s is the sine of the latitude about the tilted axis.
pub(crate) struct ZonalFlow {
    name: &'static str,
    about: &'static str,
    tilt: f64,
}

impl ZonalFlow {
    /// Along the rows.
    pub(crate) const LEVEL: Self = Self {
        name: "williamson_2",
        about: "air turning as a solid body along the rows stays as it is",
        tilt: 0.0,
    };
    /// Over the poles of the grid.
    pub(crate) const ACROSS_THE_POLES: Self = Self {
        name: "williamson_2_across_poles",
        about: "air turning as a solid body over the poles of the grid stays as it is",
        tilt: FRAC_PI_2,
    };

    fn sine(&self, place: Place) -> f64 {
        let (sin, cos) = self.tilt.sin_cos();
        place.latitude.sin() * cos - place.longitude.cos() * place.latitude.cos() * sin
    }

    fn depth(&self, place: Place) -> f64 {
        let planet = planet(self.tilt);
        let w = planet.radius_m * planet.rotation_s * WIND + 0.5 * WIND * WIND;
        (GEOPOTENTIAL - w * self.sine(place).powi(2)) / GRAVITY
    }
}

/// Wind of a solid body that turns about an axis tilted by `tilt`.
pub(crate) fn solid_body(wind: f64, tilt: f64, place: Place) -> (f64, f64) {
    let (sin, cos) = tilt.sin_cos();
    let Place { longitude, latitude } = place;
    (
        wind * (latitude.cos() * cos + longitude.cos() * latitude.sin() * sin),
        -wind * longitude.sin() * sin,
    )
}

impl Case for ZonalFlow {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn source(&self) -> &'static str {
        williamson::SOURCE
    }

    fn length_s(&self) -> f64 {
        5.0 * DAY
    }

    fn rows(&self) -> usize {
        64
    }

    fn start(&self, rows: usize) -> Result<Box<dyn Experiment>, Error> {
        let run = Formula {
            depth: |p| self.depth(p),
            wind: |p| solid_body(WIND, self.tilt, p),
            ground: |_| 0.0,
        }
        .start(planet(self.tilt), twice_as_wide(rows))?;
        let (sphere, shape) = (planet(self.tilt), run.metric().shape());
        let right = Plane::from_fn(shape, |j, i| self.depth(sphere.centre(shape, j, i)));
        Ok(Box::new(run.held_to(move |_| right.clone())))
    }

    fn bars(&self) -> Result<Vec<Bar>, Error> {
        let mut bars = Vec::new();
        let error = |rows| {
            let mut run = self.start(rows)?;
            run.advance(self.length_s())?;
            Ok::<_, Error>(run.error().map_or(f64::NAN, |e| e.l2))
        };
        let (coarse, fine) = (error(64)?, error(128)?);
        let mut bar = |what: &str, measured, bound| {
            bars.push(Bar {
                what: what.to_owned(),
                measured,
                bound,
                remark: "",
            });
        };
        bar("l2(h) after 5 days at 2.8°", coarse, Bound::AtMost(1e-3));
        bar("l2(h) after 5 days at 1.4°", fine, Bound::AtMost(2.5e-4));
        let order = if self.tilt == 0.0 { 1.8 } else { 1.0 };
        bar("order between the two", (coarse / fine).log2(), Bound::AtLeast(order));
        Ok(bars)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_flow_stays_for_a_day_with_an_error_of_second_order() {
        for (case, order) in [(ZonalFlow::LEVEL, 1.8), (ZonalFlow::ACROSS_THE_POLES, 1.0)] {
            let error = |rows: usize| {
                let mut run = case.start(rows).unwrap();
                run.advance(DAY).unwrap();
                run.error().unwrap().l2
            };
            let (coarse, fine) = (error(16), error(32));
            assert!(
                fine < 2e-3 && (coarse / fine).log2() > order,
                "{}: {coarse:e}, {fine:e}",
                case.name()
            );
        }
    }
}
