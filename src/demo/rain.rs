//! The simulated rain: showers that are born and die, a squall line, and steady rain, all with a texture that forgets small scales first.
//!
//! Everything is a closed form in the place that the air had at the reference time, so that the future is known exactly and owes
//! nothing to the schemes of the forecasters.

use std::f64::consts::{PI, TAU};

use nowblend_field::Seed;

use super::{flow::Flow, noise::Noise};

/// Weaker rain is none, mm h⁻¹: what a radar sees.
const FAINTEST_MM_H: f64 = 0.1;
/// Rain tends to this where much falls together, mm h⁻¹.
const HEAVIEST_MM_H: f64 = 130.0;
/// Wavelength of the largest octave of texture, m, and its lifetime, s.
const LARGEST_M: f64 = 128e3;
const LONGEST_S: f64 = 7200.0;
/// Octaves of texture: 128, 64 … 4 km.
const OCTAVES: i64 = 6;
/// Lifetimes shrink with wavelength to this power.
///
/// Venugopal, V., E. Foufoula-Georgiou and V. Sapozhnikov, 1999: Evidence of dynamic scaling in space-time rainfall. J. Geophys. Res.,
/// 104, 31599-31610, doi:10.1029/1999JD900437 (exponents around 0.6).
const DYNAMIC_EXPONENT: f64 = 0.6;
/// Radius beyond which a shower gives nothing, in its own radii.
const REACH: f64 = 4.0;
/// Groups of showers, and showers in each.
const GROUPS: usize = 28;
const SHOWERS_IN_GROUP: usize = 6;

/// Simulated rain at any place and time.
#[derive(Debug, Clone)]
pub struct Rain {
    flow: Flow,
    texture: Noise,
    shield: Noise,
    line: SquallLine,
    showers: Vec<Shower>,
}

impl Rain {
    /// Rain around the centre of a map of `width_m` by `width_m`; the same seed gives the same rain.
    pub fn random(seed: Seed, width_m: f64) -> Self {
        let flow = Flow::random(seed);
        Self {
            flow,
            texture: Noise::new(seed, "texture"),
            shield: Noise::new(seed, "shield"),
            line: SquallLine::random(seed, &flow, width_m),
            showers: showers(seed, &flow, width_m),
        }
    }

    /// The flow that carries it.
    pub fn flow(&self) -> &Flow {
        &self.flow
    }

    /// Rain, mm h⁻¹, at a place (m east, m north of the centre), `seconds` after the reference time.
    pub fn at(&self, place: [f64; 2], seconds: f64, active: &[usize]) -> f64 {
        let origin = self.flow.carry(place, -seconds);
        let texture = self.texture(origin, seconds);
        let line = self.line.rain(origin, seconds);
        let showers: f64 = active.iter().map(|&k| self.showers[k].rain(origin, seconds)).sum();
        let heavy = (line.0 + showers) * (0.75 * texture).exp();
        let steady = (line.1 + self.steady(origin, seconds)) * (0.9 * texture).exp();
        let rain = heavy + steady - FAINTEST_MM_H;
        if rain < FAINTEST_MM_H {
            0.0
        } else {
            HEAVIEST_MM_H * (1.0 - (-rain / HEAVIEST_MM_H).exp())
        }
    }

    /// Showers that may rain within the next moment: those alive at that time.
    pub fn active(&self, seconds: f64) -> Vec<usize> {
        (0..self.showers.len())
            .filter(|&k| self.showers[k].strength(seconds) > 0.0)
            .collect()
    }

    /// Logarithm of a multiplicative cascade: octaves of equal strength whose lifetimes shrink with their wavelength.
    fn texture(&self, origin: [f64; 2], seconds: f64) -> f64 {
        let sum: f64 = (0..OCTAVES)
            .map(|octave| {
                let shrink = 0.5f64.powi(octave as i32);
                let (length, life) = (LARGEST_M * shrink / 2.0, LONGEST_S * shrink.powf(DYNAMIC_EXPONENT));
                // A turn between octaves hides the lattice.
                let (sin, cos) = (0.9 * octave as f64).sin_cos();
                let (x, y) = (origin[0] * cos - origin[1] * sin, origin[0] * sin + origin[1] * cos);
                // Cells that a radar cannot resolve are smoothed by its beam.
                let strength = if octave + 1 < OCTAVES { 1.0 } else { 0.5 };
                strength * self.texture.smooth(x / length, y / length, seconds / life, octave)
            })
            .sum();
        1.25 * sum
    }

