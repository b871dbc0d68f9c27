//! The files that a study ends with: best.json, best.yaml, trials.csv, model.safetensors and model.json.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use common::{
    space::SearchSpace,
    study::{Budget, Constraints, Evaluate, FixedTrial, Sampler, SchedulerSpec, StudySpec},
    view::BestView,
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

/// Checks that files can be written to a folder, so that a wrong one is noticed before anything is trained. Creates
/// nothing.
pub(crate) fn check(folder: &Path) -> Result<(), Failure> {
    let parents =
        folder.ancestors().map(|parent| if parent == Path::new("") { Path::new(".") } else { parent });
    let existing = parents.into_iter().find(|parent| parent.exists()).unwrap_or(folder);
    tempfile::tempfile_in(existing).map(drop).map_err(|error| {
        Failure::bad_input(format!("nothing can be written to folder {}: {error}", folder.display()))
            .help("name another folder with --out")
    })
}

/// Writes the files of a study's best trial to a folder; returns their names. Each is whole or not there.
pub(crate) async fn write(
    cluster: &Cluster,
    best: &BestView,
    folder: &Path,
) -> Result<Vec<&'static str>, Failure> {
    check(folder)?;
    let trials = cluster.trials(best.study.id.as_str()).await?;
    let mut files = vec![
        ("best.json", line(&BestReport::new(best))?),
        ("best.yaml", best_yaml(best)?.into_bytes()),
        ("trials.csv", TrialRows::new(&trials).csv().to_csv()?.into_bytes()),
    ];
    if let Some(leader) = &best.study.best {
        let [weights, _] = ObjectKey::of_checkpoint(&best.study.id, leader.trial, &leader.checkpoint);
        files.push(("model.safetensors", cluster.object(&weights).await?.to_vec()));
        files.push(("model.json", line(&describe(best, inputs(cluster, &best.spec).await?))?));
    }
    write_all(folder, &files)?;
    Ok(files.into_iter().map(|(name, _)| name).collect())
}

/// Checks as [`check`] does, and that a folder has no file of this name: it says that the folder is an ensemble's, or that it is a
/// single model's, and beside the files of the other nobody could say which is meant.
pub(crate) fn check_apart(folder: &Path, other: &str) -> Result<(), Failure> {
    if folder.join(other).exists() {
        return Err(Failure::bad_input(format!(
            "{} has {other}: one folder holds a model or an ensemble, not both",
            folder.display()
        ))
        .help("name another folder with --out"));
    }
    check(folder)
}

/// Removes files of a folder, as far as they are there.
pub(crate) fn forget(folder: &Path, names: &[&str]) -> Result<(), Failure> {
    for name in names {
        match fs::remove_file(folder.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

/// Writes files into a folder, or, where their names say so, into folders below it; all are made where they are missing.
/// Each file is whole or not there, and there once those before it are.
pub(crate) fn write_all(folder: &Path, files: &[(impl AsRef<Path>, Vec<u8>)]) -> Result<(), Failure> {
    fs::create_dir_all(folder)?;
    for (name, bytes) in files {
        let path = folder.join(name);
        let own = path.parent().unwrap_or(folder);
        let write = || {
            fs::create_dir_all(own)?;
            whole(own, &path, bytes)?;
            File::open(own)?.sync_all()
        };
        write().map_err(|error| Failure::failed(format!("cannot write {}: {error}", path.display())))?;
    }
    Ok(())
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

/// Writes a file under another name, syncs it and then gives it its own.
pub(crate) fn whole(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut partial = tempfile::NamedTempFile::new_in(folder)?;
    partial.write_all(bytes)?;
    // Temporary files are their owner's alone; results are for whoever may read the folder.
    partial.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    partial.as_file().sync_all()?;
    partial.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use common::study::ModelKind;

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

    #[test]
    fn a_folder_that_is_a_file_is_bad_input() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(check(&file).unwrap_err().code, crate::cli::failure::Code::BadInput);
        assert_eq!(check(&file.join("below")).unwrap_err().code, crate::cli::failure::Code::BadInput);
        check(&folder.path().join("a/b")).unwrap();
        check(Path::new("missing-folder")).unwrap();
        assert!(!folder.path().join("a").exists() && !Path::new("missing-folder").exists());
    }

    #[test]
    fn files_appear_whole_and_readable() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("best.json");
        whole(folder.path(), &path, b"{}\n").unwrap();
        whole(folder.path(), &path, b"{1}\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"{1}\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
