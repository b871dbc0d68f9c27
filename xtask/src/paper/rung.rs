//! The release build of `rung`, with a state folder of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use common::study::StudySpec;
use serde_json::Value;

use super::job::Job;
use super::record::{ClassF1, Record};
use super::row::{Kind, Row};
use crate::{checkout, steps};

/// `rung`, and what the studies of all rows share.
#[derive(Debug)]
pub(super) struct Rung {
    /// Where studies are kept between runs: in the user's cache folder, so that a cut one goes on.
    state: PathBuf,
    pub(super) workers: u32,
}

impl Rung {
    pub(super) fn new(workers: u32) -> Result<Self> {
        let cache = data::cache_folder().context("there is no cache folder; set HOME or XDG_CACHE_HOME")?;
        Ok(Self { state: cache.join("paper"), workers })
    }

    /// Runs a study to its end; or goes on with it.
    pub(super) fn run(&self, study: &[String]) -> Result<()> {
        let mut rung = self.command()?;
        rung.arg("run").args(study).args(["--local", &self.local()]);
        steps::command(rung)
    }

    /// Trains an ensemble's members under this name; or goes on with it.
    pub(super) fn ensemble(&self, members: &[&str], study: &str, seed: u32) -> Result<()> {
        let mut rung = self.command()?;
        rung.arg("ensemble").args(members).args(["--local", &self.local()]);
        rung.args(["--set", &format!("name={study}"), "--set", &format!("seed={seed}")]);
        steps::command(rung)
    }

    /// Writes the model of a finished study.
    pub(super) fn export(&self, study: &str, folder: &Path) -> Result<()> {
        let mut rung = self.command()?;
        rung.args(["export", study, "--to", "safetensors", "--out"]).arg(folder);
        steps::command(rung)
    }

    /// Stores weights under a name that studies can begin with; what is there already stays.
    pub(super) fn add_model(&self, name: &str, file: &Path) -> Result<()> {
        let mut rung = self.command()?;
        rung.args(["model", "add", name]).arg(file).stdout(Stdio::null());
        steps::command(rung)
    }

    /// Workers to start: none where some are connected, since those share this machine's cores already.
    fn local(&self) -> String {
        if self.has_workers() { "0".to_owned() } else { self.workers.to_string() }
    }

    /// Whether a coordinator runs on the state folder and has workers.
    fn has_workers(&self) -> bool {
        let connected = self.json(&["worker", "list", "-o", "json"]);
        connected.is_ok_and(|workers| workers.as_array().is_some_and(|workers| !workers.is_empty()))
    }

    /// Submits a study, so that workers with nothing else to do begin with it. What is there already stays.
    pub(super) fn submit(&self, study: &[String]) -> Result<()> {
        let mut rung = self.command()?;
        rung.args(["study", "submit"]).args(study).stdout(Stdio::null()).stderr(Stdio::null());
        steps::command(rung)
    }

    /// Pauses unfinished studies of earlier runs that are not to be run now: they would take the workers' time. Where
    /// workers are connected already, whoever started them wants theirs to go on.
    pub(super) fn pause_others(&self, wanted: &[String]) -> Result<()> {
        if !self.state.exists() || self.has_workers() {
            return Ok(());
        }
        let studies = self.json(&["study", "list", "-o", "json"])?;
        let running = studies.as_array().into_iter().flatten().filter(|study| study["phase"] == "running");
        for name in running.filter_map(|study| study["study"].as_str()) {
            if !wanted.iter().any(|wanted| wanted == name) {
                let mut rung = self.command()?;
                rung.args(["study", "pause", name]);
                steps::command(rung)?;
            }
        }
        Ok(())
    }

    /// The phase and the content of the study of a name; none where there is none.
    pub(super) fn spec(&self, study: &str) -> Result<Option<(String, StudySpec)>> {
        let Ok(shown) = self.json(&["study", "show", study, "-o", "json"]) else { return Ok(None) };
        if shown["study"] != study {
            return Ok(None);
        }
        let spec = StudySpec::from_json(&shown["spec"].to_string())
            .map_err(|error| anyhow!("study {study} cannot be read: {}", error.message))?;
        Ok(Some((shown["phase"].as_str().unwrap_or_default().to_owned(), spec)))
    }

    /// Whether the study of a name has run its whole plan.
    pub(super) fn finished(&self, study: &str) -> Result<bool> {
        Ok(self.spec(study)?.is_some_and(|(phase, _)| phase == "finished"))
    }

    /// What came of a finished study.
    pub(super) fn record(&self, job: &Job, study: &str) -> Result<Record> {
        let report = self.report(study)?;
        let (best, classes) = (&report["best"], &report["test_part"]["classification"]["classes"]);
        if report["complete"] != true || report["test"].is_null() {
            bail!("study {study} has ended without a result: `rung study show {study}` says why");
        }
        let f1 = |class: &Value| {
            Some(ClassF1 { class: class["class"].as_str()?.to_owned(), f1: class["f1"].as_f64()? })
        };
        Ok(Record {
            row: job.row.name.to_owned(),
            run: job.run,
            epochs: job.scale.epochs,
            file: Some(job.file.clone()),
            search_epochs: job.search.as_ref().map(|search| search.epochs),
            trained: report["epochs"].as_u64().unwrap_or(0),
            parameters: best["parameters"].as_u64().unwrap_or(0),
            metric: report["metric"].as_str().unwrap_or_default().to_owned(),
            value: best["value"].as_f64().unwrap_or(f64::NAN),
            test: serde_json::from_value(report["test"].clone())?,
            f1: classes.as_array().into_iter().flatten().filter_map(f1).collect(),
            hparams: best["hparams"].clone(),
            votes: None,
            active_seconds: report["active_seconds"].as_f64().unwrap_or(0.0),
            training_seconds: report["training_seconds"].as_f64(),
            machine: machine(),
        })
    }

    /// A study's report, as numbers.
    fn report(&self, study: &str) -> Result<Value> {
        let folder = self.state.join("reports").join(study);
        let mut rung = self.command()?;
        rung.args(["report", study, "--out"]).arg(&folder).stdout(Stdio::null()).stderr(Stdio::null());
        steps::command(rung)?;
        let path = folder.join("report.json");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(serde_json::from_str(&text)?)
    }

    /// What a command says in JSON.
    pub(super) fn json(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.command()?.args(arguments).stderr(Stdio::null()).output()?;
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("`rung {}` did not answer in JSON", arguments.join(" ")))
    }

    fn command(&self) -> Result<Command> {
        let mut rung = Command::new(checkout::binaries("release")?.join("rung"));
        rung.env("RUNG_STATE", &self.state).env("RUNG_CONFIG", "/dev/null");
        Ok(rung)
    }
}

/// The study file of a row; of the search that it retrains the best of, where it does.
pub(super) fn study_file(row: &Row) -> PathBuf {
    let name = match row.kind {
        Kind::Retrain(search) => search,
        Kind::Fixed | Kind::Search | Kind::Ensemble => row.name,
    };
    checkout::root().join(Path::new("docs/paper").join(format!("{name}.yaml")))
}

/// The processor and how many cores this process may use.
fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cores = if cores == 1 { "1 core".to_owned() } else { format!("{cores} cores") };
    format!("{} ({cores})", name.map_or("a processor without a name", |(_, name)| name))
}
