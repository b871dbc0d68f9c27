//! What a supervisor knows and decides, free of clock, network and processes.
//!
//! [`Session`] is a synchronous machine. What happened goes in with the time at which it happened (`opened`, `received`,
//! `lost`, `slot_free`, `reported`, `drain`, `timeout`); what is to be done comes out of `actions`, what is to be sent
//! out of `message`; `deadline` says when to call `timeout` and ask for messages again. It outlives every connection:
//! leases are held, and their reports kept, until the coordinator has them.

pub mod messages;

mod action;
pub use action::{Action, Assignment};

mod contact;
pub use contact::BLIND_SPOT;

mod outbox;

mod slots;

#[cfg(test)]
pub(crate) mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    iter, mem,
    sync::Arc,
    time::{Duration, Instant},
};

use common::{ids::StudyId, study::StudySpec, view::LeaseId};

use self::{
    contact::Contact,
    messages::{Grant, Identity, Incoming, News, Outgoing, Report, Unusable, Welcome},
    outbox::Outbox,
    slots::Slots,
};

/// How long a lease is kept whose work this worker cannot make sense of, as one of another release may: it goes back and counts
/// against nothing, but not at once, or the same one would come again and again.
const SENSELESS: Duration = Duration::from_secs(30);

/// Longest time that a drain waits for leases to be handed back.
const DRAIN: Duration = Duration::from_secs(25);

/// The worker's side of a session, over all its connections.
#[derive(Debug)]
pub struct Session {
    identity: Identity,
    contact: Contact,
    outbox: Outbox,
    /// Studies announced on this stream, or why their file cannot be used.
    studies: BTreeMap<StudyId, Result<Arc<StudySpec>, String>>,
    /// Leases whose end is not durable yet.
    held: BTreeSet<LeaseId>,
    slots: Slots,
    /// Leases whose work makes no sense here, and when they go back.
    senseless: BTreeMap<LeaseId, Instant>,
    /// Credits that the coordinator knows of; none where a grant may have used some of them up.
    told: Option<u32>,
    /// Leases that have come by this stream.
    granted: u64,
    /// Whether a sign of life is due.
    beat: bool,
    /// When a drain gives up; set once draining.
    drain: Option<Instant>,
    actions: Vec<Action>,
}

impl Session {
    /// A session of a worker that holds nothing and whose slots are not up yet.
    pub fn new(now: Instant, identity: Identity) -> Self {
        let slots = Slots::new(identity.slots);
        Self {
            identity,
            contact: Contact::new(now),
            outbox: Outbox::default(),
            studies: BTreeMap::new(),
            held: BTreeSet::new(),
            slots,
            senseless: BTreeMap::new(),
            told: None,
            granted: 0,
            beat: false,
            drain: None,
            actions: Vec::new(),
        }
    }

    /// What is to be done, in order; each action is returned once.
    pub fn actions(&mut self) -> Vec<Action> {
        mem::take(&mut self.actions)
    }

    /// The next message to send, if there is one.
    pub fn message(&mut self, now: Instant) -> Option<Outgoing> {
        if self.contact.greet() {
            let (identity, held) = (self.identity.clone(), self.held.iter().cloned().collect());
            return Some(Outgoing::Hello { identity, held });
        }
        if !self.contact.is_up() {
            return None;
        }
        let (credits, beat) = (self.credits(), mem::take(&mut self.beat));
        let credits_due = self.told != Some(credits);
        // Reports go before credits, so that what they decide is known when the free slot is filled; but a worker
        // that drains must not get back at once what it hands back.
        let reports = if credits_due && self.drain.is_some() { None } else { self.outbox.next() };
        let message = if let Some((sequence, reports)) = reports {
            Outgoing::Reports { sequence, reports }
        } else if credits_due {
            self.told = Some(credits);
            Outgoing::Credits { free: credits, granted: self.granted }
        } else if beat {
            Outgoing::Heartbeat
        } else {
            return None;
        };
        self.contact.sent(now);
        Some(message)
    }

    /// When [`timeout`](Self::timeout) is to be called next.
    pub fn deadline(&self) -> Option<Instant> {
        let fence = if self.held.is_empty() { None } else { self.contact.fence_at() };
        let senseless = self.senseless.values().min().copied();
        [fence, self.contact.heartbeat_at(), senseless, self.drain].into_iter().flatten().min()
    }

    /// Whether a drain is over: everything is handed back, or it took too long.
    pub fn is_over(&self, now: Instant) -> bool {
        self.drain.is_some_and(|limit| self.held.is_empty() || now >= limit)
    }

    /// Whether the coordinator has welcomed it on the stream that stands.
    pub(crate) fn is_welcome(&self) -> bool {
        self.contact.is_up()
    }

    /// Leases whose end is not durable yet.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// A stream was opened; Hello is due on it.
    pub fn opened(&mut self) {
        self.contact.opened();
    }

