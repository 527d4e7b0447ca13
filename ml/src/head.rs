//! The head of the network over whole fields: probabilities for a forecast, and what training needs to learn from them.

use burn::tensor::{Device, Tensor, TensorData};
use ndarray::{Array2, Array3, ArrayViewMut1, Axis, s};
use nowblend_field::wide::wide;
use rayon::prelude::*;

use crate::{
    analytic::Analytic,
    later::Later,
    look::Said,
    loss::{lead_weight, loss},
    mixture::{Backward, Gradient, Lead, Readout, Row},
    nowcast_net::{J, Leads, RainNet, S, WIDTH},
};

/// Which threshold the networks' disagreement is told at: 1 mm h⁻¹.
const APART_AT: usize = 2;
/// Rows that one task works on.
const BAND: usize = 16;

/// Features of one or more cases in plain memory.
pub(crate) struct Features {
    /// `[N, WIDTH, y, x]`.
    values: Vec<f32>,
    shape: (usize, usize),
}

impl Features {
    /// Those of all cases in plain memory `[N, WIDTH, y, x]`.
    pub fn in_memory(values: Vec<f32>, shape: (usize, usize)) -> Self {
        Self { values, shape }
    }

    /// The features of a row, a slice a channel.
    pub fn row(&self, case: usize, y: usize) -> [&[f32]; WIDTH] {
        let (h, w) = self.shape;
        std::array::from_fn(|c| &self.values[((case * WIDTH + c) * h + y) * w..][..w])
    }
}

/// The readout of a network in plain memory.
pub(crate) fn readout(net: &RainNet) -> Readout {
    let (weight, bias) = net.readout();
    Readout {
        weight: numbers(weight),
        bias: numbers(bias),
    }
}

/// What lead times bring, in plain memory, a case each.
pub(crate) fn leads(leads: &Leads) -> Vec<Lead> {
    let (film, table, shift) = (
        numbers(leads.film.clone()),
        numbers(leads.table.clone()),
        numbers(leads.shift.clone()),
    );
    let cases = film
        .chunks_exact(2 * WIDTH)
        .zip(table.chunks_exact(S * J))
        .zip(shift.chunks_exact(J));
    cases
        .map(|((film, table), shift)| Lead {
            scale: film[..WIDTH].iter().map(|a| 1.0 + a).collect(),
            offset: film[WIDTH..].to_vec(),
            table: table.to_vec(),
            shift: shift.to_vec(),
        })
        .collect()
}

/// What one network says of a single case.
pub(crate) struct Voice {
    features: Features,
    readout: Readout,
    leads: Vec<Lead>,
}

impl Voice {
    /// What `net` says of these features at lead times in minutes.
    pub fn new(net: &RainNet, features: Features, lead_min: &[f32]) -> Self {
        Self {
            features,
            readout: readout(net),
            leads: leads(&net.leads(lead_min, &Device::flex())),
        }
    }
}

/// What networks say together of a single case at the lead time with this `number`, padding cut off to `shape`: the mean of their
/// P(R >= threshold), and their standard deviation at 1 mm/h where there are several.
pub(crate) fn said(voices: &[Voice], number: usize, analytic: &Analytic, shape: (usize, usize)) -> Said {
    let width = voices[0].features.shape.1;
    let count = voices.len() as f32;
    let rows: Vec<usize> = (0..shape.0).step_by(BAND).collect();
    let bands: Vec<(Vec<f32>, Vec<f32>)> = rows
        .par_iter()
        .map(|first| {
            let mut row = Row::new(width);
            let mut forecasts = vec![0.0; S * J * width];
            let mut one = vec![0.0; J * width];
            let last = (first + BAND).min(shape.0);
            let mut mean = vec![0.0f32; (last - first) * J * width];
            let mut apart = vec![0.0f32; (last - first) * width];
            let lines = mean.chunks_exact_mut(J * width).zip(apart.chunks_exact_mut(width));
            for (y, (mean, apart)) in (*first..last).zip(lines) {
                analytic.row(y, &mut forecasts);
                for voice in voices {
                    row.probability(
                        &voice.features.row(0, y),
                        &forecasts,
                        &voice.leads[number],
                        &voice.readout,
                        &mut one,
                    );
                    mean.iter_mut().zip(&one).for_each(|(mean, p)| *mean += p);
                    let at = &one[APART_AT * width..][..width];
                    apart.iter_mut().zip(at).for_each(|(squares, p)| *squares += p * p);
                }
                mean.iter_mut().for_each(|p| *p /= count);
                let at = &mean[APART_AT * width..][..width];
                apart
                    .iter_mut()
                    .zip(at)
                    .for_each(|(s, m)| *s = (*s / count - m * m).max(0.0).sqrt());
            }
            (mean, apart)
        })
        .collect();
    let mut probability = Array3::zeros((J, shape.0, shape.1));
    let mut apart = (voices.len() > 1).then(|| Array2::zeros(shape));
    for (first, (mean, of_apart)) in rows.into_iter().zip(bands) {
        for (k, row) in mean.chunks_exact(J * width).enumerate() {
            for (j, line) in row.chunks_exact(width).enumerate() {
                put(line, probability.slice_mut(s![j, first + k, ..]));
            }
        }
        if let Some(apart) = &mut apart {
            for (k, line) in of_apart.chunks_exact(width).enumerate() {
                put(line, apart.row_mut(first + k));
            }
        }
    }
    Said { probability, apart }
}

