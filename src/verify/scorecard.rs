//! Scores of all cases together and of each event, by component and lead time: as a table for people, CSV and JSON.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use nowblend_field::{LeadTime, ReferenceTime, Seed};
use rayon::prelude::*;
use serde::Serialize;

use super::{BootstrapConfig, CaseTerms, Label, LeadTerms, Metrics, Resamples, Terms};

/// The name of all events together.
pub const ALL_EVENTS: &str = "all";

/// A table of scores.
#[derive(Debug, Clone)]
pub struct Scorecard {
    /// Where the scores come from: version, configuration, sources.
    pub about: BTreeMap<String, String>,
    /// Whose scores the differences are relative to.
    pub reference: Option<String>,
    /// One row an event, component, lead time and metric.
    pub rows: Vec<Row>,
    /// The sums behind the scores of all events together, for diagrams.
    pub sums: Vec<Sums>,
}

/// One score with its number of cases and its interval. A number that is not defined is empty in CSV and null in JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The event, or `all`.
    pub event: String,
    /// Who forecast.
    pub component: String,
    /// How far ahead, min.
    pub lead_min: f64,
    /// What is measured.
    #[serde(flatten)]
    pub label: Label,
    /// The score of all cases together.
    pub score: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end of its interval.
    pub high: f64,
    /// Score less that of the reference, over the cases that both have.
    pub difference: f64,
    /// Lower end of the difference's interval, from the same resamples for both.
    pub difference_low: f64,
    /// Upper end of the difference's interval.
    pub difference_high: f64,
    /// Number of cases.
    pub cases: usize,
    /// Number of cells that count, all cases together.
    pub cells: u64,
    /// Share of those cells that the forecast left missing and that count as dry.
    pub missing_share: f64,
}

/// Summed terms of one component at one lead time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sums {
    /// Who forecast.
    pub component: String,
    /// How far ahead, min.
    pub lead_min: f64,
    /// Terms by the name of their sums.
    pub terms: BTreeMap<String, Terms>,
}

impl Scorecard {
    /// The scores of `cases`, in the order given; differences are relative to the component called `reference`.
    pub fn new(cases: &[CaseTerms], metrics: &Metrics, bootstrap: &BootstrapConfig, reference: Option<&str>, seed: Seed) -> Self {
        let events: BTreeSet<&str> = cases.iter().map(|c| c.event.as_str()).collect();
        let mut groups = vec![(ALL_EVENTS, cases.iter().collect::<Vec<_>>())];
        if events.len() > 1 {
            groups.extend(
                events
                    .iter()
                    .map(|event| (*event, cases.iter().filter(|c| c.event == *event).collect())),
            );
        }
        let rows = groups
            .iter()
            .flat_map(|(event, cases)| group_rows(event, cases, metrics, bootstrap, reference, seed))
            .collect();
        let all = &groups[0].1;
        let sums = places(all)
            .into_iter()
            .map(|(component, lead_time)| {
                let mut terms: BTreeMap<String, Terms> = BTreeMap::new();
                for (_, lead) in said(all, component, lead_time) {
                    for (name, more) in &lead.terms {
                        *terms.entry(name.clone()).or_default() += more;
                    }
                }
                Sums {
                    component: component.to_owned(),
                    lead_min: lead_time.minutes(),
                    terms,
                }
            })
            .collect();
        Self {
            about: BTreeMap::new(),
            reference: reference.map(str::to_owned),
            rows,
            sums,
        }
    }

    /// Adds where the scores come from.
    #[must_use]
    pub fn with_about(mut self, about: BTreeMap<String, String>) -> Self {
        self.about = about;
        self
    }

    /// The row of all events together, if there is one.
    pub fn find(&self, component: &str, lead_min: f64, metric: &str) -> Option<&Row> {
        self.rows.iter().find(|row| {
            row.event == ALL_EVENTS && row.component == component && row.lead_min == lead_min && row.label.to_string() == metric
        })
    }

    /// All rows, one a line under a header.
    pub fn csv(&self) -> String {
        let mut text = "event,component,lead_min,metric,threshold_mm_h,window_km,score,low,high,difference,difference_low,difference_high,\
                        cases,cells,missing_share\n"
            .to_owned();
        for row in &self.rows {
            let names = [&row.event, &row.component].map(|name| quoted(name)).join(",");
            let numbers = [
                row.label.threshold_mm_h.unwrap_or(f64::NAN),
                row.label.window_km.unwrap_or(f64::NAN),
                row.score,
                row.low,
                row.high,
                row.difference,
                row.difference_low,
                row.difference_high,
            ];
            let numbers = numbers.map(|v| if v.is_nan() { String::new() } else { v.to_string() }).join(",");
            let _ = writeln!(
                text,
                "{names},{},{},{numbers},{},{},{}",
                row.lead_min, row.label.metric, row.cases, row.cells, row.missing_share
            );
        }
        text
    }

