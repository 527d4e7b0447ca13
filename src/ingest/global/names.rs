//! How files call the fields of the public reanalysis data, and in which units they hold them.

use crate::store::GLOBAL_VARIABLES;

/// Standard gravity, m s⁻²: turns geopotential metres into geopotential (WMO, International Meteorological Tables).
const GRAVITY: f64 = 9.806_65;

/// Short names of NetCDF files: (name, public name on levels, public name at the surface).
const SHORT: [(&str, Option<&str>, Option<&str>); 25] = [
    ("t2m", None, Some("2m_temperature")),
    ("2t", None, Some("2m_temperature")),
    ("msl", None, Some("mean_sea_level_pressure")),
    ("prmsl", None, Some("mean_sea_level_pressure")),
    ("u10", None, Some("10m_u_component_of_wind")),
    ("10u", None, Some("10m_u_component_of_wind")),
    ("v10", None, Some("10m_v_component_of_wind")),
    ("10v", None, Some("10m_v_component_of_wind")),
    ("tp", None, Some("total_precipitation_6hr")),
    ("tp6", None, Some("total_precipitation_6hr")),
    ("tp06", None, Some("total_precipitation_6hr")),
    ("t", Some("temperature"), None),
    ("z", Some("geopotential"), Some("geopotential_at_surface")),
    ("gh", Some("geopotential"), None),
    ("orog", None, Some("geopotential_at_surface")),
    ("u", Some("u_component_of_wind"), None),
    ("v", Some("v_component_of_wind"), None),
    ("w", Some("vertical_velocity"), None),
    ("q", Some("specific_humidity"), None),
    ("r", Some("relative_humidity"), None),
    ("lsm", None, Some("land_sea_mask")),
    ("tisr", None, Some("toa_incident_solar_radiation")),
    ("orography", None, Some("geopotential_at_surface")),
    ("geopotential", Some("geopotential"), Some("geopotential_at_surface")),
    ("temperature", Some("temperature"), None),
];

/// The public name of a variable of a NetCDF file. A variable that is wanted under its own name is that one.
pub fn public<'a>(name: &'a str, on_levels: bool, wanted: &[(String, bool)]) -> Option<&'a str> {
    if wanted.iter().any(|(w, levels)| w == name && *levels == on_levels) {
        return Some(name);
    }
    let (_, levels, surface) = SHORT.iter().find(|(short, ..)| short.eq_ignore_ascii_case(name))?;
    if on_levels { *levels } else { *surface }
}

/// What a GRIB2 field is: public name, factor to its unit, and pressure, hPa, where it lies on a level of it.
///
/// `parameter` is discipline, category and number (code tables 0.0, 4.1, 4.2); `level` the type of the level (4.5) and its value; `accumulated_s` how long
/// it was accumulated.
pub fn grib2(parameter: (u8, u8, u8), level: (u8, Option<f64>), accumulated_s: Option<i64>) -> Option<(&'static str, f64, Option<f64>)> {
    let at = |height: f64| level.0 == 103 && level.1 == Some(height);
    let surface = |name, factor| Some((name, factor, None));
    if level.0 == 100 {
        let (name, factor) = match parameter {
            (0, 0, 0) => ("temperature", 1.0),
            (0, 1, 0) => ("specific_humidity", 1.0),
            (0, 1, 1) => ("relative_humidity", 1.0),
            (0, 2, 2) => ("u_component_of_wind", 1.0),
            (0, 2, 3) => ("v_component_of_wind", 1.0),
            (0, 2, 8) => ("vertical_velocity", 1.0),
            (0, 3, 4) => ("geopotential", 1.0),
            (0, 3, 5) => ("geopotential", GRAVITY),
            _ => return None,
        };
        return Some((name, factor, Some(level.1? / 100.0)));
    }
    match parameter {
        (0, 0, 0) if at(2.0) => surface("2m_temperature", 1.0),
        (0, 2, 2) if at(10.0) => surface("10m_u_component_of_wind", 1.0),
        (0, 2, 3) if at(10.0) => surface("10m_v_component_of_wind", 1.0),
        (0, 3, 0 | 1) if level.0 == 101 => surface("mean_sea_level_pressure", 1.0),
        (0, 3, 4) if level.0 == 1 => surface("geopotential_at_surface", 1.0),
        (0, 3, 5) if level.0 == 1 => surface("geopotential_at_surface", GRAVITY),
        (2, 0, 0) if level.0 == 1 => surface("land_sea_mask", 1.0),
        // kg m⁻² are millimetres; the number of ECMWF's own table counts metres.
        (0, 1, 8) if accumulated_s == Some(21_600) => surface("total_precipitation_6hr", 1e-3),
        (0, 1, 193) if accumulated_s == Some(21_600) => surface("total_precipitation_6hr", 1.0),
        _ => None,
    }
}

