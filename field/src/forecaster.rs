//! What every forecaster must do: start from an analysis and hand out its forecast lead by lead.
//!
//! Persistence, the shallow-water core, a network, an archived model run, a blend and a blend of blends all keep this
//! contract. It hands out slices instead of whole forecasts so that nobody ever holds members x leads x grid.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Analysis, Error, Forecast, LeadTime, Slice};

/// Makes rain forecasts.
pub trait Forecaster: Send + Sync {
    /// Name in configurations, reports and files: the type in snake case.
    fn name(&self) -> &str;

    /// Starts a run that will hand out one slice for each of `lead_times`, which are positive and increasing.
    ///
    /// The run knows nothing but `analysis`; the same `seed` gives the same forecast, whatever the number of threads.
    ///
    /// # Errors
    ///
    /// When the analysis lacks what this forecaster cannot do without.
    fn start<'a>(&'a self, analysis: &'a Analysis, lead_times: &'a [LeadTime], seed: Seed) -> Result<Box<dyn Run + 'a>, Error>;

    /// Papers and programs that this forecaster follows.
    fn references(&self) -> &[&'static str] {
        &[]
    }

    /// Collects a run into a whole forecast.
    ///
    /// # Errors
    ///
    /// Those of the run, and [`Error::MemoryBudget`] when the slices would need more than `budget_mb` megabytes.
    fn forecast(&self, analysis: &Analysis, lead_times: &[LeadTime], seed: Seed, budget_mb: u64) -> Result<Forecast, Error> {
        check_lead_times(lead_times)?;
        let mut run = self.start(analysis, lead_times, seed)?;
        let mut slices: Vec<Slice> = Vec::with_capacity(lead_times.len());
        while let Some(slice) = run.next()? {
            let floats = slice.rain.as_ref().map_or(0, ndarray::ArrayBase::len)
                + slice.exceedance.as_ref().map_or(0, |e| e.probability.len())
                + slice.diagnostics.values().map(ndarray::ArrayBase::len).sum::<usize>();
            let needed_mb = (floats * lead_times.len() * size_of::<f32>()) as u64 / 1_000_000;
            if needed_mb > budget_mb {
                return Err(Error::MemoryBudget {
                    forecaster: self.name().to_owned(),
                    needed_mb,
                    budget_mb,
                });
            }
            slices.push(slice);
        }
        let notices = run.notices().to_vec();
        Ok(Forecast {
            forecaster: self.name().to_owned(),
            grid: analysis.observed().grid().clone(),
            reference_time: analysis.reference_time(),
            slices,
            notices,
        })
    }
}

/// A forecast being made.
pub trait Run: Send {
    /// The slice of the next lead time, or `None` after the last.
    ///
    /// # Errors
    ///
    /// When the forecaster cannot go on; the slices handed out before stay valid.
    fn next(&mut self) -> Result<Option<Slice>, Error>;

    /// What was missing, limited, redistributed or degraded so far.
    fn notices(&self) -> &[Notice] {
        &[]
    }
}

/// A run made of an iterator over slices.
pub struct Slices<I> {
    slices: I,
    notices: Vec<Notice>,
}

impl<I: Iterator<Item = Result<Slice, Error>> + Send> Slices<I> {
    /// A run that hands out what `slices` yields, with notices known from the start.
    pub fn new(slices: I, notices: Vec<Notice>) -> Self {
        Self { slices, notices }
    }
}

impl<I: Iterator<Item = Result<Slice, Error>> + Send> Run for Slices<I> {
    fn next(&mut self) -> Result<Option<Slice>, Error> {
        self.slices.next().transpose()
    }

    fn notices(&self) -> &[Notice] {
        &self.notices
    }
}

/// Where random numbers start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(pub u64);

impl Seed {
    /// A seed of its own for a named part, so that adding a part changes no other's numbers (FNV-1a over name and seed).
    pub fn derive(self, part: &str) -> Self {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in part.bytes().chain(self.0.to_le_bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Self(hash)
    }
}

/// Something a user of the forecast should know, as a value: it goes into the output, the log and the report alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What kind of thing happened.
    pub kind: NoticeKind,
    /// To whom or to what: a component, a file, a field.
    pub subject: String,
    /// What happened, with numbers.
    pub message: String,
}

/// What kind of thing a notice tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NoticeKind {
    /// An input was not there.
    Missing,
    /// Values were limited to a physical range.
    Limited,
    /// A weight went to other components.
    Redistributed,
    /// A component did less than it could with full input.
    Degraded,
}

impl Notice {
    /// A notice about `subject`.
    pub fn new(kind: NoticeKind, subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind,
            subject: subject.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            NoticeKind::Missing => "missing",
            NoticeKind::Limited => "limited",
            NoticeKind::Redistributed => "redistributed",
            NoticeKind::Degraded => "degraded",
        };
        write!(f, "{kind}: {}: {}", self.subject, self.message)
    }
}

fn check_lead_times(lead_times: &[LeadTime]) -> Result<(), Error> {
    let mut before = LeadTime::from_seconds(0);
    for &found in lead_times {
        if found <= before {
            return Err(Error::LeadTimes { found, before });
        }
        before = found;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_seed_differ_and_stay() {
        assert_ne!(Seed(1).derive("steps"), Seed(1).derive("demo"));
        assert_ne!(Seed(1).derive("steps"), Seed(2).derive("steps"));
        assert_eq!(Seed(7).derive("steps"), Seed(7).derive("steps"));
    }

    #[test]
    fn lead_times_must_increase() {
        let minutes = |m: &[u32]| m.iter().map(|m| LeadTime::from_minutes(*m)).collect::<Vec<_>>();
        assert!(check_lead_times(&minutes(&[5, 10, 20])).is_ok());
        assert!(check_lead_times(&minutes(&[5, 5])).is_err());
        assert!(check_lead_times(&minutes(&[0, 5])).is_err());
    }
}
