//! A whole step of the air in one sweep: a row goes through all three stages while it is in the cache, so that the state is read and
//! written once a step.
//!
//! Each stage follows the one before by a row. Strips begin some rows early and compute what they need of their neighbours again, and so
//! write what they would alone: results do not depend on how rows are shared out, and are to the bit those of one stage after the other.

use std::{cell::RefCell, ops::Range};

use nowblend_field::wide::{Work, wide};
use rayon::prelude::*;

use crate::{
    boundary::{Boundary, Place},
    plane::{Plane, RIM},
    row::Row,
    shallow_water::{Flow, Fluxes, Writes, writes},
    stage_rows::{Air, Equations, FlowRow, FlowRowMut, Give, StageRows, Sums},
    time_integration::Stage,
    widths::Widths,
};

/// Fewest rows that a strip has; each computes nine rows of a stage again.
const FEWEST: usize = 32;
/// Most, so that a thread that is done early finds another.
const MOST: usize = 256;

/// Whether the rows of this domain can go through all stages at once: not where beyond an edge lies the far side of a pole, where rows are
/// filtered, or where what repeats stands on ground or turns at a rate that does not.
pub(crate) fn can_sweep(equations: &Equations<'_>, boundary: &Boundary) -> bool {
    let shape = equations.metric.shape();
    let repeats = |plane: &Plane| {
        (1..=RIM).all(|k| plane.full_row(RIM - k) == plane.full_row(RIM + shape.ny - k))
            && (0..RIM).all(|k| plane.full_row(RIM + shape.ny + k) == plane.full_row(RIM + k))
    };
    let large = shape.ny >= 2 * RIM && shape.nx >= 2 * RIM;
    match boundary {
        Boundary::Globe => false,
        Boundary::Periodic => {
            large && equations.metric.rows_are_alike() && repeats(equations.metric.coriolis()) && repeats(equations.orography)
        }
        Boundary::Walls | Boundary::Open(_) => large && equations.metric.filter().is_none(),
    }
}

/// Writes the state after the three stages into `into`, rows beyond the domain excepted; whether every whole row of it passes `check`, which
/// is asked while the row is in the cache.
pub(crate) fn sweep<W: Widths>(
    equations: &Equations<'_>,
    boundary: &Boundary,
    stages: [Stage; 3],
    widths: impl Fn(usize) -> W + Sync,
    state: &Flow,
    (into, fluxes): (&mut Flow, Option<&mut Fluxes>),
    check: &Check<'_>,
) -> bool {
    let ny = state.h.shape().ny;
    let count = (ny / (4 * rayon::current_num_threads())).clamp(FEWEST, MOST);
    let passes = |(strip, writes): (usize, Writes<'_>)| {
        ROOM.with_borrow_mut(|room| {
            let mut passes = true;
            wide(Strip {
                domain: Domain {
                    equations,
                    boundary,
                    state,
                },
                stages,
                widths: &widths,
                rows: strip * count..((strip + 1) * count).min(ny),
                writes,
                room,
                check,
                passes: &mut passes,
            });
            passes
        })
    };
    let strips = writes(into, fluxes, count).into_par_iter().enumerate();
    strips.map(passes).reduce(|| true, |a, b| a & b)
}

/// What a whole row of the result is asked.
pub(crate) type Check<'a> = dyn Fn(usize, FlowRow<'_>) -> bool + Sync + 'a;

thread_local! {
    static ROOM: RefCell<Room> = RefCell::default();
}

/// What a strip is computed in: the rows of each stage, and the results of the first and the second.
#[derive(Default)]
struct Room {
    stages: [StageRows; 3],
    results: [Results; 2],
}

/// Rows are counted from the south of the domain; those of one that repeats go on beyond it.
#[derive(Clone, Copy)]
struct Domain<'a> {
    equations: &'a Equations<'a>,
    boundary: &'a Boundary,
    state: &'a Flow,
}

impl<'a> Domain<'a> {
    fn ny(&self) -> isize {
        self.state.h.shape().ny as isize
    }

    fn repeats(&self) -> bool {
        matches!(self.boundary, Boundary::Periodic)
    }

