//! One stage of the equations, row by row northward, so that fluxes and vorticity are used while they are in the cache.

use std::ops::Range;

use crate::{
    metric::Metric,
    plane::{Plane, RIM, Shape},
    shallow_water::Flow,
    time_integration::Stage,
    widths::Widths,
};

/// What the equations are made of, and the stage that is taken.
#[derive(Clone, Copy)]
pub(crate) struct Equations<'a> {
    pub metric: &'a Metric,
    pub orography: &'a Plane,
    pub gravity: f64,
    /// The first faces that are computed and not given.
    pub first_west_face: usize,
    pub first_south_face: usize,
}

/// Depth and wind of one whole row.
#[derive(Clone, Copy)]
pub(crate) struct FlowRow<'a> {
    pub h: &'a [f64],
    pub u: &'a [f64],
    pub v: &'a [f64],
}

/// The same, to be written.
pub(crate) struct FlowRowMut<'a> {
    pub h: &'a mut [f64],
    pub u: &'a mut [f64],
    pub v: &'a mut [f64],
}

impl Flow {
    #[inline]
    pub(crate) fn full_row(&self, row: usize) -> FlowRow<'_> {
        FlowRow {
            h: self.h.full_row(row),
            u: self.u.full_row(row),
            v: self.v.full_row(row),
        }
    }
}

/// What one stage keeps of two rows, south and here: air through west and south faces, vorticity on south-west corners, and what the cells
/// of the row south do to the wind on their faces.
///
/// Arakawa and Lamb's coefficients (their 3.34) belong to cells: with q on the corners of one, their sum σ, and the sums ρ of south-west and
/// north-east and φ = σ - ρ of the others, α of its west face and γ of its east face are (σ + ρ)/24, δ and β are (σ + φ)/24, and the
/// fluxes of the cell's four faces are all that they multiply. Each face adds what the cells on both of its sides do to its wind.
#[derive(Default)]
pub(crate) struct StageRows {
    flux_x: [Vec<f64>; 2],
    flux_y: [Vec<f64>; 2],
    vorticity: [Vec<f64>; 2],
    to_north: [Vec<f64>; 2],
    to_south: Vec<f64>,
    to_west: Vec<f64>,
    to_east: Vec<f64>,
    /// Nought, and a tendency that waits to be filtered.
    nothing: Vec<f64>,
    tendency: Vec<f64>,
}

impl StageRows {
    pub(crate) fn fit(&mut self, size: usize) {
        let pairs = [&mut self.flux_x, &mut self.flux_y, &mut self.vorticity, &mut self.to_north];
        let singles = [
            &mut self.to_south,
            &mut self.to_west,
            &mut self.to_east,
            &mut self.nothing,
            &mut self.tendency,
        ];
        for row in pairs.into_iter().flatten().chain(singles) {
            row.resize(size, 0.0);
        }
    }

    /// Air through west and south faces of the row that came last, m³ s⁻¹.
    pub(crate) fn fluxes(&self) -> (&[f64], &[f64]) {
        (&self.flux_x[1], &self.flux_y[1])
    }

    /// Takes in whole row `row` of what the stage begins from; with `give`, writes `row_south`, the one that came before.
    #[inline(always)]
    pub(crate) fn take<W: Widths>(
        &mut self,
        laws: &Equations<'_>,
        w: W,
        [row, row_south]: [usize; 2],
        [south, here]: [FlowRow<'_>; 2],
        mut give: Option<Give<'_, W>>,
    ) {
        for pair in [&mut self.flux_x, &mut self.flux_y, &mut self.vorticity, &mut self.to_north] {
            pair.swap(0, 1);
        }
        let n = here.h.len();
        self.enter(laws, w, row, [south, here]);
        // A cell needs the corners and the face east of it.
        let cells = RIM - 1..n - RIM;
        self.turn(laws, row_south, [south, here], cells.clone());
        if let Some(give) = &mut give {
            self.write(laws, give, row_south, south, cells);
        }
    }

    #[inline(always)]
    fn enter(&mut self, laws: &Equations<'_>, w: impl Widths, row: usize, from: [FlowRow<'_>; 2]) {
        let f = laws.metric.coriolis().full_row(row);
        let (x, y, vorticity) = (&mut self.flux_x[1], &mut self.flux_y[1], &mut self.vorticity[1]);
        faces(w, f, from, x, y, vorticity);
        if let Some(filter) = laws.metric.filter() {
            filter.cells(row, x);
            filter.faces(row, y);
        }
        if laws.metric.is_pole(row) {
            vorticity.fill(vorticity_of_pole(laws.metric, row, from) / 24.0);
        }
    }

