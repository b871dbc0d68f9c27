//! Stored weights without their elements: what they are, and whether a model can begin with them.

mod misfit;

pub use misfit::Misfit;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    checkpoint::Digest,
    hparams::Hparams,
    model_spec::{DataShape, ModelSpec},
    study::ModelKind,
};

/// The sides of tensors, by name.
pub type Shapes = BTreeMap<String, Vec<u32>>;

/// What stored weights are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightsFacts {
    /// The digest of the packed object.
    pub digest: Digest,
    /// The tensors' shapes.
    pub tensors: Shapes,
    /// The model that they are of, where it is known.
    pub origin: Option<Origin>,
}

/// The model that weights are of, as its `model.json` said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Its family.
    pub model: ModelKind,
    /// What it was trained with.
    pub hparams: Hparams,
    /// What it takes, and how many classes it tells apart.
    pub input: DataShape,
}

/// What becomes of the layer that tells classes apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// It is taken over with all the others.
    Taken,
    /// It is drawn anew: the weights have none, or one of another shape.
    Drawn,
}

impl WeightsFacts {
    /// Reads facts that were stored or sent.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The facts as they are stored and sent.
    pub fn to_json(&self) -> String {
        // Writing to memory cannot fail, and every key is a string.
        serde_json::to_string(self).expect("facts are plain data")
    }

    /// How many numbers there are.
    pub fn numbers(&self) -> u64 {
        let size = |shape: &Vec<u32>| shape.iter().map(|side| u64::from(*side)).product::<u64>();
        self.tensors.values().map(size).sum()
    }
}

/// What becomes of a model's head when it begins with tensors of these shapes.
///
/// Every other tensor of the model must be there in its shape, and there must be no tensor that the model lacks.
pub fn fit(shapes: &Shapes, model: &ModelSpec) -> Result<Head, Misfit> {
    let (mut misfit, mut head) = (Misfit::default(), Head::Taken);
    let wanted: Vec<_> = model.parameter_tensors().into_iter().chain(model.statistic_tensors()).collect();
    for tensor in &wanted {
        match shapes.get(&tensor.name) {
            Some(shape) if *shape == tensor.shape => {}
            _ if Some(tensor.layer) == model.head() => head = Head::Drawn,
            Some(shape) => {
                let found = (tensor.name.clone(), shape.clone(), tensor.shape.clone());
                misfit.differing.push(found);
            }
            None => misfit.missing.push(tensor.name.clone()),
        }
    }
    let known = |name: &&String| wanted.iter().any(|tensor| tensor.name == **name);
    misfit.extra = shapes.keys().filter(|name| !known(name)).cloned().collect();
    if misfit.is_empty() { Ok(head) } else { Err(misfit) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hparams::Scalar;

    const INPUT: DataShape = DataShape { channels: 1, height: 8, width: 8, classes: 3 };

    fn mlp(units: i64, classes: u32) -> ModelSpec {
        let hparams = Hparams::from([("layers", Scalar::Int(1)), ("units", Scalar::Int(units))]);
        ModelSpec::build(ModelKind::Mlp, &hparams, &DataShape { classes, ..INPUT }).unwrap()
    }

    fn shapes(model: &ModelSpec) -> Shapes {
        model.parameter_tensors().into_iter().map(|tensor| (tensor.name, tensor.shape)).collect()
    }

    #[test]
    fn a_model_begins_with_its_own_weights_and_another_head_is_drawn() {
        let stored = shapes(&mlp(16, 3));
        assert_eq!(fit(&stored, &mlp(16, 3)), Ok(Head::Taken));
        assert_eq!(fit(&stored, &mlp(16, 5)), Ok(Head::Drawn));
        let mut headless = stored;
        headless.retain(|name, _| !name.starts_with("dense_1."));
        assert_eq!(fit(&headless, &mlp(16, 3)), Ok(Head::Drawn));
    }

    #[test]
    fn every_tensor_that_does_not_fit_is_named() {
        let mut stored = shapes(&mlp(16, 3));
        let bias = stored.remove("dense_0.bias").unwrap();
        stored.insert("fc.bias".to_owned(), bias);
        assert_eq!(
            fit(&stored, &mlp(8, 3)).unwrap_err().to_string(),
            "they lack `dense_0.bias`; they have `fc.bias`, which the model lacks; \
             `dense_0.weight` is 16 × 64 and should be 8 × 64"
        );
    }

    #[test]
    fn facts_are_stored_and_counted() {
        let origin = Origin { model: ModelKind::Mlp, hparams: Hparams::default(), input: INPUT };
        let facts =
            WeightsFacts { digest: Digest::of(b"w"), tensors: shapes(&mlp(16, 3)), origin: Some(origin) };
        assert_eq!(WeightsFacts::from_json(&facts.to_json()).unwrap(), facts);
        assert_eq!(facts.numbers(), mlp(16, 3).parameters());
    }
}
