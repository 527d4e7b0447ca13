//! What the newest frames tell of the rain that is now: its waves, how long each scale lives, and its distribution.

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Zip};
use nowblend_field::{
    Analysis, Error, LeadTime, Notice, NoticeKind,
    advection::{Beyond, Displacement, Interpolation, nearest},
    exponential::exponential,
    matching::Distribution,
    wide::{Work, wide},
};

use super::{
    autoregression::Memory,
    cascade::{Alike, Cascade},
    envelope::Envelope,
    lagrangian::past_frames,
    plane::{Plane, Spectrum},
};

/// Decibels that no rain lies below the faintest rain.
const DRY_BELOW_DB: f32 = 5.0;
/// Steps by which rain is followed where one frame tells of none, min.
const STEP_MIN: f64 = 5.0;
/// Fewer wet cells than this tell nothing of how long scales live.
const FEWEST_WET: usize = 50;
/// So many pieces of rain tell half of how long a scale lives. Of 1, 4 and 16 this gave the best CSI at 1 mm h⁻¹ after an hour on train and validation events.
const FEW_PIECES: f64 = 4.0;

/// Which cells tell how long the scales of the rain live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Among {
    /// All of them: where it does not rain counts, too.
    All,
    /// Those where it has rained all the while, as far as they are enough: the edges of the rain, which live long, do not speak for what is inside.
    Wet,
}

/// The rain at the reference time in decibels, and its past brought along the motion to where it is now.
pub struct Past {
    pub plane: Plane,
    pub cascade: Cascade,
    /// The newest frame, decibels, complete.
    pub newest_db: Array2<f32>,
    /// Waves of the newest frame.
    pub newest: Spectrum,
    /// Waves of the frame before.
    pub before: Spectrum,
    /// How long each scale remembers.
    pub memory: Vec<Memory>,
    /// Distribution of the newest frame, decibels.
    pub distribution: Distribution,
    /// What each scale of the frame before is multiplied by, to vary as much as the newest: moving it has smoothed it.
    pub strength: Vec<f64>,
    /// Cells of the newest frame that were observed.
    pub seen: Array2<bool>,
    /// Time between frames, s.
    pub step_s: f64,
    /// Decibels of no rain.
    pub dry_db: f32,
}

