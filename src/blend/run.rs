//! A blend being made: components go forward in step, and one that fails is named and leaves its weight to the rest.

use nowblend_field::{Analysis, Error, Forecaster, LeadTime, Notice, NoticeKind, Run, Seed, Slice};
use rayon::prelude::*;

use super::{
    Weight, Weights,
    combine::{Combining, combine},
};

/// What a blend and each of its components say for one lead time.
pub struct Parts {
    /// Slices of the components in order; `None` for one that failed.
    pub components: Vec<Option<Slice>>,
    /// Weights of the components, adding up to 1 each; 0 for one that failed.
    pub weights: Vec<Weight>,
    /// The blend.
    pub blended: Slice,
}

/// A run of a [`super::Blend`].
pub struct BlendRun<'a> {
    names: Vec<&'a str>,
    runs: Vec<Option<Box<dyn Run + 'a>>>,
    told: Vec<usize>,
    weights: &'a Weights,
    combining: Combining,
    analysis: &'a Analysis,
    lead_times: std::slice::Iter<'a, LeadTime>,
    notices: Vec<Notice>,
}

impl<'a> BlendRun<'a> {
    pub(super) fn start(
        components: &'a [Box<dyn Forecaster>],
        weights: &'a Weights,
        combining: Combining,
        analysis: &'a Analysis,
        lead_times: &'a [LeadTime],
        seed: Seed,
    ) -> Result<Self, Error> {
        let names: Vec<&str> = components.iter().map(|c| c.name()).collect();
        // Estimated before anyone starts in parallel, so that no thread waits for itself; whoever needs it meets the error.
        let _ = analysis.motion();
        let started: Vec<_> = components
            .par_iter()
            .map(|c| c.start(analysis, lead_times, seed.derive(c.name())).map_err(|e| (c.name(), e)))
            .collect();
        let mut notices = Vec::new();
        let mut runs = Vec::with_capacity(started.len());
        let mut first_error = None;
        for result in started {
            runs.push(match result {
                Ok(run) => Some(run),
                Err((name, e)) => {
                    notices.push(redistributed(name, &e, None));
                    first_error.get_or_insert(e);
                    None
                }
            });
        }
        if let (true, Some(e)) = (runs.iter().all(Option::is_none), first_error) {
            return Err(e);
        }
        let told = vec![0; runs.len()];
        Ok(Self {
            names,
            runs,
            told,
            weights,
            combining,
            analysis,
            lead_times: lead_times.iter(),
            notices,
        })
    }

    /// The next lead time: the blend, its weights and what each component said; `None` after the last.
    ///
    /// # Errors
    ///
    /// The last component's own error, when none is left to carry on.
    pub fn next_parts(&mut self) -> Result<Option<Parts>, Error> {
        let Some(&lead_time) = self.lead_times.next() else {
            return Ok(None);
        };
        let results: Vec<Option<Result<Option<Slice>, Error>>> =
            self.runs.par_iter_mut().map(|run| run.as_mut().map(|run| run.next())).collect();
        let mut components = Vec::with_capacity(results.len());
        let mut last_error = None;
        for (k, result) in results.into_iter().enumerate() {
            self.collect_notices(k);
            let failure = match result {
                None => None,
                Some(Ok(Some(slice))) => {
                    components.push(Some(slice));
                    continue;
                }
                Some(Ok(None)) => Some(Error::Component {
                    component: self.names[k].to_owned(),
                    source: std::sync::Arc::new(std::io::Error::other(format!("it ended before {lead_time}"))),
                }),
                Some(Err(e)) => Some(e),
            };
            if let Some(e) = failure {
                self.notices.push(redistributed(self.names[k], &e, Some(lead_time)));
                self.runs[k] = None;
                last_error = Some(e);
            }
            components.push(None);
        }
        if let (true, Some(e)) = (self.runs.iter().all(Option::is_none), last_error) {
            return Err(e);
        }
        let present: Vec<bool> = components.iter().map(Option::is_some).collect();
        let weights = self.weights.at(lead_time, &present);
        let said: Vec<(&Slice, Weight)> = components
            .iter()
            .zip(&weights)
            .filter_map(|(s, w)| s.as_ref().map(|s| (s, *w)))
            .collect();
        let blended = combine(lead_time, self.analysis.grid(), &said, self.combining)?;
        Ok(Some(Parts {
            components,
            weights,
            blended,
        }))
    }

    fn collect_notices(&mut self, k: usize) {
        if let Some(run) = &self.runs[k] {
            let all = run.notices();
            self.notices.extend_from_slice(&all[self.told[k].min(all.len())..]);
            self.told[k] = all.len();
        }
    }
}

impl Run for BlendRun<'_> {
    fn next(&mut self) -> Result<Option<Slice>, Error> {
        Ok(self.next_parts()?.map(|parts| parts.blended))
    }

    fn notices(&self) -> &[Notice] {
        &self.notices
    }
}

fn redistributed(component: &str, e: &Error, lead_time: Option<LeadTime>) -> Notice {
    let when = lead_time.map_or_else(|| "from the start".to_owned(), |l| format!("from {l}"));
    Notice::new(
        NoticeKind::Redistributed,
        component,
        format!("its weight goes to the other components {when}: {e}"),
    )
}
