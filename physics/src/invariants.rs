//! What the core must keep: mass, water, energy and potential enstrophy, and what went in and out.

use crate::{
    metric::Metric,
    plane::{Plane, Shape, sum_over_cells},
    shallow_water::Flow,
};

/// Volume of the layer, m³ (its mass for a unit density): Σ h dA.
pub fn mass(metric: &Metric, depth: &Plane) -> f64 {
    sum_over_cells(metric.shape(), |j, i| depth.row(j)[i] * metric.area_m2(j, i))
}

/// Amount of a tracer in the layer, m³: Σ h q dA.
pub fn amount(metric: &Metric, depth: &Plane, mixing_ratio: &Plane) -> f64 {
    sum_over_cells(metric.shape(), |j, i| {
        depth.row(j)[i] * mixing_ratio.row(j)[i] * metric.area_m2(j, i)
    })
}

/// Energy for a unit density, m⁵ s⁻²: Σ [h K + g h (h/2 + hs)] dA, as the scheme keeps it. Rims must be filled.
pub fn energy(metric: &Metric, orography: &Plane, gravity: f64, flow: &Flow) -> f64 {
    sum_over_cells(metric.shape(), |j, i| {
        let (j_, i_) = (j as isize, i as isize);
        let (h, hs) = (flow.h.at(j_, i_), orography.at(j_, i_));
        let square = |plane: &Plane, j: isize, i: isize| plane.at(j, i).powi(2);
        let kinetic =
            0.25 * (square(&flow.u, j_, i_) + square(&flow.u, j_, i_ + 1) + square(&flow.v, j_, i_) + square(&flow.v, j_ + 1, i_));
        metric.area_m2(j, i) * h * (kinetic + gravity * (0.5 * h + hs))
    })
}

/// Potential enstrophy for a unit density, m s⁻²: Σ (ζ + f)² / 2h dA over the south-west corners, and around the globe
/// those of both poles. Rims must be filled.
pub fn potential_enstrophy(metric: &Metric, flow: &Flow) -> f64 {
    let Shape { ny, nx } = metric.shape();
    let rows = if metric.sphere().is_some() { ny + 1 } else { ny };
    sum_over_cells(Shape { ny: rows, nx }, |j, i| {
        let (j, i) = (j as isize, i as isize);
        let (circulation, area) = metric.circulation(j, i, &flow.u, &flow.v);
        let absolute = circulation + metric.coriolis().at(j, i) * area;
        0.5 * absolute * absolute / metric.volume(j, i, &flow.h)
    })
}

/// What has entered (positive) or left (negative) the domain since the start, m³.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Exchange {
    /// Air through the edges.
    pub mass_through_edges: f64,
    /// Air that the relaxation towards the outer state added.
    pub mass_by_relaxation: f64,
    /// Depth gained where water evaporated less depth lost where it condensed.
    pub mass_by_phase_changes: f64,
    /// Vapour, cloud and rain through the edges.
    pub water_through_edges: f64,
    /// Vapour, cloud and rain that the relaxation added.
    pub water_by_relaxation: f64,
    /// Rain that fell out (negative).
    pub rain_fallen: f64,
}
