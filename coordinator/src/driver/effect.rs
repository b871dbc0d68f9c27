//! What goes out: one commit, and what may be done once it is durable.

use std::{collections::BTreeSet, fmt, time::Duration};

use common::{
    checkpoint::Digest,
    hparams::Hparams,
    ids::{DataName, ModelName, StudyId, StudyName, WorkerId},
    study::StudySpec,
    time::Timestamp,
    view::{DataView, LeaseId, ModelView, StudyView, WorkerView},
};
use scheduler::Work;

use super::{RequestId, SessionId};
use crate::store::Commit;

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
    /// The data set as it is stored.
    Data(DataView),
    /// The data set is gone, and so should be this object, if one is named.
    DataRemoved(Option<Digest>),
    /// The weights as they are stored.
    Model(ModelView),
    /// The weights are gone, and so should be this object, if one is named.
    ModelRemoved(Option<Digest>),
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// An unfinished study has that name and another spec.
    #[error("{0}: --resume goes on with it as it is, --fresh starts a new one beside it")]
    Conflict(Conflict),
    /// The study of that name, or of that identity where none has it, does not run.
    #[error("study {0} has finished, so nothing of it runs")]
    NotRunning(String),
    /// Only studies whose training is over can be deleted.
    #[error("study {0} is not finished: stop it first (`rung study stop {0}`)")]
    NotFinished(StudyId),
    /// No such worker, or several: which of both, and who there is.
    #[error("{0}")]
    NoWorker(String),
    /// The data set of a study, or one that is added, cannot be used so.
    #[error("{0}")]
    Data(String),
    /// A data set of that name holds something else.
    #[error(
        "a data set is called {0} and has other content: use another name, or `rung data remove {0}` first"
    )]
    DataTaken(DataName),
    /// A study uses the data set.
    #[error("data set {0} is used by study {1}: delete that first (`rung study delete {1}`)")]
    DataUsed(DataName, String),
    /// The weights that a study begins with, or that are added, cannot be used so.
    #[error("{0}")]
    Model(String),
    /// Weights of that name hold something else.
    #[error(
        "weights are called {0} and have other content: use another name, or `rung model remove {0}` first"
    )]
    ModelTaken(ModelName),
    /// An unfinished study begins with the weights.
    #[error(
        "weights {0} are what the unfinished study {1} begins with: wait for it, or stop it (`rung study stop {1}`)"
    )]
    ModelUsed(ModelName, StudyName),
    /// The scheduler refused.
    #[error("{0}")]
    Scheduler(String),
    /// The store failed; what was asked for may be stored all the same.
    #[error("the store failed, and it is not known whether the change is stored: {0}")]
    Store(String),
    /// Nothing can be stored for now.
    #[error("the coordinator cannot store anything for now ({0}); it goes on by itself once that is mended")]
    Degraded(String),
    /// The coordinator is going away.
    #[error("the coordinator is stopping")]
    Stopping,
}

/// An unfinished study, and how another of its name differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The name.
    pub name: StudyName,
    /// Keys with the unfinished study's value and the other's; not all, where they are many.
    pub differences: Vec<String>,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, differences } = self;
        write!(f, "an unfinished study is called {name} and has another spec")?;
        if differences.is_empty() { Ok(()) } else { write!(f, " ({})", differences.join("; ")) }
    }
}

/// Why a worker's stream is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// Another process of this id lives: this one will never be taken.
    #[error("{0}; give it another with --id")]
    InUse(Holder),
    /// Another process of this id was heard a moment ago: this one is taken as soon as the other is found silent.
    #[error("{0}; waiting for a sign of life from it")]
    Unsure(Holder),
}

/// The process that is a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The worker's id.
    pub worker: WorkerId,
    /// Its host.
    pub host: String,
    /// When it came.
    pub since: Timestamp,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { worker, host, since } = self;
        write!(f, "worker id `{worker}` is in use by a worker on host {host} since {since}")
    }
}

/// What may be done once the group's commit is durable.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Tell a worker.
    Send(SessionId, ToWorker),
    /// End a worker's stream.
    Close(SessionId),
    /// End a worker's new stream, and say why it is not taken.
    Refuse(SessionId, NotTaken),
    /// Answer a request.
    Answer(RequestId, Result<Answer, Refused>),
    /// Tell watchers how a study stands.
    Publish(StudyView),
    /// Delete a study's objects: beside the driver, which may answer before they are gone.
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
    /// The seed of its order of samples.
    pub data_seed: u64,
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
