//! The event log: facts, with the decisions in them.

mod bits;

pub use bits::{CleanBits, ScoredBits, TestBits};

use common::{
    checkpoint::{Checkpoint, Digest},
    hparams::Hparams,
    ids::{Attempt, TrialNumber, WorkerId},
    metrics::Bits,
    study::StudySpec,
    time::Timestamp,
    view::EndReason,
};
use serde::{Deserialize, Serialize};

use crate::{lease::Work, plan::Plan};

/// The version of the log's format, written in every study's first event.
///
/// A release reads the logs of all earlier versions. It is raised when the meaning of an event changes, not when a
/// kind of event is added.
pub const LOG_VERSION: u32 = 1;

/// A fact about a study. The fold of a study's events, in order, is its state.
///
/// Replay applies events and never decides again, so a later release cannot rewrite what an earlier one decided.
/// Floats are stored as their bits: JSON would lose NaN.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The study was submitted. It is the first event of every log, and stands nowhere else.
    Created {
        /// The log's format.
        version: u32,
        /// What was asked for.
        spec: Box<StudySpec>,
        /// What follows from it, so that no later release plans a stored study anew; logs of the first release lack it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plan: Option<Box<Plan>>,
        /// When.
        at: Timestamp,
    },
    /// A trial got its configuration. Trials are drawn in the order of their numbers.
    Drawn {
        /// The trial.
        trial: TrialNumber,
        /// What it trains with.
        hparams: Hparams,
        /// Its own seed.
        seed: u64,
    },
    /// The sampler has no configuration for this trial number, nor for any after it: they never start.
    DrawsEnded {
        /// The first trial that never starts.
        from: TrialNumber,
    },
    /// A trial was trained in the parent study: it stands where that has left it, and is only evaluated here.
    Adopted {
        /// The trial.
        trial: TrialNumber,
        /// The objective's value there.
        value: Bits,
        /// The state that it was measured on.
        checkpoint: Checkpoint,
    },
    /// A worker got a lease.
    Granted {
        /// The trial.
        trial: TrialNumber,
        /// The lease's fencing token, one above the trial's last.
        attempt: Attempt,
        /// Who got it.
        worker: WorkerId,
        /// What is to be done.
        work: Work,
        /// When.
        at: Timestamp,
    },
    /// A checkpoint inside a lease became durable: the next lease of the trial starts from it.
    Checkpointed {
        /// The trial.
        trial: TrialNumber,
        /// The lease.
        attempt: Attempt,
        /// What was stored.
        checkpoint: Checkpoint,
    },
    /// A trial has a finite result at a rung, and a lease, if it had one, ended with it.
    RungFinished {
        /// The trial.
        trial: TrialNumber,
        /// The lease; the trial's last one where an early-stopped trial's result was carried to a later rung.
        attempt: Attempt,
        /// The rung, from 0.
        rung: u32,
        /// Epochs trained in total; fewer than the rung's after early stopping.
        epochs: u32,
        /// The objective's value.
        value: Bits,
        /// Validation loss, which breaks ties.
        val_loss: Bits,
        /// The state that the value was measured on.
        checkpoint: Checkpoint,
        /// Whether early stopping ended the trial's training.
        early_stopped: bool,
    },
    /// The objective is not finite. It is a result, and final: it ranks last, and would be the same if tried again.
    NotFinite {
        /// The trial.
        trial: TrialNumber,
        /// The lease, which ended.
        attempt: Attempt,
        /// The rung, from 0.
        rung: u32,
        /// Epochs trained in total.
        epochs: u32,
        /// The value, infinite or NaN.
        value: Bits,
    },
    /// A worker handed a lease back: it leaves, has lost contact, or cannot do the work now. It counts against nobody.
    Released {
        /// The trial.
        trial: TrialNumber,
        /// The lease, which ended.
        attempt: Attempt,
        /// What it stored before it let go, if anything.
        checkpoint: Option<Checkpoint>,
    },
    /// A lease ended because its worker was lost, or silent for too long.
    LeaseLost {
        /// The trial.
        trial: TrialNumber,
        /// The lease, which ended.
        attempt: Attempt,
    },
    /// The checkpoint that a trial's next epoch was to go on from is gone or damaged: the one before it counts again,
    /// and a lease that was out ended. It is nobody's fault and counts against nothing.
    CheckpointLost {
        /// The trial.
        trial: TrialNumber,
        /// What cannot be read any more.
        checkpoint: Checkpoint,
    },
    /// A trainer died, hung or ran out of memory.
    AttemptFailed {
        /// The trial.
        trial: TrialNumber,
        /// The lease, which ended.
        attempt: Attempt,
        /// What happened.
        reason: String,
    },
    /// A trial failed for good. It counts as a result that ranks last.
    TrialFailed {
        /// The trial.
        trial: TrialNumber,
        /// Why.
        reason: String,
    },
    /// A trial goes on to the next rung.
    Promoted {
        /// The trial.
        trial: TrialNumber,
        /// The rung it goes on to.
        to_rung: u32,
    },
    /// A trial can no longer be promoted: it is stopped, and its checkpoint is needed only if it is the study's best.
    Cut {
        /// The trial.
        trial: TrialNumber,
    },
    /// A trial finished its bracket's last rung.
    Completed {
        /// The trial.
        trial: TrialNumber,
    },
    /// A checkpoint was measured on the test part: a touch of it, which counts.
    Evaluated {
        /// The trial.
        trial: TrialNumber,
        /// The lease, which ended.
        attempt: Attempt,
        /// What it scored.
        test: TestBits,
        /// Class probabilities of the test samples, where they were stored.
        probabilities: Option<Digest>,
        /// What it scored on the validation part; logs of the first release lack it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        validation: Option<ScoredBits>,
    },
    /// The store was restored from a backup. Attempts that were given after the backup was made are unknown here, so all
    /// that follow are above this floor, which no earlier one can have reached.
    Restored {
        /// No attempt up to this one is given any more.
        floor: u64,
        /// When.
        at: Timestamp,
    },
    /// No lease is given until the study is resumed. Leases that are out go on.
    Paused {
        /// When.
        at: Timestamp,
    },
    /// Leases are given again.
    Resumed {
        /// When.
        at: Timestamp,
    },
    /// Time went by with a lease out. From these marks active time is known across restarts.
    Ticked {
        /// When.
        at: Timestamp,
    },
    /// Training ended before the plan did. Leases that were out are revoked.
    BudgetEnded {
        /// Why.
        reason: EndReason,
        /// The trial whose result reached the target: the study's best from here on, whatever rung it is on. None for
        /// other reasons, and in logs of releases that ranked it like any other.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reached: Option<TrialNumber>,
        /// When.
        at: Timestamp,
    },
    /// The study is over. It is the last event of every finished log.
    Finished {
        /// Whether the whole plan was run.
        complete: bool,
        /// The best trial; none when no trial has a finite result.
        best: Option<TrialNumber>,
        /// When.
        at: Timestamp,
    },
}

