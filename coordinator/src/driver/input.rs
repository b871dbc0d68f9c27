//! What comes in: from workers' streams, and from whoever asks.

use std::collections::BTreeSet;

use common::{
    checkpoint::{Checkpoint, Digest},
    evaluation::Evaluation,
    ids::{DataName, ModelName, StudyId, TrialNumber, WorkerId},
    metrics::{CurvePoint, Metrics},
    study::StudySpec,
    view::{DataView, DeviceFacts, LeaseId, ModelView},
};

use crate::blobs::ObjectKey;

/// One open stream of a worker; numbered by the shell, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// One request that waits for an answer; numbered by the shell, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// What comes in.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A worker opened a stream.
    Connected {
        /// The new stream.
        session: SessionId,
        /// Who it is.
        hello: Hello,
    },
    /// A stream ended, whoever ended it.
    Disconnected {
        /// Which.
        session: SessionId,
    },
    /// A worker said how many leases it can take.
    Credits {
        /// Whose stream.
        session: SessionId,
        /// Free slots.
        free: u32,
        /// Leases that had come by this stream when it said so.
        granted: u64,
    },
    /// A worker told what happened to its leases.
    Reports {
        /// Whose stream.
        session: SessionId,
        /// The batch's number, to be acknowledged.
        sequence: u64,
        /// What happened, in order.
        reports: Vec<Report>,
    },
    /// A worker gave a sign of life.
    Heartbeat {
        /// Whose stream.
        session: SessionId,
    },
    /// Somebody asked for something.
    Asked {
        /// Who waits for the answer.
        id: RequestId,
        /// What for.
        request: Request,
    },
}

/// Who a worker is and what it holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Hello {
    /// Its id.
    pub worker: WorkerId,
    /// Drawn anew at every start of its process.
    pub incarnation: u64,
    /// Leases that it still holds.
    pub held: BTreeSet<LeaseId>,
    /// Where it trains.
    pub device: DeviceFacts,
    /// Trials that it trains at the same time.
    pub slots: u32,
    /// Its release.
    pub version: String,
    /// Data sets that it can open.
    pub data: BTreeSet<String>,
}

/// One thing that happened to a lease.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The lease.
    pub lease: LeaseId,
    /// What happened.
    pub what: Happened,
}

/// What can happen to a lease.
#[derive(Debug, Clone, PartialEq)]
pub enum Happened {
    /// An epoch ended.
    Epoch(CurvePoint),
    /// A checkpoint is stored.
    Checkpointed(Checkpoint),
    /// The work's last epoch is trained and its checkpoint stored.
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
    /// The objective is not finite at this epoch.
    NotFinite(CurvePoint),
    /// The worker hands the lease back.
    Released(Option<Checkpoint>),
    /// The trainer died, hung or ran out of memory.
    Failed(String),
    /// The evaluation is done, and the class probabilities are stored.
    Evaluated(Evaluation),
    /// The work is done, and what came of it is not stored: the store that had it was replaced by a backup. That is nobody's
    /// failure; the lease is lost.
    Missing,
}

/// What somebody can ask of the driver. What needs only stored rows is asked of a reader instead.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Start a study, or go on with an unfinished one of its name.
    Submit {
        /// The id to give to a new one.
        id: StudyId,
        /// What to do.
        spec: Box<StudySpec>,
        /// What to do where an unfinished study of that name exists.
        on_conflict: OnConflict,
    },
    /// Lease nothing new of a study.
    Pause(StudyId),
    /// Lease again.
    Resume(StudyId),
    /// End a study; its results stay.
    Stop(StudyId),
    /// Delete a finished study.
    Delete(StudyId),
    /// Who is connected.
    Workers,
    /// Ask a worker to leave: its id, or a unique prefix.
    DrainWorker(String),
    /// An object that was stored is gone, or is not what was stored.
    Damaged(ObjectKey),
    /// Whether a lease is current, and this worker's; anybody's where no worker is named.
    Holds(Option<WorkerId>, LeaseId),
    /// Whether a worker leases a trial, whatever its attempt; always where no worker is named.
    Leases(Option<WorkerId>, StudyId, TrialNumber),
    /// Whether a worker leases a trial of a study on this data; always where no worker is named.
    LeasesOn(Option<WorkerId>, Digest),
    /// Whether a worker leases a trial of a study that begins with these weights; always where no worker is named.
    LeasesFrom(Option<WorkerId>, Digest),
    /// Give a stored object a name; when it was added is the driver's to say.
    AddData(DataView),
    /// Whether the cluster would take a data set: asked before its object is stored.
    CheckData(DataView),
    /// Take away a data set's name.
    RemoveData(DataName),
    /// Give a stored object of weights a name; when they were added is the driver's to say.
    AddModel(ModelView),
    /// Whether the cluster would take weights: asked before their object is stored.
    CheckModel(ModelView),
    /// Take away the name of weights.
    RemoveModel(ModelName),
}

/// What to do where an unfinished study of the submitted name exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnConflict {
    /// Resume it if its spec is equal; else refuse.
    #[default]
    Refuse,
    /// Resume it as it is.
    Resume,
    /// Start a new one under the next free name.
    Fresh,
}
