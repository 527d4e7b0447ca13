//! Motion of rain by pyramidal Lucas-Kanade: corners of the echo are followed from frame to frame, and their motion is spread
//! smoothly over the map.
//!
//! # Source
//!
//! Lucas, B. D. and T. Kanade, 1981: An iterative image registration technique with an application to stereo vision. IJCAI 81, 674-679;
//! Bouguet, J.-Y., 2001: Pyramidal implementation of the affine Lucas Kanade feature tracker (Intel). Settings start from those of
//! pysteps 1.21 (`motion/lucaskanade.py`).

use serde::{Deserialize, Serialize};

use super::{
    Motion, MotionEstimator,
    corners::{CornerLimits, corners},
    dense::{Vector, decluster, spread, without_outliers},
    pyramid::{Image, Pyramid},
};
use crate::{Error, Sequence};

/// Pyramidal Lucas-Kanade on rain in decibels; lengths are in cells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LucasKanade {
    /// Newest frames used, at least 2; each pair of neighbours gives vectors.
    pub frames: usize,
    /// Rain below this does not count as echo, mm h⁻¹.
    pub rain_min_mm_h: f64,
    /// Corners followed from each frame, at most.
    pub corners_max: usize,
    /// Weakest corner kept, as a share of the strongest.
    pub corner_quality: f64,
    /// Least distance between corners, cells.
    pub corner_distance: usize,
    /// Full width of the window that is matched around a corner, cells.
    pub window: usize,
    /// Halvings of the image: motions up to about `window` x 2^levels / 4 cells a frame are found.
    pub levels: usize,
    /// Steps of the match on each level, at most.
    pub iterations: usize,
    /// Vectors further than this from their neighbours are dropped, standard deviations.
    pub outlier_deviations: f64,
    /// Neighbours that a vector is compared with.
    pub outlier_neighbours: usize,
    /// Vectors inside a square of this width become one, cells.
    pub decluster: usize,
    /// Distance over which vectors speak for their surroundings, as a share of the longer side of the map.
    pub reach: f64,
    /// Error of a single vector over the spread of the true motion, as variances: the larger the smoother.
    pub noise: f64,
    /// Fastest motion believed, m s⁻¹.
    pub speed_max_m_s: f64,
}

impl Default for LucasKanade {
    fn default() -> Self {
        Self {
            frames: 3,
            rain_min_mm_h: 0.1,
            corners_max: 500,
            corner_quality: 0.01,
            corner_distance: 10,
            window: 50,
            levels: 3,
            iterations: 10,
            outlier_deviations: 3.0,
            outlier_neighbours: 30,
            decluster: 20,
            reach: 0.12,
            noise: 0.5,
            speed_max_m_s: 60.0,
        }
    }
}

impl LucasKanade {
    /// Checks every number against its bounds.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] for the first that is outside.
    pub fn check(&self) -> Result<(), Error> {
        let counts: [(&'static str, usize, std::ops::RangeInclusive<usize>, &'static str); 8] = [
            ("motion.frames", self.frames, 2..=1000, "2 to 1000"),
            ("motion.corners_max", self.corners_max, 1..=100_000, "1 to 100000"),
            ("motion.corner_distance", self.corner_distance, 0..=10_000, "0 to 10000"),
            ("motion.window", self.window, 2..=500, "2 to 500"),
            ("motion.levels", self.levels, 0..=12, "0 to 12"),
            ("motion.iterations", self.iterations, 1..=100, "1 to 100"),
            ("motion.outlier_neighbours", self.outlier_neighbours, 1..=1000, "1 to 1000"),
            ("motion.decluster", self.decluster, 1..=10_000, "1 to 10000"),
        ];
        let refuse = |what, found, expected| Err(Error::Value { what, found, expected });
        if let Some((what, found, _, expected)) = counts.into_iter().find(|(_, found, range, _)| !range.contains(found)) {
            return refuse(what, found as f64, expected);
        }
        let shares = [
            ("motion.rain_min_mm_h", self.rain_min_mm_h),
            ("motion.corner_quality", self.corner_quality),
            ("motion.outlier_deviations", self.outlier_deviations),
            ("motion.reach", self.reach),
            ("motion.noise", self.noise),
            ("motion.speed_max_m_s", self.speed_max_m_s),
        ];
        match shares.into_iter().find(|(_, found)| !(*found >= 0.0 && found.is_finite())) {
            Some((what, found)) => refuse(what, found, "a number of at least 0"),
            None => Ok(()),
        }
    }
}

