//! Changing studies. Where no coordinator runs, one runs for as long as the change takes.

use clap::Args;
use common::{
    ids::StudyName,
    view::{StudyPhase, StudyView},
};
use serde::Serialize;

use super::super::{
    args::{FormatArgs, StudyRef, TargetArgs},
    embedded::{check_in_new, with_coordinator},
    failure::Failure,
    input,
    output::{self, Show, Table},
    run::ConflictArgs,
    waiting,
};
use crate::client::{ClientError, Remote};

/// Flags of `rung study submit`.
#[derive(Debug, Args)]
pub(super) struct SubmitArgs {
    #[command(flatten)]
    study: input::StudyArgs,
    #[command(flatten)]
    conflict: ConflictArgs,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    output: FormatArgs,
}

/// Flags of the verbs that change one study.
#[derive(Debug, Args)]
pub(super) struct ChangeArgs {
    #[command(flatten)]
    study: StudyRef,
    #[command(flatten)]
    target: TargetArgs,
}

/// Flags of `rung study delete`.
#[derive(Debug, Args)]
pub(super) struct DeleteArgs {
    /// Whole name or id: its beginning could be another study's; `@last` is the latest study
    #[arg(value_name = "STUDY")]
    study: String,
    #[command(flatten)]
    target: TargetArgs,
}

/// Submits a study and prints its name.
pub(super) async fn submit(args: SubmitArgs) -> Result<(), Failure> {
    let spec = input::read(&args.study)?;
    let on_conflict = args.conflict.on_conflict();
    let target = args.target.target();
    if target.coordinator().await?.is_none() {
        check_in_new(&target.folder(), &spec)?;
    }
    let workers = async |remote: &Remote| {
        let submitted = remote.submit(&spec, on_conflict).await?;
        Ok((submitted, remote.workers().await?))
    };
    let ((view, resumed), workers) = with_coordinator(&target, None, workers).await?;
    if workers.is_empty() {
        output::message("no worker is connected yet: the study begins when a coordinator has one");
    } else if let Some(reason) = waiting::reason(&workers, &spec, "those that are connected leave") {
        output::message(&format!("study {} {reason}", view.name));
    }
    output::show(
        &Submitted { study: view.name.to_string(), id: view.id.to_string(), resumed },
        args.output.format,
    )
}

/// Pauses a study.
pub(super) async fn pause(args: ChangeArgs) -> Result<(), Failure> {
    let view = change(&args, async |remote, study| remote.pause(study).await).await?;
    output::message(&format!("study {} is paused; `rung study resume {}` goes on", view.name, view.name));
    Ok(())
}

/// Resumes a study.
pub(super) async fn resume(args: ChangeArgs) -> Result<(), Failure> {
    let resume = async |remote: &Remote, study: &str| -> Result<_, ClientError> {
        let (before, _) = remote.study(study).await?;
        Ok((before.phase, remote.resume(study).await?))
    };
    let stays = args.target.target().coordinator().await?.is_some();
    let (before, view) = change(&args, resume).await?;
    output::message(&resumed(before, &view, stays)?);
    Ok(())
}

/// What becomes of a study that was to be resumed, by where it stood before and whether its coordinator stays: one that runs
/// for the change alone has no worker.
fn resumed(before: StudyPhase, view: &StudyView, stays: bool) -> Result<String, Failure> {
    let name = &view.name;
    match (before, view.phase) {
        (StudyPhase::Paused, StudyPhase::Evaluating) if stays => Ok(format!(
            "study {name} goes on: its training has ended, and the next worker measures its best trial"
        )),
        (_, StudyPhase::Evaluating) if before != StudyPhase::Paused => {
            Err(Failure::bad_input(format!("study {name} has ended its training for good"))
                .help("its best trial is measured by the next worker; a new study trains more"))
        }
        _ if stays => Ok(format!("study {name} goes on; `rung study watch {name}` shows how")),
        _ => Ok(format!(
            "study {name} is paused no more, and goes on once a coordinator has workers: `rung serve` starts one, and \
             `rung run` with the same study starts both"
        )),
    }
}

/// Stops a study.
pub(super) async fn stop(args: ChangeArgs) -> Result<(), Failure> {
    let view = change(&args, async |remote, study| remote.stop(study).await).await?;
    output::message(&stopped(&view));
    Ok(())
}

/// What becomes of a study that was stopped.
fn stopped(view: &StudyView) -> String {
    let name = &view.name;
    match (view.phase, &view.best) {
        (StudyPhase::Evaluating, _) => format!(
            "study {name} is stopped; the next worker measures its best trial, and then it has finished: \
             where no coordinator runs, `rung run` with the same study does that"
        ),
        (_, Some(_)) => format!("study {name} is stopped; `rung best {name}` shows its best trial"),
        (_, None) => format!("study {name} is stopped; none of its trials had a result"),
    }
}

