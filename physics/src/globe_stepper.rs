//! The core around the whole globe: height and wind at 500 hPa some hours on, from one analysis.

use nowblend_field::{Atmosphere, Error as FieldError, GlobalField, LeadTime, Stepper};

use crate::{
    boundary::Boundary,
    constants::GRAVITY,
    digital_filter::{Air, DigitalFilter},
    metric::Metric,
    moist_layer::{Layer, MoistLayer},
    plane::{Plane, Shape},
    shallow_water::Flow,
    sphere::{Place, Sphere},
};

const NAME: &str = "shallow_water_globe";
/// Fields of a state, as the public reanalysis names them.
pub(crate) const GEOPOTENTIAL: &str = "geopotential";
pub(crate) const EASTWARD: &str = "u_component_of_wind";
pub(crate) const NORTHWARD: &str = "v_component_of_wind";
/// Share of a cell that the fastest wave crosses in a step, and width of the polar filter in heights of a cell.
const COURANT: f64 = 0.7;
const FILTER: f64 = 0.5;
/// Nearer the equator than this, degrees, height says less and less of the wind.
const TROPICS: f64 = 15.0;

/// One layer of air around the globe that moves as the air at one level does: its depth varies as the height of that level.
///
/// Heights and winds are carried to the core's own grid; what changes there is added to the state, which so keeps its detail. A state without
/// wind gets the geostrophic one, (-∂z/∂y, ∂z/∂x) g f / (f² + f_T²) with f_T that of 15°, so that it fades towards the equator. One layer has
/// neither warmth nor weather fronts of its own: it carries waves of the whole depth of the air for a day or two. Depth and filter were chosen on the
/// two cases that there are (IFS 2024-06-03, ERA5 2017-01-01): a layer of 10 km lets the longest waves run westward too fast, and without the filter
/// gravity waves of the start make the height worse than persistence for 18 h.
#[derive(Debug, Clone)]
pub struct ShallowWaterGlobe {
    /// Rows of the core's grid.
    pub rows: usize,
    /// Mean depth of the layer, m: how fast its gravity waves run, and how far its winds reach.
    pub mean_depth_m: f64,
    /// Level that it moves, hPa.
    pub level_hpa: f64,
    /// How far one step goes.
    pub step: LeadTime,
    /// Takes fast waves out of the start of each step; none where it is not given.
    pub filter: Option<DigitalFilter>,
}

impl Default for ShallowWaterGlobe {
    fn default() -> Self {
        Self {
            rows: 48,
            mean_depth_m: 4000.0,
            level_hpa: 500.0,
            step: LeadTime::from_minutes(360),
            filter: Some(DigitalFilter::of_cutoff(12.0 * 3600.0)),
        }
    }
}

impl Stepper for ShallowWaterGlobe {
    fn name(&self) -> &str {
        NAME
    }

    fn step_length(&self) -> LeadTime {
        self.step
    }

    /// # Errors
    ///
    /// [`FieldError::Value`] for a mean depth that the heights exceed; as [`FieldError::Component`] a missing geopotential at the level
    /// ([`crate::Error::Missing`]) and those of the core.
    fn step(&self, past: &[Atmosphere]) -> Result<Atmosphere, FieldError> {
        let Some(state) = past.last() else {
            return Err(missing("a state to step from"));
        };
        let level = Level::of(state, self.level_hpa)?;
        let shape = Shape {
            ny: self.rows,
            nx: 2 * self.rows,
        };
        let metric = Metric::globe(shape, Sphere::EARTH, FILTER).map_err(|e| FieldError::component(NAME, e))?;
        let mut before = self.flow(&level, &metric)?;
        let orography = Plane::constant(shape, 0.0);
        if let Some(filter) = self.filter {
            let air = Air {
                metric: &metric,
                boundary: &Boundary::Globe,
                orography: &orography,
                gravity: GRAVITY,
            };
            before = filter.apply(air, &before).map_err(|e| FieldError::component(NAME, e))?;
        }
        let layer = Layer {
            metric,
            boundary: Boundary::Globe,
            orography,
            gravity: GRAVITY,
            moisture: None,
            nudging: None,
            divergence_damping: 0.0,
        };
        let mut run = MoistLayer::new(layer, before, Vec::new());
        let start = run.flow().clone();
        run.advance(f64::from(self.step.seconds()), run.air_step_s(COURANT))
            .map_err(|e| FieldError::component(NAME, e))?;
        let mut next = state.clone();
        next.valid_time = state.valid_time + self.step;
        let end = run.flow();
        level.add(&mut next, GEOPOTENTIAL, Points::Centre, &start.h, &end.h, GRAVITY);
        level.add(&mut next, EASTWARD, Points::West, &start.u, &end.u, 1.0);
        level.add(&mut next, NORTHWARD, Points::South, &start.v, &end.v, 1.0);
        Ok(next)
    }

