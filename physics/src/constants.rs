//! Numbers of nature that the core uses.

/// Standard gravity, m s⁻² (CGPM 1901, exact by definition).
pub const GRAVITY: f64 = 9.806_65;

/// Rotation rate of the Earth, s⁻¹ (WGS 84).
pub const EARTH_ROTATION: f64 = 7.292_115e-5;

/// Ratio of the gas constants of dry air and water vapour (287.05 / 461.5).
pub const EPSILON: f64 = 0.622;

/// Mean radius of the Earth, m, as Williamson et al. (1992) and most models of the atmosphere have it.
pub const EARTH_RADIUS: f64 = 6.371_22e6;
