//! Which triangle of the mesh each grid point hears from: the one whose plane surface is nearest.
//!
//! Points that lie above an edge are as near to one triangle as to the next, and there are many of them: the mesh is symmetric about the
//! meridian of Greenwich. The choice is that of the published graphs: of the two nearest, the one whose outward normal points more towards the
//! point; if they tell no difference, the one that a bitonic sort of the distances leaves first, in the order of [`SpatialIndex`].
//!
//! # Source
//!
//! Ericson, C., 2005: Real-Time Collision Detection, 5.1.5 (nearest point of a triangle); choice between equals as in trimesh 5
//! (`proximity.py`) on the sort of NumPy 2 (x86-simd-sort).

use rayon::prelude::*;

use super::{
    mesh::Mesh,
    spatial_index::{Bounds, SpatialIndex},
};

/// Squared distances that differ by less, and are larger, are held against the normals.
const MERGE: f64 = 1e-8;
/// Signed areas and lengths below this are none.
const ZERO: f64 = 1e-12;

type Point = [f64; 3];

/// The face nearest to each point on the unit sphere.
pub fn nearest(mesh: &Mesh, points: &[[f32; 3]]) -> Vec<u32> {
    let corners: Vec<Point> = mesh.corners.iter().map(|c| c.map(f64::from)).collect();
    let triangles: Vec<Triangle> = mesh
        .faces
        .iter()
        .map(|face| Triangle::new(face.map(|corner| corners[corner as usize])))
        .collect();
    let boxes: Vec<Bounds> = triangles.iter().map(|t| Bounds::around(&t.corners)).collect();
    let index = SpatialIndex::new(&boxes);
    let from_the_south = FromTheSouth::new(corners);
    points
        .par_iter()
        .map_init(Vec::new, |near, point| {
            let point = point.map(f64::from);
            let reach = from_the_south.to_nearest(point) + MERGE;
            let bounds = Bounds {
                low: point.map(|c| c - reach),
                high: point.map(|c| c + reach),
            };
            index.near(&bounds, near);
            choose(&triangles, near, point)
        })
        .collect()
}

/// Corners ordered by their third coordinate, in which the nearest one is looked for up and down.
struct FromTheSouth(Vec<Point>);

impl FromTheSouth {
    fn new(mut corners: Vec<Point>) -> Self {
        corners.sort_by(|a, b| a[2].total_cmp(&b[2]));
        Self(corners)
    }

    /// Distance to the nearest corner.
    fn to_nearest(&self, point: Point) -> f64 {
        let middle = self.0.partition_point(|c| c[2] < point[2]);
        let mut best = f64::INFINITY;
        let mut look = |corner: &Point| {
            let up = corner[2] - point[2];
            if up * up > best {
                return false;
            }
            best = best.min(squared(minus(*corner, point)));
            true
        };
        for corner in &self.0[middle..] {
            if !look(corner) {
                break;
            }
        }
        for corner in self.0[..middle].iter().rev() {
            if !look(corner) {
                break;
            }
        }
        best.sqrt()
    }
}

#[derive(Debug)]
struct Triangle {
    corners: [Point; 3],
    normal: Point,
}

impl Triangle {
    fn new(corners: [Point; 3]) -> Self {
        let [a, b, c] = corners;
        let (u, v) = (minus(b, a), minus(c, b));
        let cross = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
        let length = squared(cross).sqrt();
        Self {
            corners,
            normal: cross.map(|c| c / length),
        }
    }

