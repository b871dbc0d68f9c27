//! Limits on configurations that arithmetic can check before anything is trained.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::{model_spec::ModelSpec, space::Comparison};

/// What a configuration must satisfy to be tried; a draw that does not is drawn again.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Constraints {
    /// Bounds on the number of trained parameters, for example `<= 315k`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Bounds>,
}

impl Constraints {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a model satisfies them.
    pub fn admit(&self, model: &ModelSpec) -> bool {
        self.parameters.as_ref().is_none_or(|bounds| bounds.hold(model.parameters()))
    }
}

/// Comparisons with whole numbers, all of which must hold: `<= 315k`, or `>= 100k, < 1.5M`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bounds(Vec<(Comparison, u64)>);

impl Bounds {
    /// Whether a number satisfies all comparisons.
    pub fn hold(&self, number: u64) -> bool {
        self.0.iter().all(|(comparison, bound)| comparison.holds(number.cmp(bound)))
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (comparison, bound)) in self.0.iter().enumerate() {
            write!(f, "{}{} {bound}", if i == 0 { "" } else { ", " }, comparison.as_str())?;
        }
        Ok(())
    }
}

/// A text that is no bound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no bound: write for example `<= 315k` or `>= 100k, < 1.5M`")]
pub struct InvalidBounds(String);

impl FromStr for Bounds {
    type Err = InvalidBounds;

    fn from_str(text: &str) -> Result<Self, InvalidBounds> {
        let bound = |part: &str| {
            let part = part.trim();
            let comparison = Comparison::ALL.into_iter().find(|c| part.starts_with(c.as_str()))?;
            Some((comparison, whole(part[comparison.as_str().len()..].trim())?))
        };
        let bounds: Option<Vec<_>> = text.split(',').map(bound).collect();
        bounds.map(Self).ok_or_else(|| InvalidBounds(text.chars().take(120).collect()))
    }
}

impl TryFrom<String> for Bounds {
    type Error = InvalidBounds;

    fn try_from(text: String) -> Result<Self, InvalidBounds> {
        text.parse()
    }
}

impl From<Bounds> for String {
    fn from(bounds: Bounds) -> Self {
        bounds.to_string()
    }
}

impl JsonSchema for Bounds {
    fn schema_name() -> Cow<'static, str> {
        "Bounds".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "One or more comparisons, separated by commas: `<= 315k`, `>= 100k, < 1.5M`.",
        })
    }
}

/// A whole number, in units, thousands (`k`) or millions (`M`).
fn whole(text: &str) -> Option<u64> {
    let (digits, zeros) = match text.as_bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], 3),
        b'm' | b'M' => (&text[..text.len() - 1], 6),
        _ => (text, 0),
    };
    // Digit by digit: 4.1 times a million is no whole number of floating point.
    let digits = digits.replace('_', "");
    let (whole, part) = digits.split_once('.').unwrap_or((&digits, ""));
    let part = part.trim_end_matches('0');
    let all = format!("{whole}{part}");
    if part.len() > zeros || all.len() > 15 || !all.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let scale = 10_u64.pow((zeros - part.len()) as u32);
    all.parse::<u64>().ok()?.checked_mul(scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_for_what_they_say() {
        let bounds: Bounds = ">= 100k, <1.5M".parse().unwrap();
        assert_eq!(bounds.to_string(), ">= 100000, < 1500000");
        assert!(bounds.hold(100_000) && bounds.hold(1_499_999));
        assert!(!bounds.hold(99_999) && !bounds.hold(1_500_000));
        assert_eq!("<= 315_000".parse::<Bounds>().unwrap().to_string(), "<= 315000");
        for (text, bound) in
            [("4.1M", 4_100_000), ("2.01k", 2_010), ("16.1K", 16_100), (".5k", 500), ("8.20M", 8_200_000)]
        {
            assert_eq!(format!("<= {text}").parse::<Bounds>().unwrap().to_string(), format!("<= {bound}"));
        }
        for bad in
            ["", "315k", "<=", "<= k", "<= -5", "<= 1.5", "<= 1.2345k", "<= .", "<= 1e3", "<= 5, ", "=> 5"]
        {
            assert!(bad.parse::<Bounds>().is_err(), "{bad:?}");
        }
    }
}
