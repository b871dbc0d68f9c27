//! Hyperparameters: the values that one trial trains with.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One hyperparameter's value.
///
/// Finite floats are written in their shortest form that reads back to the same bits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Scalar {
    /// A switch.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A finite real number.
    Float(f64),
    /// One of several names, for example an optimizer.
    Text(String),
}

impl Scalar {
    /// The value as a real number, where it is a number.
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Self::Int(value) => Some(value as f64),
            Self::Float(value) => Some(value),
            Self::Bool(_) | Self::Text(_) => None,
        }
    }

    /// Whether two values mean the same: numbers by their value, whole or real.
    pub fn same(&self, other: &Self) -> bool {
        match (self.as_f64(), other.as_f64()) {
            (Some(a), Some(b)) => a == b,
            _ => self == other,
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(value) => value.fmt(f),
        }
    }
}

/// The active hyperparameters of a trial, by name.
///
/// Two trials have equal hyperparameters exactly when these are equal: parameters whose condition does not hold
/// are absent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Hparams(pub BTreeMap<String, Scalar>);

impl Hparams {
    /// The value of a parameter, if it is active.
    pub fn get(&self, name: &str) -> Option<&Scalar> {
        self.0.get(name)
    }

    /// The value of a parameter that holds a whole number.
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.get(name)? {
            Scalar::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The value of a parameter that holds a number, whole or real.
    pub fn float(&self, name: &str) -> Option<f64> {
        self.get(name)?.as_f64()
    }

    /// The value of a parameter that holds a name.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Scalar::Text(value) => Some(value),
            _ => None,
        }
    }

    /// Parameters and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Scalar)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// A text that is equal exactly for equal hyperparameters.
    pub fn key(&self) -> String {
        // Writing to memory cannot fail, and every key is a string.
        serde_json::to_string(self).expect("hyperparameters are plain data")
    }
}

impl fmt::Display for Hparams {
    /// Writes `dropout_0=0.1 layers=2 lr=0.001`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, value)) in self.iter().enumerate() {
            let gap = if i == 0 { "" } else { " " };
            write!(f, "{gap}{name}={value}")?;
        }
        Ok(())
    }
}

impl<const N: usize> From<[(&str, Scalar); N]> for Hparams {
    fn from(values: [(&str, Scalar); N]) -> Self {
        Self(values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_texts_from_numbers() {
        let key = |value| Hparams::from([("a", value)]).key();
        let text = |text: &str| Scalar::Text(text.to_owned());
        let keys = [
            key(Scalar::Int(1)),
            key(Scalar::Float(1.0)),
            key(text("1")),
            key(text("1 b=2")),
            key(Scalar::Bool(true)),
        ];
        for (i, key) in keys.iter().enumerate() {
            assert!(!keys[..i].contains(key), "{key}");
        }
    }

    #[test]
    fn hyperparameters_print_by_name_and_read_back() {
        let hparams = Hparams::from([
            ("lr", Scalar::Float(1e-3)),
            ("layers", Scalar::Int(2)),
            ("units", Scalar::Float(2.0)),
        ]);
        assert_eq!(hparams.to_string(), "layers=2 lr=0.001 units=2.0");
        assert_eq!(serde_json::from_str::<Hparams>(&hparams.key()).unwrap(), hparams);
        assert_eq!(
            (hparams.int("units"), hparams.float("layers"), hparams.text("lr")),
            (None, Some(2.0), None)
        );
    }
}
