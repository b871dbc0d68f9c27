//! `rung report`: a study's page, its numbers and its pictures.

use std::{
    env, fs,
    fs::File,
    io,
    path::{Path, PathBuf},
};

use ::data::Samples;
use clap::Args;
use common::{
    study::ModelKind,
    view::{BestView, StudyPhase},
};

use super::{
    args::{LatestRef, TargetArgs},
    data, ensemble,
    failure::Failure,
    files,
    output::{self, Show as _},
    rows::TrialRows,
    text::{count, plural},
};
use crate::{
    blobs::{ObjectKey, ObjectKind},
    client::{ClientError, Cluster},
    clock::Clock,
    report::{Answerer, Occasion, Report, Subject, TestImages, TestPart},
};

/// Flags of `rung report`.
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    #[command(flatten)]
    study: LatestRef,
    /// Folder for report.html, report.json, a CSV for each part of the page (trials, curves, board, predictions, …) and the
    /// pictures as SVG; files of these names are replaced, those of the report before removed
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    target: TargetArgs,
}

/// Writes a study's report.
pub(super) async fn run(args: ReportArgs) -> Result<(), Failure> {
    files::check(&args.out)?;
    let cluster = args.target.target().cluster().await?;
    let best = match cluster.best(&args.study.study).await {
        Err(ClientError::NoResult(study)) => return Err(without_result(&study)),
        best => best?,
    };
    let subject = gather(&cluster, best).await?;
    let mut files = numbers(&subject)?.files(&subject)?;
    files.push(("trials.csv".to_owned(), TrialRows::new(&subject.trials).csv().to_csv()?.into_bytes()));
    let another = args.out.join(Report::FILE).exists();
    write(&args.out, &files)
        .and_then(|()| if another { forget_others(&args.out, &files) } else { Ok(()) })
        .map_err(|error| Failure::failed(format!("cannot write to {}: {error}", args.out.display())))?;
    let pictures = files.iter().filter(|(path, _)| path.ends_with(".svg")).count();
    let names: Vec<_> =
        files.iter().map(|(path, _)| path.as_str()).filter(|path| !path.ends_with(".svg")).collect();
    output::message(&format!(
        "wrote {} and {} to {}",
        names.join(", "),
        plural(pictures as u64, "picture"),
        args.out.display()
    ));
    output::data(&args.out.join("report.html").display().to_string())
}

/// Writes report.html alone, for a run that has just ended.
pub(super) async fn page(cluster: &Cluster, best: &BestView, folder: &Path) -> Result<(), Failure> {
    let subject = gather(cluster, best.clone()).await?;
    let page = numbers(&subject)?.page(&subject);
    Ok(write(folder, &[("report.html".to_owned(), page.into_bytes())])?)
}

/// The report; that its predictions and this machine's data do not belong together is the caller's affair.
fn numbers(subject: &Subject) -> Result<Report, Failure> {
    Report::new(subject).map_err(Failure::bad_input)
}

/// Everything that a report on a study needs.
async fn gather(cluster: &Cluster, best: BestView) -> Result<Subject, Failure> {
    let study = best.study.id.as_str();
    let history = cluster.history(study).await?;
    let leader = best.study.best.ok_or_else(|| without_result(best.study.name.as_str()))?;
    let evaluation = history.evaluations.iter().rev().find(|evaluation| evaluation.trial == leader.trial);
    let test = match evaluation.and_then(|found| Some((found.epoch, found.probabilities?))) {
        Some((epoch, digest)) => {
            let (study, trial) = (best.study.id.clone(), leader.trial);
            let key = ObjectKey { study, trial, epoch, kind: ObjectKind::Probabilities, digest };
            test_part(cluster, &best, &key).await?
        }
        None if best.study.phase == StudyPhase::Finished => {
            Err("the best trial's evaluation failed, and the study is over".to_owned())
        }
        None => return Err(without_evaluation(&best, matches!(cluster, Cluster::Remote(_)))),
    };
    let (trials, workers) = (cluster.trials(study).await?, cluster.workers().await?);
    let (ensemble, vote) = ensemble::summary(cluster, &best).await?.unzip();
    let own = ensemble.as_ref().is_some_and(|ensemble| ensemble.is(&best.study.name));
    let test = match vote.filter(|_| own) {
        Some(vote) => test.map(|part| part.voted(&vote)),
        None => test,
    };
    Ok(Subject { best, trials, history, workers, test, ensemble, occasion: occasion() })
}

