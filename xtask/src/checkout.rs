//! Where things are in this checkout, and how commands are run in it.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

/// Returns the folder of the workspace.
pub(crate) fn root() -> PathBuf {
    // Cargo says at run time where the checkout is; what it said at build time may be of another clone that shares
    // the target folder.
    let xtask =
        env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| OsString::from(env!("CARGO_MANIFEST_DIR")));
    let mut root = PathBuf::from(xtask);
    root.pop();
    root
}

/// Returns the link to libtorch that `.cargo/config.toml` names.
pub(crate) fn libtorch_link() -> PathBuf {
    root().join("third_party/libtorch")
}

/// Returns the libtorch that a variable names, unless it was cargo that set it, to the link.
///
/// Cargo leaves a variable that the user has set as it is, so that one goes before `.cargo/config.toml`.
pub(crate) fn own_libtorch() -> Option<PathBuf> {
    env::var_os("LIBTORCH").map(PathBuf::from).filter(|own| *own != libtorch_link())
}

/// Returns the folder that binaries of a profile are built into: `debug` or `release`.
pub(crate) fn binaries(profile: &str) -> Result<PathBuf> {
    // Beside this very binary, so that every way of naming another target folder is honoured.
    let this = env::current_exe().context("cannot find out where xtask itself lies")?;
    let target =
        this.parent().and_then(|profile| profile.parent()).context("xtask lies in no target folder")?;
    Ok(target.join(profile))
}

/// Returns cargo, to be run in the workspace as the user would run it.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.args(arguments).current_dir(root());
    // The outer cargo has set this from its configuration. Left set, it would be the user's own to the inner cargo,
    // and a later plain `cargo build` would see a change and build torch-sys again.
    if own_libtorch().is_none() {
        command.env_remove("LIBTORCH");
    }
    command
}
