//! What the core does in a second, held against the memory of the machine and against a well-known scheme: steps of 1024 x 1024 cells.
//!
//! `triad` is the roof: bytes that a[i] = b[i] + s c[i] moves. `leapfrog` is the yardstick: the scheme of Sadourny (1975) that the public
//! mini-app of NCAR steps (one evaluation of the right-hand side a step; ours takes three). With one thread the time is that of its processor,
//! with two that of the day. Quote a speed only from a dated run in
//! `benches/runs/`.

use std::{
    hint::black_box,
    sync::LazyLock,
    time::{Duration, Instant},
};

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime};
use nowblend_physics::{
    boundary::Boundary,
    constants::GRAVITY,
    metric::{Metric, Rotation},
    moist_layer::{Layer, MoistLayer},
    moisture::Moisture,
    plane::{Plane, Shape},
    shallow_water::Flow,
};
use rayon::ThreadPoolBuilder;

const CELLS: usize = 1024;

/// Time that this thread has run, where the system tells (Linux): a machine that others use has no other fair clock. Else time of day.
fn clock() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = told.and_then(|text| text.split(' ').next()?.parse().ok());
    nanoseconds.map_or_else(|| START.elapsed(), Duration::from_nanos)
}

/// The time that this thread takes for `count` times `work`.
fn timed(count: u64, mut work: impl FnMut()) -> Duration {
    let before = clock();
    (0..count).for_each(|_| work());
    clock() - before
}

/// A bench, its layer, and the steps of the air while its water waits.
type Run = (&'static str, MoistLayer, usize);

fn group<'a>(criterion: &'a mut Criterion, name: &str, throughput: Throughput) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group
        .throughput(throughput)
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(4));
    group
}

/// Three arrays of 128 MiB, which no cache holds.
fn triad(criterion: &mut Criterion) {
    const COUNT: usize = 1 << 24;
    let (mut a, b, c) = (vec![0.0; COUNT], vec![1.0; COUNT], vec![2.0; COUNT]);
    group(criterion, "triad", Throughput::Bytes(24 * COUNT as u64)).bench_function("one_thread", |bencher| {
        bencher.iter_custom(|count| {
            timed(count, || {
                for ((a, b), c) in a.iter_mut().zip(&b).zip(&c) {
                    *a = b + 3.0 * c;
                }
                black_box(&mut a);
            })
        });
    });
}

fn wavy(mean: f64, amplitude: f64) -> Plane {
    let shape = Shape { ny: CELLS, nx: CELLS };
    Plane::from_fn(shape, |j, i| {
        let [y, x] = [j, i].map(|k| std::f64::consts::TAU * k as f64 / CELLS as f64);
        mean + amplitude * ((3.0 * x).sin() * (2.0 * y).cos())
    })
}

/// Periodic cells of 2 km, dry or with their five tracers.
fn layer(moist: bool) -> MoistLayer {
    let shape = Shape { ny: CELLS, nx: CELLS };
    let moisture = Moisture {
        mean_depth_m: 500.0,
        column_mass_kg_m2: 5000.0,
        autoconversion_time_s: 1000.0,
        autoconversion_threshold_kg_kg: 1e-4,
        evaporation_rate_s: 1e-3,
        fallout_time_s: 600.0,
        supply_time_s: 3600.0,
        depth_per_water: 50.0,
    };
    let layer = Layer {
        metric: Metric::plane(shape, 2000.0, 2000.0, Rotation::Constant(1e-4)),
        boundary: Boundary::Periodic,
        orography: Plane::constant(shape, 0.0),
        gravity: GRAVITY,
        moisture: moist.then(|| (moisture, Plane::constant(shape, 6.0))),
        nudging: None,
        divergence_damping: 0.0,
    };
    let flow = Flow {
        h: wavy(500.0, 5.0),
        u: wavy(10.0, 2.0),
        v: wavy(-3.0, 2.0),
    };
    let tracers = [(0.0115, 0.001), (1e-4, 1e-4), (3e-4, 3e-4), (5e-7, 5e-7), (3e-4, 3e-4)];
    let tracers = tracers
        .iter()
        .filter(|_| moist)
        .map(|(mean, amplitude)| wavy(*mean, *amplitude))
        .collect();
    MoistLayer::new(layer, flow, tracers)
}

/// A step of the air alone; of air and water; and some of the air with one of the water, as a forecast takes them: four in a wind of 22 m/s, six
/// in one of up to 12 m/s, as here.
fn steps(criterion: &mut Criterion) {
    for (threads, label) in [(1, "one_thread"), (2, "two_threads")] {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be had");
        let runs: [Run; 4] = [
            ("dry", layer(false), 1),
            ("moist", layer(true), 1),
            ("moist_by_fours", layer(true), 4),
            ("moist_by_sixes", layer(true), 6),
        ];
        for (name, mut air, air_steps) in runs {
            let cells = Throughput::Elements((CELLS * CELLS * air_steps) as u64);
            group(criterion, &format!("step/{name}/1024"), cells).bench_function(label, |bencher| {
                let mut step = || air.step(black_box(5.0), air_steps).expect("the flow is smooth");
                if threads == 1 {
                    bencher.iter_custom(|count| pool.install(|| timed(count, &mut step)));
                } else {
                    bencher.iter(|| pool.install(&mut step));
                }
            });
        }
    }
}

