//! What a study begins with: stored weights, and whether all its configurations can begin with them.

use super::{ModelKind, SchedulerSpec, SpecError, StudySpec, check::Flaw};
use crate::{
    hparams::Hparams,
    model_spec::ModelSpec,
    random::{Purpose, Stream},
    space::Parameter,
    weights::{self, WeightsFacts},
};

impl StudySpec {
    /// The study with what the name of its initial weights means; what its data is must be known already.
    ///
    /// Fails where a configuration's tensors are not those of the weights, the last dense layer's aside. A study
    /// without initial weights stays as it is.
    pub fn starting_from(mut self, facts: &WeightsFacts) -> Result<Self, SpecError> {
        let Some(initial) = &mut self.train.initial_weights else { return Ok(self) };
        initial.digest = Some(facts.digest);
        let name = initial.name.clone();
        let Some(shape) = self.data.shape() else { return Ok(self) };
        for hparams in self.shapes_of_tensors() {
            let model = ModelSpec::build(self.model, &hparams, &shape)
                .map_err(|error| SpecError::new(error.to_string()))?;
            weights::fit(&facts.tensors, &model).map_err(|misfit| {
                let of = facts.origin.as_ref().map(|origin| {
                    format!(" (they are of model `{}` with {})", origin.model.as_str(), origin.hparams)
                });
                let of = of.unwrap_or_default();
                SpecError::new(format!("the model cannot begin with weights `{name}`{of}: {misfit}"))
            })?;
        }
        Ok(self)
    }

    /// Configurations among which every choice of tensors is found: all that are listed, or any one of a search,
    /// whose configurations all have the same tensors.
    fn shapes_of_tensors(&self) -> Vec<Hparams> {
        match &self.scheduler {
            SchedulerSpec::Fixed { trials, .. } => trials.iter().map(|trial| trial.hparams.clone()).collect(),
            SchedulerSpec::Hyperband(_) => {
                vec![self.space.draw(&mut Stream::new(0, Purpose::Draw).epoch(0).words())]
            }
        }
    }
}

/// Checks that a study can begin with weights at all, whatever they are.
pub(super) fn check(study: &StudySpec) -> Result<(), Flaw> {
    if study.train.initial_weights.is_none() {
        return Ok(());
    }
    if study.model == ModelKind::Formula {
        let error = SpecError::new("the formula has no weights: leave out `initial_weights`");
        return Err(Flaw::new(&["train", "initial_weights"], error));
    }
    let SchedulerSpec::Hyperband(_) = study.scheduler else { return Ok(()) };
    let shaping = |parameter: &&Parameter| study.model.shapes(&parameter.name);
    let parameters = &study.space.parameters;
    match parameters.iter().filter(shaping).find(|parameter| !is_fixed(parameter, parameters)) {
        None => Ok(()),
        Some(Parameter { name, .. }) => {
            let mut error = SpecError::new(format!(
                "`{name}` decides the model's tensors, so it cannot be searched where trials begin with stored weights"
            ));
            error.help = Some(format!("give `{name}` the one value that the weights have"));
            Err(Flaw::new(&["space", name], error))
        }
    }
}

/// Whether a parameter is the same in every configuration: it has one value, and what it depends on has too.
fn is_fixed(parameter: &Parameter, all: &[Parameter]) -> bool {
    let parent = |name: &str| all.iter().find(|other| other.name == name);
    let when = parameter.when.as_ref().and_then(|when| parent(&when.parameter));
    parameter.domain.len() == Some(1) && when.is_none_or(|parent| is_fixed(parent, all))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        checkpoint::Digest,
        model_spec::DataShape,
        weights::{Origin, Shapes},
    };

    const SEARCH: &str = "{name: s, model: resnet, train: {initial_weights: mine}, space: {SPACE}}";

    fn search(space: &str) -> Result<StudySpec, SpecError> {
        StudySpec::from_yaml(&SEARCH.replace("SPACE", space))
    }

    /// Weights of a residual net for three classes of images like Fashion-MNIST's.
    fn facts(width: i64) -> WeightsFacts {
        let hparams = Hparams::from([("width", crate::hparams::Scalar::Int(width))]);
        let input = DataShape { channels: 1, height: 28, width: 28, classes: 3 };
        let model = ModelSpec::build(ModelKind::Resnet, &hparams, &input).unwrap();
        let all = model.parameter_tensors().into_iter().chain(model.statistic_tensors());
        let tensors: Shapes = all.map(|tensor| (tensor.name, tensor.shape)).collect();
        let origin = Some(Origin { model: ModelKind::Resnet, hparams, input });
        WeightsFacts { digest: Digest::of(b"weights"), tensors, origin }
    }

    #[test]
    fn a_search_keeps_the_tensors_and_varies_the_rest() {
        let study = search("width: {choice: [8]}, dropout: {float: [0, 0.5]}, lr: {choice: [0.1, 0.01]}");
        let study = study.unwrap().starting_from(&facts(8)).unwrap();
        assert_eq!(study.train.initial_object(), Some(Digest::of(b"weights")));
        let error = search("width: {choice: [8, 16]}").unwrap_err();
        assert_eq!((error.line(), error.help.is_some()), (Some(1), true), "{error}");
        assert!(error.message.starts_with("`width` decides the model's tensors"), "{error}");
        let conditional =
            "activation: {choice: [relu, gelu]}, width: {choice: [8], when: activation == gelu}";
        assert!(search(conditional).unwrap_err().message.starts_with("`width` decides"));
    }

    #[test]
    fn a_configuration_that_does_not_fit_is_refused_with_the_tensors_named() {
        let study = search("width: {choice: [16]}").unwrap();
        let error = study.starting_from(&facts(8)).unwrap_err().to_string();
        assert!(
            error.starts_with(
                "the model cannot begin with weights `mine` (they are of model `resnet` with width=8): \
                 `stem.conv.weight` is 8 × 1 × 3 × 3 and should be 16 × 1 × 3 × 3, "
            ),
            "{error}"
        );
        let listed = "{name: s, model: resnet, train: {initial_weights: mine}, scheduler: {kind: fixed, epochs: 1, \
                      trials: [{hparams: {width: 8}}, {hparams: {width: 8, bias: true}}]}}";
        let error = StudySpec::from_yaml(listed).unwrap().starting_from(&facts(8)).unwrap_err().to_string();
        assert!(error.contains("they lack `stem.conv.bias`"), "{error}");
    }

    #[test]
    fn the_formula_begins_with_nothing() {
        let text = "{name: s, model: formula, train: {initial_weights: mine}, space: {x: {int: [1, 2]}}}";
        let error = StudySpec::from_yaml(text).unwrap_err();
        assert!(error.message.contains("the formula has no weights"), "{error}");
    }

    #[test]
    fn studies_agree_where_the_weights_are_not_recorded_yet() {
        let bare = search("width: {choice: [8]}").unwrap();
        let recorded = bare.clone().starting_from(&facts(8)).unwrap();
        assert!(bare.agrees(&recorded) && recorded.agrees(&bare) && recorded.agrees(&recorded));
        let other = WeightsFacts { digest: Digest::of(b"other"), ..facts(8) };
        assert!(!recorded.agrees(&bare.clone().starting_from(&other).unwrap()));
        let without = search("width: {choice: [8]}").map(|mut study| {
            study.train.initial_weights = None;
            study
        });
        assert!(!bare.agrees(&without.unwrap()));
    }
}
