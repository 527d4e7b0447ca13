//! What networks start from: the newest frames in their cells, moved to the reference time.

use nowblend_field::{
    Analysis, Error, LeadTime, Motion, Notice, NoticeKind, Sequence,
    advection::{SemiLagrangian, Trajectories},
};

use crate::{
    nowcast_net::FRAMES,
    scene::{Scene, coarse, coarse_motion, factor, read_frames},
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
        let motion = coarse_motion(analysis.motion()?, factor);
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
