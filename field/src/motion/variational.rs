//! Motion of rain as one smooth field: the one that carries each frame best into the next, from coarse to fine.
//!
//! With r = I(x, t) - I(x - V, t - 1) in decibels, V minimises Σ ρ(r) + α² Σ |ΔV|², the first sum over all cells and pairs of
//! frames, the second over pairs of neighbouring nodes: advection as a weak constraint, smoothness as the other. ρ grows with r² for
//! small r and with |r| for large ones, so that growth, decay and clutter bend the field little. Where there is no echo the first
//! sum is silent and the field is the smoothest continuation.
//!
//! On the way the coarser images tell how the systems of rain move, which is not how their showers do: a system whose new showers form behind it stays where
//! it is while they move on. The field of one of these images is kept for later lead times.
//!
//! # Source
//!
//! Laroche, S. and I. Zawadzki, 1995: Retrievals of horizontal winds from single-Doppler clear-air data by methods of cross correlation
//! and variational analysis. J. Atmos. Oceanic Technol., 12, 721-738 (the idea of a variational echo tracking); Germann, U. and I.
//! Zawadzki, 2002: Scale-dependence of the predictability of precipitation from continental radar images. Part I. Mon. Wea. Rev., 130,
//! 2859-2873. The smoothness is that of Horn, B. K. P. and B. G. Schunck, 1981: Determining optical flow. Artif. Intell., 17,
//! 185-203; the sums over the cells of a node and ρ are those of Bruhn, A., J. Weickert and C. Schnörr, 2005: Lucas/Kanade meets
//! Horn/Schunck. Int. J. Comput. Vision, 61, 211-231.

use ndarray::{Array2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    Motion, MotionEstimator, displacement_max, in_metres_per_second,
    pyramid::{Image, Pyramid, line},
    refine::{finer, refine},
    smooth::{Pull, smoothest},
};
use crate::{Bounds, Error, Sequence};

/// One smooth field for all; lengths are in cells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Variational {
    /// Newest frames used, at least 2; all pairs of neighbours have one motion.
    pub frames: usize,
    /// Rain below this does not count as echo, mm h⁻¹.
    pub rain_min_mm_h: f64,
    /// α: distance over which the field is smooth where the echo changes by 1 dB a cell throughout.
    pub smoothness: f64,
    /// Residuals beyond this count as outliers, dB.
    pub outlier_db: f64,
    /// Distance between nodes of the field, cells of each level.
    pub node_spacing: usize,
    /// Halvings of the coarsest image: motions up to about 2^levels cells a frame are found.
    pub levels: usize,
    /// Halvings of the finest image that is used; 0 is the full one.
    pub finest: usize,
    /// Times that the older frame is moved with the field found so far, on each level.
    pub warps: usize,
    /// Steps of conjugate gradients for each of them, at most.
    pub iterations: usize,
    /// Size of the cells, km, in which the systems are seen whose motion outlives that of their showers: that of the image whose cells are nearest to it.
    /// 0 for showers alone.
    pub systems_km: f64,
    /// Fastest motion believed, m s⁻¹.
    pub speed_max_m_s: f64,
}

impl Default for Variational {
    fn default() -> Self {
        Self {
            frames: 4,
            rain_min_mm_h: 0.1,
            smoothness: 20.0,
            outlier_db: 3.0,
            node_spacing: 8,
            levels: 5,
            finest: 1,
            warps: 3,
            iterations: 50,
            systems_km: 16.0,
            speed_max_m_s: 60.0,
        }
    }
}

impl Variational {
    /// Checks every number against its bounds.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] for the first that is outside.
    pub fn check(&self) -> Result<(), Error> {
        Bounds::default()
            .count("motion.frames", self.frames, 2..=1000, "2 to 1000")
            .at_least_0("motion.rain_min_mm_h", self.rain_min_mm_h)
            .positive("motion.smoothness", self.smoothness)
            .positive("motion.outlier_db", self.outlier_db)
            .count("motion.node_spacing", self.node_spacing, 1..=1000, "1 to 1000")
            .count("motion.levels", self.levels, 0..=12, "0 to 12")
            .count("motion.finest", self.finest, 0..=12, "0 to 12")
            .count("motion.warps", self.warps, 1..=100, "1 to 100")
            .count("motion.iterations", self.iterations, 1..=10_000, "1 to 10000")
            .at_least_0("motion.systems_km", self.systems_km)
            .at_least_0("motion.speed_max_m_s", self.speed_max_m_s)
            .result()
    }
}

