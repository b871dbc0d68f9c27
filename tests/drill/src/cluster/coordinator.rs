//! The coordinator's process: the real machine under a shell of virtual time, over disks that fail.
//!
//! The shell does what `coordinator::driver::run` does: one group, one commit, and only then effects and answers.

mod edge;
mod effects;
mod restores;
mod shell;
mod trouble;

use std::collections::BTreeMap;

use common::time::Timestamp;
use coordinator::{
    driver::{Group, Input, Machine, Report, RequestId, SessionId},
    store::Store as _,
};

use self::{restores::Backup, trouble::Trouble};
use crate::{
    disk::Disk,
    fault::Fault,
    objects::Objects,
    world::{Event, World},
};

/// The date at which everything begins: coordinators have been started at later ones and at earlier ones.
const BEGINNING: u64 = 1_700_000_000_000;

/// A coordinator's machine.
#[derive(Debug, Default)]
pub(crate) struct Coordinator {
    pub(crate) disk: Disk,
    pub(crate) objects: Objects,
    pub(crate) process: Option<Process>,
    /// How many processes there have been.
    pub(crate) life: u64,
    pub(crate) frozen: bool,
    /// What came while it was stopped.
    pub(crate) deferred: Vec<Event>,
    /// Spells of a full disk under way.
    pub(crate) full: u32,
    /// How the next commit ends, where it does not end well.
    pub(crate) fault: Option<Fault>,
    /// How far the date is off, and how far it was at most.
    skew: u64,
    furthest: u64,
    /// The latest backup.
    backup: Option<Backup>,
}

/// A coordinator's process.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) machine: Machine,
    /// The date at time zero.
    date: u64,
    inbox: Vec<Input>,
    /// The group whose commit is under way.
    busy: Option<(Group, Option<Fault>)>,
    /// Set while the store takes no commit.
    pub(crate) trouble: Option<Trouble>,
    /// The date of its start.
    started: Timestamp,
    /// When the next turn is, if one is due.
    turn: Option<u64>,
    /// Streams by session.
    pub(crate) sessions: BTreeMap<SessionId, u64>,
    requests: BTreeMap<RequestId, Asker>,
    /// Reports by the batch that brought them, until it is acknowledged.
    batches: BTreeMap<(SessionId, u64), Vec<Report>>,
    numbered: u64,
}

/// Who waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asker {
    /// A client, by its intent.
    Client(usize),
    /// An upload, by its call and attempt.
    Upload(u64, u32),
    /// A download, and the news that what it asks for is not to be had.
    Download(u64, u32),
    Lost(u64, u32),
}

impl Process {
    fn number(&mut self) -> u64 {
        self.numbered += 1;
        self.numbered
    }
}

impl World {
    /// The coordinator's process starts from what is stored.
    pub(crate) fn start_coordinator(&mut self) {
        if self.coordinator.process.is_some() {
            return;
        }
        self.coordinator.life += 1;
        let date = BEGINNING + self.coordinator.skew;
        let now = Timestamp(date + self.now());
        let stored = self.coordinator.disk.load().unwrap_or_default();
        let machine = match Machine::recover(stored, self.climate.lease, now) {
            Ok(machine) => machine,
            Err(error) => return self.checks.fail(format!("the log does not replay: {error}")),
        };
        self.coordinator.process = Some(Process {
            machine,
            date,
            inbox: Vec::new(),
            busy: None,
            trouble: None,
            started: now,
            turn: None,
            sessions: BTreeMap::new(),
            requests: BTreeMap::new(),
            batches: BTreeMap::new(),
            numbered: 0,
        });
        self.checks.recovered(self.agenda.now(), &self.coordinator);
        self.due(0);
    }

    /// The coordinator's process is gone. What it was writing may be stored or not.
    pub(crate) fn kill_coordinator(&mut self, power: bool) {
        let Some(process) = self.coordinator.process.take() else { return };
        if let Some((group, _)) = process.busy
            && self.dice.chance(500)
        {
            self.write(&group.commit);
        }
        if power {
            self.coordinator.disk.lose_power();
        }
        (self.coordinator.frozen, self.coordinator.fault) = (false, None);
        // The kernel forgets what nobody has read; people do not forget what they want.
        for event in std::mem::take(&mut self.coordinator.deferred) {
            if matches!(event, Event::Ask(_)) {
                self.later(0, event);
            }
        }
        for number in process.sessions.into_values() {
            if power {
                self.fall_silent(number);
            } else {
                self.close_coordinator_end(number);
            }
        }
    }

    /// Puts the date somewhere else; a running process does not see it.
    pub(crate) fn jump_date(&mut self) {
        self.coordinator.skew = self.dice.below(4 * 86_400_000);
        self.coordinator.furthest = self.coordinator.furthest.max(self.coordinator.skew);
    }

    /// The coordinator goes on.
    pub(crate) fn thaw_coordinator(&mut self) {
        if !std::mem::take(&mut self.coordinator.frozen) {
            return;
        }
        self.checks.forgive(self.agenda.now());
        for event in std::mem::take(&mut self.coordinator.deferred) {
            self.later(0, event);
        }
        self.due(0);
    }

    /// Something waits for the driver.
    pub(crate) fn input(&mut self, input: Input) {
        if let Some(process) = &mut self.coordinator.process {
            process.inbox.push(input);
            self.due(0);
        }
    }

    /// Asks the driver; the answer goes to whoever asked.
    pub(crate) fn request(&mut self, asker: Asker, request: coordinator::driver::Request) {
        if let Some(process) = &mut self.coordinator.process {
            let id = RequestId(process.number());
            process.requests.insert(id, asker);
            self.input(Input::Asked { id, request });
        }
    }

    /// Sees to it that a turn comes after a while, unless one comes sooner.
    fn due(&mut self, wait: u64) {
        let at = self.now() + wait;
        let life = self.coordinator.life;
        let Some(process) = &mut self.coordinator.process else { return };
        if process.turn.is_none_or(|turn| turn > at) {
            process.turn = Some(at);
            self.later(wait, Event::Turn(life));
        }
    }
}
