//! Plain loops for a CPU that learns nothing: what the tensor library would do in a dozen passes through memory, in one each.
//!
//! The library makes a new tensor of every gather, sum and exponential, and takes exponentials one number after the other. Here rows are changed where they
//! lie, four numbers at a time. Each function falls back to the library's own operations where gradients are wanted or the numbers lie on another device;
//! tests hold both against each other.

use burn::tensor::{Int, Tensor, TensorData, activation::silu, module::layer_norm};
use nowblend_field::exponential::exponential;

use super::blocks::is_cpu;
use crate::head::numbers;

/// Rows that edges look up, each many times.
#[derive(Debug)]
pub enum Table {
    /// In this process, and how wide a row is.
    Plain(TensorData, usize),
    /// On a device, or with gradients.
    Tensor(Tensor<2>),
}

/// Which row of a table each edge looks up.
#[derive(Debug)]
pub struct Rows {
    plain: Vec<u32>,
    tensor: Tensor<1, Int>,
}

impl Table {
    /// A table of the rows of a tensor.
    pub fn new(rows: Tensor<2>) -> Self {
        let [_, width] = rows.dims();
        if is_plain(&rows) {
            Self::Plain(rows.into_data(), width)
        } else {
            Self::Tensor(rows)
        }
    }
}

impl Rows {
    /// Rows by number.
    pub fn new(plain: Vec<u32>, device: &burn::tensor::Device) -> Self {
        let numbers: Vec<i64> = plain.iter().map(|k| i64::from(*k)).collect();
        let count = numbers.len();
        Self {
            plain,
            tensor: Tensor::from_data(TensorData::new(numbers, [count]), device),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.plain.len()
    }

    /// The numbers on the device.
    pub fn tensor(&self) -> Tensor<1, Int> {
        self.tensor.clone()
    }
}

/// Adds to each row of `x` the rows that it looks up.
pub fn add_rows(x: Tensor<2>, tables: [(&Table, &Rows); 2]) -> Tensor<2> {
    if let [(Table::Plain(a, width), a_rows), (Table::Plain(b, _), b_rows)] = tables
        && is_plain(&x)
        && let (Ok(a), Ok(b)) = (a.as_slice::<f32>(), b.as_slice::<f32>())
    {
        return changed(x, |values| {
            let rows = values.chunks_exact_mut((*width).max(1));
            for ((row, a_row), b_row) in rows.zip(&a_rows.plain).zip(&b_rows.plain) {
                let (a_row, b_row) = (&a[*a_row as usize * width..][..*width], &b[*b_row as usize * width..][..*width]);
                for ((x, a), b) in row.iter_mut().zip(a_row).zip(b_row) {
                    *x += a + b;
                }
            }
        });
    }
    tables.into_iter().fold(x, |x, (table, rows)| match table {
        Table::Tensor(tensor) => x + tensor.clone().select(0, rows.tensor()),
        Table::Plain(data, _) => {
            let tensor = Tensor::<2>::from_data(data.clone(), &x.device());
            x + tensor.select(0, rows.tensor())
        }
    })
}

/// x / (1 + exp(-x)) of `x` and a bias `[channel]` on each row.
pub fn swish(x: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    if !is_plain(&x) {
        return silu(match bias {
            Some(bias) => x + bias.unsqueeze(),
            None => x,
        });
    }
    let [_, width] = x.dims();
    let bias = bias.map_or_else(|| vec![0.0; width], numbers);
    changed(x, |values| {
        for row in values.chunks_exact_mut(width.max(1)) {
            for (x, bias) in row.iter_mut().zip(&bias) {
                let shifted = *x + bias;
                *x = shifted / (1.0 + exponential(-shifted));
            }
        }
    })
}

/// Each row of `x` and a bias `[channel]` brought to mean 0 and deviation 1, then scaled and shifted.
pub fn normalised(x: Tensor<2>, bias: Tensor<1>, scale: Tensor<1>, shift: Tensor<1>, epsilon: f64) -> Tensor<2> {
    if !is_plain(&x) {
        return layer_norm(x + bias.unsqueeze(), scale, Some(shift), epsilon);
    }
    let [_, width] = x.dims();
    let (bias, scale, shift) = (numbers(bias), numbers(scale), numbers(shift));
    changed(x, |values| {
        for row in values.chunks_exact_mut(width.max(1)) {
            for (x, bias) in row.iter_mut().zip(&bias) {
                *x += bias;
            }
            let mean = (sum(row, |x| x) / width as f64) as f32;
            let variance = sum(row, |x| (x - mean) * (x - mean)) / width as f64;
            let inverse = (1.0 / (variance + epsilon).sqrt()) as f32;
            for ((x, scale), shift) in row.iter_mut().zip(&scale).zip(&shift) {
                *x = (*x - mean) * inverse * scale + shift;
            }
        }
    })
}

/// Sum of `f` of a row: sixteen lanes, added up in double precision.
fn sum(row: &[f32], f: impl Fn(f32) -> f32) -> f64 {
    let mut lanes = [0.0f32; 16];
    let chunks = row.chunks_exact(16);
    let rest = chunks.remainder().iter().map(|x| f64::from(f(*x))).sum::<f64>();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += f(*x);
        }
    }
    rest + lanes.iter().map(|lane| f64::from(*lane)).sum::<f64>()
}

/// Whether numbers lie in this process and nobody asks for gradients.
fn is_plain(x: &Tensor<2>) -> bool {
    let device = x.device();
    is_cpu(&device) && !device.is_autodiff()
}

/// A tensor after its numbers were changed where they lie.
fn changed(x: Tensor<2>, change: impl FnOnce(&mut [f32])) -> Tensor<2> {
    let device = x.device();
    let mut data = x.into_data();
    change(data.as_mut_slice::<f32>().expect("networks compute in numbers of four bytes"));
    Tensor::from_data(data, &device)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tolerance};

    use super::*;

    /// The same on plain numbers and on those with gradients, which the tensor library computes.
    fn agree(make: impl Fn(&Device) -> Tensor<2>) {
        let (plain, library) = (make(&Device::flex()), make(&Device::flex().autodiff()));
        plain
            .into_data()
            .assert_approx_eq::<f32>(&library.into_data(), Tolerance::rel_abs(1e-5, 1e-6));
    }

    #[test]
    fn plain_loops_and_the_tensor_library_agree() {
        let x = |device: &Device| {
            let values: Vec<f32> = (0..3 * 37).map(|k| ((k * 7919 % 101) as f32 - 50.0) * 0.2).collect();
            Tensor::<2>::from_data(TensorData::new(values, [3, 37]), device)
        };
        let row = |device: &Device, by: f32| {
            let values: Vec<f32> = (0..37).map(|k| (k as f32).sin() * by).collect();
            Tensor::<1>::from_data(TensorData::new(values, [37]), device)
        };
        agree(|device| swish(x(device), None));
        agree(|device| swish(x(device) * 20.0, Some(row(device, 1.0))));
        agree(|device| normalised(x(device), row(device, 3.0), row(device, 2.0), row(device, 0.5), 1e-5));
        agree(|device| {
            let (a, b) = (Table::new(x(device) * 2.0), Table::new(x(device) * 3.0));
            let (a_rows, b_rows) = (Rows::new(vec![2, 0, 2], device), Rows::new(vec![1, 1, 0], device));
            add_rows(x(device), [(&a, &a_rows), (&b, &b_rows)])
        });
    }
}
