//! Studies, trials and workers as readers see them: what rows, messages and tables show.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

use crate::{
    checkpoint::Checkpoint,
    evaluation::Evaluation,
    hparams::Hparams,
    ids::{Attempt, DataName, ModelName, StudyId, StudyName, TrialNumber, WorkerId},
    metrics::{Goal, Metric, TestMetrics},
    study::{DataFacts, StudySpec},
    time::Timestamp,
    trial::TrialState,
    weights::WeightsFacts,
};

/// Where a study stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StudyPhase {
    /// Trials are leased.
    Running,
    /// Nothing new is leased until it is resumed.
    Paused,
    /// Training is over; checkpoints are evaluated on the validation and the test part: the best one, or with
    /// `evaluate: all` that of every completed trial.
    Evaluating,
    /// Over.
    Finished,
}

impl StudyPhase {
    /// All phases.
    pub const ALL: [Self; 4] = [Self::Running, Self::Paused, Self::Evaluating, Self::Finished];

    /// The phase's name in output and storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Evaluating => "evaluating",
            Self::Finished => "finished",
        }
    }
}

impl fmt::Display for StudyPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The trial that leads a study.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Leader {
    /// Its number.
    pub trial: TrialNumber,
    /// Its objective's value.
    pub value: f64,
    /// Epochs it had trained then.
    pub epochs: u32,
    /// The state that has this value.
    pub checkpoint: Checkpoint,
}

/// Why a study's training ended before its plan did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// Its longest active time is over.
    MaxTime,
    /// A result reached its target.
    Target,
    /// Somebody asked for it.
    Requested,
}

impl EndReason {
    /// The reason in words, by the keys of a study file.
    pub fn words(self) -> &'static str {
        match self {
            Self::MaxTime => "its `budget.max_time` was over",
            Self::Target => "its `budget.target` was reached",
            Self::Requested => "it was stopped",
        }
    }
}

/// A study, in one line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StudyView {
    /// Its identity.
    pub id: StudyId,
    /// What people call it.
    pub name: StudyName,
    /// Where it stands.
    pub phase: StudyPhase,
    /// Whether it ran its whole plan; meaningful once finished.
    pub complete: bool,
    /// Why its training ended before its plan did, if it did.
    #[serde(default)]
    pub end_reason: Option<EndReason>,
    /// What is measured.
    pub metric: Metric,
    /// Which values are better.
    pub goal: Goal,
    /// Trials in the plan.
    pub trials: u32,
    /// Trials that have begun, counted by state in the order of [`TrialState::ALL`].
    pub states: [u32; 6],
    /// Epochs trained so far, as far as results and checkpoints say; of a finished study by results that count.
    pub epochs: u64,
    /// Epochs that the plan asks for.
    pub planned_epochs: u64,
    /// The best trial so far.
    pub best: Option<Leader>,
    /// When it was submitted.
    pub created: Timestamp,
    /// When it finished.
    pub finished: Option<Timestamp>,
    /// Leases that are out now.
    pub leases: u32,
    /// Time in which at least one lease was out, in milliseconds.
    pub active_ms: u64,
    /// What the best trial scores on the test part, once evaluated.
    pub test: Option<TestMetrics>,
    /// How often a checkpoint was measured on the test part.
    #[serde(default)]
    pub test_touches: u32,
}

impl StudyView {
    /// How many trials are in a state.
    pub fn count(&self, state: TrialState) -> u32 {
        TrialState::ALL.iter().zip(self.states).find(|(s, _)| **s == state).map_or(0, |(_, n)| n)
    }
}

/// A trial, in one line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialView {
    /// Its number.
    pub trial: TrialNumber,
    /// Its bracket, in the order of the plan.
    pub bracket: u32,
    /// The rung it is on, or ended on.
    pub rung: u32,
    /// Epochs trained, as far as a result or a checkpoint says.
    pub epochs: u32,
    /// Where it stands.
    pub state: TrialState,
    /// The objective's value at its last rung; none before the first, and where it is not finite.
    pub value: Option<f64>,
    /// What it trains with.
    pub hparams: Hparams,
    /// Its own seed.
    pub seed: u64,
    /// The worker that holds or last held it.
    pub worker: Option<WorkerId>,
    /// Leases given so far.
    pub attempts: u32,
    /// Its newest durable checkpoint.
    pub checkpoint: Option<Checkpoint>,
    /// Whether early stopping has ended its training.
    pub early_stopped: bool,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// What its checkpoint scores, once evaluated.
    #[serde(default)]
    pub evaluation: Option<Evaluation>,
}

/// The result of a study, so far or for good.
#[derive(Debug, Clone, PartialEq)]
pub struct BestView {
    /// The study.
    pub study: StudyView,
    /// What the study was asked to do.
    pub spec: StudySpec,
    /// Its best trial.
    pub trial: TrialView,
    /// Trainable parameters of its model.
    pub parameters: u64,
}

/// A data set in the cluster's store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataView {
    /// What people call it.
    pub name: DataName,
    /// What it is.
    pub facts: DataFacts,
    /// The packed object's size in bytes.
    pub size: u64,
    /// When it was added.
    pub created: Timestamp,
}

/// Weights in the cluster's store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelView {
    /// What people call them.
    pub name: ModelName,
    /// What they are.
    pub facts: WeightsFacts,
    /// The packed object's size in bytes.
    pub size: u64,
    /// When they were added.
    pub created: Timestamp,
}

/// What a worker trains on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct DeviceFacts {
    /// `cpu`, `cuda:0`, `mps` or `formula`.
    pub device: String,
    /// The processor's or graphics card's name.
    pub name: String,
    /// libtorch's version; empty without libtorch.
    pub libtorch: String,
    /// The instruction set that libtorch uses.
    #[serde(rename = "instructions")]
    pub capability: String,
    /// Memory in bytes; 0 where unknown.
    pub memory_bytes: u64,
    /// Host name.
    pub host: String,
}

/// The right to work on a trial, as workers name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct LeaseId {
    /// The study.
    pub study: StudyId,
    /// The trial.
    pub trial: TrialNumber,
    /// The fencing token.
    pub attempt: Attempt,
}

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}#{}", self.study, self.trial, self.attempt)
    }
}

/// A connected worker.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorkerView {
    /// Its id.
    pub worker: WorkerId,
    /// Where it trains.
    pub device: DeviceFacts,
    /// Trials that it trains at the same time.
    pub slots: u32,
    /// Leases that it holds.
    pub leases: Vec<LeaseId>,
    /// Whether it takes no new leases.
    pub draining: bool,
    /// Milliseconds since its last message.
    pub silent_ms: u64,
    /// Rung's version there.
    pub version: String,
    /// Data sets that it can open by itself; those of the cluster's store it fetches.
    pub data: BTreeSet<String>,
}
