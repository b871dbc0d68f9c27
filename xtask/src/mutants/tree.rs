use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::checkout::root;
use crate::failure::Failure;

/// A copy of the checkout, to put bugs into.
pub(crate) struct Tree {
    folder: PathBuf,
}

impl Tree {
    /// Copies what git knows or would add. Files that are equal are left alone, so that nothing is built twice.
    pub(crate) fn copy() -> Result<Self> {
        let tree = Self { folder: root().join("target/mutants/tree") };
        let files = listed()?;
        for file in &files {
            tree.bring(file)?;
        }
        tree.sweep(&files)?;
        Ok(tree)
    }

    /// Where the copy is.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where what is built of it goes.
    pub(crate) fn target(&self) -> PathBuf {
        self.folder.with_file_name("target")
    }

    /// Applies a patch; returns the files that it changes.
    pub(crate) fn apply(&self, patch: &Path) -> Result<Vec<PathBuf>> {
        let text = fs::read_to_string(patch)?;
        let touched: Vec<PathBuf> =
            text.lines().filter_map(|line| line.strip_prefix("+++ b/")).map(PathBuf::from).collect();
        // The copy lies inside this checkout, but is not part of it.
        let outside = root().join("target/mutants");
        let applied = Command::new("git")
            .args(["apply", "--whitespace=nowarn"])
            .arg(patch)
            .current_dir(&self.folder)
            .env("GIT_CEILING_DIRECTORIES", outside)
            .output()
            .context("cannot run git")?;
        if !applied.status.success() {
            let why = String::from_utf8_lossy(&applied.stderr).into_owned();
            let name = patch.file_name().unwrap_or_default().to_string_lossy();
            return Err(Failure::of_command(format!("{name} does not apply any more: {why}"), Some(1)));
        }
        ensure!(!touched.is_empty(), "{} changes nothing", patch.display());
        Ok(touched)
    }

    /// Puts files back.
    pub(crate) fn restore(&self, files: &[PathBuf]) -> Result<()> {
        files.iter().try_for_each(|file| self.bring(file))
    }

    fn bring(&self, file: &Path) -> Result<()> {
        let (from, to) = (root().join(file), self.folder.join(file));
        let Ok(content) = fs::read(&from) else { return Ok(()) };
        if fs::read(&to).is_ok_and(|there| there == content) {
            return Ok(());
        }
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&to, content).with_context(|| format!("cannot write {}", to.display()))
    }

    /// Removes what is in the copy and not in the checkout.
    fn sweep(&self, files: &[PathBuf]) -> Result<()> {
        let mut folders = vec![PathBuf::new()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(self.folder.join(&folder))? {
                let path = folder.join(entry?.file_name());
                if self.folder.join(&path).is_dir() {
                    folders.push(path);
                } else if files.binary_search(&path).is_err() {
                    fs::remove_file(self.folder.join(&path))?;
                }
            }
        }
        Ok(())
    }
}

/// The files of the checkout, in order of their paths.
fn listed() -> Result<Vec<PathBuf>> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(root())
        .output()
        .context("cannot run git")?;
    ensure!(listed.status.success(), "git cannot list this checkout's files");
    let text = String::from_utf8(listed.stdout)?;
    let there = |path: &PathBuf| root().join(path).is_file();
    let mut files: Vec<PathBuf> =
        text.split('\0').filter(|path| !path.is_empty()).map(PathBuf::from).filter(there).collect();
    files.sort();
    files.dedup();
    Ok(files)
}
