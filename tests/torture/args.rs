use std::{env, path::PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use crate::fault::Fault;

const HELP: &str = "\
usage: torture [--minutes N] [--seed S] [--only FAULT] [--record FILE]

`cargo xtask torture --help` says more.";

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Args {
    /// How long to go on; the round that is under way is finished.
    pub(crate) minutes: f64,
    /// What all that is random follows from.
    pub(crate) seed: u64,
    /// The one fault to try; all where it is none.
    pub(crate) only: Option<Fault>,
    /// Where rounds are written down, one JSON object a line.
    pub(crate) record: PathBuf,
}

impl Args {
    /// The command line of this process; none where it only asked for help.
    pub(crate) fn of_this_process() -> Result<Option<Self>> {
        let mut args = Self { minutes: 10.0, seed: 1, only: None, record: "torture.jsonl".into() };
        let mut words = env::args().skip(1);
        while let Some(flag) = words.next() {
            let mut value = || words.next().with_context(|| format!("{flag} needs a value"));
            match flag.as_str() {
                "--minutes" => args.minutes = minutes(&value()?)?,
                "--seed" => args.seed = value()?.parse().context("--seed needs a whole number")?,
                "--only" => args.only = Some(value()?.parse()?),
                "--record" => args.record = value()?.into(),
                "--help" | "-h" => {
                    println!("{HELP}");
                    return Ok(None);
                }
                _ => bail!("unknown argument `{flag}`\n\n{HELP}"),
            }
        }
        Ok(Some(args))
    }
}

fn minutes(text: &str) -> Result<f64> {
    let minutes: f64 = text.parse().with_context(|| format!("--minutes needs a number, not `{text}`"))?;
    ensure!(minutes > 0.0 && minutes < 1e6, "--minutes needs a number above 0, not `{text}`");
    Ok(minutes)
}
