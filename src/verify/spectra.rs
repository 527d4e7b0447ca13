//! Scores of texture: does the forecast vary as much as the rain does, wavelength by wavelength?

use std::{f64::consts::PI, ops::Range, sync::Arc};

use ndarray::{Array2, s};
use nowblend_field::fourier::{self, Complex64};
use rayon::prelude::*;

use super::{Forecast, Label, Metric, Observed, Terms, pair::dry_where_missing};

/// Power below this is none, (mm h⁻¹)².
const NO_POWER: f64 = 1e-12;

/// Forecast over observed power of rain in a band of wavelengths, dB: 0 is right, -10 means that a tenth of the variance is left.
///
/// 10 log10((ΣP_f + ε) / (ΣP_o + ε)), where P is the mean power |FFT|² on rings of whole wavenumber up to half of the shorter side,
/// summed over the band's rings, of rain less its mean under a Hann window over the smallest rectangle around the cells that count;
/// cells inside it that do not count are dry; ε = 1e-12. NaN when the band holds no ring, because the rectangle is too small or the
/// cells too coarse.
///
/// # Source
///
/// Pulkkinen, S., et al., 2019: Pysteps: an open-source Python library for probabilistic precipitation nowcasting (v1.0). Geosci.
/// Model Dev., 12, 4185-4219, doi:10.5194/gmd-12-4185-2019, for the radially averaged spectrum; summed over bands here.
#[derive(Debug, Clone, PartialEq)]
pub struct PowerRatio {
    bands_km: Arc<[[f64; 2]]>,
    band: usize,
}

impl PowerRatio {
    /// The ratio in one of several bands of wavelength, from and up to, km.
    pub fn new(bands_km: &[[f64; 2]], band: usize) -> Self {
        Self {
            bands_km: bands_km.into(),
            band,
        }
    }
}

impl Metric for PowerRatio {
    fn label(&self) -> Label {
        let [from, to] = self.bands_km[self.band];
        Label::new(format!("power_ratio_db_{from}_{to}_km"))
    }

    fn sums(&self) -> String {
        "power".to_owned()
    }

    /// Forecast power, observed power and number of rings, band after band.
    fn terms(&self, forecast: &Forecast<'_>, observed: &Observed) -> Terms {
        let (Some(rain), Some(region)) = (forecast.rain(), observed.region()) else {
            return Terms::default();
        };
        band_terms(&self.bands_km, &ring_power(rain, region), observed, region)
    }

    fn score(&self, terms: &Terms) -> f64 {
        band_ratio(terms, self.band)
    }
}

/// Forecast over observed power of the members, dB: as [`PowerRatio`], but P_f is the mean of the members' powers and not the power of
/// their mean, so that members as rough as rain score 0 even where their mean is smooth. A missing cell of a member is dry; a forecast
/// without doubt is its only member. Cases weigh alike, however many members each has.
///
/// # Source
///
/// That of [`PowerRatio`], whose spectra of ensembles are those of single members, too.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberPowerRatio(PowerRatio);

impl MemberPowerRatio {
    /// The ratio in one of several bands of wavelength, from and up to, km.
    pub fn new(bands_km: &[[f64; 2]], band: usize) -> Self {
        Self(PowerRatio::new(bands_km, band))
    }
}

impl Metric for MemberPowerRatio {
    fn label(&self) -> Label {
        Label::new(format!("member_{}", self.0.label().metric))
    }

    fn sums(&self) -> String {
        "member_power".to_owned()
    }

    /// Mean power of the members, observed power and number of rings, band after band.
    fn terms(&self, forecast: &Forecast<'_>, observed: &Observed) -> Terms {
        let Some(region) = observed.region() else { return Terms::default() };
        let members = forecast.members();
        let powers: Vec<Vec<f64>> = members
            .par_iter()
            .map(|member| ring_power(&dry_where_missing(member), region))
            .collect();
        let Some((first, others)) = powers.split_first() else {
            return Terms::default();
        };
        let mut mean = first.clone();
        for power in others {
            mean.iter_mut().zip(power).for_each(|(sum, more)| *sum += more);
        }
        mean.iter_mut().for_each(|sum| *sum /= powers.len() as f64);
        band_terms(&self.0.bands_km, &mean, observed, region)
    }

    fn score(&self, terms: &Terms) -> f64 {
        band_ratio(terms, self.0.band)
    }
}

