//! Turn by turn: one group, one commit, and only then effects and answers.

use std::collections::BTreeSet;

use common::{ids::StudyId, time::Timestamp};
use coordinator::{
    driver::{Effect, Group},
    store::{Commit, Store as _},
};

use crate::{
    fault::Fault,
    world::{Event, World},
};

impl World {
    /// The driver takes what is waiting.
    pub(crate) fn turn(&mut self, life: u64) {
        let now = self.now();
        let Some(process) = self.coordinator.process.as_mut().filter(|_| self.coordinator.life == life)
        else {
            return;
        };
        if process.turn.is_none_or(|turn| turn > now) {
            return;
        }
        process.turn = None;
        if process.busy.is_some() {
            return;
        }
        let inputs = std::mem::take(&mut process.inbox);
        let group = process.machine.handle(Timestamp(process.date + now), inputs);
        if group.commit.is_empty() {
            self.act(group.effects);
            return self.rest();
        }
        process.busy = Some((group, None));
        let (mut wait, fault) = (self.dice.between(self.climate.commit), self.coordinator.fault.take());
        match fault {
            Some(Fault::CommitDelay) => {
                wait = self.dice.between((500, 8_000));
                // A driver that was held up gives everybody the time that it was.
                self.checks.forgive(now + wait);
            }
            Some(fault) => self.promise(fault),
            None => {}
        }
        self.later(wait, Event::Committed(life));
    }

    fn promise(&mut self, fault: Fault) {
        if let Some(process) = &mut self.coordinator.process
            && let Some(busy) = &mut process.busy
        {
            busy.1 = Some(fault);
        }
    }

    /// A commit has ended, well or not.
    pub(crate) fn committed(&mut self, life: u64) {
        if self.coordinator.life != life {
            return;
        }
        let Some(process) = &mut self.coordinator.process else { return };
        let Some((group, fault)) = process.busy.take() else { return };
        let full = self.coordinator.full > 0;
        match fault {
            _ if full => self.roll_back(&group),
            Some(Fault::CommitError) => self.roll_back(&group),
            Some(Fault::CommitThenError) => {
                self.write(&group.commit);
                self.roll_back(&group);
            }
            _ => {
                self.write(&group.commit);
                self.checks.stands(&self.coordinator);
                self.act(group.effects);
            }
        }
        self.rest();
    }

    pub(super) fn write(&mut self, commit: &Commit) {
        if let Err(error) = self.coordinator.disk.commit(commit) {
            return self.checks.fail(format!("the store refuses a commit: {error}"));
        }
        self.trace.note(self.agenda.now(), &commit.events);
        self.checks.committed(self.agenda.now(), commit, &self.coordinator.objects);
    }

    /// Goes back to what is stored; whoever had a part in the group is cut off.
    fn roll_back(&mut self, group: &Group) {
        let Some(process) = &mut self.coordinator.process else { return };
        let events = group.commit.events.iter().map(|(study, ..)| study.clone());
        let studies: BTreeSet<StudyId> = events.chain(group.commit.deleted.iter().cloned()).collect();
        let now = Timestamp(process.date + self.agenda.now());
        for study in studies {
            let log = self.coordinator.disk.log(&study).unwrap_or_default();
            if let Err(error) = process.machine.restore(study, &log, now) {
                return self.checks.fail(format!("the log does not replay: {error}"));
            }
        }
        self.checks.stands(&self.coordinator);
        // Leases of the study have a full term again.
        self.checks.forgive(self.agenda.now());
        let mut sessions = group.sessions.clone();
        for effect in &group.effects {
            match effect {
                Effect::Send(session, _) | Effect::Close(session) | Effect::Refuse(session, _) => {
                    sessions.insert(*session);
                }
                Effect::Answer(id, _) => self.answer_failed(*id),
                Effect::Publish(_) | Effect::DeleteObjects(_) => {}
            }
        }
        sessions.into_iter().for_each(|session| self.close_session(session));
    }

    /// Waits for what comes in, or for the machine's deadline.
    fn rest(&mut self) {
        let now = self.now();
        let Some(process) = &self.coordinator.process else { return };
        if !process.inbox.is_empty() {
            return self.due(0);
        }
        if let Some(deadline) = process.machine.next_deadline() {
            let wait = deadline.0.saturating_sub(process.date + now);
            self.due(wait);
        }
    }
}
