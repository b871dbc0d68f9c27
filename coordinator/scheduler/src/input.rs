//! What happens to a study: requests and messages, before they are facts.

use std::collections::BTreeSet;

use common::{
    checkpoint::{Checkpoint, Digest},
    evaluation::Scored,
    ids::{Attempt, TrialNumber, WorkerId},
    metrics::TestMetrics,
};

/// What the driver tells a study.
///
/// Every message about a lease carries its attempt: one that is not current changes nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A worker has room for leases.
    Lease {
        /// Who asks.
        worker: WorkerId,
        /// How many it can take.
        most: u32,
        /// Who else could take them, now or once it has room: where one can, what has failed on the worker is not for it.
        others: BTreeSet<WorkerId>,
    },
    /// A checkpoint inside a lease is stored.
    Checkpointed {
        /// The trial.
        trial: TrialNumber,
        /// The lease.
        attempt: Attempt,
        /// What is stored.
        checkpoint: Checkpoint,
    },
    /// A trial trained to its rung's end, or stopped early; its checkpoint is stored.
    Finished {
        /// The trial.
        trial: TrialNumber,
        /// The lease.
        attempt: Attempt,
        /// Epochs trained in total.
        epochs: u32,
        /// The objective's value.
        value: f64,
        /// Validation loss, which breaks ties.
        val_loss: f64,
        /// The state that the value was measured on.
        checkpoint: Checkpoint,
        /// Whether early stopping ended the trial's training.
        early_stopped: bool,
    },
    /// A trial's objective is not finite.
    NotFinite {
        /// The trial.
        trial: TrialNumber,
        /// The lease.
        attempt: Attempt,
        /// Epochs trained in total.
        epochs: u32,
        /// The value, infinite or NaN.
        value: f64,
    },
    /// A worker hands a lease back: it leaves, has lost contact, or cannot do the work now.
    Released {
        /// The trial.
        trial: TrialNumber,
        /// The lease.
        attempt: Attempt,
        /// What it stored before it let go, if anything.
        checkpoint: Option<Checkpoint>,
    },
    /// A lease expired, or its worker is lost.
    Lost {
        /// The trial.
        trial: TrialNumber,
        /// The lease.
        attempt: Attempt,
    },
    /// A trainer died, hung or ran out of memory.
    Failed {
        /// The trial.
        trial: TrialNumber,
        /// The lease.
        attempt: Attempt,
        /// What happened.
        reason: String,
    },
    /// A checkpoint was measured on the test and the validation part.
    Evaluated {
        /// The trial.
        trial: TrialNumber,
        /// The lease.
        attempt: Attempt,
        /// What it scored.
        test: TestMetrics,
        /// Class probabilities of the test samples, where they are stored.
        probabilities: Option<Digest>,
        /// What it scored on the validation part.
        validation: Option<Scored>,
    },
    /// A checkpoint cannot be read any more, or is not what was stored.
    Damaged {
        /// The trial.
        trial: TrialNumber,
        /// Its checkpoint.
        checkpoint: Checkpoint,
    },
    /// Somebody asks that no further lease is given for now.
    Pause,
    /// Somebody asks that leases are given again.
    Resume,
    /// Somebody asks that training ends now.
    Stop,
    /// Time went by; see [`crate::Study::next_deadline`].
    Tick,
}

impl Input {
    /// A worker that nobody else works beside has room for leases.
    pub fn alone(worker: WorkerId, most: u32) -> Self {
        Self::Lease { worker, most, others: BTreeSet::new() }
    }

    /// The lease that the input is about, if it is about one.
    pub fn lease(&self) -> Option<(TrialNumber, Attempt)> {
        match *self {
            Self::Checkpointed { trial, attempt, .. }
            | Self::Finished { trial, attempt, .. }
            | Self::NotFinite { trial, attempt, .. }
            | Self::Released { trial, attempt, .. }
            | Self::Lost { trial, attempt }
            | Self::Failed { trial, attempt, .. }
            | Self::Evaluated { trial, attempt, .. } => Some((trial, attempt)),
            Self::Lease { .. }
            | Self::Damaged { .. }
            | Self::Pause
            | Self::Resume
            | Self::Stop
            | Self::Tick => None,
        }
    }
}

/// Why an input was not taken. It has changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The lease is not, or no longer, the trial's.
    #[error(
        "attempt {attempt} of trial {trial} is not current{}",
        .current.map(|current| format!(": {current} is")).unwrap_or_default()
    )]
    StaleLease {
        /// The trial.
        trial: TrialNumber,
        /// The lease that the message named.
        attempt: Attempt,
        /// The lease that is out now, if one is.
        current: Option<Attempt>,
    },
    /// No trial of this number has started.
    #[error("trial {trial} has not started")]
    UnknownTrial {
        /// The number.
        trial: TrialNumber,
    },
    /// The study is over.
    #[error("the study has finished")]
    AlreadyEnded,
    /// The lease is current, but its holder reports what the lease was not for.
    #[error("{0}")]
    WrongResult(String),
}
