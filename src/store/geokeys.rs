//! The map projection in the keys of GeoTIFF.
//!
//! # Source
//!
//! OGC 19-008r4, 2019: OGC GeoTIFF Standard, version 1.1, annex C (keys of a map that its user defines) and its registry of methods.

use geotiff_writer::{GeoKeyValue, GeoTiffBuilder, ModelType};
use nowblend_field::Projection;

use super::wkt::{Words, ellipsoid};

/// Keys and values.
#[derive(Debug, Clone)]
pub(super) struct GeoKeys {
    model: ModelType,
    keys: Vec<(u16, GeoKeyValue)>,
}

/// What the user defines himself.
const USER_DEFINED: u16 = 32_767;

impl GeoKeys {
    /// The keys of a projection; `None` where there are none for it.
    pub fn of(projection: &Projection) -> Option<Self> {
        let words = Words::of(projection.definition());
        let (label, axis, flattening) = ellipsoid(&words)?;
        let short = |key: u16, value: u16| (key, GeoKeyValue::Short(value));
        let double = |key: u16, value: f64| (key, GeoKeyValue::Double(vec![value]));
        let mut keys = Vec::new();
        if label == "WGS 84" && words.text("towgs84").is_none() {
            keys.push(short(2048, 4326));
        } else {
            // Geographic type, datum and ellipsoid of the user; degrees; axes.
            keys.extend([
                short(2048, USER_DEFINED),
                short(2050, USER_DEFINED),
                short(2056, USER_DEFINED),
                short(2054, 9102),
            ]);
            keys.push(double(2057, axis));
            if flattening == 0.0 {
                keys.push(double(2058, axis));
            } else {
                keys.push(double(2059, flattening));
            }
            if let Some(shift) = words.text("towgs84") {
                let shift: Option<Vec<f64>> = shift.split(',').map(|v| v.parse().ok()).collect();
                keys.push((2062, GeoKeyValue::Double(shift?)));
            }
        }
        if projection.is_geographic() {
            let model = ModelType::Geographic;
            return Some(Self { model, keys });
        }
        let number = |key, default| words.number(key).unwrap_or(default);
        let (lat_0, lon_0) = (number("lat_0", 0.0), number("lon_0", 0.0));
        let (x_0, y_0) = (number("x_0", 0.0), number("y_0", 0.0));
        let scale = words.number("k_0").or(words.number("k")).unwrap_or(1.0);
        if words.text("units").is_some_and(|u| u != "m") || words.text("to_meter").is_some() {
            return None;
        }
        // Keys by name: natural origin 3080 longitude, 3081 latitude; false 3082 easting, 3083 northing; scale 3092; parallels 3078, 3079;
        // false origin 3084 to 3087; centre 3088, 3089; azimuth 3094; straight pole 3095; rectified angle 3096.
        let natural = [(3080, lon_0), (3081, lat_0), (3082, x_0), (3083, y_0)];
        let (method, numbers): (u16, Vec<(u16, f64)>) = match words.text("proj")? {
            "stere" if lat_0.abs() == 90.0 => {
                let true_at = number("lat_ts", lat_0);
                let factor = if words.number("lat_ts").is_some() { 1.0 } else { scale };
                (15, vec![(3081, true_at), (3095, lon_0), (3092, factor), (3082, x_0), (3083, y_0)])
            }
            "stere" => (14, [natural.as_slice(), &[(3092, scale)]].concat()),
            "lcc" => {
                let first = number("lat_1", lat_0);
                let parallels = [(3078, first), (3079, number("lat_2", first))];
                let origin = [(3084, lon_0), (3085, lat_0), (3086, x_0), (3087, y_0)];
                (8, [parallels, [origin[0], origin[1]], [origin[2], origin[3]]].concat())
            }
            "aea" => {
                let parallels = [(3078, number("lat_1", 0.0)), (3079, number("lat_2", 0.0))];
                (11, [parallels.as_slice(), &natural].concat())
            }
            "laea" => (10, vec![(3088, lon_0), (3089, lat_0), (3082, x_0), (3083, y_0)]),
            "aeqd" => (12, vec![(3088, lon_0), (3089, lat_0), (3082, x_0), (3083, y_0)]),
            "tmerc" => (1, [natural.as_slice(), &[(3092, scale)]].concat()),
            "utm" => {
                let northing = if words.text("south").is_some() { 10_000_000.0 } else { 0.0 };
                let middle = 6.0 * words.number("zone")? - 183.0;
                (
                    1,
                    vec![(3080, middle), (3081, 0.0), (3082, 500_000.0), (3083, northing), (3092, 0.9996)],
                )
            }
            "merc" if words.number("lat_ts").is_none() => (7, [natural.as_slice(), &[(3092, scale)]].concat()),
            "somerc" => {
                let centre = [(3088, lon_0), (3089, lat_0), (3090, x_0), (3091, y_0)];
                (9815, [centre.as_slice(), &[(3094, 90.0), (3096, 90.0), (3093, scale)]].concat())
            }
            _ => return None,
        };
        keys.extend([
            short(3072, USER_DEFINED),
            short(3074, USER_DEFINED),
            short(3075, method),
            short(3076, 9001),
        ]);
        keys.extend(numbers.into_iter().map(|(key, value)| double(key, value)));
        Some(Self {
            model: ModelType::Projected,
            keys,
        })
    }

    /// Puts the keys into a file.
    pub fn apply(&self, builder: GeoTiffBuilder) -> GeoTiffBuilder {
        let builder = builder.model_type(self.model);
        self.keys
            .iter()
            .fold(builder, |builder, (key, value)| builder.geokey(*key, value.clone()))
    }
}
