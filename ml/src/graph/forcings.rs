//! What the sun and the calendar do, known for any time: radiation at the top of the atmosphere, and how far day and year have come.

use std::f64::consts::TAU;

use chrono::{DateTime, Datelike, TimeDelta, Timelike, Utc};
use ndarray::{ArcArray, Array2, Axis};
use nowblend_field::{GlobalField, Globe};
use rayon::prelude::*;

/// Julian year, days.
const JULIAN_YEAR_D: f64 = 365.25;
/// Mean tropical year, days; that of the published program.
const YEAR_D: f64 = 365.242_19;
const DAY_S: f64 = 86_400.0;
/// Radiation is summed over this time, s: the hour of the reanalysis.
const PERIOD_S: f64 = 3600.0;
/// Parts of the period.
const PARTS: usize = 360;
/// 12:00 on 1 January 2000, s since 1970.
const J2000_S: f64 = 946_728_000.0;

/// Forcings that are computed.
pub const NAMES: [&str; 7] = [
    "year_progress",
    "year_progress_sin",
    "year_progress_cos",
    "day_progress",
    "day_progress_sin",
    "day_progress_cos",
    "toa_incident_solar_radiation",
];

/// A forcing of this name at `time`, if there is one.
pub fn forcing(name: &str, time: DateTime<Utc>, globe: &Globe) -> Option<GlobalField> {
    let seconds = time.timestamp() as f64;
    let year = (seconds / DAY_S / YEAR_D).rem_euclid(1.0);
    let day = |longitude: f64| (seconds.rem_euclid(DAY_S) / DAY_S + longitude / 360.0).rem_euclid(1.0);
    let everywhere = |value: f64| Some(ArcArray::from_elem((1, globe.shape().0, globe.shape().1), value as f32));
    let by_column = |f: fn(f64) -> f64| {
        let row: Vec<f32> = globe.longitudes().iter().map(|l| f(day(*l) * TAU) as f32).collect();
        Some(ArcArray::from_shape_fn((1, globe.shape().0, globe.shape().1), |(_, _, x)| row[x]))
    };
    match name {
        "year_progress" => everywhere(year),
        "year_progress_sin" => everywhere((year * TAU).sin()),
        "year_progress_cos" => everywhere((year * TAU).cos()),
        "day_progress" => by_column(|phase| phase / TAU),
        "day_progress_sin" => by_column(f64::sin),
        "day_progress_cos" => by_column(f64::cos),
        "toa_incident_solar_radiation" => Some(radiation(time, globe).insert_axis(Axis(0)).into_shared()),
        _ => None,
    }
}

/// Radiation `[y, x]` that comes in at the top of the atmosphere during the hour before `time`, J m⁻².
///
/// S / r² · max(0, sin φ sin δ + cos φ cos δ cos h), summed by the trapezoidal rule in steps of 10 s; S irradiance at the mean distance, r distance
/// of the sun in its mean, φ latitude, δ declination, h hour angle.
pub fn radiation(time: DateTime<Utc>, globe: &Globe) -> Array2<f32> {
    let irradiance = irradiance(time);
    let suns: Vec<Sun> = (0..=PARTS)
        .map(|part| {
            let before = PERIOD_S * (1.0 - part as f64 / PARTS as f64);
            Sun::at(time - TimeDelta::milliseconds((before * 1000.0) as i64))
        })
        .collect();
    // Ends count half.
    let weight = |part: usize| if part == 0 || part == PARTS { 0.5 } else { 1.0 };
    let longitudes: Vec<f64> = globe.longitudes().iter().map(|l| l.to_radians()).collect();
    let cosines: Vec<Vec<f64>> = suns
        .par_iter()
        .map(|sun| longitudes.iter().map(|longitude| (sun.hour_angle + longitude).cos()).collect())
        .collect();
    let mut sums = Array2::zeros(globe.shape());
    sums.axis_iter_mut(Axis(0))
        .into_par_iter()
        .zip(globe.latitudes())
        .for_each(|(mut row, latitude)| {
            let (sin, cos) = latitude.to_radians().sin_cos();
            let mut sum = vec![0.0; longitudes.len()];
            for (part, sun) in suns.iter().enumerate() {
                let strength = weight(part) * irradiance / (sun.distance * sun.distance);
                let (constant, turning) = (strength * sin * sun.sin_declination, strength * cos * sun.cos_declination);
                for (sum, hour) in sum.iter_mut().zip(&cosines[part]) {
                    *sum += (constant + turning * hour).max(0.0);
                }
            }
            for (to, sum) in row.iter_mut().zip(sum) {
                *to = (sum * PERIOD_S / PARTS as f64) as f32;
            }
        });
    sums
}

