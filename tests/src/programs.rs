//! Where the programs under test are.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

/// The path of `rung` or `rung-worker`, built for this test run.
///
/// `RUNG_TEST_BINARIES` names a folder where they are built already; else cargo brings them up to date.
pub fn program(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| match env::var_os("RUNG_TEST_BINARIES") {
        Some(folder) => folder.into(),
        None => build().unwrap_or_else(|error| panic!("the programs cannot be built: {error:#}")),
    });
    folder.join(name)
}

/// A folder that is deleted with the value.
pub fn scratch() -> TempDir {
    tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}"))
}

fn build() -> Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the workspace has a folder")?;
    let mut command = Command::new(cargo);
    // No package is named: features would be chosen for these alone, and every dependency compiled once more.
    command.args(["build", "--quiet", "--bins"]);
    let status = command.current_dir(root).status()?;
    ensure!(status.success(), "cargo build ended with {status}");
    // This test runs as `<target>/debug/deps/it-…`.
    let test = env::current_exe()?;
    let folder = test.ancestors().nth(2).context("the test lies in a target folder")?;
    Ok(folder.to_owned())
}
