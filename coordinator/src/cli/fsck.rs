//! `rung fsck`: whether a state folder keeps what was promised.

use std::path::PathBuf;

use clap::Args;

use super::{
    args::{FormatArgs, size},
    failure::Failure,
    output::{self, Show, Table},
    text::plural,
};
use crate::{
    fsck::{self, Findings, FsckError},
    settings,
    store::StoreError,
};

/// Flags of `rung fsck`.
#[derive(Debug, Args)]
pub(super) struct FsckArgs {
    /// Folder with studies and checkpoints; without it, `rung` in your data folder (~/.local/share on Linux)
    #[arg(long, value_name = "DIR", env = "RUNG_STATE")]
    state: Option<PathBuf>,
    /// Most that all stored objects (checkpoints, probabilities, data, weights) may take, as it was given to `rung serve`
    #[arg(long, value_name = "SIZE", env = "RUNG_QUOTA", value_parser = size)]
    quota: Option<u64>,
    #[command(flatten)]
    output: FormatArgs,
}

/// Checks a state folder; fails where something is wrong.
pub(super) async fn run(args: FsckArgs) -> Result<(), Failure> {
    let state = settings::state_or_default(args.state);
    let findings = match fsck::check(&state, args.quota).await {
        Err(FsckError::Store(error @ StoreError::Missing(_))) => return Err(Failure::bad_input(error)),
        findings => findings?,
    };
    output::show(&findings, args.output.format)?;
    let seen = format!(
        "{}, {}, {} and {} of {}",
        plural(findings.studies, "study"),
        plural(findings.trials, "trial"),
        plural(findings.events, "event"),
        plural(findings.objects, "object"),
        state.display()
    );
    match findings.violations.len() {
        0 => {
            output::message(&format!("{seen} are as they should be"));
            Ok(())
        }
        wrong => {
            let found = plural(wrong as u64, "violation");
            let help =
                "docs/reliability.md says what each means; a backup can take the place of what is damaged";
            Err(Failure::failed(format!("{found} in {seen}")).help(help))
        }
    }
}

impl Show for Findings {
    fn table(&self) -> String {
        if self.violations.is_empty() { String::new() } else { self.csv().render() }
    }

    fn csv(&self) -> Table {
        let mut table = Table::new(["invariant", "study", "trial", "attempt", "what"]);
        for violation in &self.violations {
            let dash = || "-".to_owned();
            table.row([
                violation.invariant.to_owned(),
                violation.study.clone().unwrap_or_else(dash),
                violation.trial.map_or_else(dash, |trial| trial.to_string()),
                violation.attempt.map_or_else(dash, |attempt| attempt.to_string()),
                violation.what.clone(),
            ]);
        }
        table
    }
}
