//! Moist, warm and cold air around the globe: in balance it stays dry of cloud, over a mountain cloud forms where the air climbs.

use std::f64::consts::{FRAC_PI_2, PI};

use ndarray::Array2;

use crate::{
    Error,
    boundary::Boundary,
    cases::{
        Bar, Bound, Case, Experiment, Field, Invariant, Norms, mountain,
        williamson::{COURANT, DAY, GRAVITY, globe, planet},
        zonal_flow::solid_body,
    },
    invariants,
    metric::Metric,
    moist_layer::Layer,
    plane::Plane,
    shallow_water::Flow,
    sphere::Place,
    thermal::{BUOYANCY, CLOUD, RAIN, ThermalLayer, VAPOUR, Water},
};

const SOURCE: &str = "Zerroukat, M. and T. Allen, 2015: A moist Boussinesq shallow water equations set for testing atmospheric models. J. Comput. Phys., 290, 55-72, doi:10.1016/j.jcp.2015.02.011";

/// Wind, m s⁻¹.
const WIND: f64 = 20.0;
/// g h on the equator of the steady flow, m² s⁻².
const GEOPOTENTIAL: f64 = 3e4;
/// Relative humidity at the start.
const HUMIDITY: f64 = 0.98;
/// θ = 1 - b/g at the south pole, the equator and the north pole of the mountain's air.
const WARMTH: [f64; 3] = [-40.0 / 300.0, 30.0 / 300.0, -20.0 / 300.0];

const WATER: Water = Water {
    q0: 135.0,
    nu: 20.0,
    beta2: 10.0 * GRAVITY,
    cloud_kg_kg: 1e-4,
    rain_rate_s: 1e-3,
};

/// Moist versions of Williamson's tests 2 and 5.
pub(crate) enum MoistGlobe {
    Steady,
    OverAMountain,
}

/// (a Ω u0 + u0²/2), m² s⁻².
fn spin() -> f64 {
    let planet = planet(0.0);
    planet.radius_m * planet.rotation_s * WIND + 0.5 * WIND * WIND
}

impl MoistGlobe {
    fn ground(&self, place: Place) -> f64 {
        match self {
            Self::Steady => 0.0,
            Self::OverAMountain => mountain::ground(place),
        }
    }

    fn surface(&self, place: Place) -> f64 {
        match self {
            // h falls by a tenth more towards the poles than it would under air of one weight.
            Self::Steady => (GEOPOTENTIAL - 1.1 * spin() * place.latitude.sin().powi(2)) / GRAVITY,
            Self::OverAMountain => mountain::surface(place),
        }
    }

    /// Buoyancy, m s⁻².
    ///
    /// The steady one follows from balance: ∂(b h²/2)/∂φ = -h 2w sin φ cos φ with w = a Ω u0 + u0²/2 and g h = Φ0 - 1.1 w x, x = sin² φ, so
    /// b = g [Φ0² - 2w (Φ0 x - 1.1 w x²/2)] / (Φ0 - 1.1 w x)².
    fn buoyancy(&self, place: Place) -> f64 {
        let x = place.latitude.sin().powi(2);
        match self {
            Self::Steady => {
                let (w, phi0) = (spin(), GEOPOTENTIAL);
                GRAVITY * (phi0 * phi0 - 2.0 * w * (phi0 * x - 0.55 * w * x * x)) / (phi0 - 1.1 * w * x).powi(2)
            }
            Self::OverAMountain => {
                let (p, [south, equator, north]) = (place.latitude, WARMTH);
                let theta = 2.0 / (PI * PI)
                    * (p * (p - FRAC_PI_2) * south - 2.0 * (p + FRAC_PI_2) * (p - FRAC_PI_2) * equator + p * (p + FRAC_PI_2) * north);
                GRAVITY * (1.0 - theta)
            }
        }
    }

