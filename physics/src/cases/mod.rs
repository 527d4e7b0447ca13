//! Flows whose fate is known, from the literature: what the core must reproduce before anyone trusts its rain.
//!
//! A [`Case`] is a start; an [`Experiment`] is one run of it, stepped as far as the caller likes. [`all`] lists every case by the name that
//! `nowblend physics run` knows it by; [`Case::bars`] runs what the case is held to.

mod adjustment;
mod against_reference;
mod bar;
mod barotropic_jet;
mod convective_threshold;
mod cosine_bell;
mod dam_break;
mod dispersion;
mod flat;
mod flowing;
mod harmonics;
mod moist_globe;
mod mountain;
mod norms;
mod random_globe;
mod rossby_haurwitz;
mod travelling_vortex;
mod williamson;
mod zonal_flow;

pub use bar::{Bar, Bound};
pub use norms::Norms;
#[cfg(test)]
pub(crate) use rossby_haurwitz::{depth as rossby_haurwitz_depth, wind as rossby_haurwitz_wind};

use ndarray::Array2;

use crate::{Error, metric::Metric};

/// A start with a known fate.
pub trait Case: Send + Sync {
    /// Name in commands and files: snake case.
    fn name(&self) -> &'static str;

    /// What happens, in one sentence.
    fn about(&self) -> &'static str;

    /// Who published it.
    fn source(&self) -> &'static str;

    /// How long it usually runs, s.
    fn length_s(&self) -> f64;

    /// Rows of the grid that it is usually run on.
    fn rows(&self) -> usize;

    /// A run on a grid of `rows` rows.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] for a grid that the case cannot be run on.
    fn start(&self, rows: usize) -> Result<Box<dyn Experiment>, Error>;

    /// Runs all that the case is held to, which may take minutes.
    ///
    /// # Errors
    ///
    /// Those of the runs.
    fn bars(&self) -> Result<Vec<Bar>, Error> {
        Ok(Vec::new())
    }
}

/// A run of a case.
pub trait Experiment: Send {
    /// Moves on by `seconds`.
    ///
    /// # Errors
    ///
    /// [`Error::Courant`] where the flow outruns the step or is not finite.
    fn advance(&mut self, seconds: f64) -> Result<(), Error>;

    /// Seconds since the start.
    fn time_s(&self) -> f64;

    /// Geometry of the grid.
    fn metric(&self) -> &Metric;

    /// What can be drawn now: the height of the surface first.
    fn fields(&self) -> Vec<Field>;

    /// What must not change, or only by what is accounted for.
    fn invariants(&self) -> Vec<Invariant>;

    /// Distance of the depth from the known answer at this time, if there is one.
    fn error(&self) -> Option<Norms> {
        None
    }
}

/// Something to draw.
#[derive(Debug, Clone)]
pub struct Field {
    /// Snake case.
    pub name: &'static str,
    /// Unit of the values.
    pub unit: &'static str,
    /// Values `[y, x]`.
    pub values: Array2<f64>,
}

/// Something that must not change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Invariant {
    /// Snake case.
    pub name: &'static str,
    /// Its value, in any unit that stays the same through the run.
    pub value: f64,
}

/// Every case.
pub fn all() -> Vec<Box<dyn Case>> {
    vec![
        Box::new(cosine_bell::CosineBell::ALONG_THE_EQUATOR),
        Box::new(cosine_bell::CosineBell::OBLIQUE),
        Box::new(cosine_bell::CosineBell::ACROSS_THE_POLES),
        Box::new(zonal_flow::ZonalFlow::LEVEL),
        Box::new(zonal_flow::ZonalFlow::ACROSS_THE_POLES),
        Box::new(mountain::Mountain),
        Box::new(rossby_haurwitz::RossbyHaurwitz),
        Box::new(barotropic_jet::BarotropicJet::BALANCED),
        Box::new(barotropic_jet::BarotropicJet::PERTURBED),
        Box::new(random_globe::RandomGlobe),
        Box::new(moist_globe::MoistGlobe::Steady),
        Box::new(moist_globe::MoistGlobe::OverAMountain),
        Box::new(dispersion::Dispersion),
        Box::new(adjustment::Adjustment),
        Box::new(dam_break::DamBreak),
        Box::new(travelling_vortex::TravellingVortex),
        Box::new(convective_threshold::ConvectiveThreshold),
    ]
}

/// The case of a name.
///
/// # Errors
///
/// [`Error::Case`] with all names for one that there is not.
pub fn named(name: &str) -> Result<Box<dyn Case>, Error> {
    let cases = all();
    let names = cases.iter().map(|c| c.name()).collect::<Vec<_>>().join(", ");
    cases.into_iter().find(|c| c.name() == name).ok_or_else(|| Error::Case {
        found: name.to_owned(),
        expected: names,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[ignore = "minutes: every bar of every case"]
    fn every_bar() {
        let only = std::env::var("CASE").unwrap_or_default();
        for case in all().iter().filter(|c| c.name().contains(&only)) {
            let started = std::time::Instant::now();
            for bar in case.bars().unwrap() {
                println!(
                    "{} | {} | {:.3e} | {} | {}",
                    case.name(),
                    bar.what,
                    bar.measured,
                    bar.bound,
                    if bar.is_met() { "met" } else { "NOT MET" }
                );
            }
            println!("{} took {:.1} s", case.name(), started.elapsed().as_secs_f64());
        }
    }
}
