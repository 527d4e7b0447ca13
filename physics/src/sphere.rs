//! A turning sphere and where the cells, faces and corners of a latitude-longitude C-grid lie on it.

use std::f64::consts::{FRAC_PI_2, PI, TAU};

use crate::{
    constants::{EARTH_RADIUS, EARTH_ROTATION},
    plane::Shape,
};

/// A sphere that turns about an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sphere {
    /// Radius, m.
    pub radius_m: f64,
    /// Rate of rotation Ω, s⁻¹.
    pub rotation_s: f64,
    /// Angle from the grid's axis to that of rotation, radians: the axis leans towards longitude 180° by it, as in the tests of Williamson et al.
    pub tilt: f64,
}

/// A place on a sphere, radians.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// Longitude λ, eastward.
    pub longitude: f64,
    /// Latitude φ.
    pub latitude: f64,
}

impl Sphere {
    /// The Earth, which turns about the grid's own axis.
    pub const EARTH: Self = Self {
        radius_m: EARTH_RADIUS,
        rotation_s: EARTH_ROTATION,
        tilt: 0.0,
    };

    /// f = 2 Ω (sin φ cos α - cos λ cos φ sin α) with the tilt α, s⁻¹.
    ///
    /// # Source
    ///
    /// Williamson, D. L., J. B. Drake, J. J. Hack, R. Jakob and P. N. Swarztrauber, 1992: A standard test set for numerical approximations
    /// to the shallow water equations in spherical geometry. J. Comput. Phys., 102, 211-224, doi:10.1016/S0021-9991(05)80016-6, equation 96.
    pub fn coriolis(self, place: Place) -> f64 {
        let (sin_tilt, cos_tilt) = self.tilt.sin_cos();
        2.0 * self.rotation_s * (place.latitude.sin() * cos_tilt - place.longitude.cos() * place.latitude.cos() * sin_tilt)
    }

    /// Latitude of row `rows` counted from the south pole in cells; beyond a pole it runs on.
    pub(crate) fn latitude(self, shape: Shape, rows: f64) -> f64 {
        -FRAC_PI_2 + PI * rows / shape.ny as f64
    }

    fn place(self, shape: Shape, rows: f64, columns: f64) -> Place {
        Place {
            longitude: TAU * columns / shape.nx as f64,
            latitude: self.latitude(shape, rows),
        }
    }

    /// Middle of cell (j, i).
    pub fn centre(self, shape: Shape, j: isize, i: isize) -> Place {
        self.place(shape, j as f64 + 0.5, i as f64 + 0.5)
    }

    /// Middle of the west face of cell (j, i).
    pub fn west_face(self, shape: Shape, j: isize, i: isize) -> Place {
        self.place(shape, j as f64 + 0.5, i as f64)
    }

    /// Middle of the south face of cell (j, i).
    pub fn south_face(self, shape: Shape, j: isize, i: isize) -> Place {
        self.place(shape, j as f64, i as f64 + 0.5)
    }

    /// South-west corner of cell (j, i).
    pub fn corner(self, shape: Shape, j: isize, i: isize) -> Place {
        self.place(shape, j as f64, i as f64)
    }
}

impl Place {
    /// Angle to another place along the great circle, radians.
    pub fn angle_to(self, other: Self) -> f64 {
        let (a, b) = (self.latitude, other.latitude);
        let half = |x: f64| (0.5 * x).sin().powi(2);
        let h = half(a - b) + a.cos() * b.cos() * half(self.longitude - other.longitude);
        2.0 * h.clamp(0.0, 1.0).sqrt().asin()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_angles_are_those_of_the_globe() {
        let shape = Shape { ny: 4, nx: 8 };
        let south_west = Sphere::EARTH.corner(shape, 2, 1);
        assert!((south_west.latitude).abs() < 1e-15 && (south_west.longitude - PI / 4.0).abs() < 1e-15);
        let centre = Sphere::EARTH.centre(shape, 3, 0);
        assert!((centre.latitude.to_degrees() - 67.5).abs() < 1e-12 && (centre.longitude.to_degrees() - 22.5).abs() < 1e-12);
        let pole = Place {
            longitude: 1.0,
            latitude: FRAC_PI_2,
        };
        assert!((south_west.angle_to(pole) - FRAC_PI_2).abs() < 1e-12);
    }

    #[test]
    fn a_sphere_on_its_side_turns_fastest_at_the_equator() {
        // α = 90°: f = -2 Ω cos λ cos φ, so at λ = 180° on the equator f = 2 Ω, and nothing at the pole.
        let tilted = Sphere {
            tilt: FRAC_PI_2,
            ..Sphere::EARTH
        };
        let at = |longitude, latitude| tilted.coriolis(Place { longitude, latitude });
        assert!((at(PI, 0.0) - 2.0 * EARTH_ROTATION).abs() < 1e-18);
        assert!(at(0.3, FRAC_PI_2).abs() < 1e-18);
    }
}