    fn run(&self, rows: usize) -> Result<Moist, Error> {
        let sphere = planet(0.0);
        let metric = globe(sphere, rows)?;
        let shape = metric.shape();
        let on_cells = |value: &dyn Fn(Place) -> f64| Plane::from_fn(shape, |j, i| value(sphere.centre(shape, j, i)));
        let mut orography = on_cells(&|p| self.ground(p));
        Boundary::Globe.close_depth(&mut orography);
        let flow = Flow {
            h: on_cells(&|p| self.surface(p) - self.ground(p)),
            u: Plane::from_fn(shape, |j, i| solid_body(WIND, 0.0, sphere.west_face(shape, j, i)).0),
            v: Plane::constant(shape, 0.0),
        };
        let vapour = on_cells(&|p| HUMIDITY * WATER.saturation(GRAVITY, self.surface(p), self.buoyancy(p)));
        let none = Plane::constant(shape, 0.0);
        let step_s = COURANT * metric.smallest_spacing_m() / (2.0 * WIND + (1.2 * GRAVITY * flow.h.at(rows as isize / 2, 0)).sqrt());
        let right = matches!(self, Self::Steady).then(|| flow.h.clone());
        let layer = Layer {
            metric,
            boundary: Boundary::Globe,
            orography,
            gravity: GRAVITY,
            moisture: None,
            nudging: None,
            divergence_damping: 0.0,
        };
        let buoyancy = on_cells(&|p| self.buoyancy(p));
        Ok(Moist {
            layer: ThermalLayer::new(layer, WATER, flow, [vapour, none.clone(), none, buoyancy]),
            step_s,
            right,
        })
    }
}

impl Case for MoistGlobe {
    fn name(&self) -> &'static str {
        match self {
            Self::Steady => "moist_williamson_2",
            Self::OverAMountain => "moist_williamson_5",
        }
    }

    fn about(&self) -> &'static str {
        match self {
            Self::Steady => "moist air of uneven warmth, in balance, stays as it is and dry of cloud",
            Self::OverAMountain => "moist air meets a lone mountain and clouds form where it climbs",
        }
    }

    fn source(&self) -> &'static str {
        SOURCE
    }

    fn length_s(&self) -> f64 {
        match self {
            Self::Steady => 5.0 * DAY,
            Self::OverAMountain => 15.0 * DAY,
        }
    }

    fn rows(&self) -> usize {
        64
    }

    fn start(&self, rows: usize) -> Result<Box<dyn Experiment>, Error> {
        Ok(Box::new(self.run(rows)?))
    }

    fn bars(&self) -> Result<Vec<Bar>, Error> {
        let mut bars = self.water_bars(64, self.length_s())?;
        if matches!(self, Self::OverAMountain) {
            let mut run = self.run(64)?;
            run.advance(self.length_s())?;
            bars.push(Bar {
                what: "share of the cloud over the mountain that formed west of its top, 15 days at 64 rows".to_owned(),
                measured: run.windward(),
                bound: Bound::AtLeast(0.5),
                remark: "windward is where the air climbs",
            });
        }
        Ok(bars)
    }
}

impl MoistGlobe {
    /// What water and depth do over `seconds`.
    fn water_bars(&self, rows: usize, seconds: f64) -> Result<Vec<Bar>, Error> {
        let mut run = self.run(rows)?;
        let water = run.layer.water();
        let mass = run.invariants()[0].value;
        let mut least = f64::INFINITY;
        for _ in 0..5 {
            run.advance(seconds / 5.0)?;
            least = least.min(run.least_water());
        }
        let days = seconds / DAY;
        let bar = |what: &str, measured, bound| Bar {
            what: format!("{what} in {days} days at {rows} rows"),
            measured,
            bound,
            remark: "",
        };
        let mut bars = vec![
            bar(
                "relative change of water",
                (run.layer.water() / water - 1.0).abs(),
                Bound::AtMost(1e-12),
            ),
            bar(
                "relative change of mass",
                (run.invariants()[0].value / mass - 1.0).abs(),
                Bound::AtMost(1e-13),
            ),
            bar("least mixing ratio", least, Bound::AtLeast(0.0)),
        ];
        if let Some(error) = run.error() {
            bars.push(bar("l2(h)", error.l2, Bound::AtMost(1e-3)));
        }
        Ok(bars)
    }
}

