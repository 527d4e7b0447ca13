//! Who tells whom: edges between the grid and the mesh and within the mesh, with what the network knows of each.
//!
//! Edges are ordered by receiver, so that what a node is told lies together; those that carry the grid into the mesh by sender, since there the
//! grid is gone over once.
//!
//! # Source
//!
//! Lam et al. (2023), supplement 3.3; positions and rounding as in its program (`grid_mesh_connectivity.py`, `model_utils.py`).

use nowblend_field::Globe;
use rayon::prelude::*;

use super::{
    mesh::Mesh,
    triangles,
    trigonometry::{cos, radians, sin},
};

/// Where a node lies, as the network sees it.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Angle eastwards from Greenwich, rad.
    phi: f32,
    /// Angle from the north pole, rad.
    theta: f32,
}

/// What the network knows of a node: sine of latitude, cosine and sine of longitude.
pub const OF_NODE: usize = 3;
/// What it knows of an edge: its length, and where the sender lies from the receiver, towards the zenith, the east and the north of the receiver;
/// in lengths of the longest edge.
pub const OF_EDGE: usize = 4;

/// Directed edges.
#[derive(Debug)]
pub struct Edges {
    /// Sending node of each edge.
    pub senders: Vec<u32>,
    /// Receiving node of each edge.
    pub receivers: Vec<u32>,
    /// What the network knows of each edge.
    pub features: Vec<[f32; OF_EDGE]>,
}

impl Place {
    /// A place from latitude and longitude, degrees.
    pub fn new(latitude: f32, longitude: f32) -> Self {
        Self {
            phi: radians(longitude),
            theta: radians(90.0 - latitude),
        }
    }

    /// What the network knows of a node here.
    pub fn features(self) -> [f32; OF_NODE] {
        [cos(self.theta), cos(self.phi), sin(self.phi)]
    }

    /// On the unit sphere.
    fn position(self) -> [f32; 3] {
        let across = sin(self.theta);
        [cos(self.phi) * across, sin(self.phi) * across, cos(self.theta)]
    }
}

/// Places of the points of a grid, row by row.
pub fn places(globe: &Globe) -> Vec<Place> {
    let row = |latitude: &f64| {
        let latitude = *latitude as f32;
        globe
            .longitudes()
            .iter()
            .map(move |longitude| Place::new(latitude, *longitude as f32))
    };
    globe.latitudes().iter().flat_map(row).collect()
}

/// Places of the corners of a mesh.
pub fn mesh_places(mesh: &Mesh) -> Vec<Place> {
    mesh.places()
        .into_iter()
        .map(|(latitude, longitude)| Place::new(latitude, longitude))
        .collect()
}

/// From each grid point to all corners of the finest mesh within `share` of its longest edge; ordered by grid point.
pub fn grid_to_mesh(globe: &Globe, mesh: &Mesh, share: f32) -> Edges {
    let radius = f64::from(mesh.longest_edge() * share);
    // Seen from the middle of the Earth, with a little to spare.
    let angle = (2.0 * (radius / 2.0).min(1.0).asin()).to_degrees() + 0.01;
    let rows: Vec<usize> = (0..globe.shape().0).collect();
    let grid = places(globe);
    let corners: Vec<([f64; 3], f64)> = mesh
        .corners
        .iter()
        .zip(mesh.places())
        .map(|(corner, (latitude, _))| (corner.map(f64::from), f64::from(latitude)))
        .collect();
    let columns = globe.shape().1;
    let pairs: Vec<(u32, u32)> = rows
        .par_iter()
        .flat_map_iter(|row| {
            let latitude = globe.latitudes()[*row];
            let near: Vec<(u32, [f64; 3])> = (0u32..)
                .zip(&corners)
                .filter(|(_, (_, of))| (of - latitude).abs() <= angle)
                .map(|(corner, (position, _))| (corner, *position))
                .collect();
            let points = row * columns..(row + 1) * columns;
            let found: Vec<(u32, u32)> = points
                .flat_map(|point| {
                    let position = grid[point].position().map(f64::from);
                    let within = move |corner: [f64; 3]| {
                        let [x, y, z] = [0, 1, 2].map(|k| corner[k] - position[k]);
                        x * x + y * y + z * z <= radius * radius
                    };
                    near.iter().filter(move |(_, c)| within(*c)).map(move |(c, _)| (point as u32, *c))
                })
                .collect();
            found
        })
        .collect();
    Edges::new(pairs, &grid, &mesh_places(mesh), None)
}

/// Between corners of meshes of all levels, both ways; ordered by receiver.
pub fn within_mesh(meshes: &[Mesh]) -> Edges {
    let mut pairs: Vec<(u32, u32)> = meshes.iter().flat_map(Mesh::edges).collect();
    pairs.sort_by_key(|(_, receiver)| *receiver);
    let places = meshes.last().map(mesh_places).unwrap_or_default();
    Edges::new(pairs, &places, &places, None)
}

/// From the three corners of the nearest face to each grid point; ordered by grid point. Lengths are shares of `longest` where it is given.
pub fn mesh_to_grid(globe: &Globe, mesh: &Mesh, longest: Option<f64>) -> Edges {
    let grid = places(globe);
    let points: Vec<[f32; 3]> = grid.iter().map(|place| place.position()).collect();
    let pairs = (0u32..)
        .zip(triangles::nearest(mesh, &points))
        .flat_map(|(point, face)| mesh.faces[face as usize].map(|corner| (corner, point)))
        .collect();
    Edges::new(pairs, &mesh_places(mesh), &grid, longest)
}

