//! Coordinate systems of GeoKeys as PROJ definitions.
//!
//! # Source
//!
//! Open Geospatial Consortium, 2019: OGC GeoTIFF Standard 1.1 (19-008r4); EPSG Geodetic Parameter Dataset for the systems that are named by a code.

use geotiff_reader::geokeys::GeoKeyDirectory;

// Keys.
const MODEL: u16 = 1024;
const GEODETIC: u16 = 2048;
const ELLIPSOID: u16 = 2056;
const SEMI_MAJOR: u16 = 2057;
const SEMI_MINOR: u16 = 2058;
const INVERSE_FLATTENING: u16 = 2059;
const PROJECTED: u16 = 3072;
const CONVERSION: u16 = 3074;
const METHOD: u16 = 3075;
const LINEAR_UNIT: u16 = 3076;
const PARALLEL_1: u16 = 3078;
const PARALLEL_2: u16 = 3079;
const SCALE: [u16; 2] = [3092, 3093];
/// Of natural origin, false origin, centre; straight vertical meridian.
const LONGITUDE: [u16; 4] = [3080, 3084, 3088, 3095];
const LATITUDE: [u16; 3] = [3081, 3085, 3089];
const EASTING: [u16; 3] = [3082, 3086, 3090];
const NORTHING: [u16; 3] = [3083, 3087, 3091];

/// "The user says it key by key."
const USER_DEFINED: u16 = 32_767;
const METRE: u16 = 9001;

/// The PROJ definition; on failure which key was refused and what it holds.
pub(super) fn definition(keys: &GeoKeyDirectory) -> Result<String, (&'static str, String)> {
    let code = |key: u16| keys.get_short(key).filter(|c| *c != 0);
    match code(MODEL) {
        Some(2) => return geographic(keys),
        Some(1) => {}
        other => return Err(("GTModelType", format!("{other:?}"))),
    }
    if let Some(unit) = code(LINEAR_UNIT).filter(|u| *u != METRE) {
        return Err(("ProjLinearUnits", format!("{unit}")));
    }
    match code(PROJECTED) {
        Some(epsg) if epsg != USER_DEFINED => of_epsg(epsg).ok_or_else(|| ("ProjectedCRS", format!("EPSG:{epsg}"))),
        _ => user_defined(keys),
    }
}

fn geographic(keys: &GeoKeyDirectory) -> Result<String, (&'static str, String)> {
    match keys.get_short(GEODETIC) {
        // WGS 84, ETRS89 and NAD83 differ by less than a metre or two: no cell of a radar is that small.
        Some(4326 | 4258 | 4269) => Ok("+proj=longlat +datum=WGS84 +no_defs".into()),
        other => Err(("GeodeticCRS", format!("{other:?}"))),
    }
}

/// Projected systems by their EPSG code.
fn of_epsg(code: u16) -> Option<String> {
    const GRS80: &str = "+ellps=GRS80 +units=m +no_defs";
    let swiss = "+towgs84=674.374,15.056,405.346,0,0,0,0 +units=m +no_defs";
    Some(match code {
        32601..=32660 => format!("+proj=utm +zone={} +datum=WGS84 +units=m +no_defs", code - 32_600),
        32701..=32760 => format!("+proj=utm +zone={} +south +datum=WGS84 +units=m +no_defs", code - 32_700),
        25828..=25838 => format!("+proj=utm +zone={} {GRS80}", code - 25_800),
        26901..=26923 => format!("+proj=utm +zone={} {GRS80}", code - 26_900),
        // ETRS-TM35FIN, SWEREF99 TM.
        3067 => format!("+proj=utm +zone=35 {GRS80}"),
        3006 => format!("+proj=utm +zone=33 {GRS80}"),
        // ETRS89-extended LAEA and LCC Europe.
        3035 => format!("+proj=laea +lat_0=52 +lon_0=10 +x_0=4321000 +y_0=3210000 {GRS80}"),
        3034 => format!("+proj=lcc +lat_0=52 +lon_0=10 +lat_1=35 +lat_2=65 +x_0=4000000 +y_0=2800000 {GRS80}"),
        // RGF93 Lambert-93.
        2154 => format!("+proj=lcc +lat_0=46.5 +lon_0=3 +lat_1=49 +lat_2=44 +x_0=700000 +y_0=6600000 {GRS80}"),
        // Conus Albers; Australian Albers.
        5070 => format!("+proj=aea +lat_0=23 +lon_0=-96 +lat_1=29.5 +lat_2=45.5 +x_0=0 +y_0=0 {GRS80}"),
        3577 => format!("+proj=aea +lat_0=0 +lon_0=132 +lat_1=-18 +lat_2=-36 +x_0=0 +y_0=0 {GRS80}"),
        // CH1903 LV03 and CH1903+ LV95.
        21781 => {
            format!("+proj=somerc +lat_0=46.9524055555556 +lon_0=7.43958333333333 +k_0=1 +x_0=600000 +y_0=200000 +ellps=bessel {swiss}")
        }
        2056 => {
            format!("+proj=somerc +lat_0=46.9524055555556 +lon_0=7.43958333333333 +k_0=1 +x_0=2600000 +y_0=1200000 +ellps=bessel {swiss}")
        }
        // Web Mercator; NSIDC and antarctic polar stereographic.
        3857 => "+proj=merc +a=6378137 +b=6378137 +lat_ts=0 +lon_0=0 +x_0=0 +y_0=0 +k=1 +units=m +no_defs".into(),
        3413 => "+proj=stere +lat_0=90 +lat_ts=70 +lon_0=-45 +x_0=0 +y_0=0 +datum=WGS84 +units=m +no_defs".into(),
        3031 => "+proj=stere +lat_0=-90 +lat_ts=-71 +lon_0=0 +x_0=0 +y_0=0 +datum=WGS84 +units=m +no_defs".into(),
        _ => return None,
    })
}