/// The test samples and what the best trial says of them.
async fn test_part(
    cluster: &Cluster,
    best: &BestView,
    key: &ObjectKey,
) -> Result<Result<TestPart, String>, Failure> {
    if best.spec.model == ModelKind::Formula {
        return Ok(Err("the formula trainer has no test data".to_owned()));
    }
    let dataset = data::of_study(cluster, &best.spec.data).await?;
    let probabilities = cluster.object(key).await?.to_vec();
    let Samples { channels, height, width, .. } = dataset.test;
    let pixels = dataset.test.pixels().map(|pixels| channels_last(pixels, channels, height * width));
    Ok(Ok(TestPart {
        classes: dataset.classes,
        labels: dataset.test.labels.iter().map(|label| u32::from(*label)).collect(),
        of: Answerer::BestTrial,
        probabilities,
        images: pixels.map(|pixels| TestImages { height, width, channels, pixels }),
    }))
}

/// Images whose channels lie one after the other, with the channels of each pixel together.
fn channels_last(pixels: &[u8], channels: usize, area: usize) -> Vec<u8> {
    let image = |image: &[u8]| -> Vec<u8> {
        (0..area)
            .flat_map(|at| (0..channels).map(move |channel| channel * area + at))
            .map(|at| image[at])
            .collect()
    };
    pixels.chunks_exact(channels * area).flat_map(image).collect()
}

fn occasion() -> Occasion {
    let user = ["USER", "LOGNAME"].iter().find_map(|name| env::var(name).ok()).unwrap_or_default();
    let host = hostname::get().map(|host| host.to_string_lossy().into_owned()).unwrap_or_default();
    Occasion { at: Clock::system().now(), user, host }
}

fn without_result(study: &str) -> Failure {
    Failure::bad_input(format!("study {study} has no result yet, so there is nothing to report"))
        .help(format!("`rung study watch {study}` shows how it gets on; report on it when it has finished"))
}

/// What is said of a study whose best trial is not measured yet, and what there is to do with a coordinator or without one.
fn without_evaluation(best: &BestView, coordinator: bool) -> Failure {
    let name = &best.study.name;
    if best.study.phase == StudyPhase::Evaluating {
        let why = best.study.end_reason.map(|reason| format!(" ({})", reason.words())).unwrap_or_default();
        return Failure::bad_input(format!(
            "study {name} has ended its training{why}, but its best trial is not measured yet, and a report needs that"
        ))
        .help(if coordinator {
            format!("the next worker measures it; `rung study wait {name}` waits for that")
        } else {
            "no coordinator runs: the next worker measures it, and `rung run` with the same study does that".to_owned()
        });
    }
    let (done, planned) = (count(best.study.epochs), count(best.study.planned_epochs));
    Failure::bad_input(format!(
        "study {name} is {}, {done} of {planned} epochs are done: its best trial is evaluated at the end, and a report \
         needs that",
        best.study.phase
    ))
    .help(if coordinator {
        format!(
            "`rung study wait {name}` waits for the end; `rung study stop {name}` ends it now and evaluates what it has"
        )
    } else {
        format!(
            "no coordinator runs, so nothing trains: `rung run` with the same study goes on with it; after `rung study \
             stop {name}` it measures what there is"
        )
    })
}

/// Writes files to a folder: all of them or, where anything fails before, none.
///
/// They are written and synced beside their place first. A new folder then appears whole; in one that is there, each
/// file replaces the one of its name.
fn write(folder: &Path, files: &[(String, Vec<u8>)]) -> io::Result<()> {
    let parent = match folder.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent)?;
    let exists = folder.is_dir();
    let staged =
        tempfile::Builder::new().prefix(".report-").tempdir_in(if exists { folder } else { parent })?;
    for (path, bytes) in files {
        let path = staged.path().join(path);
        fs::create_dir_all(path.parent().unwrap_or_else(|| staged.path()))?;
        fs::write(&path, bytes)?;
        File::open(&path)?.sync_all()?;
    }
    if !exists {
        open_to_all(staged.path())?;
        fs::rename(staged.path(), folder)?;
        // It has another name now, and is there to stay.
        let _ = staged.keep();
        return File::open(parent)?.sync_all();
    }
    for (path, _) in files {
        let place = folder.join(path);
        fs::create_dir_all(place.parent().unwrap_or(folder))?;
        fs::rename(staged.path().join(path), place)?;
    }
    File::open(folder)?.sync_all()
}

