//! Why a worker cannot go on.

use std::{io, path::PathBuf};

/// Why a worker ended otherwise than by draining.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The device cannot be used.
    #[error("{0}")]
    Device(String),
    /// There is no place for checkpoints.
    #[error("scratch folder {} cannot be used: {source}", .folder.display())]
    Scratch {
        /// Where it should be.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Trainers no longer start.
    #[error("trainers cannot be started: {0}")]
    Trainer(String),
    /// This machine fails every lease, by its disk or its data.
    #[error("this machine fails lease after lease: {0}")]
    Machine(String),
    /// A folder holds no model that can be used.
    #[error("{0}")]
    Model(String),
    /// The coordinator does not want this worker.
    #[error("the coordinator refuses this worker: {0}")]
    Refused(String),
    /// Nothing lets this worker in: no token, or one that is of no use; no certificate, or one that has ended.
    #[error("{0}")]
    Access(String),
    /// The coordinator was away for longer than the worker waits.
    #[error("{0}: leaving")]
    Alone(String),
    /// Another living process has this worker's id.
    #[error("{0}")]
    Taken(String),
}

impl WorkerError {
    /// Whether the command line is to blame.
    pub fn is_bad_input(&self) -> bool {
        matches!(
            self,
            Self::Device(_) | Self::Scratch { .. } | Self::Taken(_) | Self::Model(_) | Self::Access(_)
        )
    }
}

impl From<trust::IdentityError> for WorkerError {
    fn from(error: trust::IdentityError) -> Self {
        Self::Access(error.to_string())
    }
}
