//! A Python with packages that tests compare against.

use std::{
    env, fs,
    fs::File,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use nix::fcntl::{Flock, FlockArg};

/// A Python that has a package, in a virtual environment that is made once in the user's cache folder.
///
/// None where it cannot be made, which prints `SKIPPED` with the package's name.
///
/// # Panics
///
/// Panics instead where `CI=true`: there nothing may be skipped.
pub fn python_with(package: &str, requirement: &str) -> Option<PathBuf> {
    match environment(package, requirement) {
        Ok(python) => Some(python),
        Err(error) if env::var("CI").is_ok_and(|ci| ci == "true") => {
            panic!("{package} is missing: {error:#}")
        }
        Err(error) => {
            eprintln!("SKIPPED: this test needs Python's {package}: {error:#}");
            None
        }
    }
}

fn environment(package: &str, requirement: &str) -> Result<PathBuf> {
    let folder = data::cache_folder().context("there is no cache folder; set HOME or XDG_CACHE_HOME")?;
    let folder = folder.join("tests").join(package);
    let (python, ready) = (folder.join("bin/python"), folder.join("ready"));
    fs::create_dir_all(&folder)?;
    // Tests run side by side: the first makes it, the others wait.
    let lock = File::create(folder.join("lock"))?;
    let _lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, error)| error)?;
    if fs::read_to_string(&ready).is_ok_and(|made| made == requirement) {
        return Ok(python);
    }
    run(Path::new("python3"), &["-m", "venv", &folder.display().to_string()])?;
    run(&python, &["-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement])?;
    fs::write(ready, requirement)?;
    Ok(python)
}

fn run(program: &Path, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program).args(arguments).output();
    let output = output.with_context(|| format!("{} does not start", program.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{} {}: {}", program.display(), arguments.join(" "), said.trim());
    }
    Ok(())
}
