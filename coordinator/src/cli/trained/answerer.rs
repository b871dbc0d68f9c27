//! What answers about samples.

use std::path::Path;

use common::{ids::TrialNumber, study::StudySpec, view::StudyView};

use super::{
    super::{
        ensemble::{self, VoteArg},
        failure::Failure,
    },
    Answer, TrainedModel, answer,
    voters::Voters,
};
use crate::client::{Cluster, Target};

/// What is meant of what a study made: its best model, or of an ensemble the vote that is best on validation, unless
/// something is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::cli) struct Pick {
    /// This trial's model.
    pub(in crate::cli) trial: Option<TrialNumber>,
    /// This vote.
    pub(in crate::cli) vote: Option<VoteArg>,
}

/// One model, or the members of an ensemble by their vote.
#[derive(Debug)]
pub(in crate::cli) enum Answerer {
    Model(Box<TrainedModel>),
    Ensemble(Voters),
}

impl Answerer {
    /// What is in a folder, or else the best model of a study of that name, or the vote of an ensemble.
    pub(in crate::cli) async fn open(model: &str, target: &Target) -> Result<Self, Failure> {
        let folder = Path::new(model);
        if folder.is_dir() {
            return match (Voters::are_in(folder), TrainedModel::is_in(folder)) {
                (true, true) => Err(both(model)),
                (true, false) => Ok(Self::Ensemble(Voters::read(folder, None)?)),
                (false, true) => Ok(Self::Model(Box::new(TrainedModel::read(folder, None)?))),
                (false, false) => Err(neither(model)),
            };
        }
        if folder.is_file() {
            let help = "name the folder that holds model.json or ensemble.json, or a study";
            return Err(Failure::bad_input(format!("{model} is a file and no model")).help(help));
        }
        let cluster = target.cluster().await?;
        let study = cluster.study(model).await.map_err(|error| {
            Failure::from(error)
                .help("a model is a study's name, or a folder with model.json or ensemble.json")
        })?;
        Self::made(&cluster, study, Pick::default()).await
    }

    /// What a study made.
    pub(in crate::cli) async fn of_study(cluster: &Cluster, name: &str, pick: Pick) -> Result<Self, Failure> {
        Self::made(cluster, cluster.study(name).await?, pick).await
    }

    async fn made(cluster: &Cluster, study: (StudyView, StudySpec), pick: Pick) -> Result<Self, Failure> {
        let (view, spec) = study;
        let name = view.name.as_str();
        let votes = spec.is_ensemble();
        if pick.vote.is_some() && !votes {
            let failure = Failure::bad_input(format!("study {name} is no ensemble, so nobody votes in it"));
            return Err(failure.help(format!("`rung ensemble {name}` makes one")));
        }
        if !votes || pick.trial.is_some() {
            return Ok(Self::Model(Box::new(TrainedModel::of_study(cluster, name, pick.trial).await?)));
        }
        let folder = ensemble::unpacked(cluster, &view, &spec, pick.vote).await?;
        let path = folder.path().to_owned();
        Ok(Self::Ensemble(Voters::read(&path, Some(folder))?))
    }

    /// A model that says what goes in and what the classes are: the model itself, or a member.
    pub(in crate::cli) fn model(&self) -> &TrainedModel {
        match self {
            Self::Model(model) => model,
            Self::Ensemble(voters) => voters.first(),
        }
    }

    /// The trial, where one model answers.
    pub(in crate::cli) fn trial(&self) -> Option<TrialNumber> {
        match self {
            Self::Model(model) => Some(model.file.trial),
            Self::Ensemble(_) => None,
        }
    }

    /// Who answers, in words.
    pub(in crate::cli) fn name(&self) -> String {
        match self {
            Self::Model(model) => format!("trial {} of {}", model.file.trial, model.file.study),
            Self::Ensemble(voters) => voters.name(),
        }
    }

    /// As a TorchScript file's bytes.
    pub(in crate::cli) async fn torchscript(&self) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Model(model) => answer::torchscript(&model.folder).await,
            Self::Ensemble(voters) => answer::torchscript(voters.folder()).await,
        }
    }

    /// Answers to samples, floats as model.json asks for them, one after another.
    pub(in crate::cli) async fn ask(&self, samples: &[f32], device: &str) -> Result<Vec<Answer>, Failure> {
        match self {
            Self::Model(model) => model.ask(samples, device).await,
            Self::Ensemble(voters) => voters.ask(samples, device).await,
        }
    }
}

/// A folder that is no export.
fn neither(folder: &str) -> Failure {
    Failure::bad_input(format!("folder {folder} holds no model"))
        .help(
            "`rung export STUDY --to safetensors --out DIR` writes one: model.json and model.safetensors, or ensemble.json \
             with a folder for each member",
        )
}

/// Two exports in one folder, of which nobody can say which is meant.
fn both(folder: &str) -> Failure {
    Failure::bad_input(format!("{folder} holds a model and an ensemble: model.json and ensemble.json"))
        .help("write each into a folder of its own")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_without_a_model_is_told_what_it_must_have() {
        let folder = tempfile::tempdir().unwrap();
        let opened = Answerer::open(folder.path().to_str().unwrap(), &Target::default()).await;
        let failure = opened.unwrap_err();
        assert!(failure.message.ends_with("holds no model"), "{}", failure.message);
        assert!(failure.help.unwrap().contains("model.json and model.safetensors"));
    }
}
