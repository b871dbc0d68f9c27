//! Which samples a study trains on, and how they are split.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::{checkpoint::Digest, model_spec::DataShape};

/// The data set and how it is split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DataSpec {
    /// The data set's name: one that Rung knows, or one that `rung data add` stored.
    pub name: String,
    /// Which samples validate.
    pub split: Split,
    /// The split's own seed: two studies with equal data and split seed validate on the same samples.
    #[schemars(range(max = 9_007_199_254_740_991_u64))]
    pub split_seed: u64,
    /// What models take of images' pixels.
    #[serde(skip_serializing_if = "Input::is_unit")]
    pub input: Input,
    /// What the name meant when the study was submitted: the coordinator records it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facts: Option<DataFacts>,
}

impl Default for DataSpec {
    fn default() -> Self {
        Self {
            name: "fashion-mnist".to_owned(),
            split: Split::default(),
            split_seed: 0,
            input: Input::default(),
            facts: None,
        }
    }
}

/// What a study file may say of its data: a data set's name alone, or a mapping with it.
pub(super) struct NameOrMapping;

/// Reads either form; an untagged enum would not say what is wrong.
pub(super) fn name_or_mapping<'de, D: Deserializer<'de>>(from: D) -> Result<DataSpec, D::Error> {
    from.deserialize_any(NameOrMapping)
}

impl<'de> Visitor<'de> for NameOrMapping {
    type Value = DataSpec;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a data set, or a mapping with it")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<DataSpec, E> {
        Ok(DataSpec { name: name.to_owned(), ..DataSpec::default() })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<DataSpec, A::Error> {
        DataSpec::deserialize(MapAccessDeserializer::new(map))
    }
}

impl JsonSchema for NameOrMapping {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "NameOrMapping".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "string" }, generator.subschema_for::<DataSpec>()] })
    }
}

impl DataSpec {
    /// The data sets that every worker may find on its own machine.
    pub const NAMES: &[&str] = &["fashion-mnist"];

    /// Whether workers find the data set on their own machines; others they fetch through the coordinator.
    pub fn is_known(&self) -> bool {
        Self::NAMES.contains(&self.name.as_str())
    }

    /// The known name that another one misspells: two errors of typing at most, and nothing added.
    pub fn misspelt(name: &str) -> Option<&'static str> {
        let near = |known: &str| strsim::damerau_levenshtein(known, name) <= 2 && !name.starts_with(known);
        Self::NAMES.iter().copied().find(|known| near(known))
    }

    /// What is recorded or known of the data set; none for one's own data before it is submitted.
    pub fn facts(&self) -> Option<DataFacts> {
        self.facts.clone().or_else(|| DataFacts::known(&self.name))
    }

    /// The shape of the data set's samples, where it is recorded or known.
    pub fn shape(&self) -> Option<DataShape> {
        // Asked for at every draw, so no list of classes is copied.
        match &self.facts {
            Some(facts) => Some(facts.shape()),
            None => self.is_known().then_some(FASHION_MNIST),
        }
    }

    /// The object in the cluster's store that workers fetch; none for data that they find on their own machines.
    pub fn object(&self) -> Option<Digest> {
        self.facts.as_ref().filter(|_| !self.is_known()).map(|facts| facts.digest)
    }

    /// Samples that one epoch trains on, where the data set's size is recorded or known.
    pub fn training_samples(&self) -> Option<u64> {
        let train = u64::from(self.facts()?.train);
        Some(match self.split {
            // Exact where a tenth of every class is a whole number.
            Split::Holdout => train - (train + 5) / 10,
            Split::Paper | Split::None => train,
        })
    }

    /// Whether two studies mean the same samples: facts count only where both have them.
    pub fn agrees(&self, other: &Self) -> bool {
        let facts = match (&self.facts, &other.facts) {
            (Some(one), Some(two)) => one == two,
            _ => true,
        };
        facts && *self == Self { facts: self.facts.clone(), ..other.clone() }
    }
}

/// Which samples validate, stratified by class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// A tenth of the training part; the test part is touched once, at the end.
    #[default]
    Holdout,
    /// A tenth of the test part: all of the training part is trained on, and test figures come twice, on all test
    /// samples (contaminated: the tenth chose the model) and on the clean nine tenths.
    Paper,
    /// None: all of the training part is trained on, and the objective must be one of training.
    None,
}

