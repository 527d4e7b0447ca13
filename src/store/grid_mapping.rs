//! The map projection in the words of CF, for readers that know no well-known text.

use nowblend_field::Projection;

use super::wkt::{Words, ellipsoid};

/// Name and numbers of a grid mapping. `crs_wkt` stands beside them and says what they cannot: the datum, and the Swiss map's own Mercator.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct GridMapping {
    /// `grid_mapping_name`.
    pub name: &'static str,
    /// Attributes and their values, degrees and m.
    pub parameters: Vec<(&'static str, Vec<f64>)>,
}

impl GridMapping {
    /// The mapping of a projection; `None` where CF has no name for it.
    ///
    /// # Source
    ///
    /// CF 1.11, appendix F.
    pub fn of(projection: &Projection) -> Option<Self> {
        let words = Words::of(projection.definition());
        let (_, axis, flattening) = ellipsoid(&words)?;
        let number = |key, default| words.number(key).unwrap_or(default);
        let (lat_0, lon_0) = (number("lat_0", 0.0), number("lon_0", 0.0));
        let scale = words.number("k_0").or(words.number("k")).unwrap_or(1.0);
        let origin = || {
            vec![
                ("latitude_of_projection_origin", vec![lat_0]),
                ("longitude_of_projection_origin", vec![lon_0]),
            ]
        };
        let meridian = || {
            vec![
                ("latitude_of_projection_origin", vec![lat_0]),
                ("longitude_of_central_meridian", vec![lon_0]),
            ]
        };
        let with = |mut parameters: Vec<(&'static str, Vec<f64>)>, name, value| {
            parameters.push((name, value));
            parameters
        };
        let (name, mut parameters) = if projection.is_geographic() {
            ("latitude_longitude", Vec::new())
        } else {
            match words.text("proj")? {
                "stere" if lat_0.abs() == 90.0 => {
                    let pole = vec![
                        ("latitude_of_projection_origin", vec![lat_0]),
                        ("straight_vertical_longitude_from_pole", vec![lon_0]),
                    ];
                    let parameters = match words.number("lat_ts") {
                        Some(parallel) => with(pole, "standard_parallel", vec![parallel]),
                        None => with(pole, "scale_factor_at_projection_origin", vec![scale]),
                    };
                    ("polar_stereographic", parameters)
                }
                "stere" => ("stereographic", with(origin(), "scale_factor_at_projection_origin", vec![scale])),
                "lcc" => {
                    let first = number("lat_1", lat_0);
                    let parallels = vec![first, number("lat_2", first)];
                    ("lambert_conformal_conic", with(meridian(), "standard_parallel", parallels))
                }
                "aea" => {
                    let parallels = vec![number("lat_1", 0.0), number("lat_2", 0.0)];
                    ("albers_conical_equal_area", with(meridian(), "standard_parallel", parallels))
                }
                "laea" => ("lambert_azimuthal_equal_area", origin()),
                "aeqd" => ("azimuthal_equidistant", origin()),
                "tmerc" => (
                    "transverse_mercator",
                    with(meridian(), "scale_factor_at_central_meridian", vec![scale]),
                ),
                "merc" if words.number("lat_ts").is_none() => {
                    let parameters = vec![
                        ("longitude_of_projection_origin", vec![lon_0]),
                        ("scale_factor_at_projection_origin", vec![scale]),
                    ];
                    ("mercator", parameters)
                }
                "somerc" => {
                    let mut parameters = with(origin(), "scale_factor_at_projection_origin", vec![scale]);
                    parameters.push(("azimuth_of_central_line", vec![90.0]));
                    // Some readers look for the azimuth under this name.
                    parameters.push(("azimuth", vec![90.0]));
                    ("oblique_mercator", parameters)
                }
                _ => return None,
            }
        };
        if !projection.is_geographic() {
            parameters.push(("false_easting", vec![number("x_0", 0.0)]));
            parameters.push(("false_northing", vec![number("y_0", 0.0)]));
        }
        if flattening == 0.0 {
            parameters.push(("earth_radius", vec![axis]));
        } else {
            parameters.push(("semi_major_axis", vec![axis]));
            parameters.push(("inverse_flattening", vec![flattening]));
        }
        Some(Self { name, parameters })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(definition: &str) -> Option<GridMapping> {
        GridMapping::of(&Projection::parse(definition).unwrap())
    }

    #[test]
    fn a_polar_map_on_a_sphere_names_its_meridian_and_radius() {
        let mapping = of("+proj=stere +lat_0=90 +lat_ts=60 +lon_0=10 +a=6370040 +b=6370040 +units=m +no_defs").unwrap();
        assert_eq!(mapping.name, "polar_stereographic");
        let value = |name| mapping.parameters.iter().find(|(n, _)| *n == name).map(|(_, v)| v[0]);
        assert_eq!(value("straight_vertical_longitude_from_pole"), Some(10.0));
        assert_eq!(value("standard_parallel"), Some(60.0));
        assert_eq!(value("earth_radius"), Some(6_370_040.0));
    }

    #[test]
    fn degrees_need_no_map_and_what_cf_cannot_name_has_none() {
        let degrees = of("+proj=longlat +datum=WGS84 +no_defs").unwrap();
        assert_eq!((degrees.name, degrees.parameters.len()), ("latitude_longitude", 2));
        assert!(of("+proj=moll +lon_0=10 +datum=WGS84").is_none());
    }
}
