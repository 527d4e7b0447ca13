//! Does the forecast's rain move as the observed rain did, and no faster than weather moves?

use std::ops::Range;

use ndarray::{Array2, ArrayView1, ArrayView2, s};
use nowblend_field::Slice;
use rayon::prelude::*;

use super::{
    Check, CheckConfig, Evidence, Finding, Threshold,
    coarse::{block_mean, native_tile, tiles, weighted_quantile},
    finding::{Measure, short},
    observed::{before, smooth},
};

/// Rain of this much counts half as much as rain without end when rain is followed, mm h⁻¹: so that a shower's shape decides, not its peak.
const HALF_MM_H: f32 = 1.0;
/// Least likeness of a tile to what it came from for it to count as followed; 1 is equal, 0 has nothing in common.
const LEAST_LIKENESS: f64 = 0.5;
/// Displacements whose unlikeness exceeds the best one's by no more than this share, and this much, explain a tile as well; the one nearest to
/// the observed motion counts.
const AS_GOOD_SHARE: f64 = 0.1;
const AS_GOOD: f64 = 1e-3;
/// Least share of a tile that must be wet.
const LEAST_WET: f64 = 0.05;
/// Blocks that a displacement may span; beyond, blocks are joined.
const MOST_SHIFT: usize = 9;

/// Follows the rain of tiles from the slice before (or the newest frame) and compares its velocity with the observed motion.
///
/// The value is the median over tiles, weighted by their rain, of |V forecast - V observed| [m s⁻¹]. A tile's velocity is the
/// displacement that makes it most like the rain before, 2Σab / (Σa² + Σb²). A tile that is like nothing within reach came from
/// farther than the greatest speed allows, or from nothing, and counts as that speed.
#[derive(Debug, Clone)]
pub struct MotionPlausibility {
    difference_m_s: f64,
    limit_m_s: f64,
    tile_m: f64,
}

impl MotionPlausibility {
    /// Under the configuration's limits.
    pub fn new(config: &CheckConfig) -> Self {
        Self {
            difference_m_s: config.motion_difference_m_s,
            limit_m_s: config.motion_limit_m_s,
            tile_m: config.motion_tile_km * 1000.0,
        }
    }

    fn followed(&self, slice: &Slice, evidence: &Evidence<'_>) -> Result<Vec<Followed>, String> {
        let observed = evidence.observed;
        let rain = observed.rain_of(slice)?;
        let (earlier, step) = before(slice.lead_time, observed, evidence.history)?;
        let motion = observed.motion_before(slice.lead_time, step)?;
        let seconds = f64::from(step.seconds());
        let now = block_mean(rain.view(), observed.factor());
        let reach = |block_m: f64| (self.limit_m_s * seconds / block_m).ceil() as usize + 1;
        let (ny, nx) = now.dim();
        let join = reach(observed.block_m()).div_ceil(MOST_SHIFT).clamp(1, ny.min(nx).max(1));
        let joined = |field: ArrayView2<'_, f32>| block_mean(field, join);
        let grid = observed.grid().coarsen(join);
        let pair = Pair::new(&joined(earlier), &joined(now.view()));
        let (u, v) = (joined(motion.u.view()), joined(motion.v.view()));
        let size = (self.tile_m / grid.cell_size_m()).round() as usize;
        let shift = reach(grid.cell_size_m().max(1.0)) as isize;
        let found = tiles(pair.now.dim(), size.max(4)).into_par_iter().filter_map(|(rows, columns)| {
            let (dy_m, dx_m) = grid.spacing_m_in_row((rows.start + rows.end) / 2);
            let per_block = (dy_m / seconds, dx_m / seconds);
            let steering = (mean(&v, &rows, &columns), mean(&u, &rows, &columns));
            let expected = (steering.0 / per_block.0, steering.1 / per_block.1);
            let rain = pair.wet(&rows, &columns)?;
            let speed = |d: (f64, f64)| (d.0 * per_block.0).hypot(d.1 * per_block.1);
            let reached = pair.best(&rows, &columns, shift, expected).filter(|d| speed(*d) <= self.limit_m_s);
            let difference_m_s = reached.map_or(self.limit_m_s, |d| speed((d.0 - expected.0, d.1 - expected.1)).min(self.limit_m_s));
            let factor = observed.factor() * join;
            Some(Followed {
                rows,
                columns,
                factor,
                rain,
                difference_m_s,
                lost: reached.is_none(),
            })
        });
        Ok(found.collect())
    }
}

/// A tile and how it moved.
struct Followed {
    rows: Range<usize>,
    columns: Range<usize>,
    factor: usize,
    rain: f64,
    difference_m_s: f64,
    lost: bool,
}

impl Check for MotionPlausibility {
    fn name(&self) -> &str {
        "motion"
    }

