//! Rows of parabolas, and what of them goes through faces: the arithmetic of the transport, blind to which way a row lies.
//!
//! Each loop writes to slices that are its own arguments, which is how the compiler knows that nothing else changes them and takes four cells
//! at a time.

use std::ops::Range;

/// Whether a row holds nothing: what holds nothing need not be carried.
#[inline(always)]
pub(crate) fn is_nought(row: &[f64]) -> bool {
    row.chunks(64).all(|part| part.iter().fold(true, |all, q| all & (*q == 0.0)))
}

/// Values between the second and third of four neighbours.
#[inline(always)]
pub(crate) fn edges(a: &[f64], b: &[f64], c: &[f64], d: &[f64], out: &mut [f64]) {
    let n = out.len();
    let (a, b, c, d) = (&a[..n], &b[..n], &c[..n], &d[..n]);
    for k in 0..n {
        out[k] = between(a[k], b[k], c[k], d[k]);
    }
}

/// Parabolas along a row: `left` and `right` are of the cells from `first` on, whose neighbours on both sides `q` holds.
#[inline(always)]
pub(crate) fn parabolas_along(q: &[f64], first: usize, left: &mut [f64], right: &mut [f64]) {
    let n = left.len();
    let right = &mut right[..n];
    let [a, b, c, d] = [0, 1, 2, 3].map(|k| &q[first + k - 1..][..n]);
    let mut low = between(q[first - 2], q[first - 1], q[first], q[first + 1]);
    for k in 0..n {
        let high = between(a[k], b[k], c[k], d[k]);
        (left[k], right[k]) = limited(low, b[k], high);
        low = high;
    }
}

/// Parabolas across rows of the second of four, from the values on its `low` edges; those on its `high` edges are given, too.
#[inline(always)]
pub(crate) fn parabolas_across([a, b, c, d]: [&[f64]; 4], low: &[f64], high: &mut [f64], left: &mut [f64], right: &mut [f64]) {
    let n = left.len();
    let (a, b, c, d, low) = (&a[..n], &b[..n], &c[..n], &d[..n], &low[..n]);
    let (high, right) = (&mut high[..n], &mut right[..n]);
    for k in 0..n {
        let edge = between(a[k], b[k], c[k], d[k]);
        high[k] = edge;
        (left[k], right[k]) = limited(low[k], b[k], edge);
    }
}

/// A row of parabolas: left edges, means, right edges.
#[derive(Clone, Copy)]
pub(crate) struct Parabolas<'a> {
    left: &'a [f64],
    mean: &'a [f64],
    right: &'a [f64],
}

impl<'a> Parabolas<'a> {
    /// Those of the cells `range` of whole rows.
    #[inline(always)]
    pub(crate) fn of(left: &'a [f64], mean: &'a [f64], right: &'a [f64], range: Range<usize>) -> Self {
        Self {
            left: &left[range.clone()],
            mean: &mean[range.clone()],
            right: &right[range],
        }
    }

    #[inline(always)]
    fn cut(self, n: usize) -> Self {
        Self {
            left: &self.left[..n],
            mean: &self.mean[..n],
            right: &self.right[..n],
        }
    }

    #[inline(always)]
    fn at(&self, k: usize) -> (f64, f64, f64) {
        (self.left[k], self.mean[k], self.right[k])
    }
}

/// Cells that give and take: their air before, one over that afterwards, and one over their area.
#[derive(Clone, Copy)]
pub(crate) struct Cells<'a> {
    pub before: &'a [f64],
    pub per_depth: &'a [f64],
    pub per_area: f64,
}

/// Amounts that go through faces.
#[inline(always)]
pub(crate) fn through(fluxes: &[f64], share: &[f64], behind: Parabolas<'_>, ahead: Parabolas<'_>, out: &mut [f64]) {
    let n = out.len();
    let (fluxes, share) = (&fluxes[..n], &share[..n]);
    let (behind, ahead) = (behind.cut(n), ahead.cut(n));
    for k in 0..n {
        out[k] = amount(fluxes[k], share[k], behind.at(k), ahead.at(k));
    }
}

/// Mixing ratios `q` afterwards, by the amounts through low and high faces.
#[inline(always)]
pub(crate) fn update(cells: Cells<'_>, q: &[f64], (low, high): (&[f64], &[f64]), out: &mut [f64]) {
    let n = out.len();
    let (q, low, high) = (&q[..n], &low[..n], &high[..n]);
    let (before, per_depth) = (&cells.before[..n], &cells.per_depth[..n]);
    for k in 0..n {
        out[k] = (low[k] - high[k]).mul_add(cells.per_area, before[k] * q[k]) * per_depth[k];
    }
}

