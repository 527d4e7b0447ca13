//! Extrapolation: the rain moves with its motion and does not change.

use nowblend_field::{
    Analysis, Error, Forecaster, LeadTime, Notice, NoticeKind, Run, Seed, Slice, Slices,
    advection::{Interpolation, SemiLagrangian},
};
use serde::{Deserialize, Serialize};

/// How the rain is moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExtrapolationConfig {
    /// The scheme.
    pub advection: SemiLagrangian,
}

/// Extrapolation along the motion, DR/Dt = 0. Where rain would come from outside the map nothing is known.
pub struct Extrapolation {
    advection: SemiLagrangian,
}

impl Extrapolation {
    /// Extrapolation as `config` says.
    pub fn new(config: ExtrapolationConfig) -> Self {
        Self {
            advection: config.advection,
        }
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
        let mut trajectories = self.advection.trajectories(analysis.motion()?, analysis.grid());
        let interpolation: Interpolation = self.advection.interpolation;
        let slices = lead_times.iter().map(move |lead_time| {
            Ok(Slice::of_rain(
                *lead_time,
                trajectories.advance_to(*lead_time).sample(observed.last(), interpolation),
            ))
        });
        Ok(Box::new(Slices::new(slices, notices)))
    }

    fn references(&self) -> &[&'static str] {
        &[
            "Germann, U. and I. Zawadzki, 2002: Scale-dependence of the predictability of precipitation from continental radar images. Part I. Mon. Wea. Rev., 130, 2859-2873",
        ]
    }
}
