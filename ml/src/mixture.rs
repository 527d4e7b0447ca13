//! The last step of the network, cell by cell: weights of the analytic forecasts become probabilities that fall with the threshold.
//!
//! Plain loops over rows, with their gradient written out: as tensors the weights alone would be 88 fields a lead time, each gone
//! through a dozen times.
//!
//! With features g of a cell and what a lead time brings (scale a and offset b of each feature, a table T and a shift β):
//!
//! ```text
//! o = W silu(a g + b) + c                                       S + J numbers
//! p_j = Σ_s e^{o_s} e^{T_sj} A_sj / Σ_s e^{o_s} e^{T_sj}        mixture of the analytic probabilities A
//! c_j = (p_j + ε) / (p_{j-1} + ε')                              P(R >= τ_j given R >= τ_{j-1})
//! P_j = Π_{i <= j} σ(logit c_i + β_i + o_{S+i})
//! ```

use nowblend_field::{
    exponential::{exponential, logistic},
    wide::{Work, wide},
};

use crate::nowcast_net::{J, S, WIDTH};

/// Features that are added together, so that sums stay in registers: the vector units work, not the memory.
const TOGETHER: usize = 8;

/// Numbers of a cell that the features give.
pub(crate) const OUT: usize = S + J;
/// Largest weight that a cell gives a forecast, as its logarithm.
pub(crate) const CELL_MOST: f32 = 6.0;
/// Largest weight that a lead time gives, as its logarithm.
pub(crate) const TABLE_MOST: f32 = 12.0;
/// Keeps conditional probabilities of next to nothing at next to nothing.
const EPSILON: f32 = 3e-4;
/// Bounds of a conditional probability before it is corrected.
pub(crate) const BOUNDS: (f32, f32) = (1e-4, 1.0 - 1e-3);
/// Least sum of weights.
pub(crate) const LEAST: f32 = 1e-6;

/// What a lead time brings, for one case.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lead {
    /// Scale `[WIDTH]` of the features.
    pub scale: Vec<f32>,
    /// Offset `[WIDTH]` of the features.
    pub offset: Vec<f32>,
    /// Logarithms of weights `[S, J]`.
    pub table: Vec<f32>,
    /// Shift `[J]` of the conditional logits.
    pub shift: Vec<f32>,
}

/// The matrix `[OUT, WIDTH]` and the constants `[OUT]` that all lead times share.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Readout {
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
}

/// Gradients with respect to what a row used, summed over its cells.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Gradient {
    pub lead: Lead,
    pub readout: Readout,
}

impl Gradient {
    /// Nothing yet.
    pub fn none() -> Self {
        Self {
            lead: Lead {
                scale: vec![0.0; WIDTH],
                offset: vec![0.0; WIDTH],
                table: vec![0.0; S * J],
                shift: vec![0.0; J],
            },
            readout: Readout {
                weight: vec![0.0; OUT * WIDTH],
                bias: vec![0.0; OUT],
            },
        }
    }

    /// Adds another.
    pub fn add(&mut self, other: &Self) {
        let (to, from) = (&mut self.lead, &other.lead);
        let pairs = [
            (&mut to.scale, &from.scale),
            (&mut to.offset, &from.offset),
            (&mut to.table, &from.table),
            (&mut to.shift, &from.shift),
            (&mut self.readout.weight, &other.readout.weight),
            (&mut self.readout.bias, &other.readout.bias),
        ];
        for (to, from) in pairs {
            to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        }
    }
}

/// Room for a row, and what its gradient needs of the way there.
pub(crate) struct Row {
    width: usize,
    /// σ(a g + b), a g + b and their product `[WIDTH, x]`.
    gate: Vec<f32>,
    before: Vec<f32>,
    activated: Vec<f32>,
    /// o `[OUT, x]`.
    out: Vec<f32>,
    /// e^{o_s} `[S, x]`.
    cell: Vec<f32>,
    /// e^{T_sj}.
    table: Vec<f32>,
    /// Sums of weights, p, c and σ(..) `[J, x]`.
    total: Vec<f32>,
    mixture: Vec<f32>,
    conditional: Vec<f32>,
    sure: Vec<f32>,
    /// What the first threshold goes on from.
    ones: Vec<f32>,
}

