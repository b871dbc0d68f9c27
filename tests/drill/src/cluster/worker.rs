//! A worker's machine: the real session under a supervisor of virtual time, and trainers that train by digests.

mod delivery;
mod link;
mod slots;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
    time::{Duration, Instant},
};

use anyhow::Result;
use common::{
    checkpoint::Digest,
    ids::WorkerId,
    view::{DeviceFacts, LeaseId},
};
use worker::session::{Action, Session, messages::Identity};

use self::{delivery::Delivery, slots::Slot};
use crate::{
    stream::Way,
    world::{Event, World},
};

/// Most messages on their way up; more wait in the session.
const ROOM: usize = 8;

/// A worker's machine.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) id: WorkerId,
    slots: u32,
    /// Which of its processes this is.
    pub(crate) incarnation: u64,
    pub(crate) process: Option<Process>,
    pub(crate) frozen: bool,
    /// What came while it was stopped.
    pub(crate) deferred: Vec<Event>,
    /// Partitions under way, by way.
    pub(crate) cuts: [u32; 2],
}

/// A worker's process.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) session: Session,
    stream: Option<u64>,
    welcomed: bool,
    /// The next wait before the coordinator is tried again, in milliseconds.
    wait: u64,
    /// When the session is looked after next.
    timer: Option<u64>,
    pub(crate) slots: Vec<Slot>,
    deliveries: BTreeMap<LeaseId, Delivery>,
    /// Leases whose work or delivery has not ended.
    leashed: BTreeSet<LeaseId>,
    /// Of these: leases that are to be handed back.
    handed: BTreeSet<LeaseId>,
    /// Objects at hand.
    cache: BTreeMap<Digest, Vec<u8>>,
}

impl Worker {
    /// A machine whose worker has not started.
    pub(crate) fn new(index: usize, slots: u32) -> Result<Self> {
        Ok(Self {
            id: format!("w{index}").parse()?,
            slots,
            incarnation: 0,
            process: None,
            frozen: false,
            deferred: Vec::new(),
            cuts: [0; 2],
        })
    }

    /// Whether nothing passes one way.
    pub(crate) fn is_cut(&self, way: Way) -> bool {
        self.cuts[way as usize] > 0
    }

    /// Its open stream.
    pub(crate) fn stream(&self) -> Option<u64> {
        self.process.as_ref()?.stream
    }

    /// Its open stream, once it is welcomed.
    pub(crate) fn welcomed(&self) -> Option<u64> {
        let process = self.process.as_ref()?;
        process.stream.filter(|_| process.welcomed)
    }
}

impl World {
    /// A worker's process starts.
    pub(crate) fn start_worker(&mut self, index: usize) {
        let now = self.now();
        let worker = &mut self.workers[index];
        if worker.process.is_some() {
            return;
        }
        worker.incarnation += 1;
        let identity = Identity {
            worker: worker.id.clone(),
            incarnation: worker.incarnation,
            device: DeviceFacts::default(),
            slots: worker.slots,
            data: Vec::new(),
        };
        worker.process = Some(Process {
            session: Session::new(instant(now), identity),
            stream: None,
            welcomed: false,
            wait: FIRST_WAIT,
            timer: None,
            slots: (0..worker.slots).map(|_| Slot::default()).collect(),
            deliveries: BTreeMap::new(),
            leashed: BTreeSet::new(),
            handed: BTreeSet::new(),
            cache: BTreeMap::new(),
        });
        for slot in 0..self.workers[index].slots as usize {
            self.respawn(index, slot);
        }
        let incarnation = self.workers[index].incarnation;
        self.later(0, Event::Connect(index, incarnation));
    }

    /// A worker's process is gone, and with it its trainers; it starts again after a while.
    pub(crate) fn end_worker(&mut self, index: usize, power: bool) {
        let worker = &mut self.workers[index];
        let Some(process) = worker.process.take() else { return };
        worker.frozen = false;
        worker.deferred.clear();
        if let Some(number) = process.stream {
            self.lose_calls(index, number);
            if let Some(stream) = self.streams.get_mut(&number) {
                stream.worker_open = false;
            }
            if power {
                self.look_after(number, crate::world::Place::Coordinator);
            } else {
                self.end_up(number);
            }
        }
        let wait = self.dice.between((500, 20_000));
        self.later(wait, Event::WorkerStart(index));
    }

    /// A worker goes on.
    pub(crate) fn thaw_worker(&mut self, index: usize) {
        if !std::mem::take(&mut self.workers[index].frozen) {
            return;
        }
        for event in std::mem::take(&mut self.workers[index].deferred) {
            self.later(0, event);
        }
    }

    /// The session of a worker that runs.
    pub(crate) fn session(&mut self, index: usize) -> Option<&mut Session> {
        self.workers[index].process.as_mut().map(|process| &mut process.session)
    }

    /// Carries out what a worker's session decides, and sends what it has to say.
    pub(crate) fn settle(&mut self, index: usize) {
        if self.workers[index].frozen {
            return;
        }
        loop {
            let Some(session) = self.session(index) else { return };
            let actions = session.actions();
            if actions.is_empty() {
                break;
            }
            for action in actions {
                match action {
                    Action::Start { slot, assignment } => self.order(index, slot, assignment),
                    Action::HandBack(lease) => self.hand_back(index, &lease),
                    Action::Abandon(lease) => self.abandon(index, &lease),
                    // All are of one release here.
                    Action::Complain { lease, reason } => panic!("lease {lease} makes no sense: {reason}"),
                }
            }
        }
        self.flush(index);
        let now = instant(self.now());
        if self.session(index).is_some_and(|session| session.is_over(now)) {
            return self.end_worker(index, false);
        }
        self.arm(index);
    }

    fn flush(&mut self, index: usize) {
        let now = instant(self.now());
        let Some(number) = self.workers[index].stream() else { return };
        while self.streams.get(&number).is_some_and(|stream| stream.up.items.len() < ROOM) {
            let Some(message) = self.session(index).and_then(|session| session.message(now)) else { return };
            self.send_up(number, message);
        }
    }

    /// Sees to it that the session is looked after at its deadline.
    fn arm(&mut self, index: usize) {
        let now = self.now();
        let incarnation = self.workers[index].incarnation;
        let Some(process) = &mut self.workers[index].process else { return };
        let Some(deadline) = process.session.deadline() else { return };
        let at = moment(deadline).max(now);
        if process.timer.is_none_or(|timer| timer > at) {
            process.timer = Some(at);
            self.later(at - now, Event::Timer(index, incarnation, at));
        }
    }

    /// The session's deadline has come.
    pub(crate) fn timer(&mut self, index: usize, incarnation: u64, at: u64) {
        let now = instant(self.now());
        let worker = &mut self.workers[index];
        let Some(process) = worker.process.as_mut().filter(|_| worker.incarnation == incarnation) else {
            return;
        };
        if process.timer == Some(at) {
            process.timer = None;
            process.session.timeout(now);
            self.settle(index);
        }
    }
}

/// First wait before the coordinator is tried again, in milliseconds.
const FIRST_WAIT: u64 = 100;

/// A virtual time as sessions see it. Only differences matter, so the beginning may be whenever the process began.
pub(crate) fn instant(now: u64) -> Instant {
    static BEGINNING: OnceLock<Instant> = OnceLock::new();
    *BEGINNING.get_or_init(|| Instant::now() + Duration::from_secs(60)) + Duration::from_millis(now)
}

/// The virtual time of an instant, rounded up.
fn moment(at: Instant) -> u64 {
    at.saturating_duration_since(instant(0)).as_micros().div_ceil(1000) as u64
}
