//! `cargo xtask drill`: runs seeds of the simulated cluster and says what came of them.
#![allow(clippy::print_stdout, reason = "the summary is what was asked for")]

use std::{process::ExitCode, time::Instant};

use anyhow::{Context as _, Result, bail};
use drill::Summary;

const HELP: &str = "\
usage: cargo xtask drill [--seeds N] [--from S]
       cargo xtask drill --seed S [--trace]

Runs simulated clusters in which everything goes wrong that can: one for each seed, twice, on all cores. After every
event the invariants are checked; at the end every study must have the table of an undisturbed run, and the second run
the same hash as the first.

  --seeds N   how many seeds [default: 200]
  --from S    the first one [default: 0]
  --seed S    this one alone
  --trace     print everything that happens

Exit codes: 0 nothing is violated, 1 something is, 2 bad input.";

/// What was asked for.
struct Args {
    from: u64,
    seeds: u64,
    trace: bool,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--help" || word == "-h") {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let args = match parse(&words) {
        Ok(args) => args,
        Err(error) => {
            eprintln!("error: {error:#}; see `cargo xtask drill --help`");
            return ExitCode::from(2);
        }
    };
    let begun = Instant::now();
    let summary = if args.trace { drill::trace(args.from) } else { drill::seeds(args.from, args.seeds) };
    print(&summary, begun.elapsed().as_secs_f64());
    if summary.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(words: &[String]) -> Result<Args> {
    let mut args = Args { from: 0, seeds: 200, trace: false };
    let (mut one, mut many) = (false, false);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut number = || -> Result<u64> {
            let text = words.next().with_context(|| format!("{word} needs a number"))?;
            text.parse().with_context(|| format!("{word} needs a number, and `{text}` is none"))
        };
        match word.as_str() {
            "--seeds" => (args.seeds, many) = (number()?, true),
            "--from" => (args.from, many) = (number()?, true),
            "--seed" => (args.from, args.seeds, one) = (number()?, 1, true),
            "--trace" => args.trace = true,
            other => bail!("unknown argument `{other}`"),
        }
    }
    if one && many {
        bail!("--seed names one seed, --seeds and --from name many");
    }
    if args.trace && !one {
        bail!("--trace needs --seed");
    }
    Ok(args)
}

fn print(summary: &Summary, seconds: f64) {
    for (seed, flaw) in &summary.violations {
        println!("seed {seed}: {flaw}");
        println!("  again: cargo xtask drill --seed {seed} --trace");
    }
    print!("{}", summary.faults);
    let hours = summary.simulated_ms as f64 / 3_600_000.0;
    println!(
        "{} seeds, {hours:.1} simulated hours, {} events, {} faults, {} tables equal, {} others, \
         {} violations, in {seconds:.1} s",
        summary.seeds,
        summary.events,
        summary.faults.total(),
        summary.equal,
        summary.other,
        summary.violations.len(),
    );
    let missing = summary.faults.missing();
    if !missing.is_empty() {
        println!("never struck: {}", missing.join(", "));
    }
}
