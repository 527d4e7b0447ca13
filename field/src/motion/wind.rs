//! Motion where no rain shows it: that of the air, if its state is known.
//!
//! Rain moves about as the wind of the lower or middle troposphere does, and a shower that forms in dry air is carried by it. So the
//! motion goes over into the wind of the state with the distance d from the nearest echo: V = V_rain + w (V_wind - V_rain),
//! w = weight · (1 - exp(-d²/2L²)). Where nothing could be followed at all, w is the weight everywhere and V_rain is rest.

use ndarray::{Array2, Zip};
use serde::{Deserialize, Serialize};

use super::Motion;
use crate::{Bounds, Error, Sequence, State};

/// Rain at or above this is echo, mm h⁻¹.
const ECHO_MM_H: f32 = 0.1;

/// How far the motion trusts the wind of the state away from echo.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WindWhereDry {
    /// Weight of the wind far from echo, 0 to 1; 0 leaves the motion as the rain shows it.
    #[serde(rename = "wind_where_dry")]
    pub weight: f64,
    /// L: distance from echo over which the wind takes over, km.
    #[serde(rename = "wind_distance_km")]
    pub distance_km: f64,
}

impl Default for WindWhereDry {
    fn default() -> Self {
        Self {
            weight: 1.0,
            distance_km: 100.0,
        }
    }
}

impl WindWhereDry {
    /// Checks both numbers against their bounds.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] for the first that is outside.
    pub fn check(&self) -> Result<(), Error> {
        Bounds::default()
            .share("motion.wind_where_dry", self.weight)
            .positive("motion.wind_distance_km", self.distance_km)
            .result()
    }

    /// The motion that the rain has shown, the wind of `state` away from it. A state on another grid is not used, nor a wind that is not
    /// known.
    pub fn guide(&self, followed: Option<Motion>, observed: &Sequence, state: Option<&State>) -> Motion {
        let grid = observed.grid();
        let told = followed.is_some();
        let mut motion = followed.unwrap_or_else(|| Motion::rest(grid.shape()));
        let fits = |s: &&State| s.grid.agrees(grid) && s.u.dim() == grid.shape() && s.v.dim() == grid.shape();
        let Some(state) = state.filter(fits).filter(|_| self.weight > 0.0) else {
            return motion;
        };
        let weight = if told {
            let length = 1000.0 * self.distance_km;
            distance_from_echo_m(observed).mapv(|d| (self.weight * (1.0 - (-0.5 * (f64::from(d) / length).powi(2)).exp())) as f32)
        } else {
            Array2::from_elem(grid.shape(), self.weight as f32)
        };
        for [u, v] in motion.fields_mut() {
            Zip::from(u)
                .and(v)
                .and(&state.u)
                .and(&state.v)
                .and(&weight)
                .for_each(|u, v, wind_u, wind_v, w| {
                    if wind_u.is_finite() && wind_v.is_finite() {
                        *u += w * (wind_u - *u);
                        *v += w * (wind_v - *v);
                    }
                });
        }
        motion
    }
}

