//! Brings a data set to this machine.

mod debian;
mod official;

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::DataError;
use crate::catalog::{self, Entry, File};
use crate::verify;

/// What a fetch has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The folder that now has all files of the data set.
    pub folder: PathBuf,
    /// Where the files that were missing came from.
    pub origin: Origin,
    /// How many files were missing or corrupted, and are now there.
    pub files: usize,
}

/// Where fetched files come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// They were all there before, and right.
    AlreadyThere,
    /// The server of the data set's own project.
    Official,
    /// Debian's package of the data set.
    Debian,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyThere => "this machine",
            Self::Official => "the project's server",
            Self::Debian => "Debian's package",
        })
    }
}

/// Brings the files of a data set that are missing or corrupted into a folder.
///
/// It asks the project's own server first and Debian's package where that fails. Files are verified before they get
/// their names, so whoever looks meanwhile sees a whole file or none.
pub fn fetch(name: &str, into: &Path) -> Result<Fetched, DataError> {
    fetch_entry(&catalog::entry(name)?, into)
}

fn fetch_entry(entry: &Entry, into: &Path) -> Result<Fetched, DataError> {
    fs::create_dir_all(into).map_err(|source| DataError::Unwritable { path: into.to_owned(), source })?;
    let folder = into.to_owned();
    let wanted = wanted(entry, into);
    if wanted.is_empty() {
        return Ok(Fetched { folder, origin: Origin::AlreadyThere, files: 0 });
    }

    let mut attempts = Vec::new();
    for origin in [Origin::Official, Origin::Debian] {
        let got = match origin {
            Origin::AlreadyThere => continue,
            Origin::Official => official::get(entry, &wanted),
            Origin::Debian => debian::get(entry, &wanted),
        };
        match got {
            Ok(contents) => {
                for (file, bytes) in wanted.iter().zip(contents) {
                    keep(into, file, &bytes)?;
                }
                return Ok(Fetched { folder, origin, files: wanted.len() });
            }
            Err(problem) => attempts.push(format!("{origin}: {problem}")),
        }
    }
    Err(DataError::NotFetched { name: entry.name.to_owned(), into: folder, attempts })
}

fn wanted<'a>(entry: &'a Entry, into: &Path) -> Vec<&'a File> {
    let right = |file: &File| verify::read(&into.join(file.name), file).is_ok();
    entry.files().into_iter().filter(|file| !right(file)).collect()
}

/// Says how a file that was got differs from the one wanted, if it does.
fn check(file: &File, compressed: &[u8]) -> Result<(), String> {
    let problem = verify::contents(compressed, file).map(drop);
    problem.map_err(|problem| format!("its `{}` is not the one published: {problem}", file.name))
}

/// Writes a file under another name, syncs it and then gives it its own.
fn keep(folder: &Path, file: &File, bytes: &[u8]) -> Result<(), DataError> {
    let path = folder.join(file.name);
    let write = || -> io::Result<()> {
        let mut partial = tempfile::NamedTempFile::new_in(folder)?;
        partial.write_all(bytes)?;
        make_readable(partial.as_file())?;
        partial.as_file().sync_all()?;
        partial.persist(&path)?;
        fs::File::open(folder)?.sync_all()
    };
    write().map_err(|source| DataError::Unwritable { path: path.clone(), source })
}

/// Temporary files are their owner's alone, but a cache may serve a whole machine.
#[cfg(unix)]
fn make_readable(file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn make_readable(_: &fs::File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests;
