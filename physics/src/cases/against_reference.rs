//! How far a run ends from an independent spectral model, beside how far another published model ended at as many points.

use crate::{
    Error,
    cases::{Bar, Bound, Experiment, Norms, flowing::Flowing, harmonics::Harmonics, williamson::DAY},
    plane::Shape,
};

/// Errors of the icosahedral model GME by its number of points.
///
/// # Source
///
/// Majewski, D. et al., 2002: The operational global icosahedral-hexagonal gridpoint model GME: description and high-resolution tests.
/// Mon. Wea. Rev., 130, 319-338, doi:10.1175/1520-0493(2002)130<0319:TOGIHG>2.0.CO;2.
pub(crate) struct Anchors([(usize, f64); 4]);

impl Anchors {
    pub(crate) const WILLIAMSON_5: Self = Self([(10_242, 1.37e-3), (40_962, 7.21e-4), (92_162, 6.75e-4), (368_642, 6.67e-4)]);
    pub(crate) const WILLIAMSON_6: Self = Self([(10_242, 9.01e-3), (40_962, 2.89e-3), (92_162, 1.79e-3), (368_642, 9.69e-4)]);
}

/// The answer and what another model made of it.
pub(crate) struct Reference {
    /// Harmonics of the height of the surface.
    pub(crate) bytes: &'static [u8],
    pub(crate) anchors: Anchors,
}

/// Rows and columns of the coarsest grid: all but two of GME's points, as on the finer ones, whose rows and columns are 2, 3 and 6 times as
/// many. Cells are square at 37° of latitude, where the flow of both tests is strongest, and not at the equator.
const COARSEST: Shape = Shape { ny: 80, nx: 128 };

impl Reference {
    /// l2 of the height `seconds` after `start`, on grids of two points fewer than the anchors have.
    pub(crate) fn bars(&self, start: impl Fn(Shape) -> Result<Flowing, Error>, seconds: f64) -> Result<Vec<Bar>, Error> {
        let harmonics = Harmonics::from_bytes(self.bytes);
        let bar = |(times, (points, anchor)): (usize, (usize, f64))| {
            let shape = Shape {
                ny: times * COARSEST.ny,
                nx: times * COARSEST.nx,
            };
            let mut run = start(shape)?;
            run.advance(seconds)?;
            let right = harmonics.on(run.metric());
            Ok(Bar {
                what: format!(
                    "l2(h) after {} days at {} x {} points (GME has {points})",
                    seconds / DAY,
                    shape.ny,
                    shape.nx
                ),
                measured: Norms::of(run.metric(), &run.surface(), &right).l2,
                bound: Bound::AtMost(anchor),
                remark: "",
            })
        };
        [1, 2, 3, 6].into_iter().zip(self.anchors.0).map(bar).collect()
    }
}