    fn references(&self) -> &[&'static str] {
        &[
            "Arakawa, A. and V. R. Lamb, 1981: A potential enstrophy and energy conserving scheme for the shallow water equations. Mon. Wea. Rev., 109, 18-36, doi:10.1175/1520-0493(1981)109<0018:APEAEC>2.0.CO;2",
        ]
    }
}

impl ShallowWaterGlobe {
    /// Depth and wind of the layer.
    fn flow(&self, level: &Level<'_>, metric: &Metric) -> Result<Flow, FieldError> {
        let (shape, sphere) = (metric.shape(), Sphere::EARTH);
        let on = |value: &dyn Fn(Place) -> f64, place: &dyn Fn(isize, isize) -> Place| Plane::from_fn(shape, |j, i| value(place(j, i)));
        let centre = |j, i| sphere.centre(shape, j, i);
        let mut h = on(&|p| level.value(GEOPOTENTIAL, p) / GRAVITY, &centre);
        let area: f64 = (0..shape.ny).map(|j| shape.nx as f64 * metric.area_m2(j, 0)).sum();
        let mean = crate::invariants::mass(metric, &h) / area;
        for (j, i) in (0..shape.ny as isize).flat_map(|j| (0..shape.nx as isize).map(move |i| (j, i))) {
            let depth = self.mean_depth_m + h.at(j, i) - mean;
            if depth.is_nan() || depth < 0.2 * self.mean_depth_m {
                return Err(FieldError::Value {
                    what: "depth of the layer around the globe",
                    found: depth,
                    expected: "a fifth of its mean or more",
                });
            }
            *h.at_mut(j, i) = depth;
        }
        let west = |j, i| sphere.west_face(shape, j, i);
        let south = |j, i| sphere.south_face(shape, j, i);
        let given = level.has(EASTWARD) && level.has(NORTHWARD);
        let (u, v) = if given {
            (on(&|p| level.value(EASTWARD, p), &west), on(&|p| level.value(NORTHWARD, p), &south))
        } else {
            let height = |p: Place| level.value(GEOPOTENTIAL, p) / GRAVITY;
            let step = std::f64::consts::PI / self.rows as f64;
            (
                on(&|p| -per_gradient(p) * slope(&height, p, 0.0, step), &west),
                on(&|p| per_gradient(p) * slope(&height, p, step, 0.0), &south),
            )
        };
        Ok(Flow { h, u, v })
    }
}

fn missing(what: &str) -> FieldError {
    FieldError::component(NAME, crate::Error::Missing { what: what.to_owned() })
}

/// Wind of a slope of the height, m s⁻¹ each.
fn per_gradient(place: Place) -> f64 {
    let f = Sphere::EARTH.coriolis(place);
    let tropics = Sphere::EARTH.coriolis(Place {
        longitude: 0.0,
        latitude: TROPICS.to_radians(),
    });
    GRAVITY * f / (f * f + tropics * tropics)
}

/// Slope of a height eastward or northward: by what it changes over the steps, radians, on both sides.
fn slope(height: &impl Fn(Place) -> f64, place: Place, east: f64, north: f64) -> f64 {
    let moved = |sign: f64| {
        height(Place {
            longitude: place.longitude + sign * east,
            latitude: (place.latitude + sign * north).clamp(-1.57, 1.57),
        })
    };
    let metres = Sphere::EARTH.radius_m * (east * place.latitude.cos().max(0.02)).hypot(north);
    (moved(1.0) - moved(-1.0)) / (2.0 * metres)
}

