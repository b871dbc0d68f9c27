//! When a parameter is active, as a test of an earlier one: `layers >= 3`, `optimizer in [adam, adamw]`.

mod parse;

pub use parse::InvalidCondition;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Comparison, Domain, Parameter};
use crate::hparams::{Hparams, Scalar};

/// A test of an earlier parameter; never holds where that parameter is not active itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Condition {
    /// The name of the earlier parameter.
    pub parameter: String,
    /// What its value must be.
    pub test: Test,
}

/// What a value must be.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// It stands in this relation to a value.
    Is(Comparison, Scalar),
    /// It is one of these.
    In(Vec<Scalar>),
}

impl Test {
    /// Whether a value passes.
    pub fn passes(&self, value: &Scalar) -> bool {
        match self {
            Self::Is(comparison, other) => match (value.as_f64(), other.as_f64()) {
                (Some(value), Some(other)) => value.partial_cmp(&other).is_some_and(|o| comparison.holds(o)),
                _ if comparison.is_equality() => (value == other) == (*comparison == Comparison::Equal),
                _ => false,
            },
            Self::In(values) => values.iter().any(|other| other.same(value)),
        }
    }

    /// The values that are named.
    pub(super) fn values(&self) -> &[Scalar] {
        match self {
            Self::Is(_, value) => std::slice::from_ref(value),
            Self::In(values) => values,
        }
    }
}

impl Condition {
    /// Whether the condition holds for these values.
    pub fn holds(&self, earlier: &Hparams) -> bool {
        earlier.get(&self.parameter).is_some_and(|value| self.test.passes(value))
    }

    /// What is wrong with the condition after these parameters, if anything.
    pub(super) fn check(&self, earlier: &[Parameter]) -> Result<(), String> {
        let Some(parent) = earlier.iter().find(|parameter| parameter.name == self.parameter) else {
            return Err(format!("`when` must name an earlier parameter, not `{}`", self.parameter));
        };
        let ordered = matches!(self.test, Test::Is(comparison, _) if !comparison.is_equality());
        let numeric = match &parent.domain {
            Domain::Choice(values) => values.iter().all(|value| value.as_f64().is_some()),
            Domain::Int { .. } | Domain::Float { .. } => true,
        };
        for value in self.test.values() {
            if ordered && (!numeric || value.as_f64().is_none()) {
                return Err(format!("`{self}` compares what are not numbers; use ==, != or in"));
            }
            if let (false, Domain::Choice(values)) = (ordered, &parent.domain)
                && !values.iter().any(|other| other.same(value))
            {
                return Err(format!("`{self}`: {value} is no value of `{}`", self.parameter));
            }
        }
        let ends = match (&parent.domain, parent.domain.len()) {
            (Domain::Choice(values), _) => values.clone(),
            (domain, Some(len)) => vec![domain.value(0), domain.value(len.saturating_sub(1))],
            (Domain::Int { min, max, .. }, None) => vec![Scalar::Int(*min), Scalar::Int(*max)],
            (Domain::Float { min, max, .. }, None) => vec![Scalar::Float(*min), Scalar::Float(*max)],
        };
        // A test of one value is met by that value if by any; one of an order, by one of the ends.
        let named = self.test.values().iter().map(|value| parent.domain.typed(value));
        let named = named.filter(|value| parent.domain.contains(value));
        if !ends.into_iter().chain(named).any(|value| self.test.passes(&value)) {
            return Err(format!("`{self}` never holds: no value of `{}` is such", self.parameter));
        }
        Ok(())
    }
}

impl fmt::Display for Condition {
    /// Writes the form that is read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.test {
            Test::Is(comparison, value) => {
                write!(f, "{} {} {}", self.parameter, comparison.as_str(), Written(value))
            }
            Test::In(values) => {
                write!(f, "{} in [", self.parameter)?;
                for (i, value) in values.iter().enumerate() {
                    write!(f, "{}{}", if i == 0 { "" } else { ", " }, Written(value))?;
                }
                f.write_str("]")
            }
        }
    }
}

/// A value as a condition writes it: a text is quoted unless it is a plain word.
struct Written<'a>(&'a Scalar);

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Scalar::Text(text) if !matches!(parse::word(text), Ok(Scalar::Text(_))) => {
                write!(f, "{}", serde_json::Value::from(text.as_str()))
            }
            value => value.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests;
