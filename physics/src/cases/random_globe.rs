//! Eddies of all sizes in a westerly wind around the globe: weather that is known everywhere, for forecasts that start a little wrong.

use std::sync::Arc;

use chrono::DateTime;
use ndarray::{ArcArray, Array3};
use nowblend_field::{Atmosphere, Globe, Rollout, fourier::Complex64};

use crate::{
    Error,
    boundary::Boundary,
    cases::{
        Bar, Bound, Case, Experiment,
        flowing::Flowing,
        harmonics::{Harmonics, factor},
        williamson::{COURANT, DAY, Formula, GRAVITY, globe},
    },
    dice::Dice,
    digital_filter::{Air, DigitalFilter},
    globe_stepper::{EASTWARD, GEOPOTENTIAL, NORTHWARD, ShallowWaterGlobe},
    metric::Metric,
    moist_layer::MoistLayer,
    plane::Shape,
    shallow_water::Flow,
    sphere::{Place, Sphere},
};

/// Mean depth of the air, m: that of the stepper.
const DEPTH: f64 = 4000.0;
/// Westerly wind on the equator, and eddies in the mean of squares, m s⁻¹.
const WESTERLY: f64 = 15.0;
const EDDIES: f64 = 10.0;
/// Largest degree of the eddies, and that up to which each has the same share of the wind's energy; beyond, shares fall with its third power.
const DEGREES: usize = 32;
const LARGE: f64 = 8.0;
/// What a twin's start is wrong by, m s⁻¹ in the mean of squares.
const WRONG: f64 = 1.5;

/// Random eddies on a westerly wind, in balance.
pub(crate) struct RandomGlobe;

/// A stream function ψ and the height in balance with it, ∇·(f∇ψ) = g ∇²h.
struct Winds {
    stream: Harmonics,
    height: Harmonics,
}

impl Winds {
    /// A westerly wind as that of a solid body, and eddies of a seed.
    fn new(westerly: f64, eddies: f64, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let radius = Sphere::EARTH.radius_m;
        let mut squares = 0.0;
        let drawn = Harmonics::of(DEGREES, |(m, n)| {
            if n == 0 {
                return Complex64::default();
            }
            let degree = n as f64;
            let energy = (LARGE / degree.max(LARGE)).powi(3);
            let share = (energy / (degree * (degree + 1.0) * (2.0 * degree + 1.0))).sqrt();
            let wave = Complex64::new(dice.normal(), if m == 0 { 0.0 } else { dice.normal() }) * share;
            // Orders on both sides of nought count.
            squares += if m == 0 { 1.0 } else { 2.0 } * degree * (degree + 1.0) * wave.norm_sqr();
            wave
        });
        let scale = eddies * radius / squares.sqrt();
        let stream = Harmonics::of(DEGREES, |(m, n)| {
            // u = U cos φ is -∂ψ/∂y of ψ = -a U μ, and μ is 1/√3 of its harmonic.
            let solid = if (m, n) == (0, 1) {
                -radius * westerly / 3.0_f64.sqrt()
            } else {
                0.0
            };
            drawn.at(m, n) * scale + solid
        });
        // μ Y and (1 - μ²) dY/dμ lead from each degree to both beside it.
        let height = Harmonics::of(DEGREES, |(m, n)| {
            if n == 0 {
                return Complex64::default();
            }
            let degree = n as f64;
            let below = if n > m {
                stream.at(m, n - 1) * factor(m, n)
            } else {
                Complex64::default()
            };
            let above = stream.at(m, n + 1) * factor(m, n + 1);
            (below * ((degree - 1.0) / degree) + above * ((degree + 2.0) / (degree + 1.0))) * (2.0 * Sphere::EARTH.rotation_s / GRAVITY)
        });
        Self { stream, height }
    }

    /// Eastward and northward wind, by what ψ changes over a thousandth of a radian on both sides.
    fn wind(&self, place: Place) -> (f64, f64) {
        const REACH: f64 = 1e-3;
        let slope = |east: f64, north: f64| {
            let at = |sign: f64| {
                self.stream.value(Place {
                    longitude: place.longitude + sign * east,
                    latitude: place.latitude + sign * north,
                })
            };
            (at(1.0) - at(-1.0)) / (2.0 * REACH * Sphere::EARTH.radius_m)
        };
        (-slope(0.0, REACH), slope(REACH, 0.0) / place.latitude.cos().max(REACH))
    }

