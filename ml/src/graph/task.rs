//! What a network is told and asked: variables, levels, how far it looks back, and in which order all of it lies in its weights.

use std::collections::BTreeSet;

use super::network::GraphConfig;

/// Variables that lie on pressure levels in the published data; all others lie at the surface or on none.
const ON_LEVELS: [&str; 16] = [
    "potential_vorticity",
    "specific_rain_water_content",
    "specific_snow_water_content",
    "geopotential",
    "temperature",
    "u_component_of_wind",
    "v_component_of_wind",
    "specific_humidity",
    "vertical_velocity",
    "vorticity",
    "divergence",
    "relative_humidity",
    "ozone_mass_mixing_ratio",
    "specific_cloud_liquid_water_content",
    "specific_cloud_ice_water_content",
    "fraction_of_cloud_cover",
];

/// The architecture of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// Spacing of the grid that it was trained on, degrees.
    pub resolution: f64,
    /// Finest level of the mesh.
    pub mesh_size: usize,
    /// Numbers that it holds of a node or an edge.
    pub latent_size: usize,
    /// Steps of passing messages within the mesh.
    pub message_steps: usize,
    /// Hidden layers of each MLP.
    pub hidden_layers: usize,
    /// How far a grid point is heard, in lengths of the longest edge of the finest mesh.
    pub radius: f64,
    /// Length by which edges from mesh to grid are told; the longest of them if not given.
    pub longest_out: Option<f64>,
}

/// What a network is told and asked.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskConfig {
    /// Variables that it is told.
    pub inputs: Vec<String>,
    /// Variables that it is asked for.
    pub targets: Vec<String>,
    /// Variables that it is told of the time it is asked for.
    pub forcings: Vec<String>,
    /// Pressure levels, hPa.
    pub levels_hpa: Vec<f64>,
    /// How far it looks back, in the words of the published configuration (`12h`).
    pub input_duration: String,
}

/// One variable on one level, or at the surface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its variable.
    pub variable: String,
    /// Number of its level.
    pub level: usize,
    /// How many levels its variable has.
    pub levels: usize,
    /// Whether those are pressure levels.
    pub on_levels: bool,
}

/// The channels of a task, in the order in which they are computed, and where each lies in published weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Channels {
    /// States that are looked at.
    pub frames: usize,
    /// Told of each state and asked for: the network tells their change.
    pub carried: Vec<Channel>,
    /// Asked for and not told: the network tells them as they are.
    pub asked: Vec<Channel>,
    /// Told of each state and computed.
    pub forced: Vec<Channel>,
    /// Told once.
    pub constant: Vec<Channel>,
    /// Computed for the time that is asked for.
    pub coming: Vec<Channel>,
}

impl ModelConfig {
    /// The graph that it runs on.
    pub fn graph(&self) -> GraphConfig {
        GraphConfig {
            mesh_size: self.mesh_size,
            radius: self.radius as f32,
            longest_out: self.longest_out,
        }
    }
}

impl TaskConfig {
    /// The task of the paper on given levels.
    pub fn published(levels_hpa: &[f64]) -> Self {
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let targets = names(&[
            "2m_temperature",
            "mean_sea_level_pressure",
            "10m_v_component_of_wind",
            "10m_u_component_of_wind",
            "total_precipitation_6hr",
            "temperature",
            "geopotential",
            "u_component_of_wind",
            "v_component_of_wind",
            "vertical_velocity",
            "specific_humidity",
        ]);
        let forcings = names(&[
            "toa_incident_solar_radiation",
            "year_progress_sin",
            "year_progress_cos",
            "day_progress_sin",
            "day_progress_cos",
        ]);
        let constants = names(&["geopotential_at_surface", "land_sea_mask"]);
        Self {
            inputs: [targets.clone(), forcings.clone(), constants].concat(),
            targets,
            forcings,
            levels_hpa: levels_hpa.to_vec(),
            input_duration: "12h".into(),
        }
    }

    /// How far it looks back, s, if the words have a meaning.
    pub fn input_duration_s(&self) -> Option<u32> {
        let words = self.input_duration.trim();
        let digits = words.find(|c: char| !c.is_ascii_digit()).unwrap_or(words.len());
        let count: u32 = words[..digits].parse().ok()?;
        let unit = match words[digits..].trim() {
            "h" | "H" | "hr" | "hour" | "hours" => 3600,
            "d" | "D" | "day" | "days" => 86_400,
            "min" | "m" | "minute" | "minutes" => 60,
            _ => return None,
        };
        count.checked_mul(unit).filter(|s| *s > 0)
    }

