//! The files of an ensemble: ensemble.json, ensemble.csv, predictions.csv, and its members' models.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use common::{
    ballot::{Ballot, Voter},
    model_file::ModelFile,
    study::StudySpec,
    view::{BestView, Leader, StudyView, TrialView},
};

use super::{
    super::{
        failure::Failure,
        files,
        output::{Show as _, Table},
        text::plural,
        trained::{describe, inputs},
    },
    Labelled,
    gather::Gathered,
    report::EnsembleReport,
};
use crate::{blobs::ObjectKey, client::Cluster};

/// Writes an ensemble's files to a folder that is no model's, each whole or not at all; returns their names. Nothing of another
/// vote stays beside them.
///
/// A member's folder, `member-N`, is a model for `rung predict` and `rung evaluate`: weights and `model.json`.
pub(super) async fn write(
    cluster: &Cluster,
    (view, spec): (&StudyView, &StudySpec),
    (report, gathered, labelled): (&EnsembleReport, &Gathered, &Labelled),
    folder: &Path,
) -> Result<Vec<PathBuf>, Failure> {
    let inputs = inputs(cluster, spec).await?;
    let mut written = Vec::new();
    for member in &gathered.members {
        let Some(trial) = gathered.trials.iter().find(|trial| trial.trial == member.trial) else { continue };
        let weights = weights(cluster, view, trial).await?;
        let model = files::line(&describe(&alone(view, spec, trial), inputs.clone()))?;
        let own = PathBuf::from(Voter::folder_of(trial.trial));
        written.extend([(own.join("model.safetensors"), weights), (own.join("model.json"), model)]);
    }
    written.extend([
        (PathBuf::from("predictions.csv"), predictions(report, labelled)?),
        (PathBuf::from("ensemble.csv"), report.csv().to_csv()?.into_bytes()),
        (PathBuf::from(Ballot::FILE), files::line(report)?),
    ]);
    files::check_apart(folder, ModelFile::NAME)?;
    // What says who votes comes last: it never stands beside members that it does not mean.
    files::make_way(folder, &written)?;
    files::write_all(folder, &written)?;
    Ok(written.into_iter().map(|(name, _)| name).collect())
}

/// The names of files, and the folders below that others stand in: by their names, or where they are many how many.
pub(super) fn listed(files: &[PathBuf]) -> String {
    const MANY: usize = 4;
    let (top, below): (Vec<&PathBuf>, Vec<&PathBuf>) =
        files.iter().partition(|name| name.components().count() == 1);
    let mut names: Vec<String> = top.iter().map(|name| name.display().to_string()).collect();
    // By number, as the files are: member-10 is not before member-2.
    let mut seen = BTreeSet::new();
    let folders: Vec<&Path> =
        below.iter().filter_map(|name| name.parent()).filter(|folder| seen.insert(*folder)).collect();
    match folders.as_slice() {
        [first, .., last] if folders.len() > MANY => names.push(format!(
            "{} ({} … {})",
            plural(folders.len() as u64, "folder"),
            first.display(),
            last.display()
        )),
        few => names.extend(few.iter().map(|folder| format!("{}/", folder.display()))),
    }
    names.join(", ")
}

/// A member's weights.
async fn weights(cluster: &Cluster, view: &StudyView, trial: &TrialView) -> Result<Vec<u8>, Failure> {
    let number = trial.trial;
    let lost = |reason: String| {
        Failure::bad_input(format!("the weights of trial {number} cannot be read: {reason}"))
            .help("without them the ensemble has no vote; `rung fsck` says what else a store has lost")
    };
    let checkpoint = trial.checkpoint.ok_or_else(|| lost("it has no checkpoint".to_owned()))?;
    let [weights, _] = ObjectKey::of_checkpoint(&view.id, number, &checkpoint);
    match cluster.object(&weights).await {
        Ok(bytes) => Ok(bytes.to_vec()),
        Err(error) if error.is_transient() => Err(error.into()),
        Err(error) => Err(lost(error.to_string())),
    }
}

/// A member as if it led its study, which is how its model is described.
fn alone(view: &StudyView, spec: &StudySpec, trial: &TrialView) -> BestView {
    let leader = |checkpoint| Leader {
        trial: trial.trial,
        value: trial.value.unwrap_or(f64::NAN),
        epochs: trial.epochs,
        checkpoint,
    };
    let shape = spec.data.shape();
    let model = shape.and_then(|s| common::model_spec::ModelSpec::build(spec.model, &trial.hparams, &s).ok());
    BestView {
        study: StudyView {
            best: trial.checkpoint.map(leader),
            test: trial.evaluation.map(|evaluation| evaluation.test.metrics),
            ..view.clone()
        },
        spec: spec.clone(),
        trial: trial.clone(),
        parameters: model.map_or(0, |model| model.parameters()),
    }
}

/// The ensemble's distributions on the test part, at its temperature, beside the true classes.
fn predictions(report: &EnsembleReport, labelled: &Labelled) -> Result<Vec<u8>, Failure> {
    let head = ["index", "label"].map(str::to_owned).into_iter();
    let mut table = Table::new(head.chain((0..labelled.classes.len()).map(|class| format!("p{class}"))));
    for (index, (row, label)) in report.predictions.rows().zip(&labelled.truth.test).enumerate() {
        let first = [index.to_string(), label.to_string()];
        table.row(first.into_iter().chain(row.iter().map(ToString::to_string)));
    }
    Ok(table.to_csv()?.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_named_and_many_folders_are_counted() {
        let files = |members: &[u32]| {
            let folders = members.iter().map(|member| PathBuf::from(format!("member-{member}")));
            let models = folders.flat_map(|own| [own.join("model.safetensors"), own.join("model.json")]);
            models.chain([PathBuf::from("ensemble.csv"), PathBuf::from("ensemble.json")]).collect::<Vec<_>>()
        };
        assert_eq!(listed(&files(&[0, 2])), "ensemble.csv, ensemble.json, member-0/, member-2/");
        let many: Vec<u32> = (0..12).collect();
        assert_eq!(listed(&files(&many)), "ensemble.csv, ensemble.json, 12 folders (member-0 … member-11)");
    }
}
