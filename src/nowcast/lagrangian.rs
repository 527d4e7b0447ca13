//! The past brought along the motion to where its rain is now, so that frames tell how the rain itself has changed.

use ndarray::{Array2, ArrayView2, CowArray, Ix2};
use nowblend_field::{
    Analysis, Error, LeadTime,
    advection::{Interpolation, SemiLagrangian},
};

/// The frames before the newest, up to `count` of them, the youngest first: each is put into other units by `change`, and read where the rain
/// of a cell was then. Nothing is known of a change where a frame did not see the rain that is here `now` `[y, x]`: it has the value of `now`
/// there.
///
/// # Errors
///
/// Those of the motion.
pub fn past_frames<'a>(
    analysis: &'a Analysis,
    now: ArrayView2<'a, f32>,
    count: usize,
    interpolation: Interpolation,
    change: impl Fn(ArrayView2<'a, f32>) -> CowArray<'a, f32, Ix2> + 'a,
) -> Result<impl Iterator<Item = Array2<f32>> + 'a, Error> {
    let observed = analysis.observed();
    let step_s = observed.step().map_or(0, LeadTime::seconds);
    let mut paths = SemiLagrangian::default().trajectories(analysis.motion()?, analysis.grid());
    Ok((1..observed.frames().min(count + 1)).map(move |back| {
        let frame = change(observed.frame(observed.frames() - 1 - back));
        let since = LeadTime::from_seconds(back as u32 * step_s);
        let mut arrived = paths.advance_to(since).sample(frame.view(), interpolation);
        arrived.zip_mut_with(&now, |then, now| {
            if then.is_nan() {
                *then = *now;
            }
        });
        arrived
    }))
}
