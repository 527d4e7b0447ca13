//! The newest complete frame: where a forecast starts unless it is told otherwise.

use nowblend_field::{Notice, NoticeKind, ReferenceTime};
use rayon::prelude::*;

use super::{Archive, Error, archive::words};

/// The newest complete frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newest {
    /// Its time: what a forecast starts from unless another time is given.
    pub reference_time: ReferenceTime,
    /// Newer frames that were passed over, and why.
    pub notices: Vec<Notice>,
}

impl Archive {
    /// The newest complete frame: one that can be read and whose share of observed cells is at least (1 - `incomplete_share`) times the median
    /// share of up to three frames before it.
    ///
    /// # Errors
    ///
    /// [`Error::NothingReadable`] where none can be read.
    pub fn reference_time(&self) -> Result<Newest, Error> {
        let mut notices: Vec<Notice> = self.waited.iter().cloned().collect();
        let seen = |k: usize| self.frame_at(self.times[k]).map(|f| f.seen).map_err(|e| e.without_folders());
        let count = self.times.len();
        let mut shares: Vec<Option<Result<f64, String>>> = vec![None; count];
        // Those that are needed in any case are read side by side.
        let newest: Vec<_> = (count.saturating_sub(4)..count).into_par_iter().map(|k| Some(seen(k))).collect();
        shares[count - newest.len()..].clone_from_slice(&newest);
        let mut share = |k: usize| shares[k].get_or_insert_with(|| seen(k)).clone();
        let mut first_reason = None;
        for k in (0..self.times.len()).rev() {
            let time = self.times[k];
            let found = match share(k) {
                Ok(found) => found,
                Err(reason) => {
                    notices.push(Notice::new(
                        NoticeKind::Missing,
                        "observed rain",
                        format!("the newest frame cannot be read: {reason}"),
                    ));
                    first_reason.get_or_insert(reason);
                    continue;
                }
            };
            let mut before: Vec<f64> = (k.saturating_sub(3)..k).filter_map(|j| share(j).ok()).collect();
            before.sort_by(f64::total_cmp);
            let expected = before.get(before.len() / 2).copied().unwrap_or(0.0);
            if found >= (1.0 - self.config.incomplete_share) * expected {
                return Ok(Newest {
                    reference_time: time,
                    notices,
                });
            }
            notices.push(Notice::new(
                NoticeKind::Missing,
                "observed rain",
                format!(
                    "the frame of {} is incomplete: {:.1} % of its cells are observed, {:.1} % were in the frames before it; going on with an older one",
                    words(time),
                    100.0 * found,
                    100.0 * expected
                ),
            ));
        }
        Err(Error::NothingReadable {
            reference_time: self.times[self.times.len() - 1],
            reason: first_reason.unwrap_or_default(),
        })
    }
}
