//! How rain moves: a velocity for every cell, from what the radar saw.

mod lucas_kanade;

use ndarray::Array2;

use crate::{Error, Sequence};

pub use lucas_kanade::LucasKanade;

/// Velocity of rain `[y, x]`, m s⁻¹; defined everywhere, missing cells included.
#[derive(Debug, Clone)]
pub struct Motion {
    /// Towards the grid's east.
    pub u: Array2<f32>,
    /// Towards the grid's north.
    pub v: Array2<f32>,
}

impl Motion {
    /// Rest.
    pub fn rest(shape: (usize, usize)) -> Self {
        Self {
            u: Array2::zeros(shape),
            v: Array2::zeros(shape),
        }
    }
}

/// Estimates the motion of rain.
pub trait MotionEstimator: Send + Sync {
    /// Motion at the newest frame. A dry scene, or a single frame, rests.
    ///
    /// # Errors
    ///
    /// When the frames cannot be used at all.
    fn estimate(&self, observed: &Sequence) -> Result<Motion, Error>;
}
