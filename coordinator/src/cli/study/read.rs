//! Reading studies, and what is needed to write one.

use std::{path::Path, slice};

use clap::Args;
use common::{
    preset,
    study::StudySpec,
    view::{StudyPhase, StudyView},
};
use serde::Serialize;

use super::super::{
    args::{FormatArgs, LatestRef, TargetArgs},
    failure::Failure,
    input, join,
    output::{self, Format, Show, Table},
    rows::{StudyRow, StudyRows},
    waiting,
};
use crate::client::Cluster;

/// Flags of `rung study list`.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    output: FormatArgs,
}

/// Flags of `rung study show`.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    study: LatestRef,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    output: FormatArgs,
}

/// Flags of `rung study example`.
#[derive(Debug, Args)]
pub(super) struct ExampleArgs {
    /// The preset: `rung model list` shows them
    #[arg(value_name = "PRESET", default_value = "mlp")]
    preset: String,
}

/// Prints all studies.
pub(super) async fn list(args: ListArgs) -> Result<(), Failure> {
    let cluster = args.target.target().cluster().await?;
    let studies = cluster.studies().await?;
    if studies.is_empty() {
        output::message(&match &cluster {
            Cluster::Stored(stored) => {
                format!("there is no study in {} yet; `rung run mlp` starts one", stored.folder().display())
            }
            Cluster::Remote(_) => "there is no study yet; `rung run mlp` starts one".to_owned(),
        });
    }
    tell_untrained(&cluster, &studies, args.output.format);
    output::show(&StudyRows(studies.iter().map(Into::into).collect()), args.output.format)
}

/// Prints one study.
pub(super) async fn show(args: ShowArgs) -> Result<(), Failure> {
    let target = args.target.target();
    let cluster = target.cluster().await?;
    let (view, spec) = cluster.study(&args.study.study).await?;
    tell_untrained(&cluster, slice::from_ref(&view), args.output.format);
    if let (Cluster::Remote(remote), Format::Table) = (&cluster, args.output.format)
        && waiting::waits(&view)
    {
        let advice = join::advice(remote.address(), &target.folder());
        let reason = waiting::reason(&remote.workers().await?, &spec, &advice);
        if let Some(reason) = reason {
            output::message(&format!("study {} {reason}", view.name));
        }
    }
    output::show(&StudyReport { row: (&view).into(), spec }, args.output.format)
}

/// Says to people that what they see as running is not trained, where no coordinator runs.
fn tell_untrained(cluster: &Cluster, studies: &[StudyView], format: Format) {
    if let (Cluster::Stored(stored), Format::Table) = (cluster, format)
        && let Some(text) = untrained(stored.folder(), studies)
    {
        output::message(&text);
    }
}

/// What is said of studies in a folder that no coordinator runs on; nothing where none of them waits for a worker.
fn untrained(folder: &Path, studies: &[StudyView]) -> Option<String> {
    let waits = |view: &StudyView| matches!(view.phase, StudyPhase::Running | StudyPhase::Evaluating);
    studies.iter().any(waits).then(|| {
        format!(
            "no coordinator runs on {}, so nothing trains until one has workers; `rung serve` starts one, and `rung run` \
             with the same study goes on with it",
            folder.display()
        )
    })
}

/// Prints a preset as a study file.
pub(super) fn example(args: &ExampleArgs) -> Result<(), Failure> {
    let preset = preset::preset(&args.preset).ok_or_else(|| input::unknown_preset(&args.preset))?;
    output::data(&preset::commented_example(&preset))
}

/// Prints the schema of study files.
pub(super) fn schema() -> Result<(), Failure> {
    output::data(&serde_json::to_string_pretty(&StudySpec::schema())?)
}

/// A study and what it was asked to do.
#[derive(Debug, Serialize)]
struct StudyReport {
    #[serde(flatten)]
    row: StudyRow,
    spec: StudySpec,
}

impl Show for StudyReport {
    fn table(&self) -> String {
        format!("{}\n{}", output::facts(&self.row.facts()), self.spec.to_yaml())
    }

    fn csv(&self) -> Table {
        StudyRows(vec![self.row.clone()]).csv()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixture;

    #[test]
    fn only_studies_that_wait_for_a_worker_are_said_to_be_untrained() {
        let said = |phases: &[StudyPhase]| {
            let studies: Vec<_> =
                phases.iter().map(|phase| StudyView { phase: *phase, ..fixture::study() }).collect();
            untrained(Path::new("/state"), &studies)
        };
        let text = said(&[StudyPhase::Finished, StudyPhase::Running]).unwrap();
        assert!(text.starts_with("no coordinator runs on /state, so nothing trains"), "{text}");
        assert!(said(&[StudyPhase::Evaluating]).is_some());
        assert_eq!(said(&[StudyPhase::Finished, StudyPhase::Paused]), None);
        assert_eq!(said(&[]), None);
    }
}
