//! The stored weights of the cluster, and what their names mean.

use std::collections::BTreeMap;

use common::{
    checkpoint::Digest,
    ids::{ModelName, StudyName},
    nearest::nearest,
    preset,
    study::StudySpec,
    view::ModelView,
};

use super::Refused;

/// The weights in the store.
#[derive(Debug, Default)]
pub(super) struct StoredWeights(BTreeMap<ModelName, ModelView>);

impl StoredWeights {
    /// The weights that a store holds.
    pub(super) fn new(stored: Vec<ModelView>) -> Self {
        Self(stored.into_iter().map(|model| (model.name.clone(), model)).collect())
    }

    /// Whether weights can be taken up; those that are there where they have the same name and are the same.
    pub(super) fn check(&self, model: &ModelView) -> Result<Option<&ModelView>, Refused> {
        let name = model.name.as_str();
        if preset::ALL.contains(&name) {
            return Err(Refused::Model(format!("`{name}` is a preset that rung knows: use another name")));
        }
        match self.0.get(&model.name) {
            Some(there) if there.facts != model.facts => Err(Refused::ModelTaken(model.name.clone())),
            there => Ok(there),
        }
    }

    /// The objects that names mean.
    pub(super) fn objects(&self) -> impl Iterator<Item = Digest> {
        self.0.values().map(|model| model.facts.digest)
    }

    /// Takes weights up; those that are there where they are the same, and whether they are new.
    pub(super) fn add(&mut self, model: ModelView) -> Result<(ModelView, bool), Refused> {
        match self.check(&model)? {
            Some(there) => Ok((there.clone(), false)),
            None => {
                self.0.insert(model.name.clone(), model.clone());
                Ok((model, true))
            }
        }
    }

    /// The object that a name means.
    pub(super) fn object(&self, name: &ModelName) -> Result<Digest, Refused> {
        self.0.get(name).map(|model| model.facts.digest).ok_or_else(|| self.unknown(name))
    }

    /// Takes weights out, unless an unfinished study begins with them and they have no other name; their object where no
    /// other name has it.
    pub(super) fn remove(
        &mut self,
        name: &ModelName,
        user: Option<&StudyName>,
    ) -> Result<Option<Digest>, Refused> {
        let digest = self.object(name)?;
        let last = self.0.values().filter(|model| model.facts.digest == digest).count() == 1;
        if let (true, Some(study)) = (last, user) {
            return Err(Refused::ModelUsed(name.clone(), study.clone()));
        }
        self.0.remove(name);
        Ok(last.then_some(digest))
    }

    /// The study with what the name of its initial weights means now, or with what it says that it meant.
    ///
    /// Trials that are taken over with their checkpoints begin with nothing any more.
    pub(super) fn resolved(&self, spec: StudySpec) -> Result<StudySpec, Refused> {
        let Some(initial) = spec.train.initial_weights.as_ref().filter(|_| !spec.is_adopted()) else {
            return Ok(spec);
        };
        let name = &initial.name;
        let model = match initial.digest {
            None => self.0.get(name).ok_or_else(|| self.unknown(name))?,
            Some(told) => self.0.values().find(|model| model.facts.digest == told).ok_or_else(|| {
                Refused::Model(format!(
                    "the study names weights `{name}` with digest {}, which are not in this cluster: \
                     `rung model add {name} FILE` brings them",
                    told.short()
                ))
            })?,
        };
        spec.starting_from(&model.facts).map_err(|error| Refused::Model(error.to_string()))
    }

    fn unknown(&self, name: &ModelName) -> Refused {
        let names: Vec<&str> = self.0.keys().map(ModelName::as_str).collect();
        let help = match nearest(name.as_str(), names.iter().copied()) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None if names.is_empty() => format!("`rung model add {name} FILE` adds them"),
            None => format!("known are {}; `rung model add {name} FILE` adds others", names.join(", ")),
        };
        Refused::Model(format!("unknown weights `{name}`; {help}"))
    }
}

#[cfg(test)]
mod tests {
    use common::{
        hparams::{Hparams, Scalar},
        model_spec::{DataShape, ModelSpec},
        study::ModelKind,
        time::Timestamp,
        weights::WeightsFacts,
    };

    use super::*;

    fn hparams(units: i64) -> Hparams {
        Hparams::from([("layers", Scalar::Int(1)), ("units", Scalar::Int(units))])
    }

    /// Weights of a network for Fashion-MNIST.
    fn model(name: &str, units: i64) -> ModelView {
        let shape = DataShape { channels: 1, height: 28, width: 28, classes: 10 };
        let spec = ModelSpec::build(ModelKind::Mlp, &hparams(units), &shape).unwrap();
        let tensors = spec.parameter_tensors().into_iter().map(|tensor| (tensor.name, tensor.shape));
        let digest = Digest::of(&units.to_le_bytes());
        let facts = WeightsFacts { digest, tensors: tensors.collect(), origin: None };
        ModelView { name: name.parse().unwrap(), facts, size: 1, created: Timestamp(1) }
    }

    fn spec(weights: &str) -> StudySpec {
        let text = format!(
            "{{name: s, model: mlp, train: {{initial_weights: {weights}}}, scheduler: {{kind: fixed, epochs: 1, \
             trials: [{{hparams: {{layers: 1, units: 8}}}}]}}}}"
        );
        StudySpec::from_yaml(&text).unwrap()
    }

    fn models() -> StoredWeights {
        let mut models = StoredWeights::default();
        models.add(model("mine", 8)).unwrap();
        models
    }

    fn said<T: std::fmt::Debug>(refused: Result<T, Refused>) -> String {
        refused.unwrap_err().to_string()
    }

    #[test]
    fn a_name_keeps_its_content() {
        let mut models = models();
        let later = ModelView { created: Timestamp(2), ..model("mine", 8) };
        assert_eq!(models.add(later), Ok((model("mine", 8), false)));
        assert!(matches!(models.add(model("mine", 16)), Err(Refused::ModelTaken(_))));
        assert!(said(models.add(model("resnet-20", 8))).contains("is a preset"));
    }

    #[test]
    fn a_study_records_what_its_name_means() {
        let mut models = models();
        let resolved = models.resolved(spec("mine")).unwrap();
        assert_eq!(resolved.train.initial_object(), Some(model("mine", 8).facts.digest));
        assert_eq!(models.resolved(resolved.clone()), Ok(resolved.clone()));
        assert_eq!(said(models.resolved(spec("mime"))), "unknown weights `mime`; did you mean `mine`?");
        models.add(model("wide", 16)).unwrap();
        assert!(said(models.resolved(spec("wide"))).contains("`dense_0.bias` is 16 and should be 8"));
        models.remove(&"mine".parse().unwrap(), None).unwrap();
        assert!(said(models.resolved(resolved)).contains("which are not in this cluster"));
    }

    #[test]
    fn what_an_unfinished_study_uses_stays() {
        let (mut models, study) = (models(), "s".parse().unwrap());
        let mine = "mine".parse().unwrap();
        assert!(matches!(models.remove(&mine, Some(&study)), Err(Refused::ModelUsed(..))));
        models.add(model("same", 8)).unwrap();
        assert_eq!(models.remove(&mine, Some(&study)), Ok(None), "its object has another name");
        let digest = model("mine", 8).facts.digest;
        assert_eq!(models.remove(&"same".parse().unwrap(), None), Ok(Some(digest)));
        assert!(matches!(models.remove(&mine, None), Err(Refused::Model(_))));
    }
}
