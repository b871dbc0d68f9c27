//! A study file as a tree that remembers where each part stands.

mod deserialize;

mod read;

mod replace;

mod write;

pub(crate) use write::Style;

use super::{Place, SpecError};

/// One value of a document.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) value: Value,
    /// Where it stands; none where it was not written by a person.
    pub(crate) place: Option<Place>,
}

/// What a value is; floats are finite.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    /// Entries in the order in which they are written; keys differ.
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_place: Option<Place>,
    pub(crate) node: Node,
}

impl Node {
    /// A value that nobody wrote.
    pub(crate) fn new(value: Value) -> Self {
        Self { value, place: None }
    }

    /// The value of a key, where this is a mapping that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node),
            _ => None,
        }
    }

    /// The value of a key, to be changed.
    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        match &mut self.value {
            Value::Map(entries) => {
                entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.node)
            }
            _ => None,
        }
    }

    /// The value at a dotted key of mappings, where there is one.
    pub(crate) fn at(&self, key: &str) -> Option<&Self> {
        key.split('.').try_fold(self, |node, step| node.get(step))
    }

    /// Takes the value at a dotted key of mappings out, where there is one.
    pub(crate) fn remove(&mut self, key: &str) {
        let (around, last) = key.rsplit_once('.').map_or((None, key), |(around, last)| (Some(around), last));
        let mut steps = around.into_iter().flat_map(|around| around.split('.'));
        let Some(node) = steps.try_fold(self, |node, step| node.get_mut(step)) else { return };
        if let Value::Map(entries) = &mut node.value {
            entries.retain(|entry| entry.key != last);
        }
    }

    /// Where the value at a path stands, or else the nearest value around it.
    pub(super) fn place_of(&self, path: &[String]) -> Option<&Place> {
        let Some((step, rest)) = path.split_first() else {
            return self.place.as_ref();
        };
        let child = match &self.value {
            Value::List(items) => step.parse().ok().and_then(|i: usize| items.get(i)),
            _ => self.get(step),
        };
        child.and_then(|child| child.place_of(rest)).or(self.place.as_ref())
    }

    /// An error that points at this value.
    pub(super) fn error(&self, message: impl Into<String>) -> SpecError {
        SpecError { place: self.place.clone(), ..SpecError::new(message) }
    }
}

/// What a value is, for messages.
impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => f.write_str("empty"),
            Self::Bool(value) => write!(f, "`{value}`"),
            Self::Int(value) => value.fmt(f),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(text) => write!(f, "the text `{}`", text.chars().take(60).collect::<String>()),
            Self::List(_) => f.write_str("a list"),
            Self::Map(_) => f.write_str("a mapping"),
        }
    }
}

#[cfg(test)]
mod tests;