/// As much of `line` as `to` has room for.
fn put(line: &[f32], mut to: ArrayViewMut1<'_, f32>) {
    to.iter_mut().zip(line).for_each(|(to, p)| *to = *p);
}

/// One lead time of a batch to learn from.
pub(crate) struct Lesson<'a> {
    /// What the network says of the lead times.
    pub leads: Leads,
    /// Lead time of each case, minutes.
    pub lead_min: Vec<f32>,
    /// What came in each case.
    pub later: Vec<&'a Later>,
}

/// The mean loss over the observed cells of each lesson, its gradient with respect to the features `[N, WIDTH, y, x]`, and a tensor whose gradient with
/// respect to the parameters of the head is that of the mean over the lessons.
///
/// All gradients are computed in plain loops; the tensor is Σ of what the lead times bring and of the readout, each times its gradient, so that going
/// backwards through it goes on into the rest of the head.
pub(crate) fn learn(
    net: &RainNet,
    features: &Features,
    analytic: &[Analytic],
    lessons: &[Lesson<'_>],
    device: &Device,
) -> (f32, Vec<f32>, Tensor<1>) {
    let (height, width) = features.shape;
    let cases = analytic.len();
    let shares: Vec<Vec<f32>> = lessons.iter().map(|lesson| shares(lesson, lessons.len())).collect();
    let told = Batch {
        features,
        analytic,
        leads: lessons.iter().map(|lesson| leads(&lesson.leads)).collect(),
        readout: readout(net),
    };
    let bands: Vec<(usize, usize)> = (0..cases)
        .flat_map(|case| (0..height).step_by(BAND).map(move |first| (case, first)))
        .collect();
    // What comes from one row is judged in several others, so that all is said first; going back it is said again, for what lies in between is not kept.
    let said: Vec<Vec<f32>> = bands.par_iter().map(|(case, first)| told.said(*case, *first)).collect();
    let judged: Vec<Vec<(f64, Array3<f32>)>> = said
        .par_chunks(height.div_ceil(BAND))
        .enumerate()
        .map(|(case, said)| {
            let lines = || said.iter().flat_map(|band| band.chunks_exact(J * width));
            let one = |(l, lesson): (usize, &Lesson<'_>)| {
                let p: Vec<f32> = lines().skip(l).step_by(lessons.len()).flatten().copied().collect();
                let p = Array3::from_shape_vec((height, J, width), p).expect("a line a row");
                judge(&p, lesson.later[case], shares[l][case])
            };
            lessons.iter().enumerate().map(one).collect()
        })
        .collect();
    let learned: Vec<Learned> = bands
        .par_iter()
        .map(|(case, first)| told.learned(*case, *first, &judged[*case]))
        .collect();
    let mut of_features = vec![0.0f32; features.values.len()];
    let mut gradients: Vec<Vec<Gradient>> = lessons.iter().map(|_| vec![Gradient::none(); cases]).collect();
    let value: f64 = judged.iter().flatten().map(|(value, _)| value).sum();
    for ((case, first), learned) in bands.into_iter().zip(learned) {
        for (of, by_case) in learned.gradients.iter().zip(&mut gradients) {
            by_case[case].add(of);
        }
        for (c, part) in learned.of_features.iter().enumerate() {
            of_features[((case * WIDTH + c) * height + first) * width..][..part.len()].copy_from_slice(part);
        }
    }
    let mut total = Tensor::<1>::zeros([1], device);
    let mut of_readout = Gradient::none();
    for (lesson, by_case) in lessons.iter().zip(&gradients) {
        let rows = |of: fn(&Gradient) -> Vec<f32>| by_case.iter().flat_map(of).collect();
        total = total
            + along(
                lesson.leads.film.clone(),
                rows(|g| [g.lead.scale.clone(), g.lead.offset.clone()].concat()),
            )
            + along(lesson.leads.table.clone(), rows(|g| g.lead.table.clone()))
            + along(lesson.leads.shift.clone(), rows(|g| g.lead.shift.clone()));
        by_case.iter().for_each(|g| of_readout.add(g));
    }
    let (weight, bias) = net.readout();
    let Readout {
        weight: of_weight,
        bias: of_bias,
    } = of_readout.readout;
    (value as f32, of_features, total + along(weight, of_weight) + along(bias, of_bias))
}

/// What a batch is told from, band by band of rows.
struct Batch<'a> {
    features: &'a Features,
    /// Of each case.
    analytic: &'a [Analytic],
    /// Of each lesson and case.
    leads: Vec<Vec<Lead>>,
    readout: Readout,
}