impl MotionEstimator for LucasKanade {
    fn estimate(&self, observed: &Sequence) -> Result<Motion, Error> {
        let grid = observed.grid();
        let newest = observed.newest(self.frames.max(2));
        let pyramids: Vec<Pyramid> = (0..newest.frames())
            .map(|k| Pyramid::new(Image::of_rain(newest.frame(k), self.rain_min_mm_h), self.levels))
            .collect();
        let limits = CornerLimits {
            count: self.corners_max,
            quality: self.corner_quality as f32,
            distance: self.corner_distance,
        };
        let mut vectors = Vec::new();
        for pair in pyramids.windows(2) {
            let places = corners(pair[0].finest(), &limits);
            vectors.extend(pair[0].follow(&pair[1], &places, self.window, self.iterations));
        }
        let step_s = newest.step().map_or(f64::INFINITY, |s| f64::from(s.seconds()));
        let fastest = (self.speed_max_m_s * step_s / grid.cell_size_m()) as f32;
        vectors.retain(|v: &Vector| v.dy.hypot(v.dx) <= fastest);
        let vectors = without_outliers(&vectors, self.outlier_deviations as f32, self.outlier_neighbours);
        let vectors = decluster(&vectors, self.decluster, grid.shape());
        if vectors.is_empty() {
            return Ok(Motion::rest(grid.shape()));
        }
        let mut motion = spread(&vectors, grid.shape(), self.reach, self.noise)?;
        for row in 0..grid.shape().0 {
            let (dy, dx) = grid.spacing_m_in_row(row);
            motion.v.row_mut(row).mapv_inplace(|v| (f64::from(v) * dy / step_s) as f32);
            motion.u.row_mut(row).mapv_inplace(|u| (f64::from(u) * dx / step_s) as f32);
        }
        Ok(motion)
    }
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};

    use super::*;
    use crate::{
        Grid, LeadTime, Seed,
        storms::{Scene, Storm},
    };

    #[test]
    fn a_number_outside_its_bounds_is_named_with_them() {
        assert!(LucasKanade::default().check().is_ok());
        let wide = LucasKanade {
            window: 4_294_967_295,
            ..LucasKanade::default()
        };
        assert_eq!(
            wide.check().unwrap_err().to_string(),
            "motion.window is 4294967295, expected 2 to 500"
        );
        let nowhere = LucasKanade {
            noise: f64::NAN,
            ..LucasKanade::default()
        };
        assert!(nowhere.check().unwrap_err().to_string().contains("motion.noise is NaN"));
    }

    fn observed(storms: Vec<Storm>, shape: (usize, usize)) -> Sequence {
        let start = Utc.with_ymd_and_hms(2020, 7, 1, 12, 0, 0).unwrap();
        Scene::new(Grid::plane(shape.0, shape.1, 1000.0), storms).sequence(start, LeadTime::from_minutes(5), 3)
    }

    /// Storms of a random scene, all given the velocity that `flow` has at their centre.
    fn carried(flow: impl Fn(f64, f64) -> (f64, f64), shape: (usize, usize)) -> Vec<Storm> {
        let scene = Scene::random(&Grid::plane(shape.0, shape.1, 1000.0), Seed(5));
        let moved = |s: &Storm| {
            let (u, v) = flow(s.y_m, s.x_m);
            Storm {
                u,
                v,
                growth: 0.0,
                turning: 0.0,
                ..*s
            }
        };
        scene.storms().iter().map(moved).collect()
    }

    #[test]
    fn a_common_motion_is_found_within_two_percent_and_nowhere_off_by_more_than_a_tenth() {
        for (u, v) in [(12.0, -5.0), (-25.0, 10.0), (0.5, 0.2)] {
            let motion = LucasKanade::default()
                .estimate(&observed(carried(|_, _| (u, v), (160, 200)), (160, 200)))
                .unwrap();
            let errors: Vec<f64> = motion
                .u
                .iter()
                .zip(&motion.v)
                .map(|(mu, mv)| (f64::from(*mu) - u).hypot(f64::from(*mv) - v))
                .collect();
            let (mean, worst) = (
                errors.iter().sum::<f64>() / errors.len() as f64,
                errors.iter().copied().fold(0.0, f64::max),
            );
            let speed = u.hypot(v);
            assert!(
                mean < 0.015 * speed + 0.05 && worst < 0.1 * speed + 0.35,
                "({u}, {v}): off by {mean} m/s on average, {worst} at worst"
            );
        }
    }

    #[test]
    fn shear_is_seen_where_the_storms_are() {
        // u grows from 5 m/s in the south to 20 m/s in the north.
        let flow = |y: f64, _: f64| (5.0 + 15.0 * y / 200_000.0, 0.0);
        let storms = carried(flow, (200, 200));
        let motion = LucasKanade::default().estimate(&observed(storms.clone(), (200, 200))).unwrap();
        let inside: Vec<&Storm> = storms
            .iter()
            .filter(|s| (20e3..180e3).contains(&s.y_m) && (20e3..180e3).contains(&s.x_m))
            .collect();
        let error: f64 = inside
            .iter()
            .map(|s| (f64::from(motion.u[[(s.y_m / 1000.0) as usize, (s.x_m / 1000.0) as usize]]) - s.u).abs())
            .sum::<f64>()
            / inside.len() as f64;
        assert!(error < 1.5, "mean error {error} m/s");
    }

    #[test]
    fn missing_cells_neither_stop_nor_bend_the_motion() {
        let whole = observed(carried(|_, _| (12.0, -5.0), (160, 200)), (160, 200));
        let mut rain = whole.rain().to_owned();
        for y in 0..160 {
            for x in 0..200 {
                if (y as f64 - 80.0).hypot(x as f64 - 90.0) > 85.0 {
                    rain.slice_mut(ndarray::s![.., y, x]).fill(f32::NAN);
                }
            }
        }
        let masked = Sequence::new(whole.grid().clone(), whole.times().to_vec(), rain).unwrap();
        let motion = LucasKanade::default().estimate(&masked).unwrap();
        let (u, v) = (motion.u[[80, 90]], motion.v[[80, 90]]);
        assert!((u - 12.0).abs() < 0.5 && (v + 5.0).abs() < 0.5, "({u}, {v})");
    }

    #[test]
    fn nothing_to_follow_rests() {
        let start = Utc.with_ymd_and_hms(2020, 7, 1, 12, 0, 0).unwrap();
        let times: Vec<_> = LeadTime::every(LeadTime::from_minutes(5), 3)
            .into_iter()
            .map(|l| start + l)
            .collect();
        for value in [0.0, f32::NAN, 4.0] {
            let rain = ndarray::Array3::from_elem((3, 40, 50), value);
            let sequence = Sequence::new(Grid::plane(40, 50, 1000.0), times.clone(), rain).unwrap();
            let motion = LucasKanade::default().estimate(&sequence).unwrap();
            assert!(motion.u.iter().chain(&motion.v).all(|m| m.abs() < 1e-3), "{value}");
            assert!(LucasKanade::default().estimate(&sequence.newest(1)).is_ok());
        }
    }
}
