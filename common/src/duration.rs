//! Spans of time as study files and flags write them: a number of seconds, or `90s`, `5m`, `2h`, `1h30m`.

use std::{borrow::Cow, fmt, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserializer, de};

/// A span of time as a flag gives it, longer than nothing; the error says how it is written.
pub fn span(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().or_else(|| parse(text));
    match seconds.map(Duration::try_from_secs_f64) {
        Some(Ok(span)) if !span.is_zero() => Ok(span),
        _ => Err(format!("`{text}` is no span of time: write seconds, or 90s, 5m, 2h, 1h30m")),
    }
}

/// The form of the texts that are spans of time, as the schema says it.
pub(crate) const PATTERN: &str = "^([0-9]+(\\.[0-9]+)?(d|h|m|s|ms))+$";

/// What is wrong with a text that is to be a span of time; nothing where it is one.
pub(crate) fn flaw(text: &str) -> Option<&'static str> {
    match parse(text) {
        Some(seconds) if seconds.is_finite() && seconds > 0.0 => None,
        Some(_) => Some("a span of time is above 0"),
        None => Some("write seconds, or a text such as 90s, 5m, 2h or 1h30m"),
    }
}

/// The form of a span of time in a study file's schema.
pub(crate) struct Text;

impl JsonSchema for Text {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Seconds, or a text such as 90s, 5m, 2h or 1h30m.",
            "anyOf": [
                { "type": "number", "exclusiveMinimum": 0 },
                { "type": "string", "pattern": PATTERN },
            ],
        })
    }
}

/// Reads an optional span of time, in seconds; it is finite and above 0.
pub(crate) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    deserializer.deserialize_option(Seconds)
}

struct Seconds;

impl<'de> de::Visitor<'de> for Seconds {
    type Value = Option<f64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a span of time: seconds, or a text such as 90s, 5m, 2h or 1h30m")
    }

    fn visit_none<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Self::Value, E> {
        self.visit_f64(seconds as f64)
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Self::Value, E> {
        self.visit_f64(seconds as f64)
    }

    fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Self::Value, E> {
        if seconds.is_finite() && seconds > 0.0 {
            Ok(Some(seconds))
        } else {
            Err(E::custom("a span of time must be above 0"))
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        match parse(text) {
            Some(seconds) => self.visit_f64(seconds),
            None => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }
}

/// The seconds of a text such as `1h30m`; none where it is no span of time.
fn parse(text: &str) -> Option<f64> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = &rest[..rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len())];
        seconds += number
            * match unit {
                "d" => 86_400.0,
                "h" => 3_600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 0.001,
                _ => return None,
            };
        rest = &rest[unit.len()..];
    }
    Some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_may_leave_the_unit_out() {
        for (text, seconds) in
            [("90", 90.0), ("90s", 90.0), ("1h30m", 5400.0), ("1.5m", 90.0), ("0.25", 0.25)]
        {
            assert_eq!(span(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
        for text in ["", "0", "-1", "h", "5x", "1h30", "inf", "nan", "1..5s", "5mé"] {
            assert!(span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn texts_are_seconds() {
        for (text, seconds) in
            [("90s", 90.0), ("5m", 300.0), ("2h", 7200.0), ("1h30m", 5400.0), ("1.5h", 5400.0)]
        {
            assert_eq!(parse(text), Some(seconds), "{text}");
        }
        for bad in ["", "5", "h", "5 m", "5x", "-5m", "1..5h", "é"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