impl Batch<'_> {
    /// Probabilities `[y, lesson, J, x]` of the rows of a case from the `first` of a band on.
    fn said(&self, case: usize, first: usize) -> Vec<f32> {
        let (height, width) = self.features.shape;
        let rows = first..(first + BAND).min(height);
        let mut said = vec![0.0; self.leads.len() * rows.len() * J * width];
        let mut row = Row::new(width);
        let mut forecasts = vec![0.0; S * J * width];
        let mut lines = said.chunks_exact_mut(J * width);
        for y in rows {
            self.analytic[case].row(y, &mut forecasts);
            let here = self.features.row(case, y);
            for (lead, line) in self.leads.iter().zip(&mut lines) {
                row.probability(&here, &forecasts, &lead[case], &self.readout, line);
            }
        }
        said
    }

    /// What the same rows add to the gradients, from the derivative of the loss with respect to the probabilities `[y, J, x]` of each lesson.
    fn learned(&self, case: usize, first: usize, judged: &[(f64, Array3<f32>)]) -> Learned {
        let (height, width) = self.features.shape;
        let rows = first..(first + BAND).min(height);
        let mut learned = Learned::none(self.leads.len(), rows.len() * width);
        let mut row = Row::new(width);
        let mut forecasts = vec![0.0; S * J * width];
        let mut p = vec![0.0; J * width];
        let mut of_features = vec![0.0; WIDTH * width];
        for (k, y) in rows.enumerate() {
            self.analytic[case].row(y, &mut forecasts);
            let here = self.features.row(case, y);
            for ((lead, (_, of_p)), sum) in self.leads.iter().zip(judged).zip(&mut learned.gradients) {
                row.probability(&here, &forecasts, &lead[case], &self.readout, &mut p);
                let of_p = of_p.index_axis(Axis(0), y);
                let mut parts = of_features.chunks_exact_mut(width);
                let mut into: [&mut [f32]; WIDTH] = std::array::from_fn(|_| parts.next().expect("a part a channel"));
                wide(Backward {
                    row: &row,
                    features: &here,
                    analytic: &forecasts,
                    lead: &lead[case],
                    readout: &self.readout,
                    probability: &p,
                    of_probability: of_p.to_slice().expect("a row lies in one piece"),
                    sum,
                    into: &mut into,
                });
                for (c, of) in of_features.chunks_exact(width).enumerate() {
                    let to = &mut learned.of_features[c][k * width..][..width];
                    to.iter_mut().zip(of).for_each(|(to, of)| *to += of);
                }
            }
        }
        learned
    }
}

/// The loss of probabilities `[y, J, x]` at the places of the reference time, carried to where the air is later, times `share`; and its derivative with
/// respect to them.
fn judge(probability: &Array3<f32>, later: &Later, share: f32) -> (f64, Array3<f32>) {
    let (height, _, width) = probability.dim();
    let mut of_probability = Array3::<f32>::zeros(probability.raw_dim());
    let (mut there, mut of_there) = (vec![0.0f32; J * width], vec![0.0f32; J * width]);
    let mut value = 0.0;
    for y in 0..height {
        let rain = later.rain.row(y);
        let observed = (0..width).filter(|x| !rain[*x].is_nan());
        let observed: Vec<_> = observed.map(|x| (x, later.around((y, x)))).collect();
        for (x, around) in &observed {
            for j in 0..J {
                there[j * width + x] = around.iter().map(|([y, x], count)| count * probability[[*y, j, *x]]).sum();
            }
        }
        let rain = rain.as_slice().expect("what was observed lies in one piece");
        value += f64::from(share) * loss(&there, rain, share, &mut of_there);
        for (x, around) in observed {
            for j in 0..J {
                for ([y, from], count) in around {
                    of_probability[[y, j, from]] += count * of_there[j * width + x];
                }
            }
        }
    }
    (value, of_probability)
}

/// Σ of each number of a tensor times its gradient: the gradient of this is the one given.
pub(crate) fn along<const D: usize>(tensor: Tensor<D>, gradient: Vec<f32>) -> Tensor<1> {
    let gradient = TensorData::new(gradient, tensor.shape());
    (tensor.clone() * Tensor::from_data(gradient, &tensor.device())).sum()
}

/// What a band adds.
struct Learned {
    gradients: Vec<Gradient>,
    of_features: Vec<Vec<f32>>,
}

impl Learned {
    fn none(lessons: usize, cells: usize) -> Self {
        Self {
            gradients: vec![Gradient::none(); lessons],
            of_features: vec![vec![0.0; cells]; WIDTH],
        }
    }
}

/// By how much each cell of each case counts: the weight of its lead time over all observed cells and lessons.
pub(crate) fn shares(lesson: &Lesson<'_>, lessons: usize) -> Vec<f32> {
    let observed: usize = lesson
        .later
        .iter()
        .map(|later| later.rain.iter().filter(|r| !r.is_nan()).count())
        .sum();
    let all = (observed.max(1) * lessons) as f32;
    lesson.lead_min.iter().map(|t| lead_weight(*t) / all).collect()
}

/// The numbers of a tensor.
pub(crate) fn numbers<const D: usize>(of: Tensor<D>) -> Vec<f32> {
    of.into_data()
        .try_into_vec()
        .expect("the network computes in numbers of four bytes")
}
