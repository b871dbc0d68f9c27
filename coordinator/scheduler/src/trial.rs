//! A trial: one configuration, and how far it has come.

use std::collections::BTreeSet;

use common::{
    checkpoint::Checkpoint,
    evaluation::Evaluation,
    hparams::Hparams,
    ids::{Attempt, TrialNumber, WorkerId},
    metrics::{Goal, TestMetrics},
    trial::TrialState,
};

use crate::{event::Event, rank::Standing};

/// Trainers that may die on one trial before it fails for good.
pub const MOST_FAILURES: u32 = 3;

/// Leases in a row that may be lost without a new durable epoch before a trial fails for good.
///
/// A lost worker is never a trial's fault; a trial that takes five workers with it, one after another, is the likely
/// cause, and without this limit it would take all the others too.
pub const MOST_LOSSES: u32 = 5;

/// Leases to evaluate a trial that brought nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct EvaluationLosses {
    /// Trainers that died on it.
    pub(crate) failures: u32,
    /// Leases that were lost.
    pub(crate) losses: u32,
}

/// A trial that has started.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Its number.
    pub number: TrialNumber,
    /// Its bracket, by its place in the plan.
    pub bracket: u32,
    /// The rung it is on, or ended on.
    pub rung: u32,
    /// Epochs trained, as far as a result or a durable checkpoint says; once it failed, as far as a result says.
    pub epochs: u32,
    /// Where it stands.
    pub state: TrialState,
    /// The objective's value at the last rung it finished; none before the first, and where it is not finite.
    pub value: Option<f64>,
    /// Validation loss beside the value.
    pub val_loss: Option<f64>,
    /// What it trains with.
    pub hparams: Hparams,
    /// Its own seed.
    pub seed: u64,
    /// The worker that holds or last held it.
    pub worker: Option<WorkerId>,
    /// The last lease's attempt; 0 before the first.
    pub last_attempt: Attempt,
    /// Leases given so far: fewer than its attempt once the store was restored from a backup.
    pub leases: u32,
    /// Its newest durable checkpoint; once it failed, that of its last finite result.
    pub checkpoint: Option<Checkpoint>,
    /// The durable checkpoint before the newest, which stands in for it where it is damaged.
    pub previous: Option<Checkpoint>,
    /// Whether early stopping has ended its training; its value and checkpoint stand for every later rung.
    pub early_stopped: bool,
    /// What its checkpoint scores, once evaluated.
    pub evaluation: Option<Evaluation>,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// The last rung at which it has a finite result.
    pub(crate) finished_rung: Option<u32>,
    /// The checkpoint of that result.
    pub(crate) result_checkpoint: Option<Checkpoint>,
    /// Epochs trained by results that count.
    pub(crate) charged: u32,
    /// Trainers that died on it.
    pub(crate) failures: u32,
    /// The workers that they were of.
    pub(crate) failed_on: BTreeSet<WorkerId>,
    /// Leases lost in a row without a new durable epoch.
    pub(crate) losses: u32,
    /// Leases to evaluate it that brought nothing.
    pub(crate) evaluation_losses: EvaluationLosses,
    /// What an epoch of it costs, in proportion to other trials.
    pub(crate) cost: u64,
    /// What an epoch of a trial cost on average when it last began to wait for a lease.
    pub(crate) usual_cost: u64,
    /// The event that ended its last lease, by which a repeated message is recognised.
    pub(crate) closed: Option<Box<Event>>,
}

impl Trial {
    /// A trial that was just drawn.
    pub(crate) fn new(number: TrialNumber, bracket: u32, hparams: Hparams, seed: u64, cost: u64) -> Self {
        Self {
            number,
            bracket,
            rung: 0,
            epochs: 0,
            state: TrialState::Pending,
            value: None,
            val_loss: None,
            hparams,
            seed,
            worker: None,
            last_attempt: Attempt(0),
            leases: 0,
            checkpoint: None,
            previous: None,
            early_stopped: false,
            evaluation: None,
            failure: None,
            finished_rung: None,
            result_checkpoint: None,
            charged: 0,
            failures: 0,
            failed_on: BTreeSet::new(),
            losses: 0,
            evaluation_losses: EvaluationLosses::default(),
            cost,
            usual_cost: cost,
            closed: None,
        }
    }

    /// What its checkpoint scores on the test part, once evaluated.
    pub fn test(&self) -> Option<TestMetrics> {
        self.evaluation.map(|evaluation| evaluation.test.metrics)
    }

    /// Whether its evaluation has a result, or no hope of one.
    pub(crate) fn is_evaluated(&self) -> bool {
        let EvaluationLosses { failures, losses } = self.evaluation_losses;
        self.evaluation.is_some() || failures >= MOST_FAILURES || losses >= MOST_LOSSES
    }

    /// Epochs that need not be trained again.
    pub fn durable_epochs(&self) -> u32 {
        self.checkpoint.map_or(0, |checkpoint| checkpoint.epoch)
    }

    /// Whether a worker on which it has failed is not to have it: where the machine is to blame it would fail there again and
    /// again, for a machine that fails has always room. Not where none of the others is any better.
    pub(crate) fn is_withheld(&self, worker: &WorkerId, others: &BTreeSet<WorkerId>) -> bool {
        self.failed_on.contains(worker) && !others.is_subset(&self.failed_on)
    }

    /// Epochs trained since its last result, while it trains or waits to.
    pub(crate) fn ahead(&self) -> u32 {
        match self.state {
            TrialState::Pending | TrialState::Running => self.epochs.saturating_sub(self.charged),
            TrialState::Paused | TrialState::Completed | TrialState::Stopped | TrialState::Failed => 0,
        }
    }

    /// The place of its last finite result among others.
    pub(crate) fn standing(&self, goal: Goal) -> Option<Standing> {
        Some(Standing::new(goal, self.value?, self.val_loss.unwrap_or(f64::NAN), self.number))
    }

    /// Takes the checkpoint of a result: it counts even where an equally old one is there.
    pub(crate) fn keep_result_checkpoint(&mut self, checkpoint: Checkpoint) {
        if let Some(before) = self.checkpoint.replace(checkpoint).filter(|before| *before != checkpoint) {
            self.previous = Some(before);
        }
    }

    /// Goes back to the checkpoint before a damaged one.
    pub(crate) fn fall_back(&mut self) {
        self.checkpoint = self.previous.take();
        self.epochs = self.charged.max(self.durable_epochs());
    }

    /// Takes a checkpoint if it is newer than the one there is, and says so.
    pub(crate) fn advance(&mut self, checkpoint: Checkpoint) -> bool {
        let newer = checkpoint.epoch > self.durable_epochs();
        if newer {
            self.previous = self.checkpoint.replace(checkpoint);
            self.epochs = checkpoint.epoch;
            self.losses = 0;
        }
        newer
    }
}
