//! Studies as text: YAML for people, JSON for storage.

use serde::Deserialize;

use super::{
    SpecError, StudySpec, check,
    document::{Entry, Node, Style, Value},
    schema,
};
use crate::space::SearchSpace;

impl StudySpec {
    /// Reads a study file.
    pub fn from_yaml(text: &str) -> Result<Self, SpecError> {
        Self::from_yaml_with(text, &[])
    }

    /// Reads a study file whose values at dotted keys are replaced first.
    ///
    /// An override is a key such as `scheduler.max_epochs` and a YAML value such as `9`.
    pub fn from_yaml_with(text: &str, overrides: &[(String, String)]) -> Result<Self, SpecError> {
        Self::from_document(&replaced(text, overrides)?)
    }

    /// Whether a study file whose values are replaced lists its trials, or what is wrong with its text; nothing else of
    /// it is checked.
    pub fn is_listed(text: &str, overrides: &[(String, String)]) -> Result<bool, SpecError> {
        let document = replaced(text, overrides)?;
        let kind = document.get("scheduler").and_then(|scheduler| scheduler.get("kind"));
        Ok(kind.is_some_and(|kind| kind.value == Value::Text("fixed".to_owned())))
    }

    /// The study as a file that reads back to exactly this study.
    pub fn to_yaml(&self) -> String {
        self.to_document().to_yaml()
    }

    /// Reads a stored study; all that a study file is checked for is checked again.
    pub fn from_json(text: &str) -> Result<Self, SpecError> {
        let document = serde_json::from_str(text).map_err(|error| SpecError::new(error.to_string()))?;
        Self::from_document(&document)
    }

    /// The study as it is stored: one line, defaults and the space's parameters written out.
    pub fn to_json(&self) -> String {
        // Writing to memory cannot fail, and every key is a string.
        serde_json::to_string(self).expect("a study is plain data")
    }

    /// The JSON schema of study files.
    pub fn schema() -> serde_json::Value {
        schema::schema().clone()
    }

    /// The study as a file whose keys are explained; reads back to exactly this study. A named space is
    /// named.
    pub(crate) fn to_commented_yaml(&self) -> String {
        let mut document = self.to_document();
        if let Some(name) =
            SearchSpace::NAMES.iter().find(|n| SearchSpace::named(n).as_ref() == Some(&self.space))
            && let Some(space) = document.get_mut("space")
        {
            space.value = Value::Text((*name).to_owned());
        }
        document.to_yaml_with(&Style { comment: &schema::description })
    }

    fn from_document(document: &Node) -> Result<Self, SpecError> {
        schema::conform(document)?;
        let study = Self::deserialize(document)?;
        match check::flaw(&study) {
            Some(flaw) => Err(SpecError { place: document.place_of(&flaw.path).cloned(), ..flaw.error }),
            None => Ok(study),
        }
    }

    /// The study's document, its space as a mapping, without what is empty.
    fn to_document(&self) -> Node {
        // It was written by a serialiser a moment ago.
        let mut document: Node = serde_json::from_str(&self.to_json()).expect("a study is valid JSON");
        if let Some(space) = document.get_mut("space") {
            space.value = by_name(std::mem::replace(&mut space.value, Value::Null));
        }
        if let Value::Map(entries) = &mut document.value {
            entries.retain(|entry| entry.node.value != Value::Map(Vec::new()));
        }
        document
    }
}

/// A study file's document whose values at dotted keys are replaced.
fn replaced(text: &str, overrides: &[(String, String)]) -> Result<Node, SpecError> {
    let mut document = Node::from_yaml(text)?;
    if document.value == Value::Null {
        return Err(document.error("the study file is empty"));
    }
    for (key, value) in overrides {
        open(&mut document, key)?;
        let meaning = MEANINGS.iter().find(|(name, _)| key == name);
        let before = meaning.and_then(|_| document.at(key)).map(|node| node.value.clone());
        document.set(key, value)?;
        if let Some((_, meaning)) = meaning
            && before != document.at(key).map(|node| node.value.clone())
        {
            document.remove(meaning);
        }
    }
    Ok(document)
}

/// Keys of names, and where a study has recorded what the name means: another name means something else.
const MEANINGS: [(&str, &str); 2] =
    [("data.name", "data.facts"), ("train.initial_weights.name", "train.initial_weights.digest")];

/// Keys whose value may be a name alone instead of a mapping with it.
const NAMES_ALONE: [&str; 2] = ["data", "train.initial_weights"];

/// Writes out what an override is about to change a part of: a named space, a name alone, or the default scheduler.
fn open(document: &mut Node, key: &str) -> Result<(), SpecError> {
    if key.starts_with("scheduler.") && document.get("scheduler").is_none() {
        document.set("scheduler", "{kind: hyperband}")?;
    }
    if key.starts_with("space.")
        && let Some(space) = document.get_mut("space")
        && let Value::Text(name) = &space.value
        && let Some(named) = SearchSpace::named(name)
    {
        // Writing to memory cannot fail, and a serialiser wrote it a moment ago.
        let json = serde_json::to_string(&named).expect("a space is plain data");
        let list: Node = serde_json::from_str(&json).expect("a space is valid JSON");
        space.value = by_name(list.value);
    }
    for outer in NAMES_ALONE {
        let inside = key.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.'));
        let node = outer.split('.').try_fold(&mut *document, |node, step| node.get_mut(step));
        if let (true, Some(node @ Node { value: Value::Text(_), .. })) = (inside, node) {
            let (name, place) = (node.clone(), node.place.clone());
            node.value = Value::Map(vec![Entry { key: "name".to_owned(), key_place: place, node: name }]);
        }
    }
    Ok(())
}

/// A list of parameters as a mapping: their names are the keys.
fn by_name(parameters: Value) -> Value {
    let entry = |parameter: Node| {
        let Value::Map(mut entries) = parameter.value else {
            return None;
        };
        let name = entries.remove(entries.iter().position(|entry| entry.key == "name")?);
        let Value::Text(key) = name.node.value else {
            return None;
        };
        Some(Entry { key, key_place: None, node: Node::new(Value::Map(entries)) })
    };
    match parameters {
        Value::List(items) => Value::Map(items.into_iter().filter_map(entry).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests;
