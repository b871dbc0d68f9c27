//! Programs of the system that faults are made with.

use std::{env, fs, os::unix::fs::MetadataExt as _, path::Path, process::Command};

use anyhow::{Context as _, Result, bail, ensure};

/// Where programs for root lie, which a user's `PATH` may leave out.
const SYSTEM: &str = "/usr/sbin:/sbin";

/// Whether a test can go on that needs root and these programs, each given with its Debian package. Root gets what is
/// missing installed.
///
/// Where it cannot go on, `SKIPPED` is printed with what is missing.
///
/// # Panics
///
/// Panics instead where `CI=true`: there nothing may be skipped.
pub fn have_tools(needed: &[(&str, &str)]) -> bool {
    match needed.iter().try_for_each(|(program, package)| prepare(program, package)) {
        Ok(()) => true,
        Err(error) if env::var("CI").is_ok_and(|ci| ci == "true") => panic!("{error:#}"),
        Err(error) => {
            eprintln!("SKIPPED: {error:#}");
            false
        }
    }
}

fn prepare(program: &str, package: &str) -> Result<()> {
    ensure!(fs::metadata("/proc/self")?.uid() == 0, "this test needs root, and the package {package}");
    if !is_there(program) {
        // Tests run side by side, and so do their installations.
        let install = ["-o", "DPkg::Lock::Timeout=120", "install", "-y", "-q", package];
        run("apt-get", &install).with_context(|| format!("this test needs the package {package}"))?;
    }
    ensure!(is_there(program), "this test needs {program}, which the package {package} does not bring");
    Ok(())
}

fn is_there(program: &str) -> bool {
    Path::new(program).is_absolute() && Path::new(program).exists()
        || env::split_paths(&path()).any(|folder| folder.join(program).exists())
}

fn path() -> String {
    format!("{}:{SYSTEM}", env::var("PATH").unwrap_or_default())
}

/// Runs a program to its end; its error is what it said.
pub(super) fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program).args(arguments).env("PATH", path()).output();
    let output = output.with_context(|| format!("{program} does not start"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{program} {}: {}", arguments.join(" "), said.trim());
    }
    Ok(())
}