/// Where the sun stands.
struct Sun {
    sin_declination: f64,
    cos_declination: f64,
    /// At Greenwich, rad.
    hour_angle: f64,
    /// In astronomical units.
    distance: f64,
}

impl Sun {
    /// Low-order series of the orbit, those of the model that made the reanalysis.
    ///
    /// # Source
    ///
    /// IFS documentation, part IV, 2.2; coefficients as in the public GEM code (`fctast.cdk`) and in `solar_radiation.py` of the published program.
    fn at(time: DateTime<Utc>) -> Self {
        let days = (time.timestamp_millis() as f64 / 1000.0 - J2000_S) / DAY_S;
        let years = days / JULIAN_YEAR_D;
        let mean = 1.7535 + 6.283_076 * years;
        let anomaly = 6.240_041 + 6.283_020 * years;
        let longitude = 4.8951 + 6.283_076 * years;
        let ((sin, cos), (sin_2, cos_2)) = (mean.sin_cos(), (2.0 * mean).sin_cos());
        let ecliptic = 4.8952 + 6.283_320 * years - 0.0075 * sin - 0.0326 * cos - 0.0003 * sin_2 + 0.0002 * cos_2;
        let sin_declination = 0.409_093f64.sin() * ecliptic.sin();
        // Equation of time, s.
        let ahead = 591.8 * (2.0 * longitude).sin() - 459.4 * anomaly.sin() + 39.5 * anomaly.sin() * (2.0 * longitude).cos()
            - 12.7 * (4.0 * longitude).sin()
            - 4.8 * (2.0 * anomaly).sin();
        Self {
            sin_declination,
            cos_declination: (1.0 - sin_declination * sin_declination).sqrt(),
            hour_angle: TAU * (days.rem_euclid(1.0) + ahead / DAY_S),
            distance: 1.0001 - 0.0163 * sin + 0.0037 * cos,
        }
    }
}

