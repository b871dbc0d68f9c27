//! `rung doctor`: whether everything that Rung needs is here, and what to do about what is not.

use std::{process::Stdio, time::Duration};

use clap::Args;
use common::study::DataSpec;
use data::Sources;
use serde::{Deserialize, Serialize};
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
    let usable = match StateFolder::check(&folder) {
        Ok(()) => Ok(()),
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
    doctor.args(["doctor", "-o", "json"]).stdin(Stdio::null()).kill_on_drop(true);
    if let Some(path) = defaults::read() {
        doctor.env("RUNG_CONFIG", path);
    }
    match timeout(PATIENCE, doctor.output()).await {
        Ok(Ok(done)) => {
            let texts = [&done.stdout, &done.stderr].map(|bytes| String::from_utf8_lossy(bytes));
            Check::of_worker(done.status.success(), &texts[0], &texts[1])
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

/// What the program that trains finds, as its `doctor -o json` says it.
#[derive(Debug, Serialize, Deserialize)]
struct Findings {
    version: String,
    models: Vec<String>,
    cores: u64,
    /// This and what follows is of its device; none where it cannot train.
    host: Option<String>,
    device: Option<String>,
    name: Option<String>,
    libtorch: Option<String>,
    instructions: Option<String>,
    memory_bytes: Option<u64>,
    /// Why it cannot train.
    problem: Option<String>,
    /// What it wrote to standard error.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    messages: Vec<String>,
}

impl Findings {
    /// All that is known, by the keys that JSON has.
    fn facts(&self) -> Vec<(&'static str, String)> {
        let Self { version, models, cores, host, device, name, libtorch, instructions, .. } = self;
        let mut facts =
            vec![("version", version.clone()), ("models", models.join(", ")), ("cores", cores.to_string())];
        let mut push = |key: &'static str, value: Option<String>| facts.extend(value.map(|text| (key, text)));
        push("host", host.clone());
        push("device", device.clone());
        push("name", name.clone());
        push("libtorch", libtorch.clone());
        push("instructions", instructions.clone());
        push("memory_bytes", self.memory_bytes.map(|bytes| bytes.to_string()));
        push("problem", self.problem.clone());
        facts.extend(self.messages.iter().map(|message| ("message", message.clone())));
        facts
    }

    /// The same for people.
    fn lines(&self) -> Vec<String> {
        let shown = |(key, value): (&'static str, String)| match key {
            "memory_bytes" => {
                let bytes = self.memory_bytes.unwrap_or_default();
                ("memory", format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30)))
            }
            key if value.is_empty() => (key, "-".to_owned()),
            key => (key, value),
        };
        let facts: Vec<_> = self.facts().into_iter().map(shown).collect();
        output::facts(&facts).lines().map(str::to_owned).collect()
    }
}

/// One thing that was checked.
#[derive(Debug, Serialize)]
struct Check {
    #[serde(rename = "check")]
    name: &'static str,
    ok: bool,
    /// In a few words; lines, where it is what a program wrote that did not get as far as to say it in JSON.
    detail: String,
    /// What the program that trains finds.
    #[serde(skip_serializing_if = "Option::is_none")]
    facts: Option<Findings>,
}

impl Check {
    fn good(name: &'static str, detail: impl ToString) -> Self {
        Self { name, ok: true, detail: detail.to_string(), facts: None }
    }

    fn bad(name: &'static str, detail: impl ToString) -> Self {
        Self { name, ok: false, detail: detail.to_string(), facts: None }
    }

    /// What came of the worker's own check: its findings, or whatever it wrote instead.
    fn of_worker(ok: bool, out: &str, err: &str) -> Self {
        let name = "rung-worker";
        let Ok(found) = serde_json::from_str::<Findings>(out) else {
            return Self { name, ok, detail: advised([out, err].concat().trim()), facts: None };
        };
        let problem = found.problem.as_deref().map(advised);
        let messages = err.lines().map(str::to_owned).collect();
        let found = Findings { problem, messages, ..found };
        let detail = match (&found.problem, &found.device) {
            (Some(problem), _) => problem.clone(),
            (None, Some(device)) => format!("version {}, trains on {device}", found.version),
            (None, None) => format!("version {}", found.version),
        };
        Self { name, ok, detail, facts: Some(found) }
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
            let lines = match &check.facts {
                Some(found) => found.lines(),
                None => check.detail.lines().map(str::to_owned).collect(),
            };
            let mut lines = lines.iter().map(String::as_str);
            table.row([check.name, state, lines.next().unwrap_or_default()]);
            lines.for_each(|line| table.row(["", "", line]));
        }
        table.render()
    }

    /// A row for each check, and below the worker's one for each of its facts, which `fact` names.
    fn csv(&self) -> Table {
        let mut table = Table::new(["check", "ok", "detail", "fact"]);
        for check in &self.0 {
            let ok = if check.ok { "true" } else { "false" };
            table.row([check.name, ok, &check.detail, ""]);
            for (fact, value) in check.facts.iter().flat_map(Findings::facts) {
                table.row([check.name, ok, &value, fact]);
            }
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
    fn what_the_worker_finds_is_told_fact_by_fact() {
        let out = r#"{"version": "0.1.0", "models": ["mlp", "cnn"], "cores": 4, "device": "cpu", "name": "",
            "libtorch": "2.13.0", "instructions": "AVX2", "memory_bytes": 1073741824, "host": "lab", "problem": null}"#;
        let checks = Checks(vec![Check::of_worker(true, out, "a warning\n")]);
        let json = serde_json::to_value(&checks).unwrap();
        assert_eq!(json[0]["detail"], "version 0.1.0, trains on cpu");
        let facts = &json[0]["facts"];
        assert_eq!((&facts["cores"], &facts["models"][1]), (&4.into(), &"cnn".into()));
        assert_eq!(facts["messages"], serde_json::json!(["a warning"]));
        let csv = checks.csv().to_csv().unwrap();
        assert!(
            csv.starts_with("check,ok,detail,fact\nrung-worker,true,\"version 0.1.0, trains on cpu\",\n"),
            "{csv}"
        );
        assert!(csv.contains("\nrung-worker,true,1073741824,memory_bytes\n"), "{csv}");
        assert!(csv.contains("\nrung-worker,true,\"mlp, cnn\",models\n"), "{csv}");
        let table = checks.table();
        for line in
            ["instructions  AVX2", "memory        1.0 GiB", "name          -", "message       a warning"]
        {
            assert!(table.contains(line), "{line}: {table}");
        }
    }

    #[test]
    fn a_worker_that_cannot_train_says_why() {
        let out = r#"{"version": "0.1.0", "models": [], "cores": 4, "problem": "no cuda:9 here"}"#;
        let check = Check::of_worker(false, out, "");
        assert!(!check.ok && check.detail == "no cuda:9 here", "{check:?}");
        assert!(Checks(vec![check]).table().contains("problem  no cuda:9 here"));
        let loader = "error while loading shared libraries: libtorch_cpu.so: cannot open";
        let check = Check::of_worker(false, "", loader);
        assert!(check.facts.is_none() && check.detail.starts_with(loader), "{check:?}");
        assert!(check.detail.ends_with("run `cargo xtask setup`"), "{check:?}");
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
