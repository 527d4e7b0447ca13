//! What every global core and network must do: carry the air around the globe one step on, over and over.

use std::collections::VecDeque;

use crate::{Atmosphere, Error, LeadTime};

/// Steps the air around the globe forward by a fixed time: a global core, or a network that stands in for one.
pub trait Stepper: Send + Sync {
    /// Name in reports and files: the type in snake case.
    fn name(&self) -> &str;

    /// How far one step goes.
    fn step_length(&self) -> LeadTime;

    /// How many states a step looks at, a step length apart.
    fn looks_back(&self) -> usize {
        1
    }

    /// The state one step after the last of `past`, which holds [`Stepper::looks_back`] states, oldest first.
    ///
    /// What does not change, such as the height of the ground, is handed on.
    ///
    /// # Errors
    ///
    /// When a state lacks a field, lies on another grid or at another time than the stepper needs.
    fn step(&self, past: &[Atmosphere]) -> Result<Atmosphere, Error>;

    /// Papers and programs that this stepper follows.
    fn references(&self) -> &[&'static str] {
        &[]
    }
}

/// Steps without end, each from those before it; no more states are held than a step looks at.
pub struct Rollout<'a> {
    stepper: &'a dyn Stepper,
    past: VecDeque<Atmosphere>,
    failed: bool,
}

impl<'a> Rollout<'a> {
    /// Starts after the last of `past`.
    pub fn new(stepper: &'a dyn Stepper, past: Vec<Atmosphere>) -> Self {
        Self {
            stepper,
            past: past.into(),
            failed: false,
        }
    }
}

impl Iterator for Rollout<'_> {
    type Item = Result<Atmosphere, Error>;

    /// The next state; nothing more after an error.
    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.stepper.step(self.past.make_contiguous());
        match &next {
            Ok(state) => {
                self.past.push_back(state.clone());
                while self.past.len() > self.stepper.looks_back() {
                    self.past.pop_front();
                }
            }
            Err(_) => self.failed = true,
        }
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::DateTime;
    use ndarray::ArcArray;

    use super::*;
    use crate::Globe;

    /// The sum of the last two states: Fibonacci's numbers, which fail beyond ten.
    struct Rabbits;

    impl Stepper for Rabbits {
        fn name(&self) -> &str {
            "rabbits"
        }

        fn step_length(&self) -> LeadTime {
            LeadTime::from_minutes(1)
        }

        fn looks_back(&self) -> usize {
            2
        }

        fn step(&self, past: &[Atmosphere]) -> Result<Atmosphere, Error> {
            let sum = &past[0].fields["rabbits"] + &past[1].fields["rabbits"];
            if sum[[0, 0, 0]] > 10.0 {
                return Err(Error::Value {
                    what: "rabbits",
                    found: f64::from(sum[[0, 0, 0]]),
                    expected: "at most 10",
                });
            }
            let mut next = past[1].clone();
            next.valid_time = next.valid_time + self.step_length();
            next.fields.insert("rabbits".into(), sum.into_shared());
            Ok(next)
        }
    }

    #[test]
    fn a_rollout_steps_from_its_own_steps_and_ends_with_the_first_error() {
        let globe = Arc::new(Globe::new(vec![0.0], vec![0.0]).unwrap());
        let state = |rabbits: f32| {
            let mut state = Atmosphere::empty(Arc::clone(&globe), Arc::from([]), DateTime::UNIX_EPOCH);
            state.fields.insert("rabbits".into(), ArcArray::from_elem((1, 1, 1), rabbits));
            state
        };
        // 1, 1, then 2, 3, 5, 8, and 13 is too many.
        let made: Vec<Option<f32>> = Rollout::new(&Rabbits, vec![state(1.0), state(1.0)])
            .map(|s| s.ok().map(|s| s.fields["rabbits"][[0, 0, 0]]))
            .collect();
        assert_eq!(made, [Some(2.0), Some(3.0), Some(5.0), Some(8.0), None]);
    }
}
