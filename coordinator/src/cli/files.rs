//! The files that a study ends with: best.json, best.yaml, trials.csv, and, where it has a model, model.safetensors and
//! model.json.

mod folder;

use std::path::Path;

use common::{
    ballot::Ballot,
    model_file::ModelFile,
    space::SearchSpace,
    study::{Budget, Constraints, Evaluate, FixedTrial, ModelKind, Sampler, SchedulerSpec, StudySpec},
    view::{BestView, Leader},
};
use serde::Serialize;

use super::{
    best::BestReport,
    failure::Failure,
    output::Show as _,
    rows::TrialRows,
    text::{metric, plural},
    trained::{describe, inputs},
};
use crate::{blobs::ObjectKey, client::Cluster};

use folder::forget_model;
pub(crate) use folder::{check, check_apart, make, make_way, whole, write_all};

/// Writes the files of a study's best trial to a folder that is no ensemble's; returns their names. Each is whole or not there,
/// and nothing of another model stays beside them.
pub(crate) async fn write(
    cluster: &Cluster,
    best: &BestView,
    folder: &Path,
) -> Result<Vec<&'static str>, Failure> {
    check_apart(folder, Ballot::FILE)?;
    let trials = cluster.trials(best.study.id.as_str()).await?;
    let mut files = vec![
        ("best.json", line(&BestReport::new(best))?),
        ("best.yaml", best_yaml(best)?.into_bytes()),
        ("trials.csv", TrialRows::new(&trials).csv().to_csv()?.into_bytes()),
    ];
    match model(best) {
        Some(leader) => {
            let [weights, _] = ObjectKey::of_checkpoint(&best.study.id, leader.trial, &leader.checkpoint);
            files.push(("model.safetensors", cluster.object(&weights).await?.to_vec()));
            files.push((ModelFile::NAME, line(&describe(best, inputs(cluster, &best.spec).await?))?));
            make_way(folder, &files)?;
        }
        None => forget_model(folder)?,
    }
    write_all(folder, &files)?;
    Ok(files.into_iter().map(|(name, _)| name).collect())
}

/// The state of the best trial that is a model; none where there is no best trial, and of the formula, which trains nothing.
fn model(best: &BestView) -> Option<&Leader> {
    best.study.best.as_ref().filter(|_| best.spec.model != ModelKind::Formula)
}

/// A study file that trains exactly the best trial's model again, weight for weight.
pub(crate) fn best_yaml(best: &BestView) -> Result<String, Failure> {
    let spec = retraining(best)?;
    let value = metric(best.study.best.map(|leader| leader.value));
    Ok(format!(
        "# Trains trial {} of study {} again: {} {value} after {}.\n{}",
        best.trial.trial,
        best.study.name,
        best.study.metric,
        plural(spec.scheduler.max_epochs(), "epoch"),
        spec.to_yaml()
    ))
}

/// The study that trains a study's best trial again.
///
/// What decides a trial's numbers stays: data, model, hyperparameters, training, both seeds and the horizon of
/// learning-rate schedules. What only decided which trials there were goes.
fn retraining(best: &BestView) -> Result<StudySpec, Failure> {
    let BestView { study, spec, trial, .. } = best;
    let stem = &study.name.as_str()[..study.name.as_str().len().min(59)];
    let data_seed = Some(spec.data_seed(trial.trial)).filter(|seed| *seed != spec.seed);
    let listed = FixedTrial { seed: Some(trial.seed), data_seed, ..FixedTrial::new(trial.hparams.clone()) };
    Ok(StudySpec {
        name: format!("{stem}-best").parse()?,
        space: SearchSpace::default(),
        constraints: Constraints::default(),
        scheduler: SchedulerSpec::Fixed {
            epochs: study.best.map_or(trial.epochs, |leader| leader.epochs),
            horizon: Some(spec.scheduler.horizon()),
            trials: vec![listed],
        },
        sampler: Sampler::default(),
        budget: Budget::default(),
        evaluate: Evaluate::default(),
        parent: None,
        ..spec.clone()
    })
}

/// A value as a line of JSON.
pub(crate) fn line(value: &impl Serialize) -> Result<Vec<u8>, Failure> {
    let mut bytes = serde_json::to_vec(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixture;

    #[test]
    fn best_yaml_reads_back_to_the_study_that_it_is() {
        let best = fixture::best();
        let text = best_yaml(&best).unwrap();
        let spec = StudySpec::from_yaml(&text).unwrap();
        assert_eq!(spec, retraining(&best).unwrap(), "{text}");
        assert!(text.starts_with(
            "# Trains trial 3 of study fashion-mlp again: val_accuracy 0.8750 after 9 epochs.\n"
        ));
        assert_eq!(spec.name.as_str(), "fashion-mlp-best");
        assert_eq!((spec.seed, &spec.train, &spec.data), (7, &best.spec.train, &best.spec.data));
        let SchedulerSpec::Fixed { epochs, horizon, trials } = spec.scheduler else { panic!("{text}") };
        assert_eq!((epochs, horizon, trials[0].seed), (9, Some(27), Some(0xf_eedb_eefd_eadc)));
        assert_eq!(trials[0].hparams, best.trial.hparams);
    }

    #[test]
    fn the_formula_has_no_model() {
        let mut best = fixture::best();
        assert_eq!(model(&best), best.study.best.as_ref());
        best.spec.model = ModelKind::Formula;
        assert_eq!(model(&best), None);
    }

    #[test]
    fn floats_keep_their_bits() {
        let mut best = fixture::best();
        let drawn = [1e-4 * std::f64::consts::PI, 1.0 / 3.0, 5e-5, 1e21, 0.1 + 0.2];
        for (i, value) in drawn.into_iter().enumerate() {
            best.trial.hparams.0.insert(format!("units_{i}"), common::hparams::Scalar::Float(value));
        }
        best.spec.model = ModelKind::Formula;
        let spec = StudySpec::from_yaml(&best_yaml(&best).unwrap()).unwrap();
        let SchedulerSpec::Fixed { trials, .. } = spec.scheduler else { panic!() };
        assert_eq!(trials[0].hparams, best.trial.hparams);
    }

    #[test]
    fn a_long_name_still_fits() {
        let mut best = fixture::best();
        best.study.name = "n".repeat(64).parse().unwrap();
        assert_eq!(retraining(&best).unwrap().name.as_str().len(), 64);
    }
}
