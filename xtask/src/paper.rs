//! The Keras study that Rung grew from, as one command.

mod asked;

mod row;

mod record;

mod job;

mod rung;

mod net;

mod ensemble;

mod left;

mod tried;

mod table;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::args::Args;
use crate::checkout::{self, cargo};
use crate::libtorch::Choice;
use crate::{setup, steps};
use asked::Asked;
use job::Job;
use record::Record;
use row::ROWS;
use rung::Rung;

/// What `cargo xtask paper --help` prints.
pub(crate) const HELP: &str = "\
usage: cargo xtask paper [--budget MINUTES|full] [--only ROW]… [--runs N] [--workers N] [--left]

Sets up, builds in release, then runs every row of the Keras study that Rung grew from, in its order, and writes
docs/results.md: the study's number beside Rung's. A run that docs/results/ already has at the same scale is not run
again, one that was cut off goes on where it stopped, and one whose study file has changed is run anew.

  --budget MINUTES   about how long the rows together may take on two cores: fewer runs (or members of an ensemble)
                     first, then fewer epochs (default 30; `full` takes hours)
  --only ROW         one row, for example mlp-best; may be given several times
  --runs N           at most N runs of each row; of the ensemble at most N members, but two
  --workers N        how many workers share the cores of this machine (default 2); none are started where a
                     coordinator on the state folder, `paper` in Rung's cache folder, has some
  --left             run nothing: say what is left and about how long it takes";

/// Runs `cargo xtask paper`.
pub(crate) fn run(args: Args) -> Result<()> {
    let asked = Asked::parse(args)?;
    let docs = checkout::root().join("docs");
    let results = docs.join("results");
    let jobs = Job::left(&asked.rows, &asked.limits, &results)?;
    let left = |jobs: &[Job]| Ok::<_, anyhow::Error>(left::text(jobs, &recorded(&results)?, asked.workers));
    print!("{}", left(&jobs)?);
    if asked.left {
        return Ok(());
    }
    let done = train(jobs, asked.workers, &docs);
    let page = write(&docs, &results)?;
    println!("\n{}\n{}", fs::read_to_string(page)?, left(&Job::left(&asked.rows, &asked.limits, &results)?)?);
    done
}

/// Sets up, then runs what is left and writes down each run.
fn train(mut jobs: Vec<Job>, workers: u32, docs: &Path) -> Result<()> {
    if jobs.is_empty() {
        return Ok(());
    }
    // The first Ctrl-C is for rung, which drains. We wait for it, and say what is left.
    ctrlc::set_handler(|| {}).context("cannot listen for Ctrl-C")?;
    setup::prepare(&Choice::Kept)?;
    println!("building rung and rung-worker in release");
    steps::command(cargo(&["build", "--release", "-p", "coordinator", "-p", "worker"]))?;
    let (rung, results) = (Rung::new(workers)?, docs.join("results"));
    for next in 0..jobs.len() {
        // One configuration keeps one worker busy: the others begin with what comes next.
        let ahead = jobs.iter().skip(next).take(1 + workers as usize);
        let ahead: Vec<String> =
            ahead.map(|job| job.announce(&rung)).filter_map(Result::transpose).collect::<Result<_>>()?;
        rung.pause_others(&ahead)?;
        println!("\n── {}", jobs[next].title());
        jobs[next].train(&rung, &results)?.write(&results)?;
        write(docs, &results)?;
    }
    Ok(())
}

/// Writes the page of all that was recorded; where it is.
fn write(docs: &Path, results: &Path) -> Result<PathBuf> {
    let path = docs.join("results.md");
    fs::write(&path, table::page(&recorded(results)?))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
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
