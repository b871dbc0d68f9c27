//! Parameters as other tuners write them, and how a study's space has them.

use super::{alternatives, keys, schema};
use crate::study::document::{Node, Value};

/// Most characters of what a person wrote that a hint repeats.
const REPEATED: usize = 40;

/// How a study writes a domain that Ray Tune, Optuna, Hyperopt or W&B calls by this name; none where none of them does.
pub(super) fn domain(name: &str, given: &Node) -> Option<String> {
    let numbers = numbers(given);
    let number = |at: usize, else_: &str| numbers.get(at).cloned().unwrap_or_else(|| else_.to_owned());
    let (least, most, step) = (number(0, "LEAST"), number(1, "MOST"), number(2, "STEP"));
    let written = match name {
        "uniform" => format!("{{float: [{least}, {most}]}}"),
        "loguniform" | "log_uniform" | "log_uniform_values" => {
            format!("{{float: [{least}, {most}], log: true}}")
        }
        "quniform" | "q_uniform" | "discrete_uniform" => {
            format!("{{float: [{least}, {most}], step: {step}}}")
        }
        "randint" | "int_uniform" => format!("{{int: [{least}, {most}]}}"),
        "qrandint" => format!("{{int: [{least}, {most}], step: {step}}}"),
        "lograndint" => format!("{{int: [{least}, {most}], log: true}}"),
        "categorical" | "grid_search" | "values" => match given.value {
            Value::List(_) => format!("{{choice: {}}}", repeated(given, "[A, B, …]")),
            _ => "{choice: [A, B, …]}".to_owned(),
        },
        _ => return None,
    };
    let ends = if written.starts_with("{int") { "; both ends are among the values" } else { "" };
    Some(format!("write `{written}`{ends}"))
}

/// How a study writes a parameter where something else than a mapping stands; none where that tells nothing.
pub(super) fn parameter(name: &str, given: &Node) -> Option<String> {
    let one = match &given.value {
        Value::Null | Value::Map(_) => return None,
        Value::List(_) => return Some(format!("write `{{choice: {}}}`", repeated(given, "[A, B, …]"))),
        Value::Text(text) => {
            let called = text.split_once('(').and_then(|(called, _)| domain(called, given));
            if called.is_some() {
                return called;
            }
            repeated(given, "VALUE")
        }
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => repeated(given, "VALUE"),
    };
    let key = if name == "lr" { "learning_rate" } else { name };
    let instead = match of_training(key) {
        true => format!(", or leave it out of the space and write `train: {{{key}: {one}}}`"),
        false => String::new(),
    };
    Some(format!("write `{{choice: [{one}]}}`{instead}"))
}

/// Whether a study's training has such a key.
fn of_training(key: &str) -> bool {
    let train = schema().pointer("/properties/train");
    train.is_some_and(|train| alternatives(train).into_iter().flat_map(keys).any(|own| own == key))
}

/// A value as it would be written, where it is short.
fn repeated(given: &Node, long: &str) -> String {
    let text = given.to_inline();
    if text.chars().count() <= REPEATED { text } else { long.to_owned() }
}

/// The numbers that are listed; none where something else stands there.
fn numbers(given: &Node) -> Vec<String> {
    let Value::List(items) = &given.value else { return Vec::new() };
    let number = |item: &Node| match item.value {
        Value::Int(_) | Value::Float(_) => Some(item.to_inline()),
        _ => None,
    };
    items.iter().map(number).collect::<Option<_>>().unwrap_or_default()
}