    /// What the cells of a row do to the wind on their faces.
    #[inline(always)]
    fn turn(&mut self, laws: &Equations<'_>, row: usize, [here, north]: [FlowRow<'_>; 2], range: Range<usize>) {
        let cells = Cells {
            corners: [&self.vorticity[0], &self.vorticity[1]],
            x: &self.flux_x[0],
            y: [&self.flux_y[0], &self.flux_y[1]],
            flow: here,
            v_north: north.v,
            orography: laws.orography.full_row(row),
            gravity: laws.gravity,
        };
        turn(
            &cells,
            range,
            &mut self.to_west,
            &mut self.to_east,
            &mut self.to_south,
            &mut self.to_north[1],
        );
    }

    #[inline(always)]
    fn write<W: Widths>(&mut self, laws: &Equations<'_>, give: &mut Give<'_, W>, row: usize, y: FlowRow<'_>, range: Range<usize>) {
        let Give { stage, w, old, into } = give;
        let (stage, w) = (*stage, *w);
        let range = range.start.max(RIM)..range.end;
        depth(
            stage,
            w,
            &self.flux_x[0],
            (&self.flux_y[0], &self.flux_y[1]),
            (y.h, old.h),
            range.clone(),
            into.h,
        );
        let west_faces = range.start.max(RIM + laws.first_west_face)..range.end;
        let has_south_faces = row >= RIM + laws.first_south_face;
        let (west, east) = (&self.to_west, &self.to_east);
        let (south, north) = (&self.to_south, &self.to_north[0]);
        match laws.metric.filter() {
            Some(filter) if filter.acts_on(row) => {
                let alone = Stage {
                    old: 0.0,
                    new: 1.0,
                    ..stage
                };
                let (nothing, tendency) = (&self.nothing[..], &mut self.tendency[..]);
                eastward(alone, w, (west, east), (nothing, nothing), west_faces, tendency);
                filter.cells(row, tendency);
                stage.combine(y.u, old.u, tendency, into.u);
                if has_south_faces {
                    northward(alone, w, (south, north), (nothing, nothing), range, tendency);
                    filter.faces(row, tendency);
                    stage.combine(y.v, old.v, tendency, into.v);
                }
            }
            _ => {
                eastward(stage, w, (west, east), (y.u, old.u), west_faces, into.u);
                if has_south_faces {
                    northward(stage, w, (south, north), (y.v, old.v), range, into.v);
                }
            }
        }
    }
}

/// A row that a stage writes: its geometry, the flow at the start of the step, and where to.
pub(crate) struct Give<'a, W> {
    pub stage: Stage,
    pub w: W,
    pub old: FlowRow<'a>,
    pub into: FlowRowMut<'a>,
}