impl Row {
    /// For rows of `width` cells.
    pub fn new(width: usize) -> Self {
        let room = |channels: usize| vec![0.0; channels * width];
        Self {
            width,
            gate: room(WIDTH),
            before: room(WIDTH),
            activated: room(WIDTH),
            out: room(OUT),
            cell: room(S),
            table: vec![0.0; S * J],
            total: room(J),
            mixture: room(J),
            conditional: room(J),
            sure: room(J),
            ones: vec![1.0; width],
        }
    }

    /// P(R >= threshold) `[J, x]` of a row from its features `[WIDTH, x]` (a slice a channel) and analytic probabilities `[S, J, x]`.
    pub fn probability(&mut self, features: &[&[f32]; WIDTH], analytic: &[f32], lead: &Lead, readout: &Readout, into: &mut [f32]) {
        for (to, from) in self.table.iter_mut().zip(&lead.table) {
            *to = from.clamp(-TABLE_MOST, TABLE_MOST).exp();
        }
        wide(Forward {
            row: self,
            features,
            analytic,
            lead,
            readout,
            into,
        });
    }

    /// a g + b of the features, and what it opens.
    #[inline(always)]
    fn activate(&mut self, features: &[&[f32]; WIDTH], lead: &Lead) {
        let width = self.width;
        for (c, g) in features.iter().enumerate() {
            let (scale, offset) = (lead.scale[c], lead.offset[c]);
            let before = &mut self.before[c * width..][..width];
            let gate = &mut self.gate[c * width..][..width];
            let activated = &mut self.activated[c * width..][..width];
            for (((before, gate), activated), g) in before.iter_mut().zip(gate).zip(activated).zip(*g) {
                *before = scale * g + offset;
                *gate = logistic(*before);
                *activated = *before * *gate;
            }
        }
    }

    /// The numbers that the features give, and how much each forecast is trusted.
    #[inline(always)]
    fn read_out(&mut self, readout: &Readout) {
        let width = self.width;
        for (k, out) in self.out.chunks_exact_mut(width).enumerate() {
            out.fill(readout.bias[k]);
            let weights = readout.weight[k * WIDTH..][..WIDTH].as_chunks::<TOGETHER>().0;
            for (weights, lines) in weights.iter().zip(self.activated.chunks_exact(TOGETHER * width)) {
                add(out, *weights, lines);
            }
        }
        for (cell, out) in self.cell.iter_mut().zip(&self.out) {
            *cell = exponential(out.clamp(-CELL_MOST, CELL_MOST));
        }
    }

    /// Sums of weights and mixtures of the analytic probabilities.
    #[inline(always)]
    fn mix(&mut self, analytic: &[f32]) {
        let width = self.width;
        for j in 0..J {
            let total = &mut self.total[j * width..][..width];
            let mixture = &mut self.mixture[j * width..][..width];
            total.fill(0.0);
            mixture.fill(0.0);
            // Four at a time, and the three that are left.
            for first in (0..S - 3).step_by(4) {
                blend::<4>(total, mixture, &self.table, &self.cell, analytic, (first, j));
            }
            blend::<{ S % 4 }>(total, mixture, &self.table, &self.cell, analytic, (S - S % 4, j));
            for (p, total) in mixture.iter_mut().zip(total) {
                *p /= total.max(LEAST);
            }
        }
    }

    /// Probabilities that fall with the threshold, from the mixtures.
    #[inline(always)]
    fn chain(&mut self, lead: &Lead, into: &mut [f32]) {
        let width = self.width;
        for j in 0..J {
            let (add, below) = epsilons(j);
            let shift = lead.shift[j];
            let (earlier, into) = into.split_at_mut(j * width);
            let here = &self.mixture[j * width..][..width];
            let (lower, above) = if j == 0 {
                (&self.ones[..], &self.ones[..])
            } else {
                (&self.mixture[(j - 1) * width..][..width], &earlier[(j - 1) * width..][..width])
            };
            let into = &mut into[..width];
            let out = &self.out[(S + j) * width..][..width];
            let conditional = &mut self.conditional[j * width..][..width];
            let sure = &mut self.sure[j * width..][..width];
            for x in 0..width {
                let c = (here[x] + add) / (lower[x] + below);
                conditional[x] = c;
                let c = c.clamp(BOUNDS.0, BOUNDS.1);
                // σ(logit c + z) = c / (c + (1 - c) e^{-z}).
                let z = shift + out[x];
                sure[x] = c / (c + (1.0 - c) * exponential(-z));
                into[x] = above[x] * sure[x];
            }
        }
    }
}

