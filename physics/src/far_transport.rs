//! Carries tracers along rows near a pole, where the cells are so narrow that the air crosses several of them in one step.

use crate::plane::RIM;

/// Share of a cell's air beyond which a row counts as far.
const NEAR: f64 = 0.9;

/// Whether more air goes through a face of the row than nearly all of the cell that it leaves; `area` of the cells in m², rims included.
pub(crate) fn is_far(area: f64, depth: &[f64], fluxes: &[f64]) -> bool {
    (RIM..=depth.len() - RIM).any(|k| {
        let upstream = if fluxes[k] > 0.0 { k - 1 } else { k };
        fluxes[k].abs() > NEAR * area * depth[upstream]
    })
}

/// A row of cells that closes on itself, each with a parabola of the mixing ratio; rims included.
///
/// What crosses a face is all that the whole cells upstream hold, and of the last one the part of its parabola that holds the rest of the
/// air. No face's air begins upstream of that of the face before, as long as each cell keeps some, so no new extremes arise.
///
/// # Source
///
/// Lin, S.-J. and R. B. Rood, 1996: Multidimensional flux-form semi-Lagrangian transport schemes. Mon. Wea. Rev., 124, 2046-2070,
/// doi:10.1175/1520-0493(1996)124<2046:MFFSLT>2.0.CO;2 (theirs counts cells by distance, this by air, so a constant stays one).
pub(crate) struct Row<'a> {
    /// Area of a cell, m².
    pub area: f64,
    /// Depth, m.
    pub depth: &'a [f64],
    /// Mean mixing ratio.
    pub q: &'a [f64],
    /// Mixing ratio at the west edge of each cell.
    pub left: &'a [f64],
    /// The same at the east edge.
    pub right: &'a [f64],
}

impl Row<'_> {
    /// Amount of the tracer, m³, in the `air`, m³, that goes eastward (negative: westward) through west face `k`.
    pub(crate) fn through(&self, k: usize, air: f64) -> f64 {
        let nx = self.q.len() - 2 * RIM;
        let inside = |cell: usize| RIM + (cell + nx - RIM) % nx;
        let mut cell = inside(if air > 0.0 { k + nx - 1 } else { k });
        let (mut rest, mut amount) = (air.abs(), 0.0);
        for _ in 0..nx {
            let holds = self.depth[cell] * self.area;
            if rest <= holds {
                break;
            }
            amount += holds * self.q[cell];
            rest -= holds;
            cell = inside(if air > 0.0 { cell + nx - 1 } else { cell + 1 });
        }
        let share = rest / (self.depth[cell] * self.area);
        let (near, far) = if air > 0.0 {
            (self.right[cell], self.left[cell])
        } else {
            (self.left[cell], self.right[cell])
        };
        let curve = 6.0 * self.q[cell] - 3.0 * (near + far);
        amount += rest * (near - 0.5 * share * (near - far - curve * (1.0 - share * (2.0 / 3.0))));
        if air > 0.0 { amount } else { -amount }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_and_a_half_cells_hold_what_stood_in_them() {
        // Eight cells of 2 m² and 3 m hold 6 m³ each. Eastward 15 m³ through the west face of cell 1: cells 0 and 7 whole, half of cell 6;
        // mixing ratios 1, 8 and 7 (flat): 6 x 1 + 6 x 8 + 3 x 7 = 75. Westward through the same face: cells 1, 2, half of 3: 6 x 2 + 6 x 3 + 3 x 4 = 42.
        let q: Vec<f64> = (0..8 + 2 * RIM).map(|k| ((k + 8 - RIM) % 8 + 1) as f64).collect();
        let depth = vec![3.0; q.len()];
        let row = Row {
            area: 2.0,
            depth: &depth,
            q: &q,
            left: &q,
            right: &q,
        };
        assert_eq!(row.through(RIM + 1, 15.0), 75.0);
        assert_eq!(row.through(RIM + 1, -15.0), -42.0);
        assert!(is_far(2.0, &depth, &[15.0; 14]) && !is_far(2.0, &depth, &[5.0; 14]));
    }
}
