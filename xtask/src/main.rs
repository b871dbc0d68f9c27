//! The chores of a checkout, as `cargo xtask <command>`.
//!
//! `setup` brings what no registry of Rust has: libtorch and the data. `test` and `demo` set up first, so that either
//! is all that a fresh clone needs.
#![allow(clippy::print_stdout, reason = "progress and results for whoever typed the command")]

mod args;
mod checkout;
mod failure;

mod setup;

mod prerequisites;

mod libtorch;

mod pytorch;

mod test;

mod steps;

mod demo;

mod paper;

mod torture;

mod drill;

mod mutants;

use std::env;
use std::process::ExitCode;

use args::Args;
use failure::Failure;

const HELP: &str = "\
usage: cargo xtask <command>

  setup    bring libtorch and Fashion-MNIST to this machine
  test     setup, then every check and every test
  demo     setup, then a real tuning run with two local workers
  paper    setup, then every row of the Keras study that Rung grew from, beside its numbers
  torture  setup, then faults on real processes for as long as you like
  drill    simulated clusters in which everything goes wrong that can
  mutants  put bugs in on purpose, to see whether the fast suite notices

`cargo xtask <command> --help` says more. Exit codes: 0 done, 1 failed, 2 bad input or a missing prerequisite.";

fn main() -> ExitCode {
    let mut words = env::args().skip(1);
    let command = words.next();
    let rest: Vec<String> = words.collect();
    let wants_help = rest.iter().any(|word| word == "--help" || word == "-h");

    let done = match command.as_deref() {
        Some("setup") if wants_help => help(setup::HELP),
        Some("setup") => setup::run(Args::new(rest)),
        Some("test") if wants_help => help(test::HELP),
        Some("test") => test::run(Args::new(rest)),
        Some("demo") if wants_help => help(demo::HELP),
        Some("demo") => demo::run(Args::new(rest)),
        Some("paper") if wants_help => help(paper::HELP),
        Some("paper") => paper::run(Args::new(rest)),
        Some("torture") if wants_help => help(torture::HELP),
        Some("torture") => torture::run(Args::new(rest)),
        Some("drill") => drill::run(&rest),
        Some("mutants") if wants_help => help(mutants::HELP),
        Some("mutants") => mutants::run(Args::new(rest)),
        Some("help" | "--help" | "-h") => help(HELP),
        Some(other) => Err(Failure::bad_input(format!("unknown command `{other}`\n\n{HELP}"))),
        None => Err(Failure::bad_input(HELP.to_owned())),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(failure::exit_code(&error))
        }
    }
}

fn help(text: &str) -> anyhow::Result<()> {
    println!("{text}");
    Ok(())
}
