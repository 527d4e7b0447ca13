//! One stage of the equations, row by row northward, so that fluxes and vorticity are used while they are in the cache.

use crate::{
    metric::Metric,
    plane::{Plane, RIM, Shape},
    row::Row,
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
}

/// Depth and wind of one whole row.
#[derive(Clone, Copy)]
pub(crate) struct FlowRow<'a> {
    pub h: &'a [f64],
    pub u: &'a [f64],
    pub v: &'a [f64],
}

impl FlowRow<'_> {
    #[inline(always)]
    fn cut(self, n: usize) -> Self {
        Self {
            h: &self.h[..n],
            u: &self.u[..n],
            v: &self.v[..n],
        }
    }
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
    /// The newest last; the older ones for stages that come after.
    flux_x: [Row; HELD],
    flux_y: [Row; HELD],
    vorticity: [Row; 2],
    to_north: [Row; 2],
    /// Depth and wind that nobody asked for, or tendencies that wait to be filtered.
    aside: [Row; 3],
}

/// Rows of air through faces that a stage holds: a later one is at most six rows behind it.
const HELD: usize = 8;
const HERE: usize = HELD - 1;
const SOUTH: usize = HELD - 2;

impl StageRows {
    pub(crate) fn fit(&mut self, size: usize) {
        let pairs = [&mut self.vorticity, &mut self.to_north];
        let held = [&mut self.flux_x, &mut self.flux_y];
        for row in pairs.into_iter().flatten().chain(held.into_iter().flatten()).chain(&mut self.aside) {
            row.fit(size);
        }
    }

    /// Air through west and south faces of the row that came `back` rows before the newest.
    #[inline(always)]
    pub(crate) fn air(&self, back: usize) -> [&[f64]; 2] {
        [&self.flux_x[HERE - back], &self.flux_y[HERE - back]]
    }

    /// Takes in whole row `row` of what the stage begins from, and adds the air that goes through its faces to `sums`; with `give`, writes
    /// `row_south`, the one that came before.
    #[inline(always)]
    pub(crate) fn take<W: Widths>(
        &mut self,
        laws: &Equations<'_>,
        w: W,
        [row, row_south]: [usize; 2],
        [south, here]: [FlowRow<'_>; 2],
        sums: Option<Sums<'_>>,
        give: Option<Give<'_, W>>,
    ) {
        for pair in [&mut self.vorticity, &mut self.to_north] {
            pair.swap(0, 1);
        }
        for held in [&mut self.flux_x, &mut self.flux_y] {
            held.rotate_left(1);
        }
        self.enter(laws, w, row, [south, here], sums);
        self.leave(laws, w, row_south, [south, here], give);
    }

    #[inline(always)]
    fn enter(&mut self, laws: &Equations<'_>, w: impl Widths, row: usize, from: [FlowRow<'_>; 2], sums: Option<Sums<'_>>) {
        let (x, y, vorticity) = (&mut self.flux_x[HERE], &mut self.flux_y[HERE], &mut self.vorticity[1]);
        let [south, here] = from;
        let f = laws.metric.coriolis().full_row(row);
        let faces = Faces { w, f, south, here };
        match (laws.metric.filter(), sums) {
            (
                None,
                Some(Sums {
                    x: Some(sum_x),
                    y: Some(sum_y),
                    weight,
                    before: Some(before),
                }),
            ) => faces.all::<true>(x, y, vorticity, before, weight, [sum_x, sum_y]),
            (filter, sums) => {
                faces.all::<false>(x, y, vorticity, [Air::NONE; 2], 0.0, [&mut [], &mut []]);
                if let Some(filter) = filter {
                    filter.cells(row, x);
                    filter.faces(row, y);
                }
                if let Some(sums) = sums {
                    sums.add([x, y]);
                }
            }
        }
        if laws.metric.is_pole(row) {
            vorticity.fill(vorticity_of_pole(laws.metric, row, from) / 24.0);
        }
    }

