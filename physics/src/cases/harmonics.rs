//! A field on the globe from its spherical harmonics: how the answers of an independent spectral model are kept, and random weather is drawn.

use nowblend_field::fourier::Complex64;

use crate::{
    metric::Metric,
    plane::Plane,
    sphere::{Place, Sphere},
};

/// Coefficients by order m, then degree n from m to the truncation; harmonics have a unit mean square.
pub(crate) struct Harmonics {
    truncation: usize,
    coefficients: Vec<Complex64>,
}

impl Harmonics {
    /// Reads pairs of little-endian f32 as `tests/reference/physics/spectral_reference.py` writes them.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let number = |b: &[u8]| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        let coefficients: Vec<_> = bytes
            .chunks_exact(8)
            .map(|pair| Complex64::new(number(&pair[..4]), number(&pair[4..])))
            .collect();
        // (T + 1)(T + 2)/2 of them.
        let truncation = (((8 * coefficients.len() + 1) as f64).sqrt() as usize - 3) / 2;
        Self { truncation, coefficients }
    }

    /// The coefficient of each order m and degree n up to `truncation`.
    pub(crate) fn of(truncation: usize, coefficient: impl FnMut((usize, usize)) -> Complex64) -> Self {
        let places = (0..=truncation).flat_map(|m| (m..=truncation).map(move |n| (m, n)));
        Self {
            truncation,
            coefficients: places.map(coefficient).collect(),
        }
    }

    /// The coefficient of order m and degree n; nought where there is none.
    pub(crate) fn at(&self, m: usize, n: usize) -> Complex64 {
        if n < m || n > self.truncation {
            return Complex64::default();
        }
        // Orders before m have T + 1, T, … degrees.
        self.coefficients[m * (self.truncation + 1) - m * m.saturating_sub(1) / 2 + n - m]
    }

    /// The value at a place.
    pub(crate) fn value(&self, place: Place) -> f64 {
        around(&self.along(place.latitude.sin()), place.longitude)
    }

    /// Values in the middle of the cells of a globe.
    pub(crate) fn on(&self, metric: &Metric) -> Plane {
        let (shape, sphere) = (metric.shape(), metric.sphere().unwrap_or(Sphere::EARTH));
        let mut plane = Plane::constant(shape, 0.0);
        for j in 0..shape.ny as isize {
            let waves = self.along(sphere.centre(shape, j, 0).latitude.sin());
            for i in 0..shape.nx as isize {
                *plane.at_mut(j, i) = around(&waves, sphere.centre(shape, j, i).longitude);
            }
        }
        plane
    }

    /// Waves around the circle of sine `mu` of latitude: Σ_n c P_n^m(mu) for each m, by the recurrence in n.
    fn along(&self, mu: f64) -> Vec<Complex64> {
        let t = self.truncation;
        let mut first = 0;
        let mut diagonal = 1.0;
        (0..=t)
            .map(|m| {
                if m > 0 {
                    diagonal *= ((2 * m + 1) as f64 / (2 * m) as f64).sqrt() * (1.0 - mu * mu).max(0.0).sqrt();
                }
                let e = |n| factor(m, n);
                let (mut before, mut here) = (0.0, diagonal);
                let mut sum = Complex64::new(0.0, 0.0);
                for n in m..=t {
                    sum += self.coefficients[first + n - m] * here;
                    let lower = if n > m { e(n) * before } else { 0.0 };
                    (before, here) = (here, (mu * here - lower) / e(n + 1));
                }
                first += t + 1 - m;
                sum
            })
            .collect()
    }
}

/// √((n² - m²)/(4n² - 1)): what of a harmonic times the sine of latitude goes to degree n.
pub(crate) fn factor(m: usize, n: usize) -> f64 {
    (((n * n - m * m) as f64) / ((4 * n * n - 1) as f64)).sqrt()
}

/// Re Σ (2 - [m = 0]) waves exp(imλ).
fn around(waves: &[Complex64], longitude: f64) -> f64 {
    let turn = Complex64::from_polar(1.0, longitude);
    let mut phase = Complex64::new(1.0, 0.0);
    let mut value = 0.0;
    for (m, wave) in waves.iter().enumerate() {
        value += if m == 0 { wave.re } else { 2.0 * (wave * phase).re };
        phase *= turn;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::williamson::globe;

    #[test]
    fn three_harmonics_are_what_their_formulas_say() {
        // T = 1: c00 = 5, c10 = 2, c11 = 1 - 0.5i. P00 = 1, P10 = √3 μ, P11 = √(3/2) cos φ; the field is
        // 5 + 2 √3 μ + 2 √1.5 cos φ (cos λ + 0.5 sin λ).
        let numbers: [f32; 6] = [5.0, 0.0, 2.0, 0.0, 1.0, -0.5];
        let bytes: Vec<u8> = numbers.iter().flat_map(|v| v.to_le_bytes()).collect();
        let harmonics = Harmonics::from_bytes(&bytes);
        assert_eq!(harmonics.truncation, 1);
        assert_eq!(harmonics.at(1, 1), Complex64::new(1.0, -0.5));
        assert_eq!(harmonics.at(0, 2), Complex64::default());
        let metric = globe(Sphere::EARTH, 8).unwrap();
        let field = harmonics.on(&metric);
        for (j, i) in [(0, 3), (5, 11), (7, 0)] {
            let place = Sphere::EARTH.centre(metric.shape(), j, i);
            let (sin, cos) = place.latitude.sin_cos();
            let expected =
                5.0 + 2.0 * 3.0_f64.sqrt() * sin + 2.0 * 1.5_f64.sqrt() * cos * (place.longitude.cos() + 0.5 * place.longitude.sin());
            assert!((field.at(j, i) - expected).abs() < 1e-12 && (harmonics.value(place) - expected).abs() < 1e-12);
        }
    }
}
