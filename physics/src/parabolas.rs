//! Rows of parabolas, and what of them goes through faces: the arithmetic of the transport, blind to which way a row lies.
//!
//! Each loop writes to slices that are its own arguments, which is how the compiler knows that nothing else changes them and takes four cells
//! at a time.

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

/// Parabolas of cells with these values on their edges.
#[inline(always)]
pub(crate) fn parabolas(low: &[f64], q: &[f64], high: &[f64], left: &mut [f64], right: &mut [f64]) {
    let n = left.len();
    let (low, q, high, right) = (&low[..n], &q[..n], &high[..n], &mut right[..n]);
    for k in 0..n {
        (left[k], right[k]) = limited(low[k], q[k], high[k]);
    }
}

/// A row of parabolas: left edges, means, right edges.
pub(crate) type Row<'a> = (&'a [f64], &'a [f64], &'a [f64]);

/// Amounts that go through faces.
#[inline(always)]
pub(crate) fn through(fluxes: &[f64], share: &[f64], behind: Row<'_>, ahead: Row<'_>, out: &mut [f64]) {
    let n = out.len();
    let (fluxes, share) = (&fluxes[..n], &share[..n]);
    let (left0, q0, right0) = (&behind.0[..n], &behind.1[..n], &behind.2[..n]);
    let (left1, q1, right1) = (&ahead.0[..n], &ahead.1[..n], &ahead.2[..n]);
    for k in 0..n {
        out[k] = fluxes[k] * on_face(fluxes[k], share[k], (left0[k], q0[k], right0[k]), (left1[k], q1[k], right1[k]));
    }
}

/// Mixing ratios afterwards.
#[inline(always)]
pub(crate) fn update(per_area: f64, before: &[f64], q: &[f64], (low, high): (&[f64], &[f64]), per_depth: &[f64], out: &mut [f64]) {
    let n = out.len();
    let (before, q, low, high, per_depth) = (&before[..n], &q[..n], &low[..n], &high[..n], &per_depth[..n]);
    for k in 0..n {
        out[k] = (before[k] * q[k] - (high[k] - low[k]) * per_area) * per_depth[k];
    }
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
        let depth = before[k] - (high[k] - low[k]) * per_area;
        after[k] = depth;
        per_depth[k] = 1.0 / depth;
    }
}

/// Mean mixing ratio of the air that crosses a face: the part of the upstream parabola (left, mean, right) that holds as much air, a `share`
/// of its cell's.
#[inline(always)]
fn on_face(flux: f64, share: f64, behind: (f64, f64, f64), ahead: (f64, f64, f64)) -> f64 {
    let forward = flux > 0.0;
    let near = if forward { behind.2 } else { ahead.0 };
    let far = if forward { behind.0 } else { ahead.2 };
    let q = if forward { behind.1 } else { ahead.1 };
    let curve = 6.0 * q - 3.0 * (near + far);
    near - 0.5 * share * (near - far - curve * (1.0 - share * (2.0 / 3.0)))
}

/// Fourth-order value between the second and third of four means, kept between those two.
#[inline(always)]
pub(crate) fn between(a: f64, b: f64, c: f64, d: f64) -> f64 {
    let value = (7.0 / 12.0) * (b + c) - (1.0 / 12.0) * (a + d);
    value.max(b.min(c)).min(b.max(c))
}

/// Edges of a parabola with mean `q` that has no extreme of its own inside the cell.
#[inline(always)]
pub(crate) fn limited(left: f64, q: f64, right: f64) -> (f64, f64) {
    let jump = right - left;
    let lean = jump * (6.0 * q - 3.0 * (left + right));
    let square = jump * jump;
    let peak = (right - q) * (q - left) <= 0.0;
    let new_left = if lean > square { 3.0 * q - 2.0 * right } else { left };
    let new_right = if -square > lean { 3.0 * q - 2.0 * left } else { right };
    if peak { (q, q) } else { (new_left, new_right) }
}