/// The way from features to probabilities.
struct Forward<'a> {
    row: &'a mut Row,
    features: &'a [&'a [f32]; WIDTH],
    analytic: &'a [f32],
    lead: &'a Lead,
    readout: &'a Readout,
    into: &'a mut [f32],
}

impl Work for Forward<'_> {
    #[inline(always)]
    fn run(self) {
        self.row.activate(self.features, self.lead);
        self.row.read_out(self.readout);
        self.row.mix(self.analytic);
        self.row.chain(self.lead, self.into);
    }
}

/// The way back, after [`Row::probability`] with the same features, forecasts, lead time and readout.
pub(crate) struct Backward<'a, 'b> {
    pub row: &'a Row,
    pub features: &'a [&'a [f32]; WIDTH],
    pub analytic: &'a [f32],
    pub lead: &'a Lead,
    pub readout: &'a Readout,
    /// What the way there led to `[J, x]`, and the gradient of what is to be lowered with respect to it.
    pub probability: &'a [f32],
    pub of_probability: &'a [f32],
    /// The gradients of lead time and readout are added to it.
    pub sum: &'a mut Gradient,
    /// Where those of the features `[WIDTH, x]` are written, a slice a channel.
    pub into: &'a mut [&'b mut [f32]; WIDTH],
}

impl Work for Backward<'_, '_> {
    #[inline(always)]
    fn run(self) {
        let Self {
            row,
            features,
            analytic,
            lead,
            readout,
            probability,
            of_probability,
            sum,
            into,
        } = self;
        let width = row.width;
        let mut of_out = vec![0.0f32; OUT * width];
        let mut of_mixture = vec![0.0f32; J * width];
        // Σ_{i >= j} dP_i P_i, from the highest threshold down.
        let mut above = vec![0.0f32; width];
        for j in (0..J).rev() {
            let (add, below) = epsilons(j);
            let mut of_shift = 0.0f64;
            for x in 0..width {
                let at = j * width + x;
                above[x] += of_probability[at] * probability[at];
                let of_logit = above[x] * (1.0 - row.sure[at]);
                of_out[(S + j) * width + x] = of_logit;
                of_shift += f64::from(of_logit);
                let c = row.conditional[at];
                if c > BOUNDS.0 && c < BOUNDS.1 {
                    let before = if j == 0 { 1.0 } else { row.mixture[at - width] };
                    let of_part = of_logit / (c * (1.0 - c)) / (before + below);
                    of_mixture[at] += of_part;
                    if j > 0 {
                        of_mixture[at - width] -= of_part * (row.mixture[at] + add) / (before + below);
                    }
                }
            }
            sum.lead.shift[j] += of_shift as f32;
        }
        for (of, total) in of_mixture.iter_mut().zip(&row.total) {
            *of = if *total > LEAST { *of / total } else { 0.0 };
        }
        let mut of_weight = vec![0.0f32; width];
        for s in 0..S {
            let cell = &row.cell[s * width..][..width];
            let (of_cell, out) = (&mut of_out[s * width..][..width], &row.out[s * width..][..width]);
            for j in 0..J {
                let t = row.table[s * J + j];
                let a = &analytic[(s * J + j) * width..][..width];
                let p = &row.mixture[j * width..][..width];
                let of = &of_mixture[j * width..][..width];
                for ((to, of), ((a, p), cell)) in of_weight.iter_mut().zip(of).zip(a.iter().zip(p).zip(cell)) {
                    *to = of * (a - p) * (cell * t);
                }
                for (of_cell, of) in of_cell.iter_mut().zip(&of_weight) {
                    *of_cell += of;
                }
                if lead.table[s * J + j].abs() < TABLE_MOST {
                    sum.lead.table[s * J + j] += total(&of_weight);
                }
            }
            for (of, out) in of_cell.iter_mut().zip(out) {
                if out.abs() >= CELL_MOST {
                    *of = 0.0;
                }
            }
        }
        for (k, of) in of_out.chunks_exact(width).enumerate() {
            sum.readout.bias[k] += total(of);
        }
        let mut of_activated = vec![0.0f32; width];
        for c in 0..WIDTH {
            let (before, gate) = (&row.before[c * width..][..width], &row.gate[c * width..][..width]);
            let activated = &row.activated[c * width..][..width];
            of_activated.fill(0.0);
            for (k, of) in of_out.chunks_exact(width).enumerate() {
                let w = readout.weight[k * WIDTH + c];
                for (to, of) in of_activated.iter_mut().zip(of) {
                    *to += w * of;
                }
                sum.readout.weight[k * WIDTH + c] += product(of, activated);
            }
            // d silu(z)/dz = σ (1 + z (1 - σ)).
            for ((of, b), g) in of_activated.iter_mut().zip(before).zip(gate) {
                *of *= g * (1.0 + b * (1.0 - g));
            }
            sum.lead.offset[c] += total(&of_activated);
            sum.lead.scale[c] += product(&of_activated, features[c]);
            for (into, of) in into[c].iter_mut().zip(&of_activated) {
                *into = of * lead.scale[c];
            }
        }
    }
}

