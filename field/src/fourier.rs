//! Fourier transforms of rows and columns, each planned once for its length.
//!
//! Plans are made here alone: their code is long, so it is compiled once and not in every crate that transforms.

use std::sync::Arc;

use realfft::RealFftPlanner;
pub use realfft::{ComplexToReal, RealToComplex};
use rustfft::FftPlanner;
pub use rustfft::{
    Fft,
    num_complex::{Complex32, Complex64},
};

/// Forward and backward transforms of `length` real numbers, single precision; backward multiplies by the length.
pub fn real_f32(length: usize) -> (Arc<dyn RealToComplex<f32>>, Arc<dyn ComplexToReal<f32>>) {
    let mut planner = RealFftPlanner::new();
    (planner.plan_fft_forward(length), planner.plan_fft_inverse(length))
}

/// Forward and backward transforms of `length` real numbers, double precision; backward multiplies by the length.
pub fn real_f64(length: usize) -> (Arc<dyn RealToComplex<f64>>, Arc<dyn ComplexToReal<f64>>) {
    let mut planner = RealFftPlanner::new();
    (planner.plan_fft_forward(length), planner.plan_fft_inverse(length))
}

/// Forward transform of `length` real numbers, double precision.
pub fn real_forward_f64(length: usize) -> Arc<dyn RealToComplex<f64>> {
    RealFftPlanner::new().plan_fft_forward(length)
}

/// Forward and backward transforms of `length` complex numbers, single precision; backward multiplies by the length.
pub fn complex_f32(length: usize) -> (Arc<dyn Fft<f32>>, Arc<dyn Fft<f32>>) {
    let mut planner = FftPlanner::new();
    (planner.plan_fft_forward(length), planner.plan_fft_inverse(length))
}

/// Forward transform of `length` complex numbers, double precision.
pub fn complex_f64(length: usize) -> Arc<dyn Fft<f64>> {
    FftPlanner::new().plan_fft_forward(length)
}