    /// A message came.
    pub fn received(&mut self, now: Instant, message: Incoming) {
        self.contact.heard(now);
        match message {
            Incoming::Welcome(welcome) => self.welcomed(now, welcome),
            Incoming::Study { id, spec } => drop(self.studies.insert(id, spec)),
            Incoming::Grants(grants) => self.granted(now, grants),
            Incoming::Ack(sequence) => self.acked(sequence),
            Incoming::Revoke(leases) => leases.iter().for_each(|lease| self.forget(lease)),
            Incoming::Drain => self.drain(now),
        }
    }

    /// The stream broke.
    pub fn lost(&mut self, now: Instant) {
        self.contact.lost(now);
    }

    /// A slot's trainer is up and has nothing to do.
    pub fn slot_free(&mut self, slot: usize) {
        self.slots.free(slot);
        self.dispatch();
    }

    /// A lease has news. News of a lease that is no longer held is dropped.
    pub fn reported(&mut self, report: Report) {
        if self.held.contains(&report.lease) {
            self.outbox.push(report);
        }
    }

    /// Hand back everything and take nothing new.
    pub fn drain(&mut self, now: Instant) {
        if self.drain.is_none() {
            self.drain = Some(now + DRAIN);
            self.hand_back();
        }
    }

    /// Time has passed.
    pub fn timeout(&mut self, now: Instant) {
        self.beat |= self.contact.beat(now);
        if self.contact.fence(now) {
            self.hand_back();
        }
        let (due, later) = mem::take(&mut self.senseless).into_iter().partition(|(_, until)| *until <= now);
        self.senseless = later;
        release(&mut self.outbox, BTreeMap::into_keys(due));
    }

    fn welcomed(&mut self, now: Instant, welcome: Welcome) {
        self.contact.welcomed(now, welcome.lease, welcome.heartbeat);
        self.studies.clear();
        self.told = None;
        self.granted = 0;
        self.outbox.rewind();
        let still_yours = BTreeSet::from_iter(welcome.still_yours);
        for lease in self.held.difference(&still_yours).cloned().collect::<Vec<_>>() {
            self.forget(&lease);
        }
    }

    fn granted(&mut self, now: Instant, grants: Vec<Result<Grant, Unusable>>) {
        // Even if the slot is free again before anything is sent: the coordinator counts what it gives out.
        self.told = None;
        self.granted += grants.len() as u64;
        for grant in grants {
            let lease = grant.as_ref().map_or_else(|unusable| &unusable.lease, |grant| &grant.lease).clone();
            if self.held.contains(&lease) {
                continue;
            }
            // A newer attempt says that the older one is over, even if its revocation went missing.
            let same = |held: &&LeaseId| (&held.study, held.trial) == (&lease.study, lease.trial);
            for older in self.held.iter().filter(same).cloned().collect::<Vec<_>>() {
                self.forget(&older);
            }
            self.held.insert(lease.clone());
            let study = match self.studies.get(&lease.study) {
                Some(spec) => spec.clone(),
                None => Err(format!("study {} was granted before it was announced", lease.study)),
            };
            match grant.map_err(|unusable| unusable.reason).and_then(|grant| Ok((grant, study?))) {
                Ok((grant, study)) => self.slots.push(Assignment { grant, study }),
                Err(reason) => {
                    self.senseless.insert(lease.clone(), now + SENSELESS);
                    self.actions.push(Action::Complain { lease, reason });
                }
            }
        }
        if self.drain.is_some() {
            self.hand_back();
        }
        self.dispatch();
    }

    fn acked(&mut self, sequence: u64) {
        for report in self.outbox.ack(sequence) {
            if report.news.is_final() {
                self.held.remove(&report.lease);
            }
        }
    }

    /// Gives up a lease that is somebody else's.
    fn forget(&mut self, lease: &LeaseId) {
        if self.held.remove(lease) {
            self.slots.forget(lease);
            self.senseless.remove(lease);
            self.outbox.forget(lease);
            self.actions.push(Action::Abandon(lease.clone()));
        }
    }

    /// Begins to hand back all leases; what has not begun is handed back as it came.
    fn hand_back(&mut self) {
        let senseless = mem::take(&mut self.senseless).into_keys();
        release(&mut self.outbox, self.slots.take_waiting().chain(senseless));
        self.actions.extend(self.held.iter().cloned().map(Action::HandBack));
    }

    fn dispatch(&mut self) {
        self.actions.extend(iter::from_fn(|| self.slots.start()));
    }

    /// How many more leases the worker can take now.
    fn credits(&self) -> u32 {
        match self.drain {
            Some(_) => 0,
            None => self.slots.credits(self.held.len()).saturating_sub(self.senseless.len() as u32),
        }
    }
}

/// Hands leases back as they came.
fn release(outbox: &mut Outbox, leases: impl Iterator<Item = LeaseId>) {
    for lease in leases {
        outbox.push(Report { lease, news: News::Released { checkpoint: None } });
    }
}
