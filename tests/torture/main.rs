//! Faults on real processes for as long as one likes, in rounds: `cargo xtask torture`.
//!
//! One coordinator, three workers, each in a network namespace of its own, the coordinator's state on a small disk in
//! memory. A round submits the studies of [`studies`], lets one kind of [`fault`] strike a few times while they are
//! trained, and then compares all that was promised with what is so. Everything random follows from the seed; what the
//! operating system makes of it does not.
#![allow(clippy::print_stdout, reason = "a summary for whoever typed the command")]

mod args;
mod dice;
mod fault;

mod studies;

mod rig;

mod watch;

mod corrupt;

mod round;

mod record;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use args::Args;
use dice::Dice;
use fault::Fault;
use record::Records;
use rig::Rig;

fn main() -> ExitCode {
    let args = match Args::of_this_process() {
        Ok(Some(args)) => args,
        Ok(None) => return ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::from(2);
        }
    };
    match run(&args) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Rounds until the time is over; returns how many violations there were.
fn run(args: &Args) -> Result<usize> {
    // Namespaces belong to this thread: everything stays on it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut records = Records::open(&args.record)?;
    let end = Instant::now() + Duration::from_secs_f64(args.minutes * 60.0);
    runtime.block_on(async {
        let expected = studies::undisturbed().await.context("the undisturbed run")?;
        let mut rig = Rig::build().await?.context("torture needs all of its faults")?;
        while Instant::now() < end {
            let number = records.next();
            let mut dice = Dice::of(args.seed, number);
            let fault = args.only.unwrap_or_else(|| Fault::of_round(args.seed, number));
            let record = round::run(&mut rig, &mut dice, (number, fault), &expected).await?;
            println!("{record}");
            records.add(record)?;
        }
        Ok::<_, anyhow::Error>(())
    })?;
    println!("{}", records.summary());
    Ok(records.violations())
}
