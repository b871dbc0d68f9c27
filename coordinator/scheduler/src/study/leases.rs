//! Leases begin and end.

use common::{
    checkpoint::Checkpoint,
    ids::{Attempt, TrialNumber},
    time::Timestamp,
    trial::TrialState,
};

use super::Study;
use crate::{
    event::Event,
    lease::{Lease, Work},
    trial::Trial,
};

impl Study {
    /// Gives a lease.
    pub(super) fn grant(&mut self, number: TrialNumber, lease: Lease) {
        let training = trains(&lease);
        self.clock.mark(lease.since, true);
        self.change(number, |trial| {
            trial.last_attempt = lease.attempt;
            trial.leases += 1;
            if training {
                trial.worker = Some(lease.worker.clone());
                trial.state = TrialState::Running;
            }
        });
        self.leases.insert(number, lease);
        self.update_to_be_evaluated(number);
    }

    /// Ends a lease with an event; a trial that trained waits for another.
    pub(super) fn close(&mut self, number: TrialNumber, attempt: Attempt, event: &Event) -> Option<Lease> {
        self.leases.get(&number).filter(|lease| lease.attempt == attempt)?;
        let lease = self.leases.remove(&number);
        self.change(number, |trial| {
            trial.closed = Some(Box::new(event.clone()));
            if trial.state == TrialState::Running {
                trial.state = TrialState::Pending;
            }
        });
        self.update_to_be_evaluated(number);
        lease
    }

    /// Ends a lease without a result, and counts it against the trial or its evaluation where it counts.
    pub(super) fn lose(&mut self, number: TrialNumber, attempt: Attempt, event: &Event) {
        let Some(lease) = self.close(number, attempt, event) else {
            return;
        };
        let died = matches!(event, Event::AttemptFailed { .. });
        let fruitless = !died && !lease.progressed;
        if died {
            self.failed_on.insert(lease.worker.clone());
            self.change(number, |trial| {
                trial.failed_on.insert(lease.worker.clone());
            });
        }
        if trains(&lease) {
            self.change(number, |trial| {
                trial.failures += u32::from(died);
                trial.losses += u32::from(fruitless);
            });
        } else {
            self.change(number, |trial| {
                trial.evaluation_losses.failures += u32::from(died);
                trial.evaluation_losses.losses += u32::from(fruitless);
            });
            self.update_to_be_evaluated(number);
        }
    }

    /// Goes back to the checkpoint before one that is damaged, and ends the lease that was to go on from it.
    pub(super) fn lose_checkpoint(&mut self, number: TrialNumber, checkpoint: Checkpoint, event: &Event) {
        if self.trial(number).is_none_or(|trial| trial.checkpoint != Some(checkpoint)) {
            return;
        }
        if let Some(lease) = self.lease(number) {
            self.close(number, lease.attempt, event);
        }
        self.change(number, Trial::fall_back);
    }

    /// Ends all leases, for good.
    pub(super) fn revoke(&mut self, at: Timestamp) {
        for number in std::mem::take(&mut self.leases).into_keys() {
            self.change(number, |trial| {
                if trial.state == TrialState::Running {
                    trial.state = TrialState::Pending;
                }
            });
        }
        self.queue.clear();
        self.mark(at);
    }

    /// Marks a time: the clock runs on while a lease is out and the study is not paused.
    pub(super) fn mark(&mut self, at: Timestamp) {
        self.clock.mark(at, !self.leases.is_empty() && !self.paused);
    }
}

/// Whether a lease is for training.
pub(super) fn trains(lease: &Lease) -> bool {
    matches!(lease.work, Work::Train { .. })
}

/// Whether a checkpoint lies before the end of a lease's training.
///
/// One at the very end is worth nothing without the metrics that were to be reported with it: a lease that went on
/// from it would have no epoch to train and nothing to measure. It is kept only by the result that names it.
pub(super) fn is_inside(lease: &Lease, checkpoint: &Checkpoint) -> bool {
    matches!(lease.work, Work::Train { to_epoch, .. } if checkpoint.epoch < to_epoch)
}
