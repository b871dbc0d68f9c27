//! The degraded mode, as the driver's shell has it: while the store takes no commit nothing is decided, nobody loses
//! anything, and it is tried again.

use std::collections::BTreeSet;

use common::{ids::StudyId, time::Timestamp};
use coordinator::{
    driver::{Effect, Group, Input, SessionId},
    store::Store as _,
};

use crate::world::World;

/// First and longest wait before the store is tried again, in milliseconds.
const WAITS: (u64, u64) = (100, 2_000);

/// A store that takes no commit.
#[derive(Debug)]
pub(crate) struct Trouble {
    /// When it is tried again.
    pub(super) retry_at: u64,
    wait: u64,
    /// Studies that are ahead of what is stored.
    ahead: BTreeSet<StudyId>,
    /// Whether they are not any more.
    restored: bool,
    /// Sessions whose messages were not taken.
    unheard: BTreeSet<SessionId>,
}

impl World {
    /// Takes back what a failed commit was about; whoever had a part in it is cut off once the store is back.
    pub(super) fn roll_back(&mut self, group: &Group) {
        let events = group.commit.events.iter().map(|(study, ..)| study.clone());
        let ahead = events.chain(group.commit.deleted.iter().cloned()).collect();
        let mut unheard = group.sessions.clone();
        for effect in &group.effects {
            match effect {
                Effect::Send(session, _) | Effect::Close(session) | Effect::Refuse(session, _) => {
                    unheard.insert(*session);
                }
                Effect::Answer(id, _) => self.answer_failed(*id),
                Effect::Publish(_) | Effect::DeleteObjects(_) => {}
            }
        }
        let retry_at = self.now();
        let Some(process) = &mut self.coordinator.process else { return };
        process.trouble = Some(Trouble { retry_at, wait: WAITS.0, ahead, restored: false, unheard });
        self.mend_store();
    }

    /// Takes inputs while nothing can be committed.
    pub(super) fn hold(&mut self, inputs: Vec<Input>) {
        let now = self.now();
        let Some(process) = &mut self.coordinator.process else { return };
        let Some(trouble) = &mut process.trouble else { return };
        // What it still holds is not known; it comes again.
        let unknown = |input: &Input| matches!(input, Input::Connected { .. }) && !trouble.restored;
        let (turned_away, heard): (Vec<Input>, Vec<Input>) = inputs.into_iter().partition(unknown);
        let group = process.machine.hold(Timestamp(process.date + now), heard, "the disk is full");
        trouble.unheard.extend(group.sessions);
        for input in turned_away {
            if let Input::Connected { session, .. } = input {
                self.close_session(session);
            }
        }
        self.act(group.effects);
    }

    /// Tries whether the store takes commits again, and goes on from what it holds.
    pub(super) fn mend_store(&mut self) {
        let full = self.coordinator.full > 0;
        // Now and then it cannot even be read, and fails once more although there is room.
        let readable = !self.stormy || !self.dice.chance(200);
        let writable = !full && (!self.stormy || !self.dice.chance(200));
        if readable {
            self.restore();
        }
        let now = self.now();
        let Some(process) = &mut self.coordinator.process else { return };
        if readable && writable {
            let Some(trouble) = process.trouble.take() else { return };
            process.machine.hung_up(Timestamp(process.date + now), &trouble.unheard);
            trouble.unheard.into_iter().for_each(|session| self.close_session(session));
            self.checks.forgive(now);
        } else if let Some(trouble) = &mut process.trouble {
            trouble.retry_at = now + trouble.wait;
            trouble.wait = (trouble.wait * 2).min(WAITS.1);
        }
    }

    /// Goes back to what is stored.
    fn restore(&mut self) {
        let now = self.now();
        let Some(process) = &mut self.coordinator.process else { return };
        let Some(trouble) = &mut process.trouble else { return };
        trouble.restored = true;
        for study in &trouble.ahead {
            let log = self.coordinator.disk.log(study).unwrap_or_default();
            let at = Timestamp(process.date + now);
            if let Err(error) = process.machine.restore(study.clone(), &log, at) {
                return self.checks.fail(format!("the log does not replay: {error}"));
            }
        }
        self.checks.stands(&self.coordinator);
    }
}
