//! Leases for a worker that has room.

use std::collections::BTreeSet;

use common::{
    ids::{Attempt, TrialNumber, WorkerId},
    time::Timestamp,
    view::StudyPhase,
};

use super::Study;
use crate::{
    event::Event,
    lease::Work,
    queue::Place,
    sampler::{self, Used},
    trial::Trial,
};

impl Study {
    /// The events that give a worker up to `most` leases.
    pub(super) fn grants(
        &self,
        now: Timestamp,
        (worker, others): (&WorkerId, &BTreeSet<WorkerId>),
        most: u32,
    ) -> Vec<Event> {
        match self.phase() {
            StudyPhase::Running => self.training_grants(now, (worker, others), most),
            StudyPhase::Evaluating => self.evaluation_grants(now, (worker, others), most),
            StudyPhase::Paused | StudyPhase::Finished => Vec::new(),
        }
    }

    /// Leases to train, drawn trials and new ones merged in the order of their places.
    fn training_grants(
        &self,
        now: Timestamp,
        (worker, others): (&WorkerId, &BTreeSet<WorkerId>),
        most: u32,
    ) -> Vec<Event> {
        let mut events = Vec::new();
        let mut granted = 0;
        let withheld =
            |place: &Place| self.trial(place.trial).is_some_and(|trial| trial.is_withheld(worker, others));
        let mut waiting = self.queue.iter().filter(|place| !withheld(place)).peekable();
        let mut undrawn = self.undrawn().map(TrialNumber).peekable();
        let mut used = Used::new(&self.drawn);
        while granted < most {
            let new = undrawn.peek().and_then(|number| self.undrawn_place(*number));
            let drawn = waiting.next_if(|place| new.is_none_or(|new| *place < new));
            if let Some(trial) = drawn.and_then(|place| self.trial(place.trial)) {
                events.push(self.training_grant(now, worker, trial));
            } else if let Some(Place { trial, .. }) = new {
                let Some((hparams, seed)) = sampler::draw(&self.spec, trial, &mut used) else {
                    events.push(Event::DrawsEnded { from: trial });
                    break;
                };
                undrawn.next();
                events.push(Event::Drawn { trial, hparams, seed });
                let to_epoch = self.rung_epochs(self.bracket_of(trial), 0);
                let work = Work::Train { from_epoch: 0, to_epoch, resume: None };
                events.push(self.granted(now, worker, (trial, Attempt(0)), work));
            } else {
                break;
            }
            granted += 1;
        }
        events
    }

    /// A lease that trains a trial to its rung's end.
    fn training_grant(&self, now: Timestamp, worker: &WorkerId, trial: &Trial) -> Event {
        let work = Work::Train {
            from_epoch: trial.durable_epochs(),
            to_epoch: self.rung_epochs(trial.bracket, trial.rung),
            resume: trial.checkpoint,
        };
        self.granted(now, worker, (trial.number, trial.last_attempt), work)
    }

    /// A lease of a trial, given its last attempt: the one after that, above all that a restored store may have given.
    pub(super) fn granted(
        &self,
        now: Timestamp,
        worker: &WorkerId,
        (trial, last): (TrialNumber, Attempt),
        work: Work,
    ) -> Event {
        let attempt = last.max(self.attempt_floor).next();
        Event::Granted { trial, attempt, worker: worker.clone(), work, at: now }
    }

    /// The place of a trial that is not drawn yet.
    fn undrawn_place(&self, trial: TrialNumber) -> Option<Place> {
        let bracket = self.plan.bracket_of(trial)?;
        Some(self.queue.undrawn(trial, &self.plan.brackets()[bracket]))
    }

    /// The bracket of a trial's number.
    pub(super) fn bracket_of(&self, trial: TrialNumber) -> u32 {
        self.plan.bracket_of(trial).unwrap_or_default() as u32
    }

    /// Epochs at the end of a rung, in total.
    pub(super) fn rung_epochs(&self, bracket: u32, rung: u32) -> u32 {
        self.plan.rung_epochs(bracket, rung)
    }
}