/// Takes away what the report that was there before had and this one has not, so that numbers of two do not stand side by side.
fn forget_others(folder: &Path, files: &[(String, Vec<u8>)]) -> io::Result<()> {
    for below in ["", "svg/"] {
        for entry in fs::read_dir(folder.join(below))? {
            let path = format!("{below}{}", entry?.file_name().to_string_lossy());
            if Report::may_have(&path) && !files.iter().any(|(own, _)| *own == path) {
                fs::remove_file(folder.join(path))?;
            }
        }
    }
    Ok(())
}

/// Temporary folders are their owner's alone; results are for whoever may read the folder above.
fn open_to_all(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}

#[cfg(test)]
mod tests {
    use common::view::EndReason;

    use super::*;
    use crate::cli::{failure::Code, fixture};

    fn files(text: &str) -> Vec<(String, Vec<u8>)> {
        [("report.html", text), ("svg/loss.svg", text)]
            .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
            .to_vec()
    }

    #[test]
    fn a_new_folder_appears_whole_and_an_old_one_keeps_what_else_it_has() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a/report");
        write(&folder, &files("1")).unwrap();
        fs::write(folder.join("notes.txt"), "mine").unwrap();
        write(&folder, &files("2")).unwrap();
        assert_eq!(fs::read_to_string(folder.join("svg/loss.svg")).unwrap(), "2");
        assert_eq!(fs::read_to_string(folder.join("notes.txt")).unwrap(), "mine");
        let mut left: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["notes.txt", "report.html", "svg"]);
        assert_eq!(fs::read_dir(root.path().join("a")).unwrap().count(), 1);
    }

    #[test]
    fn files_of_the_report_before_leave_and_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &files("1")).unwrap();
        for name in
            ["votes.csv", "importance.csv", "svg/board-3.svg", "notes.txt", "svg/mine.svg", "model.pt"]
        {
            fs::write(folder.path().join(name), "0").unwrap();
        }
        forget_others(folder.path(), &files("1")).unwrap();
        let there = |name: &str| folder.path().join(name).exists();
        assert!(
            ["report.html", "svg/loss.svg", "notes.txt", "svg/mine.svg", "model.pt"].into_iter().all(there)
        );
        assert!(!["votes.csv", "importance.csv", "svg/board-3.svg"].into_iter().any(there));
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("report");
        let broken = [files("1"), vec![("report.html/below".to_owned(), Vec::new())]].concat();
        assert!(write(&folder, &broken).is_err());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_study_that_goes_on_is_bad_input_that_says_what_to_do() {
        let mut best = fixture::best();
        best.study.phase = StudyPhase::Running;
        let failure = without_evaluation(&best, true);
        assert_eq!(failure.code, Code::BadInput);
        assert!(failure.help.unwrap().contains("rung study wait fashion-mlp"));
        assert_eq!(without_result("s").code, Code::BadInput);
        let alone = without_evaluation(&best, false).help.unwrap();
        assert!(alone.contains("`rung run` with the same study") && !alone.contains("wait"), "{alone}");
    }

    #[test]
    fn a_study_that_is_stopped_is_not_to_be_stopped_again() {
        let mut best = fixture::best();
        (best.study.phase, best.study.complete) = (StudyPhase::Evaluating, false);
        best.study.end_reason = Some(EndReason::Requested);
        let alone = without_evaluation(&best, false);
        assert_eq!(alone.code, Code::BadInput);
        assert!(
            alone.message.starts_with("study fashion-mlp has ended its training (it was stopped)"),
            "{alone:?}"
        );
        let help = alone.help.unwrap();
        assert!(help.contains("the next worker measures it, and `rung run` with the same study"), "{help}");
        assert!(!help.contains("study wait") && !help.contains("study stop"), "{help}");
        let help = without_evaluation(&best, true).help.unwrap();
        assert!(help.contains("`rung study wait fashion-mlp`") && !help.contains("study stop"), "{help}");
    }
}
