//! Which checkpoints are measured on the validation and the test part, and how far that has come.

use std::collections::BTreeSet;

use common::{
    checkpoint::Checkpoint,
    evaluation::Evaluation,
    ids::{TrialNumber, WorkerId},
    study::Evaluate,
    time::Timestamp,
    trial::TrialState,
};

use super::Study;
use crate::{
    event::{Event, ScoredBits},
    lease::{Lease, Work},
    trial::Trial,
};

impl Study {
    /// Leases to evaluate, once training is over.
    pub(super) fn evaluation_grants(
        &self,
        now: Timestamp,
        (worker, others): (&WorkerId, &BTreeSet<WorkerId>),
        most: u32,
    ) -> Vec<Event> {
        let grant = |(trial, checkpoint): (&Trial, Checkpoint)| {
            self.granted(now, worker, (trial.number, trial.last_attempt), Work::Evaluate { checkpoint })
        };
        let open = self.to_evaluate().filter(|(trial, _)| !trial.is_withheld(worker, others));
        open.take(most as usize).map(grant).collect()
    }

    /// Checkpoints that are to be measured and that nobody measures, once training is over: the best result's first.
    fn to_evaluate(&self) -> impl Iterator<Item = (&Trial, Checkpoint)> {
        let best = self.best.filter(|_| self.best_waits());
        let first = best.and_then(|best| Some((self.trial(best.trial)?, best.checkpoint)));
        let open = !self.is_training();
        let others = self
            .to_be_evaluated
            .iter()
            .filter(move |number| open && first.is_none_or(|(t, _)| t.number != **number));
        let others = others.filter_map(|number| self.trial(*number));
        first.into_iter().chain(others.filter_map(|trial| Some((trial, trial.checkpoint?))))
    }

    /// How many leases to evaluate could be given now.
    pub(super) fn evaluable(&self) -> u32 {
        if self.is_training() {
            return 0;
        }
        let beside = self.best.is_some_and(|best| !self.to_be_evaluated.contains(&best.trial));
        self.to_be_evaluated.len() as u32 + u32::from(beside && self.best_waits())
    }

    /// Whether something is still to be measured, or is being measured, once training is over.
    pub(super) fn waits_for_evaluation(&self) -> bool {
        !self.to_be_evaluated.is_empty() || !self.leases.is_empty() || self.best_waits()
    }

    /// Whether the best result is to be measured and nobody does it.
    fn best_waits(&self) -> bool {
        let trial = self.best();
        let waits = |trial: &Trial| !trial.is_evaluated() && !self.leases.contains_key(&trial.number);
        !self.is_training() && trial.is_some_and(waits)
    }

    /// Lets a trial wait to be measured where it is to be, or wait no longer.
    pub(super) fn update_to_be_evaluated(&mut self, number: TrialNumber) {
        if self.trial(number).is_some_and(|trial| self.awaits_evaluation(trial)) {
            self.to_be_evaluated.insert(number);
        } else {
            self.to_be_evaluated.remove(&number);
        }
    }

    /// Whether a trial is to be measured because it has completed, and nobody does it.
    pub(super) fn awaits_evaluation(&self, trial: &Trial) -> bool {
        self.spec.evaluate == Evaluate::All
            && trial.state == TrialState::Completed
            && !trial.is_evaluated()
            && !self.leases.contains_key(&trial.number)
    }

    /// Takes what a lease to evaluate has found: the test part was touched once more.
    pub(super) fn take_evaluation(
        &mut self,
        number: TrialNumber,
        lease: &Lease,
        (test, validation): (ScoredBits, Option<ScoredBits>),
    ) {
        let Work::Evaluate { checkpoint } = lease.work else { return };
        self.test_touches += 1;
        let (test, validation) = (test.into(), validation.map(Into::into));
        let evaluation = Evaluation { epoch: checkpoint.epoch, test, validation };
        self.change(number, |trial| trial.evaluation = Some(evaluation));
        self.update_to_be_evaluated(number);
    }
}
