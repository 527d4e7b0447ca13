//! The keys of the shallow-water core, their units, meanings and bounds.

use serde::{Deserialize, Serialize};

use crate::{Error, moisture::Moisture};

/// How the shallow-water core runs. Every key has a default; the four that decide skill are fitted on training events.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShallowWaterConfig {
    /// Size of the core's cells, km; never finer than the radar's. 0.1 to 50.
    pub cell_km: f64,
    /// Most cells that the core keeps: a larger map gets larger cells. At least 1.
    pub most_cells: usize,
    /// Depth of the layer at rest, m: sets the speed of its waves, 70 m s⁻¹ for 500 m. 10 to 20 000.
    pub mean_depth_m: f64,
    /// Courant number of the time step, 0.01 to 0.5.
    pub courant: f64,
    /// Share of the divergence between neighbouring cells that a step takes away, 0 to 1.
    pub divergence_damping: f64,
    /// Width of the zone in which wind and depth are led to those outside, cells; 0 for none.
    pub relaxation_cells: usize,
    /// Time constant of that on the edge, s. At least 1.
    pub relaxation_time_s: f64,
    /// Waves of the start that are quicker than half of this are taken out by running dry air so long around it, min, 0 to 720; 0 for none.
    pub digital_filter_min: f64,
    /// The core runs so long before the forecast while it is led to the frames of that time, min, 0 to 60; 0 for none.
    pub update_min: f64,
    /// Time in which the wind inside echoes is led to their observed motion, min. At least 0.1.
    pub nudging_time_min: f64,
    /// Rain from which on an echo leads the wind in full, mm h⁻¹. At least 0.01.
    pub nudging_rain_mm_h: f64,
    /// Mass of the column of air that the layer stands for, kg m⁻²: 5000 is half the atmosphere. 100 to 11 000.
    pub column_mass_kg_m2: f64,
    /// Vapour that the resting column holds at most, where no state tells its temperature, kg kg⁻¹. 1e-4 to 0.05.
    pub saturation_kg_kg: f64,
    /// Relative humidity outside echoes, where no state tells it, 0 to 1.
    pub relative_humidity: f64,
    /// Condensing water takes this share of the wave's restoring force, 0 to 0.9: moist waves run at √(1 - share) of the dry speed.
    pub latent_heating: f64,
    /// Time in which cloud becomes rain, s. At least 1.
    pub autoconversion_time_s: f64,
    /// Cloud that stays cloud, kg kg⁻¹. 0 to 0.01.
    pub autoconversion_threshold_kg_kg: f64,
    /// Rate of evaporation of rain in dry air, s⁻¹: E = rate (q_s - q_v) √q_r. 0 to 1.
    pub evaporation_rate_s: f64,
    /// Time in which rain falls out, s. At least 10.
    pub fallout_time_s: f64,
    /// Time in which what feeds an observed echo falls to 1/e, min. At least 1.
    pub supply_time_min: f64,
    /// Time after which the motion of single showers counts 1/e and that of their systems the rest, where the motion knows it, min. At least 1.
    pub showers_min: f64,
    /// How fast the area widens over which eddies that the core does not resolve may take an echo, km h⁻¹ along a side; its mean over
    /// that area is what can be forecast. 0 to 200; 0 keeps all detail.
    pub wandering_km_h: f64,
    /// How far the forecast goes from that mean towards rain that lies where the mean is largest but is as strong, and as wide, as the carried
    /// echoes, 0 to 1.
    pub matching: f64,
    /// Most by which the core lets an observed echo grow, and least to which it lets it decay, as a factor. At least 1.
    pub growth_limit: f64,
}

impl Default for ShallowWaterConfig {
    fn default() -> Self {
        Self {
            cell_km: 4.0,
            most_cells: 262_144,
            mean_depth_m: 500.0,
            courant: 0.4,
            divergence_damping: 0.2,
            relaxation_cells: 8,
            relaxation_time_s: 300.0,
            digital_filter_min: 0.0,
            update_min: 0.0,
            nudging_time_min: 15.0,
            nudging_rain_mm_h: 0.5,
            column_mass_kg_m2: 5000.0,
            saturation_kg_kg: 0.012,
            relative_humidity: 0.8,
            latent_heating: 0.6,
            autoconversion_time_s: 1000.0,
            autoconversion_threshold_kg_kg: 1e-4,
            evaporation_rate_s: 1e-3,
            fallout_time_s: 600.0,
            supply_time_min: 1200.0,
            showers_min: 60.0,
            wandering_km_h: 18.0,
            matching: 0.5,
            growth_limit: 3.0,
        }
    }
}

