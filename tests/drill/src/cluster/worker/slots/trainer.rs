//! What a trainer does: fetch what it starts from, and train epoch by epoch.

use common::{
    checkpoint::{Checkpoint, Digest},
    view::LeaseId,
};
use coordinator::blobs::{ObjectKey, ObjectKind};
use worker::session::messages::{self, News};

use super::{super::delivery::Outcome, Stage};
use crate::{
    calls::{Call, Reply},
    training::{Epoch, Files, Training},
    world::World,
};

impl World {
    /// Brings a checkpoint's objects, from the cache or from the coordinator.
    pub(super) fn fetch(&mut self, index: usize, number: usize, (lease, checkpoint): (&LeaseId, Checkpoint)) {
        let keys = ObjectKey::of_checkpoint(&lease.study, lease.trial, &checkpoint);
        for (part, key) in keys.into_iter().enumerate() {
            let Some(process) = &mut self.workers[index].process else { return };
            let cached = process.cache.get(&key.digest).cloned();
            match (cached, &mut process.slots[number].work) {
                (Some(bytes), Some(work)) => work.fetched[part] = Some(bytes),
                _ => self.call((index, lease.clone(), key), None, Some(number)),
            }
        }
        self.have_fetched(index, number);
    }

    /// A slot's download has ended.
    pub(crate) fn fetched(&mut self, number: usize, call: Call, reply: Reply) {
        let index = call.worker;
        let Some(slot) = self.slot(index, number) else { return };
        let Some(work) = slot.work.as_mut().filter(|work| work.lease == call.lease) else { return };
        if !matches!(work.stage, Stage::Fetching) {
            return;
        }
        let intact = |bytes: &Vec<u8>| Digest::of(bytes) == call.key.digest;
        let reason = match reply {
            Reply::Bytes(bytes) if intact(&bytes) => {
                let part = usize::from(call.key.kind == ObjectKind::State);
                work.fetched[part] = Some(bytes);
                return self.have_fetched(index, number);
            }
            Reply::Bytes(_) => "checkpoint: object arrived damaged",
            _ => "checkpoint: the coordinator answers: not to be had",
        };
        self.finish_work(index, number, Outcome::Failed(reason.to_owned()), true);
    }

    fn have_fetched(&mut self, index: usize, number: usize) {
        let Some(work) = self.slot(index, number).and_then(|slot| slot.work.as_mut()) else { return };
        let (Some(checkpoint), [Some(weights), Some(state)]) = (work.needs(), work.fetched.clone()) else {
            return;
        };
        let files = Files { epoch: checkpoint.epoch, weights, state };
        match work.assignment.grant.work {
            messages::Work::Train { .. } => self.begin_training(index, number, Some(&files)),
            messages::Work::Evaluate { .. } => {
                work.stage = Stage::Scoring(files);
                let wait = self.dice.around(self.climate.epoch);
                self.step_later(index, number, wait);
            }
        }
    }

    pub(super) fn begin_training(&mut self, index: usize, number: usize, resume: Option<&Files>) {
        let Some(work) = self.slot(index, number).and_then(|slot| slot.work.as_mut()) else { return };
        let grant = &work.assignment.grant;
        match Training::begin(&grant.hparams, grant.trial_seed, resume) {
            Some(training) => {
                work.stage = Stage::Training(training);
                let wait = self.dice.around(self.climate.epoch);
                self.step_later(index, number, wait);
            }
            None => self.checks.fail("I11: a damaged checkpoint is trained on".to_owned()),
        }
    }

    pub(super) fn train(&mut self, index: usize, number: usize) {
        let (now, every) = (self.now(), self.climate.checkpoint_every);
        let Some(work) = self.slot(index, number).and_then(|slot| slot.work.as_mut()) else { return };
        let Stage::Training(training) = &mut work.stage else { return };
        let messages::Work::Train { to_epoch, .. } = work.assignment.grant.work else { return };
        let epoch = training.epoch();
        let (point, last) = match epoch {
            Epoch::Trained(point) => (point, point.epoch == to_epoch),
            Epoch::Stopped(point) => (point, true),
            Epoch::NotFinite(point) => {
                return self.finish_work(index, number, Outcome::NotFinite(point), true);
            }
            Epoch::Died => {
                let reason = "trainer was killed by its own fate".to_owned();
                return self.finish_work(index, number, Outcome::Failed(reason), false);
            }
        };
        let (files, best, lease) = (training.files(), training.best(), work.lease.clone());
        work.files = Some(files.clone());
        let due = now - work.saved >= every;
        work.saved = if due { now } else { work.saved };
        self.tell(index, lease.clone(), News::Epoch(point));
        if last {
            let early_stopped = matches!(epoch, Epoch::Stopped(_));
            let outcome = Outcome::Finished { last: point, best, files, early_stopped };
            return self.finish_work(index, number, outcome, true);
        }
        if due {
            self.deliver(index, &lease, Outcome::Checkpoint(files));
        }
        let wait = self.dice.around(self.climate.epoch);
        self.step_later(index, number, wait);
    }
}
