//! The state of the air on one level: what a core starts from.

use ndarray::Array2;

use crate::{Error, Grid, ValidTime};

/// Wind, geopotential and humidity `[y, x]` on one pressure level.
#[derive(Debug, Clone)]
pub struct State {
    /// Where the cells lie.
    pub grid: Grid,
    /// When the state holds.
    pub valid_time: ValidTime,
    /// Pressure of the level, hPa.
    pub level_hpa: f64,
    /// Wind towards the grid's east, m s⁻¹.
    pub u: Array2<f32>,
    /// Wind towards the grid's north, m s⁻¹.
    pub v: Array2<f32>,
    /// Geopotential, m² s⁻².
    pub geopotential: Array2<f32>,
    /// Specific humidity, kg kg⁻¹, where the source has it.
    pub specific_humidity: Option<Array2<f32>>,
    /// Temperature, K, where the source has it.
    pub temperature: Option<Array2<f32>>,
}

impl State {
    /// Checks that every field has the grid's shape.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for the first field that does not fit.
    pub fn check_shapes(&self) -> Result<(), Error> {
        let expected = self.grid.shape();
        let fields = [
            ("wind u", Some(&self.u)),
            ("wind v", Some(&self.v)),
            ("geopotential", Some(&self.geopotential)),
            ("specific humidity", self.specific_humidity.as_ref()),
            ("temperature", self.temperature.as_ref()),
        ];
        for (what, field) in fields {
            if let Some(field) = field
                && field.dim() != expected
            {
                return Err(Error::Shape {
                    what,
                    found: field.shape().to_vec(),
                    expected: vec![expected.0, expected.1],
                });
            }
        }
        Ok(())
    }
}
