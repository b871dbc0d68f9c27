//! Files of a model, or of an ensemble.

use std::path::{Path, PathBuf};

use common::ballot::Ballot;

use super::{
    super::{
        failure::Failure,
        trained::{Answerer, TrainedModel},
    },
    Files, pytorch,
};

/// Weights and what describes them, and a Python module that loads both.
pub(super) fn safetensors(answerer: &Answerer) -> Result<Files, Failure> {
    let voters = match answerer {
        Answerer::Model(model) => return alone(model, Path::new("")),
        Answerer::Ensemble(voters) => voters,
    };
    let mut files = Files::new();
    for (voter, model) in voters.members() {
        files.extend(alone(model, Path::new(&voter.folder()))?);
    }
    let first = answerer.model();
    let python = pytorch::vote(voters.ballot(), &first.file, first.architecture.shape)?;
    files.push(("ensemble.py".into(), python.into_bytes()));
    // Last, so that whoever finds it finds the members too.
    files.push((Ballot::FILE.into(), voters.bytes()?));
    Ok(files)
}

/// One model's files in a folder.
fn alone(model: &TrainedModel, folder: &Path) -> Result<Files, Failure> {
    let python = pytorch::module(&model.file, &model.architecture)?;
    Ok(vec![
        (folder.join("model.safetensors"), model.bytes("model.safetensors")?),
        (folder.join("model.json"), model.bytes("model.json")?),
        (folder.join("model.py"), python.into_bytes()),
    ])
}

/// A TorchScript file and what describes it.
pub(super) async fn torchscript(answerer: &Answerer) -> Result<Files, Failure> {
    let module = ("model.pt".into(), answerer.torchscript().await?);
    match answerer {
        Answerer::Model(model) => Ok(vec![module, ("model.json".into(), model.bytes("model.json")?)]),
        Answerer::Ensemble(voters) => {
            let described = |(voter, model): (&common::ballot::Voter, &TrainedModel)| {
                Ok((PathBuf::from(voter.folder()).join("model.json"), model.bytes("model.json")?))
            };
            let mut files: Files = voters.members().map(described).collect::<Result<_, Failure>>()?;
            files.extend([module, (Ballot::FILE.into(), voters.bytes()?)]);
            Ok(files)
        }
    }
}
