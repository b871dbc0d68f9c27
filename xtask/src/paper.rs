//! The study that Rung grew from, as one command.

mod record;

mod row;

mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::args::{self, Args};
use crate::checkout::{self, cargo};
use crate::failure::Failure;
use crate::libtorch::Choice;
use crate::{setup, steps};
use record::Record;
use row::{ROWS, Row, Scale};

/// What `cargo xtask paper --help` prints.
pub(crate) const HELP: &str = "\
usage: cargo xtask paper [--budget MINUTES|full] [--only ROW] [--workers N]

Sets up, builds in release, then runs every row of the study that Rung grew from, in its order, and writes
docs/results.md: the study's number beside Rung's. A run that docs/results/ already has at the same scale is not run
again, and one that was cut off goes on where it stopped.

  --budget MINUTES   about how long all rows together may take on two cores: fewer runs first, then fewer epochs
                     (default 30; `full` takes hours)
  --only ROW         one row, for example mlp-best
  --workers N        how many workers share the cores of this machine (default 2)";

/// What was asked for.
struct Asked {
    minutes: Option<f64>,
    only: Option<&'static Row>,
    workers: String,
}

/// Runs `cargo xtask paper`.
pub(crate) fn run(args: Args) -> Result<()> {
    let asked = asked(args)?;
    setup::prepare(&Choice::Kept)?;
    println!("building rung and rung-worker in release");
    steps::command(cargo(&["build", "--release", "-p", "coordinator", "-p", "worker"]))?;
    let docs = checkout::root().join("docs");
    let results = docs.join("results");
    for row in ROWS.iter().filter(|row| asked.only.is_none_or(|only| only.name == row.name)) {
        let Scale { epochs, runs } = row.within(asked.minutes);
        for run in 1..=runs {
            let known = Record::read(&results, row.name, run)?;
            if known.is_none_or(|known| known.epochs < epochs) {
                println!("\n── {}, run {run} of {runs}, {epochs} of {} epochs", row.name, row.epochs);
                train(row, (run, epochs), &asked.workers, &docs)?.write(&results)?;
                fs::write(docs.join("results.md"), table::page(&recorded(&results)?))?;
            }
        }
    }
    let page = table::page(&recorded(&results)?);
    println!("\n{page}");
    fs::write(docs.join("results.md"), page).context("cannot write docs/results.md")
}

fn asked(mut args: Args) -> Result<Asked> {
    let mut asked = Asked { minutes: Some(30.0), only: None, workers: "2".to_owned() };
    while let Some(flag) = args.next() {
        match flag.as_str() {
            "--budget" => asked.minutes = minutes(&args.value("--budget")?)?,
            "--only" => asked.only = Some(named(&args.value("--only")?)?),
            "--workers" => asked.workers = args.value("--workers")?,
            other => return Err(args::unknown(other, "paper")),
        }
    }
    Ok(asked)
}

fn minutes(text: &str) -> Result<Option<f64>> {
    if text == "full" {
        return Ok(None);
    }
    let number = text.parse().ok().filter(|number: &f64| *number > 0.0 && number.is_finite());
    match number {
        Some(minutes) => Ok(Some(minutes)),
        None => Err(Failure::bad_input(format!("--budget needs minutes above 0, or `full`, not `{text}`"))),
    }
}

fn named(name: &str) -> Result<&'static Row> {
    ROWS.iter().find(|row| row.name == name).ok_or_else(|| {
        let names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
        Failure::bad_input(format!("there is no row `{name}`: rows are {}", names.join(", ")))
    })
}

/// Everything that was recorded, in the order of rows and runs.
fn recorded(folder: &Path) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    for row in ROWS {
        for run in 1..=row.runs {
            records.extend(Record::read(folder, row.name, run)?);
        }
    }
    Ok(records)
}

/// Runs a row's study with the run's seed, or finds it finished; what came of it.
fn train(row: &Row, (run, epochs): (u32, u32), workers: &str, docs: &Path) -> Result<Record> {
    let study = format!("paper-{}-{run}-{epochs}", row.name);
    let state = state()?;
    if show(&study, &state).is_none_or(|shown| shown["phase"] != "finished") {
        let mut rung = rung(&state)?;
        rung.arg("run").arg(docs.join(format!("paper/{}.yaml", row.name))).args(["--local", workers]);
        rung.args(["--set", &format!("name={study}"), "--set", &format!("{}={epochs}", row.scaled)]);
        rung.args(["--seed", &run.to_string()]);
        steps::command(rung)?;
    }
    let shown = show(&study, &state).with_context(|| format!("study {study} is gone"))?;
    let best = json(rung(&state)?.args(["best", &study, "-o", "json"]))?;
    if shown["complete"] != true || best["test"].is_null() {
        bail!("study {study} has ended without a result: `rung study show {study}` says why");
    }
    Ok(Record {
        row: row.name.to_owned(),
        run,
        epochs,
        trained: shown["epochs"].as_u64().unwrap_or(0),
        parameters: best["parameters"].as_u64().unwrap_or(0),
        metric: best["metric"].as_str().unwrap_or_default().to_owned(),
        value: best["value"].as_f64().unwrap_or(f64::NAN),
        test: serde_json::from_value(best["test"].clone())?,
        hparams: best["hparams"].clone(),
        active_seconds: shown["active_seconds"].as_f64().unwrap_or(0.0),
        machine: machine(),
    })
}

/// Where the studies are kept between runs: in the user's cache folder, so that a cut one goes on.
fn state() -> Result<PathBuf> {
    let cache = data::cache_folder().context("there is no cache folder; set HOME or XDG_CACHE_HOME")?;
    Ok(cache.join("paper"))
}

fn rung(state: &Path) -> Result<Command> {
    let mut rung = Command::new(checkout::binaries("release")?.join("rung"));
    rung.env("RUNG_STATE", state).env("RUNG_CONFIG", "/dev/null");
    Ok(rung)
}

/// What `rung study show` says of a study; none where there is none.
fn show(study: &str, state: &Path) -> Option<Value> {
    json(rung(state).ok()?.args(["study", "show", study, "-o", "json"])).ok()
}

fn json(command: &mut Command) -> Result<Value> {
    let output = command.stderr(Stdio::null()).output()?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The processor and how many cores this process may use.
fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{} ({cores} cores)", name.map_or("a processor without a name", |(_, name)| name))
}