    /// Widespread steady rain of a few mm h⁻¹, in patches hundreds of kilometres wide that change over hours.
    fn steady(&self, origin: [f64; 2], seconds: f64) -> f64 {
        let [x, y] = origin;
        // Places are bent by noise first: bands and hooks instead of blobs.
        let bend = |part: i64| 55e3 * self.shield.smooth(x / 90e3, y / 90e3, seconds / 14400.0, 10 + part);
        let (x, y) = (x + bend(0), y + bend(1));
        let wide: f64 = [(150e3, 1.0, 14400.0), (70e3, 0.5, 9000.0), (33e3, 0.28, 5400.0)]
            .iter()
            .zip(0..)
            .map(|((length, strength, life), octave)| {
                let (sin, cos) = (0.5 + 0.7 * octave as f64).sin_cos();
                let (along, across) = (x * cos - y * sin, x * sin + y * cos);
                strength * self.shield.smooth(along / length, across / length, seconds / life, octave)
            })
            .sum();
        1.5 * (1.3 * (wide - 0.12)).clamp(0.0, 1.0).powf(1.5)
    }
}

/// A line of thunderstorms that advances through the flow and bows, with steady rain behind it.
#[derive(Debug, Clone, Copy)]
struct SquallLine {
    centre: [f64; 2],
    /// Direction in which it advances, radians anticlockwise from east.
    ahead: f64,
    speed: f64,
    half_length_m: f64,
    bow: f64,
    peak_mm_h: f64,
    /// When it is strongest, s after the reference time.
    prime_s: f64,
    ripple: Noise,
}

impl SquallLine {
    fn random(seed: Seed, flow: &Flow, width_m: f64) -> Self {
        let noise = Noise::new(seed, "squall line");
        let [u, v] = flow.velocity([0.0, 0.0]);
        Self {
            centre: [width_m * (-0.30 + 0.1 * noise.draw(0)), width_m * (0.16 * noise.draw(1) - 0.02)],
            ahead: v.atan2(u) + 0.5 * (noise.draw(2) - 0.5),
            speed: 3.0 + 3.0 * noise.draw(3),
            half_length_m: width_m * (0.22 + 0.06 * noise.draw(4)),
            bow: 0.8 + 0.8 * noise.draw(5),
            peak_mm_h: 45.0 + 20.0 * noise.draw(6),
            prime_s: 3600.0 * noise.draw(7),
            ripple: Noise::new(seed, "ripple"),
        }
    }

    /// Rain of the line itself and of the steady region behind it, mm h⁻¹.
    fn rain(&self, origin: [f64; 2], seconds: f64) -> (f64, f64) {
        let (sin, cos) = self.ahead.sin_cos();
        let (dx, dy) = (origin[0] - self.centre[0], origin[1] - self.centre[1]);
        let (ahead, along) = (dx * cos + dy * sin - self.speed * seconds, dy * cos - dx * sin);
        let far = along / self.half_length_m;
        if far.abs() > 1.8 {
            return (0.0, 0.0);
        }
        // The ends lag: the line bows more and more.
        let bowing = self.bow * (1.0 + seconds / 7200.0) * 0.22 * self.half_length_m;
        let ripple = 9e3 * self.ripple.smooth(along / 35e3, 0.0, seconds / 3600.0, 0);
        let distance = ahead + bowing * far * far + ripple;
        let ends = (-far.powi(4)).exp();
        let age = ((seconds - self.prime_s) / 7200.0).powi(2);
        let strength = ends * (-age).exp();
        // Cells along the line, 20 km apart, that come and go within half an hour.
        let cells = 0.65 + 0.55 * self.ripple.smooth(along / 10e3, 0.0, seconds / 1500.0, 1);
        let width = if distance > 0.0 { 2.5e3 } else { 6e3 };
        let line = self.peak_mm_h * cells * strength * (-0.5 * (distance / width).powi(2)).exp();
        let behind = (-distance - 45e3) / 24e3;
        let steady = 4.0 * ends.sqrt() * (-0.5 * behind * behind).exp();
        (line, steady)
    }
}

