//! Rain added up: how much falls in a quarter of an hour, half an hour, an hour, member by member.

use ndarray::{Array3, ArrayView3, Axis, Zip};
use nowblend_field::{Accumulation, Analysis, LeadTime, Motion};

/// The amounts that grow while a forecast is made.
pub(super) struct Amounts {
    accumulation: Accumulation,
    /// Rain `[member, y, x]`, mm h⁻¹, of the lead time before.
    before: Array3<f32>,
    reached: LeadTime,
    windows: Vec<Window>,
}

struct Window {
    minutes: u32,
    /// What has fallen since the window began, `[member, y, x]`, mm.
    sum: Option<Array3<f32>>,
}

impl Amounts {
    /// Amounts over `windows_min`, beginning with the newest observation.
    pub fn new(windows_min: &[u32], analysis: &Analysis) -> Self {
        let rest = || Motion::rest(analysis.grid().shape());
        let motion = analysis.motion().cloned().unwrap_or_else(|_| rest());
        Self {
            accumulation: Accumulation::new(&motion, analysis.grid()),
            before: analysis.observed().last().to_owned().insert_axis(Axis(0)),
            reached: LeadTime::from_seconds(0),
            windows: windows_min.iter().map(|m| Window { minutes: *m, sum: None }).collect(),
        }
    }

    /// Goes on to a lead time with rain `[member, y, x]`, mm h⁻¹; gives the windows, min, that end there, with what fell in them, mm. A cell that
    /// is not known at some time of a window has no amount.
    pub fn add(&mut self, lead_time: LeadTime, rain: ArrayView3<'_, f32>) -> Vec<(u32, Array3<f32>)> {
        if self.windows.is_empty() {
            return Vec::new();
        }
        let duration = LeadTime::from_seconds(lead_time.seconds().saturating_sub(self.reached.seconds()));
        let mut fallen = Array3::zeros(rain.dim());
        let known = self.before.len_of(Axis(0));
        for (member, (mut to, after)) in fallen.outer_iter_mut().zip(rain.outer_iter()).enumerate() {
            let before = self.before.index_axis(Axis(0), member % known);
            to.assign(&self.accumulation.between(before, after, duration));
        }
        self.before = rain.to_owned();
        self.reached = lead_time;
        let mut ended = Vec::new();
        for window in &mut self.windows {
            let sum = match window.sum.take() {
                Some(mut sum) if sum.dim() == fallen.dim() => {
                    Zip::from(&mut sum).and(&fallen).par_for_each(|sum, fallen| *sum += fallen);
                    sum
                }
                _ => fallen.clone(),
            };
            if lead_time.seconds().is_multiple_of(60 * window.minutes) {
                ended.push((window.minutes, sum));
            } else {
                window.sum = Some(sum);
            }
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};
    use nowblend_field::{Grid, Sequence};

    use super::*;

    #[test]
    fn steady_rain_adds_up_in_every_window() {
        // 6 mm/h: 1.5 mm in 15 min, 3 mm in 30 min, twice and once within half an hour.
        let grid = Grid::plane(4, 5, 1000.0);
        let time = Utc.with_ymd_and_hms(2024, 7, 1, 15, 0, 0).unwrap();
        let rain = Array3::from_elem((1, 4, 5), 6.0);
        let analysis = Analysis::new(Sequence::new(grid, vec![time], rain.clone()).unwrap());
        let mut amounts = Amounts::new(&[15, 30], &analysis);
        let mut ended = Vec::new();
        for lead_time in LeadTime::every(LeadTime::from_minutes(5), 6) {
            for (minutes, sum) in amounts.add(lead_time, rain.view()) {
                ended.push((lead_time.minutes(), minutes, (sum[[0, 2, 2]] * 1000.0).round() / 1000.0));
            }
        }
        assert_eq!(ended, [(15.0, 15, 1.5), (30.0, 15, 1.5), (30.0, 30, 3.0)]);
    }
}
