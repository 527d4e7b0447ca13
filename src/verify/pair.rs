//! A forecast and what was observed, made ready to be compared.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use ndarray::{Array2, ArrayBase, Axis, CowArray, Data, Ix2};
use nowblend_field::{Exceedance, Slice};

use super::{
    neighbourhood::event_counts,
    spectra::{Region, ring_power},
};

/// What a forecaster said for one lead time. Missing rain counts as dry, a missing probability as 0.
pub struct Forecast<'a> {
    rain: Option<Array2<f32>>,
    known: Option<Array2<bool>>,
    slice: Option<&'a Slice>,
    shares: Mutex<BTreeMap<u32, Arc<[f32]>>>,
}

impl<'a> Forecast<'a> {
    /// The forecast of a slice: the mean of its members, and its probabilities.
    pub fn of(slice: &'a Slice) -> Self {
        let rain = slice.mean();
        Self {
            slice: Some(slice),
            ..rain.as_ref().map_or(
                Self {
                    rain: None,
                    known: None,
                    slice: None,
                    shares: Mutex::default(),
                },
                Self::of_rain,
            )
        }
    }

    /// A forecast of rain `[y, x]` alone, mm h⁻¹.
    pub fn of_rain(rain: &Array2<f32>) -> Self {
        Self {
            rain: Some(dry_where_missing(rain)),
            known: Some(rain.as_standard_layout().mapv(|r| !r.is_nan())),
            slice: None,
            shares: Mutex::default(),
        }
    }

    /// Rain `[y, x]`, mm h⁻¹, 0 where missing; `None` where the forecaster gives probabilities only.
    pub fn rain(&self) -> Option<&Array2<f32>> {
        self.rain.as_ref()
    }

    /// Cells that count and that the forecast leaves missing.
    pub fn missing(&self, observed: &Observed) -> usize {
        let known = match (&self.known, self.exceedance()) {
            (Some(known), _) => known.clone(),
            (None, Some(e)) => e.probability.index_axis(Axis(0), 0).mapv(|p| !p.is_nan()),
            (None, None) => return observed.cells.len(),
        };
        observed
            .cells
            .iter()
            .filter(|cell| !known.as_slice().is_some_and(|k| k[**cell as usize]))
            .count()
    }

    /// Rain on the cells that count.
    pub(super) fn rain_on<'b>(&'b self, observed: &'b Observed) -> Option<impl Iterator<Item = f32> + 'b> {
        let rain = self.rain.as_ref()?.as_slice()?;
        Some(observed.cells.iter().map(|cell| rain[*cell as usize]))
    }

    /// The members `[y, x]` in standard layout, NaN where missing: a forecast of rain alone is its only member.
    pub(super) fn members(&self) -> Vec<CowArray<'_, f32, Ix2>> {
        match self.slice.and_then(|s| s.rain.as_ref()) {
            Some(members) => members
                .outer_iter()
                .map(|member| match member.is_standard_layout() {
                    true => member.into(),
                    false => member.as_standard_layout().into_owned().into(),
                })
                .collect(),
            None => self.rain.iter().map(|rain| rain.view().into()).collect(),
        }
    }

    /// Number of members; a forecast of rain alone has one, a forecast of probabilities none.
    pub(super) fn member_count(&self) -> usize {
        match self.slice.and_then(|s| s.rain.as_ref()) {
            Some(members) => members.len_of(Axis(0)),
            None => usize::from(self.rain.is_some()),
        }
    }

    /// Share of the members at or above a threshold, row by row over the grid, 0 where a member is missing; `None` for fewer than two
    /// members. Computed once and kept.
    pub(super) fn share_of_members(&self, threshold_mm_h: f64) -> Option<Arc<[f32]>> {
        if self.member_count() < 2 {
            return None;
        }
        let threshold = threshold_mm_h as f32;
        let mut known = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = known.get(&threshold.to_bits()) {
            return Some(Arc::clone(share));
        }
        let members = self.members();
        let rows: Vec<&[f32]> = members.iter().map(|m| m.as_slice()).collect::<Option<_>>()?;
        let count = rows.len() as f64;
        let mut share = vec![0.0f32; rows[0].len()];
        for row in &rows {
            for (share, rain) in share.iter_mut().zip(*row) {
                *share += f32::from(*rain >= threshold);
            }
        }
        share.iter_mut().for_each(|s| *s = (f64::from(*s) / count) as f32);
        let share: Arc<[f32]> = share.into();
        known.insert(threshold.to_bits(), Arc::clone(&share));
        Some(share)
    }

    /// Probability of rain at or above a threshold, row by row over the grid: the forecaster's own, else the share of its members, else
    /// 1 or 0 by its rain.
    pub(super) fn probability(&self, threshold_mm_h: f64) -> Option<Arc<[f32]>> {
        if let Some(plane) = self.exceedance().and_then(|e| e.at(threshold_mm_h)) {
            return Some(plane.iter().map(|p| if p.is_nan() { 0.0 } else { *p }).collect());
        }
        let threshold = threshold_mm_h as f32;
        self.share_of_members(threshold_mm_h)
            .or_else(|| Some(self.rain.as_ref()?.iter().map(|r| f32::from(*r >= threshold)).collect()))
    }

    /// Whether [`Forecast::probability`] may be other than 0 and 1.
    pub(super) fn tells_probability(&self, threshold_mm_h: f64) -> bool {
        self.slice.is_some_and(|s| s.tells_probability(threshold_mm_h))
    }

    /// [`Forecast::probability`] on the cells that count.
    pub(super) fn probability_on(&self, observed: &Observed, threshold_mm_h: f64) -> Option<Vec<f32>> {
        let all = self.probability(threshold_mm_h)?;
        Some(observed.cells.iter().map(|cell| all[*cell as usize]).collect())
    }

    fn exceedance(&self) -> Option<&'a Exceedance> {
        self.slice.and_then(|s| s.exceedance.as_ref())
    }
}