    fn check(&self, slice: &Slice, evidence: &Evidence<'_>) -> Finding {
        let measure = Measure {
            check: self.name(),
            unit: "m/s",
            threshold: Threshold::at_most(self.difference_m_s),
            source: "proposal, to be calibrated over honest hindcasts",
        };
        let tiles = match self.followed(slice, evidence) {
            Ok(tiles) => tiles,
            Err(why) => return measure.not_applicable(slice.lead_time, evidence, why),
        };
        let median = weighted_quantile(tiles.iter().map(|t| (t.difference_m_s, t.rain)).collect(), 0.5);
        if median.is_nan() {
            return measure.not_applicable(slice.lead_time, evidence, "too little rain to follow");
        }
        let all: f64 = tiles.iter().map(|t| t.rain).sum();
        let lost = tiles.iter().filter(|t| t.lost).map(|t| t.rain).sum::<f64>() / all;
        let mut message = format!(
            "rain moves {} m/s apart from the observed motion (median over {} tiles)",
            short(median),
            tiles.len()
        );
        if lost > 0.0 {
            let (share, limit) = (short(100.0 * lost), short(self.limit_m_s));
            message += &format!("; {share} % of it cannot be followed from the slice before at {limit} m/s or less");
        }
        let worst = tiles.iter().max_by(|a, b| a.difference_m_s.total_cmp(&b.difference_m_s));
        let worst = worst.map(|t| native_tile(&t.rows, &t.columns, t.factor, t.difference_m_s));
        measure
            .graded(slice.lead_time, evidence, median, median / self.difference_m_s, message)
            .with_worst(worst)
    }
}

fn mean(field: &Array2<f32>, rows: &Range<usize>, columns: &Range<usize>) -> f64 {
    let part = field.slice(s![rows.clone(), columns.clone()]);
    let (sum, known) = part
        .iter()
        .filter(|v| v.is_finite())
        .fold((0.0, 0.0), |(sum, n), v| (sum + f64::from(*v), n + 1.0));
    if known > 0.0 { sum / known } else { 0.0 }
}

/// Two moments of rain, prepared for comparing shapes: R/(R + 1 mm h⁻¹), smoothed, 0 where unknown, beside 1 where known.
struct Pair {
    before: Array2<f32>,
    before_known: Array2<f32>,
    now: Array2<f32>,
    now_known: Array2<f32>,
}

impl Pair {
    fn new(before: &Array2<f32>, now: &Array2<f32>) -> Self {
        let shape = |field: &Array2<f32>| smooth(field.mapv(|r| if r > 0.0 { r / (r + HALF_MM_H) } else { r * 0.0 }).view());
        let known = |field: &Array2<f32>| field.mapv(|r| f32::from(u8::from(!r.is_nan())));
        let filled = |field: Array2<f32>| field.mapv(|r| if r.is_nan() { 0.0 } else { r });
        Self {
            before_known: known(before),
            now_known: known(now),
            before: filled(shape(before)),
            now: filled(shape(now)),
        }
    }

    /// How much rain a tile holds, if enough of it is wet (a twentieth of its cells above about 0.1 mm h⁻¹).
    fn wet(&self, rows: &Range<usize>, columns: &Range<usize>) -> Option<f64> {
        let part = self.now.slice(s![rows.clone(), columns.clone()]);
        let wet = part.iter().filter(|r| **r > 0.09).count();
        (wet as f64 >= LEAST_WET * part.len() as f64 && wet >= 4).then(|| part.iter().map(|r| f64::from(*r)).sum())
    }

    /// Displacement `(dy, dx)` in blocks since before that explains a tile best; nothing if none does well enough.
    fn best(&self, rows: &Range<usize>, columns: &Range<usize>, shift: isize, expected: (f64, f64)) -> Option<(f64, f64)> {
        let side = (2 * shift + 1) as usize;
        let likeness = Array2::from_shape_fn((side, side), |(j, i)| {
            self.likeness(rows, columns, j as isize - shift, i as isize - shift).unwrap_or(0.0)
        });
        let highest = likeness.iter().copied().fold(0.0, f64::max);
        if highest < LEAST_LIKENESS {
            return None;
        }
        let at = |k: usize| k as f64 - shift as f64;
        let near = |j: usize, i: usize| (at(j) - expected.0).hypot(at(i) - expected.1);
        let good = likeness
            .indexed_iter()
            .filter(|(_, l)| **l >= highest - AS_GOOD - AS_GOOD_SHARE * (1.0 - highest))
            .map(|(cell, _)| cell);
        let (j, i) = good.min_by(|a, b| near(a.0, a.1).total_cmp(&near(b.0, b.1)))?;
        let (y, x) = (peak(likeness.column(i), j), peak(likeness.row(j), i));
        Some((at(j) + y, at(i) + x))
    }

