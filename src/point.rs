//! What a forecast says for a place: rain by lead time with its spread, how much falls, when it starts and when it ends.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use nowblend_field::{LeadTime, ReferenceTime};
use serde::Serialize;

use crate::store::{self, Along, Product, StoredForecast};

/// A place that somebody asks about.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// What it is called.
    pub name: String,
    /// Degrees east.
    pub longitude: f64,
    /// Degrees north.
    pub latitude: f64,
}

/// What a forecast says for a place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Series {
    /// What the place is called.
    pub name: String,
    /// Degrees east.
    pub longitude: f64,
    /// Degrees north.
    pub latitude: f64,
    /// When the forecast starts.
    pub reference_time: ReferenceTime,
    /// Whether it rains at the first lead time for which anything is known.
    pub raining_at_first: Option<bool>,
    /// When rain begins; `None` where it rains from the first or never does.
    pub starts_at: Option<DateTime<Utc>>,
    /// When the first rain is over; `None` where it does not end within the forecast, or never begins.
    pub ends_at: Option<DateTime<Utc>>,
    /// Lead times in order.
    pub leads: Vec<PointLead>,
    /// Amounts in order of their windows and times.
    pub amounts: Vec<PointAmount>,
}

/// One lead time at a place; what is not known is `None`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PointLead {
    /// How far ahead, min.
    pub lead_min: f64,
    /// When it holds.
    pub valid_time: DateTime<Utc>,
    /// The best rain, mm h⁻¹.
    pub rain_mm_h: Option<f32>,
    /// How far apart members (their quantiles of 10 and 90 %) or else components (least and most) are, mm h⁻¹.
    pub spread_mm_h: Option<[f32; 2]>,
    /// Probability that rain is at or above each threshold, mm h⁻¹.
    pub probability: Vec<(f64, Option<f32>)>,
}

/// An amount at a place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PointAmount {
    /// Minutes over which rain is added up.
    pub window_min: u32,
    /// When they end.
    pub until: DateTime<Utc>,
    /// What falls, mm.
    pub amount_mm: Option<f32>,
    /// Probability that it is at or above each threshold, mm.
    pub probability: Vec<(f64, Option<f32>)>,
}

/// A place or a list of places that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The forecast cannot be read.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The place does not lie on the map.
    #[error("`{name}` at {longitude} degrees east, {latitude} degrees north lies outside the forecast, expected a place on grid {grid}")]
    Outside {
        /// What the place is called.
        name: String,
        /// Degrees east.
        longitude: f64,
        /// Degrees north.
        latitude: f64,
        /// The grid.
        grid: String,
    },
    /// A text is no place.
    #[error("`{text}` is no place, expected longitude and latitude in degrees such as 8.55,47.37 or Zurich=8.55,47.37")]
    Text {
        /// The text.
        text: String,
    },
    /// A list of places cannot be read.
    #[error("places of `{}`: {reason}\nhint: one place a line under the heading name,longitude,latitude", path.display())]
    List {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl Place {
    /// A place at checked degrees.
    fn new(name: &str, longitude: f64, latitude: f64) -> Option<Self> {
        ((-360.0..=360.0).contains(&longitude) && (-90.0..=90.0).contains(&latitude)).then(|| Self {
            name: name.to_owned(),
            longitude,
            latitude,
        })
    }

    /// Reads `longitude,latitude` or `name=longitude,latitude`.
    ///
    /// # Errors
    ///
    /// [`Error::Text`] for anything else.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (name, numbers) = text.split_once('=').unwrap_or((text, text));
        let read = || {
            let (longitude, latitude) = numbers.split_once(',')?;
            Self::new(name.trim(), longitude.trim().parse().ok()?, latitude.trim().parse().ok()?)
        };
        read().ok_or_else(|| Error::Text { text: text.to_owned() })
    }

    /// Reads a CSV file with the columns name, longitude, latitude.
    ///
    /// # Errors
    ///
    /// [`Error::List`] with the line.
    pub fn list(path: &Path) -> Result<Vec<Self>, Error> {
        let refuse = |reason: String| Error::List {
            path: path.to_owned(),
            reason,
        };
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_path(path)
            .map_err(|e| refuse(e.to_string()))?;
        let mut places = Vec::new();
        for row in reader.deserialize::<(String, f64, f64)>() {
            let (name, longitude, latitude) = row.map_err(|e| refuse(e.to_string()))?;
            let place = Self::new(&name, longitude, latitude);
            places.push(place.ok_or_else(|| refuse(format!("`{name}` at {longitude}, {latitude} lies beyond the Earth")))?);
        }
        if places.is_empty() {
            return Err(refuse("no place in it".to_owned()));
        }
        Ok(places)
    }
}

