//! Extrapolation: the rain moves with its motion and does not change.

use ndarray::Array2;
use nowblend_field::{
    Analysis, Bounds, Error, Forecaster, LeadTime, Notice, NoticeKind, Run, Seed, Slice, Slices, advection::SemiLagrangian,
};
use serde::{Deserialize, Serialize};

/// How the rain is moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExtrapolationConfig {
    /// Distance from the edge of the map up to which rain that moves in is taken to be like that inside, km; 0 makes it missing.
    pub beyond_km: f64,
    /// The scheme.
    pub advection: SemiLagrangian,
}

/// Extrapolation along the motion, DR/Dt = 0. Where rain would come from farther outside the map than its configuration allows nothing is known.
pub struct Extrapolation {
    config: ExtrapolationConfig,
}

impl Extrapolation {
    /// Extrapolation as `config` says.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] for a key outside its bounds.
    pub fn new(config: ExtrapolationConfig) -> Result<Self, Error> {
        config.advection.check()?;
        Bounds::default()
            .number("extrapolation.beyond_km", config.beyond_km, 0.0..=1e6, "0 to 1000000")
            .result()?;
        Ok(Self { config })
    }
}

impl Forecaster for Extrapolation {
    fn name(&self) -> &str {
        "extrapolation"
    }

    fn start<'a>(&'a self, analysis: &'a Analysis, lead_times: &'a [LeadTime], _: Seed) -> Result<Box<dyn Run + 'a>, Error> {
        let observed = analysis.observed();
        let mut notices = super::notices(analysis, self.name());
        if observed.frames() < 2 {
            notices.push(Notice::new(
                NoticeKind::Degraded,
                self.name(),
                "one frame shows no motion: the rain is kept still",
            ));
        }
        let mut trajectories = self.config.advection.trajectories(analysis.motion()?, analysis.grid());
        let interpolation = self.config.advection.interpolation;
        let beyond = super::beyond(self.config.beyond_km, analysis.grid());
        let slices = lead_times.iter().map(move |lead_time| {
            let mut rain = Array2::zeros(analysis.grid().shape());
            let displacement = trajectories.advance_to(*lead_time);
            displacement.read(observed.last(), interpolation, beyond, rain.view_mut());
            Ok(Slice::of_rain(*lead_time, rain))
        });
        Ok(Box::new(Slices::new(slices, notices)))
    }

    fn references(&self) -> &[&'static str] {
        &[
            "Germann, U. and I. Zawadzki, 2002: Scale-dependence of the predictability of precipitation from continental radar images. Part I. Mon. Wea. Rev., 130, 2859-2873",
        ]
    }
}