    /// 2Σab / (Σa² + Σb²) over cells known now and then; nothing if fewer than half are.
    fn likeness(&self, rows: &Range<usize>, columns: &Range<usize>, dy: isize, dx: isize) -> Option<f64> {
        let (ny, nx) = self.now.dim();
        // Only arrival cells whose departure lies on the grid.
        let cut = |r: &Range<usize>, d: isize, n: usize| {
            let low = (r.start as isize).max(d);
            let high = (r.end as isize).min(n as isize + d);
            (low < high).then_some((low as usize, high as usize))
        };
        let ((y0, y1), (x0, x1)) = (cut(rows, dy, ny)?, cut(columns, dx, nx)?);
        let from = ((x0 as isize - dx) as usize, (x1 as isize - dx) as usize);
        let (mut ab, mut aa, mut bb, mut known) = (0.0f64, 0.0f64, 0.0f64, 0.0f64);
        for y in y0..y1 {
            let source = (y as isize - dy) as usize;
            let a = self.now.row(y);
            let ma = self.now_known.row(y);
            let b = self.before.row(source);
            let mb = self.before_known.row(source);
            let (a, ma) = (&a.as_slice()?[x0..x1], &ma.as_slice()?[x0..x1]);
            let (b, mb) = (&b.as_slice()?[from.0..from.1], &mb.as_slice()?[from.0..from.1]);
            let (mut row_ab, mut row_aa, mut row_bb, mut row_known) = (0.0f32, 0.0f32, 0.0f32, 0.0f32);
            for k in 0..a.len() {
                row_ab += a[k] * b[k];
                row_aa += a[k] * a[k] * mb[k];
                row_bb += b[k] * b[k] * ma[k];
                row_known += ma[k] * mb[k];
            }
            ab += f64::from(row_ab);
            aa += f64::from(row_aa);
            bb += f64::from(row_bb);
            known += f64::from(row_known);
        }
        let half = 0.5 * (rows.len() * columns.len()) as f64;
        (known >= half && aa + bb > 0.0).then(|| 2.0 * ab / (aa + bb))
    }
}

/// Where between its neighbours the likeness peaks, in blocks: the vertex of the parabola through three values.
fn peak(line: ArrayView1<'_, f64>, at: usize) -> f64 {
    if at == 0 || at + 1 >= line.len() {
        return 0.0;
    }
    let (low, mid, high) = (line[at - 1], line[at], line[at + 1]);
    let bend = low - 2.0 * mid + high;
    if bend < 0.0 {
        (0.5 * (low - high) / bend).clamp(-0.5, 0.5)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use nowblend_field::LeadTime;

    use super::*;
    use crate::check::{Verdict, scenes};

    fn check() -> MotionPlausibility {
        MotionPlausibility::new(&CheckConfig::default())
    }

    #[test]
    fn storms_that_keep_their_motion_pass_at_every_lead() {
        let scene = scenes::storms(1);
        let analysis = scenes::analysis(&scene);
        let findings = scenes::findings(&check(), &analysis, &scenes::truth(&scene, &[5, 10, 15]));
        for finding in &findings {
            assert_eq!(finding.verdict, Verdict::Pass, "{}", finding.message);
            assert!(finding.value.unwrap() < 5.0, "{}", finding.message);
        }
    }

    #[test]
    fn rain_that_turns_back_differs_by_twice_its_speed() {
        // The scene moves at 12.8 m/s; the frames of the past shown as the future move the other way, 25.6 m/s apart.
        let scene = scenes::storms(1);
        let analysis = scenes::analysis(&scene);
        let backwards = Slice::of_rain(LeadTime::from_minutes(5), scene.rain_at(scenes::REFERENCE_S - 300.0));
        let finding = scenes::first(&check(), &analysis, &backwards);
        assert_eq!(finding.verdict, Verdict::Fail, "{}", finding.message);
        assert!((finding.value.unwrap() - 25.6).abs() < 4.0, "{}", finding.message);
        assert!(finding.worst_tile.is_some() && finding.trust < 1.0);
    }

    #[test]
    fn rain_that_leaps_across_the_map_cannot_be_followed() {
        let scene = scenes::storms(1);
        let analysis = scenes::analysis(&scene);
        let finding = scenes::first(&check(), &analysis, &scenes::teleported(&scene, 5));
        assert_eq!(finding.verdict, Verdict::Fail, "{}", finding.message);
        assert!(finding.message.contains("cannot be followed"), "{}", finding.message);
    }

    #[test]
    fn rain_that_stands_still_in_a_fast_flow_is_suspect() {
        let scene = scenes::storms(1);
        let analysis = scenes::analysis(&scene);
        let still = Slice::of_rain(LeadTime::from_minutes(5), analysis.observed().last().to_owned());
        let finding = scenes::first(&check(), &analysis, &still);
        assert_eq!(finding.verdict, Verdict::Suspect, "{}", finding.message);
    }

    #[test]
    fn what_cannot_be_followed_for_want_of_rain_is_not_judged() {
        scenes::degenerate(&check());
    }
}
