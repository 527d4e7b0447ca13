//! Maps of any size, in overlapping tiles whose features fade into each other, so that memory is bounded and no seam shows.

use nowblend_field::{Bounds, Error};
use rayon::prelude::*;

use crate::{
    body::Body,
    head::Features,
    nowcast_net::{MULTIPLE, RainNet, WIDTH},
    scene::{self, Scene},
};

/// Cells over which neighbouring tiles fade into each other.
const OVERLAP: usize = 64;

/// Smallest tiles, cells; also the best: nearer to the windows of training than larger ones.
pub(crate) const LEAST_TILE: usize = 224;

/// Refuses sides of tiles that the networks cannot work on.
///
/// # Errors
///
/// A number out of its bounds.
pub(crate) fn check(tile: usize) -> Result<(), Error> {
    let fine = tile >= LEAST_TILE && tile.is_multiple_of(MULTIPLE);
    Bounds::default()
        .holds(fine, "`tile_cells`", tile as f64, "a multiple of 32, at least 224")
        .result()
}

/// Rows and columns of a scene, padded to multiples of 32.
pub(crate) fn padded(scene: &Scene) -> (usize, usize) {
    let (_, ny, nx) = scene.rain.dim();
    (ny.next_multiple_of(MULTIPLE), nx.next_multiple_of(MULTIPLE))
}

/// Features of a scene, its sides padded to multiples of 32, in tiles of at most `tile` x `tile` cells.
pub(crate) fn features(net: &RainNet, scene: &Scene, tile: usize) -> Features {
    let body = Body::of(net);
    let planes = planes(scene, tile, WIDTH, |part| body.features(part));
    Features::in_memory(planes, padded(scene))
}

/// What a network gives for a scene, `[channels, y, x]` with sides padded to multiples of 32, in tiles of at most `tile` x `tile` cells (a
/// multiple of 32 above 192), those side by side at once. A tile in which no frame saw rain is not asked about: it gives nought.
pub(crate) fn planes(scene: &Scene, tile: usize, channels: usize, net: impl Fn(&Scene) -> Vec<f32> + Sync) -> Vec<f32> {
    let (height, width) = padded(scene);
    if height <= tile && width <= tile {
        return net(scene);
    }
    let mut sum = vec![0.0f32; channels * height * width];
    let mut weights = vec![0.0f32; height * width];
    let columns = origins(width, tile);
    for y in origins(height, tile) {
        let h = tile.min(height - y);
        let parts: Vec<Option<Vec<f32>>> = columns
            .par_iter()
            .map(|x| {
                let part = cut(scene, (y, *x), (h, tile.min(width - x)));
                (!part.dry()).then(|| net(&part))
            })
            .collect();
        for (x, part) in columns.iter().zip(parts) {
            let (x, w) = (*x, tile.min(width - x));
            let (along_y, along_x) = (fading(y, h, height), fading(x, w, width));
            for (row, fade_y) in along_y.iter().enumerate() {
                let at = (y + row) * width + x;
                for (weight, fade_x) in weights[at..at + w].iter_mut().zip(&along_x) {
                    *weight += fade_y * fade_x;
                }
                let Some(part) = &part else { continue };
                for c in 0..channels {
                    let from = &part[(c * h + row) * w..][..w];
                    let to = &mut sum[c * height * width + at..][..w];
                    for ((to, from), fade_x) in to.iter_mut().zip(from).zip(&along_x) {
                        *to += fade_y * fade_x * from;
                    }
                }
            }
        }
    }
    for plane in sum.chunks_exact_mut(height * width) {
        for (value, weight) in plane.iter_mut().zip(&weights) {
            *value /= weight;
        }
    }
    sum
}

/// Where tiles begin: each overlaps the one before, the last ends where the map does.
fn origins(length: usize, tile: usize) -> Vec<usize> {
    if length <= tile {
        return vec![0];
    }
    let mut origins: Vec<usize> = (0..length - tile).step_by(tile - OVERLAP).collect();
    origins.push(length - tile);
    origins
}

