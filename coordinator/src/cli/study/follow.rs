//! Following a study to its end.

use std::time::Duration;

use clap::Args;
use common::{
    duration,
    view::{StudyPhase, StudyView},
};

use super::super::{
    args::{FormatArgs, LatestRef, TargetArgs},
    failure::Failure,
    interrupt::Interrupt,
    output::{self, Show, Table},
    rows::{StudyRow, StudyRows},
    text::span,
    watch::{Ended, Watch},
};
use crate::client::{Cluster, Target};

/// Flags of `rung study watch` and `rung study wait`.
#[derive(Debug, Args)]
pub(super) struct FollowArgs {
    #[command(flatten)]
    study: LatestRef,
    /// Give up after this time with exit code 124: seconds, or 90s, 5m, 2h
    #[arg(long, value_name = "TIME", value_parser = duration::span)]
    timeout: Option<Duration>,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    output: FormatArgs,
}

/// Shows a study's progress until it has finished, then the study.
pub(super) async fn watch(args: FollowArgs) -> Result<(), Failure> {
    follow(args, true).await
}

/// Waits until a study has finished, then shows it.
pub(super) async fn wait(args: FollowArgs) -> Result<(), Failure> {
    follow(args, false).await
}

async fn follow(args: FollowArgs, progress: bool) -> Result<(), Failure> {
    let target = args.target.target();
    let cluster = target.cluster().await?;
    let (view, spec) = cluster.study(&args.study.study).await?;
    let view = match (&cluster, view.phase) {
        (_, StudyPhase::Finished) => view,
        (Cluster::Stored(_), _) => return Err(nobody_trains(&view, &target)),
        (Cluster::Remote(remote), _) => {
            let watch = Watch {
                remote,
                state: &target.folder(),
                study: &view,
                spec: &spec,
                workers: None,
                own: None,
                heir_of: None,
                timeout: args.timeout,
                progress,
            };
            match watch.until_over(&mut Interrupt::listen()?).await? {
                Ended::Finished(view) => *view,
                Ended::Orphaned => return Err(nobody_trains(&view, &target)),
                Ended::Interrupted => {
                    return Err(Failure::interrupted("no longer watching; the study goes on"));
                }
                Ended::TimedOut => return Err(timed_out(&view, args.timeout)),
            }
        }
    };
    output::show(&Finished((&view).into()), args.output.format)?;
    match view.best {
        Some(_) => Ok(()),
        None => Err(without_result(&view)),
    }
}

fn nobody_trains(view: &StudyView, target: &Target) -> Failure {
    let folder = target.folder();
    Failure::failed(format!(
        "study {} is not finished, and no coordinator runs on {}",
        view.name,
        folder.display()
    ))
    .help(format!(
        "`rung serve --state {}` goes on with it, as does `rung run` with the same study",
        folder.display()
    ))
}

fn timed_out(view: &StudyView, timeout: Option<Duration>) -> Failure {
    let after = timeout.map(span).unwrap_or_default();
    Failure::timed_out(format!("study {} has not finished in {after}; it goes on", view.name))
}

/// A finished study in which every trial failed.
pub(in crate::cli) fn without_result(view: &StudyView) -> Failure {
    Failure::failed(format!("study {} has finished without a result", view.name))
        .help(format!("`rung trial list {}` shows its trials, and why those that failed did", view.name))
}

/// A study that has finished.
#[derive(Debug, serde::Serialize)]
#[serde(transparent)]
struct Finished(StudyRow);

impl Show for Finished {
    fn table(&self) -> String {
        output::facts(&self.0.facts())
    }

    fn csv(&self) -> Table {
        StudyRows(vec![self.0.clone()]).csv()
    }
}
