//! A narrow jet around the northern hemisphere: left alone it stays, a small bump makes it roll up into vortices within a week.

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};

use crate::{
    Error,
    cases::{
        Bar, Bound, Case, Experiment,
        williamson::{DAY, Formula, GRAVITY, planet, twice_as_wide},
    },
    plane::Plane,
    sphere::{Place, Sphere},
};

const SOURCE: &str = "Galewsky, J., R. K. Scott and L. M. Polvani, 2004: An initial-value problem for testing numerical models of the global shallow-water equations. Tellus A, 56, 429-440, doi:10.3402/tellusa.v56i5.14436";

/// Greatest wind, m s⁻¹.
const WIND: f64 = 80.0;
/// Edges of the jet, radians.
const SOUTH: f64 = PI / 7.0;
const NORTH: f64 = FRAC_PI_2 - SOUTH;
/// Mean depth, m.
const MEAN_DEPTH: f64 = 10_000.0;
/// Height of the bump, m.
const BUMP: f64 = 120.0;

/// Balanced jet u(φ) with or without a bump.
pub(crate) struct BarotropicJet {
    name: &'static str,
    about: &'static str,
    bump: f64,
}

impl BarotropicJet {
    pub(crate) const BALANCED: Self = Self {
        name: "galewsky_balanced",
        about: "a narrow jet in balance stays as it is",
        bump: 0.0,
    };
    pub(crate) const PERTURBED: Self = Self {
        name: "galewsky",
        about: "a bump makes a narrow jet roll up into vortices",
        bump: BUMP,
    };
}

/// Eastward wind, m s⁻¹.
fn wind(latitude: f64) -> f64 {
    if latitude <= SOUTH || latitude >= NORTH {
        return 0.0;
    }
    let peak = (-4.0 / (NORTH - SOUTH).powi(2)).exp();
    WIND / peak * (1.0 / ((latitude - SOUTH) * (latitude - NORTH))).exp()
}

/// Depth in balance with the wind by latitude, m: g h = g h0 - ∫ a u (f + u tan φ / a) dφ, the mean over the globe being the given one.
struct Balance {
    /// Depth at each of `n` + 1 evenly spaced latitudes, m.
    depth: Vec<f64>,
}

impl Balance {
    const STEPS: usize = 20_000;

    fn new(sphere: Sphere) -> Self {
        let latitude = |k: f64| -FRAC_PI_2 + PI * k / Self::STEPS as f64;
        let force = |k: f64| {
            let (phi, u) = (latitude(k), wind(latitude(k)));
            let place = Place {
                longitude: 0.0,
                latitude: phi,
            };
            if u == 0.0 {
                0.0
            } else {
                u * (sphere.radius_m * sphere.coriolis(place) + u * phi.tan()) / GRAVITY
            }
        };
        let width = PI / Self::STEPS as f64;
        let mut depth = vec![0.0];
        for k in 0..Self::STEPS {
            // Simpson's rule.
            let k = k as f64;
            let fall = width / 6.0 * (force(k) + 4.0 * force(k + 0.5) + force(k + 1.0));
            depth.push(depth[depth.len() - 1] - fall);
        }
        let (mut sum, mut area) = (0.0, 0.0);
        for (k, h) in depth.iter().enumerate() {
            let weight = latitude(k as f64).cos();
            sum += weight * h;
            area += weight;
        }
        depth.iter_mut().for_each(|h| *h += MEAN_DEPTH - sum / area);
        Self { depth }
    }

    fn at(&self, latitude: f64) -> f64 {
        let k = (latitude + FRAC_PI_2) / PI * Self::STEPS as f64;
        let below = (k as usize).min(Self::STEPS - 1);
        let (a, b) = (self.depth[below], self.depth[below + 1]);
        a + (b - a) * (k - below as f64)
    }
}

fn bump(place: Place) -> f64 {
    let east = (place.longitude + PI).rem_euclid(2.0 * PI) - PI;
    place.latitude.cos() * (-(3.0 * east).powi(2) - (15.0 * (FRAC_PI_4 - place.latitude)).powi(2)).exp()
}

impl Case for BarotropicJet {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn source(&self) -> &'static str {
        SOURCE
    }

    fn length_s(&self) -> f64 {
        if self.bump == 0.0 { 5.0 * DAY } else { 6.0 * DAY }
    }

    fn rows(&self) -> usize {
        128
    }

    fn start(&self, rows: usize) -> Result<Box<dyn Experiment>, Error> {
        let sphere = planet(0.0);
        let balance = Balance::new(sphere);
        let run = Formula {
            depth: |p: Place| balance.at(p.latitude) + self.bump * bump(p),
            wind: |p: Place| (wind(p.latitude), 0.0),
            ground: |_| 0.0,
        }
        .start(sphere, twice_as_wide(rows))?;
        if self.bump != 0.0 {
            return Ok(Box::new(run));
        }
        let shape = run.metric().shape();
        let right = Plane::from_fn(shape, |j, i| balance.at(sphere.centre(shape, j, i).latitude));
        Ok(Box::new(run.held_to(move |_| right.clone())))
    }

    fn bars(&self) -> Result<Vec<Bar>, Error> {
        let rows = 128;
        let mut run = self.start(rows)?;
        run.advance(self.length_s())?;
        if self.bump == 0.0 {
            return Ok(vec![Bar {
                what: "l2(h) after 5 days at 1.4°".to_owned(),
                measured: run.error().map_or(f64::NAN, |e| e.l2),
                bound: Bound::AtMost(1e-3),
                remark: "",
            }]);
        }
        let most = |run: &dyn Experiment| {
            let fields = run.fields();
            let vorticity = fields.iter().find(|f| f.name == "vorticity");
            vorticity.map_or(f64::NAN, |f| asymmetry(&f.values))
        };
        Ok(vec![Bar {
            what: "vorticity that differs from its mean along the row after 6 days at 1.4°, of the greatest".to_owned(),
            measured: most(run.as_ref()),
            bound: Bound::AtLeast(0.3),
            remark: "rolled up into vortices by day 6; a jet that stayed would have nought",
        }])
    }
}

/// Root mean square deviation of a field from its mean along the rows, over the largest of those means, in the rows of the jet.
fn asymmetry(field: &ndarray::Array2<f64>) -> f64 {
    let rows = field.nrows();
    let (mut greatest, mut largest) = (0.0_f64, 0.0_f64);
    for row in field.rows().into_iter().skip(rows * 5 / 8).take(rows / 4) {
        let mean = row.mean().unwrap_or(f64::NAN);
        let deviation = row.mapv(|v| (v - mean).powi(2)).mean().unwrap_or(f64::NAN).sqrt();
        greatest = greatest.max(mean.abs());
        largest = largest.max(deviation);
    }
    largest / greatest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_jet_in_balance_stays_for_a_day_and_its_mean_depth_is_ten_kilometres() {
        let mut run = BarotropicJet::BALANCED.start(64).unwrap();
        let area: f64 = (0..64).map(|j| 128.0 * run.metric().area_m2(j, 0)).sum();
        assert!((run.invariants()[0].value / area - MEAN_DEPTH).abs() < 2.0);
        run.advance(DAY).unwrap();
        let error = run.error().unwrap().l2;
        // On 1.4 degrees it is 3e-4 after five days; of second order that makes 1.2e-3 here.
        assert!(error < 1.5e-3, "{error:e}");
    }
}