    /// Whole row of the planes.
    #[inline(always)]
    fn place(&self, row: isize) -> usize {
        let row = if self.repeats() { row.rem_euclid(self.ny()) } else { row };
        (row + RIM as isize) as usize
    }

    fn row(&self, row: isize) -> FlowRow<'a> {
        self.state.full_row(self.place(row))
    }

    /// Fills the rims of depth, eastward and northward wind of a whole row.
    fn close_row(&self, row: [&mut [f64]; 3], full_row: usize) {
        for (values, place) in row.into_iter().zip(PLACES) {
            self.boundary.close_row(values, place, full_row, self.state.h.shape());
        }
    }

    /// Rows that a stage must give for the next one to give `rows`.
    fn before(&self, rows: &Range<isize>) -> Range<isize> {
        let (start, end) = (rows.start - 2, rows.end + 1);
        if self.repeats() {
            start..end
        } else {
            start.max(0)..end.min(self.ny())
        }
    }
}

/// The last three rows that a stage gave, and those beyond the edge that follow from them.
#[derive(Default)]
struct Results {
    rows: [[Row; 3]; 3],
    /// The two rows south of the domain, or the first of them the one north of it.
    beyond: [[Row; 3]; 2],
}

impl Results {
    fn fit(&mut self, size: usize) {
        for row in self.rows.iter_mut().chain(&mut self.beyond).flatten() {
            row.fit(size);
        }
    }

    fn row(&self, domain: &Domain<'_>, row: isize) -> FlowRow<'_> {
        let [h, u, v] = if domain.repeats() || (0..domain.ny()).contains(&row) {
            &self.rows[row.rem_euclid(3) as usize]
        } else {
            &self.beyond[if row < 0 { (row + 2) as usize } else { 0 }]
        };
        FlowRow { h, u, v }
    }

    fn row_mut(&mut self, row: isize) -> FlowRowMut<'_> {
        let [h, u, v] = &mut self.rows[row.rem_euclid(3) as usize];
        FlowRowMut { h, u, v }
    }

    /// Fills the rims of a row that was just written, and the rows beyond the edge once all that they follow from is there.
    fn close(&mut self, domain: &Domain<'_>, row: isize) {
        let ny = domain.ny();
        let [h, u, v] = &mut self.rows[row.rem_euclid(3) as usize];
        domain.close_row([h, u, v], domain.place(row));
        if domain.repeats() {
            return;
        }
        if row == 2 {
            for (beyond, row) in self.beyond.iter_mut().zip([-2, -1]) {
                fill_beyond(domain, row, &self.rows, beyond);
            }
        }
        if row == ny - 1 {
            fill_beyond(domain, ny, &self.rows, &mut self.beyond[0]);
        }
    }

    /// Whether a row is there when `last` was the last that the stage gave.
    fn holds(domain: &Domain<'_>, row: isize, last: isize) -> bool {
        let ny = domain.ny();
        if domain.repeats() || (0..ny).contains(&row) {
            row <= last
        } else if row < 0 {
            last >= 2
        } else {
            last == ny - 1
        }
    }
}

/// Where depth, eastward and northward wind lie.
const PLACES: [Place; 3] = [Place::Centre, Place::WestFace, Place::SouthFace];

fn fill_beyond(domain: &Domain<'_>, row: isize, rows: &[[Row; 3]; 3], beyond: &mut [Row; 3]) {
    let inside = |row: isize| &rows[row.rem_euclid(3) as usize];
    for (at, (values, place)) in beyond.iter_mut().zip(PLACES).enumerate() {
        domain
            .boundary
            .fill_row_beyond(values, place, row, domain.ny(), |row| &inside(row)[at]);
    }
}

/// One stage in a strip: the rows it gives, and the row that it takes in next.
struct Follower<'a> {
    rows: &'a mut StageRows,
    stage: Stage,
    gives: Range<isize>,
    next: isize,
}

impl<'a> Follower<'a> {
    fn new(rows: &'a mut StageRows, stage: Stage, gives: Range<isize>, size: usize) -> Self {
        rows.fit(size);
        let next = gives.start - 1;
        Self { rows, stage, gives, next }
    }

