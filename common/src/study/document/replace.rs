//! Overrides: values that are set by a dotted key after a document was read.

use super::{Entry, Node, Value};
use crate::study::{Place, SpecError};

impl Node {
    /// Sets the value at a dotted key, for example `scheduler.max_epochs` or `scheduler.trials.0.seed`, to a YAML
    /// value; mappings on the way that are not there are made.
    pub(crate) fn set(&mut self, key: &str, yaml: &str) -> Result<(), SpecError> {
        let place = Place::Override(key.to_owned());
        let at = |error: SpecError| SpecError { place: Some(place.clone()), ..error };
        // A scalar of a flag is one line: what would begin a block of lines, as `>=` does, is text.
        let mut value = match yaml.trim_start().starts_with(['>', '|']) {
            true => Self { value: Value::Text(yaml.trim().to_owned()), place: None },
            false => Self::from_yaml(yaml).map_err(at)?,
        };
        value.move_to(&place);
        let mut node = self;
        for step in key.split('.') {
            if step.is_empty() {
                return Err(at(SpecError::new("the key has an empty part")));
            }
            node = node.child(step, &place).map_err(at)?;
        }
        *node = value;
        Ok(())
    }

    /// The value of a key or at an index; made where it is not there.
    fn child(&mut self, step: &str, place: &Place) -> Result<&mut Self, SpecError> {
        if self.value == Value::Null {
            self.value = Value::Map(Vec::new());
        }
        match &mut self.value {
            Value::List(items) => {
                let len = items.len();
                let item = step.parse().ok().and_then(|i: usize| items.get_mut(i));
                item.ok_or_else(|| SpecError::new(format!("the list has no item `{step}`, but {len} from 0")))
            }
            Value::Map(entries) => {
                let i = entries.iter().position(|entry| entry.key == step).unwrap_or_else(|| {
                    let node = Self { value: Value::Null, place: Some(place.clone()) };
                    entries.push(Entry { key: step.to_owned(), key_place: Some(place.clone()), node });
                    entries.len() - 1
                });
                Ok(&mut entries[i].node)
            }
            value => Err(SpecError::new(format!("`{step}` is under {value}, which is no mapping"))),
        }
    }

    /// Makes a place that of this value and all inside.
    fn move_to(&mut self, place: &Place) {
        self.place = Some(place.clone());
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|item| item.move_to(place)),
            Value::Map(entries) => {
                for entry in entries {
                    entry.key_place = Some(place.clone());
                    entry.node.move_to(place);
                }
            }
            _ => {}
        }
    }
}
