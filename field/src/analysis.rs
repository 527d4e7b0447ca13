//! All that is known at the reference time: the observed rain, the state of the air if there is one, other forecasts.

use std::sync::{Arc, OnceLock};

use crate::{
    Error, Forecast, Grid, Motion, ReferenceTime, Sequence, State,
    motion::{Estimator, MotionConfig, MotionEstimator, WindWhereDry},
};

/// What a forecaster may know. The motion of the rain is estimated once, when the first forecaster asks for it.
pub struct Analysis {
    observed: Sequence,
    states: Vec<State>,
    guidance: Vec<Forecast>,
    estimator: Arc<dyn MotionEstimator>,
    wind: WindWhereDry,
    motion: OnceLock<Result<Motion, Error>>,
}

impl Analysis {
    /// An analysis of radar rain alone; its newest frame is the reference time.
    pub fn new(observed: Sequence) -> Self {
        Self {
            observed,
            states: Vec::new(),
            guidance: Vec::new(),
            estimator: Arc::new(Estimator::default()),
            wind: WindWhereDry::default(),
            motion: OnceLock::new(),
        }
    }

    /// Adds states of the air, one or several in time.
    #[must_use]
    pub fn with_states(mut self, states: Vec<State>) -> Self {
        self.states = states;
        self.motion = OnceLock::new();
        self
    }

    /// Adds forecasts by others, numerical models say.
    #[must_use]
    pub fn with_guidance(mut self, guidance: Vec<Forecast>) -> Self {
        self.guidance = guidance;
        self
    }

    /// Chooses how the motion of the rain is estimated.
    #[must_use]
    pub fn with_motion_estimator(mut self, estimator: Arc<dyn MotionEstimator>) -> Self {
        self.estimator = estimator;
        self.motion = OnceLock::new();
        self
    }

    /// Chooses how far the motion trusts the wind of the state away from echo.
    #[must_use]
    pub fn with_wind(mut self, wind: WindWhereDry) -> Self {
        self.wind = wind;
        self.motion = OnceLock::new();
        self
    }

    /// Both as a configuration says.
    #[must_use]
    pub fn with_motion(self, config: &MotionConfig) -> Self {
        self.with_motion_estimator(Arc::new(config.estimator.clone()))
            .with_wind(config.wind)
    }

    /// Observed rain up to the reference time.
    pub fn observed(&self) -> &Sequence {
        &self.observed
    }

    /// The grid of the observed rain, on which every forecast is made.
    pub fn grid(&self) -> &Grid {
        self.observed.grid()
    }

    /// The time of the newest observation.
    pub fn reference_time(&self) -> ReferenceTime {
        self.observed.reference_time()
    }

    /// States of the air, oldest first.
    pub fn states(&self) -> &[State] {
        &self.states
    }

    /// Forecasts by others.
    pub fn guidance(&self) -> &[Forecast] {
        &self.guidance
    }

    /// The state nearest the reference time, on whatever grid it lies.
    pub fn nearest_state(&self) -> Option<&State> {
        let reference_time = self.reference_time();
        self.states
            .iter()
            .min_by_key(|s| (s.valid_time - reference_time).num_seconds().abs())
    }

    /// Motion of the observed rain, estimated at the first call; away from echo that of the air, where there is a state.
    ///
    /// # Errors
    ///
    /// Those of the estimator; a dry or motionless scene is no error but has the wind of the state, or rests.
    pub fn motion(&self) -> Result<&Motion, Error> {
        self.motion
            .get_or_init(|| {
                let followed = self.estimator.follow(&self.observed)?;
                Ok(self.wind.guide(followed, &self.observed, self.nearest_state()))
            })
            .as_ref()
            .map_err(Clone::clone)
    }
}
