//! Slots: one lease at a time, from the order to its end.

mod trainer;

use common::{checkpoint::Checkpoint, view::LeaseId};
use worker::session::{
    Assignment,
    messages::{self, News, Report},
};

use super::delivery::{Delivery, Outcome};
use crate::{
    training::{Files, Training},
    world::{Event, World},
};

/// Longest time without a step before a trainer is killed, in milliseconds.
const HANG: u64 = 60_000;
/// Longest time that an abandoned trial may go on before its trainer is killed.
const ABANDON: u64 = 10_000;

/// One slot.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// Whether its trainer is up.
    up: bool,
    /// Whether the session knows that it is free.
    announced: bool,
    /// An order that waits for the trainer.
    order: Option<Assignment>,
    pub(crate) work: Option<Work>,
    /// Grows with every stage: later ones make earlier steps pointless.
    token: u64,
}

/// A lease in work.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) lease: LeaseId,
    assignment: Assignment,
    stage: Stage,
    /// The files of the last epoch, where this lease has trained one.
    files: Option<Files>,
    /// When the last checkpoint was taken.
    saved: u64,
    /// Of a fetched checkpoint: weights, and state.
    fetched: [Option<Vec<u8>>; 2],
}

#[derive(Debug)]
enum Stage {
    Fetching,
    Training(Training),
    Scoring(Files),
    /// Asked to stop; with its files, or without.
    Stopping(bool),
    Hung,
}

impl Slot {
    /// Whether it has nothing to do, and could do something.
    pub(crate) fn is_idle(&self) -> bool {
        self.up && self.order.is_none() && self.work.is_none()
    }
}

impl Work {
    /// What it starts from.
    fn needs(&self) -> Option<Checkpoint> {
        match self.assignment.grant.work {
            messages::Work::Train { resume, .. } => resume,
            messages::Work::Evaluate { checkpoint } => Some(checkpoint),
        }
    }
}

impl World {
    fn slot(&mut self, index: usize, slot: usize) -> Option<&mut Slot> {
        self.workers[index].process.as_mut()?.slots.get_mut(slot)
    }

    /// A trainer starts.
    pub(super) fn respawn(&mut self, index: usize, slot: usize) {
        let wait = self.dice.between((50, 1_500));
        if let Some(slot) = self.slot(index, slot) {
            slot.up = false;
        }
        self.step_later(index, slot, wait);
    }

    /// A slot's trainer will be done with something after a while.
    fn step_later(&mut self, index: usize, number: usize, wait: u64) {
        let incarnation = self.workers[index].incarnation;
        let Some(slot) = self.slot(index, number) else { return };
        slot.token += 1;
        let token = slot.token;
        self.later(wait, Event::Step(index, incarnation, number, token));
    }

    /// The session gives a slot an order.
    pub(super) fn order(&mut self, index: usize, number: usize, assignment: Assignment) {
        let lease = assignment.grant.lease.clone();
        let Some(process) = &mut self.workers[index].process else { return };
        process.leashed.insert(lease.clone());
        process.deliveries.insert(lease, Delivery::default());
        let slot = &mut process.slots[number];
        let clash = slot.order.replace(assignment).is_some() || slot.work.is_some();
        let up = slot.up;
        if clash {
            self.checks.fail(format!("worker {index} gives slot {number} a second order"));
        }
        if up {
            self.begin_order(index, number);
        }
    }

    fn begin_order(&mut self, index: usize, number: usize) {
        let now = self.now();
        let Some(process) = &mut self.workers[index].process else { return };
        let Some(assignment) = process.slots[number].order.take() else { return };
        let lease = assignment.grant.lease.clone();
        let wanted = process.leashed.contains(&lease) && !process.handed.contains(&lease);
        let stage = Stage::Fetching;
        let work =
            Work { lease: lease.clone(), assignment, stage, files: None, saved: now, fetched: [None, None] };
        let needs = work.needs();
        (process.slots[number].work, process.slots[number].announced) = (Some(work), false);
        if !wanted {
            return self.finish_work(index, number, Outcome::Released(None), true);
        }
        match needs {
            None => self.begin_training(index, number, None),
            Some(checkpoint) => self.fetch(index, number, (&lease, checkpoint)),
        }
    }