impl Edges {
    /// Edges from (sender, receiver) between nodes at the given places.
    fn new(pairs: Vec<(u32, u32)>, senders: &[Place], receivers: &[Place], longest: Option<f64>) -> Self {
        let frames: Vec<Frame> = receivers.par_iter().map(|place| Frame::new(*place)).collect();
        let positions: Vec<[f64; 3]> = senders.par_iter().map(|place| place.position().map(f64::from)).collect();
        let apart: Vec<[f64; OF_EDGE]> = pairs
            .par_iter()
            .map(|(sender, receiver)| {
                let frame = &frames[*receiver as usize];
                let seen = frame.turn(positions[*sender as usize]);
                let [x, y, z] = [0, 1, 2].map(|k| seen[k] - frame.own[k]);
                [(x * x + y * y + z * z).sqrt(), x, y, z]
            })
            .collect();
        let longest = longest.unwrap_or_else(|| apart.iter().map(|a| a[0]).fold(0.0, f64::max));
        Self {
            senders: pairs.iter().map(|(sender, _)| *sender).collect(),
            receivers: pairs.iter().map(|(_, receiver)| *receiver).collect(),
            features: apart.iter().map(|a| a.map(|c| (c / longest) as f32)).collect(),
        }
    }

    /// Number of edges.
    pub fn len(&self) -> usize {
        self.senders.len()
    }
}

/// The globe turned so that a receiver lies where the equator meets the meridian of Greenwich.
struct Frame {
    turn: [[f64; 3]; 3],
    own: [f64; 3],
}

impl Frame {
    fn new(place: Place) -> Self {
        let (sin_a, cos_a) = f64::from(-place.phi).sin_cos();
        let (sin_b, cos_b) = f64::from(std::f32::consts::FRAC_PI_2 - place.theta).sin_cos();
        // About the axis of the Earth, then about the line through the equator at 90° east.
        let turn = [
            [cos_b * cos_a, -cos_b * sin_a, sin_b],
            [sin_a, cos_a, 0.0],
            [-sin_b * cos_a, sin_b * sin_a, cos_b],
        ];
        let mut frame = Self { turn, own: [0.0; 3] };
        frame.own = frame.turn(place.position().map(f64::from));
        frame
    }

    fn turn(&self, position: [f64; 3]) -> [f64; 3] {
        self.turn
            .map(|row| row[0] * position[0] + row[1] * position[1] + row[2] * position[2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::mesh::hierarchy;

    /// A grid from pole to pole, or between half rows from them.
    fn globe(rows: usize, columns: usize, poles: bool) -> Globe {
        let step = 180.0 / if poles { rows as f64 - 1.0 } else { rows as f64 };
        let first = if poles { -90.0 } else { -90.0 + step / 2.0 };
        let latitudes = (0..rows).map(|k| first + step * k as f64).collect();
        let longitudes = (0..columns).map(|k| 360.0 * k as f64 / columns as f64).collect();
        Globe::new(latitudes, longitudes).unwrap()
    }

    #[test]
    fn graphs_between_grid_and_mesh_have_the_published_numbers_of_edges() {
        // M3 on 64 x 32 and M5 on 1 degree; rounding at the radius may move some.
        for (globe, level, radius, triangles) in [(globe(32, 64, false), 3, 3148, 6144), (globe(181, 360, true), 5, 101_892, 195_480)] {
            let mesh = &hierarchy(level)[level];
            let found = grid_to_mesh(&globe, mesh, 0.6).len();
            assert!(found.abs_diff(radius) <= 100, "M{level}: {found} edges, expected {radius}");
            assert_eq!(mesh_to_grid(&globe, mesh, None).len(), triangles, "M{level}");
        }
    }

    #[test]
    #[ignore = "takes some seconds: the quarter degree grid"]
    fn the_full_grid_has_the_published_numbers_of_edges() {
        let (globe, mesh) = (globe(721, 1440, true), &hierarchy(6)[6]);
        let found = grid_to_mesh(&globe, mesh, 0.6).len();
        assert!(found.abs_diff(1_618_818) <= 100, "{found}");
        assert_eq!(mesh_to_grid(&globe, mesh, None).len(), 3_114_720);
    }

    #[test]
    fn a_sender_to_the_east_and_one_to_the_north_are_seen_there() {
        // From 60° N 30° E: first a degree east on the great circle's tangent, then a degree north.
        let receiver = [Place::new(60.0, 30.0)];
        let senders = [Place::new(60.0, 32.0), Place::new(61.0, 30.0)];
        let edges = Edges::new(vec![(0, 0), (1, 0)], &senders, &receiver, Some(1.0));
        let [east, north] = [edges.features[0], edges.features[1]];
        // 2 cos 60° = 1° of arc, 0.01745 rad; a chord is a little shorter.
        assert!((east[2] - 0.01745).abs() < 1e-4 && east[3].abs() < 3e-4, "{east:?}");
        assert!((north[3] - 0.01745).abs() < 1e-4 && north[2].abs() < 1e-6, "{north:?}");
        assert!(north[1] < 0.0 && (north[0] - 0.01745).abs() < 1e-4, "below the horizon: {north:?}");
    }

    #[test]
    fn edges_are_ordered_by_the_node_whose_messages_lie_together() {
        let (globe, meshes) = (globe(9, 18, true), hierarchy(2));
        assert!(grid_to_mesh(&globe, &meshes[2], 0.6).senders.is_sorted());
        assert!(within_mesh(&meshes).receivers.is_sorted());
        assert!(mesh_to_grid(&globe, &meshes[2], None).receivers.is_sorted());
    }
}
