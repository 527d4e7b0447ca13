//! Rain in motion, without physics or learning: the forecasts that every other must beat.

mod extrapolation;
mod persistence;

pub use extrapolation::{Extrapolation, ExtrapolationConfig};
pub use persistence::{Persistence, PersistenceConfig};

use nowblend_field::{Analysis, Notice, NoticeKind};

/// What a forecaster that reads only the newest frame must say about it.
fn notices(analysis: &Analysis, name: &str) -> Vec<Notice> {
    let nothing = analysis.observed().last().iter().all(|r| r.is_nan());
    if nothing {
        vec![Notice::new(
            NoticeKind::Missing,
            name,
            "the newest frame holds no observation: it has nothing to say",
        )]
    } else {
        Vec::new()
    }
}
