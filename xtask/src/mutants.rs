//! `cargo xtask mutants`: does the fast suite notice bugs that were put in on purpose?

mod suite;
mod tree;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::args::{self, Args};
use crate::checkout::root;
use crate::failure::Failure;

use suite::Verdict;
use tree::Tree;

/// What `cargo xtask mutants --help` prints.
pub(crate) const HELP: &str = "\
usage: cargo xtask mutants [--only N]… [--package NAME]

Applies each of tests/bugs/*.patch to a copy of this checkout, builds the fast suite there (the tests of scheduler and
worker session, the simulated cluster, the coordinator's own) and runs it until a test fails. Prints which test
noticed which bug. At least 95 of 100 bugs must be noticed.

  --only N         the patch whose name begins with N, for example 07; may be given several times
  --package NAME   only that package's tests: scheduler, drill, coordinator or worker

The copy and what is built of it are kept in target/mutants.";

/// Of a hundred bugs so many must be noticed.
const NOTICED: usize = 95;

/// A bug that somebody put in on purpose.
struct Bug {
    patch: PathBuf,
    /// What is wrong, in one line.
    title: String,
}

/// Runs `cargo xtask mutants`.
pub(crate) fn run(mut args: Args) -> Result<()> {
    let (mut only, mut package) = (Vec::new(), None);
    while let Some(flag) = args.next() {
        match flag.as_str() {
            "--only" => only.push(args.value(&flag)?),
            "--package" => package = Some(args.value(&flag)?),
            _ => return Err(args::unknown(&flag, "mutants")),
        }
    }
    let bugs = bugs(&only)?;
    let tree = Tree::copy()?;
    println!("the suite without any bug");
    if let Verdict::Noticed(by) = suite::run(&tree, package.as_deref(), &[])? {
        return Err(Failure::of_command(format!("the suite fails without any bug: {by}"), Some(1)));
    }
    let mut missed = 0;
    println!("\n| bug | noticed by |\n|---|---|");
    for bug in &bugs {
        let verdict = with_bug(&tree, bug, package.as_deref())?;
        let by = match &verdict {
            Verdict::Noticed(by) => by.as_str(),
            Verdict::Missed => "**missed**",
        };
        missed += usize::from(matches!(verdict, Verdict::Missed));
        println!("| {} | {by} |", bug.title);
    }
    let noticed = bugs.len() - missed;
    println!("\n{noticed} of {} bugs noticed", bugs.len());
    if noticed * 100 < bugs.len() * NOTICED {
        return Err(Failure::of_command(format!("{missed} bugs were missed"), Some(1)));
    }
    Ok(())
}

fn with_bug(tree: &Tree, bug: &Bug, package: Option<&str>) -> Result<Verdict> {
    let touched = tree.apply(&bug.patch)?;
    let verdict = suite::run(tree, package, &touched);
    tree.restore(&touched)?;
    verdict
}

/// Those whose patches' names begin with one of `only`, or all where there is none.
fn bugs(only: &[String]) -> Result<Vec<Bug>> {
    let folder = root().join("tests/bugs");
    let mut bugs = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let patch = entry?.path();
        let name = name(&patch);
        let wanted = only.is_empty() || only.iter().any(|only| name.starts_with(only));
        if name.ends_with(".patch") && wanted {
            let text = fs::read_to_string(&patch)?;
            let title = text.lines().next().unwrap_or_default().to_owned();
            bugs.push(Bug { patch, title });
        }
    }
    let named = |only: &&String| bugs.iter().any(|bug| name(&bug.patch).starts_with(only.as_str()));
    if let Some(unknown) = only.iter().find(|only| !named(only)) {
        return Err(Failure::bad_input(format!("no patch in tests/bugs begins with `{unknown}`")));
    }
    bugs.sort_by(|a, b| a.patch.cmp(&b.patch));
    Ok(bugs)
}

fn name(patch: &Path) -> String {
    patch.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(only: &[&str]) -> Result<Vec<String>> {
        let only: Vec<String> = only.iter().map(|only| (*only).to_owned()).collect();
        Ok(bugs(&only)?.iter().map(|bug| name(&bug.patch)).collect())
    }

    #[test]
    fn patches_are_those_that_were_named_and_a_wrong_name_is_an_error() {
        assert_eq!(found(&["35", "02"]).unwrap(), ["02-attempt-reused.patch", "35-drain-takes-more.patch"]);
        assert!(found(&[]).unwrap().len() > 30);
        let error = found(&["02", "99"]).unwrap_err().to_string();
        assert!(error.contains("begins with `99`"), "{error}");
    }
}