impl ShallowWaterConfig {
    /// Refuses keys outside their bounds.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with the first such key.
    pub fn check(&self) -> Result<(), Error> {
        let bounds = [
            ("cell_km", self.cell_km, 0.1..=50.0, "0.1 to 50 km"),
            ("most_cells", self.most_cells as f64, 1.0..=1e9, "1 to 1e9"),
            ("mean_depth_m", self.mean_depth_m, 10.0..=20_000.0, "10 to 20000 m"),
            ("courant", self.courant, 0.01..=0.5, "0.01 to 0.5"),
            ("divergence_damping", self.divergence_damping, 0.0..=1.0, "0 to 1"),
            ("relaxation_cells", self.relaxation_cells as f64, 0.0..=1000.0, "0 to 1000"),
            ("relaxation_time_s", self.relaxation_time_s, 1.0..=1e9, "1 to 1e9 s"),
            ("digital_filter_min", self.digital_filter_min, 0.0..=720.0, "0 to 720 min"),
            ("update_min", self.update_min, 0.0..=60.0, "0 to 60 min"),
            ("nudging_time_min", self.nudging_time_min, 0.1..=1e9, "0.1 to 1e9 min"),
            ("nudging_rain_mm_h", self.nudging_rain_mm_h, 0.01..=1000.0, "0.01 to 1000 mm/h"),
            ("column_mass_kg_m2", self.column_mass_kg_m2, 100.0..=11_000.0, "100 to 11000 kg/m2"),
            ("saturation_kg_kg", self.saturation_kg_kg, 1e-4..=0.05, "1e-4 to 0.05"),
            ("relative_humidity", self.relative_humidity, 0.0..=1.0, "0 to 1"),
            ("latent_heating", self.latent_heating, 0.0..=0.9, "0 to 0.9"),
            ("autoconversion_time_s", self.autoconversion_time_s, 1.0..=1e9, "1 to 1e9 s"),
            (
                "autoconversion_threshold_kg_kg",
                self.autoconversion_threshold_kg_kg,
                0.0..=0.01,
                "0 to 0.01",
            ),
            ("evaporation_rate_s", self.evaporation_rate_s, 0.0..=1.0, "0 to 1 per s"),
            ("fallout_time_s", self.fallout_time_s, 10.0..=1e9, "10 to 1e9 s"),
            ("supply_time_min", self.supply_time_min, 1.0..=1e9, "1 to 1e9 min"),
            ("showers_min", self.showers_min, 1.0..=1e9, "1 to 1e9 min"),
            ("wandering_km_h", self.wandering_km_h, 0.0..=200.0, "0 to 200 km/h"),
            ("matching", self.matching, 0.0..=1.0, "0 to 1"),
            ("growth_limit", self.growth_limit, 1.0..=100.0, "1 to 100"),
        ];
        match bounds.into_iter().find(|(_, found, range, _)| !range.contains(found)) {
            Some((key, found, _, expected)) => Err(Error::Config { key, found, expected }),
            None => Ok(()),
        }
    }

    /// The laws of water with these keys.
    pub(crate) fn moisture(&self) -> Moisture {
        Moisture {
            mean_depth_m: self.mean_depth_m,
            column_mass_kg_m2: self.column_mass_kg_m2,
            autoconversion_time_s: self.autoconversion_time_s,
            autoconversion_threshold_kg_kg: self.autoconversion_threshold_kg_kg,
            evaporation_rate_s: self.evaporation_rate_s,
            fallout_time_s: self.fallout_time_s,
            supply_time_s: 60.0 * self.supply_time_min,
            depth_per_water: self.latent_heating / self.saturation_kg_kg,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_lie_within_their_bounds_and_a_key_outside_is_named() {
        ShallowWaterConfig::default().check().unwrap();
        let bad = ShallowWaterConfig {
            courant: f64::NAN,
            ..ShallowWaterConfig::default()
        };
        assert!(matches!(bad.check(), Err(Error::Config { key: "courant", .. })));
        let told = ShallowWaterConfig {
            cell_km: -1.0,
            ..ShallowWaterConfig::default()
        };
        assert_eq!(told.check().unwrap_err().to_string(), "`cell_km` is `-1`, expected 0.1 to 50 km");
    }
}
