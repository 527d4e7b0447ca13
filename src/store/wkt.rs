//! The map projection in well-known text, so that every GIS puts a forecast where it belongs.

use nowblend_field::Projection;

/// Well-known text (ISO 19162:2019) of a projection that is kept as its PROJ definition.
///
/// A method without a name of its own here is handed on as GDAL does it, as the PROJ definition inside an extension node.
pub(super) fn wkt(projection: &Projection) -> String {
    let words = Words::of(projection.definition());
    let Some(datum) = datum(&words) else {
        return extension(projection.definition());
    };
    if projection.is_geographic() {
        return format!("GEOGCRS[\"unknown\",{datum},CS[ellipsoidal,2],AXIS[\"longitude\",east],AXIS[\"latitude\",north],{DEGREE}]");
    }
    let Some(conversion) = conversion(&words) else {
        return extension(projection.definition());
    };
    let map = format!(
        "PROJCRS[\"unknown\",BASEGEOGCRS[\"unknown\",{datum}],{conversion},\
         CS[Cartesian,2],AXIS[\"easting\",east],AXIS[\"northing\",north],LENGTHUNIT[\"metre\",1]]"
    );
    shifted(&words, &map)
}

const DEGREE: &str = "ANGLEUNIT[\"degree\",0.0174532925199433]";

/// The words of a PROJ definition.
pub(super) struct Words<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Words<'a> {
    pub fn of(definition: &'a str) -> Self {
        let word = |w: &'a str| w.trim_start_matches('+').split_once('=').unwrap_or((w.trim_start_matches('+'), ""));
        Self(definition.split_whitespace().map(word).collect())
    }

    pub fn text(&self, key: &str) -> Option<&'a str> {
        self.0.iter().find(|(k, _)| *k == key).map(|(_, value)| *value)
    }

    /// A number; degrees may end in a letter for the hemisphere.
    pub fn number(&self, key: &str) -> Option<f64> {
        let text = self.text(key)?;
        let (digits, sign) = match text.chars().last()? {
            'N' | 'n' | 'E' | 'e' => (&text[..text.len() - 1], 1.0),
            'S' | 's' | 'W' | 'w' => (&text[..text.len() - 1], -1.0),
            _ => (text, 1.0),
        };
        digits.parse::<f64>().ok().map(|v| sign * v)
    }

    fn or(&self, key: &str, default: f64) -> f64 {
        self.number(key).unwrap_or(default)
    }
}

/// Name, semi-major axis [m] and inverse flattening (0 for a sphere) of the ellipsoid, by its name or its axes; `None` where it is not known.
pub(super) fn ellipsoid(words: &Words<'_>) -> Option<(&'static str, f64, f64)> {
    if let Some(radius) = words.number("R") {
        return Some(("unknown", radius, 0.0));
    }
    if let Some(a) = words.number("a") {
        let rf = match (words.number("rf"), words.number("b")) {
            (Some(rf), _) => rf,
            (None, Some(b)) if b < a => a / (a - b),
            _ => 0.0,
        };
        return Some(("unknown", a, rf));
    }
    // The ellipsoids that PROJ knows by name.
    Some(match words.text("ellps").or(words.text("datum")).unwrap_or("WGS84") {
        "WGS84" => ("WGS 84", 6_378_137.0, 298.257_223_563),
        "GRS80" | "NAD83" => ("GRS 1980", 6_378_137.0, 298.257_222_101),
        "WGS72" => ("WGS 72", 6_378_135.0, 298.26),
        "bessel" => ("Bessel 1841", 6_377_397.155, 299.152_812_8),
        "clrk66" | "NAD27" => ("Clarke 1866", 6_378_206.4, 294.978_698_213_898),
        "intl" => ("International 1924", 6_378_388.0, 297.0),
        "airy" => ("Airy 1830", 6_377_563.396, 299.324_964_6),
        "krass" => ("Krassowsky 1940", 6_378_245.0, 298.3),
        "sphere" => ("Sphere", 6_370_997.0, 0.0),
        _ => return None,
    })
}

/// The datum; `None` where its definition says more than an ellipsoid.
fn datum(words: &Words<'_>) -> Option<String> {
    if words.text("pm").is_some() || words.text("nadgrids").is_some_and(|grids| grids != "@null") {
        return None;
    }
    let (label, a, rf) = ellipsoid(words)?;
    let datum = if label == "WGS 84" {
        "World Geodetic System 1984"
    } else {
        "unknown"
    };
    Some(format!(
        "DATUM[\"{datum}\",ELLIPSOID[\"{label}\",{a},{rf},LENGTHUNIT[\"metre\",1]]],PRIMEM[\"Greenwich\",0,{DEGREE}]"
    ))
}

