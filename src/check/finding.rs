//! What a check found: a value, the threshold that it was held against and where that comes from, and how much trust is left.

use std::{fmt, ops::Range};

use nowblend_field::LeadTime;
use serde::{Deserialize, Serialize};

use super::Evidence;

/// What one check says of one component at one lead time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Which check, in snake case: `wet_area`.
    pub check: String,
    /// Which component.
    pub component: String,
    /// How far ahead, s in files.
    #[serde(rename = "lead_time_s")]
    pub lead_time: LeadTime,
    /// What was measured, in `unit`; nothing where the check does not apply.
    pub value: Option<f64>,
    /// The unit of value and threshold, `1` for a ratio.
    pub unit: String,
    /// Where the value should lie.
    pub threshold: Threshold,
    /// Where the threshold comes from: a law, a record, a paper, or a proposal that awaits calibration.
    pub threshold_source: String,
    /// The judgement.
    pub verdict: Verdict,
    /// What is left of the trust in this slice, 0 to 1: 1 takes nothing away.
    pub trust: f64,
    /// Where it is worst, if the check looks tile by tile.
    pub worst_tile: Option<Tile>,
    /// The finding in a sentence.
    pub message: String,
}

/// The range that a value should lie in; an end that is missing is open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// Least value that passes.
    pub at_least: Option<f64>,
    /// Greatest value that passes.
    pub at_most: Option<f64>,
}

impl Threshold {
    /// No more than `limit`.
    pub const fn at_most(limit: f64) -> Self {
        Self {
            at_least: None,
            at_most: Some(limit),
        }
    }

    /// No less than `limit`.
    pub const fn at_least(limit: f64) -> Self {
        Self {
            at_least: Some(limit),
            at_most: None,
        }
    }

    /// Between both ends, which pass.
    pub const fn between(least: f64, most: f64) -> Self {
        Self {
            at_least: Some(least),
            at_most: Some(most),
        }
    }

    /// Whether a value passes; NaN does not.
    pub fn holds(&self, value: f64) -> bool {
        !value.is_nan() && self.at_least.is_none_or(|limit| value >= limit) && self.at_most.is_none_or(|limit| value <= limit)
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.at_least, self.at_most) {
            (Some(least), Some(most)) => write!(f, "{} to {}", short(least), short(most)),
            (Some(least), None) => write!(f, "at least {}", short(least)),
            (None, Some(most)) => write!(f, "at most {}", short(most)),
            (None, None) => f.write_str("anything"),
        }
    }
}

/// Three significant digits at most, without trailing noughts.
pub(super) fn short(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let digits = (2 - value.abs().log10().floor() as i32).clamp(0, 6) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// The judgement of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing to object to.
    Pass,
    /// Unusual: less trust.
    Suspect,
    /// Not physically possible, or far beyond what is usual.
    Fail,
    /// The check has nothing to say here.
    NotApplicable {
        /// What is missing.
        why: String,
    },
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass => f.write_str("pass"),
            Self::Suspect => f.write_str("suspect"),
            Self::Fail => f.write_str("fail"),
            Self::NotApplicable { why } => write!(f, "not applicable: {why}"),
        }
    }
}

/// A part of the grid and the value found there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tile {
    /// Rows of the grid, from the south.
    pub rows: Range<usize>,
    /// Columns of the grid, from the west.
    pub columns: Range<usize>,
    /// The value there, in the finding's unit.
    pub value: f64,
}

/// What a check holds a value against: its name, unit, threshold and the threshold's source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measure<'a> {
    pub check: &'a str,
    pub unit: &'a str,
    pub threshold: Threshold,
    pub source: &'a str,
}

/// Trust that a failed soft check leaves: it has been wrong before, so it does not silence a component by itself.
const TRUST_AFTER_SOFT_FAILURE: f64 = 0.25;

impl Measure<'_> {
    /// A finding of `value`, judged against the threshold.
    ///
    /// `excess` says how far beyond it is in units of the threshold's own width: up to 1 passes, to 2 is suspect and takes trust
    /// away in proportion, beyond fails.
    pub fn graded(&self, lead_time: LeadTime, evidence: &Evidence<'_>, value: f64, excess: f64, message: String) -> Finding {
        let (verdict, trust) = if excess.is_nan() || excess > 2.0 {
            (Verdict::Fail, TRUST_AFTER_SOFT_FAILURE)
        } else if excess > 1.0 {
            (Verdict::Suspect, 1.0 - 0.5 * (excess - 1.0))
        } else {
            (Verdict::Pass, 1.0)
        };
        self.finding(lead_time, evidence, Some(value), verdict, trust, message)
    }

    /// A finding of `value` against a law: it holds or it does not, and what breaks it deserves no trust.
    pub fn hard(&self, lead_time: LeadTime, evidence: &Evidence<'_>, value: f64, message: String) -> Finding {
        let (verdict, trust) = if self.threshold.holds(value) {
            (Verdict::Pass, 1.0)
        } else {
            (Verdict::Fail, 0.0)
        };
        self.finding(lead_time, evidence, Some(value), verdict, trust, message)
    }

    /// The check has nothing to say, and why.
    pub fn not_applicable(&self, lead_time: LeadTime, evidence: &Evidence<'_>, why: impl Into<String>) -> Finding {
        let why = why.into();
        self.finding(lead_time, evidence, None, Verdict::NotApplicable { why: why.clone() }, 1.0, why)
    }

    fn finding(
        &self,
        lead_time: LeadTime,
        evidence: &Evidence<'_>,
        value: Option<f64>,
        verdict: Verdict,
        trust: f64,
        message: String,
    ) -> Finding {
        Finding {
            check: self.check.to_owned(),
            component: evidence.component.to_owned(),
            lead_time,
            value: value.filter(|v| v.is_finite()),
            unit: self.unit.to_owned(),
            threshold: self.threshold,
            threshold_source: self.source.to_owned(),
            verdict,
            trust,
            worst_tile: None,
            message,
        }
    }
}

impl Finding {
    /// Adds where it is worst.
    pub(super) fn with_worst(mut self, tile: Option<Tile>) -> Self {
        self.worst_tile = tile;
        self
    }

    /// Whether the check had something to say.
    pub fn applies(&self) -> bool {
        !matches!(self.verdict, Verdict::NotApplicable { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_read_as_words_and_their_ends_pass() {
        let band = Threshold::between(0.8, 1.25);
        assert_eq!(band.to_string(), "0.8 to 1.25");
        assert_eq!(Threshold::at_most(1872.0).to_string(), "at most 1872");
        assert!(band.holds(0.8) && band.holds(1.25) && !band.holds(1.26) && !band.holds(f64::NAN));
    }

    #[test]
    fn a_verdict_keeps_its_reason_in_a_file() {
        let verdict = Verdict::NotApplicable { why: "dry".into() };
        let text = serde_json::to_string(&verdict).unwrap();
        assert_eq!(text, r#"{"not_applicable":{"why":"dry"}}"#);
        assert_eq!(serde_json::from_str::<Verdict>(&text).unwrap(), verdict);
        assert_eq!(serde_json::to_string(&Verdict::Pass).unwrap(), r#""pass""#);
    }
}