    fn layer(&self, mean_depth: f64, metric: Metric) -> MoistLayer {
        Formula {
            depth: |p| mean_depth + self.height.value(p),
            wind: |p| self.wind(p),
            ground: |_| 0.0,
        }
        .layer(metric)
    }
}

/// Air on `rows` rows whose fast waves have been taken out.
fn truth(rows: usize, seed: u64) -> Result<MoistLayer, Error> {
    let mut layer = Winds::new(WESTERLY, EDDIES, seed).layer(DEPTH, globe(Sphere::EARTH, rows)?);
    let parts = layer.layer();
    let air = Air {
        metric: &parts.metric,
        boundary: &Boundary::Globe,
        orography: &parts.orography,
        gravity: GRAVITY,
    };
    let calm = DigitalFilter::of_cutoff(12.0 * 3600.0).apply(air, layer.flow())?;
    layer.change(|flow, _| *flow = calm);
    Ok(layer)
}

/// Heights and winds of a flow on every second corner of its cells.
fn seen(flow: &Flow, time_s: f64) -> Result<Atmosphere, Error> {
    let Shape { ny, nx } = flow.h.shape();
    let degrees = 360.0 / nx as f64;
    let latitudes = (0..=ny / 2).map(|j| 2.0 * degrees * j as f64 - 90.0).collect();
    let longitudes = (0..nx / 2).map(|i| 2.0 * degrees * i as f64).collect();
    let globe = Arc::new(Globe::new(latitudes, longitudes)?);
    let time = DateTime::UNIX_EPOCH + chrono::TimeDelta::seconds(time_s.round() as i64);
    let mut state = Atmosphere::empty(Arc::clone(&globe), Arc::from([500.0]), time);
    let mut insert = |name: &str, value: &dyn Fn(isize, isize) -> f64| {
        let (rows, columns) = globe.shape();
        let field = Array3::from_shape_fn((1, rows, columns), |(_, y, x)| value(2 * y as isize, 2 * x as isize) as f32);
        state.fields.insert(name.into(), ArcArray::from(field));
    };
    let Flow { h, u, v } = flow;
    insert(GEOPOTENTIAL, &|j, i| {
        0.25 * crate::constants::GRAVITY * (h.at(j - 1, i - 1) + h.at(j - 1, i) + h.at(j, i - 1) + h.at(j, i))
    });
    insert(EASTWARD, &|j, i| 0.5 * (u.at(j - 1, i) + u.at(j, i)));
    insert(NORTHWARD, &|j, i| 0.5 * (v.at(j, i - 1) + v.at(j, i)));
    Ok(state)
}

/// Root mean square difference of heights by area, m.
fn distance(a: &Atmosphere, b: &Atmosphere) -> f64 {
    let [mut sum, mut area] = [0.0; 2];
    let (a_field, b_field) = (&a.fields[GEOPOTENTIAL], &b.fields[GEOPOTENTIAL]);
    for (y, latitude) in a.globe.latitudes().iter().enumerate() {
        let weight = latitude.to_radians().cos();
        for (a, b) in a_field
            .slice(ndarray::s![0, y, ..])
            .iter()
            .zip(b_field.slice(ndarray::s![0, y, ..]))
        {
            sum += weight * f64::from(a - b).powi(2);
            area += weight;
        }
    }
    (sum / area).sqrt() / crate::constants::GRAVITY
}

/// How far a twin and persistence are from the truth after each of `days` days, m: the default stepper starts wrong by other eddies.
fn twins(rows: usize, seed: u64, days: usize) -> Result<Vec<[f64; 2]>, Error> {
    let mut truth = truth(rows, seed)?;
    let metric = globe(Sphere::EARTH, rows)?;
    let wrong = Winds::new(0.0, WRONG, !seed).layer(0.0, metric);
    let mut twin = truth.flow().clone();
    for (plane, by) in [
        (&mut twin.h, &wrong.flow().h),
        (&mut twin.u, &wrong.flow().u),
        (&mut twin.v, &wrong.flow().v),
    ] {
        plane.add(by);
    }
    let persistent = seen(truth.flow(), 0.0)?;
    let stepper = ShallowWaterGlobe::default();
    let step_s = truth.air_step_s(COURANT);
    let forecasts = Rollout::new(&stepper, vec![seen(&twin, 0.0)?]).skip(3).step_by(4);
    forecasts
        .take(days)
        .map(|forecast| {
            truth.advance(DAY, step_s)?;
            let right = seen(truth.flow(), truth.time_s())?;
            Ok([distance(&forecast?, &right), distance(&persistent, &right)])
        })
        .collect()
}

