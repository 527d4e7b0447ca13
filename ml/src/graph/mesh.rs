//! The network's own grid: triangles of nearly equal size all over the globe, coarse ones inside of finer ones.
//!
//! An icosahedron whose faces are split into four over and over, with new corners pushed out onto the unit sphere. Level k has
//! 10 · 4^k + 2 corners and 20 · 4^k faces; corners of a level are the first corners of the next.
//!
//! # Source
//!
//! Lam, R. et al., 2023: Learning skillful medium-range global weather forecasting. Science, 382, 1416-1421, doi:10.1126/science.adi2336,
//! supplement 3.3; orientation, order of corners and single precision as in its program (`icosahedral_mesh.py`), so that published weights meet
//! the graph they were trained on.

use std::collections::HashMap;

/// Finest level that is built: 655,362 corners.
pub const FINEST: usize = 8;

/// A closed surface of triangles.
#[derive(Debug, Clone)]
pub struct Mesh {
    /// Corners on the unit sphere.
    pub corners: Vec<[f32; 3]>,
    /// Corners of each face, counter-clockwise from outside.
    pub faces: Vec<[u32; 3]>,
}

/// Faces of the icosahedron, counter-clockwise from outside.
const FACES: [[u32; 3]; 20] = [
    [0, 1, 2],
    [0, 6, 1],
    [8, 0, 2],
    [8, 4, 0],
    [3, 8, 2],
    [3, 2, 7],
    [7, 2, 1],
    [0, 4, 6],
    [4, 11, 6],
    [6, 11, 5],
    [1, 5, 7],
    [4, 10, 11],
    [4, 8, 10],
    [10, 8, 3],
    [10, 3, 9],
    [11, 10, 9],
    [11, 9, 5],
    [5, 9, 7],
    [9, 3, 7],
    [1, 6, 5],
];

/// Meshes of the levels 0 to `finest`.
pub fn hierarchy(finest: usize) -> Vec<Mesh> {
    let mut meshes = vec![icosahedron()];
    for level in 0..finest {
        let finer = meshes[level].split();
        meshes.push(finer);
    }
    meshes
}

/// An icosahedron with a face on top: the pole lies in the middle of a face, the equator on no edge.
fn icosahedron() -> Mesh {
    let golden = f64::midpoint(1.0, 5f64.sqrt());
    let length = 1f64.hypot(golden);
    // Half the angle by which neighbouring faces lean away from each other turns the topmost edge into a level face.
    let between = 2.0 * (golden / 3f64.sqrt()).asin();
    let (sin, cos) = ((std::f64::consts::PI - between) / 2.0).sin_cos();
    let mut corners = Vec::with_capacity(12);
    for one in [1.0, -1.0] {
        for phi in [golden, -golden] {
            for [x, y, z] in [[one, phi, 0.0], [0.0, one, phi], [phi, 0.0, one]] {
                let [x, y, z] = [x, y, z].map(|c: f64| f64::from((f64::from(c as f32) / length) as f32));
                corners.push([(x * cos - z * sin) as f32, y as f32, (x * sin + z * cos) as f32]);
            }
        }
    }
    Mesh {
        corners,
        faces: FACES.to_vec(),
    }
}

impl Mesh {
    /// Each face in four, with the same orientation.
    fn split(&self) -> Self {
        let mut corners = self.corners.clone();
        corners.reserve(self.faces.len() * 3 / 2);
        let mut middles: HashMap<(u32, u32), u32> = HashMap::with_capacity(self.faces.len() * 3 / 2);
        let mut faces = Vec::with_capacity(4 * self.faces.len());
        for &[a, b, c] in &self.faces {
            let mut middle = |a: u32, b: u32| {
                *middles.entry((a.min(b), a.max(b))).or_insert_with(|| {
                    corners.push(halfway(corners[a as usize], corners[b as usize]));
                    corners.len() as u32 - 1
                })
            };
            let (ab, bc, ca) = (middle(a, b), middle(b, c), middle(c, a));
            faces.extend([[a, ab, ca], [ab, b, bc], [ca, bc, c], [ab, bc, ca]]);
        }
        Self { corners, faces }
    }

    /// Sender and receiver of every edge in both directions: each face gives three, and its neighbours give the way back.
    pub fn edges(&self) -> impl Iterator<Item = (u32, u32)> {
        self.faces.iter().flat_map(|&[a, b, c]| [(a, b), (b, c), (c, a)])
    }

    /// Length of the longest edge through the sphere; its radius is 1.
    pub fn longest_edge(&self) -> f32 {
        let length = |(a, b): (u32, u32)| {
            let (a, b) = (self.corners[a as usize], self.corners[b as usize]);
            let [x, y, z] = [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
            ((x * x + y * y) + z * z).sqrt()
        };
        self.edges().map(length).fold(0.0, f32::max)
    }

    /// Latitude and longitude of each corner, degrees, longitudes from 0 to 360.
    pub fn places(&self) -> Vec<(f32, f32)> {
        let place = |&[x, y, z]: &[f32; 3]| {
            let longitude = y.atan2(x).to_degrees().rem_euclid(360.0);
            (90.0 - z.clamp(-1.0, 1.0).acos().to_degrees(), longitude)
        };
        self.corners.iter().map(place).collect()
    }
}

/// The point between two corners, pushed out onto the sphere; rounded as the published program rounds.
fn halfway(a: [f32; 3], b: [f32; 3]) -> [f32; 3] {
    let middle: [f32; 3] = std::array::from_fn(|k| (a[k] + b[k]) / 2.0);
    let length = (middle.iter().map(|c| f64::from(c * c)).sum::<f64>() as f32).sqrt();
    middle.map(|c| c / length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meshes_have_the_published_numbers_of_corners_and_edges() {
        let corners = [12, 42, 162, 642, 2562, 10_242, 40_962];
        let merged = [60, 300, 1260, 5100, 20_460, 81_900, 327_660];
        let mut edges = 0;
        for (level, mesh) in hierarchy(6).iter().enumerate() {
            edges += mesh.edges().count();
            assert_eq!((mesh.corners.len(), edges), (corners[level], merged[level]), "M{level}");
        }
    }

    #[test]
    fn corners_lie_on_the_sphere_and_faces_look_outwards() {
        for mesh in hierarchy(3) {
            for corner in &mesh.corners {
                let length: f32 = corner.iter().map(|c| c * c).sum();
                assert!((length - 1.0).abs() < 1e-6);
            }
            for face in &mesh.faces {
                let [a, b, c] = face.map(|k| mesh.corners[k as usize]);
                let (u, v): ([f32; 3], [f32; 3]) = (std::array::from_fn(|k| b[k] - a[k]), std::array::from_fn(|k| c[k] - a[k]));
                let normal = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
                assert!((0..3).map(|k| normal[k] * a[k]).sum::<f32>() > 0.0);
            }
        }
    }

    #[test]
    fn every_edge_has_its_way_back() {
        let mesh = &hierarchy(2)[2];
        let edges: std::collections::HashSet<_> = mesh.edges().collect();
        assert!(edges.iter().all(|(a, b)| edges.contains(&(*b, *a))));
        assert_eq!(edges.len(), 3 * mesh.faces.len());
    }
}
