//! Which estimator finds the motion, by `kind`, with its own keys beside it; and what is assumed where no rain shows it.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{
        Error as _, IntoDeserializer, MapAccess, Visitor,
        value::{MapDeserializer, StrDeserializer},
    },
};

use super::{LucasKanade, Motion, MotionEstimator, OpticalFlow, Variational, WindWhereDry};
use crate::{Error, Sequence};

/// How the motion of the rain is estimated. Without `kind` the keys are those of the variational estimator.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct MotionConfig {
    /// The estimator, `kind` and its keys.
    #[serde(flatten)]
    pub estimator: Estimator,
    /// What is assumed far from echo, `wind_where_dry` and `wind_distance_km`.
    #[serde(flatten)]
    pub wind: WindWhereDry,
}

/// An estimator by `kind`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Estimator {
    /// Corners of the echo, followed.
    LucasKanade(LucasKanade),
    /// One smooth field that carries each frame into the next.
    Variational(Variational),
    /// Dense optical flow.
    OpticalFlow(OpticalFlow),
}

impl Default for Estimator {
    fn default() -> Self {
        Self::Variational(Variational::default())
    }
}

impl MotionConfig {
    /// Checks every number against its bounds.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] for the first that is outside.
    pub fn check(&self) -> Result<(), Error> {
        self.wind.check()?;
        match &self.estimator {
            Estimator::LucasKanade(estimator) => estimator.check(),
            Estimator::Variational(estimator) => estimator.check(),
            Estimator::OpticalFlow(estimator) => estimator.check(),
        }
    }
}

impl MotionEstimator for Estimator {
    fn follow(&self, observed: &Sequence) -> Result<Option<Motion>, Error> {
        match self {
            Self::LucasKanade(estimator) => estimator.follow(observed),
            Self::Variational(estimator) => estimator.follow(observed),
            Self::OpticalFlow(estimator) => estimator.follow(observed),
        }
    }
}

/// A value of a key: all keys of a motion are numbers, but for `kind`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    Count(u64),
    Number(f64),
    Text(String),
    Truth(bool),
}

impl<'de, E: serde::de::Error> IntoDeserializer<'de, E> for Value {
    type Deserializer = ValueDeserializer<E>;

    fn into_deserializer(self) -> Self::Deserializer {
        ValueDeserializer {
            value: self,
            error: std::marker::PhantomData,
        }
    }
}

struct ValueDeserializer<E> {
    value: Value,
    error: std::marker::PhantomData<E>,
}

impl<'de, E: serde::de::Error> Deserializer<'de> for ValueDeserializer<E> {
    type Error = E;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        match self.value {
            Value::Count(count) => visitor.visit_u64(count),
            Value::Number(number) => visitor.visit_f64(number),
            Value::Text(text) => visitor.visit_string(text),
            Value::Truth(truth) => visitor.visit_bool(truth),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

/// Keys with their values, in the order of the file.
struct Keys(Vec<(String, Value)>);

impl Keys {
    fn take(&mut self, wanted: &[&str]) -> Self {
        let (taken, left) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(|(key, _)| wanted.contains(&key.as_str()));
        self.0 = left;
        Self(taken)
    }

    fn read<T: for<'a> Deserialize<'a>, E: serde::de::Error>(self) -> Result<T, E> {
        T::deserialize(MapDeserializer::new(self.0.into_iter()))
    }
}

/// By hand, since serde can neither leave out a tag nor refuse keys that nobody knows beside a flattened one.
impl<'de> Deserialize<'de> for MotionConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut keys = deserializer.deserialize_map(KeysVisitor)?;
        let kind = match keys.take(&["kind"]).0.pop() {
            None => Kind::Variational,
            Some((_, Value::Text(kind))) => Kind::deserialize(StrDeserializer::<D::Error>::new(&kind))?,
            Some(_) => return Err(D::Error::custom("`kind` is not a text")),
        };
        let wind = keys.take(&["wind_where_dry", "wind_distance_km"]).read()?;
        let estimator = match kind {
            Kind::LucasKanade => Estimator::LucasKanade(keys.read()?),
            Kind::Variational => Estimator::Variational(keys.read()?),
            Kind::OpticalFlow => Estimator::OpticalFlow(keys.read()?),
        };
        Ok(Self { estimator, wind })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    LucasKanade,
    Variational,
    OpticalFlow,
}

struct KeysVisitor;

impl<'de> Visitor<'de> for KeysVisitor {
    type Value = Keys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the keys of a motion")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
        let mut keys = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map
                .next_value()
                .map_err(|_| A::Error::custom(format!("`{key}` of a motion is neither a number nor a text")))?;
            keys.push((key, value));
        }
        Ok(Keys(keys))
    }
}
