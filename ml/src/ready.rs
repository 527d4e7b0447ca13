//! What networks start from: the newest frames in their cells, moved to the reference time.

use nowblend_field::{
    Analysis, Error, LeadTime, Motion, Notice, NoticeKind, Sequence,
    advection::{SemiLagrangian, Trajectories},
};

use crate::{
    nowcast_net::FRAMES,
    scene::{Scene, block_means, coarse, factor, read_frames},
};

/// Beyond this the networks were never asked in training, minutes.
const FARTHEST_MIN: f64 = 120.0;

/// What a network of this family starts from.
pub(crate) struct Ready {
    /// Cells of the analysis in one of the network's, along each side.
    pub factor: usize,
    /// The newest frames on the network's grid.
    pub frames: Sequence,
    /// Motion on that grid, m s⁻¹.
    pub motion: Motion,
    pub scene: Scene,
    /// What it lacks.
    pub notices: Vec<Notice>,
}

impl Ready {
    /// Brings the newest frames to about 2 km and the reference time, and tells in the name of `component` what is missing.
    pub fn new(analysis: &Analysis, lead_times: &[LeadTime], component: &str) -> Result<Self, Error> {
        let mut ready = Self::of(analysis, factor(analysis.grid()))?;
        let mut tell = |kind, message: String| ready.notices.push(Notice::new(kind, component, message));
        if !ready.scene.seen().iter().any(|s| *s) {
            tell(NoticeKind::Missing, "no frame holds an observation: it has nothing to say".into());
        } else if ready.frames.frames() < FRAMES {
            tell(
                NoticeKind::Degraded,
                format!("it has {} of the {FRAMES} frames that it was trained with", ready.frames.frames()),
            );
        }
        if let Some(far) = lead_times.iter().find(|l| l.minutes() > FARTHEST_MIN) {
            tell(
                NoticeKind::Degraded,
                format!("{far} lies beyond the {FARTHEST_MIN} min that it was trained for"),
            );
        }
        Ok(ready)
    }

    /// The newest frames in cells of `factor` x `factor` of the analysis, and the reference time.
    pub fn of(analysis: &Analysis, factor: usize) -> Result<Self, Error> {
        let frames = coarse(&read_frames(analysis.observed())?, factor)?;
        let motion = analysis.motion()?.each(|field| block_means(field.view(), factor));
        Ok(Self {
            factor,
            scene: Scene::new(&frames, &motion),
            frames,
            motion,
            notices: Vec::new(),
        })
    }

    /// The ways of the air over the network's grid.
    pub fn trajectories(&self) -> Trajectories {
        SemiLagrangian {
            substep_s: 150.0,
            ..Default::default()
        }
        .trajectories(&self.motion, self.frames.grid())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::{TimeZone, Utc};
    use ndarray::{Array2, Array3, ArrayView2};
    use nowblend_field::{Grid, advection::Interpolation, motion::MotionEstimator};

    use super::*;

    /// Showers that rest and systems that go east.
    struct Moving {
        systems_m_s: Option<f32>,
    }

    impl MotionEstimator for Moving {
        fn follow(&self, observed: &Sequence) -> Result<Option<Motion>, Error> {
            let shape = observed.grid().shape();
            let mut motion = Motion::rest(shape);
            motion.systems = self.systems_m_s.map(|u| [Array2::from_elem(shape, u), Array2::zeros(shape)]);
            Ok(Some(motion))
        }
    }

    #[test]
    fn probabilities_go_on_with_the_systems_and_the_past_with_the_showers() {
        let start = Utc.with_ymd_and_hms(2020, 7, 1, 12, 0, 0).unwrap();
        let times = (0..4).map(|k| start + LeadTime::from_minutes(5 * k)).collect();
        let rain = Array3::from_shape_fn((4, 64, 96), |(k, _, x)| (k * x) as f32 * 0.1);
        let observed = Sequence::new(Grid::plane(64, 96, 1000.0), times, rain).unwrap();
        let ready = |systems_m_s| {
            let analysis = Analysis::new(observed.clone()).with_motion_estimator(Arc::new(Moving { systems_m_s }));
            Ready::of(&analysis, 2).unwrap()
        };
        let (still, moving) = (ready(None), ready(Some(10.0)));
        assert_eq!(still.scene.rain, moving.scene.rain);
        assert_eq!(still.scene.motion, moving.scene.motion);
        let across = Array2::from_shape_fn((32, 48), |(_, x)| x as f32);
        let at = |ready: &Ready, of: ArrayView2<'_, f32>| {
            let mut paths = ready.trajectories();
            paths.advance_to(LeadTime::from_minutes(60)).sample(of, Interpolation::Linear)[[16, 30]]
        };
        assert_eq!(at(&still, across.view()), 30.0);
        // ∫ 10 m/s (1 - exp(-(t/T)²)) dt from 0 to T = 60 min is 36 km (1 - .7468): 4.56 cells of 2 km.
        let from = at(&moving, across.view());
        assert!((from - (30.0 - 4.56)).abs() < 0.05, "{from}");
    }
}
