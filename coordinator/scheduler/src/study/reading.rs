//! What there is to read of a study.

use std::time::Duration;

use common::{
    checkpoint::Checkpoint,
    ids::{TrialNumber, WorkerId},
    study::StudySpec,
    time::Timestamp,
    trial::TrialState,
    view::{EndReason, StudyPhase},
};

use super::{Best, Study};
use crate::{
    bracket::Bracket,
    lease::{Lease, Work},
    plan::Plan,
    trial::Trial,
};

impl Study {
    /// What was asked for.
    pub fn spec(&self) -> &StudySpec {
        &self.spec
    }

    /// Brackets, rungs and trial numbers.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// When it was submitted.
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// Where it stands.
    pub fn phase(&self) -> StudyPhase {
        match (self.finished, self.paused) {
            (Some(_), _) => StudyPhase::Finished,
            (None, true) => StudyPhase::Paused,
            (None, false) if self.is_training() => StudyPhase::Running,
            (None, false) => StudyPhase::Evaluating,
        }
    }

    /// A trial, if it has started.
    pub fn trial(&self, number: TrialNumber) -> Option<&Trial> {
        self.trials.get(number.0 as usize)
    }

    /// The trials that have started, in the order of their numbers.
    pub fn trials(&self) -> impl Iterator<Item = &Trial> {
        self.trials.iter()
    }

    /// How many trials that have started are in each state, in the order of [`TrialState::ALL`].
    pub fn states(&self) -> [u32; TrialState::ALL.len()] {
        self.states
    }

    /// The brackets, in the order of the plan.
    pub fn brackets(&self) -> &[Bracket] {
        &self.brackets
    }

    /// The leases that are out, by trial.
    pub fn leases(&self) -> impl Iterator<Item = (TrialNumber, &Lease)> {
        self.leases.iter().map(|(trial, lease)| (*trial, lease))
    }

    /// How many leases are out.
    pub fn lease_count(&self) -> usize {
        self.leases.len()
    }

    /// The lease that is out on a trial.
    pub fn lease(&self, trial: TrialNumber) -> Option<&Lease> {
        self.leases.get(&trial)
    }

    /// How many leases could be given now, at most.
    ///
    /// It may be too high where constraints exhaust the space: then the next request for a lease tells. And some may be withheld
    /// from a worker that they have failed on.
    pub fn leasable(&self) -> u32 {
        match self.phase() {
            StudyPhase::Running => self.queue.len() as u32 + self.undrawn().len() as u32,
            StudyPhase::Evaluating => self.evaluable(),
            StudyPhase::Paused | StudyPhase::Finished => 0,
        }
    }

    /// Whether an attempt has failed on a worker, of whatever trial.
    pub fn has_failed_on(&self, worker: &WorkerId) -> bool {
        self.failed_on.contains(worker)
    }

    /// When the next [`crate::Input::Tick`] is due; none while no lease is out.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.clock.next_deadline(self.is_training())
    }

    /// Whether a [`crate::Input::Tick`] is due: at the deadline, or because the last one was in what is now the future.
    pub fn is_tick_due(&self, now: Timestamp) -> bool {
        self.next_deadline().is_some_and(|deadline| deadline <= now) || self.clock.is_mark_due(now)
    }

    /// How long a lease has been out, pauses and downtime excluded.
    pub fn active(&self, now: Timestamp) -> Duration {
        self.clock.active(now)
    }

    /// Epochs trained by results that count: never more than the plan's, whatever was lost and repeated.
    pub fn epochs(&self) -> u64 {
        self.epochs
    }

    /// Epochs trained so far, also those since the last results, as far as checkpoints say. Once the study has finished
    /// these are the epochs of results alone: what was cut off is no part of it.
    pub fn trained_epochs(&self) -> u64 {
        if self.finished.is_some() { self.epochs } else { self.epochs + self.ahead }
    }

    /// Epochs that the plan asks for; none where the parent study has trained all trials.
    pub fn planned_epochs(&self) -> u64 {
        if self.spec.is_adopted() { 0 } else { self.plan.epochs_resumed() }
    }

    /// How often a checkpoint was measured on the test part.
    pub fn test_touches(&self) -> u32 {
        self.test_touches
    }

    /// The trial whose result leads.
    pub fn best(&self) -> Option<&Trial> {
        self.best.and_then(|best| self.trial(best.trial))
    }

    /// The result that leads.
    pub fn best_result(&self) -> Option<&Best> {
        self.best.as_ref()
    }

    /// A trial's checkpoints that may still be asked for: by its next lease, or by whoever wants its model.
    ///
    /// All others may be deleted: those of stopped and failed trials, and those that newer ones replace. A trial that may
    /// still train keeps the one before its newest too, for the newest may turn out to be damaged.
    pub fn kept(&self, number: TrialNumber) -> Vec<Checkpoint> {
        let leads = self.best.filter(|best| best.trial == number).map(|best| best.checkpoint);
        let leased = self.lease(number).and_then(|lease| match lease.work {
            Work::Train { resume, .. } => resume,
            Work::Evaluate { checkpoint } => Some(checkpoint),
        });
        let trial = self.trial(number);
        let lives = trial.filter(|trial| !matches!(trial.state, TrialState::Stopped | TrialState::Failed));
        let trains = lives.filter(|trial| !trial.state.is_final());
        let own = lives.and_then(|trial| trial.checkpoint);
        let before = trains.and_then(|trial| trial.previous);
        let mut kept: Vec<_> = [leads, leased, own, before].into_iter().flatten().collect();
        kept.sort();
        kept.dedup();
        kept
    }

    /// Whether a trial's checkpoint is one of those that are [`kept`](Self::kept).
    pub fn needs(&self, trial: TrialNumber, checkpoint: &Checkpoint) -> bool {
        self.kept(trial).contains(checkpoint)
    }

    /// Why training ended before the plan did, if it did.
    pub fn ended(&self) -> Option<EndReason> {
        self.ended
    }

    /// Whether the whole plan was run; none before the study has finished.
    pub fn complete(&self) -> Option<bool> {
        self.finished.map(|ending| ending.complete)
    }

    /// When it finished.
    pub fn finished(&self) -> Option<Timestamp> {
        self.finished.map(|ending| ending.at)
    }

    /// Whether results can still come.
    pub(super) fn is_training(&self) -> bool {
        self.ended.is_none() && (self.open > 0 || !self.unsettled.is_empty())
    }

    /// Numbers of trials that may still start.
    pub(super) fn undrawn(&self) -> std::ops::Range<u32> {
        self.trials.len() as u32..self.trials_end
    }
}
