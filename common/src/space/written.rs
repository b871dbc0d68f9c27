//! Spaces as study files and stored studies write them.
//!
//! A file names a space, or writes its parameters as a mapping; a stored study holds a list of them, whose order no
//! JSON reader changes. All three are read.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Condition, Domain, Parameter, SearchSpace};
use crate::hparams::Scalar;

/// One parameter as it is written.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Parameter")]
struct Written {
    /// The parameter's name, where parameters are a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The values of which one is chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    choice: Option<Vec<Scalar>>,
    /// The least and the greatest whole number.
    #[serde(skip_serializing_if = "Option::is_none")]
    int: Option<[i64; 2]>,
    /// The least and the greatest real number.
    #[serde(skip_serializing_if = "Option::is_none")]
    float: Option<[f64; 2]>,
    /// The distance of neighbouring values.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<f64>,
    /// Whether draws are uniform in the logarithm.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    log: bool,
    /// When the parameter is active: a test of an earlier one, for example `layers >= 3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    when: Option<Condition>,
}

impl Written {
    /// The parameter that is meant.
    fn parameter(self, name: String) -> Result<Parameter, String> {
        let Self { choice, int, float, step, log, when, .. } = self;
        let domain = match (choice, int, float) {
            (Some(_), None, None) if step.is_some() || log => {
                return Err(format!("parameter `{name}`: `choice` takes neither `step` nor `log`"));
            }
            (Some(values), None, None) => Domain::Choice(alike(values)),
            (None, Some([min, max]), None) => {
                let step = match step {
                    None => 1,
                    Some(step) if step.fract() == 0.0 && step.abs() < 9e15 => step as i64,
                    Some(step) => {
                        return Err(format!("parameter `{name}`: step {step:?} is no whole number"));
                    }
                };
                Domain::Int { min, max, step, log }
            }
            (None, None, Some([min, max])) => Domain::Float { min, max, step, log },
            _ => {
                return Err(format!("parameter `{name}` needs exactly one of `choice`, `int` and `float`"));
            }
        };
        Ok(Parameter { name, domain, when })
    }
}

impl From<&Parameter> for Written {
    fn from(parameter: &Parameter) -> Self {
        let mut written =
            Self { name: Some(parameter.name.clone()), when: parameter.when.clone(), ..Self::default() };
        match parameter.domain {
            Domain::Choice(ref values) => written.choice = Some(values.clone()),
            Domain::Int { min, max, step, log } => {
                written.int = Some([min, max]);
                written.step = (step != 1).then_some(step as f64);
                written.log = log;
            }
            Domain::Float { min, max, step, log } => {
                written.float = Some([min, max]);
                written.step = step;
                written.log = log;
            }
        }
        written
    }
}

/// The values of a list, whole numbers as real ones where a real one stands beside them.
fn alike(values: Vec<Scalar>) -> Vec<Scalar> {
    let real = values.iter().any(|value| matches!(value, Scalar::Float(_)));
    let convert = |value| match value {
        Scalar::Int(value) if real => Scalar::Float(value as f64),
        value => value,
    };
    values.into_iter().map(convert).collect()
}

impl Serialize for SearchSpace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.parameters.iter().map(Written::from))
    }
}

impl<'de> Deserialize<'de> for SearchSpace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SpaceVisitor)
    }
}

struct SpaceVisitor;

impl<'de> de::Visitor<'de> for SpaceVisitor {
    type Value = SearchSpace;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a space's name, or its parameters")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<SearchSpace, E> {
        SearchSpace::named(name).ok_or_else(|| E::unknown_variant(name, SearchSpace::NAMES))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<SearchSpace, A::Error> {
        let mut space = SearchSpace::default();
        while let Some(name) = map.next_key::<String>()? {
            let parameter = map.next_value_seed(Next { name: Some(name), earlier: &space.parameters })?;
            space.parameters.push(parameter);
        }
        Ok(space)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<SearchSpace, A::Error> {
        let mut space = SearchSpace::default();
        while let Some(parameter) = list.next_element_seed(Next { name: None, earlier: &space.parameters })? {
            space.parameters.push(parameter);
        }
        Ok(space)
    }
}

/// The next parameter, checked where it stands, so that an error points at it.
struct Next<'a> {
    name: Option<String>,
    earlier: &'a [Parameter],
}

impl<'de> de::DeserializeSeed<'de> for Next<'_> {
    type Value = Parameter;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Parameter, D::Error> {
        let mut written = Written::deserialize(deserializer)?;
        let name = match (self.name, written.name.take()) {
            (Some(name), None) | (None, Some(name)) => name,
            (Some(name), Some(_)) => {
                return Err(de::Error::custom(format!("parameter `{name}` has a second name inside")));
            }
            (None, None) => return Err(de::Error::missing_field("name")),
        };
        let parameter = written.parameter(name).map_err(de::Error::custom)?;
        parameter.check(self.earlier).map_err(de::Error::custom)?;
        Ok(parameter)
    }
}

impl JsonSchema for SearchSpace {
    fn schema_name() -> Cow<'static, str> {
        "SearchSpace".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let parameter = generator.subschema_for::<Written>();
        json_schema!({
            "description": "A named space, or parameters in the order in which they are drawn.",
            "anyOf": [
                { "type": "string", "enum": Self::NAMES },
                { "type": "object", "additionalProperties": parameter },
                { "type": "array", "items": parameter },
            ],
        })
    }
}