/// Deletes a study.
pub(super) async fn delete(args: DeleteArgs) -> Result<(), Failure> {
    let args = ChangeArgs { study: StudyRef { study: args.study }, target: args.target };
    let name = change(&args, async |remote, study| deleted(remote, study).await).await?;
    output::message(&format!("study {name} and its checkpoints are deleted"));
    Ok(())
}

/// Deletes the study that is meant and answers with its name, by which a refusal calls it too. What was typed is sent as it
/// is, as the coordinator takes a whole name or id alone; of `@last` the name is sent.
async fn deleted(remote: &Remote, typed: &str) -> Result<StudyName, ClientError> {
    let (StudyView { id, name, .. }, _) = remote.study(typed).await?;
    let sent = if typed == "@last" { name.as_str() } else { typed };
    let answer = remote.delete(sent).await;
    match answer {
        Ok(()) => Ok(name),
        Err(ClientError::Refused(reason)) => {
            Err(ClientError::Refused(reason.replace(id.as_str(), name.as_str())))
        }
        Err(error) => Err(error),
    }
}

async fn change<T>(
    args: &ChangeArgs,
    act: impl AsyncFnOnce(&Remote, &str) -> Result<T, ClientError>,
) -> Result<T, Failure> {
    let study = args.study.study.as_str();
    with_coordinator(&args.target.target(), Some(study), async |remote| act(remote, study).await).await
}

/// The study that a submission became.
#[derive(Debug, Serialize)]
struct Submitted {
    study: String,
    id: String,
    resumed: bool,
}

impl Show for Submitted {
    fn table(&self) -> String {
        self.study.clone()
    }

    fn csv(&self) -> Table {
        let mut table = Table::new(["study", "id", "resumed"]);
        table.row([self.study.clone(), self.id.clone(), self.resumed.to_string()]);
        table
    }
}

#[cfg(test)]
mod tests {
    use common::study::StudySpec;

    use super::*;
    use crate::{
        cli::{failure::Code, fixture},
        client::{OnConflict, Target},
    };

    #[test]
    fn a_study_that_was_paused_while_it_was_measured_goes_on() {
        let view = |phase| StudyView { phase, ..fixture::study() };
        let said = |before, phase, stays| resumed(before, &view(phase), stays);
        let text = said(StudyPhase::Paused, StudyPhase::Evaluating, true).unwrap();
        assert!(text.contains("fashion-mlp goes on") && text.contains("measures its best trial"), "{text}");
        let text = said(StudyPhase::Paused, StudyPhase::Running, true).unwrap();
        assert!(text.contains("`rung study watch fashion-mlp`"), "{text}");
        for phase in [StudyPhase::Running, StudyPhase::Evaluating] {
            let text = said(StudyPhase::Paused, phase, false).unwrap();
            assert!(text.contains("once a coordinator has workers: `rung serve`"), "{text}");
            assert!(!text.contains("study watch"), "nobody trains what it would show: {text}");
        }
        let failure = said(StudyPhase::Evaluating, StudyPhase::Evaluating, true).unwrap_err();
        assert_eq!(failure.code, Code::BadInput);
        assert!(failure.message.contains("fashion-mlp has ended its training"), "{}", failure.message);
    }

    #[test]
    fn a_study_that_was_stopped_says_what_there_is_to_see() {
        assert!(stopped(&fixture::study()).contains("`rung best fashion-mlp`"));
        let none = StudyView { best: None, ..fixture::study() };
        assert!(!stopped(&none).contains("rung best") && stopped(&none).contains("none of its trials"));
        let measured = StudyView { phase: StudyPhase::Evaluating, ..fixture::study() };
        assert!(stopped(&measured).contains("the next worker measures its best trial"));
    }

    #[tokio::test]
    async fn the_last_study_is_refused_and_deleted_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let target = Target { state: Some(folder.path().join("state")), ..Target::default() };
        let text = "{name: drill, model: formula, space: {x: {float: [0, 1]}}}";
        let spec = StudySpec::from_yaml(text).unwrap();
        let said = async |remote: &Remote| -> Result<_, ClientError> {
            remote.submit(&spec, OnConflict::Match).await?;
            let refused = deleted(remote, "@last").await;
            remote.stop("drill").await?;
            Ok((refused, deleted(remote, "@last").await?))
        };
        let (refused, name) = with_coordinator(&target, None, said).await.unwrap();
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("study drill is not finished"), "{refused}");
        assert_eq!(name.as_str(), "drill");
    }
}