    /// A slot's trainer is done with what it was at.
    pub(crate) fn trainer_step(&mut self, index: usize, (incarnation, number, token): (u64, usize, u64)) {
        if self.workers[index].incarnation != incarnation {
            return;
        }
        let Some(slot) = self.slot(index, number).filter(|slot| slot.token == token) else { return };
        if !std::mem::replace(&mut slot.up, true) {
            self.trainer_is_up(index, number);
            return self.settle(index);
        }
        let Some(work) = &mut slot.work else { return };
        match &mut work.stage {
            Stage::Training(_) => self.train(index, number),
            Stage::Scoring(files) => {
                let outcome = Outcome::Evaluated(files.clone());
                self.finish_work(index, number, outcome, true);
            }
            Stage::Stopping(save) => {
                let files = work.files.take().filter(|_| *save);
                self.finish_work(index, number, Outcome::Released(files), true);
            }
            Stage::Hung => {
                let reason = "trainer made no progress for 60 s".to_owned();
                self.finish_work(index, number, Outcome::Failed(reason), false);
            }
            Stage::Fetching => {}
        }
        self.settle(index);
    }

    fn trainer_is_up(&mut self, index: usize, number: usize) {
        let Some(process) = &mut self.workers[index].process else { return };
        if !std::mem::replace(&mut process.slots[number].announced, true) {
            process.session.slot_free(number);
        }
        self.begin_order(index, number);
    }

    /// A slot has nothing to do with its lease any more; the rest is its delivery's.
    fn finish_work(&mut self, index: usize, number: usize, outcome: Outcome, usable: bool) {
        let Some(slot) = self.slot(index, number) else { return };
        let Some(work) = slot.work.take() else { return };
        slot.token += 1;
        self.deliver(index, &work.lease, outcome);
        if usable {
            self.trainer_is_up(index, number);
        } else {
            self.respawn(index, number);
        }
    }

    /// The slot that works on a lease.
    fn slot_of(&self, index: usize, lease: &LeaseId) -> Option<usize> {
        let process = self.workers[index].process.as_ref()?;
        let works = |slot: &Slot| slot.work.as_ref().is_some_and(|work| work.lease == *lease);
        process.slots.iter().position(works)
    }

    /// Finishes the step, saves, hands the lease back.
    pub(super) fn hand_back(&mut self, index: usize, lease: &LeaseId) {
        let Some(process) = &mut self.workers[index].process else { return };
        if process.leashed.contains(lease) && process.handed.insert(lease.clone()) {
            self.stop_work(index, lease, true);
        }
    }

    /// Stops whatever is done for a lease.
    pub(super) fn abandon(&mut self, index: usize, lease: &LeaseId) {
        let Some(process) = &mut self.workers[index].process else { return };
        process.handed.remove(lease);
        process.deliveries.remove(lease);
        if process.leashed.remove(lease) {
            self.stop_work(index, lease, false);
        }
    }

    fn stop_work(&mut self, index: usize, lease: &LeaseId, save: bool) {
        let Some(number) = self.slot_of(index, lease) else { return };
        let wait = self.dice.between((1, 500));
        let Some(work) = self.slot(index, number).and_then(|slot| slot.work.as_mut()) else { return };
        match work.stage {
            Stage::Fetching => self.finish_work(index, number, Outcome::Released(None), true),
            Stage::Hung if save => {}
            Stage::Hung => self.step_later(index, number, ABANDON),
            _ => {
                work.stage = Stage::Stopping(save);
                self.step_later(index, number, wait);
            }
        }
    }

    /// Kills a trainer, or lets it hang; false where it has nothing to do.
    pub(crate) fn hurt_trainer(&mut self, index: usize, number: usize, hang: bool) -> bool {
        let Some(slot) = self.slot(index, number) else { return false };
        if !slot.up {
            return false;
        }
        let Some(work) = &mut slot.work else {
            // An idle one: the slot gets another, and nobody need know.
            self.respawn(index, number);
            return true;
        };
        if matches!(work.stage, Stage::Hung | Stage::Fetching) {
            return false;
        }
        let lease = work.lease.clone();
        if !self.checks.may_fail(&lease) {
            return false;
        }
        if hang {
            let Some(work) = self.slot(index, number).and_then(|slot| slot.work.as_mut()) else {
                return false;
            };
            // Who was told to stop for good is waited for no longer because it hangs.
            let abandoned = matches!(work.stage, Stage::Stopping(false));
            work.stage = Stage::Hung;
            self.step_later(index, number, if abandoned { ABANDON } else { HANG });
        } else {
            let reason = "trainer was killed by signal 9".to_owned();
            self.finish_work(index, number, Outcome::Failed(reason), false);
        }
        true
    }

    /// A lease's news reaches the session.
    pub(super) fn tell(&mut self, index: usize, lease: LeaseId, news: News) {
        let Some(process) = &mut self.workers[index].process else { return };
        if news.is_final() {
            process.leashed.remove(&lease);
            process.handed.remove(&lease);
            process.deliveries.remove(&lease);
        }
        process.session.reported(Report { lease, news });
    }

    /// Stops the work on a lease whose delivery has failed.
    pub(super) fn stop_failed(&mut self, index: usize, lease: &LeaseId) {
        self.stop_work(index, lease, false);
    }
}
