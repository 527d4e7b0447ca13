//! The wind that carries the simulated rain: steady, with shear, stretching and a turn, and trajectories known exactly.

use nowblend_field::Seed;

use super::noise::Noise;

/// A linear flow V(x) = V₀ + A x [m s⁻¹] around the centre of the map, x in m.
///
/// Trajectories solve dx/dt = V(x); with the place as (x, y, 1) they are exp(M t), M = [A V₀; 0 0].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flow {
    /// Rows: eastward and northward velocity; columns: per m east, per m north, and in the centre.
    matrix: [[f64; 3]; 2],
}

impl Flow {
    /// A westerly flow of 9 to 15 m s⁻¹ that turns and shears by some 10 m s⁻¹ over 500 km.
    pub(super) fn random(seed: Seed) -> Self {
        let noise = Noise::new(seed, "flow");
        let (speed, towards) = (9.0 + 6.0 * noise.draw(0), (80.0 * noise.draw(1) - 30.0).to_radians());
        let vary = |k: usize, most: f64| most * (2.0 * noise.draw(k) - 1.0);
        let (stretch, shear, turn) = (vary(2, 1e-5), vary(3, 1.5e-5), 1e-5 + vary(4, 1.5e-5));
        Self {
            matrix: [
                [stretch, shear - turn, speed * towards.cos()],
                [shear + turn, -stretch, speed * towards.sin()],
            ],
        }
    }

    /// Velocity (east, north), m s⁻¹, at a place (m east, m north of the centre).
    pub fn velocity(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        self.matrix.map(|row| row[0] * x + row[1] * y + row[2])
    }

    /// Where the air at `place` is after `seconds`, which may be negative.
    ///
    /// The exponential as its power series; within hours ‖A t‖ is below 0.3 and ten terms are exact to rounding.
    pub fn carry(&self, place: [f64; 2], seconds: f64) -> [f64; 2] {
        let mut term = self.velocity(place).map(|v| v * seconds);
        let mut sum = [place[0] + term[0], place[1] + term[1]];
        for k in 2..=10 {
            let step = seconds / f64::from(k);
            term = self.matrix.map(|row| step * (row[0] * term[0] + row[1] * term[1]));
            sum = [sum[0] + term[0], sum[1] + term[1]];
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn air_goes_where_small_steps_take_it_and_comes_back() {
        let flow = Flow::random(Seed(5));
        let start = [120e3, -80e3];
        let mut place = start;
        for _ in 0..7200 {
            let half = flow.velocity(place);
            let middle = flow.velocity([place[0] + 0.5 * half[0], place[1] + 0.5 * half[1]]);
            place = [place[0] + middle[0], place[1] + middle[1]];
        }
        let carried = flow.carry(start, 7200.0);
        assert!((carried[0] - place[0]).hypot(carried[1] - place[1]) < 0.1);
        let back = flow.carry(carried, -7200.0);
        assert!((back[0] - start[0]).hypot(back[1] - start[1]) < 1e-5);
    }

    #[test]
    fn the_flow_is_a_westerly_of_plausible_speed_with_any_seed() {
        for seed in 0..50 {
            let [u, v] = Flow::random(Seed(seed)).velocity([0.0, 0.0]);
            assert!(u > 0.0 && (9.0..=15.0).contains(&u.hypot(v)));
        }
    }
}