    /// The point of the triangle that is nearest to `point`.
    fn nearest_to(&self, point: Point) -> Point {
        let [a, b, c] = self.corners;
        let (ab, ac) = (minus(b, a), minus(c, a));
        let (ap, bp, cp) = (minus(point, a), minus(point, b), minus(point, c));
        let (d1, d2) = (dot(ab, ap), dot(ac, ap));
        if d1 < ZERO && d2 < ZERO {
            return a;
        }
        let (d3, d4) = (dot(ab, bp), dot(ac, bp));
        if d3 > -ZERO && d4 <= d3 {
            return b;
        }
        let vc = d1 * d4 - d3 * d2;
        if vc < ZERO && d1 > -ZERO && d3 < ZERO {
            return along(a, ab, d1 / (d1 - d3));
        }
        let (d5, d6) = (dot(ab, cp), dot(ac, cp));
        if d6 > -ZERO && d5 <= d6 {
            return c;
        }
        let vb = d5 * d2 - d1 * d6;
        if vb < ZERO && d2 > -ZERO && d6 < ZERO {
            return along(a, ac, d2 / (d2 - d6));
        }
        let va = d3 * d6 - d5 * d4;
        if va < ZERO && d4 - d3 > -ZERO && d5 - d6 > -ZERO {
            let d43 = d4 - d3;
            return along(b, minus(c, b), d43 / (d43 + (d5 - d6)));
        }
        let share = 1.0 / (va + vb + vc);
        along(along(a, ab, vb * share), ac, vc * share)
    }
}

/// The nearest of some triangles; 0 where there is none.
fn choose(triangles: &[Triangle], near: &[u32], point: Point) -> u32 {
    let away: Vec<Point> = near
        .iter()
        .map(|t| minus(point, triangles[*t as usize].nearest_to(point)))
        .collect();
    let distances: Vec<f64> = away.iter().map(|a| squared(*a)).collect();
    let order = bitonic_order(&distances);
    let (Some(&first), second) = (order.first(), order.get(1)) else {
        return 0;
    };
    if let Some(&second) = second {
        let undecided = distances[second] - distances[first] < MERGE && distances[first] > MERGE;
        let facing = |k: usize| dot(triangles[near[k] as usize].normal, away[k].map(|c| c / distances[k].sqrt()));
        if undecided && facing(second) > facing(first) {
            return near[second];
        }
    }
    near[first]
}

/// Places of `values` from the smallest to the largest, as Batcher's network of a power of two leaves equal ones.
fn bitonic_order(values: &[f64]) -> Vec<usize> {
    let size = values.len().next_power_of_two().max(4);
    let mut sorted: Vec<(f64, usize)> = (0..size).map(|k| (values.get(k).copied().unwrap_or(f64::INFINITY), k)).collect();
    let mut exchange = |a: usize, b: usize| {
        if sorted[b].0 < sorted[a].0 {
            sorted.swap(a, b);
        }
    };
    let mut run = 2;
    while run <= size {
        for start in (0..size).step_by(run) {
            for k in 0..run / 2 {
                exchange(start + k, start + run - 1 - k);
            }
        }
        let mut half = run / 4;
        while half >= 1 {
            for start in (0..size).step_by(2 * half) {
                for k in start..start + half {
                    exchange(k, k + half);
                }
            }
            half /= 2;
        }
        run *= 2;
    }
    sorted.into_iter().map(|(_, k)| k).filter(|k| *k < values.len()).collect()
}

fn minus(a: Point, b: Point) -> Point {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

fn dot(a: Point, b: Point) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn squared(a: Point) -> f64 {
    dot(a, a)
}

fn along(from: Point, direction: Point, share: f64) -> Point {
    [0, 1, 2].map(|k| from[k] + direction[k] * share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::mesh::hierarchy;

    #[test]
    fn a_point_above_the_middle_of_a_face_hears_from_it() {
        let mesh = &hierarchy(3)[3];
        let middles: Vec<[f32; 3]> = mesh
            .faces
            .iter()
            .map(|face| {
                let sum: [f32; 3] = std::array::from_fn(|k| face.iter().map(|c| mesh.corners[*c as usize][k]).sum());
                let length = sum.iter().map(|c| c * c).sum::<f32>().sqrt();
                sum.map(|c| c / length)
            })
            .collect();
        let expected: Vec<u32> = (0..mesh.faces.len() as u32).collect();
        assert_eq!(nearest(mesh, &middles), expected);
    }

    #[test]
    fn equal_values_end_where_the_network_of_eight_leaves_them() {
        // numpy.argsort([1, 0, 1, 0, 0, 1, 0]) of NumPy 2.4.6.
        assert_eq!(bitonic_order(&[1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0]), [1, 3, 6, 4, 2, 0, 5]);
        assert_eq!(bitonic_order(&[3.0]), [0]);
        assert!(bitonic_order(&[]).is_empty());
    }
}
