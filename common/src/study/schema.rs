//! The JSON schema of study files.
//!
//! It is derived from the types that are read, so it knows the keys and names of every place. Only the part of JSON
//! Schema that `schemars` writes for these types is understood here.

mod conform;

mod foreign;

pub(super) use conform::conform;

use std::sync::OnceLock;

use serde_json::Value as Schema;

use super::StudySpec;

/// The JSON schema of study files.
pub(super) fn schema() -> &'static Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    SCHEMA.get_or_init(|| schemars::schema_for!(StudySpec).into())
}

/// What the key at a path means, and the names that it takes; none inside a space and other free mappings.
pub(super) fn description(path: &[&str]) -> Option<String> {
    let mut schema = schema();
    for key in path {
        let property = |schema: &&'static Schema| schema.get("properties").and_then(|all| all.get(*key));
        schema = alternatives(schema).iter().find_map(property)?;
    }
    let all = alternatives(schema);
    let text = |schema: &Schema| Some(schema.get("description")?.as_str()?.to_owned());
    let description = text(schema).or_else(|| all.first().copied().and_then(text));
    let names: Vec<&str> = all.iter().flat_map(|schema| names(schema)).collect();
    if names.len() < 2 {
        description
    } else {
        Some(format!("{}\nOne of {}.", description?, names.join(", ")))
    }
}

/// The schemas of which one must hold, references followed.
fn alternatives(mut schema: &Schema) -> Vec<&Schema> {
    while let Some(reference) = schema.get("$ref").and_then(Schema::as_str) {
        match self::schema().pointer(reference.trim_start_matches('#')) {
            Some(target) => schema = target,
            None => break,
        }
    }
    match schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Schema::as_array) {
        Some(all) => all.iter().flat_map(alternatives).collect(),
        None => vec![schema],
    }
}

/// The types that a schema names: one, or a list of them.
fn types(schema: &Schema) -> impl Iterator<Item = &str> {
    one_or_more(schema.get("type"))
}

/// The names that a schema allows; none where it allows every text.
fn names(schema: &Schema) -> impl Iterator<Item = &str> {
    one_or_more(schema.get("const").or_else(|| schema.get("enum")))
}

fn one_or_more(value: Option<&Schema>) -> impl Iterator<Item = &str> {
    let list = value.and_then(Schema::as_array).into_iter().flatten();
    value.into_iter().chain(list).filter_map(Schema::as_str)
}

/// The keys that a mapping takes.
fn keys(schema: &Schema) -> impl Iterator<Item = &str> {
    schema.get("properties").and_then(Schema::as_object).into_iter().flatten().map(|(key, _)| key.as_str())
}

/// The key whose value tells alternatives apart.
fn tag(schema: &Schema) -> Option<&str> {
    let properties = schema.get("properties")?.as_object()?;
    properties.iter().find(|(_, property)| property.get("const").is_some()).map(|(key, _)| key.as_str())
}