    /// The row that is written once the next one is taken in, if that is one to give.
    fn gives(&self) -> Option<isize> {
        (self.next > self.gives.start).then_some(self.next - 1)
    }

    /// Takes in the next row, and writes the one south of it into `into` if that is one to give.
    #[inline(always)]
    fn take<W: Widths>(
        &mut self,
        domain: &Domain<'_>,
        widths: &impl Fn(usize) -> W,
        from: [FlowRow<'_>; 2],
        sums: Option<Sums<'_>>,
        into: Option<FlowRowMut<'_>>,
    ) {
        let row = self.next;
        let give = into.map(|into| Give {
            stage: self.stage,
            w: widths(domain.place(row - 1)),
            old: domain.row(row - 1),
            into,
        });
        let place = domain.place(row);
        self.rows
            .take(domain.equations, widths(place), [place, domain.place(row - 1)], from, sums, give);
        self.next += 1;
    }

    /// What it sent through the faces of a row that it has taken in.
    #[inline(always)]
    fn air(&self, row: isize) -> Air<'_> {
        Air {
            faces: self.rows.air((self.next - 1 - row) as usize),
            weight: self.stage.share * self.stage.dt,
        }
    }

    fn is_done(&self) -> bool {
        self.next > self.gives.end
    }
}

/// Some rows of a step.
struct Strip<'a, F> {
    domain: Domain<'a>,
    stages: [Stage; 3],
    widths: &'a F,
    rows: Range<usize>,
    writes: Writes<'a>,
    room: &'a mut Room,
    check: &'a Check<'a>,
    passes: &'a mut bool,
}