    /// What the cells of a row do to the wind on their faces, and with that what is asked for of the row.
    #[inline(always)]
    fn leave<W: Widths>(&mut self, laws: &Equations<'_>, w: W, row: usize, [here, north]: [FlowRow<'_>; 2], give: Option<Give<'_, W>>) {
        let [from_south, to_north] = &mut self.to_north;
        let cells = Cells {
            q: [&self.vorticity[0], &self.vorticity[1]],
            x: &self.flux_x[SOUTH],
            y: [&self.flux_y[SOUTH], &self.flux_y[HERE]],
            flow: here,
            v_north: north.v,
            orography: laws.orography.full_row(row),
            gravity: laws.gravity,
            from_south,
        };
        let Some(Give { stage, w, old, into }) = give else {
            let [h, u, v] = &mut self.aside;
            let into = FlowRowMut { h, u, v };
            return cells.step::<false, _>(Stage::NONE, w, here, to_north, into);
        };
        match laws.metric.filter() {
            Some(filter) if filter.acts_on(row) => {
                let [_, u, v] = &mut self.aside;
                cells.step::<true, _>(stage, w, old, to_north, FlowRowMut { h: into.h, u, v });
                filter.cells(row, u);
                filter.faces(row, v);
                stage.combine(here.u, old.u, u, into.u);
                stage.combine(here.v, old.v, v, into.v);
            }
            _ => cells.step::<false, _>(stage, w, old, to_north, into),
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

/// Where the air that goes through the faces of a row is added up, m³.
pub(crate) struct Sums<'a> {
    pub x: Option<&'a mut [f64]>,
    pub y: Option<&'a mut [f64]>,
    /// Seconds that the stage's fluxes count for.
    pub weight: f64,
    /// Fluxes of the stages before, where those have not been added yet.
    pub before: Option<[Air<'a>; 2]>,
}

/// What a stage sent through the west and south faces of a row, m³ s⁻¹, and the seconds that it counts for.
#[derive(Clone, Copy)]
pub(crate) struct Air<'a> {
    pub faces: [&'a [f64]; 2],
    pub weight: f64,
}

impl Air<'_> {
    const NONE: Self = Self {
        faces: [&[]; 2],
        weight: 0.0,
    };

    #[inline(always)]
    fn cut(self, n: usize) -> Self {
        Self {
            faces: self.faces.map(|faces| &faces[..n]),
            ..self
        }
    }
}

impl Sums<'_> {
    #[inline(always)]
    fn add(self, faces: [&[f64]; 2]) {
        let Self { x, y, weight, before } = self;
        let here = Air { faces, weight };
        let airs = before.into_iter().flatten().chain([here]);
        let mut sums = [x, y];
        for Air { faces, weight } in airs {
            for (sums, flux) in sums.iter_mut().zip(faces) {
                let Some(sums) = sums else { continue };
                let inside = RIM..=sums.len() - RIM;
                for (sum, flux) in sums[inside.clone()].iter_mut().zip(&flux[inside]) {
                    *sum = weight.mul_add(*flux, *sum);
                }
            }
        }
    }
}

/// Two rows, and what a row of faces and corners between them needs: the turning of the ground, and how wide they are.
struct Faces<'a, W> {
    w: W,
    f: &'a [f64],
    south: FlowRow<'a>,
    here: FlowRow<'a>,
}

