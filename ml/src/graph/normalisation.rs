//! Means and deviations that bring all variables to numbers of about one, level by level.

use std::collections::BTreeMap;

use super::task::Channel;
use crate::Error;

/// A number for each variable, or for each of its levels.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Statistics {
    /// What messages call it.
    pub origin: String,
    /// Pressures of the levels, hPa.
    pub levels_hpa: Vec<f64>,
    /// One number, or one for each level, by variable.
    pub values: BTreeMap<String, Vec<f32>>,
}

/// What variables are normalised by: (x - mean) / deviation; changes over a step by their own deviation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Normalisation {
    /// Means.
    pub mean: Statistics,
    /// Standard deviations.
    pub deviation: Statistics,
    /// Standard deviations of the change over a step.
    pub change: Statistics,
}

impl Statistics {
    /// The number of a channel of a task on `levels_hpa`; none where the variable is unknown.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] where the variable has no such level.
    pub(super) fn of(&self, channel: &Channel, levels_hpa: &[f64]) -> Result<Option<f32>, Error> {
        let Some(values) = self.values.get(&channel.variable) else {
            return Ok(None);
        };
        let refuse = |found: String, expected: String| Error::checkpoint(&self.origin, &channel.variable, found, expected);
        match values.as_slice() {
            [value] if !channel.on_levels || self.levels_hpa.len() != 1 => Ok(Some(*value)),
            _ if !channel.on_levels => Err(refuse(format!("{} numbers", values.len()), "one".into())),
            _ => {
                let level = levels_hpa.get(channel.level).copied().unwrap_or(f64::NAN);
                let place = self.levels_hpa.iter().position(|l| *l == level);
                let value = place.and_then(|k| values.get(k)).copied();
                value
                    .map(Some)
                    .ok_or_else(|| refuse(format!("levels {:?} hPa", self.levels_hpa), format!("one at {level} hPa")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_found_by_their_pressure() {
        let statistics = Statistics {
            origin: "mean.nc".into(),
            levels_hpa: vec![500.0, 850.0, 1000.0],
            values: BTreeMap::from([("t".into(), vec![250.0, 270.0, 290.0]), ("2t".into(), vec![280.0])]),
        };
        let channel = |variable: &str, level, levels| Channel {
            variable: variable.into(),
            level,
            levels,
            on_levels: levels > 1,
        };
        let wanted = [1000.0, 850.0, 10.0];
        assert_eq!(statistics.of(&channel("t", 0, 3), &wanted).unwrap(), Some(290.0));
        assert_eq!(statistics.of(&channel("2t", 0, 1), &wanted).unwrap(), Some(280.0));
        assert_eq!(statistics.of(&channel("q", 0, 3), &wanted).unwrap(), None);
        let message = statistics.of(&channel("t", 2, 3), &wanted).unwrap_err().to_string();
        assert!(message.contains("`t`") && message.contains("10 hPa"), "{message}");
    }
}
