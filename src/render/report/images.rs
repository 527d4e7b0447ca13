//! The pictures of a report: small, each kept once, dry see-through so that the page's own colour shows.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use ndarray::ArrayView2;

use super::super::{
    Error,
    colour::{MISSING_CLASS, Scale},
    map::numbers,
    png,
    raster::Raster,
};

/// Longest side of a rain picture, points.
const RAIN_SIDE: usize = 512;
/// Probabilities are smooth: half of that shows all there is.
const PROBABILITY_SIDE: usize = 320;

/// Opacity of what is missing: a veil over the page's colour, light or dark.
const VEIL: u8 = 0x70;

/// Pictures as base64 of PNG, in order of their first use.
#[derive(Debug, Default)]
pub(super) struct Images {
    encoded: Vec<String>,
    known: BTreeMap<Vec<u8>, usize>,
}

impl Images {
    /// Draws a field and returns the number of its picture and what it says in numbers.
    pub fn add(&mut self, field: ArrayView2<'_, f32>, scale: &Scale) -> Result<(usize, String), Error> {
        let side = if scale.label_factor == 1.0 { RAIN_SIDE } else { PROBABILITY_SIDE };
        let raster = Raster::of(field, side);
        let mut alpha = [0xFF, 0];
        alpha[usize::from(MISSING_CLASS)] = VEIL;
        let bytes = png::indexed(&raster.classes(scale), raster.shape().1, &scale.palette(), &alpha)?;
        let next = self.encoded.len();
        let index = *self.known.entry(bytes).or_insert_with_key(|bytes| {
            self.encoded.push(STANDARD.encode(bytes));
            next
        });
        Ok((index, numbers(field, scale)))
    }

    /// The address of a picture as a page takes it.
    pub fn address(&self, index: usize) -> String {
        format!("data:image/png;base64,{}", self.encoded[index])
    }

    /// All pictures; those in `shown` stand in the page already and are left empty here.
    pub fn encoded(&self, shown: &[usize]) -> Vec<&str> {
        self.encoded
            .iter()
            .enumerate()
            .map(|(k, text)| if shown.contains(&k) { "" } else { text.as_str() })
            .collect()
    }
}
