//! Changing studies. Where no coordinator runs, one runs for as long as the change takes.

use clap::Args;
use common::view::StudyPhase;
use serde::Serialize;

use super::super::{
    args::{FormatArgs, StudyRef, TargetArgs},
    embedded::with_coordinator,
    failure::Failure,
    input,
    output::{self, Show, Table},
    run::ConflictArgs,
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

/// Submits a study and prints its name.
pub(super) async fn submit(args: SubmitArgs) -> Result<(), Failure> {
    let spec = input::read(&args.study)?;
    let on_conflict = args.conflict.on_conflict();
    let target = args.target.target();
    let workers = async |remote: &Remote| {
        let submitted = remote.submit(&spec, on_conflict).await?;
        Ok((submitted, remote.workers().await?.len()))
    };
    let ((view, resumed), workers) = with_coordinator(&target, None, workers).await?;
    if workers == 0 {
        output::message("no worker is connected yet: the study begins when a coordinator has one");
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
    let view = change(&args, async |remote, study| remote.resume(study).await).await?;
    if view.phase == StudyPhase::Evaluating {
        return Err(Failure::bad_input(format!("study {} has ended its training for good", view.name))
            .help("its best trial is measured by the next worker; a new study trains more"));
    }
    output::message(&format!("study {} goes on; `rung study watch {}` shows how", view.name, view.name));
    Ok(())
}

/// Stops a study.
pub(super) async fn stop(args: ChangeArgs) -> Result<(), Failure> {
    let view = change(&args, async |remote, study| remote.stop(study).await).await?;
    let name = &view.name;
    output::message(&match view.phase {
        StudyPhase::Evaluating => format!(
            "study {name} is stopped; the next worker measures its best trial, and then it has finished: \
             where no coordinator runs, `rung run` with the same study does that"
        ),
        _ => format!("study {name} is stopped; `rung best {name}` shows its best trial"),
    });
    Ok(())
}

/// Deletes a study.
pub(super) async fn delete(args: ChangeArgs) -> Result<(), Failure> {
    change(&args, async |remote, study| remote.delete(study).await).await?;
    output::message(&format!("study {} and its checkpoints are deleted", args.study.study));
    Ok(())
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