fn user_defined(keys: &GeoKeyDirectory) -> Result<String, (&'static str, String)> {
    // Zones of UTM have a code of their own, north and south.
    match keys.get_short(CONVERSION) {
        Some(code @ 16_001..=16_060) => return Ok(format!("+proj=utm +zone={} {} +units=m +no_defs", code - 16_000, earth(keys)?)),
        Some(code @ 16_101..=16_160) => {
            return Ok(format!(
                "+proj=utm +zone={} +south {} +units=m +no_defs",
                code - 16_100,
                earth(keys)?
            ));
        }
        _ => {}
    }
    let number = |key: u16| keys.get_double(key).and_then(|v| v.first().copied()).filter(|v| v.is_finite());
    let first = |among: &[u16], default: f64| among.iter().find_map(|k| number(*k)).unwrap_or(default);
    let (longitude, latitude) = (first(&LONGITUDE, 0.0), first(&LATITUDE, 0.0));
    let scale = first(&SCALE, 1.0);
    let parallel = |key: u16| number(key);
    let method = keys.get_short(METHOD);
    let kind = match method {
        Some(1) => format!("+proj=tmerc +lat_0={latitude} +lon_0={longitude} +k_0={scale}"),
        Some(8) => {
            let one = parallel(PARALLEL_1).unwrap_or(latitude);
            let two = parallel(PARALLEL_2).unwrap_or(one);
            format!("+proj=lcc +lat_0={latitude} +lon_0={longitude} +lat_1={one} +lat_2={two}")
        }
        Some(9) => format!("+proj=lcc +lat_0={latitude} +lon_0={longitude} +lat_1={latitude} +k_0={scale}"),
        Some(10) => format!("+proj=laea +lat_0={latitude} +lon_0={longitude}"),
        Some(11) => {
            let (one, two) = (parallel(PARALLEL_1), parallel(PARALLEL_2));
            let (one, two) = one.zip(two).ok_or(("ProjStdParallel", "nothing".to_owned()))?;
            format!("+proj=aea +lat_0={latitude} +lon_0={longitude} +lat_1={one} +lat_2={two}")
        }
        // The latitude of origin is the one of true scale, its sign tells the pole; some writers name the pole itself and give a scale.
        Some(15) if latitude.abs() == 90.0 => match parallel(PARALLEL_1) {
            Some(true_latitude) => format!("+proj=stere +lat_0={latitude} +lon_0={longitude} +lat_ts={true_latitude}"),
            None => format!("+proj=stere +lat_0={latitude} +lon_0={longitude} +k_0={scale}"),
        },
        Some(15) => format!(
            "+proj=stere +lat_0={} +lon_0={longitude} +lat_ts={latitude}",
            90f64.copysign(latitude)
        ),
        other => return Err(("ProjMethod", format!("{other:?}"))),
    };
    Ok(format!(
        "{kind} +x_0={} +y_0={} {} +units=m +no_defs",
        first(&EASTING, 0.0),
        first(&NORTHING, 0.0),
        earth(keys)?
    ))
}