/// Weight of each cell of a tile along one side: rising from next to nothing within the map, 1 along its edge.
fn fading(origin: usize, count: usize, length: usize) -> Vec<f32> {
    let rise = |inside: usize| ((inside as f32 + 0.5) / OVERLAP as f32).min(1.0);
    (0..count)
        .map(|k| {
            let west = if origin == 0 { 1.0 } else { rise(k) };
            let east = if origin + count == length { 1.0 } else { rise(count - 1 - k) };
            west * east
        })
        .collect()
}

/// A part of a scene; cells beyond it were not observed.
fn cut(scene: &Scene, origin: (usize, usize), sides: (usize, usize)) -> Scene {
    let part = |of| scene::part(of, origin, sides);
    Scene {
        rain: part(&scene.rain),
        valid: part(&scene.valid),
        motion: part(&scene.motion),
        step_min: scene.step_min,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use burn::tensor::Device;
    use ndarray::Array3;

    use super::*;
    use crate::nowcast_net::FRAMES;

    #[test]
    fn tiles_cover_the_map_and_their_weights_never_vanish() {
        for length in [256, 512, 544, 1760, 3520] {
            let mut weights = vec![0.0f32; length];
            for origin in origins(length, 512) {
                let count = 512.min(length - origin);
                for (k, weight) in fading(origin, count, length).into_iter().enumerate() {
                    weights[origin + k] += weight;
                }
            }
            assert!(weights.iter().all(|w| *w > 0.4), "{length}");
        }
    }

    #[test]
    fn no_seam_shows_where_tiles_meet() {
        // Smooth rain: neighbouring cells differ little, in one piece and in tiles alike.
        // Weights of a file: those that chance draws hang on what other tests draw at the same time.
        let (net, _) = crate::weights::shipped(&Device::flex()).unwrap().swap_remove(0);
        let rain = Array3::from_shape_fn((FRAMES, 320, 448), |(_, y, x)| {
            2.0 + (y as f32 / 40.0).sin() + (x as f32 / 50.0).cos()
        });
        let scene = Scene {
            valid: Array3::ones(rain.raw_dim()),
            motion: Array3::zeros((2, 320, 448)),
            rain,
            step_min: 5.0,
        };
        let steepest = |features: &Features| {
            let mut most = 0.0f32;
            for y in 10..300 {
                for (line, above) in features.row(0, y).iter().zip(features.row(0, y + 1)) {
                    for x in 10..430 {
                        // Over two cells: blocks of two share what the coarse path says.
                        most = most.max((line[x + 2] - line[x]).abs()).max((above[x] - line[x]).abs());
                    }
                }
            }
            most
        };
        let (whole, tiled) = (features(&net, &scene, 512), features(&net, &scene, 224));
        let (smooth, found) = (steepest(&whole), steepest(&tiled));
        assert!(
            found < 1.3 * smooth + 0.01,
            "steepest change {found} in tiles, {smooth} in one piece"
        );
    }

    #[test]
    fn a_tile_without_rain_is_not_asked_about() {
        // 224 + 160 + 160 columns; it rains in the first 100.
        let rain = Array3::from_shape_fn((FRAMES, 224, 544), |(_, _, x)| if x < 100 { 2.0 } else { 0.0 });
        let scene = Scene {
            valid: Array3::ones(rain.raw_dim()),
            motion: Array3::zeros((2, 224, 544)),
            rain,
            step_min: 5.0,
        };
        let asked = AtomicUsize::new(0);
        let found = planes(&scene, 224, 1, |part| {
            asked.fetch_add(1, Ordering::Relaxed);
            assert!(!part.dry());
            vec![1.0; 224 * 224]
        });
        assert_eq!(asked.into_inner(), 1);
        let row = &found[100 * 544..101 * 544];
        // 1 in the tile with rain, nought beyond it, and between them what fades.
        assert!(row[..160].iter().all(|v| *v == 1.0) && row[224..].iter().all(|v| *v == 0.0));
        assert!(row[160..224].windows(2).all(|pair| pair[1] < pair[0]));
    }
}