/// Forecast power, observed power and number of rings, band after band.
fn band_terms(bands_km: &[[f64; 2]], forecast_power: &[f64], observed: &Observed, region: &Region) -> Terms {
    let mut sums = vec![0.0; 3 * bands_km.len()];
    for (ring, (f, o)) in forecast_power.iter().zip(observed.power(region)).enumerate() {
        let wavelength_km = observed.cell_km() * region.shorter_side() as f64 / (ring + 1) as f64;
        for (band, [from, to]) in bands_km.iter().enumerate() {
            if (*from..*to).contains(&wavelength_km) {
                for (sum, more) in sums[3 * band..].iter_mut().zip([*f, *o, 1.0]) {
                    *sum += more;
                }
            }
        }
    }
    Terms::new(sums)
}

/// Forecast over observed power in a band, dB.
fn band_ratio(terms: &Terms, band: usize) -> f64 {
    match terms.sums().get(3 * band..3 * band + 3) {
        Some([f, o, rings]) if *rings > 0.0 => 10.0 * ((f + NO_POWER) / (o + NO_POWER)).log10(),
        _ => f64::NAN,
    }
}

/// The smallest rectangle around the cells that count, and which of its cells do.
#[derive(Debug, Clone)]
pub(super) struct Region {
    rows: Range<usize>,
    columns: Range<usize>,
    counted: Array2<bool>,
}

impl Region {
    /// `None` where no cell counts.
    pub fn around(counted: &Array2<bool>) -> Option<Self> {
        let span = |hit: Vec<bool>| {
            let first = hit.iter().position(|h| *h)?;
            let last = hit.iter().rposition(|h| *h)?;
            Some(first..last + 1)
        };
        let rows = span(counted.outer_iter().map(|row| row.iter().any(|c| *c)).collect())?;
        let columns = span(counted.columns().into_iter().map(|column| column.iter().any(|c| *c)).collect())?;
        let counted = counted.slice(s![rows.clone(), columns.clone()]).to_owned();
        Some(Self { rows, columns, counted })
    }

    fn shorter_side(&self) -> usize {
        self.rows.len().min(self.columns.len())
    }
}

/// Mean power on the rings of wavenumber 1, 2, … up to half of the shorter side.
pub(super) fn ring_power(rain: &Array2<f32>, region: &Region) -> Vec<f64> {
    let (ny, nx) = region.counted.dim();
    let rain = rain.slice(s![region.rows.clone(), region.columns.clone()]);
    let inside = ndarray::Zip::from(rain)
        .and(&region.counted)
        .map_collect(|r, counted| if *counted { f64::from(*r) } else { 0.0 });
    let mean = inside.mean().unwrap_or(0.0);
    let (window_y, window_x) = (hann(ny), hann(nx));

    // Rows first, real to complex; the half of the spectrum that mirrors the other is left out and counted twice below.
    let rows = fourier::real_forward_f64(nx);
    let half = nx / 2 + 1;
    let mut columns = Array2::<Complex64>::zeros((half, ny));
    let (mut line, mut spectrum) = (rows.make_input_vec(), rows.make_output_vec());
    for (y, cells) in inside.outer_iter().enumerate() {
        for ((place, value), window) in line.iter_mut().zip(cells).zip(&window_x) {
            *place = (value - mean) * window_y[y] * window;
        }
        rows.process(&mut line, &mut spectrum).expect("buffers were made by the plan");
        columns.column_mut(y).assign(&ndarray::aview1(&spectrum));
    }
    let along_columns = fourier::complex_f64(ny);
    along_columns.process(columns.as_slice_mut().expect("made in standard layout"));

    let shorter = region.shorter_side();
    let mut power = vec![0.0; shorter / 2];
    let mut count = vec![0.0; shorter / 2];
    for (kx, column) in columns.outer_iter().enumerate() {
        let weight = if kx == 0 || 2 * kx == nx { 1.0 } else { 2.0 };
        for (row, value) in column.iter().enumerate() {
            let ky = row.min(ny - row) as f64 * (1.0 / ny as f64);
            let ring = (ky.hypot(kx as f64 * (1.0 / nx as f64)) * shorter as f64).round_ties_even() as usize;
            if let (Some(power), Some(count)) = (power.get_mut(ring), count.get_mut(ring)) {
                *power += weight * value.norm_sqr();
                *count += weight;
            }
        }
    }
    power.iter().zip(&count).skip(1).map(|(p, n)| p / n.max(1.0)).collect()
}