    /// Everything, as JSON with a line for each row, so that two tables can be compared line by line.
    pub fn json(&self) -> String {
        format!(
            "{{\"about\":{},\n\"reference\":{},\n\"rows\":[\n{}\n],\n\"sums\":[\n{}\n]}}\n",
            json(&self.about),
            json(&self.reference),
            lines(&self.rows),
            lines(&self.sums)
        )
    }

    /// Tables of some metrics by component and lead time for a terminal, with the cases and the share of missing cells below. A metric
    /// that is nowhere defined, such as one of members where there are none, has no table.
    pub fn text(&self, metrics: &[&str]) -> String {
        let rows: Vec<&Row> = self.rows.iter().filter(|row| row.event == ALL_EVENTS).collect();
        let components = in_order(rows.iter().map(|row| row.component.as_str()));
        let leads = in_order(rows.iter().map(|row| row.lead_min));
        let width = components.iter().map(|name| name.len()).max().unwrap_or(0).max(13);
        let mut text = String::new();
        let mut table = |title: &str, cell: &dyn Fn(&str, f64) -> Option<String>| {
            let heads: String = leads.iter().map(|lead| format!("{:>9}", format!("{lead} min"))).collect();
            let _ = writeln!(text, "{title}\n{:width$}{heads}", "");
            for component in &components {
                let cells: String = leads
                    .iter()
                    .map(|lead| format!("{:>9}", cell(component, *lead).unwrap_or_else(|| "-".to_owned())))
                    .collect();
                let _ = writeln!(text, "{component:width$}{cells}");
            }
            text.push('\n');
        };
        for metric in metrics {
            if rows.iter().any(|row| !row.score.is_nan() && row.label.to_string() == *metric) {
                table(metric, &|component, lead| {
                    let score = self.find(component, lead, metric)?.score;
                    (!score.is_nan()).then(|| format!("{score:.3}"))
                });
            }
        }
        let any = |component: &str, lead: f64| rows.iter().find(|row| row.component == component && row.lead_min == lead);
        table("cases", &|component, lead| any(component, lead).map(|row| row.cases.to_string()));
        table("cells missing in the forecast, counted as dry", &|component, lead| {
            any(component, lead).map(|row| format!("{:.1} %", 100.0 * row.missing_share))
        });
        text
    }
}

/// Scores of one component at one lead time: of all its cases, and of each resample.
struct Scores {
    /// Places of the cases among all.
    cases: Vec<usize>,
    /// Metric by metric: the score, and that of each resample.
    by_metric: Vec<(f64, Vec<f64>)>,
}

impl Scores {
    fn of(said: &[(usize, &LeadTerms)], metrics: &Metrics, resamples: &Resamples) -> Self {
        let mut drawn: BTreeMap<String, (Terms, Vec<Terms>)> = BTreeMap::new();
        let by_metric = metrics
            .iter()
            .map(|metric| {
                let name = metric.sums();
                let (total, draws) = drawn.entry(name).or_insert_with_key(|name| draw(said, name, resamples));
                (metric.score(total), draws.iter().map(|terms| metric.score(terms)).collect())
            })
            .collect();
        Self {
            cases: said.iter().map(|(case, _)| *case).collect(),
            by_metric,
        }
    }
}

/// The sum of all cases' terms, and that of each resample's.
fn draw(said: &[(usize, &LeadTerms)], name: &str, resamples: &Resamples) -> (Terms, Vec<Terms>) {
    let mut total = Terms::default();
    let mut blocks = vec![Terms::default(); resamples.blocks()];
    for (case, lead) in said {
        if let Some(terms) = lead.terms.get(name) {
            total += terms;
            blocks[resamples.block_of(*case)] += terms;
        }
    }
    let draws = resamples.times().iter().map(|times| {
        let mut sum = Terms::default();
        for (block, times) in blocks.iter().zip(times) {
            if *times > 0.0 {
                sum.add_times(block, *times);
            }
        }
        sum
    });
    (total, draws.collect())
}

