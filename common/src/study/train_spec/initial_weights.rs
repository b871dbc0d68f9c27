//! The stored weights that trials begin with.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::{checkpoint::Digest, ids::ModelName};

/// The stored weights that every trial begins with, instead of weights that are drawn.
///
/// In study files it is a name, or a mapping with the name and more; it is always stored as a mapping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InitialWeights {
    /// What `rung model add` called them.
    pub name: ModelName,
    /// What of them stays as it is.
    #[serde(skip_serializing_if = "Freeze::is_nothing")]
    pub freeze: Freeze,
    /// What the name meant when the study was submitted: the coordinator records it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// What of a model stays as it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Freeze {
    /// Nothing: all of it is trained.
    #[default]
    Nothing,
    /// All but the last dense layer; its batch norm goes by its running statistics and keeps them.
    Backbone,
}

impl Freeze {
    fn is_nothing(&self) -> bool {
        *self == Self::Nothing
    }
}

impl InitialWeights {
    /// Whether two studies mean the same weights: digests count only where both have them.
    pub fn agrees(&self, other: &Self) -> bool {
        let digests = self.digest.is_none() || other.digest.is_none() || self.digest == other.digest;
        digests && (&self.name, self.freeze) == (&other.name, other.freeze)
    }
}

/// Stored weights that trials begin with, and what becomes of them.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Written {
    /// What `rung model add` called them.
    name: ModelName,
    /// What of them stays as it is.
    #[serde(default)]
    freeze: Freeze,
    /// What the name meant when the study was submitted: the coordinator records it.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    digest: Option<Digest>,
}

impl<'de> Deserialize<'de> for InitialWeights {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameOrMapping)
    }
}

/// Reads either form; an untagged enum would not say what is wrong.
struct NameOrMapping;

impl<'de> Visitor<'de> for NameOrMapping {
    type Value = InitialWeights;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of stored weights, or a mapping with it")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<InitialWeights, E> {
        let name = text.parse().map_err(E::custom)?;
        Ok(InitialWeights { name, freeze: Freeze::Nothing, digest: None })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<InitialWeights, A::Error> {
        let Written { name, freeze, digest } = Written::deserialize(MapAccessDeserializer::new(map))?;
        Ok(InitialWeights { name, freeze, digest })
    }
}

impl JsonSchema for InitialWeights {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "InitialWeights".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [ModelName::json_schema(generator), Written::json_schema(generator)] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::StudySpec;

    fn read(weights: &str) -> Result<Option<InitialWeights>, String> {
        let hparams = "{layers: 1, units: 8}";
        let file = format!(
            "name: a\nmodel: mlp\nscheduler: {{kind: fixed, epochs: 1, trials: [{{hparams: {hparams}}}]}}\n\
             train: {{initial_weights: {weights}}}\n"
        );
        let read = StudySpec::from_yaml(&file).map_err(|error| error.to_string())?;
        assert_eq!(StudySpec::from_yaml(&read.to_yaml()).as_ref(), Ok(&read), "{}", read.to_yaml());
        assert_eq!(StudySpec::from_json(&read.to_json()).as_ref(), Ok(&read));
        Ok(read.train.initial_weights)
    }

    fn named(freeze: Freeze, digest: Option<Digest>) -> InitialWeights {
        InitialWeights { name: "shapes".parse().unwrap(), freeze, digest }
    }

    #[test]
    fn a_name_and_a_mapping_are_read() {
        assert_eq!(read("null"), Ok(None));
        assert_eq!(read("shapes"), Ok(Some(named(Freeze::Nothing, None))));
        let digest = Digest::of(b"weights");
        let mapping = format!("{{name: shapes, freeze: backbone, digest: \"{digest}\"}}");
        assert_eq!(read(&mapping), Ok(Some(named(Freeze::Backbone, Some(digest)))));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (written, says) in [
            ("Shapes", "model name `Shapes` is not valid: use 1 to 64 of a-z, 0-9 and -"),
            ("../shapes", "is not valid"),
            ("{name: shapes, freeze: backbon}", "`freeze` cannot be `backbon`; did you mean `backbone`?"),
            ("{name: shapes, digest: abc}", "`abc` is not a digest"),
            ("{freeze: backbone}", "needs the key `name`"),
            ("{nam: shapes}", "unknown key `nam`; did you mean `name`?"),
            ("3", "must be a text or a mapping, not 3"),
        ] {
            let said = read(written).unwrap_err();
            assert!(said.contains(says), "{written}: {said}");
        }
    }

    #[test]
    fn digests_count_where_both_have_them() {
        let (bare, told) = (named(Freeze::Nothing, None), named(Freeze::Nothing, Some(Digest::of(b"a"))));
        assert!(bare.agrees(&told) && told.agrees(&bare));
        assert!(!told.agrees(&named(Freeze::Nothing, Some(Digest::of(b"b")))));
        assert!(!bare.agrees(&named(Freeze::Backbone, None)));
    }
}
