//! A trained model as other commands use it: a folder with model.json and model.safetensors, and the program that
//! computes with it; and several of them that vote.

mod answer;

mod voters;

mod answerer;

mod averaging;

mod describe;

mod inputs;

pub(super) use answer::Answer;
pub(super) use answerer::{Answerer, Pick};
pub(super) use averaging::AveragingArgs;
pub(super) use describe::describe;
pub(super) use inputs::inputs;

use std::{
    fs,
    path::{Path, PathBuf},
};

use common::{
    checkpoint::Digest,
    ids::TrialNumber,
    model_file::{Architecture, ModelFile},
    model_spec::ModelSpec,
    trial::TrialState,
    view::{BestView, Leader},
};
use tempfile::TempDir;

use super::{failure::Failure, files::line, output};
use crate::{
    blobs::{BlobError, ObjectKey},
    client::{ClientError, Cluster},
};

/// A model in a folder.
#[derive(Debug)]
pub(super) struct TrainedModel {
    /// What its model.json says.
    pub(super) file: ModelFile,
    /// What that describes.
    pub(super) architecture: Architecture,
    folder: PathBuf,
    /// Deleted with the value, where the model came out of a study.
    _temporary: Option<TempDir>,
}

impl TrainedModel {
    /// The model of a study's trial; of its best one where none is named.
    pub(super) async fn of_study(
        cluster: &Cluster,
        study: &str,
        trial: Option<TrialNumber>,
    ) -> Result<Self, Failure> {
        let chosen = chosen(cluster, study, trial).await?;
        let described = describe(&chosen, inputs(cluster, &chosen.spec).await?);
        let leader = chosen.study.best.ok_or_else(|| no_result(study))?;
        let [weights, _] = ObjectKey::of_checkpoint(&chosen.study.id, leader.trial, &leader.checkpoint);
        let bytes = cluster.object(&weights).await.map_err(|error| match error {
            ClientError::Object(BlobError::Missing(_)) => gone(&chosen),
            error => error.into(),
        })?;
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("model.safetensors"), bytes)?;
        fs::write(folder.path().join("model.json"), line(&described)?)?;
        let path = folder.path().to_owned();
        Self::read(&path, Some(folder))
    }

    /// Whether a folder is a model's.
    fn is_in(folder: &Path) -> bool {
        folder.join(ModelFile::NAME).exists()
    }

    fn read(folder: &Path, temporary: Option<TempDir>) -> Result<Self, Failure> {
        let path = folder.join(ModelFile::NAME);
        let bad = |error: String| {
            Failure::bad_input(format!("{}: {error}", path.display()))
                .help("`rung export STUDY --to safetensors --out DIR` writes a model's folder")
        };
        let text = fs::read_to_string(&path).map_err(|error| bad(error.to_string()))?;
        let file = ModelFile::from_json(&text).map_err(|error| bad(error.to_string()))?;
        let architecture = file.architecture().map_err(|error| match &temporary {
            None => bad(error.to_string()),
            // Nobody has seen the file that it was read from.
            Some(_) => Failure::bad_input(format!("study {} has no model to use: {error}", file.study)),
        })?;
        file.train.check_shift(&architecture.shape).map_err(|error| bad(error.message))?;
        if let (Some(stated), None) = (file.weights, &temporary)
            && fs::read(folder.join("model.safetensors")).is_ok_and(|bytes| Digest::of(&bytes) != stated)
        {
            output::message(&format!(
                "{} holds other weights than those that its model.json describes: their digest differs",
                folder.display()
            ));
        }
        Ok(Self { file, architecture, folder: folder.to_owned(), _temporary: temporary })
    }

    /// Whether its answers are means over several copies of an image.
    pub(super) fn averages(&self) -> bool {
        self.file.train.flip_averaging || self.file.train.shift_averaging > 0
    }

    /// Whether it takes the same samples as another model and sorts them into the same classes.
    fn takes_what(&self, other: &Self) -> bool {
        let (a, b) = (&self.file, &other.file);
        self.architecture.shape == other.architecture.shape
            && (&a.pixels, &a.features, &a.classes) == (&b.pixels, &b.features, &b.classes)
    }

    /// One of the model's files.
    pub(super) fn bytes(&self, name: &str) -> Result<Vec<u8>, Failure> {
        let path = self.folder.join(name);
        fs::read(&path).map_err(|error| Failure::bad_input(format!("{}: {error}", path.display())))
    }
}

/// The trial that is meant, as its study's best one.
async fn chosen(cluster: &Cluster, study: &str, trial: Option<TrialNumber>) -> Result<BestView, Failure> {
    let best = match cluster.best(study).await {
        Ok(best) => Some(best),
        Err(ClientError::NoResult(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let Some(number) = trial else { return best.ok_or_else(|| no_result(study)) };
    if let Some(best) = best.filter(|best| best.trial.trial == number) {
        return Ok(best);
    }
    let (mut view, spec) = cluster.study(study).await?;
    let (trial, _) = cluster.trial(study, number).await?;
    let checkpoint = trial.checkpoint.ok_or_else(|| {
        Failure::bad_input(format!(
            "trial {number} of study {study} is {} and has no checkpoint",
            trial.state
        ))
        .help(format!("`rung trial list {study} -o csv` names the weights of those that have any"))
    })?;
    // While it trains, its value is of its last rung and its checkpoint of a later epoch.
    let settled = trial.state.is_final() || trial.state == TrialState::Paused;
    let value = trial.value.filter(|_| settled).unwrap_or(f64::NAN);
    view.best = Some(Leader { trial: number, value, epochs: checkpoint.epoch, checkpoint });
    // What the study says is of its best trial.
    let own = trial.evaluation.filter(|evaluation| evaluation.epoch == checkpoint.epoch);
    view.test = own.map(|evaluation| evaluation.test.metrics);
    let shape = spec.data.shape();
    let model = shape.and_then(|shape| ModelSpec::build(spec.model, &trial.hparams, &shape).ok());
    let parameters = model.map_or(0, |model| model.parameters());
    Ok(BestView { study: view, spec, trial, parameters })
}

/// A trial whose weights are stored no more, and what is.
fn gone(chosen: &BestView) -> Failure {
    let (study, trial) = (&chosen.study.name, chosen.trial.trial);
    Failure::bad_input(format!(
        "trial {trial} of study {study} has no weights any more: those of trials that can neither go on nor win are deleted"
    ))
    .help("the best trial's are kept; another one's come back by training it again, with its hparams and seed")
}

fn no_result(study: &str) -> Failure {
    Failure::bad_input(format!("study {study} has no finished trial yet, so there is no model"))
        .help(format!("`rung study watch {study}` shows how it gets on"))
}
