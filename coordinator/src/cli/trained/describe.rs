use common::{
    model_file::{Inputs, ModelFile},
    model_spec::ModelSpec,
    study::ModelKind,
    view::BestView,
};

/// What model.json says of a study's best trial, whose model takes samples so.
pub(in crate::cli) fn describe(best: &BestView, inputs: Inputs) -> ModelFile {
    let BestView { study, spec, trial, parameters } = best;
    // The trial itself may have trained on since.
    let leader = study.best.as_ref();
    let input = spec.data.shape().filter(|_| spec.model != ModelKind::Formula);
    let model = input.and_then(|input| ModelSpec::build(spec.model, &trial.hparams, &input).ok());
    let facts = input.and_then(|_| spec.data.facts());
    ModelFile {
        study: study.name.clone(),
        trial: trial.trial,
        metric: study.metric,
        value: leader.map(|leader| leader.value).filter(|value| value.is_finite()),
        epochs: leader.map_or(trial.epochs, |leader| leader.epochs),
        hparams: trial.hparams.clone(),
        model: spec.model,
        parameters: *parameters,
        weights: leader.map(|leader| leader.checkpoint.weights),
        complete: study.complete,
        test: study.test,
        data: spec.data.name.clone(),
        input,
        classes: facts.as_ref().map(|facts| facts.classes.clone()),
        layers: model.map(|model| model.layers).unwrap_or_default(),
        format: "safetensors".to_owned(),
        version: inputs.version(),
        pixels: inputs.pixels,
        features: inputs.features,
        data_digest: facts.map(|facts| facts.digest.to_string()),
        split: spec.data.split,
        split_seed: spec.data.split_seed,
        train: spec.train.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixture;

    #[test]
    fn a_described_model_can_be_built_again() {
        let best = fixture::best();
        let file = describe(&best, Inputs::default());
        let json = serde_json::to_string(&file).unwrap();
        assert!(
            json.starts_with(r#"{"study":"fashion-mlp","trial":3,"metric":"val_accuracy","value":0.875,"#)
        );
        let architecture = ModelFile::from_json(&json).unwrap().architecture().unwrap();
        assert_eq!(architecture.spec.parameters(), best.parameters);
        assert_eq!(architecture.shape, best.spec.data.shape().unwrap());
    }
}
