use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use super::tree::Tree;
use crate::checkout::cargo;
use crate::failure::Failure;

/// The fast suite, in the order in which it is run: the quickest to build first. Each part with the folders whose bugs
/// it could notice.
const PARTS: [(&str, &[&str], &[&str]); 4] = [
    ("scheduler", &["test", "-p", "scheduler"], &["common", "coordinator/scheduler"]),
    // A bug that is in cannot be put in: that test is for the checkout.
    ("drill", &["test", "-p", "drill", "--lib", "--", "--skip", "bugs::"], &[""]),
    ("worker", &["test", "-p", "worker", "--no-default-features", "--lib"], &["common", "worker"]),
    ("coordinator", &["test", "-p", "coordinator", "--lib"], &["common", "coordinator"]),
];

/// Longest time that one part may take, the building included: a bug may keep a test from ending.
const PATIENCE: Duration = Duration::from_secs(900);

/// What the suite says of a bug.
pub(super) enum Verdict {
    /// This test failed.
    Noticed(String),
    /// All tests passed.
    Missed,
}

/// Runs the suite on a copy until a test fails; only the parts that could notice changes of the named files.
pub(super) fn run(tree: &Tree, package: Option<&str>, touched: &[PathBuf]) -> Result<Verdict> {
    for (name, arguments, folders) in PARTS {
        let sees = |file: &PathBuf| folders.iter().any(|folder| file.starts_with(folder));
        let concerned = touched.is_empty() || touched.iter().any(sees);
        if !concerned || package.is_some_and(|package| package != name) {
            continue;
        }
        if let Some(test) = part(tree, arguments)? {
            return Ok(Verdict::Noticed(format!("{name}: `{test}`")));
        }
    }
    Ok(Verdict::Missed)
}

/// Runs one part; the first test that failed, if one did.
fn part(tree: &Tree, arguments: &[&str]) -> Result<Option<String>> {
    let mut command = cargo(arguments);
    command
        .current_dir(tree.folder())
        .env("CARGO_TARGET_DIR", tree.target())
        // A group of its own, so that tests which never end can be ended.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot run cargo")?;
    let (sender, texts) = mpsc::channel();
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    let errors = thread::spawn(move || {
        let mut text = String::new();
        err.as_mut().map(|pipe| pipe.read_to_string(&mut text));
        text
    });
    thread::spawn(move || {
        let mut text = String::new();
        out.as_mut().map(|pipe| pipe.read_to_string(&mut text));
        // Nobody waits any more where it took too long.
        let _ = sender.send(text);
    });
    let Ok(output) = texts.recv_timeout(PATIENCE) else {
        end(&mut child)?;
        return Ok(Some("a test that did not end".to_owned()));
    };
    let status = child.wait()?;
    let errors = errors.join().unwrap_or_default();
    if status.success() {
        return Ok(None);
    }
    let failed = output.lines().find_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"));
    match failed {
        Some(test) => Ok(Some(test.to_owned())),
        None if killed(&errors) => Ok(Some("a test that was killed".to_owned())),
        None => {
            let why = errors.lines().filter(|line| line.starts_with("error")).take(3).collect::<Vec<_>>();
            let why = format!(
                "the copy does not build: {}\nwhere nothing is wrong with the sources, a build that was cut off may \
                 have left something broken: remove {}",
                why.join("; "),
                tree.target().display()
            );
            Err(Failure::of_command(why, Some(1)))
        }
    }
}

/// Whether cargo's complaints are of tests that a signal has ended, and not of a compiler or a linker.
fn killed(errors: &str) -> bool {
    errors.contains("error: test failed") && errors.contains("(signal: ")
}

fn end(child: &mut Child) -> Result<()> {
    Command::new("kill").args(["-9", "--", &format!("-{}", child.id())]).status()?;
    child.wait()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linker_that_names_a_signal_is_no_test_that_was_killed() {
        let ended = "error: test failed, to rerun pass `-p a --lib`\n\nCaused by:\n  process didn't exit successfully: \
                     `a` (signal: 6, SIGABRT: process abort signal)\n";
        assert!(killed(ended));
        let linker = "error: undefined hidden symbol: signal\nerror: could not compile `a` (lib test)\n";
        assert!(!killed(linker));
        let compiler = "error: could not compile `a` (lib)\nCaused by:\n  process didn't exit (signal: 9, SIGKILL: kill)\n";
        assert!(!killed(compiler));
        assert!(!killed("error: test failed, to rerun pass `-p a --lib`\n"));
    }
}
