//! How a study's document is held against the schema.
//!
//! Serde reports neither where an unknown key stands nor what was meant, least of all inside tagged enums; so a
//! document is held against the schema before it is read into types.

use serde_json::Value as Schema;

use super::{alternatives, foreign, keys, names, schema, tag, types};
use crate::{
    duration,
    study::{
        SpecError,
        document::{Entry, Node, Value},
    },
};

/// Fails at the first key, name or value of a study's document that the schema does not allow.
pub(in crate::study) fn conform(document: &Node) -> Result<(), SpecError> {
    value("the study", document, schema())
}

/// Holds a value against a schema; `name` is what messages call it.
fn value(name: &str, node: &Node, schema: &Schema) -> Result<(), SpecError> {
    let all = alternatives(schema);
    let fitting: Vec<&Schema> = all.iter().copied().filter(|schema| has_type(node, schema)).collect();
    if fitting.is_empty() {
        return Err(wrong_type(name, node, &all));
    }
    if let Value::Text(text) = &node.value {
        let names: Vec<&str> = fitting.iter().flat_map(|schema| names(schema)).collect();
        let free = fitting.iter().any(|schema| super::names(schema).next().is_none());
        if !free && !names.contains(&text.as_str()) {
            return Err(node.error(format!("{name} cannot be `{text}`")).with_nearest(text, &names));
        }
    }
    if let [first, _, ..] = fitting[..]
        && let Some(tag) = tag(first)
    {
        return single(name, node, tagged(name, node, tag, &fitting)?);
    }
    let mut outcomes = fitting.iter().map(|schema| single(name, node, schema));
    let first = outcomes.next().unwrap_or(Ok(()));
    if first.is_ok() || outcomes.any(|outcome| outcome.is_ok()) { Ok(()) } else { first }
}

/// Holds a value against a schema without alternatives whose type it has.
fn single(name: &str, node: &Node, schema: &Schema) -> Result<(), SpecError> {
    match &node.value {
        Value::Int(number) => number_in_range(name, node, *number as f64, schema),
        Value::Float(number) => number_in_range(name, node, *number, schema),
        Value::List(items) => list(name, node, items, schema),
        Value::Map(entries) => map(name, node, entries, schema),
        Value::Text(written) => text(name, node, written, schema),
        Value::Null | Value::Bool(_) => Ok(()),
    }
}

/// Holds a text against the one form that a schema asks of texts: that of spans of time.
fn text(name: &str, node: &Node, text: &str, schema: &Schema) -> Result<(), SpecError> {
    let is_span = schema.get("pattern").and_then(Schema::as_str) == Some(duration::PATTERN);
    match duration::flaw(text).filter(|_| is_span) {
        Some(flaw) => {
            let error = node.error(format!("{name} cannot be `{text}`"));
            Err(SpecError { help: Some(flaw.to_owned()), ..error })
        }
        None => Ok(()),
    }
}

fn number_in_range(name: &str, node: &Node, number: f64, schema: &Schema) -> Result<(), SpecError> {
    let bound = |key: &str| schema.get(key).and_then(Schema::as_f64);
    let fixed_width = match schema.get("format").and_then(Schema::as_str) {
        Some("uint32") => Some(f64::from(u32::MAX)),
        _ => None,
    };
    let expected = if let Some(least) = bound("minimum").filter(|least| number < *least) {
        format!("at least {least}")
    } else if let Some(low) = bound("exclusiveMinimum").filter(|low| number <= *low) {
        format!("above {low}")
    } else if let Some(most) = bound("maximum").or(fixed_width).filter(|most| number > *most) {
        format!("at most {most}")
    } else if let Some(high) = bound("exclusiveMaximum").filter(|high| number >= *high) {
        format!("below {high}")
    } else {
        return Ok(());
    };
    Err(node.error(format!("{name} must be {expected}, not {}", node.value)))
}

fn list(name: &str, node: &Node, items: &[Node], schema: &Schema) -> Result<(), SpecError> {
    let limit = |key: &str| schema.get(key).and_then(Schema::as_u64);
    let (least, most) = (limit("minItems").unwrap_or(0), limit("maxItems").unwrap_or(u64::MAX));
    if !(least..=most).contains(&(items.len() as u64)) {
        let expected = if least == most { format!("{least}") } else { format!("at least {least}") };
        return Err(node.error(format!("{name} must list {expected}, not {}", items.len())));
    }
    match schema.get("items") {
        Some(schema) => items.iter().try_for_each(|item| value(&format!("an item of {name}"), item, schema)),
        None => Ok(()),
    }
}