/// What keeps the quotient of two small probabilities small.
#[inline(always)]
pub(crate) fn epsilons(j: usize) -> (f32, f32) {
    if j == 0 {
        (EPSILON, 2.0 * EPSILON)
    } else {
        (0.3 * EPSILON, EPSILON)
    }
}

/// Adds lines that lie one after another, each times its weight, in their order.
#[inline(always)]
fn add(out: &mut [f32], w: [f32; TOGETHER], lines: &[f32]) {
    let n = out.len();
    let line = |k: usize| &lines[k * n..][..n];
    let (a, b, c, d) = (line(0), line(1), line(2), line(3));
    let (e, f, g, h) = (line(4), line(5), line(6), line(7));
    for x in 0..n {
        out[x] = out[x] + w[0] * a[x] + w[1] * b[x] + w[2] * c[x] + w[3] * d[x] + w[4] * e[x] + w[5] * f[x] + w[6] * g[x] + w[7] * h[x];
    }
}

/// Adds `N` forecasts from the `first` on, at threshold `j`, each times its weight.
#[inline(always)]
fn blend<const N: usize>(
    total: &mut [f32],
    mixture: &mut [f32],
    table: &[f32],
    cell: &[f32],
    analytic: &[f32],
    (first, j): (usize, usize),
) {
    let n = total.len();
    let mixture = &mut mixture[..n];
    let t: [f32; N] = std::array::from_fn(|k| table[(first + k) * J + j]);
    let cells: [&[f32]; N] = std::array::from_fn(|k| &cell[(first + k) * n..][..n]);
    let a: [&[f32]; N] = std::array::from_fn(|k| &analytic[((first + k) * J + j) * n..][..n]);
    for x in 0..n {
        for k in 0..N {
            let weight = cells[k][x] * t[k];
            total[x] += weight;
            mixture[x] += weight * a[k][x];
        }
    }
}

/// Sum in eight lanes, whose order does not depend on the machine.
#[inline(always)]
fn total(values: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 8];
    let chunks = values.chunks_exact(8);
    let rest: f32 = chunks.remainder().iter().sum();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, value)| *lane += value);
    }
    lanes.iter().sum::<f32>() + rest
}

