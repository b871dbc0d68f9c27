//! Runs commands one after another and remembers how each went.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::failure::Failure;

/// What has been done so far.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<(String, Outcome)>,
    failure: Option<anyhow::Error>,
}

enum Outcome {
    Passed(Duration),
    Failed(Duration),
    Skipped(String),
}

impl Steps {
    /// Runs a step and says whether it passed.
    pub(crate) fn run(&mut self, name: &str, step: impl FnOnce() -> Result<()>) -> bool {
        println!("\n── {name}");
        let start = Instant::now();
        let result = step();
        let took = start.elapsed();
        let passed = result.is_ok();
        if let Err(error) = result {
            eprintln!("error: {name}: {error:#}");
            // The first failure is the one that later ones follow from.
            self.failure.get_or_insert(error);
        }
        println!("── {name}: {} in {:.1} s", if passed { "passed" } else { "FAILED" }, took.as_secs_f64());
        self.done.push((name.to_owned(), if passed { Outcome::Passed(took) } else { Outcome::Failed(took) }));
        passed
    }

    /// Runs a step that the machine may be unable to do: then it counts as left out, for the reason that it gives.
    pub(crate) fn attempt<T>(&mut self, name: &str, step: impl FnOnce() -> Result<T>) -> Option<T> {
        println!("\n── {name}");
        let start = Instant::now();
        match step() {
            Ok(done) => {
                println!("── {name}: passed in {:.1} s", start.elapsed().as_secs_f64());
                self.done.push((name.to_owned(), Outcome::Passed(start.elapsed())));
                Some(done)
            }
            Err(error) => {
                self.skip(name, &format!("{error:#}"));
                None
            }
        }
    }

    /// Notes a step that is left out.
    pub(crate) fn skip(&mut self, name: &str, reason: &str) {
        println!("\n── {name}: SKIPPED, {reason}");
        self.done.push((name.to_owned(), Outcome::Skipped(reason.to_owned())));
    }

    /// Prints the summary; the first failure is the error.
    pub(crate) fn finish(self) -> Result<()> {
        println!("\nsummary");
        for (name, outcome) in &self.done {
            match outcome {
                Outcome::Passed(took) => println!("  passed  {:>7.1} s  {name}", took.as_secs_f64()),
                Outcome::Failed(took) => println!("  FAILED  {:>7.1} s  {name}", took.as_secs_f64()),
                Outcome::Skipped(reason) => println!("  SKIPPED          {name}: {reason}"),
            }
        }
        self.failure.map_or(Ok(()), Err)
    }
}

/// Runs a command to its end; its exit code becomes ours.
pub(crate) fn command(mut command: Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command
        .status()
        .map_err(|error| Failure::of_command(format!("cannot run `{program}`: {error}"), None))?;
    if status.success() {
        return Ok(());
    }
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
    let program = program.rsplit('/').next().unwrap_or_default();
    Err(Failure::of_command(format!("`{program} {}` ended with {status}", words.join(" ")), status.code()))
}