fn group_rows(
    event: &str,
    cases: &[&CaseTerms],
    metrics: &Metrics,
    bootstrap: &BootstrapConfig,
    reference: Option<&str>,
    seed: Seed,
) -> Vec<Row> {
    let keys: Vec<(&str, ReferenceTime)> = cases.iter().map(|c| (c.event.as_str(), c.reference_time)).collect();
    let resamples = Resamples::new(bootstrap, &keys, seed);
    let rows: Vec<Vec<Row>> = places(cases)
        .into_par_iter()
        .map(|(component, lead_time)| {
            let mine = said(cases, component, lead_time);
            let scores = Scores::of(&mine, metrics, &resamples);
            let paired = reference.filter(|r| *r != component).and_then(|reference| {
                let theirs = said(cases, reference, lead_time);
                if theirs.is_empty() {
                    return None;
                }
                let scores_theirs = Scores::of(&theirs, metrics, &resamples);
                if scores.cases == scores_theirs.cases {
                    return Some((None, scores_theirs));
                }
                let both = |part: &[(usize, &LeadTerms)], other: &Scores| -> Scores {
                    let kept: Vec<_> = part.iter().copied().filter(|(case, _)| other.cases.contains(case)).collect();
                    Scores::of(&kept, metrics, &resamples)
                };
                Some((Some(both(&mine, &scores_theirs)), both(&theirs, &scores)))
            });
            let cells: u64 = mine.iter().map(|(_, lead)| lead.cells).sum();
            let missing: u64 = mine.iter().map(|(_, lead)| lead.missing).sum();
            metrics
                .iter()
                .enumerate()
                .map(|(k, metric)| {
                    let (score, draws) = &scores.by_metric[k];
                    let [low, high] = resamples.interval(draws.iter().copied());
                    let (difference, [difference_low, difference_high]) =
                        paired.as_ref().map_or((f64::NAN, [f64::NAN; 2]), |(ours, theirs)| {
                            let (ours, draws) = &ours.as_ref().unwrap_or(&scores).by_metric[k];
                            let (theirs, their_draws) = &theirs.by_metric[k];
                            let differences = draws.iter().zip(their_draws).map(|(a, b)| a - b);
                            (ours - theirs, resamples.interval(differences))
                        });
                    Row {
                        event: event.to_owned(),
                        component: component.to_owned(),
                        lead_min: lead_time.minutes(),
                        label: metric.label(),
                        score: *score,
                        low,
                        high,
                        difference,
                        difference_low,
                        difference_high,
                        cases: mine.len(),
                        cells,
                        missing_share: missing as f64 / cells.max(1) as f64,
                    }
                })
                .collect()
        })
        .collect();
    rows.into_iter().flatten().collect()
}

/// Components in the order of their appearance, each with its lead times ascending.
fn places<'a>(cases: &[&'a CaseTerms]) -> Vec<(&'a str, LeadTime)> {
    let leads = || cases.iter().flat_map(|c| &c.leads);
    let components = in_order(leads().map(|lead| lead.component.as_str()));
    let lead_times: BTreeSet<LeadTime> = leads().map(|lead| lead.lead_time).collect();
    let all = components
        .into_iter()
        .flat_map(|component| lead_times.iter().map(move |lead_time| (component, *lead_time)));
    let known: BTreeSet<(&str, LeadTime)> = leads().map(|lead| (lead.component.as_str(), lead.lead_time)).collect();
    all.filter(|place| known.contains(place)).collect()
}

/// What one component said at one lead time, with the place of each case.
fn said<'a>(cases: &[&'a CaseTerms], component: &str, lead_time: LeadTime) -> Vec<(usize, &'a LeadTerms)> {
    cases
        .iter()
        .enumerate()
        .filter_map(|(k, case)| {
            let lead = case
                .leads
                .iter()
                .find(|lead| lead.component == component && lead.lead_time == lead_time)?;
            Some((k, lead))
        })
        .collect()
}

fn in_order<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    all.fold(Vec::new(), |mut known, next| {
        if !known.contains(&next) {
            known.push(next);
        }
        known
    })
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("names and numbers can always be written")
}

fn lines(values: &[impl Serialize]) -> String {
    values.iter().map(json).collect::<Vec<_>>().join(",\n")
}