/// Air through the faces, h u dy and h v dx, m³ s⁻¹, and (f + ζ)/h on the corners, m⁻¹ s⁻¹, divided by 24 for the averages that use it.
#[inline(always)]
fn faces(w: impl Widths, f: &[f64], [south, here]: [FlowRow<'_>; 2], x: &mut [f64], y: &mut [f64], q: &mut [f64]) {
    let n = x.len();
    let (y, q, f) = (&mut y[..n], &mut q[..n], &f[..n]);
    let (h0, h1) = (&south.h[..n], &here.h[..n]);
    let (u0, u1, v) = (&south.u[..n], &here.u[..n], &here.v[..n]);
    for k in 1..n {
        x[k] = w.flux_x(k, h1[k - 1], h1[k], u1[k]);
        y[k] = w.flux_y(k, h0[k], h1[k], v[k]);
        let circulation = f[k] * w.corner_area(k) + w.circulation(k, [u0[k], u1[k]], [v[k - 1], v[k]]);
        let volume = w.volume(k, [h0[k - 1], h0[k], h1[k - 1], h1[k]]);
        q[k] = circulation / (24.0 * volume);
    }
}

/// The same around a pole: the mean of its corners.
fn vorticity_of_pole(metric: &Metric, row: usize, [south, here]: [FlowRow<'_>; 2]) -> f64 {
    let Shape { ny, nx } = metric.shape();
    let (around, sign) = if row < RIM + ny { (here, -1.0) } else { (south, 1.0) };
    let width = metric.width(row);
    let mean = |values: &[f64]| values[RIM..RIM + nx].iter().sum::<f64>() / nx as f64;
    let f = metric.coriolis().full_row(row)[RIM];
    // The half of each cell that is nearer to the pole holds a quarter of its area.
    let cap = 0.25 * width * metric.dy_m();
    (f * cap + sign * width * mean(around.u)) / (cap * mean(around.h))
}

/// A row of cells with what lies on their corners (south, north) and faces.
struct Cells<'a> {
    corners: [&'a [f64]; 2],
    x: &'a [f64],
    y: [&'a [f64]; 2],
    flow: FlowRow<'a>,
    v_north: &'a [f64],
    orography: &'a [f64],
    gravity: f64,
}

/// What cells do to the wind on their four faces, m² s⁻²: q F of the air that turns, and the Bernoulli function K + g (h + hs).
#[inline(always)]
fn turn(cells: &Cells<'_>, range: Range<usize>, to_west: &mut [f64], to_east: &mut [f64], to_south: &mut [f64], to_north: &mut [f64]) {
    let n = to_west.len();
    let (to_east, to_south, to_north) = (&mut to_east[..n], &mut to_south[..n], &mut to_north[..n]);
    let (q0, q1) = (&cells.corners[0][..n], &cells.corners[1][..n]);
    let (x, y0, y1) = (&cells.x[..n], &cells.y[0][..n], &cells.y[1][..n]);
    let (h, hs, u) = (&cells.flow.h[..n], &cells.orography[..n], &cells.flow.u[..n]);
    let (v0, v1) = (&cells.flow.v[..n], &cells.v_north[..n]);
    let g = cells.gravity;
    for k in range.start..range.end.min(n - 1) {
        let kinetic = 0.25 * (u[k] * u[k] + u[k + 1] * u[k + 1] + v0[k] * v0[k] + v1[k] * v1[k]);
        let bernoulli = kinetic + g * (h[k] + hs[k]);
        let (rising, falling) = (q0[k] + q1[k + 1], q1[k] + q0[k + 1]);
        let (up, down) = (q1[k + 1] - q0[k], q1[k] - q0[k + 1]);
        let sum = rising + falling;
        let (a, b) = (sum + rising, sum + falling);
        // Their ε and φ: how much more vorticity there is north than south, and west than east.
        let (northern, western) = (up + down, down - up);
        let (west, east, south, north) = (x[k], x[k + 1], y0[k], y1[k]);
        to_west[k] = a * north + b * south - northern * east - bernoulli;
        to_east[k] = b * north + a * south + northern * west + bernoulli;
        to_south[k] = a * east + b * west + western * north + bernoulli;
        to_north[k] = a * west + b * east - western * south - bernoulli;
    }
}

#[inline(always)]
fn depth(
    stage: Stage,
    w: impl Widths,
    x: &[f64],
    (south, north): (&[f64], &[f64]),
    (y, old): (&[f64], &[f64]),
    range: Range<usize>,
    out: &mut [f64],
) {
    let Stage { new: b, dt, .. } = stage;
    let n = out.len();
    let (x, south, north, y, old) = (&x[..n], &south[..n], &north[..n], &y[..n], &old[..n]);
    if stage.is_first() {
        for k in range.start..range.end.min(n - 1) {
            out[k] = y[k] - dt * w.per_area(k) * (x[k + 1] - x[k] + north[k] - south[k]);
        }
        return;
    }
    for k in range.start..range.end.min(n - 1) {
        // Thirds as weights of old and new do not add up to one: that alone would lose 6e-17 of the air a step.
        out[k] = old[k] + b * ((y[k] - old[k]) - dt * w.per_area(k) * (x[k + 1] - x[k] + north[k] - south[k]));
    }
}

#[inline(always)]
fn eastward(
    stage: Stage,
    w: impl Widths,
    (west, east): (&[f64], &[f64]),
    (y, old): (&[f64], &[f64]),
    range: Range<usize>,
    out: &mut [f64],
) {
    let Stage { old: a, new: b, dt, .. } = stage;
    let n = out.len();
    let (west, east, y, old) = (&west[..n], &east[..n], &y[..n], &old[..n]);
    if stage.is_first() {
        for k in range.start.max(1)..range.end.min(n) {
            out[k] = y[k] + dt * w.per_dx(k) * (west[k] + east[k - 1]);
        }
        return;
    }
    for k in range.start.max(1)..range.end.min(n) {
        out[k] = a * old[k] + b * (y[k] + dt * w.per_dx(k) * (west[k] + east[k - 1]));
    }
}

#[inline(always)]
fn northward(
    stage: Stage,
    w: impl Widths,
    (south, north): (&[f64], &[f64]),
    (y, old): (&[f64], &[f64]),
    range: Range<usize>,
    out: &mut [f64],
) {
    let Stage { old: a, new: b, dt, .. } = stage;
    let n = out.len();
    let (south, north, y, old) = (&south[..n], &north[..n], &y[..n], &old[..n]);
    if stage.is_first() {
        for k in range.start..range.end.min(n) {
            out[k] = y[k] - dt * w.per_dy(k) * (south[k] + north[k]);
        }
        return;
    }
    for k in range.start..range.end.min(n) {
        out[k] = a * old[k] + b * (y[k] - dt * w.per_dy(k) * (south[k] + north[k]));
    }
}
