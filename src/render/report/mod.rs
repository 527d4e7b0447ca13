//! The forecast in one file that opens anywhere: maps side by side over lead time, how far to trust them, and where they come from.
//!
//! `report.html` needs no network, no font and no other file. It is filled lead by lead and keeps only the small pictures.

mod images;
mod page;
mod viewer;

use ndarray::ArrayView2;
use nowblend_field::{Grid, LeadTime, ReferenceTime};
use serde::{Deserialize, Serialize};

use self::{images::Images, viewer::Frame};
use super::{
    Error,
    colour::{PROBABILITY, RAIN},
    graticule::graticule,
};
use crate::{blend::Weight, store::Provenance};

/// What a report is about.
#[derive(Debug, Clone)]
pub struct ReportHead {
    /// One line: `Rain nowcast`.
    pub title: String,
    /// Where, for people: `Switzerland`; may be empty.
    pub region: String,
    /// When the forecast starts.
    pub reference_time: ReferenceTime,
    /// Where the cells lie.
    pub grid: Grid,
    /// Whether the rain is made up; the report says so in its first line.
    pub simulated: bool,
    /// What the observations are, in a sentence or two.
    pub statement: String,
    /// Components in the order in which they are shown.
    pub components: Vec<String>,
    /// Thresholds of the probability maps, mm/h; empty for none.
    pub thresholds_mm_h: Vec<f64>,
}

/// All that is shown of one lead time; fields are `[y, x]`, mm/h and probabilities from 0 to 1.
#[derive(Debug, Clone)]
pub struct LeadView<'a> {
    /// How far ahead.
    pub lead_time: LeadTime,
    /// What the radar saw then, if that is known already.
    pub observed: Option<ArrayView2<'a, f32>>,
    /// The blend.
    pub blend: Option<ArrayView2<'a, f32>>,
    /// Rain of components by name; one without rain may be left out.
    pub components: Vec<(&'a str, ArrayView2<'a, f32>)>,
    /// Probability of rain at or above a threshold, mm/h.
    pub probabilities: Vec<(f64, ArrayView2<'a, f32>)>,
    /// Weights of components by name, after redistribution; they add up to 1 each.
    pub weights: Vec<(&'a str, Weight)>,
    /// What the checks found.
    pub findings: Vec<Finding>,
}

/// What a check found at one lead time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Name of the check.
    pub check: String,
    /// Whose forecast was checked: `blend`, or a component.
    pub subject: String,
    /// Its judgement.
    pub verdict: Verdict,
    /// The number that was judged; NaN if there is none.
    pub value: f64,
    /// Its unit; empty for a ratio.
    pub unit: String,
    /// What is allowed, in words with its number: `at most 2`.
    pub threshold: String,
    /// Where the threshold comes from.
    pub source: String,
    /// What it means, in a sentence; may be empty.
    pub message: String,
}

/// The judgement of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Could not be judged for want of evidence.
    Unknown,
    /// Nothing is wrong.
    Pass,
    /// Out of the ordinary.
    Suspect,
    /// Not physically possible, or far out of the ordinary.
    Fail,
}

/// One score of one component at one lead time, where the truth is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// Which score, with its threshold or window: `CSI ≥ 1 mm/h`.
    pub name: String,
    /// Its unit; empty for a ratio.
    pub unit: String,
    /// Whose.
    pub component: String,
    /// At which lead time.
    pub lead_time: LeadTime,
    /// Its value; NaN where it is not defined.
    pub value: f64,
    /// How many observed cells went in.
    pub cells: u64,
    /// Which values are good.
    pub best: Best,
}

/// Which values of a score are good.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Best {
    /// The higher the better.
    Highest,
    /// The lower the better.
    Lowest,
    /// The nearer to this the better.
    Nearest(f64),
}

/// A report being filled.
#[derive(Debug)]
pub struct ReportBuilder {
    head: ReportHead,
    images: Images,
    /// The last observation: its picture and its numbers.
    last_observed: Option<(usize, String)>,
    frames: Vec<Frame>,
    scores: Vec<Score>,
}

impl ReportBuilder {
    /// A report without pictures yet; `observed` is the newest observation `[y, x]`, mm/h, shown where the truth is not known.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where it does not fit the grid, [`Error::Encode`].
    pub fn new(head: ReportHead, observed: Option<ArrayView2<'_, f32>>) -> Result<Self, Error> {
        let mut images = Images::default();
        let last_observed = match observed {
            Some(field) => {
                Error::check("the newest observation", field.dim(), head.grid.shape())?;
                Some(images.add(field, &RAIN)?)
            }
            None => None,
        };
        Ok(Self {
            head,
            images,
            last_observed,
            frames: Vec::new(),
            scores: Vec::new(),
        })
    }

    /// Draws one lead time; its fields may be dropped then.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where a field does not fit the grid, [`Error::Encode`].
    pub fn add_lead(&mut self, view: &LeadView<'_>) -> Result<(), Error> {
        let shape = self.head.grid.shape();
        let mut draw = |what: &str, field: &ArrayView2<'_, f32>, scale| {
            Error::check(what, field.dim(), shape)?;
            self.images.add(field.view(), scale)
        };
        let observed = view.observed.as_ref().map(|field| draw("observed", field, &RAIN)).transpose()?;
        let blend = view.blend.as_ref().map(|field| draw("blend", field, &RAIN)).transpose()?;
        let mut components = Vec::new();
        for (name, field) in &view.components {
            components.push(((*name).to_owned(), draw(name, field, &RAIN)?));
        }
        let mut probabilities = Vec::new();
        for (threshold, field) in &view.probabilities {
            if self.head.thresholds_mm_h.contains(threshold) {
                probabilities.push((*threshold, draw("probability", field, &PROBABILITY)?));
            }
        }
        self.frames.push(Frame {
            lead_time: view.lead_time,
            observed,
            blend,
            components,
            probabilities,
            weights: view.weights.iter().map(|(name, w)| ((*name).to_owned(), *w)).collect(),
            findings: view.findings.clone(),
        });
        Ok(())
    }

    /// Adds scores against the truth.
    pub fn set_scores(&mut self, scores: Vec<Score>) {
        self.scores = scores;
    }

    /// The whole page.
    pub fn finish(self, provenance: &Provenance) -> String {
        let lines = graticule(&self.head.grid);
        page::page(&self, &lines, provenance)
    }
}

#[cfg(test)]
mod tests;
