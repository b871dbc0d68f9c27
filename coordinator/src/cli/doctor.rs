//! `rung doctor`: whether everything that Rung needs is here, and what to do about what is not.

use std::{process::Stdio, time::Duration};

use clap::Args;
use common::study::DataSpec;
use data::Sources;
use serde::Serialize;
use tokio::{process::Command, time::timeout};

use super::{
    args::{FormatArgs, TargetArgs},
    defaults,
    failure::Failure,
    output::{self, Show, Table},
    run,
    text::plural,
};
use crate::{
    client::{Remote, Stored, Target},
    store::{FolderError, StateFolder},
};

/// How long the worker's own check may take: it loads libtorch and looks at every device.
const PATIENCE: Duration = Duration::from_secs(60);

/// Flags of `rung doctor`.
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    output: FormatArgs,
}

/// Checks this machine; fails when something that is needed is missing or broken.
pub(super) async fn run(args: DoctorArgs) -> Result<(), Failure> {
    let target = args.target.target();
    let mut checks = vec![Check::good("rung", format!("version {}", env!("CARGO_PKG_VERSION")))];
    checks.push(configuration());
    let found = target.coordinator().await;
    let running = matches!(found, Ok(Some(_)));
    checks.push(match found {
        Ok(found) => coordinator(found).await,
        Err(error) => Check::bad("coordinator", error),
    });
    checks.push(state(&target, running));
    for name in DataSpec::NAMES {
        checks.push(match tokio::task::spawn_blocking(|| data::open(name, &Sources::from_env())).await? {
            Ok(dataset) => Check::good(name, format!("as published, digest {}", dataset.digest)),
            Err(error) => Check::bad(name, error),
        });
    }
    checks.push(worker().await);
    let bad = checks.iter().filter(|check| !check.ok).count();
    output::show(&Checks(checks), args.output.format)?;
    match bad {
        0 => Ok(()),
        bad => Err(Failure::failed(format!("{} not passed", plural(bad as u64, "check")))),
    }
}

fn configuration() -> Check {
    match defaults::read() {
        Some(path) => Check::good("configuration", format!("read from {}", path.display())),
        None => Check::good("configuration", "no file; flags, variables and defaults count"),
    }
}

async fn coordinator(found: Option<Remote>) -> Check {
    let Some(remote) = found else {
        return Check::good(
            "coordinator",
            "none is running; commands read the state folder, `rung run` starts one",
        );
    };
    match remote.workers().await {
        Ok(workers) => {
            let workers = plural(workers.len() as u64, "worker");
            Check::good("coordinator", format!("answers at {}, {workers} connected", remote.address()))
        }
        Err(error) => Check::bad("coordinator", error),
    }
}

fn state(target: &Target, running: bool) -> Check {
    let folder = target.folder();
    let name = folder.display();
    if !folder.exists() {
        return Check::good("state folder", format!("{name} is not there yet; the first study makes it"));
    }
    // Taking the folder, as a coordinator would, tells whether one could.
    let usable = match StateFolder::lock(&folder) {
        Ok(_) => Ok(()),
        Err(FolderError::InUse(_)) if running => Ok(()),
        Err(error) => Err(error),
    };
    if let Err(error) = usable {
        return Check::bad("state folder", error);
    }
    match Stored::open(&folder).and_then(|stored| stored.studies()) {
        Ok(studies) => {
            Check::good("state folder", format!("{name} has {}", plural(studies.len() as u64, "study")))
        }
        Err(error) => Check::bad("state folder", error),
    }
}

/// Lets the program that trains check itself: libtorch, devices, threads.
async fn worker() -> Check {
    let program = match run::worker_program() {
        Ok(program) => program,
        Err(failure) => {
            let help = failure.help.unwrap_or_default();
            return Check::bad("rung-worker", format!("{}; {help}", failure.message));
        }
    };
    let mut doctor = Command::new(&program);
    doctor.arg("doctor").stdin(Stdio::null()).kill_on_drop(true);
    if let Some(path) = defaults::read() {
        doctor.env("RUNG_CONFIG", path);
    }
    match timeout(PATIENCE, doctor.output()).await {
        Ok(Ok(done)) => {
            let text =
                [String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr)].concat();
            Check { name: "rung-worker", ok: done.status.success(), detail: advised(text.trim()) }
        }
        Ok(Err(error)) => {
            Check::bad("rung-worker", format!("{} cannot be started: {error}", program.display()))
        }
        Err(_) => {
            Check::bad("rung-worker", format!("{} doctor gave no answer in {PATIENCE:?}", program.display()))
        }
    }
}

/// What a worker's check says, with what to do where the system could not even load it for want of libtorch.
fn advised(text: &str) -> String {
    let unloaded = ["libtorch", "libc10"].iter().any(|library| text.contains(library))
        && (text.contains("shared librar") || text.contains("Library not loaded"));
    if unloaded { format!("{text}\nlibtorch is missing: run `cargo xtask setup`") } else { text.to_owned() }
}

/// One thing that was checked.
#[derive(Debug, Serialize)]
struct Check {
    #[serde(rename = "check")]
    name: &'static str,
    ok: bool,
    detail: String,
}

impl Check {
    fn good(name: &'static str, detail: impl ToString) -> Self {
        Self { name, ok: true, detail: detail.to_string() }
    }

    fn bad(name: &'static str, detail: impl ToString) -> Self {
        Self { name, ok: false, detail: detail.to_string() }
    }
}

/// Everything that was checked.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Checks(Vec<Check>);

impl Show for Checks {
    fn table(&self) -> String {
        let mut table = Table::new(["check", "state", "detail"]);
        for check in &self.0 {
            let state = if check.ok { "ok" } else { "failed" };
            let mut lines = check.detail.lines();
            table.row([check.name, state, lines.next().unwrap_or_default()]);
            lines.for_each(|line| table.row(["", "", line]));
        }
        table.render()
    }

    fn csv(&self) -> Table {
        let mut table = Table::new(["check", "ok", "detail"]);
        for check in &self.0 {
            table.row([check.name, if check.ok { "true" } else { "false" }, &check.detail]);
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_of_several_lines_stays_in_its_column() {
        let checks = Checks(vec![
            Check::good("rung", "version 1"),
            Check::bad("rung-worker", "no libtorch\ninstall it"),
        ]);
        let table = checks.table();
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines[2], "rung-worker  failed  no libtorch");
        assert_eq!(lines[3], "                     install it");
        let json = serde_json::to_string(&checks).unwrap();
        assert!(json.starts_with(r#"[{"check":"rung","ok":true,"detail":"version 1"}"#), "{json}");
    }

    #[test]
    fn a_state_folder_is_not_created_by_looking() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("state");
        let target = Target { state: Some(folder.clone()), ..Target::default() };
        assert!(state(&target, false).ok && !folder.exists());
        let _held = StateFolder::lock(&folder).unwrap();
        assert!(!state(&target, false).ok, "locked by somebody who does not answer");
        assert!(state(&target, true).ok);
    }
}
