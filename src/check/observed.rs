//! What the radar saw and what a component said before, in the coarse form that checks compare with.

use ndarray::{Array2, ArrayView2, CowArray, Ix2, s};
use nowblend_field::{Analysis, Grid, LeadTime, Motion, Slice, advection::SemiLagrangian};

use super::coarse::block_mean;

/// Speed that a block should resolve from frame to frame, m s⁻¹: one block a frame.
const RESOLVED_SPEED_M_S: f64 = 10.0;
/// Blocks along a side at most, so that a check of a large composite stays quick.
const MOST_BLOCKS: usize = 320;
/// Points along a side at most on which parcels are followed back; the motion is smoother than that.
const MOST_PARCELS: usize = 128;
/// Rows whose rain is held against that which was carried there, at most, and as many columns: an even sample of a large grid.
const MOST_LINES: usize = 512;
/// Diagnostics of the core that the moisture checks read.
const COLUMN_WATER: &str = "column_water_kg_m2";
const FLUX_DIVERGENCE: &str = "moisture_flux_divergence_kg_m2_s";

/// What the radar saw up to the reference time, made ready once for all checks of a forecast.
pub struct Observed<'a> {
    analysis: &'a Analysis,
    factor: usize,
    grid: Grid,
    latest: Array2<f32>,
    motion: Result<Motion, String>,
}

impl<'a> Observed<'a> {
    /// Reads off `analysis` what the checks need: the newest frame and the motion, in blocks.
    pub fn of(analysis: &'a Analysis) -> Self {
        let observed = analysis.observed();
        let (ny, nx) = analysis.grid().shape();
        let step_s = observed.step().map_or(300.0, |step| f64::from(step.seconds()));
        let resolved = (RESOLVED_SPEED_M_S * step_s / analysis.grid().cell_size_m()).round() as usize;
        let factor = resolved.max(ny.max(nx).div_ceil(MOST_BLOCKS)).clamp(1, ny.min(nx));
        let motion = analysis.motion().map_err(|e| format!("the motion of the rain is not known: {e}"));
        Self {
            analysis,
            factor,
            grid: analysis.grid().coarsen(factor),
            latest: block_mean(observed.last(), factor),
            motion: motion.map(|m| m.each(|field| block_mean(field.view(), factor))),
        }
    }

