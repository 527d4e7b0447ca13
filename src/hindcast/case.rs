//! One start: the forecasts of everyone, made from what was known then, and what they add to the scores.

use ndarray::Array2;
use nowblend_field::{
    Analysis, Forecaster, LeadTime, Notice, NoticeKind, ReferenceTime, Run, Seed, Slice, ValidTime, motion::MotionConfig,
};
use rayon::prelude::*;

use super::{Covariances, Error, HindcastConfig, Record};
use crate::{
    blend::Blend,
    forecast::ForecasterConfig,
    ingest::Archive,
    verify::{self, CaseTerms, Forecast, LeadTerms, Metrics, Observed, frame_of},
};

/// Everyone who is scored: the blend, its components, and the references that are not among them.
pub struct Forecasters {
    blend: Blend,
    blended_too: bool,
    references: Vec<Box<dyn Forecaster>>,
    lead_times: Vec<LeadTime>,
    seed: Seed,
    motion: MotionConfig,
    keep_covariances: bool,
}

/// What everyone says for one lead time.
pub struct Said {
    /// Slices by name: the components, the references, and last the blend.
    pub slices: Vec<(String, Slice)>,
    /// How many of them, from the first, are components of the blend.
    pub components: usize,
}

impl Forecasters {
    /// The forecaster of `config`, taken apart, and the references.
    ///
    /// # Errors
    ///
    /// Those of building a forecaster.
    pub fn new(config: &HindcastConfig) -> Result<Self, Error> {
        let blend = config.forecaster.build_blend()?;
        let known: Vec<String> = blend.component_names().into_iter().map(str::to_owned).collect();
        let references = HindcastConfig::references()
            .iter()
            .map(ForecasterConfig::build)
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .filter(|reference| !known.iter().any(|name| name == reference.name()))
            .collect();
        Ok(Self {
            blend,
            blended_too: matches!(config.forecaster, ForecasterConfig::Blend(_)),
            references,
            lead_times: config.lead_times(),
            seed: Seed(config.seed),
            motion: config.motion.clone(),
            keep_covariances: config.keep_covariances,
        })
    }

    /// Hands what everyone says from `analysis` to `take`, lead time by lead time; returns what they noticed.
    ///
    /// # Errors
    ///
    /// When no component can forecast, or a reference cannot.
    pub fn run(
        &self,
        analysis: &Analysis,
        lead_times: &[LeadTime],
        mut take: impl FnMut(LeadTime, Said),
    ) -> Result<Vec<Notice>, nowblend_field::Error> {
        let names = self.blend.component_names();
        let mut blend = self.blend.start_parts(analysis, lead_times, self.seed)?;
        let mut references = self
            .references
            .iter()
            .map(|reference| reference.start(analysis, lead_times, self.seed))
            .collect::<Result<Vec<_>, _>>()?;
        while let Some(parts) = blend.next_parts()? {
            let lead_time = parts.blended.lead_time;
            let mut slices: Vec<(String, Slice)> = names
                .iter()
                .zip(parts.components)
                .filter_map(|(name, slice)| Some(((*name).to_owned(), slice?)))
                .collect();
            let components = slices.len();
            for (reference, run) in self.references.iter().zip(&mut references) {
                if let Some(slice) = run.next()? {
                    slices.push((reference.name().to_owned(), slice));
                }
            }
            if self.blended_too {
                slices.push((self.blend.name().to_owned(), parts.blended));
            }
            take(lead_time, Said { slices, components });
        }
        Ok(blend.notices().to_vec())
    }

    /// Forecasts from `start` and scores everyone on the cells of `mask` at the lead times that the archive's frames give.
    pub(super) fn score(
        &self,
        event: &str,
        archive: &Archive,
        frames: usize,
        start: ReferenceTime,
        mask: &Array2<bool>,
        metrics: &Metrics,
    ) -> Result<Record, Error> {
        let observed = archive.observed(start, frames)?;
        let mut notices = observed.notices;
        let analysis = Analysis::new(observed.sequence).with_motion(&self.motion);
        if !analysis.grid().agrees(archive.grid()) {
            return Err(verify::Error::Grid {
                found: analysis.grid().to_string(),
                expected: archive.grid().to_string(),
            }
            .into());
        }
        let judged = self.judged(archive.times(), start, analysis.reference_time());
        let lead_times: Vec<LeadTime> = judged.iter().map(|judged| judged.lead_time).collect();
        let mut leads = Vec::new();
        let mut covariances = Vec::new();
        let mut unjudged = Vec::new();
        let taken = self.run(&analysis, &lead_times, |lead_time, said| {
            let Some(Judged { nominal, frame, .. }) = judged.iter().find(|judged| judged.lead_time == lead_time) else {
                return;
            };
            let truth = match archive.frame(*frame) {
                Ok(Some(truth)) => truth,
                Ok(None) => return,
                Err(e) => {
                    unjudged.push(Notice::new(
                        NoticeKind::Missing,
                        "observed rain",
                        format!("{nominal} is not scored: {e}"),
                    ));
                    return;
                }
            };
            let observed = Observed::new(&truth, mask, archive.grid().cell_size_m());
            leads.par_extend(
                said.slices
                    .par_iter()
                    .map(|(name, slice)| LeadTerms::of(name, *nominal, metrics, &Forecast::of(slice), &observed)),
            );
            if self.keep_covariances {
                covariances.push((*nominal, said.covariances(&truth, mask)));
            }
        });
        notices.extend(taken.map_err(|source| Error::Case {
            event: event.to_owned(),
            reference_time: start,
            source,
        })?);
        notices.extend(unjudged);
        Ok(Record {
            case: CaseTerms {
                event: event.to_owned(),
                reference_time: start,
                leads,
            },
            notices,
            covariances,
        })
    }

    /// The lead times that frames judge. Of the frames to come, their times alone are looked at, so that no forecast is made in vain. A
    /// newest observation older than the start makes the forecast longer, as it would have been on the day.
    fn judged(&self, times: &[ValidTime], start: ReferenceTime, newest: ReferenceTime) -> Vec<Judged> {
        let mut judged: Vec<Judged> = Vec::new();
        for &nominal in &self.lead_times {
            let Some(frame) = frame_of(times, start + nominal).filter(|frame| *frame > start) else {
                continue;
            };
            let lead_time = LeadTime::from_seconds((frame - newest).num_seconds() as u32);
            if judged.last().is_none_or(|before| before.lead_time < lead_time) {
                judged.push(Judged { nominal, lead_time, frame });
            }
        }
        judged
    }
}

impl Said {
    fn covariances(&self, observed: &Array2<f32>, mask: &Array2<bool>) -> Covariances {
        let rain: Vec<(&str, Array2<f32>)> = self.slices[..self.components]
            .iter()
            .filter_map(|(name, slice)| Some((name.as_str(), slice.mean()?)))
            .collect();
        Covariances::of(&rain, observed, mask)
    }
}

/// A lead time that a frame of the archive judges.
struct Judged {
    /// The lead time of the configuration.
    nominal: LeadTime,
    /// From the newest observation to the frame.
    lead_time: LeadTime,
    /// The time of the frame.
    frame: ValidTime,
}
