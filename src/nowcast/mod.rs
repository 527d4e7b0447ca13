//! Forecasts without physics or learning of our own: rain kept still or in motion, which every other must beat, and what other programs say.

mod extrapolation;
mod file;
mod persistence;

pub use extrapolation::{Extrapolation, ExtrapolationConfig};
pub use file::File;
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
