//! How rain moves: a velocity for every cell, from what the radar saw.

mod config;
#[cfg(test)]
mod contract;
mod corners;
mod dense;
mod lucas_kanade;
mod optical_flow;
mod polynomial;
mod pyramid;
mod refine;
mod smooth;
mod variational;
mod wind;

use std::sync::Once;

use ndarray::{Array2, Zip};

use crate::{Error, Grid, LeadTime, Sequence};

pub use config::{Estimator, MotionConfig};
pub use lucas_kanade::LucasKanade;
pub use optical_flow::OpticalFlow;
pub use variational::Variational;
pub use wind::WindWhereDry;

/// Velocity of rain `[y, x]`, m s⁻¹; defined everywhere, missing cells included.
#[derive(Debug, Clone)]
pub struct Motion {
    /// Towards the grid's east.
    pub u: Array2<f32>,
    /// Towards the grid's north.
    pub v: Array2<f32>,
    /// The same two of the systems that showers and bands make up, whose motion lasts longer: old showers die on one side of a system and new
    /// ones form on another, so that it moves unlike its showers. `None` where nobody has looked for them.
    pub systems: Option<[Array2<f32>; 2]>,
}

impl Motion {
    /// One motion, towards the east and the north, for showers and systems.
    pub fn new(u: Array2<f32>, v: Array2<f32>) -> Self {
        Self { u, v, systems: None }
    }

    /// Rest.
    pub fn rest(shape: (usize, usize)) -> Self {
        Self::new(Array2::zeros(shape), Array2::zeros(shape))
    }

    /// The motion of showers alone, for all time.
    pub fn of_showers(&self) -> Self {
        Self::new(self.u.clone(), self.v.clone())
    }

    /// The motion whose fields `of` makes of the fields of this one.
    pub fn each(&self, of: impl Fn(&Array2<f32>) -> Array2<f32>) -> Self {
        Self {
            u: of(&self.u),
            v: of(&self.v),
            systems: self.systems.as_ref().map(|[u, v]| [of(u), of(v)]),
        }
    }

    /// The one motion that counts `time_s` after the reference time, where that of showers lasts `life_min` (see [`share_of_showers`]).
    pub fn at(&self, time_s: f64, life_min: f64) -> Self {
        let Some([u, v]) = &self.systems else {
            return self.of_showers();
        };
        let share = share_of_showers(time_s, life_min) as f32;
        Self::new(mixed(&self.u, u, share), mixed(&self.v, v, share))
    }

    /// All fields, towards the east and the north in turn.
    fn fields_mut(&mut self) -> impl Iterator<Item = [&mut Array2<f32>; 2]> {
        let systems = self.systems.as_mut().map(|[u, v]| [u, v]);
        std::iter::once([&mut self.u, &mut self.v]).chain(systems)
    }
}

/// How much of the motion of single showers still counts `time_s` after the reference time, if a share of 1/e does after `life_min`; the rest is the motion
/// of their systems.
pub fn share_of_showers(time_s: f64, life_min: f64) -> f64 {
    (-(time_s / (60.0 * life_min)).powi(2)).exp()
}

/// `share` of the motion of showers, and of that of systems the rest.
pub(crate) fn mixed(showers: &Array2<f32>, systems: &Array2<f32>, share: f32) -> Array2<f32> {
    Zip::from(showers)
        .and(systems)
        .map_collect(|showers, systems| systems + share * (showers - systems))
}

/// Estimates the motion of rain.
pub trait MotionEstimator: Send + Sync {
    /// Motion at the newest frame; none where there is nothing to follow: a dry scene, a constant one, a single frame.
    ///
    /// # Errors
    ///
    /// When the frames cannot be used at all.
    fn follow(&self, observed: &Sequence) -> Result<Option<Motion>, Error>;

    /// Motion at the newest frame, rest where there is nothing to follow.
    ///
    /// # Errors
    ///
    /// When the frames cannot be used at all.
    fn estimate(&self, observed: &Sequence) -> Result<Motion, Error> {
        let followed = self.follow(observed)?;
        Ok(followed.unwrap_or_else(|| Motion::rest(observed.grid().shape())))
    }
}

/// Cells that the fastest motion believed goes from frame to frame.
fn displacement_max(speed_max_m_s: f64, step: LeadTime, grid: &Grid) -> f32 {
    (speed_max_m_s * f64::from(step.seconds()) / grid.cell_size_m()) as f32
}

/// A motion in cells a frame as one in m s⁻¹.
fn in_metres_per_second(mut motion: Motion, step: LeadTime, grid: &Grid) -> Motion {
    let step_s = f64::from(step.seconds());
    for [u, v] in motion.fields_mut() {
        for row in 0..grid.shape().0 {
            let (dy, dx) = grid.spacing_m_in_row(row);
            v.row_mut(row).mapv_inplace(|v| (f64::from(v) * dy / step_s) as f32);
            u.row_mut(row).mapv_inplace(|u| (f64::from(u) * dx / step_s) as f32);
        }
    }
    motion
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
