//! All that a forecaster takes away from one forecast: the file, the maps, the report, and the scores where the truth is known.

use std::{
    fs,
    path::{Path, PathBuf},
};

use nowblend_field::{Analysis, Notice, ReferenceTime};

use crate::{
    config::Config,
    forecast::{self, Closing, Output, ToFiles},
    ingest::{self, Air, Archive, Newest},
    render::{ReportHead, Score, ToMaps, ToReport, report::Best},
    store::{self, Provenance, write_whole},
    verify::{self, CaseTerms, Metrics, Scorecard},
};

/// What is asked for beside the configuration.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Observed rain up to the reference time.
    pub archive: &'a Archive,
    /// When the forecast starts; the newest complete frame if not given.
    pub reference_time: Option<ReferenceTime>,
    /// Observed rain after the reference time, where it is known.
    pub truth: Option<&'a Archive>,
    /// Where everything goes; made if it is not there.
    pub folder: &'a Path,
    /// Says that the rain is simulated, if it is.
    pub simulated: Option<&'a str>,
}

/// What was made.
#[derive(Debug)]
pub struct Bulletin {
    /// When the forecast starts.
    pub reference_time: ReferenceTime,
    /// The files, in the order in which they appeared.
    pub files: Vec<PathBuf>,
    /// What the user should know.
    pub notices: Vec<Notice>,
    /// Scores, where the truth is known.
    pub scores: Option<Scorecard>,
}

