use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Output};

use super::check;
use crate::catalog::{Entry, File};

/// Takes files out of Debian's package, which neither installs anything nor needs root.
pub(super) fn get(entry: &Entry, wanted: &[&File]) -> Result<Vec<Vec<u8>>, String> {
    let package = entry.debian.ok_or_else(|| format!("there is none of {}", entry.name))?;
    let work = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    download(package, work.path())?;
    unpack(work.path())?;

    let folder = work.path().join("unpacked/usr/share/datasets").join(entry.name);
    let mut contents = Vec::new();
    for file in wanted {
        let bytes = fs::read(folder.join(file.name)).map_err(|error| format!("`{}`: {error}", file.name))?;
        check(file, &bytes)?;
        contents.push(bytes);
    }
    Ok(contents)
}

/// Downloads the package; where the system's lists do not know it, through lists of our own.
fn download(package: &str, work: &Path) -> Result<(), String> {
    run(Command::new("apt-get").arg("--version"))?;
    if run(Command::new("apt-get").args(["download", package]).current_dir(work)).is_ok() {
        return Ok(());
    }
    // A container's lists are often empty or stale. Refreshing the system's own needs root and is not ours to do.
    for folder in ["state/lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(work.join(folder)).map_err(|error| format!("{folder}: {error}"))?;
    }
    let private = [
        format!("-oDir::State::lists={}", work.join("state/lists").display()),
        format!("-oDir::Cache={}", work.join("cache").display()),
        // The unprivileged user that root's apt-get changes to could not write to our folder.
        "-oAPT::Sandbox::User=root".to_owned(),
    ];
    let apt_get =
        |arguments: &[&str]| run(Command::new("apt-get").args(&private).args(arguments).current_dir(work));
    apt_get(&["update"])?;
    apt_get(&["download", package])
}

fn unpack(work: &Path) -> Result<(), String> {
    let files = fs::read_dir(work).map_err(|error| error.to_string())?;
    let package = files
        .filter_map(|file| file.ok().map(|file| file.path()))
        .find(|path| path.extension() == Some(OsStr::new("deb")))
        .ok_or("apt-get left no package")?;
    run(Command::new("dpkg").arg("-x").arg(package).arg(work.join("unpacked")))
}

/// Runs a command to its end; what it complained of last is the error.
fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.env("LC_ALL", "C").output();
    let Output { status, stderr, .. } = output.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("{name} is not on this machine"),
        _ => format!("{name}: {error}"),
    })?;
    if status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&stderr);
    let last = stderr.lines().rfind(|line| !line.trim().is_empty());
    Err(format!("{name}: {}", last.unwrap_or("it failed without a word")))
}
