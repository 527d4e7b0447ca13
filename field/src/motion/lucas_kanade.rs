//! Lucas-Kanade (placeholder until the motion room is filled).

use serde::{Deserialize, Serialize};

use super::{Motion, MotionEstimator};
use crate::{Error, Sequence};

/// Lucas-Kanade.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LucasKanade {}

impl MotionEstimator for LucasKanade {
    fn estimate(&self, observed: &Sequence) -> Result<Motion, Error> {
        Ok(Motion::rest(observed.grid().shape()))
    }
}