impl MotionEstimator for Variational {
    fn follow(&self, observed: &Sequence) -> Result<Option<Motion>, Error> {
        let grid = observed.grid();
        let Some(step) = observed.step() else { return Ok(None) };
        let pyramids = Pyramid::of_newest(observed, self.frames, self.rain_min_mm_h, self.levels);
        let coarsest = pyramids[0].levels() - 1;
        let finest = self.finest.min(coarsest);
        let spacing = self.node_spacing.max(1);
        let alpha2 = self.smoothness * self.smoothness;
        let of_systems = self.level_of_systems(grid.cell_size_m()).map(|level| level.clamp(finest, coarsest));
        let on_map = |[dy, dx]: [Array2<f32>; 2], level: usize| {
            // A node of this level stands for so many cells of the map.
            let (wide, scale) = (spacing << level, (1 << level) as f32);
            let slowed = slowed([scale * dy, scale * dx], displacement_max(self.speed_max_m_s, step, grid));
            slowed.map(|part| refine(&part, wide, grid.shape()))
        };
        let mut field: Option<[Array2<f32>; 2]> = None;
        let mut systems = None;
        let mut told = false;
        for level in (finest..=coarsest).rev() {
            let shape = pyramids[0].level(level).db.dim();
            let nodes = (shape.0.div_ceil(spacing) + 1, shape.1.div_ceil(spacing) + 1);
            let mut here = match field {
                Some(coarser) => coarser.map(|part| 2.0 * finer(&part, nodes)),
                None => [Array2::zeros(nodes), Array2::zeros(nodes)],
            };
            for _ in 0..self.warps {
                let mut pulls = Array2::from_elem(nodes, Pull::default());
                for pair in pyramids.windows(2) {
                    let (older, newer) = (pair[0].level(level), pair[1].level(level));
                    add_pulls(older, newer, &here, spacing, self.outlier_db as f32, &mut pulls);
                }
                told = pulls.iter().any(|pull| *pull != Pull::default());
                smoothest(&pulls, alpha2, &mut here, self.iterations);
            }
            if told && level > finest && of_systems == Some(level) {
                systems = Some(on_map(here.clone(), level));
            }
            field = Some(here);
        }
        let Some(field) = field.filter(|_| told) else { return Ok(None) };
        let [v, u] = on_map(field, finest);
        let systems = systems.map(|[v, u]| [u, v]);
        Ok(Some(in_metres_per_second(Motion { u, v, systems }, step, grid)))
    }
}

impl Variational {
    /// Halvings of a map with cells of so many metres on whose cells systems are seen; none if only showers are asked for.
    fn level_of_systems(&self, cell_m: f64) -> Option<usize> {
        (self.systems_km > 0.0).then(|| (1000.0 * self.systems_km / cell_m).log2().round().max(0.0) as usize)
    }
}

/// Vectors longer than `most` cells shortened to that.
fn slowed([mut dy, mut dx]: [Array2<f32>; 2], most: f32) -> [Array2<f32>; 2] {
    ndarray::Zip::from(&mut dy).and(&mut dx).for_each(|dy, dx| {
        let length = dy.hypot(*dx);
        if length > most {
            *dy *= most / length;
            *dx *= most / length;
        }
    });
    [dy, dx]
}