/// A run of moist air of uneven warmth.
struct Moist {
    layer: ThermalLayer,
    step_s: f64,
    right: Option<Plane>,
}

impl Moist {
    fn least_water(&self) -> f64 {
        let rows = 0..self.metric().shape().ny;
        rows.flat_map(|j| self.layer.tracers()[..=RAIN].iter().flat_map(move |q| q.row(j)))
            .fold(f64::INFINITY, |a, b| a.min(*b))
    }

    /// Share of all that condensed over the mountain that did so west of its top.
    fn windward(&self) -> f64 {
        let shape = self.metric().shape();
        let (mut west, mut all) = (0.0, 0.0);
        for (j, i) in (0..shape.ny).flat_map(|j| (0..shape.nx).map(move |i| (j, i))) {
            let place = planet(0.0).centre(shape, j as isize, i as isize);
            if mountain::ground(place) > 0.0 {
                let amount = self.metric().area_m2(j, i) * self.layer.condensed().row(j)[i];
                all += amount;
                if place.longitude < 1.5 * PI {
                    west += amount;
                }
            }
        }
        west / all
    }
}

impl Experiment for Moist {
    fn advance(&mut self, seconds: f64) -> Result<(), Error> {
        self.layer.advance(seconds, self.step_s)
    }

    fn time_s(&self) -> f64 {
        self.layer.time_s()
    }

    fn metric(&self) -> &Metric {
        &self.layer.layer().metric
    }

    fn fields(&self) -> Vec<Field> {
        let (metric, flow, tracers) = (self.metric(), self.layer.flow(), self.layer.tracers());
        let orography = &self.layer.layer().orography;
        let shape = (metric.shape().ny, metric.shape().nx);
        let field = |name, unit, value: &dyn Fn(isize, isize) -> f64| Field {
            name,
            unit,
            values: Array2::from_shape_fn(shape, |(j, i)| value(j as isize, i as isize)),
        };
        vec![
            field("height", "m", &|j, i| flow.h.at(j, i) + orography.at(j, i)),
            field("vorticity", "1e-5/s", &|j, i| 1e5 * metric.vorticity(j, i, &flow.u, &flow.v)),
            field("vapour", "g/kg", &|j, i| 1e3 * tracers[VAPOUR].at(j, i)),
            field("cloud", "g/kg", &|j, i| 1e3 * tracers[CLOUD].at(j, i)),
            field("rain", "g/kg", &|j, i| 1e3 * tracers[RAIN].at(j, i)),
        ]
    }

    fn invariants(&self) -> Vec<Invariant> {
        let (layer, flow) = (self.layer.layer(), self.layer.flow());
        let of = |name, value| Invariant { name, value };
        let warmth = |q: &Plane| invariants::amount(&layer.metric, &flow.h, q);
        vec![
            of("mass", invariants::mass(&layer.metric, &flow.h)),
            of("water", self.layer.water()),
            // What condensing takes from the buoyancy, the vapour gives: b - β2 q_v is only carried.
            of(
                "moist_buoyancy",
                warmth(&self.layer.tracers()[BUOYANCY]) - WATER.beta2 * warmth(&self.layer.tracers()[VAPOUR]),
            ),
        ]
    }

    fn error(&self) -> Option<Norms> {
        let right = self.right.as_ref()?;
        Some(Norms::of(self.metric(), &self.layer.flow().h, right))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn water_is_kept_and_never_negative_while_clouds_form() {
        for (case, days) in [(MoistGlobe::Steady, 1.0), (MoistGlobe::OverAMountain, 2.0)] {
            for bar in case.water_bars(24, days * DAY).unwrap() {
                assert!(bar.is_met(), "{} {bar:?}", case.name());
            }
        }
    }

    #[test]
    fn cloud_forms_where_the_air_climbs_the_mountain() {
        let mut run = MoistGlobe::OverAMountain.run(32).unwrap();
        let before = run.invariants()[2].value;
        run.advance(2.0 * DAY).unwrap();
        let share = run.windward();
        assert!(share > 0.5, "{share}");
        let drift = (run.invariants()[2].value / before - 1.0).abs();
        assert!(drift < 1e-13, "{drift:e}");
    }
}