/// What a stored forecast says for a place: the nearest cell. Rain at or above `wet_mm_h` counts as rain. A lead time for which nothing is known
/// is a gap in the series and no more.
///
/// # Errors
///
/// [`Error::Outside`], and those of reading.
pub fn series(forecast: &StoredForecast, place: &Place, wet_mm_h: f64) -> Result<Series, Error> {
    let grid = forecast.grid();
    let outside = || Error::Outside {
        name: place.name.clone(),
        longitude: place.longitude,
        latitude: place.latitude,
        grid: grid.to_string(),
    };
    let (y, x) = grid.cell_eastwards(place.longitude, place.latitude).map_err(|_| outside())?;
    let (ny, nx) = grid.shape();
    let inside = |at: f64, count: usize| (at >= -0.5 && at <= count as f64 - 0.5).then(|| (at.round() as usize).min(count - 1));
    let (row, column) = inside(y, ny).zip(inside(x, nx)).ok_or_else(outside)?;
    let read = |name: &str, layer: usize| -> Result<Vec<Option<f32>>, store::Error> {
        Ok(forecast.series(name, layer, row, column)?.into_iter().map(known).collect())
    };
    let layers = |name: &str| -> Result<Vec<Vec<Option<f32>>>, store::Error> {
        match forecast.products().iter().find(|p| p.name == name) {
            Some(product) => (0..product.layers).map(|layer| read(name, layer)).collect(),
            None => Ok(Vec::new()),
        }
    };
    let best = Product::rainfall_rate().name;
    let rain = read(&best, 0)?;
    let members = layers(&Product::members().name)?;
    let components = forecast.components().map(|(_, product)| read(&product.name, 0));
    let components = components.collect::<Result<Vec<_>, _>>()?;
    let probability = layers(&Product::probability().name)?;
    let time = |lead: &LeadTime| forecast.reference_time() + *lead;
    let leads: Vec<PointLead> = forecast
        .lead_times()
        .iter()
        .enumerate()
        .map(|(k, lead)| PointLead {
            lead_min: lead.minutes(),
            valid_time: time(lead),
            rain_mm_h: rain[k],
            spread_mm_h: if members.is_empty() {
                spread(&components, k, 0.0)
            } else {
                spread(&members, k, 0.1)
            },
            probability: paired(forecast.thresholds_mm_h(), &probability, k),
        })
        .collect();
    let mut amounts = Vec::new();
    for product in forecast.products().iter().filter(|p| p.along == Along::Nothing) {
        let Some(window_min) = product.window_min else { continue };
        let fallen = read(&product.name, 0)?;
        let probability = layers(&Product::amount_probability(window_min).name)?;
        amounts.extend(product.lead_times.iter().enumerate().map(|(k, lead)| PointAmount {
            window_min,
            until: time(lead),
            amount_mm: fallen[k],
            probability: paired(forecast.thresholds_mm(), &probability, k),
        }));
    }
    amounts.sort_by_key(|a| (a.window_min, a.until));
    let turns = turns(&leads, wet_mm_h as f32);
    Ok(Series {
        name: place.name.clone(),
        longitude: place.longitude,
        latitude: place.latitude,
        reference_time: forecast.reference_time(),
        raining_at_first: turns.raining_at_first,
        starts_at: turns.starts_at,
        ends_at: turns.ends_at,
        leads,
        amounts,
    })
}

fn known(value: f32) -> Option<f32> {
    (!value.is_nan()).then_some(value)
}

/// Quantiles `tail` and 1 - `tail` of several series at one lead time, between neighbours linear; `None` where fewer than two are known.
fn spread(series: &[Vec<Option<f32>>], k: usize, tail: f64) -> Option<[f32; 2]> {
    let mut values: Vec<f32> = series.iter().filter_map(|s| s[k]).collect();
    values.sort_by(f32::total_cmp);
    let quantile = |share: f64| {
        let at = share * (values.len() - 1) as f64;
        let (below, rest) = (at as usize, (at - at.floor()) as f32);
        let above = (below + 1).min(values.len() - 1);
        values[below] + rest * (values[above] - values[below])
    };
    (values.len() > 1).then(|| [quantile(tail), quantile(1.0 - tail)])
}

fn paired(thresholds: &[f64], layers: &[Vec<Option<f32>>], k: usize) -> Vec<(f64, Option<f32>)> {
    thresholds
        .iter()
        .zip(layers)
        .map(|(threshold, layer)| (*threshold, layer[k]))
        .collect()
}

#[derive(Default)]
struct Turns {
    raining_at_first: Option<bool>,
    starts_at: Option<DateTime<Utc>>,
    ends_at: Option<DateTime<Utc>>,
}

/// When rain begins and when it is over, from what is known.
fn turns(leads: &[PointLead], wet_mm_h: f32) -> Turns {
    let mut turns = Turns::default();
    let mut raining = None;
    for lead in leads {
        let Some(rain) = lead.rain_mm_h else { continue };
        let wet = rain >= wet_mm_h;
        match raining {
            None => turns.raining_at_first = Some(wet),
            Some(false) if wet && turns.starts_at.is_none() => turns.starts_at = Some(lead.valid_time),
            Some(true) if !wet && turns.ends_at.is_none() => turns.ends_at = Some(lead.valid_time),
            _ => {}
        }
        raining = Some(wet);
        if turns.ends_at.is_some() {
            break;
        }
    }
    turns
}

