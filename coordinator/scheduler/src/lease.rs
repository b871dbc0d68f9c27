//! Leases: who works on which trial, and what is to be done.

use common::{
    checkpoint::Checkpoint,
    ids::{Attempt, WorkerId},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

/// The right of one worker to work on one trial.
#[derive(Debug, Clone, PartialEq)]
pub struct Lease {
    /// The fencing token: a message about the trial counts only if it carries it.
    pub attempt: Attempt,
    /// Who holds it.
    pub worker: WorkerId,
    /// What is to be done.
    pub work: Work,
    /// When it was given.
    pub since: Timestamp,
    /// Whether it has brought a new durable epoch.
    pub(crate) progressed: bool,
}

/// What a lease is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Training to a rung's end.
    Train {
        /// Epochs trained before.
        from_epoch: u32,
        /// Epochs trained in total when the rung ends.
        to_epoch: u32,
        /// What to go on from; none at the very start.
        resume: Option<Checkpoint>,
    },
    /// Measuring a checkpoint on the validation and the test part.
    Evaluate {
        /// What is measured.
        checkpoint: Checkpoint,
    },
}
