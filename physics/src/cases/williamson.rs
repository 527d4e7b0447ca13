//! What the tests of Williamson et al. share: their planet, and how a flow given by formula is put on the grid.

use crate::{
    Error,
    boundary::Boundary,
    cases::{Bar, Bound, Case, Invariant, flowing::Flowing},
    metric::Metric,
    moist_layer::{Layer, MoistLayer},
    plane::{Plane, Shape},
    shallow_water::Flow,
    sphere::{Place, Sphere},
};

/// The paper.
pub(crate) const SOURCE: &str = "Williamson, D. L., J. B. Drake, J. J. Hack, R. Jakob and P. N. Swarztrauber, 1992: A standard test set for numerical approximations to the shallow water equations in spherical geometry. J. Comput. Phys., 102, 211-224, doi:10.1016/S0021-9991(05)80016-6";

/// Gravity of these tests, m s⁻².
pub(crate) const GRAVITY: f64 = 9.806_16;

/// A day, s.
pub(crate) const DAY: f64 = 86_400.0;

/// Width of the cells to whose pace the polar filter slows the waves, in heights of a cell: that at 60°.
pub(crate) const FILTER: f64 = 0.5;

/// Share of the narrowest felt cell that the fastest wave crosses in a step.
pub(crate) const COURANT: f64 = 0.7;

/// Their planet, turning about an axis `tilt` radians from the grid's.
pub(crate) const fn planet(tilt: f64) -> Sphere {
    Sphere {
        radius_m: 6.371_22e6,
        rotation_s: 7.292e-5,
        tilt,
    }
}

/// A flow by formula: depth [m], eastward and northward wind [m s⁻¹] and height of the ground [m] at a place.
pub(crate) struct Formula<H, W, G> {
    pub(crate) depth: H,
    pub(crate) wind: W,
    pub(crate) ground: G,
}

/// Cells of a globe of `rows` rows, twice as many columns.
pub(crate) fn globe(sphere: Sphere, rows: usize) -> Result<Metric, Error> {
    Metric::globe(twice_as_wide(rows), sphere, FILTER)
}

/// `rows` rows, twice as many columns: cells that are square at the equator.
pub(crate) const fn twice_as_wide(rows: usize) -> Shape {
    Shape { ny: rows, nx: 2 * rows }
}

impl<H, W, G> Formula<H, W, G>
where
    H: Fn(Place) -> f64,
    W: Fn(Place) -> (f64, f64),
    G: Fn(Place) -> f64,
{
    /// A dry layer that starts so.
    pub(crate) fn layer(&self, metric: Metric) -> MoistLayer {
        let (shape, sphere) = (metric.shape(), metric.sphere().unwrap_or(planet(0.0)));
        let mut orography = Plane::from_fn(shape, |j, i| (self.ground)(sphere.centre(shape, j, i)));
        Boundary::Globe.close_depth(&mut orography);
        let flow = Flow {
            h: Plane::from_fn(shape, |j, i| (self.depth)(sphere.centre(shape, j, i))),
            u: Plane::from_fn(shape, |j, i| (self.wind)(sphere.west_face(shape, j, i)).0),
            v: Plane::from_fn(shape, |j, i| (self.wind)(sphere.south_face(shape, j, i)).1),
        };
        let layer = Layer {
            metric,
            boundary: Boundary::Globe,
            orography,
            gravity: GRAVITY,
            moisture: None,
            nudging: None,
            divergence_damping: 0.0,
        };
        MoistLayer::new(layer, flow, Vec::new())
    }

    /// A run of it on cells around `sphere`.
    pub(crate) fn start(&self, sphere: Sphere, shape: Shape) -> Result<Flowing, Error> {
        Ok(Flowing::new(self.layer(Metric::globe(shape, sphere, FILTER)?), COURANT))
    }
}

/// How far mass, energy and potential enstrophy are from where they were at the end of a case.
pub(crate) fn drift(case: &dyn Case, rows: usize, energy: f64, enstrophy: f64) -> Result<Vec<Bar>, Error> {
    drift_over(case, rows, case.length_s(), energy, enstrophy)
}

/// The same after `seconds`.
pub(crate) fn drift_over(case: &dyn Case, rows: usize, seconds: f64, energy: f64, enstrophy: f64) -> Result<Vec<Bar>, Error> {
    let mut run = case.start(rows)?;
    let before = run.invariants();
    run.advance(seconds)?;
    let bars = before.iter().zip(run.invariants()).zip([1e-13, energy, enstrophy]);
    let bar = |((then, now), most): ((&Invariant, Invariant), f64)| Bar {
        what: format!("relative change of {} in {} days at {rows} rows", now.name, seconds / DAY),
        measured: (now.value / then.value - 1.0).abs(),
        bound: Bound::AtMost(most),
        remark: "",
    };
    Ok(bars.map(bar).collect())
}
