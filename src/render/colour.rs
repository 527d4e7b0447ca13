//! Which colour says how much rain, or how likely: discrete classes, so that a value can be read off the map.

/// A colour: red, green, blue.
pub type Colour = [u8; 3];

/// What is not observed, or where a forecast has nothing to say.
pub const MISSING: Colour = [0xC9, 0xCC, 0xCF];

/// Observed, or forecast, and below the lowest class.
pub const DRY: Colour = [0xFF, 0xFF, 0xFF];

/// Palette index of [`MISSING`].
pub const MISSING_CLASS: u8 = 0;

/// Palette index of [`DRY`].
pub const DRY_CLASS: u8 = 1;

/// Classes of a quantity, each from its lower bound (included) up to the next one's, and their colours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// What the classes are of, with the unit: `mm/h`.
    pub unit: &'static str,
    /// Lower bounds, ascending.
    pub bounds: &'static [f32],
    /// One colour a bound.
    pub colours: &'static [Colour],
    /// How a bound is multiplied for its label: 100 for percent.
    pub label_factor: f32,
}

/// Rain, mm/h: each class twice the one before (nearly, at the start), from drizzle that a radar just sees to cloudbursts.
///
/// Blues get darker up to 4 mm/h, rain that one walks through; green, yellow and orange stand for heavy rain, red and magenta for
/// what floods a street. Neighbours differ by at least 15 units of CIE 1976 L*a*b*, also in the eyes of people who lack one kind
/// of cone (tested below).
pub const RAIN: Scale = Scale {
    unit: "mm/h",
    bounds: &[0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0],
    colours: &[
        [0xD3, 0xE9, 0xFA],
        [0x9F, 0xCD, 0xF3],
        [0x5D, 0xA6, 0xE6],
        [0x22, 0x73, 0xCB],
        [0x12, 0x3F, 0x93],
        [0x1F, 0x96, 0x56],
        [0xF7, 0xDC, 0x3C],
        [0xF2, 0x8A, 0x1E],
        [0xD0, 0x1F, 0x2B],
        [0xC2, 0x2B, 0xC7],
    ],
    label_factor: 1.0,
};

/// Probability, shown in percent: pale yellow for unlikely to dark violet for almost certain; lightness falls all the way.
pub const PROBABILITY: Scale = Scale {
    unit: "%",
    bounds: &[0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9],
    colours: &[
        [0xEB, 0xE4, 0xC2],
        [0xEE, 0xD8, 0x86],
        [0xF3, 0xC4, 0x53],
        [0xE2, 0xA1, 0x4F],
        [0xD9, 0x82, 0x53],
        [0xD1, 0x5F, 0x56],
        [0xAD, 0x47, 0x64],
        [0x8A, 0x2D, 0x66],
        [0x5F, 0x17, 0x69],
        [0x35, 0x0F, 0x46],
    ],
    label_factor: 100.0,
};

/// Differences from a middle, as multiples of the width of a class (the label factor): blue below, red above, pale about the middle.
pub const DIFFERENCE: Scale = Scale {
    unit: "",
    bounds: &[-5.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0],
    colours: &[
        [0x08, 0x1D, 0x58],
        [0x22, 0x4E, 0xA0],
        [0x41, 0x8B, 0xC4],
        [0x8F, 0xC4, 0xE3],
        [0xDC, 0xEC, 0xF6],
        [0xFB, 0xE3, 0xD6],
        [0xF6, 0xB0, 0x90],
        [0xE0, 0x70, 0x58],
        [0xB8, 0x2E, 0x35],
        [0x67, 0x0A, 0x1F],
    ],
    label_factor: 1.0,
};

impl Scale {
    /// Palette index of a value: missing, dry, or 2 + its class.
    pub fn class(&self, value: f32) -> u8 {
        if value.is_nan() {
            return MISSING_CLASS;
        }
        // Some parts in a million of slack: 0.1 mm/h packed and unpacked again is still 0.1 mm/h.
        let reached = self.bounds.iter().take_while(|b| value >= **b * (1.0 - 2e-6)).count();
        DRY_CLASS + reached as u8
    }

    /// Colours by palette index: missing, dry, the classes.
    pub fn palette(&self) -> Vec<Colour> {
        [MISSING, DRY].into_iter().chain(self.colours.iter().copied()).collect()
    }