/// A name as CSV takes it.
fn quoted(name: &str) -> String {
    if name.contains([',', '"', '\n']) {
        format!("\"{}\"", name.replace('"', "\"\""))
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, TimeZone, Utc};

    use super::*;
    use crate::verify::MetricsConfig;

    fn lead(component: &str, table: [f64; 4]) -> LeadTerms {
        LeadTerms {
            component: component.to_owned(),
            lead_time: LeadTime::from_minutes(5),
            cells: 20,
            missing: 5,
            terms: BTreeMap::from([("contingency_1_mm_h".to_owned(), Terms::new(table))]),
        }
    }

    fn case(event: &str, hour: i64, leads: Vec<LeadTerms>) -> CaseTerms {
        CaseTerms {
            event: event.to_owned(),
            reference_time: Utc.with_ymd_and_hms(2020, 1, 1, 0, 0, 0).unwrap() + TimeDelta::hours(hour),
            leads,
        }
    }

    fn card(cases: &[CaseTerms]) -> Scorecard {
        let metrics = Metrics::new(&MetricsConfig::default()).unwrap();
        Scorecard::new(cases, &metrics, &BootstrapConfig::default(), Some("persistence"), Seed(1))
    }

    #[test]
    fn sums_are_added_before_a_score_is_formed() {
        // 1 of 2, then 8 of 8: together 9 of 10, not the mean of 0.5 and 1.
        let cases = [
            case("a", 0, vec![lead("blend", [1.0, 1.0, 0.0, 18.0])]),
            case("a", 1, vec![lead("blend", [8.0, 0.0, 0.0, 12.0])]),
        ];
        let card = card(&cases);
        let row = card.find("blend", 5.0, "csi_1_mm_h").unwrap();
        assert_eq!((row.score, row.cases, row.cells, row.missing_share), (0.9, 2, 40, 0.25));
        // Two blocks: a quarter of the resamples holds the first case twice, a quarter the second twice.
        assert_eq!((row.low, row.high), (0.5, 1.0));
        assert!(row.difference.is_nan());
    }

    #[test]
    fn a_difference_is_over_the_cases_that_both_have() {
        let cases = [
            case(
                "a",
                0,
                vec![lead("persistence", [1.0, 1.0, 0.0, 18.0]), lead("blend", [3.0, 1.0, 0.0, 16.0])],
            ),
            case("b", 1, vec![lead("persistence", [0.0, 4.0, 0.0, 16.0])]),
        ];
        let card = card(&cases);
        assert_eq!(card.find("blend", 5.0, "csi_1_mm_h").unwrap().difference, 0.25);
        let events: BTreeSet<&str> = card.rows.iter().map(|row| row.event.as_str()).collect();
        assert_eq!(events.into_iter().collect::<Vec<_>>(), ["a", "all", "b"]);
    }

    #[test]
    fn a_better_component_is_better_in_every_resample_of_the_same_cases() {
        // Cases differ wildly, the components by one hit in ten in each: the interval of the difference is narrow.
        let cases: Vec<CaseTerms> = (0..8)
            .map(|k| {
                let hits = f64::from(k + 1);
                let (a, b) = ([hits, 10.0 - hits, 0.0, 10.0], [hits + 1.0, 9.0 - hits, 0.0, 10.0]);
                case("a", i64::from(k), vec![lead("persistence", a), lead("blend", b)])
            })
            .collect();
        let card = card(&cases);
        let row = card.find("blend", 5.0, "pod_1_mm_h").unwrap();
        assert!((row.difference - 0.1).abs() < 1e-12 && (row.difference_low - 0.1).abs() < 1e-12);
        assert!(row.high - row.low > 0.2);
    }

    #[test]
    fn tables_are_written_with_gaps_where_nothing_is_defined() {
        let cases = [case("rain, heavy", 0, vec![lead("blend", [1.0, 1.0, 0.0, 18.0])])];
        let card = card(&cases);
        let csv = card.csv();
        assert!(csv.lines().any(|l| l == "all,blend,5,csi,1,,0.5,,,,,,1,20,0.25"), "{csv}");
        assert!(csv.lines().any(|l| l == "all,blend,5,mae,,,,,,,,,1,20,0.25"), "{csv}");
        assert_eq!(quoted("rain, heavy"), "\"rain, heavy\"");
        let json: serde_json::Value = serde_json::from_str(&card.json()).unwrap();
        assert_eq!(json["rows"][0]["low"], serde_json::Value::Null);
        assert_eq!(json["rows"][0]["metric"], "csi");
        let text = card.text(&["csi_1_mm_h", "mae", "not_a_metric"]);
        assert!(
            text.contains("csi_1_mm_h\n") && text.contains("0.500") && text.contains("25.0 %"),
            "{text}"
        );
        // The mean absolute error is nowhere defined, the other does not exist.
        assert!(!text.contains("mae") && !text.contains("not_a_metric"));
    }

    #[test]
    fn no_case_gives_an_empty_table() {
        assert!(card(&[]).rows.is_empty());
        assert!(card(&[]).text(&["csi_1_mm_h"]).contains("cases"));
    }
}
