//! A forecast being made: lead by lead the blend, what each component said, what the checks found, and those who take it away.

use std::collections::BTreeMap;

use ndarray::Array2;
use nowblend_field::{Analysis, Forecaster as _, LeadTime, Notice, NoticeKind, Run as _, Seed, Slice, ValidTime};

use super::Error;
use crate::{
    blend::{Blend, Weight},
    check::{self, CheckConfig, Finding, Inspector},
    progress::Progress,
};

/// All that is said of one lead time.
pub struct Lead<'a> {
    /// How far ahead.
    pub lead_time: LeadTime,
    /// When it holds.
    pub valid_time: ValidTime,
    /// The blend, with what breaks a law mended.
    pub blend: &'a Slice,
    /// Cells `[y, x]` that were mended; `None` where none was.
    pub limited: Option<&'a Array2<bool>>,
    /// The components in order: name, weight after redistribution, and slice if it has one.
    pub components: Vec<Component<'a>>,
    /// What the checks found of the blend and of each component.
    pub findings: &'a [Finding],
    /// What is left of the trust in each, by name.
    pub trust: BTreeMap<&'a str, f64>,
}

/// One component of the blend at one lead time.
pub struct Component<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its weights.
    pub weight: Weight,
    /// What it said; `None` if it failed.
    pub slice: Option<&'a Slice>,
}

/// Takes a forecast away as it is made: to a file, to pictures, to scores.
///
/// Nothing may appear under its final name before the last lead time is taken and the output's own `finish` is called.
pub trait Output {
    /// Takes one lead time.
    ///
    /// # Errors
    ///
    /// When it cannot be kept.
    fn take(&mut self, lead: &Lead<'_>) -> Result<(), Error>;
}

/// What is known when the last lead time is done.
#[derive(Debug, Clone, Default)]
pub struct Closing {
    /// What was missing, limited, redistributed or degraded.
    pub notices: Vec<Notice>,
    /// All findings, in order of lead time.
    pub findings: Vec<Finding>,
}

/// Makes the forecast and hands each lead time to every output in order.
///
/// `notices` are those of the input; the ones of the run come after them.
///
/// # Errors
///
/// When no component can carry on, or an output fails.
pub fn run(
    blend: &Blend,
    analysis: &Analysis,
    lead_times: &[LeadTime],
    seed: Seed,
    checks: &CheckConfig,
    notices: Vec<Notice>,
    outputs: &mut [&mut dyn Output],
) -> Result<Closing, Error> {
    let names = blend.component_names();
    let core = names.iter().position(|name| *name == check::CORE);
    let mut inspector = Inspector::new(checks, analysis);
    let mut closing = Closing {
        notices,
        findings: Vec::new(),
    };
    let progress = Progress::new("forecast", lead_times.len() as u64);
    let mut run = blend.start_parts(analysis, lead_times, seed)?;
    while let Some(parts) = run.next_parts()? {
        let lead_time = parts.blended.lead_time;
        let physics = core.and_then(|k| parts.components[k].as_ref());
        let mut findings = inspector.inspect(blend.name(), &parts.blended, physics);
        for (name, slice) in names.iter().zip(&parts.components) {
            if let Some(slice) = slice {
                findings.extend(inspector.inspect(name, slice, physics));
            }
        }
        let corrected = check::correct(checks, blend.name(), parts.blended);
        let (blended, limited) = (corrected.slice, corrected.limited);
        closing.notices.extend(corrected.notices);
        let trust = std::iter::once(blend.name())
            .chain(names.iter().copied())
            .map(|name| (name, trust_in(name, &findings)))
            .collect();
        let lead = Lead {
            lead_time,
            valid_time: analysis.reference_time() + lead_time,
            blend: &blended,
            limited: limited.as_ref(),
            components: names
                .iter()
                .zip(&parts.weights)
                .zip(&parts.components)
                .map(|((name, weight), slice)| Component {
                    name,
                    weight: *weight,
                    slice: slice.as_ref(),
                })
                .collect(),
            findings: &findings,
            trust,
        };
        for output in outputs.iter_mut() {
            output.take(&lead)?;
        }
        closing.findings.extend(findings);
        progress.inc(1);
    }
    closing.notices.extend_from_slice(run.notices());
    closing.notices.dedup();
    progress.finish();
    Ok(closing)
}

fn trust_in(name: &str, findings: &[Finding]) -> f64 {
    findings.iter().filter(|f| f.component == name).map(|f| f.trust).product()
}

/// A notice that a probability was asked for that nobody gives.
pub(super) fn no_probability(threshold_mm_h: f64) -> Notice {
    Notice::new(
        NoticeKind::Missing,
        "probability",
        format!("no component gives the probability of rain at or above {threshold_mm_h} mm/h: it is left out"),
    )
}