/// Where on the core's cells values lie.
#[derive(Clone, Copy)]
enum Points {
    Centre,
    West,
    South,
}

/// One level of a state.
struct Level<'a> {
    state: &'a Atmosphere,
    index: usize,
}

impl<'a> Level<'a> {
    fn of(state: &'a Atmosphere, level_hpa: f64) -> Result<Self, FieldError> {
        let index = state.levels_hpa.iter().position(|l| (l - level_hpa).abs() < 0.01);
        let level = Self {
            state,
            index: index.ok_or_else(|| missing(&format!("level {level_hpa} hPa")))?,
        };
        if !level.has(GEOPOTENTIAL) {
            return Err(missing("`geopotential` with a value everywhere"));
        }
        Ok(level)
    }

    fn has(&self, name: &str) -> bool {
        let field = self.state.fields.get(name);
        field.is_some_and(|f| f.dim().0 > self.index && f.index_axis(ndarray::Axis(0), self.index).iter().all(|v| v.is_finite()))
    }

    /// Between the points of the state.
    fn value(&self, name: &str, place: Place) -> f64 {
        let field: &GlobalField = &self.state.fields[name];
        let plane = field.index_axis(ndarray::Axis(0), self.index);
        self.state
            .globe
            .value(plane, place.longitude.to_degrees(), place.latitude.to_degrees())
    }