/// A bulletin that cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The observations cannot be read.
    #[error(transparent)]
    Ingest(#[from] ingest::Error),
    /// A number of the motion is outside its bounds.
    #[error(transparent)]
    Motion(#[from] nowblend_field::Error),
    /// The forecast cannot be made or kept.
    #[error(transparent)]
    Forecast(#[from] forecast::Error),
    /// A file cannot be written or read back.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The forecast cannot be scored.
    #[error(transparent)]
    Verify(#[from] verify::Error),
    /// What came afterwards cannot judge the forecast.
    #[error("the truth lies on grid {found}, expected that of the forecast, {expected}")]
    Truth {
        /// Its grid.
        found: String,
        /// The grid of the forecast.
        expected: String,
    },
    /// The folder cannot be made.
    #[error("making folder `{}`: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Makes a forecast with everything around it; `also` takes each lead time as it is made.
///
/// # Errors
///
/// Those of reading, forecasting and writing; no file is left half-written.
pub fn make(config: &Config, request: &Request<'_>, also: &mut dyn Output) -> Result<Bulletin, Error> {
    let lead_times = config.forecast.lead_times()?;
    config.motion.check()?;
    if let Some(truth) = request.truth.filter(|truth| !truth.grid().agrees(request.archive.grid())) {
        return Err(Error::Truth {
            found: truth.grid().to_string(),
            expected: request.archive.grid().to_string(),
        });
    }
    let blend = config.forecast.forecaster.build_blend()?;
    fs::create_dir_all(request.folder).map_err(|source| Error::Folder {
        path: request.folder.to_owned(),
        source,
    })?;
    store::sweep(request.folder);
    let newest = match request.reference_time {
        Some(reference_time) => Newest {
            reference_time,
            notices: Vec::new(),
        },
        None => request.archive.reference_time()?,
    };
    let observed = request.archive.observed(newest.reference_time, config.ingest.frames)?;
    let air = Air::read(&config.air, config.ingest.limits, observed.sequence.grid(), newest.reference_time)?;
    let theirs = config.forecast.forecaster.inputs(observed.sequence.reference_time());
    let provenance = provenance(config, [observed.inputs, air.inputs, theirs].concat(), &blend);
    let notices = [newest.notices, observed.notices, air.notices].concat();
    let analysis = Analysis::new(observed.sequence).with_states(air.states).with_motion(&config.motion);
    let reference_time = analysis.reference_time();

    let path = |name: &str| request.folder.join(name);
    let title = title(&analysis, request.simulated.is_some());
    let mut written = ToFiles::new(
        request.folder,
        &config.forecast,
        &config.output,
        &analysis,
        &lead_times,
        provenance.clone(),
    )?;
    let (stored, mut files) = (written.netcdf(), written.paths());
    let head = head(config, request, &analysis, &blend, &title);
    let newest = analysis.observed().last();
    let mut report = ToReport::new(
        &path("report.html"),
        head,
        nowblend_field::Forecaster::name(&blend),
        newest,
        request.truth,
    )?;
    let source = format!("{}; {title}", provenance.program());
    let mut maps = ToMaps::new(request.folder, &config.maps, analysis.grid(), reference_time, &source)?;

    let seed = config.forecast.seed;
    let mut outputs: [&mut dyn Output; 4] = [&mut written, &mut report, &mut maps, also];
    let closing = forecast::run(&blend, &analysis, &lead_times, seed, &config.check, notices, &mut outputs)?;

    written.finish(&closing)?;
    let (scores, closing) = score(config, request, &stored, closing)?;
    if let Some((scorecard, _)) = &scores {
        write_whole(&path("scores.csv"), scorecard.csv().as_bytes())?;
        files.push(path("scores.csv"));
    }
    files.extend(maps.finish()?);
    let shown = scores.as_ref().map_or_else(Vec::new, |(_, shown)| shown.clone());
    report.finish(&closing, shown, &provenance)?;
    files.push(path("report.html"));
    write_whole(&path("config.toml"), config.to_toml().as_bytes())?;
    files.push(path("config.toml"));
    Ok(Bulletin {
        reference_time,
        files,
        notices: closing.notices,
        scores: scores.map(|(scorecard, _)| scorecard),
    })
}

/// The program itself among the references.
const PROGRAM: &str = "nowblend: rain nowcasts that blend a shallow-water core and a learned model (README, \"How to cite\")";

/// The resolved configuration, seed, version, inputs and references of a forecast.
fn provenance(config: &Config, inputs: Vec<store::Input>, blend: &crate::blend::Blend) -> Provenance {
    let references = nowblend_field::Forecaster::references(blend);
    Provenance {
        inputs,
        references: [PROGRAM].iter().chain(references).map(|r| (*r).to_owned()).collect(),
        ..Provenance::here(config.to_toml(), config.forecast.seed)
    }
}

fn title(analysis: &Analysis, simulated: bool) -> String {
    let grid = analysis.grid();
    let (ny, nx) = grid.shape();
    let size_km = grid.cell_size_m() / 1000.0;
    let kind = if simulated { "simulated radar" } else { "radar" };
    format!("{kind}, {ny} x {nx} cells of {size_km:.2} km")
}

fn head(config: &Config, request: &Request<'_>, analysis: &Analysis, blend: &crate::blend::Blend, title: &str) -> ReportHead {
    let observed = analysis.observed();
    let (first, last) = (observed.times()[0], observed.reference_time());
    let frames = format!(
        "{} frames from {} to {}",
        observed.frames(),
        first.format("%Y-%m-%d %H:%M"),
        last.format("%H:%M UTC")
    );
    ReportHead {
        title: "Rain nowcast".to_owned(),
        region: title.to_owned(),
        reference_time: last,
        grid: analysis.grid().clone(),
        simulated: request.simulated.is_some(),
        statement: match request.simulated {
            Some(words) => format!("{words} {frames}."),
            None => format!("{frames}."),
        },
        components: blend.component_names().iter().map(|n| (*n).to_owned()).collect(),
        thresholds_mm_h: config.forecast.thresholds_mm_h.clone(),
    }
}

/// The scorecard and its part that the report shows; a forecast without frames to judge it has none, and says so.
type Scores = Option<(Scorecard, Vec<Score>)>;

fn score(config: &Config, request: &Request<'_>, stored: &Path, mut closing: Closing) -> Result<(Scores, Closing), Error> {
    let Some(truth) = request.truth else { return Ok((None, closing)) };
    let case = match verify::stored(&store::read(stored)?, "forecast", truth, &config.verify) {
        Ok(case) => case,
        Err(e) => {
            let why = format!("the forecast is not scored: {e}");
            closing
                .notices
                .push(Notice::new(nowblend_field::NoticeKind::Missing, "verify", why));
            return Ok((None, closing));
        }
    };
    let scorecard = scorecard(config, &case)?;
    let shown = shown(config, &case, &scorecard);
    Ok((Some((scorecard, shown)), closing))
}

/// The scores of one forecast.
///
/// # Errors
///
/// [`verify::Error`] for keys out of bounds.
pub fn scorecard(config: &Config, case: &CaseTerms) -> Result<Scorecard, verify::Error> {
    let metrics = Metrics::new(&config.verify)?;
    let bootstrap = &config.verify.bootstrap;
    Ok(Scorecard::new(
        std::slice::from_ref(case),
        &metrics,
        bootstrap,
        None,
        config.forecast.seed,
    ))
}

/// The few scores that a forecaster looks at first.
fn shown(config: &Config, case: &CaseTerms, scorecard: &Scorecard) -> Vec<Score> {
    let mut wanted: Vec<(String, String, &str, Best)> = Vec::new();
    for threshold in &config.verify.thresholds_mm_h {
        wanted.push((
            format!("csi_{threshold}_mm_h"),
            format!("CSI ≥ {threshold} mm/h"),
            "",
            Best::Highest,
        ));
    }
    for threshold in &config.verify.fss_thresholds_mm_h {
        if let Some(window) = config.verify.fss_windows_km.last() {
            let title = format!("FSS ≥ {threshold} mm/h in {window} km");
            wanted.push((format!("fss_{threshold}_mm_h_{window}_km"), title, "", Best::Highest));
        }
    }
    wanted.push(("mae".into(), "mean absolute error".into(), "mm/h", Best::Lowest));
    wanted.push((
        "frequency_bias_1_mm_h".into(),
        "frequency bias ≥ 1 mm/h".into(),
        "",
        Best::Nearest(1.0),
    ));
    let members = [
        ("crps_fair", "fair CRPS of members", "mm/h", Best::Lowest),
        ("threshold_crps_fair", "fair threshold CRPS of members", "mm/h", Best::Lowest),
        ("spread_error", "spread of members over error of their mean", "", Best::Nearest(1.0)),
    ];
    wanted.extend(members.map(|(metric, name, unit, best)| (metric.into(), name.into(), unit, best)));
    let mut shown = Vec::new();
    for (metric, name, unit, best) in &wanted {
        let of_members = members.iter().any(|(member_metric, ..)| member_metric == metric);
        for lead in &case.leads {
            let row = scorecard.find(&lead.component, lead.lead_time.minutes(), metric);
            if let Some(row) = row.filter(|row| !(of_members && row.score.is_nan())) {
                shown.push(Score {
                    name: name.clone(),
                    unit: (*unit).to_owned(),
                    component: lead.component.clone(),
                    lead_time: lead.lead_time,
                    value: row.score,
                    cells: row.cells,
                    best: *best,
                });
            }
        }
    }
    shown
}
