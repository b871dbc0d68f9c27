//! Identifiers: one newtype per noun, so that a trial can never be passed where an attempt is meant.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A name or id that breaks the rules for names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{noun} `{value}` is not valid: use 1 to 64 of a-z, 0-9 and -")]
pub struct InvalidName {
    noun: &'static str,
    value: String,
}

/// Most bytes of a name.
const MAX_NAME_BYTES: usize = 64;

/// Declares a string id; text is checked against the rule for names when it is parsed or deserialised.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $noun:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text of the name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(value: &str) -> Result<Self, InvalidName> {
                let fits = (1..=MAX_NAME_BYTES).contains(&value.len())
                    && value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
                if fits {
                    Ok(Self(value.to_owned()))
                } else {
                    Err(InvalidName { noun: $noun, value: value.to_owned() })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(value: String) -> Result<Self, InvalidName> {
                value.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": "^[a-z0-9-]{1,64}$" })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// What a person calls a study; unique among the studies of a cluster.
    StudyName, "study name"
}

impl StudyName {
    /// The name with a number after it, for where the name itself is taken: `mlp-2`. A long one loses its end.
    pub fn numbered(&self, number: u32) -> Self {
        let suffix = format!("-{number}");
        let stem = &self.0[..self.0.len().min(MAX_NAME_BYTES - suffix.len())];
        Self(format!("{stem}{suffix}"))
    }

    /// Whether this is `name` with a number after it.
    pub fn is_numbered(&self, name: &Self) -> bool {
        let number = self.0.rsplit_once('-').and_then(|(_, number)| number.parse().ok());
        number.is_some_and(|number: u32| number > 1 && *self == name.numbered(number))
    }
}

name! {
    /// What a person calls a data set of the cluster's store; unique there.
    DataName, "data set name"
}

name! {
    /// What a person calls weights of the cluster's store; unique there.
    ModelName, "model name"
}

name! {
    /// A study's identity: eight hexadecimal digits, never reused.
    StudyId, "study id"
}

name! {
    /// A worker's identity: its host's name and a suffix that tells workers of one host apart.
    WorkerId, "worker id"
}

/// A trial's number in its study, from 0, fixed by the plan and never by the order of leases.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct TrialNumber(pub u32);

impl fmt::Display for TrialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a trial's lease, and the fencing token that every message about a leased trial carries: above those of
/// all its leases before, and above all that a store could have given before it was restored from a backup.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Attempt(pub u64);

impl Attempt {
    /// The attempt after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_take_lower_case_digits_and_dashes_only() {
        assert!("fashion-mlp-2".parse::<StudyName>().is_ok());
        for bad in ["", "Fashion", "a/b", "a b", "é", &"x".repeat(65)] {
            assert!(bad.parse::<StudyName>().is_err(), "{bad:?}");
        }
        assert!(serde_json::from_str::<StudyId>("\"../x\"").is_err());
    }

    #[test]
    fn a_numbered_name_is_known_by_its_own() {
        let name = |text: &str| text.parse::<StudyName>().unwrap();
        assert_eq!(name("mlp").numbered(2), name("mlp-2"));
        assert!(name("mlp-12").is_numbered(&name("mlp")));
        for other in ["mlp", "mlp-1", "mlp-02", "mlp-best", "cnn-2", "mlp-2-3"] {
            assert!(!name(other).is_numbered(&name("mlp")), "{other}");
        }
        let long = name(&"x".repeat(64));
        assert_eq!(long.numbered(10).as_str().len(), 64);
        assert!(long.numbered(10).is_numbered(&long));
    }

    proptest! {
        /// A name is a name whatever becomes of it: a path's part, a shell's word, a piece of HTML, SQL or JSON.
        #[test]
        fn any_text_is_a_harmless_name_or_none(text in "\\PC{0,80}|[a-z0-9./<>'\"&;$\\x00-]{0,80}") {
            let harmless = (1..=64).contains(&text.len())
                && text.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'));
            prop_assert_eq!(text.parse::<StudyName>().is_ok(), harmless);
            prop_assert_eq!(text.parse::<WorkerId>().is_ok(), harmless);
            prop_assert_eq!(text.parse::<DataName>().is_ok(), harmless);
        }
    }
}
