//! PyTorch for Python, where this machine has it.

use std::{env, path::PathBuf, process::Command};

/// Python that can import PyTorch; none where it is not there, which is said, and on CI a failure.
///
/// `cargo xtask setup --pytorch` puts it into the user's cache folder; `RUNG_TEST_PYTORCH` names another one.
///
/// # Panics
///
/// Panics where it is missing and `CI=true`.
pub fn pytorch() -> Option<Command> {
    let folder = env::var_os("RUNG_TEST_PYTORCH").map(PathBuf::from).or_else(cached);
    if let Some(folder) = folder.filter(|folder| folder.is_dir()) {
        let mut python = Command::new("python3");
        python.env("PYTHONPATH", folder);
        return Some(python);
    }
    let reason = "it needs the Python package torch 2.13.0, which `cargo xtask setup --pytorch` downloads";
    assert!(env::var("CI").as_deref() != Ok("true"), "{reason}");
    eprintln!("SKIPPED: {reason}");
    None
}

/// Where an earlier set-up has put it for this machine's Python.
fn cached() -> Option<PathBuf> {
    let tag =
        Command::new("python3").args(["-c", "import sys; print(sys.implementation.cache_tag)"]).output();
    let tag = String::from_utf8(tag.ok()?.stdout).ok()?;
    data::cache_folder().map(|cache| cache.join(format!("pytorch-2.13.0-{}", tag.trim())))
}
