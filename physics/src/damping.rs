//! Takes away divergence that changes sign from cell to cell, which no weather has.

use nowblend_field::wide::{Work, wide};
use rayon::prelude::*;

use crate::{
    boundary::Boundary,
    metric::Metric,
    plane::{Plane, RIM, Rows},
    shallow_water::Flow,
};

/// Rows that one task works on.
const STRIP: usize = 16;

/// v gains -∇∇²(∇·v) (biharmonic in the divergence), so that the divergence of the shortest wave loses `share` and one of eight cells a
/// hundredth of that. Rims of the wind must be filled; `smoothing` is room to work in.
pub(crate) fn damp(share: f64, metric: &Metric, boundary: &Boundary, flow: &mut Flow, smoothing: &mut Plane) {
    let repeats = matches!(boundary, Boundary::Periodic);
    let (u, v) = (&flow.u, &flow.v);
    let strips: Vec<Rows<'_>> = smoothing.groups_mut(STRIP).collect();
    strips.into_par_iter().enumerate().for_each(|(strip, out)| {
        wide(Smoothing {
            metric,
            u,
            v,
            repeats,
            first: RIM + strip * STRIP,
            out,
        });
    });
    if repeats {
        boundary.close_depth(smoothing);
    }
    let smoothing = &*smoothing;
    // ∇² has the eigenvalue 8/dx² at the shortest wave; its square times the factor is the share.
    let factor = share / 64.0;
    let (first, first_row) = (boundary.first_west_face(), boundary.first_south_face());
    let Flow { u, v, .. } = flow;
    u.rows_mut().zip(v.rows_mut()).enumerate().for_each(|(j, (u, v))| {
        let row = j + RIM;
        let (here, south) = (smoothing.full_row(row), smoothing.full_row(row - 1));
        let end = here.len() - RIM;
        wide(Against {
            wind: &mut u[RIM + first..end],
            behind: &here[RIM + first - 1..end - 1],
            ahead: &here[RIM + first..end],
            factor: factor * metric.width(row),
        });
        if j >= first_row {
            wide(Against {
                wind: &mut v[RIM..end],
                behind: &south[RIM..end],
                ahead: &here[RIM..end],
                factor: factor * metric.dy_m(),
            });
        }
    });
}

/// ∇²(∇·v) times dx² of some rows; nothing diverges beyond edges that do not repeat.
struct Smoothing<'a> {
    metric: &'a Metric,
    u: &'a Plane,
    v: &'a Plane,
    repeats: bool,
    /// The first whole row.
    first: usize,
    out: Rows<'a>,
}

impl Work for Smoothing<'_> {
    #[inline(always)]
    fn run(mut self) {
        let n = self.u.shape().width();
        let mut rows = [0, 1, 2].map(|_| vec![0.0; n]);
        self.divergence(self.first - 1, &mut rows[1]);
        self.divergence(self.first, &mut rows[2]);
        for row in self.first..self.first + self.out.count() {
            rows.rotate_left(1);
            self.divergence(row + 1, &mut rows[2]);
            differences(&rows[0], &rows[1], &rows[2], self.out.row_mut(row - self.first));
        }
    }
}

impl Smoothing<'_> {
    /// ∇·v of a whole row, s⁻¹.
    #[inline(always)]
    fn divergence(&self, row: usize, out: &mut [f64]) {
        let (n, ny, nx) = (out.len(), self.u.shape().ny, self.u.shape().nx);
        let row = match row {
            _ if (RIM..RIM + ny).contains(&row) => row,
            _ if self.repeats => RIM + (row + ny - RIM) % ny,
            _ => {
                out.fill(0.0);
                return;
            }
        };
        let (per_x, per_y) = (1.0 / self.metric.width(row), 1.0 / self.metric.dy_m());
        let (u, v0, v1) = (
            &self.u.full_row(row)[..n],
            &self.v.full_row(row)[..n],
            &self.v.full_row(row + 1)[..n],
        );
        for k in RIM..n - RIM {
            out[k] = (u[k + 1] - u[k]) * per_x + (v1[k] - v0[k]) * per_y;
        }
        if self.repeats {
            out[RIM - 1] = out[RIM + nx - 1];
            out[RIM + nx] = out[RIM];
        }
    }
}

#[inline(always)]
fn differences(south: &[f64], here: &[f64], north: &[f64], out: &mut [f64]) {
    let n = out.len();
    let (south, here, north) = (&south[..n], &here[..n], &north[..n]);
    for k in RIM..n - RIM {
        out[k] = here[k - 1] + here[k + 1] + south[k] + north[k] - 4.0 * here[k];
    }
}

/// A row of winds against what rises along them.
struct Against<'a> {
    wind: &'a mut [f64],
    behind: &'a [f64],
    ahead: &'a [f64],
    factor: f64,
}

impl Work for Against<'_> {
    #[inline(always)]
    fn run(self) {
        for ((wind, behind), ahead) in self.wind.iter_mut().zip(self.behind).zip(self.ahead) {
            *wind -= self.factor * (ahead - behind);
        }
    }
}
