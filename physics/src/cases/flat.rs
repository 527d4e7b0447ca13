//! Starts of cases on a plane of equal cells.

use crate::{
    boundary::Boundary,
    metric::{Metric, Rotation},
    moist_layer::{Layer, MoistLayer},
    plane::{Plane, Shape},
    shallow_water::Flow,
};

/// A plane that carries no water and has level ground.
pub(crate) struct Flat {
    pub shape: Shape,
    /// Size of the square cells, m.
    pub cell_m: f64,
    /// Coriolis parameter, s⁻¹.
    pub rotation_s: f64,
    pub gravity: f64,
    pub boundary: Boundary,
    /// Share of the divergence between neighbouring cells that a step takes away.
    pub damping: f64,
}

impl Flat {
    /// Air whose depth, m, and wind (east, north), m s⁻¹, are given by northward and eastward distance, m, from the south-west corner.
    pub(crate) fn air(self, depth: impl Fn(f64, f64) -> f64, wind: impl Fn(f64, f64) -> (f64, f64)) -> MoistLayer {
        let Self { shape, cell_m, .. } = self;
        let field = |north: f64, east: f64, value: &dyn Fn(f64, f64) -> f64| {
            Plane::from_fn(shape, |j, i| value((j as f64 + north) * cell_m, (i as f64 + east) * cell_m))
        };
        let flow = Flow {
            h: field(0.5, 0.5, &depth),
            u: field(0.5, 0.0, &|y, x| wind(y, x).0),
            v: field(0.0, 0.5, &|y, x| wind(y, x).1),
        };
        let layer = Layer {
            metric: Metric::plane(shape, cell_m, cell_m, Rotation::Constant(self.rotation_s)),
            boundary: self.boundary,
            orography: Plane::constant(shape, 0.0),
            gravity: self.gravity,
            moisture: None,
            nudging: None,
            divergence_damping: self.damping,
        };
        MoistLayer::new(layer, flow, Vec::new())
    }
}