impl<W: Widths, F: Fn(usize) -> W> Work for Strip<'_, F> {
    #[inline(always)]
    fn run(mut self) {
        let (domain, widths) = (&self.domain, self.widths);
        let Writes { flow, sums } = &mut self.writes;
        let width = domain.state.h.shape().width();
        let start = self.rows.start + RIM;
        let third = self.rows.start as isize..self.rows.end as isize;
        let second = domain.before(&third);
        let first = domain.before(&second);
        let [one, two, three] = &mut self.room.stages;
        let mut one = Follower::new(one, self.stages[0], first, width);
        let mut two = Follower::new(two, self.stages[1], second, width);
        let mut three = Follower::new(three, self.stages[2], third, width);
        let [firsts, seconds] = &mut self.room.results;
        firsts.fit(width);
        seconds.fit(width);
        while !one.is_done() {
            let from = [one.next - 1, one.next].map(|row| domain.row(row));
            let given = one.gives();
            one.take(domain, widths, from, None, given.map(|row| firsts.row_mut(row)));
            let Some(row) = given else { continue };
            firsts.close(domain, row);
            while !two.is_done() && Results::holds(domain, two.next, row) {
                let from = [two.next - 1, two.next].map(|row| firsts.row(domain, row));
                let given = two.gives();
                two.take(domain, widths, from, None, given.map(|row| seconds.row_mut(row)));
                let Some(row) = given else { continue };
                seconds.close(domain, row);
                while !three.is_done() && Results::holds(domain, three.next, row) {
                    let from = [three.next - 1, three.next].map(|row| seconds.row(domain, row));
                    let given = three.gives().map(|row| domain.place(row));
                    // The last stage adds the air of all three: a sum is read and written once.
                    let sums = sums.as_mut().and_then(|s| s.row(start, three.next, three.stage)).map(|sums| Sums {
                        before: Some([one.air(three.next), two.air(three.next)]),
                        ..sums
                    });
                    three.take(domain, widths, from, sums, given.map(|row| flow.row(start, row)));
                    if let Some(row) = given {
                        let FlowRowMut { h, u, v } = flow.row(start, row);
                        domain.close_row([&mut *h, &mut *u, &mut *v], row);
                        *self.passes &= (self.check)(row, FlowRow { h, u, v });
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use nowblend_field::Grid;

    use super::*;
    use crate::{
        boundary::{Outer, Relaxation},
        constants::GRAVITY,
        metric::{Metric, Rotation},
        plane::Shape,
        shallow_water::ShallowWaterEquations,
        time_integration::ssprk3,
    };

    /// Three strips, the last of them short.
    const SHAPE: Shape = Shape { ny: 75, nx: 22 };

    fn rough(mean: f64, amplitude: f64, seed: f64) -> Plane {
        let tau = std::f64::consts::TAU;
        Plane::from_fn(SHAPE, |j, i| {
            let (y, x) = (tau * j as f64 / SHAPE.ny as f64, tau * i as f64 / SHAPE.nx as f64);
            mean + amplitude * ((2.0 * x + seed).sin() * (y - seed).cos() + 0.5 * (3.0 * x + 20.0 * y + seed).sin())
        })
    }

    fn rough_flow(seed: f64) -> Flow {
        Flow {
            h: rough(500.0, 40.0, seed),
            u: rough(10.0, 12.0, seed + 1.1),
            v: rough(-5.0, 12.0, seed + 2.3),
        }
    }

    /// Cells of one size and, where the domain does not repeat, those of a map whose scale grows northward.
    fn domains() -> Vec<(Boundary, Metric)> {
        let plane = Metric::plane(SHAPE, 1800.0, 2000.0, Rotation::Constant(1e-4));
        let turning = Metric::plane(SHAPE, 1800.0, 2000.0, Rotation::Beta { f0: 1e-4, beta: 2e-11 });
        let map = Metric::map(&Grid::plane(SHAPE.ny, SHAPE.nx, 2000.0), |y, x| {
            (1.0 + 0.003 * y, 1.0 + 0.002 * (y + x))
        });
        let open = Boundary::Open(Box::new(Outer {
            flow: rough_flow(4.0),
            tracers: Vec::new(),
            relaxation: Relaxation { cells: 0, time_s: 1.0 },
            later: Vec::new(),
        }));
        vec![
            (Boundary::Periodic, plane),
            (Boundary::Walls, turning.clone()),
            (Boundary::Walls, map.clone()),
            (open.clone(), turning),
            (open, map),
        ]
    }

    #[test]
    fn a_sweep_is_one_stage_after_the_other_to_the_bit() {
        for (boundary, metric) in domains() {
            let mut orography = rough(30.0, 20.0, 0.7);
            boundary.close_depth(&mut orography);
            let mut swept = rough_flow(0.3);
            boundary.close_flow(&mut swept);
            let mut staged = swept.clone();
            let (mut first, mut second) = (rough_flow(5.0), rough_flow(6.0));
            let mut fluxes = [Fluxes::none(SHAPE), Fluxes::none(SHAPE)];
            for _ in 0..3 {
                let [swept_fluxes, staged_fluxes] = &mut fluxes;
                let equations = |fluxes| ShallowWaterEquations {
                    metric: &metric,
                    boundary: &boundary,
                    orography: &orography,
                    gravity: GRAVITY,
                    fluxes: Some(fluxes),
                };
                equations(swept_fluxes).step(8.0, &mut swept, [&mut first, &mut second], &|_, _| true);
                ssprk3(&mut equations(staged_fluxes), 8.0, &mut staged, &mut first, &mut second);
            }
            assert!(swept == staged, "{boundary:?}");
            assert!(fluxes[0].x == fluxes[1].x && fluxes[0].y == fluxes[1].y, "{boundary:?}");
        }
    }

    #[test]
    fn what_does_not_repeat_with_the_domain_is_not_swept() {
        let flat = Plane::constant(SHAPE, 0.0);
        let sweeps = |metric: &Metric, ground: &Plane| {
            let equations = Equations {
                metric,
                orography: ground,
                gravity: GRAVITY,
            };
            can_sweep(&equations, &Boundary::Periodic)
        };
        let metric = |rotation| Metric::plane(SHAPE, 2000.0, 2000.0, rotation);
        let slope = Plane::from_fn(SHAPE, |j, _| j as f64);
        assert!(sweeps(&metric(Rotation::Constant(1e-4)), &flat));
        assert!(!sweeps(&metric(Rotation::Beta { f0: 1e-4, beta: 2e-11 }), &flat));
        assert!(!sweeps(&metric(Rotation::Constant(1e-4)), &slope));
    }
}