/// Sum of products, in the same lanes.
#[inline(always)]
fn product(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 8];
    let (a, b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        lanes.iter_mut().zip(a.iter().zip(b)).for_each(|(lane, (a, b))| *lane += a * b);
    }
    lanes.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const X: usize = 9;

    fn numbers(count: usize, seed: usize, by: f32) -> Vec<f32> {
        (0..count)
            .map(|k| (((k + 1) * 7919 + seed * 104_729) % 1009) as f32 / 504.5 - 1.0)
            .map(|x| x * by)
            .collect()
    }

    struct Case {
        features: Vec<f32>,
        analytic: Vec<f32>,
        lead: Lead,
        readout: Readout,
        of: Vec<f32>,
    }

    impl Case {
        fn new() -> Self {
            // Probabilities fall with the threshold, as exceedances do.
            let mut analytic = numbers(S * J * X, 3, 0.5);
            for part in analytic.chunks_exact_mut(J * X) {
                for j in 0..J {
                    for x in 0..X {
                        let p = part[j * X + x] + 0.5;
                        part[j * X + x] = if j == 0 { p } else { p * part[(j - 1) * X + x] };
                    }
                }
            }
            Self {
                features: numbers(WIDTH * X, 1, 1.5),
                analytic,
                lead: Lead {
                    scale: numbers(WIDTH, 5, 1.0),
                    offset: numbers(WIDTH, 6, 0.5),
                    table: numbers(S * J, 7, 2.0),
                    shift: numbers(J, 8, 0.4),
                },
                readout: Readout {
                    weight: numbers(OUT * WIDTH, 9, 0.3),
                    bias: numbers(OUT, 10, 0.2),
                },
                of: numbers(J * X, 11, 1.0),
            }
        }

        fn probability(&self) -> (Row, Vec<f32>) {
            let mut row = Row::new(X);
            let mut p = vec![0.0; J * X];
            row.probability(&lines(&self.features), &self.analytic, &self.lead, &self.readout, &mut p);
            (row, p)
        }

        /// What is lowered: Σ of · P.
        fn value(&self) -> f64 {
            let (_, p) = self.probability();
            p.iter().zip(&self.of).map(|(p, of)| f64::from(*p) * f64::from(*of)).sum()
        }
    }

    fn lines(of: &[f32]) -> [&[f32]; WIDTH] {
        std::array::from_fn(|c| &of[c * X..][..X])
    }

    #[test]
    fn probabilities_fall_with_the_threshold() {
        let (_, p) = Case::new().probability();
        for x in 0..X {
            for j in 0..J {
                let (here, below) = (p[j * X + x], if j == 0 { 1.0 } else { p[(j - 1) * X + x] });
                assert!((0.0..=below).contains(&here), "threshold {j}, cell {x}: {here} after {below}");
            }
        }
    }

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        let case = Case::new();
        let (row, p) = case.probability();
        let mut sum = Gradient::none();
        let mut of_features = vec![0.0f32; WIDTH * X];
        {
            let mut parts = of_features.chunks_exact_mut(X);
            let mut into: [&mut [f32]; WIDTH] = std::array::from_fn(|_| parts.next().unwrap());
            wide(Backward {
                row: &row,
                features: &lines(&case.features),
                analytic: &case.analytic,
                lead: &case.lead,
                readout: &case.readout,
                probability: &p,
                of_probability: &case.of,
                sum: &mut sum,
                into: &mut into,
            });
        }
        type Part = fn(&mut Case) -> &mut Vec<f32>;
        let parts: [(&str, Part, Vec<f32>); 7] = [
            ("features", |c| &mut c.features, of_features),
            ("scale", |c| &mut c.lead.scale, sum.lead.scale),
            ("offset", |c| &mut c.lead.offset, sum.lead.offset),
            ("table", |c| &mut c.lead.table, sum.lead.table),
            ("shift", |c| &mut c.lead.shift, sum.lead.shift),
            ("weight", |c| &mut c.readout.weight, sum.readout.weight),
            ("bias", |c| &mut c.readout.bias, sum.readout.bias),
        ];
        for (name, part, gradient) in parts {
            for k in (0..gradient.len()).step_by(gradient.len().div_ceil(12)) {
                let at = |by: f32| {
                    let mut moved = Case::new();
                    part(&mut moved)[k] += by;
                    moved.value()
                };
                let by = 4e-3;
                let expected = (at(by) - at(-by)) / (2.0 * f64::from(by));
                let found = f64::from(gradient[k]);
                assert!(
                    (found - expected).abs() < 2e-3 + 0.02 * expected.abs(),
                    "{name} {k}: {found}, differences give {expected}"
                );
            }
        }
    }
}