/// How numbers in `units` become those of the public data: factor and offset; nothing where the units have no meaning for the variable.
pub fn conversion(name: &str, units: Option<&str>) -> Option<(f64, f64)> {
    let own = GLOBAL_VARIABLES.iter().find(|v| v.name == name).map(|v| v.units);
    let (Some(own), Some(units)) = (own, units) else {
        // Nobody says otherwise.
        return Some((1.0, 0.0));
    };
    let plain: String = units.chars().filter(|c| !matches!(c, ' ' | '*' | '^' | '.')).collect();
    let same: String = own.chars().filter(|c| *c != ' ').collect();
    if plain == same {
        return Some((1.0, 0.0));
    }
    match (own, plain.as_str()) {
        ("K", "degC" | "celsius" | "Celsius" | "C" | "°C") => Some((1.0, 273.15)),
        ("Pa", "hPa" | "mbar" | "mb") => Some((100.0, 0.0)),
        ("m s-1", "m/s" | "meters/second") => Some((1.0, 0.0)),
        ("Pa s-1", "Pa/s") => Some((1.0, 0.0)),
        ("Pa s-1", "hPas-1" | "hPa/s") => Some((100.0, 0.0)),
        ("m2 s-2", "m2/s2" | "J/kg" | "Jkg-1") => Some((1.0, 0.0)),
        ("m2 s-2", "m" | "gpm" | "metres" | "meters") => Some((GRAVITY, 0.0)),
        ("kg kg-1", "kg/kg" | "1") => Some((1.0, 0.0)),
        ("kg kg-1", "g/kg" | "gkg-1") => Some((1e-3, 0.0)),
        ("m", "mm" | "kgm-2" | "kg/m2") => Some((1e-3, 0.0)),
        ("m", "metres" | "meters" | "mofwaterequivalent") => Some((1.0, 0.0)),
        ("1", "%") => Some((1e-2, 0.0)),
        ("1", "(0-1)" | "0-1" | "fraction" | "Proportion" | "") => Some((1.0, 0.0)),
        ("J m-2", "J/m2") => Some((1.0, 0.0)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_known_by_their_codes_and_names_in_any_usual_unit() {
        assert_eq!(
            grib2((0, 3, 5), (100, Some(50_000.0)), None),
            Some(("geopotential", GRAVITY, Some(500.0)))
        );
        assert_eq!(grib2((0, 0, 0), (103, Some(2.0)), None), Some(("2m_temperature", 1.0, None)));
        assert_eq!(grib2((0, 1, 8), (1, None), Some(3600)), None, "an hour is not six");
        let wanted = [("geopotential".to_owned(), true), ("my_own".to_owned(), false)];
        assert_eq!(public("z", true, &wanted), Some("geopotential"));
        assert_eq!(public("z", false, &wanted), Some("geopotential_at_surface"));
        assert_eq!(public("my_own", false, &wanted), Some("my_own"));
        assert_eq!(public("my_own", true, &wanted), None);
        assert_eq!(conversion("2m_temperature", Some("degC")), Some((1.0, 273.15)));
        assert_eq!(
            conversion("geopotential", Some("m**2 s**-2")),
            conversion("geopotential", Some("m2 s-2"))
        );
        assert_eq!(conversion("mean_sea_level_pressure", Some("furlongs")), None);
        assert_eq!(conversion("my_own", Some("furlongs")), Some((1.0, 0.0)));
    }
}
