//! How far a run ends from an independent spectral model, beside how far another published model ended at as many points.

use crate::{
    Error,
    cases::{Bar, Bound, Case, Norms, harmonics::Harmonics},
    plane::Plane,
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

/// Rows of the grids (twice as many columns): no more points than GME has on its first three.
const ROWS: [usize; 3] = [70, 142, 214];

impl Reference {
    /// l2 of the height at the end, on grids of no more points than the anchors have.
    pub(crate) fn bars(&self, case: &dyn Case) -> Result<Vec<Bar>, Error> {
        let harmonics = Harmonics::from_bytes(self.bytes);
        let days = case.length_s() / 86_400.0;
        ROWS.iter()
            .zip(self.anchors.0)
            .map(|(rows, (points, anchor))| {
                let mut run = case.start(*rows)?;
                run.advance(case.length_s())?;
                let right = harmonics.on(run.metric());
                let height = &run.fields()[0].values;
                let found = Plane::from_fn(run.metric().shape(), |j, i| {
                    height.get((j as usize, i as usize)).copied().unwrap_or(f64::NAN)
                });
                Ok(Bar {
                    what: format!("l2(h) after {days} days at {rows} x {} points (GME has {points})", 2 * rows),
                    measured: Norms::of(run.metric(), &found, &right).l2,
                    bound: Bound::AtMost(anchor),
                    remark: "",
                })
            })
            .collect()
    }
}