fn earth(keys: &GeoKeyDirectory) -> Result<String, (&'static str, String)> {
    let number = |key: u16| keys.get_double(key).and_then(|v| v.first().copied()).filter(|v| *v > 0.0);
    match (number(SEMI_MAJOR), number(SEMI_MINOR), number(INVERSE_FLATTENING)) {
        (Some(a), Some(b), _) => return Ok(format!("+a={a} +b={b}")),
        (Some(a), None, Some(f)) => return Ok(format!("+a={a} +rf={f}")),
        (Some(a), None, None) => return Ok(format!("+R={a}")),
        _ => {}
    }
    match (keys.get_short(ELLIPSOID), keys.get_short(GEODETIC)) {
        (Some(7030), _) | (_, Some(4326)) => Ok("+ellps=WGS84".into()),
        (Some(7019), _) | (_, Some(4258 | 4269)) => Ok("+ellps=GRS80".into()),
        (Some(7004), _) => Ok("+ellps=bessel".into()),
        (ellipsoid, datum) => Err(("Ellipsoid, GeodeticCRS", format!("{ellipsoid:?}, {datum:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use geotiff_reader::geokeys::GeoKeyValue;

    use super::*;

    fn keys(shorts: &[(u16, u16)], doubles: &[(u16, f64)]) -> GeoKeyDirectory {
        let mut keys = GeoKeyDirectory::new();
        keys.set(MODEL, GeoKeyValue::Short(1));
        for (key, value) in shorts {
            keys.set(*key, GeoKeyValue::Short(*value));
        }
        for (key, value) in doubles {
            keys.set(*key, GeoKeyValue::Double(vec![*value]));
        }
        keys
    }

    #[test]
    fn systems_are_known_by_code_or_key_by_key_and_others_refused_by_name() {
        let own = |method: u16| [(PROJECTED, USER_DEFINED), (METHOD, method), (LINEAR_UNIT, METRE), (GEODETIC, 4326)];
        let polar = keys(
            &own(15),
            &[
                (LONGITUDE[3], 10.0),
                (LATITUDE[0], 60.0),
                (SEMI_MAJOR, 6_370_040.0),
                (SEMI_MINOR, 6_370_040.0),
            ],
        );
        let cone = keys(
            &own(8),
            &[(LONGITUDE[1], 4.0), (LATITUDE[1], 50.0), (PARALLEL_1, 49.0), (PARALLEL_2, 51.0)],
        );
        let cylinder = keys(&own(1), &[(LONGITUDE[0], 27.0), (SCALE[0], 0.9996), (EASTING[0], 500_000.0)]);
        for (keys, expected) in [
            (
                keys(&[(PROJECTED, 32_633)], &[]),
                "+proj=utm +zone=33 +datum=WGS84 +units=m +no_defs",
            ),
            (
                keys(&[(PROJECTED, 25_832)], &[]),
                "+proj=utm +zone=32 +ellps=GRS80 +units=m +no_defs",
            ),
            (keys(&[(MODEL, 2), (GEODETIC, 4326)], &[]), "+proj=longlat +datum=WGS84 +no_defs"),
            (
                polar,
                "+proj=stere +lat_0=90 +lon_0=10 +lat_ts=60 +x_0=0 +y_0=0 +a=6370040 +b=6370040 +units=m +no_defs",
            ),
            (
                cone,
                "+proj=lcc +lat_0=50 +lon_0=4 +lat_1=49 +lat_2=51 +x_0=0 +y_0=0 +ellps=WGS84 +units=m +no_defs",
            ),
            (
                cylinder,
                "+proj=tmerc +lat_0=0 +lon_0=27 +k_0=0.9996 +x_0=500000 +y_0=0 +ellps=WGS84 +units=m +no_defs",
            ),
        ] {
            assert_eq!(definition(&keys).unwrap(), expected);
            nowblend_field::Projection::parse(expected).unwrap();
        }
        assert_eq!(
            definition(&keys(&[(PROJECTED, 2180)], &[])),
            Err(("ProjectedCRS", "EPSG:2180".into()))
        );
        assert_eq!(
            definition(&keys(&[(PROJECTED, 3067), (LINEAR_UNIT, 9002)], &[])),
            Err(("ProjLinearUnits", "9002".into()))
        );
        assert_eq!(definition(&keys(&own(24), &[])).unwrap_err().0, "ProjMethod");
    }

    #[test]
    fn every_code_has_a_definition_that_parses() {
        let known = (1..=u16::MAX)
            .filter_map(of_epsg)
            .map(|d| nowblend_field::Projection::parse(&d).map(|_| 1))
            .sum::<Result<usize, _>>();
        assert!(known.unwrap() > 150);
    }
}