/// Adds what the cells around each node say about its motion: r linearised around `field`, weighted with ρ'(r) / r = 1 / √(1 + r²/c²).
fn add_pulls(older: &Image, newer: &Image, field: &[Array2<f32>; 2], spacing: usize, c: f32, pulls: &mut Array2<Pull>) {
    let (ny, nx) = newer.db.dim();
    if ny < 3 || nx < 3 {
        return;
    }
    pulls
        .axis_iter_mut(Axis(0))
        .into_par_iter()
        .enumerate()
        .for_each(|(node_row, mut pulls)| {
            let first = (node_row * spacing).saturating_sub(spacing / 2).max(1);
            let last = (node_row * spacing + spacing.div_ceil(2)).min(ny - 1);
            for y in first..last {
                let (south, here, north) = (line(&newer.db, y - 1), line(&newer.db, y), line(&newer.db, y + 1));
                let (seen_south, seen, seen_north) = (line(&newer.seen, y - 1), line(&newer.seen, y), line(&newer.seen, y + 1));
                let (j, fy) = (y / spacing, (y % spacing) as f32 / spacing as f32);
                let along: [Vec<f32>; 2] = [0, 1].map(|part| {
                    let (a, b) = (line(&field[part], j), line(&field[part], j + 1));
                    a.iter().zip(b).map(|(a, b)| a + fy * (b - a)).collect()
                });
                for x in 1..nx - 1 {
                    let (gy, gx) = (0.5 * (north[x] - south[x]), 0.5 * (here[x + 1] - here[x - 1]));
                    if gy == 0.0 && gx == 0.0 || !(seen[x] && seen_south[x] && seen_north[x] && seen[x - 1] && seen[x + 1]) {
                        continue;
                    }
                    let (i, fx) = (x / spacing, (x % spacing) as f32 / spacing as f32);
                    let [vy, vx] = [0, 1].map(|part| along[part][i] + fx * (along[part][i + 1] - along[part][i]));
                    let Some(there) = older.at(y as f32 - vy, x as f32 - vx) else {
                        continue;
                    };
                    let r = here[x] - there;
                    let w = 1.0 / (1.0 + (r / c).powi(2)).sqrt();
                    let towards = gy * vy + gx * vx - r;
                    pulls[(x + spacing / 2) / spacing].add(w, gy, gx, towards);
                }
            }
        });
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};
    use ndarray::Array3;

    use super::*;
    use crate::{Grid, LeadTime};

    #[test]
    fn a_system_that_stays_while_its_showers_move_on_is_told_from_them() {
        // Showers 24 km apart go east with 10 m/s through a system 60 km wide that rests: they form on its western side and die on its eastern one.
        let (n, step_s) = (256, 300.0);
        let rain = Array3::from_shape_fn((4, n, n), |(k, y, x)| {
            let (north, east) = (y as f32 - 128.0, x as f32 - 128.0);
            let within = (-0.5 * (north * north + east * east) / (30.0f32 * 30.0)).exp();
            let wave = |km: f32| (std::f32::consts::TAU * km / 24.0).cos();
            let moved = east - 0.01 * step_s * k as f32;
            within * (4.0 + 3.9 * wave(moved) * wave(north))
        });
        let start = Utc.with_ymd_and_hms(2020, 7, 1, 12, 0, 0).unwrap();
        let times = (0..4).map(|k| start + LeadTime::from_minutes(5 * k)).collect();
        let observed = Sequence::new(Grid::plane(n, n, 1000.0), times, rain).unwrap();
        let motion = Variational::default().follow(&observed).unwrap().unwrap();
        let [u, v] = motion.systems.expect("systems are looked for");
        let at = |field: &Array2<f32>| field[[128, 128]];
        assert!(
            (at(&motion.u) - 10.0).abs() < 1.5 && at(&motion.v).abs() < 0.5,
            "showers ({}, {})",
            at(&motion.u),
            at(&motion.v)
        );
        assert!(at(&u).abs() < 2.0 && at(&v).abs() < 0.5, "system ({}, {})", at(&u), at(&v));
        let alone = Variational {
            systems_km: 0.0,
            ..Variational::default()
        };
        let alone = alone.follow(&observed).unwrap().unwrap();
        assert!(alone.systems.is_none() && alone.u == motion.u && alone.v == motion.v);
    }
}
