//! A forecast on its way into `report.html`: maps side by side, weights, findings, and the truth where it is known.

use std::path::{Path, PathBuf};

use ndarray::{Array2, ArrayView2};
use nowblend_field::ValidTime;

use super::report::{Finding, LeadView, ReportBuilder, ReportHead, Score, Verdict};
use crate::{
    check,
    forecast::{Closing, Error, Lead, Output},
    ingest::Archive,
    store::{Aside, Provenance, write_whole},
};

/// Writes `report.html`.
pub struct ToReport<'a> {
    path: PathBuf,
    report: ReportBuilder,
    blend: String,
    thresholds_mm_h: Vec<f64>,
    truth: Option<&'a Archive>,
}

impl<'a> ToReport<'a> {
    /// A report to be called `path`, on forecasts by `blend`; `observed` is the newest observation, `truth` what came after it.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] where the file cannot be written, [`Error::Output`] where the observation does not fit the grid.
    pub fn new(
        path: &Path,
        head: ReportHead,
        blend: &str,
        observed: ArrayView2<'_, f32>,
        truth: Option<&'a Archive>,
    ) -> Result<Self, Error> {
        drop(Aside::create(path)?);
        Ok(Self {
            path: path.to_owned(),
            thresholds_mm_h: head.thresholds_mm_h.clone(),
            report: ReportBuilder::new(head, Some(observed)).map_err(failed)?,
            blend: blend.to_owned(),
            truth,
        })
    }

    fn truth_at(&self, valid_time: ValidTime) -> Result<Option<Array2<f32>>, Error> {
        match self.truth {
            Some(archive) => archive.frame(valid_time).map_err(failed),
            None => Ok(None),
        }
    }

    /// Adds the scores, where the truth is known, and writes the file.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] where it cannot be written; then nothing is left.
    pub fn finish(mut self, closing: &Closing, scores: Vec<Score>, provenance: &Provenance) -> Result<(), Error> {
        self.report.set_scores(scores);
        let provenance = Provenance {
            notices: closing.notices.clone(),
            ..provenance.clone()
        };
        Ok(write_whole(&self.path, self.report.finish(&provenance).as_bytes())?)
    }
}

impl Output for ToReport<'_> {
    fn take(&mut self, lead: &Lead<'_>) -> Result<(), Error> {
        let observed = self.truth_at(lead.valid_time)?;
        let blend = lead.blend.mean();
        let components: Vec<(&str, Array2<f32>)> = lead.components.iter().filter_map(|c| Some((c.name, c.slice?.mean()?))).collect();
        let probabilities: Vec<(f64, Array2<f32>)> = self
            .thresholds_mm_h
            .iter()
            .filter_map(|t| Some((*t, lead.blend.probability(*t)?)))
            .collect();
        let view = LeadView {
            lead_time: lead.lead_time,
            observed: observed.as_ref().map(|field| field.view()),
            blend: blend.as_ref().map(|field| field.view()),
            components: components.iter().map(|(name, rain)| (*name, rain.view())).collect(),
            probabilities: probabilities.iter().map(|(threshold, plane)| (*threshold, plane.view())).collect(),
            weights: lead.components.iter().map(|c| (c.name, c.weight)).collect(),
            findings: lead.findings.iter().map(|f| shown(f, &self.blend)).collect(),
        };
        self.report.add_lead(&view).map_err(failed)
    }
}

fn failed(e: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Output {
        what: "report",
        source: Box::new(e),
    }
}

/// A finding in the words of the report.
fn shown(finding: &check::Finding, blend: &str) -> Finding {
    Finding {
        check: finding.check.clone(),
        subject: if finding.component == blend {
            "blend".to_owned()
        } else {
            finding.component.clone()
        },
        verdict: match finding.verdict {
            check::Verdict::Pass => Verdict::Pass,
            check::Verdict::Suspect => Verdict::Suspect,
            check::Verdict::Fail => Verdict::Fail,
            check::Verdict::NotApplicable { .. } => Verdict::Unknown,
        },
        value: finding.value.unwrap_or(f64::NAN),
        unit: if finding.unit == "1" { String::new() } else { finding.unit.clone() },
        threshold: finding.threshold.to_string(),
        source: finding.threshold_source.clone(),
        message: finding.message.clone(),
    }
}
