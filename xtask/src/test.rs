use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::args::{self, Args};
use crate::checkout::{self, cargo};
use crate::libtorch::Choice;
use crate::prerequisites::runs;
use crate::steps::{Steps, command};
use crate::{pytorch, setup};

/// What `cargo xtask test --help` prints.
pub(crate) const HELP: &str = "\
usage: cargo xtask test

Sets up, then checks everything that a change must pass: format, clippy with warnings as errors, all binaries, all
tests (by cargo-nextest where it is installed), the examples in the documentation, and licences and sources where
cargo-deny is installed or CI=true (which installs it). A step that fails does not keep the others from running, but without binaries no test runs.
Ends with a summary and the exit code of the first step that failed.

PyTorch for Python, which loads what Rung exports, is downloaded to the user's cache folder once (0.6 GB).

With CI=true in the environment a test that had to be skipped counts as failed.";

/// Runs `cargo xtask test`.
pub(crate) fn run(mut args: Args) -> Result<()> {
    if let Some(flag) = args.next() {
        return Err(args::unknown(&flag, "test"));
    }
    let mut steps = Steps::default();
    if steps.run("setup", || setup::prepare(&Choice::Kept)) {
        check(&mut steps)?;
    }
    steps.finish()
}

fn check(steps: &mut Steps) -> Result<()> {
    steps.run("format", || command(cargo(&["fmt", "--all", "--check"])));
    steps.run("clippy", || {
        command(cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
    });
    let pytorch = pytorch(steps);
    if steps.run("build", || command(cargo(&["build", "--workspace", "--bins"]))) {
        if has("nextest") {
            let nextest =
                with_binaries(cargo(&["nextest", "run", "--workspace", "--no-fail-fast"]), &pytorch)?;
            steps.run("tests", || command(nextest));
            // These are the only tests that nextest leaves out.
            let examples = with_binaries(cargo(&["test", "--workspace", "--doc"]), &pytorch)?;
            steps.run("examples", || command(examples));
        } else {
            let tests = with_binaries(cargo(&["test", "--workspace", "--no-fail-fast"]), &pytorch)?;
            steps.run("tests", || command(tests));
        }
    } else {
        steps.skip("tests", "nothing to test without binaries");
    }
    deny(steps);
    Ok(())
}

/// Checks licences and sources. On CI, where nothing may be skipped, the tool is installed where it is missing.
fn deny(steps: &mut Steps) {
    if !has("deny") {
        if on_ci() {
            steps.run("install deny", || command(cargo(&["install", "--locked", "cargo-deny@0.20.2"])));
        } else {
            return steps.skip("deny", "it needs cargo-deny (`cargo install --locked cargo-deny`)");
        }
    }
    steps.run("deny", || command(cargo(&["deny", "check", "bans", "licenses", "sources"])));
}

/// Whether cargo has a subcommand of that name.
fn has(subcommand: &str) -> bool {
    let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    runs(&cargo, &[subcommand, "--version"])
}

/// Brings PyTorch for the tests of exports, which are skipped without it; on CI, where nothing may be, that is a failure.
fn pytorch(steps: &mut Steps) -> Option<PathBuf> {
    if !on_ci() {
        return steps.attempt("pytorch", pytorch::prepare);
    }
    let mut found = None;
    steps.run("pytorch", || pytorch::prepare().map(|folder| found = Some(folder)));
    found
}

fn on_ci() -> bool {
    env::var("CI").is_ok_and(|ci| ci == "true")
}

/// Tells tests where the binaries lie that they start, so that none builds any, and where PyTorch is.
fn with_binaries(mut cargo: Command, pytorch: &Option<PathBuf>) -> Result<Command> {
    cargo.env("RUNG_TEST_BINARIES", checkout::binaries("debug")?);
    if let Some(pytorch) = pytorch {
        cargo.env("RUNG_TEST_PYTORCH", pytorch);
    }
    Ok(cargo)
}