    /// The analysis itself.
    pub fn analysis(&self) -> &'a Analysis {
        self.analysis
    }

    /// Cells along a side of a block.
    pub(super) fn factor(&self) -> usize {
        self.factor
    }

    /// The grid of blocks.
    pub(super) fn grid(&self) -> &Grid {
        &self.grid
    }

    /// Size of a block, m.
    pub(super) fn block_m(&self) -> f64 {
        self.grid.cell_size_m()
    }

    /// Mean rain in blocks `[y, x]` of the newest frame, mm h⁻¹.
    pub(super) fn latest(&self) -> ArrayView2<'_, f32> {
        self.latest.view()
    }

    /// Mean rain in blocks `[y, x]` of the frame `before` ahead of the newest, mm h⁻¹, if the radar saw one then.
    pub(super) fn earlier(&self, before: LeadTime) -> Option<Array2<f32>> {
        let observed = self.analysis.observed();
        let step_s = observed.step()?.seconds();
        let back = (before.seconds() / step_s) as usize;
        let exact = before.seconds().is_multiple_of(step_s) && (1..observed.frames()).contains(&back);
        exact.then(|| block_mean(observed.frame(observed.frames() - 1 - back), self.factor))
    }

    /// Motion in blocks `[y, x]`, m s⁻¹, or why there is none.
    fn motion(&self) -> Result<&Motion, String> {
        self.motion.as_ref().map_err(Clone::clone)
    }

    /// The one motion that counts in the `step` before a lead time: halfway between, the share of the showers and of their systems that trajectories take then.
    pub(super) fn motion_before(&self, lead_time: LeadTime, step: LeadTime) -> Result<Motion, String> {
        let motion = self.motion()?;
        let middle_s = f64::from(lead_time.seconds()) - 0.5 * f64::from(step.seconds());
        Ok(motion.at(middle_s, SemiLagrangian::default().showers_min))
    }

    /// The rain of a slice, the mean where it has members, or why a check cannot use it.
    pub(super) fn rain_of<'s>(&self, slice: &'s Slice) -> Result<CowArray<'s, f32, Ix2>, String> {
        self.usable_rain(slice)?;
        let members = slice.rain.as_ref().map_or(0, |r| r.dim().0);
        let rain = if members == 1 {
            slice.first_member().map(CowArray::from)
        } else {
            slice.mean().map(CowArray::from)
        };
        rain.ok_or_else(|| "the slice has no rain".to_owned())
    }

    /// Whether the slice has rain on the analysis' grid with at least one value.
    pub(super) fn usable_rain(&self, slice: &Slice) -> Result<(), String> {
        let Some(rain) = &slice.rain else {
            return Err("the slice has probabilities but no rain".to_owned());
        };
        let (members, ny, nx) = rain.dim();
        let expected = self.analysis.grid().shape();
        if members == 0 {
            return Err("the slice has no member".to_owned());
        }
        if (ny, nx) != expected {
            return Err(format!(
                "its rain has {ny} x {nx} cells, the analysis {} x {}",
                expected.0, expected.1
            ));
        }
        if !rain.iter().any(|r| r.is_finite()) {
            return Err("no cell of the slice has a value".to_owned());
        }
        Ok(())
    }

    /// The newest frame, carried along its motion to a lead time, or why it cannot be.
    pub(super) fn carried(&self, lead_time: LeadTime) -> Result<Carried, String> {
        let origins = self.origins(lead_time)?;
        let newest = self.analysis.observed().last();
        let (ny, nx) = newest.dim();
        let stride = ny.max(nx).div_ceil(MOST_LINES).max(1);
        let rain = Array2::from_shape_fn((ny.div_ceil(stride), nx.div_ceil(stride)), |(row, column)| {
            origins.of(row * stride, column * stride).map_or(f32::NAN, |from| newest[from])
        });
        Ok(Carried { stride, rain })
    }

    /// Where the rain that the observed motion brings to each cell at `lead_time` was at the reference time.
    fn origins(&self, lead_time: LeadTime) -> Result<Origins, String> {
        let motion = self.motion()?;
        let (ny, nx) = self.grid.shape();
        let more = ny.max(nx).div_ceil(MOST_PARCELS).clamp(1, ny.min(nx));
        let grid = self.grid.coarsen(more);
        let motion = motion.each(|field| block_mean(field.view(), more));
        let mut trajectories = SemiLagrangian::default().trajectories(&motion, &grid);
        let displacement = trajectories.advance_to(lead_time);
        let factor = (self.factor * more) as f32;
        let blocks = |part: fn((f32, f32)) -> f32| Array2::from_shape_fn(grid.shape(), |(y, x)| factor * part(displacement.at(y, x)));
        Ok(Origins {
            factor,
            dy: blocks(|d| d.0),
            dx: blocks(|d| d.1),
            shape: self.analysis.grid().shape(),
        })
    }
}

/// Rain where its motion has taken it.
pub struct Carried {
    /// It is told for every so many rows and columns, from the first on.
    pub stride: usize,
    /// Rain `[y, x]` of those, mm h⁻¹; NaN where it comes from outside the map or from what was not observed.
    pub rain: Array2<f32>,
}

/// Where rain came from, by cell of the full grid.
struct Origins {
    /// Cells along a side of a block on which the displacement is known.
    factor: f32,
    /// Displacement back to the reference time, cells of the full grid.
    dy: Array2<f32>,
    dx: Array2<f32>,
    shape: (usize, usize),
}

impl Origins {
    /// The cell that held the rain of `(row, column)` at the reference time; nothing if that lies outside the grid.
    fn of(&self, row: usize, column: usize) -> Option<(usize, usize)> {
        let (by, bx) = self.dy.dim();
        let place = |index: usize, count: usize| {
            let at = ((index as f32 + 0.5) / self.factor - 0.5).clamp(0.0, (count - 1) as f32);
            let low = (at as usize).min(count.saturating_sub(2));
            (low, (low + 1).min(count - 1), at - low as f32)
        };
        let ((y0, y1, fy), (x0, x1, fx)) = (place(row, by), place(column, bx));
        let between = |a: &Array2<f32>| {
            let (south, north) = (
                a[[y0, x0]] * (1.0 - fx) + a[[y0, x1]] * fx,
                a[[y1, x0]] * (1.0 - fx) + a[[y1, x1]] * fx,
            );
            south * (1.0 - fy) + north * fy
        };
        let (y, x) = (
            (row as f32 + between(&self.dy)).round(),
            (column as f32 + between(&self.dx)).round(),
        );
        let inside = y >= 0.0 && x >= 0.0 && y < self.shape.0 as f32 && x < self.shape.1 as f32;
        inside.then_some((y as usize, x as usize))
    }
}

