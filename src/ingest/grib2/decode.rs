//! From packed values to numbers: one field at a time, from its own bytes, and looked at again afterwards.

use std::{
    cell::Cell,
    panic::{self, AssertUnwindSafe, catch_unwind},
    sync::Once,
};

use ndarray::Array2;

use super::look::{Field, Refusal};

impl Field<'_> {
    /// Values in file order, as the file has them; NaN where a point has none.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] where the packed values do not fit their header, the decoder fails, or what it gives is too short or infinite.
    pub fn values(&self) -> Result<Vec<f32>, Refusal> {
        self.check()?;
        let points = self.header.points;
        let values = self.guarded(|| self.decode())?;
        if values.len() != points {
            return Err(self.refusal(format!("{} decoded values, expected {points}", values.len())));
        }
        if let Some(k) = values.iter().position(|v| v.is_infinite()) {
            return Err(self.refusal(format!("value {k} is infinite")));
        }
        Ok(values)
    }

    /// Values `[y, x]`, row 0 in the south, column 0 in the west; NaN where a point has none.
    ///
    /// # Errors
    ///
    /// As [`Field::values`].
    pub fn arranged(&self) -> Result<Array2<f32>, Refusal> {
        self.check()?;
        match self.guarded(|| self.picture().transpose())? {
            Some(values) => Ok(values),
            None => Ok(self.header.layout.arrange(&self.values()?)),
        }
    }

    /// What a decoder makes of the bytes; its errors and its panics are refusals.
    fn guarded<T>(&self, decode: impl FnOnce() -> Result<T, String>) -> Result<T, Refusal> {
        let decoded = quietly(decode).unwrap_or_else(|words| Err(format!("the decoder panicked: {words}")));
        // Decoders speak in several lines.
        decoded.map_err(|reason| self.refusal(reason.split_whitespace().collect::<Vec<_>>().join(" ")))
    }

    fn decode(&self) -> Result<Vec<f32>, String> {
        let mut bitmap = self.bitmap.map_or_else(|| vec![0, 0, 0, 6, 6, 255], <[u8]>::to_vec);
        if self.bitmap.is_some() {
            bitmap[5] = 0;
        }
        let decoder = grib::Grib2SubmessageDecoder::new(self.header.points, self.representation.to_vec(), bitmap, self.data.to_vec())
            .map_err(|e| e.to_string())?;
        let values = decoder.dispatch().map_err(|e| e.to_string())?;
        let mut out = Vec::with_capacity(self.header.points);
        out.extend(values.take(self.header.points));
        Ok(out)
    }
}

/// Runs `work`; where it panics, its words, and nothing is printed: the refusal tells it.
fn quietly<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    thread_local! {
        static QUIET: Cell<bool> = const { Cell::new(false) };
    }
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                before(info);
            }
        }));
    });
    QUIET.set(true);
    let done = catch_unwind(AssertUnwindSafe(work)).map_err(|words| {
        let text = words.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| words.downcast_ref::<&str>().copied())
            .unwrap_or("without a word")
            .to_owned()
    });
    QUIET.set(false);
    done
}
