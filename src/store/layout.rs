//! A stored forecast as plain data: dimensions, variables and attributes, before any format turns them into bytes.

/// All that a container holds but the planes of its products, which come one by one.
#[derive(Debug, Clone, Default)]
pub(super) struct Layout {
    /// Names and lengths.
    pub dimensions: Vec<(String, usize)>,
    /// Attributes of the whole.
    pub attributes: Vec<(String, Value)>,
    /// In the order in which they are written.
    pub variables: Vec<Variable>,
}

/// One variable.
#[derive(Debug, Clone)]
pub(super) struct Variable {
    pub name: String,
    /// Names of its dimensions, those of rows and columns last where it comes in planes.
    pub dimensions: Vec<String>,
    pub values: Values,
    pub attributes: Vec<(String, Value)>,
}

/// The values of a variable.
#[derive(Debug, Clone)]
pub(super) enum Values {
    I32(Vec<i32>),
    I64(Vec<i64>),
    F64(Vec<f64>),
    /// They come plane by plane `[y, x]`, little-endian elements as long as the fill value.
    Planes(Element),
}

/// What a plane is made of, and what stands for missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    /// NaN is missing.
    F32,
    /// NaN is missing.
    F64,
    /// 65535 is missing.
    U16,
    /// 255 is missing.
    U8,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Doubles(Vec<f64>),
    Floats(Vec<f32>),
    U8s(Vec<u8>),
}

impl Layout {
    /// Length of a dimension; 1 for one that nobody announced.
    pub fn length(&self, dimension: &str) -> usize {
        self.dimensions
            .iter()
            .find(|(name, _)| name == dimension)
            .map_or(1, |(_, length)| *length)
    }

    /// Rows and columns of the planes: the last two dimensions of what comes in them.
    pub fn plane(&self) -> (usize, usize) {
        let planes = self.variables.iter().find(|v| matches!(v.values, Values::Planes(_)));
        match planes.map(|v| v.dimensions.as_slice()) {
            Some([.., y, x]) => (self.length(y), self.length(x)),
            _ => (1, 1),
        }
    }
}

impl Variable {
    /// A variable without attributes.
    pub fn new(name: &str, dimensions: &[&str], values: Values) -> Self {
        Self {
            name: name.to_owned(),
            dimensions: dimensions.iter().map(|d| (*d).to_owned()).collect(),
            values,
            attributes: Vec::new(),
        }
    }

    /// Adds texts.
    #[must_use]
    pub fn texts(mut self, texts: &[(&str, &str)]) -> Self {
        let texts = texts
            .iter()
            .map(|(name, text)| ((*name).to_owned(), Value::Text((*text).to_owned())));
        self.attributes.extend(texts);
        self
    }

    /// Adds one attribute.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.attributes.push((name.to_owned(), value));
        self
    }
}

impl Element {
    /// What stands for missing, little-endian.
    pub fn fill(self) -> Vec<u8> {
        match self {
            Self::F32 => f32::NAN.to_le_bytes().to_vec(),
            Self::F64 => f64::NAN.to_le_bytes().to_vec(),
            Self::U16 => u16::MAX.to_le_bytes().to_vec(),
            Self::U8 => vec![u8::MAX],
        }
    }
}
