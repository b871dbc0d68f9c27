//! What was asked for.

use anyhow::Result;

use super::job::named;
use super::row::{Limits, ROWS, Row};
use crate::args::{self, Args};
use crate::failure::Failure;

/// What was asked for.
#[derive(Debug)]
pub(super) struct Asked {
    /// In the order of the study.
    pub(super) rows: Vec<&'static Row>,
    pub(super) limits: Limits,
    pub(super) workers: u32,
    /// Whether only to say what is left.
    pub(super) left: bool,
}

impl Asked {
    /// Reads the flags.
    pub(super) fn parse(mut args: Args) -> Result<Self> {
        let mut limits = Limits { minutes: Some(30.0), runs: None };
        let (mut only, mut workers, mut left) = (Vec::new(), 2, false);
        while let Some(flag) = args.next() {
            match flag.as_str() {
                "--budget" => limits.minutes = minutes(&args.value("--budget")?)?,
                "--only" => only.push(named(&args.value("--only")?)?),
                "--runs" => limits.runs = Some(positive("--runs", &args.value("--runs")?)?),
                "--workers" => workers = positive("--workers", &args.value("--workers")?)?,
                "--left" => left = true,
                other => return Err(args::unknown(other, "paper")),
            }
        }
        let rows = ROWS.iter().filter(|row| only.is_empty() || only.contains(row)).collect();
        Ok(Self { rows, limits, workers, left })
    }
}

fn minutes(text: &str) -> Result<Option<f64>> {
    if text == "full" {
        return Ok(None);
    }
    let number = text.parse().ok().filter(|number: &f64| *number > 0.0 && number.is_finite());
    match number {
        Some(minutes) => Ok(Some(minutes)),
        None => Err(Failure::bad_input(format!("--budget needs minutes above 0, or `full`, not `{text}`"))),
    }
}

fn positive(flag: &str, text: &str) -> Result<u32> {
    let number = text.parse().ok().filter(|number| (1..=1024).contains(number));
    number.ok_or_else(|| Failure::bad_input(format!("{flag} needs a number from 1 to 1024, not `{text}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> Result<Asked> {
        Asked::parse(Args::new(line.split_whitespace().map(str::to_owned).collect()))
    }

    #[test]
    fn rows_are_run_in_the_studys_order() {
        let found = asked("--only cnn-best --only mlp-small --runs=2 --budget full --left").unwrap();
        let names: Vec<&str> = found.rows.iter().map(|row| row.name).collect();
        assert_eq!(names, ["mlp-small", "cnn-best"]);
        assert_eq!(found.limits, Limits { minutes: None, runs: Some(2) });
        assert!(found.left && found.workers == 2);
        assert_eq!(asked("").unwrap().rows.len(), ROWS.len());
    }

    #[test]
    fn what_cannot_be_meant_is_said() {
        for (line, says) in [
            ("--only mlp-huge", "there is no row `mlp-huge`: rows are mlp-small"),
            ("--runs 0", "--runs needs a number from 1 to 1024, not `0`"),
            ("--budget soon", "--budget needs minutes above 0, or `full`, not `soon`"),
            ("--all", "unknown argument `--all`"),
        ] {
            let error = asked(line).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
