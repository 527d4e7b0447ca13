//! A dry run of any case: the layer, its step, and the known answer if there is one.

use ndarray::Array2;

use crate::{
    Error,
    cases::{Experiment, Field, Invariant, Norms},
    invariants,
    metric::Metric,
    moist_layer::MoistLayer,
    plane::Plane,
};

/// Depth, m, at a time, s.
type Answer = Box<dyn Fn(f64) -> Plane + Send>;

/// Dry air that flows.
pub(crate) struct Flowing {
    layer: MoistLayer,
    step_s: f64,
    answer: Option<Answer>,
}

impl Flowing {
    /// Steps at `courant` for the wind at the start.
    pub(crate) fn new(layer: MoistLayer, courant: f64) -> Self {
        Self {
            step_s: layer.air_step_s(courant),
            layer,
            answer: None,
        }
    }

    /// Height of the surface, m.
    pub(crate) fn surface(&self) -> Plane {
        let (h, ground) = (&self.layer.flow().h, &self.layer.layer().orography);
        Plane::from_fn(h.shape(), |j, i| h.at(j, i) + ground.at(j, i))
    }

    /// With the depth that is known to be right.
    pub(crate) fn held_to(self, answer: impl Fn(f64) -> Plane + Send + 'static) -> Self {
        Self {
            answer: Some(Box::new(answer)),
            ..self
        }
    }
}

impl Experiment for Flowing {
    fn advance(&mut self, seconds: f64) -> Result<(), Error> {
        self.layer.advance(seconds, self.step_s)
    }

    fn time_s(&self) -> f64 {
        self.layer.time_s()
    }

    fn metric(&self) -> &Metric {
        &self.layer.layer().metric
    }

    fn fields(&self) -> Vec<Field> {
        let (metric, flow) = (self.metric(), self.layer.flow());
        let shape = (metric.shape().ny, metric.shape().nx);
        let surface = self.surface();
        let field = |name, unit, value: &dyn Fn(isize, isize) -> f64| Field {
            name,
            unit,
            values: Array2::from_shape_fn(shape, |(j, i)| value(j as isize, i as isize)),
        };
        vec![
            field("height", "m", &|j, i| surface.at(j, i)),
            field("vorticity", "1e-5/s", &|j, i| 1e5 * metric.vorticity(j, i, &flow.u, &flow.v)),
        ]
    }

    fn invariants(&self) -> Vec<Invariant> {
        let (layer, flow) = (self.layer.layer(), self.layer.flow());
        let of = |name, value| Invariant { name, value };
        vec![
            of("mass", invariants::mass(&layer.metric, &flow.h)),
            of("energy", invariants::energy(&layer.metric, &layer.orography, layer.gravity, flow)),
            of("potential_enstrophy", invariants::potential_enstrophy(&layer.metric, flow)),
        ]
    }

    fn error(&self) -> Option<Norms> {
        let right = self.answer.as_ref()?(self.time_s());
        Some(Norms::of(self.metric(), &self.layer.flow().h, &right))
    }
}
