//! Turn by turn: one group, one commit, and only then effects and answers.

use common::time::Timestamp;
use coordinator::store::{Commit, Store as _};

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
        if process.trouble.as_ref().is_some_and(|trouble| trouble.retry_at <= now) {
            self.mend_store();
        }
        let Some(process) = &mut self.coordinator.process else { return };
        let inputs = std::mem::take(&mut process.inbox);
        if process.trouble.is_some() {
            self.hold(inputs);
            return self.rest();
        }
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
                self.collect();
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

    /// Deletes what nobody can ask for any more: now and then, because it may be deleted at any time.
    fn collect(&mut self) {
        let Some(process) = &self.coordinator.process else { return };
        if self.dice.chance(300) {
            let found = self.coordinator.objects.found();
            let superfluous = process.machine.garbage(&found, process.started);
            superfluous.iter().for_each(|key| self.coordinator.objects.delete(key));
        }
    }

    /// Waits for what comes in, or for the machine's deadline.
    fn rest(&mut self) {
        let now = self.now();
        let Some(process) = &self.coordinator.process else { return };
        if !process.inbox.is_empty() {
            return self.due(0);
        }
        let deadline = process.machine.next_deadline().map(|at| at.0.saturating_sub(process.date));
        let deadline = process.trouble.as_ref().map_or(deadline, |trouble| Some(trouble.retry_at));
        if let Some(deadline) = deadline {
            self.due(deadline.saturating_sub(now));
        }
    }
}
