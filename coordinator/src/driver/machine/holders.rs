//! Whose a lease is: what a worker may touch follows from it.

use common::{
    checkpoint::Digest,
    ids::{StudyId, TrialNumber, WorkerId},
    study::StudySpec,
    view::LeaseId,
};
use scheduler::Work;

use super::Machine;

impl Machine {
    /// Whether a lease is current, and this worker's where one is named.
    pub(super) fn holds(&self, worker: Option<&WorkerId>, lease: &LeaseId) -> bool {
        let held = self.studies.get(&lease.study).and_then(|live| live.study().lease(lease.trial));
        held.is_some_and(|held| {
            held.attempt == lease.attempt && worker.is_none_or(|worker| held.worker == *worker)
        })
    }

    /// Whether a worker leases a trial.
    pub(super) fn leases(&self, worker: &WorkerId, study: &StudyId, trial: TrialNumber) -> bool {
        let held = self.studies.get(study).and_then(|live| live.study().lease(trial));
        held.is_some_and(|held| held.worker == *worker)
    }

    /// Whether an epoch is of a lease's work: so a trial has no more points of a curve than epochs to train.
    pub(super) fn trains(&self, lease: &LeaseId, epoch: u32) -> bool {
        let held = self.studies.get(&lease.study).and_then(|live| live.study().lease(lease.trial));
        held.is_some_and(|held| match held.work {
            Work::Train { from_epoch, to_epoch, .. } => from_epoch < epoch && epoch <= to_epoch,
            Work::Evaluate { .. } => false,
        })
    }

    /// Whether a worker leases a trial of a study that trains on this data.
    pub(super) fn leases_on(&self, worker: &WorkerId, data: Digest) -> bool {
        self.leases_where(worker, |spec| spec.data.object() == Some(data))
    }

    /// Whether a worker leases a trial of a study that begins with these weights.
    pub(super) fn leases_from(&self, worker: &WorkerId, weights: Digest) -> bool {
        self.leases_where(worker, |spec| spec.train.initial_object() == Some(weights))
    }

    fn leases_where(&self, worker: &WorkerId, asked: impl Fn(&StudySpec) -> bool) -> bool {
        let among = self.studies.values().filter(|live| asked(live.study().spec()));
        among.flat_map(|live| live.study().leases()).any(|(_, held)| held.worker == *worker)
    }
}
