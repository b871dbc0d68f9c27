//! Which slots are free, and what waits for one.

use std::collections::{BTreeSet, VecDeque};

use common::view::LeaseId;

use super::action::{Action, Assignment};

/// The slots as the session sees them.
#[derive(Debug)]
pub(super) struct Slots {
    count: usize,
    free: BTreeSet<usize>,
    /// Granted, but no slot was free: credits and grants may cross on the wire.
    queue: VecDeque<Assignment>,
}

impl Slots {
    /// Slots whose trainers are not up yet.
    pub(super) fn new(count: u32) -> Self {
        Self { count: count as usize, free: BTreeSet::new(), queue: VecDeque::new() }
    }

    /// A slot has nothing to do.
    pub(super) fn free(&mut self, slot: usize) {
        self.free.insert(slot);
    }

    /// An assignment waits for a slot.
    pub(super) fn push(&mut self, assignment: Assignment) {
        self.queue.push_back(assignment);
    }

    /// Takes back a lease that has not begun.
    pub(super) fn forget(&mut self, lease: &LeaseId) {
        self.queue.retain(|assignment| assignment.grant.lease != *lease);
    }

    /// Takes back everything that has not begun.
    pub(super) fn take_waiting(&mut self) -> impl Iterator<Item = LeaseId> {
        self.queue.drain(..).map(|assignment| assignment.grant.lease)
    }

    /// Gives a free slot the assignment that has waited longest, if there are both.
    pub(super) fn start(&mut self) -> Option<Action> {
        let slot = *self.free.first()?;
        let assignment = self.queue.pop_front()?;
        self.free.remove(&slot);
        Some(Action::Start { slot, assignment })
    }

    /// How many more leases can be taken, of a worker that holds so many.
    pub(super) fn credits(&self, held: usize) -> u32 {
        let busy = self.count.saturating_sub(self.free.len());
        // A trainer is free while its last checkpoint is still being stored. Where storing is slower than training,
        // checkpoints must not pile up on the local disk.
        let ending = held.saturating_sub(self.queue.len() + busy);
        if ending > 2 * self.count {
            return 0;
        }
        self.free.len().saturating_sub(self.queue.len()) as u32
    }
}
