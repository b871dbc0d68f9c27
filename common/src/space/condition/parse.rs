//! Conditions as text.

use std::str::FromStr;

use super::{Condition, Test};
use crate::{hparams::Scalar, space::Comparison};

/// A text that is no condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no condition: write for example `layers >= 3` or `optimizer in [adam, adamw]`")]
pub struct InvalidCondition(String);

impl FromStr for Condition {
    type Err = InvalidCondition;

    fn from_str(text: &str) -> Result<Self, InvalidCondition> {
        parse(text).ok_or_else(|| InvalidCondition(text.chars().take(120).collect()))
    }
}

impl TryFrom<String> for Condition {
    type Error = InvalidCondition;

    fn try_from(text: String) -> Result<Self, InvalidCondition> {
        text.parse()
    }
}

impl From<Condition> for String {
    fn from(condition: Condition) -> Self {
        condition.to_string()
    }
}

fn parse(text: &str) -> Option<Condition> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
    let (parameter, rest) = (text[..end].to_owned(), text[end..].trim_start());
    if parameter.is_empty() {
        return None;
    }
    if let Some(list) = rest.strip_prefix("in").map(str::trim).and_then(|rest| rest.strip_prefix('[')) {
        return Some(Condition { parameter, test: Test::In(list_of(list.strip_suffix(']')?)?) });
    }
    let comparison = Comparison::ALL.into_iter().find(|comparison| rest.starts_with(comparison.as_str()))?;
    let value = rest[comparison.as_str().len()..].trim();
    Some(Condition { parameter, test: Test::Is(comparison, scalar(value)?) })
}

/// The values of a list without its brackets; commas inside quotes do not separate.
fn list_of(text: &str) -> Option<Vec<Scalar>> {
    let (mut values, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (i, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                values.push(scalar(text[start..i].trim())?);
                start = i + 1;
            }
            _ => {}
        }
    }
    values.push(scalar(text[start..].trim())?);
    Some(values)
}

/// A value: a text in double quotes, or a word.
fn scalar(text: &str) -> Option<Scalar> {
    if text.starts_with('"') { serde_json::from_str(text).ok().map(Scalar::Text) } else { word(text).ok() }
}

/// An unquoted value: a switch, a number, or a name of letters, digits, `_`, `-` and `.`.
pub(super) fn word(text: &str) -> Result<Scalar, ()> {
    if text == "true" || text == "false" {
        return Ok(Scalar::Bool(text == "true"));
    }
    if let Ok(value) = text.parse() {
        return Ok(Scalar::Int(value));
    }
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(Scalar::Float(value)),
        Ok(_) => Err(()),
        Err(_) => {
            let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
            if plain && !text.is_empty() { Ok(Scalar::Text(text.to_owned())) } else { Err(()) }
        }
    }
}
