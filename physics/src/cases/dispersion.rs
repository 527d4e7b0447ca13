//! Waves of gravity and rotation of each length, and how much the grid slows them.

use std::f64::consts::TAU;

use crate::{
    Error,
    boundary::Boundary,
    cases::{Bar, Bound, Case, Experiment, flat::Flat, flowing::Flowing},
    constants::GRAVITY,
    moist_layer::MoistLayer,
    plane::Shape,
};

/// Depth at rest, m, and size of the cells, m.
const DEPTH: f64 = 500.0;
const CELL: f64 = 1000.0;
/// Cells along a row.
const CELLS: usize = 16;
/// Cells in which a wave goes 1/f: the radius of deformation.
const RADIUS: f64 = 10.0;
/// Height of the waves, m: so little that they are linear to 1e-6.
const HEIGHT: f64 = 1e-3;

/// Poincaré waves on a grid that resolves the radius of deformation by ten cells.
pub(crate) struct Dispersion;

fn speed() -> f64 {
    (GRAVITY * DEPTH).sqrt()
}

fn rotation() -> f64 {
    speed() / (RADIUS * CELL)
}

/// A height that swings in waves of `cells` cells, at rest.
fn run(cells: usize) -> MoistLayer {
    let flat = Flat {
        shape: Shape { ny: 4, nx: CELLS },
        cell_m: CELL,
        rotation_s: rotation(),
        gravity: GRAVITY,
        boundary: Boundary::Periodic,
        damping: 0.0,
    };
    let wavenumber = TAU / (cells as f64 * CELL);
    flat.air(|_, x| DEPTH + HEIGHT * (wavenumber * x).sin(), |_, _| (0.0, 0.0))
}

/// Frequency over the exact one: ω² = f² + c² k².
fn slowed(cells: usize) -> Result<f64, Error> {
    let mut air = run(cells);
    let wavenumber = TAU / (cells as f64 * CELL);
    let exact = rotation().hypot(speed() * wavenumber);
    // The eastward wind has no steady part; it starts from nought, so it is nought again every half period.
    let wind = |air: &MoistLayer| -> f64 {
        let row = air.flow().u.row(1);
        (0..CELLS).map(|i| row[i] * (wavenumber * CELL * i as f64).cos()).sum()
    };
    let dt = 0.05 / exact;
    let (mut before, mut crossings) = (0.0, Vec::new());
    while crossings.len() < 6 {
        air.step(dt, 1)?;
        let now = wind(&air);
        if before * now < 0.0 {
            crossings.push(air.time_s() - dt * now / (now - before));
        }
        before = now;
    }
    // Five half periods.
    Ok(5.0 * 0.5 * TAU / (crossings[5] - crossings[0]) / exact)
}

impl Case for Dispersion {
    fn name(&self) -> &'static str {
        "dispersion"
    }

    fn about(&self) -> &'static str {
        "a standing wave of gravity and rotation, eight cells long"
    }

    fn source(&self) -> &'static str {
        "Arakawa, A. and V. R. Lamb, 1977: Computational design of the basic dynamical processes of the UCLA general circulation model. \
         Methods in Computational Physics, 17, 173-265, doi:10.1016/B978-0-12-460817-7.50009-4"
    }

    fn length_s(&self) -> f64 {
        TAU / rotation()
    }

    fn rows(&self) -> usize {
        4
    }

    /// Rows tell nothing here.
    fn start(&self, _: usize) -> Result<Box<dyn Experiment>, Error> {
        Ok(Box::new(Flowing::new(run(8), 0.3)))
    }

    fn bars(&self) -> Result<Vec<Bar>, Error> {
        let bars = [(2, 0.636), (4, 0.900), (8, 0.974), (16, 0.993)];
        bars.into_iter()
            .map(|(cells, expected)| {
                Ok(Bar {
                    what: format!("frequency over the exact one, waves of {cells} cells"),
                    measured: slowed(cells)?,
                    bound: Bound::Within(expected, 1e-3),
                    remark: "",
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wave_is_slowed_by_as_much_as_the_grid_must() {
        for bar in Dispersion.bars().unwrap() {
            assert!(bar.is_met(), "{bar:?}");
        }
    }
}
