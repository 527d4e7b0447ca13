//! How rain moves: a velocity for every cell, from what the radar saw.

mod corners;
mod dense;
mod lucas_kanade;
mod pyramid;

use std::sync::Once;

use ndarray::Array2;

use crate::{Error, Grid, Sequence};

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

impl Motion {
    /// Towards the north and the east in cells of `grid` per second, each `[y, x]`.
    pub fn cells_per_second(&self, grid: &Grid) -> (Array2<f32>, Array2<f32>) {
        let mut rate_y = self.v.as_standard_layout().into_owned();
        let mut rate_x = self.u.as_standard_layout().into_owned();
        for row in 0..grid.shape().0 {
            let (dy, dx) = grid.spacing_m_in_row(row);
            rate_y.row_mut(row).mapv_inplace(|v| v / dy as f32);
            rate_x.row_mut(row).mapv_inplace(|u| u / dx as f32);
        }
        (rate_y, rate_x)
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

#[link(name = "openblas")]
#[allow(unsafe_code, reason = "OpenBLAS offers its thread count only as a C function")]
unsafe extern "C" {
    /// Sets the number of threads of OpenBLAS for the whole process.
    safe fn openblas_set_num_threads(threads: std::ffi::c_int);
}

/// Keeps linear algebra on one thread, so that a result does not depend on how many cores a machine has.
fn blas_on_one_thread() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| openblas_set_num_threads(1));
}
