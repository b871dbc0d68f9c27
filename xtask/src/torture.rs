use std::{path::PathBuf, process::Command};

use anyhow::Result;

use crate::args::{self, Args};
use crate::checkout::{self, cargo};
use crate::libtorch::Choice;
use crate::{setup, steps};

/// What `cargo xtask torture --help` prints.
pub(crate) const HELP: &str = "\
usage: cargo xtask torture [--minutes N] [--seed S] [--only FAULT] [--record FILE]

Sets up, builds, then lets faults strike a real coordinator and three real workers, round after round, and checks after
each that results, acknowledged calls and what is stored are as if nothing had happened. Ends with a summary, and with 1
where something was not so. Needs Linux and root: each process gets a network namespace of its own, and the coordinator
a small disk in memory; nothing else on the machine is touched. Missing packages are installed by apt-get.

  --minutes N     how long (default 10); the round under way is finished
  --seed S        what all that is random follows from (default 1)
  --only FAULT    one kind of fault: worker-kill, coordinator-kill, trainer-kill, worker-stop, coordinator-stop, cut,
                  one-way, flapping, loss, slow, reset, disk-full, sync, clock, corruption
  --record FILE   where each round is written down as a line of JSON (default target/torture.jsonl); a run goes on after
                  the rounds that are in it";

/// Runs `cargo xtask torture`.
pub(crate) fn run(args: Args) -> Result<()> {
    let words = words(args)?;
    setup::prepare(&Choice::Kept)?;
    steps::command(cargo(&["build", "--workspace", "--bins"]))?;
    let binaries = checkout::binaries("debug")?;
    let mut torture = Command::new(binaries.join("torture"));
    torture.args(words).env("RUNG_TEST_BINARIES", &binaries);
    steps::command(torture)
}

/// The words for the program, which checks their values.
fn words(mut args: Args) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut record = None;
    while let Some(flag) = args.next() {
        match flag.as_str() {
            "--minutes" | "--seed" | "--only" => words.extend([flag.clone(), args.value(&flag)?]),
            "--record" => record = Some(PathBuf::from(args.value("--record")?)),
            other => return Err(args::unknown(other, "torture")),
        }
    }
    let record = record.unwrap_or_else(|| checkout::root().join("target/torture.jsonl"));
    words.extend(["--record".to_owned(), record.display().to_string()]);
    Ok(words)
}
