use anyhow::Result;

use crate::checkout::cargo;
use crate::steps::command;

/// Runs `cargo xtask drill`: the simulation is a program of its own, so that this one is built in no time.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let mut drill = cargo(&["run", "--quiet", "--package", "drill", "--"]);
    drill.args(words);
    command(drill)
}
