//! What a worker and its coordinator say to each other, as the domain knows it.

use std::{sync::Arc, time::Duration};

use common::{
    checkpoint::Checkpoint,
    evaluation::Scored,
    hparams::Hparams,
    ids::{StudyId, WorkerId},
    metrics::{CurvePoint, Metrics},
    study::StudySpec,
    view::{DeviceFacts, LeaseId},
};

/// Who a worker is, for as long as its process lives.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Identity {
    /// The worker's id.
    pub(crate) worker: WorkerId,
    /// Drawn at start; tells a reconnect from a restart.
    pub(crate) incarnation: u64,
    /// Where it trains.
    pub(crate) device: DeviceFacts,
    /// Trials that it trains at the same time.
    pub(crate) slots: u32,
    /// Data sets that it can open.
    pub(crate) data: Vec<String>,
}

/// From the coordinator.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Incoming {
    /// Answers Hello.
    Welcome(Welcome),
    /// A study that grants will name; or why its file cannot be used.
    Study { id: StudyId, spec: Result<Arc<StudySpec>, String> },
    /// Leases, in the order in which they should start.
    Grants(Vec<Result<Grant, Unusable>>),
    /// Reports up to this batch are durable.
    Ack(u64),
    /// Leases that are no longer the worker's.
    Revoke(Vec<LeaseId>),
    /// Hand back everything and leave.
    Drain,
}

/// The coordinator's terms.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Welcome {
    /// How long a lease lives without a sign of life.
    pub(crate) lease: Duration,
    /// How often the worker should send something.
    pub(crate) heartbeat: Duration,
    /// Of the leases held, those that are still the worker's.
    pub(crate) still_yours: Vec<LeaseId>,
}

/// One lease and its work.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Grant {
    /// The lease.
    pub(crate) lease: LeaseId,
    /// What the trial trains with.
    pub(crate) hparams: Hparams,
    /// The trial's own seed.
    pub(crate) trial_seed: u64,
    /// The seed of the trial's order of samples.
    pub(crate) data_seed: u64,
    /// What to do.
    pub(crate) work: Work,
}

/// A lease whose work this worker cannot make sense of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unusable {
    /// The lease.
    pub(crate) lease: LeaseId,
    /// What is wrong with it.
    pub(crate) reason: String,
}

/// What a lease is for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Work {
    /// Train from one epoch to another.
    Train { from_epoch: u32, to_epoch: u32, resume: Option<Checkpoint> },
    /// Evaluate a checkpoint on the test and the validation part.
    Evaluate { checkpoint: Checkpoint },
}

/// To the coordinator.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outgoing {
    /// First on every stream.
    Hello { identity: Identity, held: Vec<LeaseId> },
    /// Free slots; replaces what was said before.
    Credits {
        /// Free slots.
        free: u32,
        /// Leases that have come by this stream.
        granted: u64,
    },
    /// What happened to leases, in order.
    Reports { sequence: u64, reports: Vec<Report> },
    /// A sign of life.
    Heartbeat,
}

/// One thing that happened to a lease.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Report {
    /// The lease.
    pub(crate) lease: LeaseId,
    /// What happened.
    pub(crate) news: News,
}

/// What happened to a lease.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum News {
    /// An epoch ended.
    Epoch(CurvePoint),
    /// A checkpoint is stored.
    Checkpointed(Checkpoint),
    /// The last epoch is trained and its checkpoint stored.
    Finished {
        last: CurvePoint,
        best: Metrics,
        checkpoint: Checkpoint,
        early_stopped: bool,
        restored: Option<Metrics>,
    },
    /// The objective is not finite: a result.
    NotFinite { last: CurvePoint },
    /// The lease is handed back, with the newest stored checkpoint.
    Released { checkpoint: Option<Checkpoint> },
    /// The attempt failed.
    Failed { reason: String },
    /// The evaluation of a checkpoint of this epoch is done; its probabilities are stored.
    Evaluated { epoch: u32, test: Scored, validation: Option<Scored> },
}

impl News {
    /// Whether the lease ends with it.
    pub(crate) fn is_final(&self) -> bool {
        !matches!(self, Self::Epoch(_) | Self::Checkpointed(_))
    }
}