    /// Channels of the task when it looks at `frames` states.
    pub fn channels(&self, frames: usize) -> Channels {
        let sorted = |names: &[String]| names.iter().cloned().collect::<BTreeSet<_>>();
        let (inputs, targets, forcings) = (sorted(&self.inputs), sorted(&self.targets), sorted(&self.forcings));
        let of = |names: &mut dyn Iterator<Item = &String>| names.flat_map(|n| self.levels(n)).collect::<Vec<_>>();
        Channels {
            frames,
            carried: of(&mut inputs.intersection(&targets)),
            asked: of(&mut targets.difference(&inputs)),
            forced: of(&mut inputs.intersection(&forcings)),
            constant: of(&mut inputs.iter().filter(|n| !targets.contains(*n) && !forcings.contains(*n))),
            coming: of(&mut forcings.iter()),
        }
    }

    fn levels(&self, variable: &str) -> impl Iterator<Item = Channel> {
        let on_levels = ON_LEVELS.contains(&variable);
        let levels = if on_levels { self.levels_hpa.len() } else { 1 };
        let variable = variable.to_owned();
        (0..levels).map(move |level| Channel {
            variable: variable.clone(),
            level,
            levels,
            on_levels,
        })
    }
}

impl Channels {
    /// Numbers that the network is told of a grid point besides its place.
    pub fn told(&self) -> usize {
        self.frames * (self.carried.len() + self.forced.len()) + self.constant.len() + self.coming.len()
    }

    /// Numbers that it tells.
    pub fn answered(&self) -> usize {
        self.carried.len() + self.asked.len()
    }

    /// For each part of the input, the rows of published weights that belong to its channels: the carried channels of each state, then everything
    /// that is given (forced channels of each state, constants, what is coming).
    ///
    /// Published inputs are ordered by variable, then state, then level; what is coming follows behind.
    pub fn published_inputs(&self) -> Vec<Vec<usize>> {
        let mut parts = vec![Vec::new(); self.frames + 1];
        let mut given: Vec<Vec<usize>> = vec![Vec::new(); self.frames + 2];
        let mut row = 0;
        let mut variables: Vec<(&Channel, Kind)> = Vec::new();
        for (channels, kind) in [
            (&self.carried, Kind::Carried),
            (&self.forced, Kind::Forced),
            (&self.constant, Kind::Constant),
        ] {
            variables.extend(channels.iter().filter(|c| c.level == 0).map(|c| (c, kind)));
        }
        variables.sort_by(|a, b| a.0.variable.cmp(&b.0.variable));
        for (variable, kind) in variables {
            let frames = if kind == Kind::Constant { 1 } else { self.frames };
            for frame in 0..frames {
                let place = match kind {
                    Kind::Carried => &mut parts[frame],
                    Kind::Forced => &mut given[frame],
                    Kind::Constant => &mut given[self.frames],
                };
                place.extend(row..row + variable.levels);
                row += variable.levels;
            }
        }
        given[self.frames + 1].extend(row..row + self.coming.len());
        parts[self.frames] = given.concat();
        parts
    }

    /// The columns of published weights that belong to the channels of the output: carried ones, then those that are only asked for.
    pub fn published_outputs(&self) -> Vec<usize> {
        let mut published: Vec<(&Channel, usize)> = self.carried.iter().chain(&self.asked).zip(0..).collect();
        published.sort_by(|a, b| (&a.0.variable, a.0.level).cmp(&(&b.0.variable, b.0.level)));
        let mut columns = vec![0; published.len()];
        for (column, (_, own)) in published.into_iter().enumerate() {
            columns[own] = column;
        }
        columns
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Carried,
    Forced,
    Constant,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_task_has_474_inputs_of_which_three_are_the_place_and_227_outputs() {
        let levels: Vec<f64> = (1..=37).map(f64::from).collect();
        let channels = TaskConfig::published(&levels).channels(2);
        assert_eq!((channels.told() + 3, channels.answered()), (474, 227));
        let mut rows = channels.published_inputs().concat();
        rows.sort_unstable();
        assert!(rows.into_iter().eq(0..471), "each row has one channel");
    }

    #[test]
    fn channels_lie_by_variable_then_time_then_level() {
        let names = |n: &[&str]| n.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let task = TaskConfig {
            inputs: names(&["temperature", "mask", "day", "2t"]),
            targets: names(&["temperature", "rain", "2t"]),
            forcings: names(&["day"]),
            levels_hpa: vec![500.0, 850.0],
            input_duration: "12h".into(),
        };
        let channels = task.channels(2);
        // Published: 2t (0, 1), day (2, 3), mask 4, temperature (5 6, 7 8), then the coming day 9.
        assert_eq!(channels.published_inputs(), [vec![0, 5, 6], vec![1, 7, 8], vec![2, 3, 4, 9]]);
        // Published: 2t, rain, temperature; computed: 2t, temperature, then rain, which is only asked for.
        assert_eq!(channels.published_outputs(), [0, 2, 3, 1]);
        assert_eq!(task.input_duration_s(), Some(43_200));
    }
}