/// The map's method with its parameters.
fn conversion(words: &Words<'_>) -> Option<String> {
    let degrees = |name: &str, value: f64| format!("PARAMETER[\"{name}\",{value},{DEGREE}]");
    let metres = |name: &str, value: f64| format!("PARAMETER[\"{name}\",{value},LENGTHUNIT[\"metre\",1]]");
    let scale = |name: &str, value: f64| format!("PARAMETER[\"{name}\",{value},SCALEUNIT[\"unity\",1]]");
    if words.text("units").is_some_and(|u| u != "m") || words.text("to_meter").is_some() {
        return None;
    }
    let (lat_0, lon_0) = (words.or("lat_0", 0.0), words.or("lon_0", 0.0));
    let (x_0, y_0) = (words.or("x_0", 0.0), words.or("y_0", 0.0));
    let k_0 = words.number("k_0").or(words.number("k")).unwrap_or(1.0);
    let natural = || {
        vec![
            degrees("Latitude of natural origin", lat_0),
            degrees("Longitude of natural origin", lon_0),
        ]
    };
    let falses = || vec![metres("False easting", x_0), metres("False northing", y_0)];
    let false_origin = |first: f64, second: f64| {
        vec![
            degrees("Latitude of false origin", lat_0),
            degrees("Longitude of false origin", lon_0),
            degrees("Latitude of 1st standard parallel", first),
            degrees("Latitude of 2nd standard parallel", second),
            metres("Easting at false origin", x_0),
            metres("Northing at false origin", y_0),
        ]
    };
    let (method, parameters) = match words.text("proj")? {
        "stere" if lat_0.abs() == 90.0 && words.number("lat_ts").is_some() => {
            let mut parameters = vec![
                degrees("Latitude of standard parallel", words.or("lat_ts", lat_0)),
                degrees("Longitude of origin", lon_0),
            ];
            parameters.extend(falses());
            ("Polar Stereographic (variant B)", parameters)
        }
        "stere" => {
            let mut parameters = natural();
            parameters.push(scale("Scale factor at natural origin", k_0));
            parameters.extend(falses());
            let method = if lat_0.abs() == 90.0 {
                "Polar Stereographic (variant A)"
            } else {
                "Stereographic"
            };
            (method, parameters)
        }
        "lcc" => {
            let first = words.or("lat_1", lat_0);
            ("Lambert Conic Conformal (2SP)", false_origin(first, words.or("lat_2", first)))
        }
        "aea" => ("Albers Equal Area", false_origin(words.or("lat_1", 0.0), words.or("lat_2", 0.0))),
        "laea" => ("Lambert Azimuthal Equal Area", [natural(), falses()].concat()),
        "aeqd" => ("Azimuthal Equidistant", [natural(), falses()].concat()),
        "tmerc" => {
            let factor = vec![scale("Scale factor at natural origin", k_0)];
            ("Transverse Mercator", [natural(), factor, falses()].concat())
        }
        "utm" => {
            let (zone, south) = (words.number("zone")?, words.text("south").is_some());
            let parameters = vec![
                degrees("Latitude of natural origin", 0.0),
                degrees("Longitude of natural origin", 6.0 * zone - 183.0),
                scale("Scale factor at natural origin", 0.9996),
                metres("False easting", 500_000.0),
                metres("False northing", if south { 10_000_000.0 } else { 0.0 }),
            ];
            ("Transverse Mercator", parameters)
        }
        "merc" if words.number("lat_ts").is_none() => {
            let factor = vec![scale("Scale factor at natural origin", k_0)];
            ("Mercator (variant A)", [natural(), factor, falses()].concat())
        }
        // The Swiss map is an oblique Mercator whose first line runs due east.
        "somerc" => {
            let parameters = vec![
                degrees("Latitude of projection centre", lat_0),
                degrees("Longitude of projection centre", lon_0),
                degrees("Azimuth of initial line", 90.0),
                degrees("Angle from Rectified to Skew Grid", 90.0),
                scale("Scale factor on initial line", k_0),
                metres("Easting at projection centre", x_0),
                metres("Northing at projection centre", y_0),
            ];
            ("Hotine Oblique Mercator (variant B)", parameters)
        }
        _ => return None,
    };
    Some(format!("CONVERSION[\"unknown\",METHOD[\"{method}\"],{}]", parameters.join(",")))
}

