use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a data set could not be found, read or fetched.
///
/// Every message says what to do next.
#[derive(Debug, Error)]
pub enum DataError {
    /// No data set has this name.
    #[error("unknown data set `{name}`; {}", suggestion(.nearest, .known))]
    Unknown {
        /// What was asked for.
        name: String,
        /// The known name that looks most like it, if any does.
        nearest: Option<&'static str>,
        /// All known names.
        known: Vec<&'static str>,
    },

    /// None of the folders has any of its files.
    #[error("data set `{name}` was not found in {}; {FETCH}", list(.folders))]
    NotFound {
        /// The data set.
        name: String,
        /// Every folder looked in, in order.
        folders: Vec<PathBuf>,
    },

    /// No folder has all of its files, and this one has some.
    #[error("data set `{name}` is incomplete: `{}` is missing; {FETCH}", .missing.display())]
    Incomplete {
        /// The data set.
        name: String,
        /// The first file that is not there.
        missing: PathBuf,
    },

    /// The system would not let the file be read.
    #[error("cannot read data file `{}`: {source}; make it readable, or delete it and {FETCH}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// The file does not hold what was published.
    #[error("data file `{}` is corrupted: {problem}; delete it and {FETCH}", .path.display())]
    Corrupted {
        /// The file.
        path: PathBuf,
        /// How it differs: both md5 of its contents in hex, and how much could be uncompressed.
        problem: String,
    },

    /// The file holds what was expected, but that is not a list of images or labels.
    #[error("data file `{}` is not usable: {problem}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },

    /// One's own files are not what their format asks for.
    #[error("`{}`: {problem}", .path.display())]
    Unusable {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },

    /// A packed data set is damaged, or larger than one may be.
    #[error("the packed data set cannot be used: {0}")]
    Object(String),

    /// No source had the files.
    #[error(
        "cannot fetch data set `{name}`: {}; bring its four files to `{}` by other means, or name a folder that has \
         them in RUNG_DATA",
        .attempts.join("; "),
        .into.display()
    )]
    NotFetched {
        /// The data set.
        name: String,
        /// The folder the files should have come to.
        into: PathBuf,
        /// What went wrong, one line for each source.
        attempts: Vec<String>,
    },

    /// The fetched files could not be kept.
    #[error("cannot write `{}`: {source}; free some space or name another folder in XDG_CACHE_HOME", .path.display())]
    Unwritable {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

const FETCH: &str = "fetch it with `cargo xtask setup`, or name a folder that has it in RUNG_DATA";

fn suggestion(nearest: &Option<&'static str>, known: &[&'static str]) -> String {
    match nearest {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("known are {}", known.join(", ")),
    }
}

fn list(folders: &[PathBuf]) -> String {
    folders.iter().map(|folder| format!("`{}`", folder.display())).collect::<Vec<_>>().join(", ")
}