    /// Lower bounds as they stand in a legend.
    pub fn labels(&self) -> Vec<String> {
        self.bounds
            .iter()
            .map(|b| ((f64::from(*b) * f64::from(self.label_factor) * 1e4).round() / 1e4).to_string())
            .collect()
    }
}

/// `#rrggbb`.
pub fn hex([r, g, b]: Colour) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linear(c: u8) -> f64 {
        let c = f64::from(c) / 255.0;
        if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    }

    /// CIE 1976 L*a*b* of linear sRGB under D65.
    fn lab([r, g, b]: [f64; 3]) -> [f64; 3] {
        let x = (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.950_47;
        let y = 0.2126 * r + 0.7152 * g + 0.0722 * b;
        let z = (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.088_83;
        let f = |t: f64| {
            if t > 216.0 / 24389.0 {
                t.cbrt()
            } else {
                (24389.0 / 27.0 * t + 16.0) / 116.0
            }
        };
        [116.0 * f(y) - 16.0, 500.0 * (f(x) - f(y)), 200.0 * (f(y) - f(z))]
    }

    /// Full lack of the red, green or blue cones, on linear sRGB: Machado, G. M., M. M. Oliveira and L. A. F. Fernandes, 2009: A
    /// physiologically-based model for simulation of color vision deficiency. IEEE Trans. Vis. Comput. Graph., 15, 1291-1298.
    const EYES: [[[f64; 3]; 3]; 4] = [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [
            [0.152_286, 1.052_583, -0.204_868],
            [0.114_503, 0.786_281, 0.099_216],
            [-0.003_882, -0.048_116, 1.051_998],
        ],
        [
            [0.367_322, 0.860_646, -0.227_968],
            [0.280_085, 0.672_501, 0.047_413],
            [-0.011_820, 0.042_940, 0.968_881],
        ],
        [
            [1.255_528, -0.076_749, -0.178_779],
            [-0.078_411, 0.930_809, 0.147_602],
            [0.004_733, 0.691_367, 0.303_900],
        ],
    ];

    fn seen(colour: Colour, eye: &[[f64; 3]; 3]) -> [f64; 3] {
        let rgb = colour.map(linear);
        lab([0, 1, 2].map(|k| (0..3).map(|j| eye[k][j] * rgb[j]).sum::<f64>().clamp(0.0, 1.0)))
    }

    fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
        (0..3).map(|k| (a[k] - b[k]).powi(2)).sum::<f64>().sqrt()
    }

    #[test]
    fn classes_can_be_told_apart_by_every_eye() {
        for (scale, neighbours, any) in [(RAIN, 15.0, 9.0), (PROBABILITY, 8.0, 8.0)] {
            let palette = scale.palette();
            for (e, eye) in EYES.iter().enumerate() {
                for a in 0..palette.len() {
                    for b in a + 1..palette.len() {
                        let least = if b == a + 1 && a > 1 { neighbours } else { any };
                        let found = distance(seen(palette[a], eye), seen(palette[b], eye));
                        assert!(found >= least, "{} classes {a} and {b}, eye {e}: {found:.1} < {least}", scale.unit);
                    }
                }
            }
        }
    }

    #[test]
    fn probability_darkens_all_the_way() {
        let lightness: Vec<f64> = PROBABILITY.colours.iter().map(|c| lab(c.map(linear))[0]).collect();
        assert!(lightness.windows(2).all(|pair| pair[0] > pair[1]), "{lightness:?}");
    }

    #[test]
    fn a_value_at_the_bound_belongs_to_the_upper_class() {
        assert_eq!(RAIN.class(f32::NAN), MISSING_CLASS);
        assert_eq!(RAIN.class(0.0), DRY_CLASS);
        assert_eq!(RAIN.class(0.0999), DRY_CLASS);
        assert_eq!(RAIN.class(0.1), DRY_CLASS + 1);
        assert_eq!(RAIN.class(10.0 * 0.01), DRY_CLASS + 1);
        assert_eq!(RAIN.class(1e9), DRY_CLASS + 10);
        assert_eq!(RAIN.palette().len(), 12);
        assert_eq!(RAIN.labels()[..3], ["0.1", "0.2", "0.5"]);
        assert_eq!(PROBABILITY.labels()[..3], ["5", "10", "20"]);
    }
}