/// What models take of images' pixels. Tables are always standardised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// Bytes as numbers from 0 to 1.
    #[default]
    Unit,
    /// Numbers from 0 to 1, less each channel's mean and divided by its deviation over the training part.
    Standard,
}

impl Input {
    fn is_unit(&self) -> bool {
        *self == Self::Unit
    }
}

/// What kind of values samples have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DataKind {
    /// One byte a channel and pixel, channels first.
    Images,
    /// Rows of real numbers, standardised by the training part's mean and deviation.
    Table,
}

impl DataKind {
    /// The kind's name in output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Images => "images",
            Self::Table => "table",
        }
    }
}

/// What a data set is, without its samples.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataFacts {
    /// The digest of its samples and labels.
    #[schemars(with = "String")]
    pub digest: Digest,
    /// What kind of values samples have.
    pub kind: DataKind,
    /// Values of a pixel; 1 for tables.
    #[schemars(range(min = 1))]
    pub channels: u32,
    /// Rows of pixels; 1 for tables.
    #[schemars(range(min = 1))]
    pub height: u32,
    /// Pixels of a row; features of a table.
    #[schemars(range(min = 1))]
    pub width: u32,
    /// What class 0, class 1, … are called.
    pub classes: Vec<String>,
    /// Samples of the training part.
    pub train: u32,
    /// Samples of the test part.
    pub test: u32,
}

impl DataFacts {
    /// Most classes: a label is one byte.
    pub const MOST_CLASSES: usize = 256;

    /// What the classes of Fashion-MNIST are called.
    pub const FASHION_MNIST: &[&str] = &[
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ];

    /// What is known of a data set that Rung knows by name.
    pub fn known(name: &str) -> Option<Self> {
        (name == "fashion-mnist").then(fashion_mnist)
    }

    /// Reads facts that were stored or sent.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The facts as they are stored and sent.
    pub fn to_json(&self) -> String {
        // Writing to memory cannot fail, and every key is a string.
        serde_json::to_string(self).expect("facts are plain data")
    }

    /// The shape of samples.
    pub fn shape(&self) -> DataShape {
        let Self { channels, height, width, .. } = *self;
        DataShape { channels, height, width, classes: self.classes.len() as u32 }
    }
}

/// The shape of the one data set that is known by name.
const FASHION_MNIST: DataShape = DataShape { channels: 1, height: 28, width: 28, classes: 10 };

/// The fixed release of 31 August 2017.
fn fashion_mnist() -> DataFacts {
    let digest = [
        0x39, 0x2b, 0x38, 0xaa, 0x48, 0x63, 0x2e, 0x96, 0xeb, 0x32, 0x93, 0xc2, 0xf3, 0x59, 0xe2, 0x09, 0x02,
        0x2d, 0xcc, 0xad, 0xa7, 0x51, 0x70, 0xa1, 0xc8, 0x56, 0x4c, 0xa2, 0xcf, 0x61, 0x85, 0x3f,
    ];
    DataFacts {
        digest: digest.into(),
        kind: DataKind::Images,
        channels: 1,
        height: 28,
        width: 28,
        classes: DataFacts::FASHION_MNIST.iter().map(|class| (*class).to_owned()).collect(),
        train: 60_000,
        test: 10_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_trains_on_what_does_not_validate() {
        let samples = |split| DataSpec { split, ..DataSpec::default() }.training_samples();
        assert_eq!(samples(Split::Holdout), Some(54_000));
        assert_eq!(samples(Split::Paper), Some(60_000));
        assert_eq!(samples(Split::None), Some(60_000));
        assert_eq!(DataSpec { name: "mine".to_owned(), ..DataSpec::default() }.training_samples(), None);
    }

    #[test]
    fn facts_count_where_both_have_them() {
        let bare = DataSpec::default();
        let told = DataSpec { facts: DataFacts::known("fashion-mnist"), ..bare.clone() };
        let mut other = told.clone();
        other.facts.as_mut().unwrap().train = 1;
        assert!(bare.agrees(&told) && told.agrees(&told) && !told.agrees(&other));
        assert!(!bare.agrees(&DataSpec { split_seed: 1, ..bare.clone() }));
        assert_eq!((told.object(), bare.object()), (None, None));
        assert_eq!(told.shape(), bare.shape());
    }
}