/// Irradiance at the mean distance of the sun, W m⁻², between the middles of years.
///
/// # Source
///
/// The series of IFS cycle 41r2, which made the reanalysis, scaled by 0.9965, as in `solar_radiation.py` of the published program: 1951 to 1995, then
/// the cycle of 13 years from 1996 to 2008, over and over until 2034.
fn irradiance(time: DateTime<Utc>) -> f64 {
    const FIRST: f64 = 1951.5;
    const BEFORE: [f64; 45] = [
        1365.7765, 1365.7676, 1365.6284, 1365.6564, 1365.7773, 1366.3109, 1366.6681, 1366.6328, 1366.3828, 1366.2767, 1365.9199, 1365.7484,
        1365.6963, 1365.6976, 1365.7341, 1365.9178, 1366.1143, 1366.1644, 1366.2476, 1366.2426, 1365.9580, 1366.0525, 1365.7991, 1365.7271,
        1365.5345, 1365.6453, 1365.8331, 1366.2747, 1366.6348, 1366.6482, 1366.6951, 1366.2859, 1366.1992, 1365.8103, 1365.6416, 1365.6379,
        1365.7899, 1366.0826, 1366.6479, 1366.5533, 1366.4457, 1366.3021, 1366.0286, 1365.7971, 1365.6996,
    ];
    const CYCLE: [f64; 13] = [
        1365.6121, 1365.7399, 1366.1021, 1366.3851, 1366.6836, 1366.6022, 1366.6807, 1366.2300, 1366.0480, 1365.8545, 1365.8107, 1365.7240,
        1365.6918,
    ];
    const LAST: usize = BEFORE.len() + 3 * CYCLE.len() - 1;
    let of = |year: usize| match BEFORE.get(year) {
        Some(value) => *value,
        None => CYCLE[(year - BEFORE.len()) % CYCLE.len()],
    };
    let length = if time.date_naive().leap_year() { 366.0 } else { 365.0 };
    let day = f64::from(time.ordinal0()) + f64::from(time.num_seconds_from_midnight()) / DAY_S;
    let year = (f64::from(time.year()) + day / length - FIRST).clamp(0.0, LAST as f64);
    let share = year.fract();
    let year = year as usize;
    0.9965 * (of(year) * (1.0 - share) + of((year + 1).min(LAST)) * share)
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use chrono::TimeZone;

    use super::*;

    /// Month, day, hour and minute.
    type Moment = (u32, u32, u32, u32);

    /// Solstices and equinoxes of 2020 (UTC), the declination and the distance of the sun: Meeus, J., 1991: Astronomical Algorithms, 26 and 24.
    const SEASONS: [(Moment, f64, f64); 4] = [
        ((3, 20, 3, 50), 0.0, 0.995_97),
        ((6, 20, 21, 44), 23.4367, 1.016_24),
        ((9, 22, 13, 31), 0.0, 1.003_53),
        ((12, 21, 10, 2), -23.4366, 0.983_74),
    ];

    fn globe() -> Globe {
        let latitudes = vec![-60.0, -20.0, 0.0, 40.0, 89.0];
        Globe::new(latitudes, (0..24).map(|k| 15.0 * f64::from(k)).collect()).unwrap()
    }

    #[test]
    fn a_day_of_radiation_is_that_of_the_closed_form() {
        for ((month, day, hour, minute), declination, distance) in SEASONS {
            let middle = Utc.with_ymd_and_hms(2020, month, day, hour, minute, 0).unwrap();
            // The 24 hours around the moment; the declination moves through it evenly, or hardly at all.
            let mut sum = Array2::<f64>::zeros(globe().shape());
            for k in -11..=12 {
                sum += &radiation(middle + TimeDelta::hours(k), &globe()).mapv(f64::from);
            }
            for (row, latitude) in globe().latitudes().iter().enumerate().filter(|(_, l)| **l < 80.0) {
                let (phi, delta) = (latitude.to_radians(), f64::to_radians(declination));
                // Sunset at H, cos H = -tan φ tan δ; a day brings S/r² · 86400/π (H sin φ sin δ + cos φ cos δ sin H).
                let sunset = (-phi.tan() * delta.tan()).acos();
                let expected = irradiance(middle) / (distance * distance) * DAY_S / PI
                    * (sunset * phi.sin() * delta.sin() + phi.cos() * delta.cos() * sunset.sin());
                let found = sum.row(row).mean().unwrap();
                assert!(
                    (found / expected - 1.0).abs() < 1e-3,
                    "{middle} {latitude}: {found} J/m², expected {expected}"
                );
            }
        }
    }

    #[test]
    fn an_hour_under_the_highest_sun_is_that_of_the_closed_form() {
        // March equinox of 2020: at true noon the sun stands in the zenith of the equator; an hour about it brings S/r² · 2 · sin(7.5°) / (15° an hour).
        let moment = Utc.with_ymd_and_hms(2020, 3, 20, 12, 30, 0).unwrap();
        // The sun is 7 min 26 s late: true noon is at longitude 0 at 12:07:26, at 1.86° W at 12:00.
        let noon = Globe::new(vec![0.0], vec![1.86]).unwrap();
        let found = f64::from(radiation(moment, &noon)[[0, 0]]);
        let expected = 1360.8 / (0.995_97 * 0.995_97) * 2.0 * f64::to_radians(7.5).sin() / f64::to_radians(15.0) * 3600.0;
        assert!((found / expected - 1.0).abs() < 1e-3, "{found} J/m², expected {expected}");
        // The other side of the Earth is dark.
        assert_eq!(radiation(moment, &Globe::new(vec![0.0], vec![181.86]).unwrap())[[0, 0]], 0.0);
    }

    #[test]
    fn day_and_year_progress_are_angles_of_clock_and_calendar() {
        let of = |name: &str, time, x: usize| f64::from(forcing(name, time, &globe()).unwrap()[[0, 2, x]]);
        for ((month, day, hour, minute), ..) in SEASONS {
            let time = Utc.with_ymd_and_hms(2020, month, day, hour, minute, 0).unwrap();
            let turn = (f64::from(hour) + f64::from(minute) / 60.0) / 24.0;
            for x in [0, 6, 17] {
                let angle = TAU * (turn + x as f64 / 24.0);
                assert!((of("day_progress_sin", time, x) - angle.sin()).abs() < 1e-5);
                assert!((of("day_progress_cos", time, x) - angle.cos()).abs() < 1e-5);
            }
            // 50 years of 365.24219 days after 1970 begin at 2.6 hours on 1 January 2020 (18262.11 days).
            let days = f64::from(time.ordinal0()) + turn + 18_262.0 - 50.0 * YEAR_D;
            let angle = TAU * days / YEAR_D;
            assert!((of("year_progress_sin", time, 0) - angle.sin()).abs() < 1e-5);
            assert!((of("year_progress_cos", time, 0) - angle.cos()).abs() < 1e-5);
        }
        assert!(forcing("phase_of_the_moon", Utc::now(), &globe()).is_none());
    }
}
