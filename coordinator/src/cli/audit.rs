//! `rung audit`: who did what.

use clap::Args;
use common::time::Timestamp;
use proto::v1::AuditEntry;
use serde::Serialize;

use super::{
    args::{FormatArgs, TargetArgs},
    embedded::read_with_coordinator,
    failure::Failure,
    input::whole,
    output::{self, Show, Table},
};

/// Flags of `rung audit`.
#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    /// How many entries at most, the newest
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = whole::<u32>(1..=u64::from(u32::MAX)))]
    last: u32,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    output: FormatArgs,
}

/// Prints the newest entries, oldest first.
pub(super) async fn run(args: AuditArgs) -> Result<(), Failure> {
    let target = args.target.target();
    let entries = read_with_coordinator(&target, async |remote| remote.audit(args.last).await).await?;
    let entries = entries.unwrap_or_default();
    if entries.is_empty() {
        output::message("the audit log is empty");
    }
    output::show(&Entries(entries.into_iter().map(Row::from).collect()), args.output.format)
}

#[derive(Debug, Serialize)]
struct Row {
    at: String,
    who: String,
    from: String,
    call: String,
    about: String,
    outcome: String,
}

impl From<AuditEntry> for Row {
    fn from(entry: AuditEntry) -> Self {
        let AuditEntry { at_ms, who, from, call, about, outcome } = entry;
        Self { at: Timestamp(at_ms).to_string(), who, from, call, about, outcome }
    }
}

#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Entries(Vec<Row>);

impl Show for Entries {
    fn table(&self) -> String {
        if self.0.is_empty() { String::new() } else { self.csv().render() }
    }

    fn csv(&self) -> Table {
        let mut table = Table::new(["at", "who", "from", "call", "about", "outcome"]);
        for row in &self.0 {
            table
                .row([&row.at, &row.who, &row.from, &row.call, &row.about, &row.outcome].map(String::as_str));
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: AuditArgs,
    }

    #[test]
    fn no_entries_at_all_is_nothing_to_ask_for() {
        let parsed = |last: &str| Cli::try_parse_from(["audit", "--last", last]);
        assert_eq!(parsed("1").unwrap().args.last, 1);
        let refused = parsed("0").unwrap_err();
        assert_eq!(refused.exit_code(), 2);
        assert!(refused.to_string().contains("a whole number from 1 to "), "{refused}");
        assert_eq!(Cli::try_parse_from(["audit"]).unwrap().args.last, 50);
    }
}