impl Series {
    /// The series as lines for people.
    pub fn text(&self) -> String {
        use std::fmt::Write as _;
        let number = |value: Option<f32>| value.map_or_else(|| "-".to_owned(), |v| format!("{v:.2}"));
        let clock = |time: DateTime<Utc>| time.format("%H:%M").to_string();
        let mut out = format!(
            "{} ({:.4} E, {:.4} N), forecast from {}\n",
            self.name,
            self.longitude,
            self.latitude,
            self.reference_time.format("%Y-%m-%d %H:%M UTC")
        );
        let until = self.ends_at.map_or_else(
            || "does not end within the forecast".to_owned(),
            |t| format!("ends at {}", clock(t)),
        );
        let words = match (self.raining_at_first, self.starts_at) {
            (None, _) => "nothing is known".to_owned(),
            (Some(true), _) => format!("it rains; rain {until}"),
            (Some(false), None) => "no rain".to_owned(),
            (Some(false), Some(start)) => format!("rain starts at {} and {until}", clock(start)),
        };
        let _ = writeln!(out, "{words}");
        let _ = write!(out, "{:>6}  {:>5}  {:>7}  {:>13}", "min", "UTC", "mm/h", "spread");
        for (threshold, _) in self.leads.first().map_or(&[][..], |l| &l.probability) {
            let _ = write!(out, "  {:>8}", format!("P>={threshold}"));
        }
        out.push('\n');
        for lead in &self.leads {
            let spread = lead
                .spread_mm_h
                .map_or_else(|| "-".to_owned(), |[low, high]| format!("{low:.2}-{high:.2}"));
            let _ = write!(
                out,
                "{:>6}  {:>5}  {:>7}  {spread:>13}",
                lead.lead_min,
                clock(lead.valid_time),
                number(lead.rain_mm_h)
            );
            for (_, probability) in &lead.probability {
                let percent = probability.map_or_else(|| "-".to_owned(), |p| format!("{:.0} %", 100.0 * p));
                let _ = write!(out, "  {percent:>8}");
            }
            out.push('\n');
        }
        for amount in &self.amounts {
            let _ = writeln!(
                out,
                "{:>6} min until {}: {} mm",
                amount.window_min,
                clock(amount.until),
                number(amount.amount_mm)
            );
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, TimeZone};

    use super::*;

    fn leads(rain: &[Option<f32>]) -> Vec<PointLead> {
        let start = Utc.with_ymd_and_hms(2024, 7, 1, 15, 0, 0).unwrap();
        let lead = |(k, rain): (usize, &Option<f32>)| PointLead {
            lead_min: 5.0 * (k + 1) as f64,
            valid_time: start + TimeDelta::minutes(5 * (k as i64 + 1)),
            rain_mm_h: *rain,
            spread_mm_h: None,
            probability: Vec::new(),
        };
        rain.iter().enumerate().map(lead).collect()
    }

    #[test]
    fn a_gap_hides_neither_the_start_nor_the_end() {
        let minutes = |rain: &[Option<f32>]| {
            let turns = turns(&leads(rain), 0.1);
            let minute = |t: Option<DateTime<Utc>>| t.map(|t| t.format("%M").to_string());
            (turns.raining_at_first, minute(turns.starts_at), minute(turns.ends_at))
        };
        let text = |t: &str| Some(t.to_owned());
        assert_eq!(
            minutes(&[None, Some(0.0), None, Some(2.0), None, Some(0.0)]),
            (Some(false), text("20"), text("30"))
        );
        assert_eq!(minutes(&[Some(1.0), Some(0.05), Some(3.0)]), (Some(true), None, text("10")));
        assert_eq!(minutes(&[Some(0.0), Some(0.2)]), (Some(false), text("10"), None));
        assert_eq!(minutes(&[None, None]), (None, None, None));
    }

    #[test]
    fn the_spread_is_that_of_what_is_known() {
        let series = [vec![Some(1.0)], vec![None], vec![Some(5.0)], vec![Some(2.0)]];
        assert_eq!(spread(&series, 0, 0.0), Some([1.0, 5.0]));
        // Quantiles of 1, 2, 5: 0.1 lies a fifth of the way from 1 to 2, 0.9 four fifths from 2 to 5.
        let [low, high] = spread(&series, 0, 0.1).unwrap();
        assert!((low - 1.2).abs() < 1e-6 && (high - 4.4).abs() < 1e-6);
        assert_eq!(spread(&series[..2], 0, 0.1), None);
    }

    #[test]
    fn places_have_names_or_only_degrees() {
        let named = Place::parse("Oklahoma City=-97.5, 35.5").unwrap();
        assert_eq!(
            (named.name.as_str(), named.longitude, named.latitude),
            ("Oklahoma City", -97.5, 35.5)
        );
        assert_eq!(Place::parse("8.55,47.37").unwrap().name, "8.55,47.37");
        for wrong in ["8.55", "8.55,97.0", "here,there", "nan,0"] {
            assert!(Place::parse(wrong).unwrap_err().to_string().contains(wrong));
        }
    }
}