/// Both at once for rows one after the other: what goes through the high faces of the cells `behind`, and what becomes of these.
#[inline(always)]
pub(crate) fn across(
    (fluxes, share): (&[f64], &[f64]),
    [behind, ahead]: [Parabolas<'_>; 2],
    cells: Cells<'_>,
    low: &[f64],
    high: &mut [f64],
    out: &mut [f64],
) {
    let n = out.len();
    let (fluxes, share, low, high) = (&fluxes[..n], &share[..n], &low[..n], &mut high[..n]);
    let (behind, ahead) = (behind.cut(n), ahead.cut(n));
    let (before, per_depth) = (&cells.before[..n], &cells.per_depth[..n]);
    for k in 0..n {
        let amount = amount(fluxes[k], share[k], behind.at(k), ahead.at(k));
        high[k] = amount;
        out[k] = (low[k] - amount).mul_add(cells.per_area, before[k] * behind.mean[k]) * per_depth[k];
    }
}

/// All of it along a row whose first cell is at `first` of mixing ratios `q`, which hold three cells more on both sides; `fluxes` and `share`
/// begin at its low face. Returns what goes through the first face and the last.
#[inline(always)]
pub(crate) fn along((fluxes, share): (&[f64], &[f64]), q: &[f64], first: usize, cells: Cells<'_>, out: &mut [f64]) -> [f64; 2] {
    let n = out.len();
    // Of the cell after each face: its neighbours and itself.
    let edge = |k: usize| between(q[k - 1], q[k], q[k + 1], q[k + 2]);
    let parabola = |k: usize, low: f64, high: f64| {
        let (left, right) = limited(low, q[k], high);
        (left, q[k], right)
    };
    let (outer, mut low_edge) = (edge(first - 1), edge(first));
    let mut behind = parabola(first, outer, low_edge);
    let start = amount(fluxes[0], share[0], parabola(first - 1, edge(first - 2), outer), behind);
    let mut low = start;
    let [a, b, c, d] = [0, 1, 2, 3].map(|k| &q[first + k..][..n]);
    let (fluxes, share) = (&fluxes[1..][..n], &share[1..][..n]);
    let (before, per_depth) = (&cells.before[..n], &cells.per_depth[..n]);
    for k in 0..n {
        let high_edge = between(a[k], b[k], c[k], d[k]);
        let (left, right) = limited(low_edge, b[k], high_edge);
        let ahead = (left, b[k], right);
        let high = amount(fluxes[k], share[k], behind, ahead);
        out[k] = (low - high).mul_add(cells.per_area, before[k] * a[k]) * per_depth[k];
        (low, low_edge, behind) = (high, high_edge, ahead);
    }
    [start, low]
}

/// Shares of the air upstream that go through faces between cells of depths `low` and `high`.
#[inline(always)]
pub(crate) fn shares(fluxes: &[f64], (low, high): (&[f64], &[f64]), (per_low, per_high): (f64, f64), out: &mut [f64]) {
    let n = out.len();
    let (fluxes, low, high) = (&fluxes[..n], &low[..n], &high[..n]);
    for k in 0..n {
        let forward = fluxes[k] > 0.0;
        let upstream = if forward { low[k] } else { high[k] };
        let per_area = if forward { per_low } else { per_high };
        out[k] = fluxes[k].abs() * per_area / upstream;
    }
}

/// Depths afterwards, and one over them.
#[inline(always)]
pub(crate) fn depths(per_area: f64, before: &[f64], (low, high): (&[f64], &[f64]), after: &mut [f64], per_depth: &mut [f64]) {
    let n = after.len();
    let (before, low, high, per_depth) = (&before[..n], &low[..n], &high[..n], &mut per_depth[..n]);
    for k in 0..n {
        let depth = (low[k] - high[k]).mul_add(per_area, before[k]);
        after[k] = depth;
        per_depth[k] = 1.0 / depth;
    }
}

/// What goes through a face: its air, with the mean mixing ratio of the part of the upstream parabola (left, mean, right) that holds as much
/// air, a `share` of its cell's.
#[inline(always)]
fn amount(flux: f64, share: f64, behind: (f64, f64, f64), ahead: (f64, f64, f64)) -> f64 {
    let forward = flux > 0.0;
    let near = if forward { behind.2 } else { ahead.0 };
    let far = if forward { behind.0 } else { ahead.2 };
    let q = if forward { behind.1 } else { ahead.1 };
    // A third of their a₆ = 6 q - 3 (near + far), which of a constant is nought to the bit.
    let curve = (q - near) + (q - far);
    let lean = curve.mul_add(2.0f64.mul_add(share, -3.0), near - far);
    flux * (-0.5 * share).mul_add(lean, near)
}

/// Fourth-order value between the second and third of four means, kept between those two.
#[inline(always)]
pub(crate) fn between(a: f64, b: f64, c: f64, d: f64) -> f64 {
    let value = (7.0f64 / 12.0).mul_add(b + c, (-1.0 / 12.0) * (a + d));
    value.max(b.min(c)).min(b.max(c))
}

/// Edges of a parabola with mean `q` that has no extreme of its own inside the cell.
#[inline(always)]
pub(crate) fn limited(left: f64, q: f64, right: f64) -> (f64, f64) {
    let (jump, rise, fall) = (right - left, q - left, q - right);
    let lean = 3.0 * jump * (rise + fall);
    let square = jump * jump;
    let peak = rise * fall >= 0.0;
    let new_left = if lean > square { 2.0f64.mul_add(fall, q) } else { left };
    let new_right = if -square > lean { 2.0f64.mul_add(rise, q) } else { right };
    if peak { (q, q) } else { (new_left, new_right) }
}
