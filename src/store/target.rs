//! What a forecast is written to, whatever the format: fields come product by product, and the whole takes its name at the end.

use ndarray::ArrayView2;
use nowblend_field::{LeadTime, Notice};

use super::{Error, Product};

/// An output being written aside; dropped before [`Target::finish`] it leaves nothing.
pub trait Target: Send {
    /// Takes one field `[y, x]` of a product at a lead time, of a member or threshold by its number from 0.
    ///
    /// # Errors
    ///
    /// Where the product was not announced, does not fit, or cannot be written.
    fn take(&mut self, lead_time: LeadTime, product: &Product, layer: usize, field: ArrayView2<'_, f32>) -> Result<(), Error>;

    /// Closes the output with what is known at the end, and gives it its name.
    ///
    /// # Errors
    ///
    /// Where it cannot be written; then nothing is left.
    fn finish(self: Box<Self>, notices: Vec<Notice>, findings: String) -> Result<(), Error>;
}
