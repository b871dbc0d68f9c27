use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::args::{self, Args};
use crate::checkout::{self, cargo};
use crate::failure::Failure;
use crate::libtorch::Choice;
use crate::{setup, steps};

/// What `cargo xtask demo --help` prints.
pub(crate) const HELP: &str = "\
usage: cargo xtask demo [--out DIR] [--workers N]

Sets up, builds in release, then tunes an MLP on the 60,000 images of Fashion-MNIST with Hyperband: one coordinator and
some workers, all on this machine. On two cores it takes about five minutes after the build.

  --out DIR     where the results go (default demo-output in the checkout)
  --workers N   how many workers share the cores of this machine (default 2)";

/// The study of the demo, made to end within about five minutes on two cores.
const STUDY: &[&str] = &["run", "mlp", "--max-epochs", "27", "--set", "budget.max_time=5m"];

/// What a run leaves in its output folder, and what each is.
const RESULTS: &[(&str, &str)] = &[
    ("best.json", "the best configuration and its accuracy"),
    ("best.yaml", "a study that trains exactly it again: `rung run best.yaml`"),
    ("trials.csv", "every trial on every rung"),
    ("model.safetensors", "its weights, which PyTorch loads too"),
    ("model.json", "its layers"),
    ("report.html", "curves and confusion matrix"),
];

/// Runs `cargo xtask demo`.
pub(crate) fn run(mut args: Args) -> Result<()> {
    let mut out = checkout::root().join("demo-output");
    let mut workers = 2_usize;
    while let Some(flag) = args.next() {
        match flag.as_str() {
            "--out" => out = absolute(&args.value("--out")?)?,
            "--workers" => workers = positive(&args.value("--workers")?)?,
            other => return Err(args::unknown(other, "demo")),
        }
    }

    setup::prepare(&Choice::Kept)?;
    println!("building rung and rung-worker in release");
    steps::command(cargo(&["build", "--release", "-p", "coordinator", "-p", "worker"]))?;
    steps::command(rung(workers, &out)?)?;
    report(&out);
    Ok(())
}

fn rung(workers: usize, out: &Path) -> Result<Command> {
    // The first Ctrl-C is for rung, which drains and says how to go on. We wait for it.
    ctrlc::set_handler(|| {}).context("cannot listen for Ctrl-C")?;
    let mut rung = Command::new(checkout::binaries("release")?.join("rung"));
    rung.args(STUDY);
    rung.arg("--local").arg(workers.to_string());
    rung.arg("--out").arg(out);
    // A state of its own, so that the demo neither finds nor leaves studies among the user's.
    rung.arg("--state").arg(out.join("state"));
    // The demo is the same everywhere, whatever the user's own file says.
    rung.env("RUNG_CONFIG", "/dev/null");
    Ok(rung)
}

fn report(out: &Path) {
    println!("\nin {}:", out.display());
    for (file, what) in RESULTS.iter().filter(|(file, _)| out.join(file).exists()) {
        println!("  {file:<18} {what}");
    }
}

/// Cargo runs this binary where the user is, so a relative folder is meant from there.
fn absolute(folder: &str) -> Result<PathBuf> {
    let folder = env::current_dir().context("the current folder is gone")?.join(folder);
    fs::create_dir_all(&folder)
        .map_err(|error| Failure::bad_input(format!("cannot create `{}`: {error}", folder.display())))?;
    Ok(folder)
}

fn positive(number: &str) -> Result<usize> {
    let parsed = number.parse().ok().filter(|number| *number > 0);
    parsed.ok_or_else(|| Failure::bad_input(format!("--workers needs a number from 1 on, not `{number}`")))
}
