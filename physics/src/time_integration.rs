//! Steps any system forward in time with three stages that keep what each of them keeps; knows no equation.

/// What one stage writes: `old` times the state at the start of the step plus `new` times (y + dt L(y)).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stage {
    /// Weight of the state at the start of the step.
    pub old: f64,
    /// Weight of the stage's own Euler step.
    pub new: f64,
    /// Time step, s.
    pub dt: f64,
    /// Share of this stage's tendency in the whole step: y(t + dt) = y(t) + dt Σ share L(y).
    pub share: f64,
}

impl Stage {
    /// A step of no time.
    pub(crate) const NONE: Self = Self {
        old: 0.0,
        new: 1.0,
        dt: 0.0,
        share: 0.0,
    };

    /// Whether it is an Euler step, for which the state at the start of the step is not needed.
    pub(crate) fn is_first(self) -> bool {
        self.old == 0.0 && self.new == 1.0
    }

    /// Writes the stage for values whose change over `dt` is known.
    pub(crate) fn combine(self, y: &[f64], old: &[f64], change: &[f64], into: &mut [f64]) {
        for (((into, y), old), change) in into.iter_mut().zip(y).zip(old).zip(change) {
            *into = self.old * old + self.new * (y + change);
        }
    }
}

/// A system dy/dt = L(y).
pub trait System {
    /// What is stepped.
    type State;

    /// Writes `stage.old · old + stage.new · (y + stage.dt · L(y))` into `into`, boundary included.
    fn stage(&mut self, stage: Stage, y: &Self::State, old: &Self::State, into: &mut Self::State);
}

/// The strong-stability-preserving third-order Runge-Kutta step. `state` moves on by `dt`; the two others are room to work in.
///
/// # Source
///
/// Shu, C.-W. and S. Osher, 1988: Efficient implementation of essentially non-oscillatory shock-capturing schemes. J. Comput.
/// Phys., 77, 439-471, doi:10.1016/0021-9991(88)90177-5.
pub fn ssprk3<S: System>(system: &mut S, dt: f64, state: &mut S::State, first: &mut S::State, second: &mut S::State) {
    let [one, two, three] = stages(dt);
    system.stage(one, state, state, first);
    system.stage(two, first, state, second);
    system.stage(three, second, state, first);
    std::mem::swap(state, first);
}

/// The stages of that step.
pub(crate) fn stages(dt: f64) -> [Stage; 3] {
    let stage = |old: f64, new: f64, share: f64| Stage { old, new, dt, share };
    [
        stage(0.0, 1.0, 1.0 / 6.0),
        stage(0.75, 0.25, 1.0 / 6.0),
        stage(1.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pendulum: x' = v, v' = -x; it also adds up the shares.
    struct Pendulum {
        drift: f64,
    }

    impl System for Pendulum {
        type State = [f64; 2];

        fn stage(&mut self, stage: Stage, y: &[f64; 2], old: &[f64; 2], into: &mut [f64; 2]) {
            let tendency = [y[1], -y[0]];
            self.drift += stage.share * stage.dt * tendency[0];
            for k in 0..2 {
                into[k] = stage.old * old[k] + stage.new * (y[k] + stage.dt * tendency[k]);
            }
        }
    }

    fn error_after_one_unit(steps: usize) -> f64 {
        let mut state = [1.0, 0.0];
        let mut pendulum = Pendulum { drift: 0.0 };
        let (mut a, mut b) = ([0.0; 2], [0.0; 2]);
        for _ in 0..steps {
            ssprk3(&mut pendulum, 1.0 / steps as f64, &mut state, &mut a, &mut b);
        }
        assert!((1.0 + pendulum.drift - state[0]).abs() < 1e-14, "the shares make up the step");
        (state[0] - 1.0_f64.cos()).hypot(state[1] + 1.0_f64.sin())
    }

    #[test]
    fn half_the_step_makes_an_eighth_of_the_error() {
        let ratio = error_after_one_unit(20) / error_after_one_unit(40);
        assert!((ratio - 8.0).abs() < 0.3, "{ratio}");
    }
}