impl Past {
    /// From up to three frames of `analysis`, in `scales` scales, whose lives the cells `among` tell; rain below `rain_min_mm_h` is none. `name` is whose
    /// notices they are.
    pub fn of(
        analysis: &Analysis,
        scales: usize,
        rain_min_mm_h: f64,
        among: Among,
        name: &str,
        notices: &mut Vec<Notice>,
    ) -> Result<Self, Error> {
        let observed = analysis.observed();
        let step_s = observed.step().map_or(60.0 * STEP_MIN, |s| f64::from(s.seconds()));
        let rain_min = rain_min_mm_h as f32;
        let dry_db = 10.0 * rain_min.log10() - DRY_BELOW_DB;
        let plane = Plane::around(analysis.grid().shape());
        let cascade = Cascade::new(&plane, scales);
        let seen = observed.last().mapv(|r| !r.is_nan());

        let now = decibels(observed.last(), rain_min, dry_db);
        let distribution = Distribution::of(now.view(), dry_db);
        let wide = plane.spread(now.view());
        let (ny, nx) = now.dim();
        let newest_db = wide.slice(ndarray::s![..ny, ..nx]).to_owned();
        let newest = plane.forward(&wide);
        let arrived: Vec<Array2<f32>> = past_frames(analysis, now.view(), 2, Interpolation::Cubic, |frame| {
            decibels(frame, rain_min, dry_db).into()
        })?
        .collect();
        let lagged: Vec<Spectrum> = arrived.iter().map(|then| plane.forward(&plane.spread(then.view()))).collect();

        let cell_km = analysis.grid().cell_size_m() / 1000.0;
        let by_experience = |cells: &f64| Memory::by_experience(cells * cell_km, step_s / 60.0);
        let alike: Vec<Vec<Alike>> = lagged.iter().map(|lagged| cascade.alike(&newest, lagged)).collect();
        let memory = if alike.is_empty() || distribution.wet_cells() < FEWEST_WET {
            if distribution.wet_cells() > 0 {
                let why = if alike.is_empty() {
                    "one frame".to_owned()
                } else {
                    format!("{} wet cells", distribution.wet_cells())
                };
                let message = format!("{why} cannot tell how long the scales of the rain live: they are taken from experience");
                notices.push(Notice::new(NoticeKind::Degraded, name, message));
            }
            cascade.centres().iter().map(by_experience).collect()
        } else {
            let of_all = alike
                .iter()
                .map(|alike| alike.iter().map(|alike| alike.correlation).collect())
                .collect();
            let correlations: Vec<Vec<f64>> = match among {
                Among::All => of_all,
                Among::Wet => {
                    let wet = always_wet(&now, &arrived, dry_db);
                    let bands = Bands {
                        plane: &plane,
                        cascade: &cascade,
                        wet: &wet,
                    };
                    bands.correlations(&newest, &lagged, &of_all)
                }
            };
            let two_steps = |scale: usize| correlations.get(1).map_or(f64::NAN, |two| two[scale]);
            let of = |scale: usize| Memory::of(correlations[0][scale], two_steps(scale));
            (0..cascade.scales()).map(of).collect()
        };
        let strength = |scale: usize| alike.first().map_or(1.0, |one| one[scale].ratio.clamp(0.5, 2.0));
        let mut lagged = lagged.into_iter();
        Ok(Self {
            before: lagged.next().unwrap_or_else(|| newest.clone()),
            strength: (0..cascade.scales()).map(strength).collect(),
            newest,
            newest_db,
            memory,
            plane,
            cascade,
            distribution,
            seen,
            step_s,
            dry_db,
        })
    }

    /// Rain at a lead time, mm h⁻¹, into `out`: `field` `[y, x]`, of any unit, takes on the observed distribution and goes where `displacement`
    /// takes it. It is missing where a cell, told with its departure point, is not `known`; what comes from beyond the map is the field, mirrored
    /// at its edge.
    pub fn rain_into(
        &self,
        mut field: Array2<f32>,
        displacement: &Displacement,
        interpolation: Interpolation,
        known: impl Fn((usize, usize), (f32, f32)) -> bool + Sync,
        mut out: ArrayViewMut2<'_, f32>,
    ) {
        self.distribution.impose(field.view_mut(), &self.seen);
        displacement.read_as(
            field.view(),
            interpolation,
            Beyond::Mirrored(f32::INFINITY),
            out.view_mut(),
            |cell, from, db| {
                if known(cell, from) { db } else { f32::NAN }
            },
        );
        let least = self.least_db();
        Zip::from(out.rows_mut()).par_for_each(|row| {
            wide(Rates {
                row: row.into_slice().expect("fields are in standard layout"),
                least,
            });
        });
    }

    /// Whether a cell lies no farther than `reach` cells from those that were observed.
    pub fn near(&self, reach: f32) -> Array2<bool> {
        let seen = self.seen.mapv(f32::from);
        Envelope::around(seen.view(), 1.0).within(reach)
    }

    /// Whether something can be said of the rain of `cell` `[y, x]`: where its departure point, in cells, lies among cells that were observed,
    /// and where the cell itself was observed and its rain comes from what is `near`, no farther than `reach` cells outside the map.
    #[inline(always)]
    pub fn known(&self, cell: (usize, usize), (y, x): (f32, f32), near: &Array2<bool>, reach: f32) -> bool {
        let shape = self.seen.dim();
        if nearest(shape, y, x).is_some_and(|from| self.seen[from]) {
            return true;
        }
        let edge = Beyond::Edge(reach);
        let around = nearest(shape, edge.place(y, shape.0 as f32), edge.place(x, shape.1 as f32));
        self.seen[cell] && around.is_some_and(|from| near[from])
    }

