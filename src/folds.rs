//! How good the network is on radars that it never saw: one provider after the other is left out of the training and then forecast.

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf};

use nowblend_field::{ReferenceTime, Seed};
use serde::{Deserialize, Serialize};

use crate::{
    forecast::ForecasterConfig,
    hindcast::{self, HindcastConfig, RECORDS, Records},
    store::write_whole,
    train::{self, EventConfig, TrainRunConfig},
    verify::{BootstrapConfig, CaseTerms, LeadTerms, Resamples, Terms},
};

/// Name of the network among the components.
const NETWORK: &str = "nowcast_net";

/// A training and a hindcast for each provider.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FoldsConfig {
    /// Folder for the table; each provider has a folder in it.
    pub folder: PathBuf,
    /// The training; its events name their provider, and its folder is not used.
    pub train: TrainRunConfig,
    /// The hindcast of each provider left out; its events and folder are not used, and every network without weights gets those of the fold.
    pub hindcast: HindcastConfig,
    /// Whom the network is held against, and by which sums.
    pub against: Vec<Rival>,
}

/// A component that the network is compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rival {
    /// Its name.
    pub component: String,
    /// Its score: `threshold_crps`, or `threshold_crps_fair` for members.
    pub score: String,
}

/// Folds that cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No event at all.
    #[error("`folds.train.events` names no radar event, expected some of two providers at least")]
    NoEvents,
    /// An event without a provider.
    #[error("event `{}` names no `provider`, by which folds are made", file.display())]
    NoProvider {
        /// The file.
        file: PathBuf,
    },
    /// Nothing is left.
    #[error("without `{provider}` no event is left {to}")]
    NothingLeft {
        /// Who is left out.
        provider: String,
        /// What for.
        to: &'static str,
    },
    /// Training failed.
    #[error(transparent)]
    Train(#[from] train::Error),
    /// Forecasting failed.
    #[error(transparent)]
    Hindcast(#[from] hindcast::Error),
    /// The table cannot be written.
    #[error(transparent)]
    Store(#[from] crate::store::Error),
}

/// What the network saves of a rival's score, over some cases.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Saving {
    /// The provider left out, or `all`.
    pub provider: String,
    /// Whom the network is compared with.
    pub rival: String,
    /// Lead time, min.
    pub lead_min: u32,
    /// The network's threshold CRPS, mm h⁻¹.
    pub network: f64,
    /// The rival's.
    pub against: f64,
    /// 1 - network / rival.
    pub saved: f64,
    /// Its interval.
    pub interval: [f64; 2],
    /// Number of cases that both have.
    pub cases: usize,
}

/// Trains without each provider, forecasts that provider's events, and after each writes `folds.md` and `folds.json` of those done so far; returns
/// the table of all. What was done is not done again.
///
/// # Errors
///
/// [`Error::NoEvents`], [`Error::NoProvider`], [`Error::NothingLeft`], and those of training, forecasting and writing.
pub fn run(config: &FoldsConfig, seed: Seed, fresh: bool) -> Result<String, Error> {
    // Simulated rain is nobody's: it is learned from in every fold.
    let all = config.train.events.iter().chain(&config.train.validation);
    let all: Vec<&EventConfig> = all.filter(|e| e.simulated.is_none()).collect();
    if all.is_empty() {
        return Err(Error::NoEvents);
    }
    if let Some(event) = all.iter().find(|event| event.provider.is_empty()) {
        return Err(Error::NoProvider { file: event.file.clone() });
    }
    let mut providers: Vec<&str> = Vec::new();
    for event in &all {
        if !providers.contains(&event.provider.as_str()) {
            providers.push(&event.provider);
        }
    }
    let mut cases: Vec<(String, CaseTerms)> = Vec::new();
    let mut text = String::new();
    for provider in providers {
        tracing::info!("leaving out {provider}");
        let (training, replayed) = fold(config, provider)?;
        let weights = train::run(&training, seed, fresh)?;
        let replayed = HindcastConfig {
            forecaster: with_weights(&replayed.forecaster, &weights),
            ..replayed
        };
        hindcast::run(&replayed, fresh)?;
        let records = Records::open(&replayed.folder.join(RECORDS), &replayed, false)?;
        cases.extend(records.into_cases().into_iter().map(|record| (provider.to_owned(), record.case)));
        text = told(&cases, config, seed)?;
    }
    Ok(text)
}

/// Writes the tables of what is done so far and returns the one for people.
fn told(cases: &[(String, CaseTerms)], config: &FoldsConfig, seed: Seed) -> Result<String, Error> {
    let savings = savings(cases, config, seed);
    let table = table(&savings);
    let json = serde_json::to_string_pretty(&savings).expect("names and numbers can always be written");
    write_whole(&config.folder.join("folds.json"), json.as_bytes())?;
    write_whole(&config.folder.join("folds.md"), table.as_bytes())?;
    Ok(table)
}

/// The training without a provider, and the hindcast of its events.
fn fold(config: &FoldsConfig, provider: &str) -> Result<(TrainRunConfig, HindcastConfig), Error> {
    let folder = config.folder.join(provider);
    let without = |events: &[EventConfig], to| {
        let left: Vec<EventConfig> = events.iter().filter(|e| e.provider != provider).cloned().collect();
        if left.is_empty() {
            return Err(Error::NothingLeft {
                provider: provider.to_owned(),
                to,
            });
        }
        Ok(left)
    };
    let training = TrainRunConfig {
        folder: folder.join("training"),
        events: without(&config.train.events, "to learn from")?,
        validation: without(&config.train.validation, "to choose the weights by")?,
        ..config.train.clone()
    };
    let own = config.train.events.iter().chain(&config.train.validation);
    let events = own
        .filter(|e| e.provider == provider)
        .map(|e| {
            let mut event = hindcast::EventConfig::of(e.file.to_string_lossy());
            event.ingest.crop = e.crop;
            event
        })
        .collect();
    let replayed = HindcastConfig {
        folder: folder.join("hindcast"),
        events,
        ..config.hindcast.clone()
    };
    Ok((training, replayed))
}

/// The forecaster with these weights wherever a network has none of its own.
fn with_weights(forecaster: &ForecasterConfig, weights: &std::path::Path) -> ForecasterConfig {
    let mut forecaster = forecaster.clone();
    match &mut forecaster {
        ForecasterConfig::NowcastNet(net) if net.checkpoint.as_os_str().is_empty() => net.checkpoint = weights.to_owned(),
        ForecasterConfig::Blend(blend) => {
            for part in &mut blend.of {
                *part = with_weights(part, weights);
            }
        }
        _ => {}
    }
    forecaster
}

fn savings(cases: &[(String, CaseTerms)], config: &FoldsConfig, seed: Seed) -> Vec<Saving> {
    let mut groups: BTreeMap<&str, Vec<&CaseTerms>> = BTreeMap::new();
    for (provider, case) in cases {
        groups.entry(provider).or_default().push(case);
    }
    let mut all: Vec<(&str, Vec<&CaseTerms>)> = vec![("all", cases.iter().map(|(_, case)| case).collect())];
    all.extend(groups);
    let mut savings = Vec::new();
    for rival in &config.against {
        for (provider, cases) in &all {
            for lead_min in &config.hindcast.lead_min {
                savings.extend(saving(provider, cases, rival, *lead_min, &config.hindcast.metrics.bootstrap, seed));
            }
        }
    }
    savings
}

/// The saving over the cases that both have; nothing without any.
fn saving(provider: &str, cases: &[&CaseTerms], rival: &Rival, lead_min: u32, bootstrap: &BootstrapConfig, seed: Seed) -> Option<Saving> {
    let both: Vec<(&CaseTerms, [f64; 4])> = cases
        .iter()
        .filter_map(|case| {
            let sums = |component: &str, score: &str| {
                let of = |lead: &&LeadTerms| lead.component == component && lead.lead_time.seconds() == 60 * lead_min;
                let terms = case.leads.iter().find(of)?.terms.get(score)?;
                Terms::array::<2>(terms)
            };
            let (net, other) = (sums(NETWORK, "threshold_crps")?, sums(&rival.component, &rival.score)?);
            Some((*case, [net[0], net[1], other[0], other[1]]))
        })
        .collect();
    let keys: Vec<(&str, ReferenceTime)> = both.iter().map(|(case, _)| (case.event.as_str(), case.reference_time)).collect();
    let resamples = Resamples::new(bootstrap, &keys, seed);
    let pooled = |times: &dyn Fn(usize) -> f64| {
        let mut sums = [0.0; 4];
        for (k, (_, of)) in both.iter().enumerate() {
            sums.iter_mut().zip(of).for_each(|(sum, of)| *sum += times(k) * of);
        }
        [sums[1] / sums[0], sums[3] / sums[2]]
    };
    let [network, against] = pooled(&|_| 1.0);
    let drawn = resamples.times().iter().map(|times| {
        let [network, against] = pooled(&|case| times[resamples.block_of(case)]);
        1.0 - network / against
    });
    (!both.is_empty()).then(|| Saving {
        provider: provider.to_owned(),
        rival: rival.component.clone(),
        lead_min,
        network,
        against,
        saved: 1.0 - network / against,
        interval: resamples.interval(drawn),
        cases: both.len(),
    })
}

/// A table for people: a row a provider and rival, a column a lead time.
fn table(savings: &[Saving]) -> String {
    let mut leads: Vec<u32> = savings.iter().map(|s| s.lead_min).collect();
    leads.sort_unstable();
    leads.dedup();
    let mut text = "| left out | against |".to_owned();
    leads.iter().for_each(|lead| {
        let _ = write!(text, " {lead} min |");
    });
    let _ = writeln!(text, "\n| --- | --- |{}", " --- |".repeat(leads.len()));
    let mut rows: Vec<(&str, &str)> = Vec::new();
    for saving in savings {
        if !rows.contains(&(&saving.provider, &saving.rival)) {
            rows.push((&saving.provider, &saving.rival));
        }
    }
    for (provider, rival) in rows {
        let _ = write!(text, "| {provider} | {rival} |");
        for lead in &leads {
            let found = savings
                .iter()
                .find(|s| s.provider == provider && s.rival == rival && s.lead_min == *lead);
            let _ = match found {
                Some(s) => write!(
                    text,
                    " {:.4} / {:.4}: {:+.1} %{} ({}) |",
                    s.network,
                    s.against,
                    -100.0 * s.saved,
                    interval(s.interval),
                    s.cases
                ),
                None => write!(text, " |"),
            };
        }
        text.push('\n');
    }
    text.push_str("\nThreshold CRPS of the network / the other, mm/h: difference [interval] (cases); below 0 the network is better.\n");
    text
}

/// An interval of savings as one of differences, per cent; nothing where the cases were too few for a bootstrap.
fn interval([low, high]: [f64; 2]) -> String {
    if low.is_finite() && high.is_finite() {
        format!(" [{:+.1}, {:+.1}]", -100.0 * high, -100.0 * low)
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};
    use nowblend_field::LeadTime;

    use super::*;

    fn event(provider: &str, file: &str) -> EventConfig {
        EventConfig {
            simulated: None,
            crop: None,
            file: file.into(),
            weight: 1.0,
            event: String::new(),
            provider: provider.into(),
        }
    }

    fn config() -> FoldsConfig {
        FoldsConfig {
            train: TrainRunConfig {
                events: vec![event("a", "a1.nc"), event("b", "b1.nc")],
                validation: vec![event("a", "a2.nc"), event("c", "c1.nc")],
                ..Default::default()
            },
            ..Default::default()
        }
    }

    #[test]
    fn a_fold_neither_learns_from_nor_chooses_by_the_provider_left_out() {
        let (training, replayed) = fold(&config(), "a").unwrap();
        let names = |events: &[EventConfig]| events.iter().map(|e| e.file.display().to_string()).collect::<Vec<_>>();
        assert_eq!(
            (names(&training.events), names(&training.validation)),
            (vec!["b1.nc".into()], vec!["c1.nc".into()])
        );
        let forecast: Vec<String> = replayed.events.iter().map(|e| e.ingest.source.clone()).collect();
        assert_eq!(forecast, ["a1.nc", "a2.nc"]);
        let mut alone = config();
        alone.train.validation.pop();
        assert!(
            fold(&alone, "a")
                .unwrap_err()
                .to_string()
                .contains("without `a` no event is left to choose")
        );
    }

    #[test]
    fn folds_without_events_are_refused() {
        let message = run(&FoldsConfig::default(), Seed(1), false).unwrap_err().to_string();
        assert!(message.contains("`folds.train.events` names no radar event"), "{message}");
    }

    #[test]
    fn a_saving_is_that_of_the_pooled_sums() {
        let case = |minute: u32, net: f64, other: f64| {
            let lead = |component: &str, sum: &str, total: f64| LeadTerms {
                component: component.into(),
                lead_time: LeadTime::from_minutes(15),
                cells: 10,
                missing: 0,
                terms: BTreeMap::from([(sum.to_owned(), Terms::new([10.0, total]))]),
            };
            CaseTerms {
                event: "e".into(),
                reference_time: Utc.with_ymd_and_hms(2020, 1, 1, minute / 60, minute % 60, 0).unwrap(),
                leads: vec![lead(NETWORK, "threshold_crps", net), lead("steps", "threshold_crps_fair", other)],
            }
        };
        let cases = [case(0, 1.0, 2.0), case(60, 3.0, 3.0)];
        let rival = Rival {
            component: "steps".into(),
            score: "threshold_crps_fair".into(),
        };
        let cases: Vec<&CaseTerms> = cases.iter().collect();
        let found = saving("e", &cases, &rival, 15, &BootstrapConfig::default(), Seed(0)).unwrap();
        // (1 + 3)/20 against (2 + 3)/20; drawn alone, the cases save a half and nothing.
        assert!((found.network - 0.2).abs() < 1e-12 && (found.saved - 0.2).abs() < 1e-12 && found.cases == 2);
        assert!(found.interval[0].abs() < 1e-12 && (found.interval[1] - 0.5).abs() < 1e-12);
        assert!(saving("e", &cases, &rival, 30, &BootstrapConfig::default(), Seed(0)).is_none());
    }
}
