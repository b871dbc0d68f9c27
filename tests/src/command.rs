//! `rung` as a command: what it prints and how it exits.

use std::{path::Path, process::Command};

use serde_json::Value;

use crate::program;

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Ran {
    /// Its stdout as JSON.
    ///
    /// # Panics
    ///
    /// Panics with all that it wrote where that is no JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The same, for a command that must succeed.
    ///
    /// # Panics
    ///
    /// Panics with all that it wrote where it did not.
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }
}

/// Runs `rung` with a state folder of its own and nothing else of this machine's settings.
pub fn rung(state: &Path, args: &[&str]) -> Ran {
    let mut command = Command::new(program("rung"));
    command
        .args(args)
        .env("RUNG_STATE", state)
        .env("NO_COLOR", "1")
        .env("RUNG_CONFIG", "/dev/null")
        .env_remove("RUNG_TOKEN")
        .env_remove("RUNG_COORDINATOR");
    let output = command.output().unwrap_or_else(|error| panic!("rung does not start: {error}"));
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
