use std::{io, path::PathBuf};

/// Why weights cannot be read or used; every message says what is wrong with which file.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The system would not let a file be read.
    #[error("cannot read `{}`: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("`{}`: {problem}", .path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A packed object is damaged, or larger than one may be.
    #[error("the packed weights cannot be used: {0}")]
    Object(String),
}
