//! Grid mappings of CF files as PROJ definitions.

use netcdf_reader::{NcFile, NcVariable};

/// The PROJ definition of a grid mapping: its attribute `proj4`, or its CF attributes; `None` where neither says enough.
pub(in crate::ingest) fn definition(file: &NcFile, mapping: &str) -> Option<String> {
    let mapping = file.variable(mapping).ok()?;
    let text = |name: &str| mapping.attribute(name).and_then(|a| a.value.as_string());
    if let Some(given) = text("proj4").or_else(|| text("proj4_params")) {
        return Some(given);
    }
    let numbers = |name: &str| mapping.attribute(name).and_then(|a| a.value.as_f64_vec()).filter(|v| !v.is_empty());
    let number = |name: &str| numbers(name).map(|v| v[0]);
    let parallels = numbers("standard_parallel").unwrap_or_default();
    let parallel = |k: usize| parallels.get(k).or(parallels.first()).copied();
    let origin = number("latitude_of_projection_origin");
    let central = number("longitude_of_central_meridian")
        .or_else(|| number("longitude_of_projection_origin"))
        .or_else(|| number("straight_vertical_longitude_from_pole"));
    let kind = match text("grid_mapping_name")?.as_str() {
        "latitude_longitude" => return Some("+proj=longlat +datum=WGS84 +no_defs".into()),
        "albers_conical_equal_area" => format!("+proj=aea +lat_1={} +lat_2={} +lat_0={}", parallel(0)?, parallel(1)?, origin?),
        "lambert_conformal_conic" => format!("+proj=lcc +lat_1={} +lat_2={} +lat_0={}", parallel(0)?, parallel(1)?, origin?),
        "lambert_azimuthal_equal_area" => format!("+proj=laea +lat_0={}", origin?),
        "azimuthal_equidistant" => format!("+proj=aeqd +lat_0={}", origin?),
        "polar_stereographic" => {
            let true_latitude = parallel(0).map_or_else(String::new, |p| format!(" +lat_ts={p}"));
            let factor = number("scale_factor_at_projection_origin").map_or_else(String::new, |k| format!(" +k_0={k}"));
            format!("+proj=stere +lat_0={}{true_latitude}{factor}", origin?)
        }
        "transverse_mercator" => format!(
            "+proj=tmerc +lat_0={} +k_0={}",
            origin?,
            number("scale_factor_at_central_meridian").unwrap_or(1.0)
        ),
        _ => return None,
    };
    let offset = |name: &str| number(name).unwrap_or(0.0);
    Some(format!(
        "{kind} +lon_0={} +x_0={} +y_0={} {} +units=m +no_defs",
        central?,
        offset("false_easting"),
        offset("false_northing"),
        earth(mapping)
    ))
}

fn earth(mapping: &NcVariable) -> String {
    let number = |name: &str| mapping.attribute(name).and_then(|a| a.value.as_f64());
    let (a, b) = (number("semi_major_axis"), number("semi_minor_axis"));
    match (a, b, number("inverse_flattening"), number("earth_radius")) {
        (Some(a), Some(b), ..) => format!("+a={a} +b={b}"),
        (Some(a), None, Some(f), _) if f > 0.0 => format!("+a={a} +rf={f}"),
        (Some(r), ..) | (None, _, _, Some(r)) => format!("+R={r}"),
        _ => "+ellps=WGS84".into(),
    }
}