    /// Rain below this is none, decibels.
    pub fn least_db(&self) -> f32 {
        self.dry_db + DRY_BELOW_DB
    }

    /// Steps between frames that a lead time is.
    pub fn steps(&self, lead_time: LeadTime) -> f64 {
        f64::from(lead_time.seconds()) / self.step_s
    }
}

/// Cells where it rains `now` `[y, x]`, decibels, and did so in what has `arrived`.
fn always_wet(now: &Array2<f32>, arrived: &[Array2<f32>], dry_db: f32) -> Array2<bool> {
    let least = dry_db + DRY_BELOW_DB;
    let mut wet = now.mapv(|db| db >= least);
    for then in arrived {
        Zip::from(&mut wet).and(then).for_each(|wet, db| *wet &= *db >= least);
    }
    wet
}

/// The scales of fields on the cells that are `wet`.
struct Bands<'a> {
    plane: &'a Plane,
    cascade: &'a Cascade,
    wet: &'a Array2<bool>,
}

impl Bands<'_> {
    /// Correlations `[lag][scale]` of the newest waves with those before, on the wet cells as far as these are enough, and as `of_all` has them
    /// beyond: n pieces of rain a quarter of a wavelength wide count n / (n + 4).
    fn correlations(&self, newest: &Spectrum, lagged: &[Spectrum], of_all: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let cells = self.wet.iter().filter(|wet| **wet).count() as f64;
        let mut correlations = of_all.to_vec();
        for (scale, wavelength) in self.cascade.centres().iter().enumerate() {
            let pieces = cells / (wavelength / 4.0).powi(2);
            let share = pieces / (pieces + FEW_PIECES);
            let sketch = self.cascade.sketch(self.plane, scale);
            let (now, wet) = (sketch.band(newest), sketch.sample(self.wet));
            for (correlations, lagged) in correlations.iter_mut().zip(lagged) {
                let found = correlation(&now, &sketch.band(lagged), &wet);
                if found.is_finite() {
                    correlations[scale] += share * (found - correlations[scale]);
                }
            }
        }
        correlations
    }
}

/// Pearson's correlation of two fields on the wet cells; NaN where one of them does not vary there.
fn correlation(a: &Array2<f32>, b: &Array2<f32>, wet: &Array2<bool>) -> f64 {
    let mut sums = [0.0f64; 6];
    for ((a, b), wet) in a.iter().zip(b).zip(wet) {
        if *wet {
            let (a, b) = (f64::from(*a), f64::from(*b));
            for (sum, more) in sums.iter_mut().zip([1.0, a, b, a * a, b * b, a * b]) {
                *sum += more;
            }
        }
    }
    let [n, a, b, aa, bb, ab] = sums;
    (n * ab - a * b) / ((n * aa - a * a) * (n * bb - b * b)).sqrt()
}

/// Decibels that become mm h⁻¹: nothing below the `least`.
struct Rates<'a> {
    row: &'a mut [f32],
    least: f32,
}

impl Work for Rates<'_> {
    #[inline(always)]
    fn run(self) {
        for value in self.row {
            *value = if value.is_nan() { f32::NAN } else { rate(*value, self.least) };
        }
    }
}

/// Rain of so many decibels, mm h⁻¹: 10^(dB/10), and nothing below the `least`.
#[inline(always)]
pub fn rate(db: f32, least: f32) -> f32 {
    let rate = exponential(db * (0.1 * std::f32::consts::LN_10));
    if db < least { 0.0 } else { rate }
}

/// 10 log10 of rain `[y, x]` of at least `rain_min`, mm h⁻¹; `dry_db` below, NaN where not observed.
pub fn decibels(rain: ArrayView2<'_, f32>, rain_min: f32, dry_db: f32) -> Array2<f32> {
    rain.mapv(|r| {
        if r.is_nan() {
            f32::NAN
        } else if r >= rain_min {
            10.0 * r.log10()
        } else {
            dry_db
        }
    })
}