/// Hann window, 0.5 - 0.5 cos(2π k / (n - 1)); 1 for a single cell.
fn hann(count: usize) -> Vec<f64> {
    if count == 1 {
        return vec![1.0];
    }
    (0..count)
        .map(|k| 0.5 - 0.5 * (2.0 * PI * k as f64 / (count - 1) as f64).cos())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(forecast: &Array2<f32>, observed: &Array2<f32>, cell_size_m: f64) -> [f64; 3] {
        let mask = Array2::from_elem(observed.dim(), true);
        let observed = Observed::new(observed, &mask, cell_size_m);
        let bands = [[0.0, 8.0], [8.0, 32.0], [32.0, 128.0]];
        let terms = PowerRatio::new(&bands, 0).terms(&Forecast::of_rain(forecast), &observed);
        [0, 1, 2].map(|band| PowerRatio::new(&bands, band).score(&terms))
    }

    fn waves() -> Array2<f32> {
        Array2::from_shape_fn((40, 50), |(y, x)| {
            2.0 + (y as f32 * 0.5).sin() + (x as f32 * 1.7).cos() + 0.5 * (x as f32 * 0.3).sin()
        })
    }

    #[test]
    fn half_the_rain_has_a_quarter_of_the_power_at_every_wavelength() {
        // 10 log10(1/4) = -6.0206 dB; 40 cells of 1 km hold rings of 40 km and less.
        for score in ratio(&(waves() * 0.5), &waves(), 1000.0) {
            assert!((score + 6.0206).abs() < 1e-4, "{score}");
        }
    }

    #[test]
    fn members_as_rough_as_rain_keep_the_power_that_their_mean_has_lost() {
        // Two members, the waves and what is left of 4 mm/h above them: their mean is 2 mm/h everywhere and has no power, each has all of it.
        let members = ndarray::stack![ndarray::Axis(0), waves(), 4.0 - waves()];
        let mut slice = nowblend_field::Slice::of_rain(nowblend_field::LeadTime::from_minutes(5), waves());
        slice.rain = Some(members);
        let mask = Array2::from_elem((40, 50), true);
        let observed = Observed::new(&waves(), &mask, 1000.0);
        let bands = [[0.0, 8.0], [8.0, 128.0]];
        let members = MemberPowerRatio::new(&bands, 0);
        let mean = PowerRatio::new(&bands, 0);
        let forecast = Forecast::of(&slice);
        assert!(members.score(&members.terms(&forecast, &observed)).abs() < 1e-4);
        assert!(mean.score(&mean.terms(&forecast, &observed)) < -60.0);
        // The only member is the forecast.
        let alone = Forecast::of_rain(&(waves() * 0.5));
        assert_eq!(members.terms(&alone, &observed), mean.terms(&alone, &observed));
    }

    #[test]
    fn smoothing_loses_the_short_waves_first() {
        let sharp = waves();
        let smooth = Array2::from_shape_fn(sharp.dim(), |(y, x)| {
            let near = sharp.slice(s![y.saturating_sub(2)..(y + 3).min(40), x.saturating_sub(2)..(x + 3).min(50)]);
            near.mean().unwrap()
        });
        let [short, middle, _] = ratio(&smooth, &sharp, 1000.0);
        assert!(short < -6.0 && short < middle && middle < 0.0, "{short} {middle}");
    }

    #[test]
    fn a_band_without_a_ring_has_no_score_and_two_dry_fields_are_alike() {
        // Cells of 10 km resolve no wave shorter than 20 km.
        assert!(ratio(&waves(), &waves(), 10_000.0)[0].is_nan());
        let dry = Array2::zeros((40, 50));
        assert_eq!(ratio(&dry, &dry, 1000.0), [0.0; 3]);
        // One row has no ring at all.
        assert!(
            ratio(&Array2::zeros((1, 5)), &Array2::zeros((1, 5)), 1000.0)
                .iter()
                .all(|r| r.is_nan())
        );
    }

    #[test]
    fn all_power_is_found_on_the_rings() {
        // A pure wave of 8 cells along x has its power on ring 32/8 = 4 and, by the window, on its neighbours 3 and 5.
        let wave = Array2::from_shape_fn((32, 32), |(_, x)| (x as f32 * std::f32::consts::TAU / 8.0).cos());
        let region = Region::around(&Array2::from_elem((32, 32), true)).unwrap();
        let power = ring_power(&wave, &region);
        let near: f64 = power[2..5].iter().sum();
        assert!(near > 0.98 * power.iter().sum::<f64>());
        assert_eq!(power.len(), 15);
    }
}