impl Event {
    /// The attempt that the event is about, if it is about one.
    pub fn attempt(&self) -> Option<Attempt> {
        match *self {
            Self::Granted { attempt, .. }
            | Self::Checkpointed { attempt, .. }
            | Self::RungFinished { attempt, .. }
            | Self::NotFinite { attempt, .. }
            | Self::Released { attempt, .. }
            | Self::LeaseLost { attempt, .. }
            | Self::AttemptFailed { attempt, .. }
            | Self::Evaluated { attempt, .. } => Some(attempt),
            _ => None,
        }
    }

    /// The trial that the event changes, if it is about one.
    pub fn trial(&self) -> Option<TrialNumber> {
        match self {
            Self::Drawn { trial, .. }
            | Self::Adopted { trial, .. }
            | Self::Granted { trial, .. }
            | Self::Checkpointed { trial, .. }
            | Self::RungFinished { trial, .. }
            | Self::NotFinite { trial, .. }
            | Self::Released { trial, .. }
            | Self::LeaseLost { trial, .. }
            | Self::CheckpointLost { trial, .. }
            | Self::AttemptFailed { trial, .. }
            | Self::TrialFailed { trial, .. }
            | Self::Promoted { trial, .. }
            | Self::Cut { trial, .. }
            | Self::Completed { trial, .. }
            | Self::Evaluated { trial, .. } => Some(*trial),
            Self::Created { .. }
            | Self::Paused { .. }
            | Self::Resumed { .. }
            | Self::BudgetEnded { .. }
            | Self::DrawsEnded { .. }
            | Self::Ticked { .. }
            | Self::Restored { .. }
            | Self::Finished { .. } => None,
        }
    }
}