/// The yardstick: fluxes, vorticity and Bernoulli function of the whole plane, then all tendencies, then a filter in time.
struct Leapfrog {
    /// Wind and height at three times.
    now: [Vec<f64>; 3],
    before: [Vec<f64>; 3],
    after: [Vec<f64>; 3],
    fluxes: [Vec<f64>; 2],
    vorticity: Vec<f64>,
    bernoulli: Vec<f64>,
}

/// A row and a column more on each side, so that the plane repeats.
const WIDE: usize = CELLS + 2;

impl Leapfrog {
    fn new() -> Self {
        let field = |mean: f64, amplitude: f64| -> Vec<f64> {
            (0..WIDE * WIDE)
                .map(|at| {
                    let [y, x] = [at / WIDE, at % WIDE].map(|k| std::f64::consts::TAU * k as f64 / CELLS as f64);
                    mean + amplitude * ((3.0 * x).sin() * (2.0 * y).cos())
                })
                .collect()
        };
        let now = [field(10.0, 2.0), field(-3.0, 2.0), field(50_000.0, 500.0)];
        let room = vec![0.0; WIDE * WIDE];
        Self {
            before: now.clone(),
            after: now.clone(),
            now,
            fluxes: [room.clone(), room.clone()],
            vorticity: room.clone(),
            bernoulli: room,
        }
    }

    fn repeat(field: &mut [f64]) {
        for row in field.chunks_exact_mut(WIDE) {
            row[0] = row[CELLS];
            row[CELLS + 1] = row[1];
        }
        field.copy_within(CELLS * WIDE..(CELLS + 1) * WIDE, 0);
        field.copy_within(WIDE..2 * WIDE, (CELLS + 1) * WIDE);
    }

    fn step(&mut self, dt: f64) {
        const PER_M: f64 = 1.0 / 2000.0;
        let rows = |j: usize| j * WIDE..(j + 1) * WIDE;
        let [u, v, p] = &self.now;
        let [cu, cv] = &mut self.fluxes;
        for j in 1..=CELLS {
            let (u0, u1, v1) = (&u[rows(j - 1)], &u[rows(j)], &v[rows(j)]);
            let (p0, p1, v2) = (&p[rows(j - 1)], &p[rows(j)], &v[rows(j + 1)]);
            let range = j * WIDE..(j + 1) * WIDE;
            let (cu, cv) = (&mut cu[range.clone()], &mut cv[range.clone()]);
            let (z, h) = (&mut self.vorticity[range.clone()], &mut self.bernoulli[range]);
            for k in 1..=CELLS {
                cu[k] = 0.5 * (p1[k] + p1[k - 1]) * u1[k];
                cv[k] = 0.5 * (p1[k] + p0[k]) * v1[k];
                z[k] = 4.0 * PER_M * (v1[k] - v1[k - 1] - u1[k] + u0[k]) / (p0[k - 1] + p0[k] + p1[k - 1] + p1[k]);
                h[k] = p1[k] + 0.25 * (u1[k] * u1[k] + u1[k + 1] * u1[k + 1] + v1[k] * v1[k] + v2[k] * v2[k]);
            }
        }
        for field in [&mut *cu, &mut *cv, &mut self.vorticity, &mut self.bernoulli] {
            Self::repeat(field);
        }
        let (z, h) = (&self.vorticity, &self.bernoulli);
        let [u_after, v_after, p_after] = &mut self.after;
        let [u_before, v_before, p_before] = &self.before;
        for j in 1..=CELLS {
            let (here, north, south) = (rows(j), rows(j + 1), rows(j - 1));
            let (z1, z2, h1, h0) = (&z[here.clone()], &z[north.clone()], &h[here.clone()], &h[south.clone()]);
            let (cu1, cu0, cv1, cv2) = (&cu[here.clone()], &cu[south], &cv[here.clone()], &cv[north]);
            let (u0, v0, p0) = (&u_before[here.clone()], &v_before[here.clone()], &p_before[here.clone()]);
            let (u2, v2, p2) = (&mut u_after[here.clone()], &mut v_after[here.clone()], &mut p_after[here]);
            for k in 1..=CELLS {
                u2[k] = u0[k] + dt * (0.125 * (z2[k] + z1[k]) * (cv2[k] + cv2[k - 1] + cv1[k - 1] + cv1[k]) - PER_M * (h1[k] - h1[k - 1]));
                v2[k] = v0[k] - dt * (0.125 * (z1[k + 1] + z1[k]) * (cu1[k + 1] + cu1[k] + cu0[k] + cu0[k + 1]) + PER_M * (h1[k] - h0[k]));
                p2[k] = p0[k] - dt * PER_M * (cu1[k + 1] - cu1[k] + cv2[k] - cv1[k]);
            }
        }
        for ((before, now), after) in self.before.iter_mut().zip(&mut self.now).zip(&mut self.after) {
            Self::repeat(after);
            for ((b, n), a) in before.iter_mut().zip(&mut *now).zip(&*after) {
                *b = *n + 0.001 * (a - 2.0 * *n + *b);
            }
            std::mem::swap(now, after);
        }
    }
}

fn leapfrog(criterion: &mut Criterion) {
    let mut air = Leapfrog::new();
    group(criterion, "leapfrog/1024", Throughput::Elements((CELLS * CELLS) as u64)).bench_function("one_thread", |bencher| {
        bencher.iter_custom(|count| timed(count, || air.step(black_box(2.0))));
    });
}

criterion_group!(core, triad, leapfrog, steps);
criterion_main!(core);