impl Case for RandomGlobe {
    fn name(&self) -> &'static str {
        "random_globe"
    }

    fn about(&self) -> &'static str {
        "random eddies in a westerly wind; the stepper around the globe follows them from a start that is a little wrong"
    }

    fn source(&self) -> &'static str {
        "nowblend's own"
    }

    fn length_s(&self) -> f64 {
        5.0 * DAY
    }

    fn rows(&self) -> usize {
        96
    }

    fn start(&self, rows: usize) -> Result<Box<dyn Experiment>, Error> {
        Ok(Box::new(Flowing::new(truth(rows, 1)?, COURANT)))
    }

    fn bars(&self) -> Result<Vec<Bar>, Error> {
        const SEEDS: u64 = 3;
        const DAYS: usize = 5;
        let mut sums = [[0.0; 2]; DAYS];
        for seed in 1..=SEEDS {
            let distances = twins(144, seed, DAYS)?;
            for (sum, distance) in sums.iter_mut().zip(distances) {
                *sum = [0, 1].map(|k| sum[k] + distance[k] / SEEDS as f64);
            }
        }
        let bar = |(day, [forecast, persistence]): (usize, [f64; 2])| Bar {
            what: format!(
                "distance of the stepper's height from the truth of 1.25° over that of persistence ({persistence:.0} m), {} days, {SEEDS} seeds",
                day + 1
            ),
            measured: forecast / persistence,
            bound: Bound::AtMost(1.0),
            remark: "the stepper's cells have 3.75°; its start is wrong by 1.5 m/s",
        };
        Ok(sums.into_iter().enumerate().map(bar).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eddies_have_the_wind_that_was_asked_for_and_are_in_balance() {
        let metric = globe(Sphere::EARTH, 48).unwrap();
        let layer = Winds::new(0.0, 10.0, 5).layer(DEPTH, metric);
        let (flow, metric) = (layer.flow(), &layer.layer().metric);
        let [mut sum, mut area, mut residual, mut turning] = [0.0; 4];
        for (j, i) in (4..44).flat_map(|j| (0..96).map(move |i| (j, i))) {
            let (row, column) = (j as isize, i as isize);
            let square = flow.u.at(row, column).powi(2) + flow.v.at(row, column).powi(2);
            sum += metric.area_m2(j, i) * square;
            area += metric.area_m2(j, i);
            // In the west wind of an eddy the height falls northward: f u = -g ∂h/∂y, but for what f changes over the eddy.
            let f = Sphere::EARTH.coriolis(Sphere::EARTH.south_face(metric.shape(), row, column));
            let slope = GRAVITY * (flow.h.at(row, column) - flow.h.at(row - 1, column)) / metric.dy_m();
            let u =
                0.25 * (flow.u.at(row, column) + flow.u.at(row, column + 1) + flow.u.at(row - 1, column) + flow.u.at(row - 1, column + 1));
            if f.abs() > 1e-4 {
                residual += (f * u + slope).powi(2);
                turning += (f * u).powi(2);
            }
        }
        let wind = (sum / area).sqrt();
        assert!((9.0..11.0).contains(&wind), "{wind}");
        assert!(residual < 0.05 * turning, "{residual} of {turning}");
    }

    #[test]
    fn five_days_of_a_twin_stay_nearer_to_the_truth_than_persistence() {
        for (day, [forecast, persistence]) in twins(72, 7, 5).unwrap().into_iter().enumerate() {
            println!("{} days: {forecast:.1} m, persistence {persistence:.1} m", day + 1);
            assert!(
                forecast < 0.8 * persistence,
                "{} days: {forecast} m against {persistence} m",
                day + 1
            );
        }
    }
}
