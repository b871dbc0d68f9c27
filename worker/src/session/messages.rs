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
pub struct Identity {
    /// The worker's id.
    pub worker: WorkerId,
    /// Drawn at start; tells a reconnect from a restart.
    pub incarnation: u64,
    /// Where it trains.
    pub device: DeviceFacts,
    /// Trials that it trains at the same time.
    pub slots: u32,
    /// Data sets that it can open.
    pub data: Vec<String>,
}

/// From the coordinator.
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    /// Answers Hello.
    Welcome(Welcome),
    /// A study that grants will name; or why its file cannot be used.
    Study {
        /// The study.
        id: StudyId,
        /// Its file, or what is wrong with it.
        spec: Result<Arc<StudySpec>, String>,
    },
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
pub struct Welcome {
    /// How long a lease lives without a sign of life.
    pub lease: Duration,
    /// How often the worker should send something.
    pub heartbeat: Duration,
    /// Of the leases held, those that are still the worker's.
    pub still_yours: Vec<LeaseId>,
}

/// One lease and its work.
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    /// The lease.
    pub lease: LeaseId,
    /// What the trial trains with.
    pub hparams: Hparams,
    /// The trial's own seed.
    pub trial_seed: u64,
    /// The seed of the trial's order of samples.
    pub data_seed: u64,
    /// What to do.
    pub work: Work,
}

/// A lease whose work this worker cannot make sense of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// The lease.
    pub lease: LeaseId,
    /// What is wrong with it.
    pub reason: String,
}

/// What a lease is for.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// Train from one epoch to another.
    Train {
        /// Epochs trained before.
        from_epoch: u32,
        /// Epochs trained in total at the end.
        to_epoch: u32,
        /// What to go on from; none at the very start.
        resume: Option<Checkpoint>,
    },
    /// Evaluate a checkpoint on the test and the validation part.
    Evaluate {
        /// What to measure.
        checkpoint: Checkpoint,
    },
}

/// To the coordinator.
#[derive(Debug, Clone, PartialEq)]
pub enum Outgoing {
    /// First on every stream.
    Hello {
        /// Who this is.
        identity: Identity,
        /// Leases that it still holds.
        held: Vec<LeaseId>,
    },
    /// Free slots; replaces what was said before.
    Credits {
        /// Free slots.
        free: u32,
        /// Leases that have come by this stream.
        granted: u64,
    },
    /// What happened to leases, in order.
    Reports {
        /// The batch's number; the same when it is sent again.
        sequence: u64,
        /// What happened.
        reports: Vec<Report>,
    },
    /// A sign of life.
    Heartbeat,
}

/// One thing that happened to a lease.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The lease.
    pub lease: LeaseId,
    /// What happened.
    pub news: News,
}

/// What happened to a lease.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// An epoch ended.
    Epoch(CurvePoint),
    /// A checkpoint is stored.
    Checkpointed(Checkpoint),
    /// The last epoch is trained and its checkpoint stored.
    Finished {
        /// The last epoch.
        last: CurvePoint,
        /// The metrics of the trial's best epoch.
        best: Metrics,
        /// The checkpoint after the last epoch.
        checkpoint: Checkpoint,
        /// Whether early stopping has ended the trial's training.
        early_stopped: bool,
        /// The metrics of the checkpoint's weights, where they are those of an earlier epoch.
        restored: Option<Metrics>,
    },
    /// The objective is not finite: a result.
    NotFinite {
        /// The epoch.
        last: CurvePoint,
    },
    /// The lease is handed back, with the newest stored checkpoint.
    Released {
        /// What was stored before, if anything.
        checkpoint: Option<Checkpoint>,
    },
    /// The attempt failed.
    Failed {
        /// What happened.
        reason: String,
    },
    /// The evaluation of a checkpoint of this epoch is done; its probabilities are stored.
    Evaluated {
        /// The checkpoint's epoch.
        epoch: u32,
        /// On the test part.
        test: Scored,
        /// On the validation part.
        validation: Option<Scored>,
    },
}

impl News {
    /// Whether the lease ends with it.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Epoch(_) | Self::Checkpointed(_))
    }
}
