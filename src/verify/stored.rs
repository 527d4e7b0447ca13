//! Scores a forecast that was stored, against the frames that came afterwards.

use ndarray::Array3;
use nowblend_field::{Exceedance, Slice};

use super::{
    CaseTerms, Error, EventMask, Forecast, LeadTerms, Metrics, MetricsConfig, Observed, case::TOLERANCE_S, frame_of, threshold_crps,
};
use crate::{
    ingest::Archive,
    store::{Product, StoredForecast},
};

/// Name of the best rain of a stored forecast in tables.
const BEST: &str = "blend";

/// What a stored forecast adds to the scores: its best rain with its members and probabilities as `blend`, and each component whose rain is stored
/// beside it. Lead times without a frame within a minute are left out.
///
/// # Errors
///
/// [`Error::Grid`] where the observations lie on another grid, [`Error::NoTruth`] where no frame fits, [`Error::NoCells`] where the
/// mask is empty, and those of reading.
pub fn stored(forecast: &StoredForecast, event: &str, archive: &Archive, config: &MetricsConfig) -> Result<CaseTerms, Error> {
    let metrics = Metrics::new(config)?;
    if !forecast.grid().agrees(archive.grid()) {
        return Err(Error::Grid {
            found: forecast.grid().to_string(),
            expected: archive.grid().to_string(),
        });
    }
    let mask = EventMask::of(event, archive, config)?;
    let mut leads = Vec::new();
    for &lead_time in forecast.lead_times() {
        let Some(frame) = frame_of(archive.times(), forecast.reference_time() + lead_time) else {
            continue;
        };
        let Some(rain) = archive.frame(frame)? else { continue };
        let observed = Observed::new(&rain, &mask, archive.grid().cell_size_m());
        for (component, product) in rain_products(forecast) {
            let mut slice = Slice::of_rain(lead_time, forecast.field(&product, 0, lead_time)?);
            if component == BEST {
                slice.rain = members(forecast, lead_time)?.or(slice.rain);
                slice.exceedance = exceedance(forecast, lead_time, config)?;
            }
            leads.push(LeadTerms::of(&component, lead_time, &metrics, &Forecast::of(&slice), &observed));
        }
    }
    if let (true, [first, .., last] | [first @ last]) = (leads.is_empty(), forecast.valid_times().as_slice()) {
        return Err(Error::NoTruth {
            first: *first,
            last: *last,
            tolerance_s: TOLERANCE_S,
        });
    }
    Ok(CaseTerms {
        event: event.to_owned(),
        reference_time: forecast.reference_time(),
        leads,
    })
}

/// Components whose rain is stored, with the names of the products.
fn rain_products(forecast: &StoredForecast) -> Vec<(String, String)> {
    let best = Product::rainfall_rate().name;
    let best = forecast.product(&best).ok().map(|p| (BEST.to_owned(), p.name.clone()));
    let others = forecast
        .components()
        .map(|(component, product)| (component.to_owned(), product.name.clone()));
    best.into_iter().chain(others).collect()
}

/// The members of the best rain `[member, y, x]`, where they are stored.
fn members(forecast: &StoredForecast, lead_time: nowblend_field::LeadTime) -> Result<Option<Array3<f32>>, Error> {
    let product = Product::members().name;
    let Ok(stored) = forecast.product(&product) else { return Ok(None) };
    let fields = (0..stored.layers)
        .map(|member| forecast.field(&product, member, lead_time))
        .collect::<Result<Vec<_>, _>>()?;
    let views: Vec<_> = fields.iter().map(|field| field.view()).collect();
    // Of no members there is nothing to stack.
    Ok(ndarray::stack(ndarray::Axis(0), &views).ok())
}

/// The probabilities of those thresholds that are judged.
fn exceedance(forecast: &StoredForecast, lead_time: nowblend_field::LeadTime, config: &MetricsConfig) -> Result<Option<Exceedance>, Error> {
    let wanted: Vec<f64> = threshold_crps::levels().chain(config.thresholds_mm_h.iter().copied()).collect();
    let known = forecast.thresholds_mm_h().iter().copied().enumerate();
    let layers: Vec<(usize, f64)> = known.filter(|(_, t)| wanted.iter().any(|w| (w - t).abs() < 1e-6)).collect();
    if layers.is_empty() {
        return Ok(None);
    }
    let planes = layers
        .iter()
        .map(|(layer, _)| forecast.field(&Product::probability().name, *layer, lead_time))
        .collect::<Result<Vec<_>, _>>()?;
    let views: Vec<_> = planes.iter().map(|plane| plane.view()).collect();
    Ok(Some(Exceedance {
        thresholds_mm_h: layers.iter().map(|(_, t)| *t).collect(),
        probability: ndarray::stack(ndarray::Axis(0), &views).expect("all lie on the forecast's grid"),
    }))
}