/// What a component said at one lead time, and the core beside it, in blocks: what later checks remember.
#[derive(Debug, Clone)]
pub struct Moment {
    /// How far ahead.
    pub lead_time: LeadTime,
    /// Mean rain `[y, x]`, mm h⁻¹; missing where the slice had none on the analysis' grid.
    pub rain: Option<Array2<f32>>,
    /// The core's column water `[y, x]`, kg m⁻², where it ran.
    pub column_water: Option<Array2<f32>>,
    /// The core's moisture flux divergence `[y, x]`, kg m⁻² s⁻¹, where it ran.
    pub flux_divergence: Option<Array2<f32>>,
}

impl Moment {
    /// Remembers a slice, and the core's slice of the same lead time.
    pub fn of(slice: &Slice, physics: Option<&Slice>, observed: &Observed<'_>) -> Self {
        let diagnostic = |name: &str| {
            let field = physics?.diagnostics.get(name)?;
            (field.dim() == observed.analysis.grid().shape()).then(|| block_mean(field.view(), observed.factor))
        };
        Self {
            lead_time: slice.lead_time,
            rain: observed.rain_of(slice).ok().map(|rain| block_mean(rain.view(), observed.factor)),
            column_water: diagnostic(COLUMN_WATER),
            flux_divergence: diagnostic(FLUX_DIVERGENCE),
        }
    }
}

/// The rain before a slice, and how long before: that of the slice before, or the newest frame where it is the first.
pub(super) fn before<'a>(
    lead_time: LeadTime,
    observed: &'a Observed<'_>,
    history: &'a [Moment],
) -> Result<(ArrayView2<'a, f32>, LeadTime), String> {
    let (rain, at) = match history.last() {
        None => (observed.latest(), LeadTime::from_seconds(0)),
        Some(moment) => match &moment.rain {
            Some(rain) => (rain.view(), moment.lead_time),
            None => return Err(format!("the slice before, at {}, has no rain", moment.lead_time)),
        },
    };
    let seconds = lead_time.seconds().checked_sub(at.seconds()).filter(|s| *s > 0);
    let step = seconds.ok_or_else(|| format!("the slice before lies at {at}, not before {lead_time}"))?;
    Ok((rain, LeadTime::from_seconds(step)))
}

/// Mean of each cell and its eight neighbours; what is not known is left out and stays unknown itself.
pub(super) fn smooth(field: ArrayView2<'_, f32>) -> Array2<f32> {
    let (ny, nx) = field.dim();
    Array2::from_shape_fn((ny, nx), |(row, column)| {
        if field[[row, column]].is_nan() {
            return f32::NAN;
        }
        let around = field.slice(s![
            row.saturating_sub(1)..(row + 2).min(ny),
            column.saturating_sub(1)..(column + 2).min(nx)
        ]);
        let (sum, known) = around
            .iter()
            .filter(|v| !v.is_nan())
            .fold((0.0, 0.0), |(sum, n), v| (sum + v, n + 1.0));
        sum / known
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::{TimeZone, Utc};
    use ndarray::Array3;
    use nowblend_field::{Error, Sequence, motion::MotionEstimator};

    use super::*;

    /// Showers that rest and systems that go east with 10 m/s.
    struct Systems;

    impl MotionEstimator for Systems {
        fn follow(&self, observed: &Sequence) -> Result<Option<Motion>, Error> {
            let shape = observed.grid().shape();
            let mut motion = Motion::rest(shape);
            motion.systems = Some([Array2::from_elem(shape, 10.0), Array2::zeros(shape)]);
            Ok(Some(motion))
        }
    }

    #[test]
    fn what_was_observed_goes_on_as_trajectories_do() {
        let start = Utc.with_ymd_and_hms(2020, 7, 1, 12, 0, 0).unwrap();
        let rain = Array3::from_shape_fn((2, 64, 96), |(.., x)| x as f32);
        let times = vec![start, start + LeadTime::from_minutes(5)];
        let sequence = Sequence::new(Grid::plane(64, 96, 1000.0), times, rain).unwrap();
        let analysis = Analysis::new(sequence).with_motion_estimator(Arc::new(Systems));
        let observed = Observed::of(&analysis);
        let (hour, step) = (LeadTime::from_minutes(60), LeadTime::from_minutes(5));
        // 1 - exp(-(2.5/60)²) and 1 - exp(-(57.5/60)²) of 10 m/s.
        for (lead_time, expected) in [(step, 0.0173), (hour, 6.008)] {
            let motion = observed.motion_before(lead_time, step).unwrap();
            assert!((motion.u[[5, 5]] - expected).abs() < 1e-3, "{} at {lead_time}", motion.u[[5, 5]]);
            assert_eq!(motion.v[[5, 5]], 0.0);
        }
        // 36 km (1 - .7468) = 9.1 km in an hour.
        let carried = observed.carried(hour).unwrap();
        assert_eq!([carried.stride as f32, carried.rain[[32, 60]]], [1.0, 51.0]);
    }
}