impl<W: Widths> Faces<'_, W> {
    /// Air through the faces, h u dy and h v dx, m³ s⁻¹, and (f + ζ)/h on the corners, m⁻¹ s⁻¹, divided by 24 for the averages that use it; where
    /// they are `SUMMED`, adds that of the stages before and a weight of this one's to sums, while the processor divides.
    #[inline(always)]
    fn all<const SUMMED: bool>(
        self,
        x: &mut [f64],
        y: &mut [f64],
        q: &mut [f64],
        before: [Air<'_>; 2],
        weight: f64,
        [sum_x, sum_y]: [&mut [f64]; 2],
    ) {
        let n = x.len();
        let summed = if SUMMED { n } else { 0 };
        let (y, q) = (&mut y[..n], &mut q[..n]);
        let (sum_x, sum_y) = (&mut sum_x[..summed], &mut sum_y[..summed]);
        let [one, two] = before.map(|air| air.cut(summed));
        let faces = self.cut(n);
        // Those of the cell west of the domain first: the loop begins on a line of the cache.
        (x[RIM - 1], y[RIM - 1], q[RIM - 1]) = faces.at(RIM - 1);
        for k in RIM..n - RIM + 1 {
            (x[k], y[k], q[k]) = faces.at(k);
            if SUMMED {
                let add = |sum: f64, axis: usize, flux: f64| {
                    let first = one.weight.mul_add(one.faces[axis][k], sum);
                    weight.mul_add(flux, two.weight.mul_add(two.faces[axis][k], first))
                };
                sum_x[k] = add(sum_x[k], 0, x[k]);
                sum_y[k] = add(sum_y[k], 1, y[k]);
            }
        }
    }

    #[inline(always)]
    fn cut(self, n: usize) -> Self {
        Self {
            f: &self.f[..n],
            south: self.south.cut(n),
            here: self.here.cut(n),
            ..self
        }
    }

    #[inline(always)]
    fn at(&self, k: usize) -> (f64, f64, f64) {
        let Self { w, f, south, here } = self;
        let x = w.flux_x(k, here.h[k - 1], here.h[k], here.u[k]);
        let y = w.flux_y(k, south.h[k], here.h[k], here.v[k]);
        let relative = w.circulation(k, [south.u[k], here.u[k]], [here.v[k - 1], here.v[k]]);
        let circulation = f[k].mul_add(w.corner_area(k), relative);
        let volume = w.volume(k, [south.h[k - 1], south.h[k], here.h[k - 1], here.h[k]]);
        (x, y, circulation / (24.0 * volume))
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

/// A row of cells with what lies on their corners and faces (south, north).
#[derive(Clone, Copy)]
struct Cells<'a> {
    q: [&'a [f64]; 2],
    x: &'a [f64],
    y: [&'a [f64]; 2],
    flow: FlowRow<'a>,
    v_north: &'a [f64],
    orography: &'a [f64],
    gravity: f64,
    /// What the cells of the row south do to the wind on the faces between, m² s⁻².
    from_south: &'a [f64],
}

/// What a cell does to the wind on its faces, m² s⁻²: q F of the air that turns, and the Bernoulli function K + g (h + hs).
struct Turn {
    to_west: f64,
    to_east: f64,
    to_south: f64,
    to_north: f64,
}

impl Cells<'_> {
    #[inline(always)]
    fn cut(self, n: usize) -> Self {
        Self {
            q: self.q.map(|q| &q[..n]),
            x: &self.x[..n],
            y: self.y.map(|y| &y[..n]),
            flow: self.flow.cut(n),
            v_north: &self.v_north[..n],
            orography: &self.orography[..n],
            gravity: self.gravity,
            from_south: &self.from_south[..n],
        }
    }

    #[inline(always)]
    fn turn(&self, k: usize) -> Turn {
        let (h, u, v0, v1) = (self.flow.h[k], self.flow.u, self.flow.v[k], self.v_north[k]);
        let squares = u[k].mul_add(u[k], u[k + 1] * u[k + 1]) + v0.mul_add(v0, v1 * v1);
        let bernoulli = self.gravity.mul_add(h + self.orography[k], 0.25 * squares);
        let [q0, q1] = self.q;
        let (rising, falling) = (q0[k] + q1[k + 1], q1[k] + q0[k + 1]);
        let (up, down) = (q1[k + 1] - q0[k], q1[k] - q0[k + 1]);
        let sum = rising + falling;
        let (a, b) = (sum + rising, sum + falling);
        // Their ε and φ: how much more vorticity there is north than south, and west than east.
        let (northern, western) = (up + down, down - up);
        let (west, east, south, north) = (self.x[k], self.x[k + 1], self.y[0][k], self.y[1][k]);
        Turn {
            to_west: a.mul_add(north, b.mul_add(south, -northern * east)) - bernoulli,
            to_east: b.mul_add(north, a.mul_add(south, northern * west)) + bernoulli,
            to_south: a.mul_add(east, b.mul_add(west, western * north)) + bernoulli,
            to_north: a.mul_add(west, b.mul_add(east, -western * south)) - bernoulli,
        }
    }

    /// Air that leaves a cell, m³ s⁻¹.
    #[inline(always)]
    fn outflow(&self, k: usize) -> f64 {
        self.x[k + 1] - self.x[k] + self.y[1][k] - self.y[0][k]
    }

    /// Writes the depth and the wind on west and south faces that a stage makes of the row, and what its cells do to the wind on their north
    /// faces; with `TENDENCY`, of the wind the changes alone.
    #[inline(always)]
    fn step<const TENDENCY: bool, W: Widths>(&self, stage: Stage, w: W, old: FlowRow<'_>, to_north: &mut [f64], into: FlowRowMut<'_>) {
        if stage.is_first() {
            self.step_from::<TENDENCY, true, W>(stage, w, old, to_north, into);
        } else {
            self.step_from::<TENDENCY, false, W>(stage, w, old, to_north, into);
        }
    }

    #[inline(always)]
    fn step_from<const TENDENCY: bool, const FIRST: bool, W: Widths>(
        &self,
        stage: Stage,
        w: W,
        old: FlowRow<'_>,
        to_north: &mut [f64],
        into: FlowRowMut<'_>,
    ) {
        let n = to_north.len();
        let cells = self.cut(n);
        let FlowRow { h, u, v } = cells.flow;
        let (h_old, u_old, v_old) = (&old.h[..n], &old.u[..n], &old.v[..n]);
        let (h_new, u_new, v_new) = (&mut into.h[..n], &mut into.u[..n], &mut into.v[..n]);
        let Stage { old: a, new: b, dt, .. } = stage;
        let wind = |before: f64, now: f64, per_length: f64, turned: f64| match (TENDENCY, FIRST) {
            (true, _) => per_length * turned,
            (false, true) => per_length.mul_add(turned, now),
            (false, false) => b.mul_add(per_length.mul_add(turned, now), a * before),
        };
        // A row begins with what the cell west of it does.
        let mut from_west = cells.turn(RIM - 1).to_east;
        for k in RIM..n - RIM {
            let turn = cells.turn(k);
            to_north[k] = turn.to_north;
            let (per_area, outflow) = (-dt * w.per_area(k), cells.outflow(k));
            h_new[k] = if FIRST {
                per_area.mul_add(outflow, h[k])
            } else {
                // Thirds as weights of old and new do not add up to one: that alone would lose 6e-17 of the air a step.
                b.mul_add(per_area.mul_add(outflow, h[k] - h_old[k]), h_old[k])
            };
            u_new[k] = wind(u_old[k], u[k], dt * w.per_dx(k), turn.to_west + from_west);
            v_new[k] = wind(v_old[k], v[k], -dt * w.per_dy(k), turn.to_south + cells.from_south[k]);
            from_west = turn.to_east;
        }
    }
}
