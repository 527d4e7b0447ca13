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
    displacement_max, in_metres_per_second,
    pyramid::Pyramid,
};
use crate::{Bounds, Error, Sequence};

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
        Bounds::default()
            .count("motion.frames", self.frames, 2..=1000, "2 to 1000")
            .count("motion.corners_max", self.corners_max, 1..=100_000, "1 to 100000")
            .count("motion.corner_distance", self.corner_distance, 0..=10_000, "0 to 10000")
            .count("motion.window", self.window, 2..=500, "2 to 500")
            .count("motion.levels", self.levels, 0..=12, "0 to 12")
            .count("motion.iterations", self.iterations, 1..=100, "1 to 100")
            .count("motion.outlier_neighbours", self.outlier_neighbours, 1..=1000, "1 to 1000")
            .count("motion.decluster", self.decluster, 1..=10_000, "1 to 10000")
            .at_least_0("motion.rain_min_mm_h", self.rain_min_mm_h)
            .at_least_0("motion.corner_quality", self.corner_quality)
            .at_least_0("motion.outlier_deviations", self.outlier_deviations)
            .at_least_0("motion.reach", self.reach)
            .at_least_0("motion.noise", self.noise)
            .at_least_0("motion.speed_max_m_s", self.speed_max_m_s)
            .result()
    }
}

impl MotionEstimator for LucasKanade {
    fn follow(&self, observed: &Sequence) -> Result<Option<Motion>, Error> {
        let grid = observed.grid();
        let Some(step) = observed.step() else { return Ok(None) };
        let pyramids = Pyramid::of_newest(observed, self.frames, self.rain_min_mm_h, self.levels);
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
        let most = displacement_max(self.speed_max_m_s, step, grid);
        vectors.retain(|v: &Vector| v.dy.hypot(v.dx) <= most);
        let vectors = without_outliers(&vectors, self.outlier_deviations as f32, self.outlier_neighbours);
        let vectors = decluster(&vectors, self.decluster, grid.shape());
        if vectors.is_empty() {
            return Ok(None);
        }
        let motion = spread(&vectors, grid.shape(), self.reach, self.noise)?;
        Ok(Some(in_metres_per_second(motion, step, grid)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
