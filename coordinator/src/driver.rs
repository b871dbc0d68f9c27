//! The driver: everything between a message and a stored decision.
//!
//! ```text
//!  gRPC handlers ──Input──► Machine ──Group { commit, effects }──► shell: store.commit(), then effects
//!                             │  ▲
//!                      Input  ▼  │ events
//!                          scheduler::Study
//! ```
//!
//! [`Machine`] is synchronous: inputs and the time go in; one [`Commit`] and the [`Effect`]s that may follow it come
//! out. It knows no clock, task, socket or file, so a simulation can run it as it is. The shell ([`run`]) is the thin part
//! that does: it takes what is waiting as one group, commits once, and only then acts and answers.

mod live_study;

mod machine;

mod roster;

mod shell;

#[cfg(test)]
mod tests;

pub use machine::Machine;
pub use shell::{Driver, SessionHandle, run};

use std::{collections::BTreeSet, time::Duration};

use common::{
    checkpoint::{Checkpoint, Digest},
    hparams::Hparams,
    ids::{StudyId, StudyName, WorkerId},
    metrics::{CurvePoint, Metrics, TestMetrics},
    study::StudySpec,
    view::{DeviceFacts, LeaseId, StudyView, WorkerView},
};
use scheduler::Work;

use crate::store::Commit;

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
    },
    /// The objective is not finite at this epoch.
    NotFinite(CurvePoint),
    /// The worker hands the lease back.
    Released(Option<Checkpoint>),
    /// The trainer died, hung or ran out of memory.
    Failed(String),
    /// The evaluation is done.
    Evaluated {
        /// Accuracy and loss.
        test: TestMetrics,
        /// The stored class probabilities.
        probabilities: Digest,
    },
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
    /// Whether a lease is current.
    Holds(LeaseId),
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

/// What a request is answered with.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The study was submitted.
    Submitted {
        /// The study.
        study: StudyView,
        /// Whether an unfinished one goes on.
        resumed: bool,
    },
    /// The study as it is now.
    Study(StudyView),
    /// The study is deleted.
    Deleted,
    /// Who is connected.
    Workers(Vec<WorkerView>),
    /// The worker was told to leave.
    Draining(WorkerId),
    /// Whether the lease is current.
    Holds(bool),
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// An unfinished study has that name and another spec.
    #[error(
        "an unfinished study is called {0} and has another spec: --resume goes on with it as it is, \
         --fresh starts a new one beside it"
    )]
    Conflict(StudyName),
    /// There is no such unfinished study.
    #[error("study {0} is not running: it is finished or unknown")]
    NotRunning(StudyId),
    /// Only finished studies can be deleted.
    #[error("study {0} is not finished: stop it first (`rung study stop {0}`)")]
    NotFinished(StudyId),
    /// No such worker, or several.
    #[error("no worker, or more than one, matches `{0}`: `rung worker list` shows them")]
    NoWorker(String),
    /// The scheduler refused.
    #[error("{0}")]
    Scheduler(String),
    /// The store failed; nothing has changed.
    #[error("the store failed and nothing was changed: {0}")]
    Store(String),
    /// The coordinator is going away.
    #[error("the coordinator is stopping")]
    Stopping,
}

/// What may be done once the group's commit is durable.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Tell a worker.
    Send(SessionId, ToWorker),
    /// End a worker's stream.
    Close(SessionId),
    /// Answer a request.
    Answer(RequestId, Result<Answer, Refused>),
    /// Tell watchers how a study stands.
    Publish(StudyView),
    /// Delete a study's objects.
    DeleteObjects(StudyId),
}

/// What a worker can be told.
#[derive(Debug, Clone, PartialEq)]
pub enum ToWorker {
    /// Its Hello is answered.
    Welcome {
        /// How long a lease lives without a sign of life.
        lease: Duration,
        /// How often to give one.
        heartbeat: Duration,
        /// Of the leases it held: those that are still its.
        still_yours: Vec<LeaseId>,
    },
    /// A study that grants will name.
    Study(StudyId, Box<StudySpec>),
    /// New leases.
    Grants(Vec<Grant>),
    /// Reports are durable up to this batch.
    Ack(u64),
    /// Leases that are no longer its.
    Revoke(Vec<LeaseId>),
    /// Hand everything back and leave.
    Drain,
}

/// A lease and its work.
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    /// The lease.
    pub lease: LeaseId,
    /// What the trial trains with.
    pub hparams: Hparams,
    /// The trial's own seed.
    pub seed: u64,
    /// What to do.
    pub work: Work,
}

/// What came of a group of inputs.
#[derive(Debug, Default, PartialEq)]
pub struct Group {
    /// To be made durable first.
    pub commit: Commit,
    /// To be done then, in order.
    pub effects: Vec<Effect>,
    /// Sessions whose inputs are in the group: to be closed if the commit fails, so that their workers send again.
    pub sessions: BTreeSet<SessionId>,
}