fn map(name: &str, node: &Node, entries: &[Entry], schema: &Schema) -> Result<(), SpecError> {
    for entry in entries {
        let known = schema.get("properties").and_then(|properties| properties.get(&entry.key));
        match known.or_else(|| schema.get("additionalProperties").filter(|other| other.is_object())) {
            Some(schema) => value(&format!("`{}`", entry.key), &entry.node, schema)?,
            None if schema.get("properties").is_some() => return Err(unknown_key(entry, schema)),
            None => {}
        }
    }
    let required = schema.get("required").and_then(Schema::as_array).into_iter().flatten();
    match required.filter_map(Schema::as_str).find(|key| node.get(key).is_none()) {
        Some(missing) => Err(node.error(format!("{name} needs the key `{missing}`"))),
        None => Ok(()),
    }
}

/// The error for a key that a mapping does not take.
fn unknown_key(entry: &Entry, schema: &Schema) -> SpecError {
    let keys: Vec<&str> = keys(schema).collect();
    let mut error = SpecError::unknown("key", &entry.key, &keys);
    // Only the study itself has a key `scheduler`, and whoever misses a key there may mean one inside.
    if keys.contains(&"scheduler") {
        let inside = |key: &&&str| {
            let property = schema.get("properties").and_then(|properties| properties.get(**key));
            let takes = |schema: &Schema| super::keys(schema).any(|inner| inner == entry.key);
            property.is_some_and(|property| alternatives(property).into_iter().any(takes))
        };
        if let Some(owner) = keys.iter().find(inside) {
            error.help = Some(format!("it belongs under `{owner}`"));
        }
    }
    if is_parameter(&keys)
        && let Some(help) = foreign::domain(&entry.key, &entry.node)
    {
        error.help = Some(help);
    }
    if let Some((outer, inner)) = entry.key.split_once('.')
        && keys.contains(&outer)
    {
        error.help = Some(format!("in a file a dot is a step into a section: `{outer}: {{{inner}: …}}`"));
    }
    error.place.clone_from(&entry.key_place);
    error
}

/// Whether keys are those of a space's parameter: nothing else has a key `choice`.
fn is_parameter(keys: &[&str]) -> bool {
    keys.contains(&"choice")
}

/// The alternative whose tag the mapping bears.
fn tagged<'a>(
    name: &str,
    node: &Node,
    tag: &str,
    alternatives: &[&'a Schema],
) -> Result<&'a Schema, SpecError> {
    let property = |schema: &'a Schema| schema.get("properties").and_then(|properties| properties.get(tag));
    let all: Vec<&str> = alternatives.iter().filter_map(|s| property(s)).flat_map(names).collect();
    let Some(given) = node.get(tag) else {
        let error = node.error(format!("{name} needs the key `{tag}`"));
        return Err(SpecError { help: Some(format!("use one of {}", all.join(", "))), ..error });
    };
    let Value::Text(text) = &given.value else {
        return Err(given.error(format!("`{tag}` must be a text, not {}", given.value)));
    };
    let chosen = alternatives.iter().find(|s| property(s).is_some_and(|p| names(p).any(|name| name == text)));
    chosen.copied().ok_or_else(|| given.error(format!("`{tag}` cannot be `{text}`")).with_nearest(text, &all))
}

/// How many keys a hint lists at most.
const FEW_KEYS: usize = 8;

/// The error for a value whose type no alternative has.
fn wrong_type(name: &str, node: &Node, alternatives: &[&Schema]) -> SpecError {
    let mut expected: Vec<&str> = Vec::new();
    for kind in alternatives.iter().flat_map(|schema| types(schema)) {
        let kind = match kind {
            "integer" => "a whole number",
            "number" => "a number",
            "string" => "a text",
            "boolean" => "true or false",
            "array" => "a list",
            "object" => "a mapping",
            _ => continue,
        };
        if !expected.contains(&kind) {
            expected.push(kind);
        }
    }
    let error = node.error(format!("{name} must be {}, not {}", expected.join(" or "), node.value));
    let scalar = matches!(node.value, Value::Bool(_) | Value::Int(_) | Value::Float(_));
    let help = match expected[..] {
        ["a text"] if scalar => Some("put it in quotes".to_owned()),
        ["a list"] if scalar => Some(format!("write `[{}, …]`", node.value)),
        ["a mapping"] => {
            let mut keys: Vec<&str> = alternatives.iter().flat_map(|schema| keys(schema)).collect();
            keys.sort_unstable();
            keys.dedup();
            let parameter =
                is_parameter(&keys).then(|| foreign::parameter(name.trim_matches('`'), node)).flatten();
            parameter.or_else(|| {
                (1..=FEW_KEYS)
                    .contains(&keys.len())
                    .then(|| format!("write `{{KEY: …}}` with keys of {}", keys.join(", ")))
            })
        }
        _ => None,
    };
    SpecError { help, ..error }
}

fn has_type(node: &Node, schema: &Schema) -> bool {
    types(schema).any(|kind| match &node.value {
        Value::Null => kind == "null",
        Value::Bool(_) => kind == "boolean",
        Value::Int(_) => kind == "integer" || kind == "number",
        Value::Float(_) => kind == "number",
        Value::Text(_) => kind == "string",
        Value::List(_) => kind == "array",
        Value::Map(_) => kind == "object",
    })
}