/// Threshold, as its bits, and width of the window.
type EventAndWindow = (u32, usize);

/// What was observed at one valid time on the cells that count. What metrics need of it is computed once and kept.
pub struct Observed {
    rain: Array2<f32>,
    cells: Vec<u32>,
    cell_km: f64,
    counts: Mutex<BTreeMap<EventAndWindow, Arc<Array2<u32>>>>,
    region: Option<Region>,
    power: OnceLock<Vec<f64>>,
}

impl Observed {
    /// Observed rain `[y, x]`, mm h⁻¹, on cells of `cell_size_m`; a cell counts where `mask` holds and it was observed.
    ///
    /// # Panics
    ///
    /// Where the mask has another shape than the rain.
    pub fn new(observed: &Array2<f32>, mask: &Array2<bool>, cell_size_m: f64) -> Self {
        assert_eq!(observed.dim(), mask.dim(), "rain and mask share a grid");
        let counted = ndarray::Zip::from(observed).and(mask).map_collect(|r, m| *m && !r.is_nan());
        let cells = counted
            .iter()
            .enumerate()
            .filter_map(|(cell, counts)| counts.then_some(cell as u32))
            .collect();
        Self {
            rain: dry_where_missing(observed),
            cells,
            cell_km: cell_size_m / 1000.0,
            counts: Mutex::default(),
            region: Region::around(&counted),
            power: OnceLock::new(),
        }
    }

    /// Number of cells that count.
    pub fn count(&self) -> usize {
        self.cells.len()
    }

    /// Size of a cell, km.
    pub fn cell_km(&self) -> f64 {
        self.cell_km
    }

    /// Places in row-major order of the cells that count.
    pub(super) fn cells(&self) -> &[u32] {
        &self.cells
    }

    /// Observed rain row by row over the grid, mm h⁻¹, 0 where missing.
    pub(super) fn rain(&self) -> &[f32] {
        self.rain.as_slice().expect("made in standard layout")
    }

    /// Observed rain on the cells that count.
    pub(super) fn rain_on(&self) -> impl Iterator<Item = f32> + '_ {
        let rain = self.rain();
        self.cells.iter().map(move |cell| rain[*cell as usize])
    }

    /// Cells at or above a threshold in the window around each cell.
    pub(super) fn counts(&self, threshold: f32, window: usize) -> Arc<Array2<u32>> {
        let mut known = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = known
            .entry((threshold.to_bits(), window))
            .or_insert_with(|| Arc::new(event_counts(&self.rain, threshold, window)));
        Arc::clone(counts)
    }

    /// The smallest rectangle around the cells that count.
    pub(super) fn region(&self) -> Option<&Region> {
        self.region.as_ref()
    }

    /// Observed power by ring of wavenumber.
    pub(super) fn power(&self, region: &Region) -> &[f64] {
        self.power.get_or_init(|| ring_power(&self.rain, region))
    }
}

/// Rain `[y, x]` in standard layout, 0 where missing.
pub(super) fn dry_where_missing<S: Data<Elem = f32>>(rain: &ArrayBase<S, Ix2>) -> Array2<f32> {
    let rain = rain.as_standard_layout();
    rain.mapv(|r| if r.is_nan() { 0.0 } else { r })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ndarray::{Array2, array, stack};
    use nowblend_field::LeadTime;

    use super::*;

    #[test]
    fn unobserved_never_counts_and_missing_is_counted_as_dry() {
        let mask = Array2::from_elem((2, 3), true);
        let observed = Observed::new(&array![[1.0, f32::NAN, 0.0], [0.0, 2.0, f32::NAN]], &mask, 1000.0);
        let forecast = Forecast::of_rain(&array![[f32::NAN, 9.0, 0.5], [0.0, f32::NAN, 1.0]]);
        assert_eq!(observed.count(), 4);
        assert_eq!(forecast.missing(&observed), 2);
        assert_eq!(forecast.rain_on(&observed).unwrap().collect::<Vec<_>>(), [0.0, 0.5, 0.0, 0.0]);
    }

    #[test]
    fn a_probability_is_the_forecasters_own_else_the_share_of_members() {
        let mask = Array2::from_elem((1, 2), true);
        let observed = Observed::new(&array![[1.0, 0.0]], &mask, 1000.0);
        let members = stack![
            Axis(0),
            array![[2.0f32, 0.0]],
            array![[0.0, f32::NAN]],
            array![[3.0, 1.0]],
            array![[0.5, 0.0]]
        ];
        let mut slice = Slice::of_rain(LeadTime::from_minutes(5), array![[0.0, 0.0]]);
        slice.rain = Some(members);
        // Two of four members reach 1 mm/h in the first cell, one in the second.
        assert_eq!(Forecast::of(&slice).probability_on(&observed, 1.0).unwrap(), [0.5, 0.25]);
        slice.exceedance = Some(Exceedance {
            thresholds_mm_h: Arc::from([1.0]),
            probability: array![[[0.7, f32::NAN]]],
        });
        assert_eq!(Forecast::of(&slice).probability_on(&observed, 1.0).unwrap(), [0.7, 0.0]);
    }
}