/// A shower with its own life.
#[derive(Debug, Clone, Copy)]
struct Shower {
    /// Place at the reference time of the air it is in, m.
    centre: [f64; 2],
    /// Velocity through the flow, m s⁻¹.
    drift: [f64; 2],
    radius_m: f64,
    stretch: f64,
    direction: f64,
    turning: f64,
    peak_mm_h: f64,
    born_s: f64,
    lifetime_s: f64,
}

impl Shower {
    /// From 0 at birth over 1 to 0 at death; it grows faster than it decays.
    fn strength(&self, seconds: f64) -> f64 {
        let age = (seconds - self.born_s) / self.lifetime_s;
        if (0.0..1.0).contains(&age) {
            (PI * age.powf(0.75)).sin().powi(2)
        } else {
            0.0
        }
    }

    fn rain(&self, origin: [f64; 2], seconds: f64) -> f64 {
        let (dx, dy) = (
            origin[0] - self.centre[0] - self.drift[0] * seconds,
            origin[1] - self.centre[1] - self.drift[1] * seconds,
        );
        if dx.abs().max(dy.abs()) > REACH * self.radius_m * self.stretch {
            return 0.0;
        }
        let (sin, cos) = (self.direction + self.turning * seconds).sin_cos();
        let (along, across) = ((cos * dx + sin * dy) / self.stretch, (cos * dy - sin * dx) * self.stretch);
        let strength = self.strength(seconds);
        // It widens as it grows old.
        let radius = self.radius_m * (0.6 + 0.4 * strength.sqrt());
        self.peak_mm_h * strength * (-0.5 * (along * along + across * across) / (radius * radius)).exp()
    }
}

/// Showers in groups: each group has a home and a time, its members are born one after the other on its flank.
fn showers(seed: Seed, flow: &Flow, width_m: f64) -> Vec<Shower> {
    let home = Noise::new(seed, "groups");
    let own = Noise::new(seed, "showers");
    let mut all = Vec::with_capacity(GROUPS * SHOWERS_IN_GROUP);
    for group in 0..GROUPS {
        let pick = |k: usize| home.draw(8 * group + k);
        // Upwind as well as on the map: what comes in later is rain, too.
        let reach = |u: f64| width_m * (1.2 * u - 0.75);
        let (centre, flank) = ([reach(pick(0)), width_m * 1.1 * (pick(1) - 0.5)], TAU * pick(2));
        let start_s = -5400.0 + 9600.0 * pick(3);
        for member in 0..SHOWERS_IN_GROUP {
            let pick = |k: usize| own.draw(16 * (group * SHOWERS_IN_GROUP + member) + k);
            let spread = 9e3 * member as f64;
            let strong = pick(2).powi(2);
            let [u, v] = flow.velocity(centre);
            let speed = u.hypot(v).max(1.0);
            // Strong storms of the northern hemisphere move to the right of the flow.
            let right = 3.0 * strong;
            all.push(Shower {
                centre: [
                    centre[0] + spread * flank.cos() + 16e3 * (pick(0) - 0.5),
                    centre[1] + spread * flank.sin() + 16e3 * (pick(1) - 0.5),
                ],
                drift: [
                    right * v / speed + 2.0 * (pick(3) - 0.5),
                    -right * u / speed + 2.0 * (pick(4) - 0.5),
                ],
                radius_m: 2.2e3 + 4.5e3 * pick(5) * (0.4 + strong),
                stretch: 1.0 + 0.5 * pick(6),
                direction: PI * pick(7),
                turning: 3e-4 * (pick(8) - 0.5),
                peak_mm_h: 8.0 + 75.0 * strong,
                born_s: start_s + 900.0 * member as f64 + 600.0 * (pick(9) - 0.5),
                lifetime_s: 1800.0 + 3600.0 * pick(10) * (0.5 + 0.5 * strong),
            });
        }
    }
    all
}