/// Metres from each cell to the nearest echo of any frame, along rows, columns and diagonals (within 8 % of the straight way);
/// infinite without echo.
///
/// # Source
///
/// Borgefors, G., 1986: Distance transformations in digital images. Comput. Vision Graph., 34, 344-371 (two passes over the image).
fn distance_from_echo_m(observed: &Sequence) -> Array2<f32> {
    let (ny, nx) = observed.grid().shape();
    let (dy, dx) = observed.grid().spacing_m();
    let (dy, dx, diagonal) = (dy as f32, dx as f32, dy.hypot(dx) as f32);
    let mut distance = Array2::from_elem((ny, nx), f32::INFINITY);
    for frame in observed.rain().outer_iter() {
        Zip::from(&mut distance).and(frame).for_each(|d, r| {
            if *r >= ECHO_MM_H {
                *d = 0.0;
            }
        });
    }
    for y in 0..ny {
        for x in 0..nx {
            let mut least = distance[[y, x]];
            if x > 0 {
                least = least.min(distance[[y, x - 1]] + dx);
            }
            if y > 0 {
                least = least.min(distance[[y - 1, x]] + dy);
                if x > 0 {
                    least = least.min(distance[[y - 1, x - 1]] + diagonal);
                }
                if x + 1 < nx {
                    least = least.min(distance[[y - 1, x + 1]] + diagonal);
                }
            }
            distance[[y, x]] = least;
        }
    }
    for y in (0..ny).rev() {
        for x in (0..nx).rev() {
            let mut least = distance[[y, x]];
            if x + 1 < nx {
                least = least.min(distance[[y, x + 1]] + dx);
            }
            if y + 1 < ny {
                least = least.min(distance[[y + 1, x]] + dy);
                if x > 0 {
                    least = least.min(distance[[y + 1, x - 1]] + diagonal);
                }
                if x + 1 < nx {
                    least = least.min(distance[[y + 1, x + 1]] + diagonal);
                }
            }
            distance[[y, x]] = least;
        }
    }
    distance
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};

    use super::*;
    use crate::{Analysis, Grid};

    /// Two frames without rain, but for those cells.
    fn observed(wet: &[(usize, usize)]) -> Sequence {
        let start = Utc.with_ymd_and_hms(2020, 7, 1, 12, 0, 0).unwrap();
        let mut rain = ndarray::Array3::zeros((2, 4, 300));
        for (y, x) in wet {
            rain.slice_mut(ndarray::s![.., *y, *x]).fill(2.0);
        }
        Sequence::new(
            Grid::plane(4, 300, 2000.0),
            vec![start, start + crate::LeadTime::from_minutes(5)],
            rain,
        )
        .unwrap()
    }

    fn air(observed: &Sequence, u: f32) -> State {
        let field = |value| Array2::from_elem(observed.grid().shape(), value);
        State {
            grid: observed.grid().clone(),
            valid_time: observed.reference_time(),
            level_hpa: 700.0,
            u: field(u),
            v: field(-4.0),
            geopotential: field(3e4),
            specific_humidity: None,
            temperature: None,
        }
    }

    fn still(observed: &Sequence) -> Option<Motion> {
        Some(Motion::rest(observed.grid().shape()))
    }

    #[test]
    fn the_wind_takes_over_with_the_distance_from_echo() {
        let scene = observed(&[(1, 0)]);
        let motion = WindWhereDry::default().guide(still(&scene), &scene, Some(&air(&scene, 10.0)));
        assert_eq!(motion.u[[1, 0]], 0.0);
        // 100 km from the echo: 1 - exp(-1/2) = 0.3935 of the wind; 598 km: all of it.
        assert!((motion.u[[1, 50]] - 3.935).abs() < 0.01, "{}", motion.u[[1, 50]]);
        assert!((motion.v[[1, 50]] + 1.574).abs() < 0.01, "{}", motion.v[[1, 50]]);
        assert!((motion.u[[1, 299]] - 10.0).abs() < 0.01, "{}", motion.u[[1, 299]]);
    }

    #[test]
    fn without_anything_to_follow_the_motion_is_the_wind() {
        let scene = observed(&[]);
        let wind = WindWhereDry::default().guide(None, &scene, Some(&air(&scene, 10.0)));
        assert!(wind.u.iter().all(|u| *u == 10.0));
        let half = WindWhereDry {
            weight: 0.5,
            ..WindWhereDry::default()
        };
        assert!(half.guide(None, &scene, Some(&air(&scene, 10.0))).u.iter().all(|u| *u == 5.0));
    }

    #[test]
    fn an_analysis_asks_the_state_nearest_in_time_for_the_wind() {
        let scene = observed(&[]);
        let mut old = air(&scene, 30.0);
        old.valid_time = scene.times()[0] - chrono::TimeDelta::hours(6);
        let analysis = Analysis::new(scene.clone()).with_states(vec![old, air(&scene, 10.0)]);
        assert!(analysis.motion().unwrap().u.iter().all(|u| *u == 10.0));
        let none = WindWhereDry {
            weight: 0.0,
            ..WindWhereDry::default()
        };
        let rests = Analysis::new(scene.clone()).with_states(vec![air(&scene, 10.0)]).with_wind(none);
        assert!(rests.motion().unwrap().u.iter().all(|u| *u == 0.0));
    }

    #[test]
    fn a_wind_that_is_not_known_or_elsewhere_changes_nothing() {
        let scene = observed(&[]);
        let mut unknown = air(&scene, f32::NAN);
        unknown.u[[2, 5]] = 3.0;
        let motion = WindWhereDry::default().guide(None, &scene, Some(&unknown));
        assert_eq!((motion.u[[0, 0]], motion.u[[2, 5]]), (0.0, 3.0));
        let mut elsewhere = air(&scene, 10.0);
        elsewhere.grid = Grid::plane(4, 300, 1000.0);
        assert_eq!(WindWhereDry::default().guide(None, &scene, Some(&elsewhere)).u[[0, 0]], 0.0);
    }
}