/// The map with the shift of its datum to WGS 84 if the definition has one.
fn shifted(words: &Words<'_>, map: &str) -> String {
    let shift: Option<Vec<f64>> = words
        .text("towgs84")
        .and_then(|text| text.split(',').map(|v| v.parse().ok()).collect());
    let Some(shift) = shift.filter(|s| (s.len() == 3 || s.len() == 7) && s.iter().any(|v| *v != 0.0)) else {
        return map.to_owned();
    };
    let turned = shift.len() == 7 && shift[3..].iter().any(|v| *v != 0.0);
    let mut parameters: Vec<String> = ["X", "Y", "Z"]
        .iter()
        .zip(&shift)
        .map(|(axis, v)| format!("PARAMETER[\"{axis}-axis translation\",{v},LENGTHUNIT[\"metre\",1]]"))
        .collect();
    if turned {
        parameters.extend(
            ["X", "Y", "Z"]
                .iter()
                .zip(&shift[3..])
                .map(|(axis, v)| format!("PARAMETER[\"{axis}-axis rotation\",{v},ANGLEUNIT[\"arc-second\",4.84813681109536E-06]]")),
        );
        parameters.push(format!(
            "PARAMETER[\"Scale difference\",{},SCALEUNIT[\"parts per million\",1E-06]]",
            shift[6]
        ));
    }
    let method = if turned {
        "METHOD[\"Position Vector transformation (geog2D domain)\",ID[\"EPSG\",9606]]"
    } else {
        "METHOD[\"Geocentric translations (geog2D domain)\",ID[\"EPSG\",9603]]"
    };
    format!(
        "BOUNDCRS[SOURCECRS[{map}],TARGETCRS[GEOGCRS[\"WGS 84\",\
         DATUM[\"World Geodetic System 1984\",ELLIPSOID[\"WGS 84\",6378137,298.257223563,LENGTHUNIT[\"metre\",1]]],\
         PRIMEM[\"Greenwich\",0,{DEGREE}],CS[ellipsoidal,2],AXIS[\"latitude\",north],AXIS[\"longitude\",east],{DEGREE}]],\
         ABRIDGEDTRANSFORMATION[\"to WGS 84\",{method},{}]]",
        parameters.join(",")
    )
}

/// A map that only PROJ has words for.
fn extension(definition: &str) -> String {
    format!(
        "PROJCS[\"unknown\",GEOGCS[\"unknown\",DATUM[\"WGS_1984\",SPHEROID[\"WGS 84\",6378137,298.257223563]],\
         PRIMEM[\"Greenwich\",0],UNIT[\"degree\",0.0174532925199433]],PROJECTION[\"custom_proj4\"],\
         UNIT[\"metre\",1],EXTENSION[\"PROJ4\",\"{definition}\"]]"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(definition: &str) -> String {
        wkt(&Projection::parse(definition).unwrap())
    }

    #[test]
    fn the_swiss_map_keeps_its_oblique_axis_and_its_datum_shift() {
        let text = of(
            "+proj=somerc +lon_0=7.43958333333333 +lat_0=46.9524055555556 +k_0=1 +x_0=600000 +y_0=200000 \
                       +ellps=bessel +towgs84=674.374,15.056,405.346,0,0,0,0 +units=m +no_defs",
        );
        assert!(text.starts_with("BOUNDCRS[SOURCECRS[PROJCRS["));
        for part in [
            "METHOD[\"Hotine Oblique Mercator (variant B)\"]",
            "PARAMETER[\"Longitude of projection centre\",7.43958333333333,",
            "ELLIPSOID[\"Bessel 1841\",6377397.155,299.1528128,",
            "PARAMETER[\"X-axis translation\",674.374,",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert_eq!(text.matches('[').count(), text.matches(']').count());
    }

    #[test]
    fn hemispheres_and_spheres_are_read() {
        let text = of("+proj=stere +lon_0=25E +lat_0=90N +lat_ts=60 +a=6371288 +x_0=380886.310 +y_0=3395677.920 +no_defs");
        assert!(
            text.contains("Polar Stereographic (variant B)") && text.contains("ELLIPSOID[\"unknown\",6371288,0,"),
            "{text}"
        );
        assert!(text.contains("PARAMETER[\"Longitude of origin\",25,"), "{text}");
        assert!(of("+proj=longlat +datum=WGS84 +no_defs").starts_with("GEOGCRS["));
    }

    #[test]
    fn a_map_without_a_name_of_its_own_is_handed_on_whole() {
        let text = of("+proj=moll +lon_0=10 +datum=WGS84");
        assert!(
            text.contains("EXTENSION[\"PROJ4\",\"+proj=moll +lon_0=10 +datum=WGS84\"]"),
            "{text}"
        );
    }
}
