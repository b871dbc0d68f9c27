//! Reading studies, and what is needed to write one.

use clap::Args;
use common::{preset, study::StudySpec};
use serde::Serialize;

use super::super::{
    args::{FormatArgs, StudyRef, TargetArgs},
    failure::Failure,
    input,
    output::{self, Show, Table},
    rows::{StudyRow, StudyRows},
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
    study: StudyRef,
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
    output::show(&StudyRows(studies.iter().map(Into::into).collect()), args.output.format)
}

/// Prints one study.
pub(super) async fn show(args: ShowArgs) -> Result<(), Failure> {
    let (view, spec) = args.target.target().cluster().await?.study(&args.study.study).await?;
    output::show(&StudyReport { row: (&view).into(), spec }, args.output.format)
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