    /// Adds what changed on the core's grid to a field of the next state, if it has it.
    fn add(&self, next: &mut Atmosphere, name: &str, points: Points, before: &Plane, after: &Plane, factor: f64) {
        let Some(field) = next.fields.get_mut(name).filter(|f| f.dim().0 > self.index) else {
            return;
        };
        let shape = before.shape();
        let globe = &self.state.globe;
        let (first_row, first_column) = match points {
            Points::Centre => (0.5, 0.5),
            Points::West => (0.5, 0.0),
            Points::South => (0.0, 0.5),
        };
        let change = |j: isize, i: isize| after.at(j, i) - before.at(j, i);
        for (y, latitude) in globe.latitudes().iter().enumerate() {
            for (x, longitude) in globe.longitudes().iter().enumerate() {
                let row = (latitude + 90.0) / 180.0 * shape.ny as f64 - first_row;
                let column = (longitude / 360.0).rem_euclid(1.0) * shape.nx as f64 - first_column;
                // The rims hold what is beyond the edges.
                let (j, i) = (row.floor(), column.floor());
                let (b, a) = (row - j, column - i);
                let (j, i) = (j as isize, i as isize);
                let along = |j: isize| (1.0 - a) * change(j, i) + a * change(j, i + 1);
                field[[self.index, y, x]] += (factor * ((1.0 - b) * along(j) + b * along(j + 1))) as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::DateTime;
    use ndarray::ArcArray;
    use nowblend_field::{Globe, Rollout};

    use super::*;

    /// Winds of a Rossby-Haurwitz wave of four waves over a zonal flow, in balance with their height on 5 degrees; with or without the winds.
    fn waves(turned: f64, winds: bool) -> Atmosphere {
        let latitudes: Vec<f64> = (0..37).map(|k| -90.0 + 5.0 * f64::from(k)).collect();
        let longitudes: Vec<f64> = (0..72).map(|k| 5.0 * f64::from(k)).collect();
        let globe = Arc::new(Globe::new(latitudes, longitudes).unwrap());
        let mut state = Atmosphere::empty(Arc::clone(&globe), Arc::from([500.0]), DateTime::UNIX_EPOCH);
        let mut insert = |name: &str, value: &dyn Fn(Place) -> f64| {
            let field = ndarray::Array3::from_shape_fn((1, 37, 72), |(_, y, x)| {
                let place = Place {
                    longitude: globe.longitudes()[x].to_radians() - turned,
                    latitude: globe.latitudes()[y].to_radians(),
                };
                value(place) as f32
            });
            state.fields.insert(name.into(), ArcArray::from(field));
        };
        insert(GEOPOTENTIAL, &|p| GRAVITY * (crate::cases::rossby_haurwitz_depth(p) - 4000.0));
        if winds {
            insert(EASTWARD, &|p| crate::cases::rossby_haurwitz_wind(p).0);
            insert(NORTHWARD, &|p| crate::cases::rossby_haurwitz_wind(p).1);
        }
        state
    }

    /// Root mean square difference of the heights between 60° S and 60° N, m.
    fn distance(a: &Atmosphere, b: &Atmosphere) -> f64 {
        let (a, b) = (&a.fields[GEOPOTENTIAL], &b.fields[GEOPOTENTIAL]);
        let rows = 6..31;
        let mut sum = 0.0;
        for y in rows.clone() {
            for x in 0..72 {
                sum += f64::from(a[[0, y, x]] - b[[0, y, x]]).powi(2);
            }
        }
        (sum / (72 * rows.len()) as f64).sqrt() / GRAVITY
    }

    #[test]
    fn great_waves_go_where_theory_takes_them_and_persistence_does_not() {
        // The waves of nondivergent air turn by (R (3 + R) ω - 2 Ω) / ((1 + R)(2 + R)) = 2.46e-6 s⁻¹ (0.2126 radians in a day); those of a
        // layer 9.5 km deep are somewhat slower.
        let stepper = ShallowWaterGlobe {
            mean_depth_m: 9500.0,
            ..ShallowWaterGlobe::default()
        };
        let start = waves(0.0, true);
        let end = Rollout::new(&stepper, vec![start.clone()]).nth(3).unwrap().unwrap();
        let right = waves(0.2126, true);
        let (forecast, persistence) = (distance(&end, &right), distance(&start, &right));
        assert!(forecast < 0.35 * persistence, "{forecast} m against {persistence} m");
        assert_eq!((end.valid_time - start.valid_time).num_hours(), 24);
    }

    #[test]
    fn a_wind_that_is_not_given_is_geostrophic_and_fades_in_the_tropics() {
        // Φ = -Ω a U sin² φ has the geostrophic wind U cos φ, of which f²/(f² + f_T²) is kept.
        let mut state = waves(0.0, false);
        let rows: Vec<f64> = state.globe.latitudes().to_vec();
        let Sphere { radius_m, rotation_s, .. } = Sphere::EARTH;
        let field = ndarray::Array3::from_shape_fn((1, 37, 72), |(_, y, _)| {
            (-rotation_s * radius_m * 20.0 * rows[y].to_radians().sin().powi(2)) as f32
        });
        state.fields.insert(GEOPOTENTIAL.into(), ArcArray::from(field));
        let stepper = ShallowWaterGlobe::default();
        let shape = Shape { ny: 48, nx: 96 };
        let metric = Metric::globe(shape, Sphere::EARTH, FILTER).unwrap();
        let flow = stepper.flow(&Level::of(&state, 500.0).unwrap(), &metric).unwrap();
        // Row 37 of 48 lies at 50.6° N: 20 cos 50.6° = 12.69 m/s times 0.899.
        let (sine, cosine) = Sphere::EARTH.west_face(shape, 37, 7).latitude.sin_cos();
        let kept = sine * sine / (sine * sine + 15.0_f64.to_radians().sin().powi(2));
        let expected = 20.0 * cosine * kept;
        assert!(
            (flow.u.at(37, 7) - expected).abs() < 0.03 * expected,
            "{} against {expected}",
            flow.u.at(37, 7)
        );
        assert!(flow.v.at(37, 7).abs() < 1e-6 && flow.u.at(24, 7).abs() < 1.0);
    }

    #[test]
    fn a_state_without_the_level_or_with_a_hole_is_refused() {
        let stepper = ShallowWaterGlobe {
            level_hpa: 700.0,
            ..ShallowWaterGlobe::default()
        };
        let error = stepper.step(&[waves(0.0, true)]).unwrap_err().to_string();
        assert!(error.contains("level 700 hPa"), "{error}");
        let mut holed = waves(0.0, true);
        holed.fields.get_mut(GEOPOTENTIAL).unwrap()[[0, 3, 4]] = f32::NAN;
        assert!(ShallowWaterGlobe::default().step(&[holed]).is_err());
        assert!(ShallowWaterGlobe::default().step(&[]).is_err());
    }
}
